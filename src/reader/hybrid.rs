//! Layouts with docker's `manifest.json` beside: what Docker 25 and later, containerd and imgtar itself write.
//!
//! Half of the engines read one half, half the other, so the two must name the same images. `index.json` is the truth
//! here, because it alone can carry manifests; `manifest.json` is held against it.
//!
//! Sources: docs/formats.md O-25, O-26, L-8, H-13.

use std::collections::{HashMap, HashSet, hash_map};
use std::sync::Arc;

use super::{docker, oci};
use crate::archive::MemberIndex;
use crate::digest::{DiffId, Digest};
use crate::error::{Error, Result};
use crate::image::{Blob, Image, ImageEntry, ImageSet, Layer, Name, Node};
use crate::options::Half;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::docker::{MANIFEST_MEMBER, ManifestItem};

/// Reads both halves and refuses what they disagree about, or reads the one that is preferred.
pub(super) fn read(index: &MemberIndex, prefer: Option<Half>, run: &Run) -> Result<ImageSet> {
    if prefer == Some(Half::Docker) {
        return docker::read(index, run);
    }
    let mut set = oci::read(index, run)?;
    let items = docker::items(index, run)?;
    put_in_order(&mut set.entries, &items, run)?;
    if prefer.is_none() {
        reconcile(index, &items, &mut set, run)?;
    }
    Ok(set)
}

/// Holds `manifest.json` against the images of the layout; untagged items that are only there are added (O-25).
fn reconcile(index: &MemberIndex, items: &[ManifestItem], set: &mut ImageSet, run: &Run) -> Result<()> {
    let known = Known::of(set);
    let mut places = docker::Places::default();
    for (position, item) in items.iter().enumerate() {
        let image = docker::image(index, item, position, &mut places, run)?;
        let names = docker::names(item, &image.at, run)?;
        if names.is_empty() {
            if !known.images.contains(&image.image_id) {
                let problem = "an untagged image is in manifest.json but not in index.json; it is taken over";
                run.diagnostics.warn(Rule::O25, &image.at, problem)?;
                set.entries.push(ImageEntry { names, descriptor: None, node: Node::Image(Arc::new(image)) });
            }
            continue;
        }
        let is_known = |name: &&Name| known.named.contains(&((*name).clone(), image.image_id.clone()));
        if let Some(name) = names.iter().find(|name| !is_known(name)) {
            return Err(Error::invalid(
                Rule::H13,
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

/// Gives images whose manifest lists the layers in another order than their config the config's order, each once however
/// often it is listed.
fn put_in_order(entries: &mut [ImageEntry], items: &[ManifestItem], run: &Run) -> Result<()> {
    let mut listed: HashMap<&str, &[String]> = HashMap::new();
    for item in items {
        listed.entry(&item.config).or_insert(&item.layers);
    }
    let mut seen: HashMap<*const Image, Option<Arc<Image>>> = HashMap::new();
    for entry in entries {
        let Node::Image(image) = &entry.node else { continue };
        let in_order = match seen.entry(Arc::as_ptr(image)) {
            hash_map::Entry::Occupied(seen) => seen.into_mut(),
            hash_map::Entry::Vacant(unseen) => {
                let layers = in_order(image, &listed);
                if layers.is_some() {
                    let problem = "its manifest lists the layers in another order than its config, as Docker 25.0 did; \
                                   the config's order is used and the manifest made anew";
                    run.diagnostics.warn(Rule::O25, &image.at, problem)?;
                }
                unseen.insert(layers.map(|layers| Arc::new(reordered(image, layers))))
            }
        };
        if let Some(image) = in_order {
            entry.node = Node::Image(Arc::clone(image));
        }
    }
    Ok(())
}

/// The layers in the config's order, if the manifest has the same ones in another (O-25).
///
/// Plain layers tell their place by their digest, the others by `manifest.json`, whose order was never wrong. Either way the
/// manifest vouches for nothing any more, so the diff_ids are checked (M-11).
fn in_order(image: &Image, listed: &HashMap<&str, &[String]>) -> Option<Vec<Layer>> {
    let paths: Vec<String> = image.layers.iter().filter_map(Layer::listed_digest).map(Digest::blob_path).collect();
    let all_plain = image.layers.iter().all(|layer| layer.blob.as_ref().is_some_and(Blob::is_plain));
    let order: Vec<String> = if all_plain {
        image.config.diff_ids().iter().map(|diff_id| diff_id.digest().blob_path()).collect()
    } else {
        let config = image.manifest.as_ref()?.view.config().digest().blob_path();
        listed.get(&*config)?.to_vec()
    };
    if paths == order || order.len() != paths.len() {
        return None;
    }
    let mut rest: HashMap<String, Vec<&Layer>> = HashMap::new();
    for (path, layer) in paths.into_iter().zip(&image.layers).rev() {
        rest.entry(path).or_default().push(layer);
    }
    let in_place = |(member, diff_id): (&String, &DiffId)| {
        let layer = rest.get_mut(member)?.pop()?;
        Some(Layer { diff_id: diff_id.clone(), ..layer.clone() })
    };
    order.iter().zip(image.config.diff_ids()).map(in_place).collect()
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
