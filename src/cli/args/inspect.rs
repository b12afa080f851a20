//! `imgtar inspect`, as it is typed.

use std::path::PathBuf;

use clap::Args;

use super::AnswerArgs;

/// The end of `imgtar inspect --help`.
const EXAMPLES: &str = "\
Examples:
  What is in it, and who will load it?
    imgtar inspect app.tar

  The image ID, for a script:
    imgtar inspect --json app.tar | jq -r '.images[].image_id'

  Sizes of layers, largest first:
    imgtar inspect --json app.tar |
      jq -c '.images[0].layers | sort_by(-.size)[] | [.size, .created_by]'

  The config, byte for byte, so that its sha256 is the image ID:
    docker save app:1 | imgtar inspect --config | sha256sum

  What `docker load` of Docker 20.10 will say:
    imgtar inspect --json app.tar |
      jq '.loads[] | select(.engine == \"docker-20.10\")'";

/// Say what an archive holds, and which engines load it.
///
/// Its images with their configs and layers, what is odd about it, and what each engine would make of it.
///
/// Nothing is decoded and no layer is hashed, so that a large archive is as quick as a small one; --full decodes every
/// layer, which checks them and tells their unpacked sizes. What is odd about the archive is part of the answer: --strict
/// makes an error of what a conversion would warn of.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct InspectArgs {
    /// The archive to read: a file, an OCI layout directory, or `-` for standard input.
    ///
    /// May be left out when standard input is not a terminal.
    #[arg(value_name = "IN")]
    pub(crate) input: Option<PathBuf>,

    /// Everything, as one JSON document.
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

    /// Decode every layer: check what is promised of it, and say how large it is unpacked.
    #[arg(long, conflicts_with_all = ["raw", "config", "manifest"])]
    pub(crate) full: bool,

    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
