//! Notes about an archive that an engine loads.

use super::checks::List;
use super::facts::LoadFacts;
use super::row::{EngineRow, NameRules, PlatformRule, Reads, Several};
use crate::path::escape_for_terminal;

/// The number of names that a note shows.
const SHOWN_NAMES: usize = 3;

/// The notes about `list`, of which the engine loads the images.
pub(super) fn of(row: &EngineRow, facts: &LoadFacts, list: List<'_>) -> Vec<String> {
    let mut notes: Vec<Option<String>> = match list {
        List::IndexJson(_) => of_index_json(row, facts).to_vec(),
        List::ManifestJson(_) => of_manifest_json(row, facts).to_vec(),
        List::Repositories(_) => Vec::new(),
    };
    notes.push(of_platform(row, list));
    notes.into_iter().flatten().collect()
}

/// The flag without which only a machine of the images' own platform imports them.
fn of_platform(row: &EngineRow, list: List<'_>) -> Option<String> {
    let images = list.images();
    let is_usual = images.iter().any(|image| image.platform.os == "linux" && image.platform.architecture == "amd64");
    let first = images.first().filter(|_| row.platforms == PlatformRule::Machine && !is_usual)?;
    Some(format!("on a machine of another platform it needs --platform {}", first.platform))
}

fn of_index_json(row: &EngineRow, facts: &LoadFacts) -> [Option<String>; 5] {
    let entries = facts.entries();
    let (is_several, is_absent) = (entries.len() > 1, entries.iter().any(|entry| entry.absent));
    let by_reference = matches!(row.several, Several::ByReference | Several::ByRefName);
    let fails = |flag: &str| format!("{flag} fails, because not all platforms are in it");
    let note = |is_so: bool, text: &str| is_so.then(|| text.to_owned());
    let is_increment = entries.iter().flat_map(|entry| &entry.images).any(|image| image.base.is_some());
    [
        note(
            is_increment && row.reads == Reads::IndexJson,
            "into containers-storage not where the base came from a docker tarball or with other images",
        ),
        (by_reference && is_several).then(|| {
            let with_images = entries.iter().filter(|entry| !entry.images.is_empty());
            behind_path(with_images.filter_map(|entry| entry.ref_name.as_deref()))
        }),
        note(row.several == Several::OneOfAnArchive && is_several, "several images need `crane push --index`"),
        note(
            row.several == Several::AllOfManifestJson && facts.directory && facts.dir_form.is_none(),
            "the image gets the path's name, which must be lower case",
        ),
        match row.names {
            _ if !is_absent => None,
            NameRules::Needed => Some(fails("--all-platforms")),
            _ if by_reference => Some(fails("--all")),
            NameRules::Free | NameRules::Tagged | NameRules::References | NameRules::RefNameNeeded => None,
        },
    ]
}

fn of_manifest_json(row: &EngineRow, facts: &LoadFacts) -> [Option<String>; 2] {
    let by_reference = row.several == Several::ByReference && facts.items().len() > 1;
    let platforms = facts.entries().iter().map(|entry| entry.images.len()).max().unwrap_or_default();
    [
        by_reference.then(|| behind_path(facts.items().iter().flat_map(|item| &item.names).map(String::as_str))),
        (platforms > 1).then(|| format!("one of {platforms} platforms")),
    ]
}

/// The way to tell skopeo which of several images to take, by their `names`.
fn behind_path<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut places: Vec<String> = Vec::new();
    let mut more = false;
    for name in names {
        let place = format!("PATH:{}", escape_for_terminal(name.as_bytes()));
        if places.contains(&place) {
            continue;
        }
        more = places.len() == SHOWN_NAMES;
        if more {
            break;
        }
        places.push(place);
    }
    let more = if more { ", …" } else { "" };
    format!("it has to be told which image: {}{more}", places.join(", "))
}
