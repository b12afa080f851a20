//! The content of a file: its stored bytes, holes filled in, and never fewer than promised.
//!
//! Sources: docs/formats.md R-20, H-15, H-18.

use std::io::{self, Read};

use super::SparseMap;
use crate::error::Error;
use crate::limits::Budget;

/// Reads a file's content from a reader that stands at its stored bytes, also long after the tar was indexed.
pub struct Content<'b, R> {
    stored: R,
    cursor: Cursor,
    budget: &'b Budget,
    at: String,
}

impl<'b, R: Read> Content<'b, R> {
    /// The content of a file of `stored_size` stored bytes, or of the sparse file that `sparse` maps; `at` names it in
    /// errors. Holes count as decoded in `budget`; stored bytes have been counted by who decoded them.
    pub fn new(
        stored: R,
        stored_size: u64,
        sparse: Option<&SparseMap>,
        budget: &'b Budget,
        at: impl Into<String>,
    ) -> Self {
        Self { stored, cursor: Cursor::new(stored_size, sparse), budget, at: at.into() }
    }
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.cursor.count_holes(self.budget, || self.at.clone())?;
        let taken = self.cursor.read(buf, |buf| self.stored.read(buf))?;
        if taken == 0 && !buf.is_empty() {
            self.cursor.check_end(|| self.at.clone())?;
        }
        Ok(taken)
    }
}

/// A place in a file's content.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    sparse: Option<SparseMap>,
    size: u64,
    position: u64,
    segment: usize,
    /// Bytes of holes that have not been counted yet.
    holes: u64,
}

enum Run {
    Stored(u64),
    Hole(u64),
}

impl Cursor {
    /// The start of the content.
    pub(super) fn new(stored: u64, sparse: Option<&SparseMap>) -> Self {
        let size = sparse.map_or(stored, SparseMap::size);
        Self { sparse: sparse.cloned(), size, position: 0, segment: 0, holes: size.saturating_sub(stored) }
    }

    /// Counts all holes in `budget`, once and before the first byte is given out: a terabyte of them must not be written
    /// up to the limit. `at` names the file.
    pub(super) fn count_holes(&mut self, budget: &Budget, at: impl FnOnce() -> String) -> io::Result<()> {
        match std::mem::take(&mut self.holes) {
            0 => Ok(()),
            holes => Ok(budget.decoded(holes, &at())?),
        }
    }

    /// The next bytes, stored ones taken from `stored`; 0 at the end.
    pub(super) fn read(
        &mut self,
        buf: &mut [u8],
        stored: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let run = self.run();
        let (Run::Stored(length) | Run::Hole(length)) = run;
        let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(buf.len());
        let buf = &mut buf[..wanted];
        if buf.is_empty() {
            return Ok(0);
        }
        let taken = match run {
            Run::Hole(_) => {
                buf.fill(0);
                buf.len()
            }
            Run::Stored(_) => stored(buf)?,
        };
        self.advance(taken as u64);
        Ok(taken)
    }

    /// Nothing came: an error unless this is the end, naming what `at` gives.
    pub(super) fn check_end(&self, at: impl FnOnce() -> String) -> io::Result<()> {
        if self.position < self.size {
            let problem = format!("truncated: the content ends at byte {} of {}", self.position, self.size);
            return Err(Error::invalid(at(), problem).into());
        }
        Ok(())
    }

    /// What stands at the position and how long it is; length 0 at the end.
    fn run(&self) -> Run {
        let rest = self.size - self.position;
        let Some(map) = &self.sparse else {
            return Run::Stored(rest);
        };
        match map.segments().get(self.segment) {
            Some(segment) if segment.offset <= self.position => Run::Stored(segment.end() - self.position),
            Some(segment) => Run::Hole(segment.offset - self.position),
            None => Run::Hole(rest),
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.position += bytes;
        let segment = self.sparse.as_ref().and_then(|map| map.segments().get(self.segment));
        if segment.is_some_and(|segment| segment.end() <= self.position) {
            self.segment += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::sparse::MapBuilder;
    use crate::error::ErrorKind;
    use crate::limits::Limits;

    fn map() -> SparseMap {
        let mut map = MapBuilder::default();
        map.push(2, 3).unwrap();
        map.push(5, 1).unwrap();
        map.push(7, 1).unwrap();
        map.finish(10, 5).unwrap()
    }

    #[test]
    fn holes_are_filled_and_counted() {
        let budget = Budget::new(Limits { size: 5, ..Limits::default() });
        let mut content = Content::new(&b"abcde-behind"[..], 5, Some(&map()), &budget, "f");
        assert_eq!(io::read_to_string(&mut content).unwrap(), "\0\0abcd\0e\0\0");
        assert!(budget.decoded(1, "f").is_err(), "five bytes of holes were counted");
    }

    #[test]
    fn a_hole_beyond_the_limit_is_an_error() {
        let budget = Budget::new(Limits { size: 4, ..Limits::default() });
        let mut content = Content::new(&b"abcde"[..], 5, Some(&map()), &budget, "f");
        let mut given = Vec::new();
        let error = Error::io("reading", "f", content.read_to_end(&mut given).unwrap_err());
        assert_eq!((error.kind(), given.len()), (ErrorKind::Limit, 0));
    }

    #[test]
    fn short_content_is_an_error() {
        let budget = Budget::default();
        for (sparse, problem) in [
            (Some(map()), "f: truncated: the content ends at byte 6 of 10"),
            (None, "f: truncated: the content ends at byte 4 of 5"),
        ] {
            let content = Content::new(&b"abcd"[..], 5, sparse.as_ref(), &budget, "f");
            let error = io::read_to_string(content).unwrap_err().to_string();
            // Between the sparse file's last two segments lies a hole, which is still given out.
            assert!(error == problem || error.ends_with("byte 7 of 10"), "{error}");
        }
    }
}
