//! Layouts with docker's `manifest.json` beside: what Docker 25 and later, containerd and imgtar itself write.
//!
//! Half of the engines read one half, half the other, so the two must name the same images. `index.json` is the truth
//! here, because it alone can carry manifests; `manifest.json` is held against it.
//!
//! Sources: docs/formats.md O-25, O-26, L-8, H-13.

use std::collections::HashSet;
use std::sync::Arc;

use super::{docker, oci};
use crate::archive::Index;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::{Blob, Entry, Image, ImageSet, Layer, Name, Node};
use crate::notice::Fault;
use crate::run::Run;
use crate::spec::docker::{MANIFEST_MEMBER, ManifestItem};

/// A half of a hybrid archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// `index.json`.
    Oci,
    /// `manifest.json`.
    Docker,
}

/// Reads both halves and refuses what they disagree about, or reads the one that is preferred.
pub(super) fn read(index: &Index, prefer: Option<Half>, run: &Run) -> Result<ImageSet> {
    if prefer == Some(Half::Docker) {
        return docker::read(index, run);
    }
    let mut set = oci::read(index, run)?;
    let items = docker::items(index, run)?;
    for entry in &mut set.entries {
        if let Node::Image(image) = &entry.node
            && let Some(layers) = in_order(image, &items)
        {
            let problem = "its manifest lists the layers in another order than its config, as Docker 25.0 did; the \
                               config's order is used and the manifest made anew";
            run.notices.warn(Fault::Input, &image.at, problem)?;
            entry.node = Node::Image(Arc::new(reordered(image, layers)));
        }
    }
    if prefer.is_none() {
        reconcile(index, &items, &mut set, run)?;
    }
    Ok(set)
}

/// Holds `manifest.json` against the images of the layout; untagged items that are only there are added (O-25).
fn reconcile(index: &Index, items: &[ManifestItem], set: &mut ImageSet, run: &Run) -> Result<()> {
    let known = Known::of(set);
    let mut places = docker::Places::default();
    for (position, item) in items.iter().enumerate() {
        let image = docker::image(index, item, position, &mut places, run)?;
        let names = docker::names(item, &image.at, run)?;
        if names.is_empty() {
            if !known.images.contains(&image.image_id) {
                let problem = "an untagged image is in manifest.json but not in index.json; it is taken over";
                run.notices.warn(Fault::Input, &image.at, problem)?;
                set.entries.push(Entry { names, descriptor: None, node: Node::Image(Arc::new(image)) });
            }
            continue;
        }
        let is_known = |name: &&Name| known.named.contains(&((*name).clone(), image.image_id.clone()));
        if let Some(name) = names.iter().find(|name| !is_known(name)) {
            return Err(Error::invalid(
                index.at(MANIFEST_MEMBER),
                format!(
                    "it says that {name} is image {}, index.json does not; --prefer oci or --prefer docker decides",
                    image.image_id
                ),
            ));
        }
    }
    Ok(())
}

/// What `index.json` says, as far as `manifest.json` can say it too.
struct Known {
    images: HashSet<Digest>,
    named: HashSet<(Name, Digest)>,
}

impl Known {
    fn of(set: &ImageSet) -> Self {
        let mut known = Self { images: HashSet::new(), named: HashSet::new() };
        for entry in &set.entries {
            for image in entry.node.images() {
                known.images.insert(image.image_id.clone());
                known.named.extend(entry.names.iter().map(|name| (name.clone(), image.image_id.clone())));
            }
        }
        known
    }
}

/// The layers in the config's order, if the manifest has the same ones in another (O-25).
///
/// Plain layers tell their place by their digest, the others by `manifest.json`, whose order was never wrong. Either way the
/// manifest vouches for nothing any more, so the diff_ids are checked (M-11).
fn in_order(image: &Image, items: &[ManifestItem]) -> Option<Vec<Layer>> {
    let listed: Vec<&Digest> = image.layers.iter().filter_map(Layer::listed_digest).collect();
    let all_plain = image.layers.iter().all(|layer| layer.blob.as_ref().is_some_and(Blob::is_plain));
    let order: Vec<String> = if all_plain {
        image.config.diff_ids().iter().map(|diff_id| diff_id.digest().blob_path()).collect()
    } else {
        let config = image.manifest.as_ref()?.view.config().digest().blob_path();
        items.iter().find(|item| item.config == config)?.layers.clone()
    };
    if listed.iter().map(|digest| digest.blob_path()).eq(order.iter().cloned()) || order.len() != listed.len() {
        return None;
    }
    let mut rest: Vec<&Layer> = image.layers.iter().collect();
    let mut ordered = Vec::with_capacity(rest.len());
    for (member, diff_id) in order.iter().zip(image.config.diff_ids()) {
        let is_it = |layer: &&Layer| layer.listed_digest().is_some_and(|digest| digest.blob_path() == *member);
        let found = rest.iter().position(is_it)?;
        ordered.push(Layer { diff_id: diff_id.clone(), ..rest.swap_remove(found).clone() });
    }
    Some(ordered)
}

fn reordered(image: &Image, layers: Vec<Layer>) -> Image {
    Image {
        at: image.at.clone(),
        config: image.config.clone(),
        image_id: image.image_id.clone(),
        layers,
        manifest: None,
        platform: image.platform.clone(),
        parent: image.parent.clone(),
    }
}
