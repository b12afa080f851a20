//! The table "What loads where", applied to one archive.
//!
//! The facts are those of docs/formats.md, which were measured with real engines; where releases of one engine differ, the
//! verdict is `partly` and says so.
//!
//! Sources: docs/formats.md G-2, G-4, G-7, G-8, G-18, L-3, L-7, L-30, D-5, O-5, O-21, O-22, O-26.

mod names;

use std::collections::BTreeSet;

use serde::Serialize;

use super::seen::{Item, Listed, Seen};
use crate::codec::Codec;
use crate::path::escape_for_terminal;
use crate::spec::reference::Reference;

/// What one engine makes of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Loads {
    /// Which.
    pub engine: Engine,
    /// Whether it takes it.
    pub loads: Verdict,
    /// The names that the engine then knows, as it spells them.
    pub names: Vec<String>,
    /// What keeps it from more, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Flags of `imgtar convert` that would help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Who loads archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Engine {
    /// Docker 20.10, which stands for 1.10 to 24.
    #[serde(rename = "docker-20.10")]
    Docker20,
    /// Docker 29 with its graph driver store.
    #[serde(rename = "docker-29-classic")]
    Docker29Classic,
    /// Docker 29 with containerd's store, its default.
    #[serde(rename = "docker-29-containerd")]
    Docker29Containerd,
    /// `ctr image import`; nerdctl, kind, k3d and k3s import alike.
    #[serde(rename = "ctr")]
    Ctr,
    /// `podman load`.
    #[serde(rename = "podman-4")]
    Podman4,
    /// `docker-archive:` of skopeo and buildah.
    #[serde(rename = "skopeo-docker-archive")]
    SkopeoDockerArchive,
    /// `oci-archive:`, or `oci:` for a directory.
    #[serde(rename = "skopeo-oci-archive")]
    SkopeoOciArchive,
    /// `crane push`.
    #[serde(rename = "crane")]
    Crane,
}

/// Whether an engine takes an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All of it that the engine looks at.
    Yes,
    /// Some of it, or some releases do.
    Partly,
    /// Nothing.
    No,
}

impl Engine {
    const ALL: [Self; 8] = [
        Self::Docker20,
        Self::Docker29Classic,
        Self::Docker29Containerd,
        Self::Ctr,
        Self::Podman4,
        Self::SkopeoDockerArchive,
        Self::SkopeoOciArchive,
        Self::Crane,
    ];

    /// As the table spells it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Docker20 => "Docker 20.10",
            Self::Docker29Classic => "Docker 29, classic",
            Self::Docker29Containerd => "Docker 29, containerd",
            Self::Ctr => "ctr",
            Self::Podman4 => "podman 4",
            Self::SkopeoDockerArchive => "skopeo docker-archive",
            Self::SkopeoOciArchive => "skopeo oci-archive",
            Self::Crane => "crane",
        }
    }
}

/// What is in the way, and the flags of `convert` that clear it away.
struct Obstacle {
    why: String,
    fix: Option<&'static str>,
    verdict: Verdict,
}

/// Flags that make of any archive what most engines take.
const UNIVERSAL: Option<&str> = Some("--to oci");
/// The same for those that read no zstd.
const GZIP: Option<&str> = Some("--to oci --compress gzip");
/// The same for those that read no digests but sha256.
const DOCKER: Option<&str> = Some("--to docker");
/// The same for those that know no media types but OCI's.
const OCI_TYPES: Option<&str> = Some("--to oci --oci-types");

/// The same where a name is missing or bad, in an archive of so many images: a new name is one image's.
fn named(images: usize) -> Option<&'static str> {
    Some(if images > 1 { "--to oci --image @0 --tag NAME" } else { "--to oci --tag NAME" })
}

fn no(why: impl Into<String>, fix: Option<&'static str>) -> Option<Obstacle> {
    Some(Obstacle { why: why.into(), fix, verdict: Verdict::No })
}

fn partly(why: impl Into<String>, fix: Option<&'static str>) -> Option<Obstacle> {
    Some(Obstacle { why: why.into(), fix, verdict: Verdict::Partly })
}

/// Something worth knowing of what is loaded.
fn but(why: impl Into<String>, fix: Option<&'static str>) -> Option<Obstacle> {
    Some(Obstacle { why: why.into(), fix, verdict: Verdict::Yes })
}

/// What every engine makes of what is `seen`.
pub(super) fn of(seen: &Seen) -> Vec<Loads> {
    Engine::ALL.into_iter().map(|engine| engine.loads(seen)).collect()
}

impl Engine {
    fn loads(self, seen: &Seen) -> Loads {
        let found = self.outer(seen).or_else(|| self.inner(seen)).or_else(|| self.note(seen));
        let verdict = found.as_ref().map_or(Verdict::Yes, |found| found.verdict);
        let names = if verdict == Verdict::No { Vec::new() } else { self.names(seen) };
        let fix = found.as_ref().and_then(|found| found.fix).map(str::to_owned);
        Loads { engine: self, loads: verdict, names, why: found.map(|found| found.why), fix }
    }

    /// What of the wrapping is in its way (G-2).
    fn outer(self, seen: &Seen) -> Option<Obstacle> {
        if seen.directory {
            return match self {
                Self::Podman4 | Self::SkopeoOciArchive | Self::Crane => None,
                _ => no("it reads no directory", UNIVERSAL),
            };
        }
        let codec = seen.outer.filter(|&codec| codec != Codec::Plain)?;
        let wrapped = format!("it reads no archive compressed by {}", codec.name());
        match (self, codec) {
            (_, Codec::Lz4) => no(wrapped, UNIVERSAL),
            (Self::Docker20, Codec::Zstd) => no(wrapped, UNIVERSAL),
            (Self::Ctr, Codec::Xz | Codec::Bzip2) => no(wrapped, UNIVERSAL),
            (Self::Ctr, _) => partly("compressed archives since containerd 2 only, and not with --local", UNIVERSAL),
            // It looks for a layout first, and that it finds.
            (Self::Podman4, Codec::Gzip) if !self.reads_layout(seen) => no(wrapped, UNIVERSAL),
            (Self::SkopeoDockerArchive, Codec::Gzip) => partly("not before skopeo 1.10", UNIVERSAL),
            (Self::Crane, _) => no(wrapped, UNIVERSAL),
            _ => None,
        }
    }

    /// What of the content is in its way.
    fn inner(self, seen: &Seen) -> Option<Obstacle> {
        if self.reads_layout(seen) {
            return self.layout(seen.layout.as_deref().unwrap_or_default(), seen.directory);
        }
        match (&seen.docker, &seen.v1) {
            // Of a layout it would choose by name.
            (Some(items), _) if self == Self::SkopeoOciArchive && are_nameless(items) => {
                no("there is no layout in it", named(items.len()))
            }
            _ if self == Self::SkopeoOciArchive => no("there is no layout in it", UNIVERSAL),
            (Some(items), _) => self.docker(items),
            (None, Some(v1)) if self == Self::Docker20 && v1.repositories => None,
            (None, Some(_)) if self == Self::Docker20 => no("it needs `repositories`", UNIVERSAL),
            (None, Some(_)) => no("it reads no archive of Docker before 1.10", UNIVERSAL),
            (None, None) => no("there is no manifest.json in it", UNIVERSAL),
        }
    }

    /// Which half it reads, where both are there (O-26).
    fn reads_layout(self, seen: &Seen) -> bool {
        let Some(listed) = &seen.layout else { return false };
        match self {
            Self::Docker29Containerd | Self::Ctr | Self::SkopeoOciArchive => true,
            // An archive of several entries is none that podman can choose from, but then it reads the other half (O-22).
            Self::Podman4 => listed.len() == 1 || seen.docker.is_none(),
            Self::Crane => seen.directory,
            Self::Docker20 | Self::Docker29Classic | Self::SkopeoDockerArchive => false,
        }
    }

    fn layout(self, listed: &[Listed], directory: bool) -> Option<Obstacle> {
        let any = |test: fn(&Listed) -> bool| listed.iter().any(test);
        if !any(|entry| entry.images > 0) {
            return no("there is no whole image in it", UNIVERSAL);
        }
        if any(|entry| entry.other_digest) && self != Self::SkopeoOciArchive {
            return no("it reads no digests but sha256", DOCKER);
        }
        match self {
            Self::Docker29Containerd | Self::Ctr if has(listed, &[Codec::Xz, Codec::Bzip2, Codec::Lz4]) => {
                no("it reads layers that are plain, gzip or zstd", UNIVERSAL)
            }
            Self::Ctr if !any(Listed::is_named) => no("it creates no image without a name", named(listed.len())),
            Self::Podman4 if listed.len() > 1 => no("it reads a layout of one name only", UNIVERSAL),
            Self::SkopeoOciArchive if listed.len() > 1 && any(|entry| entry.docker_type) => {
                let why = "it chooses among several by ref.name, but none of Docker's media types";
                if any(|entry| !entry.docker_type) { partly(why, OCI_TYPES) } else { no(why, OCI_TYPES) }
            }
            Self::SkopeoOciArchive if listed.len() > 1 && !listed.iter().all(|entry| entry.ref_name.is_some()) => {
                let fix = if listed.iter().all(Listed::is_named) { UNIVERSAL } else { named(listed.len()) };
                partly("it chooses among several by ref.name, and not all have one", fix)
            }
            Self::Crane if !directory => no("there is no manifest.json in it", UNIVERSAL),
            _ => None,
        }
    }

    fn docker(self, items: &[Item]) -> Option<Obstacle> {
        if items.is_empty() {
            return no("there is no image in it", UNIVERSAL);
        }
        if items.iter().any(|item| item.layers.contains(&None)) {
            return no("the bytes of a foreign layer are not in it", None);
        }
        let codecs: BTreeSet<&str> =
            items.iter().flat_map(|item| &item.layers).flatten().map(|codec| codec.name()).collect();
        let odd = |names: &[&str]| codecs.iter().any(|codec| names.contains(codec));
        match self {
            Self::Docker20 | Self::Docker29Classic if odd(&["lz4"]) => no("it reads no lz4 layers", GZIP),
            Self::Docker20 if odd(&["zstd"]) => no("it reads no zstd layers", GZIP),
            Self::Docker29Containerd | Self::Ctr if odd(&["xz", "bzip2", "lz4"]) => {
                no("it reads layers that are plain, gzip or zstd", UNIVERSAL)
            }
            Self::Docker29Containerd | Self::Ctr if items.iter().any(|item| item.unclean) => {
                no("it takes the member names in manifest.json literally, and they are not clean", UNIVERSAL)
            }
            Self::Docker29Containerd | Self::Ctr if items.iter().any(Item::has_hard_links) => {
                no("it passes over members that are hard links", UNIVERSAL)
            }
            Self::Podman4 | Self::SkopeoDockerArchive if items.iter().any(Item::has_hard_links) => {
                no("it takes members that are hard links for empty files", UNIVERSAL)
            }
            Self::Crane if items.iter().flat_map(|item| &item.hard_links).any(|name| name.contains('/')) => {
                no("it looks for the target of a hard link below the link's own directory", UNIVERSAL)
            }
            Self::Ctr if items.iter().all(|item| item.names.is_empty()) => {
                no("it creates no image without a name", named(items.len()))
            }
            Self::SkopeoDockerArchive if items.iter().any(|item| item.linked) => {
                no("a layer is a symbolic link to one that the image does not name itself", UNIVERSAL)
            }
            Self::Crane if codecs.len() > 1 || odd(&["zstd", "xz", "bzip2", "lz4"]) => {
                partly("it takes all layers for what the first one is, gzip or plain", GZIP)
            }
            _ => self.bad_name(items),
        }
    }

    /// Names that make an engine fail, or lose them (L-7).
    fn bad_name(self, items: &[Item]) -> Option<Obstacle> {
        let mut names = items.iter().flat_map(|item| &item.names);
        let bad = names.find(|name| match name.parse::<Reference>() {
            Ok(name) => match self {
                Self::Docker20 | Self::Docker29Classic => name.tag().is_none(),
                Self::Podman4 => name.tag().is_none(),
                _ => false,
            },
            Err(_) => !matches!(self, Self::SkopeoDockerArchive | Self::Crane),
        })?;
        let bad = escape_for_terminal(bad.as_bytes());
        match bad.parse::<Reference>() {
            Ok(name) if name.digest().is_none() => {
                no(format!("it refuses the name `{bad}`, which has no tag"), UNIVERSAL)
            }
            _ => no(format!("it refuses the name `{bad}`"), named(items.len())),
        }
    }

    /// What is worth knowing of an archive that it takes.
    fn note(self, seen: &Seen) -> Option<Obstacle> {
        let listed = seen.layout.as_deref().unwrap_or_default();
        if self.reads_layout(seen) {
            let absent = listed.iter().any(|entry| entry.absent);
            return match self {
                Self::Ctr if absent => but("`--all-platforms` fails, not all are in it", UNIVERSAL),
                Self::SkopeoOciArchive if absent => but("`--all` fails, not all platforms are in it", UNIVERSAL),
                Self::SkopeoOciArchive if listed.len() > 1 => but("it wants to be told which image", None),
                Self::Podman4 if seen.directory => but("under the directory's name", None),
                _ => None,
            };
        }
        let (items, platforms) = (seen.docker.as_ref()?.len(), listed.iter().map(|entry| entry.images).max());
        match (self, platforms) {
            (Self::SkopeoDockerArchive | Self::Crane, _) if items > 1 => but("it wants to be told which image", None),
            (_, Some(platforms @ 2..)) => but(format!("one of {platforms} platforms"), None),
            _ => None,
        }
    }
}

/// Whether there are several images, and not all can be told apart by a name.
fn are_nameless(items: &[Item]) -> bool {
    items.len() > 1 && items.iter().any(|item| item.names.is_empty())
}

impl Item {
    fn has_hard_links(&self) -> bool {
        !self.hard_links.is_empty()
    }
}

impl Listed {
    fn is_named(&self) -> bool {
        self.image_name.is_some() || self.ref_name.is_some()
    }
}

fn has(listed: &[Listed], codecs: &[Codec]) -> bool {
    listed.iter().flat_map(|entry| &entry.layers).any(|codec| codecs.contains(codec))
}
