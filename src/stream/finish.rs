//! Writers whose end matters.

use std::io::{self, Write};

/// A writer that still owes bytes at the end: a gzip trailer, tar padding, a rename.
///
/// Dropping it unfinished abandons the output. Only `finish` can report success.
pub trait Finish: Write {
    /// What remains when done: the writer below, or what is known of the bytes written.
    type Output;

    /// Writes what is owed.
    ///
    /// # Errors
    /// Any error of the layers below, a full disk included.
    fn finish(self) -> io::Result<Self::Output>;
}
