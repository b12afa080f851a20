//! A layout with `manifest.json` beside it: half of the engines read one, half the other.
//!
//! Sources: docs/formats.md O-25, O-26, H-13, L-8.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::docker::{self, Tagged};
use super::{Checker, oci, repositories};
use crate::diagnostics::Diagnostic;
use crate::digest::Digest;
use crate::error::Result;
use crate::image::Name;
use crate::rule::Rule;
use crate::spec::docker::MANIFEST_MEMBER;
use crate::spec::oci::INDEX_MEMBER;

/// Checks both halves, and each against the other.
pub(super) fn check(checker: &mut Checker<'_>) -> Result<()> {
    oci::check(checker)?;
    let of_layout = named(checker);
    let images: HashSet<Digest> = checker.images.iter().map(|image| image.config.image_id.clone()).collect();
    let tagged = docker::items(checker)?;
    for item in &tagged {
        compare(checker, item, &of_layout, &images);
    }
    unknown_to_docker(checker, &of_layout, &tagged);
    repositories::check(checker, &tagged)
}

/// The images under each name of the layout, one for each platform.
fn named(checker: &Checker<'_>) -> HashMap<Name, BTreeSet<Digest>> {
    let mut named: HashMap<Name, BTreeSet<Digest>> = HashMap::new();
    for image in &checker.images {
        for name in &image.names {
            named.entry(name.clone()).or_default().insert(image.config.image_id.clone());
        }
    }
    named
}

/// Holds an item of `manifest.json` against the layout (O-26); images that are only there are no attack if they have no
/// name (O-25).
fn compare(
    checker: &mut Checker<'_>,
    item: &Tagged,
    of_layout: &HashMap<Name, BTreeSet<Digest>>,
    images: &HashSet<Digest>,
) {
    let Some(image_id) = &item.image_id else { return };
    if item.names.is_empty() && !images.contains(image_id) {
        let problem = format!("{INDEX_MEMBER} does not list the untagged image {image_id}");
        checker.add(Diagnostic::warning(Rule::O25, &item.place, problem));
    }
    for name in &item.names {
        let finding = match of_layout.get(name) {
            Some(known) if known.contains(image_id) => continue,
            Some(known) => {
                let problem = format!("{name} is another image than in {INDEX_MEMBER}");
                Diagnostic::error(Rule::H13, &item.place, problem).values(&some_of(known), image_id)
            }
            None => Diagnostic::error(Rule::H13, &item.place, format!("{INDEX_MEMBER} does not know the name {name}")),
        };
        checker.add(finding);
    }
}

/// The first of `digests`, and how many more there are: a name may stand for thousands, and be wrong a thousand times.
fn some_of(digests: &BTreeSet<Digest>) -> String {
    const SHOWN: usize = 16;
    let mut texts: Vec<String> = digests.iter().take(SHOWN).map(ToString::to_string).collect();
    texts.extend(digests.len().checked_sub(SHOWN).filter(|&more| more > 0).map(|more| format!("{more} more")));
    texts.join(", ")
}

/// Names that engines which read `manifest.json` will not see.
fn unknown_to_docker(checker: &mut Checker<'_>, of_layout: &HashMap<Name, BTreeSet<Digest>>, tagged: &[Tagged]) {
    let known: HashSet<&Name> = tagged.iter().flat_map(|item| &item.names).collect();
    let mut unknown: Vec<&Name> = of_layout.keys().filter(|name| !known.contains(name)).collect();
    unknown.sort();
    for name in unknown {
        let problem = format!("{name} is in {INDEX_MEMBER} only: engines that read this file do not see it");
        checker.add(Diagnostic::note(Rule::O26, MANIFEST_MEMBER, problem));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_digests_some_are_shown_in_one_order() {
        let digests = |count: u8| (0..count).map(|n| Digest::sha256(&[n])).collect::<BTreeSet<_>>();
        let (few, many) = (some_of(&digests(3)), some_of(&digests(20)));
        assert!(few.split(", ").is_sorted() && few.matches("sha256:").count() == 3, "{few}");
        assert!(many.ends_with(", 4 more") && many.matches("sha256:").count() == 16, "{many}");
        assert!(!some_of(&digests(16)).contains("more"));
    }
}
