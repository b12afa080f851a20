//! Values that engines want in a config: the same whether a flag or a config to merge has them.
//!
//! Sources: docs/edit.md E-55, E-56.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::error::Error;
use crate::path::quote;
use crate::spec::platform::Platform;
use crate::words::whole_number;

/// One part of a new image's platform: `linux`, `arm64`, `v8`; the values of Go, which OCI names, are lower-case.
pub fn platform_part(text: &str) -> Result<String, String> {
    match format!("os/{text}").parse::<Platform>() {
        Ok(platform) if platform.variant.is_empty() => match text.chars().any(char::is_uppercase) {
            true => Err(format!("parts of a platform are lower-case: {}", text.to_lowercase())),
            false => Ok(platform.architecture),
        },
        Ok(_) | Err(_) => Err("expected one word of letters, digits, `_`, `-` and `.`".to_owned()),
    }
}

/// `PORT` or `PORT/PROTOCOL`; others keep some engines from loading the image (docs/edit.md E-55).
pub fn port(text: &str) -> Result<String, String> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    match whole_number::<u16>(number) {
        Some(number @ 1..) if ["tcp", "udp", "sctp"].contains(&protocol) => Ok(format!("{number}/{protocol}")),
        _ => Err("a port is 1 to 65535, with or without /tcp, /udp or /sctp".to_owned()),
    }
}

/// A signal of Linux as Docker takes it: its number, or its name with or without `SIG`. Containers of an image with another
/// one cannot be created (docs/edit.md E-55).
pub fn signal(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let in_range = |number: &str, range: RangeInclusive<u8>| whole_number(number).is_some_and(|n| range.contains(&n));
    let is_real_time = match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
        (Some(above), _) => in_range(above, 1..=15),
        (_, Some(below)) => in_range(below, 1..=14),
        (None, None) => false,
    };
    if in_range(text, 1..=64) || SIGNALS.contains(&name) || is_real_time {
        return Ok(text.to_owned());
    }
    Err("expected the name or the number of a signal of Linux, such as SIGINT or 2".to_owned())
}

/// The names that Docker knows, without `SIG`.
const SIGNALS: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

/// Refuses names that engines cannot start a container with (E-55).
///
/// # Errors
/// The reason, for a name that is empty or holds `=` or NUL, and for a value that holds NUL.
pub fn check_variable(name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        return Err(format!("`{}` is not an environment variable", name.escape_debug()));
    }
    Ok(())
}

/// Refuses a path that depends on another directory: engines do not start a container there. Windows has its own paths.
///
/// # Errors
/// The reason, for a path that is not absolute.
pub(super) fn check_absolute(path: &str, is_windows: bool) -> Result<(), String> {
    if path.starts_with('/') || is_windows { Ok(()) } else { Err("this is not an absolute path".to_owned()) }
}

/// Refuses what `patch`, whose values have the types that engines read, sets to values that no flag would take.
///
/// # Errors
/// [`Error::Usage`] for the first.
pub(super) fn check_patch(patch: &Map<String, Value>, is_windows: bool) -> crate::error::Result<()> {
    type Check<'c> = &'c dyn Fn(&str) -> Result<(), String>;
    let part: Check<'_> = &|text| platform_part(text).map(drop);
    let absolute: Check<'_> = &|text| check_absolute(text, is_windows);
    let variable: Check<'_> = &|text| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        check_variable(name, value)
    };
    let nothing = Map::new();
    let runtime = patch.get("config").and_then(Value::as_object).unwrap_or(&nothing);
    let checks: [(_, _, Check<'_>); 8] = [
        (patch, "os", part),
        (patch, "architecture", part),
        (patch, "variant", part),
        (runtime, "Env", variable),
        (runtime, "ExposedPorts", &|text| port(text).map(drop)),
        (runtime, "Volumes", absolute),
        (runtime, "WorkingDir", absolute),
        (runtime, "StopSignal", &|text| signal(text).map(drop)),
    ];
    for (object, key, check) in checks {
        for text in texts(object.get(key)) {
            check(text).map_err(|problem| {
                Error::Usage(format!("the config to merge: `{key}` has `{}`: {problem}", quote(text)))
            })?;
        }
    }
    Ok(())
}

/// The texts that a value sets: an empty one is none to engines, and null takes a member out of a set.
fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) if !text.is_empty() => vec![text],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::Object(set)) => set.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| &**key).collect(),
        Some(_) | None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_platform_is_one_word() {
        for text in ["amd64", "v8", "x86_64", "host"] {
            assert_eq!(platform_part(text).as_deref(), Ok(text));
        }
        for text in ["", "linux/amd64", "arm v7", "a/"] {
            assert!(platform_part(text).is_err(), "{text}");
        }
        assert!(platform_part("Linux").unwrap_err().ends_with(": linux"));
    }

    #[test]
    fn a_port_has_a_protocol() {
        for (text, expected) in [("80", "80/tcp"), ("53/udp", "53/udp"), ("1/sctp", "1/sctp"), ("080", "80/tcp")] {
            assert_eq!(port(text).as_deref(), Ok(expected));
        }
        for text in ["", "0", "65536", "80/", "80/icmp", "+80", "80-90", "http"] {
            assert!(port(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_signal_is_one_that_docker_knows() {
        for text in ["SIGINT", "int", "9", "64", "SIGRTMIN+3", "RTMAX-14", "SIGRTMAX", "CLD"] {
            assert_eq!(signal(text).as_deref(), Ok(text));
        }
        for text in ["", "0", "65", "-9", "+9", "FOO", "SIG", "SIGRTMIN+16", "RTMAX-0", "RTMIN+", "RTMIN-1", "INT "] {
            assert!(signal(text).is_err(), "{text}");
        }
    }
}
