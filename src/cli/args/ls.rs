//! `imgtar ls`, as it is typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::AnswerArgs;
use crate::cli::values;

/// The end of `imgtar ls --help`.
const EXAMPLES: &str = "\
Examples:
  Everything that a container of the image would see:
    imgtar ls app.tar

  One directory in the long format:
    docker save app:1 | imgtar ls -l - /etc

  Every certificate in any directory:
    imgtar ls app.tar '**/*.pem'

  Which layers add, change or delete a file:
    imgtar ls --layers app.tar '**/.env'

  The top two levels as a tree:
    imgtar ls --tree --depth 2 app.tar

  What the second layer adds and removes:
    imgtar ls -l --layer 1 app.tar

  The largest files first:
    imgtar ls -lhS app.tar | head -n 5

  Everything with the setuid bit:
    imgtar ls --json app.tar |
      jq -r 'select(.type == \"file\" and (.mode | startswith(\"4\"))) | .path'";

/// List the files of an image, as a container would see them.
///
/// Prints one path per line, the same paths in the same order as in the tar that `convert --to rootfs` writes. Control
/// characters and the like are escaped, so that every path is exactly one line; --json has the exact bytes. --layers shows
/// deleted files, too.
///
/// Compressed layers are decoded and compared with their digests. Of plain layers only the headers are read.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, disable_help_flag = true)]
pub(crate) struct LsArgs {
    /// The archive to read: a file, a directory (an OCI layout or an unpacked archive), or `-` for standard
    /// input.
    ///
    /// May be omitted, together with PATTERN, when standard input is not a terminal.
    #[arg(value_name = "IN")]
    pub(crate) input: Option<PathBuf>,

    /// The files to list, with everything below them: a path, or a pattern with `*`, `?`, `[...]`, and `**` for any number of
    /// directories.
    ///
    /// Symbolic links in a path are followed inside the image; the last component is followed only if it leads to a
    /// directory. With --layers links are followed as they are in each layer, with --layer not at all. Patterns are matched
    /// against full paths without symbolic links.
    #[arg(value_name = "PATTERN")]
    pub(crate) patterns: Vec<OsString>,

    /// Long format: type and permissions, owner and group as numbers, size, time in UTC, name, and link target.
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) long: bool,

    /// With -l, print sizes such as 754.0 KiB.
    #[arg(short = 'h', long)]
    pub(crate) human_readable: bool,

    /// Print the largest files first; with --tree in each directory, with --layers in each layer.
    #[arg(short = 'S', long)]
    pub(crate) sort_by_size: bool,

    /// Reverse the order; with --tree in each directory.
    #[arg(short, long)]
    pub(crate) reverse: bool,

    /// Print a tree.
    #[arg(long, conflicts_with_all = ["json", "layer", "layers"])]
    pub(crate) tree: bool,

    /// Print at most N levels below each PATTERN, or below the root; 0 prints only what matches PATTERN.
    #[arg(long, value_name = "N", value_parser = values::depth)]
    pub(crate) depth: Option<usize>,

    /// List one layer as it is in the archive, with its whiteouts and in its own order; 0 is the lowest.
    #[arg(long, value_name = "N", conflicts_with = "layers", value_parser = values::layer)]
    pub(crate) layer: Option<u32>,

    /// List what each layer adds, changes and deletes. `imgtar cat --layer N` then prints a file as layer N contains it.
    ///
    /// Directories that a layer repeats with the same mode, owner and attributes are left out.
    #[arg(long)]
    pub(crate) layers: bool,

    /// Print one JSON document per line.
    #[arg(long)]
    pub(crate) json: bool,

    /// Print help.
    #[arg(long, action = ArgAction::Help, help_heading = "Running")]
    pub(crate) help: Option<bool>,

    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
