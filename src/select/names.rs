//! What becomes of names between reading and writing.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::choose_platform;
use crate::error::{Error, Result};
use crate::image::{ImageEntry, Name, Node};
use crate::options::{NameChanges, Target};
use crate::path::escape_for_terminal;
use crate::run::Run;
use crate::spec::reference::Reference;

/// Applies the changes that were asked for to the names of all entries, then refuses what two entries would share.
///
/// # Errors
/// [`Error::Usage`] when `--tag` would name several images alike, or a rename makes something that is no name;
/// [`Error::Inexpressible`] when two images end with one name (docs/formats.md N-9).
pub(crate) fn apply(entries: &mut [ImageEntry], changes: &NameChanges, target: &Target, run: &Run) -> Result<()> {
    if let Some(names) = &changes.replace {
        if !names.is_empty() {
            can_be_given("--tag", entries, run)?;
        }
        for entry in entries.iter_mut().filter(|entry| names.is_empty() || !is_artifact(entry)) {
            entry.names = names.iter().map(|name| Name::Reference(name.normalized())).collect();
        }
    }
    for (old, new) in &changes.rename {
        rename_all(entries, old, new, run)?;
    }
    if !changes.add.is_empty() {
        can_be_given("--add-tag", entries, run)?;
    }
    for entry in entries.iter_mut() {
        if !is_artifact(entry) {
            entry.names.extend(changes.add.iter().map(|name| Name::Reference(name.normalized())));
        }
        drop_repeated(&mut entry.names);
    }
    refuse_shared(entries, target)
}

/// A name can be given to one image, or to several that differ in platform and so are one name (N-9).
fn can_be_given(flag: &str, entries: &[ImageEntry], run: &Run) -> Result<()> {
    let images: Vec<&ImageEntry> = entries.iter().filter(|entry| !is_artifact(entry)).collect();
    if images.is_empty() {
        return run.diagnostics.warn_of_target(
            None,
            flag,
            "there is no image to be named, and artifacts keep their names",
        );
    }
    let mut others = images.iter().enumerate().flat_map(|(at, one)| images[..at].iter().map(move |two| (one, two)));
    if others.all(|(one, two)| are_platforms(one, two)) {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{flag} would give {} images one name; choose one with --image, or use --rename",
        images.len()
    )))
}

/// Whether a new name is not meant for it: what stands beside images, such as their signatures, keeps the names by which
/// it is found (O-14).
fn is_artifact(entry: &ImageEntry) -> bool {
    matches!(entry.node, Node::Artifact(_))
}

fn rename_all(entries: &mut [ImageEntry], old: &str, new: &str, run: &Run) -> Result<()> {
    let mut renamed = 0;
    for name in entries.iter_mut().flat_map(|entry| &mut entry.names) {
        if let Some(text) = renamed_text(name, old, new) {
            let reference: Reference = text.parse().map_err(|error| {
                let flag = format!("--rename {old}={new} makes `{text}`");
                Error::Usage(format!("{}: {error}", escape_for_terminal(flag.as_bytes())))
            })?;
            *name = Name::Reference(reference.normalized());
            renamed += 1;
        }
    }
    if renamed == 0 {
        run.diagnostics.warn_of_target(
            None,
            escape_for_terminal(format!("--rename {old}={new}").as_bytes()),
            "no name begins with it; nothing is renamed",
        )?;
    }
    Ok(())
}

/// `name` with `old` at its beginning replaced by `new`: in its full spelling, else in the familiar one.
fn renamed_text(name: &Name, old: &str, new: &str) -> Option<String> {
    let spellings = match name {
        Name::Reference(reference) => vec![reference.to_string(), reference.familiar()],
        Name::Tag(text) | Name::Text(text) => vec![text.clone()],
    };
    spellings.iter().find_map(|spelling| {
        let rest = spelling.strip_prefix(old)?;
        let whole_component = rest.is_empty() || rest.starts_with(['/', ':', '@']) || old.ends_with(['/', ':', '@']);
        whole_component.then(|| format!("{new}{rest}"))
    })
}

fn drop_repeated(names: &mut Vec<Name>) {
    let mut seen = HashSet::with_capacity(names.len());
    names.retain(|name| seen.insert(name.clone()));
}

/// Two images with one name are an error, unless they are one name's platforms in a layout (N-9).
fn refuse_shared(entries: &[ImageEntry], target: &Target) -> Result<()> {
    let mut seen: BTreeMap<&Name, Vec<&ImageEntry>> = BTreeMap::new();
    // Of entries that share a name only those of one machine can clash, unless one is no image at all.
    let mut rivals: HashMap<_, Vec<&ImageEntry>> = HashMap::new();
    for entry in entries {
        let machine = machine(entry);
        for name in &entry.names {
            let others = seen.entry(name).or_default();
            let alike = rivals.entry((name, machine.clone())).or_default();
            let clash = match others.first() {
                Some(first) if !are_platforms(entry, first) => Some(first),
                _ => alike.iter().find(|other| !are_platforms(entry, other)),
            };
            if let Some(other) = clash {
                return Err(shared(name, other, entry));
            }
            others.push(entry);
            alike.push(entry);
        }
    }
    let holds_all = matches!(target, Target::Oci(_));
    match seen.into_iter().find(|(_, entries)| entries.len() > 1 && !holds_all) {
        Some((name, entries)) => Err(choose_platform(
            &format!("{name}: the target holds one platform; choose one with --platform"),
            entries.iter().map(|entry| &entry.node),
        )),
        None => Ok(()),
    }
}

fn machine(entry: &ImageEntry) -> Option<(String, String, String)> {
    match &entry.node {
        Node::Image(image) => Some(image.platform.machine()),
        Node::Index(_) | Node::Artifact(_) | Node::Missing(_) => None,
    }
}

fn are_platforms(one: &ImageEntry, two: &ImageEntry) -> bool {
    match (&one.node, &two.node) {
        (Node::Image(one), Node::Image(two)) => !one.platform.matches(&two.platform),
        _ => false,
    }
}

fn shared(name: &Name, one: &ImageEntry, two: &ImageEntry) -> Error {
    Error::inexpressible(
        name.to_string(),
        format!(
            "two images would have this name: {} and {}; rename one with --rename or choose one with --image",
            identity(one),
            identity(two)
        ),
    )
}

fn identity(entry: &ImageEntry) -> String {
    match &entry.node {
        Node::Image(image) => image.own_digest().to_string(),
        Node::Index(index) => index.document.digest.to_string(),
        Node::Artifact(carried) => carried.what.clone(),
        Node::Missing(absent) => absent.member.clone(),
    }
}
