//! `imgtar history`, as it is typed.

use std::path::PathBuf;

use clap::Args;

use super::AnswerArgs;
use crate::cli::values::{self, HiddenLimit};

/// The end of `imgtar history --help`.
const EXAMPLES: &str = "\
Examples:
  What makes this image so large:
    imgtar history app.tar

  The whole of every command, whatever the width of the terminal:
    docker save app:1 | imgtar history | less -S

  How many bytes nobody will ever see:
    imgtar history app.tar --json | jq .total.hidden.size

  Refuse images of which more than a tenth is hidden:
    imgtar history app.tar --max-hidden 10%

Exit codes:
  0  done, and no more is hidden than --max-hidden allows
  1  more is hidden";

/// Say how an image came about, and what of it is never seen.
///
/// Oldest step first. For each layer: the bytes that it takes in the archive (STORED), the bytes of the files in it (SIZE,
/// which is what `docker history` says), and the bytes of earlier files that it hides (HIDES), because it deletes them,
/// replaces them, or writes them again with another owner or mode. Steps without a layer only changed the config.
///
/// Every layer is decoded, and held against its digests on the way.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct HistoryArgs {
    /// The archive to read: a file, a directory that one was unpacked into, or `-` for standard input.
    ///
    /// May be left out when standard input is not a terminal.
    #[arg(value_name = "IN")]
    pub(crate) input: Option<PathBuf>,

    /// Answer no, with exit code 1, if more than this is hidden: bytes of files, or a percentage of all bytes of files.
    #[arg(long, value_name = "SIZE|PERCENT", value_parser = values::hidden_limit)]
    pub(crate) max_hidden: Option<HiddenLimit>,

    /// Say it as one JSON document.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
