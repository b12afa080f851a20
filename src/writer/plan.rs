//! The plan for each layer's bytes: one decision for each [`ContentKey`], complete before the first byte is written.
//!
//! A plan is a value. It is made from images and a [`Policy`] without reading a byte of a layer, and writers carry it out.
//! Only the digest under which a kept layer is stored may be missing from the input: a [`PlanDraft`] lists the layers
//! whose digest has to be computed, and is completed with it.
//!
//! A layer that has to be recoded may be there in the target's form already, as a layer of another image: that one is
//! then written for both. Its diff_id is always verified, because it stands for bytes that are not written at all.
//!
//! Sources: docs/formats.md D-7, L-35, M-8, M-11, O-19; the table of `--compress`.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use super::recode::StoredBlob;
use crate::codec::{Codec, Encoding, ZstdLevel};
use crate::digest::{DiffId, Digest};
use crate::error::Result;
use crate::image::{Blob, ContentKey, Image, Layer};
use crate::options::{Compress, Verify};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::stream::tap::Expected;

/// The requirements for layers, by the target and by the user.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    /// The compression of written layers.
    pub(super) compress: Compress,
    /// Which diff_ids are verified.
    pub(super) verify: Verify,
    /// Which digests the target can name blobs by.
    pub(super) addressing: Addressing,
    /// The treatment of foreign layers whose bytes are in the archive.
    pub(super) foreign: ForeignPolicy,
}

/// By which digests the target names what it stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Addressing {
    /// By the input's own, whatever their algorithm.
    Any,
    /// By SHA-256 alone: docker's formats know no other (O-5).
    Sha256,
}

/// The treatment of foreign layers whose bytes are in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ForeignPolicy {
    /// They are treated as all other layers.
    LikeOthers,
    /// They are passed on as they are, or left out where the bytes are not those that the descriptor means (M-8).
    Kept,
}

/// The decision about a layer's bytes. `K` describes bytes that are kept: in a draft their digest may be missing.
pub(super) enum Decision<'l, K = StoredBlob> {
    /// They are copied as they are, and stored so.
    Keep(K),
    /// They are decoded and written in this form.
    Recode(Encoding),
    /// This layer, which is kept or recoded itself, is the same tar in the target's form.
    CopyOf(&'l Layer),
    /// They are not written: the archive does not hold them, or not in the form that a foreign layer's descriptor means.
    Leave,
}

/// The decisions for some images.
pub(super) struct Plan<'l> {
    decisions: HashMap<ContentKey, Decision<'l>>,
    /// The layers that are verified although they are not decoded for writing.
    checks: Vec<LayerCheck<'l>>,
}

/// A layer to be verified against its expected digests and size.
#[derive(Clone, Copy)]
pub(super) struct LayerCheck<'l> {
    pub(super) layer: &'l Layer,
    /// True if the diff_id is verified too.
    pub(super) decode: bool,
}

impl<'l> Plan<'l> {
    /// Returns the decision for `layer`. A layer of an image that the plan was not made for is left out.
    pub(super) fn decision(&self, layer: &Layer) -> &Decision<'l> {
        self.decisions.get(&layer.content_key()).unwrap_or(&Decision::Leave)
    }

    /// Returns what has to be verified although nothing decodes it to write it: each key once.
    pub(super) fn checks(&self) -> &[LayerCheck<'l>] {
        &self.checks
    }
}

/// A plan that lacks the digests of some layers.
pub(super) struct PlanDraft<'l> {
    policy: Policy,
    /// In the order in which images list them.
    layers: Vec<DraftedLayer<'l>>,
}

struct DraftedLayer<'l> {
    key: ContentKey,
    check: LayerCheck<'l>,
    decision: Decision<'l, &'l Blob>,
}

impl<'l> PlanDraft<'l> {
    /// Decides for `images`.
    pub(super) fn new(images: &[&'l Image], policy: Policy) -> Self {
        let listed = listed(images);
        let equivalents = policy.equivalents(listed.iter().map(|listed| listed.layer));
        let mut recoded: HashMap<(&DiffId, Codec), &'l Layer> = HashMap::new();
        let mut copied = HashSet::new();
        let mut decide = |layer: &'l Layer| {
            let Some(blob) = &layer.blob else { return Decision::Leave };
            let Some(encoding) = policy.recoding(layer, blob) else { return Decision::Keep(blob) };
            let form = (&layer.diff_id, encoding.codec());
            if let Some(equivalent) = equivalents.get(&form) {
                copied.insert(&layer.diff_id);
                return Decision::CopyOf(equivalent);
            }
            let first = *recoded.entry(form).or_insert(layer);
            if std::ptr::eq(first, layer) { Decision::Recode(encoding) } else { Decision::CopyOf(first) }
        };
        let decisions: Vec<_> = listed.iter().map(|listed| decide(listed.layer)).collect();
        let draft = |(listed, decision): (ListedLayer<'l>, _)| {
            let ListedLayer { key, layer, has_manifest } = listed;
            let decode = match decision {
                Decision::Keep(blob) => copied.contains(&layer.diff_id) || policy.decodes(layer, blob, has_manifest),
                Decision::CopyOf(_) => true,
                Decision::Recode(_) | Decision::Leave => false,
            };
            DraftedLayer { key, check: LayerCheck { layer, decode }, decision }
        };
        Self { policy, layers: listed.into_iter().zip(decisions).map(draft).collect() }
    }

    /// Warns of what cannot be verified.
    ///
    /// # Errors
    /// Under `--strict` the first warning.
    pub(super) fn remark(&self, run: &Run) -> Result<()> {
        for DraftedLayer { check: LayerCheck { layer, .. }, .. } in &self.layers {
            if layer.blob.is_some() && layer.is_beyond_checking() {
                let problem = "its digest is of an algorithm that cannot be computed here: not verified";
                run.diagnostics.warn(Rule::M11, &layer.at, problem)?;
            }
        }
        Ok(())
    }

    /// Returns the bytes of all layers, and how many will be moved: what is kept is verified and copied, the rest is read
    /// once.
    pub(super) fn work(&self) -> (u64, u64) {
        let mut seen = HashSet::new();
        // A diff_id is stored once.
        let layers = self.layers.iter().filter(|drafted| seen.insert(&drafted.check.layer.diff_id));
        let add =
            |(bytes, moved), DraftedLayer { check: LayerCheck { layer, .. }, decision, .. }: &DraftedLayer<'_>| {
                let size = layer.stored_size();
                let times = if matches!(decision, Decision::Keep(_)) && !layer.is_computed() { 2 } else { 1 };
                (bytes + size, moved + times * size)
            };
        layers.fold((0, 0), add)
    }

    /// Returns the layers whose digest has to be found before the draft can be completed.
    pub(super) fn undigested(&self) -> Vec<LayerCheck<'l>> {
        let lacking = self.layers.iter().filter(|drafted| drafted.lacks_digest(self.policy));
        lacking.map(|drafted| drafted.check).collect()
    }

    /// Completes the draft; `digests` are those of the [undigested](Self::undigested) layers, in that order.
    ///
    /// # Errors
    /// When a foreign layer has the digest of its descriptor, but another size.
    pub(super) fn complete(self, digests: Vec<Digest>) -> Result<Plan<'l>> {
        let mut digests = digests.into_iter();
        let mut plan = Plan { decisions: HashMap::with_capacity(self.layers.len()), checks: Vec::new() };
        for drafted in self.layers {
            let LayerCheck { layer, .. } = drafted.check;
            let found = if drafted.lacks_digest(self.policy) { digests.next() } else { self.policy.promised(layer) };
            if let Some(found) = &found {
                verify_foreign(layer, found)?;
            }
            let decision = match drafted.decision {
                Decision::Keep(blob) => self.policy.kept(layer, blob, found),
                Decision::Recode(encoding) => Decision::Recode(encoding),
                Decision::CopyOf(other) => Decision::CopyOf(other),
                Decision::Leave => Decision::Leave,
            };
            let is_decoded_to_be_written = matches!(decision, Decision::Recode(_));
            if layer.blob.is_some() && !layer.is_computed() && !is_decoded_to_be_written {
                plan.checks.push(drafted.check);
            }
            plan.decisions.insert(drafted.key, decision);
        }
        Ok(plan)
    }
}

impl DraftedLayer<'_> {
    /// Returns true if the digest of the stored bytes has to be computed: that of a kept layer is its name, that of a
    /// foreign one decides whether its descriptor means these bytes.
    fn lacks_digest(&self, policy: Policy) -> bool {
        let LayerCheck { layer, .. } = self.check;
        let is_wanted = matches!(self.decision, Decision::Keep(_)) || layer.is_foreign_copy();
        layer.blob.is_some() && is_wanted && policy.promised(layer).is_none()
    }
}

impl Policy {
    /// Returns the form that `layer` is brought into; `None` if it is kept as it is.
    fn recoding(self, layer: &Layer, blob: &Blob) -> Option<Encoding> {
        if layer.is_encrypted() || self.keeps_foreign(layer) {
            return None;
        }
        let compress = match (self.compress, layer.written_as()) {
            (Compress::Keep, Some(codec)) => like(codec),
            (compress, _) => compress,
        };
        match (compress, blob.codec) {
            (Compress::Keep, Codec::Plain | Codec::Gzip | Codec::Zstd)
            | (Compress::None, Codec::Plain)
            | (Compress::Gzip(None), Codec::Gzip)
            | (Compress::Zstd(None), Codec::Zstd) => None,
            (Compress::Keep, Codec::Xz | Codec::Bzip2 | Codec::Lz4) => Some(Encoding::Gzip(None)),
            (Compress::None, _) => Some(Encoding::Plain),
            (Compress::Gzip(level), _) => Some(Encoding::Gzip(level)),
            (Compress::Zstd(level), _) => Some(Encoding::Zstd(level.unwrap_or(ZstdLevel::DEFAULT))),
        }
    }

    /// Returns, for each tar in each form that layers are kept in, the first such layer.
    fn equivalents<'l>(self, layers: impl Iterator<Item = &'l Layer>) -> HashMap<(&'l DiffId, Codec), &'l Layer> {
        let mut equivalents = HashMap::new();
        for layer in layers.filter(|layer| !layer.is_encrypted() && !self.keeps_foreign(layer)) {
            if let Some(blob) = layer.blob.as_ref().filter(|blob| self.recoding(layer, blob).is_none()) {
                equivalents.entry((&layer.diff_id, blob.codec)).or_insert(layer);
            }
        }
        equivalents
    }

    fn keeps_foreign(self, layer: &Layer) -> bool {
        layer.foreign.is_some() && self.foreign == ForeignPolicy::Kept
    }

    /// Returns true if the diff_id of a kept layer is verified (M-11).
    fn decodes(self, layer: &Layer, blob: &Blob, has_manifest: bool) -> bool {
        match self.verify {
            _ if layer.is_encrypted() => false,
            // It costs no decoding, and the two digests are one.
            _ if blob.is_plain() => true,
            Verify::Full => true,
            Verify::Auto => !has_manifest,
            Verify::Digests => false,
        }
    }

    /// Returns the digest that the stored bytes have or the run fails, if the target can name them by it.
    fn promised(self, layer: &Layer) -> Option<Digest> {
        layer.certain_digest().filter(|digest| self.addressing == Addressing::Any || digest.is_sha256())
    }

    /// Returns the decision for a layer that is kept as it is and whose bytes have the digest `found`.
    fn kept<'l>(self, layer: &Layer, blob: &Blob, found: Option<Digest>) -> Decision<'l> {
        let expected = layer.foreign.as_ref().filter(|_| self.keeps_foreign(layer)).map(Descriptor::digest);
        match found.filter(|found| expected.is_none_or(|expected| expected == found)) {
            Some(digest) => Decision::Keep(StoredBlob { digest, size: blob.extent.size(), codec: blob.codec }),
            None => Decision::Leave,
        }
    }
}

/// The form in which a new layer is stored that takes the place of one stored as `codec` (docs/edit.md E-15).
fn like(codec: Codec) -> Compress {
    match codec {
        Codec::Plain => Compress::None,
        Codec::Gzip | Codec::Xz | Codec::Bzip2 | Codec::Lz4 => Compress::Gzip(None),
        Codec::Zstd => Compress::Zstd(None),
    }
}

/// Verifies the size in LayerSources, if its digest is that of the bytes in the archive (M-11).
fn verify_foreign(layer: &Layer, found: &Digest) -> Result<()> {
    let is_meant = |foreign: &&Descriptor| layer.is_foreign_copy() && found == foreign.digest();
    match layer.foreign.as_ref().filter(is_meant) {
        Some(foreign) => {
            Expected { digest: None, size: Some(foreign.size()) }.verify(&layer.at, None, layer.stored_size())
        }
        None => Ok(()),
    }
}

/// A layer that images list, wherever they list it.
struct ListedLayer<'l> {
    key: ContentKey,
    layer: &'l Layer,
    /// Manifests of the input tie it to its place in each of these images.
    has_manifest: bool,
}

/// Returns the layers of `images`, those with one key once.
fn listed<'l>(images: &[&'l Image]) -> Vec<ListedLayer<'l>> {
    let mut numbers: HashMap<ContentKey, usize> = HashMap::new();
    let mut listed: Vec<ListedLayer<'l>> = Vec::new();
    for image in images {
        let has_manifest = image.manifest.is_some();
        for layer in image.layers.iter() {
            let key = layer.content_key();
            let number = *numbers.entry(key.clone()).or_insert(listed.len());
            match listed.get_mut(number) {
                Some(known) => known.has_manifest &= has_manifest,
                None => listed.push(ListedLayer { key, layer, has_manifest }),
            }
        }
    }
    listed
}
