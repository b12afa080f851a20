//! `imgtar completions`.

use clap::CommandFactory;
use imgtar::Result;

use super::answer::Answer;
use super::args::{Cli, CompletionsArgs};

/// Writes the script to standard output.
///
/// # Errors
/// When standard output cannot be written.
pub(super) fn run(args: &CompletionsArgs) -> Result<()> {
    // Into memory first: the generators panic where a write fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "imgtar", &mut script);
    let mut out = Answer::begin()?;
    out.bytes(&script)?;
    out.finish()
}
