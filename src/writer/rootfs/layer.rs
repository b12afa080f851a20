//! A layer as a range of plain tar: indexed once, then asked for entries by their place.

use crate::archive::{BLOCK, Ending, Entry, Kind, Reader};
use crate::error::{Error, Result};
use crate::flatten::{self, Change, Overlay};
use crate::limits::Budget;
use crate::notice::Notices;
use crate::run::Run;
use crate::stream::source::{Extent, ExtentReader};
use crate::writer::tar::Tar;

/// How far the reader in hand passes over entries that did not survive rather than starting anew; bounds the work that a
/// layer in no order can make.
const NEAR: u64 = 64 << 10;

/// Bodies from this size on are copied by the kernel.
const LARGE: u64 = 64 << 10;

/// A layer's uncompressed tar, where it can be read at any place.
pub(super) struct PlainLayer<'a> {
    at: String,
    tar: Extent,
    /// Entries were counted when they were indexed; this one counts what holes expand to.
    budget: &'a Budget,
    notices: &'a Notices,
    place: Option<Place<'a>>,
}

/// A reader that stands behind the header of the entry it gave last.
struct Place<'a> {
    reader: Reader<'a, ExtentReader>,
    /// Where in the layer the reader began; its own offsets count from there.
    base: u64,
    /// Where in the layer the next header stands.
    next: u64,
}

impl<'a> PlainLayer<'a> {
    /// The layer called `at` whose tar is `tar`.
    pub(super) fn new(at: &str, tar: Extent, budget: &'a Budget, run: &'a Run) -> Self {
        Self { at: at.to_owned(), tar, budget, notices: &run.notices, place: None }
    }

    /// Bytes of its tar.
    pub(super) fn size(&self) -> u64 {
        self.tar.size()
    }

    /// Tells the overlay of every entry.
    pub(super) fn index(&self, overlay: &mut Overlay, run: &Run) -> Result<()> {
        let mut layer = overlay.layer(&self.at, &run.notices, &run.budget);
        let mut reader = Reader::new(self.bytes(0)?, Ending::Optional, &self.at, &run.budget, &run.notices);
        while let Some(entry) = reader.next_entry()? {
            layer.entry(Change { path: &entry.path, kind: kind(&entry), position: entry.header_offset })?;
        }
        layer.finish()
    }

    /// The entry whose header stands at `position`.
    pub(super) fn entry(&mut self, position: u64) -> Result<Entry> {
        let near = |place: &Place<'_>| place.next <= position && position - place.next <= NEAR;
        let mut place = match self.place.take().filter(near) {
            Some(place) => place,
            None => self.begin(position)?,
        };
        loop {
            let entry = place.reader.next_entry()?.ok_or_else(|| self.lost(position))?;
            let start = place.base + entry.header_offset;
            place.next = place.base + entry.data_offset + entry.stored.next_multiple_of(BLOCK as u64);
            if start == position {
                self.place = Some(place);
                return Ok(entry);
            }
            if start > position {
                return Err(self.lost(position));
            }
        }
    }

    /// Writes `written` with the body of `found`, the entry that [`Self::entry`] gave last.
    pub(super) fn copy(&mut self, found: &Entry, written: &Entry, tar: &mut Tar<'_>) -> Result<()> {
        let Some(place) = &mut self.place else { return Err(self.lost(found.header_offset)) };
        if found.sparse.is_none() && found.stored >= LARGE {
            let body = self.tar.slice(place.base + found.data_offset, found.stored);
            return tar.entry_extent(written, &body);
        }
        tar.entry(written, &mut place.reader.body())
    }

    /// Lets go of the file and the buffer with which the entry asked for last was read.
    pub(super) fn close(&mut self) {
        self.place = None;
    }

    fn begin(&self, position: u64) -> Result<Place<'a>> {
        let reader = Reader::new(self.bytes(position)?, Ending::Optional, &self.at, self.budget, self.notices);
        Ok(Place { reader, base: position, next: position })
    }

    fn bytes(&self, from: u64) -> Result<ExtentReader> {
        let rest = self.tar.slice(from, u64::MAX);
        rest.reader().map_err(|error| Error::io("reading", &self.at, error))
    }

    fn lost(&self, position: u64) -> Error {
        Error::invalid(&self.at, format!("the layer changed while it was read: there is no entry at byte {position}"))
    }
}

fn kind(entry: &Entry) -> flatten::Kind<'_> {
    match entry.kind {
        Kind::Regular => flatten::Kind::Regular,
        Kind::HardLink => flatten::Kind::HardLink(&entry.link),
        Kind::Symlink => flatten::Kind::Symlink(&entry.link),
        Kind::CharDevice => flatten::Kind::CharDevice { major: entry.device.0, minor: entry.device.1 },
        Kind::BlockDevice => flatten::Kind::BlockDevice,
        Kind::Directory => flatten::Kind::Directory,
        Kind::Fifo => flatten::Kind::Fifo,
    }
}
