//! `imgtar diff`, as it is typed.

use std::path::PathBuf;

use clap::Args;
use imgtar::ImageRef;

use super::AnswerArgs;
use crate::cli::choices::{IgnoreArg, PartArg};
use crate::cli::values;

/// The end of `imgtar diff --help`.
const EXAMPLES: &str = "\
Examples:
  What changed in a new release:
    imgtar diff app-1.tar app-2.tar

  Is a build reproducible?
    imgtar diff first.tar second.tar && echo yes

  Is it reproducible except for times?
    imgtar diff --ignore mtime,created first.tar second.tar && echo yes

  How many files changed:
    imgtar diff --only files a.tar b.tar | head -n 5

  Compare a delivered archive with the image in the daemon:
    docker save app:1 | imgtar diff delivered.tar -

  Programs that were added or changed, for a script:
    imgtar diff a.tar b.tar --json |
      jq -r '.files | (.added + [.changed[].b])[].path | select(test(\"^bin/\"))'

  Two images of one archive:
    imgtar diff all.tar all.tar --image-a app:1 --image-b app:2

Exit codes:
  0  the same image, or only ignored differences
  1  they differ
  4  there are several images to choose from, or the requested one is not there";

/// Compare two images: configs, layers and files.
///
/// Configs are compared field by field, layers by their diff_ids, and files path by path in the final filesystem. Files that
/// were added are marked with +, removed ones with - and changed ones with ~, followed by what changed: type, mode, owner,
/// size, mtime, link target, device, xattrs, other PAX records such as ACLs, or content.
///
/// Images with the same image ID are the same, whatever their names are and however their layers are compressed; in that
/// case no layer is decoded.
#[derive(Debug, Args)]
#[command(
    after_long_help = EXAMPLES,
    mut_arg("image", |arg| arg.help("The image of both archives: a name, a position (`@0` is the first), or a digest or an unambiguous prefix of one")),
)]
pub(crate) struct DiffArgs {
    /// The first archive: a file, a directory (an OCI layout or an unpacked archive), or `-` for standard
    /// input.
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,

    /// The second archive, which may be the same as the first.
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,

    /// The image of A, if --image does not apply to both.
    #[arg(long, value_name = "SEL", value_parser = values::image, help_heading = "Selection")]
    pub(crate) image_a: Option<ImageRef>,

    /// The image of B, if --image does not apply to both.
    #[arg(long, value_name = "SEL", value_parser = values::image, help_heading = "Selection")]
    pub(crate) image_b: Option<ImageRef>,

    /// Ignore these differences, also for the exit code. Repeatable, or separated by commas.
    ///
    /// If times, owners, modes or attributes are ignored, so are diff_ids: layers then count as the same if their files do.
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',')]
    pub(crate) ignore: Vec<IgnoreArg>,

    /// Compare only this part.
    #[arg(long, value_name = "PART", value_enum)]
    pub(crate) only: Option<PartArg>,

    /// Print one JSON document.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
