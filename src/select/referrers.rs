//! Artifacts that refer to the selected images: their signatures, and all else that has them as its subject (O-14).

use std::collections::HashSet;

use crate::digest::Digest;
use crate::image::{ImageEntry, ImageSet, Name, Node};

/// Adds to `picked` the artifacts of `set` that are about them, and those about these.
pub(super) fn add(set: &ImageSet, picked: &mut Vec<ImageEntry>) {
    let mut subjects: HashSet<Digest> = picked.iter().flat_map(digests).collect();
    let taken: HashSet<*const ()> = picked.iter().map(|entry| entry.node.address()).collect();
    let is_left = |entry: &&ImageEntry| entry.node.is_artifact() && !taken.contains(&entry.node.address());
    let mut waiting: Vec<&ImageEntry> = set.entries.iter().filter(is_left).collect();
    loop {
        let (about, others) = waiting
            .into_iter()
            .partition::<Vec<_>, _>(|entry| subjects_of(entry).iter().any(|subject| subjects.contains(subject)));
        if about.is_empty() {
            return;
        }
        subjects.extend(about.iter().flat_map(|entry| digests(entry)));
        picked.extend(about.into_iter().cloned());
        waiting = others;
    }
}

/// The manifests and indexes that an entry leads to.
fn digests(entry: &ImageEntry) -> Vec<Digest> {
    let images = entry.node.images().into_iter().filter_map(|image| Some(image.manifest.as_ref()?.digest.clone()));
    let indexes = entry.node.indexes().into_iter().map(|index| index.document.digest.clone());
    images.chain(indexes).chain(entry.descriptor.iter().map(|descriptor| descriptor.digest().clone())).collect()
}

/// Returns the digests that an artifact refers to: its subject, and the `sha256-<hex>` that begins its tag.
fn subjects_of(entry: &ImageEntry) -> Vec<Digest> {
    let Node::Artifact(artifact) = &entry.node else { return Vec::new() };
    let tags = entry.names.iter().filter_map(|name| match name {
        Name::Reference(reference) => reference.tag(),
        Name::Tag(text) | Name::Text(text) => Some(text),
    });
    let hex = tags.filter_map(|tag| tag.strip_prefix("sha256-")?.get(..64));
    artifact.subject.iter().cloned().chain(hex.filter_map(Digest::from_sha256_hex)).collect()
}
