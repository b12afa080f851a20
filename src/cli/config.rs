//! The border for configs: flags become changes of a config, or are refused because no container could be run with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use imgtar::internals::edit::check_variable;
use imgtar::internals::limits::MAX_DOCUMENT;
use imgtar::internals::path::escape_path;
use imgtar::internals::spec::json;
use imgtar::{ConfigChanges, Error, Result, Rule, RuntimeChanges};
use serde_json::{Map, Value};

use super::args::ConfigArgs;
use super::choices::FormatArg;
use super::options::{IMAGES, reject_inapplicable_flags};
use super::values::{Assignment, Words};

/// Returns the changes that `args` make to a config for `os`, by default that of the image; only images have a config.
///
/// # Errors
/// [`Error::Usage`] for flags that contradict each other or could not be run; [`Error::Io`] for a file that cannot be
/// read.
pub(super) fn changes(args: &ConfigArgs, to: FormatArg) -> Result<ConfigChanges> {
    reject_inapplicable_flags(to, &given(args))?;
    let entrypoint = command("--entrypoint", &args.entrypoint)?;
    let has_entrypoint = entrypoint.as_ref().is_some_and(|words| !words.is_empty());
    let cmd = if has_entrypoint { words(&args.cmd) } else { command("--cmd", &args.cmd)? };
    let env = unique("--env", &args.env)?;
    env.iter().try_for_each(|(name, value)| check_variable(name, value)).map_err(Error::Usage)?;
    let labels = unique("--label", &args.label)?;
    contradiction("--env", &env, &args.unset_env)?;
    contradiction("--label", &labels, &args.unset_label)?;
    Ok(ConfigChanges {
        merge: args.config_merge.as_deref().map(patch).transpose()?,
        author: args.author.clone(),
        created: args.created,
        runtime: RuntimeChanges {
            entrypoint,
            cmd,
            unset_env: args.unset_env.clone(),
            env,
            unset_labels: args.unset_label.clone(),
            labels,
            user: args.user.clone(),
            working_dir: args.workdir.clone(),
            ports: args.expose.clone(),
            volumes: args.volume.clone(),
            stop_signal: args.stop_signal.clone(),
            healthcheck: args.healthcheck.as_ref().map(|check| check.0.clone()),
        },
        ..ConfigChanges::default()
    })
}

/// The flags that were given; a root filesystem has no config.
fn given(args: &ConfigArgs) -> Vec<(bool, &'static str, &'static [FormatArg])> {
    [
        (!args.cmd.is_empty(), "--cmd"),
        (!args.entrypoint.is_empty(), "--entrypoint"),
        (!args.env.is_empty(), "--env"),
        (!args.unset_env.is_empty(), "--unset-env"),
        (args.workdir.is_some(), "--workdir"),
        (args.user.is_some(), "--user"),
        (!args.label.is_empty(), "--label"),
        (!args.unset_label.is_empty(), "--unset-label"),
        (!args.expose.is_empty(), "--expose"),
        (!args.volume.is_empty(), "--volume"),
        (args.stop_signal.is_some(), "--stop-signal"),
        (args.healthcheck.is_some(), "--healthcheck"),
        (args.author.is_some(), "--author"),
        (args.created.is_some(), "--created"),
        (args.config_merge.is_some(), "--config-merge"),
    ]
    .into_iter()
    .map(|(is_given, flag)| (is_given, flag, IMAGES))
    .collect()
}

/// The JSON object in the file at `path`.
fn patch(path: &Path) -> Result<Map<String, Value>> {
    let at = escape_path(path);
    let bytes = fs::read(path).map_err(|error| Error::io("reading", &at, error))?;
    json::read(&bytes, &at, MAX_DOCUMENT, Rule::E56).map_err(|error| Error::Usage(format!("--config-merge: {error}")))
}

/// All words; `None` where the flag was not given.
fn words(given: &[Words]) -> Option<Vec<String>> {
    (!given.is_empty()).then(|| given.iter().flat_map(|Words(words)| words).cloned().collect())
}

/// Words of which the first names a program.
fn command(flag: &str, given: &[Words]) -> Result<Option<Vec<String>>> {
    let words = words(given);
    match words.as_ref().and_then(|words| words.first()) {
        Some(program) if program.is_empty() => Err(Error::Usage(format!("{flag}: the first word names the program"))),
        Some(_) | None => Ok(words),
    }
}

/// Names and values in the order in which they were given. A name given twice is refused: engines disagree about it.
fn unique(flag: &str, given: &[Assignment]) -> Result<Vec<(String, String)>> {
    let mut seen = BTreeMap::new();
    for Assignment { name, value } in given {
        if let Some(other) = seen.insert(name, value) {
            let (name, other, value) = (name.escape_debug(), other.escape_debug(), value.escape_debug());
            return Err(Error::Usage(format!("{flag} gives `{name}` twice: `{other}` and `{value}`")));
        }
    }
    Ok(given.iter().map(|Assignment { name, value }| (name.clone(), value.clone())).collect())
}

fn contradiction(flag: &str, set: &[(String, String)], unset: &[String]) -> Result<()> {
    match set.iter().find(|(name, _)| unset.contains(name)) {
        Some((name, _)) => {
            let unset = flag.replacen("--", "--unset-", 1);
            Err(Error::Usage(format!("{flag} and {unset} both name `{}`", name.escape_debug())))
        }
        None => Ok(()),
    }
}
