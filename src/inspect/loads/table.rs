//! The table of engines: one row each.
//!
//! A row names the release that was measured; it stands for those around it until another row begins. A row that
//! resembles another spells out only the differences.
//!
//! Sources: docs/formats.md G-2, G-4, G-7, G-8, G-18, L-7, L-30, D-5, O-5, O-9, O-10, O-21, O-22, O-26, H-14; what 13
//! engines did with some 90 archives, which the suite keeps (tests/suite/loads).

use super::engine::Engine;
use super::row::{
    Containers, DockerTypes, EngineRow, FlatIndex, LayerForms, LayerTypes, LinkRule, NameRules, PlatformRule, Reads,
    Several,
};
use crate::codec::Codec::{Bzip2, Gzip, Plain, Xz, Zstd};
use crate::layer_index::Unpacker;
use crate::spec::config_types::ConfigReader;

const MIB: u64 = 1 << 20;

pub(super) const DOCKER_20: EngineRow = EngineRow {
    engine: Engine::Docker20,
    program: "Docker",
    release: "20.10",
    reads: Reads::ManifestJsonOrRepositories,
    containers: Containers::Archives,
    unmarked_layouts: false,
    untyped_entries: false,
    outer: &[Gzip, Xz, Bzip2],
    outer_of_layouts: &[],
    layers: LayerForms::AnyOf(&[Plain, Gzip, Xz, Bzip2]),
    types: LayerTypes::Ignored,
    docker_types: DockerTypes::All,
    config: Some(ConfigReader::Docker),
    several: Several::All,
    flat_index: FlatIndex::Whole,
    names: NameRules::Tagged,
    ipv6_names: false,
    platforms: PlatformRule::Linux,
    sha512: false,
    absent_platforms: true,
    checks_history: true,
    max_layers: Some(125),
    unpacks: Some(Unpacker::Docker),
    links: LinkRule::Followed,
    max_manifest_json: None,
    max_document: None,
    target: "oci",
};

pub(super) const DOCKER_29_CLASSIC: EngineRow = EngineRow {
    engine: Engine::Docker29Classic,
    program: "Docker",
    release: "29 classic",
    reads: Reads::ManifestJson,
    outer: &[Gzip, Zstd, Xz, Bzip2],
    layers: LayerForms::AnyOf(&[Plain, Gzip, Zstd, Xz, Bzip2]),
    ipv6_names: true,
    ..DOCKER_20
};

pub(super) const DOCKER_29_CONTAINERD: EngineRow = EngineRow {
    engine: Engine::Docker29Containerd,
    program: "Docker",
    release: "29 containerd",
    reads: Reads::IndexJsonOrManifestJson,
    outer: &[Gzip, Zstd, Xz, Bzip2],
    layers: LayerForms::AnyOf(&[Plain, Gzip, Zstd]),
    types: LayerTypes::Known,
    config: Some(ConfigReader::Oci),
    flat_index: FlatIndex::LastOnly,
    names: NameRules::References,
    ipv6_names: true,
    checks_history: false,
    max_layers: None,
    unpacks: Some(Unpacker::Containerd),
    links: LinkRule::Containerd,
    max_manifest_json: Some(20 * MIB),
    ..DOCKER_20
};

pub(super) const CTR_16: EngineRow = EngineRow {
    engine: Engine::Ctr16,
    program: "ctr",
    release: "1.6",
    outer: &[],
    docker_types: DockerTypes::NotZstd,
    flat_index: FlatIndex::Refused,
    names: NameRules::Needed,
    ipv6_names: false,
    platforms: PlatformRule::Machine,
    ..DOCKER_29_CONTAINERD
};

pub(super) const CTR_2: EngineRow = EngineRow {
    engine: Engine::Ctr2,
    program: "ctr",
    release: "2",
    outer: &[Gzip, Zstd],
    docker_types: DockerTypes::All,
    ipv6_names: true,
    ..CTR_16
};

pub(super) const KIND: EngineRow = EngineRow {
    engine: Engine::Kind,
    program: "kind",
    release: "",
    docker_types: DockerTypes::All,
    ipv6_names: true,
    flat_index: FlatIndex::LastOnly,
    platforms: PlatformRule::Any,
    absent_platforms: false,
    ..CTR_16
};

pub(super) const PODMAN_4: EngineRow = EngineRow {
    engine: Engine::Podman4,
    program: "podman",
    release: "4",
    reads: Reads::IndexJsonThenManifestJson,
    containers: Containers::Both,
    unmarked_layouts: true,
    untyped_entries: true,
    outer: &[Zstd, Xz, Bzip2],
    outer_of_layouts: &[Gzip],
    docker_types: DockerTypes::NotZstd,
    config: Some(ConfigReader::Oci),
    several: Several::AllOfManifestJson,
    flat_index: FlatIndex::Refused,
    names: NameRules::Tagged,
    unpacks: Some(Unpacker::Docker),
    ..SKOPEO_19_DOCKER_ARCHIVE
};

pub(super) const SKOPEO_19_DOCKER_ARCHIVE: EngineRow = EngineRow {
    engine: Engine::Skopeo19DockerArchive,
    program: "skopeo docker-archive",
    release: "1.9",
    reads: Reads::ManifestJson,
    outer: &[Zstd, Xz, Bzip2],
    layers: LayerForms::AnyOf(&[Plain, Gzip, Zstd, Xz, Bzip2]),
    config: Some(ConfigReader::ContainersImage),
    several: Several::ByReference,
    names: NameRules::Free,
    platforms: PlatformRule::Any,
    checks_history: false,
    max_layers: None,
    unpacks: None,
    links: LinkRule::ContainersImage,
    max_manifest_json: Some(MIB),
    max_document: Some(4 * MIB),
    ..DOCKER_20
};

pub(super) const SKOPEO_19_OCI_ARCHIVE: EngineRow = EngineRow {
    engine: Engine::Skopeo19OciArchive,
    program: "skopeo oci-archive",
    release: "1.9",
    reads: Reads::IndexJson,
    containers: Containers::Both,
    unmarked_layouts: true,
    untyped_entries: true,
    outer: &[Gzip, Zstd, Xz, Bzip2],
    layers: LayerForms::All,
    docker_types: DockerTypes::NotZstdNorByName,
    config: None,
    several: Several::ByRefName,
    flat_index: FlatIndex::FirstOnly,
    ..SKOPEO_19_DOCKER_ARCHIVE
};

pub(super) const SKOPEO_122_DOCKER_ARCHIVE: EngineRow = EngineRow {
    engine: Engine::Skopeo122DockerArchive,
    program: "skopeo docker-archive",
    release: "1.22",
    outer: &[Gzip, Zstd, Xz, Bzip2],
    ..SKOPEO_19_DOCKER_ARCHIVE
};

pub(super) const SKOPEO_122_OCI_ARCHIVE: EngineRow = EngineRow {
    engine: Engine::Skopeo122OciArchive,
    program: "skopeo oci-archive",
    release: "1.22",
    docker_types: DockerTypes::All,
    several: Several::ByReference,
    sha512: true,
    ..SKOPEO_19_OCI_ARCHIVE
};

pub(super) const CRANE: EngineRow = EngineRow {
    engine: Engine::Crane,
    program: "crane",
    release: "",
    reads: Reads::ByContainer,
    containers: Containers::Both,
    unmarked_layouts: true,
    outer: &[],
    layers: LayerForms::LikeTheFirst,
    config: Some(ConfigReader::GoContainerregistry),
    several: Several::OneOfAnArchive,
    names: NameRules::Free,
    platforms: PlatformRule::Any,
    checks_history: false,
    max_layers: None,
    unpacks: None,
    links: LinkRule::GoContainerregistry,
    ..DOCKER_20
};

pub(super) const UMOCI_04: EngineRow = EngineRow {
    engine: Engine::Umoci04,
    program: "umoci",
    release: "0.4",
    reads: Reads::IndexJson,
    containers: Containers::Directories,
    outer: &[],
    layers: LayerForms::AnyOf(&[Plain, Gzip]),
    types: LayerTypes::Decisive,
    docker_types: DockerTypes::None,
    config: Some(ConfigReader::Oci),
    several: Several::ByRefName,
    flat_index: FlatIndex::Refused,
    names: NameRules::RefNameNeeded,
    platforms: PlatformRule::Any,
    checks_history: false,
    max_layers: None,
    unpacks: Some(Unpacker::InPlace),
    target: "oci-dir",
    ..DOCKER_20
};

pub(super) const UMOCI_06: EngineRow = EngineRow {
    engine: Engine::Umoci06,
    program: "umoci",
    release: "0.6",
    layers: LayerForms::AnyOf(&[Plain, Gzip, Zstd]),
    ..UMOCI_04
};
