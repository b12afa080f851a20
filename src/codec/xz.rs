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
pub(super) struct XzDecoder(Stream);

impl XzDecoder {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Stream::new_stream_decoder(MAX_XZ_MEMORY, CONCATENATED | TELL_UNSUPPORTED_CHECK)?))
    }
}

impl decoder::Decode for XzDecoder {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, String> {
        let action = if input.is_empty() { Action::Finish } else { Action::Run };
        loop {
            let (status, step) = process(&mut self.0, input, out, action).map_err(problem)?;
            let idle = step.taken == 0 && step.given == 0;
            match status {
                Status::MemNeeded if idle => return Err("the stream is cut short".into()),
                // The library reports only at a second call that it makes no progress.
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
        Error::Format => "bytes that are not an xz stream",
        Error::MemLimit => {
            return format!("the dictionary needs more than {} MiB; `xz -d` decompresses it", MAX_XZ_MEMORY >> 20);
        }
        Error::Mem => "no memory for the dictionary",
        Error::UnsupportedCheck | Error::NoCheck => "the integrity check is of no known kind",
        Error::Program => "the decoder was used incorrectly",
    }
    .into()
}

const PRESET: u32 = 6;
/// Bytes. Half of what the preset takes: a thread then needs 64 MiB instead of 120, for a result that is 5 to 8 % larger.
const DICTIONARY: u32 = 4 << 20;
/// Plain bytes in one block; each thread holds three of them.
const BLOCK: u64 = 8 << 20;
/// The most threads that the library takes.
const MAX_THREADS: usize = 16_384;

/// The state of writing: one stream.
pub(super) struct XzEncoder(Stream);

impl XzEncoder {
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

impl encoder::Encode for XzEncoder {
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
    let (library, dictionary) = (env!("LIBLZMA_VERSION"), DICTIONARY >> 20);
    format!("xz: liblzma {library}, preset {PRESET}, dictionary {dictionary} MiB, blocks of {} MiB", BLOCK >> 20)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use libdeflater::crc32;
    use liblzma::stream::{Check, Stream};
    use liblzma::write::XzEncoder;

    use super::super::Codec;
    use super::super::tests::{damage, pack, unpack};

    #[test]
    fn padding_between_and_after_streams_is_of_four_bytes() {
        let [one, two] = [pack(Codec::Xz, b"one "), pack(Codec::Xz, b"two")];
        let packed = [&one[..], &[0; 8], &two, &[0; 4]].concat();
        assert_eq!(unpack(Codec::Xz, &packed).unwrap(), b"one two");
        for len in [1, 2, 3, 5] {
            damage(Codec::Xz, &[&one[..], &vec![0; len]].concat());
            damage(Codec::Xz, &[&one[..], &vec![0; len], &two].concat());
        }
    }

    /// A stream whose first block asks for the dictionary that `code` stands for.
    fn stream_with_dictionary(code: u8) -> Vec<u8> {
        let mut encoder = XzEncoder::new_stream(Vec::new(), Stream::new_easy_encoder(0, Check::Crc64).unwrap());
        encoder.write_all(b"content").unwrap();
        let mut packed = encoder.finish().unwrap();
        // Block header: size, flags, filter LZMA2, size of its properties, the dictionary, padding, CRC.
        assert_eq!(packed[12..16], [2, 0, 0x21, 1]);
        packed[16] = code;
        let crc = crc32(&packed[12..20]).to_le_bytes();
        packed[20..24].copy_from_slice(&crc);
        packed
    }

    #[test]
    fn dictionaries_have_a_limit() {
        assert_eq!(unpack(Codec::Xz, &stream_with_dictionary(28)).unwrap(), b"content");
        let message = damage(Codec::Xz, &stream_with_dictionary(29));
        assert!(message.contains("the dictionary needs more than 80 MiB"), "{message}");
    }

    #[test]
    fn checks_of_no_known_kind_are_refused() {
        let mut packed = pack(Codec::Xz, b"content");
        packed[7] = 2;
        let crc = crc32(&packed[6..8]).to_le_bytes();
        packed[8..12].copy_from_slice(&crc);
        assert!(damage(Codec::Xz, &packed).contains("the integrity check is of no known kind"));
    }
}
