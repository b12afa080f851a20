//! What differs between systems: reading at a position, and copies that stay inside the kernel.

use std::fs::{self, File, Metadata, ReadDir};
use std::io;
use std::path::Path;

/// Lists a directory, however often a signal comes; the standard library tries again only for files.
pub(crate) fn read_dir(path: &Path) -> io::Result<ReadDir> {
    loop {
        match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// When contents or metadata changed last, in seconds and nanoseconds since 1970.
#[cfg(unix)]
pub(super) fn changed(metadata: &Metadata) -> Option<(i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.ctime(), metadata.ctime_nsec()))
}

/// Windows does not tell.
#[cfg(windows)]
pub(super) fn changed(_metadata: &Metadata) -> Option<(i64, i64)> {
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

/// Not here: Windows moves the cursor, on which whoever appends to the file depends.
#[cfg(windows)]
pub(super) fn write_at(_file: &File, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes room for more bytes in a pipe, where the system lets us ask: far fewer switches between its two sides.
#[cfg(target_os = "linux")]
pub fn widen(file: &File) {
    const SIZE: usize = 1 << 20;
    // It fails on anything but a pipe, and past the user's share of pipe memory.
    let _ = rustix::pipe::fcntl_setpipe_size(file, SIZE);
}

/// Leaves pipes as they are: this system has no way to make them wider.
#[cfg(not(target_os = "linux"))]
pub fn widen(_file: &File) {}

/// Sends some of the `wanted` bytes at `offset` of `from` to the cursor of `to`; `None` when it has to be done by hand.
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
