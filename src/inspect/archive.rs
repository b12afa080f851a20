//! Facts about the archive rather than about one of its images.

use std::hash::Hash;

use indexmap::IndexSet;
use serde::Serialize;

use super::image::DecodedLayers;
use crate::diagnostics::{Diagnostic, Rule};
use crate::image::{self, ImageEntry, ImageSet, Node, distinct};
use crate::path::escape_for_terminal;
use crate::select::SelectedImage;
use crate::spec::v1::Steps;
use crate::words::counted;

/// A manifest or blob that the archive lists and that is not an image.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct ArtifactFacts {
    /// A short description of its kind.
    pub what: String,
    /// True if it is an attestation of an image (docs/formats.md O-13).
    pub attestation: bool,
    /// The digest by which it is listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Bytes of its blobs.
    pub size: u64,
}

/// Something listed that is not there, or not all of it (docs/formats.md O-15).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct MissingFacts {
    /// Its platform, if that is listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The member that is missing.
    pub member: String,
    /// The document that names it.
    pub named_by: String,
}

/// Blobs that nothing refers to (docs/formats.md O-3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnreferencedFacts {
    /// The number of blobs.
    pub blobs: usize,
    /// The sum of their sizes, in bytes.
    pub size: u64,
}

/// Returns the facts of the artifacts listed below `entries`: all that is neither an image nor an index.
pub(super) fn artifacts(entries: &[ImageEntry]) -> Vec<ArtifactFacts> {
    let facts = |artifact: &image::Artifact| {
        // The document itself is the last of its blobs.
        let digest = artifact.blobs.last().map(|blob| blob.digest.to_string());
        let size = artifact.blobs.iter().map(|blob| blob.extent.size()).sum();
        ArtifactFacts { what: artifact.what.clone(), attestation: artifact.attestation, digest, size }
    };
    distinct_leaves(entries, |node| match node {
        Node::Artifact(artifact) => Some(facts(artifact)),
        _ => None,
    })
}

/// Returns the facts of the documents and blobs that are listed below `entries` but missing from the archive.
pub(super) fn missing(entries: &[ImageEntry]) -> Vec<MissingFacts> {
    let facts = |missing: &image::Missing| MissingFacts {
        platform: missing.platform.as_ref().map(ToString::to_string),
        member: missing.member.clone(),
        named_by: escape_for_terminal(missing.named_by.as_bytes()),
    };
    distinct_leaves(entries, |node| match node {
        Node::Missing(node) => Some(facts(node)),
        _ => None,
    })
}

/// Returns what `take` finds in the nodes that are not indexes, in their order, each once.
fn distinct_leaves<T: Eq + Hash>(entries: &[ImageEntry], take: impl Fn(&Node) -> Option<T>) -> Vec<T> {
    let leaves = entries.iter().flat_map(|entry| entry.node.leaves());
    leaves.filter_map(take).collect::<IndexSet<T>>().into_iter().collect()
}

/// Returns the errors of the images and indexes below `entries` that could not be read.
pub(super) fn broken(entries: &[ImageEntry]) -> Vec<Diagnostic> {
    distinct_leaves(entries, |node| match node {
        Node::Broken(broken) => broken.error.as_ref().and_then(|error| Diagnostic::of(error)),
        _ => None,
    })
}

/// Counts the blobs that no index or manifest refers to; `None` if there are none.
pub(super) fn unreferenced(images: &ImageSet) -> Option<UnreferencedFacts> {
    let (blobs, size) = (images.unreferenced.len(), images.unreferenced.iter().map(|blob| blob.extent.size()).sum());
    (blobs > 0).then_some(UnreferencedFacts { blobs, size })
}

/// Returns the oddities of which the reader does not warn, because no conversion depends on them.
pub(super) fn findings(chosen: &[SelectedImage], decoded: &DecodedLayers) -> Vec<Diagnostic> {
    let history = |chosen: &SelectedImage| {
        let (steps, layers) = (chosen.image.config.history(), chosen.image.layers.len());
        (!Steps::of(steps, layers).fit).then(|| {
            let made = steps.iter().filter(|step| !step.empty_layer).count();
            let problem = format!("its history describes {}, but it has {layers}", counted(made, "layer"));
            Diagnostic::warning(Rule::L16, chosen.title(), problem)
        })
    };
    let layers = distinct(chosen.iter().flat_map(|chosen| chosen.image.layers.iter()));
    let of_layers = layers.filter_map(|layer| Some(decoded.get(&layer.content_key())?.findings(&layer.at)));
    chosen.iter().filter_map(history).chain(of_layers.flatten()).collect()
}
