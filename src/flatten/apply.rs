//! One entry onto the tree, as extraction by root would put it there (R-4 … … ).

use std::collections::{HashMap, HashSet};

use super::links;
use super::remarks::{Remarks, Sort};
use super::resolve;
use super::tree::{Content, Inode, Place, Tree};
use super::whiteout::{Role, split};
use super::{Change, EntryId, Kind, Options};
use crate::error::{Error, Result};
use crate::limits::Budget;
use crate::path::{EntryPath, escape_for_terminal, quote};
use crate::rule::Rule;

/// Applies the entries of one layer.
pub(super) struct Applier<'a> {
    pub(super) tree: &'a mut Tree,
    pub(super) options: Options,
    pub(super) at: &'a str,
    pub(super) budget: &'a Budget,
    layer: u32,
    /// Files below AUFS's own directories, by cleaned path.
    aside: HashMap<Box<[u8]>, Inode>,
    remarks: Remarks<'a>,
    /// Links that have been warned of.
    warned: HashSet<Place>,
}

impl<'a> Applier<'a> {
    pub(super) fn new(
        tree: &'a mut Tree,
        options: Options,
        layer: u32,
        at: &'a str,
        remarks: Remarks<'a>,
        budget: &'a Budget,
    ) -> Self {
        Self { tree, options, at, budget, layer, aside: HashMap::new(), remarks, warned: HashSet::new() }
    }

    /// Applies one entry, whose path is clean and no whiteout. `lost` is what it may link to although a whiteout of this
    /// layer removed it.
    pub(super) fn apply(&mut self, change: Change<'_>, lost: Option<Inode>) -> Result<()> {
        self.warn_of_null_device(change)?;
        if self.role(change.path)? == Role::Bookkeeping {
            self.keep_aside(change)?;
        } else if change.path.is_empty() {
            self.describe_root(change)?;
        } else {
            self.put(change, lost)?;
        }
        self.budget.charge_memory(self.tree.taken(), self.at)
    }

    /// Says what is left to say.
    pub(super) fn finish(self) -> Result<()> {
        self.remarks.finish()
    }

    /// The cleaned form of `name`.
    pub(super) fn clean(&self, name: &[u8]) -> Result<EntryPath> {
        EntryPath::clean(name).map_err(|why| self.refuse(why.rule(), name, why))
    }

    /// What the entry at the cleaned `path` does.
    pub(super) fn role<'p>(&self, path: &'p [u8]) -> Result<Role<'p>> {
        Role::of(path).map_err(|why| self.refuse(why.rule(), path, why))
    }

    /// An error about the entry or directory `path`.
    pub(super) fn refuse(&self, rule: Rule, path: &[u8], why: impl std::fmt::Display) -> Error {
        Error::invalid(rule, self.at, format!("`{}`: {why}", quote(path)))
    }

    /// Warns of links from lower layers that lead to where this layer changes something: engines that stack layers make
    /// them directories instead.
    pub(super) fn warn_of_links(&mut self, links: &[Place]) -> Result<()> {
        for &link in links {
            if !self.tree.was_entered(link, self.layer) && self.warned.insert(link) {
                let tree = &*self.tree;
                self.remarks.warn(Sort::ThroughLink, || {
                    format!(
                        "`{}` is a symbolic link of a lower layer: what this layer has beneath it goes where the link \
                         leads, while a container on an overlay filesystem would see a directory instead",
                        escape_for_terminal(&tree.path(link))
                    )
                })?;
            }
        }
        Ok(())
    }

    fn warn_of_null_device(&mut self, change: Change<'_>) -> Result<()> {
        if change.kind != (Kind::CharDevice { major: 0, minor: 0 }) {
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
        if change.kind == Kind::Regular {
            let inode = self.add(change, Content::Regular)?;
            self.aside.insert(change.path.into(), inode);
            self.budget.charge_memory(change.path.len() as u64, self.at)?;
        }
        Ok(())
    }

    ///
    fn describe_root(&mut self, change: Change<'_>) -> Result<()> {
        if change.kind != Kind::Directory {
            return Err(Error::invalid(Rule::R18, self.at, "the entry for the root is no directory"));
        }
        let root = self.tree.root();
        self.enter(root, change)?;
        self.tree.describe(root, self.id(change));
        self.tree.trace(change.position, root, self.tree.inode(root));
        Ok(())
    }

    ///
    fn put(&mut self, change: Change<'_>, lost: Option<Inode>) -> Result<()> {
        let (directory, name) = split(change.path);
        let parent = resolve::create(self.tree, directory).map_err(|why| self.refuse(Rule::R6, change.path, why))?;
        self.warn_of_links(&parent.links)?;
        let place = self.tree.place(parent.end, name).map_err(|why| self.refuse(Rule::R6, change.path, why))?;
        let place = self.behind_dirlink(place, change.kind).unwrap_or(place);
        self.enter(place, change)?;
        if change.kind == Kind::Directory && self.tree.is_directory(place) {
            self.tree.describe(place, self.id(change));
        } else {
            let inode = self.inode(place, change, lost)?;
            self.tree.put(place, inode);
        }
        self.tree.trace(change.position, place, self.tree.inode(place));
        Ok(())
    }

    /// The directory that a link on `place` leads to, if such links are to stay (`--keep-dirlinks`, R-7). A link that leads
    /// nowhere is no directory link, whatever the reason.
    fn behind_dirlink(&self, place: Place, kind: Kind<'_>) -> Option<Place> {
        let is_link = matches!(self.tree.content(place), Some(Content::Symlink(_)));
        if !(self.options.keep_dirlinks && kind == Kind::Directory && is_link) {
            return None;
        }
        let route = resolve::find(self.tree, self.tree.parent(place), self.tree.name(place));
        route.ok().flatten().map(|route| route.end)
    }

    /// Notes that this layer has an entry for `place`, and warns if it is not the first.
    fn enter(&mut self, place: Place, change: Change<'_>) -> Result<()> {
        if !self.tree.enter(place, self.layer) {
            return Ok(());
        }
        self.remarks.warn(Sort::Twice, || {
            format!("`{}` is there more than once; the last one counts", escape_for_terminal(or_root(change.path)))
        })
    }

    /// What `change` puts on `place`. No filesystem takes a symbolic link to nothing.
    fn inode(&mut self, place: Place, change: Change<'_>, lost: Option<Inode>) -> Result<Inode> {
        let content = match change.kind {
            Kind::HardLink(target) => return self.linked(place, change, target, lost),
            Kind::Directory => Content::Directory { first: None, implicit: false },
            Kind::Regular => Content::Regular,
            Kind::Symlink(b"") => return Err(self.refuse(Rule::R23, change.path, "a symbolic link without a target")),
            Kind::Symlink(target) => {
                Content::Symlink(self.tree.keep(target).map_err(|why| self.refuse(Rule::R6, change.path, why))?)
            }
            Kind::CharDevice { .. } | Kind::BlockDevice | Kind::Fifo => Content::Special,
        };
        self.add(change, content)
    }

    /// What a hard link on `place` to `name` means at this moment.
    fn linked(&self, place: Place, change: Change<'_>, name: &[u8], lost: Option<Inode>) -> Result<Inode> {
        let target = EntryPath::clean(name).map_err(|why| self.refuse_link(change, name, why))?;
        if let Ok(Role::Bookkeeping) = Role::of(target.as_bytes()) {
            let aside = self.aside.get(target.as_bytes()).copied();
            return aside.ok_or_else(|| self.refuse_link(change, name, "no earlier entry of this layer has that name"));
        }
        let found = links::target_place(self.tree, target.as_bytes());
        let found = found.map_err(|why| self.refuse_link(change, name, why))?;
        if found == Some(place) {
            return Err(self.refuse_link(change, name, "that is the link itself"));
        }
        match found.and_then(|found| self.tree.inode(found)) {
            Some(inode) if matches!(self.tree.what(inode), Content::Directory { .. }) => {
                Err(self.refuse_link(change, name, "that is a directory"))
            }
            Some(inode) => Ok(inode),
            None => lost.ok_or_else(|| self.refuse_link(change, name, "nothing is there at this point")),
        }
    }

    fn refuse_link(&self, change: Change<'_>, target: &[u8], why: impl std::fmt::Display) -> Error {
        self.refuse(Rule::R12, change.path, format!("hard link to `{}`: {why}", quote(target)))
    }

    fn add(&mut self, change: Change<'_>, content: Content) -> Result<Inode> {
        let id = self.id(change);
        self.tree.add(content, id).map_err(|why| self.refuse(Rule::R6, change.path, why))
    }

    fn id(&self, change: Change<'_>) -> EntryId {
        EntryId { layer: self.layer, position: change.position }
    }
}

fn or_root(path: &[u8]) -> &[u8] {
    if path.is_empty() { b"./" } else { path }
}
