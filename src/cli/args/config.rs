//! The flags that change a config: the same for `edit` and `import`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use imgtar::Timestamp;

use crate::cli::values::{self, Assignment, HealthcheckArg, Words};

#[derive(Debug, Args)]
#[command(next_help_heading = "Config")]
pub(crate) struct ConfigArgs {
    /// Set the command, or the arguments of the entrypoint: one word, or all words as a JSON array. Repeatable, one word
    /// each.
    ///
    /// No shell splits it: `--cmd '["sh", "-c", "date"]'` is the same as `--cmd sh --cmd -c --cmd date`.
    #[arg(long, value_name = "WORD", value_parser = values::words, allow_hyphen_values = true)]
    pub(crate) cmd: Vec<Words>,

    /// Set the entrypoint, in the same forms as --cmd. Repeatable. Unless --cmd is given, the command is removed.
    #[arg(long, value_name = "WORD", value_parser = values::words, allow_hyphen_values = true)]
    pub(crate) entrypoint: Vec<Words>,

    /// Set an environment variable. Repeatable.
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::assignment)]
    pub(crate) env: Vec<Assignment>,

    /// Remove an environment variable. Repeatable.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) unset_env: Vec<String>,

    /// Set the working directory of the command.
    #[arg(long, value_name = "DIR", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) workdir: Option<String>,

    /// Set the user of the command: a name or number, optionally followed by `:` and a group.
    #[arg(long, value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) user: Option<String>,

    /// Set a label. Repeatable.
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::assignment)]
    pub(crate) label: Vec<Assignment>,

    /// Remove a label. Repeatable.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) unset_label: Vec<String>,

    /// Add a port that the image listens on: PORT, or PORT/tcp, /udp or /sctp. Repeatable.
    #[arg(hide_short_help = true, long, value_name = "PORT", value_parser = values::port)]
    pub(crate) expose: Vec<String>,

    /// Add a directory that is a volume. Repeatable.
    #[arg(hide_short_help = true, long, value_name = "DIR", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) volume: Vec<String>,

    /// Set the signal that stops a container: a name or number.
    #[arg(hide_short_help = true, long, value_name = "SIGNAL", value_parser = values::signal)]
    pub(crate) stop_signal: Option<String>,

    /// Set the health check: a shell command, a command as a JSON array, a whole `Healthcheck` as a JSON object, or `none`.
    #[arg(hide_short_help = true, long, value_name = "CHECK", value_parser = values::healthcheck)]
    pub(crate) healthcheck: Option<HealthcheckArg>,

    /// Set the author.
    #[arg(hide_short_help = true, long, value_name = "TEXT")]
    pub(crate) author: Option<String>,

    /// Set the time of creation: RFC 3339, or seconds since 1970. Without it, an imported image has none.
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(crate) created: Option<Timestamp>,

    /// Merge a JSON file into the config (RFC 7396), before all other flags: null deletes a field, objects are merged, lists
    /// are replaced.
    ///
    /// It cannot contain `rootfs` or `history`, which follow from the layers.
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub(crate) config_merge: Option<PathBuf>,
}
