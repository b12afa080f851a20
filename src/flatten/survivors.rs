//! What is left, in the order in which it is written (R-24; the order is described in the module above).

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::tree::{Content, Inode, Place, Tree};
use super::{EntryId, Options};

/// What eStargz adds to a layer's root: its table of contents and its landmarks (O-18).
const ESTARGZ: [&[u8]; 3] = [b"stargz.index.json", b".prefetch.landmark", b".no.prefetch.landmark"];

/// The outcome: one tree, its paths in output order.
#[derive(Debug)]
pub struct Flattened {
    tree: Tree,
    order: Vec<Place>,
    layers: u32,
}

/// One path of the outcome. Paths are relative and clean, without a directory's trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Survivor {
    /// The root, which some layer has an entry for.
    Root {
        /// The entry that describes it.
        id: EntryId,
    },
    /// A path that takes all it is from one entry: header, records and body, only the name may differ.
    Entry {
        /// The path.
        path: Vec<u8>,
        /// The entry.
        id: EntryId,
        /// How many paths share this inode: those beyond the first follow as [`Survivor::HardLink`].
        names: u32,
    },
    /// A directory that no entry describes: 0755, 0:0, mtime 0.
    ImplicitDirectory {
        /// The path.
        path: Vec<u8>,
    },
    /// A further name of something that an earlier survivor carries.
    HardLink {
        /// The path.
        path: Vec<u8>,
        /// The path of the [`Survivor::Entry`] that carries the data, as it was given there.
        target: Vec<u8>,
        /// The entry whose metadata they share.
        id: EntryId,
    },
}

impl Survivor {
    /// The path; empty for the root.
    pub fn path(&self) -> &[u8] {
        match self {
            Self::Root { .. } => b"",
            Self::Entry { path, .. } | Self::ImplicitDirectory { path } | Self::HardLink { path, .. } => path,
        }
    }
}

impl Flattened {
    pub(super) fn new(mut tree: Tree, options: Options, layers: u32) -> Self {
        if options.strip_estargz {
            strip_estargz(&mut tree);
        }
        let compare = if options.sort { by_written_name } else { by_name };
        let order = walk(&tree, compare);
        Self { tree, order, layers }
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The places of the outcome in output order.
    pub(super) fn places(&self) -> &[Place] {
        &self.order
    }

    /// The survivors in output order.
    pub fn survivors(&self) -> Survivors<'_> {
        let paths = PathBuilder::new(&self.tree);
        Survivors { tree: &self.tree, order: self.order.iter(), paths, carriers: HashMap::new() }
    }

    /// The first path in output order whose last component is `name`. Survivors would spell out every path in between,
    /// which takes long where directories are deep.
    pub fn first_called(&self, name: &[u8]) -> Option<Vec<u8>> {
        let found = self.order.iter().find(|&&place| self.tree.name(place) == name);
        found.map(|&place| self.tree.path(place))
    }

    /// How many survivors there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether nothing survives.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// For each layer, base first: how often one who reads it forward only has to begin anew to meet the entries of
    /// [`Survivor::Root`] and [`Survivor::Entry`] in output order.
    pub fn rewinds(&self) -> Vec<u64> {
        let mut layers = vec![(0, 0); self.layers as usize];
        let mut met = HashSet::new();
        for &place in &self.order {
            let Some(inode) = self.tree.inode(place) else { continue };
            let Some(id) = self.tree.entry(inode) else { continue };
            if self.tree.names(inode) > 1 && !met.insert(inode) {
                continue;
            }
            let (rewinds, last) = &mut layers[id.layer as usize];
            *rewinds += u64::from(id.position < *last);
            *last = id.position;
        }
        layers.into_iter().map(|(rewinds, _)| rewinds).collect()
    }
}

/// The survivors of a [`Flattened`] in output order.
#[derive(Debug)]
pub struct Survivors<'a> {
    tree: &'a Tree,
    order: std::slice::Iter<'a, Place>,
    paths: PathBuilder<'a>,
    /// Where inodes with several names have been written.
    carriers: HashMap<Inode, Place>,
}

impl Iterator for Survivors<'_> {
    type Item = Survivor;

    fn next(&mut self) -> Option<Survivor> {
        let &place = self.order.next()?;
        let inode = self.tree.inode(place)?;
        let path = self.paths.walk_to(place).to_vec();
        let Some(id) = self.tree.entry(inode) else { return Some(Survivor::ImplicitDirectory { path }) };
        if place == self.tree.root() {
            return Some(Survivor::Root { id });
        }
        let names = self.tree.names(inode);
        if names == 1 {
            return Some(Survivor::Entry { path, id, names });
        }
        Some(match *self.carriers.entry(inode).or_insert(place) {
            carrier if carrier == place => Survivor::Entry { path, id, names },
            carrier => Survivor::HardLink { path, target: self.tree.path(carrier), id },
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.order.size_hint()
    }
}

impl ExactSizeIterator for Survivors<'_> {}

/// The path of one place after the other, each built from the one before it.
#[derive(Debug)]
pub(super) struct PathBuilder<'a> {
    tree: &'a Tree,
    /// The path given last, of which the next one shares what is above both.
    path: Vec<u8>,
    /// Where that leads.
    at: Place,
}

impl<'a> PathBuilder<'a> {
    /// At the root.
    pub(super) fn new(tree: &'a Tree) -> Self {
        Self { tree, path: Vec::new(), at: tree.root() }
    }

    /// The path of `place`, which is next in output order: up from the last one as far as needed, then one step down.
    pub(super) fn walk_to(&mut self, place: Place) -> &[u8] {
        let (tree, parent) = (self.tree, self.tree.parent(place));
        while self.at != parent {
            let above = self.path.len() - tree.name(self.at).len();
            self.path.truncate(above.saturating_sub(1));
            self.at = tree.parent(self.at);
        }
        if place != parent {
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(tree.name(place));
            self.at = place;
        }
        &self.path
    }
}

fn strip_estargz(tree: &mut Tree) {
    for name in ESTARGZ {
        let place = tree.child(tree.root(), name);
        if let Some(place) = place.filter(|&place| tree.content(place) == Some(Content::Regular)) {
            tree.remove(place);
        }
    }
}

/// Every place on which something stands, each directory right before what is in it, siblings in the order of `compare`.
/// The root comes first if it is described.
fn walk(tree: &Tree, compare: fn(&Tree, Place, Place) -> Ordering) -> Vec<Place> {
    let (mut order, mut ahead) = (Vec::new(), vec![tree.root()]);
    let mut children = Vec::new();
    while let Some(place) = ahead.pop() {
        if place != tree.root() || tree.inode(place).is_some_and(|root| tree.entry(root).is_some()) {
            order.push(place);
        }
        children.extend(tree.children(place));
        children.sort_unstable_by(|&one, &other| compare(tree, other, one));
        ahead.append(&mut children);
    }
    order
}

/// As engines walk a directory when they make a layer of it.
fn by_name(tree: &Tree, one: Place, other: Place) -> Ordering {
    tree.name(one).cmp(tree.name(other))
}

/// As `tar t` prints them: `a-b` before `a/`.
fn by_written_name(tree: &Tree, one: Place, other: Place) -> Ordering {
    fn written(tree: &Tree, place: Place) -> impl Iterator<Item = &u8> {
        let slash = if tree.is_directory(place) { &b"/"[..] } else { b"" };
        tree.name(place).iter().chain(slash)
    }
    written(tree, one).cmp(written(tree, other))
}
