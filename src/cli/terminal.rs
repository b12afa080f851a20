//! What a person reads, all of it on standard error: remarks as they come, a summary, the error.
//!
//! A line is written at once, so that threads do not mix theirs, and a standard error that is closed fails nothing.

use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use clap::builder::StyledStr;
use clap::builder::styling::{AnsiColor, Style};
use imgtar::convert::ImageReport;
use imgtar::diagnostics::{Diagnostic, Severity};
use imgtar::digest::Digest;
use imgtar::edit::EditReport;
use imgtar::path::presentable;
use imgtar::stream::unfinished;
use terminal_size::{Width, terminal_size_of};

use super::args::RunArgs;
use super::page::wrap;
use super::progress;

const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Errors alone.
    Quiet,
    /// Warnings, diagnostics, and a line for each image.
    Normal,
    /// And what became of each image.
    Verbose,
}

impl Verbosity {
    pub(crate) fn of(args: &RunArgs) -> Self {
        match (args.quiet, args.verbose) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Verbose,
            (false, false) => Self::Normal,
        }
    }
}

/// Prints a diagnostic of the library.
pub(crate) fn diagnostic(verbosity: Verbosity, diagnostic: &Diagnostic) {
    if verbosity == Verbosity::Quiet {
        return;
    }
    let text = diagnostic.line();
    match diagnostic.severity {
        // The library returns its errors, and does not report them here.
        Severity::Error | Severity::Warning => say("warning", WARNING, &text),
        Severity::Note => line(&format!("imgtar: {}\n", presentable(&text))),
    }
}

/// Says something that is no verdict.
pub(crate) fn note(verbosity: Verbosity, text: &str) {
    diagnostic(verbosity, &Diagnostic::note(None, "", text));
}

/// Says where an answer comes from, to those who want to know.
pub(crate) fn detail(verbosity: Verbosity, text: &str) {
    if verbosity >= Verbosity::Verbose {
        line(&format!("imgtar: {text}\n"));
    }
}

/// Says what was written: the image, and how much of it is the input's (docs/formats.md M-5).
pub(crate) fn report(verbosity: Verbosity, report: &ImageReport, flattened: bool) {
    if verbosity >= Verbosity::Normal {
        line(&format!("imgtar: {}\n", summary(report, flattened)));
    }
    if verbosity >= Verbosity::Verbose && !flattened {
        line(&details(report));
    }
}

/// Says which image was made.
pub(crate) fn imported(verbosity: Verbosity, report: &ImageReport) {
    if verbosity >= Verbosity::Normal {
        line(&format!("imgtar: {}: imported\n", title(report)));
    }
    if verbosity >= Verbosity::Verbose {
        line(&layers(report));
    }
}

/// Says which image became which, and what was done to it.
pub(crate) fn edited(verbosity: Verbosity, report: &EditReport, is_dry: bool) {
    if verbosity < Verbosity::Normal {
        return;
    }
    let names = if report.names.is_empty() { "untagged image".to_owned() } else { report.names.join(", ") };
    let short = |digest: &Digest| digest.encoded().chars().take(12).collect::<String>();
    let id = if report.image_id == report.old_image_id {
        format!("image ID {}, unchanged", short(&report.image_id))
    } else {
        let tense = if is_dry { "would be" } else { "was" };
        let (old, new) = (short(&report.old_image_id), short(&report.image_id));
        if is_dry { format!("image ID {old}, {tense} {new}") } else { format!("image ID {new}, {tense} {old}") }
    };
    line(&format!("imgtar: {} ({}): {id}\n", presentable(&names), presentable(&report.platform.to_string())));
    for change in &report.changes {
        line(&format!("  {}\n", presentable(change)));
    }
}

/// Says why the run failed.
pub(crate) fn error(error: &anyhow::Error) {
    say("error", AnsiColor::Red.on_default().bold(), &format!("{error:#}"));
}

/// Says what could not be removed, whatever else is said: somebody has to.
pub(crate) fn left_behind() {
    for text in unfinished::left_behind() {
        say("warning", WARNING, &text);
    }
}

fn title(report: &ImageReport) -> String {
    let names = if report.names.is_empty() { "untagged image".to_owned() } else { report.names.join(", ") };
    format!("{} ({})", presentable(&names), report.image_id)
}

fn summary(report: &ImageReport, flattened: bool) -> String {
    let title = title(report);
    if flattened {
        return format!("{title}: flattened");
    }
    let (kept, all) = report.layers_kept;
    let preserved = [(report.manifest_kept == Some(true), "manifest"), (kept == all, "layers"), (true, "config")];
    let preserved: Vec<_> = preserved.into_iter().filter_map(|(is_kept, part)| is_kept.then_some(part)).collect();
    format!("{title}: preserved: {}", preserved.join(", "))
}

fn details(report: &ImageReport) -> String {
    let manifest = match report.manifest_kept {
        Some(true) => "kept byte for byte",
        Some(false) => "rewritten",
        None => "none in the input or in the target",
    };
    format!("  manifest: {manifest}\n{}", layers(report))
}

fn layers(report: &ImageReport) -> String {
    let (kept, all) = report.layers_kept;
    format!("  layers: {kept} of {all} kept byte for byte\n")
}

fn say(word: &str, style: Style, text: &str) {
    let style = if is_coloured() { style } else { Style::new() };
    let said = fitted(&format!("imgtar: {word}: {}\n", presentable(text)));
    write(&said.replacen(word, &format!("{style}{word}{style:#}"), 1));
}

/// Says why the command line is not understood.
pub(super) fn usage(message: &StyledStr) {
    write(&format!("imgtar: {}", if is_coloured() { message.ansi().to_string() } else { message.to_string() }));
}

/// Whether standard error shows colours, as clap has it for the help.
fn is_coloured() -> bool {
    AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

/// Writes lines for a person: on a terminal they are broken between words.
pub(super) fn line(text: &str) {
    write(&fitted(text));
}

/// Writes whole lines as they are, beside the bars if there are any.
pub(super) fn write(text: &str) {
    let _ = progress::aside(|| io::stderr().lock().write_all(text.as_bytes()));
}

fn fitted(text: &str) -> String {
    let Some((Width(columns), _)) = terminal_size_of(io::stderr()) else { return text.to_owned() };
    let lines = text.lines().flat_map(|line| {
        let hang = line.len() - line.trim_start().len() + 2;
        wrap(line, columns.into(), &" ".repeat(hang), false)
    });
    lines.map(|line| line + "\n").collect()
}
