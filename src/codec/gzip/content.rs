//! The level for a block by its content.
//!
//! Of what is compressed already little is left to gain, and deflate takes longer for it than for anything else. It differs
//! from the rest in how many different bytes it has. That depends on the block alone, and is counted in whole numbers, so every
//! number of threads and every machine finds the same (docs/formats.md D-10). A directory of jars becomes 1 % larger than at
//! the default level, in two fifths of the time; a Debian system 0.04 %.

use super::members::DEFAULT_LEVEL;

/// The different bytes from which on a block is stored as it is; of 256 random ones it has 255. Deflate makes such blocks of
/// jars 1 to 3 % shorter.
const RANDOM: u64 = 248;
/// The different bytes from which on level 1 finds as much as the default: it makes such blocks 0.1 to 1 % longer.
const DENSE: u64 = 100;
/// Every fourth piece of so many bytes is counted, which takes a hundredth of the time that compressing does.
const PIECE: usize = 4 << 10;
const STEP: usize = 4;

/// Returns the level at which `block`, of less than 4 GiB, is compressed where none is asked for.
pub(super) fn level_for(block: &[u8]) -> u8 {
    match different_bytes(block) {
        RANDOM.. => 0,
        DENSE.. => 1,
        _ => DEFAULT_LEVEL,
    }
}

/// The number of different bytes, 1 to 256, that would have to be equally frequent for two bytes of `block` to be alike as
/// often as they are. 0 for no bytes.
fn different_bytes(block: &[u8]) -> u64 {
    // Four tables, because equal bytes in a row would wait for each other's count.
    let mut counts = [[0_u32; 256]; 4];
    let mut total = 0;
    for piece in block.chunks(PIECE).step_by(STEP) {
        for (place, &byte) in piece.iter().enumerate() {
            counts[place % 4][usize::from(byte)] += 1;
        }
        total += piece.len() as u64;
    }
    let count = |byte: usize| counts.iter().map(|counts| u64::from(counts[byte])).sum::<u64>();
    let alike: u64 = (0..256).map(|byte| count(byte).pow(2)).sum();
    total.pow(2).checked_div(alike).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn content_decides() {
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..256 << 10)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        let text = b"The quick brown fox jumps over the lazy dog.\n".repeat(6000);
        let dense: Vec<u8> = noise.iter().map(|byte| byte % 128).collect();
        let mixed = [&noise[..128 << 10], &text[..128 << 10]].concat();
        for (block, level) in [(&noise[..], 0), (&dense, 1), (&mixed, 2), (&text, 2), (&[0; 512], 2), (b"", 2)] {
            assert_eq!(level_for(block), level, "{:?}", &block[..block.len().min(9)]);
        }
    }
}
