//! `index.json`: an entry for each name, spelled so that every reader finds it.
//!
//! Sources: docs/formats.md O-12, O-20 to O-24, O-30, N-9.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::error::Result;
use crate::image::{IMAGE_NAME, ImageEntry, Name, REF_NAME};
use crate::spec::descriptor::Descriptor;
use crate::spec::oci::Index;
use crate::spec::platform::Platform;

/// One descriptor a name, an untagged entry once without any.
pub(super) fn entries(entries: &[ImageEntry], descriptors: Vec<Descriptor>) -> Vec<Descriptor> {
    let mut listed = Vec::new();
    for (entry, descriptor) in entries.iter().zip(descriptors) {
        if entry.names.is_empty() {
            listed.push(descriptor.clone());
        }
        listed.extend(entry.names.iter().map(|name| named(descriptor.clone(), name)));
    }
    listed
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

/// The index with these entries; one that is there already keeps those of other names and platforms (O-30).
///
/// # Errors
/// Those of `platform`, which is asked what an entry runs on where two have one name.
pub(super) fn merged(
    entries: Vec<Descriptor>,
    existing: Option<Index>,
    platform: impl Fn(&Descriptor) -> Result<Option<Platform>>,
) -> Result<Index> {
    let Some(existing) = existing else { return Ok(Index::new(told_apart(entries))) };
    let mut new: HashMap<Option<Name>, Vec<&Descriptor>> = HashMap::new();
    for entry in &entries {
        new.entry(Name::of(entry)).or_default().push(entry);
    }
    let mut all = Vec::new();
    for old in existing.entries() {
        let name = Name::of(old);
        let new = new.get(&name).map_or(&[][..], Vec::as_slice);
        let is_replaced = match name {
            Some(_) => is_replaced(old, new, &platform)?,
            None => new.iter().any(|new| new.digest() == old.digest()),
        };
        if !is_replaced {
            all.push(old.clone());
        }
    }
    all.extend(entries.iter().cloned());
    Ok(existing.with_entries(told_apart(all)))
}

/// Whether one of `new` takes the place of `old`, which has the same name, because nothing says that it is for another
/// platform.
fn is_replaced(
    old: &Descriptor,
    new: &[&Descriptor],
    platform: impl Fn(&Descriptor) -> Result<Option<Platform>>,
) -> Result<bool> {
    for new in new {
        match (platform(old)?, platform(new)?) {
            (Some(old), Some(new)) if !old.matches(&new) => {}
            _ => return Ok(true),
        }
    }
    Ok(false)
}
