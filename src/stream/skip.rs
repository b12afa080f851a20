//! Skipping bytes: a seek where the source can, reading and dropping where it cannot.
//!
//! A tar of many gigabytes is indexed by its headers alone; what lies between them should cost nothing.

use std::io::{self, Cursor, Read};

use super::copy::read_some;
use super::reused::{LargeBuffer, Reused};

/// A reader that can pass over bytes without giving them out.
pub trait Skip: Read {
    /// Passes over exactly `bytes` bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] where the source ends before them; how many were passed is then not known.
    fn skip(&mut self, bytes: u64) -> io::Result<()>;
}

impl<S: Skip + ?Sized> Skip for &mut S {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        (**self).skip(bytes)
    }
}

impl<S: Skip + ?Sized> Skip for Box<S> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        (**self).skip(bytes)
    }
}

impl Skip for &[u8] {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let rest = usize::try_from(bytes).ok().and_then(|bytes| self.get(bytes..));
        *self = rest.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(())
    }
}

impl<T: AsRef<[u8]>> Skip for Cursor<T> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let size = self.get_ref().as_ref().len() as u64;
        let target = self.position().checked_add(bytes).filter(|&target| target <= size);
        self.set_position(target.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A reader that cannot seek, or whose every byte must pass (a pipe, a decoder, a hashing tap): skips by reading.
pub struct Sequential<R> {
    inner: R,
    dropped: Reused<LargeBuffer>,
}

impl<R: Read> Sequential<R> {
    /// Skips over `inner` by reading it.
    pub fn new(inner: R) -> Self {
        Self { inner, dropped: Reused::take() }
    }

    /// The reader below.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for Sequential<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buf)
    }
}

impl<R: Read> Skip for Sequential<R> {
    fn skip(&mut self, mut bytes: u64) -> io::Result<()> {
        while bytes > 0 {
            let wanted = self.dropped.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            match read_some(&mut self.inner, &mut self.dropped[..wanted])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                taken => bytes -= taken as u64,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mut source: impl Skip) {
        source.skip(2).unwrap();
        source.skip(0).unwrap();
        let mut byte = [0];
        source.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"c");
        source.skip(1).unwrap();
        assert_eq!(source.read(&mut byte).unwrap(), 0);
        assert_eq!(source.skip(1).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn every_source_skips_alike() {
        check(&b"abcd"[..]);
        check(Cursor::new(b"abcd"));
        check(Sequential::new(&b"abcd"[..]));
        check(&mut Box::new(&b"abcd"[..]));
    }

    #[test]
    fn a_skip_past_the_end_of_all_numbers_is_refused() {
        assert!(Cursor::new(b"abcd").skip(u64::MAX).is_err());
        assert!((&b"abcd"[..]).skip(u64::MAX).is_err());
    }
}
