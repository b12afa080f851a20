//! Bytes on their way from old files into a tar: taken from the one and given to the other in large blocks, however short the
//! operations between them are.

use std::io::{self, Read, Write};

use crate::error::{Error, Result};
use crate::stream::copy::CHUNK;
use crate::stream::source::Extent;

/// Bytes that are read ahead of a short operation: the next one is likely to take what follows.
const WINDOW: usize = 32 << 10;

/// Made bytes, gathered in front of `out`.
pub(super) struct MadeBlocks<'a, W> {
    out: W,
    at: &'a str,
    block: Box<[u8]>,
    filled: usize,
}

impl<'a, W: Write> MadeBlocks<'a, W> {
    /// None yet; messages call what they make `at`.
    pub(super) fn new(out: W, at: &'a str) -> Self {
        Self { out, at, block: vec![0; CHUNK].into(), filled: 0 }
    }

    /// Takes the place of the next bytes, at least one and at most `wanted`. They are to be filled in.
    ///
    /// # Errors
    /// Those of writing what was made before.
    pub(super) fn room(&mut self, wanted: usize) -> Result<&mut [u8]> {
        if self.filled == self.block.len() {
            self.flush()?;
        }
        let start = self.filled;
        self.filled += wanted.min(self.block.len() - start);
        Ok(&mut self.block[start..self.filled])
    }

    /// Gives back the last `unused` bytes of a place.
    pub(super) fn give_back(&mut self, unused: usize) {
        self.filled -= unused;
    }

    /// Writes what is gathered.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.out.write_all(&self.block[..self.filled]).map_err(|error| Error::io("writing", self.at, error))?;
        self.filled = 0;
        Ok(())
    }
}

/// The old file whose bytes are taken, and a position in it.
pub(super) struct OpenSource {
    content: Extent,
    position: u64,
    /// Its bytes from `start` on.
    window: Vec<u8>,
    start: u64,
}

impl OpenSource {
    /// At the start of `content`.
    pub(super) fn new(content: Extent) -> Self {
        Self { content, position: 0, window: Vec::new(), start: 0 }
    }

    /// Bytes of the file.
    pub(super) fn size(&self) -> u64 {
        self.content.size()
    }

    /// Bytes behind the position.
    pub(super) fn left(&self) -> u64 {
        self.content.size() - self.position
    }

    /// Goes to `position`, which is in the file.
    pub(super) fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// All of the file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn whole(&self, at: &str) -> Result<Vec<u8>> {
        self.content.read(at, self.content.size())
    }

    /// Fills `bytes`, which are no more than are left.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn read(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let rest = self.content.slice(self.position, u64::MAX);
        self.position += bytes.len() as u64;
        if bytes.len() >= WINDOW || bytes.len() as u64 == rest.size() {
            return rest.reader()?.read_exact(bytes);
        }
        let from = self.position - bytes.len() as u64;
        let held = |source: &Self| {
            let skipped = usize::try_from(from.checked_sub(source.start)?).ok()?;
            source.window.get(skipped..)?.get(..bytes.len()).map(|_| skipped)
        };
        let skipped = match held(self) {
            Some(skipped) => skipped,
            None => {
                self.window.resize(rest.size().min(WINDOW as u64) as usize, 0);
                self.start = from;
                rest.reader()?.read_exact(&mut self.window)?;
                0
            }
        };
        bytes.copy_from_slice(&self.window[skipped..][..bytes.len()]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::source::Source;

    #[test]
    fn any_bytes_of_a_file_are_read_in_any_order() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|nth| (nth.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut source = OpenSource::new(Source::memory("old", bytes.clone()).extent());
        for (position, size) in [
            (0, 10),
            (10, 5),
            (12, 100),
            (WINDOW - 1, 2),
            (5, WINDOW),
            (3, 8),
            (150_000, 20),
            (150_000 - 20, 40),
            (199_999, 1),
            (199_000, 999),
            (0, 200_000),
            (7, 0),
            (200_000, 0),
        ] {
            source.seek(position as u64);
            let mut read = vec![0; size];
            source.read(&mut read).unwrap();
            assert!(read == bytes[position..position + size], "{size} at {position}");
            assert_eq!(source.left(), (200_000 - position - size) as u64);
        }
    }

    #[test]
    fn blocks_are_written_when_they_are_full() {
        let mut written = Vec::new();
        let mut blocks = MadeBlocks::new(&mut written, "it");
        let mut wanted = CHUNK + 100;
        while wanted > 0 {
            let place = blocks.room(wanted.min(CHUNK - 1)).unwrap();
            place.fill(7);
            wanted -= place.len();
        }
        assert_eq!(blocks.room(50).unwrap().len(), 50);
        blocks.give_back(50);
        blocks.flush().unwrap();
        assert!(written == vec![7; CHUNK + 100]);
    }
}
