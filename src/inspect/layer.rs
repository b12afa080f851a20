//! Facts about one layer, with or without decoding it.

use std::io;
use std::sync::Arc;
use std::thread;

use serde::Serialize;

use crate::archive::{Ending, Reader};
use crate::diagnostics::Diagnostic;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::Layer;
use crate::layer_index::{UnpackCheck, UnpackFault};
use crate::progress::Action;
use crate::run::Run;
use crate::spec::config::History;
use crate::spec::descriptor::Descriptor;
use crate::stream::copy::copy;
use crate::stream::skip::{Sequential, Skip};

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LayerFacts {
    /// Its place, counted from 0 at the base.
    #[serde(rename = "layer")]
    pub number: usize,
    /// The digest of the bytes as stored, if the archive states it or it follows from `diff_id`; computed by
    /// [`InspectDepth::Full`](super::InspectDepth::Full).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The digest of the uncompressed tar.
    pub diff_id: String,
    /// The media type of its descriptor, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Its compression: `none`, `gzip`, `zstd`, `xz`, `bzip2` or `lz4`; `None` if its bytes are not in the archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<&'static str>,
    /// Size of the stored bytes; if they are not in the archive, the size in its descriptor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Size of the uncompressed tar in bytes, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tar_size: Option<u64>,
    /// The URLs in its descriptor, from which a non-distributable layer can be downloaded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// The time of creation, as its entry in the config's history spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The `created_by` of its entry in the config's history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// The `comment` of its entry in the config's history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// The result of decoding a layer.
#[derive(Debug, Clone)]
pub(super) struct DecodedLayer {
    digest: Option<Digest>,
    tar_size: u64,
    /// The faults that stop engines from unpacking it, each with the first path that has it.
    pub(super) faults: Arc<[(UnpackFault, Vec<u8>)]>,
}

/// Returns the facts of `layer`; `step` is its entry in the config's history, `decoded` the result of decoding it.
pub(super) fn facts(
    number: usize,
    layer: &Layer,
    step: Option<&History>,
    decoded: Option<&DecodedLayer>,
) -> LayerFacts {
    let blob = layer.blob.as_ref();
    let descriptor = layer.descriptor().or(layer.foreign.as_ref());
    let digest = decoded.and_then(|decoded| decoded.digest.clone()).or_else(|| layer.stored_digest());
    let plain_size = blob.filter(|blob| blob.is_plain()).map(|blob| blob.extent.size());
    let step = step.cloned().unwrap_or_default();
    LayerFacts {
        number,
        digest: digest.map(|digest| digest.to_string()),
        diff_id: layer.diff_id.to_string(),
        media_type: descriptor.map(|descriptor| descriptor.media_type().to_string()),
        compression: blob.map(|blob| blob.codec.compression()),
        size: blob.map(|blob| blob.extent.size()).or(descriptor.map(Descriptor::size)),
        tar_size: decoded.map(|decoded| decoded.tar_size).or(plain_size.filter(|_| !layer.is_encrypted())),
        urls: descriptor.map(|descriptor| descriptor.urls().to_vec()).unwrap_or_default(),
        created: step.created,
        created_by: step.created_by,
        comment: step.comment,
    }
}

/// Decodes `layer` to its end, checks its digests, and looks at its entries as engines that unpack it do.
pub(super) fn decode(layer: &Layer, ahead: bool, run: &Run) -> Result<DecodedLayer> {
    let mut check = UnpackCheck::default();
    let tar_size = thread::scope(|scope| {
        let plain = Sequential::new(layer.plain(Action::Check, ahead, run, scope)?);
        let mut reader = Reader::new(plain, Ending::Optional, &layer.at, &run.budget, &run.diagnostics);
        entries(&mut reader, &mut check, layer, run)?;
        let mut plain = reader.into_inner().into_inner();
        copy(&mut plain, &mut io::sink()).map_err(|error| Error::io("decoding", &layer.at, error))?;
        Ok(plain.digest_and_size().map_or(0, |found| found.size))
    })?;
    let digest = match layer.certain_digest() {
        Some(digest) => Some(digest),
        None => Some(layer.sha256(run)?),
    };
    let faults = check.finish().into_iter().collect();
    Ok(DecodedLayer { digest, tar_size, faults })
}

/// Passes the entries of a layer to `check`, up to the first that is not a valid tar: engines can still copy such a layer.
fn entries<R: Skip>(reader: &mut Reader<'_, R>, check: &mut UnpackCheck, layer: &Layer, run: &Run) -> Result<()> {
    loop {
        match check.next_entry(reader) {
            Ok(Some(entry)) => run.budget.charge_memory(check.entry(&entry, reader.flag()), &layer.at)?,
            Ok(None) => return Ok(()),
            Err(Error::Invalid { .. }) => {
                check.end_unreadable();
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

impl DecodedLayer {
    /// Returns the faults as diagnostics; `at` is the layer's name in messages.
    pub(super) fn findings<'a>(&'a self, at: &'a str) -> impl Iterator<Item = Diagnostic> + 'a {
        self.faults.iter().map(move |(fault, path)| fault.finding(at, path))
    }
}
