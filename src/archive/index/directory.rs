//! The members of a directory: looked up on demand, each kept once it is found.

use std::collections::HashMap;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::path::EntryPath;
use crate::stream::source::{Extent, Source};
use crate::stream::sys;

/// A directory and what has been found in it.
pub(super) struct DirectoryMembers {
    root: PathBuf,
    /// The files found, so that a name always gives the same file.
    found: Mutex<HashMap<EntryPath, Extent>>,
}

impl DirectoryMembers {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, found: Mutex::default() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Looks a clean name up. Symbolic links in a directory are the file system's, and its owner's.
    pub(super) fn find(&self, path: &EntryPath, at: &str) -> Result<Option<Extent>> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(extent) = found.get(path) {
            return Ok(Some(extent.clone()));
        }
        let Some(extent) = open(&self.root, path, at)? else { return Ok(None) };
        found.insert(path.clone(), extent.clone());
        Ok(Some(extent))
    }

    /// The files at the top, in the directories there, and in those of `blobs/`; no format has files deeper down.
    pub(super) fn names(&self) -> io::Result<Vec<EntryPath>> {
        let mut names = Vec::new();
        for entry in entries(&self.root)? {
            let name = entry.file_name();
            if entry.path().is_dir() {
                let is_blobs = name == "blobs";
                below(&entry.path(), &name.display().to_string(), is_blobs, &mut names)?;
            } else {
                names.extend(EntryPath::clean(name.as_encoded_bytes()).ok());
            }
        }
        Ok(names)
    }
}

/// Adds the files in the directory `path`, which is called `name`; with `deeper` those in its directories too.
fn below(path: &Path, name: &str, deeper: bool, names: &mut Vec<EntryPath>) -> io::Result<()> {
    for entry in entries(path)? {
        let name = format!("{name}/{}", entry.file_name().display());
        if !entry.path().is_dir() {
            names.extend(EntryPath::clean(name.as_bytes()).ok());
        } else if deeper {
            below(&entry.path(), &name, false, names)?;
        }
    }
    Ok(())
}

/// Reads the entries of a directory; none if it is missing or may not be read.
fn entries(path: &Path) -> io::Result<Vec<DirEntry>> {
    match sys::read_dir(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound) => {
            Ok(Vec::new())
        }
        entries => entries?.collect(),
    }
}

/// Opens a clean name below `root`.
fn open(root: &Path, path: &EntryPath, at: &str) -> Result<Option<Extent>> {
    let mut full = root.to_owned();
    for component in path.components() {
        match std::str::from_utf8(component) {
            Ok(component) => full.push(component),
            Err(_) => return Ok(None),
        }
    }
    match fs::symlink_metadata(&full) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::io("reading", at, error)),
        Ok(_) => Ok(Some(Source::path(at, full)?.extent())),
    }
}
