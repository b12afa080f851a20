//! Numbers: of things, bytes, layers, threads.

use imgtar::DeltaOptions;
use imgtar::internals::words::whole_number;

use crate::cli::args::MOST_JOBS;

/// `--jobs`.
pub(crate) fn jobs(text: &str) -> Result<u16, String> {
    let most = MOST_JOBS;
    whole_number(text)
        .filter(|jobs| (1..=most).contains(jobs))
        .ok_or_else(|| format!("expected a number from 1 to {most}"))
}

/// A number of at least 1.
pub(crate) fn at_least_one(text: &str) -> Result<u32, String> {
    whole_number(text).filter(|number| *number > 0).ok_or_else(|| "expected a number from 1 on".to_owned())
}

/// A number of levels.
pub(crate) fn depth(text: &str) -> Result<usize, String> {
    whole_number(text).ok_or_else(|| "expected a number from 0 on".to_owned())
}

/// A layer by its place.
pub(crate) fn layer(text: &str) -> Result<u32, String> {
    whole_number(text).ok_or_else(|| "expected the number of a layer, from 0 on".to_owned())
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Bytes, with K, M, G or T for powers of 1024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    scaled(text, 1024)
}

/// Bytes as for [`size`], enough to compare files with.
pub(crate) fn delta_memory(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    if bytes < DeltaOptions::LEAST_MEMORY {
        return Err("files cannot be compared with less than 32M".to_owned());
    }
    Ok(bytes)
}

/// The part of an image that may be hidden.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum HiddenLimit {
    /// Bytes of files.
    Size(u64),
    /// Of all bytes of files.
    Percent(f64),
}

/// Bytes as for [`size`], or a percentage such as `10%`.
pub(crate) fn hidden_limit(text: &str) -> Result<HiddenLimit, String> {
    let Some(number) = text.strip_suffix('%') else { return size(text).map(HiddenLimit::Size) };
    let percent = number.trim_end().parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
    percent.map(HiddenLimit::Percent).ok_or_else(|| "expected a size such as 10M, or 0% to 100%".to_owned())
}

/// A number of things, with K, M, G or T for powers of 1000.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    scaled(text, 1000)
}

fn scaled(text: &str, base: u64) -> Result<u64, String> {
    let power = text.chars().last().and_then(|last| "KMGT".find(last.to_ascii_uppercase()));
    let (digits, factor) = match power {
        Some(power) => (&text[..text.len() - 1], base.pow(power as u32 + 1)),
        None => (text, 1),
    };
    if digits.is_empty() || !is_digits(digits) {
        return Err("expected a number, optionally followed by K, M, G or T".to_owned());
    }
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    number.ok_or_else(|| "it is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_and_counts_decimal() {
        for (text, bytes) in [("0", 0), ("12", 12), ("1k", 1 << 10), ("256G", 256 << 30), ("3T", 3 << 40)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        assert_eq!(count("10M"), Ok(10_000_000));
    }

    #[test]
    fn numbers_are_digits_in_their_range() {
        assert_eq!((jobs("1024"), at_least_one("1"), depth("0"), layer("12")), (Ok(1024), Ok(1), Ok(0), Ok(12)));
        for text in ["", "x", "0", "-1", "+1", "1025", "99999999999999999999"] {
            assert_eq!(jobs(text).unwrap_err(), "expected a number from 1 to 1024");
        }
        assert_eq!(at_least_one("0").unwrap_err(), "expected a number from 1 on");
        assert_eq!(depth("x").unwrap_err(), "expected a number from 0 on");
        assert_eq!(layer("4294967296").unwrap_err(), "expected the number of a layer, from 0 on");
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "K", "-1", "+1", "1.5G", "1KB", "1 K", "0x10", "99999999999T", "18446744073709551616", "1€"]
        {
            assert!(size(text).is_err(), "{text}");
        }
        assert!(size("10GB").unwrap_err().contains("K, M, G or T"));
        assert_eq!(delta_memory("32M"), Ok(32 << 20));
        assert!(delta_memory("31M").unwrap_err().contains("32M"));
    }
}
