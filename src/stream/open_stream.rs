//! Standard streams, FIFOs, devices and open descriptors as outputs.

use std::fs::File;
use std::io::{self, Write};

use super::console::ConsoleText;
use super::sys;
use crate::error::{Error, Result};

/// An output that is there already, and is written to in order and never replaced.
pub(super) struct OpenStream {
    pub(super) file: File,
    pub(super) name: String,
    /// Writes in place of `file` where that is a console, which takes only text.
    console: Option<ConsoleText>,
}

impl OpenStream {
    pub(super) fn new(file: File, name: String) -> Self {
        sys::enlarge_pipe(&file);
        Self { file, name, console: None }
    }

    /// Standard output. On a console of Windows, UTF-8 is shown as text whatever its code page, and other bytes as U+FFFD.
    ///
    /// # Errors
    /// [`Error::Io`] if the descriptor cannot be duplicated.
    pub(super) fn stdout() -> Result<Self> {
        let mut stream = Self::standard(sys::duplicate(io::stdout()), "standard output")?;
        stream.console = sys::is_console(&stream.file).then(ConsoleText::default);
        Ok(stream)
    }

    /// Standard error.
    ///
    /// # Errors
    /// [`Error::Io`] if the descriptor cannot be duplicated.
    pub(super) fn stderr() -> Result<Self> {
        Self::standard(sys::duplicate(io::stderr()), "standard error")
    }

    fn standard(file: io::Result<File>, name: &str) -> Result<Self> {
        let file = file.map_err(|error| Error::io("opening", name, error))?;
        Ok(Self::new(file, name.to_owned()))
    }

    /// The file to which bytes may be copied as they are; `None` for a console.
    pub(super) fn as_file(&self) -> Option<&File> {
        self.console.is_none().then_some(&self.file)
    }
}

impl Write for OpenStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.console {
            Some(console) => console.write(bytes),
            None => self.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.console.as_mut().map_or(Ok(()), Write::flush)
    }
}
