//! bzip2: all streams read as one. There is no encoder: imgtar does not write bzip2.
//!
//! Source: docs/formats.md G-1; the format has no specification but its program.

use bzip2::{Decompress, Error, Status};

use super::decoder::{self, Step};

/// Returns true if `bytes`, after `BZh` and a digit, begin a block (π) or end an empty stream (√π).
pub(super) fn begins_stream(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59]) || bytes.starts_with(&[0x17, 0x72, 0x45, 0x38, 0x50, 0x90])
}

/// The state of reading.
pub(super) struct Bzip2Decoder {
    stream: Decompress,
    between_streams: bool,
}

impl Bzip2Decoder {
    pub(super) fn new() -> Self {
        Self { stream: Decompress::new(false), between_streams: false }
    }
}

impl decoder::Decode for Bzip2Decoder {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, String> {
        if self.between_streams {
            if input.is_empty() {
                return Ok(Step { taken: 0, given: 0 });
            }
            *self = Self::new();
        }
        let (before_in, before_out) = (self.stream.total_in(), self.stream.total_out());
        let status = self.stream.decompress(input, out).map_err(problem)?;
        // Both differences are bounded by the slices' lengths.
        let taken = (self.stream.total_in() - before_in) as usize;
        let given = (self.stream.total_out() - before_out) as usize;
        match status {
            Status::StreamEnd => self.between_streams = true,
            Status::MemNeeded => return Err("no memory for a block".into()),
            _ if input.is_empty() && given == 0 => return Err("the stream is cut short".into()),
            _ => {}
        }
        Ok(Step { taken, given })
    }
}

fn problem(error: Error) -> String {
    match error {
        Error::DataMagic => "bytes that are not a bzip2 stream",
        Error::Data => "the data is corrupt",
        Error::Sequence | Error::Param => "the decoder was used incorrectly",
    }
    .into()
}
