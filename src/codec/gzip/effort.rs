//! How much work a block is worth, where no level was asked for.
//!
//! Blocks differ: of what is compressed already nothing is left to gain, and where the bytes are nearly random, or a few of
//! them make up most of the block, level 1 finds nearly all that level 2 does. The number of different bytes tells them
//! apart for a fiftieth of the time that compressing takes. It depends on the block alone, and is counted in whole numbers,
//! so every number of threads and every machine chooses the same (docs/formats.md D-10).
//!
//! Against level 2 for every block the output grew by 0.33 % for a Debian system, 0.31 % for Java, 0.26 % for Python, 0.33 %
//! for programs and C libraries, 0.63 % for packed wheels; the time shrank to 0.94, 0.94, 0.93, 0.98 and 0.15.

/// The work that pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// The block is stored: it holds what is compressed or encrypted.
    None,
    /// The fastest search for matches.
    Least,
    /// The fastest level that writes no more than others do by default. A Debian system of 1,173 MB in four layers became
    /// 426 MB at level 1, 409 at 2, 405 at 3 and 402 at 4, in 0.45, 0.53, 0.56 and 0.61 of the processor time in which
    /// skopeo 1.9.3 made 415 MB of it.
    Default,
}

/// Different bytes from which on a block is stored. Deflate would win 0.6 % at most.
const RANDOM: u64 = 252;
/// Different bytes from which on, and below which, the fastest search is enough.
const MANY: u64 = 50;
const FEW: u64 = 4;

impl Effort {
    /// The work that `block`, of less than 4 GiB, is worth.
    pub(super) fn of(block: &[u8]) -> Self {
        let different = different_bytes(block);
        if different >= RANDOM {
            Self::None
        } else if !(FEW..MANY).contains(&different) {
            Self::Least
        } else {
            Self::Default
        }
    }

    /// libdeflate's level.
    pub(super) fn level(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Least => 1,
            Self::Default => 2,
        }
    }
}

/// The number of different bytes, 1 to 256, that would have to be equally frequent for two bytes of `block` to be alike as
/// often as they are. 0 for no bytes.
fn different_bytes(block: &[u8]) -> u64 {
    // Four tables, because equal bytes in a row would wait for each other's count.
    let mut counts = [[0_u64; 256]; 4];
    let mut chunks = block.chunks_exact(4);
    for chunk in &mut chunks {
        for (count, &byte) in counts.iter_mut().zip(chunk) {
            count[usize::from(byte)] += 1;
        }
    }
    for &byte in chunks.remainder() {
        counts[0][usize::from(byte)] += 1;
    }
    let alike: u64 = (0..256).map(|byte| counts.iter().map(|count| count[byte]).sum::<u64>().pow(2)).sum();
    (block.len() as u64).pow(2).checked_div(alike).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..64 << 10)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        let dense: Vec<u8> = noise.iter().map(|byte| byte % 100).collect();
        let text = b"The quick brown fox jumps over the lazy dog.\n".repeat(99);
        for (block, effort) in [
            (&noise[..], Effort::None),
            (&dense, Effort::Least),
            (&[0; 512], Effort::Least),
            (b"", Effort::Least),
            (&text, Effort::Default),
        ] {
            assert_eq!(Effort::of(block), effort, "{:?}", &block[..block.len().min(9)]);
        }
    }

    #[test]
    fn different_bytes_are_counted_by_how_often_they_are_met() {
        let all: Vec<u8> = (0..=255).collect();
        for (block, different) in [
            (&b""[..], 0),
            (b"a", 1),
            (b"aaaaaaaa", 1),
            (b"abababab", 2),
            (b"abcabca", 2),
            (b"abcdeabcde", 5),
            (&all, 256),
            (&[&all[..], &[0; 1024]].concat(), 1),
        ] {
            assert_eq!(different_bytes(block), different, "{block:?}");
        }
    }
}
