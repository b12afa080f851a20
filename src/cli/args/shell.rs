//! `imgtar completions` and `imgtar man`, as they are typed.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// The end of `imgtar completions --help`.
const COMPLETIONS: &str = "\
Examples:
  For bash:
    imgtar completions bash > ~/.local/share/bash-completion/completions/imgtar

  For zsh, into a directory of $fpath:
    imgtar completions zsh > ~/.zfunc/_imgtar

  For fish:
    imgtar completions fish > ~/.config/fish/completions/imgtar.fish";

/// The end of `imgtar man --help`.
const MAN: &str = "\
Examples:
  The page of imgtar itself:
    imgtar man | man -l -

  A page for every command:
    imgtar man --out-dir ~/.local/share/man/man1";

/// Write a completion script for a shell.
#[derive(Debug, Args)]
#[command(after_long_help = COMPLETIONS)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: Shell,
}

/// Write the manual pages.
#[derive(Debug, Args)]
#[command(after_long_help = MAN)]
pub(crate) struct ManArgs {
    /// Write imgtar.1 and a page for each command into this directory, replacing those that exist.
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<PathBuf>,
}
