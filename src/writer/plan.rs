//! What becomes of each layer, decided before the first byte is written; and what has to be checked for it.
//!
//! A kept layer is copied without being looked at, so its promises are judged beside the copying, by tasks that read the
//! same bytes on other threads; nothing that would make the archive loadable is written before they are done. A layer
//! whose digest nobody promises is read before the first byte is written, unless it is named like a digest and a wrong
//! name could be taken back.
//!
//! What is wanted in another form may be there in that form already, as a layer of another image: then that one is kept for
//! both. It is held to its diff_id whatever else is checked, for it speaks for bytes that nobody else has vouched for.
//!
//! Sources: docs/formats.md D-7, L-35, M-8, M-11, O-19; the table of `--compress`.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;

use super::recode::StoredBlob;
use crate::codec::{Codec, Encoding, GzipLevel, ZstdLevel};
use crate::digest::{Algorithm, DiffId, Digest};
use crate::error::{Error, Result};
use crate::image::{Blob, ContentKey, ExpectedDigest, Image, Layer, RawBlob};
use crate::options::{Compress, Verify};
use crate::progress::{Action, ProgressReader};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::media_type::Compression;
use crate::stream::pool;
use crate::stream::source::Location;
use crate::stream::tap::{DigestAndSize, Expected, VerifyReader};

/// What becomes of a layer's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Copied as they are.
    Keep,
    /// Decoded and written in another form.
    Recode(Encoding),
    /// There are none.
    Absent,
}

/// The decisions for one run, over layers that live for `'l`.
pub(super) struct Plan<'l> {
    compress: Compress,
    verify: Verify,
    addressing: Addressing,
    foreign: Foreign,
    trust: Trust,
    /// Kept layers that others would become if they were recoded.
    stand_ins: HashMap<&'l DiffId, &'l Layer>,
    /// Digests by which layers are named, to be found true.
    likely: HashMap<Location, Digest>,
    /// Digests that had to be computed first.
    measured: HashMap<Location, Digest>,
    /// What was judged while they were computed.
    judged: HashSet<ContentKey>,
    share: Share,
}

/// StoredBlob bytes for each thread, if all had the same to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share(Option<u64>);

impl Share {
    /// For the work that `layers` make.
    pub(super) fn of<'a>(layers: impl Iterator<Item = &'a Layer>, jobs: NonZeroUsize) -> Self {
        let mut seen = HashSet::new();
        let total: u64 = layers.filter(|layer| seen.insert(&layer.diff_id)).map(Layer::stored_size).sum();
        Self((jobs.get() > 1).then(|| total / jobs.get() as u64))
    }

    /// Whether the other threads would have to wait for the one that decodes `layer`, unless another hashes for it.
    pub(super) fn is_exceeded_by(self, layer: &Layer) -> bool {
        let is_plain = layer.blob.as_ref().is_none_or(Blob::is_plain);
        !is_plain && self.0.is_some_and(|share| layer.stored_size() > share)
    }
}

/// What may be taken to be true before it has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// What is likely: all can be written again.
    Likely,
    /// Only what must be true, or the run fails.
    Certain,
}

/// By which digests the target names what it stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Addressing {
    /// By the input's own, whatever their algorithm.
    Any,
    /// By SHA-256 alone: docker's formats know no other (O-5).
    Sha256,
}

/// What becomes of foreign layers whose bytes are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// What becomes of others.
    LikeOthers,
    /// They are passed on as they are or left out (M-8).
    Kept,
}

/// Something kept whose promises are judged beside the copying.
pub(super) enum Check<'a> {
    /// A layer; with `decode` its diff_id too, with `ahead` on more than one thread.
    Layer {
        layer: &'a Layer,
        decode: bool,
        ahead: bool,
        /// The digest that it probably has.
        likely: Option<Digest>,
    },
    /// A blob nobody looks into.
    Blob(&'a RawBlob),
}

impl<'l> Plan<'l> {
    /// Decides for `images`, and reads what has to be known first.
    ///
    /// # Errors
    /// A layer that the target cannot hold; a broken promise of a layer that had to be read.
    pub(super) fn new(
        images: &[&'l Image],
        compress: Compress,
        addressing: Addressing,
        foreign: Foreign,
        verify: Verify,
        trust: Trust,
        run: &Run,
    ) -> Result<Self> {
        let share = Share::of(layers_of(images).map(|(_, layer)| layer), run.jobs);
        let (stand_ins, likely, measured) = <(HashMap<_, _>, HashMap<_, _>, HashMap<_, _>)>::default();
        let judged = HashSet::new();
        let mut plan =
            Self { compress, verify, addressing, foreign, trust, stand_ins, likely, measured, judged, share };
        plan.stand_ins = plan.find_stand_ins(images);
        let mut unknown = Vec::new();
        for (image, layer) in layers_of(images) {
            if layer.blob.is_none() {
                continue;
            }
            let is_kept = plan.treatment(layer) == Treatment::Keep;
            let is_unknown = is_kept && plan.known_digest(layer).is_none() || layer.is_foreign_copy();
            if let Some((place, digest)) = plan.likely_digest(layer).filter(|_| is_unknown) {
                plan.likely.insert(place, digest);
            } else if is_unknown && plan.judged.insert(layer.content_key()) {
                unknown.push((layer, plan.must_decode(image, layer)));
            }
            plan.remark(layer, run)?;
        }
        run.progress.expect(plan.work(images));
        plan.measured = measure(&unknown, share, run)?;
        layers_of(images).try_for_each(|(_, layer)| plan.check_foreign(layer))?;
        Ok(plan)
    }

    /// For each layer that would be recoded, the first that is kept and would be the same.
    fn find_stand_ins(&self, images: &[&'l Image]) -> HashMap<&'l DiffId, &'l Layer> {
        let mut kept = HashMap::new();
        for (_, layer) in layers_of(images) {
            let is_ours =
                self.treatment(layer) == Treatment::Keep && !layer.is_encrypted() && !self.stays_foreign(layer);
            if let (true, Some(blob)) = (is_ours, &layer.blob) {
                kept.entry((&layer.diff_id, blob.codec)).or_insert(layer);
            }
        }
        let stand_in = |layer: &'l Layer| match self.treatment(layer) {
            Treatment::Recode(encoding) => Some((&layer.diff_id, *kept.get(&(&layer.diff_id, encoding.codec()))?)),
            Treatment::Keep | Treatment::Absent => None,
        };
        layers_of(images).filter_map(|(_, layer)| stand_in(layer)).collect()
    }

    /// The layer that is kept in place of `layer`, which would be the same if it were recoded.
    pub(super) fn stand_in(&self, layer: &Layer) -> Option<&'l Layer> {
        let is_recoded = matches!(self.treatment(layer), Treatment::Recode(_));
        self.stand_ins.get(&layer.diff_id).filter(|_| is_recoded).copied()
    }

    /// LayerSources that means the very bytes that are there promises their size too (M-11).
    fn check_foreign(&self, layer: &Layer) -> Result<()> {
        let (Some(foreign), Some(blob)) = (&layer.foreign, &layer.blob) else { return Ok(()) };
        if layer.is_foreign_copy() && self.measured(layer) == Some(foreign.digest()) {
            let promise = Expected { digest: None, size: Some(foreign.size()) };
            promise.verify(&layer.at, None, blob.extent.size())?;
        }
        Ok(())
    }

    /// Bytes to be read: what is kept is read to be judged and to be copied, the rest once; a diff_id is stored once.
    fn work(&self, images: &[&Image]) -> u64 {
        let mut seen = HashSet::new();
        let of_layer = |layer: &Layer| match (self.treatment(layer), &layer.blob) {
            (_, None) => 0,
            (Treatment::Keep, Some(blob)) if !layer.is_computed() => 2 * blob.extent.size(),
            (_, Some(blob)) => blob.extent.size(),
        };
        let layers = layers_of(images).map(|(_, layer)| layer);
        layers.filter(|layer| seen.insert(&layer.diff_id)).map(of_layer).sum()
    }

    /// Whether the other threads would have to wait for the one that decodes `layer`, unless another hashes for it.
    pub(super) fn is_large(&self, layer: &Layer) -> bool {
        self.share.is_exceeded_by(layer)
    }

    /// What becomes of `layer`.
    pub(super) fn treatment(&self, layer: &Layer) -> Treatment {
        let Some(blob) = &layer.blob else { return Treatment::Absent };
        if layer.is_encrypted() || self.stays_foreign(layer) {
            return Treatment::Keep;
        }
        let compress = match layer.written_as() {
            Some(codec) if self.compress == Compress::Keep => like(codec),
            Some(_) | None => self.compress,
        };
        match (compress, blob.codec) {
            (Compress::Keep, Codec::Plain | Codec::Gzip | Codec::Zstd)
            | (Compress::None, Codec::Plain)
            | (Compress::Gzip(_), Codec::Gzip)
            | (Compress::Zstd(_), Codec::Zstd) => Treatment::Keep,
            (Compress::Keep, Codec::Xz | Codec::Bzip2 | Codec::Lz4) => {
                Treatment::Recode(Encoding::Gzip(GzipLevel::DEFAULT))
            }
            (Compress::None, _) => Treatment::Recode(Encoding::Plain),
            (Compress::Gzip(level), _) => Treatment::Recode(Encoding::Gzip(level.unwrap_or(GzipLevel::DEFAULT))),
            (Compress::Zstd(level), _) => Treatment::Recode(Encoding::Zstd(level.unwrap_or(ZstdLevel::DEFAULT))),
        }
    }

    fn stays_foreign(&self, layer: &Layer) -> bool {
        layer.foreign.is_some() && self.foreign == Foreign::Kept
    }

    /// A kept layer as it will stand in the output.
    pub(super) fn kept(&self, layer: &Layer) -> Option<StoredBlob> {
        let blob = layer.blob.as_ref()?;
        let place = blob.extent.location();
        let found = || self.measured.get(&place).or_else(|| self.likely.get(&place)).cloned();
        let digest = self.known_digest(layer).or_else(found)?;
        Some(StoredBlob { digest, size: blob.extent.size(), codec: blob.codec })
    }

    /// The digest to store the layer under, where it is certain without reading.
    fn known_digest(&self, layer: &Layer) -> Option<Digest> {
        layer.certain_digest().filter(|digest| self.addressing == Addressing::Any || digest.is_sha256())
    }

    /// The digest by which the layer is named, where that may be trusted. Which form of a foreign layer is there has to be
    /// certain (M-8).
    fn likely_digest(&self, layer: &Layer) -> Option<(Location, Digest)> {
        let is_trusted = self.trust == Trust::Likely && !layer.is_foreign_copy();
        match (&layer.claim, &layer.blob) {
            (ExpectedDigest::Name(name), Some(blob)) if is_trusted && name.is_sha256() => {
                Some((blob.extent.location(), name.clone()))
            }
            _ => None,
        }
    }

    /// How long the layer's plain tar is, where that may be trusted.
    pub(super) fn likely_size(&self, layer: &Layer) -> Result<Option<u64>> {
        match self.trust {
            Trust::Likely => layer.expected_size(),
            Trust::Certain => Ok(None),
        }
    }

    /// What the stored bytes hash to, for a layer that had to be read first.
    pub(super) fn measured(&self, layer: &Layer) -> Option<&Digest> {
        self.measured.get(&layer.blob.as_ref()?.extent.location())
    }

    /// Whether a kept layer's diff_id is judged (M-11).
    fn must_decode(&self, image: &Image, layer: &Layer) -> bool {
        let is_plain = layer.blob.as_ref().is_some_and(Blob::is_plain);
        match self.verify {
            _ if layer.is_encrypted() => false,
            _ if self.stand_ins.contains_key(&layer.diff_id) => true,
            // It costs no decoding, and the two digests are one.
            _ if is_plain => true,
            Verify::Full => true,
            Verify::Auto => !image.is_vouched_for(),
            Verify::Digests => false,
        }
    }

    /// What is judged beside the copying, each word once: kept layers that were not read before, and
    /// layers in another form that nobody decodes because their diff_id is there already.
    pub(super) fn checks<'a>(&self, images: &[&'a Image], carried: &[&'a RawBlob]) -> Vec<Check<'a>> {
        let mut seen = HashSet::new();
        let mut recoded = HashSet::new();
        let mut checks = Vec::new();
        for (image, layer) in layers_of(images).filter(|(_, layer)| layer.blob.is_some()) {
            let word = layer.content_key();
            let is_kept = self.treatment(layer) == Treatment::Keep;
            let is_recoded = !is_kept && self.stand_in(layer).is_none() && recoded.insert(&layer.diff_id);
            let decode = !is_kept || self.must_decode(image, layer);
            let is_judged_elsewhere = layer.is_computed() || self.judged.contains(&word) || is_recoded;
            if seen.insert((word, decode)) && !is_judged_elsewhere {
                let likely = layer.blob.as_ref().and_then(|blob| self.likely.get(&blob.extent.location())).cloned();
                checks.push(Check::Layer { layer, decode, ahead: self.is_large(layer), likely });
            }
        }
        checks.extend(carried.iter().map(|blob| Check::Blob(blob)));
        checks
    }

    fn remark(&self, layer: &Layer, run: &Run) -> Result<()> {
        if layer.is_beyond_checking() {
            let problem = "its digest is of an algorithm that cannot be computed here: not verified";
            run.diagnostics.warn(Rule::M11, &layer.at, problem)?;
        }
        if layer.written_as().is_some() {
            return Ok(());
        }
        if let (Treatment::Recode(encoding), Some(blob)) = (self.treatment(layer), &layer.blob) {
            run.diagnostics.note(
                Rule::D7,
                &layer.at,
                format!("{} becomes {}", blob.codec.name(), encoding.codec().name()),
            );
        }
        Ok(())
    }
}

impl Check<'_> {
    /// Bytes to read.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Layer { layer, .. } => layer.stored_size(),
            Self::Blob(blob) => blob.extent.size(),
        }
    }

    /// Reads the bytes and judges them: whether they are what they were likely to be.
    pub(super) fn run(&self, run: &Run) -> Result<bool> {
        match self {
            Self::Layer { layer, decode, ahead, likely } => {
                let found = layer.check(*decode, *ahead, run)?.digest;
                Ok(likely.is_none() || *likely == found)
            }
            Self::Blob(blob) => check_blob(blob, run).map(|()| true),
        }
    }
}

fn check_blob(blob: &RawBlob, run: &Run) -> Result<()> {
    let at = format!("{}: {}", blob.extent.source().label(), blob.digest.blob_path());
    if let Algorithm::Other(_) = blob.digest.algorithm() {
        return run.diagnostics.warn(Rule::M11, &at, "its digest cannot be computed here: not verified");
    }
    let failed = |error| Error::io("reading", &at, error);
    let promise = Expected { digest: Some(blob.digest.clone()), size: blob.size };
    let task = run.progress.begin(Action::Check, &at, Some(blob.extent.size()));
    let mut reader = VerifyReader::new(ProgressReader::new(blob.extent.reader().map_err(failed)?, task), &at, promise);
    crate::stream::copy::copy(&mut reader, &mut std::io::sink()).map_err(failed)?;
    Ok(())
}

/// Reads layers whose digest nobody promises. One whose name does not fit is decoded whatever was asked for (D-6).
fn measure(layers: &[(&Layer, bool)], share: Share, run: &Run) -> Result<HashMap<Location, Digest>> {
    let work = |(layer, decode): &(&Layer, bool)| -> Result<DigestAndSize> {
        let ahead = share.is_exceeded_by(layer);
        let measure = layer.check(*decode, ahead, run)?;
        if layer.certain_digest().is_some_and(|digest| !digest.is_sha256()) {
            return layer.sha256(run);
        }
        if !decode && matches!(&layer.claim, ExpectedDigest::Name(name) if measure.digest.as_ref() != Some(name)) {
            return layer.check(true, ahead, run);
        }
        Ok(measure)
    };
    let digests = pool::for_all(run.jobs, layers, |(layer, _)| layer.stored_size(), work)?;
    let places = layers.iter().filter_map(|(layer, _)| Some(layer.blob.as_ref()?.extent.location()));
    Ok(places.zip(digests).filter_map(|(place, measure)| Some((place, measure.digest?))).collect())
}

fn layers_of<'a>(images: &[&'a Image]) -> impl Iterator<Item = (&'a Image, &'a Layer)> {
    images.iter().flat_map(|image| image.layers.iter().map(|layer| (*image, layer)))
}

/// The form in which a new layer is stored that takes the place of one stored as `codec` (docs/edit.md E-15).
fn like(codec: Codec) -> Compress {
    match codec {
        Codec::Plain => Compress::None,
        Codec::Gzip | Codec::Xz | Codec::Bzip2 | Codec::Lz4 => Compress::Gzip(None),
        Codec::Zstd => Compress::Zstd(None),
    }
}

/// The word that media types have for what was written.
pub(super) fn compression(codec: Codec) -> Option<Compression> {
    match codec {
        Codec::Plain => Some(Compression::Plain),
        Codec::Gzip => Some(Compression::Gzip),
        Codec::Zstd => Some(Compression::Zstd),
        Codec::Xz | Codec::Bzip2 | Codec::Lz4 => None,
    }
}
