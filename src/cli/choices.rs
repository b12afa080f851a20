//! Flags that take one of a few words. The doc comments are the help text.

use clap::ValueEnum;
use imgtar::codec::{Encoding, GzipLevel, ZstdLevel};
use imgtar::{convert, options};

/// The formats that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// `docker save` of Docker 1.10 to 24: plain layers in v1 directories
    #[value(alias = "docker-save")]
    Legacy,
    /// Compressed manifest.json tarball, as `crane pull` writes it
    #[value(aliases = ["docker-archive", "tarball"])]
    Docker,
    /// OCI image layout in a tar, with docker's manifest.json beside it: what most tools take
    #[value(alias = "oci-archive")]
    Oci,
    /// The same layout as a directory; needs -o DIR
    #[value(alias = "dir")]
    OciDir,
    /// One tar: the filesystem that a container of the image would see
    #[value(aliases = ["tar", "flat"])]
    Rootfs,
}

/// `--outer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Outer {
    /// Not at all, whatever the extension says: the only form that every engine loads
    None,
    /// What most engines load
    Gzip,
    /// Smaller and faster, for newer engines
    Zstd,
    /// Smallest and slowest
    Xz,
}

/// `--prefer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Half {
    /// index.json
    Oci,
    /// manifest.json
    Docker,
}

/// `--index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Index {
    /// They are dropped, with a warning that names them
    #[default]
    Prune,
    /// They are kept, as is the index's digest
    Keep,
    /// They are an error
    Strict,
}

/// `--attestations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attestations {
    /// Also when one platform is chosen: a new index holds it and its attestation
    Keep,
    /// Never written
    Drop,
}

/// `--verify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Verify {
    /// Layers whose place nothing but their diff_id vouches for
    #[default]
    Auto,
    /// Nothing: digests of stored bytes are checked all the same
    Digests,
    /// Every layer
    Full,
}

/// `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Progress {
    /// Bars on a terminal, unless --quiet; nothing elsewhere
    #[default]
    Auto,
    /// A line for each layer, and every five seconds one for the whole: for logs
    Plain,
    /// One JSON document a line: for programs
    Json,
    /// Nothing
    None,
}

impl Format {
    /// The word that selects it.
    pub(crate) fn content_key(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Docker => "docker",
            Self::Oci => "oci",
            Self::OciDir => "oci-dir",
            Self::Rootfs => "rootfs",
        }
    }
}

impl From<Outer> for Encoding {
    fn from(outer: Outer) -> Self {
        match outer {
            Outer::None => Self::Plain,
            Outer::Gzip => Self::Gzip(GzipLevel::DEFAULT),
            Outer::Zstd => Self::Zstd(ZstdLevel::DEFAULT),
            Outer::Xz => Self::Xz,
        }
    }
}

impl From<Half> for options::Half {
    fn from(half: Half) -> Self {
        match half {
            Half::Oci => Self::Oci,
            Half::Docker => Self::Docker,
        }
    }
}

impl From<Index> for convert::IndexPolicy {
    fn from(index: Index) -> Self {
        match index {
            Index::Prune => Self::Prune,
            Index::Keep => Self::Keep,
            Index::Strict => Self::Strict,
        }
    }
}

impl From<Attestations> for convert::Attestations {
    fn from(attestations: Attestations) -> Self {
        match attestations {
            Attestations::Keep => Self::Keep,
            Attestations::Drop => Self::Drop,
        }
    }
}

impl From<Verify> for convert::Verify {
    fn from(verify: Verify) -> Self {
        match verify {
            Verify::Auto => Self::Auto,
            Verify::Digests => Self::Digests,
            Verify::Full => Self::Full,
        }
    }
}
