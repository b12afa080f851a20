//! The working area for changes of layers: decoded layers, and new ones, in unlinked temporary files.
//!
//! A new layer is an uncompressed tar by the one encoder. It is hashed as it is written, and then is a layer like any
//! other, whose bytes lie in a temporary file.
//!
//! Sources: docs/edit.md E-10, E-11, E-13, E-15; docs/formats.md M-11.

use std::io::{Read, Write};

use crate::archive::{self, END, EntryKind, TarEntry};
use crate::codec::Codec;
use crate::digest::DiffId;
use crate::error::{Error, Result};
use crate::image::{Blob, ExpectedDigest, Layer};
use crate::path::escape_for_terminal;
use crate::run::Run;
use crate::stream::copy::CHUNK;
use crate::stream::finish::Finish;
use crate::stream::pool;
use crate::stream::source::Extent;
use crate::stream::spool::SpoolFiles;
use crate::stream::tap::HashWriter;

/// The place to which layers are decoded and written.
pub(super) struct Workshop<'a> {
    pub(super) run: &'a Run,
    second_reading: Run,
    spool: SpoolFiles,
}

impl<'a> Workshop<'a> {
    /// Creates an empty one.
    pub(super) fn new(run: &'a Run) -> Self {
        Self { run, second_reading: run.second_reading(), spool: SpoolFiles::new(&run.tmpdir) }
    }

    /// A run for reading a second time, without counting or warning again.
    pub(super) fn second_reading(&self) -> &Run {
        &self.second_reading
    }

    /// The plain tars of `layers`, each where it lies or decoded into a temporary file, side by side. Every digest of them
    /// is checked.
    ///
    /// # Errors
    /// A layer that is encrypted or not in the archive; digests that are not as expected; no room.
    pub(super) fn plain(&self, layers: &[&Layer]) -> Result<Vec<Extent>> {
        self.run.progress.expect(layers.iter().map(|layer| layer.stored_size()).sum());
        let ahead = layers.len() < self.run.jobs.get();
        pool::for_all(
            self.run.jobs,
            layers.iter().copied(),
            |layer| layer.stored_size(),
            |layer| self.plain_one(layer, ahead),
        )
    }

    /// The plain tar of one layer.
    ///
    /// # Errors
    /// Those of [`Workshop::plain`].
    pub(super) fn tar(&self, layer: &Layer) -> Result<Extent> {
        self.plain_one(layer, self.run.jobs.get() > 1)
    }

    fn plain_one(&self, layer: &Layer, ahead: bool) -> Result<Extent> {
        if layer.is_encrypted() {
            return Err(Error::inexpressible(&layer.at, "an encrypted layer cannot be changed"));
        }
        match layer.blob.as_ref().filter(|blob| blob.is_plain()) {
            Some(blob) => {
                if !layer.is_computed() {
                    layer.check(true, ahead, self.run)?;
                }
                Ok(blob.extent.clone())
            }
            None => Ok(self.spool.add(&layer.at, |out| layer.decode_to(out, ahead, self.run))?.1),
        }
    }

    /// Creates a layer that `write` fills; `at` is its name in messages. If the target keeps layers as they are, it is
    /// compressed by `codec`.
    ///
    /// # Errors
    /// Those of `write`, and of a temporary directory that has no room.
    pub(super) fn layer(
        &self,
        at: &str,
        codec: Codec,
        write: impl FnOnce(&mut LayerWriter<'_>) -> Result<()>,
    ) -> Result<Layer> {
        let (digest, extent) = self.spool.add(at, |out| {
            let is_parallel = self.run.jobs.get() > 1;
            let out = if is_parallel { HashWriter::on_a_thread(out).map_err(failed)? } else { HashWriter::new(out) };
            let mut writer = LayerWriter { out, gathered: Vec::with_capacity(2 * CHUNK) };
            write(&mut writer)?;
            writer.raw(&END)?;
            writer.flush()?;
            let (digest, _, _) = writer.out.finish().map_err(failed)?;
            Ok(digest)
        })?;
        let blob = Some(Blob { extent, codec: Codec::Plain });
        let claim = ExpectedDigest::Written { digest: digest.clone(), codec };
        Ok(Layer { at: at.to_owned(), diff_id: DiffId(digest), blob, claim, foreign: None })
    }
}

/// A further name, `path`, of the file at `target`, whose entry is `found` (E-7).
pub(super) fn hard_link(path: Vec<u8>, target: Vec<u8>, found: TarEntry) -> TarEntry {
    TarEntry { path, link: target, kind: EntryKind::HardLink, device: (0, 0), size: 0, sparse: None, ..found }
}

/// A layer's tar under construction; the end marker is not its caller's business.
pub(super) struct LayerWriter<'a> {
    out: HashWriter<&'a mut dyn Write>,
    /// Headers and bodies, gathered until they are worth a system call.
    gathered: Vec<u8>,
}

impl LayerWriter<'_> {
    /// Adds `entry`; `body` gives exactly its size, a sparse file expanded.
    pub(super) fn entry(&mut self, entry: &TarEntry, body: &mut dyn Read) -> Result<()> {
        archive::encode(entry, &mut self.gathered)?;
        self.body(&entry.path, entry.size, body)?;
        self.raw(archive::padding(entry.size))
    }

    /// Adds `size` bytes of the file at `path`.
    pub(super) fn body(&mut self, path: &[u8], size: u64, body: &mut dyn Read) -> Result<()> {
        let mut left = size;
        while left > 0 {
            let start = self.gathered.len();
            let wanted = left.min((2 * CHUNK).saturating_sub(start).max(1) as u64);
            let read = body.take(wanted).read_to_end(&mut self.gathered);
            let read = read.map_err(|error| Error::io("reading", escape_for_terminal(path), error))? as u64;
            if read < wanted {
                let at = escape_for_terminal(path);
                return Err(Error::SizeMismatch { at, expected: size, found: size - left + read });
            }
            left -= read;
            if self.gathered.len() >= CHUNK {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Adds bytes as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.out.write_all(&self.gathered).map_err(failed)?;
        self.gathered.clear();
        Ok(())
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::io("writing", "a new layer", error)
}
