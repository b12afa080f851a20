//! gzip: all members read as one stream, fixed blocks written as members.
//!
//! Reading goes through raw inflate, with headers and trailers parsed by this module: that leaves one place which knows
//! where a member ends and what may follow it. Writing makes one member of every [`BLOCK`] bytes of input, so that the bytes written do
//! not depend on who compressed which block.
//!
//! Sources: RFC 1952; docs/formats.md O-16, O-17, H-16, H-17, D-10.

mod header;

use std::alloc::{Layout, handle_alloc_error};
use std::panic;

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::{CompressionLvl, Compressor, Crc};

use self::header::Header;
use super::GzipLevel;
use super::blocks::BlockFormat;
use super::decoder::{self, Step};

/// The state of reading: where in which member.
pub(super) struct Decode {
    place: GzipPlace,
    inflate: Decompress,
    crc: Crc,
    /// Plain bytes of this member, modulo 2³² as its trailer counts them.
    size: u32,
    padding: u64,
}

enum GzipPlace {
    Header(Header),
    Body,
    Trailer { bytes: [u8; 8], have: usize },
    BetweenMembers,
    Padding,
}

impl Decode {
    pub(super) fn new() -> Self {
        Self {
            place: GzipPlace::Header(Header::new()),
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
        self.place = GzipPlace::Body;
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
            self.place = GzipPlace::Trailer { bytes: [0; 8], have: 0 };
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
            GzipPlace::Body => Ok(0),
            GzipPlace::Header(header) => {
                if header.push(input[0])? {
                    self.begin_body();
                }
                Ok(1)
            }
            GzipPlace::Trailer { bytes, have } => {
                bytes[*have] = input[0];
                *have += 1;
                if *have == bytes.len() {
                    let trailer = *bytes;
                    self.check_trailer(trailer)?;
                    self.place = GzipPlace::BetweenMembers;
                }
                Ok(1)
            }
            GzipPlace::BetweenMembers => {
                self.place = match input[0] {
                    0x1f => GzipPlace::Header(Header::new()),
                    0 => GzipPlace::Padding,
                    _ => return Err("bytes that are no member follow the last one".into()),
                };
                Ok(0)
            }
            GzipPlace::Padding => {
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
                GzipPlace::BetweenMembers | GzipPlace::Padding => Ok(Step { taken: 0, given: 0 }),
                // Inflate may hold back output here, but the trailer is missing anyway.
                GzipPlace::Header(_) | GzipPlace::Body | GzipPlace::Trailer { .. } => {
                    Err("the stream is cut short".into())
                }
            };
        }
        let mut taken = 0;
        while taken < input.len() {
            if let GzipPlace::Body = self.place {
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

/// Plain bytes in one member. Twice as much makes the output 0.2 % smaller, half as much makes it 0.5 % larger; a thread
/// holds four times as much.
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
        // Without memory the crate panics; this ends the process as all other allocations do.
        let new = panic::catch_unwind(|| Compressor::new(level));
        new.unwrap_or_else(|_| handle_alloc_error(Layout::new::<Compressor>()))
    }

    fn encode(compressor: &mut Compressor, block: &[u8], out: &mut Vec<u8>) -> usize {
        let bound = compressor.gzip_compress_bound(block.len());
        if out.len() < bound {
            out.resize(bound, 0);
        }
        compressor.gzip_compress(block, out).expect("there is room for the worst case")
    }
}

/// Plain bytes of a stream of one member whose last four bytes are `end`, if that makes sense for `stored` bytes: it counts
/// modulo 2³² (RFC 1952), deflate makes nothing much longer, and what is a hundred times shorter has more likely other
/// members before the last.
pub(super) fn declared_size(end: [u8; 4], stored: u64) -> Option<u64> {
    const MODULUS: u64 = 1 << 32;
    const MOST: u64 = 100;
    let least = stored - stored / 64;
    let size = u64::from(u32::from_le_bytes(end));
    let wraps = least.saturating_sub(size).div_ceil(MODULUS);
    Some(size + wraps * MODULUS).filter(|size| *size <= stored.saturating_mul(MOST))
}

pub(super) fn version() -> String {
    let (library, level) = (env!("LIBDEFLATE_VERSION"), GzipLevel::DEFAULT.get());
    format!("gzip: libdeflate {library}, level {level} if none is asked for, members of {} KiB", BLOCK >> 10)
}

#[cfg(test)]
mod tests {
    use super::super::Codec;
    use super::super::tests::{damage, pack, unpack_heard};
    use super::BLOCK;

    #[test]
    fn crc_and_length_are_checked_in_every_member() {
        let good = pack(Codec::Gzip, b"content");
        for (from_end, problem) in [(8, "bad CRC"), (1, "bad length")] {
            let mut bad = good.clone();
            let at = bad.len() - from_end;
            bad[at] ^= 1;
            assert!(damage(Codec::Gzip, &[&bad[..], &good].concat()).contains(problem));
            assert!(damage(Codec::Gzip, &[&good[..], &bad].concat()).contains(problem));
        }
    }

    #[test]
    fn the_size_in_a_trailer_is_believed_where_it_can_be_true() {
        let size = |end: u32, stored| super::declared_size(end.to_le_bytes(), stored);
        assert_eq!(size(1 << 20, 400_000), Some(1 << 20));
        assert_eq!(size(400_000, 400_100), Some(400_000));
        assert_eq!(size(1 << 18, 4 << 20), None);
        assert_eq!(size(u32::MAX, 1 << 20), None);
        assert_eq!(size(5, 3 << 30), Some((1 << 32) + 5));
        assert_eq!(size(7, 5 << 30), Some((2 << 32) + 7));
        assert_eq!(size(0, 0), Some(0));
    }

    #[test]
    fn zeros_may_follow_with_a_warning_and_nothing_after_them() {
        let packed = pack(Codec::Gzip, b"content");
        let padded = [&packed[..], &[0; 512]].concat();
        let (content, heard) = unpack_heard(Codec::Gzip, &padded).unwrap();
        assert_eq!(content, b"content");
        assert_eq!(heard, ["blob: gzip: 512 zero bytes after the last member"]);
        assert!(damage(Codec::Gzip, &[&padded[..], b"x"].concat()).contains("other bytes follow the zeros"));
        assert!(damage(Codec::Gzip, &[padded, packed].concat()).contains("other bytes follow the zeros"));
    }

    #[test]
    fn members_are_of_fixed_size_and_without_name_or_time() {
        let member = pack(Codec::Gzip, b"");
        assert_eq!(member[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, member[8], 255]);
        let blocks = vec![b'x'; BLOCK * 2];
        assert_eq!(pack(Codec::Gzip, &blocks), pack(Codec::Gzip, &blocks[..BLOCK]).repeat(2));
        assert_eq!(
            pack(Codec::Gzip, &[&blocks[..], b"y"].concat()),
            [pack(Codec::Gzip, &blocks), pack(Codec::Gzip, b"y")].concat()
        );
    }
}
