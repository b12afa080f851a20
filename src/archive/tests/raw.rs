//! Tar bytes made by hand, independent of the encoder, so that anything can be wrong with them.

use crate::archive::BLOCK;
use crate::archive::header::CHECKSUM;

/// An archive in the making.
#[derive(Clone, Default)]
pub(super) struct Raw(Vec<u8>);

/// A header in the making: a ustar file of the given name, mode 0644, everything else zero.
#[derive(Clone)]
pub(super) struct Block([u8; BLOCK]);

impl Block {
    pub(super) fn new(flag: u8, name: &str) -> Self {
        Self([0; BLOCK])
            .put(0, name.as_bytes())
            .put(100, b"0000644\0")
            .put(108, b"0000000\0")
            .put(116, b"0000000\0")
            .put(136, b"00000000000\0")
            .put(156, &[flag])
            .put(257, b"ustar\x0000")
            .size(0)
    }

    pub(super) fn gnu(flag: u8, name: &str) -> Self {
        Self::new(flag, name).put(257, b"ustar  \0")
    }

    pub(super) fn v7(flag: u8, name: &str) -> Self {
        Self::new(flag, name).put(257, &[0; 8])
    }

    /// Overwrites bytes at an offset of POSIX's table.
    pub(super) fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(super) fn size(self, size: u64) -> Self {
        self.put(124, format!("{size:011o}\0").as_bytes())
    }

    pub(super) fn link(self, target: &str) -> Self {
        self.put(157, target.as_bytes())
    }

    fn sealed(self) -> [u8; BLOCK] {
        let block = self.put(CHECKSUM.start, b"        ");
        let sum: u32 = block.0.iter().map(|&byte| u32::from(byte)).sum();
        block.put(CHECKSUM.start, format!("{sum:06o}\0 ").as_bytes()).0
    }
}

impl Raw {
    /// A header alone.
    pub(super) fn header(mut self, block: Block) -> Self {
        self.0.extend(block.sealed());
        self
    }

    /// Bytes and their padding.
    pub(super) fn padded(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    /// A header with its size set, and its data.
    pub(super) fn member(self, block: Block, data: &[u8]) -> Self {
        self.header(block.size(data.len() as u64)).padded(data)
    }

    pub(super) fn file(self, name: &str, content: &str) -> Self {
        self.member(Block::new(b'0', name), content.as_bytes())
    }

    /// An extended header of the given records.
    pub(super) fn pax(self, records: &[(&str, &str)]) -> Self {
        self.extension(b'x', records)
    }

    pub(super) fn extension(self, flag: u8, records: &[(&str, &str)]) -> Self {
        let mut body = Vec::new();
        for (key, value) in records {
            crate::archive::pax::put_record(&mut body, key.as_bytes(), value.as_bytes());
        }
        self.member(Block::new(flag, "pax"), &body)
    }

    /// The bytes so far.
    pub(super) fn bytes(self) -> Vec<u8> {
        self.0
    }

    /// The bytes with two zero blocks behind them.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 2 * BLOCK]);
        self.0
    }
}
