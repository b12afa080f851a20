//! Notes about an archive that an engine loads.

use super::checks::List;
use super::facts::LoadFacts;
use super::row::{EngineRow, NameRules, PlatformRule, Reads, Several};

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
        note(by_reference && is_several, "give it the ref.name of an image behind the path: PATH:REF.NAME"),
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
        by_reference.then(|| "give it the name of an image behind the path: PATH:NAME".to_owned()),
        (platforms > 1).then(|| format!("one of {platforms} platforms")),
    ]
}
