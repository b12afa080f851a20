//! `imgtar history`, as it is typed.

use std::path::PathBuf;

use clap::Args;

use super::AnswerArgs;
use crate::cli::values::{self, HiddenLimit};

/// The end of `imgtar history --help`.
const EXAMPLES: &str = "\
Examples:
  Why is this image so large?
    imgtar history app.tar

  Commands in full, whatever the width of the terminal:
    docker save app:1 | imgtar history | less -S

  How many bytes are hidden:
    imgtar history app.tar --json | jq .total.hidden.size

  Fail if more than a tenth is hidden:
    imgtar history app.tar --max-hidden 10%

Exit codes:
  0  no more is hidden than --max-hidden allows
  1  more is hidden";

/// Show how an image was built, and which bytes later layers hide.
///
/// The oldest step comes first. For each layer the columns are its size in the archive (STORED), the size of its files
/// (SIZE, as in `docker history`), and the size of earlier files that it hides (HIDES), because it deletes them, replaces
/// them, or repeats them with another owner or mode. Hidden bytes still take space in the archive. Steps without a layer
/// only changed the config.
///
/// Every layer is decoded and compared with its digests.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct HistoryArgs {
    /// The archive to read: a file, a directory (an OCI layout or an unpacked archive), or `-` for standard
    /// input.
    ///
    /// May be omitted when standard input is not a terminal.
    #[arg(value_name = "IN")]
    pub(crate) input: Option<PathBuf>,

    /// Exit with 1 if more than this is hidden: a size, or a percentage of the size of all files.
    #[arg(long, value_name = "SIZE|PERCENT", value_parser = values::hidden_limit)]
    pub(crate) max_hidden: Option<HiddenLimit>,

    /// Print one JSON document.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
