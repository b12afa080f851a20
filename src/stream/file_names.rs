//! The names that a system takes for one, and those that it does not take for the name of a file.
//!
//! Outputs with two names of one file would replace each other. Windows and macOS ignore the case of letters, and Windows
//! also dots and spaces at the end of a name. Where the systems fold letters differently, more names are taken for one than need
//! be. Windows keeps some names for devices, and `:` for streams in files.
//!
//! Sources: docs/formats.md H-26; <https://learn.microsoft.com/windows/win32/fileio/naming-a-file>.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, Prefix};

use super::output::resolved;
use crate::path::DeviceOfWindows;

/// A path in the form in which paths are compared: two that lead to one file or directory, which need not exist yet, are equal.
/// Not recognised are hard links, and on macOS letters with accents in their two spellings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathKey(Vec<OsString>);

impl PathKey {
    /// The key of the file or directory at `path`, to which symbolic links may lead.
    pub fn of(path: &Path) -> Self {
        let key = |component: Component<'_>| match component {
            Component::Normal(name) => NamingRules::OF_SYSTEM.name_key(name),
            Component::Prefix(prefix) => NamingRules::OF_SYSTEM.case_key(prefix.as_os_str()),
            Component::RootDir | Component::CurDir | Component::ParentDir => component.as_os_str().to_owned(),
        };
        Self(resolved(path).components().map(key).collect())
    }

    /// The key of `name`, to be compared with those of other names in the same directory.
    pub(crate) fn of_name(name: &str) -> Self {
        Self(vec![NamingRules::OF_SYSTEM.name_key(OsStr::new(name))])
    }

    /// Returns true if this is `other`, or lies below it.
    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

/// The form of `name` that all names of one file share on this system.
#[cfg(windows)]
pub(super) fn name_key(name: &OsStr) -> OsString {
    NamingRules::OF_SYSTEM.name_key(name)
}

/// Returns why no output can be at `path` on this system, where its names tell.
pub(super) fn problem_with(path: &Path) -> Option<&'static str> {
    NamingRules::OF_SYSTEM.problem_with(path)
}

/// Returns true for `\\.\pipe\name`, also on another machine.
pub(super) fn is_named_pipe(path: &Path) -> bool {
    let Some(Component::Prefix(prefix)) = path.components().next() else { return false };
    match prefix.kind() {
        Prefix::DeviceNS(name) | Prefix::Verbatim(name) | Prefix::UNC(_, name) | Prefix::VerbatimUNC(_, name) => {
            name.eq_ignore_ascii_case("pipe")
        }
        Prefix::VerbatimDisk(_) | Prefix::Disk(_) => false,
    }
}

/// The rules by which a system tells names apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NamingRules {
    /// Every other name is of another file.
    Exact,
    /// Case does not matter: macOS's file systems, unless they were made to be exact.
    IgnoreCase,
    /// Neither does case, nor do dots and spaces at the end, and behind a colon follows the name of a stream in the file.
    Windows,
}

impl NamingRules {
    const OF_SYSTEM: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::IgnoreCase
    } else {
        Self::Exact
    };

    /// The form of `name` that all names of one file share.
    fn name_key(self, name: &OsStr) -> OsString {
        let key = self.case_key(name);
        match key.to_str() {
            Some(key) if self == Self::Windows => {
                key.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']).into()
            }
            _ => key,
        }
    }

    fn problem_with(self, path: &Path) -> Option<&'static str> {
        let has_colon =
            |component| matches!(component, Component::Normal(name) if name.to_string_lossy().contains(':'));
        if self != Self::Windows {
            None
        } else if is_named_pipe(path) {
            Some("is a named pipe, to which imgtar does not write on Windows")
        } else if path.components().any(has_colon) {
            Some("has a `:` that does not follow a drive; on Windows no name of a file has one")
        } else {
            DeviceOfWindows::at(path).map(|_| "is the name of a device on Windows")
        }
    }

    fn case_key(self, text: &OsStr) -> OsString {
        match self {
            Self::Exact => text.to_owned(),
            // By way of capitals, because both forms of the small sigma have the same.
            Self::IgnoreCase | Self::Windows => {
                let text = text.to_string_lossy();
                text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect::<String>().into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules by which `one` and `other` are the same name.
    fn rules(one: &str, other: &str) -> Vec<NamingRules> {
        let are_one = |rules: &NamingRules| rules.name_key(OsStr::new(one)) == rules.name_key(OsStr::new(other));
        [NamingRules::Exact, NamingRules::IgnoreCase, NamingRules::Windows].into_iter().filter(are_one).collect()
    }

    #[test]
    fn names_are_one_by_the_rules_of_the_system() {
        for (one, other) in [("Out.tar", "out.tar"), ("ÄPFEL", "äpfel"), ("ΟΔΟΣ", "οδος"), ("οδοσ", "οδος")]
        {
            assert_eq!(rules(one, other), [NamingRules::IgnoreCase, NamingRules::Windows], "{one}, {other}");
        }
        for (one, other) in
            [("a.tar.", "a.tar"), ("a. .", "a"), ("V1 ", "v1"), ("a.tar::$DATA", "A.tar"), ("a:b", "a:c")]
        {
            assert_eq!(rules(one, other), [NamingRules::Windows], "{one}, {other}");
        }
        for (one, other) in [("a.tar", "a"), (" a", "a"), (".a", "a"), ("a", "ä"), ("a b", "ab")] {
            assert_eq!(rules(one, other), [], "{one}, {other}");
        }
        assert_eq!(rules("a", "a").len(), 3);
    }

    #[test]
    fn what_windows_takes_for_a_device_is_no_output() {
        for name in ["nul", "NUL.tar", "Con .tar", "com1.tar", "CONIN$", "prn. "] {
            let problem = |rules: NamingRules| rules.problem_with(&Path::new("o").join(name));
            assert!(problem(NamingRules::Windows).is_some() && problem(NamingRules::Exact).is_none(), "{name}");
        }
        assert_eq!(NamingRules::Windows.problem_with(Path::new("aux/null.tar")), None);
    }

    #[test]
    fn windows_takes_what_follows_a_colon_for_a_stream() {
        for name in ["a.tar:b", "lay:6", "lay:6/x", "c:a.tar", ":"] {
            let problem = |rules: NamingRules| rules.problem_with(&Path::new("./o").join(format!("./{name}")));
            assert!(problem(NamingRules::Windows).is_some_and(|problem| problem.contains("drive")), "{name}");
            assert_eq!(problem(NamingRules::IgnoreCase), None);
        }
    }

    #[test]
    fn a_path_need_not_exist_to_be_compared() {
        let dir = tempfile::tempdir().unwrap();
        let key = |path: &str| PathKey::of(&dir.path().join(path));
        std::fs::create_dir(dir.path().join("d")).unwrap();
        assert_eq!(key("d/../new"), key("new"));
        assert_ne!(key("new"), key("newer"));
        assert!(key("d/new").starts_with(&key("d")) && !key("d").starts_with(&key("d/new")));
        assert!(!key("dd").starts_with(&key("d")));
        assert_eq!(key("NEW") == key("new"), NamingRules::OF_SYSTEM != NamingRules::Exact);
    }
}
