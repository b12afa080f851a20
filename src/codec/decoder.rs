//! From compressed to plain bytes: one pump around the state of any codec.
//!
//! The pump owns the only buffer, reads from the reader below, counts the decoded bytes and checks the end. A codec is
//! a state that takes and gives bytes and never sees a reader, so an error of the reader below cannot be mistaken for
//! damage.

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::ops::Range;

use super::Codec;
use super::bzip2::Bzip2Decoder;
use super::gzip::{self, GzipDecoder};
use super::lz4::Lz4Decoder;
use super::xz::XzDecoder;
use super::zstd::ZstdDecoder;
use crate::diagnostics::Diagnostics;
use crate::error::Error;
use crate::limits::Budget;
use crate::rule::Rule;
use crate::stream::copy::read_some;
use crate::stream::reused::{LargeBuffer, Reused};

/// Compressed bytes read at once: so few that they and the plain bytes that they become stay in the processor's cache.
const INPUT: usize = 64 << 10;

/// The budget and the diagnostics of a decoder, and the name of its stream in messages.
pub struct Watch<'a> {
    at: String,
    budget: &'a Budget,
    diagnostics: &'a Diagnostics,
}

impl<'a> Watch<'a> {
    /// `at` names the stream in errors and warnings; decoded bytes are counted against `budget`.
    pub fn new(at: impl Into<String>, budget: &'a Budget, diagnostics: &'a Diagnostics) -> Self {
        Self { at: at.into(), budget, diagnostics }
    }
}

/// The plain bytes of a compressed stream.
///
/// Its end is the end of the reader below, which has then been read to its last byte: no digest taken there is short of
/// trailing padding or frames (docs/formats.md O-17). Large reads are quick ones: from 64 KiB on.
///
/// # Errors
/// Damage, truncation and bytes that do not belong to the stream are [`Error::Invalid`], too many decoded bytes are
/// [`Error::Limit`]; both travel inside [`io::Error`]. Errors of the reader below pass unharmed.
pub struct Decoder<'a, R>(Form<'a, R>);

enum Form<'a, R> {
    Plain(R),
    Coded(Box<Pump<'a, R>>),
}

/// Moves bytes from a reader through a codec's state.
struct Pump<'a, R> {
    inner: R,
    /// Decodes the members at the beginning of a gzip stream, until all that say how long they are have been.
    members: Option<gzip::MemberReader>,
    state: State,
    codec: Codec,
    /// Compressed bytes, no more than [`INPUT`].
    buffer: Reused<LargeBuffer>,
    /// Compressed bytes that `members` read and left, which come before those in `buffer`.
    unread: Vec<u8>,
    /// The part of `unread`, or else of `buffer`, that the codec has not taken yet.
    input: Range<usize>,
    /// Compressed bytes taken.
    offset: u64,
    end: Option<End>,
    watch: Watch<'a>,
}

enum State {
    Gzip(GzipDecoder),
    Zstd(ZstdDecoder),
    Xz(XzDecoder),
    Bzip2(Bzip2Decoder),
    Lz4(Lz4Decoder),
}

/// Why no more bytes come. Kept, so that a caller who reads on gets the same result again.
enum End {
    Whole,
    Damaged(String),
}

/// The bytes that one step of a codec's state took and gave.
pub(super) struct Step {
    pub(super) taken: usize,
    pub(super) given: usize,
}

/// A codec's decoding state.
pub(super) trait Decode {
    /// Takes from `input` and gives to `out`, which is never empty.
    ///
    /// Empty `input` means the end of the compressed bytes: the state gives what it held back. When it has no more to
    /// give, it has reached a proper end, or it returns an error.
    ///
    /// # Errors
    /// The damage in the stream, as a clause.
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, String>;
}

/// Decodes `inner`, which is compressed by `codec`; [`Codec::Plain`] passes through, uncounted.
///
/// Reads nothing yet. Takes one of the thread's large buffers, and what the codec needs: about 40 KiB for gzip, up to
/// 128 MiB for zstd, 80 MiB for xz, 8 MiB for lz4, if the stream was made so (docs/formats.md H-15).
///
/// # Errors
/// When the codec cannot be set up for lack of memory.
pub fn decode<R: Read>(codec: Codec, inner: R, watch: Watch<'_>) -> io::Result<Decoder<'_, R>> {
    decode_on(NonZeroUsize::MIN, codec, inner, watch)
}

/// As [`decode`], on up to `threads` threads where the stream says how it can be divided: gzip of members that carry their
/// length, 1 to 4 MiB for each thread. What is decoded does not depend on it.
///
/// # Errors
/// As [`decode`]; reading fails when a thread cannot be started.
pub(crate) fn decode_on<R: Read>(
    threads: NonZeroUsize,
    codec: Codec,
    inner: R,
    watch: Watch<'_>,
) -> io::Result<Decoder<'_, R>> {
    let state = match codec {
        Codec::Plain => return Ok(Decoder(Form::Plain(inner))),
        Codec::Gzip => State::Gzip(GzipDecoder::new()),
        Codec::Zstd => State::Zstd(ZstdDecoder::new()?),
        Codec::Xz => State::Xz(XzDecoder::new()?),
        Codec::Bzip2 => State::Bzip2(Bzip2Decoder::new()),
        Codec::Lz4 => State::Lz4(Lz4Decoder::new()),
    };
    let members = (codec == Codec::Gzip && threads.get() > 1).then(|| gzip::MemberReader::new(threads));
    let pump = Pump {
        inner,
        members,
        state,
        codec,
        buffer: Reused::take(),
        unread: Vec::new(),
        input: 0..0,
        offset: 0,
        end: None,
        watch,
    };
    Ok(Decoder(Form::Coded(Box::new(pump))))
}

impl<R> Decoder<'_, R> {
    /// The reader below; compressed bytes that were read but not yet taken are lost.
    pub fn into_inner(self) -> R {
        match self.0 {
            Form::Plain(inner) => inner,
            Form::Coded(pump) => pump.inner,
        }
    }
}

impl<R: Read> Read for Decoder<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Form::Plain(inner) => inner.read(out),
            Form::Coded(_) if out.is_empty() => Ok(0),
            Form::Coded(pump) => pump.read(out),
        }
    }
}

impl<R: Read> Pump<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(given) = self.read_members(out)? {
            self.watch.budget.decoded(given as u64, &self.watch.at)?;
            return Ok(given);
        }
        loop {
            match &self.end {
                None => self.fill()?,
                Some(End::Whole) => return Ok(0),
                Some(End::Damaged(problem)) => return Err(Error::invalid(self.rule(), &self.watch.at, problem).into()),
            }
            match self.step(out) {
                Ok(Some(0)) => {}
                Ok(Some(given)) => {
                    self.watch.budget.decoded(given as u64, &self.watch.at)?;
                    return Ok(given);
                }
                Ok(None) => self.accept_end()?,
                Err(problem) => {
                    let (codec, offset) = (self.codec.name(), self.offset);
                    self.end = Some(End::Damaged(format!("{codec}: {problem} (near byte {offset})")));
                }
            }
        }
    }

    /// Plain bytes of whole members, `None` when the rest has to be read as a stream.
    fn read_members(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(members) = &mut self.members else { return Ok(None) };
        if let Some(given) = members.read(&mut self.inner, out)? {
            return Ok(Some(given));
        }
        let gzip::Rest { unread, offset } = self.members.take().map(gzip::MemberReader::rest).unwrap_or_default();
        if offset > 0 {
            self.state = State::Gzip(GzipDecoder::after_members());
        }
        (self.offset, self.input, self.unread) = (offset, 0..unread.len(), unread);
        Ok(None)
    }

    /// The rule that damage to the stream breaks.
    fn rule(&self) -> Rule {
        match self.state {
            State::Gzip(_) => Rule::H17,
            State::Zstd(_) | State::Xz(_) | State::Bzip2(_) | State::Lz4(_) => Rule::O17,
        }
    }

    /// Makes `input` non-empty, unless the reader below is at its end.
    fn fill(&mut self) -> io::Result<()> {
        if self.input.is_empty() {
            (self.unread, self.input) = (Vec::new(), 0..0);
            self.input.end = read_some(&mut self.inner, &mut self.buffer[..INPUT])?;
        }
        Ok(())
    }

    /// One step of the state: bytes given, or `None` at the proper end.
    fn step(&mut self, out: &mut [u8]) -> Result<Option<usize>, String> {
        let bytes = if self.unread.is_empty() { &**self.buffer } else { &self.unread[..] };
        let input = &bytes[self.input.clone()];
        let Step { taken, given } = match &mut self.state {
            State::Gzip(state) => state.step(input, out)?,
            State::Zstd(state) => state.step(input, out)?,
            State::Xz(state) => state.step(input, out)?,
            State::Bzip2(state) => state.step(input, out)?,
            State::Lz4(state) => state.step(input, out)?,
        };
        if taken == 0 && given == 0 {
            return if input.is_empty() { Ok(None) } else { Err("the decoder makes no progress".into()) };
        }
        self.input.start += taken;
        self.offset += taken as u64;
        Ok(Some(given))
    }

    /// Accepts the end, with a warning where the format is silent and other readers disagree (O-17).
    fn accept_end(&mut self) -> io::Result<()> {
        if let State::Gzip(state) = &self.state
            && state.padding() > 0
        {
            let problem = format!("gzip: {} zero bytes after the last member", state.padding());
            self.watch.diagnostics.warn(Rule::O17, &self.watch.at, problem)?;
        }
        self.end = Some(End::Whole);
        Ok(())
    }
}
