//! Windows: no modes, no calls in the standard library for change times and file numbers.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::os::windows::io::AsHandle;
use std::path::{Component, Path, PathBuf, Prefix};
use std::time::Duration;
use std::{io, thread};

use super::super::file_names::{is_named_pipe, name_key};
use super::super::output::resolved;
use crate::path::DeviceOfWindows;

/// False: [`lock`] does not need the directory, and one that is made early could make the rename of another run fail.
pub(in super::super) const LOCKS_DIRECTORY_ITSELF: bool = false;

/// Locks the directory at `path`, which need not exist, until the handle that is returned is closed. If another process has
/// the lock, calls `on_wait` once and waits. Returns `None` if no file can be created beside the directory.
///
/// The handle is of a file beside the directory, `.imgtar-NAME.lock`, which no other process can open meanwhile and which
/// Windows removes with the handle, however the process ends. A file within the directory would keep it from being renamed.
///
/// # Errors
/// [`WouldBlock`](io::ErrorKind::WouldBlock) if another process has the lock and `on_wait` is `None`.
pub(in super::super) fn lock(path: &Path, on_wait: Option<&dyn Fn()>) -> io::Result<Option<File>> {
    const SHARING_VIOLATION: i32 = 32;
    const PAUSE: Duration = Duration::from_millis(20);
    let directory = resolved(path);
    let Some(name) = directory.file_name().and_then(name_of_lock) else { return Ok(None) };
    let lock_path = directory.with_file_name(name);
    let (mut has_waited, mut refusals) = (false, 0);
    loop {
        match open_until_closed(&lock_path) {
            Ok(file) => return Ok(Some(file)),
            Err(error) if error.raw_os_error() == Some(SHARING_VIOLATION) => {
                let on_wait = on_wait.ok_or(io::ErrorKind::WouldBlock)?;
                if !has_waited {
                    on_wait();
                    has_waited = true;
                }
                refusals = 0;
            }
            // The error also of a file that is being removed.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && refusals < 10 => refusals += 1,
            Err(_) => return Ok(None),
        }
        // No call waits until a file can be opened.
        thread::sleep(PAUSE);
    }
}

/// The name of the file that locks a directory called `name`, the same for all its names.
fn name_of_lock(name: &OsStr) -> Option<OsString> {
    let key = name_key(name);
    (!key.is_empty()).then(|| [OsStr::new(".imgtar-"), &key, OsStr::new(".lock")].into_iter().collect())
}

/// Opens a file that nothing else can open, and that Windows removes when it is closed.
fn open_until_closed(path: &Path) -> io::Result<File> {
    const GENERIC_WRITE: u32 = 0x4000_0000;
    const DELETE: u32 = 0x1_0000;
    const DELETE_ON_CLOSE: u32 = 0x400_0000;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    options.access_mode(GENERIC_WRITE | DELETE).share_mode(0).custom_flags(DELETE_ON_CLOSE).open(path)
}

/// Returns the metadata of `file`; `None` for pipes and devices, whose metadata Windows may show as those of a file.
///
/// # Errors
/// When the system refuses.
pub fn metadata(file: &File) -> io::Result<Option<Metadata>> {
    winapi_util::file::typ(file)?.is_disk().then(|| file.metadata()).transpose()
}

/// Opens the null device or the console, whose names are those of files in any directory, or another device at a path such as
/// `\\.\name`; `None` if `path` names none of them. Only the open handle tells: Windows has no metadata for the path of a device.
pub(in super::super) fn open_device(path: &Path) -> Option<File> {
    // Opening it would connect to its server, also on another machine.
    if is_named_pipe(path) {
        return None;
    }
    let path = match DeviceOfWindows::at(path) {
        // `CON` can be opened for reading or for writing, not for both.
        Some(DeviceOfWindows::Console) => Path::new("CONOUT$"),
        Some(DeviceOfWindows::Other) => return None,
        Some(DeviceOfWindows::Null) | None => path,
    };
    // Only a handle that may read can be recognised as a console.
    let open = |read| fs::OpenOptions::new().read(read).write(true).open(path);
    let file = open(true).or_else(|_| open(false)).ok()?;
    winapi_util::file::typ(&file).is_ok_and(|found| found.is_char()).then_some(file)
}

/// Returns a handle of our own for a standard stream, which shares its position.
pub fn duplicate(stream: impl AsHandle) -> io::Result<File> {
    stream.as_handle().try_clone_to_owned().map(File::from)
}

/// Returns true if `file` is a console, which takes text: it would read bytes in its code page.
pub(in super::super) fn is_console(file: &File) -> bool {
    winapi_util::console::mode(file).is_ok()
}

/// Does nothing: Windows has no modes, and new files have the permissions of their directory.
pub(in super::super) fn set_mode(_builder: &mut tempfile::Builder<'_, '_>, _mode: u32) {}

/// Returns the path from its drive, without `..`. Symbolic links stay: without them the path would begin with `\\?\`, and
/// messages show it.
pub(in super::super) fn absolute_path(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

/// Returns the path with `\\?\` in front, with which it may be longer than 260 characters. The standard library does this itself
/// for long paths, but `tempfile` passes those that it renames to the system as they are. Not for messages.
pub(in super::super) fn long_path(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut rest = path.components();
    let Some(Component::Prefix(prefix)) = rest.next() else { return Ok(path) };
    let (mut long, path) = match prefix.kind() {
        Prefix::Disk(_) => (OsString::from(r"\\?\"), path.as_path()),
        Prefix::UNC(server, share) => {
            let share = [OsStr::new(r"\\?\UNC"), server, share].join(OsStr::new(r"\"));
            (share, rest.as_path())
        }
        // It has a prefix of this kind, or is a device.
        _ => return Ok(path),
    };
    long.push(path);
    Ok(long.into())
}

/// Closes a file that was written. Windows reports no error when it closes a file.
pub(in super::super) fn close(file: File) -> io::Result<()> {
    drop(file);
    Ok(())
}

/// Returns true if `error` means that the reader of a pipe is gone, but has no kind in the standard library.
pub(in super::super) fn is_closed_pipe(error: &io::Error) -> bool {
    const PIPE_NOT_CONNECTED: i32 = 233;
    error.raw_os_error() == Some(PIPE_NOT_CONNECTED)
}

/// Creates a file in `dir` that is deleted when it is closed, however the process ends.
pub(in super::super) fn unnamed_file(dir: &Path) -> io::Result<Option<File>> {
    tempfile::tempfile_in(dir).map(Some)
}

/// Returns `None`: on Windows the standard library has no stable call for change times.
pub(in super::super) fn change_time(_metadata: &Metadata) -> Option<(i64, i64)> {
    None
}

/// Returns `None`: on Windows the standard library has no stable call for file numbers.
pub(in super::super) fn inode_and_links(_metadata: &Metadata) -> Option<(u64, u64)> {
    None
}

/// Reads at `offset`. Windows moves the cursor too, but no reader of a shared file depends on it.
pub(in super::super) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    FileExt::seek_read(file, buf, offset)
}

/// Always fails: Windows would move the cursor, on which the writer that appends to the file depends.
/// [`Patch::region`](super::super::patch::Patch::region) returns `None` for that reason, and nothing calls this.
pub(in super::super) fn write_at(_file: &File, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Leaves pipes as they are: only their creator sets their size.
pub(crate) fn enlarge_pipe(_file: &File) {}

/// Returns `None`: Windows has no general call that copies a range of a file.
pub(in super::super) fn copy_in_kernel(_from: &File, _offset: u64, _to: &File, _wanted: u64) -> Option<u64> {
    None
}

/// Returns false, and leaves both as they are: Windows cannot exchange them in one step.
pub(in super::super) fn exchange(_one: &Path, _other: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_has_a_prefix_and_means_the_same() {
        for (path, wanted) in [
            (r"C:\a\b.tar", r"\\?\C:\a\b.tar"),
            (r"c:/a/./x/../b.tar", r"\\?\c:\a\b.tar"),
            (r"\\server\share\a\b.tar", r"\\?\UNC\server\share\a\b.tar"),
            (r"//server/share/a/b.tar", r"\\?\UNC\server\share\a\b.tar"),
            (r"\\?\C:\a\b.tar", r"\\?\C:\a\b.tar"),
            (r"\\?\UNC\server\share\b.tar", r"\\?\UNC\server\share\b.tar"),
            (r"\\.\pipe\b", r"\\.\pipe\b"),
        ] {
            assert_eq!(long_path(Path::new(path)).unwrap().as_os_str(), wanted, "{path}");
        }
        for path in ["b.tar", &["d"; 300].join(r"\")] {
            let found = long_path(Path::new(path)).unwrap();
            let has_prefix = found.as_os_str().as_encoded_bytes().starts_with(br"\\?\");
            assert!(has_prefix && found.is_absolute() && found.ends_with(path), "{}", found.display());
        }
    }
}
