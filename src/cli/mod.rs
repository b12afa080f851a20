//! The command: what was typed, what it means, what is said, and how it ends.

pub(crate) mod args;
mod choices;
mod convert;
mod environment;
pub(crate) mod exit;
mod import;
mod input;
mod options;
mod output;
mod progress;
mod signals;
pub(crate) mod terminal;
mod values;
mod version;
mod write;

use imgtar::error::Result;

use self::args::{Cli, Command};

/// Does what was asked.
///
/// # Errors
/// Those of the command.
pub(crate) fn run(cli: &Cli) -> Result<()> {
    match &cli.command {
        Command::Convert(args) => convert::run(args),
        Command::Import(args) => import::run(args),
    }
}
