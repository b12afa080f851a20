//! Layers into one tree: which entry of which layer is left, under which paths, in which order.
//!
//! The decision is pure: paths and kinds in, [`FlattenedEntry`] values out. Headers and bodies stay with the caller, who finds them again
//! by [`EntryKey`]. [`Overlay`] takes the layers base first, [`LayerBuilder`] the entries of one layer in archive order, and
//! [`Flattened`] gives the outcome:
//!
//! ```
//! # use imgtar::internals::flatten::{Change, ChangeKind, FlattenedEntry, Options, Overlay};
//! # use imgtar::{Budget, Diagnostics};
//! # fn main() -> imgtar::Result<()> {
//! # let (diagnostics, budget) = (Diagnostics::silent(), Budget::default());
//! let mut overlay = Overlay::new(Options::default());
//! let mut layer = overlay.layer("layer 0", &diagnostics, &budget);
//! layer.entry(Change { path: b"etc/old", kind: ChangeKind::Regular, position: 0 })?;
//! layer.entry(Change { path: b"etc/keep", kind: ChangeKind::Regular, position: 512 })?;
//! layer.finish()?;
//! let mut layer = overlay.layer("layer 1", &diagnostics, &budget);
//! layer.entry(Change { path: b"etc/.wh.old", kind: ChangeKind::Regular, position: 0 })?;
//! layer.finish()?;
//! let paths = overlay.finish().entries().map(|entry| entry.path().to_vec()).collect::<Vec<_>>();
//! assert_eq!(paths, [&b"etc"[..], b"etc/keep"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Order of what is left (docs/formats.md R-24)
//! The root first, if some layer has an entry for it. Then directory by directory: an entry, and if it is a directory all
//! that is beneath it before its next sibling; siblings in ascending order of the bytes of their names. Entries without a
//! body stand among the others. Of a hard-link set the first path in this order carries the data. With
//! [`Options::sort`] siblings are compared as they are written, directories with a trailing slash, which makes the whole
//! listing ascend byte by byte.
//!
//! Why not directories first and then the bodies layer by layer, which would read every layer in one pass: GNU tar sets a
//! directory's times and mode as soon as an entry outside of it follows, so what is created in it later spoils its mtime
//! (seen with 1.34; bsdtar and Python's tarfile wait until the end). R-26 therefore wants the contents of a directory
//! right behind it. This order is also the one in which Docker, containerd and BuildKit write layers, so the bodies
//! of their layers are still met in archive order: [`Flattened::rewinds`] counts for each layer how often they are not.
//!
//! A further name of a symbolic link, device or FIFO is a hard link like any other: GNU tar, bsdtar and Python's tarfile
//! give such an entry the right type and target.
//!
//! # Memory
//! 300,000 paths of 65 bytes took 84 bytes each as one layer, and 129 at most when a second layer wrote all of them again:
//! a path keeps its last component only, and entries wait for the whiteouts of their layer in a form that shares what
//! neighbours have in common. All of it is counted against the run's [`Budget`].
//!
//! Sources: docs/formats.md R-1 … R-12, R-18, R-22, R-24, R-26, O-18, H-5, H-23; OCI image-spec `layer.md`.

mod apply;
mod arena;
mod flattened;
mod layer;
mod layer_log;
mod links;
mod lookup;
#[cfg(test)]
pub(crate) mod naive;
mod nodes;
mod remarks;
mod resolve;
#[cfg(test)]
pub(crate) mod testing;
mod trace;
mod tree;
#[cfg(test)]
mod vectors;
mod whiteout;

pub(crate) use arena::{put_number, put_path, put_text, take_number, take_path, take_text};
pub use flattened::{Flattened, FlattenedEntry};
pub(crate) use flattened::{check_implied, header_size, warn_of_long_paths};
pub(crate) use layer::LayerBuilder;
pub(crate) use lookup::{Lookup, Standing};
pub(crate) use nodes::FlatNode;
pub(crate) use trace::Placement;
pub(crate) use whiteout::{BadWhiteout, Role, is_reserved};

use crate::diagnostics::Diagnostics;
use crate::limits::Budget;
use tree::FileTree;

/// One entry of a layer, as far as the decision needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The name as the archive has it, uncleaned.
    pub path: &'a [u8],
    /// The kind of the entry.
    pub kind: ChangeKind<'a>,
    /// The position of the entry, in the caller's own measure, ascending within the layer (an offset or a count).
    pub position: u64,
}

/// The kind of an entry. One of type NUL whose name ends in a slash is a directory (R-4), which the decoder decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind<'a> {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link to this target, verbatim.
    Symlink(&'a [u8]),
    /// A further name of the inode at this path.
    HardLink(&'a [u8]),
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

/// The layer and position of an entry: the key to its header and body. Ordered by layer, base first, then by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryKey {
    /// The layer, counted from 0 at the base in the order of calls to [`Overlay::layer`].
    pub layer: u32,
    /// [`Change::position`].
    pub position: u64,
}

/// An entry that a layer has left without a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hidden {
    /// The entry.
    pub key: EntryKey,
    /// The entry that replaced it or a directory above it; `None` where a whiteout or opaque marker removed it, or a
    /// directory replaced it that no entry describes.
    pub by: Option<EntryKey>,
}

/// The options of flattening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// True if a directory entry over a symbolic link to a directory leaves the link and describes its target (R-7).
    pub keep_dirlinks: bool,
    /// True if eStargz's table of contents and landmarks are left out (O-18).
    pub strip_estargz: bool,
    /// True if paths ascend as they are written, byte by byte (R-24).
    pub sort: bool,
}

/// The layers applied so far.
#[derive(Debug, Clone)]
pub struct Overlay {
    tree: FileTree,
    options: Options,
    layers: u32,
}

impl Overlay {
    /// An empty root.
    pub fn new(options: Options) -> Self {
        Self { tree: FileTree::new(), options, layers: 0 }
    }

    /// An empty root whose overlay records the entries that each layer hides, for [`Overlay::hidden`].
    pub fn watching(options: Options) -> Self {
        let mut overlay = Self::new(options);
        overlay.tree.watch();
        overlay
    }

    /// Returns the entries hidden since the last call, in no particular order; none unless the overlay is
    /// [`Overlay::watching`]. An inode with several names is hidden when it has lost the last of them.
    pub fn hidden(&mut self) -> Vec<Hidden> {
        self.tree.take_unlinked().into_iter().map(|(key, by)| Hidden { key, by }).collect()
    }

    /// Begins the next layer, base first; `at` names it in errors and warnings.
    pub fn layer<'a>(&'a mut self, at: &'a str, diagnostics: &'a Diagnostics, budget: &'a Budget) -> LayerBuilder<'a> {
        let layer = self.layers;
        self.layers += 1;
        LayerBuilder::new(&mut self.tree, self.options, layer, at, diagnostics, budget)
    }

    /// Bytes of memory that it takes, about.
    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Returns the tree that is left when all layers are applied.
    pub fn finish(self) -> Flattened {
        Flattened::new(self.tree, self.options, self.layers)
    }
}
