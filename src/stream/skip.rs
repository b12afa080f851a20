//! Passing over bytes.
use std::io::{self, Read};

/// A reader that can pass over bytes without giving them out: a seek on a file, read-and-drop on a pipe.
pub trait Skip: Read {
    /// Passes over `bytes`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when there are not that many.
    fn skip(&mut self, bytes: u64) -> io::Result<()>;
}
