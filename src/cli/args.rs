//! The command line: every flag, its help, and its place in the help.
//!
//! Here strings become values; `options` decides which of them may stand together, and what they mean for a conversion.
//! The doc comments are the help text. Rarer flags are left to the long help, to keep the short one short.

mod answer;
mod cat;
mod config;
mod convert;
mod diff;
mod edit;
mod history;
mod inspect;
mod ls;
mod shell;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};
use imgtar::{Compress, ImageRef, Reference};

use super::choices::{AttestationsArg, FormatArg, HalfArg, IndexArg, OuterArg, ProgressArg, VerifyArg};
use super::values::{self, PlatformArg, Rename};

pub(crate) use answer::{AnswerArgs, ChoiceArgs};
pub(crate) use cat::CatArgs;
pub(crate) use config::ConfigArgs;
pub(crate) use convert::ConvertArgs;
pub(crate) use diff::DiffArgs;
pub(crate) use edit::{EditArgs, LayerChangeArgs};
pub(crate) use history::HistoryArgs;
pub(crate) use inspect::InspectArgs;
pub(crate) use ls::LsArgs;
pub(crate) use shell::{CompletionsArgs, ManArgs};
pub(crate) use verify::VerifyArgs;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// The end of `imgtar --help`.
const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    the answer is no: archives differ, verify found an error
  2    the command line contradicts itself, or lacks something
  3    the input is no image archive, or is damaged or hostile
  4    the target format cannot store it, or that image, platform or path is
       not in the input
  5    input or output failed
  6    a limit was passed; the message names its flag
  129  ended by SIGHUP; 130 by SIGINT, 143 by SIGTERM
  141  the reader of an archive closed the pipe (of an answer: 0)

Environment:
  SOURCE_DATE_EPOCH  time of what imgtar itself writes: seconds since 1970
  IMGTAR_JOBS        as --jobs
  TMPDIR             as --tmpdir
  NO_COLOR           no colours";

/// Threads that a run may be told to use.
pub(crate) const MOST_JOBS: u16 = 1024;

/// The end of `imgtar import --help`.
const IMPORT_EXAMPLES: &str = "\
Examples:
  An image of a directory tree:
    tar -C rootfs -c . |
      imgtar import --to docker --arch amd64 -t app:1 | docker load

  With a command and its environment:
    imgtar import rootfs.tar.gz --to oci --arch arm64 -t app:1 \\
      --cmd /bin/app --env PATH=/bin -o new.tar

  All layers of an image made one:
    imgtar convert app.tar --to rootfs |
      imgtar import --to oci --arch amd64 -t app:flat -o flat.tar";

/// Convert container image archives: docker save, crane, OCI layout and flat root filesystem; and look into them.
///
/// Offline and in a stream: no daemon, no registry, no root. Input is recognised by its content, never by its name.
#[derive(Debug, Parser)]
#[command(name = "imgtar", version, long_version = super::version::long(), styles = STYLES, max_term_width = 100, after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Print errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Running")]
    pub(crate) quiet: bool,

    /// Print more: what became of each layer, notes of verify, whole digests of inspect.
    #[arg(short, long, global = true, help_heading = "Running")]
    pub(crate) verbose: bool,

    #[command(subcommand)]
    pub(crate) command: CommandArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CommandArgs {
    Convert(Box<ConvertArgs>),
    Edit(Box<EditArgs>),
    Import(Box<ImportArgs>),
    Inspect(Box<InspectArgs>),
    Ls(Box<LsArgs>),
    Cat(Box<CatArgs>),
    History(Box<HistoryArgs>),
    Verify(Box<VerifyArgs>),
    Diff(Box<DiffArgs>),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

impl CommandArgs {
    /// Returns how the command runs, if it reads an archive.
    pub(crate) fn run_args(&self) -> Option<&RunArgs> {
        match self {
            Self::Convert(args) => Some(&args.write.run),
            Self::Edit(args) => Some(&args.write.run),
            Self::Import(args) => Some(&args.write.run),
            Self::Inspect(args) => Some(&args.answer.run),
            Self::Ls(args) => Some(&args.answer.run),
            Self::Cat(args) => Some(&args.answer.run),
            Self::History(args) => Some(&args.answer.run),
            Self::Verify(args) => Some(&args.run),
            Self::Diff(args) => Some(&args.answer.run),
            Self::Completions(_) | Self::Man(_) => None,
        }
    }
}

/// Make an image of a root filesystem.
///
/// ROOTFS is a tar, plain or compressed by gzip, zstd, xz, bzip2 or lz4. It becomes the image's one layer as it is, byte for
/// byte: gzip and zstd stay too where the target keeps them. The config says what is given here and nothing else, so that
/// the same tar and flags give the same image ID.
#[derive(Debug, Args)]
#[command(
    after_long_help = IMPORT_EXAMPLES,
    mut_arg("tags", |arg| arg.help("Name the image so. Repeatable")),
    // These hold as they do for `convert`, but here is nothing that they could change.
    mut_arg("add_tags", |arg| arg.hide(true)),
    mut_arg("rename", |arg| arg.hide(true)),
    mut_arg("no_tags", |arg| arg.hide(true)),
    mut_arg("oci_types", |arg| arg.hide(true)),
    mut_arg("flat_index", |arg| arg.hide(true)),
    mut_arg("all_blobs", |arg| arg.hide(true)),
    mut_arg("embed_foreign", |arg| arg.hide(true)),
    mut_arg("allow_missing_foreign", |arg| arg.hide(true)),
)]
pub(crate) struct ImportArgs {
    /// The filesystem's tar: a file, or `-` for standard input.
    ///
    /// May be left out when standard input is not a terminal.
    #[arg(value_name = "ROOTFS")]
    pub(crate) input: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) image: ImageArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) write: WriteArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "The image")]
pub(crate) struct ImageArgs {
    /// The operating system whose programs the filesystem holds [default: linux, or that of --config-from].
    #[arg(long, value_name = "OS", value_parser = values::platform_part)]
    pub(crate) os: Option<String>,

    /// Their architecture: amd64, arm64 and so on, or `host` for this machine's own. Needed unless --to rootfs or
    /// --config-from is given.
    ///
    /// It is never guessed, because output must not depend on the machine.
    #[arg(long, value_name = "ARCH", value_parser = values::platform_part)]
    pub(crate) arch: Option<String>,

    /// The architecture's variant, as in v7 of arm.
    #[arg(long, value_name = "VARIANT", value_parser = values::platform_part)]
    pub(crate) variant: Option<String>,

    /// Take the config of the image in this archive; other flags change it.
    ///
    /// Its history stays, as steps that made no layer. With `imgtar convert --to rootfs` in front, the image of a filesystem
    /// that was changed by other tools has all that the old one said.
    #[arg(long, value_name = "IN")]
    pub(crate) config_from: Option<PathBuf>,
}

/// The output of the commands that write images: path, format, and all settings that they share.
#[derive(Debug, Args)]
pub(crate) struct WriteArgs {
    /// The format to write.
    #[arg(long, value_name = "FORMAT", value_enum, help_heading = None)]
    pub(crate) to: FormatArg,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) names: NameArgs,
    #[command(flatten)]
    pub(crate) layers: LayerArgs,
    #[command(flatten)]
    pub(crate) oci: OciArgs,
    #[command(flatten)]
    pub(crate) rootfs: RootfsArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Where to write: a file, a directory (`oci-dir`), or `-` for standard output.
    ///
    /// A FIFO, device or /dev/fd/N that exists is written as a stream; a symbolic link is followed to where it points.
    #[arg(short, long, value_name = "PATH", default_value = "-", hide_default_value = true)]
    pub(crate) output: PathBuf,

    /// Replace an existing output: what -o, --report and --config-out name.
    ///
    /// A directory is replaced only if it holds an `oci-layout`.
    #[arg(short, long, conflicts_with = "append")]
    pub(crate) force: bool,

    /// Add to an existing layout directory: images of the same name and platform are replaced, blobs are shared.
    #[arg(long)]
    pub(crate) append: bool,

    /// Compress the written archive as a whole.
    ///
    /// Without this flag the extension of -o decides: .gz, .tgz, .zst, .tzst, .xz, .txz. Not every engine loads a compressed
    /// archive; `gzip` is what most do.
    #[arg(short = 'z', long, value_name = "FORM", value_enum)]
    pub(crate) outer: Option<OuterArg>,

    /// Write what was done as one JSON document: to a file, or `-` for standard output if the archive goes elsewhere.
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What is taken")]
pub(crate) struct SelectionArgs {
    /// Take this image only: a name, a repository with a single tag, a pattern (`acme/*`), a position (`@0` is the first), or
    /// a digest or unique beginning of one. Repeatable.
    #[arg(long = "image", value_name = "SEL", value_parser = values::image)]
    pub(crate) images: Vec<ImageRef>,

    /// Take this platform only: OS/ARCH[/VARIANT], `all`, or `host` for this machine's own. Repeatable, or with commas.
    ///
    /// Without it, OCI targets take all, and other targets the only one whose content is there.
    #[arg(long = "platform", value_name = "PLATFORM", value_parser = values::platform, value_delimiter = ',')]
    pub(crate) platforms: Vec<PlatformArg>,

    /// Which half of a hybrid archive is right if index.json and manifest.json disagree, which else is an error.
    #[arg(hide_short_help = true, long, value_name = "HALF", value_enum)]
    pub(crate) prefer: Option<HalfArg>,

    /// What becomes of entries of an index whose content is not in the archive.
    #[arg(hide_short_help = true, long, value_name = "POLICY", value_enum, default_value_t)]
    pub(crate) index: IndexArg,

    /// BuildKit's attestation manifests: kept by default where the whole index is kept, else dropped with a notice.
    #[arg(hide_short_help = true, long, value_name = "POLICY", value_enum)]
    pub(crate) attestations: Option<AttestationsArg>,

    /// What is decoded only to be checked against the config's diff_ids.
    #[arg(long, value_name = "DEPTH", value_enum, default_value_t)]
    pub(crate) verify: VerifyArg,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Names")]
pub(crate) struct NameArgs {
    /// Name the written image so, in place of the input's names. Repeatable; needs one image, or several that differ in platform.
    #[arg(short, long = "tag", value_name = "REF", value_parser = values::reference, conflicts_with_all = ["rename", "no_tags"])]
    pub(crate) tags: Vec<Reference>,

    /// Add a name. Repeatable.
    #[arg(long = "add-tag", value_name = "REF", value_parser = values::reference)]
    pub(crate) add_tags: Vec<Reference>,

    /// Rewrite names that are OLD or begin with it, as in `docker.io/=registry.lan/`. Repeatable, applied in order.
    #[arg(long, value_name = "OLD=NEW", value_parser = values::rename, conflicts_with = "no_tags")]
    pub(crate) rename: Vec<Rename>,

    /// Drop the input's names.
    #[arg(long)]
    pub(crate) no_tags: bool,

    /// Spell names in manifest.json in full: docker.io/library/app:1 instead of app:1.
    #[arg(hide_short_help = true, long, conflicts_with = "no_docker_manifest")]
    pub(crate) full_names: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Layers")]
pub(crate) struct LayerArgs {
    /// How layers are stored: keep, none, gzip[:1-9] or zstd[:1-19].
    ///
    /// Without this flag `oci` and `oci-dir` keep what is there, `docker` keeps gzip and makes everything else gzip, and
    /// `legacy` layers are always plain. Where no level is given it is 2 for gzip, which is as small as what skopeo
    /// writes, and 3 for zstd. Layers that have the form are kept, unless a level is given: theirs is not known, so all are
    /// compressed anew.
    #[arg(long, value_name = "FORM", value_parser = values::compress)]
    pub(crate) compress: Option<Compress>,

    /// Store the bytes of a foreign layer as an ordinary layer (`oci`, `oci-dir`).
    #[arg(hide_short_help = true, long)]
    pub(crate) embed_foreign: bool,

    /// Write an image although the bytes of a foreign layer are missing (`legacy`, `docker`).
    #[arg(hide_short_help = true, long)]
    pub(crate) allow_missing_foreign: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "OCI layouts")]
pub(crate) struct OciArgs {
    /// Leave docker's manifest.json out of the tar; of docker, only 29 with its containerd store then loads it.
    #[arg(hide_short_help = true, long)]
    pub(crate) no_docker_manifest: bool,

    /// Rewrite docker media types as OCI's; changes manifest digests, never image IDs.
    #[arg(hide_short_help = true, long)]
    pub(crate) oci_types: bool,

    /// List the platforms of one name side by side in index.json; of such, most engines load one alone.
    #[arg(hide_short_help = true, long)]
    pub(crate) flat_index: bool,

    /// Carry blobs that nothing refers to.
    #[arg(hide_short_help = true, long)]
    pub(crate) all_blobs: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Root filesystems")]
pub(crate) struct RootfsArgs {
    /// Write only this path and what is below it: a path, or a pattern with `*`, `?`, `[...]` and `**`. Repeatable.
    ///
    /// Symbolic links on the way of a path are followed inside the image and written too, so that it leads somewhere; so are
    /// the directories above what is written, which get their owners and modes.
    #[arg(long, value_name = "PATH")]
    pub(crate) only: Vec<OsString>,

    /// Write the image's config to this file: its command, environment and so on have no place in a filesystem.
    ///
    /// Byte for byte, as `imgtar inspect --config` prints it. `-` is standard output, if the filesystem goes elsewhere.
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub(crate) config_out: Option<PathBuf>,

    /// Write entries in ascending order of their paths.
    #[arg(hide_short_help = true, long)]
    pub(crate) sort: bool,

    /// Let a directory entry over a symbolic link to a directory keep the link.
    #[arg(hide_short_help = true, long)]
    pub(crate) keep_dirlinks: bool,

    /// Leave out the files that eStargz adds to layers.
    #[arg(hide_short_help = true, long)]
    pub(crate) strip_estargz: bool,

    /// Set times later than SOURCE_DATE_EPOCH to it.
    #[arg(hide_short_help = true, long)]
    pub(crate) clamp_mtime: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Running")]
pub(crate) struct RunArgs {
    /// Threads; the output does not depend on them [default: $IMGTAR_JOBS, else all cores].
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_JOBS)))]
    pub(crate) jobs: Option<u16>,

    /// Where a temporary file goes when one is needed [default: $TMPDIR, else /var/tmp].
    #[arg(long, value_name = "DIR")]
    pub(crate) tmpdir: Option<PathBuf>,

    /// Refuse more bytes: those of each archive as it is read, uncompressed, and those that its layers decode to.
    ///
    /// Holes of sparse files count. K, M, G, T are powers of 1024.
    #[arg(hide_short_help = true, long, value_name = "SIZE", value_parser = values::size, default_value = "256G")]
    pub(crate) max_size: u64,

    /// Refuse input with more tar entries; K, M, G are powers of 1000.
    #[arg(hide_short_help = true, long, value_name = "COUNT", value_parser = values::count, default_value = "10M")]
    pub(crate) max_entries: u64,

    /// Refuse input with more bytes of names, extended headers and JSON.
    #[arg(hide_short_help = true, long, value_name = "SIZE", value_parser = values::size, default_value = "1G")]
    pub(crate) max_metadata: u64,

    /// Make every warning an error.
    #[arg(long)]
    pub(crate) strict: bool,

    /// How to show progress, on standard error.
    ///
    /// Each document of `json` has an `event`. `begin`, `advance` and `end` are about one task, numbered `task`: its `action`
    /// (spool, check, copy, convert, flatten), the `place` that it reads or writes, such as a layer, the `bytes` that have passed and
    /// the `total`, null if unknown; `end` says whether it is `complete`. `whole` has `bytes` and `total` of all layers; what is
    /// checked and copied counts twice, and the total may grow. `notice` has the `severity` (error, warning, note), the
    /// `rule` of docs/formats.md, the `place` and the `problem`, `wrote` what was written (as --report does), and `done`, the
    /// last one, the `exit` code.
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    pub(crate) progress: ProgressArg,
}
