//! All faults of an archive, not only the first.
//!
//! The reader is the one of a conversion, set to collect errors instead of stopping at the first, so that an archive is
//! the same to both. The checks here add what a conversion does not need: whether the documents contradict one another,
//! and the bodies. Each of those is read once, for its digests, sizes, compression and tar; then the layers are applied
//! in order.
//!
//! | severity | when |
//! | --- | --- |
//! | error | a conversion refuses it, what it makes may not be what was meant, or no engine takes it |
//! | warning | a conversion takes it, but engines disagree about it |
//! | note | harmless, and worth knowing |
//!
//! ```text
//! reader ── ImageSet ─┬─ documents: names, platforms, histories, what is missing
//!                     └─ bodies: digests, compression, tar ── stacks: diff_ids, layers applied in order
//! ```
//!
//! Layers are never held; of their entries the headers are, until the layers have been applied.
//!
//! Sources: docs/formats.md M-11, section 8, and the rules that diagnostics name.

mod bodies;
mod body;
mod documents;
mod names;
mod repositories;
mod stack;
mod stacks;

use std::collections::HashSet;

use serde::Serialize;

use crate::diagnostics::{Diagnostic, DiagnosticLog, Diagnostics, Severity};
use crate::digest::Digest;
use crate::error::{ErrorKind, Result};
use crate::image::ImageSet;
use crate::reader::Archive;
use crate::run::Run;
use crate::spec::platform::Machine;
use crate::stream::input::Input;
use crate::stream::source::Extent;

use bodies::Bodies;
use repositories::SameTop;
use stack::Stacks;

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The name that messages use for the archive.
    pub archive: String,
    /// The format, in the words of [`inspect`](crate::inspect).
    pub format: &'static str,
    /// True if there are no errors; there may be warnings.
    pub ok: bool,
    /// The numbers of things that were checked.
    pub checked: CheckedTotals,
    /// The number of findings of each severity.
    pub counts: SeverityCounts,
    /// The findings: errors first, then warnings, then notes; within each in the order of the archive's documents.
    pub findings: Vec<Diagnostic>,
}

/// The numbers of things that were checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckedTotals {
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

/// Numbers of findings by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SeverityCounts {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Notes.
    pub notes: usize,
}

/// Checks everything in the archive in `input`, and in those of `with` only what it lists but does not hold: they are
/// the bases of an increment or a delta; none for a complete archive.
///
/// ```
/// use imgtar::{Run, verify};
///
/// # fn main() -> imgtar::Result<()> {
/// # if !std::path::Path::new("fixtures").exists() { return Ok(()); } // The published crate has none.
/// let report = verify("fixtures/dangling-index.tar.xz".into(), Vec::new(), Run::quiet())?;
/// for finding in &report.findings {
///     let rule = finding.rule.map_or_else(String::new, |rule| rule.to_string());
///     println!("{rule:5} {:?}: {}", finding.severity, finding.line());
/// }
/// assert!(report.ok, "{} errors", report.counts.errors);
/// # assert!(!report.findings.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When it cannot be read as an image archive at all, a limit is passed, or reading fails. All other faults are in the
/// report, and so are the diagnostics that `run` would have received: its own are replaced.
pub fn verify(input: Input, with: Vec<Input>, run: Run) -> Result<VerifyReport> {
    let run = Run { diagnostics: Diagnostics::collecting(), ..run };
    let archive = match Archive::open(input, &run) {
        Ok(archive) => archive,
        // The damage that was found may be the reason why it is not recognised.
        Err(error) if error.kind() == ErrorKind::Input => {
            return Err(run.diagnostics.take().first_error().unwrap_or(error));
        }
        Err(error) => return Err(error),
    };
    let set = match archive.images_with(with, None, &run) {
        Ok(set) => set,
        Err(error) => run.diagnostics.fault(error).map(|()| ImageSet::default())?,
    };
    let mut check = Verification::new(&archive, &set, &run);
    check.images()?;
    check.members()?;
    check.names();
    check.repositories()?;
    check.finish()
}

/// The state of checking an archive.
struct Verification<'a> {
    archive: &'a Archive,
    set: &'a ImageSet,
    run: &'a Run,
    log: DiagnosticLog,
    /// The addresses of the nodes and configs that have been checked.
    visited: HashSet<*const ()>,
    /// The images, each once for each machine that it runs on: the halves of a hybrid list the same ones.
    checked: HashSet<(Digest, Option<Machine>)>,
    bodies: Bodies,
    stacks: Stacks,
    same_top: Vec<SameTop>,
}

impl<'a> Verification<'a> {
    fn new(archive: &'a Archive, set: &'a ImageSet, run: &'a Run) -> Self {
        Self {
            archive,
            set,
            run,
            log: run.diagnostics.take(),
            visited: HashSet::new(),
            checked: HashSet::new(),
            bodies: Bodies::new(archive.members.is_directory()),
            stacks: Stacks::default(),
            same_top: Vec::new(),
        }
    }

    fn add(&mut self, diagnostic: Diagnostic) {
        self.log.add(diagnostic);
    }

    /// The member `name`, through links; one that is refused counts as missing.
    fn find(&mut self, name: &str, named_by: &str) -> Result<Option<Extent>> {
        self.or_missing(self.archive.members.find(name, named_by))
    }

    /// The member `name`, whose bytes are compared with the digest in it.
    fn find_blob(&mut self, name: &str) -> Result<Option<Extent>> {
        self.or_missing(self.archive.members.find_blob(name, "its name"))
    }

    fn or_missing(&mut self, found: Result<Option<Extent>>) -> Result<Option<Extent>> {
        found.or_else(|error| {
            self.run.diagnostics.fault(error)?;
            self.log.append(self.run.diagnostics.take());
            Ok(None)
        })
    }

    /// Reads all bodies, applies all layers, and adds everything up.
    fn finish(mut self) -> Result<VerifyReport> {
        let (blobs, bytes, layers) = (self.bodies.len(), self.bodies.size(), self.bodies.layers());
        let mut bodies = std::mem::take(&mut self.bodies).examine(self.run)?;
        bodies.report(&mut self.log);
        self.stacks.verify(&bodies, &mut self.log);
        for same in &self.same_top {
            same.verify(&bodies).map(|diagnostic| self.log.add(diagnostic));
        }
        stacks::apply(self.stacks.all(), &bodies, &mut self.log, self.run)?;
        self.log.append(self.run.diagnostics.take());
        let checked = CheckedTotals { images: self.checked.len(), layers, blobs, bytes, entries: bodies.entries() };
        Ok(report(self.archive.members.label(), self.archive.format_name()?, checked, self.log))
    }
}

fn report(archive: &str, format: &'static str, checked: CheckedTotals, log: DiagnosticLog) -> VerifyReport {
    let mut findings = log.into_list(archive);
    let label = format!("{archive}: ");
    for finding in &mut findings {
        if let Some(place) = finding.at.strip_prefix(&label) {
            finding.at = place.to_owned();
        }
    }
    findings.sort_by_key(|finding| finding.severity);
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let counts = SeverityCounts {
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        notes: count(Severity::Note),
    };
    VerifyReport { archive: archive.to_owned(), format, ok: counts.errors == 0, checked, counts, findings }
}
