//! A layer's bytes, verified against all their expected digests and sizes (docs/formats.md M-11).

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::thread::{self, Scope};

use crate::archive::{self, BLOCK};
use crate::codec::{self, Codec, Decoder, Watch};
use crate::diagnostics::Diagnostics;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result, Setting};
use crate::image::{Blob, ExpectedDigest, Layer};
use crate::limits::Budget;
use crate::progress::{Action, ProgressReader};
use crate::rule::Rule;
use crate::run::Run;
use crate::stream::copy::copy;
use crate::stream::finish::Finish;
use crate::stream::pipe::{self, Ahead};
use crate::stream::source::ExtentReader;
use crate::stream::tap::{DigestAndSize, Expected, HashWriter, VerifyReader};

/// Stored bytes from which on a layer is worth threads of its own. Of 1000 layers of 500 bytes each took half a
/// millisecond with them, most of it for starting threads and making their buffers, and a tenth of that without.
const WORTH_THREADS: u64 = 64 << 10;

/// A layer's bytes as stored; at their end digest and size have been verified.
pub(crate) struct StoredReader<'a> {
    layer: &'a Layer,
    run: &'a Run,
    inner: VerifyReader<ProgressReader<'a, ExtentReader>>,
    name_checked: bool,
}

impl Blob {
    /// Why this is not a layer, by its first block decoded: neither a tar's header nor zeros. `None` for a layer, and for what
    /// cannot be decoded so far: that is damage, which is found where all of it is read (docs/formats.md O-13).
    ///
    /// # Errors
    /// When the stored bytes cannot be read.
    pub(crate) fn why_no_tar(&self, at: &str) -> Result<Option<String>> {
        let (budget, diagnostics) = (Budget::default(), Diagnostics::silent());
        let failed = |error| Error::io("reading", at, error);
        let stored = self.extent.reader().map_err(failed)?;
        let decoder = codec::decode(self.codec, stored, Watch::new(at, &budget, &diagnostics)).map_err(failed)?;
        let mut head = Vec::with_capacity(BLOCK);
        match decoder.take(BLOCK as u64).read_to_end(&mut head).map_err(failed) {
            Ok(_) => Ok(archive::why_no_tar(&head)),
            Err(error) if error.kind() == ErrorKind::Input => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Layer {
    /// The stored bytes, read for `action`.
    ///
    /// # Errors
    /// When the archive does not hold them, or cannot be opened any more. Reading fails at the end with
    /// [`Error::DigestMismatch`] or [`Error::SizeMismatch`] when they are not as expected.
    pub(crate) fn stored<'a>(&'a self, action: Action, run: &'a Run) -> Result<StoredReader<'a>> {
        Ok(self.watched(run, VerifyReader::new(self.bytes(action, run)?, &self.at, self.expected())))
    }

    fn watched<'a>(&'a self, run: &'a Run, inner: VerifyReader<ProgressReader<'a, ExtentReader>>) -> StoredReader<'a> {
        StoredReader { layer: self, run, inner, name_checked: false }
    }

    fn bytes<'a>(&self, action: Action, run: &'a Run) -> Result<ProgressReader<'a, ExtentReader>> {
        let blob = self.blob.as_ref().ok_or_else(|| match self.is_left_out() {
            true => Error::invalid(Rule::B15, &self.at, "the archive leaves the layer out, which its base has")
                .avoided_by(Setting::With),
            false => Error::inexpressible(&self.at, "the archive does not hold the bytes of this foreign layer"),
        })?;
        let reader = blob.extent.reader().map_err(|error| Error::io("reading", &self.at, error))?;
        Ok(ProgressReader::new(reader, run.progress.begin(action, &self.at, Some(blob.extent.size()))))
    }

    /// The uncompressed tar, read for `action`; at its end the stored bytes and the diff_id have been verified.
    ///
    /// With `ahead` the stored bytes are hashed on one thread of `scope` and decoded on another, unless there are too few of
    /// them for that to pay.
    ///
    /// # Errors
    /// As [`Layer::stored`]; reading also fails where the compression is broken.
    pub(crate) fn plain<'a: 'scope, 'scope>(
        &'a self,
        action: Action,
        ahead: bool,
        run: &'a Run,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<VerifyReader<Box<dyn Read + 'scope>>> {
        Ok(self.diff_id_checked(if ahead && self.is_worth_threads() {
            Box::new(self.decoded_ahead(action, run, scope)?)
        } else {
            Box::new(self.decoded(action, run)?)
        }))
    }

    /// The same, decoded on the thread that reads it.
    ///
    /// # Errors
    /// As [`Layer::plain`].
    pub(crate) fn plain_in_line<'a>(&'a self, run: &'a Run) -> Result<VerifyReader<Decoder<'a, StoredReader<'a>>>> {
        Ok(self.diff_id_checked(self.decoded(Action::Convert, run)?))
    }

    /// Returns the size of the uncompressed tar that the compressed stream declares, if its stored bytes can hold so
    /// much; it may be false.
    ///
    /// # Errors
    /// When the stored bytes cannot be read.
    pub(crate) fn declared_size(&self) -> Result<Option<u64>> {
        let Some(Blob { extent, codec }) = &self.blob else { return Ok(None) };
        let size = codec.declared_size(extent).map_err(|error| Error::io("reading", &self.at, error))?;
        let is_tar = |size: &u64| size.is_multiple_of(BLOCK as u64);
        Ok(size.filter(is_tar))
    }

    /// Writes the uncompressed tar to `out`, verifying its expected digests and size; returns the tar's size in bytes.
    ///
    /// # Errors
    /// When the archive does not hold the bytes, a digest or size is false, the compression is broken, or `out` fails.
    pub fn decode_to(&self, out: &mut dyn Write, ahead: bool, run: &Run) -> Result<u64> {
        thread::scope(|scope| {
            let mut plain = self.plain(Action::Convert, ahead, run, scope)?;
            copy(&mut plain, out).map_err(|error| Error::io("decoding", &self.at, error))
        })
    }

    /// Reads the stored bytes to their end and verifies them; if `decode`, decodes them too and verifies the diff_id.
    ///
    /// With `ahead` the two digests and decoding are the work of a thread each, as for [`Layer::plain`].
    ///
    /// # Errors
    /// When a digest or size is not as expected, the compression is broken, or reading fails.
    pub(crate) fn check(&self, decode: bool, ahead: bool, run: &Run) -> Result<DigestAndSize> {
        let failed = |error| Error::io("reading", &self.at, error);
        if !decode {
            let mut stored = self.stored(Action::Check, run)?;
            copy(&mut stored, &mut io::sink()).map_err(failed)?;
            return Ok(stored.digest_and_size().cloned().expect("a copy that succeeds has found the end"));
        }
        let stored = thread::scope(|scope| {
            if ahead && self.is_worth_threads() {
                let mut plain = self.diff_id_checked(self.decoded_ahead(Action::Check, run, scope)?);
                copy(&mut plain, &mut io::sink()).map_err(failed)?;
                Ok(plain.into_inner().into_inner().into_inner().into_inner())
            } else {
                let mut plain = self.diff_id_checked(self.decoded(Action::Check, run)?);
                copy(&mut plain, &mut io::sink()).map_err(failed)?;
                Ok(plain.into_inner().into_inner())
            }
        })?;
        let found = stored.digest_and_size().cloned().expect("decoders read to the end");
        Ok(DigestAndSize { digest: found.digest.or_else(|| self.certain_digest()), ..found })
    }

    /// Returns the SHA-256 of the stored bytes, for those whose expected digest is of another algorithm.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn sha256(&self, run: &Run) -> Result<Digest> {
        let mut hasher = HashWriter::new(io::sink());
        copy(&mut self.bytes(Action::Check, run)?, &mut hasher)
            .and_then(|_| hasher.finish())
            .map(|(digest, ..)| digest)
            .map_err(|error| Error::io("reading", &self.at, error))
    }

    fn is_worth_threads(&self) -> bool {
        self.stored_size() >= WORTH_THREADS
    }

    fn ahead<'scope, R: Read + Send + 'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        reader: R,
    ) -> Result<Ahead<'scope, R>> {
        pipe::ahead(scope, reader).map_err(|error| Error::io("starting a thread for", &self.at, error))
    }

    fn diff_id_checked<R: Read>(&self, plain: R) -> VerifyReader<R> {
        let at = format!("{}: diff_id", self.at);
        if self.is_computed() {
            return VerifyReader::unhashed(plain, at, None);
        }
        VerifyReader::new(plain, at, Expected::digest(self.diff_id.digest()))
    }

    /// The uncompressed tar; at its end the stored bytes have been verified, but not the diff_id.
    fn decoded<'a>(&'a self, action: Action, run: &'a Run) -> Result<Decoder<'a, StoredReader<'a>>> {
        self.decoder(NonZeroUsize::MIN, self.undecoded(action, run)?, run)
    }

    /// The same with each step on a thread of its own.
    fn decoded_ahead<'a: 'scope, 'scope>(
        &'a self,
        action: Action,
        run: &'a Run,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<Ahead<'scope, Decoder<'a, Ahead<'scope, StoredReader<'a>>>>> {
        let stored = self.ahead(scope, self.undecoded(action, run)?)?;
        self.ahead(scope, self.decoder(run.jobs, stored, run)?)
    }

    /// The stored bytes for decoding; not hashed where the same bytes are hashed as the uncompressed tar.
    fn undecoded<'a>(&'a self, action: Action, run: &'a Run) -> Result<StoredReader<'a>> {
        let expected = self.expected();
        let is_tar = self.codec() == Codec::Plain && expected.digest.as_ref() == Some(self.diff_id.digest());
        if is_tar || self.is_computed() {
            // The same bytes are about to be hashed as the diff_id, or have been.
            return Ok(self.watched(run, VerifyReader::unhashed(self.bytes(action, run)?, &self.at, expected.size)));
        }
        self.stored(action, run)
    }

    fn decoder<'a, R: Read>(&'a self, threads: NonZeroUsize, stored: R, run: &'a Run) -> Result<Decoder<'a, R>> {
        let watch = Watch::new(&self.at, &run.budget, &run.diagnostics);
        codec::decode_on(threads, self.codec(), stored, watch).map_err(|error| Error::io("reading", &self.at, error))
    }

    fn codec(&self) -> Codec {
        self.blob.as_ref().map_or(Codec::Plain, |blob| blob.codec)
    }
}

impl StoredReader<'_> {
    /// Returns digest and size of the bytes, once the end has been found.
    pub(crate) fn digest_and_size(&self) -> Option<&DigestAndSize> {
        self.inner.digest_and_size()
    }

    /// Warns if the member is named by a digest that its content does not have; the diff_id decides (D-6).
    fn check_name(&self) -> Result<()> {
        let found = self.inner.digest_and_size().and_then(|found| found.digest.as_ref());
        match (&self.layer.expected_digest, found) {
            (ExpectedDigest::Name(name), Some(found)) if name != found => self.run.diagnostics.warn(
                Rule::D6,
                &self.layer.at,
                format!("the member is named like a digest, but its content is {found}"),
            ),
            _ => Ok(()),
        }
    }
}

impl Read for StoredReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        if read == 0 && !self.name_checked && self.digest_and_size().is_some() {
            self.name_checked = true;
            self.check_name()?;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::codec::Encoding;
    use crate::diagnostics::Diagnostics;
    use crate::digest::DiffId;
    use crate::stream::source::Source;

    /// A layer of `size` bytes that no compression shortens, under a name that is not its digest.
    fn misnamed(size: usize) -> Layer {
        let random = |seed: u64| seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let noise = std::iter::successors(Some(1), |&seed| Some(random(seed)));
        let tar: Vec<u8> = noise.map(|seed| (seed >> 56) as u8).take(size).collect();
        let encoding = Encoding::Gzip(None);
        let mut encoder = codec::encode(encoding, Vec::new(), std::num::NonZeroUsize::MIN).unwrap();
        encoder.write_all(&tar).unwrap();
        let extent = Source::memory("m", encoder.finish().unwrap()).extent();
        Layer {
            at: "layer".to_owned(),
            diff_id: DiffId(Digest::sha256(&tar)),
            blob: Some(Blob { extent, codec: Codec::Gzip }),
            expected_digest: ExpectedDigest::Name(Digest::sha256(b"another")),
            foreign: None,
        }
    }

    /// The thread on which the stored bytes of `layer` are hashed by `read`: the one that remarks upon its name.
    fn hashing(layer: &Layer, read: impl FnOnce(&Layer, &Run)) -> thread::ThreadId {
        let heard = Arc::new(Mutex::new(None));
        let listener = Arc::clone(&heard);
        let diagnostics = Diagnostics::new(false, move |_| *listener.lock().unwrap() = Some(thread::current().id()));
        read(layer, &Run { diagnostics, ..Run::quiet() });
        heard.lock().unwrap().expect("the name is remarked upon")
    }

    #[test]
    fn few_bytes_are_not_worth_a_thread() {
        let (few, many) = (misnamed(1000), misnamed(WORTH_THREADS as usize));
        let decode = |layer: &Layer, run: &Run| layer.decode_to(&mut io::sink(), true, run).map(drop).unwrap();
        let check = |layer: &Layer, run: &Run| layer.check(true, true, run).map(drop).unwrap();
        for read in [decode, check] {
            assert_eq!(hashing(&few, read), thread::current().id());
            assert_ne!(hashing(&many, read), thread::current().id());
        }
    }
}
