//! The kind of a manifest: an image that runs, or an artifact, by the content of its config and layers.
//!
//! All other code tells images from artifacts by the [`Node`](crate::image::Node) that the reader makes of this.
//!
//! Sources: docs/formats.md O-13.

use std::collections::HashMap;

use super::Walk;
use super::manifest::Parts;
use crate::digest::Digest;
use crate::error::Result;
use crate::image::{Blob, RawBlob};
use crate::limits::MAX_DOCUMENT;
use crate::spec::config::ConfigShape;
use crate::spec::descriptor::Descriptor;
use crate::spec::json;
use crate::spec::media_type::MediaType;

/// The blobs inspected so far, by digest: many manifests may share a config and layers.
#[derive(Default)]
pub(super) struct BlobKinds {
    configs: HashMap<Digest, ConfigShape>,
    /// For each layer the reason why it is not one; `None` if it is.
    layers: HashMap<Digest, Option<String>>,
}

impl Walk<'_> {
    /// Returns the reason why a manifest with these `parts` is not an image; `None` for an image, also for one with a fault
    /// or an absent blob. `kind` is the `artifactType` of the manifest.
    pub(super) fn why_no_image(&mut self, parts: &Parts, kind: Option<&str>) -> Result<Option<String>> {
        let shape = match (&parts.config, &parts.config_blob) {
            (Some(config), Some(blob)) => Some(self.config_shape(config, blob)?),
            _ => None,
        };
        if !has_image_config(parts, shape) {
            return Ok(Some(named_kind(parts, kind)));
        }
        // Tools that push any file have long called it a layer, beside a config of which registries ask no more than its type.
        let lists_layers = shape.is_none_or(|shape| matches!(shape, ConfigShape::Layers(1..)));
        for (number, (descriptor, blob)) in parts.layers.iter().enumerate() {
            let (Some(descriptor), Some(blob)) = (descriptor, blob) else { continue };
            if let Some(problem) = self.why_no_layer(descriptor, blob, lists_layers)? {
                let media_type = shown(descriptor.media_type());
                return Ok(Some(format!("layer {number}, {media_type}, {problem}")));
            }
        }
        Ok(None)
    }

    fn config_shape(&mut self, config: &Descriptor, blob: &RawBlob) -> Result<ConfigShape> {
        if let Some(known) = self.kinds.configs.get(config.digest()) {
            return Ok(*known);
        }
        let shape = if blob.extent.size() > MAX_DOCUMENT {
            ConfigShape::Other
        } else {
            let at = self.at(config);
            let raw = blob.extent.read(&at, MAX_DOCUMENT)?;
            let _held = self.run.budget.hold(json::memory_size(&raw), &at)?;
            ConfigShape::of(&raw)
        };
        self.kinds.configs.insert(config.digest().clone(), shape);
        Ok(shape)
    }

    /// Returns the reason why a blob is not a layer. One with the media type of a layer is taken for one where the config
    /// lists layers; a false type shows when it is read.
    fn why_no_layer(&mut self, descriptor: &Descriptor, blob: &RawBlob, lists_layers: bool) -> Result<Option<String>> {
        let media_type = descriptor.media_type();
        if media_type.is_encrypted() || (media_type.is_layer() && lists_layers) {
            return Ok(None);
        }
        if let Some(known) = self.kinds.layers.get(descriptor.digest()) {
            return Ok(known.clone());
        }
        let at = self.at(descriptor);
        let problem = Blob::detect(blob.extent.clone(), &at)?.why_no_tar(&at)?;
        self.kinds.layers.insert(descriptor.digest().clone(), problem.clone());
        Ok(problem)
    }
}

/// Returns whether the config, of this `shape` if it is there, is an image's: by its media type, unless it is an empty object
/// and there are no layers; with another type, if its `rootfs` has as many layers as there are.
fn has_image_config(parts: &Parts, shape: Option<ConfigShape>) -> bool {
    let Some(config) = &parts.config else { return true };
    let is_called_one = config.media_type().is_config();
    match shape {
        Some(_) if config.media_type().is_plugin() => false,
        Some(ConfigShape::Layers(count)) => is_called_one || count == parts.layers.len(),
        Some(ConfigShape::Empty) => is_called_one && !parts.layers.is_empty(),
        Some(ConfigShape::Bare | ConfigShape::Other) | None => is_called_one,
    }
}

/// Returns the most telling name for a manifest without an image's config.
fn named_kind(parts: &Parts, kind: Option<&str>) -> String {
    let config = parts.config.as_ref().map(Descriptor::media_type);
    let is_telling = |media_type: &&MediaType| !media_type.is_config() && **media_type != MediaType::Empty;
    let layers = parts.layers.iter().filter_map(|(layer, _)| layer.as_ref().map(Descriptor::media_type));
    match kind.filter(|kind| !kind.is_empty()).map(MediaType::parse) {
        Some(kind) if is_telling(&&kind) => kind.to_string(),
        _ => match config.into_iter().chain(layers).find(is_telling) {
            Some(media_type) => shown(media_type),
            None => "its config does not describe an image".to_owned(),
        },
    }
}

fn shown(media_type: &MediaType) -> String {
    if media_type.as_str().is_empty() { "of no media type".to_owned() } else { media_type.to_string() }
}
