//! Checks: each function looks at one thing that may stop an engine from loading an archive.

mod archive;
mod entries;
mod image;
mod items;

use super::facts::{EntryFacts, ImageList, ItemFacts, LoadFacts, LoadedImage, V1Facts};
use super::remedy::Remedy;
use super::row::{EngineRow, Reads};
use super::verdict::Verdict;
use crate::spec::docker::UNTAGGED;

/// A reason why an engine does not load an archive, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LoadObstacle {
    pub(super) verdict: Verdict,
    /// The reason, a clause whose subject is the engine or the archive.
    pub(super) reason: String,
    /// The conversion that removes the obstacle; `None` if imgtar has none.
    pub(super) remedy: Option<Remedy>,
}

/// The list of images that an engine reads.
#[derive(Debug, Clone, Copy)]
pub(super) enum List<'a> {
    ManifestJson(&'a ImageList<ItemFacts>),
    IndexJson(&'a ImageList<EntryFacts>),
    Repositories(&'a V1Facts),
}

impl LoadObstacle {
    /// Nothing is loaded.
    fn no(reason: impl Into<String>, remedy: impl Into<Option<Remedy>>) -> Option<Self> {
        Some(Self { verdict: Verdict::No, reason: reason.into(), remedy: remedy.into() })
    }

    /// Nothing is loaded if the engine `is_stopped`.
    fn no_if(is_stopped: bool, reason: &str, remedy: impl Into<Option<Remedy>>) -> Option<Self> {
        if is_stopped { Self::no(reason, remedy) } else { None }
    }
}

impl<'a> List<'a> {
    /// The lists that the engine tries, in its order.
    pub(super) fn candidates(row: &EngineRow, facts: &'a LoadFacts) -> Vec<Self> {
        let manifest = facts.manifest_json.as_ref().map(Self::ManifestJson);
        let index = facts.index_json.as_ref().map(Self::IndexJson);
        let repositories = facts.v1.as_ref().filter(|v1| v1.repositories).map(Self::Repositories);
        match row.reads {
            Reads::ManifestJson => Vec::from_iter(manifest),
            Reads::ManifestJsonOrRepositories => Vec::from_iter(manifest.or(repositories)),
            Reads::IndexJson => Vec::from_iter(index),
            Reads::IndexJsonOrManifestJson => Vec::from_iter(index.or(manifest)),
            // It reads directories of either form, but none into which a docker tarball was unpacked.
            Reads::IndexJsonThenManifestJson => {
                let dir_form =
                    facts.dir_form.as_ref().filter(|_| facts.directory && !facts.old_dir).map(Self::IndexJson);
                index.into_iter().chain(dir_form).chain(manifest.filter(|_| !facts.directory)).collect()
            }
            Reads::ByContainer => Vec::from_iter(if facts.directory { index } else { manifest }),
        }
    }

    /// The images in it.
    pub(super) fn images(self) -> Vec<&'a LoadedImage> {
        match self {
            Self::ManifestJson(list) => list.listed.iter().flatten().map(|item| &*item.image).collect(),
            Self::IndexJson(list) => {
                list.listed.iter().flatten().flat_map(|entry| &entry.images).map(|image| &**image).collect()
            }
            Self::Repositories(_) => Vec::new(),
        }
    }
}

/// Returns whether two images have one name, so that they are not converted together (N-9).
pub(super) fn is_name_shared(facts: &LoadFacts) -> bool {
    items::shared_names(facts.items()).any(|name| name != UNTAGGED)
        || entries::shared_name(facts.entries(), false).is_some()
}

/// Returns all obstacles for an engine that reads `list`. If the archive has no list that the engine reads, they
/// include those that would remain if such a list were made of another.
pub(super) fn obstacles(row: &EngineRow, facts: &LoadFacts, list: Option<List<'_>>) -> Vec<LoadObstacle> {
    let mut found: Vec<LoadObstacle> = archive::CHECKS.iter().filter_map(|check| check(row, facts, list)).collect();
    // The manifest.json of a `dir:` is a manifest, and lists no images.
    let read = list.filter(|list| facts.dir_form.is_none() || matches!(list, List::IndexJson(_)));
    let (of_items, of_entries) = match read {
        Some(_) => (items::CHECKS, entries::CHECKS),
        None => (items::CHECKS_OF_OTHERS, entries::CHECKS_OF_OTHERS),
    };
    let other = || {
        let dir_form = facts.dir_form.as_ref().map(List::IndexJson);
        let manifest_json = || facts.manifest_json.as_ref().map(List::ManifestJson);
        let v1 = || facts.v1.as_ref().map(|v1| List::ManifestJson(&v1.items));
        dir_form.or_else(manifest_json).or_else(v1).or(facts.index_json.as_ref().map(List::IndexJson))
    };
    let Some(images) = read.or_else(other) else { return found };
    match images {
        List::ManifestJson(ImageList { listed: Ok(items), .. }) if !items.is_empty() => {
            found.extend(of_items.iter().filter_map(|check| check(row, items)));
        }
        List::IndexJson(ImageList { listed: Ok(entries), .. }) => {
            found.extend(of_entries.iter().filter_map(|check| check(row, facts, entries)));
        }
        List::ManifestJson(_) | List::IndexJson(_) | List::Repositories(_) => {}
    }
    // A layout that is made of a `dir:` keeps its media types.
    let is_layout = matches!(images, List::IndexJson(_)) && (read.is_some() || row.reads.prefers_layouts());
    let images = images.images();
    let any = |check: &image::ImageCheck| images.iter().find_map(|image| check(row, image, is_layout));
    found.extend(image::CHECKS.iter().filter_map(any));
    found
}
