//! What images are called: names that engines refuse, and names that two images claim.
//!
//! Sources: docs/formats.md L-7, N-1, N-9, O-20, O-23, O-24.

use std::collections::{BTreeMap, HashSet};

use super::Checker;
use crate::diagnostics::Diagnostic;
use crate::digest::Digest;
use crate::image::{IMAGE_NAME, Name, REF_NAME};
use crate::path::escape_for_terminal;
use crate::rule::Rule;
use crate::spec::descriptor::Descriptor;
use crate::spec::platform::Platform;
use crate::spec::reference::Reference;

/// Who claims which name.
#[derive(Default)]
pub(super) struct Names(BTreeMap<Name, Vec<Claim>>);

struct Claim {
    /// What is called so: a manifest, an index or a config.
    digest: Digest,
    /// What it runs on, if that is said where the name is.
    platform: Option<Platform>,
    place: String,
}

impl Names {
    /// `place` calls `digest` so.
    pub(super) fn claim(&mut self, name: &Name, digest: &Digest, platform: Option<&Platform>, place: &str) {
        let claim = Claim { digest: digest.clone(), platform: platform.cloned(), place: place.to_owned() };
        self.0.entry(name.clone()).or_default().push(claim);
    }

    /// Names that stand for two images of one platform (N-9).
    pub(super) fn conflicts(&self) -> Vec<Diagnostic> {
        let mut findings = Vec::new();
        for (name, claims) in &self.0 {
            // Of claims that say the same the first will do: there may be a million.
            let (mut others, mut seen): (Vec<&Claim>, _) = (Vec::new(), HashSet::new());
            for claim in claims {
                let other = others.iter().find(|other| other.digest != claim.digest && claim.is_beside(other));
                if let Some(other) = other {
                    let problem = format!("two images are called {name}, the other one by {}", other.place);
                    findings
                        .push(Diagnostic::error(Rule::N9, &claim.place, problem).values(&other.digest, &claim.digest));
                }
                if seen.insert((&claim.digest, &claim.platform)) {
                    others.push(claim);
                }
            }
        }
        findings
    }
}

impl Claim {
    /// Whether nothing tells the two apart for those who choose by platform.
    fn is_beside(&self, other: &Self) -> bool {
        match (&self.platform, &other.platform) {
            (Some(one), Some(two)) => one.matches(two),
            _ => true,
        }
    }
}

impl Checker<'_> {
    /// The names in `RepoTags`; those that engines refuse are warned about (L-7).
    pub(super) fn repo_tags(&mut self, tags: &[String], place: &str) -> Vec<Name> {
        let mut names = Vec::with_capacity(tags.len());
        for tag in tags {
            let shown = escape_for_terminal(tag.as_bytes());
            let problem = match tag.parse::<Reference>() {
                Ok(reference) if reference.digest().is_some() => {
                    Some(format!("the name `{shown}` is a digest, which no archive can keep"))
                }
                Ok(reference) if reference.tag().is_none() => Some(format!("the name `{shown}` has no tag")),
                Ok(_) => None,
                Err(error) => Some(error.to_string()),
            };
            names.push(match tag.parse::<Reference>() {
                Ok(reference) => Name::Reference(reference.normalized()),
                Err(_) => Name::Text(tag.clone()),
            });
            if let Some(problem) = problem {
                self.add(Diagnostic::warning(Rule::L7, place, format!("{problem}; not every engine loads it")));
            }
        }
        names
    }

    /// Names in annotations that some reader cannot use (O-23, O-24).
    pub(super) fn annotated_names(&mut self, descriptor: &Descriptor, place: &str) {
        if let Some(Err(error)) = descriptor.annotation(IMAGE_NAME).map(str::parse::<Reference>) {
            self.add(Diagnostic::warning(Rule::O24, place, format!("{IMAGE_NAME}: {error}")));
        }
        if let Some(text) = descriptor.annotation(REF_NAME).filter(|text| !is_ref_name(text)) {
            let problem = format!(
                "{REF_NAME}: `{}` is not of the form that skopeo can select",
                escape_for_terminal(text.as_bytes())
            );
            self.add(Diagnostic::warning(Rule::O23, place, problem));
        }
    }
}

/// `C(/C)*` with `C = A((-|.|_|:|@|+|--)A)*` and `A = [A-Za-z0-9]+` (O-23).
fn is_ref_name(text: &str) -> bool {
    text.split('/').all(|component| {
        let is_alphanumeric = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        component.replace("--", "-").split(['-', '.', '_', ':', '@', '+']).all(is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ref_names_have_the_form_of_the_specification() {
        for text in ["1", "latest", "foo:1", "ex.org/a:1", "a--b", "a-b.c_d", "a@sha256:0", "docker.io/library/app:1"] {
            assert!(is_ref_name(text), "{text}");
        }
        for text in ["", "/", "a/", "a b", "a..b", "a---b", "-a", "é", "a__b"] {
            assert!(!is_ref_name(text), "{text}");
        }
    }
}
