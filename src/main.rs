//! The command `imgtar`.

mod cli;

use std::process::ExitCode;

use crate::cli::exit::Exit;
use crate::cli::{help, terminal};

fn main() -> ExitCode {
    let cli = help::parse();
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
