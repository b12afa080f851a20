//! Inputs as a caller gives them: paths, standard input, readers.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// The place that an archive or a document is read from. Every path is one, by [`From`]: `"app.tar".into()`.
pub enum Input {
    /// A file, a directory, or anything that can be opened and read once; `-` is a file's name here.
    Path(PathBuf),
    /// A duplicate of standard input's handle, `standard input` in messages. [`Input::reader`] of
    /// [`stdin`](std::io::stdin) does as well; a handle lets the kernel copy.
    Stdin(File),
    /// Bytes from elsewhere, read once to their end.
    Reader {
        /// The name that messages use for them.
        label: String,
        /// The reader of the bytes.
        reader: Box<dyn Read + Send>,
    },
}

impl Input {
    /// Bytes from elsewhere: what a process writes, a server sends, or memory holds. `label` names them in messages.
    pub fn reader(label: impl Into<String>, reader: impl Read + Send + 'static) -> Self {
        Self::Reader { label: label.into(), reader: Box::new(reader) }
    }

    /// Returns the name that messages use for this input.
    pub fn label(&self) -> String {
        match self {
            Self::Path(path) => crate::path::escape_path(path),
            Self::Stdin(_) => "standard input".to_owned(),
            Self::Reader { label, .. } => label.clone(),
        }
    }
}

impl<P: Into<PathBuf>> From<P> for Input {
    fn from(path: P) -> Self {
        Self::Path(path.into())
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}
