//! `imgtar ls`, as it is typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::AnswerArgs;

/// The end of `imgtar ls --help`.
const EXAMPLES: &str = "\
Examples:
  All that a container of the image would see:
    imgtar ls app.tar

  One directory, in full:
    docker save app:1 | imgtar ls -l - /etc

  What the second layer adds and removes:
    imgtar ls -l --layer 1 app.tar

  The five largest files, and which layers they are from:
    imgtar ls --json app.tar |
      jq -s -c 'sort_by(.size)[-5:][] | [.size, .layer, .path]'

  Everything with the setuid bit:
    imgtar ls --json app.tar |
      jq -r 'select(.type == \"file\" and (.mode | startswith(\"4\"))) | .path'";

/// List the files of an image, as a container would see them.
///
/// One path a line: the paths of the tar that `convert --to rootfs` writes, in its order. Control characters and the like
/// are escaped, so that a line is a path and a path a line; --json has the exact bytes.
///
/// Layers that are compressed are decoded once and held against their digests; of those that are stored plain the headers
/// alone are read.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct LsArgs {
    /// The archive to read: a file, an OCI layout directory, or `-` for standard input.
    ///
    /// May be left out, with PATH, when standard input is not a terminal.
    #[arg(value_name = "IN")]
    pub(crate) input: Option<PathBuf>,

    /// List this and everything below it, with full paths.
    ///
    /// Symbolic links on the way are followed inside the image, and the last one if it leads to a directory.
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<OsString>,

    /// In full: type and permissions, owner and group as numbers, size, time in UTC, name, and where links lead.
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) long: bool,

    /// One layer as it is in the archive, whiteouts included, in its own order; 0 is the base.
    #[arg(long, value_name = "N")]
    pub(crate) layer: Option<u32>,

    /// One JSON document a line.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
