//! Archives of Docker 1.9 and older: layer directories and `repositories`.
//!
//! Nothing in them promises a digest; what can be checked is how the layers name one another, and what they make.
//!
//! Sources: docs/formats.md L-30 to L-34.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Checker;
use super::bodies::BodyId;
use super::documents::ConfigView;
use super::image::{Checked, CheckedLayer};
use crate::diagnostics::Diagnostic;
use crate::digest::Digest;
use crate::error::Result;
use crate::image::Name;
use crate::limits::{MAX_DOCUMENT, MAX_MANIFEST_JSON};
use crate::path::escape_for_terminal;
use crate::rule::Rule;
use crate::spec::docker::{REPOSITORIES_MEMBER, Repositories};
use crate::spec::v1::{LegacyLayer, V1Id};

/// What is known of a layer directory.
struct Directory {
    parent: Option<V1Id>,
    body: Option<BodyId>,
}

type Directories = BTreeMap<V1Id, Directory>;

/// Checks every layer directory, whether an image has it or not, and `repositories`.
pub(super) fn check(checker: &mut Checker<'_>) -> Result<()> {
    let mut directories = Directories::new();
    for id in ids(checker)? {
        let directory = directory(checker, &id)?;
        directories.insert(id, directory);
    }
    let tops = match checker.member(REPOSITORIES_MEMBER, "the format")? {
        Some(extent) => {
            let Some(bytes) = checker.bytes(&extent, REPOSITORIES_MEMBER, MAX_MANIFEST_JSON)? else { return Ok(()) };
            named(checker, &bytes, &directories)?
        }
        None => {
            let problem = "there is none: Docker from 1.10 on loads no archive without it and without manifest.json";
            checker.add(Diagnostic::note(Rule::L30, REPOSITORIES_MEMBER, problem));
            let parents: BTreeSet<&V1Id> = directories.values().filter_map(|layer| layer.parent.as_ref()).collect();
            directories.keys().filter(|id| !parents.contains(id)).cloned().collect()
        }
    };
    chains(checker, &directories);
    for top in tops {
        image(checker, &top, &directories)?;
    }
    Ok(())
}

/// Every directory with a v1 ID for its name.
fn ids(checker: &Checker<'_>) -> Result<BTreeSet<V1Id>> {
    let ids = checker.members.names()?.into_iter().filter_map(|path| {
        let (directory, _) = path.split()?;
        std::str::from_utf8(directory.as_bytes()).ok()?.parse().ok()
    });
    Ok(ids.collect())
}

/// Checks `<id>/json` and `<id>/layer.tar`.
fn directory(checker: &mut Checker<'_>, id: &V1Id) -> Result<Directory> {
    let (json, tar) = (id.json_member(), id.layer_member());
    let mut directory = Directory { parent: None, body: None };
    match checker.member(&tar, "the format")? {
        Some(extent) => directory.body = Some(checker.bodies.add(extent, &tar)?),
        None => checker.add(Diagnostic::error(Rule::L30, &tar, "the directory has no layer")),
    }
    let Some(extent) = checker.member(&json, "the format")? else {
        checker.add(Diagnostic::error(Rule::L30, &json, "the directory has no metadata"));
        return Ok(directory);
    };
    let Some(bytes) = checker.bytes(&extent, &json, MAX_DOCUMENT)? else { return Ok(directory) };
    match LegacyLayer::read(&bytes, &json, id) {
        Ok(layer) => directory.parent = layer.parent().cloned(),
        Err(error) => checker.refused(error, &json)?,
    }
    Ok(directory)
}

/// The top layers that have names, each of which must be there (L-31).
fn named(checker: &mut Checker<'_>, bytes: &[u8], directories: &Directories) -> Result<BTreeSet<V1Id>> {
    let mut tops = BTreeSet::new();
    let mut claimed: HashMap<Name, V1Id> = HashMap::new();
    let repositories = match Repositories::read(bytes, REPOSITORIES_MEMBER) {
        Ok(Repositories(repositories)) => repositories,
        Err(error) => {
            checker.refused(error, REPOSITORIES_MEMBER)?;
            return Ok(tops);
        }
    };
    for (repository, tags) in &repositories {
        for (tag, id) in tags {
            let text = if tag.is_empty() { repository.clone() } else { format!("{repository}:{tag}") };
            let names = checker.repo_tags(std::slice::from_ref(&text), REPOSITORIES_MEMBER);
            match id.parse::<V1Id>().ok().filter(|id| directories.contains_key(id)) {
                Some(top) => {
                    for name in names {
                        let problem = format!("two images are called {name}");
                        if let Some(other) = claimed.insert(name, top.clone()).filter(|other| *other != top) {
                            let finding = Diagnostic::error(Rule::N9, REPOSITORIES_MEMBER, problem);
                            checker.add(finding.values(&other, &top));
                        }
                    }
                    tops.insert(top);
                }
                None => {
                    let (text, id) = (escape_for_terminal(text.as_bytes()), escape_for_terminal(id.as_bytes()));
                    let problem = format!("{text} stands for `{id}`, which is no layer of the archive");
                    checker.add(Diagnostic::error(Rule::L31, REPOSITORIES_MEMBER, problem));
                }
            }
        }
    }
    Ok(tops)
}

/// Every parent is there, and no layer is its own ancestor (L-31).
fn chains(checker: &mut Checker<'_>, directories: &Directories) {
    let mut sound: BTreeSet<&V1Id> = BTreeSet::new();
    for (id, directory) in directories {
        if let Some(parent) = directory.parent.as_ref().filter(|parent| !directories.contains_key(parent)) {
            let problem = format!("the archive does not hold its parent {parent}");
            checker.add(Diagnostic::error(Rule::L31, id.json_member(), problem));
        }
        let mut seen = BTreeSet::new();
        for id in ancestors(id, directories).take_while(|id| !sound.contains(id)) {
            if !seen.insert(id) {
                checker.add(Diagnostic::error(Rule::L31, id.json_member(), "the layer is its own ancestor"));
                break;
            }
        }
        sound.extend(seen);
    }
}

/// The image of a top layer, to be applied like any other; it has no config (L-32).
fn image(checker: &mut Checker<'_>, top: &V1Id, directories: &Directories) -> Result<()> {
    let mut layers: Vec<CheckedLayer> = ancestors(top, directories)
        .take(directories.len())
        .map(|id| CheckedLayer { at: id.layer_member(), body: directories.get(id).and_then(|layer| layer.body) })
        .collect();
    layers.reverse();
    let image_id = Digest::sha256(top.as_str().as_bytes());
    let config = ConfigView { image_id, diff_ids: Vec::new(), config: None };
    checker.image(Checked::new(&top.json_member(), &top.json_member(), config, layers, None)).map(drop)
}

/// A layer and those below it; a cycle has no end.
fn ancestors<'a>(top: &'a V1Id, directories: &'a Directories) -> impl Iterator<Item = &'a V1Id> {
    std::iter::successors(Some(top), |id| directories.get(id)?.parent.as_ref())
}
