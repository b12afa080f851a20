//! From plain to compressed bytes: the same bytes for every number of threads and every size of writes.
//!
//! gzip goes through [`super::blocks`]; zstd and xz bring their own threads, so here they only need a pump.

use std::io::{self, Write};
use std::num::NonZeroUsize;

use super::blocks::BlockWriter;
use super::decoder::Step;
use super::xz::XzEncoder;
use super::zstd::ZstdEncoder;
use super::{Encoding, gzip};
use crate::stream::finish::Finish;

/// Compressed bytes written at once.
const OUTPUT: usize = 64 << 10;

/// A writer of compressed bytes. [`Finish::finish`] gives back the writer below, unflushed.
///
/// After an error it writes nothing more and cannot be finished. Dropped unfinished it writes nothing and leaves no
/// thread behind. `flush` passes to the writer below, but forces out no unfinished block: that would change the bytes.
pub(crate) struct Encoder<W> {
    form: EncoderForm<W>,
    failed: bool,
}

enum EncoderForm<W> {
    Plain(W),
    Gzip(BlockWriter<W, gzip::Members>),
    Zstd(EncoderPump<W, ZstdEncoder>),
    Xz(EncoderPump<W, XzEncoder>),
}

/// Compresses into `inner` on up to `threads` threads.
///
/// Writes nothing yet and starts no thread: gzip and xz start one when a second block has begun and one more for each
/// that follows, zstd all at the first byte. On two threads gzip needs 4 MiB, zstd 11 MiB at level 3 and 200 MiB at
/// level 19, xz 125 MiB; on each further thread 1.2, 3, 100 and 64 MiB. On one thread gzip needs 1 MiB.
///
/// # Errors
/// When the codec cannot be set up for lack of memory or threads.
pub(crate) fn encode<W: Write>(encoding: Encoding, inner: W, threads: NonZeroUsize) -> io::Result<Encoder<W>> {
    let form = match encoding {
        Encoding::Plain => EncoderForm::Plain(inner),
        Encoding::Gzip(level) => EncoderForm::Gzip(BlockWriter::new(gzip::Members(level), inner, threads)),
        Encoding::Zstd(level) => EncoderForm::Zstd(EncoderPump::new(ZstdEncoder::new(level, threads)?, inner)),
        Encoding::Xz => EncoderForm::Xz(EncoderPump::new(XzEncoder::new(threads)?, inner)),
    };
    Ok(Encoder { form, failed: false })
}

/// Compresses the operations of a tar-diff into `inner`: one zstd frame with this window, a power of two. Takes twice as
/// much memory, and a mebibyte.
///
/// # Errors
/// When there is no memory.
pub(crate) fn encode_recipe<W: Write>(inner: W, window_log: u32) -> io::Result<Encoder<W>> {
    let form = EncoderForm::Zstd(EncoderPump::new(ZstdEncoder::recipe(window_log)?, inner));
    Ok(Encoder { form, failed: false })
}

impl<W> Encoder<W> {
    /// Remembers a failure for good: what was written so far may end in the middle of a block.
    fn guard<T>(&mut self, act: impl FnOnce(&mut EncoderForm<W>) -> io::Result<T>) -> io::Result<T> {
        if self.failed {
            return Err(failed_before());
        }
        let result = act(&mut self.form);
        self.failed = matches!(&result, Err(error) if error.kind() != io::ErrorKind::Interrupted);
        result
    }
}

fn failed_before() -> io::Error {
    io::Error::other("an earlier write of this stream failed")
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.guard(|form| match form {
            EncoderForm::Plain(inner) => inner.write(bytes),
            EncoderForm::Gzip(writer) => writer.write(bytes),
            EncoderForm::Zstd(pump) => pump.write(bytes),
            EncoderForm::Xz(pump) => pump.write(bytes),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.guard(|form| match form {
            EncoderForm::Plain(inner) => inner.flush(),
            EncoderForm::Gzip(writer) => writer.flush(),
            EncoderForm::Zstd(pump) => pump.flush(),
            EncoderForm::Xz(pump) => pump.flush(),
        })
    }
}

impl<W: Write> Finish for Encoder<W> {
    type Output = W;

    fn finish(self) -> io::Result<W> {
        if self.failed {
            return Err(failed_before());
        }
        match self.form {
            EncoderForm::Plain(inner) => Ok(inner),
            EncoderForm::Gzip(writer) => writer.finish(),
            EncoderForm::Zstd(pump) => pump.finish(),
            EncoderForm::Xz(pump) => pump.finish(),
        }
    }
}

/// A codec's encoding state.
pub(super) trait Encode {
    /// Takes from `input` and gives to `out`; neither is empty.
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> io::Result<Step>;

    /// Gives what is owed at the end: how many bytes, and whether they were the last.
    fn end(&mut self, out: &mut [u8]) -> io::Result<(usize, bool)>;
}

/// Moves bytes through an [`Encode`] into a writer.
struct EncoderPump<W, E> {
    encode: E,
    inner: W,
    out: Box<[u8]>,
}

impl<W: Write, E: Encode> EncoderPump<W, E> {
    fn new(encode: E, inner: W) -> Self {
        Self { encode, inner, out: vec![0; OUTPUT].into() }
    }
}

impl<W: Write, E: Encode> Write for EncoderPump<W, E> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            let Step { taken, given } = self.encode.step(&bytes[written..], &mut self.out)?;
            written += taken;
            self.inner.write_all(&self.out[..given])?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write, E: Encode> Finish for EncoderPump<W, E> {
    type Output = W;

    fn finish(mut self) -> io::Result<W> {
        loop {
            let (given, last) = self.encode.end(&mut self.out)?;
            self.inner.write_all(&self.out[..given])?;
            if last {
                return Ok(self.inner);
            }
        }
    }
}
