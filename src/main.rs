//! The command `imgtar`.

mod cli;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::terminal;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let error = match cli::run(&cli) {
        Ok(exit) => return exit.into(),
        Err(error) => error,
    };
    let exit = Exit::of(&error);
    if !exit.is_silent() {
        terminal::error(&anyhow::Error::from(error));
    }
    exit.into()
}
