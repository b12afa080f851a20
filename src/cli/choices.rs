//! Flags that take one of a few words. The doc comments are the help text.

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use imgtar::{Attestations, DiffIgnore, DiffPart, Encoding, Half, IndexPolicy, Verify, ZstdLevel};

/// The formats that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    /// `docker save` of Docker 1.10 to 24: plain layers in directories
    #[value(alias = "docker-save")]
    Legacy,
    /// manifest.json with gzip layers, as `crane pull` writes it
    #[value(aliases = ["docker-archive", "tarball"])]
    Docker,
    /// OCI image layout in a tar, with docker's manifest.json as well: the form that most tools load
    #[value(alias = "oci-archive")]
    Oci,
    /// OCI image layout in a directory; needs -o DIR
    #[value(alias = "dir")]
    OciDir,
    /// The filesystem that a container of the image would see, as one tar
    #[value(aliases = ["tar", "flat"])]
    Rootfs,
    /// The changes since the image of --base, file by file; --with restores the image
    Delta,
}

/// `--outer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OuterArg {
    /// Not compressed, whatever the extension says: the only form that every engine loads
    None,
    /// Most engines load it
    Gzip,
    /// Smaller and faster, for newer engines
    Zstd,
    /// Smallest and slowest
    Xz,
}

/// `diff --ignore`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IgnoreArg {
    /// Times of files
    Mtime,
    /// Owners and groups of files
    Owner,
    /// Permissions of files
    Mode,
    /// Extended attributes of files, including ACLs
    Xattrs,
    /// The config's history
    History,
    /// Times of creation of the image and of the steps in its history
    Created,
    /// Labels
    Labels,
}

impl From<IgnoreArg> for DiffIgnore {
    fn from(arg: IgnoreArg) -> Self {
        match arg {
            IgnoreArg::Mtime => Self::Mtime,
            IgnoreArg::Owner => Self::Owner,
            IgnoreArg::Mode => Self::Mode,
            IgnoreArg::Xattrs => Self::Xattrs,
            IgnoreArg::History => Self::History,
            IgnoreArg::Created => Self::Created,
            IgnoreArg::Labels => Self::Labels,
        }
    }
}

/// `diff --only`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PartArg {
    /// The files that a container would see
    Files,
    /// The config, except its diff_ids
    Config,
    /// Layers by diff_id; none is decoded
    Layers,
}

impl From<PartArg> for DiffPart {
    fn from(arg: PartArg) -> Self {
        match arg {
            PartArg::Files => Self::Files,
            PartArg::Config => Self::Config,
            PartArg::Layers => Self::Layers,
        }
    }
}

/// `--prefer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HalfArg {
    /// index.json
    Oci,
    /// manifest.json
    Docker,
}

/// `--index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum IndexArg {
    /// Drop them, with a warning that names them
    #[default]
    Prune,
    /// Keep them, and with them the digest of the index
    Keep,
    /// Fail
    Strict,
}

/// `--attestations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AttestationsArg {
    /// Keep them even if one platform is chosen: a new index lists it and its attestation
    Keep,
    /// Drop them
    Drop,
}

/// `--verify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum VerifyArg {
    /// Layers whose position only their diff_id can confirm
    #[default]
    Auto,
    /// None; digests of stored bytes are still checked
    Digests,
    /// Every layer
    Full,
}

/// `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ProgressArg {
    /// Bars on a terminal unless --quiet is given, otherwise nothing
    #[default]
    Auto,
    /// A line for each layer, and one for the total every five seconds: for logs
    Plain,
    /// One JSON document per line: for programs
    Json,
    /// Nothing
    None,
}

impl FormatArg {
    /// The name that selects it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Docker => "docker",
            Self::Oci => "oci",
            Self::OciDir => "oci-dir",
            Self::Rootfs => "rootfs",
            Self::Delta => "delta",
        }
    }

    /// A parser for commands that cannot write a delta. It does not list the word, but takes it: an error can then name the
    /// command that can.
    pub(crate) fn other_than_delta() -> impl TypedValueParser<Value = Self> {
        let word = |format: &Self| format.to_possible_value().map(|word| word.hide(*format == Self::Delta));
        let words = PossibleValuesParser::new(Self::value_variants().iter().filter_map(word));
        words.try_map(|text| Self::from_str(&text, false))
    }
}

impl From<OuterArg> for Encoding {
    fn from(outer: OuterArg) -> Self {
        match outer {
            OuterArg::None => Self::Plain,
            OuterArg::Gzip => Self::Gzip(None),
            OuterArg::Zstd => Self::Zstd(ZstdLevel::DEFAULT),
            OuterArg::Xz => Self::Xz,
        }
    }
}

impl From<HalfArg> for Half {
    fn from(half: HalfArg) -> Self {
        match half {
            HalfArg::Oci => Self::Oci,
            HalfArg::Docker => Self::Docker,
        }
    }
}

impl From<IndexArg> for IndexPolicy {
    fn from(index: IndexArg) -> Self {
        match index {
            IndexArg::Prune => Self::Prune,
            IndexArg::Keep => Self::Keep,
            IndexArg::Strict => Self::Strict,
        }
    }
}

impl From<AttestationsArg> for Attestations {
    fn from(attestations: AttestationsArg) -> Self {
        match attestations {
            AttestationsArg::Keep => Self::Keep,
            AttestationsArg::Drop => Self::Drop,
        }
    }
}

impl From<VerifyArg> for Verify {
    fn from(verify: VerifyArg) -> Self {
        match verify {
            VerifyArg::Auto => Self::Auto,
            VerifyArg::Digests => Self::Digests,
            VerifyArg::Full => Self::Full,
        }
    }
}
