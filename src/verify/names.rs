//! Names that engines refuse, and names that two images claim.
//!
//! Sources: docs/formats.md N-9, O-23, O-26.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Verification;
use crate::diagnostics::Diagnostic;
use crate::digest::Digest;
use crate::image::{ImageEntry, ListedNode, Name, Node, REF_NAME};
use crate::path::quote;
use crate::reader::Format;
use crate::rule::Rule;
use crate::select::{Naming, OneName};
use crate::spec::descriptor::Descriptor;
use crate::spec::docker::{MANIFEST_MEMBER, ManifestItem, REPOSITORIES_MEMBER};
use crate::spec::oci::INDEX_MEMBER;
use crate::spec::reference::is_ref_name;

impl Verification<'_> {
    /// Checks the names of all that is listed.
    pub(super) fn names(&mut self) {
        if let Some(listing) = &self.set.index_json {
            listing.listed.iter().for_each(|entry| self.ref_name(entry));
            self.conflicts_of_entries(&listing.listed);
        }
        match (self.archive.format, &self.set.manifest_json) {
            (Format::Docker, Some(listing)) => {
                let items =
                    listing.listed.iter().map(|item| (item.at.as_str(), Name::of_item(&item.written), &item.node));
                self.conflicts(items);
            }
            (Format::V1, _) => {
                let at = self.archive.members.at(REPOSITORIES_MEMBER);
                let entries = self.set.entries.iter().map(|entry| (at.as_str(), entry.names.clone(), &entry.node));
                self.conflicts(entries);
            }
            (Format::Hybrid, Some(listing)) => self.unknown_to_docker(&listing.listed),
            (Format::Oci | Format::Delta | Format::Hybrid | Format::Docker | Format::Dir, _) => {}
        }
    }

    /// O-23: skopeo selects by names of one form alone.
    fn ref_name(&mut self, entry: &ListedNode<Descriptor>) {
        if let Some(text) = entry.written.annotation(REF_NAME).filter(|text| !is_ref_name(text)) {
            let problem = format!("{REF_NAME}: `{}` is not of the form that skopeo can select", quote(text));
            self.add(Diagnostic::warning(Rule::O23, &entry.at, problem));
        }
    }

    /// N-9: a name stands for images of which no two are for one platform.
    fn conflicts_of_entries(&mut self, listed: &[ListedNode<Descriptor>]) {
        let archive: Arc<str> = self.set.archive.as_str().into();
        let there = listed.iter().filter(|entry| !matches!(entry.node, Node::Missing(_) | Node::Broken(_)));
        let entries: Vec<(&str, Name, ImageEntry)> = there
            .filter_map(|ListedNode { at, written, node }| {
                let (archive, descriptor) = (Arc::clone(&archive), Some(written.clone()));
                let entry = ImageEntry { archive, names: Vec::new(), descriptor, node: node.clone() };
                Some((at.as_str(), Name::of(written)?, entry))
            })
            .collect();
        let places: HashMap<*const ImageEntry, &str> =
            entries.iter().map(|(at, _, entry)| (std::ptr::from_ref(entry), *at)).collect();
        let mut known: HashMap<&Name, OneName<'_>> = HashMap::new();
        for (at, name, entry) in &entries {
            let Naming::Taken(other) = known.entry(name).or_default().add(entry) else { continue };
            let digest = |entry: &ImageEntry| entry.descriptor.as_ref().map(|descriptor| descriptor.digest().clone());
            if let (Some(expected), Some(found)) = (digest(other), digest(entry)) {
                self.conflict(name, at, places[&std::ptr::from_ref(other)], &expected, &found);
            }
        }
    }

    /// The same for formats that cannot have several platforms under one name, so that a name stands for one image.
    fn conflicts<'n>(&mut self, listed: impl Iterator<Item = (&'n str, Vec<Name>, &'n Node)>) {
        let mut known: HashMap<Name, (&str, &Digest)> = HashMap::new();
        for (at, names, node) in listed {
            let Node::Image(image) = node else { continue };
            for name in names {
                let (other_at, other) = *known.entry(name.clone()).or_insert((at, &image.image_id));
                self.conflict(&name, at, other_at, other, &image.image_id);
            }
        }
    }

    fn conflict(&mut self, name: &Name, at: &str, other_at: &str, other: &Digest, digest: &Digest) {
        if other != digest {
            let problem = format!("two images have the name {name}, the other one in {other_at}");
            self.add(Diagnostic::error(Rule::N9, at, problem).values(other, digest));
        }
    }

    /// O-26: names of the layout that engines which read `manifest.json` do not see.
    fn unknown_to_docker(&mut self, items: &[ListedNode<ManifestItem>]) {
        let known: HashSet<Name> = items.iter().flat_map(|item| Name::of_item(&item.written)).collect();
        let of_layout = self.set.entries.iter().filter(|entry| entry.descriptor.is_some());
        let with_images = of_layout.filter(|entry| !entry.node.image_ids().is_empty());
        let mut unknown: Vec<&Name> =
            with_images.flat_map(|entry| &entry.names).filter(|name| !known.contains(name)).collect();
        unknown.sort();
        let at = self.archive.members.at(MANIFEST_MEMBER);
        for name in unknown {
            let problem = format!("{name} is in {INDEX_MEMBER} only: engines that read this file do not see it");
            self.add(Diagnostic::note(Rule::O26, &at, problem));
        }
    }
}
