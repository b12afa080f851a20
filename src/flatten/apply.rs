//! One entry onto the tree, as extraction by root would put it there (R-4 … … ).

use std::collections::{HashMap, HashSet};

use super::links;
use super::remarks::{Remarks, Sort};
use super::resolve;
use super::tree::{Dentry, FileTree, Inode, InodeKind};
use super::whiteout::{Role, split};
use super::{Change, ChangeKind, EntryKey, Options};
use crate::error::{Error, Result};
use crate::limits::Budget;
use crate::path::{EntryPath, escape_for_terminal, quote};
use crate::rule::Rule;

/// Applies the entries of one layer.
pub(super) struct Applier<'a> {
    pub(super) tree: &'a mut FileTree,
    pub(super) options: Options,
    pub(super) at: &'a str,
    pub(super) budget: &'a Budget,
    layer: u32,
    /// Files below AUFS's own directories, by cleaned path.
    aside: HashMap<Box<[u8]>, Inode>,
    remarks: Remarks<'a>,
    /// Links that have been warned of.
    warned: HashSet<Dentry>,
}

impl<'a> Applier<'a> {
    pub(super) fn new(
        tree: &'a mut FileTree,
        options: Options,
        layer: u32,
        at: &'a str,
        remarks: Remarks<'a>,
        budget: &'a Budget,
    ) -> Self {
        Self { tree, options, at, budget, layer, aside: HashMap::new(), remarks, warned: HashSet::new() }
    }

    /// Applies one entry, whose path is clean and no whiteout. `unlinked` is the inode that it may link to although a
    /// whiteout of this layer removed it.
    pub(super) fn apply(&mut self, change: Change<'_>, unlinked: Option<Inode>) -> Result<()> {
        self.warn_of_null_device(change)?;
        if self.role(change.path)? == Role::Bookkeeping {
            self.keep_aside(change)?;
        } else if change.path.is_empty() {
            self.describe_root(change)?;
        } else {
            self.put(change, unlinked)?;
        }
        self.budget.charge_memory(self.tree.taken(), self.at)
    }

    /// Reports the warnings that were only counted.
    pub(super) fn finish(self) -> Result<()> {
        self.remarks.finish()
    }

    /// The cleaned form of `name`.
    pub(super) fn clean(&self, name: &[u8]) -> Result<EntryPath> {
        EntryPath::clean_entry(name).map_err(|why| self.refuse(why.rule(), name, why))
    }

    /// Returns the role of the entry at the cleaned `path`: plain, whiteout, opaque marker or AUFS's own.
    pub(super) fn role<'p>(&self, path: &'p [u8]) -> Result<Role<'p>> {
        Role::of(path).map_err(|why| self.refuse(why.rule(), path, why))
    }

    /// An error about the entry or directory `path`.
    pub(super) fn refuse(&self, rule: Rule, path: &[u8], why: impl std::fmt::Display) -> Error {
        Error::invalid(rule, self.at, format!("`{}`: {why}", quote(path)))
    }

    /// Warns of links from lower layers that lead to where this layer changes something: engines that stack layers make
    /// them directories instead.
    pub(super) fn warn_of_links(&mut self, links: &[Dentry]) -> Result<()> {
        for &link in links {
            if !self.tree.was_entered(link, self.layer) && self.warned.insert(link) {
                let tree = &*self.tree;
                self.remarks.warn(Sort::ThroughLink, || {
                    format!(
                        "`{}` is a symbolic link of a lower layer: files of this layer below it go where the link \
                         leads, while a container on an overlay filesystem would see a directory instead",
                        escape_for_terminal(&tree.path(link))
                    )
                })?;
            }
        }
        Ok(())
    }

    fn warn_of_null_device(&mut self, change: Change<'_>) -> Result<()> {
        if change.kind != (ChangeKind::CharDevice { major: 0, minor: 0 }) {
            return Ok(());
        }
        self.remarks.warn(Sort::NullDevice, || {
            format!(
                "`{}` is a character device 0/0, kept as it is; overlay filesystems take it for a whiteout",
                escape_for_terminal(change.path)
            )
        })
    }

    /// AUFS's own files are no part of the tree, but hard links may name them.
    fn keep_aside(&mut self, change: Change<'_>) -> Result<()> {
        if change.kind == ChangeKind::Regular {
            let inode = self.add(change, InodeKind::Regular)?;
            self.aside.insert(change.path.into(), inode);
            self.budget.charge_memory(change.path.len() as u64, self.at)?;
        }
        Ok(())
    }

    ///
    fn describe_root(&mut self, change: Change<'_>) -> Result<()> {
        if change.kind != ChangeKind::Directory {
            return Err(Error::invalid(Rule::R18, self.at, "the entry for the root is not a directory"));
        }
        let root = self.tree.root();
        self.enter(root, change)?;
        self.tree.describe(root, self.key(change));
        self.tree.trace(change.position, root, self.tree.inode(root));
        Ok(())
    }

    ///
    fn put(&mut self, change: Change<'_>, unlinked: Option<Inode>) -> Result<()> {
        let (directory, name) = split(change.path);
        let parent = resolve::create(self.tree, directory).map_err(|why| self.refuse(Rule::R6, change.path, why))?;
        self.warn_of_links(&parent.links)?;
        let dentry = self.tree.dentry(parent.end, name).map_err(|why| self.refuse(Rule::R6, change.path, why))?;
        let dentry = self.behind_dirlink(dentry, change.kind).unwrap_or(dentry);
        self.enter(dentry, change)?;
        if change.kind == ChangeKind::Directory && self.tree.is_directory(dentry) {
            self.tree.describe(dentry, self.key(change));
        } else {
            let inode = self.inode(dentry, change, unlinked)?;
            self.tree.put(dentry, inode);
        }
        self.tree.trace(change.position, dentry, self.tree.inode(dentry));
        Ok(())
    }

    /// The directory that a link on `dentry` leads to, if such links are to stay (`--keep-dirlinks`, R-7). A link that leads
    /// nowhere is not a directory link, whatever the reason.
    fn behind_dirlink(&self, dentry: Dentry, kind: ChangeKind<'_>) -> Option<Dentry> {
        let is_link = matches!(self.tree.kind_at(dentry), Some(InodeKind::Symlink(_)));
        if !(self.options.keep_dirlinks && kind == ChangeKind::Directory && is_link) {
            return None;
        }
        let route = resolve::find(self.tree, self.tree.parent(dentry), self.tree.name(dentry));
        route.ok().flatten().map(|route| route.end)
    }

    /// Records that this layer has an entry for `dentry`, and warns if it is not the first.
    fn enter(&mut self, dentry: Dentry, change: Change<'_>) -> Result<()> {
        if !self.tree.enter(dentry, self.layer) {
            return Ok(());
        }
        self.remarks.warn(Sort::Twice, || {
            format!("`{}` occurs more than once; the last one counts", escape_for_terminal(or_root(change.path)))
        })
    }

    /// Returns the inode that `change` puts on `dentry`. No filesystem takes a symbolic link without a target.
    fn inode(&mut self, dentry: Dentry, change: Change<'_>, unlinked: Option<Inode>) -> Result<Inode> {
        let kind = match change.kind {
            ChangeKind::HardLink(target) => return self.linked(dentry, change, target, unlinked),
            ChangeKind::Directory => InodeKind::Directory { first: None, implicit: false },
            ChangeKind::Regular => InodeKind::Regular,
            ChangeKind::Symlink(b"") => {
                return Err(self.refuse(Rule::R23, change.path, "a symbolic link without a target"));
            }
            ChangeKind::Symlink(target) => {
                InodeKind::Symlink(self.tree.keep(target).map_err(|why| self.refuse(Rule::R6, change.path, why))?)
            }
            ChangeKind::CharDevice { .. } | ChangeKind::BlockDevice | ChangeKind::Fifo => InodeKind::Special,
        };
        self.add(change, kind)
    }

    /// Returns the inode that a hard link on `dentry` to `name` shares at this moment.
    fn linked(&self, dentry: Dentry, change: Change<'_>, name: &[u8], unlinked: Option<Inode>) -> Result<Inode> {
        let target = EntryPath::clean(name).map_err(|why| self.refuse_link(change, name, why))?;
        if let Ok(Role::Bookkeeping) = Role::of(target.as_bytes()) {
            let aside = self.aside.get(target.as_bytes()).copied();
            return aside.ok_or_else(|| self.refuse_link(change, name, "no earlier entry of this layer has that name"));
        }
        let found = links::target_dentry(self.tree, target.as_bytes());
        let found = found.map_err(|why| self.refuse_link(change, name, why))?;
        if found == Some(dentry) {
            return Err(self.refuse_link(change, name, "that is the link itself"));
        }
        match found.and_then(|found| self.tree.inode(found)) {
            Some(inode) if matches!(self.tree.kind(inode), InodeKind::Directory { .. }) => {
                Err(self.refuse_link(change, name, "that is a directory"))
            }
            Some(inode) => Ok(inode),
            None => unlinked.ok_or_else(|| self.refuse_link(change, name, "nothing is there at this point")),
        }
    }

    fn refuse_link(&self, change: Change<'_>, target: &[u8], why: impl std::fmt::Display) -> Error {
        self.refuse(Rule::R12, change.path, format!("hard link to `{}`: {why}", quote(target)))
    }

    fn add(&mut self, change: Change<'_>, kind: InodeKind) -> Result<Inode> {
        let key = self.key(change);
        self.tree.add(kind, key).map_err(|why| self.refuse(Rule::R6, change.path, why))
    }

    fn key(&self, change: Change<'_>) -> EntryKey {
        EntryKey { layer: self.layer, position: change.position }
    }
}

fn or_root(path: &[u8]) -> &[u8] {
    if path.is_empty() { b"./" } else { path }
}
