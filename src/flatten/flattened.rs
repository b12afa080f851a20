//! The flattened tree, in the order in which it is written (R-24; the order is described in the module above).

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::tree::{Dentry, FileTree, Inode, InodeKind};
use super::{EntryKey, Options};
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Result};
use crate::limits::MAX_PATH;
use crate::path::quote;
use crate::rule::Rule;

/// Warns of `long` paths of the image called `at` that are left out of an answer, if there are any (H-24).
///
/// # Errors
/// As [`Diagnostics::warn`].
pub(crate) fn warn_of_long_paths(long: usize, at: &str, diagnostics: &Diagnostics) -> Result<()> {
    let are = match long {
        0 => return Ok(()),
        1 => format!("1 path of more than {MAX_PATH} bytes is"),
        _ => format!("{long} paths of more than {MAX_PATH} bytes are"),
    };
    diagnostics.warn(Rule::H24, at, format!("{are} left out: no system takes such a path"))
}

/// The bytes of one header of a tar. Flattening knows of no archive, so it has the number of its own.
const HEADER: u64 = 512;

/// Refuses directories that only paths imply and whose headers take `implied` bytes, unless the headers of the entries that
/// are there take `described` bytes, which is enough for so many (H-24).
///
/// # Errors
/// [`Error::Invalid`] about the image called `at`.
pub(crate) fn check_implied(implied: u64, described: u64, at: &str) -> Result<()> {
    /// Bytes of headers of implied directories that are always allowed, and how many for one of the entries.
    const ALLOWED: (u64, u64) = (16 << 20, 64);
    if implied > ALLOWED.0 + ALLOWED.1 * described {
        let problem = format!("directories that only the paths of others imply would take {implied} bytes of headers");
        return Err(Error::invalid(Rule::H24, at, problem));
    }
    Ok(())
}

/// The bytes of the header of an entry at a path of `length` bytes.
///
/// # Errors
/// [`Error::Invalid`] about the image called `at` where no system takes such a path (H-24).
pub(crate) fn header_size(name: &[u8], length: u64, at: &str) -> Result<u64> {
    if length > MAX_PATH as u64 {
        let name = quote(name);
        let problem = format!("the path of `{name}` has {length} bytes, and no system takes more than {MAX_PATH}");
        return Err(Error::invalid(Rule::H24, at, problem));
    }
    Ok(HEADER + length)
}

/// The files that eStargz adds to a layer's root: its table of contents and its landmarks (O-18).
const ESTARGZ: [&[u8]; 3] = [b"stargz.index.json", b".prefetch.landmark", b".no.prefetch.landmark"];

/// The outcome: one tree, its paths in output order.
#[derive(Debug)]
pub struct Flattened {
    tree: FileTree,
    order: Vec<Dentry>,
    layers: u32,
    /// For inodes with several names, the number of names that are left once some paths have been left out.
    left: Option<HashMap<Inode, u32>>,
}

/// One path of the outcome. Paths are relative and clean, without a directory's trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlattenedEntry {
    /// The root, if some layer has an entry for it.
    Root {
        /// The entry that describes it.
        key: EntryKey,
    },
    /// A path whose header, records and body are those of one entry; only the name may differ.
    Entry {
        /// The path.
        path: Vec<u8>,
        /// The entry.
        key: EntryKey,
        /// The number of paths that share this inode: those beyond the first follow as [`FlattenedEntry::HardLink`].
        names: u32,
    },
    /// A directory that no entry describes: 0755, 0:0, mtime 0.
    ImplicitDirectory {
        /// The path.
        path: Vec<u8>,
    },
    /// A further name of an inode that an earlier [`FlattenedEntry::Entry`] carries.
    HardLink {
        /// The path.
        path: Vec<u8>,
        /// The path of the [`FlattenedEntry::Entry`] that carries the data, as it was given there.
        target: Vec<u8>,
        /// The entry whose metadata they share.
        key: EntryKey,
    },
}

impl FlattenedEntry {
    /// The path; empty for the root.
    pub fn path(&self) -> &[u8] {
        match self {
            Self::Root { .. } => b"",
            Self::Entry { path, .. } | Self::ImplicitDirectory { path } | Self::HardLink { path, .. } => path,
        }
    }
}

impl Flattened {
    pub(super) fn new(mut tree: FileTree, options: Options, layers: u32) -> Self {
        if options.strip_estargz {
            strip_estargz(&mut tree);
        }
        let compare = if options.sort { by_written_name } else { by_name };
        let order = walk(&tree, compare);
        Self { tree, order, layers, left: None }
    }

    pub(super) fn tree(&self) -> &FileTree {
        &self.tree
    }

    /// The dentries of the outcome in output order.
    pub(super) fn dentries(&self) -> &[Dentry] {
        &self.order
    }

    /// Returns the entries in output order.
    pub fn entries(&self) -> FlattenedEntries<'_> {
        let paths = PathBuilder::new(&self.tree);
        FlattenedEntries { flattened: self, order: self.order.iter(), paths, carriers: HashMap::new() }
    }

    /// The first path in output order whose last component is `name`. [`Flattened::entries`] would spell out every path in between,
    /// which takes long where directories are deep.
    pub fn first_called(&self, name: &[u8]) -> Option<Vec<u8>> {
        let found = self.order.iter().find(|&&dentry| self.tree.name(dentry) == name);
        found.map(|&dentry| self.tree.path(dentry))
    }

    /// Leaves out all paths but those for which `keep` is true, and the directories above them; the root is one only if it
    /// is kept itself.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&[u8]) -> bool) {
        let (tree, mut paths) = (&self.tree, PathBuilder::new(&self.tree));
        let mut is_kept: Vec<bool> = self.order.iter().map(|&dentry| keep(paths.walk_to(dentry))).collect();
        let places: HashMap<Dentry, usize> =
            self.order.iter().enumerate().map(|(place, &dentry)| (dentry, place)).collect();
        for place in (0..is_kept.len()).rev().filter(|&place| self.order[place] != tree.root()) {
            let parent = tree.parent(self.order[place]);
            if let Some(&above) = places.get(&parent).filter(|_| is_kept[place] && parent != tree.root()) {
                is_kept[above] = true;
            }
        }
        let mut kept = is_kept.into_iter();
        self.order.retain(|_| kept.next().is_some_and(|is_kept| is_kept));
        let mut left = HashMap::new();
        for inode in self.order.iter().filter_map(|&dentry| self.tree.inode(dentry)) {
            if self.tree.names(inode) > 1 {
                *left.entry(inode).or_insert(0) += 1;
            }
        }
        self.left = Some(left);
    }

    /// Refuses trees that no system can unpack, or only at a cost that the entries do not show: paths that are too
    /// long, and too many directories that only the paths of others imply (H-24).
    ///
    /// # Errors
    /// [`Error::Invalid`] about the image called `at`.
    pub(crate) fn check_paths(&self, at: &str) -> Result<()> {
        let lengths = self.path_lengths();
        let (mut implied, mut described) = (0, 0);
        for (&dentry, length) in self.order.iter().zip(&lengths) {
            let is_implied = matches!(self.tree.kind_at(dentry), Some(InodeKind::Directory { implicit: true, .. }));
            let size = header_size(self.tree.name(dentry), *length, at)?;
            *(if is_implied { &mut implied } else { &mut described }) += size;
        }
        check_implied(implied, described, at)
    }

    /// Leaves out the paths that are too long for any system, with a warning about the image called `at` (H-24): they may
    /// be many times longer than the entries that they are made of.
    ///
    /// # Errors
    /// As [`Diagnostics::warn`].
    pub(crate) fn without_long_paths(mut self, at: &str, diagnostics: &Diagnostics) -> Result<Self> {
        let before = self.order.len();
        let mut lengths = self.path_lengths().into_iter();
        self.order.retain(|_| lengths.next().is_some_and(|length| length <= MAX_PATH as u64));
        warn_of_long_paths(before - self.order.len(), at, diagnostics)?;
        Ok(self)
    }

    /// The bytes of each path in output order, in which directories stand before what is in them.
    fn path_lengths(&self) -> Vec<u64> {
        let mut of_directories: HashMap<Dentry, u64> = HashMap::new();
        let mut length = |&dentry: &Dentry| {
            let above = of_directories.get(&self.tree.parent(dentry)).map_or(0, |above| above + 1);
            let length = above + self.tree.name(dentry).len() as u64;
            if self.tree.is_directory(dentry) && dentry != self.tree.root() {
                of_directories.insert(dentry, length);
            }
            length
        };
        self.order.iter().map(&mut length).collect()
    }

    /// Returns the number of paths that share `inode`.
    fn names_left(&self, inode: Inode) -> u32 {
        let left = self.left.as_ref().and_then(|left| left.get(&inode));
        left.copied().unwrap_or_else(|| self.tree.names(inode))
    }

    /// Returns the number of paths.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns whether there are no paths.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// For each layer, base first: the number of times that a reader which only moves forward must begin again to meet
    /// the entries of [`FlattenedEntry::Root`] and [`FlattenedEntry::Entry`] in output order.
    pub fn rewinds(&self) -> Vec<u64> {
        let mut layers = vec![(0, 0); self.layers as usize];
        let mut met = HashSet::new();
        for &dentry in &self.order {
            let Some(inode) = self.tree.inode(dentry) else { continue };
            let Some(key) = self.tree.entry(inode) else { continue };
            if self.names_left(inode) > 1 && !met.insert(inode) {
                continue;
            }
            let (rewinds, last) = &mut layers[key.layer as usize];
            *rewinds += u64::from(key.position < *last);
            *last = key.position;
        }
        layers.into_iter().map(|(rewinds, _)| rewinds).collect()
    }
}

/// The entries of a [`Flattened`], in output order.
#[derive(Debug)]
pub struct FlattenedEntries<'a> {
    flattened: &'a Flattened,
    order: std::slice::Iter<'a, Dentry>,
    paths: PathBuilder<'a>,
    /// The dentries at which inodes with several names have been written.
    carriers: HashMap<Inode, Dentry>,
}

impl Iterator for FlattenedEntries<'_> {
    type Item = FlattenedEntry;

    fn next(&mut self) -> Option<FlattenedEntry> {
        let &dentry = self.order.next()?;
        let tree = &self.flattened.tree;
        let inode = tree.inode(dentry)?;
        let path = self.paths.walk_to(dentry).to_vec();
        let Some(key) = tree.entry(inode) else { return Some(FlattenedEntry::ImplicitDirectory { path }) };
        if dentry == tree.root() {
            return Some(FlattenedEntry::Root { key });
        }
        let names = self.flattened.names_left(inode);
        if names == 1 {
            return Some(FlattenedEntry::Entry { path, key, names });
        }
        Some(match *self.carriers.entry(inode).or_insert(dentry) {
            carrier if carrier == dentry => FlattenedEntry::Entry { path, key, names },
            carrier => FlattenedEntry::HardLink { path, target: tree.path(carrier), key },
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.order.size_hint()
    }
}

impl ExactSizeIterator for FlattenedEntries<'_> {}

/// The path of one dentry after the other, each built from the one before it.
#[derive(Debug)]
pub(super) struct PathBuilder<'a> {
    tree: &'a FileTree,
    /// The path given last, of which the next one shares the directories above both.
    path: Vec<u8>,
    /// The dentry of that path.
    at: Dentry,
}

impl<'a> PathBuilder<'a> {
    /// At the root.
    pub(super) fn new(tree: &'a FileTree) -> Self {
        Self { tree, path: Vec::new(), at: tree.root() }
    }

    /// The path of `dentry`, which is next in output order: up from the last one as far as needed, then down.
    pub(super) fn walk_to(&mut self, dentry: Dentry) -> &[u8] {
        let (tree, parent) = (self.tree, self.tree.parent(dentry));
        while self.at != parent {
            let above = self.path.len() - tree.name(self.at).len();
            self.path.truncate(above.saturating_sub(1));
            self.at = tree.parent(self.at);
        }
        if dentry != parent {
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(tree.name(dentry));
            self.at = dentry;
        }
        &self.path
    }
}

fn strip_estargz(tree: &mut FileTree) {
    for name in ESTARGZ {
        let dentry = tree.child(tree.root(), name);
        if let Some(dentry) = dentry.filter(|&dentry| tree.kind_at(dentry) == Some(InodeKind::Regular)) {
            tree.remove(dentry);
        }
    }
}

/// Every dentry that has an inode, each directory right before its children, siblings in the order of `compare`.
/// The root comes first if it is described.
fn walk(tree: &FileTree, compare: fn(&FileTree, Dentry, Dentry) -> Ordering) -> Vec<Dentry> {
    let (mut order, mut ahead) = (Vec::new(), vec![tree.root()]);
    let mut children = Vec::new();
    while let Some(dentry) = ahead.pop() {
        if dentry != tree.root() || tree.inode(dentry).is_some_and(|root| tree.entry(root).is_some()) {
            order.push(dentry);
        }
        children.extend(tree.children(dentry));
        children.sort_unstable_by(|&one, &other| compare(tree, other, one));
        ahead.append(&mut children);
    }
    order
}

/// As engines walk a directory when they make a layer of it.
fn by_name(tree: &FileTree, one: Dentry, other: Dentry) -> Ordering {
    tree.name(one).cmp(tree.name(other))
}

/// As `tar t` prints them: `a-b` before `a/`.
fn by_written_name(tree: &FileTree, one: Dentry, other: Dentry) -> Ordering {
    fn written(tree: &FileTree, dentry: Dentry) -> impl Iterator<Item = &u8> {
        let slash = if tree.is_directory(dentry) { &b"/"[..] } else { b"" };
        tree.name(dentry).iter().chain(slash)
    }
    written(tree, one).cmp(written(tree, other))
}
