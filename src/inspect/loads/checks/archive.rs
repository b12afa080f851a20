//! Checks of the archive as a whole.

use super::super::facts::{ImageList, LoadFacts};
use super::super::remedy::Remedy;
use super::super::row::{Containers, EngineRow, LinkRule, Reads};
use super::{List, LoadObstacle};
use crate::codec::Codec;

type ArchiveCheck = fn(&EngineRow, &LoadFacts, Option<List<'_>>) -> Option<LoadObstacle>;

pub(super) const CHECKS: &[ArchiveCheck] =
    &[container, compression, images, list, marker, document, links, rooted_names, headers];

/// A directory, or an archive where only directories are read.
fn container(row: &EngineRow, facts: &LoadFacts, _: Option<List<'_>>) -> Option<LoadObstacle> {
    match (row.containers, facts.directory) {
        (Containers::Archives, true) => LoadObstacle::no("it cannot read directories", Remedy::CONVERT),
        (Containers::Directories, false) => LoadObstacle::no("it reads directories only", Remedy::CONVERT),
        (Containers::Archives | Containers::Directories | Containers::Both, _) => None,
    }
}

/// The compression of the whole archive (G-2).
fn compression(row: &EngineRow, facts: &LoadFacts, list: Option<List<'_>>) -> Option<LoadObstacle> {
    let of_layouts = if matches!(list, Some(List::IndexJson(_))) { row.outer_of_layouts } else { &[] };
    let is_read = facts.outer == Codec::Plain || row.outer.contains(&facts.outer) || of_layouts.contains(&facts.outer);
    if is_read || row.containers == Containers::Directories {
        return None;
    }
    LoadObstacle::no(format!("it cannot read archives compressed with {}", facts.outer.name()), Remedy::CONVERT)
}

/// The presence of an image; that of one which an index lists has a check of its own.
fn images(_: &EngineRow, facts: &LoadFacts, list: Option<List<'_>>) -> Option<LoadObstacle> {
    let is_empty = match list {
        Some(List::ManifestJson(manifest)) => manifest.listed.as_ref().is_ok_and(Vec::is_empty),
        Some(List::IndexJson(_)) => false,
        Some(List::Repositories(v1)) => !v1.has_images(),
        None => !facts.has_images() && facts.unreadable().is_none() && facts.entries().is_empty(),
    };
    LoadObstacle::no_if(is_empty, "the archive has no image", None)
}

/// The list of images that the engine needs (G-18, L-30).
fn list(row: &EngineRow, facts: &LoadFacts, list: Option<List<'_>>) -> Option<LoadObstacle> {
    let missing = |what: &str| LoadObstacle::no(format!("the archive has no {what}"), Remedy::CONVERT);
    match (list, row.reads) {
        (Some(List::ManifestJson(ImageList { listed: Err(problem), .. })), _) => {
            LoadObstacle::no(problem.clone(), facts.dir_form.is_some().then_some(Remedy::CONVERT))
        }
        (Some(List::IndexJson(ImageList { listed: Err(problem), .. })), _) => LoadObstacle::no(problem.clone(), None),
        (Some(_), _) => None,
        (None, _) if facts.v1.is_some() && row.reads != Reads::ManifestJsonOrRepositories => {
            LoadObstacle::no("it cannot read archives of Docker before 1.10", Remedy::CONVERT)
        }
        (None, Reads::ManifestJsonOrRepositories) if facts.v1.is_some() => missing("`repositories`"),
        (None, Reads::IndexJson) => missing("layout"),
        (None, Reads::IndexJsonOrManifestJson | Reads::IndexJsonThenManifestJson | Reads::ByContainer)
            if facts.directory =>
        {
            missing("layout")
        }
        (None, _) => missing("manifest.json"),
    }
}

/// The marker of a layout (O-1).
fn marker(row: &EngineRow, facts: &LoadFacts, list: Option<List<'_>>) -> Option<LoadObstacle> {
    let is_missing = facts.unmarked && !row.unmarked_layouts && matches!(list, Some(List::IndexJson(_)));
    LoadObstacle::no_if(is_missing, "the archive has no `oci-layout`", Remedy::CONVERT)
}

/// The size of `manifest.json` (H-14).
fn document(row: &EngineRow, _: &LoadFacts, list: Option<List<'_>>) -> Option<LoadObstacle> {
    let Some(List::ManifestJson(manifest)) = list else { return None };
    let most = row.max_manifest_json.filter(|&most| manifest.size > most)?;
    LoadObstacle::no(format!("it does not read a manifest.json of more than {} MiB", most >> 20), Remedy::IMAGE)
}

/// Symbolic links: containerd follows all of them, also those that no document names (G-7).
fn links(row: &EngineRow, facts: &LoadFacts, list: Option<List<'_>>) -> Option<LoadObstacle> {
    let is_read = row.links == LinkRule::Containerd && matches!(list, Some(List::ManifestJson(_)));
    let reason = "a symbolic link in it does not lead to a file directly";
    LoadObstacle::no_if(is_read && facts.indirect_link, reason, Remedy::CONVERT)
}

/// Member names that begin with a slash, which only engines that unpack the archive find without it (G-4).
fn rooted_names(row: &EngineRow, facts: &LoadFacts, list: Option<List<'_>>) -> Option<LoadObstacle> {
    let looks_up = row.links != LinkRule::Followed && matches!(list, Some(List::ManifestJson(_)));
    let is_hidden = facts.rooted_name && (looks_up || row.links == LinkRule::Containerd);
    LoadObstacle::no_if(is_hidden, "names of its members begin with a slash", Remedy::CONVERT)
}

/// Headers and ends that Go does not read (H-11, G-13).
fn headers(_: &EngineRow, facts: &LoadFacts, _: Option<List<'_>>) -> Option<LoadObstacle> {
    LoadObstacle::no(facts.unread.clone()?, Remedy::CONVERT)
}
