//! The layers of one image, stored and described.

use std::collections::HashMap;

use super::super::plan::{Decision, Plan};
use super::super::recode::{StoredBlob, recode};
use super::super::store::Store;
use crate::codec::{Codec, Encoding};
use crate::digest::DiffId;
use crate::error::{Error, Result};
use crate::image::{Image, Layer};
use crate::options::OciOptions;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::spec::media_type::{Compression, Family, MediaType};

/// A layer as the manifest will list it.
#[derive(Clone)]
pub(super) struct WrittenLayer {
    pub(super) descriptor: Descriptor,
    /// The compression of its blob; `None` where that is not in the layout.
    pub(super) codec: Option<Codec>,
    /// True if its blob is the input's, byte for byte.
    pub(super) kept: bool,
}

/// Writes layers into a store.
pub(super) struct Layers<'a, 'l, S> {
    pub(super) store: &'a mut S,
    pub(super) plan: &'a Plan<'l>,
    /// Layers that were written in another form, by their tar and that form.
    pub(super) recoded: &'a mut HashMap<(DiffId, Codec), StoredBlob>,
    pub(super) options: &'a OciOptions,
    pub(super) run: &'a Run,
}

impl<S: Store> Layers<'_, '_, S> {
    /// All layers, base first.
    pub(super) fn write(&mut self, image: &Image) -> Result<Vec<WrittenLayer>> {
        image.layers.iter().map(|layer| self.layer(image, layer)).collect()
    }

    fn layer(&mut self, image: &Image, layer: &Layer) -> Result<WrittenLayer> {
        if let (true, Some(descriptor)) = (layer.is_left_out() && image.needs.is_some(), layer.descriptor()) {
            return Ok(WrittenLayer { descriptor: descriptor.clone(), codec: None, kept: true });
        }
        if let Some(foreign) = &layer.foreign
            && (!self.options.embed_foreign || layer.blob.is_none())
        {
            return self.foreign(layer, foreign);
        }
        let Some((stored, kept)) = self.store(layer)? else {
            return Err(Error::inexpressible(&layer.at, "the archive does not hold its bytes"));
        };
        let descriptor = describe(layer, &stored, kept, image.family());
        Ok(WrittenLayer { descriptor, codec: Some(stored.codec), kept })
    }

    /// Stores the layer's bytes: what is there now, and whether they are the input's. `None` if they are left out.
    fn store(&mut self, layer: &Layer) -> Result<Option<(StoredBlob, bool)>> {
        let plan = self.plan;
        match (plan.decision(layer), &layer.blob) {
            (Decision::Keep(stored), Some(blob)) => {
                self.store.extent(&stored.digest, &blob.extent)?;
                Ok(Some((stored.clone(), true)))
            }
            (Decision::Recode(encoding), _) => Ok(Some((self.recode(layer, *encoding)?, false))),
            (Decision::CopyOf(other), _) => Ok(self.store(other)?.map(|(stored, _)| (stored, false))),
            (Decision::Keep(_), None) | (Decision::Leave, _) => Ok(None),
        }
    }

    /// A layer in another form; one tar is brought into it once, whatever it was stored as.
    fn recode(&mut self, layer: &Layer, encoding: Encoding) -> Result<StoredBlob> {
        let form = (layer.diff_id.clone(), encoding.codec());
        if let Some(stored) = self.recoded.get(&form) {
            return Ok(stored.clone());
        }
        let run = self.run;
        let stored = self.store.produced(&|out| recode(layer, encoding, out, run))?;
        self.recoded.insert(form, stored.clone());
        Ok(stored)
    }

    /// M-8: a foreign layer stays what it is; its blob comes along if it is the one that the descriptor means.
    fn foreign(&mut self, layer: &Layer, foreign: &Descriptor) -> Result<WrittenLayer> {
        let codec = self.store(layer)?.map(|(stored, _)| stored.codec);
        match &layer.blob {
            Some(_) if codec.is_some() => {}
            Some(_) => self.run.diagnostics.note(
                Rule::M8,
                &layer.at,
                format!(
                    "the archive holds this foreign layer in another form than {}; the blob is left out \
                 (--embed-foreign stores what is there)",
                    foreign.digest()
                ),
            ),
            None => self.run.diagnostics.note(Rule::M8, &layer.at, "the blob of this foreign layer is left out"),
        }
        let descriptor = layer.descriptor().cloned().unwrap_or_else(|| new_foreign(foreign));
        Ok(WrittenLayer { descriptor, codec, kept: true })
    }
}

/// The form that a layer will have in the layout, known before anything is written.
pub(super) struct LayerForm {
    /// True if its blob will be in the layout.
    pub(super) is_there: bool,
    /// True if its descriptor stays the input's.
    pub(super) is_kept: bool,
    /// True if its descriptor's digest is SHA-256.
    pub(super) is_sha256: bool,
    /// The compression that its media type will name, or that its bytes have if the type names none.
    pub(super) compression: Option<Compression>,
}

impl LayerForm {
    /// The form of `layer` by `plan`.
    pub(super) fn of(layer: &Layer, plan: &Plan<'_>, options: &OciOptions) -> Self {
        let form = StoredForm::of(layer, plan);
        let is_there = form.is_some();
        // The digest is none yet, and no matter.
        let typed =
            |codec| layer.described_as(Family::Oci, codec, layer.diff_id.digest(), 0).media_type().compression();
        let of_bytes = || typed(layer.blob.as_ref().filter(|_| !layer.is_encrypted())?.codec);
        let own = |descriptor: &Descriptor| Self {
            is_there,
            is_kept: true,
            is_sha256: descriptor.digest().is_sha256(),
            compression: descriptor.media_type().compression().or_else(of_bytes),
        };
        if let (true, Some(descriptor)) = (layer.is_left_out(), layer.descriptor()) {
            return own(descriptor);
        }
        if let Some(foreign) = &layer.foreign
            && (!options.embed_foreign || layer.blob.is_none())
        {
            return own(&layer.descriptor().cloned().unwrap_or_else(|| new_foreign(foreign)));
        }
        let is_stored_kept = form.as_ref().is_some_and(|form| form.is_kept);
        match layer.descriptor().filter(|_| is_stored_kept) {
            Some(descriptor) if !descriptor.media_type().is_nondistributable() => own(descriptor),
            _ => Self {
                is_there,
                is_kept: false,
                is_sha256: form.as_ref().is_none_or(|form| form.is_sha256),
                compression: form.and_then(|form| typed(form.codec)),
            },
        }
    }
}

/// The form of stored bytes.
struct StoredForm {
    codec: Codec,
    is_sha256: bool,
    /// True if they are the input's.
    is_kept: bool,
}

impl StoredForm {
    /// `None` if they are left out.
    fn of(layer: &Layer, plan: &Plan<'_>) -> Option<Self> {
        match plan.decision(layer) {
            Decision::Keep(stored) if layer.blob.is_some() => {
                Some(Self { codec: stored.codec, is_sha256: stored.digest.is_sha256(), is_kept: true })
            }
            Decision::Recode(encoding) => Some(Self { codec: encoding.codec(), is_sha256: true, is_kept: false }),
            Decision::CopyOf(other) => Self::of(other, plan).map(|form| Self { is_kept: false, ..form }),
            Decision::Keep(_) | Decision::Leave => None,
        }
    }
}

/// The descriptor of a stored layer: the input's own where it is still true.
fn describe(layer: &Layer, stored: &StoredBlob, kept: bool, family: Family) -> Descriptor {
    match layer.descriptor() {
        Some(descriptor) if kept && !descriptor.media_type().is_nondistributable() => descriptor.clone(),
        _ => layer.described_as(family, stored.codec, &stored.digest, stored.size),
    }
}

/// A foreign layer of a docker archive in OCI's words (M-6, M-8).
fn new_foreign(foreign: &Descriptor) -> Descriptor {
    let media_type =
        MediaType::ForeignLayer(Family::Oci, foreign.media_type().compression().unwrap_or(Compression::Gzip));
    Descriptor::new(media_type, foreign.digest().clone(), foreign.size()).with_urls(foreign.urls().to_vec())
}
