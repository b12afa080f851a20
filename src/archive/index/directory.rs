//! The members of a directory: looked up on demand, each kept once it is found.

use std::collections::HashMap;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{MemberIndex, MemberStore};
use crate::error::{Error, Problem, Result};
use crate::path::{EntryPath, can_name_file};
use crate::rule::Rule;
use crate::stream::source::{Extent, Source};
use crate::stream::sys;

/// A directory and what has been found in it.
pub(super) struct DirectoryMembers {
    root: PathBuf,
    /// The files found, so that a name always gives the same file.
    found: Mutex<HashMap<EntryPath, FoundFile>>,
}

#[derive(Clone)]
struct FoundFile {
    extent: Extent,
    /// True if a symbolic link on the way leads out of the directory.
    is_outside: bool,
}

impl MemberIndex {
    /// The body of a blob, of which the caller compares the bytes with the digest that led to `name`. In a directory it may
    /// therefore be a link to another place, as in those of Bazel, and in stores that layouts share.
    ///
    /// # Errors
    /// As [`MemberIndex::find`].
    pub fn find_blob(&self, name: &str, named_by: &str) -> Result<Option<Extent>> {
        match (&self.store, EntryPath::clean(name.as_bytes())) {
            (MemberStore::Directory(directory), Ok(path)) => {
                Ok(directory.find(&path, &self.at(name))?.map(|found| found.extent))
            }
            _ => self.find(name, named_by),
        }
    }
}

impl DirectoryMembers {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, found: Mutex::default() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Looks a clean name up, through links within the directory.
    ///
    /// One that leads out of it is refused: who unpacks an archive from elsewhere and converts it would send files of the machine
    /// along (H-6).
    pub(super) fn find_inside(
        &self,
        path: &EntryPath,
        at: &str,
    ) -> Result<std::result::Result<Option<Extent>, Problem>> {
        Ok(match self.find(path, at)? {
            Some(found) if found.is_outside => Err(Problem::new(
                Rule::H6,
                "it is or lies behind a link that leads out of the directory, where no digest tells which file is meant; \
                 put a copy of the file in its place",
            )),
            found => Ok(found.map(|found| found.extent)),
        })
    }

    /// Returns the target of the link at a clean name, if that leads to nothing.
    pub(super) fn dangling_link(&self, path: &EntryPath) -> Option<Vec<u8>> {
        let place = path_below(&self.root, path)?;
        let target = fs::read_link(&place).ok().filter(|_| !place.exists())?;
        Some(target.into_os_string().into_encoded_bytes())
    }

    fn find(&self, path: &EntryPath, at: &str) -> Result<Option<FoundFile>> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = found.get(path) {
            return Ok(Some(file.clone()));
        }
        let Some(file) = open(&self.root, path, at)? else { return Ok(None) };
        found.insert(path.clone(), file.clone());
        Ok(Some(file))
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

/// Opens a clean name below `root`, which has no links in it.
fn open(root: &Path, path: &EntryPath, at: &str) -> Result<Option<FoundFile>> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let Some(full) = path_below(root, path) else { return Ok(None) };
    match (fs::symlink_metadata(&full), full.canonicalize()) {
        (Err(error), _) if matches!(error.kind(), NotFound | NotADirectory) => Ok(None),
        (Ok(found), Err(error)) if found.is_symlink() && error.kind() == NotFound => {
            Err(Error::invalid(Rule::G7, at, "it is a link that leads nowhere"))
        }
        (Err(error), _) | (_, Err(error)) => Err(Error::io("reading", at, error)),
        (Ok(_), Ok(place)) => {
            let is_outside = !place.starts_with(root);
            Ok(Some(FoundFile { extent: Source::path(at, place)?.extent(), is_outside }))
        }
    }
}

/// Returns the path of a clean name below `root`; `None` for one that no file here can have, because even a look at it would
/// leave the directory: on Windows `\\host\share\x.json` in a document would connect to that host (H-1).
fn path_below(root: &Path, path: &EntryPath) -> Option<PathBuf> {
    let mut full = root.to_owned();
    for component in path.components() {
        full.push(std::str::from_utf8(component).ok().filter(|name| can_name_file(name))?);
    }
    Some(full)
}
