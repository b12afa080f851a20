//! Where an image layout goes when it is a directory of files.
//!
//! Everything is written into one hidden directory first: beside the target if that is new or to be replaced as a whole,
//! inside it if it is empty or added to. To be added to, a new one is made and locked at once, so that other runs wait. At
//! the end that is renamed, and nothing else is done: one directory, or file by file with `index.json` last, so that at no
//! moment an index names a blob that is not there.
//!
//! Source: docs/formats.md O-30, H-26.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::batch::BatchSlot;
use super::copy::Destination;
use super::output::{
    bare, close, follow_links, is_under_construction, name, not_begun, parent, refuse, under_construction,
};
use super::placement::{self, StagedOutput, Way};
use super::sys;
use super::unfinished::{self, Unfinished};
use crate::digest::Digest;
use crate::error::{Error, Result, Setting};
use crate::rule::Rule;

/// The document that makes a directory an image layout.
const MARK: &str = "oci-layout";

/// The things that may exist at the target already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing, or an empty directory.
    New,
    /// A layout too, which stays and gains what is written.
    Append,
    /// A layout too, which is replaced as a whole.
    Force,
}

/// A layout under construction; dropped unfinished, it leaves no file. May be shared by threads.
#[derive(Debug)]
pub struct DirSink {
    staging: Unfinished,
    target: PathBuf,
    way: Way,
    /// The lock of a directory that is added to or replaced: of two runs at once, the second would lose what the first has
    /// listed.
    lock: Option<File>,
    /// The outputs with which it appears, if there are any.
    batch: Option<BatchSlot>,
}

/// Locks the directory at `target`, to which `path` leads, as one of `batch` if that is there.
fn lock(path: &Path, target: &Path, on_wait: &dyn Fn(), batch: Option<&BatchSlot>) -> Result<Option<File>> {
    let locked = match batch {
        Some(slot) => slot.lock(target, on_wait),
        None => sys::lock(target, Some(on_wait)),
    };
    locked.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => refuse(
            path,
            "another run writes to it, and a run that writes to several directories waits only for its first; run it again",
        ),
        _ => Error::io("locking", name(path), error),
    })
}

/// The way for what `mode` allows to be at `target`, to which `path` leads; other things are refused.
fn way(path: &Path, target: &Path, mode: Mode) -> Result<Way> {
    match (Existing::at(target)?, mode) {
        (Existing::Nothing, _) => Ok(Way::NewDirectory),
        (Existing::Empty, _) | (Existing::Layout, Mode::Append) => Ok(Way::Merge),
        (Existing::Layout, Mode::Force) => Ok(Way::Exchange),
        (Existing::Layout, Mode::New) => Err(refuse(path, "is an image layout").avoided_by(Setting::AppendOrReplace)),
        (Existing::Other, _) => Err(refuse(path, "is a directory that is neither empty nor an image layout")),
        (Existing::File, _) => Err(refuse(path, "is not a directory")),
    }
}

impl DirSink {
    /// Begins a layout at `path`; a symbolic link is followed to where it points. Waits for another run that writes to the
    /// directory which is there. Two runs that each hold a layout and wait for the other's wait for ever: begin several layouts in one
    /// [`OutputBatch`](super::batch::OutputBatch).
    ///
    /// # Errors
    /// [`Error::Output`] when something is there that `mode` does not allow, [`Error::Io`] when the system refuses.
    pub fn create(path: &Path, mode: Mode) -> Result<Self> {
        Self::begin(path, mode, &|| {}, None)
    }

    /// The same, to be placed with the others of its batch; calls `on_wait` before it waits.
    ///
    /// # Errors
    /// Those of [`create`](Self::create), and of [`BatchSlot::reserve`].
    pub(super) fn begin(path: &Path, mode: Mode, on_wait: &dyn Fn(), batch: Option<BatchSlot>) -> Result<Self> {
        let target = follow_links(path)?;
        if let Some(slot) = &batch {
            slot.reserve(&target)?;
        }
        let mut is_made = false;
        // The directory may change until it is locked: a run that fills it makes it look like any other for a moment.
        let lock = match (Existing::at(&target)?, mode) {
            (Existing::Nothing, Mode::Append) if sys::LOCKS_DIRECTORIES => {
                is_made = make(&target).map_err(|error| not_begun(path, error))?;
                lock(path, &target, on_wait, batch.as_ref())?
            }
            (Existing::Nothing | Existing::File, _) | (Existing::Layout, Mode::New) => None,
            (Existing::Empty | Existing::Layout | Existing::Other, _) => lock(path, &target, on_wait, batch.as_ref())?,
        };
        if is_made && lock.is_none() {
            // The file system cannot lock. If another run has it by now, that is found below.
            let _ = fs::remove_dir(&target);
            is_made = false;
        }
        let begun = way(path, &target, mode).and_then(|way| {
            let begun = Self::staged(target.clone(), way, is_made, lock, batch);
            begun.map_err(|error| not_begun(path, error))
        });
        if begun.is_err() && is_made {
            unfinished::remove_if_empty(&target);
        }
        begun
    }

    fn staged(
        target: PathBuf,
        way: Way,
        is_made: bool,
        lock: Option<File>,
        batch: Option<BatchSlot>,
    ) -> io::Result<Self> {
        // `.` has no parent by its name.
        let target = if way == Way::NewDirectory { target } else { sys::whole_path(&target)? };
        let dir = if way == Way::Merge { &target } else { parent(&target) };
        let (staging, ()) = Unfinished::create(|| {
            let made = under_construction(0o777).tempdir_in(dir)?;
            Ok((made.keep(), ()))
        })?;
        let staging = if is_made { staging.with_directory(target.clone()) } else { staging };
        Ok(Self { staging, target, way, lock, batch })
    }

    /// A new blob without a name.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub(crate) fn blob(&self) -> Result<BlobFile> {
        match under_construction(0o666).tempfile_in(self.staging.path()) {
            Ok(file) => Ok(BlobFile {
                file,
                staging: self.staging.path().to_owned(),
                target: self.target.clone(),
                is_added: self.way == Way::Merge,
            }),
            Err(error) => Err(Error::io("creating a blob in", name(&self.target), bare(error))),
        }
    }

    /// Writes a whole document: `oci-layout`, `index.json`. A later one of the same name replaces it. The file of one that
    /// is the same already stays.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub(crate) fn document(&self, document: &'static str, bytes: &[u8]) -> Result<()> {
        let at = self.at(document);
        let is_there = |mut file| same_bytes(&mut &bytes[..], &mut file);
        if self.open(document).is_ok_and(|found| found.is_some_and(|file| is_there(file).unwrap_or(false))) {
            return Ok(());
        }
        let written = File::create(self.staging.path().join(document))
            .and_then(|mut file| file.write_all(bytes).map(|()| file))
            .map_err(|error| Error::io("writing", &at, error))?;
        close(written, &at)
    }

    /// Returns the name that messages use for the document or blob at `path` in the layout.
    pub(crate) fn at(&self, path: &str) -> String {
        name(&self.target.join(path))
    }

    /// A document or blob that the finished layout will hold, by its path in it: written in this run, or there before and
    /// kept.
    ///
    /// `None` if it is not there.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it holds more than `cap` bytes, [`Error::Io`] when the system refuses.
    pub(crate) fn read(&self, path: &str, cap: u64) -> Result<Option<Vec<u8>>> {
        let failed = |error| Error::io("reading", self.at(path), error);
        let Some(file) = self.open(path).map_err(failed)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(cap.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > cap {
            return Err(Error::invalid(Rule::H14, self.at(path), format!("more than {cap} bytes")));
        }
        Ok(Some(bytes))
    }

    /// Gives the layout its name, or the directory that is there its new files, `index.json` last; leaves that to its batch
    /// if it has one.
    ///
    /// # Errors
    /// [`Error::Output`] if something took the name meanwhile, [`Error::Io`] when the system refuses; nothing new is then
    /// left at the target.
    pub(crate) fn finish(self) -> Result<()> {
        let Self { staging: unfinished, target, way, lock, batch } = self;
        placement::place_with(batch, StagedOutput { unfinished, target, way, lock })
    }

    fn open(&self, path: &str) -> io::Result<Option<File>> {
        let kept = (self.way == Way::Merge).then_some(self.target.as_path());
        for dir in [Some(self.staging.path()), kept].into_iter().flatten() {
            match File::open(dir.join(path)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                opened => return opened.map(Some),
            }
        }
        Ok(None)
    }
}

/// A blob of a [`DirSink`] that has no name yet; dropped, it is gone.
#[derive(Debug)]
pub(crate) struct BlobFile {
    file: NamedTempFile,
    staging: PathBuf,
    target: PathBuf,
    /// It goes into a directory that may have the same one.
    is_added: bool,
}

impl BlobFile {
    /// Names the blob after the digest of its bytes, which the caller has computed. If the directory that it goes into has
    /// the same bytes under that name, their file stays: somebody may be reading it.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub(crate) fn persist(mut self, digest: &Digest) -> Result<()> {
        if self.is_added && self.is_there(&self.target.join(digest.blob_path())).unwrap_or(false) {
            return self.discard();
        }
        let (path, at) = (self.staging.join(digest.blob_path()), name(&self.target.join(digest.blob_path())));
        let (file, written) = self.file.into_parts();
        close(file, &at)?;
        make_below(&self.staging, parent(&path))
            .and_then(|()| written.persist(&path).map_err(|refused| refused.error))
            .map_err(|error| Error::io("naming", at, error))
    }

    /// Returns whether the file at `path` has the bytes of this one.
    fn is_there(&mut self, path: &Path) -> io::Result<bool> {
        let found = fs::metadata(path)?;
        if !found.is_file() || found.len() != self.file.as_file().metadata()?.len() {
            return Ok(false);
        }
        self.file.rewind()?;
        same_bytes(self.file.as_file_mut(), &mut File::open(path)?)
    }

    /// Removes the blob: another one is the same.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses, and the finished layout would hold a file that belongs to nothing.
    pub(crate) fn discard(self) -> Result<()> {
        self.file.close().map_err(|error| Error::io("removing a blob of", name(&self.target), error))
    }
}

impl Write for BlobFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => Error::io("writing a blob of", name(&self.target), error).into(),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Destination for BlobFile {
    fn as_file(&self) -> Option<&File> {
        Some(self.file.as_file())
    }
}

/// The kinds of thing that can exist at a target.
enum Existing {
    Nothing,
    Empty,
    Layout,
    Other,
    File,
}

impl Existing {
    fn at(path: &Path) -> Result<Self> {
        let entries = match sys::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(Self::File),
            // Windows finds nothing below a file.
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_file() => return Ok(Self::File),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Nothing),
            Err(error) => return Err(Error::io("opening", name(path), error)),
        };
        let failed = |error| Error::io("reading", name(path), error);
        if path.join(MARK).try_exists().map_err(failed)? {
            return Ok(Self::Layout);
        }
        for entry in entries {
            // Once the directory is locked, what is under construction in it is a run's that was killed.
            if !(sys::LOCKS_DIRECTORIES && is_under_construction(&entry.map_err(failed)?.file_name())) {
                return Ok(Self::Other);
            }
        }
        Ok(Self::Empty)
    }
}

/// Returns whether what is left of two files is the same.
fn same_bytes(one: &mut impl Read, other: &mut impl Read) -> io::Result<bool> {
    const PIECE: u64 = 1 << 16;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    loop {
        first.clear();
        second.clear();
        one.by_ref().take(PIECE).read_to_end(&mut first)?;
        other.by_ref().take(PIECE).read_to_end(&mut second)?;
        if first != second {
            return Ok(false);
        }
        if first.is_empty() {
            return Ok(true);
        }
    }
}

/// Makes a directory; returns false if something is there.
fn make(directory: &Path) -> io::Result<bool> {
    match fs::create_dir(directory) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes `directory` and what is missing above it, but not `root`: if a signal's handler removed that, it must stay removed.
fn make_below(root: &Path, directory: &Path) -> io::Result<()> {
    if directory == root || directory.is_dir() {
        return Ok(());
    }
    make_below(root, parent(directory))?;
    make(directory).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::stream::placement::INDEX;

    const BLOB: &str = "blobs/sha256/2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

    /// Fills `sink` with the blob `foo` and the text `index` as its index.
    fn fill(sink: &DirSink, index: &str) {
        let mut blob = sink.blob().unwrap();
        blob.write_all(b"foo").unwrap();
        blob.persist(&Digest::sha256(b"foo")).unwrap();
        sink.document(MARK, b"{}").unwrap();
        sink.document(INDEX, index.as_bytes()).unwrap();
    }

    fn write(path: &Path, mode: Mode, index: &str) -> Result<()> {
        let sink = DirSink::create(path, mode)?;
        fill(&sink, index);
        sink.finish()
    }

    fn files(dir: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut dirs = vec![dir.to_owned()];
        while let Some(next) = dirs.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    found.push(path.strip_prefix(dir).unwrap().to_str().unwrap().replace('\\', "/"));
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn a_layout_appears_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("layout");
        let sink = DirSink::create(&path, Mode::New).unwrap();
        fill(&sink, "1");
        drop(sink.blob().unwrap());
        assert_eq!(sink.read(BLOB, 3).unwrap().unwrap(), b"foo");
        assert!(sink.read(&Digest::sha256(b"bar").blob_path(), 3).unwrap().is_none());
        assert!(!path.exists());
        sink.finish().unwrap();
        assert_eq!(
            files(dir.path()),
            [format!("layout/{BLOB}"), "layout/index.json".into(), "layout/oci-layout".into()]
        );
    }

    // What is open cannot be removed on every file system of Windows.
    #[cfg(unix)]
    #[test]
    fn a_dropped_layout_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let sink = DirSink::create(&dir.path().join("layout"), Mode::New).unwrap();
        fill(&sink, "1");
        let blob = sink.blob().unwrap();
        drop(sink);
        drop(blob);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn an_empty_directory_is_filled_and_stays_the_same_one() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let before = fs::metadata(dir.path()).unwrap().ino();
        write(dir.path(), Mode::New, "1").unwrap();
        assert_eq!(fs::metadata(dir.path()).unwrap().ino(), before);
        assert_eq!(files(dir.path()), [BLOB, INDEX, MARK]);
    }

    #[test]
    fn only_append_and_force_touch_a_layout() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("layout");
        write(&path, Mode::New, "1").unwrap();
        fs::write(path.join("extra"), "").unwrap();
        let error = write(&path, Mode::New, "2").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(matches!(error, Error::Avoidable { setting: Setting::AppendOrReplace, .. }), "{error}");

        let sink = DirSink::create(&path, Mode::Append).unwrap();
        assert_eq!(sink.read(BLOB, 3).unwrap().unwrap(), b"foo");
        assert_eq!(sink.read(INDEX, 1).unwrap().unwrap(), b"1");
        sink.document(INDEX, b"22").unwrap();
        assert!(sink.read(INDEX, 1).is_err());
        sink.finish().unwrap();
        assert_eq!(fs::read(path.join(INDEX)).unwrap(), b"22");
        assert_eq!(files(&path), [BLOB, "extra", INDEX, MARK]);

        let sink = DirSink::create(&path, Mode::Force).unwrap();
        assert!(sink.read(BLOB, 3).unwrap().is_none());
        fill(&sink, "3");
        sink.finish().unwrap();
        assert_eq!(files(dir.path()), [BLOB, INDEX, MARK].map(|name| format!("layout/{name}")));
    }

    #[test]
    fn what_is_no_layout_is_never_touched() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("precious"), "").unwrap();
        for mode in [Mode::New, Mode::Append, Mode::Force] {
            for path in [dir.path().to_owned(), dir.path().join("precious")] {
                assert!(matches!(DirSink::create(&path, mode), Err(Error::Output { .. })));
            }
        }
        assert_eq!(files(dir.path()), ["precious"]);
    }

    #[test]
    fn a_directory_that_appears_meanwhile_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("layout");
        let sink = DirSink::create(&path, Mode::New).unwrap();
        fill(&sink, "1");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("precious"), "").unwrap();
        assert!(matches!(sink.finish(), Err(Error::Output { .. })));
        assert_eq!(files(dir.path()), ["layout/precious"]);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_the_same_keeps_its_file() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| fs::metadata(dir.path().join(name)).unwrap().ino();
        write(dir.path(), Mode::New, "1").unwrap();
        let before = [BLOB, MARK].map(file);
        write(dir.path(), Mode::Append, "2").unwrap();
        assert_eq!([BLOB, MARK].map(file), before);
        assert_eq!(fs::read(dir.path().join(INDEX)).unwrap(), b"2");
        for damaged in ["fo0", "fo", "foo2"] {
            fs::write(dir.path().join(BLOB), damaged).unwrap();
            write(dir.path(), Mode::Append, "3").unwrap();
            assert_eq!(fs::read(dir.path().join(BLOB)).unwrap(), b"foo");
        }
        assert_eq!(files(dir.path()), [BLOB, INDEX, MARK]);
    }

    #[test]
    fn an_append_that_fails_leaves_the_layout_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("layout");
        fs::create_dir_all(path.join(INDEX)).unwrap();
        fs::write(path.join(MARK), "{}").unwrap();
        assert!(write(&path, Mode::Append, "2").is_err());
        assert_eq!(files(dir.path()), ["layout/oci-layout"]);
        assert!(!path.join("blobs").exists());
    }
}
