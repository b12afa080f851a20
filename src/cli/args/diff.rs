//! `imgtar diff`, as it is typed.

use std::path::PathBuf;

use clap::Args;
use imgtar::ImageRef;

use super::AnswerArgs;
use crate::cli::values;

/// The end of `imgtar diff --help`.
const EXAMPLES: &str = "\
Examples:
  What a new release changes:
    imgtar diff app-1.tar app-2.tar

  Whether a build is reproducible:
    imgtar diff first.tar second.tar && echo yes

  What the daemon has against what was delivered:
    docker save app:1 | imgtar diff delivered.tar -

  Programs that came or changed, for a machine:
    imgtar diff a.tar b.tar --json |
      jq -r '.files | (.added + [.changed[].b])[].path | select(test(\"^bin/\"))'

  Two images of one archive:
    imgtar diff all.tar all.tar --image-a app:1 --image-b app:2

Exit codes:
  0  the same image
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
    /// The first archive: a file, an OCI layout directory, or `-` for standard input.
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

    /// Say it as one JSON document.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
