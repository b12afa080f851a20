//! Linux, macOS and other Unix systems.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// True where [`lock`] locks the directories of most file systems.
pub(in super::super) const LOCKS_DIRECTORIES: bool = true;

/// Locks the directory at `path` until what is returned is closed; `None` where the file system cannot lock. Waits for a
/// process that has it, after a call of `on_wait`.
///
/// # Errors
/// [`WouldBlock`](io::ErrorKind::WouldBlock) if a process has it and `on_wait` is `None`.
pub(in super::super) fn lock(path: &Path, on_wait: Option<&dyn Fn()>) -> io::Result<Option<File>> {
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
        match is_same_file(path, &directory) {
            Ok(true) => return Ok(Some(directory)),
            Ok(false) => {}
            Err(_) => return Ok(None),
        }
    }
}

/// Returns whether `file` is what `path` names.
fn is_same_file(path: &Path, file: &File) -> io::Result<bool> {
    let (here, there) = (file.metadata()?, fs::metadata(path)?);
    Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
}

/// Returns the metadata of `file`; never `None` on this system, which has metadata for pipes and devices too.
///
/// # Errors
/// When the system refuses.
pub fn metadata(file: &File) -> io::Result<Option<Metadata>> {
    file.metadata().map(Some)
}

/// Opens the device that `path` names, where the system has no metadata for it; never on this system, which has.
pub(in super::super) fn open_device(_path: &Path) -> Option<File> {
    None
}

/// A handle of our own for a standard stream, at the same position.
pub(in super::super) fn duplicate(stream: impl std::os::fd::AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

/// Lets whatever `builder` makes have what the umask leaves of `mode`, as anything that a shell makes.
pub(in super::super) fn set_mode(builder: &mut tempfile::Builder<'_, '_>, mode: u32) {
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
}

/// Returns the path from the root, without symbolic links and `..`.
pub(in super::super) fn absolute_path(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// Closes a file that was written. Quotas and network file systems may accept every byte and report only here that
/// there was no room, or no server, for them.
pub(in super::super) fn close(file: File) -> io::Result<()> {
    Ok(nix::unistd::close(file)?)
}

/// Returns true if `error` means that the reader of a pipe is gone, where the standard library has no kind for it.
pub(in super::super) fn is_closed_pipe(_error: &io::Error) -> bool {
    false
}

/// Creates a file in `dir` that never has a name; `None` where the kernel or the file system cannot.
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

/// Returns `None`: this system cannot create a file without a name.
#[cfg(not(target_os = "linux"))]
pub(in super::super) fn unnamed_file(_dir: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// Returns when content or metadata changed last, in seconds and nanoseconds since 1970.
pub(in super::super) fn change_time(metadata: &Metadata) -> Option<(i64, i64)> {
    Some((metadata.ctime(), metadata.ctime_nsec()))
}

/// Returns the number of a file and of its hard links.
pub(in super::super) fn inode_and_links(metadata: &Metadata) -> Option<(u64, u64)> {
    Some((metadata.ino(), metadata.nlink()))
}

/// Reads at `offset` without moving any cursor that another reader of the same file depends on.
pub(in super::super) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

/// Writes at `offset` without moving any cursor that another writer of the same file depends on.
pub(in super::super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

/// Makes room for more bytes in a pipe, where the system lets us ask: far fewer switches between its two sides.
#[cfg(target_os = "linux")]
pub(crate) fn enlarge_pipe(file: &File) {
    const SIZE: usize = 1 << 20;
    // It fails on anything but a pipe, and past the user's share of pipe memory.
    let _ = rustix::pipe::fcntl_setpipe_size(file, SIZE);
}

/// Leaves pipes as they are: this system has no way to make them wider.
#[cfg(not(target_os = "linux"))]
pub(crate) fn enlarge_pipe(_file: &File) {}

/// Sends some of the `wanted` bytes at `offset` of `from` to the cursor of `to`; `None` if they must be read and
/// written.
#[cfg(target_os = "linux")]
pub(in super::super) fn copy_in_kernel(from: &File, offset: u64, to: &File, wanted: u64) -> Option<u64> {
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
pub(in super::super) fn copy_in_kernel(_from: &File, _offset: u64, _to: &File, _wanted: u64) -> Option<u64> {
    None
}

/// Puts each of two directories where the other is, in one step; `false` if that cannot be done here.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(in super::super) fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
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
pub(in super::super) fn exchange(_one: &Path, _other: &Path) -> io::Result<bool> {
    Ok(false)
}
