//! What layers do where: the canonical path of every entry and whiteout, for those who change layers rather than flatten
//! them.

use super::resolve;
use super::tree::{Dentry, FileTree, Inode};
use super::whiteout::split;
use super::{EntryKey, Options, Overlay};
use crate::path::EntryPath;

/// Where one entry of a layer took effect.
#[derive(Debug, Clone, Copy)]
pub(super) struct TraceStep {
    position: u64,
    dentry: Dentry,
    inode: Option<Inode>,
}

/// Where one entry of a layer took effect, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placement {
    /// [`Change::position`](super::Change::position).
    pub(crate) position: u64,
    /// The path through no symbolic link: of what the entry put there, of what a whiteout hid, or of the directory of an
    /// opaque marker. Whiteouts of what is not there have no placement.
    pub(crate) path: Vec<u8>,
    /// The entry that what was put there takes all it is from: itself, unless it is a hard link.
    pub(crate) entry: Option<EntryKey>,
}

impl Overlay {
    /// An empty root; [`Overlay::placements`] will tell what each layer does where.
    pub(crate) fn tracing(options: Options) -> Self {
        let mut overlay = Self::new(options);
        overlay.tree.begin_trace();
        overlay
    }

    /// What the layer that was applied last has done, by ascending position.
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

    /// The path that `path` means when the symbolic links among its parents are followed, whether anything is there or not;
    /// `None` where a parent is missing or no directory, and for the root.
    pub(crate) fn canonical(&self, path: &EntryPath) -> Option<Vec<u8>> {
        let (directory, name) = split(path.as_bytes());
        let route = resolve::find(&self.tree, self.tree.root(), directory).ok().flatten()?;
        let directory = self.tree.path(route.end);
        let separator = if directory.is_empty() { &b""[..] } else { b"/" };
        (!name.is_empty()).then(|| [&directory, separator, name].concat())
    }

    /// Whether something stands at the canonical `path`.
    pub(crate) fn exists(&self, path: &[u8]) -> bool {
        self.at(path).is_some_and(|dentry| self.tree.inode(dentry).is_some())
    }

    /// Whether a directory stands at the canonical `path`.
    pub(crate) fn is_directory(&self, path: &[u8]) -> bool {
        self.at(path).is_some_and(|dentry| self.tree.is_directory(dentry))
    }

    /// Whether the directory at the canonical `path` has anything in it.
    pub(crate) fn has_children(&self, path: &[u8]) -> bool {
        self.at(path).is_some_and(|dentry| self.tree.children(dentry).next().is_some())
    }

    /// The entry that describes what stands at the canonical `path`.
    pub(crate) fn entry_at(&self, path: &[u8]) -> Option<EntryKey> {
        self.tree.inode(self.at(path)?).and_then(|inode| self.tree.entry(inode))
    }

    fn at(&self, path: &[u8]) -> Option<Dentry> {
        let names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
        names.into_iter().try_fold(self.tree.root(), |dentry, name| self.tree.child(dentry, name))
    }
}

impl FileTree {
    /// Notes that the entry at `position` has put `inode` on `dentry`, or hidden what stood there, if anybody asks.
    pub(super) fn trace(&mut self, position: u64, dentry: Dentry, inode: Option<Inode>) {
        self.note_step(TraceStep { position, dentry, inode });
    }
}
