//! Writing into the middle of an output: only ever of a file that imgtar made itself.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use super::output::{close, lift, name};
use super::sys;
use crate::error::Result;

/// A file that imgtar made, while some of it is written ahead of what belongs in front; its errors name the output.
///
/// It shares its cursor with the sink: each function that moves it puts it back to the end.
pub(crate) struct Patch<'a> {
    file: &'a File,
    target: &'a Path,
}

/// A range of a file that imgtar made, to be filled on any thread without moving the file's cursor.
///
/// Bytes past its end are counted and dropped, because another writer owns the bytes behind it.
#[derive(Debug)]
pub(crate) struct Region {
    file: File,
    name: String,
    start: u64,
    size: u64,
    written: u64,
}

impl<'a> Patch<'a> {
    pub(super) fn of(file: &'a File, target: &'a Path) -> Self {
        Self { file, target }
    }

    /// Forgets whatever stands at `end` and behind it.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io) that names the output.
    pub(crate) fn truncate(&mut self, end: u64) -> io::Result<()> {
        self.file.set_len(end).map_err(|error| self.lift(error))
    }

    /// The `size` bytes from `start` on, for another writer to fill; `None` where the system cannot write at a position
    /// without moving the cursor.
    ///
    /// # Errors
    /// When the system gives no more descriptors.
    pub(crate) fn region(&self, start: u64, size: u64) -> io::Result<Option<Region>> {
        if !cfg!(unix) {
            return Ok(None);
        }
        let file = self.file.try_clone().map_err(|error| self.lift(error))?;
        Ok(Some(Region { file, name: name(self.target), start, size, written: 0 }))
    }

    fn lift(&self, error: io::Error) -> io::Error {
        lift(error, || name(self.target))
    }
}

impl Region {
    /// Ends the writing; returns true if exactly as many bytes were written as the range has.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io) that names the output, if the system reports only on closing that it
    /// could not write all bytes.
    pub(crate) fn close(self) -> Result<bool> {
        close(self.file, &self.name)?;
        Ok(self.written == self.size)
    }
}

impl Write for Region {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.size.saturating_sub(self.written)).unwrap_or(usize::MAX);
        let taken = if room == 0 {
            bytes.len()
        } else {
            let bytes = &bytes[..bytes.len().min(room)];
            sys::write_at(&self.file, bytes, self.start + self.written)
                .map_err(|error| lift(error, || self.name.clone()))?
        };
        self.written += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Patch<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| self.lift(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Patch<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to).map_err(|error| self.lift(error))
    }
}

// Windows has no region: its only way to write at a position moves the cursor.
#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;
    use crate::stream::finish::Finish;
    use crate::stream::sink::Sink;

    #[test]
    fn regions_are_filled_by_position_and_never_past_their_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        let mut sink = Sink::file(&path, false).unwrap();
        sink.write_all(b"head").unwrap();
        let mut patch = sink.patchable().unwrap();
        let mut regions = [(4, 3), (7, 2), (9, 4)].map(|(start, size)| patch.region(start, size).unwrap().unwrap());
        patch.seek(SeekFrom::Start(13)).unwrap();
        for (region, text) in regions.iter_mut().zip(["abc", "def", "gh"]) {
            region.write_all(text.as_bytes()).unwrap();
        }
        assert_eq!(regions.map(|region| region.close().unwrap()), [true, false, false]);
        sink.write_all(b"tail").unwrap();
        sink.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"headabcdegh\0\0tail");
    }
}
