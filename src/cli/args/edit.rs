//! `imgtar edit`.

use std::path::PathBuf;

use clap::Args;
use imgtar::{Addition, PathPattern};

use super::{ConfigArgs, SelectionArgs, SplitArgs, WriteArgs};
use crate::cli::choices::FormatArg;
use crate::cli::values::{self, PlatformArg};

/// The end of `imgtar edit --help`.
const EXAMPLES: &str = "\
Examples:
  Remove a leaked key from every layer:
    imgtar edit app.tar --remove etc/app/key.pem --to oci -o clean.tar

  Set the command and remove a variable:
    imgtar edit app.tar --cmd /bin/app --unset-env TOKEN --to oci -o new.tar

  Move an application to a patched base:
    imgtar edit app.tar --rebase debian.tar=patched.tar --to oci -o new.tar

  Merge all layers that were added to a base:
    imgtar edit app.tar --squash-above debian.tar --to oci -o small.tar

  Make the same image from every build of the same files:
    SOURCE_DATE_EPOCH=0 imgtar edit app.tar --normalize --to oci -o same.tar

  Add a certificate:
    imgtar edit app.tar --add ca.crt:etc/ssl/certs/ --to oci -o new.tar

  Label one platform of several; the others keep their digests:
    imgtar edit multi.tar --only-platform linux/arm64 --label beta=1 \\
      --to oci -o new.tar";

/// Change images: squash, remove files, rebase, edit the config.
///
/// Reads and writes the same formats as `convert`. Changes are made in a fixed order, whatever the order of the flags: those
/// of layers in the order in which they are listed here, then those of the config. A changed image has a new image ID.
/// Layers and images that no flag concerns stay as they are, byte for byte. Signatures and attestations of a changed image
/// are left out, each with a warning.
#[derive(Debug, Args)]
#[command(
    after_long_help = EXAMPLES,
    mut_arg("to", |arg| arg.value_parser(FormatArg::other_than_delta())),
)]
pub(crate) struct EditArgs {
    /// The archives to read: files, directories (OCI layouts or unpacked archives), or `-` for
    /// standard input.
    ///
    /// May be omitted when standard input is not a terminal. Several archives become one, as with `convert`, unless --split is
    /// given: the changes apply to all their images, or to those that --image selects.
    #[arg(value_name = "IN")]
    pub(crate) inputs: Vec<PathBuf>,

    /// Write nothing; show what would change, the new image IDs and the sizes of layers.
    ///
    /// Everything is done except the writing, so a command that would fail fails here too. Cannot be used with --report.
    #[arg(long, conflicts_with = "report")]
    pub(crate) dry_run: bool,

    /// Change only images for this platform; write all others as they are. Repeatable.
    ///
    /// Unlike --platform, which leaves the others out.
    #[arg(long, value_name = "PLATFORM", value_parser = values::platform)]
    pub(crate) only_platform: Vec<PlatformArg>,

    #[command(flatten)]
    pub(crate) layers: LayerChangeArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) platform: PlatformChangeArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) split: SplitArgs,
    #[command(flatten)]
    pub(crate) write: WriteArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Layer changes")]
pub(crate) struct LayerChangeArgs {
    /// Replace the base image: OLD is an archive with the base that the image was built on, NEW an archive with the base to
    /// put in its place.
    ///
    /// The layers of OLD have to be the lowest of the image, however they are compressed; from NEW the image for the
    /// same platform is used. The config of the image stays; settings that it shares with OLD are listed. Refused if a
    /// directory of the image would replace a link or file of NEW, as `lib/` would where /usr is merged and /lib is a link,
    /// or a link or file of the image a directory of NEW. If a path contains `=`, the first `=` between two existing paths
    /// separates them.
    #[arg(long, value_name = "OLD=NEW", value_parser = values::rebase)]
    pub(crate) rebase: Option<(PathBuf, PathBuf)>,

    /// With --rebase, let directories of the image replace links and files of NEW, and links and files its directories.
    #[arg(hide_short_help = true, long, requires = "rebase")]
    pub(crate) force_rebase: bool,

    /// Remove the layer with this number, 0 being the lowest, and its entry in the history. Repeatable.
    ///
    /// Layers above it stay as they are, except that whiteouts in directories that no longer exist are dropped, and
    /// directories that only this layer described are added. Refused if a hard link or a path of a layer above leads into
    /// the removed layer.
    #[arg(long, value_name = "N", value_parser = values::layer)]
    pub(crate) remove_layer: Vec<u32>,

    /// Remove a path from every layer, so that no blob contains it: a file, or a directory with everything below it.
    /// Repeatable.
    ///
    /// `*` and `?` stand for anything but a slash, `**` for directories at any depth; the pattern has to match the whole
    /// path, as in `**/.env`. Whiteouts of the path are removed too. A path may lead through symbolic links to directories, a
    /// pattern may not. Of a path that is a symbolic link itself the link is removed, and its target stays. Symbolic links to
    /// the path stay and lead nowhere, and other hard links to a file keep its content: both are listed. At the end every
    /// layer is read again, with a warning if the content is still there under another name.
    #[arg(long, value_name = "PATH", value_parser = values::path_pattern)]
    pub(crate) remove: Vec<PathPattern>,

    /// Merge all layers into one.
    #[arg(long)]
    pub(crate) squash: bool,

    /// Merge the top N layers into one.
    ///
    /// The layers below stay as they are, byte for byte. Files that were deleted stay deleted.
    #[arg(long, value_name = "N", conflicts_with = "squash", value_parser = values::at_least_one)]
    pub(crate) squash_top: Option<u32>,

    /// Merge the layers above those of the base image in this archive into one.
    #[arg(long, value_name = "ARCHIVE", conflicts_with_all = ["squash", "squash_top"])]
    pub(crate) squash_above: Option<PathBuf>,

    /// Make builds of the same files identical: set times later than SOURCE_DATE_EPOCH to it, sort entries by path, and drop
    /// the names of owners and everything that depends on the build machine.
    ///
    /// Without SOURCE_DATE_EPOCH every time is set to the start of 1970.
    #[arg(long)]
    pub(crate) normalize: bool,

    /// With --normalize, leave the layers of the base image in this archive as they are, so that they stay shared.
    #[arg(long, value_name = "ARCHIVE", requires = "normalize")]
    pub(crate) above: Option<PathBuf>,

    /// Add a tar, plain or compressed, as the top layer. Repeatable; the last one is the topmost.
    #[arg(long, value_name = "TAR")]
    pub(crate) add_layer: Vec<PathBuf>,

    /// Add a file, directory or symbolic link from disk, as SRC:DEST[:MODE[:UID:GID]]. Repeatable; all of them make one new
    /// layer.
    ///
    /// Symbolic links of the image in DEST are followed. If DEST ends in a slash or is a directory of the image, SRC is put
    /// into it under its own name. Existing directories of the image keep their metadata. Owner and group are 0 unless
    /// given. MODE, in octal, applies to files; without it the modes on disk are kept. Times are set to SOURCE_DATE_EPOCH.
    #[arg(long, value_name = "SRC:DEST", value_parser = values::addition)]
    pub(crate) add: Vec<Addition>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Config")]
pub(crate) struct PlatformChangeArgs {
    /// Set the operating system in the config.
    #[arg(hide_short_help = true, long, value_name = "OS", value_parser = values::platform_part)]
    pub(crate) os: Option<String>,

    /// Set the architecture in the config, `host` for that of this machine, and drop the variant of another architecture
    /// unless --variant is given.
    #[arg(hide_short_help = true, long, value_name = "ARCH", value_parser = values::architecture)]
    pub(crate) arch: Option<String>,

    /// Set the variant of the architecture in the config.
    #[arg(hide_short_help = true, long, value_name = "VARIANT", value_parser = values::platform_part)]
    pub(crate) variant: Option<String>,
}
