//! The arguments shared by the commands that answer a question about an archive instead of converting it.

use std::path::PathBuf;

use clap::Args;
use imgtar::ImageRef;

use super::RunArgs;
use crate::cli::choices::HalfArg;
use crate::cli::values::{self, PlatformArg};

/// Which image is asked about, and how the archive is read.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    #[command(flatten)]
    pub(crate) choice: ChoiceArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Which image")]
pub(crate) struct ChoiceArgs {
    /// This image: a name, a repository with a single tag, a pattern (`acme/*`), a position (`@0` is the first), or a digest
    /// or unique beginning of one.
    #[arg(long, value_name = "SEL", value_parser = values::image)]
    pub(crate) image: Option<ImageRef>,

    /// On this platform: OS/ARCH[/VARIANT], or `host` for this machine's own.
    #[arg(long, value_name = "PLATFORM", value_parser = values::platform)]
    pub(crate) platform: Option<PlatformArg>,

    /// Take from this archive what the one that is asked about lists and does not hold: of an increment what its base has.
    /// Repeatable.
    #[arg(long = "with", value_name = "ARCHIVE")]
    pub(crate) with: Vec<PathBuf>,

    /// Which half of a hybrid archive is right if index.json and manifest.json disagree, which else is an error.
    #[arg(hide_short_help = true, long, value_name = "HALF", value_enum)]
    pub(crate) prefer: Option<HalfArg>,
}
