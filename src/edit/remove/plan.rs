//! What becomes of each entry of a layer when paths are taken out of it (E-20 to E-24).
//!
//! Pure but for reading headers: trees in, decisions out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Targets, clean};
use crate::archive::EntryKind;
use crate::edit::headers::StackHeaders;
use crate::edit::paths::{is_below, parents, whiteout_of};
use crate::edit::rewrite::{AddedDirectory, EntryDecision, LayerRewrite};
use crate::error::Result;
use crate::flatten::{Change, ChangeKind, EntryKey, Flattened, Options, Overlay, Placement, Role};
use crate::layer_index::LayerEntry;
use crate::path::EntryPath;
use crate::run::Run;

/// What becomes of a layer.
#[derive(Debug, Default)]
pub(super) struct LayerPlan {
    /// The entries that change.
    pub(super) rewrite: LayerRewrite,
    /// What was removed: the paths that were asked for.
    pub(super) removed: BTreeSet<Vec<u8>>,
    /// Hard links that keep the content of a removed file: removed path, kept path.
    pub(super) kept: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Decides layer by layer, base first.
pub(super) struct Planner<'a> {
    headers: &'a StackHeaders,
    run: &'a Run,
    again: Run,
    /// The image's tree.
    old: Overlay,
    /// The tree without what is removed.
    new: Overlay,
    /// A symbolic link has been removed: paths through it have to be written in another way from here on.
    lost_links: bool,
    /// Canonical paths that have been removed so far.
    removed: BTreeSet<Vec<u8>>,
}

/// An entry with all that decides about it.
struct Found<'a> {
    name: &'a [u8],
    path: EntryPath,
    header: LayerEntry<'a>,
    id: EntryKey,
    placement: Option<&'a Placement>,
}

impl Found<'_> {
    /// The number of the layer.
    fn number(&self) -> usize {
        self.id.layer as usize
    }
}

/// The names that files have in the layer as it is written so far.
#[derive(Default)]
struct WrittenNames {
    by_entry: HashMap<EntryKey, Vec<u8>>,
    by_path: HashMap<Vec<u8>, EntryKey>,
    /// The paths of dropped entries that held data.
    dropped: HashMap<EntryKey, Vec<u8>>,
}

impl WrittenNames {
    /// Notes that `entry` now stands at the canonical `path`, written as `name`.
    fn put(&mut self, path: &[u8], name: &[u8], entry: EntryKey) {
        if let Some(other) = self.by_path.insert(path.to_vec(), entry).filter(|other| *other != entry) {
            self.by_entry.remove(&other);
        }
        self.by_entry.entry(entry).or_insert_with(|| name.to_vec());
    }
}

impl<'a> Planner<'a> {
    pub(super) fn new(headers: &'a StackHeaders, run: &'a Run) -> Self {
        let old = Overlay::tracing(Options::default());
        let new = Overlay::new(Options::default());
        Self { headers, run, again: run.another_look(), old, new, lost_links: false, removed: BTreeSet::new() }
    }

    /// The image's tree when all layers have been decided on.
    pub(super) fn finish(self) -> Flattened {
        self.old.finish()
    }

    /// Decides on layer `number`.
    pub(super) fn layer(&mut self, number: usize, targets: &mut Targets<'_>) -> Result<LayerPlan> {
        self.headers.apply(number, &mut self.old, self.run)?;
        let placements = self.old.placements();
        let by_position: HashMap<u64, &Placement> = placements.iter().map(|placed| (placed.position, placed)).collect();
        let (mut plan, mut names) = (LayerPlan::default(), WrittenNames::default());
        let mut listed: BTreeSet<Vec<u8>> = BTreeSet::new();
        let mut changes = NewLayer::default();
        self.headers.each(number, |name, position, header| {
            let id = EntryKey { layer: number as u32, position };
            let placement = by_position.get(&position).copied();
            let found = Found { name, path: clean(name), header, id, placement };
            let decision = self.decide(&found, &mut names, &mut plan, targets);
            if let Some(EntryDecision::Move { path }) = &decision {
                self.list_parents(path, found.header.offset, &mut listed, &mut plan, &mut changes);
            }
            if found.header.kind == EntryKind::Directory && decision != Some(EntryDecision::Drop) {
                listed.extend(found.placement.map(|placement| placement.path.clone()));
            }
            changes.add(&found, decision.as_ref());
            plan.rewrite.decisions.extend(decision.map(|decision| (found.header.offset, decision)));
            Ok(())
        })?;
        changes.apply(&mut self.new, &self.again)?;
        self.restore_implied(number, &by_position, targets, &mut plan)?;
        Ok(plan)
    }

    fn decide(
        &mut self,
        found: &Found<'_>,
        names: &mut WrittenNames,
        plan: &mut LayerPlan,
        targets: &mut Targets<'_>,
    ) -> Option<EntryDecision> {
        match Role::of(found.path.as_bytes()) {
            Ok(Role::Remove { directory, name }) => {
                let lexical = EntryPath::clean(directory).unwrap_or_default().join(name).unwrap_or_default();
                self.whiteout(found, lexical.as_bytes(), plan, targets)
            }
            Ok(Role::Opaque { directory }) => self.opaque(found, directory, targets),
            Ok(Role::Plain) => self.plain(found, names, plan, targets),
            Ok(Role::Bookkeeping) | Err(_) => None,
        }
    }

    /// A whiteout goes with what it hides (E-22).
    fn whiteout(
        &mut self,
        found: &Found<'_>,
        lexical: &[u8],
        plan: &mut LayerPlan,
        targets: &mut Targets<'_>,
    ) -> Option<EntryDecision> {
        let hidden = found.placement.map_or(lexical, |placement| &placement.path);
        if let Some(front) = targets.take(found.number(), hidden) {
            plan.removed.insert(front.to_vec());
            return Some(EntryDecision::Drop);
        }
        if found.placement.is_some() && !self.new.exists(hidden) {
            return Some(EntryDecision::Drop);
        }
        let is_moved = self.lost_links && found.placement.is_some() && hidden != lexical;
        is_moved.then(|| EntryDecision::Move { path: whiteout_of(hidden) })
    }

    /// An opaque marker goes with its directory, and where nothing is left for it to hide (E-22).
    fn opaque(&mut self, found: &Found<'_>, directory: &[u8], targets: &Targets<'_>) -> Option<EntryDecision> {
        let path = found.placement.map_or(directory, |placement| &placement.path);
        let has_lost = self.removed.iter().any(|gone| is_below(gone, path));
        if targets.is_hit(found.number(), path) || has_lost && !self.new.has_children(path) {
            return Some(EntryDecision::Drop);
        }
        let is_moved = self.lost_links && found.placement.is_some() && path != directory;
        is_moved.then(|| EntryDecision::Move { path: [path, b"/.wh..wh..opq"].concat() })
    }

    fn plain(
        &mut self,
        found: &Found<'_>,
        names: &mut WrittenNames,
        plan: &mut LayerPlan,
        targets: &mut Targets<'_>,
    ) -> Option<EntryDecision> {
        let placement = found.placement?;
        if let Some(front) = targets.take(found.number(), &placement.path) {
            plan.removed.insert(front.to_vec());
            self.lost_links |= found.header.kind == EntryKind::Symlink;
            self.removed.insert(placement.path.clone());
            if let Some(entry) = placement.entry.filter(|entry| *entry == found.id) {
                names.dropped.insert(entry, placement.path.clone());
            }
            return Some(EntryDecision::Drop);
        }
        let is_moved = self.lost_links && placement.path != found.path.as_bytes();
        let written = if is_moved { placement.path.clone() } else { found.name.to_vec() };
        let entry = placement.entry?;
        let decision = match found.header.kind {
            EntryKind::HardLink => self.link(found, written.clone(), is_moved, entry, names, plan, targets),
            _ => is_moved.then(|| EntryDecision::Move { path: written.clone() }),
        };
        names.put(&placement.path, &written, entry);
        decision
    }

    /// A hard link stays one while the name it links to is there; else to another name, else it becomes the file (E-21).
    #[allow(clippy::too_many_arguments)]
    fn link(
        &self,
        found: &Found<'_>,
        path: Vec<u8>,
        is_moved: bool,
        entry: EntryKey,
        names: &WrittenNames,
        plan: &mut LayerPlan,
        targets: &Targets<'_>,
    ) -> Option<EntryDecision> {
        let target = clean(found.header.link);
        let canonical = self.old.canonical(&target).unwrap_or_else(|| target.as_bytes().to_vec());
        let is_lost = targets.is_hit(found.number(), &canonical) || targets.is_hit(found.number(), target.as_bytes());
        let is_elsewhere = self.lost_links && canonical != target.as_bytes();
        if !is_lost && !is_elsewhere && !is_moved {
            return None;
        }
        if let Some(target) = names.by_entry.get(&entry) {
            return Some(EntryDecision::Link { path, target: target.clone(), entry });
        }
        if !is_lost && entry.layer != found.id.layer {
            return Some(EntryDecision::Link { path, target: canonical, entry });
        }
        let gone = names.dropped.get(&entry).cloned().unwrap_or(canonical);
        plan.kept.push((gone, found.path.as_bytes().to_vec()));
        Some(EntryDecision::Become { path, entry })
    }

    /// Lists the directories above the canonical `path` that this layer does not list yet (E-5).
    fn list_parents(
        &self,
        path: &[u8],
        offset: u64,
        listed: &mut BTreeSet<Vec<u8>>,
        plan: &mut LayerPlan,
        changes: &mut NewLayer,
    ) {
        for parent in parents(path) {
            if listed.insert(parent.to_vec()) {
                let added = AddedDirectory { path: parent.to_vec(), entry: self.old.entry_at(parent) };
                changes.directories.push(added.path.clone());
                plan.rewrite.directories.entry(offset).or_default().push(added);
            }
        }
    }

    /// Writes the directories that only removed entries implied in their place (E-23).
    fn restore_implied(
        &mut self,
        number: usize,
        placed: &HashMap<u64, &Placement>,
        targets: &Targets<'_>,
        plan: &mut LayerPlan,
    ) -> Result<()> {
        let mut missing: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        self.headers.each(number, |_, position, header| {
            let is_dropped = plan.rewrite.decisions.get(&header.offset) == Some(&EntryDecision::Drop);
            let Some(placement) = placed.get(&position).filter(|_| is_dropped) else { return Ok(()) };
            for parent in parents(&placement.path) {
                let is_lost = self.old.is_directory(parent) && !self.new.is_directory(parent);
                if is_lost && !targets.is_hit(number, parent) {
                    // The last of them: an entry in between may have put something else in the directory's place.
                    missing.insert(parent.to_vec(), header.offset);
                }
            }
            Ok(())
        })?;
        let mut changes = NewLayer::default();
        let mut places: HashMap<Vec<u8>, u64> = HashMap::new();
        for (path, offset) in missing {
            // Not in front of the directory that it is in.
            let offset =
                parents(&path).filter_map(|parent| places.get(parent)).fold(offset, |last, one| last.max(*one));
            places.insert(path.clone(), offset);
            changes.directories.push(path.clone());
            let entry = self.old.entry_at(&path);
            plan.rewrite.directories.entry(offset).or_default().push(AddedDirectory { path, entry });
        }
        changes.apply(&mut self.new, &self.again)
    }
}

/// A layer as it is going to be, for the tree without what is removed. What its entries are does not matter beyond that.
#[derive(Default)]
struct NewLayer {
    directories: Vec<Vec<u8>>,
    entries: Vec<(Vec<u8>, OwnedKind)>,
}

/// The kinds that trees tell apart.
enum OwnedKind {
    Other,
    Directory,
    Symlink(Vec<u8>),
}

impl NewLayer {
    fn add(&mut self, found: &Found<'_>, decision: Option<&EntryDecision>) {
        let path = match decision {
            Some(EntryDecision::Drop) => return,
            None => found.name,
            Some(
                EntryDecision::Move { path } | EntryDecision::Link { path, .. } | EntryDecision::Become { path, .. },
            ) => path,
        };
        let kind = match found.header.kind {
            EntryKind::Directory => OwnedKind::Directory,
            EntryKind::Symlink => OwnedKind::Symlink(found.header.link.to_vec()),
            // A further name is as good as a file: nothing below it is looked up.
            EntryKind::Regular
            | EntryKind::HardLink
            | EntryKind::CharDevice
            | EntryKind::BlockDevice
            | EntryKind::Fifo => OwnedKind::Other,
        };
        self.entries.push((path.to_vec(), kind));
    }

    fn apply(self, overlay: &mut Overlay, run: &Run) -> Result<()> {
        let mut layer = overlay.layer("the layer without what is removed", &run.diagnostics, &run.budget);
        for path in &self.directories {
            layer.entry(Change { path, kind: ChangeKind::Directory, position: 0 })?;
        }
        for (path, kind) in &self.entries {
            let kind = match kind {
                OwnedKind::Other => ChangeKind::Regular,
                OwnedKind::Directory => ChangeKind::Directory,
                OwnedKind::Symlink(target) => ChangeKind::Symlink(target),
            };
            layer.entry(Change { path, kind, position: 0 })?;
        }
        layer.finish()
    }
}
