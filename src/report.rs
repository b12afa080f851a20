//! The report of a conversion: the archive that it wrote, the images in it, and each layer (docs/formats.md M-5, M-7).

use std::collections::{HashMap, HashSet};
use std::ptr;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::codec::Codec;
use crate::digest::{DiffId, Digest};
use crate::image::{Image, ImageEntry, ImageSet, Layer, NeededBase};
use crate::spec::config::ImageConfig;
use crate::spec::media_type::MediaType;
use crate::spec::platform::Platform;

/// A written archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConversionReport {
    /// Bytes that were written; of a layout directory those that were not there before.
    pub size: u64,
    /// The images, in the archive's order; one that is listed several times is here once, with all its names.
    pub images: Vec<ImageReport>,
    /// The archives of which layers were not read, because an archive before has the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<UnreadReport>,
}

/// An archive of which layers were not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnreadReport {
    /// The archive's name in messages.
    pub archive: String,
    /// The number of these layers, each blob once.
    pub layers: usize,
}

impl UnreadReport {
    /// Returns the reports of the archives of `images` whose layers are not read where `entries` are written.
    pub(crate) fn of(images: &ImageSet, entries: &[ImageEntry]) -> Vec<Self> {
        let counts = images.unread.counts(entries).into_iter();
        counts.map(|(archive, layers)| Self { archive: archive.to_string(), layers }).collect()
    }
}

/// A written image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImageReport {
    /// Names as written.
    pub names: Vec<String>,
    /// The platform that it is for.
    #[serde(serialize_with = "platform_name")]
    pub platform: Platform,
    /// Digest of the config.
    pub image_id: Digest,
    /// Digest of the config of the image that it was made from; `None` for one that was made of nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_image_id: Option<Digest>,
    /// The changes made to it, a sentence each; empty for a conversion.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// Its manifest; `None` where the format has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<ManifestReport>,
    /// Its layers, base first. Images that only the platform tells apart share them.
    pub layers: Arc<[LayerReport]>,
    /// The layers that its base has, and that are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<NeededBase>,
    /// Its config, where the format has no place for one; no part of the report as JSON.
    #[serde(skip)]
    pub config: Option<ConfigReport>,
}

/// The config of an image that became a root filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigReport {
    /// The config, byte for byte.
    pub bytes: Vec<u8>,
    /// The Dockerfile instructions whose settings it has for a container: `ENTRYPOINT`, `ENV` and so on.
    pub instructions: Vec<&'static str>,
}

/// The keys of a config's `config` object that a container is started with, and the instructions that set them.
const INSTRUCTIONS: [(&str, &str); 11] = [
    ("Entrypoint", "ENTRYPOINT"),
    ("Cmd", "CMD"),
    ("Env", "ENV"),
    ("User", "USER"),
    ("WorkingDir", "WORKDIR"),
    ("ExposedPorts", "EXPOSE"),
    ("Volumes", "VOLUME"),
    ("Labels", "LABEL"),
    ("StopSignal", "STOPSIGNAL"),
    ("Healthcheck", "HEALTHCHECK"),
    ("OnBuild", "ONBUILD"),
];

impl ConfigReport {
    /// Returns the report of `config`.
    pub(crate) fn of(config: &ImageConfig) -> Self {
        let is_set = |key: &str| match config.runtime().get(key) {
            None | Some(Value::Null) => false,
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(values)) => !values.is_empty(),
            Some(Value::Object(values)) => !values.is_empty(),
            Some(_) => true,
        };
        let instructions = INSTRUCTIONS.iter().filter(|(key, _)| is_set(key)).map(|&(_, instruction)| instruction);
        Self { bytes: config.raw().to_vec(), instructions: instructions.collect() }
    }
}

/// A written manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ManifestReport {
    /// Digest of its bytes.
    pub digest: Digest,
    /// True if it is the input's, byte for byte.
    pub kept: bool,
}

/// A layer of a written image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LayerReport {
    /// Its place, counted from 0 at the base.
    pub layer: usize,
    /// Digest of its uncompressed tar.
    pub diff_id: DiffId,
    /// The treatment of its blob.
    pub action: LayerAction,
    /// The blob that was read; `None` where the input has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<BlobReport>,
    /// The blob that was written; `None` where the output has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<BlobReport>,
}

/// The treatment of a layer's blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LayerAction {
    /// It was copied byte for byte.
    Kept,
    /// It was stored with another compression.
    Converted,
    /// It was stored as what makes it of the files of a base.
    Delta,
    /// Its files became part of a root filesystem.
    Flattened,
    /// It was made by an edit: the input has no layer of this content.
    New,
    /// It is listed, but its bytes are not in the output: a layer that is distributed elsewhere, or one of a base.
    LeftOut,
}

/// A layer blob, read or written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BlobReport {
    /// Digest of the stored bytes, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Stored bytes.
    pub size: u64,
    /// The compression of the stored bytes.
    #[serde(serialize_with = "compression")]
    pub compression: Codec,
    /// The media type by which a manifest lists it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
}

/// Reports of images as they are written. An archive may list an image thousands of times, and an image thousands of layers.
#[derive(Debug, Default)]
pub(crate) struct ImageReports {
    images: Vec<ImageReport>,
    /// Images are identified by their address in memory: an image that is listed twice is there once.
    places: HashMap<*const Image, usize>,
}

impl ImageReports {
    /// Adds an image, with the manifest and layers that `written` returns, or only `names` if the image is there
    /// already.
    pub(crate) fn add(
        &mut self,
        image: &Image,
        names: &[String],
        written: impl FnOnce() -> (Option<ManifestReport>, Arc<[LayerReport]>),
    ) {
        if let Some(&place) = self.places.get(&ptr::from_ref(image)) {
            let known = &mut self.images[place].names;
            if !known.ends_with(names) {
                known.extend_from_slice(names);
            }
            return;
        }
        self.places.insert(image, self.images.len());
        let (manifest, layers) = written();
        self.images.push(ImageReport {
            names: names.to_vec(),
            platform: image.platform.clone(),
            image_id: image.image_id.clone(),
            source_image_id: Some(image.image_id.clone()),
            changes: Vec::new(),
            manifest,
            layers,
            needs: image.needs.as_deref().cloned(),
            config: None,
        });
    }

    /// Returns the report of an archive of `size` bytes with these images.
    pub(crate) fn finish(mut self, size: u64) -> ConversionReport {
        for image in &mut self.images {
            let mut seen = HashSet::with_capacity(image.names.len());
            image.names.retain(|name| seen.insert(name.clone()));
        }
        ConversionReport { size, images: self.images, unread: Vec::new() }
    }
}

impl LayerReport {
    /// Returns the report of the layer `number`, which became `written`.
    pub(crate) fn new(number: usize, layer: &Layer, action: LayerAction, written: Option<BlobReport>) -> Self {
        let source = layer.blob.as_ref().map(|blob| BlobReport {
            digest: layer.stored_digest(),
            size: blob.extent.size(),
            compression: blob.codec,
            media_type: layer.descriptor().map(|descriptor| descriptor.media_type().clone()),
        });
        Self { layer: number, diff_id: layer.diff_id.clone(), action, source, written }
    }
}

impl LayerReport {
    /// Marks a layer that is written as one that the input does not have.
    pub(crate) fn mark_new(&mut self) {
        if matches!(self.action, LayerAction::Kept | LayerAction::Converted) {
            (self.action, self.source) = (LayerAction::New, None);
        }
    }
}

impl BlobReport {
    /// Returns the report of a blob that no manifest lists.
    pub(crate) fn new(digest: Digest, size: u64, compression: Codec) -> Self {
        Self { digest: Some(digest), size, compression, media_type: None }
    }
}

fn platform_name<S: Serializer>(platform: &Platform, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&platform.name())
}

fn compression<S: Serializer>(codec: &Codec, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(codec.compression())
}
