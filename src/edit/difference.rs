//! The difference of two trees as one layer: applied to the one tree, it makes the other.
//!
//! Pure: flattened trees in, items of a layer out, in the order in which they are written (E-10). Headers and bodies
//! stay with the caller, which finds them again by their [`EntryKey`]. Because trees are compared, rather than the
//! entries of layers merged, deleted files stay deleted (E-1):
//!
//! | below | above | the layer holds |
//! | --- | --- | --- |
//! | – | anything | the entry |
//! | the same entry | the same | nothing, unless a further name of it is new (E-6) |
//! | not a directory | something else | the entry, which replaces it |
//! | directory | not a directory | the entry, and nothing below it |
//! | directory | directory | the entry if they differ, then what differs below |
//! | anything | – | a whiteout, if its directory is one in both trees |
//!
//! Sources: docs/edit.md E-1 to E-10.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::iter::Peekable;

use super::paths::is_below;
use crate::error::Result;
use crate::flatten::{EntryKey, FlatNode, Flattened};

/// One item of the layer. Paths are relative and clean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LayerItem {
    /// A file, directory or other node that an entry describes: header, records and body. The root has an empty path.
    Entry {
        /// The path.
        path: Vec<u8>,
        /// The entry.
        entry: EntryKey,
        /// The number of further names of it that follow as [`LayerItem::HardLink`].
        links: u32,
    },
    /// A directory that no entry describes: 0755, 0:0, mtime 0.
    ImplicitDirectory {
        /// The path.
        path: Vec<u8>,
    },
    /// A further name of an earlier item; it repeats the metadata of its first name (E-7).
    HardLink {
        /// The path.
        path: Vec<u8>,
        /// The path of the item that carries the data.
        target: Vec<u8>,
        /// The entry whose metadata they share.
        entry: EntryKey,
    },
    /// A whiteout.
    Whiteout {
        /// The path that it hides.
        hidden: Vec<u8>,
    },
}

/// Passes the items of the layer that makes `above` of `below` to `emit`. The entries of both trees have to be of one
/// stack of layers.
///
/// `is_alike` tells whether two directories have the same metadata; `None` is a directory that no entry describes.
///
/// # Errors
/// Those of `emit`.
pub(super) fn difference(
    below: &Flattened,
    above: &Flattened,
    is_alike: &dyn Fn(Option<EntryKey>, Option<EntryKey>) -> bool,
    mut emit: impl FnMut(LayerItem) -> Result<()>,
) -> Result<()> {
    let mut walk =
        DifferenceWalk { carried: carried(below, above), is_alike, carriers: HashMap::new(), open: Vec::new() };
    let mut gone: Option<Vec<u8>> = None;
    for (old, new) in NodePairs::new(below, above) {
        match (old, new) {
            (old, Some(new)) => {
                if old.as_ref().is_some_and(|old| old.is_directory) && !new.is_directory {
                    gone = Some(new.path.clone());
                }
                walk.node(old.as_ref(), new, &mut emit)?;
            }
            (Some(old), None) if gone.as_ref().is_some_and(|gone| is_below(&old.path, gone)) => {}
            (Some(old), None) => {
                walk.whiteout(&old.path, &mut emit)?;
                gone = Some(old.path);
            }
            (None, None) => {}
        }
    }
    Ok(())
}

/// The entries with several names of which one is new: they are written whole, wherever their data comes from (E-6).
fn carried(below: &Flattened, above: &Flattened) -> HashSet<EntryKey> {
    let is_new_name =
        |old: Option<&FlatNode>, new: &FlatNode| new.names > 1 && old.is_none_or(|old| old.entry != new.entry);
    NodePairs::new(below, above)
        .filter_map(|(old, new)| new.filter(|new| is_new_name(old.as_ref(), new)))
        .filter_map(|new| new.entry)
        .collect()
}

/// The walk through both trees at once.
struct DifferenceWalk<'a> {
    carried: HashSet<EntryKey>,
    is_alike: &'a dyn Fn(Option<EntryKey>, Option<EntryKey>) -> bool,
    /// The paths at which entries with several names were written first.
    carriers: HashMap<EntryKey, Vec<u8>>,
    /// The directories above the present path, and whether they were listed.
    open: Vec<(FlatNode, bool)>,
}

impl DifferenceWalk<'_> {
    fn node(
        &mut self,
        old: Option<&FlatNode>,
        new: FlatNode,
        emit: &mut impl FnMut(LayerItem) -> Result<()>,
    ) -> Result<()> {
        self.leave(&new.path);
        let is_listed = !self.is_unchanged(old, &new);
        if is_listed {
            self.list_parents(emit)?;
            emit(self.item(&new))?;
        }
        if new.is_directory && !new.path.is_empty() {
            self.open.push((new, is_listed));
        }
        Ok(())
    }

    fn whiteout(&mut self, hidden: &[u8], emit: &mut impl FnMut(LayerItem) -> Result<()>) -> Result<()> {
        self.leave(hidden);
        self.list_parents(emit)?;
        emit(LayerItem::Whiteout { hidden: hidden.to_vec() })
    }

    fn is_unchanged(&self, old: Option<&FlatNode>, new: &FlatNode) -> bool {
        let Some(old) = old else { return false };
        if old.is_directory && new.is_directory {
            return old.entry == new.entry || (self.is_alike)(old.entry, new.entry);
        }
        old.entry == new.entry && !new.entry.is_some_and(|entry| self.carried.contains(&entry))
    }

    /// Closes the directories that `path` is not in.
    fn leave(&mut self, path: &[u8]) {
        while self.open.last().is_some_and(|(directory, _)| !is_below(path, &directory.path)) {
            self.open.pop();
        }
    }

    /// Lists the directories above the present path that have not been (E-5).
    fn list_parents(&mut self, emit: &mut impl FnMut(LayerItem) -> Result<()>) -> Result<()> {
        for at in 0..self.open.len() {
            if !self.open[at].1 {
                self.open[at].1 = true;
                let directory = self.open[at].0.clone();
                emit(self.item(&directory))?;
            }
        }
        Ok(())
    }

    fn item(&mut self, node: &FlatNode) -> LayerItem {
        let path = node.path.clone();
        let Some(entry) = node.entry else { return LayerItem::ImplicitDirectory { path } };
        if node.names < 2 {
            return LayerItem::Entry { path, entry, links: 0 };
        }
        match self.carriers.get(&entry) {
            Some(target) => LayerItem::HardLink { path, target: target.clone(), entry },
            None => {
                self.carriers.insert(entry, path.clone());
                LayerItem::Entry { path, entry, links: node.names - 1 }
            }
        }
    }
}

/// The nodes of two trees side by side, by their paths.
struct NodePairs<B: Iterator, A: Iterator> {
    below: Peekable<B>,
    above: Peekable<A>,
}

impl<'a> NodePairs<Box<dyn Iterator<Item = FlatNode> + 'a>, Box<dyn Iterator<Item = FlatNode> + 'a>> {
    fn new(below: &'a Flattened, above: &'a Flattened) -> Self {
        let nodes = |tree: &'a Flattened| -> Box<dyn Iterator<Item = FlatNode> + 'a> { Box::new(tree.nodes()) };
        Self { below: nodes(below).peekable(), above: nodes(above).peekable() }
    }
}

impl<B: Iterator<Item = FlatNode>, A: Iterator<Item = FlatNode>> Iterator for NodePairs<B, A> {
    type Item = (Option<FlatNode>, Option<FlatNode>);

    fn next(&mut self) -> Option<Self::Item> {
        let order = match (self.below.peek(), self.above.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => by_components(&old.path, &new.path),
        };
        Some(match order {
            Ordering::Less => (self.below.next(), None),
            Ordering::Equal => (self.below.next(), self.above.next()),
            Ordering::Greater => (None, self.above.next()),
        })
    }
}

/// Compares paths component by component, a directory before the paths in it: a slash comes before every other byte.
fn by_components(one: &[u8], other: &[u8]) -> Ordering {
    let rank = |byte: &u8| if *byte == b'/' { 0 } else { u16::from(*byte) + 1 };
    one.iter().map(rank).cmp(other.iter().map(rank))
}

#[cfg(test)]
mod tests;
