//! Everything that can be said against an archive, not only the first thing.
//!
//! The reader stops at the first fault, because a conversion has to. A check goes on: it has its own walk over the same
//! documents, which takes from each what can be read and notes what cannot, and one reading of every stored byte, which
//! judges digests, sizes, compression and tar at once. What a fault costs others is left to the severity of its
//! [`Diagnostic`]:
//!
//! | severity | when |
//! | --- | --- |
//! | error | a conversion refuses it, or what it makes may not be what was meant |
//! | warning | a conversion takes it with a warning, because engines disagree about it |
//! | note | harmless, and worth knowing |
//!
//! ```text
//! archive ── layout ─┐                     ┌─ bodies: digests, compression, tar (side by side)
//!         ── docker ─┼─ images, bodies ────┤
//!         ── v1 ─────┘                     └─ images: diff_ids, layers applied in order
//! ```
//!
//! Layers are never held; of their entries the headers are, until the layers have been applied.
//!
//! Sources: docs/formats.md M-11, section 8, and the rules that findings name.

mod bodies;
mod body;
mod docker;
mod documents;
mod entries;
mod finding;
mod heard;
mod hybrid;
mod image;
mod names;
mod oci;
mod repositories;
mod rules;
mod stacks;
mod v1;

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::archive::MemberIndex;
use crate::diagnostics::{Diagnostic, Severity};
use crate::error::Result;
use crate::inspect::format;
use crate::path::escape_for_terminal;
use crate::reader::{Archive, Format};
use crate::run::Run;
use crate::stream::source::{Extent, Input};

use bodies::Bodies;
use heard::Heard;
use image::Checked;
use names::Names;
use repositories::SameTop;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// How messages call the archive.
    pub archive: String,
    /// What it is, in the words of [`inspect`](crate::inspect).
    pub format: &'static str,
    /// Whether there are no errors.
    pub sound: bool,
    /// How much was looked at.
    pub checked: Extents,
    /// How many findings there are of each severity.
    pub counts: Counts,
    /// The findings: errors first, then warnings, then notes; within each in the order of the archive's documents.
    pub findings: Vec<Diagnostic>,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Extents {
    /// Images, one for each platform.
    pub images: usize,
    /// Layers, each distinct one once.
    pub layers: usize,
    /// Stored blobs and layer files, layers among them.
    pub blobs: usize,
    /// Bytes of these.
    pub bytes: u64,
    /// Entries of the layers.
    pub entries: u64,
}

/// How many findings there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Notes.
    pub notes: usize,
}

/// Checks everything in the archive in `input`.
///
/// # Errors
/// When it cannot be read as an image archive at all, a limit is passed, or reading fails. Whatever else is wrong with it is
/// a finding, and so is what `run` would else have been told of.
pub fn verify(input: Input, run: Run) -> Result<Report> {
    let heard = Heard::new();
    let run = Run { diagnostics: heard.diagnostics, ..run };
    let (archive, damage) = Archive::open_damaged(input, &run)?;
    let mut checker = Checker::new(&archive, &run);
    for error in damage {
        checker.refused(error, archive.members.label())?;
    }
    checker.findings.extend(heard.said.findings(archive.members.label()));
    match archive.format {
        Format::Oci => oci::check(&mut checker)?,
        Format::Docker => docker::check(&mut checker)?,
        Format::Hybrid => hybrid::check(&mut checker)?,
        Format::V1 => v1::check(&mut checker)?,
    }
    checker.finish(&archive)
}

/// What has been seen of an archive so far.
struct Checker<'a> {
    members: &'a MemberIndex,
    format: Format,
    run: &'a Run,
    findings: Vec<Diagnostic>,
    bodies: Bodies,
    images: Vec<Checked>,
    names: Names,
    same_top: Vec<SameTop>,
    /// Members that were found: a layout directory would give the same bytes another place each time.
    found: HashMap<String, Extent>,
}

impl<'a> Checker<'a> {
    fn new(archive: &'a Archive, run: &'a Run) -> Self {
        Self {
            members: &archive.members,
            format: archive.format,
            run,
            findings: Vec::new(),
            bodies: Bodies::default(),
            images: Vec::new(),
            names: Names::default(),
            same_top: Vec::new(),
            found: HashMap::new(),
        }
    }

    fn add(&mut self, finding: Diagnostic) {
        self.findings.push(finding);
    }

    /// The member `name`, through links; what is wrong with it is a finding, and then it counts as missing.
    fn member(&mut self, name: &str, named_by: &str) -> Result<Option<Extent>> {
        if let Some(found) = self.found.get(name) {
            return Ok(Some(found.clone()));
        }
        match self.members.find(name, named_by) {
            Ok(found) => {
                self.found.extend(found.iter().map(|extent| (name.to_owned(), extent.clone())));
                Ok(found)
            }
            Err(error) => {
                let place = escape_for_terminal(name.as_bytes());
                self.refused(error, &place)?;
                Ok(None)
            }
        }
    }

    /// Reads all bodies, applies all layers, and adds everything up.
    fn finish(mut self, archive: &Archive) -> Result<Report> {
        self.findings.extend(self.names.conflicts());
        let (blobs, bytes, layers) = (self.bodies.len(), self.bodies.size(), self.bodies.layers());
        let outcome = std::mem::take(&mut self.bodies).examine(self.run)?;
        self.findings.extend(outcome.findings());
        for image in &self.images {
            self.findings.extend(image.verify(&outcome, archive.format));
        }
        self.findings.extend(self.same_top.iter().filter_map(|same| same.verify(&outcome)));
        self.findings.extend(stacks::apply(&self.images, &outcome, self.run)?);
        let checked = Extents { images: self.distinct_images(), layers, blobs, bytes, entries: outcome.entries() };
        Ok(report(archive.members.label(), format(archive)?, checked, self.findings))
    }

    /// The halves of a hybrid tell of the same images.
    fn distinct_images(&self) -> usize {
        let ids: HashSet<_> = self.images.iter().map(Checked::identity).collect();
        ids.len()
    }
}

fn report(archive: &str, format: &'static str, checked: Extents, mut findings: Vec<Diagnostic>) -> Report {
    let mut said = HashSet::new();
    findings.retain(|finding| said.insert(finding.clone()));
    findings.sort_by_key(|finding| finding.severity);
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let counts =
        Counts { errors: count(Severity::Error), warnings: count(Severity::Warning), notes: count(Severity::Note) };
    Report { archive: archive.to_owned(), format, sound: counts.errors == 0, checked, counts, findings }
}
