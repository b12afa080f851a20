//! The changes that each layer makes to the files of an image: adds, changes, deletes.
//!
//! Layers are applied one by one as [`flatten`](crate::flatten) does, so that a path is where a container has it: through
//! the symbolic links of lower layers, with whiteouts and opaque markers in effect.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{FileEntry, image_at};
use crate::archive::EntryKind;
use crate::error::Result;
use crate::flatten::{EntryKey, Options, Overlay, Placement, warn_of_long_paths};
use crate::image::Layer;
use crate::layer_index::{FileContent, LayerEntry, LayerIndexes};
use crate::limits::MAX_PATH;
use crate::path::in_tree_order;
use crate::path_filter::{PathFilter, is_within};
use crate::run::Run;
use crate::select::SelectedImage;

/// One path that one layer adds, changes or deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerChange {
    /// The layer, counted from 0 at the base.
    pub layer: u32,
    /// The kind of change.
    pub kind: LayerChangeKind,
    /// The file after the change; for a deletion, the file before. Its `layer` is the one that has the content.
    pub entry: FileEntry,
}

/// The kind of change that a layer makes at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum LayerChangeKind {
    /// Nothing stood there in the layers below.
    Added,
    /// The layer has an entry of its own for it.
    Changed,
    /// It is deleted, by a whiteout, an opaque marker, or because a directory above it was replaced.
    Deleted,
}

/// The noun of messages.
const PLACE: &str = "any layer";

/// Passes the changes that each layer makes at the paths that `filter` lists to `each`: layer by layer, paths
/// ascending.
///
/// A path is followed through the symbolic links on its way, of whichever layer, as
/// [`ImageFiles::list`](super::ImageFiles::list) does; patterns are compared with paths that no symbolic link is part of. A directory that a layer lists again with the same
/// mode, owner and attributes is no change: every layer lists the directories above its files.
///
/// # Errors
/// As [`ImageFiles::of`](super::ImageFiles::of); [`Error::Choice`](crate::error::Error::Choice) if nothing matches a
/// pattern in any layer; those of `each`.
pub fn list_changes(
    archive: &str,
    chosen: &SelectedImage,
    filter: &PathFilter,
    run: &Run,
    mut each: impl FnMut(&LayerChange) -> Result<()>,
) -> Result<()> {
    let at = image_at(archive, chosen)?;
    let layers: Vec<&Layer> = chosen.image.layers.iter().collect();
    let mut indexes = LayerIndexes::read(&layers, FileContent::Skipped, run)?;
    let filter = located(filter, &layers, &indexes, &at, run)?;
    let mut overlay = Overlay::tracing(Options::default());
    let mut standing = StandingPaths { filter: &filter, entries: BTreeMap::new(), size: 0, long: 0 };
    for (number, layer) in layers.into_iter().enumerate() {
        indexes.apply(number, layer, &mut overlay, run)?;
        let placements = overlay.placements();
        let before = standing.size;
        for (path, change) in standing.update(&placements, &overlay, &indexes) {
            let entry = FileEntry::new(path, &entry(&indexes, change.key), Some(change.key.layer));
            each(&LayerChange { layer: number as u32, kind: change.kind, entry })?;
        }
        run.budget.charge_memory(standing.size - before, &at)?;
        indexes.forget_paths(number);
    }
    warn_of_long_paths(standing.long, &at, &run.diagnostics)?;
    filter.finish(&at, PLACE)
}

/// `filter` with each plain path at all places to which it leads in the state at any layer: a link may come, go and change.
fn located(filter: &PathFilter, layers: &[&Layer], indexes: &LayerIndexes, at: &str, run: &Run) -> Result<PathFilter> {
    let paths = filter.paths(at, PLACE)?;
    let mut places: Vec<BTreeSet<Vec<u8>>> =
        paths.iter().map(|path| BTreeSet::from([path.as_bytes().to_vec()])).collect();
    if !paths.is_empty() {
        let again = run.second_reading();
        let mut overlay = Overlay::new(Options::default());
        for (number, layer) in layers.iter().enumerate() {
            indexes.apply(number, layer, &mut overlay, &again)?;
            places.iter_mut().zip(&paths).for_each(|(places, path)| places.extend(overlay.places(path)));
        }
    }
    let mut places = places.into_iter();
    filter.resolved_to_several(|_| Ok(places.next().into_iter().flatten().collect()))
}

/// The files at the listed paths, after the layers so far.
struct StandingPaths<'a> {
    filter: &'a PathFilter,
    entries: BTreeMap<Vec<u8>, EntryKey>,
    /// The approximate memory that all paths so far took, in bytes.
    size: u64,
    /// The number of paths that are too long for any system.
    long: usize,
}

/// The approximate memory that the map needs for a path, in bytes, without the path's own.
const PATH_OVERHEAD: u64 = 64;

/// A change, and the entry that it is about.
struct PathChange {
    kind: LayerChangeKind,
    key: EntryKey,
}

impl StandingPaths<'_> {
    /// Applies the changes of a layer, and returns them by path.
    fn update(
        &mut self,
        placements: &[Placement],
        overlay: &Overlay,
        indexes: &LayerIndexes,
    ) -> BTreeMap<Vec<u8>, PathChange> {
        let mut changes = BTreeMap::new();
        for path in self.hidden(placements, overlay) {
            if let Some(key) = self.entries.remove(&path) {
                changes.insert(path, PathChange { kind: LayerChangeKind::Deleted, key });
            }
        }
        let mut touched: BTreeSet<&[u8]> = placements.iter().map(|placed| &placed.path[..]).collect();
        let before = touched.len();
        touched.retain(|path| path.len() <= MAX_PATH);
        self.long += before - touched.len();
        for path in touched.into_iter().filter(|path| self.filter.fits(path)) {
            let Some(key) = overlay.entry_at(path) else { continue };
            let kind = match self.entries.insert(path.to_vec(), key) {
                None => {
                    self.size += path.len() as u64 + PATH_OVERHEAD;
                    LayerChangeKind::Added
                }
                Some(before) if before == key || is_listed_again(indexes, before, key) => continue,
                Some(_) => LayerChangeKind::Changed,
            };
            changes.insert(path.to_vec(), PathChange { kind, key });
        }
        changes
    }

    /// Returns the paths that no longer exist: an entry that hides a path hides all below it.
    fn hidden(&self, placements: &[Placement], overlay: &Overlay) -> Vec<Vec<u8>> {
        let is_hiding = |placed: &&Placement| placed.entry.is_none() || !overlay.is_directory(&placed.path);
        let mut tops: Vec<&[u8]> = placements.iter().filter(is_hiding).map(|placed| &placed.path[..]).collect();
        // Each top is followed by the paths below it, so that no part of the tree is looked through twice.
        tops.sort_unstable_by(|one, other| in_tree_order(one, other));
        tops.dedup_by(|path, top| is_within(path, top));
        let mut hidden = Vec::new();
        for top in tops {
            let itself = self.entries.get_key_value(top);
            // The byte behind `/` is `0`; the root has all below it.
            let below = match top {
                b"" => self.entries.range::<[u8], _>(..),
                _ => self.entries.range([top, b"/"].concat()..[top, b"0"].concat()),
            };
            let paths = itself.into_iter().chain(below).map(|(path, _)| path);
            hidden.extend(paths.filter(|path| !overlay.exists(path)).cloned());
        }
        hidden
    }
}

fn entry(indexes: &LayerIndexes, key: EntryKey) -> LayerEntry<'_> {
    indexes.entry(key.layer as usize, key.position)
}

/// Returns whether two entries are directories that differ in nothing but their times.
fn is_listed_again(indexes: &LayerIndexes, one: EntryKey, other: EntryKey) -> bool {
    let (one, other) = (entry(indexes, one), entry(indexes, other));
    let owner_and_mode = |entry: &LayerEntry<'_>| (entry.mode, entry.uid, entry.gid);
    [one.kind, other.kind] == [EntryKind::Directory; 2]
        && owner_and_mode(&one) == owner_and_mode(&other)
        && one.records == other.records
}
