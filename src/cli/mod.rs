//! The command: arguments, options, output and exit codes.

mod answer;
pub(crate) mod args;
mod cat;
mod choices;
mod completions;
mod config;
mod convert;
mod diff;
mod edit;
mod environment;
pub(crate) mod exit;
pub(crate) mod help;
mod hints;
mod history;
mod import;
mod input;
mod inspect;
mod json;
mod ls;
mod man;
pub(crate) mod messages;
mod options;
mod output;
mod page;
mod progress;
mod report;
mod signals;
mod split;
mod sys;
mod values;
mod verify;
mod version;
mod words;
mod write;

use imgtar::{ErrorKind, Result};

use self::args::{Cli, CommandArgs};
use self::exit::Exit;
use self::messages::Messages;

/// Runs the command.
///
/// # Errors
/// Those of the command.
pub(crate) fn run(cli: &Cli, messages: Messages) -> Result<Exit> {
    match &cli.command {
        CommandArgs::Convert(args) => convert::run(args, messages).map(|()| Exit::Done),
        CommandArgs::Edit(args) => edit::run(args, messages).map(|()| Exit::Done),
        CommandArgs::Import(args) => import::run(args, messages).map(|()| Exit::Done),
        CommandArgs::Cat(args) => answered(cat::run(args, messages).map(|()| Exit::Done)),
        CommandArgs::Completions(args) => answered(completions::run(args).map(|()| Exit::Done)),
        CommandArgs::Man(args) => answered(man::run(args).map(|()| Exit::Done)),
        CommandArgs::Ls(args) => answered(ls::run(args, messages).map(|()| Exit::Done)),
        CommandArgs::Inspect(args) => answered(inspect::run(args, messages)),
        CommandArgs::History(args) => answered(history::run(args, messages)),
        CommandArgs::Verify(args) => answered(verify::run(args, messages)),
        CommandArgs::Diff(args) => answered(diff::run(args, messages)),
    }
}

/// Returns success if the reader of an answer has closed the pipe: it has read enough, whatever the answer was. For an
/// archive, which would be cut short, this stays an error.
fn answered(outcome: Result<Exit>) -> Result<Exit> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::ClosedPipe => Ok(Exit::Done),
        other => other,
    }
}
