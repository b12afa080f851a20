//! The command `imgtar`.

mod cli;

use std::process::ExitCode;

use imgtar::error::Error;

use crate::cli::exit::Exit;
use crate::cli::{help, terminal};

fn main() -> ExitCode {
    let cli = help::parse();
    let exit = cli::run(&cli).unwrap_or_else(failed);
    terminal::left_behind();
    exit.into()
}

/// Says why the run failed, to whoever does not know.
fn failed(error: Error) -> Exit {
    let exit = Exit::of(&error);
    if !exit.is_silent() {
        terminal::error(&anyhow::Error::from(error));
    }
    exit
}
