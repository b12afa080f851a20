//! One file's bytes, from the layer that has them.

use std::io;

use super::ImageFiles;
use crate::archive::{Ending, Reader, TarEntry};
use crate::error::{Error, Result};
use crate::flatten::EntryKey;
use crate::image::{Blob, Layer};
use crate::path::escape_for_terminal;
use crate::progress::Task;
use crate::rule::Rule;
use crate::run::Run;
use crate::stream::copy::{Destination, copy, send};
use crate::stream::skip::{Sequential, Skip};

/// A file of an image, ready to be read.
pub struct OpenFile<'a> {
    /// Its path without symbolic links.
    pub path: Vec<u8>,
    /// The number of the layer that has its bytes, counted from 0 at the base.
    pub number: u32,
    /// That layer.
    pub layer: &'a Layer,
    /// The offset of its header in the layer's tar.
    offset: u64,
    run: &'a Run,
}

impl ImageFiles<'_> {
    /// Opens the regular file that `path` leads to, through symbolic and hard links and never out of the root. A leading
    /// slash makes no difference.
    ///
    /// # Errors
    /// [`Error::Choice`] if there is no file, or none that is regular.
    pub fn open(&self, path: &[u8]) -> Result<OpenFile<'_>> {
        let (path, key @ EntryKey { layer: number, .. }) = self.file(path)?;
        let layer = &self.image.layers[number as usize];
        Ok(OpenFile { path, number, layer, offset: self.entry(key).offset, run: self.run })
    }
}

impl OpenFile<'_> {
    /// Writes the file's bytes to `out`, holes filled with zeros: into a `Vec`, a [`File`](std::fs::File),
    /// [standard output](crate::Sink::stdout), or what [`Sink::writer`](crate::Sink::writer) makes of any other writer.
    /// [`FileEntry::size`](crate::FileEntry::size) says before how many they are.
    ///
    /// # Errors
    /// Those of reading the layer, which may have changed meanwhile, and those of `out`.
    pub fn copy_to(&self, out: &mut impl Destination) -> Result<()> {
        let again = self.run.second_reading();
        match self.layer.blob.as_ref().filter(|blob| blob.is_plain()) {
            Some(blob) => self.copy_laid(blob, &again, out)?,
            None => {
                let plain = Sequential::new(self.layer.plain_in_line(&again)?);
                let mut reader = self.reader(plain, &again);
                while self.next(&mut reader)?.header_offset != self.offset {}
                copy(&mut reader.body(), out).map_err(|error| self.failed(error))?;
            }
        }
        self.layer.blob.as_ref().map_or(Ok(()), |blob| blob.extent.source().unchanged())
    }

    /// Copies from an uncompressed layer: nothing in front of the file is read.
    fn copy_laid(&self, blob: &Blob, again: &Run, out: &mut impl Destination) -> Result<()> {
        let rest = blob.extent.slice(self.offset, u64::MAX);
        let bytes = rest.reader().map_err(|error| self.failed(error))?;
        let mut reader = self.reader(bytes, again);
        let entry = self.next(&mut reader)?;
        let copied = match entry.sparse {
            Some(_) => copy(&mut reader.body(), out),
            None => rest
                .slice(entry.data_offset, entry.stored)
                .reader()
                .and_then(|mut bytes| send(&mut bytes, out, &mut Task::silent())),
        };
        copied.map(drop).map_err(|error| self.failed(error))
    }

    fn reader<'r, R: Skip>(&self, bytes: R, again: &'r Run) -> Reader<'r, R> {
        Reader::new(bytes, Ending::Optional, &self.layer.at, &again.budget, &again.diagnostics)
    }

    fn next<R: Skip>(&self, reader: &mut Reader<'_, R>) -> Result<TarEntry> {
        reader.next_entry()?.ok_or_else(|| {
            let path = escape_for_terminal(&self.path);
            Error::invalid(Rule::H28, &self.layer.at, format!("the layer changed while it was read: `{path}` is gone"))
        })
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("reading", format!("{}: `{}`", self.layer.at, escape_for_terminal(&self.path)), error)
    }
}
