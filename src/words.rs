//! Numbers in sentences.

use std::fmt::Display;

/// Returns `1 layer` or `2 layers`.
pub fn counted<N: Copy + Display + From<u8> + PartialEq>(number: N, noun: &str) -> String {
    format!("{number} {noun}{}", if number == N::from(1) { "" } else { "s" })
}
