//! The arguments shared by the commands that answer a question about an archive instead of converting it.

use std::path::PathBuf;

use clap::Args;
use imgtar::ImageRef;

use super::RunArgs;
use crate::cli::choices::HalfArg;
use crate::cli::values::{self, PlatformArg};

/// Which image to look at, and how to read the archive.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    #[command(flatten)]
    pub(crate) choice: ChoiceArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Selection")]
pub(crate) struct ChoiceArgs {
    /// Which image: a name, a repository with a single tag, a pattern (`acme/*`), a position (`@0` is the first), or a
    /// digest or an unambiguous prefix of one.
    #[arg(long, value_name = "SEL", value_parser = values::image)]
    pub(crate) image: Option<ImageRef>,

    /// Which platform: OS/ARCH[/VARIANT], or `host` for that of this machine.
    #[arg(long, value_name = "PLATFORM", value_parser = values::platform)]
    pub(crate) platform: Option<PlatformArg>,

    /// Take from this archive what the one to read lists but does not contain: the base of an increment or of a delta.
    /// Repeatable.
    #[arg(long = "with", value_name = "ARCHIVE")]
    pub(crate) with: Vec<PathBuf>,

    /// Which file to believe if index.json and manifest.json of an archive disagree; without this flag that is an error.
    #[arg(hide_short_help = true, long, value_name = "HALF", value_enum)]
    pub(crate) prefer: Option<HalfArg>,
}
