//! Two trees, path by path.
//!
//! Both list their paths in one order, so that they are compared as they go by. A further name of a file is compared as
//! the file that it is; how many names share one is not.

use std::cmp::Ordering;

use serde::Serialize;

use crate::archive::EntryKind;
use crate::digest::Digest;
use crate::error::Result;
use crate::files::Item;
use crate::flatten::{EntryKey, Flattened, FlattenedEntries, FlattenedEntry, Options, Overlay};
use crate::image::{Image, Layer};
use crate::layer_index::{FileContent, LayerEntry, LayerIndexes};
use crate::run::Run;

/// The files of two images.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct FilesDiff {
    /// What only the second has.
    pub added: Vec<Listed>,
    /// What only the first has.
    pub removed: Vec<Listed>,
    /// What both have, but not the same.
    pub changed: Vec<Changed>,
}

/// One path of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Listed {
    /// What stands there.
    #[serde(flatten)]
    pub item: Item,
    /// SHA-256 of a file's content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
}

/// One path that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Changed {
    /// In which ways.
    pub fields: Vec<Field>,
    /// What the first has.
    pub a: Listed,
    /// What the second has.
    pub b: Listed,
}

/// A way in which what stands at a path can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    /// File, directory, link and so on; all else is then of no account.
    Type,
    /// Permissions, setuid, setgid and sticky.
    Mode,
    /// Owner or group.
    Owner,
    /// Bytes of content.
    Size,
    /// Time of the last modification.
    Mtime,
    /// Where a symbolic link leads.
    Target,
    /// Numbers of a device.
    Device,
    /// Extended attributes.
    Xattrs,
    /// Other PAX records: ACLs, file flags.
    Pax,
    /// Bytes of a file.
    Content,
}

/// Compares the trees of two images; layers that both have are read once.
pub(super) fn compare(a: &Image, b: &Image, run: &Run) -> Result<FilesDiff> {
    let layers: Vec<&Layer> = a.layers.iter().chain(b.layers.iter()).collect();
    let indexes = LayerIndexes::read(&layers, FileContent::Hashed, run)?;
    let (a, b) = (Tree::of(a, 0, &indexes, run)?, Tree::of(b, a.layers.len(), &indexes, run)?);
    let mut diff = FilesDiff::default();
    for pair in (Pairs { a: a.paths(), b: b.paths() }) {
        match pair {
            Pair::A(node) => diff.removed.push(node.listed().counted(run)?),
            Pair::B(node) => diff.added.push(node.listed().counted(run)?),
            Pair::Both(one, two) if one.is_the_same_entry(&two) => {}
            Pair::Both(one, two) => {
                let fields = fields(&one.entry(), &two.entry());
                if !fields.is_empty() {
                    diff.changed.push(Changed { fields, a: one.listed().counted(run)?, b: two.listed().counted(run)? });
                }
            }
        }
    }
    Ok(diff)
}

impl Listed {
    /// Counts what it takes: one entry in a deep directory implies all above it, and a further name has all records of the
    /// first, so the list may be many times longer than what it is made from (docs/formats.md H-15).
    fn counted(self, run: &Run) -> Result<Self> {
        let Item { path, target, xattrs, pax, .. } = &self.item;
        let records: usize = xattrs.iter().chain(pax).map(|(key, value)| key.len() + value.len()).sum();
        run.budget
            .charge_memory((size_of::<Self>() + path.len() + target.len() + records) as u64, "the files that differ")?;
        Ok(self)
    }
}

/// One image's tree.
struct Tree<'a> {
    indexes: &'a LayerIndexes,
    /// The number of the image's lowest layer in `indexes`.
    base: usize,
    flattened: Flattened,
}

impl<'a> Tree<'a> {
    fn of(image: &Image, base: usize, indexes: &'a LayerIndexes, run: &Run) -> Result<Self> {
        let mut overlay = Overlay::new(Options::default());
        for (number, layer) in image.layers.iter().enumerate() {
            indexes.apply(base + number, layer, &mut overlay, run)?;
        }
        Ok(Self { indexes, base, flattened: overlay.finish() })
    }

    fn paths(&self) -> Paths<'_> {
        Paths { tree: self, entries: self.flattened.entries(), next: None }
    }
}

/// What stands at a path, and the entry that describes it.
struct Node<'a> {
    tree: &'a Tree<'a>,
    path: Vec<u8>,
    key: Option<EntryKey>,
}

impl<'a> Node<'a> {
    fn of(tree: &'a Tree<'a>, entry: FlattenedEntry) -> Self {
        match entry {
            FlattenedEntry::Root { key } => Self { tree, path: Vec::new(), key: Some(key) },
            FlattenedEntry::Entry { path, key, .. } | FlattenedEntry::HardLink { path, key, .. } => {
                Self { tree, path, key: Some(key) }
            }
            FlattenedEntry::ImplicitDirectory { path } => Self { tree, path, key: None },
        }
    }

    fn layer(&self, key: EntryKey) -> usize {
        self.tree.base + key.layer as usize
    }

    /// Whether both are described by one entry of one layer: then there is nothing to compare.
    fn is_the_same_entry(&self, other: &Self) -> bool {
        match (self.key, other.key) {
            (Some(one), Some(two)) => {
                one.position == two.position && self.tree.indexes.is_same(self.layer(one), other.layer(two))
            }
            (None, None) => true,
            _ => false,
        }
    }

    fn entry(&self) -> LayerEntry<'a> {
        self.key.map_or(LayerEntry::IMPLICIT_DIRECTORY, |key| self.tree.indexes.entry(self.layer(key), key.position))
    }

    fn listed(self) -> Listed {
        let entry = self.entry();
        let item = Item::new(self.path, &entry, self.key.map(|key| key.layer));
        Listed { item, content: entry.content.map(Digest::from_sha256_bytes) }
    }
}

/// A tree's paths in order.
struct Paths<'a> {
    tree: &'a Tree<'a>,
    entries: FlattenedEntries<'a>,
    next: Option<Node<'a>>,
}

impl<'a> Paths<'a> {
    fn peek(&mut self) -> Option<&Node<'a>> {
        if self.next.is_none() {
            self.next = self.entries.next().map(|entry| Node::of(self.tree, entry));
        }
        self.next.as_ref()
    }
}

/// Two lists of paths, side by side.
struct Pairs<'a> {
    a: Paths<'a>,
    b: Paths<'a>,
}

/// One path, and who has it.
enum Pair<'a> {
    A(Node<'a>),
    B(Node<'a>),
    Both(Node<'a>, Node<'a>),
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        let order = match (self.a.peek(), self.b.peek()) {
            (Some(a), Some(b)) => in_walking_order(&a.path, &b.path),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => self.a.next.take().map(Pair::A),
            Ordering::Greater => self.b.next.take().map(Pair::B),
            Ordering::Equal => Some(Pair::Both(self.a.next.take()?, self.b.next.take()?)),
        }
    }
}

/// The order of a flattened tree: directory by directory, names in ascending order, whatever they are names of.
fn in_walking_order(one: &[u8], other: &[u8]) -> Ordering {
    let shared = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    // What ends a name is less than what goes on with it.
    let rank = |path: &[u8]| path.get(shared).map(|&byte| (byte != b'/', byte));
    rank(one).cmp(&rank(other))
}

fn fields(one: &LayerEntry<'_>, two: &LayerEntry<'_>) -> Vec<Field> {
    if one.kind != two.kind {
        return vec![Field::Type];
    }
    let is_symlink = one.kind == EntryKind::Symlink;
    let differ = [
        // A symbolic link has none of its own: every writer puts another number there.
        (Field::Mode, one.mode != two.mode && !is_symlink),
        (Field::Owner, (one.uid, one.gid) != (two.uid, two.gid)),
        (Field::Size, one.size != two.size),
        (Field::Mtime, one.mtime != two.mtime),
        (Field::Target, is_symlink && one.link != two.link),
        (Field::Device, one.device != two.device),
        (Field::Xattrs, one.records.xattrs().ne(two.records.xattrs())),
        (Field::Pax, one.records.others().ne(two.records.others())),
        (Field::Content, one.content != two.content),
    ];
    differ.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_walked_directory_by_directory() {
        let mut paths: Vec<&[u8]> = vec![b"a-b", b"a/x", b"a", b"b", b"", b"a/x/y", b"a/x-y"];
        paths.sort_by(|one, other| in_walking_order(one, other));
        assert_eq!(paths, [&b""[..], b"a", b"a/x", b"a/x/y", b"a/x-y", b"a-b", b"b"]);
    }
}
