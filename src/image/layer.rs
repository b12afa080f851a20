//! Layers: what they claim, where their bytes are.

use std::collections::HashSet;

use crate::codec::Codec;
use crate::digest::{Algorithm, DiffId, Digest};
use crate::spec::descriptor::Descriptor;
use crate::stream::source::{Extent, Location};
use crate::stream::tap::Expected;

/// One layer of an image.
#[derive(Clone)]
pub struct Layer {
    /// How messages call it: the archive and the member.
    pub at: String,
    /// What its uncompressed tar must hash to, by the config.
    pub diff_id: DiffId,
    /// The bytes; `None` for a foreign layer that the archive does not hold (L-23, M-8).
    pub blob: Option<Blob>,
    /// What the input says of the bytes.
    pub claim: ExpectedDigest,
    /// For a layer that may not be distributed: its descriptor, with the `urls` where it may be had (M-8).
    pub foreign: Option<Descriptor>,
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
pub enum ExpectedDigest {
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

/// What is said of a layer's bytes: where they lie, what they promise, their diff_id.
///
/// Only what agrees in all of it is judged together: a second word on the same bytes may be a lie although the first is
/// not (docs/formats.md M-11). Bytes with a descriptor lie where its digest says, so that a directory's, which is opened
/// anew each time, are known again.
pub(crate) type ContentKey = (Option<Location>, Expected, DiffId);

/// Each of `layers` once: of those of which the same is said, the first.
pub(crate) fn distinct<'l>(layers: impl Iterator<Item = &'l Layer>) -> impl Iterator<Item = &'l Layer> {
    let mut words = HashSet::new();
    layers.filter(move |layer| words.insert(layer.content_key()))
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
    pub fn expected(&self) -> Expected {
        match (&self.claim, &self.blob) {
            (ExpectedDigest::Descriptor(descriptor), _) => {
                Expected { digest: Some(descriptor.digest().clone()), size: Some(descriptor.size()) }
            }
            (ExpectedDigest::Computed(digest) | ExpectedDigest::Written { digest, .. }, _) => Expected::digest(digest),
            (ExpectedDigest::Name(_) | ExpectedDigest::Nothing, Some(Blob { codec: Codec::Plain, .. })) => {
                Expected::digest(self.diff_id.digest())
            }
            (ExpectedDigest::Name(_) | ExpectedDigest::Nothing, _) => Expected::default(),
        }
    }

    /// What is said of its bytes.
    pub(crate) fn content_key(&self) -> ContentKey {
        let blob = self.blob.as_ref().filter(|_| self.descriptor().is_none());
        (blob.map(|blob| blob.extent.location()), self.expected(), self.diff_id.clone())
    }

    /// The digest that the stored bytes have or the run fails; `None` where it must be computed first.
    pub fn certain_digest(&self) -> Option<Digest> {
        self.expected().digest
    }

    /// Whether this run has hashed all of it already.
    pub fn is_computed(&self) -> bool {
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

    /// Whether the layer can only be passed on as it is (O-19).
    pub fn is_encrypted(&self) -> bool {
        matches!(&self.claim, ExpectedDigest::Descriptor(descriptor) if descriptor.media_type().is_encrypted())
    }

    /// Whether these are bytes of a foreign layer that may be in another form than its descriptor means (L-22, M-8).
    pub fn is_foreign_copy(&self) -> bool {
        self.foreign.is_some() && self.descriptor().is_none()
    }

    /// Whether the stored bytes are named by an algorithm that cannot be computed here (M-11).
    pub fn is_beyond_checking(&self) -> bool {
        self.certain_digest().is_some_and(|digest| matches!(digest.algorithm(), Algorithm::Other(_)))
    }
}
