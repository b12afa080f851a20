//! Numbers, sizes and lists in the form that people read.

use std::fmt::Display;
use std::str::FromStr;

/// Returns `1 layer` or `2 layers`.
pub fn counted<N: Copy + Display + From<u8> + PartialEq>(number: N, noun: &str) -> String {
    format!("{number} {noun}{}", if number == N::from(1) { "" } else { "s" })
}

/// Reads digits alone: `parse` would take a sign.
pub fn whole_number<N: FromStr>(text: &str) -> Option<N> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns `120.5 MiB`: ten columns or fewer up to the TiB.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    // A value that would be rounded to 1024 belongs to the next unit.
    while value >= 1023.95 {
        value /= 1024.0;
        unit = units.next();
    }
    format!("{value:.1} {}", unit.unwrap_or(&""))
}

/// Returns the first `most` of `items`, and the number of the others: `a, b, and 3 more`.
pub fn list<T: Display>(items: impl IntoIterator<Item = T>, most: usize) -> String {
    let mut items = items.into_iter();
    let mut texts: Vec<String> = items.by_ref().take(most).map(|item| item.to_string()).collect();
    let more = items.count();
    texts.extend((more > 0).then(|| format!("and {more} more")));
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_at_most_ten_columns() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (1_234_567, "1.2 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_long_list_ends_with_the_number_of_the_others() {
        assert_eq!(list(["a", "b"], 2), "a, b");
        assert_eq!(list(0..20, 3), "0, 1, 2, and 17 more");
        assert_eq!(list([""; 0], 3), "");
    }
}
