//! A layer written again with some of its entries changed: all others as the blocks that they are (E-25).

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use super::bodies::StackBodies;
use super::headers::StackHeaders;
use super::stack::form;
use super::workspace::{LayerWriter, Workspace, hard_link};
use crate::archive::{Ending, EntryKind, Reader, TarEntry, padding};
use crate::error::{Error, Result};
use crate::flatten::EntryKey;
use crate::image::Layer;
use crate::stream::source::Extent;

/// The entries of a layer that change, by the offsets of their headers; all others are copied as they are.
#[derive(Debug, Default)]
pub(super) struct LayerRewrite {
    /// The decision on each.
    pub(super) decisions: HashMap<u64, EntryDecision>,
    /// Directories to be written in front of them.
    pub(super) directories: BTreeMap<u64, Vec<AddedDirectory>>,
}

/// The decision on an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EntryDecision {
    /// It is left out.
    Drop,
    /// It stands at its canonical path (E-24).
    Move {
        /// The path.
        path: Vec<u8>,
    },
    /// A hard link to another name of the same file, with all its metadata (E-7, E-21).
    Link {
        /// The path.
        path: Vec<u8>,
        /// The earlier name.
        target: Vec<u8>,
        /// The entry that has the metadata.
        entry: EntryKey,
    },
    /// A hard link that becomes the file itself, because its name is the first that is left in this layer (E-21).
    Become {
        /// The path.
        path: Vec<u8>,
        /// The entry that has header and data.
        entry: EntryKey,
    },
}

impl EntryDecision {
    /// The path at which the entry is written; nothing for one that is left out.
    pub(super) fn path(&self) -> &[u8] {
        match self {
            Self::Drop => &[],
            Self::Move { path } | Self::Link { path, .. } | Self::Become { path, .. } => path,
        }
    }
}

/// A directory that is written in front of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AddedDirectory {
    pub(super) path: Vec<u8>,
    /// The entry that describes it; `None` for one that was only implied.
    pub(super) entry: Option<EntryKey>,
}

impl LayerRewrite {
    /// Returns whether the layer stays as it is.
    pub(super) fn is_empty(&self) -> bool {
        self.decisions.is_empty() && self.directories.is_empty()
    }
}

/// Writes layer `number` of a stack with `changes`; `dropped` is called with each file that is left out.
///
/// # Errors
/// A layer that cannot be read, no room for the new one, and errors of `dropped`.
pub(super) fn layer(
    layer: &Layer,
    number: usize,
    changes: &LayerRewrite,
    headers: &StackHeaders,
    bodies: &mut StackBodies<'_>,
    mut dropped: impl FnMut(&TarEntry, &mut dyn Read) -> Result<()>,
    workspace: &Workspace<'_>,
) -> Result<Layer> {
    let tar = bodies.tar(number)?;
    workspace.layer(&layer.at, form(layer), |out| {
        let again = workspace.second_reading();
        let failed = |error| Error::io("reading", &layer.at, error);
        let reader = tar.reader().map_err(failed)?;
        let mut reader = Reader::new(reader, Ending::Optional, &layer.at, &again.budget, &again.diagnostics);
        let mut rewriter = Rewriter { tar: &tar, headers, bodies, out };
        while let Some(entry) = reader.next_entry()? {
            for directory in changes.directories.get(&entry.header_offset).into_iter().flatten() {
                rewriter.directory(directory)?;
            }
            match changes.decisions.get(&entry.header_offset) {
                None => rewriter.copy(&entry)?,
                Some(EntryDecision::Drop) if entry.kind == EntryKind::Regular => {
                    dropped(&entry, &mut reader.body())?;
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
    /// Copies the entry's blocks as they are, but neither blocks between entries nor the bytes of its padding.
    fn copy(&mut self, entry: &TarEntry) -> Result<()> {
        let size = entry.data_offset + entry.stored - entry.header_offset;
        self.out.extent(&entry.path, &self.tar.slice(entry.header_offset, size))?;
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
        self.out.entry(&hard_link(path.to_vec(), target.to_vec(), found), &mut io::empty())
    }

    fn become_file(&mut self, path: &[u8], id: EntryKey) -> Result<()> {
        let found = self.found(id)?;
        self.bodies.copy(&TarEntry { path: path.to_vec(), sparse: None, ..found }, self.out)
    }

    fn found(&mut self, id: EntryKey) -> Result<TarEntry> {
        self.bodies.entry(id.layer as usize, self.headers.entry(id).offset)
    }
}
