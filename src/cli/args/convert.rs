//! The flags of `imgtar convert`.

use std::path::PathBuf;

use clap::Args;

use super::{SelectionArgs, SplitArgs, WriteArgs};
use crate::cli::values;

/// The end of `imgtar convert --help`.
const EXAMPLES: &str = "\
Examples:
  An archive of a recent Docker for a tool that only knows the old format:
    docker save app:1 | imgtar convert --to legacy | old-scanner -

  One file that every engine loads, for one platform:
    imgtar convert app.tar --to oci --platform linux/amd64 -o amd64.tar

  zstd layers compressed with gzip for an engine that does not read zstd:
    imgtar convert zstd-image.tar --to docker --compress gzip:6 | docker load

  Every image renamed to another registry:
    imgtar convert vendor.tar --rename docker.io/=registry.lan/ --to oci |
      docker load

  The filesystem of a container:
    imgtar convert app.tar --to rootfs -o rootfs.tar.gz

  An OCI layout directory:
    imgtar convert app.tar --to oci-dir -o layout

  Several archives as one, each layer stored once:
    imgtar convert api.tar web.tar db.tar --to oci -o bundle.tar

  An index whose platforms are in two archives:
    imgtar convert half.tar --with other-half.tar --to oci -o whole.tar

  Only the new layers, for a machine that has loaded app-1.tar:
    imgtar convert app-2.tar --to oci --base app-1.tar -o up.tar

  Only the changed files of a rebuilt image; --with app-1.tar restores it:
    imgtar convert app-2.tar --to delta --base app-1.tar -o up.delta

  One archive per image:
    imgtar convert all.tar --to oci --split -o \"out/{name}-{tag}.tar\"

  One multi-platform image:
    imgtar convert on-amd64.tar on-arm64.tar --to oci -t app:1 -o on-both.tar";

/// Convert images to another format.
///
/// Reads the archives of every version of docker and podman, crane's tarballs, and OCI layouts as tar or directory, each
/// plain or compressed as a whole with gzip, zstd, xz, bzip2 or lz4. Configs are kept byte for byte, so image IDs do not
/// change. Layers are kept byte for byte unless the target format or a flag requires otherwise. Every digest in the archive
/// is checked.
///
/// The output file appears under its name only when it is complete and verified.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ConvertArgs {
    /// The archives to read: files, directories (OCI layouts or unpacked archives), or `-` for
    /// standard input.
    ///
    /// May be omitted when standard input is not a terminal. With several archives, all their images are written, in this
    /// order, and blobs that they share are read and written once. Images with the same name for different platforms become
    /// one multi-platform image.
    #[arg(value_name = "IN")]
    pub(crate) inputs: Vec<PathBuf>,

    /// Leave out the layers that this archive already has, for a machine that has loaded it. Repeatable.
    ///
    /// With oci and oci-dir this writes an increment: the lowest layers of an image, as far as it shares them with an image of
    /// ARCHIVE, are listed but not stored. `docker load`, `ctr images import` and `podman load` accept it where ARCHIVE has
    /// been loaded; elsewhere --with completes it. Layers of ARCHIVE are not read.
    ///
    /// With delta this is the image that the delta is applied to: layers that it has are left out, and of the other layers
    /// only what changed in their files is written.
    #[arg(long, value_name = "ARCHIVE", help_heading = "Selection")]
    pub(crate) base: Vec<PathBuf>,

    /// Make a delta in a fraction of the time, but larger (version 2 of tar-diff).
    #[arg(long, help_heading = "Selection")]
    pub(crate) fast: bool,

    /// Use at most SIZE of memory to make a delta, 32M or more [default: 512M].
    ///
    /// Files that need more are compared in windows; smaller windows find fewer matches. The delta depends on SIZE, but not
    /// on the number of threads: they wait for one another if there is not enough memory for all. About 500 bytes for each
    /// file of the images come on top.
    #[arg(long, value_name = "SIZE", value_parser = values::delta_memory, help_heading = "Selection")]
    pub(crate) memory: Option<u64>,

    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) split: SplitArgs,
    #[command(flatten)]
    pub(crate) write: WriteArgs,
}
