//! lz4: all frames read as one stream; never written.
//!
//! The crate decodes blocks. Frames are taken apart here, because its own reader pulls from a reader below, and takes the
//! end of one frame for the end of all.
//!
//! Sources: LZ4 Frame Format 1.6.4; docs/formats.md G-1, H-15.

use std::hash::Hasher;

use lz4_flex::block::decompress_into_with_dict;
use twox_hash::XxHash32;

use super::decoder::{self, Step};

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// The farthest that a block may refer back, in bytes.
const WINDOW: usize = 64 << 10;
const CHECKSUM: usize = 4;

// The flags of a frame's descriptor; the two bits above them are its version, 1.
const INDEPENDENT_BLOCKS: u8 = 0x20;
const BLOCK_CHECKSUMS: u8 = 0x10;
const CONTENT_SIZE: u8 = 0x08;
const CONTENT_CHECKSUM: u8 = 0x04;
const RESERVED: u8 = 0x02;
const DICTIONARY: u8 = 0x01;

/// Returns whether `head` begins a frame of the only version there is.
pub(super) fn begins_frame(head: &[u8]) -> bool {
    matches!(head.strip_prefix(&MAGIC), Some([flags, ..]) if flags >> 6 == 1)
}

/// The state of reading.
pub(super) struct Lz4Decoder {
    /// The part of the stream that comes next, the bytes of it that are here, and how many it has.
    part: Part,
    stored: Vec<u8>,
    wanted: usize,
    frame: Frame,
    /// The bytes that blocks may refer to, and behind them the last block.
    plain: Vec<u8>,
    /// Bytes of `plain` that have been given out.
    given: usize,
}

/// A part of a stream, dealt with once all of it is here.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// The magic of the first frame, which must not be missing.
    First,
    /// The magic of another frame, if there is one.
    Magic,
    /// The flags and the block size, which determine how long the rest of the descriptor is.
    Flags,
    Descriptor,
    SkippableSize,
    /// The content of a skippable frame, of which nothing is kept.
    Skipped,
    BlockSize,
    Compressed,
    Uncompressed,
    ContentChecksum,
}

/// The fields of a frame's descriptor.
#[derive(Default)]
struct Frame {
    independent: bool,
    block_checksums: bool,
    block_size: usize,
    /// Bytes of content that have yet to come, where the descriptor has their number.
    expected: Option<u64>,
    content: Option<XxHash32>,
}

impl Lz4Decoder {
    pub(super) fn new() -> Self {
        let frame = Frame::default();
        Self { part: Part::First, stored: Vec::new(), wanted: MAGIC.len(), frame, plain: Vec::new(), given: 0 }
    }

    /// Deals with the part that is here, and gives the one behind it and how many bytes that has.
    fn take_part(&mut self) -> Result<(Part, usize), String> {
        match self.part {
            Part::First | Part::Magic => match number(&self.stored) {
                _ if self.stored == MAGIC => Ok((Part::Flags, 2)),
                0x184d_2a50..=0x184d_2a5f => Ok((Part::SkippableSize, 4)),
                _ => Err("bytes that are not an lz4 frame".into()),
            },
            Part::SkippableSize => Ok((Part::Skipped, number(&self.stored) as usize)),
            Part::Skipped => Ok((Part::Magic, MAGIC.len())),
            // The flags stay where they are, for the descriptor's checksum.
            Part::Flags => Ok((Part::Descriptor, if self.stored[0] & CONTENT_SIZE != 0 { 8 + 1 } else { 1 })),
            Part::Descriptor => {
                self.frame = Frame::parse(&self.stored)?;
                self.plain.clear();
                self.given = 0;
                Ok((Part::BlockSize, 4))
            }
            Part::BlockSize => self.next_block(number(&self.stored)),
            Part::Compressed | Part::Uncompressed => {
                self.take_block()?;
                Ok((Part::BlockSize, 4))
            }
            Part::ContentChecksum => {
                let content = self.frame.content.take();
                if content.is_some_and(|content| content.finish_32() != number(&self.stored)) {
                    return Err("the checksum of the content does not match".into());
                }
                Ok((Part::Magic, MAGIC.len()))
            }
        }
    }

    /// The part behind a block's size, which is 0 at the end of the frame.
    fn next_block(&self, size: u32) -> Result<(Part, usize), String> {
        if size == 0 {
            return match (self.frame.expected, &self.frame.content) {
                (Some(1..), _) => Err("the content is shorter than the frame says".into()),
                (_, Some(_)) => Ok((Part::ContentChecksum, CHECKSUM)),
                (_, None) => Ok((Part::Magic, MAGIC.len())),
            };
        }
        let (part, size) =
            if size >> 31 == 0 { (Part::Compressed, size) } else { (Part::Uncompressed, size ^ 1 << 31) };
        if size as usize > self.frame.block_size {
            return Err(format!("a block of {size} bytes, more than the {} of the frame", self.frame.block_size));
        }
        Ok((part, size as usize + self.frame.block_checksum()))
    }

    fn take_block(&mut self) -> Result<(), String> {
        let (block, checksum) = self.stored.split_at(self.stored.len() - self.frame.block_checksum());
        if !checksum.is_empty() && XxHash32::oneshot(0, block) != number(checksum) {
            return Err("the checksum of a block does not match".into());
        }
        let window = if self.frame.independent { 0 } else { self.plain.len().min(WINDOW) };
        self.plain.drain(..self.plain.len() - window);
        if self.part == Part::Compressed {
            self.plain.resize(window + self.frame.block_size, 0);
            let (before, out) = self.plain.split_at_mut(window);
            let size = decompress_into_with_dict(block, out, before).map_err(|_| "the data is corrupt")?;
            self.plain.truncate(window + size);
        } else {
            self.plain.extend_from_slice(block);
        }
        self.given = window;
        let decoded = &self.plain[window..];
        if let Some(expected) = &mut self.frame.expected {
            let rest = expected.checked_sub(decoded.len() as u64);
            *expected = rest.ok_or("the content is longer than the frame says")?;
        }
        if let Some(content) = &mut self.frame.content {
            content.write(decoded);
        }
        Ok(())
    }
}

impl decoder::Decode for Lz4Decoder {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, String> {
        let decoded = &self.plain[self.given..];
        if !decoded.is_empty() {
            let given = decoded.len().min(out.len());
            out[..given].copy_from_slice(&decoded[..given]);
            self.given += given;
            return Ok(Step { taken: 0, given });
        }
        if input.is_empty() {
            let at_end = self.part == Part::Magic && self.stored.is_empty();
            return if at_end { Ok(Step { taken: 0, given: 0 }) } else { Err("the stream is cut short".into()) };
        }
        let taken = input.len().min(self.wanted);
        self.wanted -= taken;
        if self.part != Part::Skipped {
            self.stored.extend_from_slice(&input[..taken]);
        }
        while self.wanted == 0 {
            let whole = self.part;
            (self.part, self.wanted) = self.take_part()?;
            if whole != Part::Flags {
                self.stored.clear();
            }
        }
        Ok(Step { taken, given: 0 })
    }
}

impl Frame {
    /// Bytes of the checksum behind each block.
    fn block_checksum(&self) -> usize {
        if self.block_checksums { CHECKSUM } else { 0 }
    }

    /// Reads a descriptor: flags, the largest block, the size of the content if its flag is set, and a checksum.
    fn parse(descriptor: &[u8]) -> Result<Self, String> {
        let [flags, block, size @ .., checksum] = descriptor else {
            return Err("the frame's descriptor is cut short".into());
        };
        let set = |bit: u8| flags & bit != 0;
        if flags >> 6 != 1 || set(RESERVED) || block & 0x8f != 0 || *block < 0x40 {
            return Err("the frame is of another version, or uses reserved bits".into());
        }
        if set(DICTIONARY) {
            return Err("the frame needs a dictionary".into());
        }
        if (XxHash32::oneshot(0, &descriptor[..descriptor.len() - 1]) >> 8) as u8 != *checksum {
            return Err("the checksum of a frame's descriptor does not match".into());
        }
        Ok(Self {
            independent: set(INDEPENDENT_BLOCKS),
            block_checksums: set(BLOCK_CHECKSUMS),
            // 4 to 7 stand for 64 KiB, 256 KiB, 1 MiB and 4 MiB.
            block_size: 1 << (8 + 2 * (block >> 4)),
            expected: size.first_chunk().map(|size| u64::from_le_bytes(*size)),
            content: set(CONTENT_CHECKSUM).then(|| XxHash32::with_seed(0)),
        })
    }
}

/// Reads a number of four bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameInfo};

    use crate::codec::Codec;
    use crate::codec::tests::{damage, pack_lz4, unpack};

    /// `lz4 -B4 -BX -BD --content-size` (1.9.4) of 200 `a`.
    const FRAME: &str = "04224d187c40c8000000000000002c0b0000001f610100af506161616161eaa2bd1a00000000476f2878";

    /// Bytes with repeats that reach back further than a block of 64 KiB.
    fn sample(len: usize) -> Vec<u8> {
        let lines = (0..).flat_map(|number: u32| format!("line {}\n", number % 9_000).into_bytes());
        lines.take(len).collect()
    }

    #[test]
    fn frames_of_every_form_are_read() {
        for (size, len) in [
            (BlockSize::Max64KB, 300_000),
            (BlockSize::Max256KB, 300_000),
            (BlockSize::Max1MB, 1_200_000),
            (BlockSize::Max4MB, 5_000_000),
        ] {
            let sample = sample(len);
            for (mode, checksums) in
                [(BlockMode::Independent, false), (BlockMode::Linked, false), (BlockMode::Linked, true)]
            {
                let frame = FrameInfo::new().block_size(size).block_mode(mode).block_checksums(checksums);
                let frame = frame.content_checksum(checksums).content_size(checksums.then_some(len as u64));
                assert!(unpack(Codec::Lz4, &pack_lz4(&sample, frame)).unwrap() == sample, "{size:?} {mode:?}");
            }
        }
    }

    #[test]
    fn what_lz4_itself_writes_is_read() {
        assert_eq!(unpack(Codec::Lz4, &hex::decode(FRAME).unwrap()).unwrap(), [b'a'; 200]);
    }

    #[test]
    fn skippable_frames_are_skipped() {
        let frame = pack_lz4(b"content", FrameInfo::new());
        let skippable =
            |content: &[u8]| [&[0x5a, 0x2a, 0x4d, 0x18][..], &(content.len() as u32).to_le_bytes(), content].concat();
        for skipped in [&b""[..], b"x", &[7; 100_000]] {
            let stream = [skippable(skipped), frame.clone(), skippable(skipped)].concat();
            assert_eq!(unpack(Codec::Lz4, &stream).unwrap(), b"content");
            assert!(damage(Codec::Lz4, &[&frame[..], &skippable(b"xyz")[..10]].concat()).contains("cut short"));
        }
    }

    #[test]
    fn frames_that_do_not_hold_what_they_say_are_damage() {
        let frame = |size| pack_lz4(b"content", FrameInfo::new().content_size(Some(size)));
        assert!(unpack(Codec::Lz4, &frame(7)).is_ok());
        let mut lying = frame(7);
        for (size, problem) in [(8, "shorter"), (6, "longer")] {
            lying[6] = size;
            let checksum = twox_hash::XxHash32::oneshot(0, &lying[4..14]) >> 8;
            lying[14] = checksum as u8;
            assert!(damage(Codec::Lz4, &lying).contains(problem));
        }
        let mut large = pack_lz4(b"content", FrameInfo::new());
        large[7..11].copy_from_slice(&(65_537_u32).to_le_bytes());
        assert!(damage(Codec::Lz4, &large).contains("65537 bytes, more than the 65536"));
    }

    #[test]
    fn what_needs_more_than_the_frame_is_refused() {
        for (flags, problem) in [(0x61, "dictionary"), (0x62, "reserved"), (0x80, "no lz4 frame"), (0x00, "no lz4")] {
            let mut frame = pack_lz4(b"content", FrameInfo::new());
            frame[4] = flags;
            let message = damage(Codec::Lz4, &frame);
            assert!(message.contains(problem) || message.contains("version"), "{message}");
        }
    }
}
