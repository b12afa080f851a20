//! The entries of an image's layers, read again where they lie in their plain tars.
//!
//! Layers that are known to be read are decoded before; that another one is wanted may turn out late (E-6).
//!
//! Sources: docs/edit.md E-6; docs/formats.md R-20.

use std::collections::HashMap;
use std::io::Read;

use super::workspace::{LARGE, LayerWriter, Workspace};
use crate::archive::{BLOCK, Ending, Reader, TarEntry};
use crate::diagnostics::Rule;
use crate::error::{Error, Result};
use crate::image::Layer;
use crate::stream::source::{Extent, ExtentReader};

/// The most bytes that a reader skips to reach an entry; for one that is farther, a new reader is opened.
const NEAR: u64 = 64 << 10;

/// Layers read at a time: each takes a buffer and, in a layout directory, an open file.
const OPEN: usize = 4;

/// The plain tars of a list of layers.
pub(super) struct StackBodies<'w> {
    workspace: &'w Workspace<'w>,
    layers: Vec<Layer>,
    tars: HashMap<usize, Extent>,
    /// The layers being read, the one used last at the end.
    open: Vec<(usize, TarCursor<'w>)>,
}

/// A reader positioned behind the header of the entry that it returned last.
struct TarCursor<'w> {
    reader: Reader<'w, ExtentReader>,
    tar: Extent,
    /// The offset in the tar at which the reader began; its own offsets count from there.
    base: u64,
    /// The offset of the next header in the tar.
    next: u64,
    /// The body of the entry returned last; `None` if it has holes, or there is no such entry.
    body: Option<Extent>,
}

impl<'w> StackBodies<'w> {
    /// The bodies of `layers`; the plain tars of some are known.
    pub(super) fn new(layers: Vec<Layer>, tars: HashMap<usize, Extent>, workspace: &'w Workspace<'w>) -> Self {
        Self { workspace, layers, tars, open: Vec::new() }
    }

    /// The entry of layer `number` whose header begins at `offset`.
    ///
    /// # Errors
    /// When the layer cannot be decoded or read, or has changed.
    pub(super) fn entry(&mut self, number: usize, offset: u64) -> Result<TarEntry> {
        let mut cursor = self.cursor(number, offset)?;
        loop {
            let lost = || {
                Error::invalid(
                    Rule::H28,
                    &self.layers[number].at,
                    format!("there is no entry at byte {offset} any more"),
                )
            };
            let entry = cursor.reader.next_entry()?.ok_or_else(lost)?;
            let start = cursor.base + entry.header_offset;
            let data = cursor.base + entry.data_offset;
            cursor.next = data + entry.stored.next_multiple_of(BLOCK as u64);
            if start > offset {
                return Err(lost());
            }
            if start == offset {
                cursor.body = entry.sparse.is_none().then(|| cursor.tar.slice(data, entry.stored));
                self.open.push((number, cursor));
                return Ok(entry);
            }
        }
    }

    /// Writes `written` with the body of the entry that [`StackBodies::entry`] returned last.
    ///
    /// # Errors
    /// Those of reading and writing.
    pub(super) fn copy(&mut self, written: &TarEntry, out: &mut LayerWriter<'_>) -> Result<()> {
        match self.open.last_mut() {
            Some((_, TarCursor { body: Some(body), .. })) if body.size() >= LARGE => out.entry_extent(written, body),
            Some((_, cursor)) => out.entry(written, &mut cursor.reader.body()),
            None => out.entry(written, &mut std::io::empty()),
        }
    }

    /// Passes the body of the entry that [`StackBodies::entry`] returned last to `read`.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) fn read(&mut self, read: impl FnOnce(&mut dyn Read) -> Result<()>) -> Result<()> {
        self.open.last_mut().map_or(Ok(()), |(_, cursor)| read(&mut cursor.reader.body()))
    }

    /// A cursor in front of `offset`; that of the layer that was not read for longest is closed for it.
    fn cursor(&mut self, number: usize, offset: u64) -> Result<TarCursor<'w>> {
        if let Some(place) = self.open.iter().position(|(open, _)| *open == number) {
            let (_, cursor) = self.open.remove(place);
            if cursor.next <= offset && offset - cursor.next <= NEAR {
                return Ok(cursor);
            }
        }
        if self.open.len() == OPEN {
            self.open.remove(0);
        }
        let (tar, at) = (self.tar(number)?, self.layers[number].at.clone());
        let bytes = tar.slice(offset, u64::MAX).reader().map_err(|error| Error::io("reading", &at, error))?;
        let again = self.workspace.second_reading();
        let reader = Reader::new(bytes, Ending::Optional, at, &again.budget, &again.diagnostics);
        Ok(TarCursor { reader, tar, base: offset, next: offset, body: None })
    }

    /// The plain tar of layer `number`.
    ///
    /// # Errors
    /// When it cannot be decoded.
    pub(super) fn tar(&mut self, number: usize) -> Result<Extent> {
        if let Some(tar) = self.tars.get(&number) {
            return Ok(tar.clone());
        }
        let tar = self.workspace.tar(&self.layers[number])?;
        self.tars.insert(number, tar.clone());
        Ok(tar)
    }
}
