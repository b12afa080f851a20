//! The files of an old image, merged as the root filesystem that a container of it would see (docs/delta.md P-6), and those of them
//! that a recipe may name (P-11).

use super::ops::MAX_PATH;
use super::plain::{LayerTar, OpenLayer, Scope};
use crate::diagnostics::Diagnostics;
use crate::error::Result;
use crate::flatten::{Change, Flattened, FlattenedEntry, Lookup, Options, Overlay, Standing};
use crate::image::Layer;
use crate::run::Run;
use crate::stream::source::Extent;
use crate::stream::spool::SpoolFiles;

/// The store of an OSTree system, below which other tools that apply a delta do not look.
const OSTREE: &str = "sysroot/ostree/";

/// The files of an old image, by path.
pub(crate) struct Sources {
    tree: Flattened,
    layers: Vec<LayerTar>,
}

/// A file of the merged tree that a recipe may name.
pub(super) struct SourceFile {
    pub(super) path: String,
    pub(super) content: Extent,
}

impl Sources {
    /// Reads `layers`, base first, each decoded once. What has to be decoded goes to `spools`.
    ///
    /// # Errors
    /// A layer that is damaged, encrypted or not there, and a spool that is full.
    pub(crate) fn open(layers: &[Layer], scope: Scope, spools: &SpoolFiles, run: &Run) -> Result<Self> {
        Self::merge(layers, OpenLayer::read_all(layers, scope, spools, run)?, run)
    }

    /// Merges `layers`, base first, as they were `read`.
    ///
    /// # Errors
    /// A layer that cannot be merged with those below it.
    pub(crate) fn merge(layers: &[Layer], read: impl IntoIterator<Item = OpenLayer>, run: &Run) -> Result<Self> {
        let diagnostics = Diagnostics::silent();
        let mut overlay = Overlay::new(Options::default());
        let mut tars = Vec::with_capacity(layers.len());
        for (layer, OpenLayer { plain, index }) in layers.iter().zip(read) {
            let mut builder = overlay.layer(&layer.at, &diagnostics, &run.budget);
            let mut cursor = index.cursor();
            while let Some((path, _, entry)) = cursor.next() {
                builder.entry(Change { path, kind: entry.change_kind(), position: entry.offset })?;
            }
            builder.finish()?;
            tars.push(plain);
        }
        Ok(Self { tree: overlay.finish(), layers: tars })
    }

    /// The uncompressed tars, base first.
    pub(crate) fn layers(&self) -> &[LayerTar] {
        &self.layers
    }

    /// The content of the regular file at `path`, through symbolic links; `None` if there is none.
    pub(super) fn find(&self, path: &str) -> Option<Extent> {
        match self.tree.follow(path.as_bytes()) {
            Lookup::Found { what: Standing::Regular(key), .. } => {
                let layer = &self.layers[key.layer as usize];
                Some(layer.content(layer.stored(key.position)?))
            }
            _ => None,
        }
    }

    /// The files that a recipe may name: those that have bytes and everybody may read, with a path that is text.
    pub(super) fn files(&self) -> impl Iterator<Item = SourceFile> {
        self.tree.entries().filter_map(|entry| {
            let (FlattenedEntry::Entry { key, .. } | FlattenedEntry::HardLink { key, .. }) = entry else { return None };
            let layer = &self.layers[key.layer as usize];
            let file = layer.stored(key.position).filter(|file| file.is_public && file.size > 0)?;
            let path = std::str::from_utf8(entry.path()).ok()?;
            let may_be_named = path.len() as u64 <= MAX_PATH && !path.starts_with(OSTREE);
            may_be_named.then(|| SourceFile { path: path.to_owned(), content: layer.content(file) })
        })
    }
}
