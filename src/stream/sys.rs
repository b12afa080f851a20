//! Calls that differ between operating systems: metadata of open files, closing, reading and writing at a position, and
//! copies inside the kernel.

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

/// Lists a directory, however often a signal comes; the standard library tries again only for files.
pub(crate) fn read_dir(path: &Path) -> io::Result<ReadDir> {
    loop {
        match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
