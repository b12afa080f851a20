//! Paths given by name or by pattern, matched against canonical paths.
//!
//! Sources: docs/edit.md E-20.

use std::fmt;
use std::str::FromStr;

use super::paths::{is_below, parents};
use crate::glob::Glob;
use crate::path::{EntryPath, escape_for_terminal};

/// A path, or a pattern of paths: `*` and `?` stand for anything but a slash, `**` for any number of directories. Made
/// of a text: `"etc/key".parse()`. What is below a directory goes with it; a slash in front makes no difference.
#[derive(Debug, Clone)]
pub struct PathPattern {
    text: String,
    path: EntryPath,
    /// If it is a pattern, one that fits all paths which fit it, and all below them.
    below: Option<Glob>,
}

/// The reason why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParsePatternError(String);

impl FromStr for PathPattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, ParsePatternError> {
        let path = EntryPath::clean(text.as_bytes()).map_err(|error| ParsePatternError(error.to_string()))?;
        if path.is_root() {
            return Err(ParsePatternError("the root cannot be removed".to_owned()));
        }
        if path.components().any(|component| component.starts_with(b".wh.")) {
            return Err(ParsePatternError("a whiteout is not a path: name what it hides".to_owned()));
        }
        let below = Glob::is_pattern(text.as_bytes()).then(|| Glob::of_paths(path.as_bytes()).and_below());
        Ok(Self { text: text.to_owned(), path, below })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_for_terminal(self.text.as_bytes()))
    }
}

impl PathPattern {
    /// The path that is meant, unless it is a pattern.
    pub(super) fn literal(&self) -> Option<&EntryPath> {
        self.below.is_none().then_some(&self.path)
    }

    /// The front of `path` that the pattern fits: `path` itself or a directory above it.
    pub(super) fn hit<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        let Some(below) = &self.below else {
            let front = self.path.as_bytes();
            return (path == front || is_below(path, front)).then(|| &path[..front.len()]);
        };
        if !below.matches(path) {
            return None;
        }
        let ends: Vec<usize> = parents(path).map(<[u8]>::len).chain([path.len()]).collect();
        // Longer fronts than one that fits also fit, so the shortest is found by halving.
        let first = ends.partition_point(|&end| !below.matches(&path[..end]));
        ends.get(first).map(|&end| &path[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
        let hit = pattern.parse::<PathPattern>().unwrap().hit(path.as_bytes());
        hit.map(|front| std::str::from_utf8(front).unwrap())
    }

    #[test]
    fn a_pattern_fits_a_whole_path_and_takes_all_below_it() {
        for (pattern, path, expected) in [
            ("etc/key", "etc/key", Some("etc/key")),
            ("/etc//key/", "etc/key/a", Some("etc/key")),
            ("etc/key", "etc/key2", None),
            ("key", "etc/key", None),
            ("*.pem", "a.pem", Some("a.pem")),
            ("*.pem", "etc/a.pem", None),
            ("**/*.pem", "a.pem", Some("a.pem")),
            ("**/*.pem", "etc/ssl/a.pem", Some("etc/ssl/a.pem")),
            ("**/.git", "srv/app/.git/config", Some("srv/app/.git")),
            ("etc/**/key", "etc/key", Some("etc/key")),
            ("etc/**/key", "etc/a/b/key", Some("etc/a/b/key")),
            ("etc/**", "etc/a/b", Some("etc/a")),
            ("etc/**", "etc", None),
            ("etc/?ey", "etc/key", Some("etc/key")),
            ("e*c/k*y", "etc/kay/x", Some("etc/kay")),
            ("e*/x", "e/f/x", None),
            ("*a*b*", "xxaxxbxx", Some("xxaxxbxx")),
            ("*a*b*", "xxbxxaxx", None),
            ("[ab]", "a", Some("a")),
        ] {
            assert_eq!(hit(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn what_cannot_be_removed_is_refused() {
        for text in ["", "/", "..", "a/../..", ".wh.a", "d/.wh..wh..opq"] {
            assert!(text.parse::<PathPattern>().is_err(), "{text}");
        }
    }
}
