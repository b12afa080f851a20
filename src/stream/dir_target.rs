//! The directory that a layout goes to: what may be there already, and its lock.
//!
//! Source: docs/formats.md H-26, O-30; docs/bundles.md B-41.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::batch::BatchSlot;
use super::file_names::problem_with;
use super::output::{follow_links, is_under_construction, name, not_begun, refuse};
use super::placement::NamingMethod;
use super::{sys, unfinished};
use crate::error::{Error, Result, Setting};

/// The document that makes a directory an image layout.
pub(super) const MARK: &str = "oci-layout";

/// The things that may exist already at the directory of a [`DirSink`](crate::DirSink).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing, or an empty directory.
    New,
    /// A layout too, which stays and gains what is written.
    Append,
    /// A layout too, which is replaced as a whole.
    Force,
}

/// A directory, or the place for one, that a layout may go to.
pub(super) struct DirTarget {
    pub(super) path: PathBuf,
    pub(super) method: NamingMethod,
    /// The lock of a directory that is added to or replaced: of two runs at once, the second would lose what the first has
    /// listed.
    pub(super) lock: Option<File>,
    /// True if it was made only to be locked: a run that fails removes it.
    pub(super) is_made: bool,
}

impl DirTarget {
    /// Claims the directory to which `path` leads, as one of `batch` if that is there; calls `on_wait` before it waits for
    /// another run.
    ///
    /// # Errors
    /// [`Error::Output`] when something is there that `mode` does not allow, or nothing can be, [`Error::Io`] when the system
    /// refuses, and those of [`BatchSlot::reserve`].
    pub(super) fn claim(path: &Path, mode: Mode, on_wait: &dyn Fn(), batch: Option<&BatchSlot>) -> Result<Self> {
        if let Some(problem) = problem_with(path) {
            return Err(refuse(path, problem));
        }
        let target = follow_links(path)?;
        if let Some(slot) = batch {
            slot.reserve(&target)?;
        }
        let mut is_made = false;
        // The directory may change until it is locked: a run that fills it makes it look like any other for a moment.
        let lock = match (Existing::at(&target)?, mode) {
            (Existing::Nothing, Mode::Append) => {
                if sys::LOCKS_DIRECTORY_ITSELF {
                    is_made = make(&target).map_err(|error| not_begun(path, error))?;
                }
                lock(path, &target, on_wait, batch)?
            }
            (Existing::Nothing | Existing::File, _) | (Existing::Layout, Mode::New) => None,
            (Existing::Empty | Existing::Layout | Existing::Other, _) => lock(path, &target, on_wait, batch)?,
        };
        if is_made && lock.is_none() {
            // The file system cannot lock. If another run has it by now, that is found below.
            let _ = fs::remove_dir(&target);
            is_made = false;
        }
        match method(path, &target, mode) {
            Ok(method) => Ok(Self { path: target, method, lock, is_made }),
            Err(error) => {
                if is_made {
                    unfinished::remove_if_empty(&target);
                }
                Err(error)
            }
        }
    }
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

/// The method for an output that gets the name `target`, to which `path` leads. Refused is an existing file or directory that
/// `mode` does not allow.
fn method(path: &Path, target: &Path, mode: Mode) -> Result<NamingMethod> {
    match (Existing::at(target)?, mode) {
        (Existing::Nothing, _) => Ok(NamingMethod::NewDirectory),
        (Existing::Empty, _) | (Existing::Layout, Mode::Append) => Ok(NamingMethod::Merge),
        (Existing::Layout, Mode::Force) => Ok(NamingMethod::Exchange),
        (Existing::Layout, Mode::New) => Err(refuse(path, "is an image layout").avoided_by(Setting::AppendOrReplace)),
        (Existing::Other, _) => Err(refuse(path, "is a directory that is neither empty nor an image layout")),
        (Existing::File, _) => Err(refuse(path, "is not a directory")),
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
            // Windows has other errors for the listing of a file.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory || path.is_file() => return Ok(Self::File),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Nothing),
            Err(error) => return Err(Error::io("opening", name(path), error)),
        };
        let failed = |error| Error::io("reading", name(path), error);
        if path.join(MARK).try_exists().map_err(failed)? {
            return Ok(Self::Layout);
        }
        for entry in entries {
            // Once the directory is locked, what is under construction in it is a run's that was killed.
            if !is_under_construction(&entry.map_err(failed)?.file_name()) {
                return Ok(Self::Other);
            }
        }
        Ok(Self::Empty)
    }
}

/// Makes a directory; returns false if something is there.
pub(super) fn make(directory: &Path) -> io::Result<bool> {
    match fs::create_dir(directory) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}
