//! Checks of the entries of `index.json`.

use std::collections::HashSet;
use std::rc::Rc;

use indexmap::IndexMap;

use super::super::facts::{EntryFacts, LoadFacts};
use super::super::names::podman_name;
use super::super::remedy::Remedy;
use super::super::row::{DockerTypes, EngineRow, FlatIndex, LinkRule, NameRules, Several};
use super::super::verdict::Verdict;
use super::LoadObstacle;
use super::items::is_refused;
use crate::path::escape_for_terminal;
use crate::spec::reference::is_ref_name;

type EntriesCheck = fn(&EngineRow, &LoadFacts, &[EntryFacts]) -> Option<LoadObstacle>;

pub(super) const CHECKS: &[EntriesCheck] = &[
    images,
    digests,
    several,
    ref_names,
    docker_types_by_name,
    nameless,
    names,
    artifacts,
    missing,
    broken,
    absent_platforms,
    flat_index,
    same_name,
    ambiguous,
    nested,
    untyped,
    platforms,
];

/// Checks for engines that do not read `index.json`: its images are what a list that they do read would be made of.
pub(super) const CHECKS_OF_OTHERS: &[EntriesCheck] = &[images, digests, one_image, nameless, broken, platforms];

/// Returns whether an entry leads to an image.
fn have_images(entries: &[EntryFacts]) -> bool {
    entries.iter().any(|entry| !entry.images.is_empty())
}

/// The presence of an image.
fn images(_: &EngineRow, _: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    LoadObstacle::no_if(!have_images(entries), "the archive has no complete image", None)
}

/// Blobs that are named by another digest than SHA-256 (O-5).
fn digests(row: &EngineRow, _: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    let is_refused = !row.sha512 && entries.iter().any(|entry| entry.other_digest);
    // Docker's tarball names everything by SHA-256, but an engine that reads only layouts cannot read it.
    let remedy = matches!(row.target, "oci") && row.docker_types != DockerTypes::NotZstdNorByName;
    LoadObstacle::no_if(is_refused, "it supports only sha256 digests", remedy.then_some(Remedy::DOCKER))
}

/// Several entries where one is read (O-22).
fn several(row: &EngineRow, _: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    let is_refused = row.several == Several::AllOfManifestJson && entries.len() > 1;
    LoadObstacle::no_if(is_refused, "it only reads layouts with one entry", Remedy::CONVERT)
}

/// Several entries where one image is read.
fn one_image(row: &EngineRow, facts: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    let with_images = entries.iter().filter(|entry| !entry.images.is_empty()).count();
    let is_refused = row.several == Several::OneOfAnArchive && !facts.directory && with_images > 1;
    LoadObstacle::no_if(is_refused, "it accepts only archives of one image", Remedy::IMAGE)
}

/// Several entries of which some cannot be chosen by their `ref.name` (O-21, O-23).
fn ref_names(row: &EngineRow, _: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    if row.several != Several::ByRefName || entries.len() < 2 {
        return None;
    }
    let with_images = entries.iter().filter(|entry| !entry.images.is_empty());
    let hidden = with_images.clone().find(|entry| !entry.ref_name.as_deref().is_some_and(is_ref_name))?;
    let remedy = if hidden.is_named() { Remedy::CONVERT } else { Remedy::tag(with_images.count() > 1) };
    LoadObstacle::no("it chooses among several by ref.name, and not all have one that it accepts", remedy)
}

/// Docker's types among several entries, which have to be chosen by name (O-10).
fn docker_types_by_name(row: &EngineRow, _: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    let is_refused = row.docker_types == DockerTypes::NotZstdNorByName
        && entries.len() > 1
        && entries.iter().any(|entry| entry.docker_type);
    let reason = "it chooses among several by ref.name, but none of Docker's media types";
    LoadObstacle::no_if(is_refused, reason, Remedy::OCI_TYPES)
}

/// An image without the name that the engine needs (O-21).
fn nameless(row: &EngineRow, _: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    let with_images = || entries.iter().filter(|entry| !entry.images.is_empty());
    match row.names {
        NameRules::Needed if with_images().any(|entry| !entry.is_named()) => {
            LoadObstacle::no("it does not create images without a name", Remedy::tag(with_images().count() > 1))
        }
        NameRules::RefNameNeeded if with_images().any(|entry| entry.ref_name.is_none()) => {
            let remedy =
                if with_images().all(EntryFacts::is_named) { Remedy::CONVERT } else { Remedy::tag(entries.len() > 1) };
            LoadObstacle::no("it finds images by their ref.name only", remedy)
        }
        NameRules::Free | NameRules::Tagged | NameRules::Needed | NameRules::References | NameRules::RefNameNeeded => {
            None
        }
    }
}

/// Names that podman does not take for an image (L-7, N-1, N-2).
fn names(row: &EngineRow, facts: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    // It names the image of a directory after its path.
    if row.names != NameRules::Tagged || facts.directory {
        return None;
    }
    let names = entries.iter().filter_map(|entry| entry.image_name.as_deref().or(entry.ref_name.as_deref()));
    let refused = names.into_iter().find(|name| is_refused(row, &podman_name(name)))?;
    let shown = escape_for_terminal(refused.as_bytes());
    LoadObstacle::no(format!("it refuses the name `{shown}`"), Remedy::tag(entries.len() > 1))
}

/// A name for something other than an image, which the engine tries to unpack (O-13).
fn artifacts(row: &EngineRow, _: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    if row.names != NameRules::Needed {
        return None;
    }
    let artifact = entries.iter().find(|entry| entry.is_named() && entry.images.is_empty() && !entry.absent)?;
    let name = artifact.image_name.as_deref().or(artifact.ref_name.as_deref()).unwrap_or_default();
    let name = escape_for_terminal(name.as_bytes());
    // A layout keeps what is attached to an image.
    LoadObstacle::no(format!("it fails to unpack `{name}`, which is not an image"), Remedy::DOCKER)
}

/// An entry that is not there at all, beside images.
fn missing(_: &EngineRow, _: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    let is_refused = entries.iter().any(|entry| entry.missing) && have_images(entries);
    LoadObstacle::no_if(is_refused, "an entry of index.json is not there", Remedy::CONVERT)
}

/// An entry that cannot be read, beside images; no conversion but of the others.
fn broken(_: &EngineRow, _: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    let is_refused = entries.iter().any(|entry| entry.broken) && have_images(entries);
    LoadObstacle::no_if(is_refused, "an entry of index.json cannot be read", Remedy::IMAGE)
}

/// Platforms of an index whose blobs are not there (O-15).
fn absent_platforms(row: &EngineRow, _: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    let is_refused = !row.absent_platforms && entries.iter().any(|entry| entry.absent);
    let reason = "it imports every platform, and some are missing or cannot be read";
    LoadObstacle::no_if(is_refused, reason, Remedy::CONVERT)
}

/// Several platforms under one name, side by side (N-9).
fn flat_index(row: &EngineRow, _: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    groups(entries, is_by_ref_name(row)).into_values().find(|group| is_flat(group))?;
    let lost = |verdict, which: &str| {
        let reason = format!("several platforms share a name without an index of their own: it keeps the {which} one");
        Some(LoadObstacle { verdict, reason, remedy: Some(Remedy::CONVERT) })
    };
    match row.flat_index {
        FlatIndex::Whole => None,
        FlatIndex::LastOnly => lost(Verdict::LastPlatformOnly, "last"),
        FlatIndex::FirstOnly => lost(Verdict::FirstPlatformOnly, "first"),
        FlatIndex::Refused => {
            let reason = "several platforms share a name without an index of their own, which it cannot load";
            // In an index of their own they are ambiguous for engines that find images by ref.name.
            let is_by_ref_name = row.names == NameRules::RefNameNeeded;
            LoadObstacle::no(reason, if is_by_ref_name { Remedy::PLATFORM } else { Remedy::CONVERT })
        }
    }
}

/// One name for different images of one platform (N-9).
fn same_name(row: &EngineRow, facts: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    if row.several == Several::ByReference || (row.several == Several::OneOfAnArchive && facts.directory) {
        // It finds images by their positions too.
        return None;
    }
    let shown = escape_for_terminal(shared_name(entries, is_by_ref_name(row))?.as_bytes());
    LoadObstacle::no(format!("different images have the name `{shown}`, of which it finds one"), Remedy::IMAGE)
}

/// Returns a name that different images of one platform have.
pub(super) fn shared_name(entries: &[EntryFacts], is_by_ref_name: bool) -> Option<&str> {
    let mut groups = groups(entries, is_by_ref_name).into_iter();
    groups.find(|(_, group)| group.len() > 1 && !is_flat(group)).map(|(name, _)| name)
}

/// A name with several manifests below it, for engines that choose no platform.
fn ambiguous(row: &EngineRow, _: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    let is_refused = row.names == NameRules::RefNameNeeded && entries.iter().any(|entry| entry.manifests > 1);
    LoadObstacle::no_if(is_refused, "it considers a name with several manifests ambiguous", Remedy::PLATFORM)
}

/// An index where the engine expects the image for the machine (O-11).
fn nested(row: &EngineRow, _: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    let is_refused = row.links == LinkRule::ContainersImage && entries.iter().any(|entry| entry.nested);
    LoadObstacle::no_if(is_refused, "it looks for images in an index, but not in one below it", Remedy::PLATFORM)
}

/// An entry without a media type.
fn untyped(row: &EngineRow, _: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    let is_refused = !row.untyped_entries && entries.iter().any(|entry| entry.untyped);
    LoadObstacle::no_if(is_refused, "an entry of index.json has no media type", Remedy::CONVERT)
}

/// Images for another operating system, or for a platform that no machine has together with the others.
fn platforms(row: &EngineRow, _: &LoadFacts, entries: &[EntryFacts]) -> Option<LoadObstacle> {
    let with_images = entries.iter().filter(|entry| !entry.images.is_empty());
    super::image::platforms(row, with_images.map(|entry| entry.images.as_slice()))
}

fn is_by_ref_name(row: &EngineRow) -> bool {
    matches!(row.several, Several::ByReference | Several::ByRefName)
}

/// The entries of each name, as the engine finds names, in the order of the archive; one that is listed twice counts once.
fn groups(entries: &[EntryFacts], is_by_ref_name: bool) -> IndexMap<&str, Vec<&EntryFacts>> {
    let mut groups: IndexMap<&str, Vec<&EntryFacts>> = IndexMap::new();
    let mut known = HashSet::new();
    for entry in entries.iter().filter(|entry| !entry.images.is_empty()) {
        let full = entry.image_name.as_deref().filter(|_| !is_by_ref_name);
        let Some(name) = full.or(entry.ref_name.as_deref()) else { continue };
        let images: Vec<_> = entry.images.iter().map(Rc::as_ptr).collect();
        if known.insert((name, images)) {
            groups.entry(name).or_default().push(entry);
        }
    }
    groups
}

/// Returns whether the entries of one name are single images, each for another platform.
fn is_flat(group: &[&EntryFacts]) -> bool {
    let mut platforms = HashSet::new();
    group.len() > 1 && group.iter().all(|entry| entry.images.len() == 1 && platforms.insert(&entry.images[0].platform))
}
