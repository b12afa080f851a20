//! Parsing the command line, and the messages for one that cannot be parsed.

use std::path::Path;

use clap::Parser;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::Cli;
use super::exit::Exit;
use super::messages;

/// Parses the command line. Ends the process if it asks for help or cannot be parsed.
pub(crate) fn parse() -> Cli {
    Cli::try_parse().unwrap_or_else(|error| match error.kind() {
        // Pages of help are answers.
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            error.exit()
        }
        _ => {
            messages::usage(&with_tip(error).render());
            std::process::exit(Exit::Usage.code().into())
        }
    })
}

/// Adds a suggestion to errors for which clap has none.
fn with_tip(mut error: clap::Error) -> clap::Error {
    let typed = |kind| match error.get(kind) {
        Some(ContextValue::String(typed)) => Some(typed.clone()),
        _ => None,
    };
    let tip = match error.kind() {
        ErrorKind::InvalidSubcommand => typed(ContextKind::InvalidSubcommand)
            .filter(|word| word == "-" || Path::new(word).exists())
            .map(|word| format!("the command comes first: imgtar convert {word}")),
        ErrorKind::UnknownArgument => typed(ContextKind::InvalidArg)
            .filter(|word| !word.starts_with('-') && writes(&error) && !Path::new(word).exists())
            .map(|word| format!("the output is named with -o: -o {word}")),
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

/// Returns whether the command that could not be parsed is one that writes archives.
fn writes(error: &clap::Error) -> bool {
    usage(error).contains("--to")
}

/// The usage line of the message.
fn usage(error: &clap::Error) -> String {
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string(),
        _ => String::new(),
    }
}
