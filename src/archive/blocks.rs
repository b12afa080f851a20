//! The bytes of a tar, buffered so that headers and small bodies cost few reads and large bodies cost one skip.
//!
//! Reads are small behind every skip and double while reading goes on: an index over large members reads little more than
//! their headers, a layer of tiny files is read in large pieces. The buffer grows with them, because flattening reads a
//! layer again from its start for every file that is needed out of its order.
//!
//! Knows nothing of headers. Offsets are those of the tar's own bytes.

use std::io::{self, Read};

use super::BLOCK;
use crate::stream::copy::read_some;
use crate::stream::skip::Skip;

const SMALLEST_READ: usize = 4 << 10;
const LARGEST_READ: usize = 64 << 10;

/// A buffered source of blocks and bodies.
pub(super) struct Blocks<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    read_size: usize,
    offset: u64,
}

impl<R: Skip> Blocks<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, buffer: Vec::new(), start: 0, end: 0, read_size: SMALLEST_READ, offset: 0 }
    }

    /// Offset of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next `want` bytes without taking them, fewer only at the end of the source; at most two blocks.
    pub(super) fn peek(&mut self, want: usize) -> io::Result<&[u8]> {
        debug_assert!(want <= 2 * BLOCK);
        if self.end - self.start < want {
            self.fill(want)?;
        }
        Ok(&self.buffer[self.start..self.end.min(self.start + want)])
    }

    /// Takes bytes that were peeked at.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
        debug_assert!(self.start <= self.end);
    }

    /// Skips bytes; [`io::ErrorKind::UnexpectedEof`] where the source ends before them.
    pub(super) fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let buffered = (self.end - self.start) as u64;
        if bytes <= buffered {
            self.start += bytes as usize;
        } else {
            self.start = self.end;
            self.inner.skip(bytes - buffered)?;
            self.read_size = SMALLEST_READ;
        }
        self.offset += bytes;
        Ok(())
    }

    /// Reads and drops everything that is left.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        while !self.peek(1)?.is_empty() {
            self.consume(self.end - self.start);
        }
        Ok(())
    }

    pub(super) fn into_inner(self) -> R {
        self.inner
    }

    fn fill(&mut self, want: usize) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < self.read_size {
            self.buffer.resize(self.read_size, 0);
        }
        while self.end < want {
            match read_some(&mut self.inner, &mut self.buffer[self.end..self.read_size])? {
                0 => break,
                taken => self.end += taken,
            }
        }
        self.read_size = (self.read_size * 2).min(LARGEST_READ);
        Ok(())
    }
}

/// Takes the next bytes; large reads go past the buffer.
impl<R: Skip> Read for Blocks<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let taken = if self.start < self.end || buf.len() < self.read_size {
            self.peek(1)?;
            let buffered = &self.buffer[self.start..self.end];
            let taken = buffered.len().min(buf.len());
            buf[..taken].copy_from_slice(&buffered[..taken]);
            self.start += taken;
            taken
        } else {
            self.inner.read(buf)?
        };
        self.offset += taken as u64;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// A source that records the reads and skips made on it.
    struct Noting<'a>(&'a [u8], &'a RefCell<Vec<String>>);

    impl Read for Noting<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.1.borrow_mut().push(format!("read {}", buf.len()));
            self.0.read(buf)
        }
    }

    impl Skip for Noting<'_> {
        fn skip(&mut self, bytes: u64) -> io::Result<()> {
            self.1.borrow_mut().push(format!("skip {bytes}"));
            self.0.skip(bytes)
        }
    }

    #[test]
    fn small_members_are_read_in_large_pieces_and_large_ones_skipped_at_once() {
        let (source, asked) = (vec![7; 1 << 20], RefCell::default());
        let mut blocks = Blocks::new(Noting(&source, &asked));
        for _ in 0..30 {
            assert_eq!(blocks.peek(BLOCK).unwrap().len(), BLOCK);
            blocks.consume(BLOCK);
            blocks.skip(BLOCK as u64).unwrap();
        }
        blocks.skip(500_000).unwrap();
        blocks.peek(1).unwrap();
        assert_eq!(blocks.offset(), 530_720);
        assert_eq!(*asked.borrow(), ["read 4096", "read 8192", "read 16384", "read 32768", "skip 469280", "read 4096"]);
        assert_eq!(blocks.buffer.len(), 32768);
    }

    #[test]
    fn large_reads_pass_the_buffer_by() {
        let (source, asked) = (vec![7; 1 << 20], RefCell::default());
        let mut blocks = Blocks::new(Noting(&source, &asked));
        blocks.peek(BLOCK).unwrap();
        let mut body = vec![0; 1 << 19];
        assert_eq!(blocks.read(&mut body).unwrap(), 4096);
        assert_eq!(blocks.read(&mut body).unwrap(), 1 << 19);
        assert_eq!(*asked.borrow(), ["read 4096", "read 524288"]);
        assert_eq!(blocks.offset(), (1 << 19) + 4096);
    }
}
