//! Blocks of plain bytes as members, each with its length in its header.
//!
//! A member is made of every [`BLOCK`] bytes of input, so that the bytes written do not depend on who compressed which
//! block. Its length, in the extra field that pgzip of Python reads too (`IG`), lets a reader hand whole members to threads
//! of its own; RFC 1952 has every other reader skip it.
//!
//! Sources: RFC 1952; docs/formats.md D-10.

use std::alloc::{Layout, handle_alloc_error};
use std::panic;

use libdeflater::{CompressionLvl, Compressor, crc32};

use super::super::GzipLevel;
use super::super::blocks::BlockFormat;
use super::super::crew::BlockWork;
use super::content::level_for;

/// Plain bytes in one member. Twice as much makes the output 0.2 % smaller, half as much makes it 0.5 % larger; a thread
/// holds four times as much.
pub(super) const BLOCK: usize = 256 << 10;

/// The fastest level that writes no more than others do by default. A Debian system of 1,173 MB in four layers became 426 MB at
/// level 1, 409 at 2, 405 at 3 and 402 at 4, in 0.45, 0.53, 0.56 and 0.61 of the processor time in which skopeo 1.9.3 made
/// 415 MB of it.
pub(super) const DEFAULT_LEVEL: u8 = 2;

/// The header up to the member's length: deflate, an extra field, no time, an unknown operating system; eight bytes of extra
/// field, in it `IG` with four bytes (D-10).
pub(super) const HEADER: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 8, 0, b'I', b'G', 4, 0];
/// The whole header, with the length of the member.
const HEADER_SIZE: usize = HEADER.len() + 4;
/// CRC and size of the content.
const TRAILER_SIZE: usize = 8;

/// Makes members, all at one level, or without one each at that for its content.
#[derive(Clone, Copy)]
pub(in crate::codec) struct Members(pub(in crate::codec) Option<GzipLevel>);

/// One compressor for each level that was needed so far.
pub(in crate::codec) struct MemberState {
    level: Option<GzipLevel>,
    compressors: [Option<Compressor>; 10],
}

impl MemberState {
    fn compressor(&mut self, level: u8) -> &mut Compressor {
        self.compressors[usize::from(level)].get_or_insert_with(|| {
            let level = CompressionLvl::new(level.into()).expect("libdeflate has the levels 0 to 12");
            // Without memory the crate panics; this ends the process as all other allocations do.
            let new = panic::catch_unwind(|| Compressor::new(level));
            new.unwrap_or_else(|_| handle_alloc_error(Layout::new::<Compressor>()))
        })
    }
}

impl BlockFormat for Members {
    const BLOCK: usize = BLOCK;
}

impl BlockWork for Members {
    const NAME: &'static str = "gzip";
    type State = MemberState;
    type Outcome = usize;

    fn state(self) -> MemberState {
        MemberState { level: self.0, compressors: [const { None }; 10] }
    }

    fn work(state: &mut MemberState, block: &[u8], out: &mut Vec<u8>) -> usize {
        let level = state.level.map_or_else(|| level_for(block), GzipLevel::get);
        let compressor = state.compressor(level);
        let bound = HEADER_SIZE + compressor.deflate_compress_bound(block.len()) + TRAILER_SIZE;
        if out.len() < bound {
            out.resize(bound, 0);
        }
        let compressed = compressor.deflate_compress(block, &mut out[HEADER_SIZE..]);
        let trailer = HEADER_SIZE + compressed.expect("there is room for the worst case");
        let len = trailer + TRAILER_SIZE;
        out[..HEADER.len()].copy_from_slice(&HEADER);
        // A block is far smaller than 4 GiB, and so is its member.
        out[HEADER.len()..HEADER_SIZE].copy_from_slice(&(len as u32).to_le_bytes());
        out[trailer..trailer + 4].copy_from_slice(&crc32(block).to_le_bytes());
        out[trailer + 4..len].copy_from_slice(&(block.len() as u32).to_le_bytes());
        len
    }
}
