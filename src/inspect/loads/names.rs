//! The names by which an engine knows the images that it has loaded.
//!
//! Sources: docs/formats.md L-7, N-3, N-5, N-8, O-21; observed with podman 4.3.

use std::collections::BTreeSet;

use super::checks::List;
use super::engine::Engine;
use super::facts::{EntryFacts, LoadFacts};
use super::row::EngineRow;
use crate::path::escape_for_terminal;
use crate::spec::reference::Reference;

/// The names that the engine gives to the images of `list`.
pub(super) fn of(row: &EngineRow, facts: &LoadFacts, list: List<'_>) -> Vec<String> {
    let naming = NameStyle::of(row.engine);
    let mut names: Vec<String> = match list {
        List::Repositories(v1) => v1.items.listed.iter().flatten().flat_map(|item| item.names.clone()).collect(),
        List::IndexJson(_) if naming == NameStyle::Short && facts.directory => Vec::new(),
        List::IndexJson(_) => facts.entries().iter().filter_map(|entry| naming.of_entry(entry)).collect(),
        List::ManifestJson(_) => {
            let names = facts.items().iter().flat_map(|item| &item.names);
            names.filter_map(|name| naming.of_repo_tag(name)).collect()
        }
    };
    let mut known = BTreeSet::new();
    names.retain(|name| known.insert(name.clone()));
    names.iter().map(|name| escape_for_terminal(name.as_bytes())).collect()
}

/// The ways in which engines spell names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameStyle {
    /// Docker: without its own registry.
    Familiar,
    /// containerd: in full.
    Full,
    /// podman: a name without a registry is local.
    Short,
    /// The `ref.name`.
    RefName,
    /// It knows no names.
    None,
}

impl NameStyle {
    fn of(engine: Engine) -> Self {
        match engine {
            Engine::Docker20 | Engine::Docker29Classic | Engine::Docker29Containerd => Self::Familiar,
            Engine::Ctr16 | Engine::Ctr2 | Engine::Kind => Self::Full,
            Engine::Podman4 => Self::Short,
            Engine::Umoci04 | Engine::Umoci06 => Self::RefName,
            Engine::Skopeo19DockerArchive
            | Engine::Skopeo19OciArchive
            | Engine::Skopeo122DockerArchive
            | Engine::Skopeo122OciArchive
            | Engine::Crane => Self::None,
        }
    }

    /// The name that comes of one in `RepoTags`.
    fn of_repo_tag(self, name: &str) -> Option<String> {
        let reference = || name.parse::<Reference>().ok();
        match self {
            Self::Familiar => Some(reference()?.familiar()),
            Self::Full => Some(reference()?.full()),
            Self::Short => Some(podman_name(name)),
            Self::RefName | Self::None => None,
        }
    }

    /// The name that comes of an entry of `index.json` (O-21).
    fn of_entry(self, entry: &EntryFacts) -> Option<String> {
        let (name, tag) = (entry.image_name.as_deref(), entry.ref_name.as_deref());
        match (self, name, tag) {
            (Self::None, _, _) => None,
            (Self::RefName, _, tag) => tag.map(str::to_owned),
            (Self::Familiar, Some(name), _) => {
                Some(name.parse::<Reference>().map_or_else(|_| name.to_owned(), |name| name.familiar()))
            }
            (Self::Full | Self::Short, Some(name), _) => Some(name.to_owned()),
            (Self::Short, None, Some(tag)) => Some(podman_name(tag)),
            (Self::Full, None, Some(tag)) if !tag.contains(['/', ':', '@']) => Some(format!("import-DATE:{tag}")),
            (Self::Familiar | Self::Full, None, tag) => tag.map(str::to_owned),
            (Self::Short, None, None) => None,
        }
    }
}

/// A name without a registry is local to podman, wherever it came from.
pub(super) fn podman_name(name: &str) -> String {
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
        let entry = |image_name: Option<&str>, ref_name: Option<&str>| EntryFacts {
            image_name: image_name.map(str::to_owned),
            ref_name: ref_name.map(str::to_owned),
            ..EntryFacts::default()
        };
        let full = "docker.io/library/app:1";
        for (naming, image_name, ref_name, expected) in [
            (NameStyle::Familiar, Some(full), Some("1"), Some("app:1")),
            (NameStyle::Familiar, None, Some("t1"), Some("t1")),
            (NameStyle::Familiar, None, None, None),
            (NameStyle::Full, Some(full), None, Some(full)),
            (NameStyle::Full, None, Some("foo:1"), Some("foo:1")),
            (NameStyle::Full, None, Some("t1"), Some("import-DATE:t1")),
            (NameStyle::Short, Some(full), Some("1"), Some(full)),
            (NameStyle::Short, None, Some("foo:1"), Some("localhost/foo:1")),
            (NameStyle::RefName, Some(full), Some("1"), Some("1")),
            (NameStyle::None, Some(full), Some("1"), None),
        ] {
            assert_eq!(naming.of_entry(&entry(image_name, ref_name)).as_deref(), expected, "{naming:?} {ref_name:?}");
        }
    }
}
