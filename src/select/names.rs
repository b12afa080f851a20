//! Changes of names between reading and writing.

use std::collections::{BTreeMap, HashSet};

use super::choices;
use super::pick::drop_repeated;
use super::platforms::{Naming, OneName};
use crate::diagnostics::Diagnostic;
use crate::error::{Error, Result, Setting};
use crate::image::{ImageEntry, Name, Node};
use crate::options::{ConvertOptions, Target};
use crate::path::escape_for_terminal;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::reference::Reference;

/// Applies the requested changes to the names of all entries, then refuses a name that two entries would share. Artifacts,
/// such as the signatures of images, get no new names: they are found by those that they have (O-14).
///
/// # Errors
/// [`Error::Usage`] when a new name would be that of several images, or a rename makes something that is not a name;
/// [`Error::Inexpressible`] when two images end with one name (docs/formats.md N-9).
pub(crate) fn apply(entries: &mut Vec<ImageEntry>, options: &ConvertOptions, run: &Run) -> Result<()> {
    let changes = &options.names;
    if let Some(names) = &changes.replace {
        if !names.is_empty() {
            can_be_given(names, entries, run)?;
        }
        for entry in entries.iter_mut().filter(|entry| names.is_empty() || !entry.node.is_artifact()) {
            entry.names = names.iter().map(|name| Name::Reference(name.normalized())).collect();
        }
    }
    for (old, new) in &changes.rename {
        rename_all(entries, old, new, run)?;
    }
    if !changes.add.is_empty() {
        can_be_given(&changes.add, entries, run)?;
    }
    for entry in entries.iter_mut() {
        if !entry.node.is_artifact() {
            entry.names.extend(changes.add.iter().map(|name| Name::Reference(name.normalized())));
        }
        drop_repeated(&mut entry.names);
    }
    let may_share = options.each_platform || matches!(options.target, Target::Oci(_) | Target::Delta(_));
    warn_of_addresses(entries, run)?;
    settle_shared(entries, may_share, run)
}

/// N-1: registries at an IPv6 address are in the grammar of names, but older readers do not know them.
fn warn_of_addresses(entries: &[ImageEntry], run: &Run) -> Result<()> {
    for name in entries.iter().flat_map(|entry| &entry.names) {
        if let Name::Reference(reference) = name
            && reference.domain().starts_with('[')
        {
            let problem = "Docker 20.10, ctr 1.6 and podman 4 refuse names with an IPv6 address in them";
            let warning = Diagnostic::warning(Rule::N1, name.to_string(), problem);
            run.diagnostics.report(warning.of_target().avoided_by(Setting::Name))?;
        }
    }
    Ok(())
}

/// A name can be given to one image, or to several that differ in platform and so are one name (N-9).
fn can_be_given(names: &[Reference], entries: &[ImageEntry], run: &Run) -> Result<()> {
    let images: Vec<&ImageEntry> = entries.iter().filter(|entry| !entry.node.is_artifact()).collect();
    let names = || names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if images.is_empty() {
        let problem = "there is no image to be named, and artifacts keep their names";
        return run.diagnostics.warn_of_target(None, names(), problem);
    }
    let mut name = OneName::default();
    if !images.iter().any(|image| matches!(name.add(image), Naming::Taken(_))) {
        return Ok(());
    }
    let distinct: HashSet<_> = images.iter().map(|image| image.node.identity()).collect();
    let problem = format!("{}: it would be the name of {} images", names(), distinct.len());
    Err(Error::Usage(problem).avoided_by(Setting::ImageOrName))
}

fn rename_all(entries: &mut [ImageEntry], old: &str, new: &str, run: &Run) -> Result<()> {
    let mut renamed = 0;
    for name in entries.iter_mut().flat_map(|entry| &mut entry.names) {
        if let Some(text) = renamed_text(name, old, new) {
            let reference: Reference = text.parse().map_err(|error| {
                let renaming = format!("`{old}` renamed to `{new}` makes `{text}`");
                Error::Usage(format!("{}: {error}", escape_for_terminal(renaming.as_bytes())))
            })?;
            *name = Name::Reference(reference.normalized());
            renamed += 1;
        }
    }
    if renamed == 0 {
        run.diagnostics.warn_of_target(
            None,
            escape_for_terminal(old.as_bytes()),
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

/// Two images with one name are an error, unless they are one name's platforms in a layout (N-9). An image that has a name
/// already is not listed under it again.
fn settle_shared(entries: &mut Vec<ImageEntry>, may_share: bool, run: &Run) -> Result<()> {
    let mut shared: BTreeMap<&Name, OneName<'_>> = BTreeMap::new();
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries.iter() {
        let mut names = Vec::with_capacity(entry.names.len());
        for name in &entry.names {
            match shared.entry(name).or_default().add(entry) {
                Naming::Added => names.push(name.clone()),
                Naming::Known => {
                    run.diagnostics.note(
                        Rule::N9,
                        name.to_string(),
                        format!("{} is listed twice; once is enough", identity(entry)),
                    );
                }
                Naming::Taken(other) => return Err(clash(name, other, entry)),
            }
        }
        kept.push(names);
    }
    let is_one = |entries: &[&ImageEntry]| entries.len() <= 1 || may_share;
    if let Some((name, several)) = shared.into_iter().find(|(_, name)| !is_one(&name.entries)) {
        let problem = format!("{name}: the target format holds one platform only");
        let nodes: Vec<_> = several.entries.iter().map(|entry| &entry.node).collect();
        return Err(choices::one_platform(problem, &nodes));
    }
    let mut kept = kept.into_iter();
    entries.retain_mut(|entry| {
        let was_named = !entry.names.is_empty();
        entry.names = kept.next().unwrap_or_default();
        !was_named || !entry.names.is_empty()
    });
    Ok(())
}

fn clash(name: &Name, one: &ImageEntry, two: &ImageEntry) -> Error {
    let images = [one, two].map(|entry| format!("{} in {}", identity(entry), entry.archive));
    Error::choice(format!("{name}: two images would have this name"), images).avoided_by(Setting::ImageDigestOrName)
}

fn identity(entry: &ImageEntry) -> String {
    match &entry.node {
        Node::Image(image) => image.own_digest().to_string(),
        Node::Index(index) => index.document.digest.to_string(),
        Node::Artifact(carried) => carried.what.clone(),
        Node::Missing(missing) => missing.member.clone(),
        Node::Broken(broken) => broken.at.clone(),
    }
}
