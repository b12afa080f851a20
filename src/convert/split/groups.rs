//! Which entries go into one archive.
//!
//! Source: docs/bundles.md B-41.

use std::collections::{BTreeSet, HashMap};
use std::mem;

use crate::digest::Digest;
use crate::error::Result;
use crate::image::{ImageEntry, ImageSet, Name, Node};
use crate::options::{ConvertOptions, Target};
use crate::rule::Rule;
use crate::run::Run;
use crate::select;

/// Puts `entries` into the archives that they belong to: images by themselves, with all that shares a name where the target
/// holds several platforms; what refers to an image, such as its signature, with it.
///
/// # Errors
/// If there is no image among them, which were chosen from those of `read`.
pub(in crate::convert) fn groups(
    entries: Vec<ImageEntry>,
    read: &ImageSet,
    options: &ConvertOptions,
    run: &Run,
) -> Result<Vec<Vec<ImageEntry>>> {
    let is_together = matches!(options.target, Target::Oci(_)) && !options.each_platform;
    let mut groups = Groups::default();
    let (images, beside): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| !matches!(entry.node, Node::Artifact(_)));
    for entry in images {
        groups.add(entry, is_together);
    }
    // Those that became part of another are empty.
    groups.all.retain(|group| !group.is_empty());
    for entry in groups.attach(beside) {
        run.diagnostics.note(Rule::B41, entry.at(), "it belongs to no image that is written; left out");
    }
    if groups.all.is_empty() {
        return Err(select::no_image(read));
    }
    Ok(groups.all)
}

#[derive(Default)]
struct Groups {
    all: Vec<Vec<ImageEntry>>,
    /// The number of the group that has an image of this name.
    by_name: HashMap<Name, usize>,
}

impl Groups {
    /// Adds an entry to the group that has one of its names, or makes a new one; groups that it ties together become one.
    fn add(&mut self, entry: ImageEntry, is_together: bool) {
        let known: BTreeSet<usize> = match is_together {
            true => entry.names.iter().filter_map(|name| self.by_name.get(name).copied()).collect(),
            false => BTreeSet::new(),
        };
        let place = known.first().copied().unwrap_or(self.all.len());
        for other in known.into_iter().skip(1) {
            let moved = mem::take(&mut self.all[other]);
            self.by_name.extend(moved.iter().flat_map(|entry| &entry.names).map(|name| (name.clone(), place)));
            self.all[place].extend(moved);
        }
        self.by_name.extend(entry.names.iter().map(|name| (name.clone(), place)));
        match self.all.get_mut(place) {
            Some(group) => group.push(entry),
            None => self.all.push(vec![entry]),
        }
    }

    /// Puts artifacts where what they refer to is; gives back those that refer to nothing that is written.
    fn attach(&mut self, beside: Vec<ImageEntry>) -> Vec<ImageEntry> {
        let mut places: HashMap<String, usize> = HashMap::new();
        for (place, group) in self.all.iter().enumerate() {
            for node in group.iter().map(|entry| &entry.node) {
                let manifests = node.images().into_iter().map(|image| image.own_digest());
                let indexes = node.indexes().into_iter().map(|index| &index.document.digest);
                for digest in manifests.chain(indexes) {
                    places.entry(digest.to_string()).or_insert(place);
                }
            }
        }
        let mut left = Vec::new();
        for entry in beside {
            let subjects = entry.node.artifacts().into_iter().filter_map(|artifact| artifact.subject.as_ref());
            let digests = subjects.map(Digest::to_string).chain(entry.names.iter().filter_map(tagged_digest));
            match digests.into_iter().find_map(|digest| places.get(&digest)) {
                Some(&place) => self.all[place].push(entry),
                None => left.push(entry),
            }
        }
        left
    }
}

/// The digest of the image to which a name like `app:sha256-….sig` belongs (docs/formats.md O-14).
fn tagged_digest(name: &Name) -> Option<String> {
    let tag = match name {
        Name::Reference(reference) => reference.tag()?,
        Name::Tag(text) | Name::Text(text) => text,
    };
    let (algorithm, rest) = tag.split_once('-')?;
    Some(format!("{algorithm}:{}", rest.split('.').next()?))
}
