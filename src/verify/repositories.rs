//! `repositories` beside `manifest.json`: it should name the same images, for readers that know only `repositories`.
//!
//! It maps names to v1 IDs, whose directories hold the top layers; beside a layout, to the diff_ids of the top layers.
//!
//! Sources: docs/formats.md L-8, L-17, N-7.

use std::collections::{HashMap, HashSet};

use super::Verification;
use super::bodies::{BodyId, ExaminedBodies};
use crate::diagnostics::Diagnostic;
use crate::error::{ErrorKind, Result};
use crate::image::{Blob, ListedNode, Name, Node};
use crate::limits::MAX_MANIFEST_JSON;
use crate::path::quote;
use crate::reader::Format;
use crate::rule::Rule;
use crate::spec::docker::{ManifestItem, REPOSITORIES_MEMBER, Repositories};
use crate::spec::json;
use crate::spec::v1::V1Id;

/// A top layer by `repositories` that is to be the same as one by `manifest.json`.
pub(super) struct SameTop {
    at: String,
    name: String,
    by_repositories: BodyId,
    by_manifest: BodyId,
}

impl SameTop {
    /// Returns a warning if the two are not the same tar; Docker 1.10 and 1.11 stored a repeated layer twice (L-25).
    pub(super) fn verify(&self, bodies: &ExaminedBodies) -> Option<Diagnostic> {
        let tar = |body| bodies.of(body).plain.first();
        let (expected, found) = (tar(self.by_manifest)?, tar(self.by_repositories)?);
        let problem = format!("{} is an image with another top layer than in manifest.json", self.name);
        (expected != found).then(|| Diagnostic::warning(Rule::L8, &self.at, problem).values(expected, found))
    }
}

impl Verification<'_> {
    /// Checks `repositories`, if there is one, against the items of `manifest.json`.
    pub(super) fn repositories(&mut self) -> Result<()> {
        let Some(listing) = &self.set.manifest_json else { return Ok(()) };
        let at = self.archive.members.at(REPOSITORIES_MEMBER);
        let repositories = match self.read_repositories(&at) {
            Ok(Some(Repositories(repositories))) => repositories,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Input => {
                let problem = "it is not an object of objects of strings; only Docker up to 28 reads it, where manifest.json \
                               is missing";
                self.add(Diagnostic::warning(Rule::L8, at, problem));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut items: HashMap<Name, &ListedNode<ManifestItem>> = HashMap::new();
        for item in &listing.listed {
            for name in Name::of_item(&item.written) {
                items.entry(name).or_insert(item);
            }
        }
        let mut named = HashSet::new();
        for (repository, tags) in &repositories {
            for (tag, id) in tags {
                let text = if tag.is_empty() { repository.clone() } else { format!("{repository}:{tag}") };
                let name = Name::of_repo_tag(&text);
                self.entry(&text, id, items.get(&name).copied(), &at)?;
                named.insert(name);
            }
        }
        for item in listing.listed.iter().filter(|item| !item.written.layers.is_empty()) {
            for name in Name::of_item(&item.written) {
                if matches!(name, Name::Reference(_)) && !named.contains(&name) {
                    let problem = format!("it does not know {name}, which is in {}", item.at);
                    self.add(Diagnostic::note(Rule::L8, &at, problem));
                }
            }
        }
        Ok(())
    }

    /// Reads `repositories`; `None` if there is none.
    fn read_repositories(&self, at: &str) -> Result<Option<Repositories>> {
        let Some(extent) = self.archive.members.find(REPOSITORIES_MEMBER, "the format")? else { return Ok(None) };
        let raw = extent.read(at, MAX_MANIFEST_JSON)?;
        self.run.budget.charge_memory(json::memory_size(&raw), at)?;
        Repositories::read(&raw, at).map(Some)
    }

    /// Checks one name and the top layer it stands for.
    fn entry(&mut self, text: &str, id: &str, item: Option<&ListedNode<ManifestItem>>, at: &str) -> Result<()> {
        let shown = quote(text);
        let Some(item) = item else {
            self.add(Diagnostic::warning(Rule::L8, at, format!("{shown} is not a name of an image in manifest.json")));
            return Ok(());
        };
        if self.archive.format == Format::Hybrid {
            return Ok(());
        }
        let Ok(id) = id.parse::<V1Id>() else {
            self.add(Diagnostic::warning(Rule::L8, at, format!("{shown}: `{}` is not a v1 ID", quote(id))));
            return Ok(());
        };
        let member = id.layer_member();
        let Some(extent) = self.find(&member, REPOSITORIES_MEMBER)? else {
            self.add(Diagnostic::warning(Rule::L8, at, format!("{shown}: the archive does not hold `{member}`")));
            return Ok(());
        };
        let Some(top) = top_layer(&item.node) else { return Ok(()) };
        let by_manifest = self.bodies.add(top.extent.clone(), &item.at)?;
        let by_repositories = self.bodies.add(extent, &self.archive.members.at(&member))?;
        if by_repositories != by_manifest {
            self.bodies.comparable(by_repositories, by_manifest);
            self.same_top.push(SameTop { at: at.to_owned(), name: shown, by_repositories, by_manifest });
        }
        Ok(())
    }
}

/// The bytes of the last layer.
fn top_layer(node: &Node) -> Option<&Blob> {
    match node {
        Node::Image(image) => image.layers.last()?.blob.as_ref(),
        Node::Broken(broken) => broken.image.as_ref()?.layers.last()?.blob.as_ref(),
        Node::Index(_) | Node::Artifact(_) | Node::Missing(_) => None,
    }
}
