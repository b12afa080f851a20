//! The loop over a layer's entries, from wherever its tar is.

use std::io::Read;
use std::thread;

use crate::archive::{Ending, EntryKind, Reader, TarEntry};
use crate::digest::Hasher;
use crate::error::{Error, Result};
use crate::image::Layer;
use crate::progress::Action;
use crate::run::Run;
use crate::stream::copy::Buffer;
use crate::stream::skip::{Sequential, Skip};

/// The treatment of the content of regular files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileContent {
    /// It is skipped. Of a layer that is stored uncompressed only the headers are read, and no digest is checked.
    Skipped,
    /// It is hashed, and the layer read to its last byte, so that every digest of it is checked.
    Hashed,
}

/// Hands `each` every entry of `layer` in archive order, with the SHA-256 of a regular file if its content is
/// [`FileContent::Hashed`]; returns the size of the uncompressed tar. With `ahead` it is decoded on a thread of its own.
///
/// # Errors
/// [`Error::Inexpressible`] for a layer that is encrypted or not in the archive; a damaged tar, digests that are not as
/// expected (docs/formats.md M-11), and errors of `each`.
pub(crate) fn read_layer(
    layer: &Layer,
    content: FileContent,
    ahead: bool,
    run: &Run,
    mut each: impl FnMut(TarEntry, Option<[u8; 32]>) -> Result<()>,
) -> Result<u64> {
    if layer.is_encrypted() {
        return Err(Error::inexpressible(&layer.at, "an encrypted layer cannot be looked into"));
    }
    match layer.blob.as_ref().filter(|blob| content == FileContent::Skipped && blob.is_plain()) {
        Some(blob) => {
            let bytes = blob.extent.reader().map_err(|error| Error::io("reading", &layer.at, error))?;
            each_entry(&mut reader(bytes, &layer.at, run), |entry, _| each(entry, None))?;
            blob.extent.source().unchanged()?;
            Ok(blob.extent.size())
        }
        None => thread::scope(|scope| {
            let plain = Sequential::new(layer.plain(Action::Check, ahead, run, scope)?);
            let (mut reader, mut buffer) = (reader(plain, &layer.at, run), Buffer::new());
            each_entry(&mut reader, |entry, body| {
                let is_hashed = content == FileContent::Hashed && entry.kind == EntryKind::Regular;
                let digest = if is_hashed { hash(body, &mut buffer, &layer.at)? } else { None };
                each(entry, digest)
            })?;
            let plain = reader.finish()?.into_inner();
            Ok(plain.digest_and_size().map_or(0, |measure| measure.size))
        }),
    }
}

/// Hands `each` every entry that `reader` meets, and its content.
///
/// # Errors
/// A damaged tar, and errors of `each`.
pub(crate) fn each_entry<R: Skip>(
    reader: &mut Reader<'_, R>,
    mut each: impl FnMut(TarEntry, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    while let Some(entry) = reader.next_entry()? {
        each(entry, &mut reader.body())?;
    }
    Ok(())
}

fn reader<'r, R: Skip>(bytes: R, at: &str, run: &'r Run) -> Reader<'r, R> {
    Reader::new(bytes, Ending::Optional, at, &run.budget, &run.diagnostics)
}

fn hash(body: &mut dyn Read, buffer: &mut Buffer, at: &str) -> Result<Option<[u8; 32]>> {
    let mut hasher = Hasher::sha256();
    loop {
        match buffer.fill(body).map_err(|error| Error::io("reading", at, error))? {
            [] => return Ok(hasher.finish_sha256()),
            bytes => hasher.update(bytes),
        }
    }
}
