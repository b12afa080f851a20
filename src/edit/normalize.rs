//! Normalising layers and config, so that two builds of the same files are equal: times, order, the names of owners and
//! the fields of the building host are set (E-60 to E-65). The metadata that engines apply stays.
//!
//! Sources: docs/edit.md E-10, E-60 to E-65; docs/formats.md R-10.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use super::bodies::StackBodies;
use super::draft::Draft;
use super::headers::{Placements, StackHeaders};
use super::paths::{components, joined, parents};
use super::stack::{DraftStack, form};
use super::workspace::{LayerWriter, Workspace, hard_link};
use crate::archive::{EntryKind, TarEntry, TarTime};
use crate::diagnostics::Rule;
use crate::error::Result;
use crate::flatten::{Options, Overlay, Role};
use crate::image::Layer;
use crate::path::EntryPath;
use crate::spec::timestamp::Timestamp;
use crate::words::counted;

/// Keys of the config that describe the building host (E-63).
const OF_THE_HOST: [&str; 2] = ["container", "container_config"];
/// Such keys of the container settings.
const RUNTIME_OF_THE_HOST: [&str; 2] = ["Hostname", "Image"];

/// Brings the layers from `from` on, and the config, to a form that does not depend on the build. A layer that already
/// has this form keeps every byte.
///
/// # Errors
/// Layers that cannot be read; no room.
pub(super) fn normalize(draft: &mut Draft, from: usize, workspace: &Workspace<'_>) -> Result<()> {
    draft.change_layers()?;
    let wanted = draft.stack().split_off(from);
    let new = workspace.verified(&wanted, || layers(draft, from, workspace))?;
    let (count, mut changed) = (new.len(), 0);
    let (layers, _) = draft.change_layers()?;
    for (old, new) in layers[from..].iter_mut().zip(new) {
        if new.diff_id != old.layer.diff_id {
            changed += 1;
            old.layer = new;
        }
    }
    if changed > 0 && from == 0 {
        draft.drop_base(from);
    }
    draft.changes.push(format!("{changed} of {} normalized", counted(count, "layer")));
    let latest = Timestamp::from_unix(workspace.run.epoch).unwrap_or(Timestamp::ZERO);
    let (_, history) = draft.change_layers()?;
    history.each(|entry| clamp(entry, latest));
    let object = draft.document.object_mut();
    clamp(object, latest);
    for key in OF_THE_HOST {
        object.shift_remove(key);
    }
    if let Some(runtime) = object.get_mut("config").and_then(Value::as_object_mut) {
        for key in RUNTIME_OF_THE_HOST {
            runtime.shift_remove(key);
        }
    }
    let note = "later times become SOURCE_DATE_EPOCH (1970 if it is not set): programs that compare times, such as Python for \
                compiled files, make and apt, may redo their work";
    workspace.run.diagnostics.note(Rule::E64, draft.at(), note);
    Ok(())
}

/// The layers from `from` on in their new form.
fn layers(draft: &mut Draft, from: usize, workspace: &Workspace<'_>) -> Result<Vec<Layer>> {
    let DraftStack { layers, headers, mut bodies } = DraftStack::read(draft, from, workspace)?;
    let mut overlay = Overlay::tracing(Options::default());
    let mut new = Vec::with_capacity(layers.len() - from);
    for (number, layer) in layers.iter().enumerate() {
        let placements = headers.trace(number, &mut overlay, workspace.run)?;
        if number >= from {
            let outlines = outlines(number, &headers, &placements, workspace)?;
            new.push(normalized(layer, number, outlines, &mut bodies, workspace)?);
        }
    }
    Ok(new)
}

/// Sets `created` to `latest` if it is later.
fn clamp(object: &mut Map<String, Value>, latest: Timestamp) {
    let created = object.get("created").and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok());
    if created.is_some_and(|created| created.instant() > latest.instant()) {
        object.insert("created".to_owned(), latest.to_string().into());
    }
}

/// One entry, as far as its place depends on it.
struct Outline {
    /// Its position in the order: the path of what it is or hides.
    key: Vec<Vec<u8>>,
    path: Vec<u8>,
    kind: EntryKind,
    /// The cleaned target of a hard link.
    link: Vec<u8>,
    /// True if a symbolic link of a lower layer has led it elsewhere.
    is_displaced: bool,
    offset: u64,
}

/// Returns the layer in the order of its paths, unless its present order matters.
fn normalized(
    layer: &Layer,
    number: usize,
    mut outlines: Vec<Outline>,
    bodies: &mut StackBodies<'_>,
    workspace: &Workspace<'_>,
) -> Result<Layer> {
    let carriers = if is_regular(&outlines) { ordered(&mut outlines) } else { HashMap::new() };
    workspace.layer(&layer.at, form(layer), |out| {
        outlines.iter().try_for_each(|outline| write(outline, &carriers, number, bodies, out, workspace.run.epoch))
    })
}

/// Writes one entry. The first name of a file has its data, wherever that stood.
fn write(
    outline: &Outline,
    carriers: &HashMap<Vec<u8>, Carrier>,
    number: usize,
    bodies: &mut StackBodies<'_>,
    out: &mut LayerWriter<'_>,
    epoch: i64,
) -> Result<()> {
    let path = if outline.path.is_empty() { b".".to_vec() } else { outline.path.clone() };
    match carriers.get(&outline.path) {
        Some(Carrier { data, first }) if *first == outline.path => {
            let found = bodies.entry(number, *data)?;
            bodies.copy(&plain(TarEntry { path, ..found }, epoch), out)
        }
        Some(Carrier { data, first }) => {
            let found = plain(bodies.entry(number, *data)?, epoch);
            out.entry(&hard_link(path, first.clone(), found), &mut std::io::empty())
        }
        None => {
            let found = bodies.entry(number, outline.offset)?;
            let link = if found.kind == EntryKind::HardLink { outline.link.clone() } else { found.link.clone() };
            bodies.copy(&plain(TarEntry { path, link, ..found }, epoch), out)
        }
    }
}

/// The entry without what depends on the build (E-62).
fn plain(entry: TarEntry, epoch: i64) -> TarEntry {
    let seconds = entry.mtime.seconds.min(epoch);
    let mut records = entry.records;
    records.sort();
    let (uname, gname) = (Vec::new(), Vec::new());
    TarEntry { mtime: TarTime::from_seconds(seconds), uname, gname, records, sparse: None, ..entry }
}

fn outlines(
    number: usize,
    headers: &StackHeaders,
    placements: &Placements,
    workspace: &Workspace<'_>,
) -> Result<Vec<Outline>> {
    let mut outlines = Vec::new();
    headers.each(number, |name, position, header| {
        // Flattening has refused what cannot be cleaned.
        let clean = |name: &[u8]| EntryPath::clean(name).unwrap_or_default().as_bytes().to_vec();
        let path = clean(name);
        let link = if header.kind == EntryKind::HardLink { clean(header.link) } else { Vec::new() };
        let key = key(&path);
        let taken = size_of::<Outline>() + 2 * path.len() + link.len() + key.len() * size_of::<Vec<u8>>();
        workspace.run.budget.charge_memory(taken as u64, "the order of a layer")?;
        let is_plain = matches!(Role::of(&path), Ok(Role::Plain));
        let is_displaced = is_plain && placements.at(position).is_some_and(|placement| placement.path != path);
        outlines.push(Outline { key, path, kind: header.kind, link, is_displaced, offset: header.offset });
        Ok(())
    })?;
    Ok(outlines)
}

/// The components of a path; a whiteout stands where what it hides would, an opaque marker first in its directory.
fn key(path: &[u8]) -> Vec<Vec<u8>> {
    match Role::of(path) {
        Ok(Role::Remove { directory, name }) => components(&joined(directory, name)),
        Ok(Role::Opaque { directory }) => {
            let mut key = if directory.is_empty() { Vec::new() } else { components(directory) };
            key.push(Vec::new());
            key
        }
        _ if path.is_empty() => Vec::new(),
        _ => components(path),
    }
}

/// Returns whether the order of the entries does not matter: every entry stands at the path that it names, which no
/// symbolic link is part of, no path is there twice, nothing is below what is not a directory, and every hard link names
/// an earlier entry.
fn is_regular(outlines: &[Outline]) -> bool {
    let files: HashSet<&[u8]> = outlines
        .iter()
        .filter(|outline| outline.kind != EntryKind::Directory)
        .map(|outline| &outline.path[..])
        .collect();
    let mut seen = HashSet::new();
    outlines.iter().all(|outline| {
        let is_ahead = outline.kind == EntryKind::HardLink && !seen.contains(&outline.link[..]);
        let is_below_file = parents(&outline.path).any(|directory| files.contains(directory));
        seen.insert(&outline.path[..]) && !outline.is_displaced && !is_below_file && !is_ahead
    })
}

/// The data of a hard-linked file: where its entry begins, and the first of its names in the new order.
struct Carrier {
    data: u64,
    first: Vec<u8>,
}

/// Orders the entries by their paths (E-10); returns, for every name of a file that has several here, where its data is.
fn ordered(outlines: &mut [Outline]) -> HashMap<Vec<u8>, Carrier> {
    let owners = owners(outlines);
    outlines.sort_by(|one, other| one.key.cmp(&other.key).then_with(|| one.path.cmp(&other.path)));
    let mut first: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut carriers = HashMap::new();
    for outline in outlines.iter() {
        if let Some(&data) = owners.get(&outline.path) {
            let first = first.entry(data).or_insert_with(|| outline.path.clone()).clone();
            carriers.insert(outline.path.clone(), Carrier { data, first });
        }
    }
    carriers
}

/// For every name of a file that has several in this layer, the entry that has the data.
fn owners(outlines: &[Outline]) -> HashMap<Vec<u8>, u64> {
    let mut data: HashMap<&[u8], u64> = HashMap::new();
    let mut owners = HashMap::new();
    for outline in outlines {
        match outline.kind {
            EntryKind::HardLink => {
                if let Some(&offset) = data.get(&outline.link[..]) {
                    data.insert(&outline.path, offset);
                    owners.insert(outline.link.clone(), offset);
                    owners.insert(outline.path.clone(), offset);
                }
            }
            EntryKind::Directory => {}
            _ => drop(data.insert(&outline.path, outline.offset)),
        }
    }
    owners
}
