//! Temporary files without names: for streams that are kept while they are read, and for bodies that are made.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::copy::{CHUNK, read_some};
use super::output::{bare, temporary};
use super::skip::Skip;
use super::source::{Extent, Source};
use super::sys;
use crate::error::{Error, Result, Setting};

/// A temporary file without a name: nothing is left of it when the process ends, however it ends.
///
/// # Errors
/// [`Error::Output`] that names `--tmpdir` when the directory cannot hold one.
fn unlinked(tmpdir: &Path) -> Result<File> {
    let create = || match sys::unnamed_file(tmpdir)? {
        Some(file) => Ok(file),
        // Its guard goes at once, and its name with it.
        None => temporary(tmpdir, 0o600).map(|(_, file)| file),
    };
    create().map_err(|error| unusable(tmpdir, "create", &bare(error)))
}

/// Returns the error for a temporary file in `tmpdir`; `verb` says what the system refuses.
fn unusable(tmpdir: &Path, verb: &str, error: &io::Error) -> Error {
    let path = crate::path::escape_path(tmpdir);
    let problem = format!("cannot {verb} a temporary file: {error}");
    Error::Output { path, problem }.avoided_by(Setting::Tmpdir)
}

/// An unlinked temporary file to write to, whose errors name the place.
pub(crate) struct Scratch {
    file: File,
    tmpdir: PathBuf,
    is_full: bool,
}

impl Scratch {
    /// An empty one in `tmpdir`.
    ///
    /// # Errors
    /// When the directory cannot hold it.
    pub(crate) fn new(tmpdir: &Path) -> Result<Self> {
        Ok(Self { file: unlinked(tmpdir)?, tmpdir: tmpdir.to_owned(), is_full: false })
    }

    /// Returns true if a write failed for lack of room: on the disk, in the user's quota or within the process's limit.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Forgets what was written behind the first `len` bytes, and that there was no room for it.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn cut(&mut self, len: u64) -> Result<()> {
        self.is_full = false;
        let cut = self.file.set_len(len).and_then(|()| self.file.seek(SeekFrom::Start(len)));
        cut.map(drop).map_err(|error| unusable(&self.tmpdir, "cut", &error))
    }

    /// The file, its cursor behind what was written.
    pub(crate) fn into_file(self) -> File {
        self.file
    }
}

impl Write for Scratch {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write(buf).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            kind => {
                use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
                self.is_full |= matches!(kind, StorageFull | QuotaExceeded | FileTooLarge);
                unusable(&self.tmpdir, "write", &error).into()
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Unlinked temporary files for many bodies, each of which can be read as soon as it is complete.
///
/// An image may have more layers than a process may have files, so a file takes one body after the other. Several threads
/// may write at once, each to a file of its own.
pub(crate) struct SpoolFiles {
    tmpdir: PathBuf,
    idle: Mutex<Vec<SpoolFile>>,
}

/// A file with `len` bytes in it, its cursor behind them.
struct SpoolFile {
    file: Arc<File>,
    len: u64,
}

impl SpoolFiles {
    /// No file yet; those to come are in `tmpdir`.
    pub(crate) fn new(tmpdir: &Path) -> Self {
        Self { tmpdir: tmpdir.to_owned(), idle: Mutex::default() }
    }

    /// Spools what `write` writes, which messages call `label`; gives back what it returned.
    ///
    /// # Errors
    /// Those of `write`, and [`Error::Output`] that names `--tmpdir` when there is no room.
    pub(crate) fn add<T>(&self, label: &str, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<(T, Extent)> {
        let SpoolFile { file, len } = self.lend()?;
        let mut body = SpoolBody { file: &file, len: 0, tmpdir: &self.tmpdir };
        let written = write(&mut body)?;
        let (start, size) = (len, body.len);
        let extent = Source::part(label, Arc::clone(&file), start, size).extent();
        // Windows reads with the cursor that the next body would be written with.
        if !cfg!(windows) {
            let idle = SpoolFile { file, len: start + size };
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
        }
        Ok((written, extent))
    }

    fn lend(&self) -> Result<SpoolFile> {
        match self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            Some(file) => Ok(file),
            None => Ok(SpoolFile { file: Arc::new(unlinked(&self.tmpdir)?), len: 0 }),
        }
    }
}

/// A body on its way into a file.
struct SpoolBody<'a> {
    file: &'a File,
    len: u64,
    tmpdir: &'a Path,
}

impl Write for SpoolBody<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buf).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => unusable(self.tmpdir, "write", &error).into(),
        })?;
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads `inner` and keeps every byte that passes, read or skipped, in `out`.
pub(crate) struct Spool<R, W = Scratch> {
    inner: R,
    out: W,
    buffer: Vec<u8>,
}

impl<R: Read> Spool<R> {
    /// Spools `inner` into a file in `tmpdir`.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn new(inner: R, tmpdir: &Path) -> Result<Self> {
        Ok(Self::to(inner, Scratch::new(tmpdir)?))
    }

    /// Reads on to the end of `inner` and gives out all that passed.
    ///
    /// # Errors
    /// When `inner` cannot be read, the spool not be written, or the file's size not be read.
    pub(crate) fn finish(mut self, label: &str) -> Result<Source> {
        while self.pass(u64::MAX).map_err(|error| Error::io("reading", label, error))? > 0 {}
        Source::file(label, self.out.into_file(), 0)
    }
}

impl<R: Read, W: Write> Spool<R, W> {
    /// Spools `inner` into `out`.
    pub(crate) fn to(inner: R, out: W) -> Self {
        Self { inner, out, buffer: vec![0; CHUNK] }
    }

    /// Reads on to the end of `inner`, so that the program that writes it meets no closed pipe, and keeps none of it;
    /// returns the number of bytes.
    ///
    /// # Errors
    /// When `inner` cannot be read.
    pub(crate) fn pass_by(&mut self, label: &str) -> Result<u64> {
        let mut bytes = 0;
        loop {
            match read_some(&mut self.inner, &mut self.buffer).map_err(|error| Error::io("reading", label, error))? {
                0 => return Ok(bytes),
                read => bytes += read as u64,
            }
        }
    }

    /// Moves at most one buffer and at most `limit` bytes to the spool; 0 means the end.
    fn pass(&mut self, limit: u64) -> io::Result<usize> {
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX).min(self.buffer.len());
        let read = read_some(&mut self.inner, &mut self.buffer[..wanted])?;
        self.out.write_all(&self.buffer[..read])?;
        Ok(read)
    }
}

impl<R: Read, W: Write> Read for Spool<R, W> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = read_some(&mut self.inner, buf)?;
        self.out.write_all(&buf[..read])?;
        Ok(read)
    }
}

impl<R: Read, W: Write> Skip for Spool<R, W> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let mut left = bytes;
        while left > 0 {
            match self.pass(left)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                passed => left -= passed as u64,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_and_what_is_skipped_is_kept_in_order() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        let mut spool = Spool::new(&bytes[..], &std::env::temp_dir()).unwrap();
        let mut head = [0; 100];
        spool.read_exact(&mut head).unwrap();
        spool.skip(600_000).unwrap();
        spool.read_exact(&mut head).unwrap();
        let source = spool.finish("s").unwrap();
        assert_eq!(source.extent().read("s", 2 << 20).unwrap(), bytes);
    }

    #[test]
    fn bodies_are_read_while_others_are_written() {
        let files = SpoolFiles::new(&std::env::temp_dir());
        let add = |bytes: &[u8]| files.add("s", |out| out.write_all(bytes).map_err(|error| Error::io("", "", error)));
        let ((), one) = add(b"one").unwrap();
        let (extent, two) = files
            .add("s", |out| {
                out.write_all(b"two").map_err(|error| Error::io("", "", error))?;
                Ok(add(b"three")?.1)
            })
            .unwrap();
        for (extent, expected) in [(one, &b"one"[..]), (two, b"two"), (extent, b"three")] {
            assert_eq!(extent.read("s", 10).unwrap(), expected);
            extent.source().unchanged().unwrap();
        }
        assert!(files.add("s", |_| Err::<(), _>(Error::ClosedPipe)).is_err());
        assert_eq!(add(b"four").unwrap().1.read("s", 10).unwrap(), b"four");
    }

    #[test]
    fn skipping_past_the_end_is_an_error() {
        let mut spool = Spool::new(&b"abc"[..], &std::env::temp_dir()).unwrap();
        assert_eq!(spool.skip(4).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
