//! `imgtar verify`.

use std::io;

use imgtar::{CheckedTotals, Diagnostic, Diagnostics, Result, Severity, VerifyReport, verify};

use super::answer::{Answer, Outcomes, Session, from_io, verdict};
use super::args::VerifyArgs;
use super::exit::Exit;
use super::hints;
use super::messages::{Messages, Verbosity};
use super::page::{Cell, Page, Table, Tone, cell};
use super::words::{counted, size};

/// Verifies the archives; the exit is [`Exit::No`] if there is an error, or, with `--strict`, a warning.
///
/// # Errors
/// Those of the command line, and those of the only archive if it cannot be read at all.
pub(super) fn run(args: &VerifyArgs, messages: Messages) -> Result<Exit> {
    let session = Session::begin(&args.run, messages)?;
    let inputs = session.inputs(&args.inputs)?;
    let is_one = inputs.len() == 1;
    let mut out = Answer::begin()?;
    let mut outcomes = Outcomes::new(messages);
    for input in inputs {
        let label = input.label();
        let session = Session::renewed(&args.run, messages, Diagnostics::silent())?;
        match session.others(&args.with).and_then(|with| verify(input, with, session.run)) {
            Ok(mut report) => {
                report.findings = report.findings.iter().map(hints::hinted).collect();
                report.ok &= !args.run.strict || report.counts.warnings == 0;
                outcomes.add(verdict(report.ok));
                match (args.json, is_one) {
                    (true, true) => out.json(&report)?,
                    (true, false) => out.json_line(&report)?,
                    (false, _) => from_io(write(&mut Page::new(&mut out), &report, messages.verbosity()))?,
                }
            }
            Err(error) if is_one => return Err(error),
            Err(error) => {
                let unread = outcomes.fail(&label, error)?;
                if args.json {
                    out.json_line(&unread)?;
                } else {
                    let verdict = cell("FAILED  ").tone(Tone::Bad);
                    from_io(Page::new(&mut out).line(&verdict, &format!("{label}: cannot be read")))?;
                }
            }
        }
    }
    out.finish()?;
    Ok(outcomes.exit())
}

/// Writes the verdict, and a row for each finding below it.
fn write(page: &mut Page<'_>, report: &VerifyReport, verbosity: Verbosity) -> io::Result<()> {
    let least = match verbosity {
        Verbosity::Quiet if report.ok || report.counts.errors > 0 => Severity::Error,
        // A verdict of FAILED for warnings alone would leave open which.
        Verbosity::Quiet | Verbosity::Normal => Severity::Warning,
        Verbosity::Verbose => Severity::Note,
    };
    if verbosity > Verbosity::Quiet || !report.ok {
        verdict_line(page, report)?;
    }
    let mut table = Table::new(2);
    report.findings.iter().filter(|finding| finding.severity <= least).for_each(|finding| table.row(row(finding)));
    page.table(&table)
}

/// `OK      app.tar: 1 image, 3 layers, 754.0 KiB`, `FAILED  app.tar: 2 errors`.
fn verdict_line(page: &mut Page<'_>, report: &VerifyReport) -> io::Result<()> {
    let counts = report.counts;
    let (tone, verdict) = match (report.ok, counts.warnings) {
        (false, _) => (Tone::Bad, "FAILED  "),
        (true, 0) => (Tone::Good, "OK      "),
        (true, _) => (Tone::Fair, "OK      "),
    };
    let kinds = [(counts.errors, "error"), (counts.warnings, "warning"), (counts.notes, "note")];
    let some = kinds.into_iter().filter(|(number, _)| *number > 0);
    let found: Vec<String> = some.map(|(number, noun)| counted(number, noun)).collect();
    let facts = match (report.ok, found.is_empty()) {
        (false, _) => found.join(", "),
        (true, true) => checked(report.checked),
        (true, false) => format!("{}; {}", checked(report.checked), found.join(", ")),
    };
    page.line(&cell(verdict).tone(tone), &format!("{}: {facts}", report.archive))
}

fn checked(checked: CheckedTotals) -> String {
    let CheckedTotals { images, layers, bytes, .. } = checked;
    format!("{}, {}, {}", counted(images, "image"), counted(layers, "layer"), size(bytes))
}

fn row(finding: &Diagnostic) -> [Cell; 3] {
    let (tone, severity) = match finding.severity {
        Severity::Error => (Tone::Bad, "error"),
        Severity::Warning => (Tone::Fair, "warning"),
        Severity::Note => (Tone::Key, "note"),
    };
    let values = match (&finding.expected, &finding.found) {
        (Some(expected), Some(found)) => format!(": expected {expected}, found {found}"),
        _ => String::new(),
    };
    let rule = finding.rule.map(|rule| rule.to_string()).unwrap_or_default();
    let text = format!("{}: {}{values}", finding.at, finding.message);
    [cell(severity).tone(tone), cell(rule), cell(text).words()]
}
