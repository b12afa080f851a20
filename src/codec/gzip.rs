//! gzip: all members read as one stream, fixed blocks written as members.
//!
//! Reading goes through raw inflate with header and trailer parsed here: that leaves one place which knows where a member
//! ends and what may follow it. Writing makes one member of every [`BLOCK`] bytes of input, so that the bytes written do
//! not depend on who compressed which block.
//!
//! Sources: RFC 1952; docs/formats.md O-16, O-17, H-16, H-17, D-10.

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::{CompressionLvl, Compressor, Crc};

use super::GzipLevel;
use super::blocks::BlockFormat;
use super::decoder::{self, Step};

const FLAG_HEADER_CRC: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;
const FLAGS_RESERVED: u8 = 0b1110_0000;

/// The state of reading: where in which member.
pub(super) struct Decode {
    place: Place,
    inflate: Decompress,
    crc: Crc,
    /// Plain bytes of this member, modulo 2³² as its trailer counts them.
    size: u32,
    padding: u64,
}

enum Place {
    Header(Header),
    Body,
    Trailer { bytes: [u8; 8], have: usize },
    BetweenMembers,
    Padding,
}

impl Decode {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Header(Header::new()),
            inflate: Decompress::new(false),
            crc: Crc::new(),
            size: 0,
            padding: 0,
        }
    }

    /// Zero bytes met after the last member.
    pub(super) fn padding(&self) -> u64 {
        self.padding
    }

    fn begin_body(&mut self) {
        self.inflate.reset(false);
        self.crc = Crc::new();
        self.size = 0;
        self.place = Place::Body;
    }

    fn inflate(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, String> {
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(input, out, FlushDecompress::None)
            .map_err(|error| error.message().unwrap_or("bad deflate data").to_owned())?;
        // Both differences are bounded by the slices' lengths.
        let taken = (self.inflate.total_in() - before_in) as usize;
        let given = (self.inflate.total_out() - before_out) as usize;
        self.crc.update(&out[..given]);
        self.size = self.size.wrapping_add(given as u32);
        if status == Status::StreamEnd {
            self.place = Place::Trailer { bytes: [0; 8], have: 0 };
        } else if taken == 0 && given == 0 {
            return Err("inflate makes no progress".into());
        }
        Ok(Step { taken, given })
    }

    fn check_trailer(&self, trailer: [u8; 8]) -> Result<(), String> {
        let [c0, c1, c2, c3, s0, s1, s2, s3] = trailer;
        let (crc, size) = (u32::from_le_bytes([c0, c1, c2, c3]), u32::from_le_bytes([s0, s1, s2, s3]));
        if crc != self.crc.sum() {
            return Err(format!("bad CRC: content has {:08x}, trailer says {crc:08x}", self.crc.sum()));
        }
        if size != self.size {
            return Err(format!("bad length: content has {} bytes, trailer says {size} (modulo 2^32)", self.size));
        }
        Ok(())
    }

    /// Takes bytes that give none; returns how many.
    fn frame(&mut self, input: &[u8]) -> Result<usize, String> {
        match &mut self.place {
            Place::Body => Ok(0),
            Place::Header(header) => {
                if header.push(input[0])? {
                    self.begin_body();
                }
                Ok(1)
            }
            Place::Trailer { bytes, have } => {
                bytes[*have] = input[0];
                *have += 1;
                if *have == bytes.len() {
                    let trailer = *bytes;
                    self.check_trailer(trailer)?;
                    self.place = Place::BetweenMembers;
                }
                Ok(1)
            }
            Place::BetweenMembers => {
                self.place = match input[0] {
                    0x1f => Place::Header(Header::new()),
                    0 => Place::Padding,
                    _ => return Err("bytes that are no member follow the last one".into()),
                };
                Ok(0)
            }
            Place::Padding => {
                if input.iter().any(|&byte| byte != 0) {
                    return Err("other bytes follow the zeros after the last member".into());
                }
                self.padding += input.len() as u64;
                Ok(input.len())
            }
        }
    }
}

impl decoder::Decode for Decode {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, String> {
        if input.is_empty() {
            return match self.place {
                Place::BetweenMembers | Place::Padding => Ok(Step { taken: 0, given: 0 }),
                // Inflate may hold back output here, but the trailer is missing anyway.
                Place::Header(_) | Place::Body | Place::Trailer { .. } => Err("the stream is cut short".into()),
            };
        }
        let mut taken = 0;
        while taken < input.len() {
            if let Place::Body = self.place {
                let step = self.inflate(&input[taken..], out)?;
                taken += step.taken;
                if step.given > 0 {
                    return Ok(Step { taken, given: step.given });
                }
            } else {
                taken += self.frame(&input[taken..])?;
            }
        }
        Ok(Step { taken, given: 0 })
    }
}

/// A member's header, taken byte by byte: names and comments have any length, none is kept.
struct Header {
    field: Field,
    /// Flags of the fields that are still to come.
    flags: u8,
    crc: Crc,
}

#[derive(Clone, Copy)]
enum Field {
    /// The ten bytes that are always there; this many are known.
    Fixed(usize),
    ExtraLen,
    ExtraLenHigh(u8),
    Extra(u16),
    /// A name or comment, up to its NUL.
    Text,
    Crc,
    CrcHigh(u8),
    End,
}

impl Header {
    fn new() -> Self {
        Self { field: Field::Fixed(0), flags: 0, crc: Crc::new() }
    }

    /// Takes the next byte; `true` says it was the last.
    fn push(&mut self, byte: u8) -> Result<bool, String> {
        let crc_so_far = self.crc.sum();
        self.crc.update(&[byte]);
        self.field = match self.field {
            Field::Fixed(at) => {
                self.check_fixed(at, byte)?;
                if at < 9 { Field::Fixed(at + 1) } else { self.next_field() }
            }
            Field::ExtraLen => Field::ExtraLenHigh(byte),
            Field::ExtraLenHigh(low) => match u16::from_le_bytes([low, byte]) {
                0 => self.next_field(),
                len => Field::Extra(len),
            },
            Field::Extra(1) => self.next_field(),
            Field::Extra(left) => Field::Extra(left - 1),
            Field::Text if byte == 0 => self.next_field(),
            Field::Text => Field::Text,
            Field::Crc if byte != crc_so_far.to_le_bytes()[0] => return Err("bad header CRC".into()),
            Field::Crc => Field::CrcHigh(crc_so_far.to_le_bytes()[1]),
            Field::CrcHigh(expected) if byte != expected => return Err("bad header CRC".into()),
            Field::CrcHigh(_) | Field::End => Field::End,
        };
        Ok(matches!(self.field, Field::End))
    }

    fn check_fixed(&mut self, at: usize, byte: u8) -> Result<(), String> {
        match (at, byte) {
            (0, 0x1f) | (1, 0x8b) | (2, 8) | (4.., _) => Ok(()),
            (3, flags) if flags & FLAGS_RESERVED == 0 => {
                self.flags = flags;
                Ok(())
            }
            (0 | 1, _) => Err("bad header magic".into()),
            (2, method) => Err(format!("unknown compression method {method}, expected 8")),
            (_, flags) => Err(format!("reserved flags are set in {flags:#04x}")),
        }
    }

    /// The next field that the flags announce, in the order of RFC 1952.
    fn next_field(&mut self) -> Field {
        for (flag, field) in [
            (FLAG_EXTRA, Field::ExtraLen),
            (FLAG_NAME, Field::Text),
            (FLAG_COMMENT, Field::Text),
            (FLAG_HEADER_CRC, Field::Crc),
        ] {
            if self.flags & flag != 0 {
                self.flags &= !flag;
                return field;
            }
        }
        Field::End
    }
}

/// Plain bytes in one member.
const BLOCK: usize = 256 << 10;

/// Makes members: no name, no time, operating system 255, as libdeflate writes them (D-10).
#[derive(Clone, Copy)]
pub(super) struct Members(pub(super) GzipLevel);

impl BlockFormat for Members {
    const BLOCK: usize = BLOCK;
    const NAME: &'static str = "gzip";
    type Encoder = Compressor;

    fn encoder(self) -> Compressor {
        let level = CompressionLvl::new(self.0.get().into()).expect("libdeflate has the levels 1 to 12");
        Compressor::new(level)
    }

    fn encode(compressor: &mut Compressor, block: &[u8], out: &mut Vec<u8>) -> usize {
        let bound = compressor.gzip_compress_bound(block.len());
        if out.len() < bound {
            out.resize(bound, 0);
        }
        compressor.gzip_compress(block, out).expect("there is room for the worst case")
    }
}

pub(super) fn version() -> String {
    format!("gzip: libdeflate 1.26, members of {} KiB", BLOCK >> 10)
}
