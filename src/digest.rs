//! Digests: parsed by the written grammar, computed as bytes pass.
//!
//! Three digests name a layer's or image's bytes and are never mixed: [`DiffId`] is that of a layer's uncompressed tar,
//! a plain [`Digest`] that of a blob as stored, and the image ID that of the config's exact bytes.
//!
//! Sources: OCI image-spec `descriptor.md` (digests), docs/formats.md O-4, O-5, H-2.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256, Sha512};

/// `algorithm:encoded`, with the right length and alphabet for every algorithm that is known.
///
/// A value can be used in a path (`blobs/<algorithm>/<encoded>`): neither half can hold a slash or be `..`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    encoded: Box<str>,
}

/// Characters of a digest that people are shown.
const SHORT: usize = 12;

/// The algorithm of a [`Digest`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// SHA-256, 64 lower-case hex digits.
    Sha256,
    /// SHA-512, 128 lower-case hex digits.
    Sha512,
    /// Well-formed, but nothing that can be computed here: carried from OCI to OCI, never verified.
    Other(Box<str>),
}

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a digest: {why}", text.escape_debug())]
pub struct ParseDigestError {
    text: String,
    why: &'static str,
}

impl Digest {
    /// The SHA-256 of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::sha256();
        hasher.update(bytes);
        hasher.finish()
    }

    /// A SHA-256 digest from its 64 lower-case hex digits, as docker-family member names carry it.
    pub(crate) fn from_sha256_hex(hex: &str) -> Option<Self> {
        is_lower_hex(hex, 64).then(|| Self { algorithm: Algorithm::Sha256, encoded: hex.into() })
    }

    /// The SHA-256 digest of these bytes.
    pub(crate) fn from_sha256_bytes(bytes: &[u8; 32]) -> Self {
        Self { algorithm: Algorithm::Sha256, encoded: hex::encode(bytes).into() }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> &Algorithm {
        &self.algorithm
    }

    /// Returns the first 12 characters after the colon, enough to recognise it.
    pub fn short(&self) -> &str {
        &self.encoded[..self.encoded.len().min(SHORT)]
    }

    /// Returns the part after the colon, the encoded hash.
    pub fn encoded(&self) -> &str {
        &self.encoded
    }

    /// Where an OCI layout keeps this blob: `blobs/<algorithm>/<encoded>`.
    pub fn blob_path(&self) -> String {
        format!("blobs/{}/{}", self.algorithm, self.encoded)
    }

    /// Returns true if this is a SHA-256, the only algorithm of docker's formats.
    pub fn is_sha256(&self) -> bool {
        self.algorithm == Algorithm::Sha256
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    /// Parses by the grammar of `descriptor.md`; validation comes before any path is built from the text (H-2).
    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let fail = |why| ParseDigestError { text: text.chars().take(200).collect(), why };
        let (algorithm, encoded) = text.split_once(':').ok_or_else(|| fail("it has no colon"))?;
        if !is_algorithm(algorithm) {
            return Err(fail("the algorithm is not of the form a+b.c_d-e"));
        }
        let algorithm = match algorithm {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            other => Algorithm::Other(other.into()),
        };
        let well_formed = match &algorithm {
            Algorithm::Sha256 => is_lower_hex(encoded, 64),
            Algorithm::Sha512 => is_lower_hex(encoded, 128),
            Algorithm::Other(name) if &**name == "blake3" => is_lower_hex(encoded, 64),
            Algorithm::Other(_) => {
                !encoded.is_empty()
                    && encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'_' | b'-'))
            }
        };
        if !well_formed {
            return Err(fail("the encoded part has the wrong length or alphabet"));
        }
        Ok(Self { algorithm, encoded: encoded.into() })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.encoded)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Other(name) => name,
        })
    }
}

/// The digest of a layer's uncompressed tar stream, to its last byte (docs/formats.md M-12).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct DiffId(pub Digest);

impl DiffId {
    /// The digest, for places that only compare bytes.
    pub fn digest(&self) -> &Digest {
        &self.0
    }
}

impl fmt::Display for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Computes a [`Digest`] from bytes as they pass.
#[derive(Clone)]
pub(crate) struct Hasher(HasherState);

#[derive(Clone)]
enum HasherState {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// A SHA-256.
    pub(crate) fn sha256() -> Self {
        Self(HasherState::Sha256(Sha256::new()))
    }

    /// The hasher for `algorithm`, or `None` where it cannot be computed here.
    pub(crate) fn of(algorithm: &Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Sha256 => Some(Self::sha256()),
            Algorithm::Sha512 => Some(Self(HasherState::Sha512(Box::new(Sha512::new())))),
            Algorithm::Other(_) => None,
        }
    }

    /// Takes in the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            HasherState::Sha256(hasher) => hasher.update(bytes),
            HasherState::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The bytes of the SHA-256 of all bytes taken in; `None` where another digest is computed.
    pub(crate) fn finish_sha256(self) -> Option<[u8; 32]> {
        match self.0 {
            HasherState::Sha256(hasher) => Some(hasher.finalize().into()),
            HasherState::Sha512(_) => None,
        }
    }

    /// The digest of all bytes taken in.
    pub(crate) fn finish(self) -> Digest {
        match self.0 {
            HasherState::Sha256(hasher) => {
                Digest { algorithm: Algorithm::Sha256, encoded: hex::encode(hasher.finalize()).into() }
            }
            HasherState::Sha512(hasher) => {
                Digest { algorithm: Algorithm::Sha512, encoded: hex::encode(hasher.finalize()).into() }
            }
        }
    }
}

fn is_lower_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `[a-z0-9]+([+._-][a-z0-9]+)*`
fn is_algorithm(text: &str) -> bool {
    text.split(['+', '.', '_', '-'])
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn well_formed_digests_are_read_and_printed_alike() {
        let sha512 = format!("sha512:{}", "0f".repeat(64));
        for text in [EMPTY, &sha512, "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8", "a.b:="] {
            assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn hostile_digests_are_refused() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for text in [
            "".to_owned(),
            hex.to_owned(),
            format!("sha256:{}", &hex[1..]),
            format!("sha256:{}", hex.to_uppercase()),
            format!("SHA256:{hex}"),
            "sha256:../../../../../../etc/passwd".to_owned(),
            "../x:abc".to_owned(),
            "a..b:abc".to_owned(),
            "foo:".to_owned(),
            "foo:a/b".to_owned(),
            format!("blake3:{}", &hex[2..]),
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }

    #[test]
    fn hashing_in_pieces_equals_hashing_at_once() {
        assert_eq!(Digest::sha256(b"").to_string(), EMPTY);
        let mut hasher = Hasher::sha256();
        hasher.update(b"ab");
        hasher.update(b"c");
        assert_eq!(hasher.finish(), Digest::sha256(b"abc"));
    }
}
