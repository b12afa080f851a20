//! The working area for changes of layers: decoded layers, and new ones, in unlinked temporary files.
//!
//! A new layer is an uncompressed tar by the one encoder. It is hashed as it is made, and then is a layer like any other:
//! headers and small files lie in a temporary file, large files stay in the layers that they came from until the whole is
//! written.
//!
//! Sources: docs/edit.md E-10, E-11, E-13, E-15; docs/formats.md M-11.

use std::io::{Read, Sink, Write, sink};
use std::{slice, thread};

use crate::archive::{self, END, EntryKind, TarEntry};
use crate::codec::Codec;
use crate::digest::DiffId;
use crate::error::{Error, Result};
use crate::image::{self, Blob, ExpectedDigest, Layer};
use crate::path::escape_for_terminal;
use crate::run::Run;
use crate::stream::copy::CHUNK;
use crate::stream::finish::Finish;
use crate::stream::pool::{self, Tasks};
use crate::stream::source::{Extent, Source};
use crate::stream::spool::SpoolFiles;
use crate::stream::tap::HashWriter;

/// Files from this size on are not copied into the temporary file of a new layer.
pub(super) const LARGE: u64 = 64 << 10;

/// The place to which layers are decoded and written.
pub(super) struct Workspace<'a> {
    pub(super) run: &'a Run,
    second_reading: Run,
    spool: SpoolFiles,
}

impl<'a> Workspace<'a> {
    /// Creates an empty one.
    pub(super) fn new(run: &'a Run) -> Self {
        Self { run, second_reading: run.second_reading(), spool: SpoolFiles::new(&run.tmpdir) }
    }

    /// A run for reading a second time, without counting or warning again.
    pub(super) fn second_reading(&self) -> &Run {
        &self.second_reading
    }

    /// Does `work` with `layers` while those that lie in the archive as plain tars are verified, for which
    /// [`Workspace::plain`] does not wait.
    ///
    /// # Errors
    /// Digests that are not as expected; else those of `work`, which may only be a consequence.
    pub(super) fn verified<T>(&self, layers: &[Layer], work: impl FnOnce() -> Result<T>) -> Result<T> {
        let is_unread = |layer: &&Layer| in_place(layer).is_some() && !layer.is_computed();
        let tasks = Tasks::new();
        thread::scope(|scope| {
            let mut pool = tasks.start(scope, self.run.jobs, |layer: &Layer| layer.check(true, false, self.run));
            for layer in image::distinct(layers.iter()).filter(is_unread) {
                self.run.progress.expect(layer.stored_size());
                pool.add(layer.stored_size(), layer);
            }
            let done = work();
            pool.finish().and(done)
        })
    }

    /// The plain tars of `layers`, each where it lies, or decoded and verified in a temporary file, side by side.
    ///
    /// # Errors
    /// A layer that is encrypted or not in the archive; digests that are not as expected; no room.
    pub(super) fn plain(&self, layers: &[&Layer]) -> Result<Vec<Extent>> {
        let weigh = |layer: &&Layer| if in_place(layer).is_some() { 0 } else { layer.stored_size() };
        self.run.progress.expect(layers.iter().map(weigh).sum());
        let ahead = layers.len() < self.run.jobs.get();
        pool::for_all(self.run.jobs, layers.iter().copied(), weigh, |layer| self.laid_down(layer, ahead))
    }

    /// The plain tar of one layer, verified.
    ///
    /// # Errors
    /// Those of [`Workspace::plain`] and [`Workspace::verified`].
    pub(super) fn tar(&self, layer: &Layer) -> Result<Extent> {
        self.verified(slice::from_ref(layer), || self.laid_down(layer, self.run.jobs.get() > 1))
    }

    fn laid_down(&self, layer: &Layer, ahead: bool) -> Result<Extent> {
        if layer.is_encrypted() {
            return Err(Error::inexpressible(&layer.at, "an encrypted layer cannot be changed"));
        }
        match in_place(layer) {
            Some(blob) => Ok(blob.extent.clone()),
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
        let ((digest, bodies), spooled) = self.spool.add(at, |out| {
            let is_parallel = self.run.jobs.get() > 1;
            let hasher = if is_parallel { HashWriter::on_a_thread(sink()) } else { Ok(HashWriter::new(sink())) };
            let (hasher, gathered) = (hasher.map_err(failed)?, Vec::with_capacity(2 * CHUNK));
            let mut writer = LayerWriter { out, hasher, gathered, spooled: 0, bodies: Vec::new(), run: self.run };
            write(&mut writer)?;
            writer.raw(&END)?;
            writer.flush()?;
            let (digest, ..) = writer.hasher.finish().map_err(failed)?;
            Ok((digest, writer.bodies))
        })?;
        let blob = Some(Blob { extent: joined(at, &spooled, bodies), codec: Codec::Plain });
        let expected_digest = ExpectedDigest::Written { digest: digest.clone(), codec, descriptor: None };
        Ok(Layer { at: at.to_owned(), diff_id: DiffId(digest), blob, expected_digest, foreign: None })
    }
}

/// The bytes of a layer that lies in the archive as a plain tar.
fn in_place(layer: &Layer) -> Option<&Blob> {
    layer.blob.as_ref().filter(|blob| blob.is_plain() && !layer.is_encrypted())
}

/// A further name, `path`, of the file at `target`, whose entry is `found` (E-7).
pub(super) fn hard_link(path: Vec<u8>, target: Vec<u8>, found: TarEntry) -> TarEntry {
    TarEntry { path, link: target, kind: EntryKind::HardLink, device: (0, 0), size: 0, sparse: None, ..found }
}

/// Bytes that stand in a layer behind the first `spooled` bytes of its temporary file.
struct DistantBody {
    spooled: u64,
    extent: Extent,
}

/// The layer called `at`: the bytes of `spooled`, each of `bodies` at its place between them.
fn joined(at: &str, spooled: &Extent, bodies: Vec<DistantBody>) -> Extent {
    let mut extents = Vec::with_capacity(2 * bodies.len() + 1);
    let mut start = 0;
    for DistantBody { spooled: end, extent } in bodies {
        extents.extend([spooled.slice(start, end - start), extent]);
        start = end;
    }
    extents.push(spooled.slice(start, u64::MAX));
    Source::joined(at, extents).extent()
}

/// A layer's tar under construction; the end marker is not its caller's business.
pub(super) struct LayerWriter<'a> {
    /// The temporary file.
    out: &'a mut dyn Write,
    /// Gets all bytes of the layer.
    hasher: HashWriter<Sink>,
    /// Headers and bodies, gathered until they are worth a system call.
    gathered: Vec<u8>,
    /// Bytes written to `out`.
    spooled: u64,
    bodies: Vec<DistantBody>,
    run: &'a Run,
}

impl LayerWriter<'_> {
    /// Adds `entry`; `body` gives exactly its size, a sparse file expanded.
    pub(super) fn entry(&mut self, entry: &TarEntry, body: &mut dyn Read) -> Result<()> {
        archive::encode(entry, &mut self.gathered)?;
        self.body(&entry.path, entry.size, body)?;
        self.raw(archive::padding(entry.size))
    }

    /// Adds `entry`, whose body is the bytes of `body`.
    pub(super) fn entry_extent(&mut self, entry: &TarEntry, body: &Extent) -> Result<()> {
        archive::encode(entry, &mut self.gathered)?;
        self.extent(&entry.path, body)?;
        self.raw(archive::padding(entry.size))
    }

    /// Adds the bytes of `extent`, which belong to the file at `path`: many of them stay where they are.
    pub(super) fn extent(&mut self, path: &[u8], extent: &Extent) -> Result<()> {
        let failed = |error| Error::io("reading", escape_for_terminal(path), error);
        let mut reader = extent.reader().map_err(failed)?;
        if extent.size() < LARGE {
            return self.body(path, extent.size(), &mut reader);
        }
        self.run.budget.charge_memory(2 * size_of::<DistantBody>() as u64, "large files of a new layer")?;
        self.flush()?;
        self.bodies.push(DistantBody { spooled: self.spooled, extent: extent.clone() });
        self.gather(path, extent.size(), &mut reader, Self::hash)?;
        self.hash()
    }

    /// Adds `size` bytes of the file at `path`.
    pub(super) fn body(&mut self, path: &[u8], size: u64, body: &mut dyn Read) -> Result<()> {
        self.gather(path, size, body, Self::flush)
    }

    /// Gathers `size` bytes of `body`; `flush` is called when there are many.
    fn gather(
        &mut self,
        path: &[u8],
        size: u64,
        body: &mut dyn Read,
        flush: impl Fn(&mut Self) -> Result<()>,
    ) -> Result<()> {
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
                flush(self)?;
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
        self.spooled += self.gathered.len() as u64;
        self.hash()
    }

    /// Hashes what has been gathered and makes room for more.
    fn hash(&mut self) -> Result<()> {
        self.hasher.write_all(&self.gathered).map_err(failed)?;
        self.gathered.clear();
        Ok(())
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::io("writing", "a new layer", error)
}
