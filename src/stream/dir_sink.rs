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
use super::dir_target::{DirTarget, Mode, make};
use super::output::{bare, close, name, not_begun, parent, under_construction};
use super::placement::{self, NamingMethod, StagedOutput};
use super::sys;
use super::unfinished::{self, Unfinished};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::rule::Rule;

/// A layout under construction; dropped unfinished, it leaves no file. May be shared by threads. An
/// [`Output`](crate::Output) by `into()`.
#[derive(Debug)]
pub struct DirSink {
    staging: Unfinished,
    target: PathBuf,
    method: NamingMethod,
    /// The lock of a directory that is added to or replaced: of two runs at once, the second would lose what the first has
    /// listed.
    lock: Option<File>,
    /// The outputs with which it appears, if there are any.
    batch: Option<BatchSlot>,
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
        let target = DirTarget::claim(path, mode, on_wait, batch.as_ref())?;
        let (target_path, is_made) = (target.path.clone(), target.is_made);
        Self::staged(target, batch).map_err(|error| {
            if is_made {
                unfinished::remove_if_empty(&target_path);
            }
            not_begun(path, error)
        })
    }

    fn staged(target: DirTarget, batch: Option<BatchSlot>) -> io::Result<Self> {
        let DirTarget { path, method, lock, is_made } = target;
        // `.` has no parent by its name.
        let target = if method == NamingMethod::NewDirectory { path } else { sys::absolute_path(&path)? };
        let dir = if method == NamingMethod::Merge { &target } else { parent(&target) };
        let (staging, ()) = Unfinished::create(|| {
            let made = under_construction(0o777).tempdir_in(dir)?;
            Ok((made.keep(), ()))
        })?;
        let staging = if is_made { staging.with_directory(target.clone()) } else { staging };
        Ok(Self { staging, target, method, lock, batch })
    }

    /// A new blob without a name.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub(crate) fn blob(&self) -> Result<BlobFile> {
        let dir = sys::long_path(self.staging.path());
        match dir.and_then(|dir| under_construction(0o666).tempfile_in(dir)) {
            Ok(file) => Ok(BlobFile {
                file,
                staging: self.staging.path().to_owned(),
                target: self.target.clone(),
                is_added: self.method == NamingMethod::Merge,
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
        let Self { staging: unfinished, target, method, lock, batch } = self;
        placement::place_with(batch, StagedOutput { unfinished, target, method, lock })
    }

    fn open(&self, path: &str) -> io::Result<Option<File>> {
        let kept = (self.method == NamingMethod::Merge).then_some(self.target.as_path());
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
            .and_then(|()| sys::long_path(&path))
            .and_then(|path| written.persist(path).map_err(|refused| refused.error))
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
        self.file.close().map_err(|error| Error::io("removing a blob of", name(&self.target), bare(error)))
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

/// Makes `directory` and what is missing above it, but not `root`: if a signal's handler removed that, it must stay removed.
fn make_below(root: &Path, directory: &Path) -> io::Result<()> {
    if directory == root || directory.is_dir() {
        return Ok(());
    }
    make_below(root, parent(directory))?;
    make(directory).map(drop)
}

#[cfg(test)]
mod tests;
