//! Manifests and indexes that will not stay what they are, known before anything is written: signatures and attestations refer
//! to them by digest.
//!
//! Sources: docs/formats.md O-14, M-4.

use std::collections::HashMap;

use super::layers::LayerForm;
use crate::digest::Digest;
use crate::error::Result;
use crate::image::{Image, ImageEntry, ImageIndex, Layer, Node};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::spec::media_type::Family;

/// Warns of what refers by its digest to a manifest or index that will be rewritten, and is carried as it is.
///
/// # Errors
/// Under `--strict` the first warning.
pub(super) fn warn_of_referrers(
    entries: &[ImageEntry],
    form: &dyn Fn(&Layer) -> LayerForm,
    oci_types: bool,
    run: &Run,
) -> Result<()> {
    let mut rewritten = Rewritten { form, oci_types, known: HashMap::new() };
    for entry in entries {
        rewritten.node(&entry.node);
    }
    let gone = |digest: &Digest| rewritten.known.get(digest).is_some_and(|&is_rewritten| is_rewritten);
    let nodes = || entries.iter().map(|entry| &entry.node);
    for index in nodes().flat_map(Node::indexes) {
        // Of several for one manifest the first.
        let descriptors = index.children.iter().rev().map(|child| &child.descriptor);
        let attestations: HashMap<&str, &Descriptor> =
            descriptors.filter_map(|descriptor| Some((descriptor.attested()?, descriptor))).collect();
        for child in index.children.iter().filter(|child| gone(child.descriptor.digest())) {
            let subject = child.descriptor.digest().to_string();
            if let Some(attestation) = attestations.get(&*subject) {
                let problem = format!("it attests to {subject}, whose manifest had to be rewritten");
                run.diagnostics.warn_of_target(Rule::M4, attestation.digest().to_string(), problem)?;
            }
        }
    }
    for carried in nodes().flat_map(Node::artifacts).filter(|carried| !carried.attestation) {
        if let Some(subject) = carried.subject.as_ref().filter(|subject| gone(subject)) {
            let problem = format!("it refers to {subject}, which had to be rewritten");
            run.diagnostics.warn_of_target(Rule::M4, &carried.what, problem)?;
        }
    }
    Ok(())
}

/// Which manifests and indexes of the input will be rewritten, by their digests.
struct Rewritten<'a> {
    form: &'a dyn Fn(&Layer) -> LayerForm,
    oci_types: bool,
    known: HashMap<Digest, bool>,
}

impl Rewritten<'_> {
    fn node(&mut self, node: &Node) -> bool {
        match node {
            Node::Image(image) => self.image(image),
            Node::Index(index) => self.index(index),
            Node::Artifact(_) | Node::Missing(_) | Node::Broken(_) => false,
        }
    }

    fn image(&mut self, image: &Image) -> bool {
        let Some(manifest) = &image.manifest else { return false };
        if let Some(&known) = self.known.get(&manifest.digest) {
            return known;
        }
        let has_new_types = || self.oci_types && manifest.view.clone().with_family(Family::Oci) != manifest.view;
        let is_rewritten = image.layers.iter().any(|layer| !(self.form)(layer).is_kept) || has_new_types();
        self.known.insert(manifest.digest.clone(), is_rewritten);
        is_rewritten
    }

    fn index(&mut self, index: &ImageIndex) -> bool {
        if let Some(&known) = self.known.get(&index.document.digest) {
            return known;
        }
        let view = &index.document.view;
        let mut is_rewritten = self.oci_types && view.clone().with_family(Family::Oci) != *view;
        for child in &index.children {
            is_rewritten |= self.node(&child.node);
        }
        self.known.insert(index.document.digest.clone(), is_rewritten);
        is_rewritten
    }
}
