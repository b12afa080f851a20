//! Large files in windows: which part of the old file each part of the new one is compared with (docs/delta.md P-13).
//!
//! Every so often 16 bytes of the old file are noted by their hash. Each position of a new window votes for the place where
//! its 16 bytes were noted, and the stretch of the old file with the most votes is taken. Time and memory do not grow with
//! the square of anything.

use std::io::{self, Read};

use crate::stream::source::Extent;

/// The most bytes of a file that is compared as a whole, whatever memory there is: no operation of it can be longer than
/// readers take.
const MOST_WHOLE: u64 = 96 << 20;

/// What is compared at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WindowSizes {
    /// Bytes up to which a file, old and new, is compared as a whole.
    pub(super) whole: u64,
    /// Bytes of a window of the new file.
    pub(super) new: u64,
    /// Bytes of the old file that a window is compared with.
    old: u64,
}

impl WindowSizes {
    /// Those for which comparing takes about `memory` bytes: five for each old byte, and one for each new one.
    pub(super) fn within(memory: u64) -> Self {
        let whole = (memory / 6).clamp(BUCKET, MOST_WHOLE) / BUCKET * BUCKET;
        Self { whole, new: whole / 2, old: whole }
    }
}

/// Bytes that are noted together.
const SEED: usize = size_of::<u128>();
/// The smallest distance between two seeds.
const STEP: u64 = 64;
/// The most seeds of a file, as a power of two; they are farther apart in files of more than 64 MiB.
const SEEDS_LOG: u32 = 20;
/// Places that the table has, as a power of two.
const TABLE_LOG: u32 = SEEDS_LOG + 1;
/// Bytes of the old file whose votes are counted together.
const BUCKET: u64 = 1 << 20;

/// The seeds of an old file.
pub(super) struct Seeds {
    size: u64,
    sizes: WindowSizes,
    step: u64,
    /// Numbers of seeds from 1 on, and half of their hashes, by the other half; of several in one place the first.
    table: Vec<(u32, u32)>,
}

impl Seeds {
    /// Notes the seeds of `old`, which is compared in windows of these `sizes`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn of(old: &Extent, sizes: WindowSizes) -> io::Result<Self> {
        let size = old.size();
        let step = (size >> SEEDS_LOG).next_power_of_two().max(STEP);
        let mut seeds = Self { size, sizes, step, table: vec![(0, 0); 1 << TABLE_LOG] };
        let (mut reader, mut chunk) = (old.reader()?, Vec::new());
        let (chunk_size, mut number) = (BUCKET.max(step), 0_u32);
        loop {
            chunk.clear();
            // No seed reaches from one chunk into the next: seeds are as far apart as chunks are long, or less.
            if (&mut reader).take(chunk_size).read_to_end(&mut chunk)? == 0 {
                return Ok(seeds);
            }
            for place in chunk.chunks(step as usize) {
                number += 1;
                if let Some((slot, check)) = place.first_chunk().and_then(slot)
                    && seeds.table[slot].0 == 0
                {
                    seeds.table[slot] = (number, check);
                }
            }
        }
    }

    /// The part of the old file for the window `new`, which begins at the share `at` of `whole` of its file: offset and size.
    pub(super) fn place(&self, new: &[u8], at: u64, whole: u64) -> (u64, u64) {
        let size = self.sizes.old.min(self.size);
        let last = self.size - size;
        let mut votes = vec![0_u64; (self.size / BUCKET + 1) as usize];
        for seed in new.windows(SEED) {
            let Some((slot, check)) = seed.first_chunk().and_then(slot) else { continue };
            if let (number @ 1.., known) = self.table[slot]
                && known == check
            {
                votes[(u64::from(number - 1) * self.step / BUCKET) as usize] += 1;
            }
        }
        let buckets = (self.sizes.old / BUCKET) as usize;
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
            start = (u128::from(last) * u128::from(at) / u128::from(whole.max(1))) as u64;
        }
        (start.min(last), size)
    }
}

/// The place in the table of these bytes, and what tells them from others there; `None` for a run of one byte, which may be
/// anywhere.
fn slot(seed: &[u8; SEED]) -> Option<(usize, u32)> {
    let value = u128::from_le_bytes(*seed);
    if value == value.rotate_left(8) {
        return None;
    }
    let (high, low) = ((value >> 64) as u64, value as u64);
    let mixed =
        (low ^ high.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ high.wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    let hash = (mixed ^ (mixed >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Some(((hash >> (u64::BITS - TABLE_LOG)) as usize, hash as u32))
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
        let sizes = WindowSizes::within(192 << 20);
        assert_eq!(sizes, WindowSizes { whole: 32 << 20, new: 16 << 20, old: 32 << 20 });
        let seeds = Seeds::of(&Source::memory("old", old.clone()).extent(), sizes).unwrap();
        let whole = old.len() as u64;
        // Moved to the front, by a distance that is not a multiple of anything.
        let (start, size) = seeds.place(&old[mib(44) + 7..mib(46)], 0, whole);
        assert!(start <= 44 << 20 && start + size >= 46 << 20, "{start}");
        assert_eq!(seeds.place(&old[..mib(2)], whole - 1, whole).0, 0);
        assert_eq!(seeds.place(&noise(99, mib(1)), whole / 2, whole), (9 << 20, sizes.old));
        assert_eq!(seeds.place(&vec![0; mib(1)], 0, whole), (0, sizes.old));
        let small = Seeds::of(&Source::memory("old", b"few".to_vec()).extent(), sizes).unwrap();
        assert_eq!(small.place(b"new", 0, 3), (0, 3));
    }
}
