//! The options of a conversion: typed, complete, without strings that still need parsing.
//!
//! Defaults are those of the command line. Options that apply to some targets only are part of [`Target`], so that a
//! contradiction cannot be expressed.

use std::str::FromStr;

use crate::codec::{GzipLevel, ZstdLevel};
use crate::spec::platform::Platform;
use crate::spec::reference::Reference;

/// Everything that decides the bytes of the output; what decides none of them is in [`Run`](crate::run::Run).
///
/// Made by [`new`](Self::new) and changed field by field:
///
/// ```
/// use imgtar::{Compress, ConvertOptions, DockerOptions, Platforms, Target};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut docker = DockerOptions::default();
/// docker.compress = Some(Compress::None);
/// let mut options = ConvertOptions::new(Target::Docker(docker));
/// options.images.push("example.com/app:1".parse()?);
/// options.platforms = Platforms::Only(vec!["linux/arm64".parse()?]);
/// options.names.add.push("example.com/app:latest".parse()?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct ConvertOptions {
    /// The format to write, with the options that apply to that format only.
    pub target: Target,
    /// Which images to take; empty takes all.
    pub images: Vec<ImageRef>,
    /// Which platforms to take.
    pub platforms: Platforms,
    /// True for an output entry for each platform, without their index. [`split`](crate::split) sets it for itself.
    pub each_platform: bool,
    /// The changes of names.
    pub names: NameChanges,
    /// The layers that are decoded only to verify them (docs/formats.md M-11).
    pub verify: Verify,
    /// Entries of an index whose blobs are not in the archive (O-15).
    pub index: IndexPolicy,
    /// BuildKit attestation manifests; `None` keeps them where the whole index is kept.
    pub attestations: Option<Attestations>,
    /// Which half of a hybrid is right when the two disagree (O-26); `None` makes a disagreement an error.
    pub prefer: Option<Half>,
}

impl ConvertOptions {
    /// All images on all platforms under their own names, with the defaults of the command line.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            images: Vec::new(),
            platforms: Platforms::default(),
            each_platform: false,
            names: NameChanges::default(),
            verify: Verify::default(),
            index: IndexPolicy::default(),
            attestations: None,
            prefer: None,
        }
    }
}

/// The format to write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum Target {
    /// `docker save` of Docker 1.10 to 24.
    Legacy(DockerOptions),
    /// Compressed `manifest.json` tarball.
    Docker(DockerOptions),
    /// OCI image layout, as a tar or a directory.
    Oci(OciOptions),
    /// One flattened filesystem.
    Rootfs(RootfsOptions),
    /// A delta, which makes the images from [bases](crate::Archives::bases) that the receiver has.
    Delta(DeltaOptions),
}

/// The options of docker's formats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct DockerOptions {
    /// Layer compression; `None` is [`Compress::Gzip`]. Always `None` for legacy, whose layers are plain.
    pub compress: Option<Compress>,
    /// Spell names in full in `RepoTags` (N-6).
    pub full_names: bool,
    /// Write an image although a foreign layer's bytes are missing (L-23).
    pub allow_missing_foreign: bool,
}

/// The options of OCI targets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct OciOptions {
    /// Layer compression; `None` is [`Compress::Keep`].
    pub compress: Option<Compress>,
    /// Spell names in full in `RepoTags` of the `manifest.json` beside the layout (N-6).
    pub full_names: bool,
    /// Leave out docker's `manifest.json` (O-28). It is never written into a directory.
    pub no_docker_manifest: bool,
    /// Rewrite docker media types as OCI's (M-6).
    pub oci_types: bool,
    /// List the platforms of one name side by side in `index.json`, not in an index of their own (N-9).
    pub flat_index: bool,
    /// Carry blobs that nothing refers to (O-3).
    pub all_blobs: bool,
    /// Store the bytes of a foreign layer as an ordinary layer (M-8).
    pub embed_foreign: bool,
}

/// The options of the delta target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct DeltaOptions {
    /// Make it in a fraction of the time, and larger: the second version of tar-diff (docs/delta.md P-9).
    pub fast: bool,
    /// The most bytes of memory that making it takes, besides some hundred for each file of both images. Fewer than
    /// [`DeltaOptions::LEAST_MEMORY`] count as so many. With less, large files are compared in smaller windows, and
    /// fewer at once (docs/delta.md P-13). By default 512 MiB.
    pub memory: u64,
}

impl DeltaOptions {
    /// The least [memory](Self::memory) with which files can be compared.
    pub const LEAST_MEMORY: u64 = 32 << 20;
}

impl Default for DeltaOptions {
    fn default() -> Self {
        Self { fast: false, memory: 512 << 20 }
    }
}

/// The options of the rootfs target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct RootfsOptions {
    /// Ascending path order (R-24).
    pub sort: bool,
    /// A directory entry over a symbolic link to a directory keeps the link (R-7).
    pub keep_dirlinks: bool,
    /// Leave out eStargz' own files (O-18).
    pub strip_estargz: bool,
    /// No time later than this many seconds since 1970.
    pub clamp_mtime: Option<i64>,
    /// Paths or patterns: only what they name is written, what is below it, and the directories above it. All if empty.
    pub only: Vec<Vec<u8>>,
}

/// `--compress`: what becomes of layer blobs; without a level the codec's own default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum Compress {
    /// Kept byte for byte, if the target has a media type for them.
    Keep,
    /// Plain tar.
    None,
    /// gzip; layers that already are gzip are kept, unless a level is given: theirs is not known.
    Gzip(Option<GzipLevel>),
    /// zstd; layers that already are zstd are kept, unless a level is given.
    Zstd(Option<ZstdLevel>),
}

/// `--image`: one way to point at images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageRef {
    /// `@N`: the N-th image, counted from 0 after names are merged and non-images dropped.
    Position(usize),
    /// A name, a repository with a single tag, a pattern of names, or a digest or unique digest prefix of image ID or
    /// manifest, with or without `sha256:`; names are tried before digests. In a pattern `*` stops at a slash, `**` does not, and
    /// without a tag it fits every tag.
    Text(String),
}

/// The reason why a text points at no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseImageRefError(&'static str);

impl FromStr for ImageRef {
    type Err = ParseImageRefError;

    fn from_str(text: &str) -> Result<Self, ParseImageRefError> {
        if text.is_empty() {
            return Err(ParseImageRefError("an image is a name, a digest or `@N`"));
        }
        let Some(position) = text.strip_prefix('@') else { return Ok(Self::Text(text.to_owned())) };
        let position = position.parse().map(Self::Position);
        position.map_err(|_| ParseImageRefError("a position is `@` and a number, `@0` for the first image"))
    }
}

/// `--platform`: which platforms to take.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Platforms {
    /// The default: all for OCI targets; targets that hold one platform take the only one whose content is there. An
    /// [`ImageSelector`](crate::ImageSelector) that selects several images selects all platforms.
    #[default]
    Unspecified,
    /// `all`.
    All,
    /// These, at least one.
    Only(Vec<Platform>),
}

/// Changes of image names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct NameChanges {
    /// `--tag`: names in place of the input's, `--no-tags`: `Some` and empty.
    pub replace: Option<Vec<Reference>>,
    /// `--rename OLD=NEW`, applied in order, by prefix or whole.
    pub rename: Vec<(String, String)>,
    /// `--add-tag`.
    pub add: Vec<Reference>,
}

/// `--verify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// Layers that no manifest lists by digest are decoded and compared with their diff_ids.
    #[default]
    Auto,
    /// Nothing is decoded only to be checked.
    Digests,
    /// Every layer is decoded and checked.
    Full,
}

/// `--index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IndexPolicy {
    /// Drop entries whose content is absent, with a warning that names them.
    #[default]
    Prune,
    /// Keep the index as it is.
    Keep,
    /// Refuse.
    Strict,
}

/// `--attestations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attestations {
    /// Keep them, also when one platform is chosen: a new index of the two is made.
    Keep,
    /// Drop them.
    Drop,
}

/// A half of a hybrid archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// `index.json`.
    Oci,
    /// `manifest.json`.
    Docker,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_positions_or_texts() {
        assert_eq!("@3".parse(), Ok(ImageRef::Position(3)));
        assert_eq!("app:1".parse(), Ok(ImageRef::Text("app:1".to_owned())));
        for text in ["", "@", "@x", "@-1"] {
            assert!(text.parse::<ImageRef>().is_err(), "{text}");
        }
    }
}
