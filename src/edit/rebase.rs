//! An image on another base: the layers of the one archive's image at the bottom become those of the other's (E-32 to E-36).
//!
//! The base is found by its diff_ids, so that one that was compressed again is still the same. Three faults that engines
//! do not report are looked for: a directory that replaces a symbolic link of the new base, a file or link that replaces one
//! of its directories, and files whose old content hides a new one.
//!
//! Sources: docs/edit.md E-30, E-32 to E-36.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::base::{base_of, described, images};
use super::document::ConfigDocument;
use super::draft::{BaseAnnotations, Draft, DraftLayer};
use super::headers::StackHeaders;
use super::history::{BaseHistory, HistoryEntries};
use super::paths::{MOST_NAMED, first, list};
use super::restack::{BaseChange, Restacked, restack};
use super::workspace::Workspace;
use crate::archive::EntryKind;
use crate::diagnostics::Rule;
use crate::error::{Error, Result, Setting};
use crate::flatten::{EntryKey, Overlay, Placement};
use crate::image::{Image, ImageEntry, ImageSet, Layer, Name, Node};
use crate::layer_index::FileContent;
use crate::path::quote;
use crate::words::counted;

/// The archives of a rebase, opened.
pub(super) struct Bases {
    /// The one whose image is at the bottom.
    pub(super) old: ImageSet,
    /// The one whose image takes its place.
    pub(super) new: ImageSet,
}

/// Puts the image of `bases.new` in the place of that of `bases.old`; with `is_forced` clashes are only warnings.
///
/// # Errors
/// [`Error::Choice`] where an archive has no such image; [`Error::Inexpressible`] for an image without layers of its own, for
/// clashes, and for layers that cannot stay on others; with `--strict` the warnings.
pub(super) fn rebase(draft: &mut Draft, bases: &Bases, is_forced: bool, workspace: &Workspace<'_>) -> Result<()> {
    draft.change_layers()?;
    let old = base_of(&bases.old, draft)?;
    let new = counterpart(&bases.new, draft)?;
    let (count, own) = (old.layers.len(), draft.layers().len() - old.layers.len());
    if count == 0 || own == 0 {
        let which = if count == 0 { "that base has no layers" } else { "it has no layers but those of that base" };
        return Err(Error::inexpressible(draft.at(), format!("it cannot be rebased: {which}")));
    }
    let (restacked, hidden) = on_new_base(draft, new, count, workspace)?;
    let run = workspace.run;
    let clashes = [
        ("a directory", &restacked.clashes, "no directory", "everything that is reached through it"),
        ("a file or link", &restacked.lost_directories, "a directory", "everything in it"),
    ];
    for (what, paths, kind, lost) in clashes.into_iter().filter(|(_, paths, ..)| !paths.is_empty()) {
        let problem = format!("{what} takes the place of {}, {kind} in the new base", list(paths.iter()));
        if !is_forced {
            let problem = format!("{problem}, and {lost} is lost");
            return Err(Error::inexpressible(draft.at(), problem).avoided_by(Setting::ForceRebase));
        }
        run.diagnostics.warn_of_target(Rule::E35, draft.at(), problem)?;
    }
    if !hidden.is_empty() {
        let problem =
            format!("the new base has other content of {}, which the image's own files hide", list(hidden.iter()));
        run.diagnostics.warn_of_target(Rule::E35, draft.at(), problem)?;
    }
    let created = draft.created();
    let [old_config, new_config] = [old, new].map(|image| ConfigDocument::read(image.config.raw(), &image.at));
    let (old_config, new_config) = (old_config?, new_config?);
    let history_of = |config: &ConfigDocument, image: &Image| {
        HistoryEntries::balanced(config.history(), image.layers.len(), &created)
    };
    let (old_history, new_history) = (history_of(&old_config, old), history_of(&new_config, new));
    let (layers, history) = draft.change_layers()?;
    *layers = new.layers.iter().cloned().map(DraftLayer::from).chain(restacked.layers).collect();
    if history.rebase(&old_history, count, new_history) == BaseHistory::Counted {
        let problem =
            "its history does not begin with that of the old base: the entries of as many layers were replaced";
        run.diagnostics.warn_of_target(Rule::E33, draft.at(), problem)?;
    }
    let count = counted(count, "layer");
    draft.changes.push(format!("rebased: {count} of {} replaced by {} of {}", old.at, new.layers.len(), new.at));
    let inherited = inherited(&draft.document, &old_config, &new_config);
    if !inherited.is_empty() {
        let named = first(inherited.into_iter(), MOST_NAMED);
        draft.changes.push(format!("the same as in the old base, but not as in the new one: {named}"));
    }
    take_system(draft.document.object_mut(), new_config.object());
    draft.base = annotations(&bases.new, new);
    Ok(())
}

/// The one image of `archive` for the platform of `draft`.
fn counterpart<'a>(archive: &'a ImageSet, draft: &Draft) -> Result<&'a Arc<Image>> {
    let platform = &draft.image.platform;
    let is_for = |image: &&Arc<Image>| image.platform.matches(platform);
    let mut fitting: Vec<&Arc<Image>> = images(archive).filter(is_for).collect();
    fitting.dedup_by_key(|image| &image.image_id);
    match fitting[..] {
        [image] => Ok(image),
        _ => {
            let found = if fitting.is_empty() { "no image" } else { "several images" };
            let problem =
                format!("{}: it cannot be rebased: {} has {found} for {platform}", draft.at(), archive.archive);
            Err(Error::choice(problem, images(archive).map(|image| described(image))))
        }
    }
}

/// The layers above `count` on those of `new`; and the files that they have as well as both bases, which differ in them.
fn on_new_base(
    draft: &mut Draft,
    new: &Image,
    count: usize,
    workspace: &Workspace<'_>,
) -> Result<(Restacked, BTreeSet<Vec<u8>>)> {
    let old = draft.layers().len();
    let layers: Vec<Layer> = draft.stack().into_iter().chain(new.layers.iter().cloned()).collect();
    // Of both bases the content counts too.
    let content = |number| if (count..old).contains(&number) { FileContent::Skipped } else { FileContent::Hashed };
    let headers = StackHeaders::read_with_content(&layers.iter().collect::<Vec<_>>(), content, workspace.run)?;
    draft.note_sizes(&layers, &headers);
    let kept: Vec<usize> = (count..old).collect();
    let stacks = BaseChange { layers: &layers, headers: &headers, old, kept: &kept };
    let mut changed = BTreeSet::new();
    let below = |one: &Overlay, other: &Overlay| {
        workspace.run.budget.charge_memory(one.size(), "the tree of the old base")?;
        for node in one.clone().finish().nodes() {
            let (Some(one), Some(other)) = (node.entry, other.entry_at(&node.path)) else { continue };
            let other = EntryKey { layer: other.layer + old as u32, ..other };
            let (one, other) = (headers.entry(one), headers.entry(other));
            let are_files = one.kind == EntryKind::Regular && other.kind == EntryKind::Regular;
            if are_files && one.content != other.content {
                workspace.run.budget.charge_memory(node.path.len() as u64, "files of the bases")?;
                changed.insert(node.path);
            }
        }
        Ok(())
    };
    let restacked = restack(draft, &stacks, below, workspace)?;
    let is_file = |place: &(usize, Placement)| {
        let key = EntryKey { layer: place.0 as u32, position: place.1.position };
        headers.entry(key).kind == EntryKind::Regular
    };
    let own: BTreeSet<&Vec<u8>> =
        restacked.placements.iter().filter(|place| is_file(place)).map(|(_, placement)| &placement.path).collect();
    let hidden = changed.iter().filter(|path| own.contains(path)).cloned().collect();
    Ok((restacked, hidden))
}

/// The settings that the image has as its old base had them, and the new base otherwise (E-34).
fn inherited(image: &ConfigDocument, old: &ConfigDocument, new: &ConfigDocument) -> Vec<String> {
    let [image, old, new] = [image, old, new].map(|config| settings(config.object().get("config")));
    let is_inherited = |(key, value): &(String, Value)| old.get(key) == Some(value) && new.get(key) != Some(value);
    image.into_iter().filter(is_inherited).map(|(key, _)| format!("`{}`", quote(&key))).collect()
}

/// The settings of a runtime config, with each variable and label as one of its own.
fn settings(runtime: Option<&Value>) -> BTreeMap<String, Value> {
    let mut settings = BTreeMap::new();
    for (key, value) in runtime.and_then(Value::as_object).into_iter().flatten() {
        match (key.as_str(), value) {
            ("Env", Value::Array(variables)) => {
                for variable in variables.iter().filter_map(Value::as_str) {
                    let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
                    settings.insert(format!("Env {name}"), value.into());
                }
            }
            ("Labels", Value::Object(labels)) => {
                settings.extend(labels.iter().map(|(name, value)| (format!("label {name}"), value.clone())));
            }
            // What builders leave of their containers is not a setting.
            ("Hostname" | "Image", _) | (_, Value::Null) => {}
            _ => drop(settings.insert(key.clone(), value.clone())),
        }
    }
    settings
}

/// Version and features of the system are the new base's (E-32).
fn take_system(object: &mut Map<String, Value>, new: &Map<String, Value>) {
    for key in ["os.version", "os.features"] {
        match new.get(key) {
            Some(value) => drop(object.insert(key.to_owned(), value.clone())),
            None => drop(object.shift_remove(key)),
        }
    }
}

/// The annotations that name `image` of `archive` as the base; only a reference says where it is (E-36).
fn annotations(archive: &ImageSet, image: &Arc<Image>) -> BaseAnnotations {
    let has_image = |node: &Node| node.images().into_iter().any(|one| Arc::ptr_eq(one, image));
    let reference = |name: &Name| match name {
        Name::Reference(reference) => Some(reference.to_string()),
        Name::Tag(_) | Name::Text(_) => None,
    };
    let named = |entry: &ImageEntry| Some((entry.names.iter().find_map(reference)?, entry.node.clone()));
    let Some((name, node)) = archive.entries.iter().filter(|entry| has_image(&entry.node)).find_map(named) else {
        return BaseAnnotations::Dropped;
    };
    let digest = match node {
        Node::Index(index) => Some(index.document.digest.clone()),
        _ => image.manifest.as_ref().map(|manifest| manifest.digest.clone()),
    };
    BaseAnnotations::Set { name, digest, layers: image.layers.len() }
}
