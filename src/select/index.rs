//! The selected parts of an index: images for the selected platforms, attestations, entries that the archive holds.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::platforms::Wanted;
use crate::error::Result;
use crate::image::{Child, Image, ImageEntry, ImageIndex, Node, platform_title};
use crate::options::{Attestations, ConvertOptions, IndexPolicy};
use crate::rule::Rule;
use crate::run::Run;

/// The part of an entry that a layout will hold; `None` when nothing of it is in the archive.
pub(super) fn for_layout(
    wanted: &Wanted<'_>,
    options: &ConvertOptions,
    shorter: &mut ShorterIndexes,
    run: &Run,
) -> Result<Option<Node>> {
    let (node, at) = (&wanted.entry.node, wanted.at());
    if wanted.platforms.is_none() {
        let node = match options.attestations {
            Some(Attestations::Drop) => without_attestations(node, shorter),
            Some(Attestations::Keep) | None => Some(node.clone()),
        };
        return node.map_or(Ok(None), |node| prune(&node, &at, options.index, shorter, run));
    }
    match node {
        Node::Image(_) => wanted.images().map(|_| Some(node.clone())),
        Node::Index(index) => {
            on_platforms(index, wanted, options.attestations == Some(Attestations::Keep), shorter, run)
        }
        Node::Missing(_) | Node::Artifact(_) | Node::Broken(_) => prune(node, &at, options.index, shorter, run),
    }
}

/// Returns the one selected image of `index`, or a shorter index of several.
fn on_platforms(
    index: &Arc<ImageIndex>,
    wanted: &Wanted<'_>,
    keeps_attestations: bool,
    shorter: &mut ShorterIndexes,
    run: &Run,
) -> Result<Option<Node>> {
    let (images, at) = (wanted.images()?, wanted.at());
    if let ([image], Some([_]), false) = (&images[..], wanted.platforms.as_deref(), keeps_attestations) {
        note_left_out(index, image, &at, run);
        return Ok(Some(Node::Image(Arc::clone(image))));
    }
    let kept = keep_images(index, &images, keeps_attestations, shorter).map(Node::Index);
    let of_kept: HashSet<_> = kept.iter().flat_map(Node::leaves).map(Node::address).collect();
    let left_out = left_out(index, |node| of_kept.contains(&node.address()));
    if !left_out.is_empty() {
        let taken: Vec<_> = images.iter().map(|image| image.platform.to_string()).collect();
        let (taken, left_out) = (taken.join(", "), left_out.join(", "));
        run.diagnostics.note(Rule::O14, at, format!("a new index lists {taken}; left out: {left_out}"));
    }
    Ok(kept)
}

/// Reports what is left out of an index when each of its images is taken by itself.
pub(super) fn note_taken_apart(entry: &ImageEntry, index: &ImageIndex, images: &[&Arc<Image>], run: &Run) {
    let taken: HashSet<_> = images.iter().map(|image| image.identity()).collect();
    let is_taken = |node: &Node| taken.contains(&node.identity());
    let left_out = [vec!["the index".to_owned()], left_out(index, is_taken)].concat();
    let at = entry.at();
    run.diagnostics.note(
        Rule::O12,
        at,
        format!("each platform is written on its own; left out: {}", left_out.join(", ")),
    );
}

/// Reports what is left out of an index when one of its images is taken.
pub(super) fn note_left_out(index: &ImageIndex, image: &Arc<Image>, at: &str, run: &Run) {
    let is_taken = |node: &Node| matches!(node, Node::Image(other) if other.identity() == image.identity());
    let left_out = [vec!["the index".to_owned()], left_out(index, is_taken)].concat();
    run.diagnostics.note(
        Rule::O12,
        at,
        format!("only {} is written; left out: {}", image.platform, left_out.join(", ")),
    );
}

/// Describes what is below `index` and not kept.
fn left_out(index: &ImageIndex, is_kept: impl Fn(&Node) -> bool) -> Vec<String> {
    let below = index.children.iter().flat_map(|child| child.node.leaves());
    let gone = below.filter(|node| !is_kept(node));
    gone.filter_map(|node| match node {
        Node::Image(image) => Some(image.platform.to_string()),
        Node::Artifact(artifact) => Some(artifact.what.clone()),
        Node::Missing(missing) => {
            let what = missing.platform.as_ref().map_or_else(|| missing.member.clone(), ToString::to_string);
            Some(format!("{what} (absent)"))
        }
        Node::Broken(broken) => Some(format!("{} (broken)", platform_title(broken.platform.as_ref()))),
        Node::Index(_) => None,
    })
    .collect()
}

/// Returns true if `node` is a BuildKit attestation manifest.
pub(super) fn is_attestation(node: &Node) -> bool {
    matches!(node, Node::Artifact(artifact) if artifact.attestation)
}

/// Returns `node` without the entries that are not in the archive, as `policy` requires.
fn prune(node: &Node, at: &str, policy: IndexPolicy, shorter: &mut ShorterIndexes, run: &Run) -> Result<Option<Node>> {
    match node {
        Node::Image(_) | Node::Artifact(_) => Ok(Some(node.clone())),
        Node::Broken(broken) => Err(broken.error(at)),
        Node::Missing(missing) => match policy {
            IndexPolicy::Strict | IndexPolicy::Keep => Ok(Some(node.clone())),
            IndexPolicy::Prune => {
                let what = platform_title(missing.platform.as_ref());
                let problem = format!("{what} is listed but `{}` is not in the archive; left out", missing.member);
                run.diagnostics.warn(Rule::O15, at, problem)?;
                Ok(None)
            }
        },
        Node::Index(index) => {
            let children = index.children.iter();
            let kept =
                children.map(|child| prune(&child.node, at, policy, shorter, run)).collect::<Result<Vec<_>>>()?;
            Ok(shorter.with(index, &kept).map(Node::Index))
        }
    }
}

fn without_attestations(node: &Node, shorter: &mut ShorterIndexes) -> Option<Node> {
    match node {
        Node::Artifact(artifact) if artifact.attestation => None,
        Node::Index(index) => {
            let kept: Vec<_> = index.children.iter().map(|child| without_attestations(&child.node, shorter)).collect();
            shorter.with(index, &kept).map(Node::Index)
        }
        Node::Image(_) | Node::Artifact(_) | Node::Missing(_) | Node::Broken(_) => Some(node.clone()),
    }
}

/// The index with only these images, and their attestations if those are kept.
fn keep_images(
    index: &Arc<ImageIndex>,
    images: &[&Arc<Image>],
    attestations: bool,
    shorter: &mut ShorterIndexes,
) -> Option<Arc<ImageIndex>> {
    let manifests = images.iter().filter(|_| attestations).filter_map(|image| image.manifest.as_ref());
    let kept = KeptImages {
        images: images.iter().copied().map(Arc::as_ptr).collect(),
        attested: manifests.map(|manifest| manifest.digest.to_string()).collect(),
    };
    kept.of_index(index, shorter)
}

/// The images of an index that are kept.
struct KeptImages {
    /// Their addresses.
    images: HashSet<*const Image>,
    /// The digests of the manifests whose attestations are kept.
    attested: HashSet<String>,
}

impl KeptImages {
    fn of_index(&self, index: &Arc<ImageIndex>, shorter: &mut ShorterIndexes) -> Option<Arc<ImageIndex>> {
        let node_of = |child: &Child| match &child.node {
            Node::Image(image) => self.images.contains(&Arc::as_ptr(image)).then(|| child.node.clone()),
            Node::Index(nested) => self.of_index(nested, shorter).map(Node::Index),
            Node::Artifact(artifact) => {
                let is_kept = child.descriptor.attested().is_some_and(|subject| self.attested.contains(subject));
                (artifact.attestation && is_kept).then(|| child.node.clone())
            }
            Node::Missing(_) | Node::Broken(_) => None,
        };
        let kept: Vec<_> = index.children.iter().map(node_of).collect();
        shorter.with(index, &kept)
    }
}

/// The indexes that have lost some of what they list. Thousands of entries may list one index, which is shortened once for
/// all that keep the same of it.
#[derive(Default)]
pub(super) struct ShorterIndexes(HashMap<ShorterKey, Arc<ImageIndex>>);

/// The addresses of an index and of the nodes that are kept of its children, in their order. All live as long as the map: the
/// entries or the map itself hold them.
type ShorterKey = (*const ImageIndex, Vec<Option<*const ()>>);

impl ShorterIndexes {
    /// Returns `index` with only these of its children: itself if it keeps them all as they are, `None` if it keeps none.
    fn with(&mut self, index: &Arc<ImageIndex>, kept: &[Option<Node>]) -> Option<Arc<ImageIndex>> {
        let pairs = || kept.iter().zip(&index.children);
        if pairs().all(|(kept, child)| kept.as_ref().is_some_and(|kept| kept.is_same(&child.node))) {
            return Some(Arc::clone(index));
        }
        if kept.iter().all(Option::is_none) {
            return None;
        }
        let key = (Arc::as_ptr(index), kept.iter().map(|kept| kept.as_ref().map(Node::address)).collect());
        let shortened = self.0.entry(key).or_insert_with(|| {
            let child = |(kept, child): (&Option<Node>, &Child)| {
                kept.clone().map(|node| Child { descriptor: child.descriptor.clone(), node })
            };
            Arc::new(ImageIndex { document: index.document.clone(), children: pairs().filter_map(child).collect() })
        });
        Some(Arc::clone(shortened))
    }
}
