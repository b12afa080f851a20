//! The command `imgtar`.

mod cli;

use std::process::ExitCode;

use crate::cli::exit::Exit;
use crate::cli::help;
use crate::cli::messages::Messages;

fn main() -> ExitCode {
    let cli = help::parse();
    let messages = Messages::of(&cli);
    let exit = cli::run(&cli, messages).unwrap_or_else(|error| {
        let exit = Exit::of(&error);
        if !exit.is_silent() {
            messages.error(&error);
        }
        exit
    });
    messages.left_behind();
    messages.done(exit);
    exit.into()
}
