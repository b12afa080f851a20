//! `imgtar edit`.

use std::path::PathBuf;

use clap::Args;

use super::{ConfigArgs, SelectionArgs, WriteArgs};
use crate::cli::values::{self, PlatformArg};

/// The end of `imgtar edit --help`.
const EXAMPLES: &str = "\
Examples:
  Another command, and a variable less:
    imgtar edit app.tar --entrypoint /bin/app --unset-env TOKEN --to oci -o new.tar

  A label for one platform of several; the others keep their digests:
    imgtar edit multi.tar --only linux/arm64 --label beta=1 --to oci -o new.tar";

/// Change images, without touching anything else.
///
/// Reads and writes what `convert` does. A changed image has a new image ID; layers and images that no flag touches keep
/// every byte. Signatures and attestations of a changed image are left out, each with a warning.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct EditArgs {
    /// The archive to read: a file, an OCI layout directory, or `-` for standard input.
    ///
    /// May be left out when standard input is not a terminal.
    #[arg(value_name = "IN")]
    pub(crate) input: Option<PathBuf>,

    /// Write nothing; say what would change, with the new image IDs.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Change the images of this platform only; all others are written as they are. Repeatable.
    ///
    /// Where --platform leaves the others out, this keeps them.
    #[arg(long = "only", value_name = "PLATFORM", value_parser = values::platform)]
    pub(crate) only: Vec<PlatformArg>,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) platform: PlatformChangeArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) write: WriteArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "The config")]
pub(crate) struct PlatformChangeArgs {
    /// The operating system that the config names.
    #[arg(hide_short_help = true, long, value_name = "OS", value_parser = values::platform_part)]
    pub(crate) os: Option<String>,

    /// The architecture that the config names; the variant of another one goes unless --variant is given.
    #[arg(hide_short_help = true, long, value_name = "ARCH", value_parser = values::platform_part)]
    pub(crate) arch: Option<String>,

    /// The architecture's variant that the config names.
    #[arg(hide_short_help = true, long, value_name = "VARIANT", value_parser = values::platform_part)]
    pub(crate) variant: Option<String>,
}
