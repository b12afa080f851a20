//! `imgtar cat`, as it is typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::AnswerArgs;

/// The end of `imgtar cat --help`.
const EXAMPLES: &str = "\
Examples:
  Which distribution is it?
    imgtar cat app.tar /etc/os-release

  From a pipe; IN may be left out:
    docker save app:1 | imgtar cat /etc/passwd

  As it was before a later layer deleted or replaced it (`imgtar ls --layers`
  says which layers have it):
    imgtar cat --layer 1 app.tar /app/.env

  Of one platform:
    imgtar cat --platform linux/arm64 app.tar /usr/bin/app | file -";

/// Write a file of an image to standard output.
///
/// It is the file that a container of the image would see, or with --layer what one layer put there.
///
/// Symbolic links are followed inside the image and never out of it, hard links lead to their file, and holes of sparse
/// files are filled.
///
/// Layers that are compressed are decoded once before and compared with their digests; of those that are stored plain
/// only the headers and the file are read.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, allow_missing_positional = true)]
pub(crate) struct CatArgs {
    /// The archive to read: a file, a directory that one was unpacked into, or `-` for standard input.
    ///
    /// May be left out when standard input is not a terminal.
    #[arg(value_name = "IN")]
    pub(crate) input: Option<PathBuf>,

    /// The file's path in the image, from its root.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) path: OsString,

    /// As layer N has it, whatever later layers do to it; 0 is the base.
    #[arg(long, value_name = "N")]
    pub(crate) layer: Option<u32>,

    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
