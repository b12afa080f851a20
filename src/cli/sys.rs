//! What differs between systems for the command: its standard streams, what tells files apart, signals.
//!
//! Each system's module has the same functions; where they differ in what they can do, they say so.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use unix::*;
#[cfg(windows)]
pub(super) use windows::*;

/// What is seen of a stream without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamState {
    /// Bytes, or an error that reading will tell.
    Something,
    /// Nothing yet.
    Nothing,
    /// Its end, and nothing before it.
    End,
}

/// What two names of one file have in common: the file system, and the file's number in it.
pub(super) type FileId = (u64, u64);
