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
  1    the answer is no: images differ, verify found an error, an engine
       does not load the archive, or more is hidden than may be
  2    the command line is wrong
  3    the input is not an image archive, or is damaged or hostile
  4    the target format cannot store it, or the image, platform or path is
       not in the input, or several match
  5    reading or writing failed
  6    a limit was exceeded; the message names its flag
  129  ended by SIGHUP (130: SIGINT, 143: SIGTERM)
  141  the reader of a written archive closed the pipe

Environment:
  SOURCE_DATE_EPOCH  time of everything that imgtar creates: seconds since 1970
  IMGTAR_JOBS        same as --jobs
  TMPDIR             same as --tmpdir
  NO_COLOR           turns colours off";

/// Threads that a run may be told to use.
pub(crate) const MOST_JOBS: u16 = 1024;

/// The end of `imgtar import --help`.
const IMPORT_EXAMPLES: &str = "\
Examples:
  Make an image of a directory tree:
    tar -C rootfs -c . |
      imgtar import --to docker --arch amd64 -t app:1 | docker load

  Set its command and environment:
    imgtar import rootfs.tar.gz --to oci --arch arm64 -t app:1 \\
      --cmd /bin/app --env PATH=/bin -o new.tar

  Flatten an image into one layer:
    imgtar convert app.tar --to rootfs |
      imgtar import --to oci --arch amd64 -t app:flat -o flat.tar";

/// Convert and inspect container image archives: docker save, crane, OCI layouts and flat root filesystems.
///
/// Works offline and in pipes, without a daemon, a registry or root. The format of an input is recognised by its content,
/// never by its name.
#[derive(Debug, Parser)]
#[command(name = "imgtar", version, long_version = super::version::long(), styles = STYLES, max_term_width = 100, after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Print errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Running")]
    pub(crate) quiet: bool,

    /// Print more: a line for each layer written, verify's notes, full digests.
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
/// ROOTFS is a tar such as `docker export` writes, plain or compressed with gzip, zstd, xz, bzip2 or lz4. It becomes the
/// image's only layer, byte for byte; gzip and zstd are kept where the target format allows it. The config contains only
/// what the flags set, so the same tar and flags always give the same image ID.
#[derive(Debug, Args)]
#[command(
    after_long_help = IMPORT_EXAMPLES,
    mut_arg("to", |arg| arg.value_parser(FormatArg::other_than_delta())),
    mut_arg("tags", |arg| arg.help("Give the image this name. Repeatable")),
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
    /// May be omitted when standard input is not a terminal.
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
#[command(next_help_heading = "Image")]
pub(crate) struct ImageArgs {
    /// The operating system that the image is for [default: linux, or that of --config-from].
    #[arg(long, value_name = "OS", value_parser = values::platform_part)]
    pub(crate) os: Option<String>,

    /// The architecture that the image is for: amd64, arm64 and so on, or `host` for that of this machine. Required unless
    /// --to rootfs or --config-from is given.
    ///
    /// It is never guessed: the output must not depend on the machine.
    #[arg(long, value_name = "ARCH", value_parser = values::architecture)]
    pub(crate) arch: Option<String>,

    /// The variant of the architecture, such as v7 of arm.
    #[arg(long, value_name = "VARIANT", value_parser = values::platform_part)]
    pub(crate) variant: Option<String>,

    /// Start from the config of the image in this archive; other flags change it.
    ///
    /// Its history is kept, as steps without a layer. Use this after `imgtar convert --to rootfs` and changes by other
    /// tools: the new image gets the command, environment and labels of the old one.
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
    /// Where to write: a file, a directory (for `oci-dir`), or `-` for standard output.
    ///
    /// An existing FIFO, device or /dev/fd/N is written as a stream. A symbolic link is followed.
    #[arg(short, long, value_name = "PATH", default_value = "-", hide_default_value = true)]
    pub(crate) output: PathBuf,

    /// Replace the files of -o, --report and --config-out if they exist.
    ///
    /// A directory is replaced only if it contains an `oci-layout` file.
    #[arg(short, long, conflicts_with = "append")]
    pub(crate) force: bool,

    /// Add to an existing layout directory. Images with the same name and platform are replaced; blobs are shared.
    #[arg(long)]
    pub(crate) append: bool,

    /// Compress the written archive as a whole.
    ///
    /// Without this flag the extension of -o decides: .gz, .tgz, .zst, .tzst, .xz, .txz. Not every engine loads a compressed
    /// archive; most load `gzip`.
    #[arg(short = 'z', long, value_name = "FORM", value_enum)]
    pub(crate) outer: Option<OuterArg>,

    /// Write a report as one JSON document to this file; with `-` to standard output, if the archive goes elsewhere.
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// The way in which commands that write several images may divide them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct SplitArgs {
    /// Write an archive for each image. The last part of -o is then a pattern, as in out/{name}-{tag}.tar.
    ///
    /// The pattern may contain these fields in braces: `name`, the last part of the repository; `repo`, all of it with `/`
    /// replaced by `_`; `tag`, `os` and `arch`; `id`, the first 12 digits of the image ID; and `n`, the number of the image,
    /// from 0. With `os`, `arch` or `id` each platform gets an archive of its own. If one archive cannot be written, none
    /// appears.
    #[arg(long, conflicts_with = "append")]
    pub(crate) split: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Selection")]
pub(crate) struct SelectionArgs {
    /// Take from this archive the layers, manifests or platforms that IN lists but does not contain. Repeatable.
    ///
    /// They are found by digest, and checked like all others. If IN is a delta, this is the image that it was made against.
    #[arg(long = "with", value_name = "ARCHIVE")]
    pub(crate) with: Vec<PathBuf>,

    /// Take only this image: a name, a repository with a single tag, a pattern (`acme/*`), a position (`@0` is the first),
    /// or a digest or an unambiguous prefix of one. Repeatable.
    #[arg(long = "image", value_name = "SEL", value_parser = values::image)]
    pub(crate) images: Vec<ImageRef>,

    /// Take only this platform: OS/ARCH[/VARIANT], `all`, or `host` for that of this machine. Repeatable, or separated by
    /// commas.
    ///
    /// By default the OCI formats take every platform; other formats take the one whose content is in the archive.
    #[arg(long = "platform", value_name = "PLATFORM", value_parser = values::platform, value_delimiter = ',')]
    pub(crate) platforms: Vec<PlatformArg>,

    /// Which file to believe if index.json and manifest.json of an archive disagree; without this flag that is an error.
    #[arg(hide_short_help = true, long, value_name = "HALF", value_enum)]
    pub(crate) prefer: Option<HalfArg>,

    /// What to do with index entries whose content is not in the archive.
    #[arg(hide_short_help = true, long, value_name = "POLICY", value_enum, default_value_t)]
    pub(crate) index: IndexArg,

    /// What to do with BuildKit's attestation manifests. By default they are kept if their index is kept whole, and
    /// otherwise dropped with a note.
    #[arg(hide_short_help = true, long, value_name = "POLICY", value_enum)]
    pub(crate) attestations: Option<AttestationsArg>,

    /// Which layers to decode only in order to compare them with the config's diff_ids.
    #[arg(long, value_name = "DEPTH", value_enum, default_value_t)]
    pub(crate) verify: VerifyArg,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Names")]
pub(crate) struct NameArgs {
    /// Give the image this name instead of its own names. Repeatable; for one image, or for several that differ only in
    /// platform.
    #[arg(short, long = "tag", value_name = "REF", value_parser = values::reference, conflicts_with_all = ["rename", "no_tags"])]
    pub(crate) tags: Vec<Reference>,

    /// Add a name. Repeatable.
    #[arg(long = "add-tag", value_name = "REF", value_parser = values::reference)]
    pub(crate) add_tags: Vec<Reference>,

    /// Replace OLD by NEW in names that are OLD or begin with it, as in `docker.io/=registry.lan/`. Repeatable, applied in
    /// order.
    #[arg(long, value_name = "OLD=NEW", value_parser = values::rename, conflicts_with = "no_tags")]
    pub(crate) rename: Vec<Rename>,

    /// Drop the names that images have.
    #[arg(long)]
    pub(crate) no_tags: bool,

    /// Write names in manifest.json in full: docker.io/library/app:1 instead of app:1.
    #[arg(hide_short_help = true, long, conflicts_with = "no_docker_manifest")]
    pub(crate) full_names: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Layers")]
pub(crate) struct LayerArgs {
    /// The compression of layers: keep, none, gzip[:1-9] or zstd[:1-19].
    ///
    /// By default `oci` and `oci-dir` keep layers as they are, `docker` keeps gzip layers and compresses all others with
    /// gzip, and layers of `legacy` are always plain. The default level is 2 for gzip, which is as small as what skopeo
    /// writes, and 3 for zstd. Layers that already have this compression are kept; if a level is given, every layer is
    /// compressed again, because the level of the existing ones is unknown.
    #[arg(long, value_name = "FORM", value_parser = values::compress)]
    pub(crate) compress: Option<Compress>,

    /// Store the bytes of a foreign (nondistributable) layer as an ordinary layer (`oci`, `oci-dir`).
    #[arg(hide_short_help = true, long)]
    pub(crate) embed_foreign: bool,

    /// Write an image even if the bytes of a foreign layer are missing (`legacy`, `docker`).
    #[arg(hide_short_help = true, long)]
    pub(crate) allow_missing_foreign: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "OCI layouts")]
pub(crate) struct OciArgs {
    /// Leave docker's manifest.json out of the tar. Docker then loads the result only with the
    /// containerd image store of version 29.
    #[arg(hide_short_help = true, long)]
    pub(crate) no_docker_manifest: bool,

    /// Replace docker's media types by those of OCI. Manifest digests change, image IDs do not.
    #[arg(hide_short_help = true, long)]
    pub(crate) oci_types: bool,

    /// List the platforms of one name side by side in index.json. Most engines load only one of them.
    #[arg(hide_short_help = true, long)]
    pub(crate) flat_index: bool,

    /// Keep blobs that nothing refers to.
    #[arg(hide_short_help = true, long)]
    pub(crate) all_blobs: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Root filesystems")]
pub(crate) struct RootfsArgs {
    /// Write only this path and everything below it: a path, or a pattern with `*`, `?`, `[...]` and `**`. Repeatable.
    ///
    /// Symbolic links in the path are followed inside the image, and written too, as are the directories above the path,
    /// with their owners and modes.
    #[arg(long, value_name = "PATH")]
    pub(crate) only: Vec<OsString>,

    /// Write the image's config to this file: a filesystem cannot store its command, environment and so on.
    ///
    /// Byte for byte, as `imgtar inspect --config` prints it; with `-` to standard output, if the filesystem goes
    /// elsewhere.
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub(crate) config_out: Option<PathBuf>,

    /// Sort entries by path.
    #[arg(hide_short_help = true, long)]
    pub(crate) sort: bool,

    /// Keep a symbolic link to a directory where a later layer has a directory with the same path.
    #[arg(hide_short_help = true, long)]
    pub(crate) keep_dirlinks: bool,

    /// Leave out the files that eStargz adds to layers.
    #[arg(hide_short_help = true, long)]
    pub(crate) strip_estargz: bool,

    /// Set times later than SOURCE_DATE_EPOCH to SOURCE_DATE_EPOCH.
    #[arg(hide_short_help = true, long)]
    pub(crate) clamp_mtime: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Running")]
pub(crate) struct RunArgs {
    /// Number of threads; the output does not depend on it [default: $IMGTAR_JOBS, else all cores].
    #[arg(short, long, value_name = "N", value_parser = values::jobs)]
    pub(crate) jobs: Option<u16>,

    /// Where to put temporary files if any are needed [default: $TMPDIR, else /var/tmp].
    #[arg(long, value_name = "DIR")]
    pub(crate) tmpdir: Option<PathBuf>,

    /// Refuse an archive that is larger than this when uncompressed, or whose uncompressed layers together are.
    ///
    /// Holes of sparse files count. The suffixes K, M, G and T are powers of 1024.
    #[arg(hide_short_help = true, long, value_name = "SIZE", value_parser = values::size, default_value = "256G")]
    pub(crate) max_size: u64,

    /// Refuse input with more tar entries than this. The suffixes K, M and G are powers of 1000.
    #[arg(hide_short_help = true, long, value_name = "COUNT", value_parser = values::count, default_value = "10M")]
    pub(crate) max_entries: u64,

    /// Refuse input with more bytes of names, extended headers and JSON than this.
    #[arg(hide_short_help = true, long, value_name = "SIZE", value_parser = values::size, default_value = "1G")]
    pub(crate) max_metadata: u64,

    /// Treat every warning as an error.
    #[arg(long)]
    pub(crate) strict: bool,

    /// How to show progress, on standard error.
    ///
    /// With `json` every line is one document, as described in docs/json.md.
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    pub(crate) progress: ProgressArg,
}
