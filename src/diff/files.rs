//! Two trees, path by path.
//!
//! Both list their paths in one order, so that they are compared as they go by. A further name of a file is compared as
//! the file that it is; how many names share one is not.

use std::cmp::Ordering;

use serde::Serialize;

use super::{DiffIgnore, DiffOptions};
use crate::archive::EntryKind;
use crate::digest::Digest;
use crate::error::Result;
use crate::files::FileEntry;
use crate::flatten::{EntryKey, FlatNode, Flattened, Options, Overlay};
use crate::image::{Image, Layer};
use crate::layer_index::{FileContent, LayerEntry, LayerIndexes};
use crate::path::in_tree_order;
use crate::run::Run;

/// The files of two images.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct FilesDiff {
    /// The paths that only the second has.
    pub added: Vec<FileState>,
    /// The paths that only the first has.
    pub removed: Vec<FileState>,
    /// The paths that differ between the two.
    pub changed: Vec<FileChange>,
}

/// The file at one path of a tree, of whatever type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FileState {
    /// Path and metadata.
    #[serde(flatten)]
    pub file: FileEntry,
    /// SHA-256 of a file's content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
}

/// A path that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FileChange {
    /// The fields that differ.
    pub fields: Vec<FileField>,
    /// The file of the first image.
    pub a: FileState,
    /// The file of the second image.
    pub b: FileState,
}

/// A field in which two files at the same path can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileField {
    /// File, directory, link and so on; no other field is compared then.
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

impl FileField {
    /// Returns what has to be ignored for this not to count.
    fn ignored_with(self) -> Option<DiffIgnore> {
        match self {
            Self::Mode => Some(DiffIgnore::Mode),
            Self::Owner => Some(DiffIgnore::Owner),
            Self::Mtime => Some(DiffIgnore::Mtime),
            Self::Xattrs | Self::Pax => Some(DiffIgnore::Xattrs),
            Self::Type | Self::Size | Self::Target | Self::Device | Self::Content => None,
        }
    }
}

impl FilesDiff {
    /// Returns true if both trees are the same.
    pub fn is_same(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Compares the trees of two images; layers that both have are read once.
pub(super) fn compare(a: &Image, b: &Image, options: &DiffOptions, run: &Run) -> Result<FilesDiff> {
    let layers: Vec<&Layer> = a.layers.iter().chain(b.layers.iter()).collect();
    let indexes = LayerIndexes::read(&layers, FileContent::Hashed, run)?;
    let (a, b) = (DiffTree::of(a, 0, &indexes, run)?, DiffTree::of(b, a.layers.len(), &indexes, run)?);
    let (mut of_a, mut of_b) = (a.flattened.nodes().peekable(), b.flattened.nodes().peekable());
    let mut diff = FilesDiff::default();
    loop {
        let order = match (of_a.peek(), of_b.peek()) {
            (Some(one), Some(two)) => in_tree_order(&one.path, &two.path),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match (of_a.next_if(|_| order.is_le()), of_b.next_if(|_| order.is_ge())) {
            (Some(one), Some(two)) => diff.changed.extend(changed((&a, one), (&b, two), options, run)?),
            (Some(one), None) => diff.removed.push(a.state(one, run)?),
            (None, Some(two)) => diff.added.push(b.state(two, run)?),
            (None, None) => return Ok(diff),
        }
    }
}

/// Compares what stands at one path of both trees.
fn changed(
    (a, one): (&DiffTree<'_>, FlatNode),
    (b, two): (&DiffTree<'_>, FlatNode),
    options: &DiffOptions,
    run: &Run,
) -> Result<Option<FileChange>> {
    if a.source(&one) == b.source(&two) {
        return Ok(None);
    }
    let mut fields = fields(&a.entry(&one), &b.entry(&two));
    fields.retain(|field| !field.ignored_with().is_some_and(|what| options.ignores(what)));
    if fields.is_empty() {
        return Ok(None);
    }
    Ok(Some(FileChange { fields, a: a.state(one, run)?, b: b.state(two, run)? }))
}

/// The tree of one of the images.
struct DiffTree<'a> {
    indexes: &'a LayerIndexes,
    /// The number of the image's lowest layer in `indexes`.
    base: usize,
    flattened: Flattened,
}

impl<'a> DiffTree<'a> {
    fn of(image: &Image, base: usize, indexes: &'a LayerIndexes, run: &Run) -> Result<Self> {
        let mut overlay = Overlay::new(Options::default());
        for (number, layer) in image.layers.iter().enumerate() {
            indexes.apply(base + number, layer, &mut overlay, run)?;
        }
        let flattened = overlay.finish().without_long_paths(&image.at, &run.diagnostics)?;
        Ok(Self { indexes, base, flattened })
    }

    /// The layer and the position of the entry that describes `node`: nothing can differ where both images have one.
    fn source(&self, node: &FlatNode) -> Option<(usize, u64)> {
        node.entry.map(|key| (self.indexes.place(self.number(key)), key.position))
    }

    fn entry(&self, node: &FlatNode) -> LayerEntry<'a> {
        let implicit = LayerEntry::IMPLICIT_DIRECTORY;
        node.entry.map_or(implicit, |key| self.indexes.entry(self.number(key), key.position))
    }

    fn number(&self, key: EntryKey) -> usize {
        self.base + key.layer as usize
    }

    /// Describes `node`, counted against the budget: one entry in a deep directory implies all above it, and a further name
    /// has all records of the first, so a list may be many times longer than what it is made from (docs/formats.md H-15).
    fn state(&self, node: FlatNode, run: &Run) -> Result<FileState> {
        let entry = self.entry(&node);
        let content = entry.content.map(Digest::from_sha256_bytes);
        let state = FileState { file: FileEntry::new(node.path, &entry, node.entry.map(|key| key.layer)), content };
        let size = size_of::<Option<Digest>>() as u64 + state.file.memory_size();
        run.budget.charge_memory(size, "the files that differ")?;
        Ok(state)
    }
}

fn fields(one: &LayerEntry<'_>, two: &LayerEntry<'_>) -> Vec<FileField> {
    if one.kind != two.kind {
        return vec![FileField::Type];
    }
    let is_symlink = one.kind == EntryKind::Symlink;
    let differ = [
        // A symbolic link has none of its own: every writer puts another number there.
        (FileField::Mode, one.mode != two.mode && !is_symlink),
        (FileField::Owner, (one.uid, one.gid) != (two.uid, two.gid)),
        (FileField::Size, one.size != two.size),
        (FileField::Mtime, one.mtime != two.mtime),
        (FileField::Target, is_symlink && one.link != two.link),
        (FileField::Device, one.device != two.device),
        (FileField::Xattrs, one.records.xattrs().ne(two.records.xattrs())),
        (FileField::Pax, one.records.others().ne(two.records.others())),
        (FileField::Content, one.content != two.content),
    ];
    differ.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect()
}
