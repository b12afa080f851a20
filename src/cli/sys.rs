//! The parts of the command that differ between systems: the state of standard input, the identity of files, signals.
//!
//! Each system's module has the same functions; their comments name the differences.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use unix::*;
#[cfg(windows)]
pub(super) use windows::*;

/// The state of a stream, found without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamState {
    /// It has bytes, or an error that a read will return.
    Readable,
    /// It has nothing yet.
    Pending,
    /// It has its end, and nothing before that.
    Ended,
}

/// The identity of a file, which all its names share: its file system, and its number there.
pub(super) type FileId = (u64, u64);
