//! Writers whose end matters.

use std::io::{self, Write};

/// A writer that still owes bytes at the end: a gzip trailer, tar padding, a rename.
///
/// Dropping it unfinished abandons the output. Only `finish` can report success.
pub trait Finish: Write {
    /// The value that a finished writer leaves: the writer below, or the name and digest now on disk.
    type Output;

    /// Writes what is owed.
    ///
    /// # Errors
    /// Any error of the layers below, a full disk included. A writer that failed before never finishes.
    fn finish(self) -> io::Result<Self::Output>;
}
