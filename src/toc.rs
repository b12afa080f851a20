//! A layer's table of contents: every entry's name and header, and what its content hashes to.
//!
//! For those who ask what layers do to one another rather than what is left in the end. Every layer is read to its last
//! byte, so that all that is promised of it is judged; bodies pass once and are not kept.
//!
//! Sources: docs/formats.md M-11, M-12, R-13 to R-16.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::thread;

use crate::archive::{Ending, EntryKind, Reader, TarEntry};
use crate::digest::{DiffId, Digest, Hasher};
use crate::error::{Error, Result};
use crate::files::Header;
use crate::flatten::{Change, LayerBuilder};
use crate::image::Layer;
use crate::limits::Budget;
use crate::progress::Action;
use crate::run::Run;
use crate::stream::copy::Buffer;
use crate::stream::pool;
use crate::stream::skip::Sequential;

/// What a layer holds.
pub(crate) struct Toc {
    /// In archive order; of one path there may be several.
    pub(crate) items: Vec<Item>,
    /// Bytes of the uncompressed tar, to its very end (M-12).
    pub(crate) tar_size: u64,
}

/// One entry of a layer.
pub(crate) struct Item {
    /// Its name as the layer has it, uncleaned.
    pub(crate) path: Vec<u8>,
    /// The rest of what its header says.
    pub(crate) header: Header,
    /// SHA-256 of a regular file's content, where it was asked for.
    pub(crate) content: Option<Digest>,
}

impl Toc {
    /// Reads the layer to its end and hashes every file; with `ahead` decoding happens on a thread of its own.
    ///
    /// # Errors
    /// When a promise is broken (M-11), the tar is damaged, or the layer is encrypted or not there.
    pub(crate) fn read(layer: &Layer, ahead: bool, run: &Run) -> Result<Self> {
        if layer.is_encrypted() {
            return Err(Error::inexpressible(&layer.at, "an encrypted layer cannot be looked into"));
        }
        thread::scope(|scope| {
            let plain = Sequential::new(layer.plain(Action::Check, ahead, run, scope)?);
            let mut reader = Reader::new(plain, Ending::Optional, &layer.at, &run.budget, &run.diagnostics);
            let mut items = Vec::new();
            let mut buffer = Buffer::new();
            while let Some(entry) = reader.next_entry()? {
                let content = match entry.kind {
                    EntryKind::Regular => Some(hash(&mut reader.body(), &mut buffer, &layer.at)?),
                    _ => None,
                };
                items.push(Item::new(entry, content, &run.budget, &layer.at)?);
            }
            let plain = reader.finish()?.into_inner();
            let tar_size = plain.digest_and_size().map_or(0, |measure| measure.size);
            Ok(Self { items, tar_size })
        })
    }

    /// The contents of `layers`, side by side on the threads of `run`, in order; layers of one diff_id are read once.
    ///
    /// # Errors
    /// As [`Toc::read`].
    pub(crate) fn read_all(layers: &[&Layer], run: &Run) -> Result<Vec<Arc<Self>>> {
        let mut numbers: HashMap<&DiffId, usize> = HashMap::new();
        let mut distinct: Vec<&Layer> = Vec::new();
        for layer in layers {
            numbers.entry(&layer.diff_id).or_insert_with(|| {
                distinct.push(layer);
                distinct.len() - 1
            });
        }
        run.progress.expect(distinct.iter().map(|layer| layer.stored_size()).sum());
        let ahead = distinct.len() < run.jobs.get();
        let read = |layer: &Layer| Self::read(layer, ahead, run).map(Arc::new);
        let tocs = pool::for_all(run.jobs, distinct, |layer| layer.stored_size(), read)?;
        Ok(layers.iter().map(|layer| Arc::clone(&tocs[numbers[&layer.diff_id]])).collect())
    }

    /// Tells `layer` of every entry, by its number.
    ///
    /// # Errors
    /// Those of [`LayerBuilder::entry`].
    pub(crate) fn apply(&self, layer: &mut LayerBuilder<'_>) -> Result<()> {
        self.items.iter().enumerate().try_for_each(|(number, item)| layer.entry(item.change(number)))
    }

    /// The entry that [`Toc::apply`] gave this position.
    pub(crate) fn item(&self, position: u64) -> &Item {
        &self.items[position as usize]
    }
}

impl Item {
    /// What is kept of `entry`, counted against `budget`.
    ///
    /// # Errors
    /// [`Error::Limit`] when there is no room for it.
    pub(crate) fn new(entry: TarEntry, content: Option<Digest>, budget: &Budget, at: &str) -> Result<Self> {
        budget.charge_memory(size_of::<Self>() as u64, at)?;
        let (path, header) = Header::of(entry);
        Ok(Self { path, header, content })
    }

    /// Whether it is a regular file, by a name of its own.
    pub(crate) fn is_file(&self) -> bool {
        self.header.kind == EntryKind::Regular
    }

    /// This entry, the `number`th of its layer, as the overlay wants it.
    pub(crate) fn change(&self, number: usize) -> Change<'_> {
        self.header.change(&self.path, number as u64)
    }
}

fn hash(body: &mut impl Read, buffer: &mut Buffer, at: &str) -> Result<Digest> {
    let mut hasher = Hasher::sha256();
    loop {
        match buffer.fill(body).map_err(|error| Error::io("reading", at, error))? {
            [] => return Ok(hasher.finish()),
            bytes => hasher.update(bytes),
        }
    }
}
