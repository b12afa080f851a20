//! The decisions on each entry of a layer when paths are taken out of it (E-20 to E-24).
//!
//! Pure but for reading headers: trees in, decisions out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Targets, clean};
use crate::archive::{BLOCK, EntryKind};
use crate::edit::headers::{Placements, StackHeaders};
use crate::edit::paths::{is_below, joined, parents, whiteout_of};
use crate::edit::rewrite::{AddedDirectory, EntryDecision, LayerRewrite};
use crate::error::Result;
use crate::flatten::{
    Change, ChangeKind, EntryKey, Flattened, Options, Overlay, Placement, Role, check_implied, header_size,
};
use crate::layer_index::LayerEntry;
use crate::limits::HeldMemory;
use crate::path::EntryPath;
use crate::run::Run;

/// The name in messages of the tree of the layers as they will be written.
const NEW_TREE: &str = "the files that stay";
/// About what an entry takes in [`WrittenNames::by_entry`] and [`WrittenNames::by_path`] besides its name, in bytes.
const NAME_SIZE: usize = 2 * (size_of::<(EntryKey, Vec<u8>)>() + 16);

/// The decisions on a layer.
#[derive(Debug, Default)]
pub(super) struct LayerPlan {
    /// The entries that change.
    pub(super) rewrite: LayerRewrite,
    /// The paths that were removed; of a removed directory not those below it.
    pub(super) removed: BTreeSet<Vec<u8>>,
    /// Hard links that keep the content of a removed file: removed path, kept path.
    pub(super) kept: Vec<(Vec<u8>, Vec<u8>)>,
    /// Files that have lost a name but may still be there: their entries, and the lost name.
    pub(super) unlinked: BTreeMap<EntryKey, Vec<u8>>,
}

/// Decides layer by layer, base first.
pub(super) struct Planner<'a> {
    headers: &'a StackHeaders,
    run: &'a Run,
    again: Run,
    /// The image's tree.
    old: Overlay,
    /// The tree without the removed paths.
    new: Overlay,
    /// The memory that `new` takes.
    held: HeldMemory<'a>,
    /// True once a symbolic link has been removed: from here on, paths through it have to be written in another way.
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
    /// The offsets of AUFS's own files, which are there for the hard links to them.
    aside: HashMap<EntryKey, u64>,
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
    pub(super) fn new(headers: &'a StackHeaders, run: &'a Run) -> Result<Self> {
        let (old, new) = (Overlay::tracing(Options::default()), Overlay::new(Options::default()));
        let (again, held) = (run.second_reading(), run.budget.hold(0, NEW_TREE)?);
        Ok(Self { headers, run, again, old, new, held, lost_links: false, removed: BTreeSet::new() })
    }

    /// The image's tree when all layers have been decided on.
    pub(super) fn finish(self) -> Flattened {
        self.old.finish()
    }

    /// Decides on layer `number`.
    pub(super) fn layer(&mut self, number: usize, targets: &mut Targets<'_>) -> Result<LayerPlan> {
        let placements = self.headers.trace(number, &mut self.old, self.run)?;
        let headers = self.headers;
        let mut layer = LayerPlanner::new(self, targets);
        headers.each(number, |name, position, header| {
            let id = EntryKey { layer: number as u32, position };
            layer.add(&Found { name, path: clean(name), header, id, placement: placements.at(position) })
        })?;
        layer.drop_aside();
        let LayerPlanner { mut plan, changes, .. } = layer;
        changes.apply(&mut self.new, &self.again)?;
        self.restore_implied(number, &placements, targets, &mut plan)?;
        self.held.grow_to(self.new.size(), NEW_TREE)?;
        Ok(plan)
    }

    /// Writes the directories that only removed entries implied in their place (E-23).
    fn restore_implied(
        &mut self,
        number: usize,
        placements: &Placements,
        targets: &Targets<'_>,
        plan: &mut LayerPlan,
    ) -> Result<()> {
        let mut missing = MissingDirectories::default();
        self.headers.each(number, |_, position, header| {
            let is_dropped = plan.rewrite.decisions.get(&header.offset) == Some(&EntryDecision::Drop);
            if let Some(Placement { path, .. }) = placements.at(position).filter(|_| is_dropped) {
                let there = self.new.directory_front(path);
                let last = self
                    .old
                    .directory_front(path)
                    .min(targets.front(number, path).map_or(path.len(), |hit| hit.saturating_sub(1)));
                missing.add(path, there, last, header.offset);
            }
            Ok(())
        })?;
        missing.check(self.headers.name(number))?;
        let mut changes = NewLayer::default();
        for (path, offset) in missing.placed() {
            changes.directories.push(path.clone());
            let entry = self.old.entry_at(&path);
            plan.rewrite.directories.entry(offset).or_default().push(AddedDirectory { path, entry });
        }
        changes.apply(&mut self.new, &self.again)
    }
}

/// Directories that only removed entries implied.
#[derive(Default)]
struct MissingDirectories {
    /// Those in directories that are there, with the offset of the last entry below: one in between may have put something else in
    /// their place.
    tops: BTreeMap<Vec<u8>, u64>,
    /// All of them.
    paths: BTreeSet<Vec<u8>>,
    /// The bytes of the headers of the removed entries.
    removed: u64,
}

impl MissingDirectories {
    /// Adds the directories above `path`, which an entry at `offset` implied, whose paths are longer than `there` bytes, and no
    /// longer than `last`.
    fn add(&mut self, path: &[u8], there: usize, last: usize, offset: u64) {
        self.removed += (BLOCK + path.len()) as u64;
        let above: Vec<&[u8]> = parents(path).filter(|parent| (there + 1..=last).contains(&parent.len())).collect();
        let Some(top) = above.first() else { return };
        match self.tops.get_mut(*top) {
            Some(place) => *place = offset,
            None => drop(self.tops.insert(top.to_vec(), offset)),
        }
        // Those above one that is known are known.
        let _ = above.iter().rev().all(|parent| self.paths.insert(parent.to_vec()));
    }

    /// Refuses more directories than the removed entries are worth (H-24).
    fn check(&self, at: &str) -> Result<()> {
        let mut implied = 0;
        for path in &self.paths {
            let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
            implied += header_size(name, path.len() as u64, at)?;
        }
        check_implied(implied, self.removed, at)
    }

    /// The directories, each after that which it is in, with the offsets of the entries in front of which they stand.
    fn placed(self) -> impl Iterator<Item = (Vec<u8>, u64)> {
        let Self { tops, paths, .. } = self;
        paths.into_iter().filter_map(move |path| {
            let place = parents(&path).chain([&path[..]]).find_map(|front| tops.get(front).copied())?;
            Some((path, place))
        })
    }
}

/// The decisions on one layer.
struct LayerPlanner<'p, 'a, 't> {
    planner: &'p mut Planner<'a>,
    targets: &'p mut Targets<'t>,
    plan: LayerPlan,
    names: WrittenNames,
    /// Directories that the layer has listed so far.
    listed: BTreeSet<Vec<u8>>,
    /// Those of them that are listed with all above them.
    complete: BTreeSet<Vec<u8>>,
    changes: NewLayer,
}

impl<'p, 'a, 't> LayerPlanner<'p, 'a, 't> {
    fn new(planner: &'p mut Planner<'a>, targets: &'p mut Targets<'t>) -> Self {
        let (plan, names, listed, complete, changes) = Default::default();
        Self { planner, targets, plan, names, listed, complete, changes }
    }

    /// Decides on the next entry.
    fn add(&mut self, found: &Found<'_>) -> Result<()> {
        let decision = self.decide(found);
        if let Some(EntryDecision::Move { path }) = &decision {
            self.list_parents(path, found.header.offset);
        }
        if found.header.kind == EntryKind::Directory && decision != Some(EntryDecision::Drop) {
            self.listed.extend(found.placement.map(|placement| placement.path.clone()));
        }
        self.changes.add(found, decision.as_ref());
        let written =
            decision.as_ref().map_or(0, |decision| size_of::<(u64, EntryDecision)>() + 2 * decision.path().len());
        let taken = NAME_SIZE + 2 * found.name.len() + written;
        self.planner.run.budget.charge_memory(taken as u64, "the names of a layer")?;
        self.plan.rewrite.decisions.extend(decision.map(|decision| (found.header.offset, decision)));
        Ok(())
    }

    fn decide(&mut self, found: &Found<'_>) -> Option<EntryDecision> {
        match Role::of(found.path.as_bytes()) {
            Ok(Role::Remove { directory, name }) => self.whiteout(found, &joined(directory, name)),
            Ok(Role::Opaque { directory }) => self.opaque(found, directory),
            Ok(Role::Plain) => self.plain(found),
            Ok(Role::Bookkeeping) => self.aside(found),
            Err(_) => None,
        }
    }

    /// A name of AUFS's own for a removed file goes with it.
    fn aside(&mut self, found: &Found<'_>) -> Option<EntryDecision> {
        if found.header.kind != EntryKind::HardLink {
            self.names.aside.insert(found.id, found.header.offset);
            return None;
        }
        let target = clean(found.header.link);
        let canonical = self.planner.old.canonical(&target).unwrap_or_else(|| target.as_bytes().to_vec());
        self.targets.is_hit(found.number(), &canonical).then_some(EntryDecision::Drop)
    }

    /// Drops AUFS's own files whose names in the image were all removed.
    fn drop_aside(&mut self) {
        for entry in self.plan.unlinked.keys() {
            if let Some(&offset) = self.names.aside.get(entry).filter(|_| !self.names.by_entry.contains_key(entry)) {
                self.plan.rewrite.decisions.insert(offset, EntryDecision::Drop);
            }
        }
    }

    /// A whiteout goes with what it hides (E-22).
    fn whiteout(&mut self, found: &Found<'_>, lexical: &[u8]) -> Option<EntryDecision> {
        let hidden = found.placement.map_or(lexical, |placement| &placement.path);
        if let Some(front) = self.targets.take(found.number(), hidden) {
            self.plan.removed.insert(front.to_vec());
            return Some(EntryDecision::Drop);
        }
        if found.placement.is_some() && !self.planner.new.exists(hidden) {
            return Some(EntryDecision::Drop);
        }
        let is_moved = self.planner.lost_links && found.placement.is_some() && hidden != lexical;
        is_moved.then(|| EntryDecision::Move { path: whiteout_of(hidden) })
    }

    /// An opaque marker goes with its directory, and where nothing is left for it to hide (E-22).
    fn opaque(&mut self, found: &Found<'_>, directory: &[u8]) -> Option<EntryDecision> {
        let Planner { new, removed, lost_links, .. } = &*self.planner;
        let path = found.placement.map_or(directory, |placement| &placement.path);
        // What is below a path stands together behind it.
        let mut behind = removed.range(joined(path, b"")..);
        let has_lost = behind.next().is_some_and(|gone| is_below(gone, path));
        if self.targets.is_hit(found.number(), path) || has_lost && !new.has_children(path) {
            return Some(EntryDecision::Drop);
        }
        let is_moved = *lost_links && found.placement.is_some() && path != directory;
        is_moved.then(|| EntryDecision::Move { path: [path, b"/.wh..wh..opq"].concat() })
    }

    fn plain(&mut self, found: &Found<'_>) -> Option<EntryDecision> {
        let placement = found.placement?;
        if let Some(front) = self.targets.take(found.number(), &placement.path) {
            self.plan.removed.insert(front.to_vec());
            self.planner.lost_links |= found.header.kind == EntryKind::Symlink;
            self.planner.removed.insert(placement.path.clone());
            match placement.entry {
                Some(entry) if entry == found.id => drop(self.names.dropped.insert(entry, placement.path.clone())),
                Some(entry) if !self.names.dropped.contains_key(&entry) => {
                    self.plan.unlinked.insert(entry, placement.path.clone());
                }
                Some(_) | None => {}
            }
            return Some(EntryDecision::Drop);
        }
        let is_moved = self.planner.lost_links && placement.path != found.path.as_bytes();
        let written = if is_moved { placement.path.clone() } else { found.name.to_vec() };
        let entry = placement.entry?;
        let decision = match found.header.kind {
            EntryKind::HardLink => self.link(found, &written, is_moved, entry),
            _ => is_moved.then(|| EntryDecision::Move { path: written.clone() }),
        };
        self.names.put(&placement.path, &written, entry);
        decision
    }

    /// A hard link, written as `path`, stays one while the name it links to is there; else to another name, else it becomes the
    /// file (E-21).
    fn link(&mut self, found: &Found<'_>, path: &[u8], is_moved: bool, entry: EntryKey) -> Option<EntryDecision> {
        let (target, path) = (clean(found.header.link), path.to_vec());
        let canonical = self.planner.old.canonical(&target).unwrap_or_else(|| target.as_bytes().to_vec());
        let is_hit = |path: &[u8]| self.targets.is_hit(found.number(), path);
        let is_lost = is_hit(&canonical) || is_hit(target.as_bytes());
        let is_elsewhere = self.planner.lost_links && canonical != target.as_bytes();
        if !is_lost && !is_elsewhere && !is_moved {
            return None;
        }
        if let Some(target) = self.names.by_entry.get(&entry) {
            return Some(EntryDecision::Link { path, target: target.clone(), entry });
        }
        if !is_lost && entry.layer != found.id.layer {
            return Some(EntryDecision::Link { path, target: canonical, entry });
        }
        let gone = self.names.dropped.get(&entry).cloned().unwrap_or(canonical);
        self.plan.kept.push((gone, found.path.as_bytes().to_vec()));
        Some(EntryDecision::Become { path, entry })
    }

    /// Lists the directories above the canonical `path` that the layer does not list yet (E-5).
    fn list_parents(&mut self, path: &[u8], offset: u64) {
        let above: Vec<&[u8]> = parents(path).collect();
        let known = above.iter().rposition(|parent| self.complete.contains(*parent)).map_or(0, |last| last + 1);
        for parent in &above[known..] {
            self.complete.insert(parent.to_vec());
            if self.listed.insert(parent.to_vec()) {
                let added = AddedDirectory { path: parent.to_vec(), entry: self.planner.old.entry_at(parent) };
                self.changes.directories.push(added.path.clone());
                self.plan.rewrite.directories.entry(offset).or_default().push(added);
            }
        }
    }
}

/// A layer as it is going to be, for the tree without the removed paths. Its entries keep only what that tree needs.
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
            Some(moved) => moved.path(),
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
