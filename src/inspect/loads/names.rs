//! By which names an engine knows the images that it has loaded.
//!
//! Sources: docs/formats.md L-7, N-3, N-5, O-21; podman 4.3 was asked.

use std::collections::BTreeSet;

use super::super::seen::{Listed, Seen};
use super::Engine;
use crate::path::escape_for_terminal;
use crate::spec::reference::Reference;

impl Engine {
    /// The names that it knows the images by.
    pub(super) fn names(self, seen: &Seen) -> Vec<String> {
        let of_layout = || seen.layout.iter().flatten();
        let of_docker = || seen.docker.iter().flatten().flat_map(|item| &item.names);
        let mut names: Vec<String> = match self {
            Self::SkopeoDockerArchive | Self::SkopeoOciArchive | Self::Crane => Vec::new(),
            Self::Podman4 if seen.directory => Vec::new(),
            _ if self.reads_layout(seen) => of_layout().filter_map(|entry| self.layout_name(entry)).collect(),
            Self::Podman4 => of_docker().map(|name| podman_name(name)).collect(),
            Self::Ctr => of_docker().filter_map(|name| Some(name.parse::<Reference>().ok()?.full())).collect(),
            Self::Docker20 if seen.v1.is_some() => seen.v1.iter().flat_map(|v1| v1.names.clone()).collect(),
            _ => of_docker().filter_map(|name| Some(name.parse::<Reference>().ok()?.familiar())).collect(),
        };
        let mut known = BTreeSet::new();
        names.retain(|name| known.insert(name.clone()));
        names.iter().map(|name| escape_for_terminal(name.as_bytes())).collect()
    }

    /// O-21.
    fn layout_name(self, entry: &Listed) -> Option<String> {
        let (name, tag) = (entry.image_name.as_deref(), entry.ref_name.as_deref());
        match (self, name, tag) {
            (Self::Docker29Containerd, Some(name), _) => {
                Some(name.parse::<Reference>().map_or_else(|_| name.to_owned(), |name| name.familiar()))
            }
            (_, Some(name), _) => Some(name.to_owned()),
            (Self::Podman4, None, Some(tag)) => Some(podman_name(tag)),
            (Self::Ctr, None, Some(tag)) if !tag.contains(['/', ':', '@']) => Some(format!("import-DATE:{tag}")),
            (_, None, tag) => tag.map(str::to_owned),
        }
    }
}

/// A name without a registry is local to podman, wherever it came from.
fn podman_name(name: &str) -> String {
    let first = name.split_once('/').map(|(first, _)| first);
    let is_registry = |part: &str| part.contains(['.', ':']) || part == "localhost";
    let name = if name.rsplit('/').next().is_some_and(|last| last.contains(':')) {
        name.to_owned()
    } else {
        format!("{name}:latest")
    };
    if first.is_some_and(is_registry) { name } else { format!("localhost/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_takes_names_without_a_registry_for_its_own() {
        for (name, expected) in [
            ("app:1", "localhost/app:1"),
            ("user/app:1", "localhost/user/app:1"),
            ("docker.io/library/app:1", "docker.io/library/app:1"),
            ("registry:5000/app:1", "registry:5000/app:1"),
            ("localhost/app:1", "localhost/app:1"),
            ("t1", "localhost/t1:latest"),
        ] {
            assert_eq!(podman_name(name), expected);
        }
    }

    #[test]
    fn names_of_a_layout_differ_from_engine_to_engine() {
        let entry = |image_name: Option<&str>, ref_name: Option<&str>| Listed {
            image_name: image_name.map(str::to_owned),
            ref_name: ref_name.map(str::to_owned),
            ..Listed::default()
        };
        let full = "docker.io/library/app:1";
        for (engine, image_name, ref_name, expected) in [
            (Engine::Docker29Containerd, Some(full), Some("1"), Some("app:1")),
            (Engine::Docker29Containerd, None, Some("t1"), Some("t1")),
            (Engine::Docker29Containerd, None, None, None),
            (Engine::Ctr, Some(full), None, Some(full)),
            (Engine::Ctr, None, Some("foo:1"), Some("foo:1")),
            (Engine::Ctr, None, Some("t1"), Some("import-DATE:t1")),
            (Engine::Podman4, Some(full), Some("1"), Some(full)),
            (Engine::Podman4, None, Some("foo:1"), Some("localhost/foo:1")),
        ] {
            assert_eq!(
                engine.layout_name(&entry(image_name, ref_name)).as_deref(),
                expected,
                "{engine:?} {ref_name:?}"
            );
        }
    }
}
