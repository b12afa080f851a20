//! The parts of the command that differ between systems: standard streams, the identity of files, signals.
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
    /// Bytes, or an error that a read will return.
    Readable,
    /// Nothing yet.
    Pending,
    /// Its end, and nothing before it.
    Ended,
}

/// The identity of a file, which all its names share: its file system, and its number there.
pub(super) type FileId = (u64, u64);
