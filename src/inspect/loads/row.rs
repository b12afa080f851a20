//! The columns of the table of engines: what an engine reads, needs and refuses.

use super::engine::Engine;
use crate::codec::Codec;
use crate::layer_index::Unpacker;
use crate::spec::config_types::ConfigReader;

/// A row of the table of engines: what one engine reads and refuses.
#[derive(Debug)]
pub(super) struct EngineRow {
    pub(super) engine: Engine,
    pub(super) program: &'static str,
    pub(super) release: &'static str,
    /// The list of images that it reads.
    pub(super) reads: Reads,
    /// The containers that it reads: archives, directories or both.
    pub(super) containers: Containers,
    /// True if it reads a layout without `oci-layout` (O-1).
    pub(super) unmarked_layouts: bool,
    /// True if it finds an image whose descriptor has no media type.
    pub(super) untyped_entries: bool,
    /// The compressions of a whole archive that it decodes.
    pub(super) outer: &'static [Codec],
    /// Those that it decodes if the archive is a layout, besides those of `outer`.
    pub(super) outer_of_layouts: &'static [Codec],
    /// The compressions of layers that it decodes.
    pub(super) layers: LayerForms,
    /// Its use of the media types that a manifest gives to layers.
    pub(super) types: LayerTypes,
    /// Docker's media types in a layout.
    pub(super) docker_types: DockerTypes,
    /// The type into which it reads a config; `None` if it does not read configs.
    pub(super) config: Option<ConfigReader>,
    /// Its choice among several images.
    pub(super) several: Several,
    /// The way it loads several platforms under one name.
    pub(super) flat_index: FlatIndex,
    /// The names that it needs and refuses.
    pub(super) names: NameRules,
    /// True if the registry in a name may be an IPv6 address (N-1).
    pub(super) ipv6_names: bool,
    /// The platforms that it takes.
    pub(super) platforms: PlatformRule,
    /// True if it reads blobs that are named by SHA-512.
    pub(super) sha512: bool,
    /// True if it loads an index that lists platforms whose blobs are missing.
    pub(super) absent_platforms: bool,
    /// True if it refuses a history with more layers than the image has, and a parent whose history does not fit.
    pub(super) checks_history: bool,
    /// The most layers that an image may have.
    pub(super) max_layers: Option<usize>,
    /// Its way to unpack layers, for which they must be tars and decrypted; `None` if it copies them as they are.
    pub(super) unpacks: Option<Unpacker>,
    /// Members of an archive that are links.
    pub(super) links: LinkRule,
    /// The largest `manifest.json`, bytes.
    pub(super) max_manifest_json: Option<u64>,
    /// The largest config or manifest, bytes.
    pub(super) max_document: Option<u64>,
    /// The target of `imgtar convert` that it reads best.
    pub(super) target: &'static str,
}

/// The list of images that an engine reads where there are two (O-26).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// `manifest.json`.
    ManifestJson,
    /// `manifest.json`, or `repositories` where that is missing (L-30).
    ManifestJsonOrRepositories,
    /// `index.json`.
    IndexJson,
    /// `index.json`, or `manifest.json` where that is missing.
    IndexJsonOrManifestJson,
    /// `index.json`, or `manifest.json` where that is missing or cannot be loaded.
    IndexJsonThenManifestJson,
    /// `manifest.json` of an archive, `index.json` of a directory.
    ByContainer,
}

impl Reads {
    /// Returns whether it reads the `index.json` of an archive that has both lists.
    pub(super) fn prefers_layouts(self) -> bool {
        matches!(self, Self::IndexJson | Self::IndexJsonOrManifestJson | Self::IndexJsonThenManifestJson)
    }
}

/// The forms of an archive that an engine reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Containers {
    Archives,
    Directories,
    Both,
}

/// The compressions of layers that an engine decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LayerForms {
    /// These, mixed at will.
    AnyOf(&'static [Codec]),
    /// All gzip or all uncompressed: it reads all layers of an archive with the compression of the first.
    LikeTheFirst,
    /// All: it copies them as they are.
    All,
}

/// An engine's use of layers' media types (O-9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LayerTypes {
    /// It looks at the bytes.
    Ignored,
    /// It knows the types of Docker and OCI alone, and takes a plain layer of OCI to be plain.
    Known,
    /// It decodes a layer by its media type.
    Decisive,
}

/// Docker's media types in a layout (O-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DockerTypes {
    All,
    /// Not those of zstd layers, which Docker never defined.
    NotZstd,
    /// The same, and no manifest of Docker's type is found by its name.
    NotZstdNorByName,
    None,
}

/// An engine's choice among several images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Several {
    /// It loads all.
    All,
    /// It loads all of `manifest.json`, but reads an `index.json` of one entry alone (O-22).
    AllOfManifestJson,
    /// It reads the one that it is given a reference to.
    ByReference,
    /// The same, of `index.json` by an exact `ref.name` alone.
    ByRefName,
    /// It takes archives of one image; of directories all.
    OneOfAnArchive,
}

/// The way an engine loads several entries of one name for different platforms (N-9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlatIndex {
    /// It loads all of them, or never reads such a list.
    Whole,
    /// The last entry gets the name.
    LastOnly,
    /// The first entry is found by the name.
    FirstOnly,
    Refused,
}

/// The names that an engine needs and refuses (L-7, O-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameRules {
    /// Any name, and none.
    Free,
    /// Names of `manifest.json` must be references with a tag; an image needs no name.
    Tagged,
    /// Names of `manifest.json` must be references; an image needs a name.
    Needed,
    /// Names of `manifest.json` must be references; an image needs no name.
    References,
    /// The `ref.name` is the only way to an image.
    RefNameNeeded,
}

/// The platforms that an engine takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlatformRule {
    Any,
    /// The operating system of the machine, which is taken to be Linux.
    Linux,
    /// The machine's own, unless another is given.
    Machine,
}

/// The way an engine treats members that are links (G-7, G-8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkRule {
    /// It unpacks the archive, so that the file system follows them.
    Followed,
    /// containerd: names are literal, hard links are passed over, symbolic links lead to a file directly.
    Containerd,
    /// containers/image: hard links are empty files, symbolic links lead directly to a file that the image names too.
    ContainersImage,
    /// go-containerregistry: hard links are taken relative to their own directory.
    GoContainerregistry,
}
