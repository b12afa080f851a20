//! `imgtar ls`, as it is typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::AnswerArgs;

/// The end of `imgtar ls --help`.
const EXAMPLES: &str = "\
Examples:
  All that a container of the image would see:
    imgtar ls app.tar

  One directory, in full:
    docker save app:1 | imgtar ls -l - /etc

  Every certificate, wherever it is:
    imgtar ls app.tar '**/*.pem'

  Which layers add, change or delete a file:
    imgtar ls --layers app.tar '**/.env'

  The directories at the top, as a tree:
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
/// One path a line: the paths of the tar that `convert --to rootfs` writes, in its order. Control characters and the like
/// are escaped, so that a line is a path and a path a line; --json has the exact bytes.
///
/// Layers that are compressed are decoded once and compared with their digests; of those that are stored plain only the
/// headers are read.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, disable_help_flag = true)]
pub(crate) struct LsArgs {
    /// The archive to read: a file, a directory that one was unpacked into, or `-` for standard input.
    ///
    /// May be left out, with PATTERN, when standard input is not a terminal.
    #[arg(value_name = "IN")]
    pub(crate) input: Option<PathBuf>,

    /// List these and everything below them, with full paths: a path, or a pattern with `*`, `?`, `[...]`, and `**` for any
    /// number of directories.
    ///
    /// Symbolic links on the way of a path are followed inside the image, and the last one if it leads to a directory; with
    /// --layers wherever they lead in any layer, with --layer not at all.
    /// Patterns are compared with paths from the root of the image, in which no symbolic link occurs.
    #[arg(value_name = "PATTERN")]
    pub(crate) patterns: Vec<OsString>,

    /// In full: type and permissions, owner and group as numbers, size, time in UTC, name, and where links lead.
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) long: bool,

    /// With -l, sizes as 754.0 KiB.
    #[arg(short = 'h', long)]
    pub(crate) human_readable: bool,

    /// Largest files first: with --tree in each directory, with --layers in each layer.
    #[arg(short = 'S', long)]
    pub(crate) sort_by_size: bool,

    /// In reverse order: with --tree in each directory.
    #[arg(short, long)]
    pub(crate) reverse: bool,

    /// As a tree: names below their directories.
    #[arg(long, conflicts_with_all = ["json", "layer", "layers"])]
    pub(crate) tree: bool,

    /// At most N levels below each PATTERN, or below the root; 0 is just what fits a PATTERN.
    #[arg(long, value_name = "N")]
    pub(crate) depth: Option<usize>,

    /// One layer as it is in the archive, whiteouts included, in its own order; 0 is the base.
    #[arg(long, value_name = "N", conflicts_with = "layers")]
    pub(crate) layer: Option<u32>,

    /// For each layer what it adds, changes and deletes. `imgtar cat --layer N` reads a file as it was there.
    ///
    /// Directories that a layer lists again with the same mode, owner and attributes are left out.
    #[arg(long)]
    pub(crate) layers: bool,

    /// One JSON document a line.
    #[arg(long)]
    pub(crate) json: bool,

    /// Print help.
    #[arg(long, action = ArgAction::Help, help_heading = "Running")]
    pub(crate) help: Option<bool>,

    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
