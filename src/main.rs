//! The command `imgtar`.

mod cli;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::terminal;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let Err(error) = cli::run(&cli) else { return ExitCode::SUCCESS };
    let exit = Exit::of(&error);
    if !exit.is_silent() {
        terminal::error(&anyhow::Error::from(error));
    }
    exit.into()
}
