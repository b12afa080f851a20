//! The help pages, fitted to the terminal.
//!
//! clap wraps what it knows the parts of. What stands at the end of a page is ours: rows whose second column hangs, and
//! commands that a shell must still understand when they have been copied. Manual pages have the text as it is.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, FromArgMatches, Parser};
use terminal_size::{Width, terminal_size};

use super::args::Cli;
use super::wrap::{hung, width};

/// Columns of a page on a wider terminal, and where nobody tells how wide it is: lines stay readable.
const WIDEST: usize = 100;

/// What stands below `Usage: `.
const BEHIND_USAGE: &str = "       ";

/// How far commands are indented in examples.
const COMMAND: usize = 4;

/// Reads the command line; ends the process where it asks for help, or cannot be understood.
pub(crate) fn parse() -> Cli {
    // Pages are fitted for those who will see one: it costs as much as reading a small archive.
    Cli::try_parse().unwrap_or_else(|_| with_pages())
}

fn with_pages() -> Cli {
    let mut command = fitted(Cli::command(), columns());
    let parsed = command.try_get_matches_from_mut(std::env::args_os()).and_then(|mut matches| {
        let cli = Cli::from_arg_matches_mut(&mut matches);
        cli.map_err(|error| error.format(&mut command))
    });
    parsed.unwrap_or_else(|error| explained(error).exit())
}

/// The terminal's columns, else `COLUMNS`, as clap has it.
fn columns() -> usize {
    let seen = terminal_size().map(|(Width(columns), _)| usize::from(columns));
    let said = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    seen.or_else(said).filter(|&columns| columns > 0).unwrap_or(WIDEST).min(WIDEST)
}

/// `command` and those below it with pages of so many columns.
fn fitted(mut command: Command, columns: usize) -> Command {
    // Usages name the commands above, which are known from here on.
    command.build();
    fitted_one(command, columns).mut_subcommands(|below| fitted_one(below, columns))
}

fn fitted_one(mut command: Command, columns: usize) -> Command {
    let usage = command.render_usage().to_string();
    if let Some(end) = command.get_after_long_help().map(ToString::to_string) {
        command = command.after_long_help(fit(&end, columns));
    }
    match usage.strip_prefix("Usage: ") {
        Some(usage) if BEHIND_USAGE.len() + width(usage) > columns => {
            let lines = hung(BEHIND_USAGE, usage.split(' '), columns, BEHIND_USAGE.len());
            command.override_usage(lines.join("\n").trim_start().to_owned())
        }
        _ => command,
    }
    .term_width(columns)
}

/// The end of a page in lines of at most `columns`, as far as words allow.
fn fit(text: &str, columns: usize) -> String {
    text.lines().flat_map(|line| fit_line(line, columns)).collect::<Vec<_>>().join("\n")
}

fn fit_line(line: &str, columns: usize) -> Vec<String> {
    let indent = width(line) - width(line.trim_start());
    if width(line) <= columns {
        return vec![line.to_owned()];
    }
    if indent >= COMMAND {
        return commands(line.trim_start(), columns, indent);
    }
    let value = line[indent..].split_once("  ").map_or(&line[indent..], |(_, value)| value.trim_start());
    let (start, value) = line.split_at(line.len() - value.len());
    hung(start, value.split(' '), columns, width(start))
}

/// A shell's command in several lines that mean the same.
fn commands(line: &str, columns: usize, indent: usize) -> Vec<String> {
    // Two columns are the backslash's.
    let mut lines = hung(&" ".repeat(indent), words(line), columns.saturating_sub(2), indent + 2);
    let last = lines.len() - 1;
    for line in &mut lines[..last] {
        if !line.ends_with(['|', '&']) {
            line.push_str(" \\");
        }
    }
    lines
}

/// The words of a command, quotes and what is in them whole.
fn words(line: &str) -> Vec<&str> {
    let mut quote = None;
    line.split(|char| {
        match (quote, char) {
            (None, '\'' | '"') => quote = Some(char),
            (Some(open), char) if open == char => quote = None,
            _ => {}
        }
        quote.is_none() && char == ' '
    })
    .collect()
}

/// `error` with what is likely to have been meant, where clap cannot know.
fn explained(mut error: clap::Error) -> clap::Error {
    let typed = |kind| match error.get(kind) {
        Some(ContextValue::String(typed)) => Some(typed.clone()),
        _ => None,
    };
    let tip = match error.kind() {
        ErrorKind::InvalidSubcommand => typed(ContextKind::InvalidSubcommand)
            .filter(|word| word == "-" || std::path::Path::new(word).exists())
            .map(|word| format!("what to do with it comes first: imgtar convert {word}")),
        ErrorKind::UnknownArgument => typed(ContextKind::InvalidArg)
            .filter(|word| !word.starts_with('-') && writes(&error))
            .map(|word| format!("what is written is named by -o: -o {word}")),
        ErrorKind::MissingRequiredArgument if writes(&error) => {
            Some("--to oci is what most tools load; --help lists the others".to_owned())
        }
        _ => None,
    };
    if let Some(tip) = tip {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    }
    error
}

/// Whether the command that was not understood is one that writes archives.
fn writes(error: &clap::Error) -> bool {
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string().contains("--to"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hang_below_their_second_column() {
        let text = "Exit codes:\n  0    done\n  12   words that go on and on";
        assert_eq!(fit(text, 80), text);
        assert_eq!(fit(text, 20), "Exit codes:\n  0    done\n  12   words that go\n       on and on");
        assert_eq!(fit("  words that go on", 14), "  words that\n  go on");
    }

    #[test]
    fn commands_stay_commands() {
        let line = "    imgtar cat app.tar /etc/os-release | grep 'a b c' && echo done";
        assert_eq!(fit(line, 80), line);
        let narrow = "    imgtar cat app.tar \\\n      /etc/os-release |\n      grep 'a b c' &&\n      echo done";
        assert_eq!(fit(line, 25), narrow);
    }
}
