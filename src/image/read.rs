//! A layer's bytes, checked against everything that promises something about them (docs/formats.md M-11).

use std::io::{self, Read, Write};
use std::thread::{self, Scope};

use super::layer::{Claim, Layer};
use crate::codec::{self, Codec, Decoder, Watch};
use crate::error::{Error, Result};
use crate::notice::Fault;
use crate::progress::{Action, Told};
use crate::run::Run;
use crate::stream::copy::copy;
use crate::stream::pipe::{self, Ahead};
use crate::stream::source::ExtentReader;
use crate::stream::tap::{Measure, Promise, VerifyReader};

/// A layer's bytes as stored; at their end digest and size have been judged.
pub struct Stored<'a> {
    layer: &'a Layer,
    run: &'a Run,
    inner: VerifyReader<Told<'a, ExtentReader>>,
    judged: bool,
}

impl Layer {
    /// The stored bytes, read for `action`.
    ///
    /// # Errors
    /// When the archive does not hold them, or cannot be opened any more. Reading fails at the end with
    /// [`Error::DigestMismatch`] or [`Error::SizeMismatch`] when a promise is broken.
    pub fn stored<'a>(&'a self, action: Action, run: &'a Run) -> Result<Stored<'a>> {
        Ok(self.watched(run, VerifyReader::new(self.bytes(action, run)?, &self.at, self.promise())))
    }

    fn watched<'a>(&'a self, run: &'a Run, inner: VerifyReader<Told<'a, ExtentReader>>) -> Stored<'a> {
        Stored { layer: self, run, inner, judged: false }
    }

    fn bytes<'a>(&self, action: Action, run: &'a Run) -> Result<Told<'a, ExtentReader>> {
        let blob = self.blob.as_ref().ok_or_else(|| {
            Error::inexpressible(&self.at, "the archive does not hold the bytes of this foreign layer")
        })?;
        let reader = blob.extent.reader().map_err(|error| Error::io("reading", &self.at, error))?;
        Ok(Told::new(reader, run.progress.begin(action, &self.at, Some(blob.extent.size()))))
    }

    /// The uncompressed tar; at its end the stored bytes and the diff_id have been judged.
    ///
    /// With `ahead` decoding happens on a thread of `scope`.
    ///
    /// # Errors
    /// As [`Layer::stored`]; reading also fails where the compression is broken.
    pub fn plain<'a: 'scope, 'scope>(
        &'a self,
        ahead: bool,
        run: &'a Run,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<VerifyReader<Box<dyn Read + 'scope>>> {
        let decoded = self.decoded(Action::Convert, run)?;
        Ok(self.judged(if ahead { Box::new(self.ahead(scope, decoded)?) } else { Box::new(decoded) }))
    }

    /// The same, decoded by whoever reads it.
    ///
    /// # Errors
    /// As [`Layer::plain`].
    pub fn plain_in_line<'a>(&'a self, run: &'a Run) -> Result<VerifyReader<Decoder<'a, Stored<'a>>>> {
        Ok(self.judged(self.decoded(Action::Convert, run)?))
    }

    /// Writes the uncompressed tar to `out`, judging all it promises: its size in bytes.
    ///
    /// # Errors
    /// As [`Layer::plain`], and those of `out`.
    pub fn decode_to(&self, out: &mut dyn Write, ahead: bool, run: &Run) -> Result<u64> {
        thread::scope(|scope| {
            let mut plain = self.plain(ahead, run, scope)?;
            copy(&mut plain, out).map_err(|error| Error::io("decoding", &self.at, error))
        })
    }

    /// Reads the stored bytes to their end and judges them; decodes them too, and judges the diff_id, if `decode`.
    ///
    /// With `ahead` decoding and hashing share the work of two threads.
    ///
    /// # Errors
    /// Whatever promise is broken.
    pub fn check(&self, decode: bool, ahead: bool, run: &Run) -> Result<Measure> {
        let failed = |error| Error::io("reading", &self.at, error);
        if !decode {
            let mut stored = self.stored(Action::Check, run)?;
            copy(&mut stored, &mut io::sink()).map_err(failed)?;
            return Ok(stored.measure().cloned().expect("a copy that succeeds has found the end"));
        }
        let stored = thread::scope(|scope| {
            let decoded = self.decoded(Action::Check, run)?;
            let decoded = if ahead {
                let mut plain = self.judged(self.ahead(scope, decoded)?);
                copy(&mut plain, &mut io::sink()).map_err(failed)?;
                plain.into_inner().into_inner()
            } else {
                let mut plain = self.judged(decoded);
                copy(&mut plain, &mut io::sink()).map_err(failed)?;
                plain.into_inner()
            };
            Ok(decoded.into_inner())
        })?;
        let measure = stored.measure().cloned().expect("decoders read to the end");
        Ok(Measure { digest: measure.digest.or_else(|| self.certain_digest()), ..measure })
    }

    /// The SHA-256 of the stored bytes, for those that promise another digest.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn sha256(&self, run: &Run) -> Result<Measure> {
        let mut stored = VerifyReader::new(self.bytes(Action::Check, run)?, &self.at, Promise::default());
        copy(&mut stored, &mut io::sink()).map_err(|error| Error::io("reading", &self.at, error))?;
        Ok(stored.measure().cloned().expect("a copy that succeeds has found the end"))
    }

    fn ahead<'scope, R: Read + Send + 'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        reader: R,
    ) -> Result<Ahead<'scope, R>> {
        pipe::ahead(scope, reader).map_err(|error| Error::io("starting a thread for", &self.at, error))
    }

    fn judged<R: Read>(&self, plain: R) -> VerifyReader<R> {
        VerifyReader::new(plain, format!("{}: diff_id", self.at), Promise::digest(self.diff_id.digest()))
    }

    /// The uncompressed tar, its stored bytes judged at the end, its diff_id not.
    fn decoded<'a>(&'a self, action: Action, run: &'a Run) -> Result<Decoder<'a, Stored<'a>>> {
        let codec = self.blob.as_ref().map_or(Codec::Plain, |blob| blob.codec);
        let promise = self.promise();
        let stored = if codec == Codec::Plain && promise.digest.as_ref() == Some(self.diff_id.digest()) {
            // The same bytes are about to be hashed as the diff_id.
            self.watched(run, VerifyReader::unhashed(self.bytes(action, run)?, &self.at, promise.size))
        } else {
            self.stored(action, run)?
        };
        let watch = Watch::new(&self.at, &run.budget, &run.notices);
        codec::decode(codec, stored, watch).map_err(|error| Error::io("reading", &self.at, error))
    }
}

impl Stored<'_> {
    /// What the bytes turned out to be, once the end has been found.
    pub fn measure(&self) -> Option<&Measure> {
        self.inner.measure()
    }

    /// A name that looks like a digest but is none is worth a word; the diff_id decides (D-6).
    fn judge_name(&self) -> Result<()> {
        let found = self.inner.measure().and_then(|measure| measure.digest.as_ref());
        match (&self.layer.claim, found) {
            (Claim::Name(name), Some(found)) if name != found => self.run.notices.warn(
                Fault::Input,
                &self.layer.at,
                &format!("the member is named like a digest, but its content is {found}"),
            ),
            _ => Ok(()),
        }
    }
}

impl Read for Stored<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        if read == 0 && !self.judged && self.measure().is_some() {
            self.judged = true;
            self.judge_name()?;
        }
        Ok(read)
    }
}
