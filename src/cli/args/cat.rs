//! `imgtar cat`, as it is typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::AnswerArgs;
use crate::cli::values;

/// The end of `imgtar cat --help`.
const EXAMPLES: &str = "\
Examples:
  Which distribution is it?
    imgtar cat app.tar /etc/os-release

  From a pipe (IN may be omitted):
    docker save app:1 | imgtar cat /etc/passwd

  A file that a later layer deleted or replaced (`imgtar ls --layers` shows
  which layers contain it):
    imgtar cat --layer 1 app.tar /app/.env

  For one platform:
    imgtar cat --platform linux/arm64 app.tar /usr/bin/app | file -";

/// Write a file of an image to standard output.
///
/// This is the file that a container of the image would see, or with --layer the file of one layer, which a later layer may
/// have deleted.
///
/// Symbolic links are followed inside the image and never out of it, hard links are resolved, and holes of sparse files are
/// filled.
///
/// Compressed layers are decoded and compared with their digests first. Of plain layers only the headers and the file are
/// read.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, allow_missing_positional = true)]
pub(crate) struct CatArgs {
    /// The archive to read: a file, a directory (an OCI layout or an unpacked archive), or `-` for standard
    /// input.
    ///
    /// May be omitted when standard input is not a terminal.
    #[arg(value_name = "IN")]
    pub(crate) input: Option<PathBuf>,

    /// The path of the file in the image.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) path: OsString,

    /// Read the file as layer N contains it, whatever later layers do to it; 0 is the lowest layer.
    #[arg(long, value_name = "N", value_parser = values::layer)]
    pub(crate) layer: Option<u32>,

    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
