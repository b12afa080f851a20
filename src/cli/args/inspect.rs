//! `imgtar inspect`, as it is typed.

use std::path::PathBuf;

use clap::Args;
use imgtar::EngineChoice;

use super::AnswerArgs;
use crate::cli::values;

/// The end of `imgtar inspect --help`.
const EXAMPLES: &str = "\
Examples:
  What is in it, and who will load it?
    imgtar inspect app.tar

  What is in all of these?
    imgtar inspect --short api.tar web.tar db.tar

  The image ID, for a script:
    imgtar inspect --json app.tar | jq -r '.images[].image_id'

  Sizes of layers, largest first:
    imgtar inspect --json app.tar |
      jq -c '.images[0].layers | sort_by(-.size)[] | [.size, .created_by]'

  The config, byte for byte, so that its sha256 is the image ID:
    docker save app:1 | imgtar inspect --config | sha256sum

  Will every Docker load it? If not, why, and exit code 1:
    imgtar inspect --for docker app.tar";

/// List what an archive holds, and which engines load it.
///
/// Its images with their configs and layers, what is odd about it, and what each engine would make of it.
///
/// Nothing is decoded and no layer is hashed, so that a large archive is as quick as a small one; --full decodes every
/// layer, which checks them and tells the sizes of their tars. What is odd about the archive is part of the answer:
/// --strict makes an error of what a conversion would warn of.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct InspectArgs {
    /// The archives to read: files, OCI layout directories, or `-` for standard input.
    ///
    /// May be left out when standard input is not a terminal.
    #[arg(value_name = "IN")]
    pub(crate) inputs: Vec<PathBuf>,

    /// A line for each image: name, platform, size, image ID, archive.
    #[arg(long, group = "form")]
    pub(crate) short: bool,

    /// Everything, as one JSON document; of several archives a document a line.
    #[arg(long, group = "form")]
    pub(crate) json: bool,

    /// The archive's own list of images, byte for byte: index.json, manifest.json or repositories.
    ///
    /// Of a hybrid archive index.json, or with --prefer docker manifest.json.
    #[arg(long, group = "form", conflicts_with_all = ["image", "platform"])]
    pub(crate) raw: bool,

    /// The config of the one image that is meant, byte for byte: its sha256 is the image ID.
    #[arg(long, group = "form")]
    pub(crate) config: bool,

    /// The manifest of the one image that is meant, byte for byte; only layouts have manifests.
    #[arg(long, group = "form")]
    pub(crate) manifest: bool,

    /// Decode every layer: check its digests, and tell the size of its tar.
    #[arg(long, conflicts_with_all = ["raw", "config", "manifest"])]
    pub(crate) full: bool,

    /// Tell only whether this engine loads the archive, and exit with 1 if it does not load all of it.
    ///
    /// A word without a release stands for all releases that are known, and each of them has to load the archive; `skopeo`
    /// may read it by either of its transports. Layers are decoded as with --full, unless the documents alone are refused:
    /// what an engine cannot unpack is found there only. With --short or --json that form is printed.
    #[arg(long = "for", value_name = "ENGINE", value_parser = values::engine(),
        conflicts_with_all = ["raw", "config", "manifest"])]
    pub(crate) engine: Option<EngineChoice>,

    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
