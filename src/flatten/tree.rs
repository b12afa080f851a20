//! The tree under construction: names in directories (dentries) and the inodes that they lead to.
//!
//! A [`Dentry`] is a resolved path. It is never removed and never stands for another path, so it stays valid after its inode
//! is gone. An [`Inode`] is a file of any kind: several dentries may share one, and it outlives the last of them for callers
//! that still hold it. Children are found through one hash table for the whole tree and listed through links between
//! siblings. Only children that have an inode are listed, so removing a directory again and again costs nothing for those
//! that were removed long ago.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashTable;

use super::EntryKey;
use super::arena::{StringArena, StringKey};
use super::trace::TraceStep;

/// A name in a directory: a resolved path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Dentry(NonZeroU32);

/// A file of any kind, under one name, several or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Inode(NonZeroU32);

/// The kind of an inode, as far as the decision depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InodeKind {
    /// A directory and its first child; `implicit` until an entry describes it.
    Directory { first: Option<Dentry>, implicit: bool },
    /// A symbolic link and its target.
    Symlink(StringKey),
    /// A regular file.
    Regular,
    /// A device or named pipe.
    Special,
}

/// The arenas ran out of their 32-bit numbers: more than 4 GiB of names or 4 billion paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree holds more than 4 GiB of names")]
pub(super) struct Full;

#[derive(Debug)]
pub(super) struct FileTree {
    dentries: Vec<DentryRecord>,
    inodes: Vec<InodeRecord>,
    strings: StringArena,
    /// All dentries but the root, by directory and name.
    index: HashTable<Slot>,
    hasher: RandomState,
    /// Bytes taken since the last call of [`FileTree::taken`].
    taken: u64,
    /// Bytes of link targets that lookups have read.
    walked: AtomicU64,
    /// Inodes that have lost a name, if they are recorded.
    unlinked: Option<Vec<Unlinked>>,
    /// The steps of the present layer, if they are recorded.
    steps: Option<Vec<TraceStep>>,
}

/// An inode that has lost a name, perhaps its last.
#[derive(Debug, Clone, Copy)]
struct Unlinked {
    inode: Inode,
    /// The inode that replaced it or a directory above it; `None` if a whiteout removed it.
    by: Option<Inode>,
}

/// A dentry in the hash table, with its hash, so that the table can grow without reading names.
#[derive(Debug, Clone)]
struct Slot {
    hash: u32,
    dentry: Dentry,
}

/// Bytes that a dentry takes in the hash table, about: the table is between seven sixteenths and seven eighths full.
const SLOT: usize = 2 * (size_of::<Slot>() + 1);

#[derive(Debug, Clone)]
struct DentryRecord {
    parent: Dentry,
    name: StringKey,
    inode: Option<Inode>,
    next: Option<Dentry>,
    previous: Option<Dentry>,
    /// One more than the last layer that had an entry for this dentry.
    entered: u32,
}

#[derive(Debug, Clone)]
struct InodeRecord {
    position: u64,
    layer: u32,
    names: u32,
    kind: InodeKind,
}

impl Clone for FileTree {
    fn clone(&self) -> Self {
        Self {
            dentries: self.dentries.clone(),
            inodes: self.inodes.clone(),
            strings: self.strings.clone(),
            index: self.index.clone(),
            hasher: self.hasher.clone(),
            taken: self.taken,
            walked: AtomicU64::new(self.walked.load(Ordering::Relaxed)),
            unlinked: self.unlinked.clone(),
            steps: self.steps.clone(),
        }
    }
}

impl FileTree {
    /// A root that no layer has described.
    pub(super) fn new() -> Self {
        let (mut strings, root) = (StringArena::default(), Dentry(NonZeroU32::MIN));
        // The first text of an arena always fits: its offset is 0.
        let name = strings.add(b"").unwrap_or_else(|Full| unreachable!("an empty arena has room"));
        let kind = InodeKind::Directory { first: None, implicit: true };
        Self {
            dentries: vec![DentryRecord {
                parent: root,
                name,
                inode: Some(Inode(NonZeroU32::MIN)),
                next: None,
                previous: None,
                entered: 0,
            }],
            inodes: vec![InodeRecord { position: 0, layer: 0, names: 1, kind }],
            strings,
            index: HashTable::new(),
            hasher: RandomState::new(),
            taken: 0,
            walked: AtomicU64::new(0),
            unlinked: None,
            steps: None,
        }
    }

    pub(super) fn root(&self) -> Dentry {
        Dentry(NonZeroU32::MIN)
    }

    /// Counts `bytes` of link targets that a lookup has read; returns the sum.
    pub(super) fn walked(&self, bytes: usize) -> u64 {
        self.walked.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64
    }

    /// Sets that sum back to zero.
    pub(super) fn forget_walks(&self) {
        self.walked.store(0, Ordering::Relaxed);
    }

    /// Returns the directory of `dentry`; the root's is the root.
    pub(super) fn parent(&self, dentry: Dentry) -> Dentry {
        self.at(dentry).parent
    }

    /// Returns the last component of `dentry`.
    pub(super) fn name(&self, dentry: Dentry) -> &[u8] {
        self.strings.get(self.at(dentry).name)
    }

    /// Returns the components of `dentry` from the root down, joined by slashes.
    pub(super) fn path(&self, dentry: Dentry) -> Vec<u8> {
        let up = std::iter::successors(Some(dentry), |&below| Some(self.parent(below)));
        let names: Vec<&[u8]> = up.take_while(|&above| above != self.root()).map(|above| self.name(above)).collect();
        let mut path = Vec::with_capacity(names.iter().map(|name| name.len() + 1).sum());
        for name in names.into_iter().rev() {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        path
    }

    /// Returns the inode of `dentry`, if it has one.
    pub(super) fn inode(&self, dentry: Dentry) -> Option<Inode> {
        self.at(dentry).inode
    }

    /// Returns the kind of the inode of `dentry`.
    pub(super) fn kind_at(&self, dentry: Dentry) -> Option<InodeKind> {
        self.inode(dentry).map(|inode| self.kind(inode))
    }

    /// Returns the kind of `inode`.
    pub(super) fn kind(&self, inode: Inode) -> InodeKind {
        self.inodes[offset(inode.0)].kind
    }

    /// Returns true if `dentry` is a directory.
    pub(super) fn is_directory(&self, dentry: Dentry) -> bool {
        matches!(self.kind_at(dentry), Some(InodeKind::Directory { .. }))
    }

    /// Returns the bytes of a link target.
    pub(super) fn text(&self, text: StringKey) -> &[u8] {
        self.strings.get(text)
    }

    /// Counts the dentries of `inode`.
    pub(super) fn names(&self, inode: Inode) -> u32 {
        self.inodes[offset(inode.0)].names
    }

    /// Returns the entry that describes `inode`; `None` for a directory that was only implied.
    pub(super) fn entry(&self, inode: Inode) -> Option<EntryKey> {
        let InodeRecord { layer, position, kind, .. } = self.inodes[offset(inode.0)];
        let implicit = matches!(kind, InodeKind::Directory { implicit: true, .. });
        (!implicit).then_some(EntryKey { layer, position })
    }

    /// Finds the dentry called `name` in `directory`; it may have no inode.
    pub(super) fn known(&self, directory: Dentry, name: &[u8]) -> Option<Dentry> {
        self.find(self.hash(directory, name), directory, name)
    }

    /// Finds the dentry called `name` in `directory`, if it has an inode.
    pub(super) fn child(&self, directory: Dentry, name: &[u8]) -> Option<Dentry> {
        self.known(directory, name).filter(|&dentry| self.inode(dentry).is_some())
    }

    /// Returns the children of the directory `parent`, in no particular order.
    pub(super) fn children(&self, parent: Dentry) -> impl Iterator<Item = Dentry> {
        let first = match self.kind_at(parent) {
            Some(InodeKind::Directory { first, .. }) => first,
            _ => None,
        };
        std::iter::successors(first, |&child| self.at(child).next)
    }

    /// Finds the dentry called `name` in `directory`, or adds it.
    pub(super) fn dentry(&mut self, directory: Dentry, name: &[u8]) -> Result<Dentry, Full> {
        let hash = self.hash(directory, name);
        if let Some(known) = self.find(hash, directory, name) {
            return Ok(known);
        }
        let dentry = u32::try_from(self.dentries.len()).ok().and_then(dentry).ok_or(Full)?;
        let text = self.keep(name)?;
        let record =
            DentryRecord { parent: directory, name: text, inode: None, next: None, previous: None, entered: 0 };
        self.dentries.push(record);
        self.index.insert_unique(spread(hash), Slot { hash, dentry }, |slot| spread(slot.hash));
        self.taken += (size_of::<DentryRecord>() + SLOT) as u64;
        Ok(dentry)
    }

    /// Stores a copy of `text`.
    pub(super) fn keep(&mut self, text: &[u8]) -> Result<StringKey, Full> {
        self.taken += text.len() as u64;
        self.strings.add(text)
    }

    /// Adds an inode that no dentry has yet, described by the entry `key`.
    pub(super) fn add(&mut self, kind: InodeKind, key: EntryKey) -> Result<Inode, Full> {
        let number = u32::try_from(self.inodes.len()).map_err(|_| Full)?;
        let inode = NonZeroU32::MIN.checked_add(number).map(Inode).ok_or(Full)?;
        self.inodes.push(InodeRecord { position: key.position, layer: key.layer, names: 0, kind });
        self.taken += size_of::<InodeRecord>() as u64;
        Ok(inode)
    }

    /// Makes `dentry` a directory that no entry describes, in place of what it was.
    pub(super) fn put_implicit_directory(&mut self, dentry: Dentry) -> Result<(), Full> {
        let kind = InodeKind::Directory { first: None, implicit: true };
        let inode = self.add(kind, EntryKey { layer: 0, position: 0 })?;
        self.put(dentry, inode);
        Ok(())
    }

    /// Gives `dentry`, whose parent must be a directory, `inode` in place of what it had.
    pub(super) fn put(&mut self, dentry: Dentry, inode: Inode) {
        self.take_away(dentry, Some(inode));
        let parent = self.parent(dentry);
        let next = self.first_child(parent).and_then(|first| first.replace(dentry));
        if let Some(next) = next {
            self.at_mut(next).previous = Some(dentry);
        }
        let record = self.at_mut(dentry);
        (record.inode, record.next, record.previous) = (Some(inode), next, None);
        self.inodes[offset(inode.0)].names += 1;
    }

    /// Lets the entry `key` describe the directory `dentry`, which keeps its children.
    pub(super) fn describe(&mut self, dentry: Dentry, key: EntryKey) {
        if let Some(inode) = self.inode(dentry) {
            let record = &mut self.inodes[offset(inode.0)];
            (record.layer, record.position) = (key.layer, key.position);
            if let InodeKind::Directory { implicit, .. } = &mut record.kind {
                *implicit = false;
            }
        }
    }

    /// Removes the inode of `dentry` and all below it; of the root only its children.
    pub(super) fn remove(&mut self, dentry: Dentry) {
        if dentry == self.root() {
            return self.clear(dentry);
        }
        self.take_away(dentry, None);
    }

    /// Removes everything below `directory`.
    pub(super) fn clear(&mut self, directory: Dentry) {
        let children = self.children(directory).collect();
        if let Some(first) = self.first_child(directory) {
            *first = None;
        }
        self.vacate(children, None);
    }

    /// Records from now on which inodes lose a name, for [`FileTree::take_unlinked`].
    pub(super) fn watch(&mut self) {
        self.unlinked.get_or_insert_default();
    }

    /// Returns the entries that have lost their last name since this was last called, each with the entry that replaced it.
    pub(super) fn take_unlinked(&mut self) -> Vec<(EntryKey, Option<EntryKey>)> {
        let mut unlinked = self.unlinked.as_mut().map(std::mem::take).unwrap_or_default();
        // A hard link may have given such an inode a name back.
        unlinked.retain(|lost| self.names(lost.inode) == 0);
        unlinked.reverse();
        let mut seen = HashSet::new();
        unlinked.retain(|lost| seen.insert(lost.inode));
        let described =
            |unlinked: &Unlinked| Some((self.entry(unlinked.inode)?, unlinked.by.and_then(|by| self.entry(by))));
        unlinked.iter().filter_map(described).collect()
    }

    /// Records from now on the steps of entries, for [`FileTree::take_trace`].
    pub(super) fn begin_trace(&mut self) {
        self.steps.get_or_insert_default();
    }

    /// Returns the steps recorded since the last call.
    pub(super) fn take_trace(&mut self) -> Vec<TraceStep> {
        self.steps.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Records a step, if steps are recorded.
    pub(super) fn note_step(&mut self, step: TraceStep) {
        if let Some(steps) = &mut self.steps {
            steps.push(step);
            self.taken += size_of::<TraceStep>() as u64;
        }
    }

    /// Records an entry of `layer` for `dentry`; returns true if that layer had one before.
    pub(super) fn enter(&mut self, dentry: Dentry, layer: u32) -> bool {
        std::mem::replace(&mut self.at_mut(dentry).entered, layer + 1) == layer + 1
    }

    /// Returns true if `layer` has had an entry for `dentry`.
    pub(super) fn was_entered(&self, dentry: Dentry, layer: u32) -> bool {
        self.at(dentry).entered == layer + 1
    }

    /// Returns the bytes taken since this was last called.
    pub(super) fn taken(&mut self) -> u64 {
        std::mem::take(&mut self.taken)
    }

    /// Estimates the bytes that the tree takes.
    pub(super) fn size(&self) -> u64 {
        let dentries = self.dentries.len() * (size_of::<DentryRecord>() + SLOT);
        (dentries + self.inodes.len() * size_of::<InodeRecord>() + self.strings.size()) as u64
    }

    /// Removes the inode of `dentry`, which is not the root, and all below it.
    fn take_away(&mut self, dentry: Dentry, by: Option<Inode>) {
        if self.inode(dentry).is_some() {
            self.unlink(dentry);
            self.vacate(vec![dentry], by);
        }
    }

    /// Takes `dentry` out of its parent's list of children.
    fn unlink(&mut self, dentry: Dentry) {
        let DentryRecord { parent, next, previous, .. } = *self.at(dentry);
        match previous {
            Some(previous) => self.at_mut(previous).next = next,
            None => {
                if let Some(first) = self.first_child(parent) {
                    *first = next;
                }
            }
        }
        if let Some(next) = next {
            self.at_mut(next).previous = previous;
        }
    }

    /// Takes the inodes from whole subtrees, whose roots are in no list any more. A loop, because paths may be deep.
    fn vacate(&mut self, mut dentries: Vec<Dentry>, by: Option<Inode>) {
        while let Some(dentry) = dentries.pop() {
            dentries.extend(self.children(dentry));
            if let Some(inode) = self.at_mut(dentry).inode.take() {
                let record = &mut self.inodes[offset(inode.0)];
                record.names -= 1;
                if let InodeKind::Directory { first, .. } = &mut record.kind {
                    *first = None;
                }
                if let (0, Some(unlinked)) = (record.names, &mut self.unlinked) {
                    unlinked.push(Unlinked { inode, by });
                    self.taken += size_of::<Unlinked>() as u64;
                }
            }
        }
    }

    /// Returns the place where the directory `dentry` keeps its first child.
    fn first_child(&mut self, dentry: Dentry) -> Option<&mut Option<Dentry>> {
        let inode = self.inode(dentry)?;
        match &mut self.inodes[offset(inode.0)].kind {
            InodeKind::Directory { first, .. } => Some(first),
            _ => None,
        }
    }

    fn find(&self, hash: u32, directory: Dentry, name: &[u8]) -> Option<Dentry> {
        let is_it = |slot: &Slot| {
            slot.hash == hash && {
                let record = self.at(slot.dentry);
                record.parent == directory && self.strings.get(record.name) == name
            }
        };
        self.index.find(spread(hash), is_it).map(|slot| slot.dentry)
    }

    fn hash(&self, directory: Dentry, name: &[u8]) -> u32 {
        self.hasher.hash_one((directory, name)) as u32
    }

    fn at(&self, dentry: Dentry) -> &DentryRecord {
        &self.dentries[offset(dentry.0)]
    }

    fn at_mut(&mut self, dentry: Dentry) -> &mut DentryRecord {
        &mut self.dentries[offset(dentry.0)]
    }
}

/// The table looks at the lowest and at the highest bits of a hash.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

fn dentry(number: u32) -> Option<Dentry> {
    NonZeroU32::MIN.checked_add(number).map(Dentry)
}

fn offset(number: NonZeroU32) -> usize {
    number.get() as usize - 1
}
