//! `imgtar edit`.

use std::path::PathBuf;

use clap::Args;
use imgtar::{Addition, PathPattern};

use super::{ConfigArgs, SelectionArgs, WriteArgs};
use crate::cli::values::{self, PlatformArg};

/// The end of `imgtar edit --help`.
const EXAMPLES: &str = "\
Examples:
  A leaked key out of all layers, with whatever deleted it later:
    imgtar edit app.tar --remove etc/app/key.pem --to oci -o clean.tar

  Another command, and a variable less:
    imgtar edit app.tar --cmd /bin/app --unset-env TOKEN --to oci -o new.tar

  The same application on a patched base:
    imgtar edit app.tar --rebase debian.tar=patched.tar --to oci -o new.tar

  One layer in place of all that were added to the base:
    imgtar edit app.tar --squash-above debian.tar --to oci -o small.tar

  The same image from every build of the same files:
    SOURCE_DATE_EPOCH=0 imgtar edit app.tar --normalize --to oci -o same.tar

  A certificate on top:
    imgtar edit app.tar --add ca.crt:etc/ssl/certs/ --to oci -o new.tar

  A label for one platform of several; the others keep their digests:
    imgtar edit multi.tar --only-platform linux/arm64 --label beta=1 \\
      --to oci -o new.tar";

/// Change images, without touching anything else.
///
/// Reads and writes what `convert` does. Changes apply in one order, whatever the order of the flags: layers as they are
/// listed here, then the config. A changed image has a new image ID; layers and images that no flag touches keep every
/// byte. Signatures and attestations of a changed image are left out, each with a warning.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct EditArgs {
    /// The archive to read: a file, a directory that one was unpacked into, or `-` for standard input.
    ///
    /// May be left out when standard input is not a terminal.
    #[arg(value_name = "IN")]
    pub(crate) input: Option<PathBuf>,

    /// Write nothing; say what would change, with the new image IDs and the size of the layers.
    ///
    /// All is done but for the writing, so that what would be refused is refused. There is no --report of it.
    #[arg(long, conflicts_with = "report")]
    pub(crate) dry_run: bool,

    /// Change the images of this platform only; all others are written as they are. Repeatable.
    ///
    /// Where --platform leaves the others out, this keeps them.
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
    pub(crate) write: WriteArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Changes of layers")]
pub(crate) struct LayerChangeArgs {
    /// Put the image of the archive NEW in the place of that of OLD, whose layers are at the bottom.
    ///
    /// OLD is found by its layers, however they are compressed; NEW's image is that for the same platform. Runtime settings stay
    /// those of the image, and what it has as OLD had it is named. Refused where a directory of the image would take the place
    /// of a link or file of NEW, as `lib/` does on a merged /usr. Of several `=` the first counts between two paths that exist.
    #[arg(long, value_name = "OLD=NEW", value_parser = values::rebase)]
    pub(crate) rebase: Option<(PathBuf, PathBuf)>,

    /// With --rebase, replace links and files of NEW with directories of the image.
    #[arg(hide_short_help = true, long, requires = "rebase")]
    pub(crate) force_rebase: bool,

    /// Leave out the layer with this number, counted from 0 at the base, and its entry of the history. Repeatable.
    ///
    /// Layers above it keep every byte unless they cannot: a whiteout in a directory that is gone is left out, a directory that
    /// only this layer described is put in. Refused where a hard link or a path of theirs leads into it.
    #[arg(long, value_name = "N")]
    pub(crate) remove_layer: Vec<u32>,

    /// Take a path out of every layer, so that no blob holds it: a file, or a directory with all below it. Repeatable.
    ///
    /// `*` and `?` stand for anything but a slash, `**` for directories at any depth; the pattern is held against the whole
    /// path, as in `**/.env`. Names through symbolic links and whiteouts go too; other names of a hard link keep the content
    /// and are named. Afterwards all layers are read, and content that is left under another name is warned of.
    #[arg(long, value_name = "PATH", value_parser = values::path_pattern)]
    pub(crate) remove: Vec<PathPattern>,

    /// Make one layer of all, with the same files.
    #[arg(long)]
    pub(crate) squash: bool,

    /// Make one layer of the last N.
    ///
    /// The layers below keep every byte. What was deleted stays deleted, and what the layers below have of it is hidden.
    #[arg(long, value_name = "N", conflicts_with = "squash", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) squash_top: Option<u32>,

    /// Make one layer of those above the layers of an image in this archive, the base.
    #[arg(long, value_name = "ARCHIVE", conflicts_with_all = ["squash", "squash_top"])]
    pub(crate) squash_above: Option<PathBuf>,

    /// Make two builds of the same files one image: no time later than SOURCE_DATE_EPOCH, entries in the order of their paths,
    /// no names of owners, nothing of the building host.
    ///
    /// Without SOURCE_DATE_EPOCH every time becomes 1970.
    #[arg(long)]
    pub(crate) normalize: bool,

    /// With --normalize, leave the layers of an image in this archive as they are, so that they stay shared.
    #[arg(long, value_name = "ARCHIVE", requires = "normalize")]
    pub(crate) above: Option<PathBuf>,

    /// Put a layer on top: a tar, plain or compressed, as it is. Repeatable, the last one topmost.
    #[arg(long, value_name = "TAR")]
    pub(crate) add_layer: Vec<PathBuf>,

    /// Put a file, directory or symbolic link of the disk on top, as SRC:DEST[:MODE[:UID:GID]]. Repeatable, all in one layer.
    ///
    /// DEST is followed through the image's symbolic links; where it ends in a slash, or is a directory of the image, SRC goes
    /// into it under its own name. Directories that the image has keep their metadata. Owner and group are 0 unless given,
    /// MODE (octal) is that of files, else the disk's; times are those of SOURCE_DATE_EPOCH.
    #[arg(long, value_name = "SRC:DEST", value_parser = values::addition)]
    pub(crate) add: Vec<Addition>,
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
