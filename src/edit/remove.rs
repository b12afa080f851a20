//! Paths taken out of every layer, so that no blob holds them (E-20).
//!
//! Layers are edited entry by entry: all other entries are copied as they are, and a layer without a removed path keeps
//! every byte. Two trees are built side by side, the image's and that without the removed paths, because the meaning of
//! a name depends on the layers below: links, whiteouts and paths through symbolic links are decided by both.
//!
//! Sources: docs/edit.md E-20 to E-26.

mod check;
mod plan;

use std::collections::BTreeMap;
use std::io::Read;

pub(super) use check::RemovedContent;

use super::draft::Draft;
use super::headers::StackHeaders;
use super::paths::MOST_NAMED;
use super::pattern::PathPattern;
use super::rewrite;
use super::stack::DraftStack;
use super::workspace::Workspace;
use crate::archive::{EntryKind, TarEntry};
use crate::error::Result;
use crate::flatten::{Flattened, Lookup, Options, Overlay};
use crate::path::{EntryPath, escape_for_terminal};
use crate::run::Run;

use plan::{LayerPlan, Planner};

/// Takes the paths that match `patterns` out of every layer; returns for each pattern whether it matched any. The
/// content of the removed files is added to `removed`.
///
/// # Errors
/// Layers that cannot be read, the errors of flattening, no room for new layers.
pub(super) fn remove(
    draft: &mut Draft,
    patterns: &[PathPattern],
    removed: &mut RemovedContent,
    workspace: &Workspace<'_>,
) -> Result<Vec<bool>> {
    let DraftStack { layers, headers, mut bodies } = DraftStack::read_headers(draft, workspace)?;
    let mut targets = Targets::new(patterns, &headers, workspace.run)?;
    let mut planner = Planner::new(&headers, workspace.run)?;
    let mut summary = Summary::default();
    let mut unlinked = BTreeMap::new();
    for number in 0..layers.len() {
        let mut plan = planner.layer(number, &mut targets)?;
        if plan.rewrite.is_empty() {
            continue;
        }
        let name = draft.layer_name(number);
        summary.add(&name, &plan);
        unlinked.append(&mut plan.unlinked);
        let old = &layers[number];
        let dropped = |entry: &TarEntry, body: &mut dyn Read| removed.add(&entry.path, body, &old.at);
        let layer = rewrite::layer(old, number, &plan.rewrite, &headers, &mut bodies, dropped, workspace)?;
        let (layers, _) = draft.change_layers()?;
        layers[number].layer = layer;
        draft.drop_base(number);
    }
    // Hard links have no content of their own, but that of their files was to be removed.
    for (entry, path) in unlinked.into_iter().filter(|(entry, _)| headers.entry(*entry).kind == EntryKind::Regular) {
        bodies.entry(entry.layer as usize, headers.entry(entry).offset)?;
        bodies.read(|body| removed.add(&path, body, draft.at()))?;
    }
    summary.dangling(&planner.finish(), &headers, &targets);
    draft.changes.append(&mut summary.sentences());
    Ok(targets.hits)
}

/// The paths to remove: patterns, and the canonical forms of paths that were given by name.
pub(super) struct Targets<'p> {
    patterns: &'p [PathPattern],
    /// For each pattern, if it is a name, the canonical paths that it has in the state at each layer, and in the end.
    names: Vec<CanonicalNames>,
    /// One for each pattern: true if it matched a path.
    hits: Vec<bool>,
}

/// The canonical paths of one name.
#[derive(Clone, Default)]
struct CanonicalNames {
    at_layer: Vec<Option<Vec<u8>>>,
    in_the_end: Option<Vec<u8>>,
}

impl<'p> Targets<'p> {
    /// Follows the paths that are given by name in the state at each layer (E-20).
    fn new(patterns: &'p [PathPattern], headers: &StackHeaders, run: &Run) -> Result<Self> {
        let mut names = vec![CanonicalNames::default(); patterns.len()];
        let again = run.second_reading();
        let mut overlay = Overlay::new(Options::default());
        for number in 0..headers.len() {
            headers.apply(number, &mut overlay, &again)?;
            for (names, pattern) in names.iter_mut().zip(patterns) {
                let canonical = pattern.literal().and_then(|path| overlay.canonical(path));
                names.in_the_end.clone_from(&canonical);
                names.at_layer.push(canonical);
            }
        }
        Ok(Self { patterns, names, hits: vec![false; patterns.len()] })
    }

    /// Returns the number of the first pattern that removes the canonical `path` from layer `number`, and the part of
    /// `path` that it matches: all of it or a directory above it.
    fn find<'q>(&self, number: usize, path: &'q [u8]) -> Option<(usize, &'q [u8])> {
        self.all(number, path).next()
    }

    /// The same for every pattern that does.
    fn all<'s, 'q: 's>(&'s self, number: usize, path: &'q [u8]) -> impl Iterator<Item = (usize, &'q [u8])> + 's {
        let is_front = |front: &[u8]| path.strip_prefix(front).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
        self.patterns.iter().zip(&self.names).enumerate().filter_map(move |(pattern_number, (pattern, names))| {
            let mut canonical = names.at_layer.get(number).into_iter().flatten().chain(&names.in_the_end);
            let by_name = canonical.find(|front| is_front(front)).map(|front| &path[..front.len()]);
            Some((pattern_number, pattern.hit(path).or(by_name)?))
        })
    }

    /// The length of the shortest front of the canonical `path` that is to be removed from layer `number`.
    fn front(&self, number: usize, path: &[u8]) -> Option<usize> {
        self.all(number, path).map(|(_, front)| front.len()).min()
    }

    /// Returns whether the canonical `path` is to be removed from layer `number`.
    fn is_hit(&self, number: usize, path: &[u8]) -> bool {
        self.find(number, path).is_some()
    }

    /// As [`Targets::find`], and records that the pattern matched.
    fn take<'q>(&mut self, number: usize, path: &'q [u8]) -> Option<&'q [u8]> {
        let (pattern, front) = self.find(number, path)?;
        self.hits[pattern] = true;
        Some(front)
    }
}

/// The report of a removal.
#[derive(Default)]
struct Summary {
    /// Removed paths, with the layers that had them or hid them.
    removed: BTreeMap<Vec<u8>, Vec<String>>,
    /// Hard links that keep the content of a removed file: removed path, kept path.
    kept: Vec<(Vec<u8>, Vec<u8>)>,
    /// Symbolic links to removed paths.
    dangling: Vec<Vec<u8>>,
}

impl Summary {
    fn add(&mut self, layer: &str, plan: &LayerPlan) {
        for front in &plan.removed {
            self.removed.entry(front.clone()).or_default().push(layer.to_owned());
        }
        self.kept.extend(plan.kept.iter().cloned());
    }

    /// Finds the symbolic links that led to removed paths (E-23).
    fn dangling(&mut self, tree: &Flattened, headers: &StackHeaders, targets: &Targets<'_>) {
        let top = headers.len().saturating_sub(1);
        let is_symlink = |id| headers.entry(id).kind == EntryKind::Symlink;
        for node in tree.nodes().filter(|node| node.entry.is_some_and(is_symlink)) {
            let leads_there = match tree.follow(&node.path) {
                Lookup::Found { path, .. } => targets.is_hit(top, &path),
                Lookup::Missing { .. } | Lookup::NoDirectory { .. } | Lookup::Endless { .. } => false,
            };
            if leads_there && !targets.is_hit(top, &node.path) {
                self.dangling.push(node.path);
            }
        }
    }

    fn sentences(&self) -> Vec<String> {
        let show = |path: &[u8]| format!("`{}`", escape_for_terminal(path));
        let removed =
            self.removed.iter().map(|(path, layers)| format!("{}: removed from {}", show(path), layers.join(", ")));
        let kept =
            self.kept.iter().map(|(gone, kept)| format!("the content of {} stays, as {}", show(gone), show(kept)));
        let dangling = self.dangling.iter().map(|path| format!("{} is a symbolic link to what is removed", show(path)));
        [first(removed, "paths"), first(kept, "hard links"), first(dangling, "symbolic links")].concat()
    }
}

/// The first sentences, and how many more there are.
fn first(sentences: impl ExactSizeIterator<Item = String>, what: &str) -> Vec<String> {
    let more = sentences.len().saturating_sub(MOST_NAMED);
    let rest = (more > 0).then(|| format!("and {more} more {what}"));
    sentences.take(MOST_NAMED).chain(rest).collect()
}

/// The cleaned form of a name that flattening has taken.
fn clean(name: &[u8]) -> EntryPath {
    EntryPath::clean(name).unwrap_or_default()
}
