//! Linux, macOS and other Unix systems.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};

/// True: [`lock`] opens the directory, which therefore must exist.
pub(in super::super) const LOCKS_DIRECTORY_ITSELF: bool = true;

/// Locks the directory at `path` until the handle that is returned is closed. If another process has the lock, calls
/// `on_wait` once and waits. Returns `None` if the directory cannot be opened, or the file system cannot lock it.
///
/// # Errors
/// [`WouldBlock`](io::ErrorKind::WouldBlock) if another process has the lock and `on_wait` is `None`.
pub(in super::super) fn lock(path: &Path, on_wait: Option<&dyn Fn()>) -> io::Result<Option<File>> {
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
        // The process that had the lock may have put another directory in the place of this one.
        match is_same_file(path, &directory) {
            Ok(true) => return Ok(Some(directory)),
            Ok(false) => {}
            Err(_) => return Ok(None),
        }
    }
}

/// Returns true if `path` names the file or directory that is open as `file`.
fn is_same_file(path: &Path, file: &File) -> io::Result<bool> {
    let (opened, named) = (file.metadata()?, fs::metadata(path)?);
    Ok((opened.dev(), opened.ino()) == (named.dev(), named.ino()))
}

/// Returns the metadata of `file`. It is never `None`: pipes and devices have metadata too.
///
/// # Errors
/// When the system refuses.
pub fn metadata(file: &File) -> io::Result<Option<Metadata>> {
    file.metadata().map(Some)
}

/// Returns `None`: the metadata of a path tells that it is a device, and the caller opens it like a FIFO.
pub(in super::super) fn open_device(_path: &Path) -> Option<File> {
    None
}

/// Returns a handle of our own for a standard stream, which shares its position.
pub fn duplicate(stream: impl AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

/// Returns false: a terminal takes bytes as a file does.
pub(in super::super) fn is_console(_file: &File) -> bool {
    false
}

/// Gives the files and directories that `builder` creates the permissions `mode`, less the umask: `tempfile` alone lets
/// only their owner read them.
pub(in super::super) fn set_mode(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    builder.permissions(fs::Permissions::from_mode(mode));
}

/// Returns the path from the root, without symbolic links and `..`; it must exist.
pub(in super::super) fn absolute_path(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// Returns the path as it is: its length has no other limit for `tempfile` than for the standard library.
pub(in super::super) fn long_path(path: &Path) -> io::Result<PathBuf> {
    Ok(path.to_owned())
}

/// Closes a file that was written, and returns the error of that: with quotas and on network file systems a write may
/// succeed although there is no room, or no server, for its bytes.
pub(in super::super) fn close(file: File) -> io::Result<()> {
    Ok(nix::unistd::close(file)?)
}

/// Returns false: where the reader of a pipe is gone, the kind of the error tells.
pub(in super::super) fn is_closed_pipe(_error: &io::Error) -> bool {
    false
}

/// Creates a file in `dir` that never has a name. Returns `None` if the kernel or the file system cannot create one.
#[cfg(target_os = "linux")]
pub(in super::super) fn unnamed_file(dir: &Path) -> io::Result<Option<File>> {
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

/// Returns `None`: only Linux can create a file without a name.
#[cfg(not(target_os = "linux"))]
pub(in super::super) fn unnamed_file(_dir: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// Returns the time of the last change of content or metadata, in seconds and nanoseconds since 1970.
pub(in super::super) fn change_time(metadata: &Metadata) -> Option<(i64, i64)> {
    Some((metadata.ctime(), metadata.ctime_nsec()))
}

/// Returns the inode number of a file, and how many hard links it has.
pub(in super::super) fn inode_and_links(metadata: &Metadata) -> Option<(u64, u64)> {
    Some((metadata.ino(), metadata.nlink()))
}

/// Reads at `offset` without moving any cursor that another reader of the same file depends on.
pub(in super::super) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    FileExt::read_at(file, buf, offset)
}

/// Writes at `offset` without moving any cursor that another writer of the same file depends on.
pub(in super::super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    FileExt::write_at(file, bytes, offset)
}

/// Makes room for more bytes in a pipe, so that its two processes take turns less often; leaves anything else as it is.
#[cfg(target_os = "linux")]
pub(crate) fn enlarge_pipe(file: &File) {
    const SIZE: usize = 1 << 20;
    // It fails on anything but a pipe, and once the user's pipes have all the memory they may; nothing is lost by that.
    let _ = rustix::pipe::fcntl_setpipe_size(file, SIZE);
}

/// Leaves pipes as they are: only on Linux can their size be set.
#[cfg(not(target_os = "linux"))]
pub(crate) fn enlarge_pipe(_file: &File) {}

/// Copies some of the `wanted` bytes at `offset` of `from` to the cursor of `to`, and returns how many. Returns `None` if
/// the kernel cannot copy them: then they must be read and written.
#[cfg(target_os = "linux")]
pub(in super::super) fn copy_in_kernel(from: &File, offset: u64, to: &File, wanted: u64) -> Option<u64> {
    // More at a time would only make a signal wait longer.
    const MOST: u64 = 64 << 20;
    let wanted = usize::try_from(wanted.min(MOST)).ok()?;
    let mut at = offset;
    // Between files copy_file_range may share blocks instead of copying them. It fails for pipes and between some file
    // systems, where sendfile may succeed.
    let moved = match rustix::fs::copy_file_range(from, Some(&mut at), to, None, wanted) {
        Ok(moved) => moved,
        Err(_) => rustix::fs::sendfile(to, from, Some(&mut at), wanted).ok()?,
    };
    (moved > 0).then_some(moved as u64)
}

/// Returns `None`: imgtar uses such calls of Linux alone.
#[cfg(not(target_os = "linux"))]
pub(in super::super) fn copy_in_kernel(_from: &File, _offset: u64, _to: &File, _wanted: u64) -> Option<u64> {
    None
}

/// Gives each of two files or directories the path of the other, in one step. Returns false if the kernel or the file
/// system cannot do that.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(in super::super) fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Returns false, and leaves both as they are: only Linux and macOS can exchange them in one step.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(in super::super) fn exchange(_one: &Path, _other: &Path) -> io::Result<bool> {
    Ok(false)
}
