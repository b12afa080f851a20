//! The image that may have been meant.
//!
//! What is typed from memory lacks a registry, has another one, or an older tag; so the last part of the repository has to
//! be near, and the rest only decides between several. Whole names are compared where there is no repository.

use super::{distance, near};
use crate::image::Name;
use crate::spec::reference::Reference;

/// How far a name is from what was typed: its repository's last part, its tag, the whole. Less is nearer.
type Rank = (usize, usize, usize);

/// The one of `known` that is nearest to what was `typed`, if any is near.
pub(crate) fn nearest_name<'a>(typed: &str, known: impl IntoIterator<Item = &'a Name>) -> Option<&'a Name> {
    let reference = typed.parse::<Reference>().ok().map(|reference| reference.normalized());
    let ranked = known.into_iter().filter_map(|name| Some((rank(typed, reference.as_ref(), name)?, name)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, name)| name)
}

fn rank(typed: &str, reference: Option<&Reference>, known: &Name) -> Option<Rank> {
    match (reference, known) {
        (Some(typed), Name::Reference(known)) => {
            let repository = near(last_part(typed).as_bytes(), last_part(known).as_bytes())?;
            let tag = distance(tag(typed).as_bytes(), tag(known).as_bytes());
            Some((repository, tag, distance(typed.full().as_bytes(), known.full().as_bytes())))
        }
        // A tag whose repository nobody knows is better than nothing.
        (Some(typed), Name::Tag(known)) if tag(typed) == known => Some((usize::MAX, 0, 0)),
        _ => near(typed.as_bytes(), known.to_string().as_bytes()).map(|whole| (whole, 0, 0)),
    }
}

/// `app` of `registry.example/team/app:1`.
fn last_part(reference: &Reference) -> &str {
    reference.path().rsplit('/').next().unwrap_or_default()
}

fn tag(reference: &Reference) -> &str {
    reference.tag().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is suggested to who types `typed`, of these references, bare tags (`:1`) and texts.
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
