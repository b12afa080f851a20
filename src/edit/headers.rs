//! The headers of an image's layers, as a change of layers sees them: all but the names of files' owners.
//!
//! Sources: docs/edit.md E-2, E-5; docs/formats.md.

use std::collections::HashMap;

use crate::archive::{EntryKind, TarEntry};
use crate::error::Result;
use crate::flatten::{EntryKey, Overlay, Placement};
use crate::image::Layer;
use crate::layer_index::{FileContent, LayerEntry, LayerIndex, read_layer};
use crate::run::Run;
use crate::stream::pool;

/// The headers of a list of layers, base first.
pub(super) struct StackHeaders {
    layers: Vec<LayerHeaders>,
}

/// The paths at which the entries of one layer took effect, by ascending position.
pub(super) struct Placements(pub(super) Vec<Placement>);

impl Placements {
    /// The placement of the entry at `position`, if it took effect.
    pub(super) fn at(&self, position: u64) -> Option<&Placement> {
        let found = self.0.binary_search_by_key(&position, |placement| placement.position);
        found.ok().map(|at| &self.0[at])
    }
}

/// The headers of one layer.
#[derive(Default)]
struct LayerHeaders {
    at: String,
    /// Bytes of its uncompressed tar.
    tar_size: u64,
    index: LayerIndex,
    /// Directories whose owners have names or whose records have an order, which the index does not keep, by where their
    /// headers begin: no engine looks at either, but a root filesystem has them.
    directories: HashMap<u64, TarEntry>,
}

impl StackHeaders {
    /// Reads the headers of `layers` side by side.
    ///
    /// # Errors
    /// Layers that are encrypted or not in the archive; damaged tars; digests that are not as expected.
    pub(super) fn read(layers: &[&Layer], run: &Run) -> Result<Self> {
        Self::read_with_content(layers, |_| FileContent::Skipped, run)
    }

    /// The same, with the digests of the files of those layers for which `content` asks.
    ///
    /// # Errors
    /// Those of [`StackHeaders::read`].
    pub(super) fn read_with_content(
        layers: &[&Layer],
        content: impl Fn(usize) -> FileContent,
        run: &Run,
    ) -> Result<Self> {
        // Of uncompressed layers only headers are read.
        let weigh = |(layer, content): &(&Layer, FileContent)| match (&layer.blob, content) {
            (Some(blob), FileContent::Skipped) if blob.is_plain() => 0,
            _ => layer.stored_size(),
        };
        let layers: Vec<(&Layer, FileContent)> =
            layers.iter().enumerate().map(|(number, layer)| (*layer, content(number))).collect();
        run.progress.expect(layers.iter().map(weigh).sum());
        let ahead = layers.len() < run.jobs.get();
        let read = |(layer, content): (&Layer, FileContent)| LayerHeaders::read(layer, content, ahead, run);
        Ok(Self { layers: pool::for_all(run.jobs, layers, weigh, read)? })
    }

    /// The name of layer `number` in messages.
    pub(super) fn name(&self, number: usize) -> &str {
        &self.layers[number].at
    }

    /// Bytes of the uncompressed tar of layer `number`.
    pub(super) fn tar_size(&self, number: usize) -> u64 {
        self.layers[number].tar_size
    }

    /// Returns the number of layers.
    pub(super) fn len(&self) -> usize {
        self.layers.len()
    }

    /// Applies layer `number` to `overlay`.
    ///
    /// # Errors
    /// The errors of flattening.
    pub(super) fn apply(&self, number: usize, overlay: &mut Overlay, run: &Run) -> Result<()> {
        let LayerHeaders { at, index, .. } = &self.layers[number];
        let mut builder = overlay.layer(at, &run.diagnostics, &run.budget);
        index.apply(&mut builder)?;
        builder.finish()
    }

    /// The same for an `overlay` that is traced; returns where the layer's entries took effect.
    ///
    /// # Errors
    /// Those of [`StackHeaders::apply`].
    pub(super) fn trace(&self, number: usize, overlay: &mut Overlay, run: &Run) -> Result<Placements> {
        self.apply(number, overlay, run)?;
        let placements = overlay.placements();
        let size = placements.iter().map(|placement| size_of::<Placement>() + placement.path.len()).sum::<usize>();
        run.budget.charge_memory(size as u64, &self.layers[number].at)?;
        Ok(Placements(placements))
    }

    /// Passes every entry of layer `number`, with its name and position, to `each`.
    ///
    /// # Errors
    /// Those of `each`.
    pub(super) fn each(
        &self,
        number: usize,
        mut each: impl FnMut(&[u8], u64, LayerEntry<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut cursor = self.layers[number].index.cursor();
        while let Some((name, position, entry)) = cursor.next() {
            each(name, position, entry)?;
        }
        Ok(())
    }

    /// An entry's header.
    pub(super) fn entry(&self, id: EntryKey) -> LayerEntry<'_> {
        self.layers[id.layer as usize].index.entry(id.position)
    }

    /// Returns whether two directories have the same metadata; `None` is one that no entry describes.
    pub(super) fn is_alike(&self, one: Option<EntryKey>, other: Option<EntryKey>) -> bool {
        let directory = |id: Option<EntryKey>| match id {
            Some(id) => self.directory(Vec::new(), id),
            None => TarEntry { path: Vec::new(), ..TarEntry::directory(Vec::new()) },
        };
        one == other || directory(one) == directory(other)
    }

    /// The directory that `id` describes, to be written as `path`.
    pub(super) fn directory(&self, path: Vec<u8>, id: EntryKey) -> TarEntry {
        let layer = &self.layers[id.layer as usize];
        let header = layer.index.entry(id.position);
        if let Some(directory) = layer.directories.get(&header.offset) {
            return TarEntry { path, ..directory.clone() };
        }
        TarEntry {
            mode: header.mode.into(),
            uid: header.uid.into(),
            gid: header.gid.into(),
            mtime: header.mtime,
            records: header.records.all().map(|(key, value)| (key.to_vec(), value.to_vec())).collect(),
            path,
            ..TarEntry::directory(Vec::new())
        }
    }
}

impl LayerHeaders {
    fn read(layer: &Layer, content: FileContent, ahead: bool, run: &Run) -> Result<Self> {
        let mut headers = Self { at: layer.at.clone(), ..Self::default() };
        headers.tar_size = read_layer(layer, content, ahead, run, |entry, content| {
            let (mut taken, offset) = (headers.index.push(&entry, content.as_ref()), entry.header_offset);
            let has_more = !(entry.uname.is_empty() && entry.gname.is_empty() && entry.records.len() < 2);
            if entry.kind == EntryKind::Directory && has_more {
                taken += size_of::<TarEntry>() as u64 + entry.charge_memory();
                // Where it stands is not part of what it is.
                let entry = TarEntry { path: Vec::new(), header_offset: 0, data_offset: 0, ..entry };
                headers.directories.insert(offset, entry);
            }
            run.budget.charge_memory(taken, &layer.at)
        })?;
        Ok(headers)
    }
}
