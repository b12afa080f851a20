//! Points in time, spelled as Go's `time.Time` is in JSON.
//!
//! No clock and no time zones: a timestamp is the fields that were written, checked and spelled in Go's one way.
//!
//! Sources: RFC 3339; Go `time` (`RFC3339Nano`, `UnmarshalJSON`); docs/formats.md L-15, L-32.

use std::fmt;
use std::str::FromStr;

/// An RFC 3339 timestamp with its offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    year: i64,
    month: u32,
    day: u32,
    /// Seconds since midnight.
    second: u32,
    nanosecond: u32,
    /// Minutes east of UTC.
    offset: i32,
}

/// The error for a text that is not a timestamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not an RFC 3339 time", .0.escape_debug())]
pub struct ParseTimestampError(String);

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Days of the 400 years after which the calendar repeats.
const CYCLE: i64 = 146_097;
/// Days from the start of the year 0 to that of 1970.
const DAYS_TO_1970: i64 = 719_528;

impl Timestamp {
    /// Go's zero time, which stands for a missing time (L-15).
    pub const ZERO: Self = Self { year: 1, month: 1, day: 1, second: 0, nanosecond: 0, offset: 0 };

    /// The UTC time `seconds` after 1970 began, as `SOURCE_DATE_EPOCH` gives it; `None` outside the years 0 to 9999.
    pub fn from_unix(seconds: i64) -> Option<Self> {
        // Whole cycles of the calendar at once; what is left takes a few hundred steps at most.
        let days = seconds.div_euclid(DAY);
        let (mut year, mut day) = (1970 + 400 * days.div_euclid(CYCLE), days.rem_euclid(CYCLE));
        while day >= year_days(year) {
            day -= year_days(year);
            year += 1;
        }
        let mut month = 1;
        while day >= i64::from(month_days(year, month)) {
            day -= i64::from(month_days(year, month));
            month += 1;
        }
        let (day, second) = (u32::try_from(day).ok()? + 1, u32::try_from(seconds.rem_euclid(DAY)).ok()?);
        (0..=9999).contains(&year).then_some(Self { year, month, day, second, nanosecond: 0, offset: 0 })
    }

    /// The same second with this fraction, less than a billion.
    #[must_use]
    pub fn with_nanosecond(self, nanosecond: u32) -> Self {
        Self { nanosecond: nanosecond.min(999_999_999), ..self }
    }

    /// Seconds since 1970 and nanoseconds: later times compare greater, whatever their offsets from UTC.
    pub fn instant(&self) -> (i64, u32) {
        let past = self.year - 1;
        let leap_days = past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
        let months: i64 = (1..self.month).map(|month| i64::from(month_days(self.year, month))).sum();
        let days = 365 * self.year + leap_days + months + i64::from(self.day) - DAYS_TO_1970;
        (days * DAY + i64::from(self.second) - 60 * i64::from(self.offset), self.nanosecond)
    }
}

fn year_days(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_days(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    /// Parses RFC 3339 as strictly as Go's JSON does; digits beyond the nanosecond are cut off.
    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        parse(text.as_bytes()).ok_or_else(|| ParseTimestampError(text.chars().take(60).collect()))
    }
}

fn parse(text: &[u8]) -> Option<Timestamp> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let [b'-', b'-', b'T', b':', b':'] = [4, 7, 10, 13, 16].map(|at| date_time[at]) else { return None };
    let year = i64::from(number(&date_time[..4], 0..=9999)?);
    let month = number(&date_time[5..7], 1..=12)?;
    let day = number(&date_time[8..10], 1..=month_days(year, month))?;
    let hour = number(&date_time[11..13], 0..=23)?;
    let minute = number(&date_time[14..16], 0..=59)?;
    let second = number(&date_time[17..19], 0..=59)? + 60 * (minute + 60 * hour);
    let (nanosecond, zone) = fraction(rest)?;
    Some(Timestamp { year, month, day, second, nanosecond, offset: offset(zone)? })
}

/// The nanoseconds of an optional fraction, and what follows it.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else { return Some((0, text)) };
    let len = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
    let (digits, zone) = digits.split_at(len);
    let nanosecond = (0..9).fold(0, |sum, at| 10 * sum + digits.get(at).map_or(0, |digit| u32::from(digit - b'0')));
    (len > 0).then_some((nanosecond, zone))
}

/// Minutes east of UTC of `Z`, `+hh:mm` or `-hh:mm`.
fn offset(zone: &[u8]) -> Option<i32> {
    let (sign, zone) = match zone {
        b"Z" => return Some(0),
        [b'+', zone @ ..] => (1, zone),
        [b'-', zone @ ..] => (-1, zone),
        _ => return None,
    };
    let [_, _, b':', _, _] = zone else { return None };
    let minutes = 60 * number(&zone[..2], 0..=23)? + number(&zone[3..], 0..=59)?;
    Some(sign * i32::try_from(minutes).ok()?)
}

fn number(digits: &[u8], range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit))?;
    text.parse().ok().filter(|number| range.contains(number))
}

impl fmt::Display for Timestamp {
    /// Go's `RFC3339Nano`: no trailing zeros in the fraction, `Z` for an offset of zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = (self.second / 3600, self.second / 60 % 60, self.second % 60);
        write!(f, "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}", self.year, self.month, self.day)?;
        if self.nanosecond != 0 {
            write!(f, ".{}", format!("{:09}", self.nanosecond).trim_end_matches('0'))?;
        }
        if self.offset == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.abs();
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_spelled_in_gos_one_way() {
        for (text, spelled) in [
            ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"),
            ("2015-10-01T00:00:00.1230Z", "2015-10-01T00:00:00.123Z"),
            ("2015-10-01T00:00:00.000Z", "2015-10-01T00:00:00Z"),
            ("2015-10-01T00:00:00.1234567891Z", "2015-10-01T00:00:00.123456789Z"),
            ("2015-10-01T00:00:00.000000001+02:30", "2015-10-01T00:00:00.000000001+02:30"),
            ("2015-10-01T00:00:00-00:30", "2015-10-01T00:00:00-00:30"),
            ("2015-10-01T00:00:00+00:00", "2015-10-01T00:00:00Z"),
            ("2020-02-29T23:59:59Z", "2020-02-29T23:59:59Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), spelled);
        }
        assert_eq!(Timestamp::ZERO, "0001-01-01T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2020-01-02",
            "2020-01-02T03:04:05",
            "2020-01-02 03:04:05Z",
            "2020-01-02t03:04:05z",
            "2020-13-02T03:04:05Z",
            "2019-02-29T00:00:00Z",
            "2020-01-02T24:00:00Z",
            "2020-01-02T00:00:60Z",
            "2020-01-02T00:00:00.Z",
            "2020-01-02T00:00:00,5Z",
            "2020-01-02T00:00:00+24:00",
            "2020-01-02T00:00:00+2:00",
            "2020-01-02T00:00:00+02:60",
            "2020-01-02T00:00:00Zx",
            "+020-01-02T00:00:00Z",
            "2020-01-02T00:00:0é",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_since_1970_are_dates() {
        for (seconds, spelled) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (-62_135_596_800, "0001-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_577_934_245, "2020-01-02T03:04:05Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp::from_unix(seconds).unwrap().to_string(), spelled);
        }
        for seconds in [253_402_300_800, -62_167_219_201, i64::MAX, i64::MIN] {
            assert_eq!(Timestamp::from_unix(seconds), None);
        }
    }

    #[test]
    fn instants_do_not_depend_on_the_offset() {
        let instant = |text: &str| text.parse::<Timestamp>().unwrap().instant();
        assert_eq!(instant("2020-01-02T03:04:05.5+02:00"), (1_577_934_245 - 7200, 500_000_000));
        assert_eq!(instant("2020-01-01T23:04:05-02:00"), instant("2020-01-02T01:04:05Z"));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_what_was_read(seconds in -62_167_219_200..253_402_300_800i64) {
            let time = Timestamp::from_unix(seconds).unwrap();
            prop_assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
            prop_assert_eq!(time.instant(), (seconds, 0));
        }

        #[test]
        fn nothing_panics(text in "[0-9T:.Z+é-]{0,30}") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
