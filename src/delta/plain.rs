//! A layer as an uncompressed tar at rest, and the files in it.

use std::io::{self, Read};
use std::thread;

use crate::archive::{Ending, EntryKind, Reader, TarEntry};
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Result};
use crate::image::Layer;
use crate::layer_index::LayerIndex;
use crate::progress::Action;
use crate::run::Run;
use crate::stream::copy::copy;
use crate::stream::pool;
use crate::stream::skip::{Sequential, Skip};
use crate::stream::source::Extent;
use crate::stream::spool::{Spool, SpoolFiles};

/// The parts that are read of a layer that is stored uncompressed; a compressed one is decoded in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Its headers; bytes of files are read as they are used.
    Headers,
    /// All of it, so that its digests are verified.
    All,
}

/// A layer that was read: its tar, and all its entries by their paths.
pub(crate) struct OpenLayer {
    pub(super) plain: LayerTar,
    pub(super) index: LayerIndex,
}

/// A layer's uncompressed tar, and the files in it.
pub(crate) struct LayerTar {
    /// The layer's name in messages.
    pub(super) at: String,
    /// The tar.
    pub(crate) tar: Extent,
    /// In the tar's order.
    files: Vec<StoredFile>,
}

/// A regular file in a tar that stores all of its bytes in one piece.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredFile {
    /// Where its first header begins.
    header: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
    /// True if everybody may read it.
    pub(super) is_public: bool,
}

impl OpenLayer {
    /// Reads `layers` side by side. What has to be decoded goes to `spools`.
    ///
    /// A tar that breaks a rule is read up to there.
    ///
    /// # Errors
    /// A layer that is encrypted or not there, digests that are not as expected, and a spool that is full.
    pub(crate) fn read_all<'a>(
        layers: impl IntoIterator<Item = &'a Layer>,
        scope: Scope,
        spools: &SpoolFiles,
        run: &Run,
    ) -> Result<Vec<Self>> {
        let layers: Vec<&Layer> = layers.into_iter().collect();
        // Where there are more threads than layers, each is decoded on threads of its own.
        let ahead = layers.len() < run.jobs.get();
        let read = |layer| Self::read(layer, scope, ahead, spools, run);
        pool::for_all(run.jobs, layers, |layer| layer.stored_size(), read)
    }

    /// Its uncompressed tar.
    pub(crate) fn tar(&self) -> &Extent {
        &self.plain.tar
    }

    fn read(layer: &Layer, scope: Scope, ahead: bool, spools: &SpoolFiles, run: &Run) -> Result<Self> {
        if layer.is_encrypted() {
            return Err(Error::inexpressible(&layer.at, "an encrypted layer cannot be looked into"));
        }
        let ((files, index), tar) = match layer.blob.as_ref().filter(|blob| blob.is_plain()) {
            None => spools.add(&layer.at, |out| {
                thread::scope(|threads| {
                    let mut spool = Spool::to(layer.plain(Action::Spool, ahead, run, threads)?, out);
                    let read = scan(&mut spool, layer, run)?;
                    drain(&mut spool, layer)?;
                    Ok(read)
                })
            })?,
            Some(blob) => {
                let read = match scope {
                    Scope::Headers => {
                        let bytes = blob.extent.reader().map_err(|error| Error::io("reading", &layer.at, error))?;
                        scan(bytes, layer, run)?
                    }
                    Scope::All => thread::scope(|threads| {
                        let mut plain = Sequential::new(layer.plain(Action::Check, ahead, run, threads)?);
                        let read = scan(&mut plain, layer, run)?;
                        drain(plain.into_inner(), layer)?;
                        Ok::<_, Error>(read)
                    })?,
                };
                (read, blob.extent.clone())
            }
        };
        Ok(Self { plain: LayerTar { at: layer.at.clone(), tar, files }, index })
    }
}

impl LayerTar {
    /// The file whose first header begins at `header`.
    pub(super) fn stored(&self, header: u64) -> Option<StoredFile> {
        let place = self.files.binary_search_by_key(&header, |file| file.header).ok()?;
        Some(self.files[place])
    }

    /// The bytes of `file`.
    pub(super) fn content(&self, file: StoredFile) -> Extent {
        self.tar.slice(file.offset, file.size)
    }
}

impl StoredFile {
    /// `None` for what has no bytes, or not all of them in one piece.
    fn of(entry: &TarEntry) -> Option<Self> {
        let is_whole = entry.kind == EntryKind::Regular && entry.sparse.is_none();
        is_whole.then_some(Self {
            header: entry.header_offset,
            offset: entry.data_offset,
            size: entry.size,
            is_public: entry.mode & 0o004 != 0,
        })
    }
}

/// Reads on to the end, where digests are verified.
fn drain(mut plain: impl Read, layer: &Layer) -> Result<()> {
    copy(&mut plain, &mut io::sink()).map(drop).map_err(|error| Error::io("reading", &layer.at, error))
}

/// Reads the entries of a tar up to the first that breaks a rule.
fn scan(bytes: impl Skip, layer: &Layer, run: &Run) -> Result<(Vec<StoredFile>, LayerIndex)> {
    let diagnostics = Diagnostics::silent();
    let mut reader = Reader::new(bytes, Ending::Optional, &layer.at, &run.budget, &diagnostics);
    let (mut files, mut index) = (Vec::new(), LayerIndex::default());
    loop {
        let entry = match reader.next_entry() {
            Ok(Some(entry)) => entry,
            Ok(None) | Err(Error::Invalid { .. }) => return Ok((files, index)),
            Err(error) => return Err(error),
        };
        let taken = index.push(&entry, None) + size_of::<StoredFile>() as u64;
        run.budget.charge_memory(taken, &layer.at)?;
        files.extend(StoredFile::of(&entry));
    }
}
