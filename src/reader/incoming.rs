//! Opened inputs: a regular file, or a stream that is read once.

use std::fs::File;
use std::io::{self, Chain, Cursor, Read, Seek};
use std::path::PathBuf;

use crate::codec::Codec;
use crate::error::{Error, LimitKind, Result};
use crate::limits::Budget;
use crate::rule::Rule;
use crate::stream::input::Input;
use crate::stream::source::Source;
use crate::stream::{enlarge_pipe, metadata};

/// An input that has been opened.
pub(super) enum Incoming {
    /// A regular file, from its cursor on.
    File(Source),
    /// A stream; its first bytes, which have been read, are put back in front.
    Stream(LimitedStream),
}

/// The handling of a regular file between opening and reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileHandle {
    /// It stays open, so that it may be renamed or removed.
    KeptOpen,
    /// Each reader opens it again: there may be more inputs than a process may have open files.
    Reopened,
}

/// A stream that fails after as many bytes as a run may decode: it need not end, and is spooled to a disk.
pub(super) struct LimitedStream {
    stream: Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>,
    at: String,
    limit: u64,
    passed: u64,
}

impl Read for LimitedStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buf)?;
        self.passed += read as u64;
        if self.passed > self.limit {
            return Err(Error::Limit { at: self.at.clone(), limit: self.limit, kind: LimitKind::Size }.into());
        }
        Ok(read)
    }
}

impl Incoming {
    /// Opens `input` and reads its first bytes; returns its compression, and all its bytes.
    ///
    /// # Errors
    /// When there are none, or they cannot be read.
    pub(super) fn open(input: Input, label: &str, handle: FileHandle, budget: &Budget) -> Result<(Codec, Self)> {
        let empty = if matches!(input, Input::Stdin(_)) {
            "nothing on standard input; name an archive, or pipe one in"
        } else {
            "the file is empty"
        };
        let (head, incoming) = match input {
            Input::Path(path) => {
                let file = File::open(&path).map_err(|error| Error::io("opening", label, error))?;
                match Self::of_file(label, file, Some(path.clone()), budget)? {
                    (head, Self::File(_)) if handle == FileHandle::Reopened => {
                        Ok((head, Self::File(Source::path(label, path)?)))
                    }
                    opened => Ok(opened),
                }
            }
            Input::Stdin(file) => Self::of_file(label, file, None, budget),
            Input::Reader { reader, .. } => Self::of_stream(label, reader, budget),
        }?;
        if head.is_empty() { Err(Error::invalid(Rule::H19, label, empty)) } else { Ok((Codec::sniff(&head), incoming)) }
    }

    /// Returns the first bytes of `file`, which was opened by `path`, and all of them.
    fn of_file(label: &str, mut file: File, path: Option<PathBuf>, budget: &Budget) -> Result<(Vec<u8>, Self)> {
        let failed = |error| Error::io("reading", label, error);
        if !metadata(&file).map_err(failed)?.is_some_and(|found| found.is_file()) {
            enlarge_pipe(&file);
            return Self::of_stream(label, Box::new(file), budget);
        }
        let base = file.stream_position().map_err(failed)?;
        let source = Source::opened(label, file, base, path)?;
        let head = source.extent().head::<{ Codec::SNIFF_LEN }>().map_err(failed)?;
        Ok((head, Self::File(source)))
    }

    /// Returns the first bytes of `stream`, and all of them.
    fn of_stream(label: &str, mut stream: Box<dyn Read + Send>, budget: &Budget) -> Result<(Vec<u8>, Self)> {
        let mut head = Vec::new();
        let read = (&mut stream).take(Codec::SNIFF_LEN as u64).read_to_end(&mut head);
        read.map_err(|error| Error::io("reading", label, error))?;
        let stream = Cursor::new(head.clone()).chain(stream);
        Ok((head, Self::Stream(LimitedStream { stream, at: label.to_owned(), limit: budget.limits().size, passed: 0 })))
    }
}
