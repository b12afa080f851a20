//! The placements of layers: the canonical path of every entry and whiteout, for changing layers rather than flattening
//! them.

use super::resolve;
use super::tree::{Dentry, FileTree, Inode};
use super::whiteout::split;
use super::{EntryKey, Options, Overlay};
use crate::path::EntryPath;

/// The dentry at which one entry of a layer took effect.
#[derive(Debug, Clone, Copy)]
pub(super) struct TraceStep {
    position: u64,
    dentry: Dentry,
    inode: Option<Inode>,
}

/// The path at which one entry of a layer took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placement {
    /// [`Change::position`](super::Change::position).
    pub(crate) position: u64,
    /// The path through no symbolic link: of the inode that the entry put there, of the one that a whiteout hid, or of
    /// the directory of an opaque marker. Whiteouts of missing paths have no placement.
    pub(crate) path: Vec<u8>,
    /// The entry that describes the inode: itself, unless it is a hard link.
    pub(crate) entry: Option<EntryKey>,
}

impl Overlay {
    /// An empty root whose overlay records what each layer does, for [`Overlay::placements`].
    pub(crate) fn tracing(options: Options) -> Self {
        let mut overlay = Self::new(options);
        overlay.tree.begin_trace();
        overlay
    }

    /// Returns the placements of the layer that was applied last, by ascending position.
    pub(crate) fn placements(&mut self) -> Vec<Placement> {
        let mut steps = self.tree.take_trace();
        steps.sort_by_key(|step| step.position);
        let placement = |step: &TraceStep| Placement {
            position: step.position,
            path: self.tree.path(step.dentry),
            entry: step.inode.and_then(|inode| self.tree.entry(inode)),
        };
        steps.iter().map(placement).collect()
    }

    /// The canonical form of `path`, the symbolic links among its parents followed, whether it exists or not;
    /// `None` where a parent is missing or no directory, and for the root.
    pub(crate) fn canonical(&self, path: &EntryPath) -> Option<Vec<u8>> {
        let (directory, name) = split(path.as_bytes());
        let route = resolve::find(&self.tree, self.tree.root(), directory).ok().flatten()?;
        let directory = self.tree.path(route.end);
        let separator = if directory.is_empty() { &b""[..] } else { b"/" };
        (!name.is_empty()).then(|| [&directory, separator, name].concat())
    }

    /// The canonical paths at which `ls` finds what `path` leads to: itself, its parents' links followed, and the directory to
    /// which it leads if it is a link to one.
    pub(crate) fn places(&self, path: &EntryPath) -> Vec<Vec<u8>> {
        let route = resolve::find(&self.tree, self.tree.root(), path.as_bytes()).ok().flatten();
        let directory = route.map(|route| self.tree.path(route.end));
        self.canonical(path).into_iter().chain(directory).collect()
    }

    /// Returns whether the canonical `path` exists.
    pub(crate) fn exists(&self, path: &[u8]) -> bool {
        self.at(path).is_some_and(|dentry| self.tree.inode(dentry).is_some())
    }

    /// Returns whether the canonical `path` is a directory.
    pub(crate) fn is_directory(&self, path: &[u8]) -> bool {
        self.at(path).is_some_and(|dentry| self.tree.is_directory(dentry))
    }

    /// The length of the longest front of the canonical `path`, in bytes, that is a directory; 0 is the root.
    pub(crate) fn directory_front(&self, path: &[u8]) -> usize {
        let (mut dentry, mut length) = (self.tree.root(), 0);
        for name in path.split(|&byte| byte == b'/') {
            match self.tree.child(dentry, name).filter(|child| self.tree.is_directory(*child)) {
                Some(child) => (dentry, length) = (child, length + usize::from(length > 0) + name.len()),
                None => break,
            }
        }
        length
    }

    /// The entries that describe the components of the canonical `path`, from the root's child down to the last that is there.
    pub(crate) fn entries_along(&self, path: &[u8]) -> Vec<Option<EntryKey>> {
        let names = path.split(|&byte| byte == b'/');
        let dentries = names.scan(self.tree.root(), |dentry, name| {
            *dentry = self.tree.child(*dentry, name)?;
            Some(*dentry)
        });
        dentries.map(|dentry| self.tree.inode(dentry).and_then(|inode| self.tree.entry(inode))).collect()
    }

    /// Returns whether the directory at the canonical `path` has any children.
    pub(crate) fn has_children(&self, path: &[u8]) -> bool {
        self.at(path).is_some_and(|dentry| self.tree.children(dentry).next().is_some())
    }

    /// The entry that describes the node at the canonical `path`.
    pub(crate) fn entry_at(&self, path: &[u8]) -> Option<EntryKey> {
        self.tree.inode(self.at(path)?).and_then(|inode| self.tree.entry(inode))
    }

    fn at(&self, path: &[u8]) -> Option<Dentry> {
        let names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
        names.into_iter().try_fold(self.tree.root(), |dentry, name| self.tree.child(dentry, name))
    }
}

impl FileTree {
    /// Records that the entry at `position` has put `inode` on `dentry`, or hidden its inode, if steps are recorded.
    pub(super) fn trace(&mut self, position: u64, dentry: Dentry, inode: Option<Inode>) {
        self.note_step(TraceStep { position, dentry, inode });
    }
}
