//! One layer in place of several: the difference between the tree below them and the tree with them (E-1).
//!
//! Sources: docs/edit.md E-1 to E-15, E-52; docs/formats.md.

use std::collections::HashMap;
use std::io;
use std::mem;

use super::bodies::StackBodies;
use super::difference::{LayerItem, difference};
use super::draft::Draft;
use super::headers::StackHeaders;
use super::paths::whiteout_of;
use super::stack::{DraftStack, form};
use super::workspace::{LayerWriter, Workspace, hard_link};
use crate::archive::{EntryKind, TarEntry};
use crate::codec::Codec;
use crate::diagnostics::Rule;
use crate::error::Result;
use crate::flatten::{EntryKey, Flattened, Options, Overlay};
use crate::image::Layer;
use crate::path::escape_for_terminal;
use crate::words::{counted, size};

/// Extended attributes in a layer that some engines act on instead of storing them (E-12).
const OVERLAY_ATTRIBUTES: &[u8] = b"SCHILY.xattr.trusted.overlay.";

/// Replaces the layers from `from` on by one, with the text `created_by` in the history; returns whether there were at
/// least two: fewer stay as they are.
///
/// # Errors
/// Layers that cannot be read, and the errors of flattening; with `--strict` what no layer can express for every
/// engine.
pub(super) fn squash(draft: &mut Draft, from: usize, created_by: &str, workspace: &Workspace<'_>) -> Result<bool> {
    let cut = draft.layers().len().saturating_sub(from);
    if cut < 2 {
        draft.changes.push(format!("nothing to squash: {}", if cut == 0 { "no layer" } else { "one layer" }));
        return Ok(false);
    }
    draft.change_layers()?;
    let at = format!("{}: the squashed layer", draft.at());
    let mut copied_up = CopiedUp::default();
    let layer = workspace.verified(&draft.stack()[from..], || {
        let DraftStack { layers, headers, bodies } = DraftStack::read(draft, from, workspace)?;
        let codec = layers.last().map_or(Codec::Plain, form);
        let (below, above) = trees(&headers, from, workspace)?;
        workspace.layer(&at, codec, |out| {
            let (linked, run) = (HashMap::new(), workspace.run);
            let mut writer = DifferenceWriter {
                headers: &headers,
                bodies,
                out,
                linked,
                from,
                copied_up: &mut copied_up,
                at: &at,
                run,
            };
            let is_alike = |one, other| headers.is_alike(one, other);
            difference(&below, &above, &is_alike, |item| writer.item(item))
        })
    })?;
    copied_up.tell(draft);
    record(draft, from..from + cut, layer, created_by)?;
    Ok(true)
}

/// The trees of the layers below `from` and of all.
fn trees(headers: &StackHeaders, from: usize, workspace: &Workspace<'_>) -> Result<(Flattened, Flattened)> {
    let mut overlay = Overlay::new(Options::default());
    let mut below = None;
    for number in 0..headers.len() {
        if number == from {
            workspace.run.budget.charge_memory(overlay.size(), "the tree of the kept layers")?;
            below = Some(overlay.clone().finish());
        }
        headers.apply(number, &mut overlay, workspace.run)?;
    }
    let below = below.unwrap_or_else(|| Overlay::new(Options::default()).finish());
    let above = overlay.finish();
    above.check_paths("the layers to squash")?;
    Ok((below, above))
}

/// Puts `layer` where those of the range `replaced` were.
fn record(draft: &mut Draft, replaced: std::ops::Range<usize>, layer: Layer, created_by: &str) -> Result<()> {
    let change = match (replaced.len(), replaced.start) {
        (1, 0) => "its one layer made anew".to_owned(),
        (2, 0) => "both layers merged into one".to_owned(),
        (count, 0) => format!("all {count} layers merged into one"),
        (count, first) => format!("{} from {} on merged into one", counted(count, "layer"), draft.layer_name(first)),
    };
    draft.changes.push(change);
    let created = draft.created();
    let (layers, history) = draft.change_layers()?;
    history.squash(replaced.clone(), created_by, &created);
    layers.truncate(replaced.start);
    layers.push(layer.into());
    Ok(())
}

/// Data of the base that the layer had to repeat (E-6).
#[derive(Default)]
struct CopiedUp {
    bytes: u64,
    /// The first of the files.
    first: Option<Vec<u8>>,
}

impl CopiedUp {
    fn tell(&self, draft: &mut Draft) {
        if let Some(first) = &self.first {
            let path = escape_for_terminal(first);
            draft
                .changes
                .push(format!("it carries {} of the kept layers: `{path}` has new hard links", size(self.bytes)));
        }
    }
}

/// Writes the items of a difference.
struct DifferenceWriter<'a, 'w, 'o> {
    headers: &'a StackHeaders,
    bodies: StackBodies<'w>,
    out: &'a mut LayerWriter<'o>,
    /// Entries that have names still to come, and how many.
    linked: HashMap<EntryKey, (TarEntry, u32)>,
    /// The first of the layers that are replaced.
    from: usize,
    copied_up: &'a mut CopiedUp,
    at: &'a str,
    run: &'a crate::run::Run,
}

impl DifferenceWriter<'_, '_, '_> {
    fn item(&mut self, item: LayerItem) -> Result<()> {
        match item {
            LayerItem::Entry { path, entry, links } => self.entry(path, entry, links),
            LayerItem::ImplicitDirectory { path } => self.bodiless(&TarEntry::directory(path)),
            LayerItem::HardLink { path, target, entry } => {
                let found = self.another_name(entry)?;
                self.bodiless(&hard_link(path, target, found))
            }
            LayerItem::Whiteout { hidden } => self.bodiless(&whiteout(&hidden)),
        }
    }

    fn entry(&mut self, path: Vec<u8>, id: EntryKey, links: u32) -> Result<()> {
        let path = if path.is_empty() { b".".to_vec() } else { path };
        let header = self.headers.entry(id);
        if header.kind == EntryKind::Directory {
            let directory = self.headers.directory(path, id);
            return self.write(directory, false);
        }
        let found = self.bodies.entry(id.layer as usize, header.offset)?;
        if (id.layer as usize) < self.from && found.kind == EntryKind::Regular {
            self.copied_up.bytes += found.size;
            self.copied_up.first.get_or_insert_with(|| path.clone());
        }
        if links > 0 {
            self.run.budget.charge_memory(size_of::<TarEntry>() as u64 + found.charge_memory(), "hard links")?;
            self.linked.insert(id, (found.clone(), links));
        }
        self.write(TarEntry { path, ..found }, true)
    }

    /// The entry at `id`, which has been written under another name.
    fn another_name(&mut self, id: EntryKey) -> Result<TarEntry> {
        if let Some((entry, left @ 2..)) = self.linked.get_mut(&id) {
            *left -= 1;
            return Ok(entry.clone());
        }
        match self.linked.remove(&id) {
            Some((entry, _)) => Ok(entry),
            None => self.bodies.entry(id.layer as usize, self.headers.entry(id).offset),
        }
    }

    fn bodiless(&mut self, entry: &TarEntry) -> Result<()> {
        self.write(entry.clone(), false)
    }

    /// Headers may be written many times longer than they were read, as for a root filesystem (R-6, H-15).
    fn write(&mut self, entry: TarEntry, has_body: bool) -> Result<()> {
        let mut entry = TarEntry { sparse: None, ..entry };
        self.run.budget.decoded(entry.charge_memory(), "headers of a squashed layer")?;
        self.leave_out_attributes(&mut entry)?;
        if has_body { self.bodies.copy(&entry, self.out) } else { self.out.entry(&entry, &mut io::empty()) }
    }

    /// Leaves out the attributes that Docker and podman act on instead of storing them (E-12).
    fn leave_out_attributes(&mut self, entry: &mut TarEntry) -> Result<()> {
        let (out, kept) =
            mem::take(&mut entry.records).into_iter().partition(|(key, _)| key.starts_with(OVERLAY_ATTRIBUTES));
        let out: Vec<(Vec<u8>, Vec<u8>)> = out;
        entry.records = kept;
        if out.is_empty() {
            return Ok(());
        }
        let path = escape_for_terminal(&entry.path);
        let problem = format!("`{path}`: its trusted.overlay attributes are left out: engines would interpret them");
        self.run.diagnostics.warn_of_target(Rule::E12, self.at, problem)
    }
}

/// The whiteout of `hidden`: an empty file without any metadata (E-11).
fn whiteout(hidden: &[u8]) -> TarEntry {
    TarEntry { mode: 0, ..TarEntry::plain_file(whiteout_of(hidden), 0) }
}
