//! The parts of this module that differ between systems: locks and listings of directories, metadata of open files,
//! devices, consoles, handles of standard streams, permissions, absolute and long paths, files without a name, closing,
//! reading and writing at a position, sizes of pipes, copies inside the kernel, and the exchange of two paths.
//!
//! Each system's module has the same functions; their comments name the differences.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fs::{self, ReadDir};
use std::io;
use std::path::Path;

#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

/// Lists a directory, however often a signal interrupts the call: the standard library repeats only calls on files.
pub(crate) fn read_dir(path: &Path) -> io::Result<ReadDir> {
    loop {
        match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
