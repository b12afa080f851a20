//! Where an image layout goes when it is a directory of files.
//!
//! Everything is written into one hidden directory first: beside the target if that is new or to be replaced as a whole,
//! inside it if it is empty or added to. `finish` then renames, and only renames: one directory, or file by file with
//! `index.json` last, so that at no moment an index names a blob that is not there.
//!
//! Source: docs/formats.md O-30, H-26.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::copy::Destination;
use super::output::{bare, close, follow_links, is_free, name, not_begun, parent, refuse, under_construction};
use super::sys;
use super::unfinished::{self, Unfinished};
use crate::digest::Digest;
use crate::error::{Error, Result, Setting};
use crate::rule::Rule;

/// The document that makes a directory an image layout.
const MARK: &str = "oci-layout";
/// The document that makes blobs reachable, and therefore comes last.
const INDEX: &str = "index.json";

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
    place: Place,
}

/// The way in which the finished layout is put in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing is there: the staging directory is renamed.
    Rename,
    /// A directory is there and stays: an empty one may be a mount point, or the working directory of a process.
    Merge,
    /// A layout is there and is replaced.
    Exchange,
}

impl Place {
    /// Returns the way for `target`, to which `path` leads, or refuses what is there.
    fn of(path: &Path, target: &Path, mode: Mode) -> Result<Self> {
        match (Existing::at(target)?, mode) {
            (Existing::Nothing, _) => Ok(Self::Rename),
            (Existing::Empty, _) | (Existing::Layout, Mode::Append) => Ok(Self::Merge),
            (Existing::Layout, Mode::Force) => Ok(Self::Exchange),
            (Existing::Layout, Mode::New) => {
                Err(refuse(path, "is an image layout").avoided_by(Setting::AppendOrReplace))
            }
            (Existing::Other, _) => Err(refuse(path, "is a directory that is neither empty nor an image layout")),
            (Existing::File, _) => Err(refuse(path, "is not a directory")),
        }
    }
}

/// Refuses what `mode` does not allow to be at `path`.
///
/// # Errors
/// Those of [`DirSink::create`].
pub(super) fn check_place(path: &Path, mode: Mode) -> Result<()> {
    Place::of(path, path, mode).map(drop)
}

impl DirSink {
    /// Begins a layout at `path`; a symbolic link is followed to where it points.
    ///
    /// # Errors
    /// [`Error::Output`] when something is there that `mode` does not allow, [`Error::Io`] when the system refuses.
    pub fn create(path: &Path, mode: Mode) -> Result<Self> {
        let target = follow_links(path)?;
        let place = Place::of(path, &target, mode)?;
        Self::begin(target, place).map_err(|error| not_begun(path, error))
    }

    fn begin(target: PathBuf, place: Place) -> io::Result<Self> {
        // `.` has no parent by its name.
        let target = if place == Place::Rename { target } else { target.canonicalize()? };
        let dir = if place == Place::Merge { &target } else { parent(&target) };
        let (staging, ()) = Unfinished::create(|| {
            let made = under_construction(0o777).tempdir_in(dir)?;
            Ok((made.keep(), ()))
        })?;
        Ok(Self { staging, target, place })
    }

    /// A new blob without a name.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub(crate) fn blob(&self) -> Result<BlobFile> {
        match under_construction(0o666).tempfile_in(self.staging.path()) {
            Ok(file) => Ok(BlobFile { file, staging: self.staging.path().to_owned(), target: self.target.clone() }),
            Err(error) => Err(Error::io("creating a blob in", name(&self.target), bare(error))),
        }
    }

    /// Writes a whole document: `oci-layout`, `index.json`. A later one of the same name replaces it.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub(crate) fn document(&self, document: &'static str, bytes: &[u8]) -> Result<()> {
        let at = self.at(document);
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

    /// Gives the layout its name, or the directory that is there its new files, `index.json` last.
    ///
    /// # Errors
    /// [`Error::Output`] if something took the name meanwhile, [`Error::Io`] when the system refuses; nothing new is then
    /// left at the target.
    pub(crate) fn finish(self) -> Result<()> {
        let Self { staging, target, place } = self;
        let placed = staging.complete(|staged| match place {
            Place::Rename => fs::rename(staged, &target),
            Place::Merge => merge(staged, &target),
            Place::Exchange => exchange(staged, &target),
        });
        placed.map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                refuse(&target, "appeared while it was written")
            }
            _ => Error::io("naming", name(&target), error),
        })
    }

    fn open(&self, path: &str) -> io::Result<Option<File>> {
        let kept = (self.place == Place::Merge).then_some(self.target.as_path());
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
}

impl BlobFile {
    /// Names the blob after the digest of its bytes, which the caller has computed.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub(crate) fn persist(self, digest: &Digest) -> Result<()> {
        let (path, at) = (self.staging.join(digest.blob_path()), name(&self.target.join(digest.blob_path())));
        let (file, written) = self.file.into_parts();
        close(file, &at)?;
        make_below(&self.staging, parent(&path))
            .and_then(|()| written.persist(&path).map_err(|refused| refused.error))
            .map_err(|error| Error::io("naming", at, error))
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
        let mut entries = match sys::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Nothing),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(Self::File),
            Err(error) => return Err(Error::io("opening", name(path), error)),
        };
        let failed = |error| Error::io("reading", name(path), error);
        if path.join(MARK).try_exists().map_err(failed)? {
            return Ok(Self::Layout);
        }
        let first = entries.next().transpose().map_err(failed)?;
        Ok(if first.is_none() { Self::Empty } else { Self::Other })
    }
}

/// Makes `directory` and what is missing above it, but not `root`: who removed that, because a signal came, must not find it
/// made again.
fn make_below(root: &Path, directory: &Path) -> io::Result<()> {
    if directory == root || directory.is_dir() {
        return Ok(());
    }
    make_below(root, parent(directory))?;
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Moves all files of `staged` into `target`; if one cannot be moved, those that were new are removed again.
fn merge(staged: &Path, target: &Path) -> io::Result<()> {
    let mut made = Vec::new();
    let moved = move_into(staged, target, &mut made).and_then(|()| {
        let index = staged.join(INDEX);
        if index.try_exists()? { fs::rename(index, target.join(INDEX)) } else { Ok(()) }
    });
    if moved.is_err() {
        made.iter().rev().for_each(|path| unfinished::take_back(path));
    }
    moved
}

/// Moves what lies in `from` to `to`, all but the index; `made` gains each path that was not there before.
fn move_into(from: &Path, to: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in sys::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        let is_new = is_free(&place)?;
        if entry.file_type()?.is_dir() {
            if is_new {
                fs::create_dir(&place)?;
                made.push(place.clone());
            }
            move_into(&entry.path(), &place, made)?;
        } else if entry.file_name() != INDEX {
            fs::rename(entry.path(), &place)?;
            if is_new {
                made.push(place);
            }
        }
    }
    Ok(())
}

/// Puts `staged` where `target` is and the other way round: in one step where the system can.
pub(super) fn exchange(staged: &Path, target: &Path) -> io::Result<()> {
    if sys::exchange(staged, target)? { Ok(()) } else { exchange_in_steps(staged, target) }
}

fn exchange_in_steps(staged: &Path, target: &Path) -> io::Result<()> {
    let aside = staged.with_extension("old");
    fs::rename(target, &aside)?;
    if let Err(error) = fs::rename(staged, target) {
        // The old layout goes back; where even that fails it keeps its bytes under the other name.
        return Err(match fs::rename(&aside, target) {
            Ok(()) => error,
            Err(_) => refuse(target, &format!("{error}; what was there is now {}", name(&aside))).into(),
        });
    }
    // The new layout has its name: whatever becomes of the old one, this has succeeded.
    if fs::rename(&aside, staged).is_err() {
        unfinished::remove(&aside);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

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
                    found.push(path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned());
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

    #[test]
    fn without_an_atomic_exchange_the_result_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (staged, target) = (dir.path().join("staged"), dir.path().join("target"));
        for (path, text) in [(&staged, "new"), (&target, "old")] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("text"), text).unwrap();
        }
        exchange_in_steps(&staged, &target).unwrap();
        assert_eq!(fs::read(target.join("text")).unwrap(), b"new");
        assert_eq!(fs::read(staged.join("text")).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
