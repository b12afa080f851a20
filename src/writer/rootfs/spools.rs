//! Where layers go that must be decoded: unlinked temporary files, no more of them than threads.
//!
//! An image may have more layers than a process may have files, so a file takes one layer after the other. A layer that
//! there is no room for gives back what it has taken, so that smaller ones still find a place.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::image::Layer;
use crate::path::escape_path;
use crate::run::Run;
use crate::stream::source::{Extent, Source};
use crate::stream::spool::Scratch;

/// Temporary files, lent to one layer at a time.
pub(super) struct Spools<'a> {
    tmpdir: &'a Path,
    files: Mutex<IdleSpools>,
}

#[derive(Default)]
struct IdleSpools {
    idle: Vec<LayerSpool>,
    made: usize,
}

/// A file and how much of it is taken.
struct LayerSpool {
    number: usize,
    scratch: Scratch,
    len: u64,
}

/// Where a layer's tar lies.
pub(super) enum TarLocation {
    /// In the input, because it is stored plain.
    Input(Extent),
    /// In a temporary file.
    Spool { number: usize, offset: u64, len: u64 },
    /// Nowhere: there is no room for it.
    None,
}

impl<'a> Spools<'a> {
    /// No file yet; those to come are in `tmpdir`.
    pub(super) fn new(tmpdir: &'a Path) -> Self {
        Self { tmpdir, files: Mutex::default() }
    }

    /// Finds the tar of `layer`; a compressed one is decoded into a temporary file, and verified, if there is room.
    pub(super) fn plain(&self, layer: &Layer, ahead: bool, run: &Run) -> Result<TarLocation> {
        if let Some(blob) = layer.blob.as_ref().filter(|blob| blob.is_plain()) {
            return Ok(TarLocation::Input(blob.extent.clone()));
        }
        let mut spool = self.lend()?;
        let place = match layer.decode_to(&mut spool.scratch, ahead, run) {
            Ok(len) => TarLocation::Spool { number: spool.number, offset: spool.len, len },
            Err(_) if spool.scratch.is_full() => {
                spool.scratch.cut(spool.len)?;
                let tmpdir = escape_path(self.tmpdir);
                run.diagnostics.note(None, &layer.at, format!("decoded twice, because {tmpdir} has no room for it"));
                run.progress.expect(layer.blob.as_ref().map_or(0, |blob| blob.extent.size()));
                TarLocation::None
            }
            Err(error) => return Err(error),
        };
        if let TarLocation::Spool { len, .. } = place {
            spool.len += len;
        }
        self.files().idle.push(spool);
        Ok(place)
    }

    /// The files for reading, when nothing more is decoded.
    pub(super) fn finish(self) -> Result<Decoded> {
        let mut spools = self.files.into_inner().unwrap_or_else(PoisonError::into_inner).idle;
        spools.sort_by_key(|spool| spool.number);
        let sources = spools.into_iter().map(|spool| Source::file("a decoded layer", spool.scratch.into_file(), 0));
        sources.collect::<Result<_>>().map(Decoded)
    }

    fn lend(&self) -> Result<LayerSpool> {
        let number = {
            let mut files = self.files();
            if let Some(spool) = files.idle.pop() {
                return Ok(spool);
            }
            files.made += 1;
            files.made - 1
        };
        Ok(LayerSpool { number, scratch: Scratch::new(self.tmpdir)?, len: 0 })
    }

    fn files(&self) -> MutexGuard<'_, IdleSpools> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files of [`Spools`], complete.
pub(super) struct Decoded(Vec<Source>);

impl Decoded {
    /// The bytes at `place`, if there are any.
    pub(super) fn extent(&self, place: TarLocation) -> Option<Extent> {
        match place {
            TarLocation::Input(extent) => Some(extent),
            TarLocation::Spool { number, offset, len } => Some(self.0[number].extent().slice(offset, len)),
            TarLocation::None => None,
        }
    }
}
