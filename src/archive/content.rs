//! The content of a file: its stored bytes, with holes filled in, and an error where some are missing.
//!
//! Sources: docs/formats.md R-20, H-15, H-18.

use std::io;

use super::SparseMap;
use crate::error::Error;
use crate::limits::Budget;
use crate::rule::Rule;

/// A position in a file's content.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    sparse: Option<SparseMap>,
    size: u64,
    position: u64,
    segment: usize,
    /// Bytes of holes that have not been counted yet.
    holes: u64,
}

enum Stretch {
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
        let stretch = self.stretch();
        let (Stretch::Stored(length) | Stretch::Hole(length)) = stretch;
        let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(buf.len());
        let buf = &mut buf[..wanted];
        if buf.is_empty() {
            return Ok(0);
        }
        let taken = match stretch {
            Stretch::Hole(_) => {
                buf.fill(0);
                buf.len()
            }
            Stretch::Stored(_) => stored(buf)?,
        };
        self.advance(taken as u64);
        Ok(taken)
    }

    /// Checks, when no bytes came, that this is the end; otherwise the error names what `at` returns.
    pub(super) fn check_end(&self, at: impl FnOnce() -> String) -> io::Result<()> {
        if self.position < self.size {
            let problem = format!("truncated: the content ends at byte {} of {}", self.position, self.size);
            return Err(Error::invalid(Rule::H18, at(), problem).into());
        }
        Ok(())
    }

    /// Returns the stretch of stored bytes or hole at the position, with its length; 0 at the end.
    fn stretch(&self) -> Stretch {
        let rest = self.size - self.position;
        let Some(map) = &self.sparse else {
            return Stretch::Stored(rest);
        };
        match map.segments().get(self.segment) {
            Some(segment) if segment.offset <= self.position => Stretch::Stored(segment.end() - self.position),
            Some(segment) => Stretch::Hole(segment.offset - self.position),
            None => Stretch::Hole(rest),
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
    use std::io::Read;

    use crate::archive::sparse::MapBuilder;
    use crate::error::ErrorKind;
    use crate::limits::Limits;

    /// The content of a file whose stored bytes are `stored`.
    struct FileContent<'b>(&'b [u8], Cursor, &'b Budget);

    impl Read for FileContent<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let Self(stored, cursor, budget) = self;
            cursor.count_holes(budget, || "f".to_owned())?;
            let taken = cursor.read(buf, |buf| stored.read(buf))?;
            if taken == 0 && !buf.is_empty() {
                cursor.check_end(|| "f".to_owned())?;
            }
            Ok(taken)
        }
    }

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
        let mut content = FileContent(b"abcde-behind", Cursor::new(5, Some(&map())), &budget);
        assert_eq!(io::read_to_string(&mut content).unwrap(), "\0\0abcd\0e\0\0");
        assert!(budget.decoded(1, "f").is_err(), "five bytes of holes were counted");
    }

    #[test]
    fn a_hole_beyond_the_limit_is_an_error() {
        let budget = Budget::new(Limits { size: 4, ..Limits::default() });
        let mut content = FileContent(b"abcde", Cursor::new(5, Some(&map())), &budget);
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
            let content = FileContent(b"abcd", Cursor::new(5, sparse.as_ref()), &budget);
            let error = io::read_to_string(content).unwrap_err().to_string();
            // Between the sparse file's last two segments lies a hole, which is still given out.
            assert!(error == problem || error.ends_with("byte 7 of 10"), "{error}");
        }
    }
}
