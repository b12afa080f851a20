//! Functions for all kinds of output: the path they go to, their temporary names while they are incomplete, and the
//! names in their errors.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::sys;
use super::unfinished::Unfinished;
use crate::error::{Error, Result};
use crate::limits::MAX_LINKS;
use crate::path::escape_path;

/// The prefix of temporary names: hidden, and recognisable if a power cut leaves one behind.
const PREFIX: &str = ".imgtar-";

/// The path that `path` means once symbolic links in its last component are followed; it need not exist.
///
/// # Errors
/// [`Error::Output`] for a cycle, [`Error::Io`] when the system refuses.
pub(super) fn follow_links(path: &Path) -> Result<PathBuf> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let failed = |error| Error::io("opening", name(path), error);
    let mut target = path.to_owned();
    for _ in 0..=MAX_LINKS {
        if descriptor(&target).is_some() {
            return Ok(target);
        }
        // The caller handles a path that is not a link, or that does not exist.
        match fs::symlink_metadata(&target) {
            Ok(found) if found.is_symlink() => {}
            Ok(_) => return Ok(target),
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(target),
            Err(error) => return Err(failed(error)),
        }
        target = parent(&target).join(fs::read_link(&target).map_err(failed)?);
    }
    Err(refuse(path, "is a symbolic link that leads nowhere"))
}

/// The path without symbolic links, of a file that need not exist yet.
pub(super) fn resolved(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| match (parent(path).canonicalize(), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    })
}

/// The directory that holds `path`.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Why nothing could be put beside `target`, to be given its name later.
pub(super) fn not_begun(target: &Path, error: io::Error) -> Error {
    let parent = parent(target);
    if error.kind() == io::ErrorKind::NotFound && !parent.exists() {
        return refuse(target, &format!("there is no directory `{}`", name(parent)));
    }
    Error::io("creating", name(target), bare(error))
}

/// Removes from `error` the temporary name that `tempfile` adds to it, because the user does not know that file.
pub(super) fn bare(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((cause, _)) => io::Error::new(error.kind(), cause.to_owned()),
        None => error,
    }
}

/// A builder of temporary files and directories with the permissions `mode`, less the umask.
pub(super) fn under_construction(mode: u32) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    sys::set_mode(&mut builder, mode);
    builder
}

/// Returns true for the temporary names that outputs have under construction.
pub(super) fn is_under_construction(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

/// An output path as errors print it.
pub(super) fn name(path: &Path) -> String {
    escape_path(path)
}

pub(super) fn refuse(path: &Path, problem: &str) -> Error {
    Error::Output { path: name(path), problem: problem.to_owned() }
}

/// The number of an open descriptor of this process, if that is what `path` names.
///
/// On Linux `/dev/fd` leads to `/proc/<pid>/fd`, elsewhere it is a directory of its own.
pub(super) fn descriptor(path: &Path) -> Option<u32> {
    let number = path.file_name()?.to_str()?.parse().ok()?;
    let dir = fs::canonicalize(parent(path)).ok()?;
    let own = Path::new("/proc").join(std::process::id().to_string()).join("fd");
    (dir == own || dir == Path::new("/dev/fd")).then_some(number)
}

/// Returns true if nothing exists at `path`. Where that cannot be found out, it is an error: an output that is taken
/// for new is removed when the run fails.
pub(super) fn is_free(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// A file in `dir` that is removed unless it is completed; what is left of `mode` is up to the umask.
pub(super) fn temporary(dir: &Path, mode: u32) -> io::Result<(Unfinished, File)> {
    Unfinished::create(|| {
        let (file, mut path) = under_construction(mode).tempfile_in(dir)?.into_parts();
        // On Windows `keep` clears the attribute of temporary files, by a path that must be a long one; messages show the other.
        temp_path(&path)?.keep()?;
        path.disable_cleanup(true);
        Ok((path.to_path_buf(), file))
    })
}

/// The file at `path` by a name that `tempfile` can keep and rename, however long it is; removed when dropped.
pub(super) fn temp_path(path: &Path) -> io::Result<TempPath> {
    TempPath::try_from_path(sys::long_path(path)?)
}

/// Closes what was written to `at`.
pub(super) fn close(file: File, at: &str) -> Result<()> {
    sys::close(file).map_err(|error| Error::io("closing", at, error))
}

/// Adds the output's name to an error of the system; an interrupted call stays as it is, because the caller retries it.
pub(super) fn lift(error: io::Error, at: impl FnOnce() -> String) -> io::Error {
    match error.kind() {
        io::ErrorKind::Interrupted => error,
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Error::ClosedPipe.into(),
        _ if sys::is_closed_pipe(&error) => Error::ClosedPipe.into(),
        _ => Error::io("writing", at(), error).into(),
    }
}
