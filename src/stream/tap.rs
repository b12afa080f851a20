//! Readers and writers that change no byte: they compute or verify digests and sizes as the bytes pass.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use super::finish::Finish;
use crate::digest::{Digest, Hasher};
use crate::error::Error;

/// The digest and size that some bytes must have; `None` is not verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Expected {
    /// Digest of all bytes.
    pub digest: Option<Digest>,
    /// Number of bytes.
    pub size: Option<u64>,
}

impl Expected {
    /// Expects the bytes to hash to `digest`.
    pub(crate) fn digest(digest: &Digest) -> Self {
        Self { digest: Some(digest.clone()), size: None }
    }

    /// Compares the digest and size found with the expected ones; the size first, as the clearer error (docs/formats.md
    /// O-6).
    ///
    /// # Errors
    /// [`Error::SizeMismatch`] and [`Error::DigestMismatch`], naming `at`.
    pub(crate) fn verify(&self, at: &str, found: Option<&Digest>, size: u64) -> Result<(), Error> {
        if let Some(expected) = self.size.filter(|expected| *expected != size) {
            return Err(Error::SizeMismatch { at: at.to_owned(), expected, found: size });
        }
        match (&self.digest, found) {
            (Some(expected), Some(found)) if expected != found => {
                Err(Error::DigestMismatch { at: at.to_owned(), expected: expected.clone(), found: found.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Digest and size of the bytes that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DigestAndSize {
    /// Digest of all bytes; `None` where the expected algorithm is not supported.
    pub digest: Option<Digest>,
    /// Number of bytes.
    pub size: u64,
}

/// A reader that hashes the bytes it returns and, at the end, compares them with an [`Expected`].
///
/// The comparison is part of the read that finds the end, so a caller must read to the end, as the decoders here do.
pub(crate) struct VerifyReader<R> {
    inner: R,
    at: String,
    expected: Expected,
    hasher: Option<Hasher>,
    size: u64,
    found: Option<DigestAndSize>,
}

impl<R: Read> VerifyReader<R> {
    /// Verifies `inner`, called `at` in errors. Without an expected digest the SHA-256 is computed all the same.
    pub(crate) fn new(inner: R, at: impl Into<String>, expected: Expected) -> Self {
        let hasher = match &expected.digest {
            Some(digest) => Hasher::of(digest.algorithm()),
            None => Some(Hasher::sha256()),
        };
        Self { inner, at: at.into(), expected, hasher, size: 0, found: None }
    }

    /// Verifies only the number of bytes, for bytes that are hashed elsewhere.
    pub(crate) fn unhashed(inner: R, at: impl Into<String>, size: Option<u64>) -> Self {
        Self { inner, at: at.into(), expected: Expected { digest: None, size }, hasher: None, size: 0, found: None }
    }

    /// Returns digest and size of the bytes, once the end has been found.
    pub(crate) fn digest_and_size(&self) -> Option<&DigestAndSize> {
        self.found.as_ref()
    }

    /// The reader below.
    pub(crate) fn into_inner(self) -> R {
        self.inner
    }

    fn verify(&mut self) -> io::Result<()> {
        if self.found.is_none() {
            let digest = self.hasher.take().map(Hasher::finish);
            self.expected.verify(&self.at, digest.as_ref(), self.size)?;
            self.found = Some(DigestAndSize { digest, size: self.size });
        }
        Ok(())
    }
}

impl<R: Read> Read for VerifyReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        if read == 0 && !buf.is_empty() {
            self.verify()?;
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buf[..read]);
        }
        self.size += read as u64;
        Ok(read)
    }
}

/// A writer that hashes what it passes on.
pub(crate) struct HashWriter<W> {
    inner: W,
    hashing: Hashing,
    size: u64,
}

/// Where the bytes are hashed.
enum Hashing {
    Here(Hasher),
    /// On a thread that gets copies of the bytes, and gives the copies' buffers back.
    OnAThread {
        copies: SyncSender<Vec<u8>>,
        spare: Receiver<Vec<u8>>,
        thread: JoinHandle<Hasher>,
    },
}

impl<W: Write> HashWriter<W> {
    /// Watches what goes to `inner`, from here on.
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hashing: Hashing::Here(Hasher::sha256()), size: 0 }
    }

    /// The same with a thread that hashes while more is written. Writes should be large.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub(crate) fn on_a_thread(inner: W) -> io::Result<Self> {
        Ok(Self { inner, hashing: Hashing::on_a_thread()?, size: 0 })
    }
}

impl Hashing {
    /// Writes by which the thread may be late.
    const LATE: usize = 4;

    fn on_a_thread() -> io::Result<Self> {
        let (copies, work) = sync_channel::<Vec<u8>>(Self::LATE);
        let (done, spare) = channel();
        let thread = thread::Builder::new().name("hash".into()).spawn(move || {
            let mut hasher = Hasher::sha256();
            for copy in work {
                hasher.update(&copy);
                // A writer that was dropped needs no buffer.
                let _ = done.send(copy);
            }
            hasher
        })?;
        Ok(Self::OnAThread { copies, spare, thread })
    }

    fn update(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Here(hasher) => hasher.update(bytes),
            Self::OnAThread { copies, spare, .. } => {
                let mut copy = spare.try_recv().unwrap_or_default();
                copy.clear();
                copy.extend_from_slice(bytes);
                copies.send(copy).map_err(|_| died())?;
            }
        }
        Ok(())
    }

    fn finish(self) -> io::Result<Digest> {
        match self {
            Self::Here(hasher) => Ok(hasher.finish()),
            Self::OnAThread { copies, thread, .. } => {
                drop(copies);
                thread.join().map(Hasher::finish).map_err(|_| died())
            }
        }
    }
}

fn died() -> io::Error {
    io::Error::other("a hashing thread panicked")
}

impl<W: Write> Write for HashWriter<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buf)?;
        self.hashing.update(&buf[..written])?;
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write> Finish for HashWriter<W> {
    /// SHA-256 and number of the bytes written, and the writer below.
    type Output = (Digest, u64, W);

    fn finish(self) -> io::Result<Self::Output> {
        Ok((self.hashing.finish()?, self.size, self.inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn read(expected: Expected) -> Result<DigestAndSize, Error> {
        let mut reader = VerifyReader::new(&b"abc"[..], "blob", expected);
        io::copy(&mut reader, &mut io::sink()).map_err(|error| Error::io("reading", "x", error))?;
        Ok(reader.digest_and_size().expect("the end was found").clone())
    }

    #[test]
    fn bytes_that_are_as_expected_pass() {
        let digest = Digest::sha256(b"abc");
        let found = read(Expected { digest: Some(digest.clone()), size: Some(3) }).unwrap();
        assert_eq!(found, DigestAndSize { digest: Some(digest), size: 3 });
        assert_eq!(read(Expected::default()).unwrap(), found);
    }

    #[test]
    fn bytes_that_are_not_as_expected_are_an_error_at_the_end() {
        let wrong = read(Expected::digest(&Digest::sha256(b"abd"))).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Input);
        assert!(wrong.to_string().starts_with("blob: content is sha256:ba78"), "{wrong}");
        let short = read(Expected { digest: None, size: Some(4) }).unwrap_err();
        assert_eq!(short.to_string(), "blob: size is 3 bytes, expected 4");
    }

    #[test]
    fn a_hash_writer_tells_what_passed() {
        let mut writer = HashWriter::new(Vec::new());
        writer.write_all(b"abc").unwrap();
        assert_eq!(writer.finish().unwrap(), (Digest::sha256(b"abc"), 3, b"abc".to_vec()));
    }

    #[test]
    fn a_thread_hashes_the_same() {
        let pieces: Vec<Vec<u8>> = (0..100_u8).map(|number| vec![number; usize::from(number) * 100]).collect();
        let mut writer = HashWriter::on_a_thread(Vec::new()).unwrap();
        pieces.iter().for_each(|piece| writer.write_all(piece).unwrap());
        let all = pieces.concat();
        assert_eq!(writer.finish().unwrap(), (Digest::sha256(&all), all.len() as u64, all));
    }
}
