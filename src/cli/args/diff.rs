//! `imgtar diff`, as it is typed.

use std::path::PathBuf;

use clap::Args;

use super::AnswerArgs;

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
    imgtar convert all.tar --image app:1 --to oci |
      imgtar diff - all.tar --image app:1

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
#[command(after_long_help = EXAMPLES)]
pub(crate) struct DiffArgs {
    /// The first archive: a file, an OCI layout directory, or `-` for standard input.
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,

    /// The second one.
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,

    /// Say it as one JSON document.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}
