//! Stored bytes, read once from end to end: what they hash to, what they decode to, and what is in the tar.
//!
//! Nothing ends a reading early but limits and failing reads. Where decoding breaks off, the stored bytes are hashed to
//! their end all the same; where a tar does, so are the decoded ones.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::thread;

use super::entries::Entries;
use super::finding;
use super::heard::Heard;
use crate::codec::{self, Codec, Decoder, Watch};
use crate::diagnostics::Diagnostic;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{Error, Result};
use crate::layer_index::LayerIndex;
use crate::progress::{Action, ProgressReader};
use crate::run::Run;
use crate::stream::copy::copy;
use crate::stream::pipe;
use crate::stream::source::{Extent, ExtentReader};

/// Bytes to be read, and what is wanted of them.
pub(super) struct Body {
    /// Where they lie.
    pub(super) extent: Extent,
    /// The member.
    pub(super) at: String,
    /// Which digests of the stored bytes were promised.
    pub(super) stored: BTreeSet<Digest>,
    /// Whether they are a layer, and which digests of its plain tar were promised.
    pub(super) layer: Option<BTreeSet<Digest>>,
    /// How they are compressed, by their first bytes.
    pub(super) codec: Codec,
}

/// What bytes turned out to be.
#[derive(Default)]
pub(super) struct Examined {
    /// The digests of the stored bytes, one for each algorithm that was asked for and can be computed.
    pub(super) stored: Vec<Digest>,
    /// The same of the plain tar; none where it cannot be decoded to its end.
    pub(super) plain: Vec<Digest>,
    /// What is wrong with compression and tar.
    pub(super) findings: Vec<Diagnostic>,
    /// The layer's entries, if all of them can be applied.
    pub(super) index: Option<LayerIndex>,
    /// Entries of the layer.
    pub(super) entries: u64,
}

impl Body {
    /// Reads the bytes to their end; with `ahead` a layer is decoded on a thread of its own.
    pub(super) fn examine(&self, ahead: bool, run: &Run) -> Result<Examined> {
        let failed = |error| Error::io("reading", &self.at, error);
        let reader = self.extent.reader().map_err(failed)?;
        let told = ProgressReader::new(reader, run.progress.begin(Action::Check, &self.at, Some(self.extent.size())));
        match &self.layer {
            None => {
                let mut stored = Tap::new(told, &algorithms(&self.stored));
                copy(&mut stored, &mut io::sink()).map_err(failed)?;
                Ok(Examined { stored: stored.digests(), ..Examined::default() })
            }
            Some(diff_ids) if self.codec == Codec::Plain => {
                // One pass of the hasher does for both.
                let both = self.stored.union(diff_ids).cloned().collect();
                let mut layer = self.parse(Tap::new(told, &algorithms(&both)), run)?;
                copy(&mut layer.plain, &mut io::sink()).map_err(failed)?;
                let digests = layer.plain.digests();
                Ok(Examined { stored: digests.clone(), plain: digests, ..layer.examined })
            }
            Some(diff_ids) => self.decode(Tap::new(told, &algorithms(&self.stored)), diff_ids, ahead, run),
        }
    }

    fn decode(
        &self,
        stored: Tap<ProgressReader<'_, ExtentReader>>,
        diff_ids: &BTreeSet<Digest>,
        ahead: bool,
        run: &Run,
    ) -> Result<Examined> {
        let failed = |error| Error::io("reading", &self.at, error);
        let heard = Heard::new();
        let watch = Watch::new(&self.at, &run.budget, &heard.diagnostics);
        let decoder = codec::decode(self.codec, stored, watch).map_err(failed)?;
        let (decoder, digests, mut examined) = if ahead {
            thread::scope(|scope| {
                let decoder = pipe::ahead(scope, decoder).map_err(failed)?;
                let Parsed { plain, examined } = self.parse(Tap::new(decoder, &algorithms(diff_ids)), run)?;
                let (decoder, digests) = plain.finish();
                Ok((decoder.into_inner(), digests, examined))
            })?
        } else {
            let Parsed { plain, examined } = self.parse(Tap::new(decoder, &algorithms(diff_ids)), run)?;
            let (decoder, digests) = plain.finish();
            (decoder, digests, examined)
        };
        let (mut stored, damage) = self.end(decoder)?;
        copy(&mut stored, &mut io::sink()).map_err(failed)?;
        examined.stored = stored.digests();
        examined.findings.extend(heard.said.findings(&self.at));
        match damage {
            // A tar that is cut short because its compression is broken says so twice.
            Some(damage) => {
                examined.findings.retain(|finding| finding.message != damage.message);
                examined.findings.push(damage);
                examined.index = None;
            }
            None => examined.plain = digests,
        }
        Ok(examined)
    }

    /// Whether the decoder has found a proper end, and the stored bytes below.
    fn end<R: Read>(&self, mut decoder: Decoder<'_, R>) -> Result<(R, Option<Diagnostic>)> {
        let damage = copy(&mut decoder, &mut io::sink()).err().map(|error| Error::io("decoding", &self.at, error));
        let damage = damage.map(|error| finding::of(error, &self.at)).transpose()?;
        Ok((decoder.into_inner(), damage))
    }

    /// Reads the tar and whatever stands behind it; what keeps the decoder from giving it is left to [`Body::end`].
    fn parse<R: Read>(&self, plain: Tap<R>, run: &Run) -> Result<Parsed<R>> {
        let mut entries = Entries::new(&self.at, run);
        let mut plain = entries.read(plain)?;
        let _ = copy(&mut plain, &mut io::sink());
        Ok(Parsed { plain, examined: entries.finish() })
    }
}

/// A tar that has been read, and the reader below it.
struct Parsed<R> {
    plain: Tap<R>,
    examined: Examined,
}

/// The algorithms to compute: those of the promises.
fn algorithms(promised: &BTreeSet<Digest>) -> BTreeSet<Algorithm> {
    promised.iter().map(|digest| digest.algorithm().clone()).collect()
}

/// A reader that hashes what it gives out, by several algorithms if need be.
struct Tap<R> {
    inner: R,
    hashers: Vec<Hasher>,
}

impl<R> Tap<R> {
    fn new(inner: R, algorithms: &BTreeSet<Algorithm>) -> Self {
        Self { inner, hashers: algorithms.iter().filter_map(Hasher::of).collect() }
    }

    fn digests(&self) -> Vec<Digest> {
        self.hashers.iter().cloned().map(Hasher::finish).collect()
    }

    fn finish(self) -> (R, Vec<Digest>) {
        let digests = self.digests();
        (self.inner, digests)
    }
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.hashers.iter_mut().for_each(|hasher| hasher.update(&buf[..read]));
        Ok(read)
    }
}
