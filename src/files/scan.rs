//! The headers of one layer, from wherever its tar is.

use std::thread;

use super::header::Header;
use super::headers::Headers;
use crate::archive::{Ending, Reader, TarEntry};
use crate::error::{Error, Result};
use crate::flatten::Stage;
use crate::image::Layer;
use crate::progress::Action;
use crate::run::Run;
use crate::stream::skip::{Sequential, Skip};

/// The headers of a layer and, apart from them, what the overlay is told of each, its name above all: that has a copy.
#[derive(Default)]
pub(super) struct Scanned {
    pub(super) changes: Stage,
    pub(super) headers: Headers,
}

/// The headers of `layer` in its order. What must be decoded for them is judged by all it promises.
pub(super) fn headers(layer: &Layer, ahead: bool, run: &Run) -> Result<Scanned> {
    let mut scanned = Scanned::default();
    each_entry(layer, ahead, run, |entry| scanned.push(entry, layer, run))?;
    Ok(scanned)
}

impl Scanned {
    fn push(&mut self, entry: TarEntry, layer: &Layer, run: &Run) -> Result<()> {
        let (name, header) = Header::of(entry);
        let position = self.headers.end();
        self.headers.push(&header);
        let taken = self.headers.end() - position + self.changes.push(header.change(&name, position)) as u64;
        run.budget.charge_memory(taken, &layer.at)
    }
}

/// Hands every entry of `layer` to `each`, in its order.
///
/// # Errors
/// [`Error::Inexpressible`] for a layer that is encrypted or not there; those of reading it, and those of `each`.
pub(super) fn each_entry(
    layer: &Layer,
    ahead: bool,
    run: &Run,
    each: impl FnMut(TarEntry) -> Result<()>,
) -> Result<()> {
    if layer.is_encrypted() {
        return Err(Error::inexpressible(&layer.at, "an encrypted layer cannot be looked into"));
    }
    match layer.blob.as_ref().filter(|blob| blob.is_plain()) {
        Some(blob) => {
            let bytes = blob.extent.reader().map_err(|error| Error::io("reading", &layer.at, error))?;
            each_from(bytes, &layer.at, run, each)?;
            blob.extent.source().unchanged()
        }
        None => thread::scope(|scope| {
            let plain = layer.plain(Action::Check, ahead, run, scope)?;
            each_from(Sequential::new(plain), &layer.at, run, each)?.finish().map(drop)
        }),
    }
}

fn each_from<'r, R: Skip>(
    bytes: R,
    at: &str,
    run: &'r Run,
    mut each: impl FnMut(TarEntry) -> Result<()>,
) -> Result<Reader<'r, R>> {
    let mut reader = Reader::new(bytes, Ending::Optional, at, &run.budget, &run.diagnostics);
    while let Some(entry) = reader.next_entry()? {
        each(entry)?;
    }
    Ok(reader)
}
