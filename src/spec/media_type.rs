//! Media types: the kinds of blob that a descriptor can name.
//!
//! Docker's and OCI's names are two spellings of the same things (docs/formats.md M-1); changing from one to the other
//! changes nothing but the string. Types that are not known here are carried along as they are.
//!
//! Sources: OCI image-spec `media-types.md`, moby `image/spec`, docs/formats.md M-1, O-2, O-10, O-13, O-19.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::path::escape_for_terminal;

/// The media type of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// An image manifest.
    Manifest(Family),
    /// An image index, in docker's words a manifest list.
    Index(Family),
    /// An image configuration.
    Config(Family),
    /// A layer that may be passed on.
    Layer(Family, Compression),
    /// A layer that its licence forbids to pass on, in docker's words a foreign layer: its blob may be absent (M-8, M-10).
    ForeignLayer(Family, Compression),
    /// OCI's empty JSON object, the config of artifacts that have none (O-13).
    Empty,
    /// Anything else, as it was written.
    Other(Box<str>),
}

/// The vendor in whose spelling a media type is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `application/vnd.docker…`
    Docker,
    /// `application/vnd.oci…`
    Oci,
}

/// The compression of a layer's tar, in the forms that have a media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not compressed.
    Plain,
    /// Compressed with gzip.
    Gzip,
    /// Compressed with zstd.
    Zstd,
}

use Compression::{Gzip, Plain, Zstd};
use Family::{Docker, Oci};

/// Every known type and its spelling (M-1).
const KNOWN: [(MediaType, &str); 18] = [
    (MediaType::Manifest(Docker), "application/vnd.docker.distribution.manifest.v2+json"),
    (MediaType::Manifest(Oci), "application/vnd.oci.image.manifest.v1+json"),
    (MediaType::Index(Docker), "application/vnd.docker.distribution.manifest.list.v2+json"),
    (MediaType::Index(Oci), "application/vnd.oci.image.index.v1+json"),
    (MediaType::Config(Docker), "application/vnd.docker.container.image.v1+json"),
    (MediaType::Config(Oci), "application/vnd.oci.image.config.v1+json"),
    (MediaType::Layer(Docker, Plain), "application/vnd.docker.image.rootfs.diff.tar"),
    (MediaType::Layer(Oci, Plain), "application/vnd.oci.image.layer.v1.tar"),
    (MediaType::Layer(Docker, Gzip), "application/vnd.docker.image.rootfs.diff.tar.gzip"),
    (MediaType::Layer(Oci, Gzip), "application/vnd.oci.image.layer.v1.tar+gzip"),
    (MediaType::Layer(Docker, Zstd), "application/vnd.docker.image.rootfs.diff.tar.zstd"),
    (MediaType::Layer(Oci, Zstd), "application/vnd.oci.image.layer.v1.tar+zstd"),
    (MediaType::ForeignLayer(Docker, Plain), "application/vnd.docker.image.rootfs.foreign.diff.tar"),
    (MediaType::ForeignLayer(Oci, Plain), "application/vnd.oci.image.layer.nondistributable.v1.tar"),
    (MediaType::ForeignLayer(Docker, Gzip), "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
    (MediaType::ForeignLayer(Oci, Gzip), "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
    (MediaType::ForeignLayer(Oci, Zstd), "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"),
    (MediaType::Empty, "application/vnd.oci.empty.v1+json"),
];

/// The layer of a BuildKit attestation manifest (O-13).
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// The config of a plugin of Docker's.
const PLUGIN: &str = "application/vnd.docker.plugin.v1+json";

/// The manifests of docker before 1.10, signed and unsigned.
const SCHEMA1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/// No type at all.
impl Default for MediaType {
    fn default() -> Self {
        Self::Other("".into())
    }
}

impl MediaType {
    /// The type that is spelled `text`.
    pub fn parse(text: &str) -> Self {
        KNOWN
            .iter()
            .find(|(_, spelling)| *spelling == text)
            .map_or_else(|| Self::Other(text.into()), |(known, _)| known.clone())
    }

    /// The spelling.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(text) => text,
            // Docker never named this one, and its readers take OCI's name (M-1).
            Self::ForeignLayer(Docker, Zstd) => Self::ForeignLayer(Oci, Zstd).as_str(),
            known => KNOWN.iter().find(|(other, _)| other == known).map_or("", |(_, spelling)| spelling),
        }
    }

    /// The same thing in the words of `family`; what is known to one of the two alone stays as it is (M-1).
    #[must_use]
    pub fn with_family(&self, family: Family) -> Self {
        match self {
            Self::Manifest(_) => Self::Manifest(family),
            Self::Index(_) => Self::Index(family),
            Self::Config(_) => Self::Config(family),
            Self::Layer(_, compression) => Self::Layer(family, *compression),
            Self::ForeignLayer(_, Zstd) | Self::Empty | Self::Other(_) => self.clone(),
            Self::ForeignLayer(_, compression) => Self::ForeignLayer(family, *compression),
        }
    }

    /// Returns the compression of a layer of this type; `None` for other types and for layers in an unknown form.
    pub(crate) fn compression(&self) -> Option<Compression> {
        match self {
            Self::Layer(_, compression) | Self::ForeignLayer(_, compression) => Some(*compression),
            _ => None,
        }
    }

    /// Returns whether a blob of this type is an index, which lists other manifests.
    pub fn is_index(&self) -> bool {
        matches!(self, Self::Index(_))
    }

    /// Returns whether a blob of this type is an image manifest, which names one config and its layers.
    pub fn is_manifest(&self) -> bool {
        matches!(self, Self::Manifest(_))
    }

    /// Returns whether this is the media type of an image's config; the content of the blob decides (O-13).
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Config(_))
    }

    /// Returns whether a blob of this type is the config of a Docker plugin, which is like an image's but not run as
    /// one (O-13).
    pub fn is_plugin(&self) -> bool {
        matches!(self, Self::Other(text) if &**text == PLUGIN)
    }

    /// Returns whether a blob of this type is a filesystem layer that can be read.
    pub fn is_layer(&self) -> bool {
        self.compression().is_some()
    }

    /// Returns whether a layer of this type may be absent, with or without `urls` (M-10, O-3).
    pub fn is_nondistributable(&self) -> bool {
        matches!(self, Self::ForeignLayer(..))
            || matches!(self, Self::Other(text) if text.starts_with("application/vnd.oci.image.layer.nondistributable."))
    }

    /// Returns whether a blob of this type is encrypted, so that it can only be passed through (O-19).
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Other(text) if text.ends_with("+encrypted"))
    }

    /// Returns whether this is a manifest of Docker before 1.10 (schema 1), which is refused (M-1).
    pub fn is_schema1(&self) -> bool {
        matches!(self, Self::Other(text) if SCHEMA1.contains(&&**text))
    }

    /// Returns whether this is an in-toto statement, the layer of an attestation (O-13).
    pub fn is_in_toto(&self) -> bool {
        matches!(self, Self::Other(text) if &**text == IN_TOTO)
    }
}

impl fmt::Display for MediaType {
    /// Escapes the type for terminals, because a document may hold any text (H-25).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_for_terminal(self.as_str().as_bytes()))
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::parse(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_type_is_read_and_written_alike() {
        for (known, spelling) in &KNOWN {
            assert_eq!(MediaType::parse(spelling), *known);
            assert_eq!(known.as_str(), *spelling);
        }
        assert_eq!(MediaType::parse("text/plain").as_str(), "text/plain");
    }

    #[test]
    fn dockers_and_ocis_words_map_both_ways() {
        for [docker, oci] in [
            ["application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.manifest.v1+json"],
            ["application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json"],
            ["application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"],
            ["application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip"],
            ["application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar"],
            ["application/vnd.docker.image.rootfs.diff.tar.zstd", "application/vnd.oci.image.layer.v1.tar+zstd"],
            [
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            ],
            [
                "application/vnd.docker.image.rootfs.foreign.diff.tar",
                "application/vnd.oci.image.layer.nondistributable.v1.tar",
            ],
        ] {
            assert_eq!(MediaType::parse(docker).with_family(Oci).as_str(), oci);
            assert_eq!(MediaType::parse(oci).with_family(Docker).as_str(), docker);
            assert_eq!(MediaType::parse(oci).with_family(Oci).as_str(), oci);
        }
        for only in [
            "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
            "application/vnd.oci.empty.v1+json",
            "application/vnd.example+json",
        ] {
            assert_eq!(MediaType::parse(only).with_family(Docker).as_str(), only);
            assert_eq!(MediaType::parse(only).with_family(Oci).as_str(), only);
        }
    }

    #[test]
    fn what_cannot_be_read_as_a_layer_is_told_apart() {
        let encrypted = MediaType::parse("application/vnd.oci.image.layer.v1.tar+gzip+encrypted");
        assert!(encrypted.is_encrypted() && !encrypted.is_layer());
        let encrypted = MediaType::parse("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip+encrypted");
        assert!(encrypted.is_encrypted() && encrypted.is_nondistributable());
        assert!(MediaType::parse("application/vnd.in-toto+json").is_in_toto());
        assert!(MediaType::parse("application/vnd.docker.distribution.manifest.v1+prettyjws").is_schema1());
        assert!(!MediaType::parse("application/vnd.oci.empty.v1+json").is_config());
    }
}
