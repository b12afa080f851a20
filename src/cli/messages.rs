//! Messages on standard error: lines for people, documents with `--progress json`.
//!
//! A message is written at once, so that threads do not mix theirs, and a standard error that is closed fails nothing.

use std::io::{self, Write};

use clap::builder::StyledStr;
use clap::builder::styling::{AnsiColor, Style};
use imgtar::internals::path::presentable;
use imgtar::internals::stream::unfinished;
use imgtar::{Diagnostic, Error, Rule, Severity};
use serde::Serialize;
use terminal_size::{Width, terminal_size_of};

use super::args::Cli;
use super::choices::ProgressArg;
use super::exit::Exit;
use super::page::{shows_colours, wrap};
use super::{hints, json, progress};

/// The verbosity of messages, and their form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Messages {
    verbosity: Verbosity,
    is_json: bool,
}

/// The messages that are printed; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Errors.
    Quiet,
    /// Warnings, notes, and what was written.
    Normal,
    /// The outcome for each layer.
    Verbose,
}

/// A message as `--progress json` has it.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum MessageDocument<'a> {
    Notice(&'a Diagnostic),
    #[serde(rename = "notice")]
    Failure {
        severity: Severity,
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<Rule>,
        place: &'static str,
        problem: &'a str,
    },
    Done {
        exit: u8,
    },
}

impl Messages {
    /// Returns the messages for the flags of `cli`.
    pub(crate) fn of(cli: &Cli) -> Self {
        let verbosity = match (cli.quiet, cli.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        };
        let is_json = cli.command.run_args().is_some_and(|run| run.progress == ProgressArg::Json);
        Self { verbosity, is_json }
    }

    pub(crate) fn verbosity(self) -> Verbosity {
        self.verbosity
    }

    pub(super) fn is_json(self) -> bool {
        self.is_json
    }

    /// Writes a diagnostic of the library.
    pub(super) fn diagnostic(self, diagnostic: &Diagnostic) {
        if self.verbosity == Verbosity::Quiet {
            return;
        }
        if self.is_json {
            return self.document(&MessageDocument::Notice(&hints::hinted(diagnostic)));
        }
        let text = hints::hinted(diagnostic).line();
        match diagnostic.severity {
            // The library returns its errors, and does not report them here.
            Severity::Error | Severity::Warning => line("warning", &text),
            Severity::Note => line("note", &text),
        }
    }

    /// Writes a note, unless `--quiet` is given.
    pub(super) fn note(self, text: &str) {
        self.diagnostic(&Diagnostic::note(None, "", text));
    }

    /// Writes a note if `--verbose` is given.
    pub(super) fn detail(self, text: &str) {
        if self.verbosity >= Verbosity::Verbose {
            self.note(text);
        }
    }

    /// Writes the reason why the run failed.
    pub(crate) fn error(self, error: &Error) {
        let rule = error.rule();
        self.failure(Severity::Error, rule, &hints::failure(error));
    }

    /// Writes the files that could not be removed, even if the run is quiet.
    pub(crate) fn left_behind(self) {
        unfinished::left_behind().iter().for_each(|text| self.failure(Severity::Warning, None, text));
    }

    /// Ends the documents, if there are any.
    pub(crate) fn done(self, exit: Exit) {
        if self.is_json {
            self.document(&MessageDocument::Done { exit: exit.code() });
        }
    }

    pub(super) fn document(self, document: &impl Serialize) {
        let mut line = Vec::new();
        json::write_line(&mut line, document).expect("memory takes what it is given");
        write(&line);
    }

    fn failure(self, severity: Severity, rule: Option<Rule>, problem: &str) {
        if self.is_json {
            return self.document(&MessageDocument::Failure { severity, rule, place: "", problem });
        }
        line(if severity == Severity::Error { "error" } else { "warning" }, problem);
    }
}

/// Writes a message as a line, broken between words on a terminal.
fn line(severity: &str, text: &str) {
    let colour = match severity {
        "error" => AnsiColor::Red.on_default().bold(),
        "warning" => AnsiColor::Yellow.on_default().bold(),
        _ => Style::new(),
    };
    let style = if shows_colours(io::stderr()) { colour } else { Style::new() };
    let message = fitted(&format!("imgtar: {severity}: {}\n", presentable(text)));
    write(message.replacen(severity, &format!("{style}{severity}{style:#}"), 1).as_bytes());
}

/// Writes the reason why the command line cannot be parsed.
pub(super) fn usage(message: &StyledStr) {
    let message = if shows_colours(io::stderr()) { message.ansi().to_string() } else { message.to_string() };
    write(format!("imgtar: {message}").as_bytes());
}

/// Writes lines for people: on a terminal they are broken between words.
pub(super) fn lines(text: &str) {
    write(fitted(text).as_bytes());
}

/// Writes whole lines as they are, beside the bars if there are any.
pub(super) fn write(lines: &[u8]) {
    let _ = progress::aside(|| io::stderr().lock().write_all(lines));
}

fn fitted(text: &str) -> String {
    let Some((Width(columns), _)) = terminal_size_of(io::stderr()) else { return text.to_owned() };
    let lines = text.lines().flat_map(|line| {
        let hang = line.len() - line.trim_start().len() + 2;
        wrap(line, columns.into(), &" ".repeat(hang), false)
    });
    lines.map(|line| line + "\n").collect()
}
