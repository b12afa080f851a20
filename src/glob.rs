//! Patterns as shells have them, over parts that `/` separates.
//!
//! `*` stands for any bytes of one part and `?` for one of them, `[a-z]` for one of a set and `[!a-z]` for one outside of
//! it, `**` alone between slashes for any number of parts. Nothing is special behind a backslash. A set without an end is
//! its own text. Bytes, because paths need not be UTF-8.

/// A pattern, ready to be compared with many texts.
#[derive(Debug, Clone)]
pub(crate) struct Glob(Vec<GlobPart>);

#[derive(Debug, Clone)]
enum GlobPart {
    /// `**`.
    Any,
    One(Vec<GlobToken>),
}

#[derive(Debug, Clone)]
enum GlobToken {
    Literal(u8),
    /// `?`.
    Byte,
    /// `*`.
    Bytes,
    /// `[…]`.
    Set {
        is_negated: bool,
        ranges: Vec<(u8, u8)>,
    },
}

impl Glob {
    /// Returns true if `text` has a character that is special in a pattern.
    pub(crate) fn is_pattern(text: &[u8]) -> bool {
        text.iter().any(|byte| b"*?[".contains(byte))
    }

    /// Parses a pattern; every text is a valid one.
    pub(crate) fn new(pattern: &[u8]) -> Self {
        let parts = pattern.split(|&byte| byte == b'/');
        Self(parts.map(|part| if part == b"**" { GlobPart::Any } else { GlobPart::One(tokens(part)) }).collect())
    }

    /// Reads a pattern of paths from the root, whatever slashes are around it. `etc/**` is all that is in a directory, and
    /// not the directory.
    pub(crate) fn of_paths(pattern: &[u8]) -> Self {
        let parts = pattern.split(|&byte| byte == b'/').filter(|part| ![&b""[..], b"."].contains(part));
        let mut pattern = parts.collect::<Vec<_>>().join(&b'/');
        if pattern.ends_with(b"/**") || pattern == b"**" {
            pattern.extend_from_slice(b"/*");
        }
        Self::new(&pattern)
    }

    /// Returns the pattern that all texts fit which fit this one, and all that go on behind those with a slash.
    pub(crate) fn and_below(mut self) -> Self {
        self.0.push(GlobPart::Any);
        self
    }

    /// Returns true if the pattern matches all of `text`.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let texts: Vec<&[u8]> = text.split(|&byte| byte == b'/').collect();
        fits(
            &self.0,
            &texts,
            |part| matches!(part, GlobPart::Any),
            |part, text| match part {
                GlobPart::Any => true,
                GlobPart::One(tokens) => fits(tokens, text, |token| matches!(token, GlobToken::Bytes), is_byte),
            },
        )
    }
}

/// Returns true if `pattern` matches all of `items`; elements that are `is_any` match any number of items. Only the
/// last of those is ever tried again: items that an earlier one could take, the later one can take as well.
fn fits<P, T>(pattern: &[P], items: &[T], is_any: impl Fn(&P) -> bool, is_fit: impl Fn(&P, &T) -> bool) -> bool {
    let (mut at, mut item) = (0, 0);
    let mut retry = None;
    while item < items.len() || at < pattern.len() {
        match pattern.get(at) {
            Some(element) if is_any(element) => {
                retry = Some((at, item));
                at += 1;
            }
            Some(element) if items.get(item).is_some_and(|item| is_fit(element, item)) => {
                (at, item) = (at + 1, item + 1);
            }
            _ => {
                let Some((any, begin)) = retry.filter(|&(_, begin)| begin < items.len()) else { return false };
                retry = Some((any, begin + 1));
                (at, item) = (any + 1, begin + 1);
            }
        }
    }
    true
}

fn is_byte(token: &GlobToken, byte: &u8) -> bool {
    match token {
        GlobToken::Literal(literal) => literal == byte,
        GlobToken::Byte | GlobToken::Bytes => true,
        GlobToken::Set { is_negated, ranges } => {
            ranges.iter().any(|(first, last)| (first..=last).contains(&byte)) != *is_negated
        }
    }
}

fn tokens(mut part: &[u8]) -> Vec<GlobToken> {
    let mut tokens = Vec::new();
    while let Some((&byte, rest)) = part.split_first() {
        part = rest;
        let token = match byte {
            b'*' => GlobToken::Bytes,
            b'?' => GlobToken::Byte,
            b'[' => match set(rest) {
                Some((set, behind)) => {
                    part = behind;
                    set
                }
                None => GlobToken::Literal(byte),
            },
            b'\\' if !rest.is_empty() => {
                part = &rest[1..];
                GlobToken::Literal(rest[0])
            }
            _ => GlobToken::Literal(byte),
        };
        tokens.push(token);
    }
    tokens
}

/// The set whose bracket was read, and what is behind it. A bracket that comes first is one of the set.
fn set(text: &[u8]) -> Option<(GlobToken, &[u8])> {
    let is_negated = text.first().is_some_and(|byte| b"!^".contains(byte));
    let text = &text[usize::from(is_negated)..];
    let end = text.iter().skip(1).position(|&byte| byte == b']')? + 1;
    let (mut members, mut ranges) = (&text[..end], Vec::new());
    while let Some((&first, rest)) = members.split_first() {
        let last = if let [b'-', last, ..] = rest { Some(*last) } else { None };
        ranges.push((first, last.unwrap_or(first)));
        members = &rest[if last.is_some() { 2 } else { 0 }..];
    }
    Some((GlobToken::Set { is_negated, ranges }, &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, fit: &[&str], misfit: &[&str]) {
        let glob = Glob::new(pattern.as_bytes());
        for text in fit {
            assert!(glob.matches(text.as_bytes()), "{pattern} {text}");
        }
        for text in misfit {
            assert!(!glob.matches(text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn a_star_stays_within_its_part() {
        check("acme/*", &["acme/app", "acme/"], &["acme", "acme/team/app", "other/app"]);
        check("*.conf", &[".conf", "a.conf", "a.b.conf"], &["a.conf2", "etc/a.conf"]);
        check("a*b*c", &["abc", "abbc", "a-b-bcc", "axxbxxc"], &["ab", "acb", "abcd"]);
    }

    #[test]
    fn two_stars_are_any_number_of_parts() {
        check("**/.env", &[".env", "a/.env", "a/b/.env"], &["env", "a/b.env"]);
        check("a/**", &["a/", "a/b", "a/b/c", "a"], &["b", "ab"]);
        check("a/**/b/**/c", &["a/b/c", "a/x/b/y/z/c", "a/b/b/c"], &["a/c", "a/b/cc"]);
    }

    #[test]
    fn one_byte_and_sets() {
        check("v?", &["v1"], &["v", "v12", "v/"]);
        check("[a-c]x", &["ax", "cx"], &["dx", "x"]);
        check("[!a-c]x", &["dx", "-x"], &["ax"]);
        check("[]-]", &["]", "-"], &["a"]);
        check("a[b", &["a[b"], &["ab"]);
        check(r"\*\[", &["*["], &["a["]);
    }

    #[test]
    fn what_never_fits_is_known_soon() {
        let pattern = "a*".repeat(64) + "b";
        check(&pattern, &[], &["a".repeat(4096).as_str()]);
    }
}
