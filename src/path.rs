//! Member names: hostile bytes in, clean relative paths out.
//!
//! Names are bytes, not UTF-8 (docs/formats.md R-21). Cleaning is lexical and knows nothing of symbolic links.
//!
//! Sources: docs/formats.md G-4, R-4, H-1, H-24, H-25.

mod windows;

use std::cmp::Ordering;
use std::fmt;
use std::path::{MAIN_SEPARATOR, Path};

use crate::rule::Rule;

pub(crate) use windows::DeviceOfWindows;

/// Bytes of the input that a message quotes at most.
const QUOTED: usize = 100;

/// A relative path that cannot escape: no leading slash, no empty, `.` or `..` component, no NUL.
///
/// The empty path is the root itself.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct EntryPath(Box<[u8]>);

/// Why a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There are no bytes at all.
    #[error("the name is empty")]
    Empty,
    /// A `..` climbs above the root.
    #[error("the name climbs out of the archive")]
    Escapes,
    /// A NUL byte.
    #[error("the name holds a NUL byte")]
    Nul,
}

impl PathError {
    /// The rule of docs/formats.md that such a name breaks.
    pub fn rule(self) -> Rule {
        match self {
            Self::Empty => Rule::R4,
            Self::Escapes => Rule::H1,
            Self::Nul => Rule::H24,
        }
    }
}

impl EntryPath {
    /// The root.
    pub fn root() -> Self {
        Self::default()
    }

    /// Cleans the name of a layer's entry: an empty one is the root, as for Go, which cleans it to `.` (R-4).
    ///
    /// # Errors
    /// As [`EntryPath::clean`].
    pub(crate) fn clean_entry(name: &[u8]) -> Result<Self, PathError> {
        if name.is_empty() { Ok(Self::root()) } else { Self::clean(name) }
    }

    /// Cleans a member name: strips leading `/` and `./`, doubled and trailing slashes, and resolves `..` lexically.
    ///
    /// # Errors
    /// An empty name, one that climbs above the root, and one with a NUL byte are refused.
    pub fn clean(name: &[u8]) -> Result<Self, PathError> {
        if name.is_empty() {
            return Err(PathError::Empty);
        }
        Self::root().join(name)
    }

    /// The path that `name` means seen from this directory; a leading slash means the root.
    ///
    /// # Errors
    /// A result above the root and a NUL byte are refused.
    pub fn join(&self, name: &[u8]) -> Result<Self, PathError> {
        if name.contains(&0) {
            return Err(PathError::Nul);
        }
        let from = if name.first() == Some(&b'/') { &b""[..] } else { &self.0 };
        // Exact for a path that is clean already.
        let mut path = Vec::with_capacity(from.len() + usize::from(!from.is_empty()) + name.len());
        path.extend_from_slice(from);
        for component in name.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => {
                    if path.is_empty() {
                        return Err(PathError::Escapes);
                    }
                    path.truncate(path.iter().rposition(|&byte| byte == b'/').unwrap_or(0));
                }
                _ => {
                    if !path.is_empty() {
                        path.push(b'/');
                    }
                    path.extend_from_slice(component);
                }
            }
        }
        Ok(Self(path.into()))
    }

    /// The bytes, components joined by single slashes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns true if this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The components, from the root down.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|component| !component.is_empty())
    }

    /// The directory that holds this path, and the last component; `None` for the root.
    pub fn split(&self) -> Option<(Self, &[u8])> {
        if self.is_root() {
            return None;
        }
        Some(match self.0.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (Self(self.0[..slash].into()), &self.0[slash + 1..]),
            None => (Self::root(), &self.0[..]),
        })
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_for_terminal(&self.0))
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// Returns true if a file of this system can have this name, one component of a path. On Windows others may lead to another
/// directory, drive or machine, or to a device.
pub(crate) fn can_name_file(component: &str) -> bool {
    !cfg!(windows) || windows::can_name_file(component)
}

/// Returns the target of a symbolic link of this system as one of an image; `None` for one of Windows that begins with a drive
/// or a share.
pub(crate) fn target_in_image(target: &[u8]) -> Option<Vec<u8>> {
    if cfg!(windows) { windows::target_in_image(target) } else { Some(target.to_vec()) }
}

/// Returns the hint for a path that is in no image and has a backslash where Windows has one, to follow an error message; empty
/// for others.
pub(crate) fn separator_hint(path: &[u8]) -> &'static str {
    if cfg!(windows) && path.contains(&b'\\') { "; paths in images have `/`" } else { "" }
}

/// A name as it may be shown on a terminal: control, bidirectional-override and invalid bytes escaped (H-25).
pub fn escape_for_terminal(name: &[u8]) -> String {
    escape(name, true)
}

/// The path of a file of this system as it may be shown on a terminal: a backslash that separates its components stays
/// one, everything else is escaped as in other names.
pub fn escape_path(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes(), MAIN_SEPARATOR != '\\')
}

fn escape(name: &[u8], escapes_backslash: bool) -> String {
    let mut shown = String::with_capacity(name.len());
    // Nearly all names; listings have hundreds of thousands.
    // All bytes are looked at, whatever the first is: that is done many at a time.
    let harmless = name.iter().fold(true, |harmless, &byte| harmless & is_harmless(byte));
    if let (true, Ok(text)) = (harmless, std::str::from_utf8(name)) {
        shown.push_str(text);
        return shown;
    }
    for chunk in name.utf8_chunks() {
        for char in chunk.valid().chars() {
            if is_deceptive(char) || char == '\\' && escapes_backslash {
                shown.extend(char.escape_default());
            } else {
                shown.push(char);
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

/// A message that is made of such names and of our own words, with whatever should never have come so far escaped after
/// all: backslashes and the ends of lines stay (H-25).
pub fn presentable(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    for char in message.chars() {
        if is_deceptive(char) && char != '\n' {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    shown
}

/// Printable ASCII without the backslash, which announces an escape.
fn is_harmless(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'\\'
}

/// Characters that move the cursor, change direction or cannot be seen.
pub fn is_deceptive(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Bytes of the input as a message may quote them: escaped, and cut after a hundred.
pub(crate) fn quote(bytes: impl AsRef<[u8]>) -> String {
    quote_up_to(QUOTED, bytes.as_ref())
}

/// The name of a member as messages show it: long enough for that of a blob by SHA-512.
pub(crate) fn quote_member(name: &str) -> String {
    quote_up_to(2 * QUOTED, name.as_bytes())
}

fn quote_up_to(most: usize, bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(most)];
    // A cut text must not end in half a character.
    let shown = match std::str::from_utf8(shown) {
        Err(error) if shown.len() < bytes.len() && error.error_len().is_none() => &shown[..error.valid_up_to()],
        _ => shown,
    };
    format!("{}{}", escape_for_terminal(shown), if shown.len() < bytes.len() { "…" } else { "" })
}

/// Compares paths in tree order: each directory is followed by its content, and the names in a directory are ascending,
/// whether they are of files or directories.
pub(crate) fn in_tree_order(one: &[u8], other: &[u8]) -> Ordering {
    let shared = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    // A separator or the end of the path sorts before any byte that continues a name.
    let rank = |path: &[u8]| path.get(shared).map(|&byte| (byte != b'/', byte));
    rank(one).cmp(&rank(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_short_and_harmless() {
        assert_eq!(quote("a\u{1b}b"), "a\\u{1b}b");
        assert_eq!(quote("ä".repeat(50)), "ä".repeat(50));
        assert_eq!(quote(format!("x{}", "ä".repeat(50))), format!("x{}…", "ä".repeat(49)));
        assert_eq!(quote([0xff; 200]).chars().filter(|&char| char == '…').count(), 1);
    }

    #[test]
    fn names_are_cleaned() {
        for (name, clean) in [
            ("a/b", "a/b"),
            ("./a/b", "a/b"),
            ("/a//b/", "a/b"),
            ("a/./b", "a/b"),
            ("a/../b", "b"),
            ("a/b/../../c", "c"),
            ("./", ""),
            ("/", ""),
            ("a/..", ""),
        ] {
            assert_eq!(EntryPath::clean(name.as_bytes()).unwrap().as_bytes(), clean.as_bytes(), "{name}");
        }
    }

    #[test]
    fn names_that_escape_are_refused() {
        for (name, error) in [
            ("", PathError::Empty),
            ("..", PathError::Escapes),
            ("../a", PathError::Escapes),
            ("a/../../b", PathError::Escapes),
            ("/../etc/passwd", PathError::Escapes),
            ("a\0b", PathError::Nul),
        ] {
            assert_eq!(EntryPath::clean(name.as_bytes()), Err(error), "{name}");
        }
    }

    #[test]
    fn a_link_target_is_joined_to_its_directory() {
        let dir = EntryPath::clean(b"id2").unwrap();
        assert_eq!(dir.join(b"../id1/layer.tar").unwrap().as_bytes(), b"id1/layer.tar");
        assert_eq!(dir.join(b"/x.tar").unwrap().as_bytes(), b"x.tar");
        assert_eq!(dir.join(b"../../x"), Err(PathError::Escapes));
    }

    #[test]
    fn names_are_escaped_for_terminals() {
        assert_eq!(escape_for_terminal(b"a\x1b[31mb"), "a\\u{1b}[31mb");
        assert_eq!(escape_for_terminal("a\u{202e}b".as_bytes()), "a\\u{202e}b");
        assert_eq!(escape_for_terminal(b"\xff\n"), "\\xff\\n");
        assert_eq!(escape_for_terminal("grün".as_bytes()), "grün");
        assert_eq!(escape_for_terminal(b"a\\b"), "a\\\\b");
        assert_eq!(presentable("a\\x1b\x1b[31m\r\nb"), "a\\x1b\\u{1b}[31m\\r\nb");
    }

    #[test]
    fn a_path_is_shown_as_it_was_typed() {
        let shown = if cfg!(windows) { r"C:\app.tar" } else { r"C:\\app.tar" };
        assert_eq!(escape_path(Path::new(r"C:\app.tar")), shown);
        assert_eq!(escape_path(Path::new("a\u{202e}b")), "a\\u{202e}b");
    }

    #[test]
    fn paths_are_walked_directory_by_directory() {
        let mut paths: Vec<&[u8]> = vec![b"a-b", b"a/x", b"a", b"b", b"", b"a/x/y", b"a/x-y"];
        paths.sort_by(|one, other| in_tree_order(one, other));
        assert_eq!(paths, [&b""[..], b"a", b"a/x", b"a/x/y", b"a/x-y", b"a-b", b"b"]);
    }
}
