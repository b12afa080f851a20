//! xz: all streams and their padding read as one, one stream of fixed blocks written.
//!
//! Sources: The .xz File Format 1.2.1; docs/formats.md H-15, D-10.

use std::io;
use std::num::NonZeroUsize;

use liblzma::stream::{
    Action, CONCATENATED, Check, Error, Filters, LzmaOptions, MtStreamBuilder, Status, Stream, TELL_UNSUPPORTED_CHECK,
};

use super::decoder::{self, Step};
use super::encoder;
use crate::limits::MAX_XZ_MEMORY;

/// The state of reading.
pub(super) struct Decode(Stream);

impl Decode {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Stream::new_stream_decoder(MAX_XZ_MEMORY, CONCATENATED | TELL_UNSUPPORTED_CHECK)?))
    }
}

impl decoder::Decode for Decode {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, String> {
        let action = if input.is_empty() { Action::Finish } else { Action::Run };
        loop {
            let (status, step) = process(&mut self.0, input, out, action).map_err(problem)?;
            let idle = step.taken == 0 && step.given == 0;
            match status {
                Status::MemNeeded if idle => return Err("the stream is cut short".into()),
                // The library wants to be asked a second time before it says that it is stuck.
                Status::Ok if idle => {}
                Status::Ok | Status::StreamEnd | Status::GetCheck | Status::MemNeeded => return Ok(step),
            }
        }
    }
}

fn problem(error: Error) -> String {
    match error {
        Error::Data => "the data is corrupt",
        Error::Options => "the stream uses options or reserved bits that are not known",
        Error::Format => "bytes that are no xz stream",
        Error::MemLimit => return format!("the dictionary needs more than {} MiB", MAX_XZ_MEMORY >> 20),
        Error::Mem => "no memory for the dictionary",
        Error::UnsupportedCheck | Error::NoCheck => "the integrity check is of no known kind",
        Error::Program => "the decoder was driven wrongly",
    }
    .into()
}

/// Plain bytes in one block.
const BLOCK: u64 = 4 << 20;
/// Dictionary, bytes.
const DICTIONARY: u32 = 2 << 20;
const PRESET: u32 = 6;
/// The most threads that the library takes.
const MAX_THREADS: usize = 16_384;

/// The state of writing: one stream.
pub(super) struct Encode(Stream);

impl Encode {
    /// The encoder of blocks also for one thread: the other one writes no sizes into block headers (D-10).
    pub(super) fn new(threads: NonZeroUsize) -> io::Result<Self> {
        let mut filters = Filters::new();
        filters.lzma2(LzmaOptions::new_preset(PRESET)?.dict_size(DICTIONARY));
        let stream = MtStreamBuilder::new()
            .threads(threads.get().min(MAX_THREADS) as u32)
            .block_size(BLOCK)
            .filters(filters)
            .check(Check::Crc64)
            .encoder()?;
        Ok(Self(stream))
    }
}

impl encoder::Encode for Encode {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> io::Result<Step> {
        Ok(process(&mut self.0, input, out, Action::Run)?.1)
    }

    fn end(&mut self, out: &mut [u8]) -> io::Result<(usize, bool)> {
        let (status, step) = process(&mut self.0, &[], out, Action::Finish)?;
        Ok((step.given, status == Status::StreamEnd))
    }
}

fn process(stream: &mut Stream, input: &[u8], out: &mut [u8], action: Action) -> Result<(Status, Step), Error> {
    let (before_in, before_out) = (stream.total_in(), stream.total_out());
    let status = stream.process(input, out, action)?;
    // Both differences are bounded by the slices' lengths.
    let taken = (stream.total_in() - before_in) as usize;
    let given = (stream.total_out() - before_out) as usize;
    Ok((status, Step { taken, given }))
}

pub(super) fn version() -> String {
    format!("xz: liblzma 5.8, preset {PRESET}, dictionary and blocks of {} and {} MiB", DICTIONARY >> 20, BLOCK >> 20)
}
