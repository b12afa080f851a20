//! Facts about the selected images.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::layer::DecodedLayer;
use super::{ConfigFacts, InspectDepth, LayerFacts, layer};
use crate::digest::Digest;
use crate::error::Result;
use crate::image::{
    ContentKey, Document, Image, ImageEntry, ImageIndex, ImageSet, Layer, Name, NeededBase, Node, distinct,
};
use crate::run::Run;
use crate::select::SelectedImage;
use crate::spec::json;
use crate::spec::v1::Steps;
use crate::stream::pool;

/// One image for one platform, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImageFacts {
    /// The number of `--image @N`; platforms of one index share it.
    pub position: usize,
    /// Its names in Docker's familiar spelling; none if it is untagged.
    pub names: Vec<String>,
    /// Its platform: `os/architecture`, with a variant if it has one.
    pub platform: String,
    /// The OS version, which images of Windows have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// The index that lists it among other platforms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<DocumentFacts>,
    /// The facts that do not depend on where it is listed.
    #[serde(flatten, serialize_with = "shared")]
    pub content: Arc<ImageContent>,
}

/// The facts of an image that do not depend on where it is listed; one that is listed often has them once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImageContent {
    /// The digest of its config.
    pub image_id: String,
    /// The manifest that ties config and layers together, where the format has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<DocumentFacts>,
    /// The time of creation, as its config spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Its author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The version of the Docker that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker_version: Option<String>,
    /// The image ID of the parent, which only Docker's own archives have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Bytes of its layers as stored, one that is repeated counted once; of a delta, those of the blobs that make layers.
    pub size: u64,
    /// Bytes of its layers uncompressed, each as often as it is applied; nothing unless known of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tar_size: Option<u64>,
    /// The container settings of its config.
    pub config: ConfigFacts,
    /// Its layers, base first.
    pub layers: Vec<LayerFacts>,
    /// The layers that it needs from another archive, the base of this increment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<NeededBase>,
}

/// A manifest or index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DocumentFacts {
    /// The digest of its bytes.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub size: u64,
}

/// The approximate memory that the facts of a layer take, in bytes, without the texts of its history.
const LAYER_SIZE: u64 = 1024;
/// The approximate memory that the facts of an image take, in bytes, without those that images share.
const IMAGE_SIZE: u64 = 1024;

fn shared<S: Serializer>(content: &Arc<ImageContent>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    content.as_ref().serialize(serializer)
}

/// The facts of `chosen`, images of `set`.
pub(super) fn facts(
    set: &ImageSet,
    chosen: &[SelectedImage],
    decoded: &DecodedLayers,
    run: &Run,
) -> Result<Vec<ImageFacts>> {
    let places = EntryPlaces::of(set);
    let mut contents = ContentFacts { decoded, known: HashMap::new(), run };
    chosen.iter().map(|chosen| of(&places, chosen, &mut contents)).collect()
}

/// The results of decoding layers, by content key.
pub(super) type DecodedLayers = HashMap<ContentKey, DecodedLayer>;

/// Decodes the layers of `chosen`, side by side if `depth` asks for it; those that images share are decoded once.
pub(super) fn decoded(chosen: &[SelectedImage], depth: InspectDepth, run: &Run) -> Result<DecodedLayers> {
    if depth == InspectDepth::Documents {
        return Ok(HashMap::new());
    }
    let layers = chosen.iter().flat_map(|chosen| chosen.image.layers.iter());
    let layers = layers.filter(|layer| layer.blob.is_some() && !layer.is_encrypted());
    let distinct: Vec<&Layer> = distinct(layers).collect();
    let ahead = distinct.len() < run.jobs.get();
    let weigh = |layer: &&Layer| layer.stored_size();
    let decode = |layer: &Layer| Ok((layer.content_key(), layer::decode(layer, ahead, run)?));
    Ok(pool::for_all(run.jobs, distinct, weigh, decode)?.into_iter().collect())
}

fn of(places: &EntryPlaces<'_>, chosen: &SelectedImage, contents: &mut ContentFacts<'_>) -> Result<ImageFacts> {
    let SelectedImage { names, image } = chosen;
    let (position, index) = places.place(names, image);
    let facts = ImageFacts {
        position,
        names: names.iter().map(ToString::to_string).collect(),
        platform: image.platform.name(),
        os_version: Some(image.platform.os_version.clone()).filter(|version| !version.is_empty()),
        index,
        content: contents.of(image)?,
    };
    let names: usize = facts.names.iter().map(String::len).sum();
    contents.run.budget.charge_memory(IMAGE_SIZE + names as u64, &image.at)?;
    Ok(facts)
}

/// The contents of images, each gathered once.
struct ContentFacts<'a> {
    decoded: &'a DecodedLayers,
    known: HashMap<ImageKey, Arc<ImageContent>>,
    run: &'a Run,
}

/// The key of an [`ImageContent`]: an image's own digest and, if it has no manifest, its address in memory.
type ImageKey = (Digest, Option<*const Image>);

impl ContentFacts<'_> {
    fn of(&mut self, image: &Arc<Image>) -> Result<Arc<ImageContent>> {
        let key = (image.own_digest().clone(), image.manifest.is_none().then_some(Arc::as_ptr(image)));
        if let Some(known) = self.known.get(&key) {
            return Ok(Arc::clone(known));
        }
        let size = LAYER_SIZE * image.layers.len() as u64 + json::memory_size(image.config.raw());
        self.run.budget.charge_memory(size, &image.at)?;
        let content = Arc::new(content(image, self.decoded));
        self.known.insert(key, Arc::clone(&content));
        Ok(content)
    }
}

fn content(image: &Image, decoded: &DecodedLayers) -> ImageContent {
    let layers = layers(image, decoded);
    let blobs = image.layers.iter().filter_map(|layer| layer.blob.as_ref());
    let stored: HashMap<_, u64> = blobs.map(|blob| (blob.extent.location(), blob.extent.size())).collect();
    let config = &image.config;
    let delta = image.needs.as_ref().and_then(|needs| needs.delta.as_ref());
    ImageContent {
        image_id: image.image_id.to_string(),
        manifest: image.manifest.as_deref().map(document),
        created: config.created().map(str::to_owned),
        author: config.author().filter(|author| !author.is_empty()).map(str::to_owned),
        docker_version: config.docker_version().filter(|version| !version.is_empty()).map(str::to_owned),
        parent: image.parent.as_ref().map(ToString::to_string),
        size: delta.map_or_else(|| stored.values().sum(), |delta| delta.size),
        tar_size: layers.iter().map(|layer| layer.tar_size).sum(),
        config: ConfigFacts::of(config.runtime()),
        layers,
        needs: image.needs.as_deref().cloned(),
    }
}

fn layers(image: &Image, decoded: &DecodedLayers) -> Vec<LayerFacts> {
    let steps = Steps::of(image.config.history(), image.layers.len());
    // Entries of a history that does not match the layers would be assigned to the wrong ones.
    let steps: &[_] = if steps.fit { &steps.of_layers } else { &[] };
    let numbered = image.layers.iter().enumerate();
    let facts = |(number, layer): (usize, &Layer)| {
        layer::facts(number, layer, steps.get(number), decoded.get(&layer.content_key()))
    };
    numbered.map(facts).collect()
}

/// One listing of an image.
struct EntryPlace<'a> {
    /// The entry's `@N`.
    position: usize,
    entry: &'a ImageEntry,
    /// The index that lists it, the innermost if they are nested.
    index: Option<&'a Arc<ImageIndex>>,
}

/// The places at which each image is listed.
struct EntryPlaces<'a>(HashMap<*const Image, Vec<EntryPlace<'a>>>);

impl<'a> EntryPlaces<'a> {
    fn of(set: &'a ImageSet) -> Self {
        let mut places: HashMap<_, Vec<_>> = HashMap::new();
        let has_image = |entry: &&ImageEntry| entry.node.leaves().any(|leaf| matches!(leaf, Node::Image(_)));
        for (position, entry) in set.entries.iter().filter(has_image).enumerate() {
            for (leaf, index) in entry.node.listed_leaves() {
                if let Node::Image(image) = leaf {
                    places.entry(Arc::as_ptr(image)).or_default().push(EntryPlace { position, entry, index });
                }
            }
        }
        Self(places)
    }

    /// The `@N` of `image` under `names`, and the innermost index that lists it.
    fn place(&self, names: &[Name], image: &Arc<Image>) -> (usize, Option<DocumentFacts>) {
        let places = self.0.get(&Arc::as_ptr(image)).map(Vec::as_slice).unwrap_or_default();
        let is_named = |place: &&EntryPlace<'_>| {
            let known: HashSet<&Name> = place.entry.names.iter().collect();
            names.iter().all(|name| known.contains(name))
        };
        let place = match places {
            [only] => Some(only),
            several => several.iter().find(is_named).or(several.first()),
        };
        place.map_or((0, None), |place| (place.position, place.index.map(|index| document(&index.document))))
    }
}

fn document<V>(document: &Document<V>) -> DocumentFacts {
    DocumentFacts {
        digest: document.digest.to_string(),
        media_type: document.media_type.to_string(),
        size: document.raw.len() as u64,
    }
}
