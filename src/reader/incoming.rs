//! Bytes as they come in: at rest in a regular file, or passing by once.

use std::fs::File;
use std::io::{Chain, Cursor, Read, Seek};

use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::stream::source::{Input, Source};
use crate::stream::{metadata, widen};

/// Where an input's bytes are.
pub(super) enum Incoming {
    /// In a regular file, from its cursor on.
    AtRest(Source),
    /// On their way; what was looked at is put back in front.
    Passing(Passing),
}

/// A stream whose first bytes have been looked at.
pub(super) type Passing = Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>;

impl Incoming {
    /// Opens `input` and looks at its first bytes: how they are compressed, and where they are.
    ///
    /// # Errors
    /// When there are none, or they cannot be read.
    pub(super) fn open(input: Input, label: &str) -> Result<(Codec, Self)> {
        match input {
            Input::Path(path) => {
                Self::of_file(label, File::open(path).map_err(|error| Error::io("opening", label, error))?)
            }
            Input::Stdin(file) => Self::of_file(label, file),
            Input::Reader { reader, .. } => Self::of_stream(label, reader),
        }
    }

    fn of_file(label: &str, mut file: File) -> Result<(Codec, Self)> {
        let failed = |error| Error::io("reading", label, error);
        if !metadata(&file).map_err(failed)?.is_some_and(|found| found.is_file()) {
            widen(&file);
            return Self::of_stream(label, Box::new(file));
        }
        let base = file.stream_position().map_err(failed)?;
        let source = Source::file(label, file, base)?;
        let head = source.extent().head::<{ Codec::SNIFF_LEN }>().map_err(failed)?;
        refuse_nothing(&head, label)?;
        Ok((Codec::sniff(&head), Self::AtRest(source)))
    }

    fn of_stream(label: &str, mut stream: Box<dyn Read + Send>) -> Result<(Codec, Self)> {
        let mut head = Vec::new();
        let read = (&mut stream).take(Codec::SNIFF_LEN as u64).read_to_end(&mut head);
        read.map_err(|error| Error::io("reading", label, error))?;
        refuse_nothing(&head, label)?;
        Ok((Codec::sniff(&head), Self::Passing(Cursor::new(head).chain(stream))))
    }
}

fn refuse_nothing(head: &[u8], label: &str) -> Result<()> {
    match (head.is_empty(), label) {
        (false, _) => Ok(()),
        (true, "standard input") => Err(Error::invalid(label, "nothing on standard input; give IN")),
        (true, _) => Err(Error::invalid(label, "the file is empty")),
    }
}
