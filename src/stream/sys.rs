//! What differs between systems: reading and writing at a position, and copies that stay inside the kernel.

use std::fs::File;
use std::io;

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
