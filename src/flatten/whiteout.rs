//! Names that act on the layers below: whiteouts, opaque markers and AUFS's own files.

use crate::rule::Rule;

/// The role of an entry, by its cleaned path alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role<'p> {
    /// It is an ordinary entry.
    Plain,
    /// It removes `name` in `directory` from the layers below.
    Remove { directory: &'p [u8], name: &'p [u8] },
    /// It removes all that the layers below have in `directory`.
    Opaque { directory: &'p [u8] },
    /// It is AUFS's own: no part of the tree, but hard links may name it.
    Bookkeeping,
}

/// The reason why a name that begins with `.wh.` is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadWhiteout {
    /// `.wh.`, `.wh..` or `.wh...` (R-3, H-23).
    #[error("the whiteout names no file: `.wh.` must be followed by a name other than `.` and `..`")]
    Nameless,
    /// A directory on the way is itself a whiteout (R-5, H-23).
    #[error("a whiteout cannot be a directory on the way to something")]
    InTheMiddle,
}

impl BadWhiteout {
    /// The rule of docs/formats.md that such a name breaks.
    pub(crate) fn rule(self) -> Rule {
        match self {
            Self::Nameless => Rule::R3,
            Self::InTheMiddle => Rule::R5,
        }
    }
}

const PREFIX: &[u8] = b".wh.";
const AUFS_PREFIX: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

impl<'p> Role<'p> {
    /// The role of the entry at the cleaned `path`.
    ///
    /// # Errors
    /// Whiteouts of nothing and whiteouts in the middle of a path are refused.
    pub(crate) fn of(path: &'p [u8]) -> Result<Self, BadWhiteout> {
        // Nearly all paths: that no dot is followed by a `w` is seen by looking at many bytes at a time.
        let next = path.get(1..).unwrap_or_default();
        if !path.iter().zip(next).fold(false, |found, (&one, &next)| found | ((one == b'.') & (next == b'w'))) {
            return Ok(Self::Plain);
        }
        let (directory, last) = split(path);
        for component in directory.split(|&byte| byte == b'/') {
            if is_bookkeeping(component) {
                return Ok(Self::Bookkeeping);
            }
            if is_reserved(component) {
                return Err(BadWhiteout::InTheMiddle);
            }
        }
        if last == OPAQUE {
            return Ok(Self::Opaque { directory });
        }
        if is_bookkeeping(last) {
            return Ok(Self::Bookkeeping);
        }
        match last.strip_prefix(PREFIX) {
            None => Ok(Self::Plain),
            Some(b"" | b"." | b"..") => Err(BadWhiteout::Nameless),
            Some(name) => Ok(Self::Remove { directory, name }),
        }
    }
}

/// Returns whether the name is reserved for whiteouts, so that no file of the tree can have it.
pub(crate) fn is_reserved(component: &[u8]) -> bool {
    component.starts_with(PREFIX)
}

fn is_bookkeeping(component: &[u8]) -> bool {
    component.starts_with(AUFS_PREFIX) && component != OPAQUE
}

/// The directory of a cleaned path and its last component; both are empty for the root.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_roles_of_the_specification() {
        for (path, role) in [
            ("", Role::Plain),
            ("a/b", Role::Plain),
            ("a/x.wh.b", Role::Plain),
            (".wh.a", Role::Remove { directory: b"", name: b"a" }),
            ("d/e/.wh.a", Role::Remove { directory: b"d/e", name: b"a" }),
            (".wh....", Role::Remove { directory: b"", name: b"..." }),
            (".wh.wh.x", Role::Remove { directory: b"", name: b"wh.x" }),
            (".wh..wh..opq", Role::Opaque { directory: b"" }),
            ("d/.wh..wh..opq", Role::Opaque { directory: b"d" }),
            (".wh..wh.aufs", Role::Bookkeeping),
            (".wh..wh.plnk", Role::Bookkeeping),
            (".wh..wh.plnk/12.34", Role::Bookkeeping),
            (".wh..wh.orph/.wh./x", Role::Bookkeeping),
            ("d/.wh..wh.x", Role::Bookkeeping),
        ] {
            assert_eq!(Role::of(path.as_bytes()), Ok(role), "{path}");
        }
    }

    #[test]
    fn whiteouts_of_nothing_are_refused() {
        for path in [".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh...", "d/.wh.."] {
            assert_eq!(Role::of(path.as_bytes()), Err(BadWhiteout::Nameless), "{path}");
        }
    }

    #[test]
    fn whiteouts_on_the_way_are_refused() {
        for path in [".wh.d/x", "a/.wh.d/.wh.x", ".wh./x", ".wh..wh..opq/x", ".wh.d/.wh..wh.plnk/x"] {
            assert_eq!(Role::of(path.as_bytes()), Err(BadWhiteout::InTheMiddle), "{path}");
        }
    }
}
