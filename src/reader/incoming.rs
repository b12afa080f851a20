//! Bytes as they come in: at rest in a regular file, or passing by once.

use std::fs::File;
use std::io::{Chain, Cursor, Read, Seek};

use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::stream::source::Source;
use crate::stream::{metadata, widen};

/// Where an input's bytes are.
pub(super) enum Incoming {
    /// In a regular file, from its cursor on.
    AtRest(Source),
    /// On their way; what was looked at is put back in front.
    Passing(Chain<Cursor<Vec<u8>>, File>),
}

impl Incoming {
    /// Looks at the first bytes of `file`: how they are compressed, and where they are.
    ///
    /// # Errors
    /// When there are none, or they cannot be read.
    pub(super) fn of(label: &str, mut file: File) -> Result<(Codec, Self)> {
        let failed = |error| Error::io("reading", label, error);
        if metadata(&file).map_err(failed)?.is_some_and(|found| found.is_file()) {
            let base = file.stream_position().map_err(failed)?;
            let source = Source::file(label, file, base)?;
            let head = source.extent().head::<{ Codec::SNIFF_LEN }>().map_err(failed)?;
            refuse_nothing(&head, label)?;
            return Ok((Codec::sniff(&head), Self::AtRest(source)));
        }
        widen(&file);
        let mut head = Vec::new();
        (&mut file).take(Codec::SNIFF_LEN as u64).read_to_end(&mut head).map_err(failed)?;
        refuse_nothing(&head, label)?;
        Ok((Codec::sniff(&head), Self::Passing(Cursor::new(head).chain(file))))
    }
}

fn refuse_nothing(head: &[u8], label: &str) -> Result<()> {
    match (head.is_empty(), label) {
        (false, _) => Ok(()),
        (true, "standard input") => Err(Error::invalid(label, "nothing on standard input; give IN")),
        (true, _) => Err(Error::invalid(label, "the file is empty")),
    }
}
