//! Sizes, times and names as a person reads them.

use std::time::Duration;

use imgtar::progress::Action;

/// As many digits of a digest as tell layers apart.
const DIGITS: usize = 12;

/// `120.5 MiB`: ten columns or fewer up to the TiB.
pub(in crate::cli) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    // What would be rounded up to 1024 is one of the next unit.
    while value >= 1023.95 {
        value /= 1024.0;
        unit = units.next();
    }
    format!("{value:.1} {}", unit.unwrap_or(&""))
}

/// `512.0 MiB/s`.
pub(super) fn rate(bytes: f64) -> String {
    format!("{}/s", size(bytes as u64))
}

/// `7s`, `3m 07s`, `2h 05m`.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m {:02}s", seconds % 60),
        _ => format!("{hours}h {:02}m", minutes % 60),
    }
}

/// What tells a task's bytes from others', in at most `longest` characters: the beginning of a digest, else the end of the
/// name.
pub(super) fn short(label: &str, longest: usize) -> String {
    let is_digest = |part: &&str| part.len() >= 2 * DIGITS && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(digest) = label.split(|c: char| !c.is_ascii_alphanumeric()).rev().find(is_digest) {
        return digest[..DIGITS].to_owned();
    }
    let name = label.rsplit(": ").next().unwrap_or(label);
    let length = name.chars().count();
    if length <= longest {
        return name.to_owned();
    }
    format!("…{}", name.chars().skip(length + 1 - longest).collect::<String>())
}

/// What is being done.
pub(super) fn doing(action: Action) -> &'static str {
    match action {
        Action::Spool => "reading",
        Action::Check => "checking",
        Action::Copy => "copying",
        Action::Convert => "converting",
        Action::Flatten => "writing",
    }
}

/// What has been done.
pub(super) fn done(action: Action) -> &'static str {
    match action {
        Action::Spool => "read",
        Action::Check => "checked",
        Action::Copy => "copied",
        Action::Convert => "converted",
        Action::Flatten => "wrote",
    }
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
    fn times_have_two_units() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (187, "3m 07s"), (7500, "2h 05m"), (360_000, "100h 00m")] {
            assert_eq!(time(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_name_is_the_digest_in_it_or_its_end() {
        let digest = "0123456789abcdef".repeat(4);
        for (label, name) in [
            (format!("a.tar: blobs/sha256/{digest}"), "0123456789ab"),
            (format!("a.tar: {digest}/layer.tar"), "0123456789ab"),
            (format!("{digest}.tar.gz"), "0123456789ab"),
            ("a.tar: layer.tar".to_owned(), "layer.tar"),
            ("standard input".to_owned(), "standard input"),
            ("a/long/path/to/an-archive.tar".to_owned(), "…n-archive.tar"),
        ] {
            assert_eq!(short(&label, 14), name);
        }
    }
}
