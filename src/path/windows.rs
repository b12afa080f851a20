//! Rules of Windows for paths, as rules for text: which names a file can have, and how a link's target is written elsewhere.
//!
//! They are the same on every system; callers ask only on Windows.
//!
//! Source: learn.microsoft.com, "Naming Files, Paths, and Namespaces".

use std::path::{Component, Path, Prefix};

/// Returns true if a file can have this name, so that it is one component of a path and leads to nothing else: no separator,
/// no drive, no stream of a file, no pattern, no device.
pub(super) fn can_name_file(name: &str) -> bool {
    let is_allowed = |char: char| !char.is_ascii_control() && !r#"<>:"/\|?*"#.contains(char);
    // Windows removes these at the end: `a.` names the file `a`.
    !name.is_empty()
        && !name.ends_with(['.', ' '])
        && name.chars().all(is_allowed)
        && DeviceOfWindows::named(name).is_none()
}

/// A device that Windows opens by its name, in every directory; older versions open it with any extension, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceOfWindows {
    Null,
    Console,
    /// A port, or the console with an extension.
    Other,
}

impl DeviceOfWindows {
    /// The device that Windows opens at `path`, if it is one of those that have names of files.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let prefix = || match path.components().next() {
            Some(Component::Prefix(prefix)) => match prefix.kind() {
                Prefix::DeviceNS(name) | Prefix::Verbatim(name) => Some(name),
                _ => None,
            },
            _ => None,
        };
        Self::named(&path.file_name().or_else(prefix)?.to_string_lossy())
    }

    fn named(name: &str) -> Option<Self> {
        let name = name.trim_end_matches(['.', ' ', ':']).to_lowercase();
        let stem = name.split(['.', ':']).next().unwrap_or_default().trim_end();
        let is_port =
            |number: &str| matches!(number, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³");
        match stem {
            "nul" => Some(Self::Null),
            "con" | "conin$" | "conout$" if stem == name => Some(Self::Console),
            "con" | "conin$" | "conout$" | "prn" | "aux" => Some(Self::Other),
            _ => ["com", "lpt"].iter().any(|port| stem.strip_prefix(port).is_some_and(is_port)).then_some(Self::Other),
        }
    }
}

/// Returns the target of a link with slashes between its components; `None` if it begins with a drive or a share.
pub(super) fn target_in_image(target: &[u8]) -> Option<Vec<u8>> {
    let slashed: Vec<u8> = target.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect();
    let has_drive = matches!(slashed[..], [letter, b':', ..] if letter.is_ascii_alphabetic());
    (!has_drive && !slashed.starts_with(b"//")).then_some(slashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_component_that_is_no_device() {
        for name in ["manifest.json", "a b", ".config", "..a", "a..b", "grün", "nul-1.tar"] {
            assert!(can_name_file(name), "{name}");
        }
        let paths = ["", ".", "..", "a/b", r"a\b", r"..\a", r"\a", r"C:\a", "C:a", "C:", r"\\host\share\a", r"\\.\NUL"];
        let others = ["a:stream", "a.", "a ", "..  ", "a?", "*.json", "a\nb", "a|b", "NUL", "aux.json", r"\\?\C:\a"];
        for name in paths.iter().chain(&others) {
            assert!(!can_name_file(name), "{name}");
        }
    }

    #[test]
    fn targets_of_links_have_slashes_and_neither_drive_nor_share() {
        let shown = |target: &str| target_in_image(target.as_bytes()).map(|target| String::from_utf8(target).unwrap());
        for (target, expected) in [("a", "a"), (r"..\a\b", "../a/b"), ("a/b", "a/b"), (r"\etc\a", "/etc/a")] {
            assert_eq!(shown(target).as_deref(), Some(expected));
        }
        for target in [r"C:\a", "C:a", "c:/a", r"\\host\share\a", r"\\?\C:\a", "//host/share"] {
            assert_eq!(shown(target), None, "{target}");
        }
    }

    #[test]
    fn names_of_devices_are_known_with_any_extension() {
        let ports = ["com1.tar", "LPT9", "com².tar", "COM1:"];
        for name in ["nul", "NUL.tar", "nul:x", "aux.tar.gz", "Con .tar", "CONIN$", "prn. "].iter().chain(&ports) {
            assert!(DeviceOfWindows::named(name).is_some(), "{name}");
        }
        for name in ["con", "CON. ", "ConOut$", "CON:"] {
            assert_eq!(DeviceOfWindows::named(name), Some(DeviceOfWindows::Console), "{name}");
        }
        for name in ["null.tar", "com.tar", "com10.tar", "lpt0.tar", "console.tar", "app-nul.tar", "con$", ""] {
            assert_eq!(DeviceOfWindows::named(name), None, "{name}");
        }
    }
}
