//! The index of a layer's entries: the one form in which `ls`, `cat`, `history`, `diff` and `verify` hold them.
//!
//! [`read_layer`] and [`each_entry`] are the loops over a layer's tar, [`LayerIndex`] keeps what they meet and
//! [`LayerIndexes`] does so for all layers of an image. `--to rootfs` uses the loop alone: it finds entries again in the tar.
//! An entry is known by its position, which [`flatten`](crate::flatten) hands back as an
//! [`EntryKey`](crate::flatten::EntryKey).
//!
//! # Memory
//! Names lie end to end in one byte string, each without the front that it shares with the name before it, and can be
//! dropped once the layer has been applied. All else of a header lies end to end in another, numbers in as many bytes as
//! they need: some 16 bytes for a file. Both are charged to the run's budget.
//!
//! Sources: docs/formats.md, M-11, M-12.

mod entry;
mod layers;
mod read;
mod unpack;
mod unpack_fault;

pub(crate) use entry::LayerEntry;
pub(crate) use layers::LayerIndexes;
pub(crate) use read::{FileContent, each_entry, read_layer};
pub(crate) use unpack::UnpackCheck;
pub(crate) use unpack_fault::{UnpackFault, Unpacker};

use crate::archive::TarEntry;
use crate::error::Result;
use crate::flatten::{Change, LayerBuilder, put_path, take_path};
use crate::image::Layer;
use crate::run::Run;

/// The entries of one layer in archive order; of one path there may be several.
#[derive(Debug, Default)]
pub(crate) struct LayerIndex {
    /// Names as the tar spells them.
    paths: Vec<u8>,
    /// The name at the end of `paths`, with which the next one shares its front.
    last: Vec<u8>,
    /// The rest of the headers, in the form of [`LayerEntry`].
    entries: Vec<u8>,
    /// Bytes of the uncompressed tar, to its very end (M-12).
    tar_size: u64,
}

impl LayerIndex {
    /// Reads `layer`; with `ahead` it is decoded on a thread of its own.
    ///
    /// # Errors
    /// Those of [`read_layer`], and a budget that is spent.
    pub(crate) fn read(layer: &Layer, content: FileContent, ahead: bool, run: &Run) -> Result<Self> {
        let mut index = Self::default();
        index.tar_size = read_layer(layer, content, ahead, run, |entry, digest| {
            run.budget.charge_memory(index.push(&entry, digest.as_ref()), &layer.at)
        })?;
        Ok(index)
    }

    /// Adds `entry` and the SHA-256 of its content, where that is known; returns the bytes that both take.
    pub(crate) fn push(&mut self, entry: &TarEntry, content: Option<&[u8; 32]>) -> u64 {
        let before = self.paths.len() + self.entries.len();
        put_path(&mut self.paths, &mut self.last, &entry.path);
        entry::put(&mut self.entries, entry, content);
        (self.paths.len() + self.entries.len() - before) as u64
    }

    /// Bytes of the uncompressed tar.
    pub(crate) fn tar_size(&self) -> u64 {
        self.tar_size
    }

    /// The entry at `position`, which a cursor gave.
    pub(crate) fn entry(&self, position: u64) -> LayerEntry<'_> {
        entry::take(&mut &self.entries[position as usize..])
    }

    /// The entries without their names.
    pub(crate) fn entries(&self) -> impl Iterator<Item = LayerEntry<'_>> {
        let mut rest = &self.entries[..];
        std::iter::from_fn(move || (!rest.is_empty()).then(|| entry::take(&mut rest)))
    }

    /// The entries with their names and positions, from the first one on.
    pub(crate) fn cursor(&self) -> EntryCursor<'_> {
        EntryCursor { index: self, paths: &self.paths, entries: &self.entries, path: Vec::new() }
    }

    /// Applies every entry to `layer`.
    ///
    /// # Errors
    /// Those of [`LayerBuilder::entry`].
    pub(crate) fn apply(&self, layer: &mut LayerBuilder<'_>) -> Result<()> {
        let mut cursor = self.cursor();
        while let Some((path, position, entry)) = cursor.next() {
            layer.entry(Change { path, kind: entry.change_kind(), position })?;
        }
        Ok(())
    }

    /// Drops all entries, but not the memory that they took.
    pub(crate) fn clear(&mut self) {
        self.paths.clear();
        self.last.clear();
        self.entries.clear();
    }

    /// Drops all names, so that neither [`LayerIndex::cursor`] nor [`LayerIndex::apply`] is of use any more.
    pub(crate) fn forget_paths(&mut self) {
        (self.paths, self.last) = (Vec::new(), Vec::new());
    }
}

/// Walks through a [`LayerIndex`] in archive order.
pub(crate) struct EntryCursor<'a> {
    index: &'a LayerIndex,
    paths: &'a [u8],
    entries: &'a [u8],
    path: Vec<u8>,
}

impl<'a> EntryCursor<'a> {
    /// The next entry: its name, its position, and the rest of it. No iterator, because a name lives until the next call.
    pub(crate) fn next(&mut self) -> Option<(&[u8], u64, LayerEntry<'a>)> {
        if self.entries.is_empty() {
            return None;
        }
        let position = self.position();
        take_path(&mut self.paths, &mut self.path);
        Some((&self.path, position, entry::take(&mut self.entries)))
    }

    /// The name of the entry at `position`, which must not lie behind the cursor.
    pub(crate) fn path_at(&mut self, position: u64) -> &[u8] {
        while self.position() <= position && self.next().is_some() {}
        &self.path
    }

    fn position(&self) -> u64 {
        (self.index.entries.len() - self.entries.len()) as u64
    }
}
