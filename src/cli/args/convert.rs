//! The flags of `imgtar convert`.

use std::path::PathBuf;

use clap::Args;

use super::{SelectionArgs, WriteArgs};

/// The end of `imgtar convert --help`.
const EXAMPLES: &str = "\
Examples:
  A new docker's archive for a tool that knows the old form only:
    docker save app:1 | imgtar convert --to legacy | old-scanner -

  One file that every engine loads, for one platform:
    imgtar convert app.tar --to oci --platform linux/amd64 -o amd64.tar

  zstd layers for an engine that only reads gzip:
    imgtar convert zstd-image.tar --to docker --compress gzip:6 | docker load

  All names moved to another registry:
    imgtar convert vendor.tar --rename docker.io/=registry.lan/ --to oci |
      docker load

  The filesystem of a container:
    imgtar convert app.tar --to rootfs -o rootfs.tar.gz

  A layout directory that tools read blob by blob:
    imgtar convert app.tar --to oci-dir -o layout

  Many archives as one, without storing a layer twice:
    imgtar convert api.tar web.tar db.tar --to oci -o bundle.tar

  A platform that was saved by itself, put back into its index:
    imgtar convert half.tar --with other-half.tar --to oci -o whole.tar

  Only what is new, for a machine that has loaded app-1.tar:
    imgtar convert app-2.tar --to oci --base app-1.tar -o up.tar

  What changed in the files of a rebuilt image; --with app-1.tar makes it again:
    imgtar convert app-2.tar --to delta --base app-1.tar -o up.delta

  One archive for each image in it:
    imgtar convert all.tar --to oci --split -o 'out/{name}-{tag}.tar'

  One image for several platforms:
    imgtar convert on-amd64.tar on-arm64.tar --to oci -t app:1 -o on-both.tar";

/// Write the images of archives in another format.
///
/// Reads docker's and podman's archives of all ages, crane's tarballs, OCI layouts as tar or directory, and any of these
/// compressed as a whole by gzip, zstd, xz, bzip2 or lz4. Configs are kept byte for byte, so image IDs stay; layers are kept
/// byte for byte unless the target or a flag asks for something else. Every digest that something promises is checked.
///
/// The output appears under its name only when it is whole and true.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ConvertArgs {
    /// The archives to read: files, OCI layout directories, or `-` for standard input.
    ///
    /// May be left out when standard input is not a terminal. Of several, all images are written, in this order; blobs and
    /// layers that they share are read and written once. Images for different platforms under one name become one name's
    /// platforms.
    #[arg(value_name = "IN")]
    pub(crate) inputs: Vec<PathBuf>,

    /// Take from this archive what IN lists and does not hold: layers, manifests or platforms that are in another archive.
    /// Repeatable.
    ///
    /// A blob is found by the digest that IN lists it by, and checked as all others are. A layer of a docker save archive has
    /// the digest of its tar. Of a delta the image that it is for.
    #[arg(long = "with", value_name = "ARCHIVE", help_heading = "What is taken")]
    pub(crate) with: Vec<PathBuf>,

    /// Leave out the layers that the images of this archive have, for a place where it is loaded already. Repeatable.
    ///
    /// That is, as many of an image's lowest layers as one image of an ARCHIVE has for its own lowest. They stay listed, as the
    /// ARCHIVE stores them, whose layers are not read. `docker load`, `ctr images import` and `podman load` take what is
    /// written where the ARCHIVE is loaded; --with makes it whole elsewhere. For oci and oci-dir.
    ///
    /// For delta the image to make the new one of: layers that it has are named, of the others is written what changed in its
    /// files, wherever they were.
    #[arg(long, value_name = "ARCHIVE", help_heading = "What is taken")]
    pub(crate) base: Vec<PathBuf>,

    /// Make a delta in a fraction of the time, and larger: the second version of its form.
    #[arg(long, help_heading = "What is taken")]
    pub(crate) fast: bool,

    /// Write an archive for each image: the last part of -o is then a pattern, as in out/{name}-{tag}.tar.
    ///
    /// In braces stand `name`, the last part of the repository; `repo`, all of it with `/` as `_`; `tag`, `os`, `arch`; `id`,
    /// the first 12 digits of the image ID; or `n`, the number from 0. With `os`, `arch` or `id` each platform is an archive
    /// of its own. All archives appear or none; two of one name are refused before anything is written.
    #[arg(long, conflicts_with = "append", help_heading = "Output")]
    pub(crate) split: bool,

    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) write: WriteArgs,
}
