//! The references to an image that has changed: indexes, which list it under its new digest, and signatures,
//! attestations and other referrers, which are about the old one and are left out (E-40 to E-42).
//!
//! No engine notices a reference to a digest that is gone, so none is written.
//!
//! Sources: docs/edit.md E-41, E-42; docs/formats.md O-13, O-14.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::digest::Digest;
use crate::error::Result;
use crate::image::{Child, Image, ImageEntry, ImageIndex, Name, Node};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::spec::json;

/// Images that have changed, by the address in memory of the image that was read.
pub(super) type ChangedImages = HashMap<*const Image, Arc<Image>>;

/// Returns `entries` with the changed images in place of the old ones.
///
/// # Errors
/// With `--strict`, when something is left out.
pub(super) fn replace(entries: Vec<ImageEntry>, changed: &ChangedImages, run: &Run) -> Result<Vec<ImageEntry>> {
    let mut gone = HashSet::new();
    entries.iter().for_each(|entry| {
        collect_gone(&entry.node, changed, &mut gone);
    });
    let stale = Stale::find(&entries, gone);
    let mut replaced = Vec::with_capacity(entries.len());
    for entry in entries {
        if stale.is_entry(&entry) {
            stale.warn(&entry.node, entry.descriptor.as_ref(), run)?;
            continue;
        }
        let node = stale.replaced(&entry.node, changed, run)?;
        if let Some(descriptor) =
            entry.descriptor.as_ref().filter(|descriptor| stale.gone.contains(descriptor.digest()))
        {
            // It is made again with the new digest; the one that was read stays in memory.
            let size = json::memory_size(&json::write(descriptor));
            run.budget.charge_memory(size, "the descriptor of a changed image")?;
        }
        let descriptor = entry.descriptor.map(|descriptor| with_platform(descriptor, &entry.node, &node));
        replaced.push(ImageEntry { descriptor, node, ..entry });
    }
    Ok(replaced)
}

/// Adds the digests of manifests and indexes that will not be written any more; returns whether `node` has one of
/// these.
fn collect_gone(node: &Node, changed: &ChangedImages, gone: &mut HashSet<Digest>) -> bool {
    match node {
        Node::Image(image) if changed.contains_key(&Arc::as_ptr(image)) => {
            gone.extend(image.manifest.as_ref().map(|manifest| manifest.digest.clone()));
            true
        }
        Node::Index(index) => {
            let children = index.children.iter().map(|child| collect_gone(&child.node, changed, gone));
            // Every child, not only the first: all that is below has to be seen.
            let is_changed = children.fold(false, |any, one| any | one);
            if is_changed {
                gone.insert(index.document.digest.clone());
            }
            is_changed
        }
        Node::Image(_) | Node::Artifact(_) | Node::Missing(_) | Node::Broken(_) => false,
    }
}

/// The referrers of manifests and indexes that are not written any more.
struct Stale {
    /// Digests of manifests and indexes, those of the referrers among them: a signature may be about an attestation.
    gone: HashSet<Digest>,
    /// The same as the tags that cosign makes of them: `sha256-<hex>`.
    tags: HashSet<String>,
}

impl Stale {
    /// Adds to `gone` what refers to it, directly or through another referrer.
    fn find(entries: &[ImageEntry], mut gone: HashSet<Digest>) -> Self {
        let listed = entries.iter().filter_map(|entry| Some((&entry.node, entry.descriptor.as_ref()?)));
        let indexes = entries.iter().flat_map(|entry| entry.node.indexes());
        let children = indexes.flat_map(|index| &index.children).map(|child| (&child.node, &child.descriptor));
        let mut referrers: HashMap<Digest, Vec<&Digest>> = HashMap::new();
        for (node, descriptor) in listed.chain(children) {
            for subject in subjects(node, Some(descriptor)) {
                referrers.entry(subject).or_default().push(descriptor.digest());
            }
        }
        let mut waiting: Vec<Digest> = gone.iter().cloned().collect();
        while let Some(subject) = waiting.pop() {
            for referrer in referrers.remove(&subject).into_iter().flatten() {
                if gone.insert(referrer.clone()) {
                    waiting.push(referrer.clone());
                }
            }
        }
        let tags = gone.iter().map(|digest| digest.to_string().replace(':', "-")).collect();
        Self { gone, tags }
    }

    fn is_stale(&self, node: &Node, descriptor: Option<&Descriptor>) -> bool {
        subjects(node, descriptor).any(|subject| self.gone.contains(&subject))
    }

    /// Returns whether an entry of `index.json` refers to something gone, by subject or by name, as cosign's do:
    /// `sha256-<hex>.sig`.
    fn is_entry(&self, entry: &ImageEntry) -> bool {
        let named = |name: &Name| {
            let text = name.to_string();
            let tag = text.rsplit(':').next().unwrap_or_default();
            let digest = [".sig", ".att", ".sbom"].iter().find_map(|suffix| tag.strip_suffix(suffix));
            digest.is_some_and(|digest| self.tags.contains(digest))
        };
        let is_named = !entry.names.is_empty() && entry.names.iter().all(named);
        is_named || self.is_stale(&entry.node, entry.descriptor.as_ref())
    }

    fn replaced(&self, node: &Node, changed: &ChangedImages, run: &Run) -> Result<Node> {
        match node {
            Node::Image(image) => Ok(Node::Image(Arc::clone(changed.get(&Arc::as_ptr(image)).unwrap_or(image)))),
            Node::Index(index) => self.index(index, changed, run).map(Node::Index),
            Node::Artifact(_) | Node::Missing(_) | Node::Broken(_) => Ok(node.clone()),
        }
    }

    fn index(&self, index: &Arc<ImageIndex>, changed: &ChangedImages, run: &Run) -> Result<Arc<ImageIndex>> {
        if !self.gone.contains(&index.document.digest) {
            return Ok(Arc::clone(index));
        }
        // The old one stays in memory with the archive that was read.
        run.budget.charge_memory(2 * json::memory_size(&index.document.raw), "a changed index")?;
        let mut children = Vec::with_capacity(index.children.len());
        for child in &index.children {
            if self.is_stale(&child.node, Some(&child.descriptor)) {
                self.warn(&child.node, Some(&child.descriptor), run)?;
                continue;
            }
            let node = self.replaced(&child.node, changed, run)?;
            let descriptor = with_platform(child.descriptor.clone(), &child.node, &node);
            children.push(Child { descriptor, node });
        }
        Ok(Arc::new(ImageIndex { document: index.document.clone(), children }))
    }

    fn warn(&self, node: &Node, descriptor: Option<&Descriptor>, run: &Run) -> Result<()> {
        let what = match node {
            Node::Artifact(artifact) => artifact.what.clone(),
            Node::Image(_) | Node::Index(_) | Node::Missing(_) | Node::Broken(_) => "an image".to_owned(),
        };
        let digest = descriptor.map_or_else(String::new, |descriptor| format!(" ({})", descriptor.digest()));
        let problem = "left out: it is about an image before its change";
        run.diagnostics.warn_of_target(Rule::E42, format!("{what}{digest}"), problem)
    }
}

/// Returns the digests of what `node`, listed by `descriptor`, is about.
fn subjects(node: &Node, descriptor: Option<&Descriptor>) -> impl Iterator<Item = Digest> {
    let attested = descriptor.and_then(|descriptor| descriptor.attested()?.parse().ok());
    let subject = match node {
        Node::Artifact(artifact) => artifact.subject.as_ref(),
        Node::Image(image) => {
            image.manifest.as_ref().and_then(|manifest| manifest.view.subject()).map(Descriptor::digest)
        }
        Node::Index(index) => index.document.view.subject().map(Descriptor::digest),
        Node::Missing(_) | Node::Broken(_) => None,
    };
    attested.into_iter().chain(subject.cloned())
}

/// The descriptor with the platform of a changed image: of the members that it had, and that the change has changed (E-41).
fn with_platform(descriptor: Descriptor, before: &Node, after: &Node) -> Descriptor {
    let (Node::Image(before), Node::Image(after), Some(platform)) = (before, after, descriptor.platform().cloned())
    else {
        return descriptor;
    };
    if before.platform == after.platform {
        return descriptor;
    }
    descriptor.with_platform(&platform.updated(&before.platform, &after.platform))
}
