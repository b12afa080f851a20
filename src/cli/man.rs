//! `imgtar man`.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;
use imgtar::error::{Error, Result};
use imgtar::path::printable;

use super::answer::Answer;
use super::args::{Cli, ManArgs};

/// Writes the page to standard output, or all pages to a directory.
///
/// # Errors
/// When they cannot be written.
pub(super) fn run(args: &ManArgs) -> Result<()> {
    // Names of commands are whole in pages of their own: `imgtar-convert`.
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let Some(dir) = &args.out_dir else {
        let mut out = Answer::begin()?;
        out.bytes(&page(command)?)?;
        return out.finish();
    };
    for command in command.get_subcommands().cloned().chain([command.clone()]) {
        write(dir, command)?;
    }
    Ok(())
}

fn write(dir: &Path, command: clap::Command) -> Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let path = dir.join(format!("{name}.1"));
    let at = printable(path.as_os_str().as_encoded_bytes());
    fs::write(path, page(command)?).map_err(|error| Error::io("writing", at, error))
}

fn page(command: clap::Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(|error| Error::io("writing", "a manual page", error))?;
    Ok(page)
}
