//! A layer as a plain tar: indexed once, then read entry by entry by position.

use std::thread;

use crate::archive::{BLOCK, Ending, Reader, TarEntry};
use crate::error::{Error, Result};
use crate::flatten::{Change, Overlay};
use crate::image::Layer;
use crate::layer_index::each_entry;
use crate::progress::Action;
use crate::rule::Rule;
use crate::run::Run;
use crate::stream::skip::{Sequential, Skip};
use crate::stream::source::Extent;
use crate::writer::tar::Tar;

/// The farthest that the open reader skips ahead, in bytes, to reach an entry; for more it is opened again at the
/// entry. Bounds the work for a layer in no order at all.
const NEAR: u64 = 64 << 10;

/// Bodies from this size on are copied by the kernel.
const LARGE: u64 = 64 << 10;

/// A layer's uncompressed tar.
pub(super) struct PlainLayer<'a> {
    at: String,
    tar: TarSource<'a>,
    /// The run for reading again, without counting against limits and warning a second time.
    again: &'a Run,
    cursor: Option<LayerCursor<'a>>,
}

/// Where the tar is.
enum TarSource<'a> {
    /// In the archive or in a temporary file, readable from any position.
    Laid(Extent),
    /// In the compressed layer only: it is decoded from its start for each reader.
    Packed(&'a Layer),
}

/// A reader that stands behind the header of the entry it gave last.
struct LayerCursor<'a> {
    reader: Reader<'a, Box<dyn Skip + Send + 'a>>,
    /// Where in the layer the reader began; its own offsets count from there.
    base: u64,
    /// Where in the layer the next header stands.
    next: u64,
}

impl<'a> PlainLayer<'a> {
    /// The layer whose tar is `tar`, if it has been laid down anywhere.
    pub(super) fn new(layer: &'a Layer, tar: Option<Extent>, again: &'a Run) -> Self {
        let tar = tar.map_or(TarSource::Packed(layer), TarSource::Laid);
        Self { at: layer.at.clone(), tar, again, cursor: None }
    }

    /// Returns the name that messages use for the layer.
    pub(super) fn at(&self) -> &str {
        &self.at
    }

    /// Bytes of its tar, if it has been laid down.
    pub(super) fn size(&self) -> Option<u64> {
        match &self.tar {
            TarSource::Laid(extent) => Some(extent.size()),
            TarSource::Packed(_) => None,
        }
    }

    /// Adds every entry to the overlay. A layer that is not laid down is verified here.
    pub(super) fn index(&self, overlay: &mut Overlay, run: &Run) -> Result<()> {
        match self.tar {
            TarSource::Laid(_) => self.index_from(self.bytes(0)?, overlay, run).map(drop),
            TarSource::Packed(layer) => thread::scope(|scope| {
                let plain = layer.plain(Action::Convert, run.jobs.get() > 1, run, scope)?;
                self.index_from(Sequential::new(plain), overlay, run)?.finish().map(drop)
            }),
        }
    }

    fn index_from<'r, R: Skip>(&self, bytes: R, overlay: &mut Overlay, run: &'r Run) -> Result<Reader<'r, R>> {
        let mut layer = overlay.layer(&self.at, &run.diagnostics, &run.budget);
        let mut reader = Reader::new(bytes, Ending::Optional, &self.at, &run.budget, &run.diagnostics);
        each_entry(&mut reader, |entry, _| layer.entry(Change::of(&entry, entry.header_offset)))?;
        layer.finish()?;
        Ok(reader)
    }

    /// Returns true if it must be decoded again to be read.
    pub(super) fn is_packed(&self) -> bool {
        matches!(self.tar, TarSource::Packed(_))
    }

    /// The entry whose header stands at `position`.
    pub(super) fn entry(&mut self, position: u64) -> Result<TarEntry> {
        let mut cursor = match self.cursor.take().filter(|cursor| self.is_ahead(cursor, position)) {
            Some(cursor) => cursor,
            None => self.begin(position)?,
        };
        loop {
            let entry = cursor.reader.next_entry()?.ok_or_else(|| self.lost(position))?;
            let start = cursor.base + entry.header_offset;
            cursor.next = cursor.base + entry.data_offset + entry.stored.next_multiple_of(BLOCK as u64);
            if start == position {
                self.cursor = Some(cursor);
                return Ok(entry);
            }
            if start > position {
                return Err(self.lost(position));
            }
        }
    }

    /// Writes `written` with the body of `found`, the entry that [`Self::entry`] gave last.
    pub(super) fn copy(&mut self, found: &TarEntry, written: &TarEntry, tar: &mut Tar<'_>) -> Result<()> {
        let Some(cursor) = &mut self.cursor else { return Err(self.lost(found.header_offset)) };
        match &self.tar {
            TarSource::Laid(extent) if found.sparse.is_none() && found.stored >= LARGE => {
                tar.entry_extent(written, &extent.slice(cursor.base + found.data_offset, found.stored))
            }
            _ => tar.entry(written, &mut cursor.reader.body()),
        }
    }

    /// Closes the file and the buffer with which the last entry was read. A decoder is kept: to come back to its
    /// position it would have to decode all before it again.
    pub(super) fn close(&mut self) {
        if let TarSource::Laid(_) = self.tar {
            self.cursor = None;
        }
    }

    /// Ends the reading. A layer that was decoded again is verified again: it may have changed meanwhile.
    pub(super) fn finish(self) -> Result<()> {
        match (self.tar, self.cursor) {
            (TarSource::Packed(_), Some(cursor)) => cursor.reader.finish().map(drop),
            _ => Ok(()),
        }
    }

    /// Returns true if reading on from `cursor` is the way to `position`.
    fn is_ahead(&self, cursor: &LayerCursor<'_>, position: u64) -> bool {
        cursor.next <= position && (self.is_packed() || position - cursor.next <= NEAR)
    }

    fn begin(&self, position: u64) -> Result<LayerCursor<'a>> {
        let base = if self.is_packed() { 0 } else { position };
        let Run { budget, diagnostics, .. } = self.again;
        let reader = Reader::new(self.bytes(base)?, Ending::Optional, &self.at, budget, diagnostics);
        Ok(LayerCursor { reader, base, next: base })
    }

    fn bytes(&self, from: u64) -> Result<Box<dyn Skip + Send + 'a>> {
        Ok(match self.tar {
            TarSource::Laid(ref extent) => {
                let reader = extent.slice(from, u64::MAX).reader();
                Box::new(reader.map_err(|error| Error::io("reading", &self.at, error))?)
            }
            TarSource::Packed(layer) => Box::new(Sequential::new(layer.plain_in_line(self.again)?)),
        })
    }

    fn lost(&self, position: u64) -> Error {
        Error::invalid(
            Rule::H28,
            &self.at,
            format!("the layer changed while it was read: there is no entry at byte {position}"),
        )
    }
}
