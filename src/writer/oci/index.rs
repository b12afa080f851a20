//! `index.json`: an entry for each name, spelled so that every reader finds it.
//!
//! Sources: docs/formats.md O-20 to O-24, O-30, N-9.

use std::collections::HashMap;

use crate::error::Result;
use crate::image::{Entry, Name};
use crate::spec::descriptor::Descriptor;
use crate::spec::oci::Index;

const IMAGE_NAME: &str = "io.containerd.image.name";
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// One descriptor a name, an untagged entry once without any.
pub(super) fn entries(entries: &[Entry], descriptors: Vec<Descriptor>) -> Vec<Descriptor> {
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for tag in entries.iter().flat_map(|entry| &entry.names).filter_map(short) {
        *uses.entry(tag).or_default() += 1;
    }
    let mut listed = Vec::new();
    for (entry, descriptor) in entries.iter().zip(descriptors) {
        if entry.names.is_empty() {
            listed.push(descriptor.clone());
        }
        for name in &entry.names {
            let is_shared = short(name).is_none_or(|tag| uses[tag] > 1);
            listed.push(named(descriptor.clone(), name, is_shared));
        }
    }
    listed
}

/// What `ref.name` says if nobody else says it too.
fn short(name: &Name) -> Option<&str> {
    match name {
        Name::Reference(reference) => reference.tag(),
        Name::Tag(tag) => Some(tag),
        Name::Text(_) => None,
    }
}

/// Two entries with one `ref.name` would be one for readers that know no other name, so they get their full names (O-23).
fn named(descriptor: Descriptor, name: &Name, is_shared: bool) -> Descriptor {
    match name {
        Name::Reference(reference) => {
            let full = reference.to_string();
            let ref_name = reference.tag().filter(|_| !is_shared).unwrap_or(&full);
            descriptor.with_annotation(IMAGE_NAME, Some(&full)).with_annotation(REF_NAME, Some(ref_name))
        }
        Name::Tag(text) | Name::Text(text) => descriptor.with_annotation(REF_NAME, Some(text)),
    }
}

/// The index with these entries; one that is there already keeps those of other names and platforms (O-30).
pub(super) fn merged(entries: Vec<Descriptor>, existing: Option<Vec<u8>>) -> Result<Index> {
    let Some(bytes) = existing else { return Ok(Index::new(entries)) };
    let existing = Index::read(&bytes, "index.json", None)?;
    let kept = existing.entries().iter().filter(|old| !entries.iter().any(|new| is_replaced(old, new)));
    let all = kept.cloned().chain(entries.iter().cloned()).collect();
    Ok(existing.with_entries(all))
}

/// Whether `new` takes the place of `old`: the same name for the same platform, or the same thing without a name.
fn is_replaced(old: &Descriptor, new: &Descriptor) -> bool {
    let name = |descriptor: &Descriptor| {
        descriptor.annotation(IMAGE_NAME).or_else(|| descriptor.annotation(REF_NAME)).map(str::to_owned)
    };
    match (name(old), name(new)) {
        (Some(old_name), Some(new_name)) if old_name == new_name => match (old.platform(), new.platform()) {
            (Some(old), Some(new)) => old.matches(new),
            _ => true,
        },
        (None, None) => old.digest() == new.digest(),
        _ => false,
    }
}
