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
  What a new release changes:
    imgtar diff app-1.tar app-2.tar

  Whether a build is reproducible:
    imgtar diff first.tar second.tar && echo yes

  Whether it is but for times:
    imgtar diff --ignore mtime,created first.tar second.tar && echo yes

  How many files changed:
    imgtar diff --only files a.tar b.tar | head -n 5

  What the daemon has against what was delivered:
    docker save app:1 | imgtar diff delivered.tar -

  Programs that came or changed, for a machine:
    imgtar diff a.tar b.tar --json |
      jq -r '.files | (.added + [.changed[].b])[].path | select(test(\"^bin/\"))'

  Two images of one archive:
    imgtar diff all.tar all.tar --image-a app:1 --image-b app:2

Exit codes:
  0  the same image, or nothing differs that counts
  1  they differ
  4  there are several images to choose from, or not the one that was asked for";

/// Compare two images: configs, layers and files.
///
/// The config is compared field by field, layers by their diff_ids, and files path by path once the layers have been applied:
/// what was added (+), removed (-) and changed (~), with what changed: type, mode, owner, size, mtime, target of a link,
/// device, xattrs, other PAX records such as ACLs, content. Nothing is said of what is the same.
///
/// Images with the same image ID are the same, whatever their names and however their layers are compressed; nothing is
/// decoded then.
#[derive(Debug, Args)]
#[command(
    after_long_help = EXAMPLES,
    mut_arg("image", |arg| arg.help("This image of both: a name, a position (`@0` is the first), or a digest or unique beginning of one")),
)]
pub(crate) struct DiffArgs {
    /// The first archive: a file, a directory that one was unpacked into, or `-` for standard input.
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,

    /// The second archive; it may be the first one.
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,

    /// The image of A, where --image would mean another one.
    #[arg(long, value_name = "SEL", value_parser = values::image, help_heading = "Which image")]
    pub(crate) image_a: Option<ImageRef>,

    /// The image of B, where --image would mean another one.
    #[arg(long, value_name = "SEL", value_parser = values::image, help_heading = "Which image")]
    pub(crate) image_b: Option<ImageRef>,

    /// Leave these differences out, of the answer and of the exit code. Repeatable, or with commas.
    ///
    /// Where times, owners, modes or attributes do not count, neither do diff_ids: layers are the same if their files are.
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',')]
    pub(crate) ignore: Vec<IgnoreArg>,

    /// Compare this part alone.
    #[arg(long, value_name = "PART", value_enum)]
    pub(crate) only: Option<PartArg>,

    /// Say it as one JSON document.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
