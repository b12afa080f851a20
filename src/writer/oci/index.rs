//! `index.json`: an entry for each name, spelled so that every reader finds it.
//!
//! Sources: docs/formats.md O-20 to O-24, O-30, N-9.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::image::{Entry, IMAGE_NAME, Name, REF_NAME};
use crate::spec::descriptor::Descriptor;
use crate::spec::oci::Index;

/// One descriptor a name, an untagged entry once without any.
pub(super) fn entries(entries: &[Entry], descriptors: Vec<Descriptor>) -> Vec<Descriptor> {
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
pub(super) fn merged(entries: Vec<Descriptor>, existing: Option<Index>) -> Index {
    let Some(existing) = existing else { return Index::new(told_apart(entries)) };
    let mut new: HashMap<Option<Name>, Vec<&Descriptor>> = HashMap::new();
    for entry in &entries {
        new.entry(Name::of(entry)).or_default().push(entry);
    }
    let is_replaced = |old: &&Descriptor| {
        let name = Name::of(old);
        new.get(&name).is_some_and(|new| new.iter().any(|new| is_replaced(old, new, name.is_some())))
    };
    let kept = existing.entries().iter().filter(|old| !is_replaced(old));
    let all = kept.cloned().chain(entries.iter().cloned()).collect();
    existing.with_entries(told_apart(all))
}

/// Whether `new` takes the place of `old`, which has the same name or, like it, none: if it is for the same platform, or
/// the same thing without a name.
fn is_replaced(old: &Descriptor, new: &Descriptor, named: bool) -> bool {
    match (old.platform(), new.platform()) {
        _ if !named => old.digest() == new.digest(),
        (Some(old), Some(new)) => old.matches(new),
        _ => true,
    }
}
