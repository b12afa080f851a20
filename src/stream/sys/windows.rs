//! Windows.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// True where [`lock`] locks the directories of most file systems.
pub(in super::super) const LOCKS_DIRECTORIES: bool = false;

/// Windows locks no directories.
pub(in super::super) fn lock(_path: &Path, _on_wait: Option<&dyn Fn()>) -> io::Result<Option<File>> {
    Ok(None)
}

/// Returns the metadata of `file`; `None` for pipes and devices, for which those of Windows may look like a file's.
///
/// # Errors
/// When the system refuses.
pub fn metadata(file: &File) -> io::Result<Option<Metadata>> {
    winapi_util::file::typ(file)?.is_disk().then(|| file.metadata()).transpose()
}

/// Opens the device that `path` names, such as `NUL`, in any directory: Windows has no metadata for it.
pub(in super::super) fn open_device(path: &Path) -> Option<File> {
    let file = fs::OpenOptions::new().write(true).open(path).ok()?;
    winapi_util::file::typ(&file).is_ok_and(|found| found.is_char()).then_some(file)
}

/// A handle of our own for a standard stream, at the same position.
pub(in super::super) fn duplicate(stream: impl std::os::windows::io::AsHandle) -> io::Result<File> {
    stream.as_handle().try_clone_to_owned().map(File::from)
}

/// Windows takes permissions from the directory.
pub(in super::super) fn set_mode(_builder: &mut tempfile::Builder<'_, '_>, _mode: u32) {}

/// Returns the path from its drive, without `..`; with what it has in place of links messages would begin with `\\?\`.
pub(in super::super) fn absolute_path(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

/// Closes a file that was written; on Windows closing reports no error.
pub(in super::super) fn close(file: File) -> io::Result<()> {
    drop(file);
    Ok(())
}

/// Returns true if `error` means that the reader of a pipe is gone, where the standard library has no kind for it.
pub(in super::super) fn is_closed_pipe(error: &io::Error) -> bool {
    const PIPE_NOT_CONNECTED: i32 = 233;
    error.raw_os_error() == Some(PIPE_NOT_CONNECTED)
}

/// Creates a file in `dir` that is deleted when it is closed, however the process ends.
pub(in super::super) fn unnamed_file(dir: &Path) -> io::Result<Option<File>> {
    tempfile::tempfile_in(dir).map(Some)
}

/// Returns `None`: the standard library has no stable call for change times on Windows.
pub(in super::super) fn change_time(_metadata: &Metadata) -> Option<(i64, i64)> {
    None
}

/// Returns `None`: the standard library has no stable call for file numbers on Windows.
pub(in super::super) fn inode_and_links(_metadata: &Metadata) -> Option<(u64, u64)> {
    None
}

/// Reads at `offset`; Windows moves the cursor, on which no reader here depends.
pub(in super::super) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}

/// Always fails: Windows moves the cursor, on which the writer that appends to the file depends.
pub(in super::super) fn write_at(_file: &File, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Leaves pipes as they are: this system has no way to make them wider.
pub(crate) fn enlarge_pipe(_file: &File) {}

/// Sends nothing: this system has no way that is worth its code.
pub(in super::super) fn copy_in_kernel(_from: &File, _offset: u64, _to: &File, _wanted: u64) -> Option<u64> {
    None
}

/// Leaves both where they are: this system cannot do so in one step.
pub(in super::super) fn exchange(_one: &Path, _other: &Path) -> io::Result<bool> {
    Ok(false)
}
