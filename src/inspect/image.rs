//! Facts about the images that are meant.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::{Config, Depth, Layer, layer};
use crate::choice::Chosen;
use crate::error::Result;
use crate::image::{self, ImageSet, Name, Node};
use crate::run::Run;
use crate::spec::v1::Steps;
use crate::stream::pool;

/// One image for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Image {
    /// The number by which `--image @N` means it; platforms of one index share it.
    pub position: usize,
    /// Its names in Docker's familiar spelling; none if it is untagged.
    pub names: Vec<String>,
    /// The digest of its config.
    pub image_id: String,
    /// The manifest that ties config and layers together, where the format has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
    /// The index that lists it among other platforms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<Manifest>,
    /// What it runs on: `os/architecture`, with a variant if it has one.
    pub platform: String,
    /// The version of the system it runs on, which images of Windows have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// When it was made, as its config spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The docker that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker_version: Option<String>,
    /// The image ID of the parent, which only docker's own archives tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Bytes of its layers as stored, one that is repeated counted once.
    pub size: u64,
    /// Bytes of its layers uncompressed, each as often as it is applied; nothing unless known of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpacked: Option<u64>,
    /// What a container of it starts with.
    pub config: Config,
    /// Its layers, base first.
    pub layers: Vec<Layer>,
}

/// A manifest or index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The digest of its bytes.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub size: u64,
}

/// The facts of `chosen`, images of `set`.
pub(super) fn facts(set: &ImageSet, chosen: &[Chosen], depth: Depth, run: &Run) -> Result<Vec<Image>> {
    chosen.iter().map(|chosen| of(set, chosen, depth, run)).collect()
}

fn of(set: &ImageSet, chosen: &Chosen, depth: Depth, run: &Run) -> Result<Image> {
    let Chosen { names, image } = chosen;
    let (position, index) = place(set, names, image);
    let layers = layers(image, depth, run)?;
    let stored: HashMap<_, u64> = image
        .layers
        .iter()
        .filter_map(|layer| layer.blob.as_ref())
        .map(|blob| (blob.extent.place(), blob.extent.size()))
        .collect();
    let config = &image.config;
    Ok(Image {
        position,
        names: names.iter().map(ToString::to_string).collect(),
        image_id: image.image_id.to_string(),
        manifest: image.manifest.as_ref().map(manifest),
        index,
        platform: platform(image),
        os_version: Some(image.platform.os_version.clone()).filter(|version| !version.is_empty()),
        created: config.created().map(str::to_owned),
        author: config.author().filter(|author| !author.is_empty()).map(str::to_owned),
        docker_version: config.docker_version().filter(|version| !version.is_empty()).map(str::to_owned),
        parent: image.parent.as_ref().map(ToString::to_string),
        size: stored.values().sum(),
        unpacked: layers.iter().map(|layer| layer.unpacked).sum(),
        config: Config::of(config.runtime()),
        layers,
    })
}

/// All layers; those that are decoded side by side.
fn layers(image: &image::Image, depth: Depth, run: &Run) -> Result<Vec<Layer>> {
    let steps = Steps::of(image.config.history(), image.layers.len());
    // Steps that do not fit the layers would be said of the wrong ones.
    let steps: &[_] = if steps.fit { &steps.of_layers } else { &[] };
    let ahead = image.layers.len() < run.jobs.get();
    let facts =
        |(number, layer): (usize, &image::Layer)| layer::facts(number, layer, steps.get(number), depth, ahead, run);
    let numbered = image.layers.iter().enumerate();
    match depth {
        Depth::Full => {
            let weigh = |(_, layer): &(usize, &image::Layer)| layer.stored_size();
            pool::for_all(run.jobs, numbered, weigh, facts)
        }
        Depth::Documents => numbered.map(facts).collect(),
    }
}

/// Where `image` stands: its `@N`, and the innermost index that lists it.
fn place(set: &ImageSet, names: &[Name], image: &Arc<image::Image>) -> (usize, Option<Manifest>) {
    let holds = |node: &Node| node.images().into_iter().any(|other| Arc::ptr_eq(other, image));
    let with_images = || set.entries.iter().filter(|entry| !entry.node.images().is_empty()).enumerate();
    let is_named = |names_of: &[Name]| names.iter().all(|name| names_of.contains(name));
    let named = with_images().find(|(_, entry)| holds(&entry.node) && is_named(&entry.names));
    let Some((position, entry)) = named.or_else(|| with_images().find(|(_, entry)| holds(&entry.node))) else {
        return (0, None);
    };
    let is_child = |index: &&Arc<image::Index>| {
        index.children.iter().any(|child| matches!(&child.node, Node::Image(other) if Arc::ptr_eq(other, image)))
    };
    let index = entry.node.indexes().into_iter().find(is_child).map(|index| manifest(&index.document));
    (position, index)
}

fn manifest<V>(document: &image::Document<V>) -> Manifest {
    Manifest {
        digest: document.digest.to_string(),
        media_type: document.media_type.to_string(),
        size: document.raw.len() as u64,
    }
}

/// Without the system's version, which stands in a field of its own.
fn platform(image: &image::Image) -> String {
    let mut platform = image.platform.clone();
    platform.os_version.clear();
    platform.to_string()
}
