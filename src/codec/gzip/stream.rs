//! Members read as one stream.
//!
//! Raw inflate, with headers and trailers parsed here: that leaves one place which knows where a member ends and what may
//! follow it.
//!
//! Sources: RFC 1952; docs/formats.md O-17, H-16, H-17.

use std::cell::RefCell;
use std::thread::LocalKey;

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::Crc;

use super::super::decoder::{self, Step};
use super::header::Header;
use crate::stream::reused::{Reusable, Reused};

/// The state of reading: where in which member.
pub(in crate::codec) struct GzipDecoder {
    place: GzipPlace,
    /// As another stream left it, until the body of a member begins.
    inflate: Reused<Decompress>,
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

impl Reusable for Decompress {
    const KEPT: &'static LocalKey<RefCell<Vec<Self>>> = {
        thread_local! { static INFLATES: RefCell<Vec<Decompress>> = const { RefCell::new(Vec::new()) } }
        &INFLATES
    };

    fn allocate() -> Self {
        Self::new(false)
    }
}

impl GzipDecoder {
    pub(in crate::codec) fn new() -> Self {
        Self { place: GzipPlace::Header(Header::new()), inflate: Reused::take(), crc: Crc::new(), size: 0, padding: 0 }
    }

    /// The state after members that were read by another.
    pub(in crate::codec) fn after_members() -> Self {
        Self { place: GzipPlace::BetweenMembers, ..Self::new() }
    }

    /// Zero bytes met after the last member.
    pub(in crate::codec) fn padding(&self) -> u64 {
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
        // zlib-rs describes one fault in several ways, by how many bytes it is given at a time, and so by the threads.
        let status = self.inflate.decompress(input, out, FlushDecompress::None).map_err(|_| "bad deflate data")?;
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
                    _ => return Err("bytes that are not a member follow the last one".into()),
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

impl decoder::Decode for GzipDecoder {
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
