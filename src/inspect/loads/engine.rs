//! The engines, and the names that users give to them.

use serde::Serialize;

use super::row::EngineRow;
use super::table;

/// A program that loads archives, and the release that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum Engine {
    /// `docker load` of Docker 20.10, which stands for 1.10 to 22.
    #[serde(rename = "docker-20.10")]
    Docker20,
    /// `docker load` of Docker 29 with its graph driver store; stands for 23 to 28 too.
    #[serde(rename = "docker-29-classic")]
    Docker29Classic,
    /// `docker load` of Docker 29 with containerd's store, its default.
    #[serde(rename = "docker-29-containerd")]
    Docker29Containerd,
    /// `ctr images import` of containerd 1.6.
    #[serde(rename = "ctr-1.6")]
    Ctr16,
    /// `ctr images import` of containerd 2.
    #[serde(rename = "ctr-2")]
    Ctr2,
    /// `kind load image-archive`: `ctr images import --local --all-platforms --digests`.
    #[serde(rename = "kind")]
    Kind,
    /// `podman load` of podman 4.
    #[serde(rename = "podman-4")]
    Podman4,
    /// `docker-archive:` of skopeo 1.9.
    #[serde(rename = "skopeo-1.9-docker-archive")]
    Skopeo19DockerArchive,
    /// `oci-archive:` of skopeo 1.9, or `oci:` for a directory.
    #[serde(rename = "skopeo-1.9-oci-archive")]
    Skopeo19OciArchive,
    /// `docker-archive:` of skopeo 1.22.
    #[serde(rename = "skopeo-1.22-docker-archive")]
    Skopeo122DockerArchive,
    /// `oci-archive:` of skopeo 1.22, or `oci:` for a directory.
    #[serde(rename = "skopeo-1.22-oci-archive")]
    Skopeo122OciArchive,
    /// `crane push`.
    #[serde(rename = "crane")]
    Crane,
    /// umoci 0.4.
    #[serde(rename = "umoci-0.4")]
    Umoci04,
    /// umoci 0.6.
    #[serde(rename = "umoci-0.6")]
    Umoci06,
}

/// The names that users give to engines. A name is met if, in each group, one engine loads the archive.
const NAMES: &[(&str, &[&[Engine]])] = {
    use Engine::{
        Crane, Ctr2, Ctr16, Docker20, Docker29Classic, Docker29Containerd, Kind, Podman4, Skopeo19DockerArchive,
        Skopeo19OciArchive, Skopeo122DockerArchive, Skopeo122OciArchive, Umoci04, Umoci06,
    };
    &[
        ("docker", &[&[Docker20], &[Docker29Classic], &[Docker29Containerd]]),
        ("docker-20", &[&[Docker20]]),
        ("docker-20.10", &[&[Docker20]]),
        ("docker-29", &[&[Docker29Classic], &[Docker29Containerd]]),
        ("docker-29-classic", &[&[Docker29Classic]]),
        ("docker-29-containerd", &[&[Docker29Containerd]]),
        ("containerd", &[&[Ctr16], &[Ctr2]]),
        ("ctr", &[&[Ctr16], &[Ctr2]]),
        ("ctr-1.6", &[&[Ctr16]]),
        ("ctr-2", &[&[Ctr2]]),
        ("nerdctl", &[&[Ctr16], &[Ctr2]]),
        ("kind", &[&[Kind]]),
        ("k3d", &[&[Kind]]),
        ("k3s", &[&[Kind]]),
        ("podman", &[&[Podman4]]),
        ("podman-4", &[&[Podman4]]),
        ("skopeo", &[&[Skopeo19DockerArchive, Skopeo19OciArchive], &[Skopeo122DockerArchive, Skopeo122OciArchive]]),
        ("skopeo-1.9", &[&[Skopeo19DockerArchive, Skopeo19OciArchive]]),
        ("skopeo-1.9-docker-archive", &[&[Skopeo19DockerArchive]]),
        ("skopeo-1.9-oci-archive", &[&[Skopeo19OciArchive]]),
        ("skopeo-1.22", &[&[Skopeo122DockerArchive, Skopeo122OciArchive]]),
        ("skopeo-1.22-docker-archive", &[&[Skopeo122DockerArchive]]),
        ("skopeo-1.22-oci-archive", &[&[Skopeo122OciArchive]]),
        ("skopeo-docker-archive", &[&[Skopeo19DockerArchive], &[Skopeo122DockerArchive]]),
        ("skopeo-oci-archive", &[&[Skopeo19OciArchive], &[Skopeo122OciArchive]]),
        ("crane", &[&[Crane]]),
        ("umoci", &[&[Umoci04], &[Umoci06]]),
        ("umoci-0.4", &[&[Umoci04]]),
        ("umoci-0.6", &[&[Umoci06]]),
    ]
};

/// The engines that one name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineChoice {
    name: &'static str,
    groups: &'static [&'static [Engine]],
}

impl EngineChoice {
    /// The engines that `name` stands for; `None` if it is not a known name.
    pub fn of(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|&(name, groups)| Self { name, groups })
    }

    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Returns whether `engine` is among them.
    pub fn contains(self, engine: Engine) -> bool {
        self.groups.iter().any(|group| group.contains(&engine))
    }

    /// Returns whether at least one engine of each group loads the archive, as `loads` decides for an engine.
    pub fn is_met(self, loads: impl Fn(Engine) -> bool) -> bool {
        self.groups.iter().all(|group| group.iter().any(|&engine| loads(engine)))
    }
}

impl Engine {
    /// All engines, in the order of the table.
    pub(super) const ALL: [Self; 14] = [
        Self::Docker20,
        Self::Docker29Classic,
        Self::Docker29Containerd,
        Self::Ctr16,
        Self::Ctr2,
        Self::Kind,
        Self::Podman4,
        Self::Skopeo19DockerArchive,
        Self::Skopeo122DockerArchive,
        Self::Skopeo19OciArchive,
        Self::Skopeo122OciArchive,
        Self::Crane,
        Self::Umoci04,
        Self::Umoci06,
    ];

    /// Its row of the table.
    pub(super) fn row(self) -> &'static EngineRow {
        match self {
            Self::Docker20 => &table::DOCKER_20,
            Self::Docker29Classic => &table::DOCKER_29_CLASSIC,
            Self::Docker29Containerd => &table::DOCKER_29_CONTAINERD,
            Self::Ctr16 => &table::CTR_16,
            Self::Ctr2 => &table::CTR_2,
            Self::Kind => &table::KIND,
            Self::Podman4 => &table::PODMAN_4,
            Self::Skopeo19DockerArchive => &table::SKOPEO_19_DOCKER_ARCHIVE,
            Self::Skopeo19OciArchive => &table::SKOPEO_19_OCI_ARCHIVE,
            Self::Skopeo122DockerArchive => &table::SKOPEO_122_DOCKER_ARCHIVE,
            Self::Skopeo122OciArchive => &table::SKOPEO_122_OCI_ARCHIVE,
            Self::Crane => &table::CRANE,
            Self::Umoci04 => &table::UMOCI_04,
            Self::Umoci06 => &table::UMOCI_06,
        }
    }

    /// The name of its program, and of the way in which that reads archives where there are several.
    pub fn program(self) -> &'static str {
        self.row().program
    }

    /// Its release, and its store where a release has two; empty where nothing depends on it.
    pub fn release(self) -> &'static str {
        self.row().release
    }
}
