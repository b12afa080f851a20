//! Modification times: before 1970, after 2242, and to the nanosecond.
//!
//! Sources: POSIX.1-2017 `pax` (`mtime` record), docs/formats.md R-15.

use std::fmt;

use crate::spec::timestamp::Timestamp;

/// A moment: `seconds` since 1970-01-01 00:00:00 UTC, and `nanos` after that. Half a second before 1970 is `-1, 500_000_000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TarTime {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// Nanoseconds after `seconds`, less than a billion.
    pub nanos: u32,
}

const NANOS: u32 = 1_000_000_000;

impl TarTime {
    /// The epoch: the time of everything that imgtar itself writes (docs/formats.md G-17).
    pub const EPOCH: Self = Self { seconds: 0, nanos: 0 };

    /// A whole second.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// Reads a PAX time: an optional minus, digits, an optional point and fraction. Digits below a nanosecond are dropped.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (negative, text) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match text.iter().position(|&byte| byte == b'.') {
            Some(point) => (&text[..point], &text[point + 1..]),
            None => (text, &b""[..]),
        };
        if whole.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
            return None;
        }
        // Wider than the result, because the least number has no positive counterpart.
        let whole: i128 = std::str::from_utf8(whole).ok()?.parse().ok()?;
        let nanos =
            (0..9).fold(0, |nanos, place| nanos * 10 + fraction.get(place).map_or(0, |&digit| u32::from(digit - b'0')));
        let (seconds, nanos) = match (negative, nanos) {
            (false, nanos) => (whole, nanos),
            (true, 0) => (-whole, 0),
            (true, nanos) => (-whole - 1, NANOS - nanos),
        };
        Some(Self { seconds: i64::try_from(seconds).ok()?, nanos })
    }
}

/// The form of a PAX `mtime` record, without trailing zeros.
impl TarTime {
    /// RFC 3339 in UTC, with as many digits of a fraction as it has; `@` and the seconds since 1970 beyond the year 9999.
    pub fn rfc3339(&self) -> String {
        let written = Timestamp::from_unix(self.seconds);
        written.map_or_else(|| format!("@{self}"), |written| written.with_nanosecond(self.nanos).to_string())
    }
}

impl fmt::Display for TarTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, seconds, nanos) = match (self.seconds < 0, self.nanos) {
            (true, 1..) => ("-", (self.seconds + 1).unsigned_abs(), NANOS - self.nanos),
            (true, 0) => ("-", self.seconds.unsigned_abs(), 0),
            (false, nanos) => ("", self.seconds.unsigned_abs(), nanos),
        };
        write!(f, "{sign}{seconds}")?;
        if nanos != 0 {
            let fraction = format!("{nanos:09}");
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_that_no_date_can_say_are_seconds() {
        assert_eq!(TarTime { seconds: -1, nanos: 500_000_000 }.rfc3339(), "1969-12-31T23:59:59.5Z");
        assert_eq!(TarTime::from_seconds(253_402_300_800).rfc3339(), "@253402300800");
    }

    #[test]
    fn pax_times_are_read_and_written() {
        for (text, seconds, nanos) in [
            ("0", 0, 0),
            ("1700000000.5", 1_700_000_000, 500_000_000),
            ("1.000000001", 1, 1),
            ("-1", -1, 0),
            ("-0.5", -1, 500_000_000),
            ("-1.25", -2, 750_000_000),
            ("9223372036854775807", i64::MAX, 0),
            ("-9223372036854775808", i64::MIN, 0),
            ("-9223372036854775807.9", i64::MIN, 100_000_000),
        ] {
            let time = TarTime { seconds, nanos };
            assert_eq!(TarTime::parse(text.as_bytes()), Some(time), "{text}");
            assert_eq!(time.to_string(), text);
        }
        let rounded = TarTime::parse(b"1.1234567899").unwrap();
        assert_eq!(rounded.nanos, 123_456_789);
        assert_eq!(TarTime::parse(b"1."), Some(TarTime::from_seconds(1)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "-",
            ".5",
            "+1",
            "1e3",
            "1.-5",
            "1 ",
            "--1",
            "0x1",
            "9223372036854775808",
            "-9223372036854775808.1",
            "1.5.5",
        ] {
            assert_eq!(TarTime::parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_survives_its_text(seconds: i64, nanos in 0..NANOS) {
            let time = TarTime { seconds, nanos };
            prop_assert_eq!(TarTime::parse(time.to_string().as_bytes()), Some(time));
        }
    }
}
