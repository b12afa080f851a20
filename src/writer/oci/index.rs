//! `index.json`: an entry for each name, spelled so that every reader finds it.
//!
//! Several platforms of one name stand in an index of their own, under one entry: of entries side by side Docker and
//! containerd keep the last, and skopeo takes the first.
//!
//! Sources: docs/formats.md O-12, O-20 to O-24, O-30, N-9; docs/bundles.md B-20 to B-25, B-30.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use indexmap::IndexMap;

use super::super::store::Store;
use crate::digest::Digest;
use crate::error::Result;
use crate::image::{IMAGE_NAME, Name, REF_NAME};
use crate::limits::MAX_INDEX_DEPTH;
use crate::path::escape_for_terminal;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::spec::json;
use crate::spec::media_type::{Family, MediaType};
use crate::spec::oci::{INDEX_MEMBER, Index};
use crate::spec::platform::{Machine, Platform};

/// A written entry, as `index.json` will list it.
pub(super) struct WrittenEntry<'a> {
    pub(super) names: &'a [Name],
    pub(super) descriptor: Descriptor,
    /// The images and attestations that it leads to; empty where nothing else has one of its names.
    pub(super) members: Vec<Descriptor>,
    /// The annotations of the index that it is.
    pub(super) annotations: Option<&'a BTreeMap<String, String>>,
}

/// The entries that `index.json` will list, and the indexes that had to be made for it.
pub(super) struct IndexJson {
    pub(super) entries: Vec<Descriptor>,
    pub(super) made: Vec<Vec<u8>>,
}

/// Returns `descriptor` as an index of several platforms lists it: without name annotations, with its platform.
pub(super) fn member(descriptor: &Descriptor, platform: Option<&Platform>) -> Descriptor {
    let stripped = Name::strip(descriptor.clone());
    let bare = Descriptor::new(stripped.media_type().clone(), stripped.digest().clone(), stripped.size());
    let annotated = bare.with_annotations(stripped.annotations());
    match stripped.platform().or(platform) {
        Some(platform) => annotated.with_platform(platform),
        None => annotated,
    }
}

impl IndexJson {
    /// Lists `new` entries, and those of `existing` that have other names or platforms (O-30).
    ///
    /// # Errors
    /// When what is there already cannot be read; more names than memory may be used for.
    pub(super) fn of(
        new: &[WrittenEntry<'_>],
        existing: Option<&Index>,
        store: &impl Store,
        nest: bool,
        run: &Run,
    ) -> Result<Self> {
        let mut named: HashMap<&Name, Vec<&WrittenEntry<'_>>> = HashMap::new();
        for entry in new {
            entry.names.iter().for_each(|name| named.entry(name).or_default().push(entry));
        }
        let mut listed = Self { entries: Vec::new(), made: Vec::new() };
        // Each name of an entry makes another copy of its descriptor, which all wait for the last.
        let charge = |descriptor: &Descriptor, copies: usize| {
            let size = json::memory_size(&json::write(descriptor)) * copies as u64;
            run.budget.charge_memory(size, INDEX_MEMBER)
        };
        for entry in new {
            charge(&entry.descriptor, entry.names.len())?;
            entry.members.iter().try_for_each(|member| charge(member, 1))?;
        }
        let nameless: HashSet<&Digest> =
            new.iter().filter(|new| new.names.is_empty()).map(|new| new.descriptor.digest()).collect();
        let mut old: HashMap<Name, Vec<&Descriptor>> = HashMap::new();
        for entry in existing.map_or(&[][..], Index::entries) {
            match Name::of(entry) {
                Some(name) if named.contains_key(&name) => old.entry(name).or_default().push(entry),
                None if nameless.contains(entry.digest()) => {}
                Some(_) | None => listed.entries.push(entry.clone()),
            }
        }
        let nested = nest.then_some(run);
        for entry in new {
            if entry.names.is_empty() {
                listed.entries.push(entry.descriptor.clone());
            }
            for name in entry.names {
                // The first entry with this name lists all of them.
                let Some(alike) = named.remove(name) else { continue };
                listed.list(name, &alike, old.get(name).map_or(&[][..], Vec::as_slice), store, nested)?;
            }
        }
        listed.entries = told_apart(listed.entries);
        Ok(listed)
    }

    fn list(
        &mut self,
        name: &Name,
        new: &[&WrittenEntry<'_>],
        old: &[&Descriptor],
        store: &impl Store,
        nested: Option<&Run>,
    ) -> Result<()> {
        let members: Vec<Descriptor> = new.iter().flat_map(|entry| entry.members.iter().cloned()).collect();
        let surviving = surviving(old, &members, store)?;
        match (new, nested) {
            ([only], _) if surviving.is_empty() => self.entries.push(named(only.descriptor.clone(), name)),
            (_, Some(run)) => {
                let old = if surviving.is_empty() { &[] } else { old };
                let annotations = annotations(name, old, new, store, run)?;
                let index = Index::new(each_once(surviving.into_iter().chain(members)));
                let bytes = index.with_annotations(annotations).to_bytes();
                self.entries.push(named(Descriptor::of(MediaType::Index(Family::Oci), &bytes), name));
                self.made.push(bytes);
            }
            (_, None) => {
                let new = new.iter().map(|entry| &entry.descriptor);
                self.entries.extend(surviving.iter().chain(new).map(|entry| named(entry.clone(), name)));
            }
        }
        Ok(())
    }
}

/// Returns the members of an index, images first; one that is listed several times once, with the annotations of each
/// listing (docs/bundles.md B-24, B-25).
fn each_once(members: impl Iterator<Item = Descriptor>) -> Vec<Descriptor> {
    let (attestations, images): (Vec<_>, Vec<_>) = members.partition(Descriptor::is_attestation);
    let mut once: IndexMap<Digest, (Descriptor, BTreeMap<String, String>)> = IndexMap::new();
    for member in images.into_iter().chain(attestations) {
        let first = || (member.clone(), BTreeMap::new());
        let (_, annotations) = once.entry(member.digest().clone()).or_insert_with(first);
        for (key, value) in member.annotations() {
            annotations.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    let annotated = |(member, annotations): (Descriptor, BTreeMap<String, String>)| {
        // Only where another listing adds one: setting them changes their order.
        if *member.annotations() == annotations { member } else { member.with_annotations(&annotations) }
    };
    once.into_values().map(annotated).collect()
}

/// Returns what all indexes that become one have among their annotations (B-25).
fn annotations(
    name: &Name,
    old: &[&Descriptor],
    new: &[&WrittenEntry<'_>],
    store: &impl Store,
    run: &Run,
) -> Result<BTreeMap<String, String>> {
    let old: Vec<_> = old.iter().map(|entry| store.index(entry)).collect::<Result<_>>()?;
    let old = old.iter().flatten().map(Index::annotations);
    let mut all = old.chain(new.iter().filter_map(|entry| entry.annotations));
    let mut kept = all.next().cloned().unwrap_or_default();
    let mut dropped = BTreeSet::new();
    for other in all {
        let differs = |key: &&String| kept.get(*key) != other.get(*key);
        dropped.extend(kept.keys().chain(other.keys()).filter(differs).cloned());
        kept.retain(|key, value| other.get(key) == Some(value));
    }
    if !dropped.is_empty() {
        let problem =
            format!("the indexes that become one differ in the annotations {}; dropped", escaped_keys(&dropped));
        run.diagnostics.warn_of_target(Rule::B25, name.to_string(), problem)?;
    }
    Ok(kept)
}

/// Returns the annotations of an `index.json`: those of `existing`, to which archives with these annotations are added, and
/// those in which the archives that have them agree (B-39).
pub(super) fn merged_annotations(
    archives: &[BTreeMap<String, String>],
    existing: Option<&Index>,
    run: &Run,
) -> Result<BTreeMap<String, String>> {
    let mut kept = existing.map(|index| index.annotations().clone()).unwrap_or_default();
    let mut dropped = BTreeSet::new();
    for (key, value) in archives.iter().flatten() {
        if kept.entry(key.clone()).or_insert_with(|| value.clone()) != value {
            dropped.insert(key.clone());
        }
    }
    if !dropped.is_empty() {
        let is_there = |key: &String| existing.is_some_and(|index| index.annotations().contains_key(key));
        kept.retain(|key, _| !dropped.contains(key) || is_there(key));
        let outcome = if existing.is_some() { "what the directory has stays" } else { "dropped" };
        let problem = format!("the archives differ in its annotations {}; {outcome}", escaped_keys(&dropped));
        run.diagnostics.warn_of_target(Rule::B39, INDEX_MEMBER, problem)?;
    }
    Ok(kept)
}

/// Returns the keys of annotations as a message lists them.
fn escaped_keys(keys: &BTreeSet<String>) -> String {
    keys.iter().map(|key| escape_for_terminal(key.as_bytes())).collect::<Vec<_>>().join(", ")
}

/// Returns what stays of `old` entries that have the name of `new` images: those for other platforms, and what attests to
/// them.
fn surviving(old: &[&Descriptor], new: &[Descriptor], store: &impl Store) -> Result<Vec<Descriptor>> {
    let mut found = Vec::new();
    old.iter().try_for_each(|entry| flatten(entry, MAX_INDEX_DEPTH, store, &mut found))?;
    let images = new.iter().filter(|member| !member.is_attestation());
    // An image for no platform replaces all.
    let Some(platforms) = images.map(Descriptor::platform).collect::<Option<Vec<_>>>() else { return Ok(Vec::new()) };
    let mut by_machine: HashMap<Machine, Vec<&Platform>> = HashMap::new();
    for platform in platforms {
        by_machine.entry(platform.machine()).or_default().push(platform);
    }
    let mut kept = Vec::new();
    for old in found.iter().filter(|old| !old.is_attestation()) {
        let platform = store.platform(old)?;
        let is_replaced = |platform: &Platform| {
            by_machine.get(&platform.machine()).into_iter().flatten().any(|new| platform.matches(new))
        };
        if platform.as_ref().is_some_and(|platform| !is_replaced(platform)) {
            kept.push(member(old, platform.as_ref()));
        }
    }
    let digests: HashSet<String> = kept.iter().map(|member| member.digest().to_string()).collect();
    let attests = |old: &&Descriptor| old.attested().is_some_and(|subject| digests.contains(subject));
    kept.extend(found.iter().filter(|old| old.is_attestation()).filter(attests).cloned());
    Ok(kept)
}

/// Adds what `entry` leads to through indexes.
fn flatten(entry: &Descriptor, depth: usize, store: &impl Store, found: &mut Vec<Descriptor>) -> Result<()> {
    match store.index(entry)? {
        Some(index) if depth > 0 => {
            index.entries().iter().try_for_each(|child| flatten(child, depth - 1, store, found))
        }
        _ => {
            found.push(entry.clone());
            Ok(())
        }
    }
}

fn named(descriptor: Descriptor, name: &Name) -> Descriptor {
    match name {
        Name::Reference(reference) => {
            let full = reference.to_string();
            let ref_name = reference.tag().unwrap_or(&full);
            descriptor.with_annotation(IMAGE_NAME, Some(&full)).with_annotation(REF_NAME, Some(ref_name))
        }
        Name::Tag(text) | Name::Text(text) => descriptor.with_annotation(REF_NAME, Some(text)),
    }
}

/// Two names with one `ref.name` would be one for readers that know no other, so they get it in full (O-23).
fn told_apart(entries: Vec<Descriptor>) -> Vec<Descriptor> {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in &entries {
        if let Some(ref_name) = entry.annotation(REF_NAME) {
            let name = entry.annotation(IMAGE_NAME).unwrap_or(ref_name);
            names.entry(ref_name.to_owned()).or_default().insert(name.to_owned());
        }
    }
    let is_shared = |entry: &Descriptor| entry.annotation(REF_NAME).is_some_and(|name| names[name].len() > 1);
    entries
        .into_iter()
        .map(|entry| match entry.annotation(IMAGE_NAME).map(str::to_owned) {
            Some(full) if is_shared(&entry) => entry.with_annotation(REF_NAME, Some(&full)),
            _ => entry,
        })
        .collect()
}
