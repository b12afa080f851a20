//! Paths of a tree that patterns name, and what is below them.

use std::cell::Cell;

use crate::error::{Error, Result};
use crate::glob::Glob;
use crate::path::{EntryPath, escape_for_terminal, separator_hint};

/// Patterns over clean paths, such as `etc/passwd` or `usr/**/*.so`, and how many levels below them are listed. The
/// default lists everything.
#[derive(Debug, Default)]
pub struct PathFilter {
    patterns: Vec<FilterPattern>,
    /// Levels below what a pattern names; `None` for all.
    depth: Option<usize>,
}

#[derive(Debug)]
struct FilterPattern {
    /// As it was given, for messages.
    text: Vec<u8>,
    form: PatternForm,
    /// Something has fitted.
    is_met: Cell<bool>,
}

#[derive(Debug)]
enum PatternForm {
    /// The places of one path: clean and relative once they have been resolved, one as it was given before.
    Path(Vec<Vec<u8>>),
    /// All paths that fit the first; the second fits those and whatever is below them.
    Glob(Glob, Glob),
}

impl PathFilter {
    /// Reads `patterns`: paths, or globs where one of `*?[` stands in them. No pattern lists everything; `depth` is how many
    /// levels below what a pattern names are listed, `None` for all.
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p [u8]>, depth: Option<usize>) -> Self {
        Self { patterns: patterns.into_iter().map(FilterPattern::new).collect(), depth }
    }

    /// The same filter, each plain path replaced by what `resolve` makes of it.
    pub(crate) fn resolved(&self, mut resolve: impl FnMut(&[u8]) -> Result<Vec<u8>>) -> Result<Self> {
        self.resolved_to_several(|text| resolve(text).map(|path| vec![path]))
    }

    /// The same where a path has several places, of which each counts.
    pub(crate) fn resolved_to_several(&self, mut resolve: impl FnMut(&[u8]) -> Result<Vec<Vec<u8>>>) -> Result<Self> {
        let patterns = self.patterns.iter().map(|pattern| {
            let form = match &pattern.form {
                PatternForm::Path(_) => PatternForm::Path(resolve(&pattern.text)?),
                PatternForm::Glob(at, below) => PatternForm::Glob(at.clone(), below.clone()),
            };
            Ok(FilterPattern { text: pattern.text.clone(), form, is_met: Cell::new(false) })
        });
        Ok(Self { patterns: patterns.collect::<Result<_>>()?, depth: self.depth })
    }

    /// The same filter for `place`, in which no symbolic link is followed; messages call it `at`.
    pub(crate) fn cleaned(&self, at: &str, place: &str) -> Result<Self> {
        self.resolved(|text| clean(text, at, place).map(|path| path.as_bytes().to_vec()))
    }

    /// The plain paths among the patterns, clean.
    pub(crate) fn paths(&self, at: &str, place: &str) -> Result<Vec<EntryPath>> {
        let plain = self.patterns.iter().filter(|pattern| matches!(pattern.form, PatternForm::Path(_)));
        plain.map(|pattern| clean(&pattern.text, at, place)).collect()
    }

    /// Returns true if everything is listed.
    pub(crate) fn is_all(&self) -> bool {
        self.patterns.is_empty() && self.depth.is_none()
    }

    /// Returns true if the clean `path` is listed.
    pub(crate) fn fits(&self, path: &[u8]) -> bool {
        if self.patterns.is_empty() {
            return self.depth.is_none_or(|depth| components(path) <= depth);
        }
        // All patterns are tried, because each one that fits nothing is reported.
        let fits = self.patterns.iter().filter(|pattern| {
            let fits = pattern.fits(path, self.depth);
            pattern.is_met.set(pattern.is_met.get() || fits);
            fits
        });
        fits.count() > 0
    }

    /// Refuses a pattern that nothing has fitted in `place`, which messages call `at`.
    pub(crate) fn finish(&self, at: &str, place: &str) -> Result<()> {
        let Some(unmet) = self.patterns.iter().find(|pattern| !pattern.is_met.get()) else { return Ok(()) };
        let (text, hint) = (escape_for_terminal(&unmet.text), separator_hint(&unmet.text));
        let problem = match unmet.form {
            PatternForm::Path(_) if text.contains('/') || !hint.is_empty() => {
                format!("{at}: there is no `{text}` in {place}{hint}")
            }
            PatternForm::Path(_) => {
                format!("{at}: there is no `{text}` in {place}; `**/{text}` looks in every directory")
            }
            PatternForm::Glob(..) => format!("{at}: nothing in {place} matches `{text}`"),
        };
        Err(Error::Choice { problem, choices: Vec::new() })
    }
}

/// A plain path in `place`, which messages call `at`.
fn clean(text: &[u8], at: &str, place: &str) -> Result<EntryPath> {
    EntryPath::root().join(text).map_err(|why| {
        let problem = format!("{at}: there is no `{}` in {place}: {why}", escape_for_terminal(text));
        Error::Choice { problem, choices: Vec::new() }
    })
}

impl FilterPattern {
    fn new(text: &[u8]) -> Self {
        let form = if Glob::is_pattern(text) {
            let at = Glob::of_paths(text);
            PatternForm::Glob(at.clone(), at.and_below())
        } else {
            PatternForm::Path(vec![text.to_vec()])
        };
        Self { text: text.to_vec(), form, is_met: Cell::new(false) }
    }

    fn fits(&self, path: &[u8], depth: Option<usize>) -> bool {
        match (&self.form, depth) {
            (PatternForm::Path(tops), None) => tops.iter().any(|top| is_within(path, top)),
            (PatternForm::Path(tops), Some(depth)) => {
                tops.iter().any(|top| is_within(path, top) && components(path) - components(top) <= depth)
            }
            (PatternForm::Glob(_, below), None) => below.matches(path),
            (PatternForm::Glob(at, below), Some(depth)) => {
                below.matches(path) && directories(path).take(depth.saturating_add(1)).any(|above| at.matches(above))
            }
        }
    }
}

/// Returns true if `path` is `top` or below it.
pub(crate) fn is_within(path: &[u8], top: &[u8]) -> bool {
    top.is_empty() || path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Returns the number of components of a clean path; 0 for the root.
fn components(path: &[u8]) -> usize {
    if path.is_empty() { 0 } else { 1 + path.iter().filter(|&&byte| byte == b'/').count() }
}

/// `path`, and the directories above it from the nearest on.
fn directories(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(path), |path| {
        let end = path.iter().rposition(|&byte| byte == b'/')?;
        Some(&path[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(patterns: &[&str], depth: Option<usize>, fit: &[&str], misfit: &[&str]) {
        let filter = PathFilter::new(patterns.iter().map(|pattern| pattern.as_bytes()), depth)
            .cleaned("x.tar", "this layer")
            .unwrap();
        for path in fit {
            assert!(filter.fits(path.as_bytes()), "{path}");
        }
        for path in misfit {
            assert!(!filter.fits(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn a_path_takes_what_is_below_it() {
        check(&["/etc/app/"], None, &["etc/app", "etc/app/x", "etc/app/x/y"], &["", "etc", "etc/apple", "app"]);
        check(&[], None, &["", "a", "a/b"], &[]);
        check(&["/"], None, &["", "a", "a/b"], &[]);
    }

    #[test]
    fn a_glob_takes_what_is_below_what_fits() {
        check(&["**/*.env"], None, &[".env", "a/b.env", "a/b.env/c"], &["env", "a/b.env2"]);
        check(&["etc/**"], None, &["etc/x", "etc/x/y"], &["etc", "usr"]);
        check(&["/et?"], None, &["etc", "etc/x"], &["", "usr", "a/etc"]);
        check(&["etc/*", "srv"], None, &["etc/a", "etc/a/b", "srv"], &["etc", "usr"]);
    }

    #[test]
    fn depth_counts_levels_below_what_fits() {
        check(&[], Some(1), &["", "a"], &["a/b"]);
        check(&["etc"], Some(0), &["etc"], &["etc/a"]);
        check(&["etc"], Some(1), &["etc", "etc/a"], &["etc/a/b"]);
        check(&["**/app"], Some(1), &["app", "x/app/y", "app/app/y"], &["x", "x/app/y/z"]);
    }

    #[test]
    fn each_pattern_has_to_fit_something() {
        let filter = PathFilter::new([&b"a"[..], b"b*"], None);
        assert!(filter.fits(b"a"));
        assert_eq!(
            filter.finish("x.tar", "this layer").unwrap_err().to_string(),
            "x.tar: nothing in this layer matches `b*`"
        );
        assert!(filter.fits(b"b1"));
        filter.finish("x.tar", "this layer").unwrap();
        assert!(PathFilter::new([&b"../x"[..]], None).cleaned("x.tar", "this layer").is_err());
    }
}
