//! The container settings of an image's config, as a few lists.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

/// The most used container settings of a config. A field that the config lacks is empty here; a value of an unexpected
/// type is given as its JSON text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConfigFacts {
    /// The command and its first arguments.
    pub entrypoint: Vec<String>,
    /// The arguments of `entrypoint`; without one, the command itself.
    pub cmd: Vec<String>,
    /// `NAME=VALUE`, in the config's order.
    pub env: Vec<String>,
    /// The user, optionally with a group; empty means root.
    pub user: String,
    /// The working directory; empty means the root directory.
    pub workdir: String,
    /// The exposed ports, `PORT/PROTOCOL`.
    pub ports: Vec<String>,
    /// The paths of the volumes.
    pub volumes: Vec<String>,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The signal that stops a container; empty means SIGTERM.
    pub stop_signal: String,
    /// The command of the health check: `Test` of `Healthcheck`.
    pub healthcheck: Vec<String>,
}

impl ConfigFacts {
    /// Summarises a config's `config` object.
    pub(super) fn of(runtime: &Map<String, Value>) -> Self {
        let at = |key: &str| runtime.get(key).unwrap_or(&Value::Null);
        Self {
            entrypoint: list(at("Entrypoint")),
            cmd: list(at("Cmd")),
            env: list(at("Env")),
            user: text(at("User")),
            workdir: text(at("WorkingDir")),
            ports: keys(at("ExposedPorts")),
            volumes: keys(at("Volumes")),
            labels: map(at("Labels")),
            stop_signal: text(at("StopSignal")),
            healthcheck: at("Healthcheck").get("Test").map(list).unwrap_or_default(),
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().map(text).collect(),
        other => vec![text(other)],
    }
}

/// The keys of an object: a config writes a set as an object with empty values.
fn keys(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<String> = object.keys().cloned().collect();
            keys.sort();
            keys
        }
        other => list(other),
    }
}

fn map(value: &Value) -> BTreeMap<String, String> {
    match value {
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), text(value))).collect(),
        Value::Null => BTreeMap::new(),
        other => BTreeMap::from([(String::new(), text(other))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> ConfigFacts {
        ConfigFacts::of(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn lists_sets_and_words_are_found() {
        let config = of(r#"{"Entrypoint":["/e"],"Cmd":["a","b"],"Env":["A=1"],"User":"1:2","WorkingDir":"/w",
            "ExposedPorts":{"80/tcp":{},"443/tcp":{}},"Volumes":{"/v":{}},"Labels":{"b":"1","a":"2"},
            "StopSignal":"SIGINT","Healthcheck":{"Test":["NONE"],"Interval":1}}"#);
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        assert_eq!(config.entrypoint, words(&["/e"]));
        assert_eq!(config.cmd, words(&["a", "b"]));
        assert_eq!(config.ports, words(&["443/tcp", "80/tcp"]));
        assert_eq!(config.volumes, words(&["/v"]));
        assert_eq!(config.labels.into_iter().collect::<Vec<_>>(), [("a".into(), "2".into()), ("b".into(), "1".into())]);
        assert_eq!((&*config.user, &*config.workdir, &*config.stop_signal), ("1:2", "/w", "SIGINT"));
        assert_eq!(config.healthcheck, words(&["NONE"]));
    }

    #[test]
    fn what_is_not_said_is_empty_and_what_is_odd_is_shown() {
        assert_eq!(of("{}"), ConfigFacts::default());
        assert_eq!(of(r#"{"Cmd":null,"Labels":null,"ExposedPorts":null,"Healthcheck":null}"#), ConfigFacts::default());
        let odd = of(r#"{"Cmd":"sh","Env":[1],"User":7,"Labels":[1],"Healthcheck":3}"#);
        assert_eq!(
            (&odd.cmd[0], &odd.env[0], &*odd.user, &odd.labels[""]),
            (&"sh".into(), &"1".into(), "7", &"[1]".into())
        );
    }
}
