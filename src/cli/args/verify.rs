//! `imgtar verify`, as it is typed.

use std::path::PathBuf;

use clap::Args;

use super::RunArgs;

/// The end of `imgtar verify --help`.
const EXAMPLES: &str = "\
Examples:
  Before it is passed on:
    imgtar verify app.tar && scp app.tar prod:

  What a pipe brings, and everything that is odd about it:
    docker save app:1 | imgtar verify -v

  A line for each archive:
    imgtar verify api.tar web.tar db.tar

  A report for a machine:
    imgtar verify app.tar --json > report.json

  The members that are not what they should be:
    imgtar verify app.tar --json |
      jq -r '.findings[] | select(.severity == \"error\") | .place' | sort -u

Exit codes:
  0  sound: no errors
  1  errors, or with --strict warnings; all of them are listed
  3  no image archive, or damaged beyond being read as one; of several, the others are checked all the same";

/// Check everything in an archive, and list all that is wrong.
///
/// Every digest, size, diff_id and reference; the form of every document; the compression and the tar of every layer, its
/// entries, and whether the layers can be applied one onto the other; names, and whether index.json, manifest.json and
/// repositories tell of the same images. Every layer is decoded, every byte read once.
///
/// A finding is an error if `convert` would refuse the archive or might make another image of it than was meant; a warning
/// if engines disagree about it; a note, shown by -v, if it is harmless. Each names its place, the rule of docs/formats.md
/// that it is about, and what was expected and found.
#[derive(Debug, Args)]
#[command(
    after_long_help = EXAMPLES,
    mut_arg("strict", |arg| arg.help("Let warnings, too, be a reason for exit 1")),
)]
pub(crate) struct VerifyArgs {
    /// The archives to check: files, OCI layout directories, or `-` for standard input.
    ///
    /// May be left out when standard input is not a terminal. Each of several is checked by itself, whatever is wrong with
    /// the others.
    #[arg(value_name = "IN")]
    pub(crate) inputs: Vec<PathBuf>,

    /// Take from this archive what the one that is checked lists and does not hold, and check that too. Repeatable.
    ///
    /// Without it the layers that an increment leaves to its base are a note.
    #[arg(long = "with", value_name = "ARCHIVE")]
    pub(crate) with: Vec<PathBuf>,

    /// Say it as one JSON document, notes included; of several archives as a document a line.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}
