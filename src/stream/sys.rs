//! Calls that differ between operating systems: metadata of open files, closing, reading and writing at a position, and
//! copies inside the kernel.

use std::fs::{self, File, Metadata, ReadDir};
use std::io;
use std::path::{Path, PathBuf};

/// Lists a directory, however often a signal comes; the standard library tries again only for files.
pub(crate) fn read_dir(path: &Path) -> io::Result<ReadDir> {
    loop {
        match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// True where [`lock`] locks the directories of most file systems.
pub(super) const LOCKS_DIRECTORIES: bool = cfg!(unix);

/// Locks the directory at `path` until what is returned is closed; `None` where the file system cannot lock. Waits for a
/// process that has it, after a call of `on_wait`.
///
/// # Errors
/// [`WouldBlock`](io::ErrorKind::WouldBlock) if a process has it and `on_wait` is `None`.
#[cfg(unix)]
pub(super) fn lock(path: &Path, on_wait: Option<&dyn Fn()>) -> io::Result<Option<File>> {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::{Errno, retry_on_intr};
    let mut has_waited = false;
    loop {
        let Ok(directory) = File::open(path) else { return Ok(None) };
        match retry_on_intr(|| flock(&directory, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let on_wait = on_wait.ok_or(Errno::WOULDBLOCK)?;
                if !has_waited {
                    on_wait();
                    has_waited = true;
                }
                if retry_on_intr(|| flock(&directory, FlockOperation::LockExclusive)).is_err() {
                    return Ok(None);
                }
            }
            Err(_) => return Ok(None),
        }
        // The process that had it may have put another directory in its place.
        match is_at(path, &directory) {
            Ok(true) => return Ok(Some(directory)),
            Ok(false) => {}
            Err(_) => return Ok(None),
        }
    }
}

/// Returns whether `file` is what `path` names.
#[cfg(unix)]
fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (here, there) = (file.metadata()?, fs::metadata(path)?);
    Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
}

/// Windows locks no directories.
#[cfg(windows)]
pub(super) fn lock(_path: &Path, _on_wait: Option<&dyn Fn()>) -> io::Result<Option<File>> {
    Ok(None)
}

/// Returns the metadata of `file`; never `None` on this system, which has metadata for pipes and devices too.
///
/// # Errors
/// When the system refuses.
#[cfg(unix)]
pub fn metadata(file: &File) -> io::Result<Option<Metadata>> {
    file.metadata().map(Some)
}

/// Returns the metadata of `file`; `None` for pipes and devices, for which those of Windows may look like a file's.
///
/// # Errors
/// When the system refuses.
#[cfg(windows)]
pub fn metadata(file: &File) -> io::Result<Option<Metadata>> {
    winapi_util::file::typ(file)?.is_disk().then(|| file.metadata()).transpose()
}

/// Opens the device that `path` names, where the system has no metadata for it; never on this system, which has.
#[cfg(unix)]
pub(super) fn device(_path: &Path) -> Option<File> {
    None
}

/// Opens the device that `path` names, such as `NUL`, in any directory: Windows has no metadata for it.
#[cfg(windows)]
pub(super) fn device(path: &Path) -> Option<File> {
    let file = fs::OpenOptions::new().write(true).open(path).ok()?;
    winapi_util::file::typ(&file).is_ok_and(|found| found.is_char()).then_some(file)
}

/// A handle of our own for a standard stream, at the same position.
#[cfg(unix)]
pub(super) fn duplicate(stream: impl std::os::fd::AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

/// A handle of our own for a standard stream, at the same position.
#[cfg(windows)]
pub(super) fn duplicate(stream: impl std::os::windows::io::AsHandle) -> io::Result<File> {
    stream.as_handle().try_clone_to_owned().map(File::from)
}

/// Lets whatever `builder` makes have what the umask leaves of `mode`, as anything that a shell makes.
#[cfg(unix)]
pub(super) fn permit(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
}

/// Windows takes permissions from the directory.
#[cfg(windows)]
pub(super) fn permit(_builder: &mut tempfile::Builder<'_, '_>, _mode: u32) {}

/// Returns the path from the root, without symbolic links and `..`.
#[cfg(unix)]
pub(super) fn whole_path(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// Returns the path from its drive, without `..`; with what it has in place of links messages would begin with `\\?\`.
#[cfg(windows)]
pub(super) fn whole_path(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

/// Closes a file that was written. Quotas and network file systems may accept every byte and report only here that
/// there was no room, or no server, for them.
#[cfg(unix)]
pub(super) fn close(file: File) -> io::Result<()> {
    Ok(nix::unistd::close(file)?)
}

/// Closes a file that was written; on Windows closing reports no error.
#[cfg(windows)]
pub(super) fn close(file: File) -> io::Result<()> {
    drop(file);
    Ok(())
}

/// Returns true if `error` means that the reader of a pipe is gone, where the standard library has no kind for it.
#[cfg(unix)]
pub(super) fn is_closed_pipe(_error: &io::Error) -> bool {
    false
}

/// Returns true if `error` means that the reader of a pipe is gone, where the standard library has no kind for it.
#[cfg(windows)]
pub(super) fn is_closed_pipe(error: &io::Error) -> bool {
    const PIPE_NOT_CONNECTED: i32 = 233;
    error.raw_os_error() == Some(PIPE_NOT_CONNECTED)
}

/// Creates a file in `dir` that never has a name; `None` where the kernel or the file system cannot.
#[cfg(target_os = "linux")]
pub(super) fn nameless(dir: &Path) -> io::Result<Option<File>> {
    use io::ErrorKind::{IsADirectory, NotFound, Unsupported};
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(rustix::fs::OFlags::TMPFILE.bits().cast_signed());
    match options.open(dir) {
        // The errors of kernels and file systems that do not know `O_TMPFILE`.
        Err(error) if matches!(error.kind(), Unsupported | IsADirectory | NotFound) => Ok(None),
        opened => opened.map(Some),
    }
}

/// Creates a file in `dir` that is deleted when it is closed, however the process ends.
#[cfg(windows)]
pub(super) fn nameless(dir: &Path) -> io::Result<Option<File>> {
    tempfile::tempfile_in(dir).map(Some)
}

/// Returns `None`: this system cannot create a file without a name.
#[cfg(not(any(target_os = "linux", windows)))]
pub(super) fn nameless(_dir: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// Returns when content or metadata changed last, in seconds and nanoseconds since 1970.
#[cfg(unix)]
pub(super) fn changed(metadata: &Metadata) -> Option<(i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.ctime(), metadata.ctime_nsec()))
}

/// Returns `None`: the standard library has no stable call for change times on Windows.
#[cfg(windows)]
pub(super) fn changed(_metadata: &Metadata) -> Option<(i64, i64)> {
    None
}

/// Returns the number of a file and of its hard links.
#[cfg(unix)]
pub(super) fn inode(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.ino(), metadata.nlink()))
}

/// Returns `None`: the standard library has no stable call for file numbers on Windows.
#[cfg(windows)]
pub(super) fn inode(_metadata: &Metadata) -> Option<(u64, u64)> {
    None
}

/// Reads at `offset` without moving any cursor that another reader of the same file depends on.
#[cfg(unix)]
pub(super) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

/// Reads at `offset`; Windows moves the cursor, on which no reader here depends.
#[cfg(windows)]
pub(super) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}

/// Writes at `offset` without moving any cursor that another writer of the same file depends on.
#[cfg(unix)]
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

/// Always fails: Windows moves the cursor, on which the writer that appends to the file depends.
#[cfg(windows)]
pub(super) fn write_at(_file: &File, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes room for more bytes in a pipe, where the system lets us ask: far fewer switches between its two sides.
#[cfg(target_os = "linux")]
pub(crate) fn widen(file: &File) {
    const SIZE: usize = 1 << 20;
    // It fails on anything but a pipe, and past the user's share of pipe memory.
    let _ = rustix::pipe::fcntl_setpipe_size(file, SIZE);
}

/// Leaves pipes as they are: this system has no way to make them wider.
#[cfg(not(target_os = "linux"))]
pub(crate) fn widen(_file: &File) {}

/// Sends some of the `wanted` bytes at `offset` of `from` to the cursor of `to`; `None` if they must be read and
/// written.
#[cfg(target_os = "linux")]
pub(super) fn send(from: &File, offset: u64, to: &File, wanted: u64) -> Option<u64> {
    // More at a time would only make a signal wait longer.
    const MOST: u64 = 64 << 20;
    let wanted = usize::try_from(wanted.min(MOST)).ok()?;
    let mut at = offset;
    // Between files the file system may share the blocks; sendfile serves pipes and what is left.
    let moved = match rustix::fs::copy_file_range(from, Some(&mut at), to, None, wanted) {
        Ok(moved) => moved,
        Err(_) => rustix::fs::sendfile(to, from, Some(&mut at), wanted).ok()?,
    };
    (moved > 0).then_some(moved as u64)
}

/// Sends nothing: this system has no way that is worth its code.
#[cfg(not(target_os = "linux"))]
pub(super) fn send(_from: &File, _offset: u64, _to: &File, _wanted: u64) -> Option<u64> {
    None
}

/// Puts each of two directories where the other is, in one step; `false` if that cannot be done here.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(super) fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Leaves both where they are: this system cannot do so in one step.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(super) fn exchange(_one: &Path, _other: &Path) -> io::Result<bool> {
    Ok(false)
}
