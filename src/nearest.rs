//! The known word or name that is most like one that was typed.

use crate::image::Name;
use crate::spec::reference::Reference;

/// Longer words are not compared: that costs the product of their lengths.
const LONGEST: usize = 256;

/// Returns the one of `known` that is most like `typed`, if any is alike.
pub(crate) fn nearest<'a>(typed: &[u8], known: impl IntoIterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let ranked = known.into_iter().filter_map(|known| Some((alike(typed, known)?, known)));
    ranked.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// Returns the one of `known` that is most like `typed`, if any is alike.
///
/// A name typed from memory often lacks a registry, has another one, or an older tag: the last part of the repository has
/// to be alike, the rest decides between several. Names without a repository are compared as a whole.
pub(crate) fn nearest_name<'a>(typed: &str, known: impl IntoIterator<Item = &'a Name>) -> Option<&'a Name> {
    let reference = typed.parse::<Reference>().ok().map(|reference| reference.normalized());
    let ranked = known.into_iter().filter_map(|name| Some((rank(typed, reference.as_ref(), name)?, name)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, name)| name)
}

/// The distance of two words that are the same but for a third of the longer one.
fn alike(one: &[u8], other: &[u8]) -> Option<usize> {
    let longest = one.len().max(other.len());
    let may_be = longest <= LONGEST && 3 * one.len().abs_diff(other.len()) <= longest;
    may_be.then(|| distance(one, other)).filter(|distance| 3 * distance <= longest)
}

/// The letters to insert, delete, replace or swap with their neighbour to make one of the other.
fn distance(one: &[u8], other: &[u8]) -> usize {
    strsim::generic_damerau_levenshtein(one, other)
}

/// The distances of the repository's last part, of the tag, and of the whole name.
fn rank(typed: &str, reference: Option<&Reference>, known: &Name) -> Option<(usize, usize, usize)> {
    match (reference, known) {
        (Some(typed), Name::Reference(known)) => {
            let repository = alike(last_part(typed), last_part(known))?;
            let tag = distance(tag(typed).as_bytes(), tag(known).as_bytes());
            Some((repository, tag, distance(typed.full().as_bytes(), known.full().as_bytes())))
        }
        // A tag without a repository is better than no suggestion.
        (Some(typed), Name::Tag(known)) if tag(typed) == known => Some((usize::MAX, 0, 0)),
        _ => alike(typed.as_bytes(), known.to_string().as_bytes()).map(|whole| (whole, 0, 0)),
    }
}

/// `app` of `registry.example/team/app:1`.
fn last_part(reference: &Reference) -> &[u8] {
    reference.path().rsplit('/').next().unwrap_or_default().as_bytes()
}

fn tag(reference: &Reference) -> &str {
    reference.tag().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_that_are_alike_are_suggested() {
        for (typed, known, expected) in [
            ("postgers:16", &["app:1", "postgres:16", "redis:7"][..], Some("postgres:16")),
            ("app:2", &["app:1", "postgres:16"], Some("app:1")),
            ("nginx:1", &["app:1", "redis:7"], None),
            ("hots", &["host.conf", "hosts", "opt"], Some("hosts")),
            ("aqp", &["app"], Some("app")),
            ("pap", &["app"], Some("app")),
            ("nope", &["opt", "home", "root"], None),
            ("ls", &["lib"], None),
            ("", &["a"], None),
        ] {
            let known = known.iter().map(|known| known.as_bytes());
            assert_eq!(nearest(typed.as_bytes(), known), expected.map(str::as_bytes), "{typed}");
        }
        let long = vec![b'a'; LONGEST + 1];
        assert_eq!(nearest(&long, [&long[1..]]), None);
    }

    /// Checks what is suggested for `typed` out of these references, bare tags (`:1`) and texts.
    #[track_caller]
    fn suggests(typed: &str, known: &[&str], expected: Option<&str>) {
        let name = |text: &&str| match (text.strip_prefix(':'), text.parse::<Reference>()) {
            (Some(tag), _) => Name::Tag(tag.to_owned()),
            (None, Ok(reference)) => Name::Reference(reference.normalized()),
            (None, Err(_)) => Name::Text((*text).to_owned()),
        };
        let known: Vec<Name> = known.iter().map(name).collect();
        assert_eq!(nearest_name(typed, &known).map(ToString::to_string).as_deref(), expected, "{typed}");
    }

    #[test]
    fn a_slip_in_the_repository_is_found_whatever_the_tag() {
        suggests("postgers:16", &["postgres:16", "redis:7"], Some("postgres:16"));
        suggests("ngnx:2", &["redis:2", "nginx:1.25.3-alpine3.18-slim"], Some("nginx:1.25.3-alpine3.18-slim"));
        suggests("postgres", &["postgres:16.1-bookworm"], Some("postgres:16.1-bookworm"));
        suggests("App:1", &["app:1"], Some("app:1"));
    }

    #[test]
    fn a_registry_or_directory_that_is_missing_or_another_is_found() {
        let known = ["registry.example/team/app:1.0"];
        for typed in ["app:1.0", "team/app:1.0", "registry.example/app:1.0", "localhost/app:1.0", "aqp"] {
            suggests(typed, &known, Some(known[0]));
        }
        suggests("localhost/app:1", &["app:1"], Some("app:1"));
        suggests("app:1", &["quay.io/library/app:1"], Some("quay.io/library/app:1"));
        suggests("library/app:2", &["ghcr.io/app:2", "other:2"], Some("ghcr.io/app:2"));
    }

    #[test]
    fn the_nearest_repository_counts_before_tag_and_registry() {
        suggests("app:1", &["apq:1", "app:2"], Some("app:2"));
        suggests("app:1", &["app:3", "a.example/app:1"], Some("a.example/app:1"));
        suggests("a.example/app:2", &["b.example/team/app:1", "a.example/app:1"], Some("a.example/app:1"));
    }

    #[test]
    fn a_tag_in_common_makes_no_name_near() {
        suggests("nginx:bookworm-slim", &["redis:bookworm-slim"], None);
        suggests("registry.example/team/web:1", &["registry.example/team/database:1"], None);
    }

    #[test]
    fn what_is_no_reference_is_compared_as_a_whole() {
        suggests("app:1.0", &[":1.0"], Some("1.0"));
        suggests("1.0", &[":1.1", "redis:7"], Some("1.1"));
        suggests("No Nmae", &["No Name", "redis:7"], Some("No Name"));
        suggests("", &["redis:7"], None);
    }
}
