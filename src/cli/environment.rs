//! The environment variables that `imgtar --help` lists.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use imgtar::internals::path::escape_for_terminal;
use imgtar::{Error, Result};

use super::args::MOST_JOBS;

/// The last second of the year 9999, the last that RFC 3339 can write.
const LAST_SECOND: i64 = 253_402_300_799;

/// The time that `SOURCE_DATE_EPOCH` names, seconds since 1970; `None` if it is unset or empty.
///
/// # Errors
/// [`Error::Usage`] if it is no such time: a build that asks for a time must not get another.
pub(crate) fn source_date_epoch() -> Result<Option<i64>> {
    epoch(env::var_os("SOURCE_DATE_EPOCH"))
}

fn epoch(value: Option<OsString>) -> Result<Option<i64>> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    match value.to_str().and_then(|text| text.parse().ok()) {
        Some(seconds @ 0..=LAST_SECOND) => Ok(Some(seconds)),
        _ => Err(refuse("SOURCE_DATE_EPOCH", &value, "no number of seconds from 1970 to 9999")),
    }
}

/// The number of threads: that of `--jobs` if it is `given`, else that of `IMGTAR_JOBS`, unless it is empty.
///
/// # Errors
/// [`Error::Usage`] if the variable is not such a number.
pub(crate) fn jobs(given: Option<u16>) -> Result<Option<u16>> {
    if given.is_some() { Ok(given) } else { threads(env::var_os("IMGTAR_JOBS")) }
}

fn threads(value: Option<OsString>) -> Result<Option<u16>> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    match value.to_str().and_then(|text| text.parse().ok()) {
        Some(threads @ 1..=MOST_JOBS) => Ok(Some(threads)),
        _ => Err(refuse("IMGTAR_JOBS", &value, &format!("no number of threads from 1 to {MOST_JOBS}"))),
    }
}

fn refuse(variable: &str, value: &OsStr, why: &str) -> Error {
    Error::Usage(format!("{variable} is `{}`, which is {why}", escape_for_terminal(value.as_encoded_bytes())))
}

/// The directory for temporary files without a flag: `$TMPDIR`, else `/var/tmp`, which is on a disk where `/tmp` may be
/// in memory, else the platform's own; on Windows at once, where that path is any directory on the drive in use.
pub(crate) fn tmpdir() -> PathBuf {
    if let Some(named) = env::var_os("TMPDIR").filter(|value| !value.is_empty()) {
        return named.into();
    }
    let disk = Path::new("/var/tmp");
    if cfg!(unix) && disk.is_dir() { disk.to_owned() } else { env::temp_dir() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_a_number_of_seconds_or_not_there() {
        let given = |text: &str| epoch(Some(text.into()));
        assert_eq!(epoch(None).unwrap(), None);
        assert_eq!(given("").unwrap(), None);
        assert_eq!(given("1700000000").unwrap(), Some(1_700_000_000));
        for text in ["now", "-1", "1.5", " 1", "253402300800", "9223372036854775808"] {
            assert!(given(text).is_err(), "{text}");
        }
    }

    #[test]
    fn threads_are_few_and_at_least_one_or_not_said() {
        let given = |text: &str| threads(Some(text.into()));
        assert_eq!(threads(None).unwrap(), None);
        assert_eq!(given("").unwrap(), None);
        assert_eq!(given("1024").unwrap(), Some(1024));
        for text in ["0", "1025", "-1", "many", " 2"] {
            let error = given(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("IMGTAR_JOBS is `{text}`")), "{error}");
        }
    }
}
