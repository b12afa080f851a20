//! Large files in windows: which part of the old file each part of the new one is compared with (docs/delta.md P-13).
//!
//! Every so often 16 bytes of the old file are noted by their hash. Each position of a new window votes for the place where
//! its 16 bytes were noted, and the stretch of the old file with the most votes is taken. Time and memory do not grow with
//! the square of anything.

use std::io::{self, Read};

use super::memory::{MemoryShares, UNIT as BUCKET};
use crate::stream::skip::Skip;
use crate::stream::source::Extent;

/// Bytes that are noted together.
const SEED: usize = size_of::<u128>();
/// The smallest distance between two seeds.
const STEP: u64 = 64;

/// Stands for the number of a seed that is found in several places, and tells of none.
const REPEATED: u32 = u32::MAX;

/// The seeds of an old file.
pub(super) struct Seeds {
    size: u64,
    shares: MemoryShares,
    step: u64,
    /// By the upper bits of a seed's hash its number, from 1 on, or [`REPEATED`], and the lower half of the hash, which tells
    /// other seeds from it; of several in one place the first.
    table: Vec<(u32, u32)>,
}

impl Seeds {
    /// Notes the seeds of `old`, which is compared in windows.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn of(old: &Extent, shares: MemoryShares) -> io::Result<Self> {
        let size = old.size();
        // As far apart as lets them take no more than half of the table's places.
        let step = (size >> (shares.seeds_log() - 1)).next_power_of_two().max(STEP);
        let mut seeds = Self { size, shares, step, table: vec![(0, 0); 1 << shares.seeds_log()] };
        let (mut reader, mut chunk) = (old.reader()?, Vec::new());
        // A chunk has several seeds, or is one if they are farther apart than a chunk is long. Both distances are powers of
        // two, so no seed reaches from one chunk into the next.
        let (read, passed) = if step > BUCKET { (SEED as u64, step - SEED as u64) } else { (BUCKET, 0) };
        let mut number = 0_u32;
        loop {
            chunk.clear();
            if (&mut reader).take(read).read_to_end(&mut chunk)? == 0 {
                return Ok(seeds);
            }
            for piece in chunk.chunks(step as usize) {
                number += 1;
                let Some((slot, check)) = piece.first_chunk().and_then(|seed| seeds.slot(seed)) else { continue };
                match seeds.table[slot] {
                    (0, _) => seeds.table[slot] = (number, check),
                    (_, known) if known == check => seeds.table[slot].0 = REPEATED,
                    _ => {}
                }
            }
            reader.skip(passed.min(reader.remaining()))?;
        }
    }

    /// The stretch of the old file, offset and size, to compare the window `new` with, which lies at `offset` of `new_size`
    /// bytes.
    pub(super) fn stretch_for(&self, new: &[u8], offset: u64, new_size: u64) -> (u64, u64) {
        let size = self.shares.whole.min(self.size);
        let last = self.size - size;
        let mut votes = vec![0_u64; (self.size / BUCKET + 1) as usize];
        for seed in new.windows(SEED) {
            let Some((slot, check)) = seed.first_chunk().and_then(|seed| self.slot(seed)) else { continue };
            let (number, known) = self.table[slot];
            if number > 0 && number != REPEATED && known == check {
                votes[(u64::from(number - 1) * self.step / BUCKET) as usize] += 1;
            }
        }
        let buckets = (self.shares.whole / BUCKET) as usize;
        let mut sum: u64 = votes.iter().take(buckets).sum();
        let (mut best, mut start) = (sum, 0);
        for first in 1..votes.len().saturating_sub(buckets - 1) {
            sum = sum + votes[first + buckets - 1] - votes[first - 1];
            if sum > best {
                (best, start) = (sum, first as u64 * BUCKET);
            }
        }
        if best == 0 {
            // Nothing is alike, so far as that is known: the same share of the old file.
            start = (u128::from(last) * u128::from(offset) / u128::from(new_size.max(1))) as u64;
        }
        (start.min(last), size)
    }

    /// The place in the table of these bytes, and what tells them from others there; `None` for a run of one byte, which may
    /// be anywhere.
    fn slot(&self, seed: &[u8; SEED]) -> Option<(usize, u32)> {
        let value = u128::from_le_bytes(*seed);
        if value == value.rotate_left(8) {
            return None;
        }
        let (high, low) = ((value >> 64) as u64, value as u64);
        let mixed =
            (low ^ high.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ high.wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        let hash = (mixed ^ (mixed >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Some(((hash >> (u64::BITS - self.shares.seeds_log())) as usize, hash as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::source::Source;

    fn noise(seed: u64, len: usize) -> Vec<u8> {
        let random = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        std::iter::successors(Some(seed), random).map(|state| (state >> 56) as u8).take(len).collect()
    }

    #[test]
    fn a_window_is_compared_with_what_it_was_made_of() {
        let mib = |count: usize| count << 20;
        let old: Vec<u8> = (0..50).flat_map(|part| noise(part, mib(1))).collect();
        let shares = MemoryShares::within(512 << 20);
        let seeds = Seeds::of(&Source::memory("old", old.clone()).extent(), shares).unwrap();
        let whole = old.len() as u64;
        // Moved to the front, by a distance that is not a multiple of anything.
        let (start, size) = seeds.stretch_for(&old[mib(44) + 7..mib(46)], 0, whole);
        assert!(start <= 44 << 20 && start + size >= 46 << 20, "{start}");
        assert_eq!(seeds.stretch_for(&old[..mib(2)], whole - 1, whole).0, 0);
        assert_eq!(seeds.stretch_for(&noise(99, mib(1)), whole / 2, whole), (9 << 20, shares.whole));
        assert_eq!(seeds.stretch_for(&vec![0; mib(1)], 0, whole), (0, shares.whole));
        let row: Vec<u8> = (0..64).collect();
        let repeated: Vec<u8> = row.iter().copied().cycle().take(mib(2)).collect();
        let with_table = Source::memory("old", [&repeated[..], &old].concat()).extent();
        let seeds = Seeds::of(&with_table, shares).unwrap();
        let window = [&repeated[..], &old[mib(44)..mib(45)]].concat();
        let (start, size) = seeds.stretch_for(&window, 0, whole);
        assert!(start <= 46 << 20 && start + size >= 47 << 20, "{start}: rows of a table are everywhere");
        let small = Seeds::of(&Source::memory("old", b"few".to_vec()).extent(), shares).unwrap();
        assert_eq!(small.stretch_for(b"new", 0, 3), (0, 3));
    }
}
