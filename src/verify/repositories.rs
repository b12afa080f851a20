//! `repositories` beside `manifest.json`: for readers that know nothing else, it should name the same images.
//!
//! What it maps names to is a v1 ID, whose directory holds the top layer; beside a layout it is the top layer's diff_id.
//!
//! Sources: docs/formats.md L-8, L-17, N-7.

use std::collections::{BTreeSet, HashMap};

use super::Checker;
use super::bodies::{BodyId, Outcome};
use super::docker::Tagged;
use crate::diagnostics::Diagnostic;
use crate::error::Result;
use crate::image::Name;
use crate::limits::MAX_MANIFEST_JSON;
use crate::path::escape_for_terminal;
use crate::reader::Format;
use crate::rule::Rule;
use crate::spec::docker::{REPOSITORIES_MEMBER, Repositories};
use crate::spec::reference::Reference;
use crate::spec::v1::V1Id;

/// A top layer by `repositories` that is to be the same as one by `manifest.json`.
pub(super) struct SameTop {
    name: String,
    by_repositories: BodyId,
    by_manifest: BodyId,
}

impl SameTop {
    /// What is wrong if the two are not the same tar; Docker 1.10 and 1.11 stored one that occurs twice twice (L-25).
    pub(super) fn verify(&self, outcome: &Outcome) -> Option<Diagnostic> {
        let tar = |body| outcome.of(body).plain.first();
        let (expected, found) = (tar(self.by_manifest)?, tar(self.by_repositories)?);
        let problem = format!("{} is an image with another top layer than in manifest.json", self.name);
        (expected != found).then(|| Diagnostic::warning(Rule::L8, REPOSITORIES_MEMBER, problem).values(expected, found))
    }
}

/// Checks `repositories`, if there is one, against the images of `manifest.json`.
pub(super) fn check(checker: &mut Checker<'_>, tagged: &[Tagged]) -> Result<()> {
    let Some(extent) = checker.member(REPOSITORIES_MEMBER, "the format")? else { return Ok(()) };
    let Some(bytes) = checker.bytes(&extent, REPOSITORIES_MEMBER, MAX_MANIFEST_JSON)? else { return Ok(()) };
    let Ok(Repositories(repositories)) = Repositories::read(&bytes, REPOSITORIES_MEMBER) else {
        let problem =
            "it is no object of objects of strings; only Docker up to 28 reads it, where manifest.json is missing";
        checker.add(Diagnostic::warning(Rule::L8, REPOSITORIES_MEMBER, problem));
        return Ok(());
    };
    let mut items: HashMap<&Name, &Tagged> = HashMap::new();
    for (name, item) in tagged.iter().flat_map(|item| item.names.iter().map(move |name| (name, item))) {
        items.entry(name).or_insert(item);
    }
    let mut named = BTreeSet::new();
    for (repository, tags) in &repositories {
        for (tag, id) in tags {
            let text = if tag.is_empty() { repository.clone() } else { format!("{repository}:{tag}") };
            entry(checker, &text, id, &items)?;
            named.extend(text.parse::<Reference>().ok().map(|reference| Name::Reference(reference.normalized())));
        }
    }
    for item in tagged.iter().filter(|item| item.layers > 0) {
        for name in item.names.iter().filter(|name| matches!(name, Name::Reference(_)) && !named.contains(name)) {
            let problem = format!("it does not know {name}, which is in {}", item.place);
            checker.add(Diagnostic::note(Rule::L8, REPOSITORIES_MEMBER, problem));
        }
    }
    Ok(())
}

/// One name and the top layer it stands for.
fn entry(checker: &mut Checker<'_>, text: &str, id: &str, items: &HashMap<&Name, &Tagged>) -> Result<()> {
    let shown = escape_for_terminal(text.as_bytes());
    let warn = |problem: String| Diagnostic::warning(Rule::L8, REPOSITORIES_MEMBER, problem);
    let name = text.parse::<Reference>().map(|reference| Name::Reference(reference.normalized()));
    let Some(item) = name.ok().and_then(|name| items.get(&name)) else {
        checker.add(warn(format!("{shown} is no name of an image in manifest.json")));
        return Ok(());
    };
    if checker.format == Format::Hybrid {
        return Ok(());
    }
    let Ok(id) = id.parse::<V1Id>() else {
        checker.add(warn(format!("{shown}: `{}` is no v1 ID", escape_for_terminal(id.as_bytes()))));
        return Ok(());
    };
    let member = id.layer_member();
    match (checker.member(&member, REPOSITORIES_MEMBER)?, item.top) {
        (Some(extent), Some(by_manifest)) => {
            let by_repositories = checker.bodies.add(extent, &member)?;
            if by_repositories != by_manifest {
                checker.bodies.plain(by_repositories, by_manifest);
                checker.same_top.push(SameTop { name: shown, by_repositories, by_manifest });
            }
        }
        (None, _) => checker.add(warn(format!("{shown}: the archive does not hold `{member}`"))),
        (Some(_), None) => {}
    }
    Ok(())
}
