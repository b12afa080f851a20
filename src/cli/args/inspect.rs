//! `imgtar inspect`, as it is typed.

use std::path::PathBuf;

use clap::Args;

use super::AnswerArgs;

/// Say what an archive holds: its images, their configs and layers, and what engines make of it.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The archive to read: a file, an OCI layout directory, or `-` for standard input.
    ///
    /// May be left out when standard input is not a terminal.
    #[arg(value_name = "IN")]
    pub(crate) input: Option<PathBuf>,

    /// The config of the one image, byte for byte: its sha256 is the image ID.
    #[arg(long)]
    pub(crate) config: bool,

    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
