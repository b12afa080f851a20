//! `imgtar inspect`, as it is typed.

use std::path::PathBuf;

use clap::Args;
use imgtar::EngineChoice;

use super::AnswerArgs;
use crate::cli::values;

/// The end of `imgtar inspect --help`.
const EXAMPLES: &str = "\
Examples:
  What is in an archive, and which engines load it:
    imgtar inspect app.tar

  One line per image of several archives:
    imgtar inspect --short api.tar web.tar db.tar

  The image ID, for a script:
    imgtar inspect --json app.tar | jq -r '.images[].image_id'

  Sizes of layers, largest first:
    imgtar inspect --json app.tar |
      jq -c '.images[0].layers | sort_by(-.size)[] | [.size, .created_by]'

  The config, byte for byte (its sha256 is the image ID):
    docker save app:1 | imgtar inspect --config | sha256sum

  Does every Docker load it? Exit code 1 and the reason if not:
    imgtar inspect --for docker app.tar";

/// List what an archive holds, and which engines load it.
///
/// Shows the images with their configs and layers, anything unusual about the archive, and what each engine would do with
/// it.
///
/// No layer is decoded or hashed, so a large archive takes no longer than a small one. With --full every layer is decoded
/// and checked, and the size of its tar is shown. With --strict anything that a conversion would warn about is an error.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct InspectArgs {
    /// The archives to read: files, directories (OCI layouts or unpacked archives), or `-` for
    /// standard input.
    ///
    /// May be omitted when standard input is not a terminal.
    #[arg(value_name = "IN")]
    pub(crate) inputs: Vec<PathBuf>,

    /// Print one line for each image: name, platform, size, image ID and archive.
    #[arg(long, group = "form")]
    pub(crate) short: bool,

    /// Print everything as one JSON document; for several archives one document per line.
    #[arg(long, group = "form")]
    pub(crate) json: bool,

    /// Print the archive's own list of images, byte for byte: index.json, manifest.json or repositories.
    ///
    /// If there are both index.json and manifest.json, the first is printed; with --prefer docker, the second.
    #[arg(long, group = "form", conflicts_with_all = ["image", "platform"])]
    pub(crate) raw: bool,

    /// Print the config of the image, byte for byte: its sha256 is the image ID.
    #[arg(long, group = "form")]
    pub(crate) config: bool,

    /// Print the manifest of the image, byte for byte; only OCI layouts have manifests.
    #[arg(long, group = "form")]
    pub(crate) manifest: bool,

    /// Decode every layer, check its digests, and show the size of its tar.
    #[arg(long, conflicts_with_all = ["raw", "config", "manifest"])]
    pub(crate) full: bool,

    /// Only say whether this engine loads the archive, and if not, why; exit with 1 if it does not load all of it.
    ///
    /// A name without a version stands for every version that imgtar knows, and each of them has to load the archive; for
    /// `skopeo` one of its two transports is enough. Layers are decoded as with --full, because an engine may load an
    /// archive but fail to unpack its layers. --short and --json change the output, but not the
    /// exit code.
    #[arg(long = "for", value_name = "ENGINE", value_parser = values::engine(),
        conflicts_with_all = ["raw", "config", "manifest"])]
    pub(crate) engine: Option<EngineChoice>,

    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
