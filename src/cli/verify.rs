//! `imgtar verify`.

use std::io;

use imgtar::diagnostics::{Diagnostic, Severity};
use imgtar::error::Result;
use imgtar::verify::{Extents, Report, verify};

use super::answer::{Answer, Session, said, verdict};
use super::args::VerifyArgs;
use super::exit::Exit;
use super::page::{Page, Tone, cell};
use super::terminal::Verbosity;
use super::words::{counted, size};

/// Checks the archive: no is the answer if anything is wrong, or, with `--strict`, doubtful.
///
/// # Errors
/// Those of the command line, and those of an archive that cannot be read at all.
pub(super) fn run(args: &VerifyArgs) -> Result<Exit> {
    let session = Session::begin(&args.run)?;
    let input = session.input(args.input.as_deref())?;
    let verbosity = session.verbosity;
    let report = verify(input, session.run)?;
    let doubtful = args.run.strict && report.counts.warnings > 0;
    answer(args, &report, verbosity)?;
    Ok(verdict(report.sound && !doubtful))
}

fn answer(args: &VerifyArgs, report: &Report, verbosity: Verbosity) -> Result<()> {
    let mut out = Answer::begin()?;
    if args.json {
        out.json(report)?;
    } else {
        said(write(&mut Page::new(&mut out), report, verbosity))?;
    }
    out.finish()
}

/// A line for each finding, and one for all that was looked at.
fn write(page: &mut Page<'_>, report: &Report, verbosity: Verbosity) -> io::Result<()> {
    let least = match verbosity {
        Verbosity::Quiet => Severity::Error,
        Verbosity::Normal => Severity::Warning,
        Verbosity::Verbose => Severity::Note,
    };
    for finding in report.findings.iter().filter(|finding| finding.severity <= least) {
        line(page, finding)?;
    }
    if verbosity > Verbosity::Quiet {
        summary(page, report)?;
    }
    Ok(())
}

fn line(page: &mut Page<'_>, finding: &Diagnostic) -> io::Result<()> {
    let (tone, word) = match finding.severity {
        Severity::Error => (Tone::Bad, "error"),
        Severity::Warning => (Tone::Fair, "warning"),
        Severity::Note => (Tone::Key, "note"),
    };
    let rule = finding.rule.map(|rule| format!(" ({rule})")).unwrap_or_default();
    let values = match (&finding.expected, &finding.found) {
        (Some(expected), Some(found)) => format!(": expected {expected}, found {found}"),
        _ => String::new(),
    };
    page.line(&cell(word).tone(tone), &format!(": {}: {}{values}{rule}", finding.at, finding.message))
}

/// `sound: app.tar: 1 image, 2 layers, 5 blobs of 1.2 MiB; 1 note`.
fn summary(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let counts = report.counts;
    let (tone, verdict) = match (report.sound, counts.warnings) {
        (false, _) => (Tone::Bad, "not sound"),
        (true, 0) => (Tone::Good, "sound"),
        (true, _) => (Tone::Fair, "sound"),
    };
    let kinds = [(counts.errors, "error"), (counts.warnings, "warning"), (counts.notes, "note")];
    let some = kinds.into_iter().filter(|(number, _)| *number > 0);
    let found: Vec<String> = some.map(|(number, noun)| counted(number as u64, noun)).collect();
    let found = if found.is_empty() { String::new() } else { format!("; {}", found.join(", ")) };
    page.line(&cell(verdict).tone(tone), &format!(": {}: {}{found}", report.archive, checked(report.checked)))
}

fn checked(checked: Extents) -> String {
    let Extents { images, layers, blobs, bytes, .. } = checked;
    format!(
        "{}, {}, {} of {}",
        counted(images as u64, "image"),
        counted(layers as u64, "layer"),
        counted(blobs as u64, "blob"),
        size(bytes)
    )
}
