//! Changes of an image's config: the settings of its containers, and the description of the image as a whole.
//!
//! A change edits the document (E-54). Values were parsed when they were read; refused here are those that engines
//! refuse, and documents of another shape than theirs.
//!
//! Sources: docs/edit.md E-53 to E-56; OCI image-spec `config.md`; moby image spec v1.2.

use serde_json::{Map, Value};

use super::document::{ConfigDocument, list_at, object_at};
use super::{shape, values};
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Result};
use crate::path::quote;
use crate::rule::Rule;
use crate::spec::config_types::CONFIG;
use crate::spec::fields::spell_object_keys;
use crate::spec::timestamp::Timestamp;

/// The changes to make; a field that is `None` or empty changes nothing.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct ConfigChanges {
    /// `--config-merge`: an RFC 7396 patch of the whole document, applied before everything else here.
    pub merge: Option<Map<String, Value>>,
    /// The operating system.
    pub os: Option<String>,
    /// The architecture. The variant of another one goes unless `variant` names one.
    pub architecture: Option<String>,
    /// The architecture's variant; an empty one is removed.
    pub variant: Option<String>,
    /// The author of the image.
    pub author: Option<String>,
    /// The time of creation.
    pub created: Option<Timestamp>,
    /// The container settings.
    pub runtime: RuntimeChanges,
}

/// Changes of the container settings of a config.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct RuntimeChanges {
    /// The command and its first arguments; clears an inherited `Cmd` unless `cmd` is given (E-55).
    pub entrypoint: Option<Vec<String>>,
    /// The arguments of the entry point; without one, the command itself.
    pub cmd: Option<Vec<String>>,
    /// Names of environment variables to remove.
    pub unset_env: Vec<String>,
    /// Environment variables, set in this order.
    pub env: Vec<(String, String)>,
    /// Names of labels to remove.
    pub unset_labels: Vec<String>,
    /// Labels, set in this order.
    pub labels: Vec<(String, String)>,
    /// A name or number, with or without `:` and a group.
    pub user: Option<String>,
    /// An absolute path.
    pub working_dir: Option<String>,
    /// `PORT/PROTOCOL`, added to those that are there.
    pub ports: Vec<String>,
    /// Paths, added to those that are there.
    pub volumes: Vec<String>,
    /// The signal that stops a container.
    pub stop_signal: Option<String>,
    /// The whole health check.
    pub healthcheck: Option<Map<String, Value>>,
}

impl ConfigChanges {
    /// Returns whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Changes `document`; warns of each removal whose key is not there.
    ///
    /// # Errors
    /// [`Error::Usage`] for a merge that engines could not read or run (E-56); [`Error::Invalid`] for a document of another shape;
    /// with `--strict` the warnings.
    pub(crate) fn apply(&self, document: &mut ConfigDocument, diagnostics: &Diagnostics) -> Result<()> {
        if let Some(patch) = &self.merge {
            let mut patch = patch.clone();
            spell_object_keys(&mut patch, CONFIG, "the config to merge", diagnostics).map_err(usage)?;
            shape::check_patch(&patch)?;
            merge(document.object_mut(), &patch);
            shape::check(document.object())?;
            let os = self.os.as_deref().or(document.text("os"));
            values::check_patch(&patch, os == Some("windows"))?;
        }
        self.set_platform(document.object_mut());
        let texts = [("author", self.author.clone()), ("created", self.created.map(|time| time.to_string()))];
        for (key, text) in texts {
            set_text(document.object_mut(), key, text.as_deref());
        }
        self.runtime.apply(document, diagnostics)
    }

    fn set_platform(&self, object: &mut Map<String, Value>) {
        set_text(object, "os", self.os.as_deref());
        if let Some(architecture) = &self.architecture {
            let is_other = object.get("architecture").and_then(Value::as_str) != Some(architecture);
            if is_other && self.variant.is_none() {
                object.shift_remove("variant");
            }
            set_text(object, "architecture", Some(architecture));
        }
        match self.variant.as_deref() {
            Some("") => drop(object.shift_remove("variant")),
            variant => set_text(object, "variant", variant),
        }
    }
}

impl RuntimeChanges {
    fn apply(&self, document: &mut ConfigDocument, diagnostics: &Diagnostics) -> Result<()> {
        if *self == Self::default() {
            return Ok(());
        }
        let is_windows = document.text("os") == Some("windows");
        let working_dir = self.working_dir.iter().map(|path| ("working directory", path));
        for (what, path) in working_dir.chain(self.volumes.iter().map(|path| ("volume", path))) {
            let refused = |problem| Error::Usage(format!("the {what} `{}`: {problem}", quote(path)));
            values::check_absolute(path, is_windows).map_err(refused)?;
        }
        let at = document.at().to_owned();
        let runtime = document.runtime_mut()?;
        self.set_command(runtime, is_windows);
        self.set_environment(runtime, &at, diagnostics)?;
        self.set_labels(runtime, &at, diagnostics)?;
        set_text(runtime, "User", self.user.as_deref());
        set_text(runtime, "WorkingDir", self.working_dir.as_deref());
        add_keys(runtime, "ExposedPorts", &self.ports, &at)?;
        add_keys(runtime, "Volumes", &self.volumes, &at)?;
        set_text(runtime, "StopSignal", self.stop_signal.as_deref());
        if let Some(healthcheck) = &self.healthcheck {
            runtime.insert("Healthcheck".to_owned(), healthcheck.clone().into());
        }
        Ok(())
    }

    /// Sets entry point and command, and removes `ArgsEscaped` of Windows, which is about the old ones (E-55).
    fn set_command(&self, runtime: &mut Map<String, Value>, is_windows: bool) {
        set_words(runtime, "Entrypoint", self.entrypoint.as_deref());
        let cleared = self.entrypoint.as_ref().map(|_| &[][..]);
        set_words(runtime, "Cmd", self.cmd.as_deref().or(cleared));
        if is_windows && (self.entrypoint.is_some() || self.cmd.is_some()) {
            runtime.shift_remove("ArgsEscaped");
        }
    }

    fn set_environment(&self, runtime: &mut Map<String, Value>, at: &str, diagnostics: &Diagnostics) -> Result<()> {
        for name in &self.unset_env {
            let is_there = has_value(runtime, "Env") && {
                let list = list_at(runtime, "Env", at)?;
                let before = list.len();
                list.retain(|entry| variable(entry) != Some(name));
                list.len() < before
            };
            if !is_there {
                warn_of_nothing("environment variable", name, at, diagnostics)?;
            }
        }
        if self.env.is_empty() {
            return Ok(());
        }
        let list = list_at(runtime, "Env", at)?;
        for (name, value) in &self.env {
            let place = list.iter().position(|entry| variable(entry) == Some(name));
            let set = Value::from(format!("{name}={value}"));
            match place {
                Some(place) => {
                    list[place] = set;
                    let mut at = 0..;
                    list.retain(|entry| at.next().is_none_or(|at| at <= place) || variable(entry) != Some(name));
                }
                None => list.push(set),
            }
        }
        Ok(())
    }

    fn set_labels(&self, runtime: &mut Map<String, Value>, at: &str, diagnostics: &Diagnostics) -> Result<()> {
        for name in &self.unset_labels {
            let is_there =
                has_value(runtime, "Labels") && object_at(runtime, "Labels", at)?.shift_remove(name).is_some();
            if !is_there {
                warn_of_nothing("label", name, at, diagnostics)?;
            }
        }
        if self.labels.is_empty() {
            return Ok(());
        }
        let labels = object_at(runtime, "Labels", at)?;
        labels.extend(self.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
        Ok(())
    }
}

/// A fault of the patch, which was given by a flag and is no input.
fn usage(error: Error) -> Error {
    match error {
        Error::Invalid { .. } => Error::Usage(error.to_string()),
        other => other,
    }
}

/// Applies an RFC 7396 patch: null deletes, objects merge, everything else replaces.
fn merge(object: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => drop(object.shift_remove(key)),
            Value::Object(patch) => {
                let below = object.entry(key).or_insert(Value::Null);
                if !below.is_object() {
                    *below = Value::Object(Map::new());
                }
                if let Some(below) = below.as_object_mut() {
                    merge(below, patch);
                }
            }
            other => drop(object.insert(key.clone(), other.clone())),
        }
    }
}

/// Returns whether there is something at `key`: what is only unset is not put there.
fn has_value(object: &Map<String, Value>, key: &str) -> bool {
    object.get(key).is_some_and(|value| !value.is_null())
}

/// The name of the variable that an entry of `Env` sets.
fn variable(entry: &Value) -> Option<&str> {
    entry.as_str().map(|text| text.split_once('=').map_or(text, |(name, _)| name))
}

fn set_text(object: &mut Map<String, Value>, key: &str, text: Option<&str>) {
    if let Some(text) = text {
        object.insert(key.to_owned(), text.into());
    }
}

/// Sets a list of words; an empty one removes the key.
fn set_words(object: &mut Map<String, Value>, key: &str, words: Option<&[String]>) {
    match words {
        None => {}
        Some([]) => drop(object.shift_remove(key)),
        Some(words) => drop(object.insert(key.to_owned(), words.to_vec().into())),
    }
}

/// Adds keys to an object that is used as a set.
fn add_keys(runtime: &mut Map<String, Value>, key: &str, names: &[String], at: &str) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let set = object_at(runtime, key, at)?;
    for name in names {
        set.entry(name).or_insert_with(|| Value::Object(Map::new()));
    }
    Ok(())
}

fn warn_of_nothing(what: &str, name: &str, at: &str, diagnostics: &Diagnostics) -> Result<()> {
    diagnostics.warn_of_target(Rule::E54, at, format!("there is no {what} `{}` to unset", name.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn runtime(changes: RuntimeChanges) -> ConfigChanges {
        ConfigChanges { runtime: changes, ..ConfigChanges::default() }
    }

    fn changed(text: &str, changes: &ConfigChanges) -> Result<String> {
        let mut document = ConfigDocument::read(text.as_bytes(), "config")?;
        changes.apply(&mut document, &Diagnostics::silent())?;
        Ok(String::from_utf8(document.to_bytes()).unwrap())
    }

    #[track_caller]
    fn gives(text: &str, changes: &ConfigChanges, expected: &str) {
        assert_eq!(changed(text, changes).unwrap(), expected);
    }

    #[test]
    fn no_change_keeps_every_byte() {
        gives(" {\"config\":null}\n", &ConfigChanges::default(), " {\"config\":null}\n");
        assert!(ConfigChanges::default().is_empty());
    }

    #[test]
    fn e_55_a_variable_is_set_where_it_stands_and_once() {
        let text = r#"{"config":{"Env":["A=1","PATH=/bin","A=2","B","C=3"]}}"#;
        let changes = RuntimeChanges {
            env: pairs(&[("A", "x=y"), ("B", ""), ("D", "4")]),
            unset_env: words(&["C"]),
            ..RuntimeChanges::default()
        };
        gives(text, &runtime(changes), r#"{"config":{"Env":["A=x=y","PATH=/bin","B=","D=4"]}}"#);
    }

    #[test]
    fn e_55_an_entry_point_clears_the_command_that_was_made_for_another() {
        let text = r#"{"os":"linux","config":{"Cmd":["old"],"Entrypoint":["e"],"ArgsEscaped":true}}"#;
        let entrypoint = || RuntimeChanges { entrypoint: Some(words(&["new"])), ..RuntimeChanges::default() };
        gives(text, &runtime(entrypoint()), r#"{"os":"linux","config":{"Entrypoint":["new"],"ArgsEscaped":true}}"#);
        gives(
            text,
            &runtime(RuntimeChanges { cmd: Some(words(&["c"])), ..entrypoint() }),
            r#"{"os":"linux","config":{"Cmd":["c"],"Entrypoint":["new"],"ArgsEscaped":true}}"#,
        );
        gives(
            &text.replace("linux", "windows"),
            &runtime(RuntimeChanges { cmd: Some(words(&["c"])), ..RuntimeChanges::default() }),
            r#"{"os":"windows","config":{"Cmd":["c"],"Entrypoint":["e"]}}"#,
        );
    }

    #[test]
    fn labels_ports_and_volumes_are_added_last() {
        let text = r#"{"config":{"Labels":{"z":"1","a":"2"},"ExposedPorts":{"80/tcp":{}}}}"#;
        let changes = RuntimeChanges {
            labels: pairs(&[("m", "3"), ("z", "4")]),
            unset_labels: words(&["a", "absent"]),
            ports: words(&["80/tcp", "53/udp"]),
            volumes: words(&["/data"]),
            user: Some("1:2".into()),
            working_dir: Some("/srv".into()),
            stop_signal: Some("SIGINT".into()),
            healthcheck: Some(Map::from_iter([("Test".to_owned(), json!(["NONE"]))])),
            ..RuntimeChanges::default()
        };
        gives(
            text,
            &runtime(changes),
            r#"{"config":{"Labels":{"z":"4","m":"3"},"ExposedPorts":{"80/tcp":{},"53/udp":{}},"User":"1:2","WorkingDir":"/srv","Volumes":{"/data":{}},"StopSignal":"SIGINT","Healthcheck":{"Test":["NONE"]}}}"#,
        );
    }

    #[test]
    fn what_is_not_there_to_be_unset_is_warned_about() {
        let changes = runtime(RuntimeChanges { unset_env: words(&["NO"]), ..RuntimeChanges::default() });
        let mut document = ConfigDocument::read(br#"{"config":{}}"#, "config").unwrap();
        let error = changes.apply(&mut document, &Diagnostics::new(true, |_| {})).unwrap_err();
        assert!(error.to_string().contains("no environment variable `NO` to unset"), "{error}");
        let unset = RuntimeChanges { unset_env: words(&["NO"]), unset_labels: words(&["NO"]), ..Default::default() };
        for text in [r#"{"config":{}}"#, r#"{"config":{"Env":null,"Labels":null}}"#] {
            gives(text, &runtime(unset.clone()), text);
        }
    }

    #[test]
    fn another_architecture_has_another_variant() {
        let text = r#"{"architecture":"arm","os":"linux","variant":"v7"}"#;
        let changes = |architecture: &str, variant: Option<&str>| ConfigChanges {
            architecture: Some(architecture.into()),
            variant: variant.map(Into::into),
            ..ConfigChanges::default()
        };
        gives(text, &changes("arm64", None), r#"{"architecture":"arm64","os":"linux"}"#);
        gives(text, &changes("arm", None), text);
        gives(text, &changes("arm", Some("v6")), r#"{"architecture":"arm","os":"linux","variant":"v6"}"#);
        gives(text, &changes("arm", Some("")), r#"{"architecture":"arm","os":"linux"}"#);
    }

    #[test]
    fn e_56_a_merge_deletes_merges_and_replaces() {
        let text = r#"{"config":{"Env":["A=1"],"Labels":{"a":"1","b":"2"},"Cmd":["x"]},"x":{"y":1.50}}"#;
        let patch = json!({"config": {"Env": ["B=2"], "Labels": {"a": null, "c": "3"}, "Cmd": null}, "x": {}, "n": {"m": null}});
        let changes = ConfigChanges { merge: patch.as_object().cloned(), ..ConfigChanges::default() };
        gives(text, &changes, r#"{"config":{"Env":["B=2"],"Labels":{"b":"2","c":"3"}},"x":{"y":1.50},"n":{}}"#);
    }

    #[test]
    fn e_56_a_merge_means_the_key_that_engines_read() {
        let merged = |patch: &Value| ConfigChanges { merge: patch.as_object().cloned(), ..ConfigChanges::default() };
        let text = r#"{"os":"linux","config":{"Env":["A=1"]}}"#;
        gives(
            text,
            &merged(&json!({"OS": null, "Config": {"env": ["B=2"], "x": 1}})),
            r#"{"config":{"Env":["B=2"],"x":1}}"#,
        );
        let error = changed(text, &merged(&json!({"os": "a", "Os": "b"}))).unwrap_err();
        assert!(matches!(&error, Error::Usage(problem) if problem.contains("`Os` occurs twice")), "{error}");
    }

    #[test]
    fn e_56_a_merge_takes_the_values_that_flags_take_and_takes_out_any() {
        let merged = |os: Option<&str>, patch: Value| {
            let changes =
                ConfigChanges { merge: patch.as_object().cloned(), os: os.map(Into::into), ..ConfigChanges::default() };
            changed(r#"{"os":"linux","config":{"Volumes":{"data":{}},"WorkingDir":"srv"}}"#, &changes)
        };
        assert!(merged(None, json!({"config": {"Volumes": {"data": null}, "WorkingDir": "", "User": "x"}})).is_ok());
        assert!(merged(None, json!({"config": {"Labels": {"a": "b"}}})).is_ok(), "the image's own values are kept");
        let on_windows = || json!({"config": {"WorkingDir": "C:\\srv"}});
        assert!(merged(Some("windows"), on_windows()).is_ok());
        assert!(matches!(merged(None, on_windows()), Err(Error::Usage(_))));
    }

    #[test]
    fn flags_are_applied_to_what_was_merged() {
        let patch = json!({"author": "patch", "config": {"User": "patch"}});
        let changes = ConfigChanges {
            merge: patch.as_object().cloned(),
            author: Some("flag".into()),
            created: Timestamp::from_unix(1),
            ..ConfigChanges::default()
        };
        gives("{}", &changes, r#"{"author":"flag","config":{"User":"patch"},"created":"1970-01-01T00:00:01Z"}"#);
    }
}
