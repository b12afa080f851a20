//! Facts about one layer, with or without decoding it.

use std::io;
use std::thread;

use serde::Serialize;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::Layer;
use crate::progress::Action;
use crate::run::Run;
use crate::spec::config::History;
use crate::stream::copy::copy;

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LayerFacts {
    /// Its place, counted from 0 at the base.
    #[serde(rename = "layer")]
    pub number: usize,
    /// The digest of the bytes as stored, where the archive says it or it follows from `diff_id`; computed by
    /// [`InspectDepth::Full`](super::InspectDepth::Full).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The digest of the uncompressed tar.
    pub diff_id: String,
    /// The media type of its descriptor, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// How it is compressed: `none`, `gzip`, `zstd`, `xz` or `bzip2`; nothing where its bytes are not in the archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<&'static str>,
    /// Bytes as stored; as promised by its descriptor where they are not in the archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Bytes of the uncompressed tar, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tar_size: Option<u64>,
    /// Where the bytes of a layer that may not be distributed can be had.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// When it was made, as the config's history spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// What made it, by the config's history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// What the history adds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What decoding a layer tells.
#[derive(Debug, Clone)]
pub(super) struct DecodedLayer {
    digest: Option<Digest>,
    tar_size: u64,
}

/// The facts of `layer`, made by `step`; `decoded` is what decoding it has told.
pub(super) fn facts(
    number: usize,
    layer: &Layer,
    step: Option<&History>,
    decoded: Option<&DecodedLayer>,
) -> LayerFacts {
    let blob = layer.blob.as_ref();
    let descriptor = layer.descriptor().or(layer.foreign.as_ref());
    let listed = layer.certain_digest().or_else(|| layer.listed_digest().cloned());
    let digest = decoded.and_then(|decoded| decoded.digest.clone()).or(listed);
    let plain_size = blob.filter(|blob| blob.is_plain()).map(|blob| blob.extent.size());
    let step = step.cloned().unwrap_or_default();
    LayerFacts {
        number,
        digest: digest.map(|digest| digest.to_string()),
        diff_id: layer.diff_id.to_string(),
        media_type: descriptor.map(|descriptor| descriptor.media_type().to_string()),
        compression: blob.map(|blob| blob.codec.compression()),
        size: blob.map(|blob| blob.extent.size()).or(descriptor.map(crate::spec::descriptor::Descriptor::size)),
        tar_size: decoded.map(|decoded| decoded.tar_size).or(plain_size.filter(|_| !layer.is_encrypted())),
        urls: descriptor.map(|descriptor| descriptor.urls().to_vec()).unwrap_or_default(),
        created: step.created,
        created_by: step.created_by,
        comment: step.comment,
    }
}

/// Decodes `layer` to its end and judges all it promises.
pub(super) fn decode(layer: &Layer, ahead: bool, run: &Run) -> Result<DecodedLayer> {
    let tar_size = thread::scope(|scope| {
        let mut plain = layer.plain(Action::Check, ahead, run, scope)?;
        copy(&mut plain, &mut io::sink()).map_err(|error| Error::io("decoding", &layer.at, error))
    })?;
    let digest = match layer.certain_digest() {
        Some(digest) => Some(digest),
        None => Some(layer.sha256(run)?),
    };
    Ok(DecodedLayer { digest, tar_size })
}
