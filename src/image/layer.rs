//! Layers: the digests expected of them, and the place of their bytes.

use std::collections::HashSet;

use crate::codec::Codec;
use crate::digest::{Algorithm, DiffId, Digest};
use crate::error::Result;
use crate::spec::descriptor::Descriptor;
use crate::spec::media_type::{Compression, Family, MediaType};
use crate::stream::source::{Extent, Location};
use crate::stream::tap::Expected;

/// One layer of an image.
#[derive(Clone)]
pub struct Layer<Id = DiffId> {
    /// The layer's name in messages: the archive and the member.
    pub at: String,
    /// The digest of its uncompressed tar, by the config.
    pub diff_id: Id,
    /// The bytes; `None` for a foreign layer that the archive does not hold (L-23, M-8), and for one that an increment
    /// leaves to its base (docs/bundles.md B-9).
    pub blob: Option<Blob>,
    /// The source of the digest that is expected of the bytes.
    pub(crate) expected_digest: ExpectedDigest,
    /// For a layer that may not be distributed: its descriptor, with the `urls` where it may be had (M-8).
    pub foreign: Option<Descriptor>,
}

/// A layer of an image that cannot be read as a whole: its diff_id may be unknown.
pub(crate) type PartialLayer = Layer<Option<DiffId>>;

impl PartialLayer {
    /// The layer, if its diff_id is known and its bytes are there or may be absent; `left_out` is true for one that an
    /// increment leaves to its base.
    pub(crate) fn whole(&self, left_out: bool) -> Option<Layer> {
        let Self { at, diff_id, blob, expected_digest, foreign } = self.clone();
        let may_be = blob.is_some() || foreign.is_some() || left_out;
        may_be.then_some(Layer { at, diff_id: diff_id?, blob, expected_digest, foreign })
    }
}

impl<Id> Layer<Id> {
    /// Returns whether the layer is encrypted, so that it can only be passed through (O-19).
    pub fn is_encrypted(&self) -> bool {
        matches!(&self.expected_digest, ExpectedDigest::Descriptor(descriptor) if descriptor.media_type().is_encrypted())
    }
}

/// A layer's bytes as stored.
#[derive(Clone)]
pub struct Blob {
    /// The place of the bytes.
    pub extent: Extent,
    /// The compression of the bytes, detected from the first of them, since layers of an image may differ (L-3, D-5).
    pub codec: Codec,
}

/// The source of the digest that is expected of a layer's stored bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ExpectedDigest {
    /// A descriptor in a manifest: digest and size are verified.
    Descriptor(Box<Descriptor>),
    /// The member's name has the shape of a digest; one that does not fit is only a name (D-6).
    Name(Digest),
    /// The digest that the reader computed from all of the bytes. The diff_id is their tar's, and both hold as long as
    /// the input does not change (L-31, X-3).
    Computed(Digest),
    /// The digest of a plain tar that this run has written.
    Written {
        /// The digest of that tar.
        digest: Digest,
        /// The compression for a target that keeps layers as they are: that of the layer which this one replaces.
        codec: Codec,
        /// The descriptor of that tar in a manifest of the input, if one lists it.
        descriptor: Option<Box<Descriptor>>,
    },
    /// Nothing but the diff_id.
    Nothing,
}

/// The key of a layer's bytes: layers with equal keys are verified, and converted, once.
///
/// Two references to the same bytes are verified separately if they disagree on digest, size or diff_id: one of them may be
/// false although the other is not (docs/formats.md M-11).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ContentKey {
    location: Option<Location>,
    /// Digest and size of the stored bytes.
    expected: Expected,
    /// The digest of the uncompressed tar.
    diff_id: DiffId,
    /// The digest and size by which a foreign layer is known elsewhere.
    foreign: Option<Expected>,
    /// True if the bytes cannot be decoded.
    is_encrypted: bool,
}

impl ContentKey {
    /// The place of the bytes; `None` where the archive does not hold them.
    pub(crate) fn location(&self) -> Option<&Location> {
        self.location.as_ref()
    }
}

/// Returns what messages call a layer: `layer 1 (0123456789ab)`, counted from 0 at the base.
pub fn layer_title(number: usize, diff_id: &DiffId) -> String {
    format!("layer {number} ({})", diff_id.digest().short())
}

/// Returns each of `layers` once: of those with one key, the first.
pub(crate) fn distinct<'l>(layers: impl Iterator<Item = &'l Layer>) -> impl Iterator<Item = &'l Layer> {
    let mut keys = HashSet::new();
    layers.filter(move |layer| keys.insert(layer.content_key()))
}

impl Blob {
    /// Detects the compression of the bytes in `extent`, which messages call `at`.
    pub(crate) fn detect(extent: Extent, at: &str) -> Result<Self> {
        Ok(Self { codec: Codec::detect(&extent, at)?, extent })
    }

    /// Returns whether the stored bytes are the uncompressed tar.
    pub fn is_plain(&self) -> bool {
        self.codec == Codec::Plain
    }
}

impl Layer {
    /// Bytes as stored; 0 for a layer that the archive does not hold.
    pub fn stored_size(&self) -> u64 {
        self.blob.as_ref().map_or(0, |blob| blob.extent.size())
    }

    /// The descriptor of the stored bytes in a manifest of the input.
    pub fn descriptor(&self) -> Option<&Descriptor> {
        match &self.expected_digest {
            ExpectedDigest::Descriptor(descriptor) => Some(descriptor),
            ExpectedDigest::Written { descriptor, .. } => descriptor.as_deref(),
            ExpectedDigest::Name(_) | ExpectedDigest::Computed(_) | ExpectedDigest::Nothing => None,
        }
    }

    /// The digest by which the source lists the stored bytes, checked or not (L-11).
    pub fn listed_digest(&self) -> Option<&Digest> {
        match &self.expected_digest {
            ExpectedDigest::Name(digest) => Some(digest),
            _ => self.descriptor().map(Descriptor::digest),
        }
    }

    /// Returns the descriptor of the layer stored as another blob; what the input's own says beside that stays.
    pub(crate) fn described_as(&self, family: Family, codec: Codec, digest: &Digest, size: u64) -> Descriptor {
        let media_type = MediaType::Layer(family, compression(codec));
        match self.descriptor().cloned() {
            Some(descriptor) => descriptor.replaced_by(&media_type, digest, size),
            None => Descriptor::new(media_type, digest.clone(), size),
        }
    }

    /// Returns the digest and size expected of the stored bytes; neither if these are compressed and no more than a
    /// name states a digest.
    pub(crate) fn expected(&self) -> Expected {
        match (&self.expected_digest, &self.blob) {
            (ExpectedDigest::Descriptor(descriptor), _) => expected_by(descriptor),
            (ExpectedDigest::Computed(digest) | ExpectedDigest::Written { digest, .. }, _) => Expected::digest(digest),
            (ExpectedDigest::Name(_) | ExpectedDigest::Nothing, Some(Blob { codec: Codec::Plain, .. })) => {
                Expected::digest(self.diff_id.digest())
            }
            (ExpectedDigest::Name(_) | ExpectedDigest::Nothing, _) => Expected::default(),
        }
    }

    /// Returns the key that all references to the same bytes share.
    pub(crate) fn content_key(&self) -> ContentKey {
        ContentKey {
            location: self.blob.as_ref().map(|blob| blob.extent.location()),
            expected: self.expected(),
            diff_id: self.diff_id.clone(),
            foreign: self.foreign.as_ref().map(expected_by),
            is_encrypted: self.is_encrypted(),
        }
    }

    /// The digest that the stored bytes must have for the run to succeed; `None` where it must be computed first.
    pub(crate) fn certain_digest(&self) -> Option<Digest> {
        self.expected().digest
    }

    /// The digest of the stored bytes: the one that they must have, else the one by which the source lists them, which may
    /// be false.
    pub(crate) fn stored_digest(&self) -> Option<Digest> {
        self.certain_digest().or_else(|| self.listed_digest().cloned())
    }

    /// Returns whether this run has hashed all of the layer already.
    pub(crate) fn is_computed(&self) -> bool {
        matches!(self.expected_digest, ExpectedDigest::Computed(_) | ExpectedDigest::Written { .. })
    }

    /// Returns the compression of a layer that this run has written, for a target that keeps layers as they are.
    pub(crate) fn written_as(&self) -> Option<Codec> {
        if let ExpectedDigest::Written { codec, .. } = self.expected_digest { Some(codec) } else { None }
    }

    /// Returns whether the bytes of a foreign layer have no descriptor of their own, so that they may be in another
    /// form than the descriptor in `foreign` means (L-22, M-8).
    pub(crate) fn is_foreign_copy(&self) -> bool {
        self.foreign.is_some() && self.descriptor().is_none()
    }

    /// Returns whether the expected digest is of an algorithm that cannot be computed here (M-11).
    pub(crate) fn is_beyond_checking(&self) -> bool {
        self.certain_digest().is_some_and(|digest| matches!(digest.algorithm(), Algorithm::Other(_)))
    }
}

/// Returns the compression for a media type. Codecs without a media type are written only as foreign or encrypted
/// layers, whose descriptors stay.
fn compression(codec: Codec) -> Compression {
    match codec {
        Codec::Plain => Compression::Plain,
        Codec::Zstd => Compression::Zstd,
        Codec::Gzip | Codec::Xz | Codec::Bzip2 | Codec::Lz4 => Compression::Gzip,
    }
}

fn expected_by(descriptor: &Descriptor) -> Expected {
    Expected { digest: Some(descriptor.digest().clone()), size: Some(descriptor.size()) }
}
