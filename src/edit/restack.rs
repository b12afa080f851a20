//! Layers that stay while those below them change: their entries are checked against the new tree below, and a layer is
//! written again only if it has to be (E-30).
//!
//! Two trees are built side by side, the image's and that of the new stack. The effect of a layer depends on both: a
//! whiteout may stand in a directory that is gone, a directory may no longer be described by anything, a name may lead
//! elsewhere.
//!
//! Sources: docs/edit.md E-5, E-30, E-35.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Read;

use super::bodies::StackBodies;
use super::draft::{Draft, DraftLayer};
use super::headers::{Placements, StackHeaders};
use super::paths::{MOST_NAMED, first, joined, list, parents};
use super::rewrite::{self, AddedDirectory, EntryDecision, LayerRewrite};
use super::workspace::Workspace;
use crate::archive::{EntryKind, TarEntry};
use crate::error::{Error, Result};
use crate::flatten::{Change, ChangeKind, Options, Overlay, Placement, Role};
use crate::image::Layer;
use crate::path::{EntryPath, quote};
use crate::run::Run;

/// The name in messages of the tree of the image's own layers.
const OLD_TREE: &str = "the files before the change";

/// The two stacks: the image's layers, and after them in `layers` those that are new below.
pub(super) struct BaseChange<'a> {
    /// The layers of both.
    pub(super) layers: &'a [Layer],
    /// Their headers.
    pub(super) headers: &'a StackHeaders,
    /// The number of those that are the image's.
    pub(super) old: usize,
    /// The image's layers that stay, by ascending numbers.
    pub(super) kept: &'a [usize],
}

/// The new stack.
pub(super) struct Restacked {
    /// The layers that stay, written again where they had to be.
    pub(super) layers: Vec<DraftLayer>,
    /// Paths that a layer that stays has as a directory, and the new layers as something else, which it replaces (E-35).
    pub(super) clashes: BTreeSet<Vec<u8>>,
    /// Directories of the new layers that a file or link of a layer that stays replaces, with all that is in them (E-35).
    pub(super) lost_directories: BTreeSet<Vec<u8>>,
    /// The placements of the entries of the layers that stay.
    pub(super) placements: Vec<(usize, Placement)>,
}

/// Puts the layers of `draft` that stay on the new ones; `below` is called with both trees when all new layers, and
/// those of the image below the first that stays, have been applied.
///
/// # Errors
/// [`Error::Inexpressible`] for a hard link or a path through a symbolic link whose target is gone, naming both; the
/// errors of flattening; no room for new layers.
pub(super) fn restack(
    draft: &mut Draft,
    stacks: &BaseChange<'_>,
    mut below: impl FnMut(&Overlay, &Overlay) -> Result<()>,
    workspace: &Workspace<'_>,
) -> Result<Restacked> {
    let mut walk = RestackWalk {
        headers: stacks.headers,
        run: workspace.run,
        again: workspace.second_reading(),
        old: Overlay::tracing(Options::default()),
        new: Overlay::tracing(Options::default()),
        clashes: BTreeSet::new(),
        lost_directories: BTreeSet::new(),
    };
    // The tree of the image's layers counts while it is there, with each layer that is applied to it.
    let mut held = workspace.run.budget.hold(0, OLD_TREE)?;
    for number in stacks.old..stacks.layers.len() {
        walk.headers.apply(number, &mut walk.new, walk.run)?;
        walk.new.placements();
    }
    let (mut layers, mut placements) = (Vec::new(), Vec::new());
    let mut bodies = StackBodies::new(stacks.layers.to_vec(), HashMap::new(), workspace);
    let first = stacks.kept.first().copied().unwrap_or(stacks.old);
    for number in 0..stacks.old {
        if number == first {
            below(&walk.old, &walk.new)?;
        }
        if stacks.kept.binary_search(&number).is_err() {
            walk.headers.apply(number, &mut walk.old, walk.again)?;
            walk.old.placements();
            held.grow_to(walk.old.size(), OLD_TREE)?;
            continue;
        }
        let mut layer = draft.layers()[number].clone();
        let at = draft.layer_name(number);
        let (changes, placed) = walk.layer(number, &at)?;
        held.grow_to(walk.old.size(), OLD_TREE)?;
        placements.extend(placed.into_iter().map(|placement| (number, placement)));
        if !changes.is_empty() {
            let ignore = |_: &TarEntry, _: &mut dyn Read| Ok(());
            let (old, headers) = (&stacks.layers[number], stacks.headers);
            layer.layer = rewrite::layer(old, number, &changes.rewrite, headers, &mut bodies, ignore, workspace)?;
            draft.changes.push(changes.sentence(&at));
        }
        layers.push(layer);
    }
    Ok(Restacked { layers, clashes: walk.clashes, lost_directories: walk.lost_directories, placements })
}

/// The changes to one layer that stays.
#[derive(Default)]
struct LayerChanges {
    rewrite: LayerRewrite,
    /// The paths that the omitted whiteouts hid.
    whiteouts: Vec<Vec<u8>>,
    directories: Vec<Vec<u8>>,
}

impl LayerChanges {
    fn is_empty(&self) -> bool {
        self.rewrite.is_empty()
    }

    fn sentence(&self, at: &str) -> String {
        let parts = [("without the whiteouts", &self.whiteouts), ("with the directories", &self.directories)];
        let named = parts.iter().filter(|(_, paths)| !paths.is_empty());
        let parts: Vec<String> = named.map(|(what, paths)| format!("{what} {}", list(paths.iter()))).collect();
        format!("{at} written again, {}", parts.join(" and "))
    }
}

/// The walk up both stacks.
struct RestackWalk<'a> {
    headers: &'a StackHeaders,
    run: &'a Run,
    again: &'a Run,
    old: Overlay,
    new: Overlay,
    clashes: BTreeSet<Vec<u8>>,
    lost_directories: BTreeSet<Vec<u8>>,
}

impl RestackWalk<'_> {
    /// Applies layer `number`, which stays, to both trees; returns the changes that it needs.
    fn layer(&mut self, number: usize, at: &str) -> Result<(LayerChanges, Vec<Placement>)> {
        let mut changes = LayerChanges::default();
        let replaced = self.before(number, &mut changes)?;
        let old = self.headers.trace(number, &mut self.old, self.again)?;
        let new = self.headers.trace(number, &mut self.new, self.run).map_err(|error| match error {
            Error::Invalid { .. } => Error::inexpressible(at, format!("it cannot stay on other layers: {error}")),
            other => other,
        })?;
        self.refuse_lost_ways(number, at, &old, &new)?;
        let is_there = |(position, place): &(u64, Vec<u8>)| new.at(*position).is_some_and(|new| new.path == *place);
        self.lost_directories.extend(replaced.into_iter().filter(is_there).map(|(_, place)| place));
        self.list_lost_directories(number, &new, &mut changes)?;
        Ok((changes, new.0))
    }

    /// Finds, in the trees below the layer, whiteouts whose directory is gone, and directories that replace what is none.
    /// Returns, by the positions of the entries, the new directories that something else replaces unless the layer itself
    /// leads it elsewhere.
    fn before(&mut self, number: usize, changes: &mut LayerChanges) -> Result<Vec<(u64, Vec<u8>)>> {
        let Self { headers, old, new, clashes, run, .. } = self;
        let mut replaced = Vec::new();
        headers.each(number, |name, position, header| {
            let clean = EntryPath::clean(name).unwrap_or_default();
            let path = clean.as_bytes();
            match Role::of(path) {
                Ok(Role::Remove { directory, name }) if old.is_directory(directory) && !new.is_directory(directory) => {
                    changes.whiteouts.push(joined(directory, name));
                    changes.rewrite.decisions.insert(header.offset, EntryDecision::Drop);
                }
                Ok(Role::Plain) => {
                    let clash = replaced_by_directory(path, header.kind, new);
                    let is_other = |path: &&[u8]| old.exists(path) && !old.is_directory(path);
                    clashes.extend(clash.filter(|path| !is_other(path)).map(<[u8]>::to_vec));
                    let directory_in = |tree: &Overlay| tree.canonical(&clean).filter(|place| tree.is_directory(place));
                    // A directory that the image has replaced before is not told again.
                    if header.kind != EntryKind::Directory
                        && let (Some(place), None) = (directory_in(new), directory_in(old))
                    {
                        run.budget.charge_memory(place.len() as u64, "directories that files replace")?;
                        replaced.push((position, place));
                    }
                }
                Ok(Role::Remove { .. } | Role::Opaque { .. } | Role::Bookkeeping) | Err(_) => {}
            }
            Ok(())
        })?;
        Ok(replaced)
    }

    /// Refuses entries that went through a symbolic link and now stand elsewhere.
    fn refuse_lost_ways(&self, number: usize, at: &str, old: &Placements, new: &Placements) -> Result<()> {
        let mut lost = Vec::new();
        self.headers.each(number, |name, position, _| {
            let path = EntryPath::clean(name).unwrap_or_default();
            let Some(before) = old.at(position) else { return Ok(()) };
            let is_whiteout = !matches!(Role::of(path.as_bytes()), Ok(Role::Plain));
            let lexical = match Role::of(path.as_bytes()) {
                Ok(Role::Remove { directory, name }) => joined(directory, name),
                Ok(Role::Opaque { directory }) => directory.to_vec(),
                Ok(Role::Plain | Role::Bookkeeping) | Err(_) => path.as_bytes().to_vec(),
            };
            let after = new.at(position).map(|placement| &placement.path);
            let is_lost = after != Some(&before.path) && !(is_whiteout && after.is_none());
            if lexical != before.path && is_lost {
                lost.push(format!("`{}` at `{}`", quote(&lexical), quote(&before.path)));
            }
            Ok(())
        })?;
        if lost.is_empty() {
            return Ok(());
        }
        let problem = format!(
            "it cannot stay on other layers: symbolic links of the old ones put {}",
            first(lost.into_iter(), MOST_NAMED)
        );
        Err(Error::inexpressible(at, problem))
    }

    /// Lists the directories that the layer relies on and that nothing describes any more (E-5).
    fn list_lost_directories(&mut self, number: usize, new: &Placements, changes: &mut LayerChanges) -> Result<()> {
        let (mut seen, mut listed) = <(HashSet<Vec<u8>>, HashSet<Vec<u8>>)>::default();
        self.headers.each(number, |name, position, header| {
            let path = EntryPath::clean(name).unwrap_or_default();
            let Some(placement) = new.at(position) else { return Ok(()) };
            if !matches!(Role::of(path.as_bytes()), Ok(Role::Plain)) {
                return Ok(());
            }
            let Some(parent) = parents(&placement.path).last().filter(|parent| seen.insert(parent.to_vec())) else {
                return Ok(());
            };
            self.run.budget.charge_memory(parent.len() as u64, "the directories of a layer")?;
            let (old, new) = (self.old.entries_along(parent), self.new.entries_along(parent));
            for (nth, directory) in parents(&placement.path).enumerate() {
                let is_described = new.get(nth).is_some_and(Option::is_some);
                let lost = old.get(nth).copied().flatten().filter(|_| !is_described);
                if let Some(entry) = lost.filter(|_| listed.insert(directory.to_vec())) {
                    let added = AddedDirectory { path: directory.to_vec(), entry: Some(entry) };
                    changes.rewrite.directories.entry(header.offset).or_default().push(added);
                    changes.directories.push(directory.to_vec());
                }
            }
            Ok(())
        })?;
        let mut listed =
            self.new.layer("the directories that were listed", &self.again.diagnostics, &self.again.budget);
        for path in &changes.directories {
            listed.entry(Change { path, kind: ChangeKind::Directory, position: 0 })?;
        }
        listed.finish()?;
        self.new.placements();
        Ok(())
    }
}

/// The part of `path` that an entry of this kind makes a directory, or finds as one, but `tree` has as something else: there is
/// one at most, because nothing is below it.
fn replaced_by_directory<'p>(path: &'p [u8], kind: EntryKind, tree: &Overlay) -> Option<&'p [u8]> {
    let itself = (kind == EntryKind::Directory).then_some(path);
    let front = tree.directory_front(path);
    let next = parents(path).chain(itself).find(|directory| directory.len() > front)?;
    tree.exists(next).then_some(next)
}
