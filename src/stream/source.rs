//! Bytes that can be read again: of a file, of a file still to be opened, or of memory. They are read by position, so every
//! reader has its own cursor.
//!
//! ```text
//! Source   |---------------------------------|   shared, read-only
//! Extent          |-----------|                  offset and length in it; cheap to clone
//! reader()             ^                         own cursor, never past the extent's end
//! ```
//!
//! A regular file is never mapped: a file that shrinks must be an error, not a signal.

mod joined;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::skip::Skip;
use super::stamp::{self, FileStamp};
use super::sys;
use crate::error::{Error, Result};
use crate::rule::Rule;

use joined::JoinedExtents;

/// Shared, read-only bytes with random access.
#[derive(Clone)]
pub struct Source(Arc<Inner>);

struct Inner {
    label: String,
    store: SourceStore,
    len: u64,
}

enum SourceStore {
    /// An open file, from `base` on.
    File {
        file: File,
        base: u64,
        stamp: FileStamp,
        /// The path by which it was opened, if it has one.
        path: Option<PathBuf>,
    },
    /// A file that each reader opens: a layout directory may have more blobs than a process may have open files.
    Path {
        path: Arc<Path>,
        stamp: FileStamp,
    },
    /// A part of a temporary file, to which more is written behind it.
    Part {
        file: Arc<File>,
        base: u64,
    },
    /// Ranges of other sources, end to end.
    Joined(JoinedExtents),
    Memory(Vec<u8>),
}

impl Source {
    /// An open regular file, from byte `base` to its present end.
    ///
    /// # Errors
    /// When the file's size cannot be read.
    pub(crate) fn file(label: impl Into<String>, file: File, base: u64) -> Result<Self> {
        Self::opened(label, file, base, None)
    }

    /// The same, of a file that was opened by `path`.
    ///
    /// # Errors
    /// Those of [`Source::file`].
    pub(crate) fn opened(label: impl Into<String>, file: File, base: u64, path: Option<PathBuf>) -> Result<Self> {
        let label = label.into();
        let metadata = file.metadata().map_err(|error| Error::io("reading", &label, error))?;
        let len = metadata.len().saturating_sub(base);
        let store = SourceStore::File { file, base, stamp: FileStamp::of(&metadata), path };
        Ok(Self(Arc::new(Inner { label, store, len })))
    }

    /// A regular file that each reader opens for itself.
    ///
    /// # Errors
    /// When there is no regular file at `path`.
    pub fn path(label: impl Into<String>, path: PathBuf) -> Result<Self> {
        let label = label.into();
        let metadata = fs::metadata(&path).map_err(|error| Error::io("reading", &label, error))?;
        if !metadata.is_file() {
            return Err(Error::invalid(Rule::G6, label, "not a regular file"));
        }
        let len = metadata.len();
        Ok(Self(Arc::new(Inner {
            label,
            store: SourceStore::Path { path: path.into(), stamp: FileStamp::of(&metadata) },
            len,
        })))
    }

    /// `len` bytes from `base` on of a temporary file that only this process has: what else is written to it changes nothing.
    pub(super) fn part(label: impl Into<String>, file: Arc<File>, base: u64, len: u64) -> Self {
        Self(Arc::new(Inner { label: label.into(), store: SourceStore::Part { file, base }, len }))
    }

    /// The bytes of `extents` one after the other, none of which is read or copied for it.
    pub(crate) fn joined(label: impl Into<String>, extents: impl IntoIterator<Item = Extent>) -> Self {
        let joined = JoinedExtents::new(extents);
        let len = joined.len();
        Self(Arc::new(Inner { label: label.into(), store: SourceStore::Joined(joined), len }))
    }

    /// Bytes in memory.
    pub fn memory(label: impl Into<String>, bytes: Vec<u8>) -> Self {
        let len = bytes.len() as u64;
        Self(Arc::new(Inner { label: label.into(), store: SourceStore::Memory(bytes), len }))
    }

    /// Returns the name that messages use for this source.
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// All of it.
    pub fn extent(&self) -> Extent {
        Extent { source: self.clone(), offset: 0, len: self.0.len }
    }

    /// Checks that the file was not written to since it was opened: what was read might belong to two different files. A file
    /// that was only renamed or removed passes.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the file.
    pub fn unchanged(&self) -> Result<()> {
        let (metadata, stamp, opened_by) = match &self.0.store {
            SourceStore::File { file, stamp, path, .. } => (file.metadata(), stamp, path.as_ref()),
            SourceStore::Path { path, stamp } => (fs::metadata(path), stamp, None),
            SourceStore::Joined(joined) => return joined.unchanged(),
            SourceStore::Part { .. } | SourceStore::Memory(_) => return Ok(()),
        };
        let now = FileStamp::of(&metadata.map_err(|error| Error::io("reading", self.label(), error))?);
        let is_renamed = |path| stamp.is_renamed(&now, fs::metadata(path).ok().as_ref().map(FileStamp::of).as_ref());
        if stamp.has_content_of(&now) || opened_by.is_some_and(is_renamed) {
            return Ok(());
        }
        Err(Error::invalid(Rule::H28, self.label(), stamp::CHANGED))
    }
}

/// A range of a [`Source`].
#[derive(Clone)]
pub struct Extent {
    source: Source,
    offset: u64,
    len: u64,
}

/// The whereabouts of an [`Extent`], for as long as its source lives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Location {
    source: SourceId,
    offset: u64,
    len: u64,
}

/// The identity of a [`Source`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum SourceId {
    /// Its place in memory.
    Address(usize),
    /// The path of a file that each reader opens: every look-up in a directory makes a new source of it.
    Path(Arc<Path>),
}

impl Extent {
    /// The source of which it is a range.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.len
    }

    /// The range of `len` bytes that starts `offset` bytes into this one, cut at this one's end.
    #[must_use]
    pub(crate) fn slice(&self, offset: u64, len: u64) -> Self {
        let offset = offset.min(self.len);
        Self { source: self.source.clone(), offset: self.offset + offset, len: len.min(self.len - offset) }
    }

    /// Where the bytes lie: extents with one location are the same bytes.
    pub(crate) fn location(&self) -> Location {
        let source = match &self.source.0.store {
            SourceStore::Path { path, .. } => SourceId::Path(Arc::clone(path)),
            _ => SourceId::Address(Arc::as_ptr(&self.source.0).addr()),
        };
        Location { source, offset: self.offset, len: self.len }
    }

    /// A reader with its own cursor.
    ///
    /// # Errors
    /// When the file cannot be opened, or is no longer the one that was indexed.
    pub fn reader(&self) -> io::Result<ExtentReader> {
        let own = match &self.source.0.store {
            SourceStore::Path { path, stamp } => {
                let failed = |error| Error::io("opening", self.source.label(), error);
                let file = File::open(path).map_err(failed)?;
                if !stamp.has_content_of(&FileStamp::of(&file.metadata()?)) {
                    return Err(Error::invalid(Rule::H28, self.source.label(), stamp::CHANGED).into());
                }
                Some(file)
            }
            _ => None,
        };
        Ok(ExtentReader { extent: self.clone(), position: 0, own, joined: None })
    }

    /// The whole extent in memory.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is longer than `cap` bytes, which is checked before anything is allocated (H-14).
    pub fn read(&self, at: &str, cap: u64) -> Result<Vec<u8>> {
        if self.len > cap {
            return Err(Error::invalid(
                Rule::H14,
                at,
                format!("{} bytes, more than the {cap} bytes allowed here", self.len),
            ));
        }
        let mut bytes = Vec::new();
        self.reader()
            .and_then(|mut reader| reader.read_to_end(&mut bytes))
            .map_err(|error| Error::io("reading", at, error))?;
        Ok(bytes)
    }

    /// Returns whether `other` has the same bytes.
    ///
    /// # Errors
    /// When either cannot be read.
    pub(crate) fn has_bytes_of(&self, other: &Self) -> io::Result<bool> {
        if self.len != other.len || self.location() == other.location() {
            return Ok(self.len == other.len);
        }
        const CHUNK: usize = 64 << 10;
        let (mut left, mut right) = (self.reader()?, other.reader()?);
        let most = CHUNK.min(usize::try_from(self.len).unwrap_or(CHUNK));
        let (mut a, mut b) = (vec![0; most], vec![0; most]);
        loop {
            let wanted = left.remaining().min(CHUNK as u64) as usize;
            if wanted == 0 {
                return Ok(true);
            }
            left.read_exact(&mut a[..wanted])?;
            right.read_exact(&mut b[..wanted])?;
            if a[..wanted] != b[..wanted] {
                return Ok(false);
            }
        }
    }

    /// The first bytes, `N` or fewer.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub(crate) fn head<const N: usize>(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(N);
        self.slice(0, N as u64).reader()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Reads an [`Extent`] from its start to its end.
///
/// A source that ends before its extent does is an error: the file shrank.
pub struct ExtentReader {
    extent: Extent,
    position: u64,
    own: Option<File>,
    /// The reader of the joined extent at `position`; `None` before it is opened.
    joined: Option<Box<Self>>,
}

impl ExtentReader {
    /// The open file, the absolute position of the next byte in it and the number of bytes that lie there, for copies inside
    /// the kernel.
    pub(crate) fn file(&mut self) -> Option<(&File, u64, u64)> {
        if let SourceStore::Joined(_) = self.extent.source.0.store {
            return self.joined().ok()??.file();
        }
        let (start, left) = (self.extent.offset + self.position, self.remaining());
        match (&self.extent.source.0.store, &self.own) {
            (SourceStore::File { file, base, .. }, _) => Some((file, base + start, left)),
            (SourceStore::Part { file, base }, _) => Some((file, base + start, left)),
            (SourceStore::Path { .. }, Some(file)) => Some((file, start, left)),
            _ => None,
        }
    }

    /// The reader of the joined extent that has the next byte, if this one reads joined extents.
    fn joined(&mut self) -> io::Result<Option<&mut Self>> {
        let SourceStore::Joined(joined) = &self.extent.source.0.store else { return Ok(None) };
        let reader = match self.joined.take().filter(|reader| reader.remaining() > 0) {
            Some(reader) => reader,
            None => {
                let Some(rest) = joined.from(self.extent.offset + self.position) else { return Ok(None) };
                Box::new(rest.slice(0, self.remaining()).reader()?)
            }
        };
        Ok(Some(self.joined.insert(reader)))
    }

    /// Reads at most as many bytes as are left; 0 where the source has none any more.
    fn read_some(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(joined) = self.joined()? {
            return joined.read(buf);
        }
        if let Some((file, at, _)) = self.file() {
            return sys::read_at(file, buf, at);
        }
        let SourceStore::Memory(bytes) = &self.extent.source.0.store else { return Ok(0) };
        let start = usize::try_from(self.extent.offset + self.position).unwrap_or(usize::MAX);
        bytes.get(start..).unwrap_or_default().read(buf)
    }

    /// Bytes not yet read.
    pub(crate) fn remaining(&self) -> u64 {
        self.extent.len - self.position
    }

    /// Takes note of bytes that were read through [`ExtentReader::file`].
    pub(crate) fn advance(&mut self, bytes: u64) {
        if let Some(joined) = &mut self.joined {
            joined.advance(bytes);
        }
        self.position = (self.position + bytes).min(self.extent.len);
    }
}

impl Read for ExtentReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.remaining()).unwrap_or(usize::MAX).min(buf.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.read_some(&mut buf[..wanted])?;
        if read == 0 {
            return Err(Error::invalid(
                Rule::H28,
                self.extent.source.label(),
                format!("the file shrank while it was read: nothing at byte {}", self.extent.offset + self.position),
            )
            .into());
        }
        self.position += read as u64;
        Ok(read)
    }
}

impl Skip for ExtentReader {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.joined = None;
        if bytes > self.remaining() {
            self.position = self.extent.len;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn readers_of_one_extent_have_their_own_cursors() {
        let extent = Source::memory("m", b"0123456789".to_vec()).extent().slice(2, 5);
        let (mut one, mut two) = (extent.reader().unwrap(), extent.reader().unwrap());
        let mut text = String::new();
        one.read_to_string(&mut text).unwrap();
        two.skip(3).unwrap();
        two.read_to_string(&mut text).unwrap();
        assert_eq!(text, "2345656");
        assert!(two.skip(1).is_err());
        assert_eq!(extent.slice(3, 100).size(), 2);
    }

    #[test]
    fn a_file_is_read_from_its_base_and_missed_when_it_shrinks() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"headtail").unwrap();
        let handle = file.try_clone().unwrap();
        let source = Source::file("f", file, 4).unwrap();
        assert_eq!(source.extent().read("f", 10).unwrap(), b"tail");
        assert!(source.extent().read("f", 3).is_err());
        source.unchanged().unwrap();
        handle.set_len(6).unwrap();
        assert!(source.unchanged().is_err());
        let error = source.extent().read("f", 10).unwrap_err();
        assert_eq!(error.to_string(), "f: the file shrank while it was read: nothing at byte 2");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_renamed_or_removed_stays_the_same_and_one_that_is_written_to_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["f", "other"].map(|name| dir.path().join(name));
        fs::write(&path, "before").unwrap();
        let open = |path: &Path| File::options().read(true).write(true).open(path).unwrap();
        let source = Source::opened("f", open(&path), 0, Some(path.clone())).unwrap();
        // Clocks of file systems are slow.
        let tick = || std::thread::sleep(std::time::Duration::from_millis(20));
        tick();
        fs::rename(&path, &other).unwrap();
        source.unchanged().unwrap();
        fs::write(&path, "").unwrap();
        source.unchanged().unwrap();
        fs::remove_file(&other).unwrap();
        source.unchanged().unwrap();

        fs::write(&path, "before").unwrap();
        let (file, source) = (open(&path), Source::opened("f", open(&path), 0, Some(path.clone())).unwrap());
        let time = file.metadata().unwrap().modified().unwrap();
        tick();
        std::os::unix::fs::FileExt::write_all_at(&file, b"behind", 0).unwrap();
        file.set_modified(time).unwrap();
        assert!(source.unchanged().is_err());
    }
}
