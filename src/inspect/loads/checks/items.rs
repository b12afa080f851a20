//! Checks of the items of `manifest.json`.

use std::collections::HashMap;

use super::super::facts::ItemFacts;
use super::super::remedy::Remedy;
use super::super::row::{EngineRow, LinkRule, NameRules, Several};
use super::LoadObstacle;
use crate::path::escape_for_terminal;
use crate::spec::docker::UNTAGGED;
use crate::spec::reference::Reference;

type ItemsCheck = fn(&EngineRow, &[ItemFacts]) -> Option<LoadObstacle>;

pub(super) const CHECKS: &[ItemsCheck] =
    &[several, nameless, names, same_name, member_names, hard_links, links, parents, platforms];

/// Checks for engines that do not read `manifest.json`: its images are what a list that they do read would be made of.
pub(super) const CHECKS_OF_OTHERS: &[ItemsCheck] = &[several, nameless];

/// Several images where one is read.
fn several(row: &EngineRow, items: &[ItemFacts]) -> Option<LoadObstacle> {
    let is_refused = items.len() > 1 && row.several == Several::OneOfAnArchive;
    let reason = "it accepts only archives of one image; several go by --to oci-dir and `crane push --index`";
    LoadObstacle::no_if(is_refused, reason, Remedy::IMAGE)
}

/// An image without a name.
fn nameless(row: &EngineRow, items: &[ItemFacts]) -> Option<LoadObstacle> {
    // A conversion leaves out what says that there is no name; engines refuse it as a name.
    let is_untagged = |item: &ItemFacts| item.names.iter().all(|name| name == UNTAGGED);
    let is_nameless = |item: &ItemFacts| item.names.is_empty() || (row.names != NameRules::Needed && is_untagged(item));
    if !items.iter().any(is_nameless) {
        return None;
    }
    let remedy = Remedy::tag(items.len() > 1);
    match row.names {
        NameRules::Needed => LoadObstacle::no("it does not create images without a name", remedy),
        NameRules::RefNameNeeded => LoadObstacle::no("it finds images by their names only", remedy),
        NameRules::Free | NameRules::Tagged | NameRules::References => {
            let is_hidden = row.several == Several::ByRefName && items.len() > 1;
            LoadObstacle::no_if(is_hidden, "it chooses among several by name, and not all have one", remedy)
        }
    }
}

/// Names that the engine refuses, after it has loaded the image or before (L-7).
fn names(row: &EngineRow, items: &[ItemFacts]) -> Option<LoadObstacle> {
    let is_refused = |name: &str| {
        let is_untagged = || name.parse::<Reference>().is_ok_and(|name| name.tag().is_none());
        is_refused(row, name) || (row.names == NameRules::Tagged && is_untagged())
    };
    let refused = items.iter().flat_map(|item| &item.names).find(|name| is_refused(name))?;
    let shown = escape_for_terminal(refused.as_bytes());
    match refused.parse::<Reference>() {
        Ok(name) if name.digest().is_none() && name.tag().is_none() => {
            LoadObstacle::no(format!("it refuses the name `{shown}`, which has no tag"), Remedy::CONVERT)
        }
        _ => LoadObstacle::no(format!("it refuses the name `{shown}`"), Remedy::tag(items.len() > 1)),
    }
}

/// Returns whether the engine refuses `name` for an image, with a tag or without.
pub(super) fn is_refused(row: &EngineRow, name: &str) -> bool {
    match (row.names, name.parse::<Reference>()) {
        (NameRules::Free | NameRules::RefNameNeeded, _) => false,
        (_, Ok(name)) if has_upper_case(name.domain()) => true,
        (_, Ok(name)) if !row.ipv6_names && name.domain().starts_with('[') => true,
        (NameRules::Tagged, Ok(name)) => name.digest().is_some(),
        (NameRules::Needed | NameRules::References, Ok(_)) => false,
        (NameRules::Tagged | NameRules::Needed | NameRules::References, Err(_)) => true,
    }
}

/// Returns whether only its capitals make `domain` a registry, which not every release accepts (N-2).
fn has_upper_case(domain: &str) -> bool {
    domain.contains(|char: char| char.is_ascii_uppercase()) && !domain.contains(['.', ':'])
}

/// One name for two images (N-9).
fn same_name(row: &EngineRow, items: &[ItemFacts]) -> Option<LoadObstacle> {
    if row.checks_history {
        // Docker's graph store keeps both; the last one has the name.
        return None;
    }
    let shown = escape_for_terminal(shared_names(items).next()?.as_bytes());
    LoadObstacle::no(format!("two images have the name `{shown}`, of which it finds one"), Remedy::IMAGE)
}

/// The names that two images have.
pub(super) fn shared_names(items: &[ItemFacts]) -> impl Iterator<Item = &str> {
    let mut known: HashMap<&str, u64> = HashMap::new();
    let named = items.iter().flat_map(|item| item.names.iter().map(|name| (name.as_str(), item.identity)));
    named.filter_map(move |(name, image)| {
        let other = known.insert(name, image).filter(|&other| other != image);
        other.map(|_| name)
    })
}

/// Names of members that must be cleaned first, or that are looked up with their slash (G-4).
fn member_names(row: &EngineRow, items: &[ItemFacts]) -> Option<LoadObstacle> {
    if row.links != LinkRule::Followed && items.iter().any(|item| item.rooted) {
        return LoadObstacle::no("a member's name in manifest.json begins with a slash", Remedy::CONVERT);
    }
    let is_read = row.links == LinkRule::Containerd && items.iter().any(|item| item.unclean);
    let reason = "it uses the member names in manifest.json literally, and they are not clean";
    LoadObstacle::no_if(is_read, reason, Remedy::CONVERT)
}

/// Members that are hard links (G-8).
fn hard_links(row: &EngineRow, items: &[ItemFacts]) -> Option<LoadObstacle> {
    let mut linked = items.iter().flat_map(|item| &item.hard_links);
    let (is_hit, reason) = match row.links {
        LinkRule::Followed => (false, ""),
        LinkRule::Containerd => (linked.next().is_some(), "it ignores members that are hard links"),
        LinkRule::ContainersImage => (linked.next().is_some(), "it treats members that are hard links as empty files"),
        LinkRule::GoContainerregistry => (
            linked.any(|name| name.contains('/')),
            "it looks for the target of a hard link below the link's own directory",
        ),
    };
    LoadObstacle::no_if(is_hit, reason, Remedy::CONVERT)
}

/// Layers that are symbolic links (G-7).
fn links(row: &EngineRow, items: &[ItemFacts]) -> Option<LoadObstacle> {
    let any = |is_hit: fn(&ItemFacts) -> bool| items.iter().any(is_hit);
    let is_far = |item: &ItemFacts| item.links.iter().any(|link| link.is_absolute || link.through_directory);
    let reason = match row.links {
        LinkRule::Followed => return None,
        LinkRule::ContainersImage if any(|item| item.linked) => {
            "a layer is a symbolic link to one that the image does not name itself"
        }
        LinkRule::ContainersImage if any(|item| item.links.iter().any(|link| link.length > 1)) => {
            "a layer is a symbolic link to a symbolic link"
        }
        LinkRule::Containerd | LinkRule::ContainersImage | LinkRule::GoContainerregistry if any(is_far) => {
            "a layer is a symbolic link by way of a directory or the root"
        }
        LinkRule::Containerd | LinkRule::ContainersImage | LinkRule::GoContainerregistry => return None,
    };
    LoadObstacle::no(reason, Remedy::CONVERT)
}

/// Parents that cannot be the image's parent (L-4).
fn parents(row: &EngineRow, items: &[ItemFacts]) -> Option<LoadObstacle> {
    let is_refused = row.checks_history && items.iter().any(|item| item.wrong_parent);
    let reason = "it refuses the parent that manifest.json names, whose history is not the image's own";
    LoadObstacle::no_if(is_refused, reason, Remedy::CONVERT)
}

/// Images for another operating system, or for a platform that no machine has together with the others.
fn platforms(row: &EngineRow, items: &[ItemFacts]) -> Option<LoadObstacle> {
    super::image::platforms(row, items.iter().map(|item| std::slice::from_ref(&item.image)))
}
