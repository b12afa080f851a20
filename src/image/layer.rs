//! Layers: what they claim, where their bytes are.

use std::collections::HashSet;

use crate::codec::Codec;
use crate::digest::{Algorithm, DiffId, Digest};
use crate::spec::descriptor::Descriptor;
use crate::stream::source::{Extent, Location};
use crate::stream::tap::Expected;

/// One layer of an image.
#[derive(Clone)]
pub struct Layer<Id = DiffId> {
    /// How messages call it: the archive and the member.
    pub at: String,
    /// What its uncompressed tar must hash to, by the config.
    pub diff_id: Id,
    /// The bytes; `None` for a foreign layer that the archive does not hold (L-23, M-8).
    pub blob: Option<Blob>,
    /// What the input says of the bytes.
    pub(crate) claim: ExpectedDigest,
    /// For a layer that may not be distributed: its descriptor, with the `urls` where it may be had (M-8).
    pub foreign: Option<Descriptor>,
}

/// A layer of an image that cannot be read as a whole: its diff_id may be unknown.
pub(crate) type PartialLayer = Layer<Option<DiffId>>;

impl PartialLayer {
    /// The layer, if its diff_id is known and its bytes are there or may be absent.
    pub(crate) fn whole(&self) -> Option<Layer> {
        let Self { at, diff_id, blob, claim, foreign } = self.clone();
        let may_be = blob.is_some() || foreign.is_some();
        may_be.then_some(Layer { at, diff_id: diff_id?, blob, claim, foreign })
    }
}

impl<Id> Layer<Id> {
    /// Whether the layer can only be passed on as it is (O-19).
    pub fn is_encrypted(&self) -> bool {
        matches!(&self.claim, ExpectedDigest::Descriptor(descriptor) if descriptor.media_type().is_encrypted())
    }
}

/// A layer's bytes as stored.
#[derive(Clone)]
pub struct Blob {
    /// Where they lie.
    pub extent: Extent,
    /// How they are compressed, by their first bytes.
    pub codec: Codec,
}

/// What vouches for a layer's stored bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ExpectedDigest {
    /// A descriptor of a manifest: digest and size are promises.
    Descriptor(Box<Descriptor>),
    /// The member's name has the shape of a digest; one that does not fit is only a name (D-6).
    Name(Digest),
    /// The reader itself, which has read all of them: this is their digest, and the diff_id is their tar's, as long as the
    /// input stays what it is (L-31, X-3).
    Computed(Digest),
    /// This run, which has written the layer as a plain tar: the tar's digest.
    Written {
        /// Of the tar.
        digest: Digest,
        /// How it is compressed where the target keeps layers as they are: as what it replaces was.
        codec: Codec,
    },
    /// Nothing but the diff_id.
    Nothing,
}

/// What makes two references to a layer's bytes one: they are verified, and treated, once.
///
/// Two references to the same bytes are verified separately if they disagree on digest, size or diff_id: one of them may be
/// false although the other is not (docs/formats.md M-11).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ContentKey {
    /// Where the bytes lie; `None` where the archive does not hold them.
    location: Option<Location>,
    /// Digest and size of the stored bytes.
    expected: Expected,
    /// The digest of the uncompressed tar.
    diff_id: DiffId,
    /// The digest and size by which a foreign layer is known elsewhere.
    foreign: Option<Expected>,
    /// The bytes cannot be decoded.
    is_encrypted: bool,
}

/// Returns what messages call a layer: `layer 1 (0123456789ab)`, counted from 0 at the base.
pub fn layer_title(number: usize, diff_id: &DiffId) -> String {
    format!("layer {number} ({})", diff_id.digest().short())
}

/// Each of `layers` once: of those with one key, the first.
pub(crate) fn distinct<'l>(layers: impl Iterator<Item = &'l Layer>) -> impl Iterator<Item = &'l Layer> {
    let mut keys = HashSet::new();
    layers.filter(move |layer| keys.insert(layer.content_key()))
}

impl Blob {
    /// Whether the stored bytes are the tar itself.
    pub fn is_plain(&self) -> bool {
        self.codec == Codec::Plain
    }
}

impl Layer {
    /// Bytes as stored; 0 for a layer that the archive does not hold.
    pub fn stored_size(&self) -> u64 {
        self.blob.as_ref().map_or(0, |blob| blob.extent.size())
    }

    /// The descriptor by which a manifest of the input promises the stored bytes.
    pub fn descriptor(&self) -> Option<&Descriptor> {
        match &self.claim {
            ExpectedDigest::Descriptor(descriptor) => Some(descriptor),
            ExpectedDigest::Name(_)
            | ExpectedDigest::Computed(_)
            | ExpectedDigest::Written { .. }
            | ExpectedDigest::Nothing => None,
        }
    }

    /// The digest by which the source lists the stored bytes, checked or not (L-11).
    pub fn listed_digest(&self) -> Option<&Digest> {
        match &self.claim {
            ExpectedDigest::Descriptor(descriptor) => Some(descriptor.digest()),
            ExpectedDigest::Name(digest) => Some(digest),
            ExpectedDigest::Computed(_) | ExpectedDigest::Written { .. } | ExpectedDigest::Nothing => None,
        }
    }

    /// What the stored bytes must be; nothing where only a name speaks for them and they are compressed.
    pub(crate) fn expected(&self) -> Expected {
        match (&self.claim, &self.blob) {
            (ExpectedDigest::Descriptor(descriptor), _) => expected_by(descriptor),
            (ExpectedDigest::Computed(digest) | ExpectedDigest::Written { digest, .. }, _) => Expected::digest(digest),
            (ExpectedDigest::Name(_) | ExpectedDigest::Nothing, Some(Blob { codec: Codec::Plain, .. })) => {
                Expected::digest(self.diff_id.digest())
            }
            (ExpectedDigest::Name(_) | ExpectedDigest::Nothing, _) => Expected::default(),
        }
    }

    /// Returns what makes it one with another reference to the same bytes.
    pub(crate) fn content_key(&self) -> ContentKey {
        ContentKey {
            location: self.blob.as_ref().map(|blob| blob.extent.location()),
            expected: self.expected(),
            diff_id: self.diff_id.clone(),
            foreign: self.foreign.as_ref().map(expected_by),
            is_encrypted: self.is_encrypted(),
        }
    }

    /// The digest that the stored bytes have or the run fails; `None` where it must be computed first.
    pub(crate) fn certain_digest(&self) -> Option<Digest> {
        self.expected().digest
    }

    /// Whether this run has hashed all of it already.
    pub(crate) fn is_computed(&self) -> bool {
        matches!(self.claim, ExpectedDigest::Computed(_) | ExpectedDigest::Written { .. })
    }

    /// How a layer that this run has written is compressed where the target keeps layers as they are.
    pub(crate) fn written_as(&self) -> Option<Codec> {
        match self.claim {
            ExpectedDigest::Written { codec, .. } => Some(codec),
            ExpectedDigest::Descriptor(_)
            | ExpectedDigest::Name(_)
            | ExpectedDigest::Computed(_)
            | ExpectedDigest::Nothing => None,
        }
    }

    /// Whether these are bytes of a foreign layer that may be in another form than its descriptor means (L-22, M-8).
    pub(crate) fn is_foreign_copy(&self) -> bool {
        self.foreign.is_some() && self.descriptor().is_none()
    }

    /// Whether the stored bytes are named by an algorithm that cannot be computed here (M-11).
    pub(crate) fn is_beyond_checking(&self) -> bool {
        self.certain_digest().is_some_and(|digest| matches!(digest.algorithm(), Algorithm::Other(_)))
    }
}

fn expected_by(descriptor: &Descriptor) -> Expected {
    Expected { digest: Some(descriptor.digest().clone()), size: Some(descriptor.size()) }
}
