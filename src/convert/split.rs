//! `--split`: an archive for each image.
//!
//! Source: docs/bundles.md B-41.

mod groups;
mod pattern;

use std::ops::ControlFlow;

pub(super) use groups::groups;
pub use pattern::{ParseSplitPatternError, SplitPattern};

use super::selection::Selection;
use crate::diagnostics::{Diagnostic, DiagnosticLog};
use crate::edit::EditedImage;
use crate::error::Result;
use crate::image::ImageEntry;
use crate::report::ConversionReport;
use crate::stream::side_by_side::side_by_side;
use crate::writer::{self, Contents, Output};

/// One of the archives that [`split`](crate::split) or [`edit_split`](crate::edit_split) wrote.
#[derive(Debug)]
#[non_exhaustive]
pub struct SplitArchive {
    /// Its file name.
    pub name: String,
    /// The images and layers in it.
    pub report: ConversionReport,
    /// The warnings about what was written into it.
    pub warnings: Vec<Diagnostic>,
    /// The outcome of an edit for each of its images; empty for a conversion.
    pub edited: Vec<EditedImage>,
}

/// Writes an archive for each of `groups`, whose entries were taken from `selection`, as [`split`](crate::split) does.
///
/// # Errors
/// Those of [`SplitPattern::names`], of `open` and of the writers: of archives that fail, that of the first.
pub(super) fn write(
    selection: &Selection<'_>,
    groups: &[Vec<ImageEntry>],
    pattern: &SplitPattern,
    open: &mut dyn FnMut(&str) -> Result<Output>,
) -> Result<Vec<SplitArchive>> {
    let Selection { options, run, .. } = selection;
    let names = pattern.names(groups)?;
    let contents: Vec<Contents<'_>> = groups.iter().map(|entries| selection.contents(entries)).collect();
    if run.progress.is_heard() {
        let work = contents.iter().map(|contents| writer::work(contents, options));
        let (bytes, moved) = work.fold((0, 0), |(bytes, moved), (more, more_moved)| (bytes + more, moved + more_moved));
        if moved > 0 {
            run.progress.expect_moved(bytes, moved);
        }
    }
    let weights: Vec<u64> = contents.iter().map(Contents::stored_size).collect();
    let begin = |number: usize| match open(&names[number]) {
        Ok(output) => ControlFlow::Continue((&contents[number], output)),
        Err(error) => ControlFlow::Break((Err(error), DiagnosticLog::default())),
    };
    let write = |(contents, output): (&Contents<'_>, Output), jobs| {
        let part = run.part(jobs);
        (writer::write(contents, output, options, &part), part.diagnostics.take())
    };
    let done = side_by_side(run.jobs, &weights, begin, write, |(written, _)| written.is_err());
    let archive = |(((written, found), name), entries): (((Result<_>, _), &String), &Vec<_>)| {
        let warnings = run.diagnostics.absorb(found);
        let report = ConversionReport { unread: selection.unread(entries), ..written? };
        Ok(SplitArchive { name: name.clone(), report, warnings, edited: Vec::new() })
    };
    done.into_iter().zip(&names).zip(groups).map(archive).collect()
}
