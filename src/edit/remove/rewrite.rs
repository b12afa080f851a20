//! A layer written again without what is removed: kept entries as the blocks that they are (E-25).

use std::io;

use super::RemovedContent;
use super::plan::{AddedDirectory, EntryDecision, LayerPlan};
use crate::archive::{Ending, EntryKind, Reader, TarEntry, padding};
use crate::edit::bodies::StackBodies;
use crate::edit::headers::StackHeaders;
use crate::edit::squash::form;
use crate::edit::workshop::{LayerWriter, Workshop};
use crate::error::{Error, Result};
use crate::flatten::EntryKey;
use crate::image::Layer;
use crate::stream::source::Extent;

/// Writes layer `number` as `plan` says.
pub(super) fn layer(
    layer: &Layer,
    number: usize,
    plan: &LayerPlan,
    headers: &StackHeaders,
    bodies: &mut StackBodies<'_>,
    removed: &mut RemovedContent,
    workshop: &Workshop<'_>,
) -> Result<Layer> {
    let tar = bodies.tar(number)?;
    workshop.layer(&layer.at, form(layer), |out| {
        let again = workshop.again();
        let failed = |error| Error::io("reading", &layer.at, error);
        let reader = tar.reader().map_err(failed)?;
        let mut reader = Reader::new(reader, Ending::Optional, &layer.at, &again.budget, &again.diagnostics);
        let mut rewriter = Rewriter { tar: &tar, headers, bodies, out };
        while let Some(entry) = reader.next_entry()? {
            for directory in plan.directories.get(&entry.header_offset).into_iter().flatten() {
                rewriter.directory(directory)?;
            }
            match plan.decisions.get(&entry.header_offset) {
                None => rewriter.copy(&entry)?,
                Some(EntryDecision::Drop) if entry.kind == EntryKind::Regular => {
                    removed.add(&entry.path, &mut reader.body(), &layer.at)?;
                }
                Some(EntryDecision::Drop) => {}
                Some(EntryDecision::Move { path }) => {
                    let moved = TarEntry { path: path.clone(), sparse: None, ..entry };
                    rewriter.out.entry(&moved, &mut reader.body())?;
                }
                Some(EntryDecision::Link { path, target, entry }) => rewriter.link(path, target, *entry)?,
                Some(EntryDecision::Become { path, entry }) => rewriter.become_file(path, *entry)?,
            }
        }
        Ok(())
    })
}

struct Rewriter<'a, 'w, 'o> {
    tar: &'a Extent,
    headers: &'a StackHeaders,
    bodies: &'a mut StackBodies<'w>,
    out: &'a mut LayerWriter<'o>,
}

impl Rewriter<'_, '_, '_> {
    /// The entry's blocks as they are; what stood between them is not copied, and neither is what padded them.
    fn copy(&mut self, entry: &TarEntry) -> Result<()> {
        let size = entry.data_offset + entry.stored - entry.header_offset;
        let blocks = self.tar.slice(entry.header_offset, size);
        let mut blocks = blocks.reader().map_err(|error| Error::io("reading", self.tar.source().label(), error))?;
        self.out.body(&entry.path, size, &mut blocks)?;
        self.out.raw(padding(entry.stored))
    }

    fn directory(&mut self, directory: &AddedDirectory) -> Result<()> {
        let path = directory.path.clone();
        let entry = match directory.entry {
            Some(id) => self.headers.directory(path, id),
            None => TarEntry::directory(path),
        };
        self.out.entry(&entry, &mut io::empty())
    }

    fn link(&mut self, path: &[u8], target: &[u8], id: EntryKey) -> Result<()> {
        let found = self.found(id)?;
        let (path, link) = (path.to_vec(), target.to_vec());
        let link = TarEntry { path, link, kind: EntryKind::HardLink, device: (0, 0), size: 0, sparse: None, ..found };
        self.out.entry(&link, &mut io::empty())
    }

    fn become_file(&mut self, path: &[u8], id: EntryKey) -> Result<()> {
        let found = self.found(id)?;
        self.bodies.copy(&TarEntry { path: path.to_vec(), sparse: None, ..found }, self.out)
    }

    fn found(&mut self, id: EntryKey) -> Result<TarEntry> {
        self.bodies.entry(id.layer as usize, self.headers.entry(id).offset)
    }
}
