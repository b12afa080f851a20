//! One layer: its whiteouts against the state below, then its other entries in archive order.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::Applier;
use super::layer_log::LayerLog;
use super::links;
use super::remarks::Remarks;
use super::resolve;
use super::tree::{Dentry, FileTree, Inode, InodeKind};
use super::whiteout::{Role, split};
use super::{Change, ChangeKind, Options};
use crate::diagnostics::Diagnostics;
use crate::error::Result;
use crate::limits::Budget;
use crate::path::EntryPath;
use crate::rule::Rule;

/// A layer being read. It counts once [`LayerBuilder::finish`] has returned; after an error the overlay is of no use.
pub struct LayerBuilder<'a> {
    applier: Applier<'a>,
    /// Nothing lies below, so that whiteouts have nothing to remove and no entry need wait for them.
    base: bool,
    log: LayerLog,
    /// The dentries that whiteouts remove, in the state below.
    removed: Vec<Dentry>,
    /// The directories that opaque markers stand in, in the state below.
    opaque: BTreeSet<Dentry>,
    /// Links that opaque markers stand in, and where those are.
    opaque_links: BTreeMap<Dentry, u64>,
}

impl<'a> LayerBuilder<'a> {
    pub(super) fn new(
        tree: &'a mut FileTree,
        options: Options,
        layer: u32,
        at: &'a str,
        diagnostics: &'a Diagnostics,
        budget: &'a Budget,
    ) -> Self {
        let base = tree.children(tree.root()).next().is_none();
        let applier = Applier::new(tree, options, layer, at, Remarks::new(at, diagnostics), budget);
        Self {
            applier,
            base,
            log: LayerLog::default(),
            removed: Vec::new(),
            opaque: BTreeSet::new(),
            opaque_links: BTreeMap::new(),
        }
    }

    /// Takes the next entry of the layer, in archive order.
    ///
    /// # Errors
    /// Names that are empty or climb above the root, whiteouts of nothing or in the middle of a path,
    /// all that [`LayerBuilder::finish`] refuses, and a budget that is spent.
    pub fn entry(&mut self, change: Change<'_>) -> Result<()> {
        let path = self.applier.clean(change.path)?;
        let change = Change { path: path.as_bytes(), ..change };
        match self.applier.role(path.as_bytes())? {
            Role::Remove { .. } | Role::Opaque { .. } if self.base => Ok(()),
            Role::Remove { directory, name } => self.remove(change.position, directory, name),
            Role::Opaque { directory } => self.hide_below(change.position, directory),
            Role::Plain | Role::Bookkeeping if self.base => self.applier.apply(change, None),
            Role::Plain | Role::Bookkeeping => {
                let bytes = self.log.push(change);
                self.applier.budget.charge_memory(bytes as u64, self.applier.at)
            }
        }
    }

    /// Applies the layer.
    ///
    /// # Errors
    /// Hard links to directories, to themselves or to a missing path, a root that is not a directory, loops
    /// of symbolic links, a budget that is spent, and with `--strict` every warning.
    pub fn finish(mut self) -> Result<()> {
        let lost = if self.removed.is_empty() && self.opaque.is_empty() && self.opaque_links.is_empty() {
            Vec::new()
        } else {
            self.apply_whiteouts()?
        };
        let (mut lost, log) = (lost.into_iter(), std::mem::take(&mut self.log));
        let mut replay = log.replay();
        while let Some(change) = replay.next() {
            let is_link = matches!(change.kind, ChangeKind::HardLink(_));
            self.applier.apply(change, if is_link { lost.next().flatten() } else { None })?;
        }
        self.applier.finish()
    }

    /// Records a whiteout: it applies to the state below, so its place in the layer does not matter.
    fn remove(&mut self, position: u64, directory: &[u8], name: &[u8]) -> Result<()> {
        let tree = &*self.applier.tree;
        let found = resolve::find(tree, tree.root(), directory);
        let Some(route) = found.map_err(|error| self.applier.refuse(Rule::R6, directory, error))? else {
            return Ok(());
        };
        if let Some(dentry) = tree.child(route.end, name) {
            self.removed.push(dentry);
            self.applier.tree.trace(position, dentry, None);
            self.applier.warn_of_links(&route.links)?;
        }
        Ok(())
    }

    /// Records an opaque marker. One in a directory that is a symbolic link waits for the layer's end.
    fn hide_below(&mut self, position: u64, directory: &[u8]) -> Result<()> {
        let tree = &*self.applier.tree;
        if directory.is_empty() {
            let root = tree.root();
            self.opaque.insert(root);
            self.applier.tree.trace(position, root, None);
            return Ok(());
        }
        let (parent, name) = split(directory);
        let found = resolve::find(tree, tree.root(), parent);
        let Some(route) = found.map_err(|error| self.applier.refuse(Rule::R6, directory, error))? else {
            return Ok(());
        };
        let Some(dentry) = tree.child(route.end, name) else { return Ok(()) };
        match tree.kind_at(dentry) {
            Some(InodeKind::Directory { .. }) => {
                self.applier.tree.trace(position, dentry, None);
                self.opaque.insert(dentry);
            }
            Some(InodeKind::Symlink(_)) => drop(self.opaque_links.insert(dentry, position)),
            _ => return Ok(()),
        }
        self.applier.warn_of_links(&route.links)
    }

    /// Removes what whiteouts and opaque markers name. Gives, for each hard link of the layer in order, the target that
    /// was there below and is gone now.
    fn apply_whiteouts(&mut self) -> Result<Vec<Option<Inode>>> {
        self.follow_opaque_links()?;
        let below = self.link_targets();
        for &directory in &self.opaque {
            self.applier.tree.clear(directory);
        }
        for &dentry in &self.removed {
            self.applier.tree.remove(dentry);
        }
        let after = self.link_targets();
        Ok(below.into_iter().zip(after).map(|(below, after)| below.filter(|_| after.is_none())).collect())
    }

    /// An opaque marker in a symbolic link hides what the link leads to, unless a directory entry of this layer is going to
    /// replace the link. With `--keep-dirlinks` none will.
    fn follow_opaque_links(&mut self) -> Result<()> {
        if !self.opaque_links.is_empty() && !self.applier.options.keep_dirlinks {
            for replaced in self.directory_dentries() {
                self.opaque_links.remove(&replaced);
            }
        }
        for (link, position) in std::mem::take(&mut self.opaque_links) {
            let tree = &*self.applier.tree;
            let found = resolve::find(tree, tree.parent(link), tree.name(link));
            if let Some(route) = found.map_err(|error| self.applier.refuse(Rule::R6, &tree.path(link), error))? {
                self.opaque.insert(route.end);
                self.applier.tree.trace(position, route.end, None);
                self.applier.warn_of_links(&route.links)?;
            }
        }
        Ok(())
    }

    /// The dentries, in the state below, that directory entries of this layer name.
    fn directory_dentries(&self) -> Vec<Dentry> {
        let (mut dentries, mut replay) = (Vec::new(), self.log.replay());
        while let Some(change) = replay.next() {
            if change.kind == ChangeKind::Directory {
                dentries.extend(links::target_dentry(self.applier.tree, change.path).ok().flatten());
            }
        }
        dentries
    }

    /// Returns the inodes that the hard links of this layer would name in the tree as it is, in order.
    fn link_targets(&self) -> Vec<Option<Inode>> {
        let (mut targets, mut replay) = (Vec::new(), self.log.replay());
        while let Some(change) = replay.next() {
            if let ChangeKind::HardLink(target) = change.kind {
                let target = EntryPath::clean(target).ok();
                targets.push(target.and_then(|target| links::target_inode(self.applier.tree, target.as_bytes())));
            }
        }
        targets
    }
}
