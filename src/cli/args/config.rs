//! The flags that change a config: the same for `edit` and `import`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use imgtar::Timestamp;

use crate::cli::values::{self, Assignment, HealthcheckArg, Words};

#[derive(Debug, Args)]
#[command(next_help_heading = "The config")]
pub(crate) struct ConfigArgs {
    /// The command, or the arguments of --entrypoint: one word, or all of them as a JSON array. Repeatable, one word each.
    ///
    /// No shell takes it apart: `--cmd '["sh", "-c", "date"]'` is `--cmd sh --cmd -c --cmd date`.
    #[arg(long, value_name = "WORD", value_parser = values::words, allow_hyphen_values = true)]
    pub(crate) cmd: Vec<Words>,

    /// The command that --cmd is handed to, spelled like it. Repeatable. Without --cmd there are no arguments.
    #[arg(long, value_name = "WORD", value_parser = values::words, allow_hyphen_values = true)]
    pub(crate) entrypoint: Vec<Words>,

    /// Set an environment variable. Repeatable.
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::assignment)]
    pub(crate) env: Vec<Assignment>,

    /// Remove an environment variable. Repeatable.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) unset_env: Vec<String>,

    /// The directory that the command starts in.
    #[arg(long, value_name = "DIR", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) workdir: Option<String>,

    /// The user that the command runs as: a name or number, with or without `:` and a group.
    #[arg(long, value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) user: Option<String>,

    /// Attach a label. Repeatable.
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::assignment)]
    pub(crate) label: Vec<Assignment>,

    /// Remove a label. Repeatable.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) unset_label: Vec<String>,

    /// Name a port that the image listens on: PORT or PORT/tcp, /udp, /sctp. Repeatable.
    #[arg(hide_short_help = true, long, value_name = "PORT", value_parser = values::port)]
    pub(crate) expose: Vec<String>,

    /// Name a directory whose content is kept apart from the container. Repeatable.
    #[arg(hide_short_help = true, long, value_name = "DIR", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) volume: Vec<String>,

    /// The signal that asks a container to stop: a name or number.
    #[arg(hide_short_help = true, long, value_name = "SIGNAL", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) stop_signal: Option<String>,

    /// How health is checked: a command for the shell, a command as a JSON array, a whole `Healthcheck` as a JSON object, or
    /// `none`.
    #[arg(hide_short_help = true, long, value_name = "CHECK", value_parser = values::healthcheck)]
    pub(crate) healthcheck: Option<HealthcheckArg>,

    /// Who made the image.
    #[arg(hide_short_help = true, long, value_name = "TEXT")]
    pub(crate) author: Option<String>,

    /// When the image was made: RFC 3339, or seconds since 1970. A new image without it does not say.
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(crate) created: Option<Timestamp>,

    /// Merge a JSON file into the config (RFC 7396), before all other flags: null deletes, objects merge, lists are replaced.
    ///
    /// `rootfs` and `history` follow from the layers and cannot be in it.
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub(crate) config_merge: Option<PathBuf>,
}
