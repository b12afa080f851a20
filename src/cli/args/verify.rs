//! `imgtar verify`, as it is typed.

use std::path::PathBuf;

use clap::Args;

use super::RunArgs;

/// The end of `imgtar verify --help`.
const EXAMPLES: &str = "\
Examples:
  Check an archive before it is passed on:
    imgtar verify app.tar && scp app.tar prod:

  An archive from a pipe, with all notes:
    docker save app:1 | imgtar verify -v

  Several archives:
    imgtar verify api.tar web.tar db.tar

  A report for a program:
    imgtar verify app.tar --json > report.json

  The places with errors:
    imgtar verify app.tar --json |
      jq -r '.findings[] | select(.severity == \"error\") | .place' | sort -u

Exit codes:
  0  no errors
  1  errors, or with --strict warnings
  3  not an image archive, or too damaged to be read as one; of several
     archives, the others are still checked";

/// Check everything in an archive, and list all errors.
///
/// Checks every digest, size, diff_id and reference; the form of every document; the compression and the tar of every layer,
/// its entries, and whether the layers can be applied in order; names; and whether index.json, manifest.json and
/// repositories describe the same images. Every layer is decoded; every byte is read once.
///
/// A finding is an error if `convert` would refuse the archive, or if it could convert it to an image that was not intended;
/// a warning if engines disagree about the archive; and a note, shown with -v, if it is harmless. Each finding names the
/// place, the rule of docs/formats.md, and the expected and found values.
#[derive(Debug, Args)]
#[command(
    after_long_help = EXAMPLES,
    mut_arg("strict", |arg| arg.help("Exit with 1 for warnings, too")),
)]
pub(crate) struct VerifyArgs {
    /// The archives to check: files, directories (OCI layouts or unpacked archives), or `-` for
    /// standard input.
    ///
    /// May be omitted when standard input is not a terminal. Several archives are checked one by one, even if some of them
    /// have errors.
    #[arg(value_name = "IN")]
    pub(crate) inputs: Vec<PathBuf>,

    /// Take from this archive what the one to check lists but does not contain, and check that too. Repeatable.
    ///
    /// Without it, the layers that an increment leaves out are listed as a note.
    #[arg(long = "with", value_name = "ARCHIVE")]
    pub(crate) with: Vec<PathBuf>,

    /// Print one JSON document with notes included; for several archives one document per line.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}
