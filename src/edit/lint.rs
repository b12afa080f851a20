//! Checks of a layer that was written elsewhere, for entries that engines that stack layers treat differently (E-38).
//!
//! Sources: docs/edit.md E-3 to E-7, E-38.

use std::collections::BTreeSet;

use super::headers::{Placements, StackHeaders};
use super::paths::{joined, parents};
use crate::archive::EntryKind;
use crate::diagnostics::Rule;
use crate::error::Result;
use crate::flatten::{Overlay, Role};
use crate::layer_index::LayerEntry;
use crate::path::{EntryPath, escape_for_terminal};
use crate::run::Run;

/// The entries with one fault: the first of them, and their number.
#[derive(Default)]
struct Flaw {
    first: Option<Vec<u8>>,
    count: usize,
}

impl Flaw {
    fn note(&mut self, path: &[u8]) {
        self.count += 1;
        self.first.get_or_insert_with(|| path.to_vec());
    }

    fn warn(&self, rule: Rule, at: &str, problem: &str, run: &Run) -> Result<()> {
        let Some(first) = &self.first else { return Ok(()) };
        let more = if self.count > 1 { format!(" (and {} more)", self.count - 1) } else { String::new() };
        run.diagnostics.warn(rule, at, format!("`{}`{more}: {problem}", escape_for_terminal(first)))
    }
}

/// Warns of entries of layer `number` that overlay filesystems fail on or change; `below` is the tree of the layers
/// below, `placements` are those of the layer's entries.
///
/// # Errors
/// With `--strict` the warnings.
pub(super) fn warn_of_flaws(
    headers: &StackHeaders,
    number: usize,
    below: &Overlay,
    placements: &Placements,
    at: &str,
    run: &Run,
) -> Result<()> {
    let (mut reaching, mut orphans, mut ghosts, mut contradictions) = <(Flaw, Flaw, Flaw, Flaw)>::default();
    let mut poorer = Flaw::default();
    let (mut listed, mut hidden) = (BTreeSet::new(), BTreeSet::new());
    let mut entries: Vec<Vec<u8>> = Vec::new();
    headers.each(number, |name, position, header| {
        let path = EntryPath::clean(name).unwrap_or_default();
        let placement = placements.at(position);
        match Role::of(path.as_bytes()) {
            Ok(Role::Remove { directory, name }) => {
                let canonical = placement.map_or_else(|| joined(directory, name), |placement| placement.path.clone());
                if !below.is_directory(directory) {
                    ghosts.note(path.as_bytes());
                }
                hidden.insert(canonical);
            }
            Ok(Role::Plain) => {
                let linked = placement.and_then(|placed| placed.entry).filter(|_| header.kind == EntryKind::HardLink);
                match linked {
                    Some(id) if id.layer as usize != number => reaching.note(path.as_bytes()),
                    Some(id) if !has_metadata_of(&header, &headers.entry(id)) => poorer.note(path.as_bytes()),
                    Some(_) | None => {}
                }
                if header.kind == EntryKind::Directory {
                    listed.insert(path.as_bytes().to_vec());
                }
                entries.push(path.as_bytes().to_vec());
            }
            Ok(Role::Opaque { .. } | Role::Bookkeeping) | Err(_) => {}
        }
        Ok(())
    })?;
    for path in &entries {
        if parents(path).any(|directory| !listed.contains(directory)) {
            orphans.note(path);
        }
        if hidden.contains(path) || parents(path).any(|directory| hidden.contains(directory)) {
            contradictions.note(path);
        }
    }
    contradictions.warn(
        Rule::E3,
        at,
        "a whiteout of it is in the same layer, on which overlay filesystems fail",
        run,
    )?;
    ghosts.warn(
        Rule::E4,
        at,
        "its directory is not in the layers below: overlay filesystems show a name that is not there",
        run,
    )?;
    orphans.warn(
        Rule::E5,
        at,
        "a directory above it is not listed in the layer: engines give it a mode of their own",
        run,
    )?;
    reaching.warn(Rule::E6, at, "a hard link to a file of a lower layer, on which overlay filesystems fail", run)?;
    poorer.warn(
        Rule::E7,
        at,
        "a hard link whose header has other metadata than its file: engines that apply it change the file",
        run,
    )
}

/// Returns whether the header of a hard link has all metadata of the file that engines apply (E-7).
fn has_metadata_of(link: &LayerEntry<'_>, file: &LayerEntry<'_>) -> bool {
    let metadata = |entry: &LayerEntry<'_>| (entry.mode, entry.uid, entry.gid, entry.mtime);
    metadata(link) == metadata(file) && link.records.xattrs().eq(file.records.xattrs())
}
