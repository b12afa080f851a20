//! Stored bytes, read once from end to end: their digests, those of the decoded bytes, and the entries of the tar.
//!
//! Only limits and failing reads end a reading early. If the stored bytes cannot be decoded, they are still hashed to their
//! end; if the tar is broken, the decoded bytes are.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::thread;

use crate::archive::{Ending, Reader};
use crate::codec::{self, Codec, Watch};
use crate::diagnostics::{Diagnostic, DiagnosticLog, Diagnostics};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{Error, Result};
use crate::flatten::Role;
use crate::layer_index::{LayerIndex, UnpackCheck, UnpackFault};
use crate::path::{EntryPath, quote};
use crate::progress::{Action, ProgressReader};
use crate::rule::Rule;
use crate::run::Run;
use crate::stream::copy::copy;
use crate::stream::pipe;
use crate::stream::skip::Sequential;
use crate::stream::source::{Extent, ExtentReader};

/// Bytes to be read, and the digests to compute of them.
pub(super) struct Body {
    /// Where they lie.
    pub(super) extent: Extent,
    /// The member.
    pub(super) at: String,
    /// The expected digests of the stored bytes.
    pub(super) stored: BTreeSet<Digest>,
    /// The expected digests of the plain tar if they are a layer, else `None`.
    pub(super) layer: Option<BTreeSet<Digest>>,
    /// Their compression, by their first bytes.
    pub(super) codec: Codec,
}

/// The results of reading a body.
#[derive(Default)]
pub(super) struct Examined {
    /// The digests of the stored bytes, one for each supported algorithm of the expected digests.
    pub(super) stored: Vec<Digest>,
    /// The same of the plain tar; none where it cannot be decoded to its end.
    pub(super) plain: Vec<Digest>,
    /// The findings about compression and tar.
    pub(super) log: DiagnosticLog,
    /// The layer's entries, if all of them can be applied.
    pub(super) index: Option<LayerIndex>,
    /// Entries of the layer.
    pub(super) entries: u64,
}

/// The entries of a tar that has been read.
#[derive(Default)]
struct Entries {
    index: LayerIndex,
    count: u64,
    is_broken: bool,
}

impl Body {
    /// Reads the bytes to their end; with `ahead` a layer is decoded on a thread of its own.
    pub(super) fn examine(&self, ahead: bool, run: &Run) -> Result<Examined> {
        let diagnostics = Diagnostics::collecting();
        let reader = self.extent.reader().map_err(|error| self.failed(error))?;
        let task = run.progress.begin(Action::Check, &self.at, Some(self.extent.size()));
        let bytes = ProgressReader::new(reader, task);
        let examined = match &self.layer {
            None => {
                let mut stored = HashesReader::new(bytes, &algorithms(&self.stored));
                self.drain(&mut stored)?;
                Examined { stored: stored.digests(), ..Examined::default() }
            }
            Some(diff_ids) if self.codec == Codec::Plain => {
                // One pass of the hasher does for both.
                let both = self.stored.union(diff_ids).cloned().collect();
                let (mut plain, Entries { index, count, is_broken }) =
                    self.entries(HashesReader::new(bytes, &algorithms(&both)), &diagnostics, run)?;
                self.drain(&mut plain)?;
                let (stored, plain) = (plain.digests(), plain.digests());
                let index = (!is_broken).then_some(index);
                Examined { stored, plain, index, entries: count, ..Examined::default() }
            }
            Some(diff_ids) => {
                self.decode(HashesReader::new(bytes, &algorithms(&self.stored)), diff_ids, ahead, &diagnostics, run)?
            }
        };
        Ok(Examined { log: diagnostics.take(), ..examined })
    }

    fn decode(
        &self,
        stored: HashesReader<ProgressReader<'_, ExtentReader>>,
        diff_ids: &BTreeSet<Digest>,
        ahead: bool,
        diagnostics: &Diagnostics,
        run: &Run,
    ) -> Result<Examined> {
        let algorithms = algorithms(diff_ids);
        let watch = Watch::new(&self.at, &run.budget, diagnostics);
        let threads = if ahead { run.jobs } else { NonZeroUsize::MIN };
        let decoder = codec::decode_on(threads, self.codec, stored, watch).map_err(|error| self.failed(error))?;
        let (mut decoder, digests, entries) = if ahead {
            thread::scope(|scope| {
                let decoder = pipe::ahead(scope, decoder).map_err(|error| self.failed(error))?;
                let (plain, entries) = self.entries(HashesReader::new(decoder, &algorithms), diagnostics, run)?;
                let (decoder, digests) = self.to_the_end(plain);
                Ok::<_, Error>((decoder.into_inner(), digests, entries))
            })?
        } else {
            let (plain, entries) = self.entries(HashesReader::new(decoder, &algorithms), diagnostics, run)?;
            let (decoder, digests) = self.to_the_end(plain);
            (decoder, digests, entries)
        };
        // An error that ended the reading of the tar comes again when the decoder is read to its end.
        let damage = copy(&mut decoder, &mut io::sink()).err().map(|error| Error::io("decoding", &self.at, error));
        let is_damaged = damage.is_some();
        damage.map_or(Ok(()), |damage| diagnostics.fault(damage))?;
        let mut stored = decoder.into_inner();
        self.drain(&mut stored)?;
        let Entries { index, count, is_broken } = entries;
        Ok(Examined {
            stored: stored.digests(),
            plain: if is_damaged { Vec::new() } else { digests },
            index: (!is_damaged && !is_broken).then_some(index),
            entries: count,
            ..Examined::default()
        })
    }

    /// Reads the tar to its end or to the first fault; returns the reader below, and the entries.
    fn entries<R: Read>(
        &self,
        plain: HashesReader<R>,
        diagnostics: &Diagnostics,
        run: &Run,
    ) -> Result<(HashesReader<R>, Entries)> {
        let (at, budget) = (&self.at, &run.budget);
        let mut reader = Reader::new(Sequential::new(plain), Ending::Optional, at, budget, diagnostics);
        let mut entries = Entries::default();
        let mut check = UnpackCheck::default();
        let mut has_host_attribute = false;
        loop {
            let entry = match check.next_entry(&mut reader) {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(error) => {
                    entries.is_broken = true;
                    diagnostics.fault(error)?;
                    break;
                }
            };
            entries.count += 1;
            if let Some(fault) = fault_of_name(&entry.path, at) {
                entries.is_broken = true;
                diagnostics.report(fault)?;
            }
            if let Some(name) = entry.host_attribute().filter(|_| !has_host_attribute) {
                has_host_attribute = true;
                diagnostics.report(host_attribute(&entry.path, name, at))?;
            }
            budget.charge_memory(check.entry(&entry, reader.flag()), at)?;
            budget.charge_memory(entries.index.push(&entry, None), at)?;
        }
        for (fault, path) in check.finish().into_iter().filter(|(fault, _)| !is_found_elsewhere(*fault)) {
            diagnostics.report(fault.finding(at, &path))?;
        }
        Ok((reader.into_inner().into_inner(), entries))
    }

    /// Reads what follows a tar, as far as it can be decoded; returns the reader below, and the digests.
    fn to_the_end<R: Read>(&self, mut plain: HashesReader<R>) -> (R, Vec<Digest>) {
        let _ = copy(&mut plain, &mut io::sink());
        let digests = plain.digests();
        (plain.inner, digests)
    }

    fn drain(&self, bytes: &mut impl Read) -> Result<()> {
        copy(bytes, &mut io::sink()).map(drop).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("reading", &self.at, error)
    }
}

/// Returns true if `fault` is reported by the check of names or by applying the entries.
fn is_found_elsewhere(fault: UnpackFault) -> bool {
    matches!(
        fault,
        UnpackFault::PathTwice
            | UnpackFault::RootNoDirectory
            | UnpackFault::NamelessWhiteout
            | UnpackFault::LinkToDirectory
    )
}

/// Returns the finding about the first entry of a layer with an extended attribute of another system.
fn host_attribute(path: &[u8], name: &[u8], at: &str) -> Diagnostic {
    let problem =
        format!("the extended attribute `{}` is of another system: no file system of Linux takes it", quote(name));
    Diagnostic::warning(Rule::R16, format!("{at}: `{}`", quote(path)), problem)
}

/// Returns the finding about an entry's name, if there is one.
fn fault_of_name(name: &[u8], at: &str) -> Option<Diagnostic> {
    let fault = |rule, why: String| Some(Diagnostic::error(rule, format!("{at}: `{}`", quote(name)), why));
    match EntryPath::clean_entry(name) {
        Ok(path) => Role::of(path.as_bytes()).err().and_then(|why| fault(why.rule(), why.to_string())),
        Err(why) => fault(Rule::R4, why.to_string()),
    }
}

/// Returns the algorithms of the expected digests.
fn algorithms(expected: &BTreeSet<Digest>) -> BTreeSet<Algorithm> {
    expected.iter().map(|digest| digest.algorithm().clone()).collect()
}

/// A reader that hashes what it returns, by several algorithms if need be.
struct HashesReader<R> {
    inner: R,
    hashers: Vec<Hasher>,
}

impl<R> HashesReader<R> {
    fn new(inner: R, algorithms: &BTreeSet<Algorithm>) -> Self {
        Self { inner, hashers: algorithms.iter().filter_map(Hasher::of).collect() }
    }

    fn digests(&self) -> Vec<Digest> {
        self.hashers.iter().cloned().map(Hasher::finish).collect()
    }
}

impl<R: Read> Read for HashesReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.hashers.iter_mut().for_each(|hasher| hasher.update(&buf[..read]));
        Ok(read)
    }
}
