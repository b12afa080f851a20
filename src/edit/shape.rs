//! The JSON types of a config's known keys: engines read a config into structures and refuse another type on load (E-56).
//!
//! Sources: docs/edit.md E-53, E-56; OCI image-spec `config.md`; moby `image.Image` and `container.Config`.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::path::quote;
use crate::spec::fields::is_one_key;
use crate::spec::timestamp::Timestamp;

/// A JSON type; null stands for the absence of any.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Text,
    Time,
    Flag,
    Number,
    Texts,
    TextMap,
    Set,
    Object(&'static [(&'static str, Shape)]),
}

const DOCUMENT: Shape = Shape::Object(&[
    ("created", Shape::Time),
    ("author", Shape::Text),
    ("architecture", Shape::Text),
    ("os", Shape::Text),
    ("os.version", Shape::Text),
    ("os.features", Shape::Texts),
    ("variant", Shape::Text),
    ("container", Shape::Text),
    ("docker_version", Shape::Text),
    ("config", RUNTIME),
    ("container_config", RUNTIME),
]);

const RUNTIME: Shape = Shape::Object(&[
    ("Hostname", Shape::Text),
    ("Domainname", Shape::Text),
    ("User", Shape::Text),
    ("AttachStdin", Shape::Flag),
    ("AttachStdout", Shape::Flag),
    ("AttachStderr", Shape::Flag),
    ("ExposedPorts", Shape::Set),
    ("Tty", Shape::Flag),
    ("OpenStdin", Shape::Flag),
    ("StdinOnce", Shape::Flag),
    ("Env", Shape::Texts),
    ("Cmd", Shape::Texts),
    ("Healthcheck", HEALTHCHECK),
    ("ArgsEscaped", Shape::Flag),
    ("Image", Shape::Text),
    ("Volumes", Shape::Set),
    ("WorkingDir", Shape::Text),
    ("Entrypoint", Shape::Texts),
    ("NetworkDisabled", Shape::Flag),
    ("MacAddress", Shape::Text),
    ("OnBuild", Shape::Texts),
    ("Labels", Shape::TextMap),
    ("StopSignal", Shape::Text),
    ("StopTimeout", Shape::Number),
    ("Shell", Shape::Texts),
]);

const HEALTHCHECK: Shape = Shape::Object(&[
    ("Test", Shape::Texts),
    ("Interval", Shape::Number),
    ("Timeout", Shape::Number),
    ("StartPeriod", Shape::Number),
    ("StartInterval", Shape::Number),
    ("Retries", Shape::Number),
]);

/// Refuses a config that no engine could read.
///
/// # Errors
/// [`Error::Usage`] naming the first key of another type than engines expect.
pub(super) fn check(object: &Map<String, Value>) -> Result<()> {
    check_members(DOCUMENT, object, "").map_err(|problem| Error::Usage(format!("the config to merge: {problem}")))
}

/// Refuses a patch of the keys that follow from the layers.
///
/// # Errors
/// [`Error::Usage`] for `rootfs` and `history`.
pub(super) fn check_patch(patch: &Map<String, Value>) -> Result<()> {
    let is_refused = |key: &&String| ["rootfs", "history"].iter().any(|refused| is_one_key(refused, key));
    match patch.keys().find(is_refused) {
        Some(key) => Err(Error::Usage(format!(
            "the config to merge: `{}` follows from the layers and cannot be set",
            quote(key)
        ))),
        None => Ok(()),
    }
}

/// Refuses a health check that engines could not read.
///
/// # Errors
/// The key of another type than engines expect, with the type.
pub fn check_healthcheck(object: &Map<String, Value>) -> std::result::Result<(), String> {
    check_members(HEALTHCHECK, object, "")
}

fn check_members(shape: Shape, object: &Map<String, Value>, path: &str) -> std::result::Result<(), String> {
    let Shape::Object(members) = shape else { return Ok(()) };
    for (key, shape) in members {
        if let Some(value) = object.get(*key).filter(|value| !value.is_null()) {
            check_value(*shape, value, &format!("{path}{key}"))?;
        }
    }
    Ok(())
}

fn check_value(shape: Shape, value: &Value, path: &str) -> std::result::Result<(), String> {
    let is_texts = |mut values: Box<dyn Iterator<Item = &Value> + '_>| values.all(Value::is_string);
    let (fits, expected) = match (shape, value) {
        (Shape::Text, value) => (value.is_string(), "a string"),
        (Shape::Time, value) => {
            (value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()), "an RFC 3339 time")
        }
        (Shape::Flag, value) => (value.is_boolean(), "true or false"),
        (Shape::Number, value) => (value.is_i64() || value.is_u64(), "a whole number"),
        (Shape::Texts, value) => {
            (value.as_array().is_some_and(|list| is_texts(Box::new(list.iter()))), "a list of strings")
        }
        (Shape::TextMap, value) => {
            (value.as_object().is_some_and(|map| is_texts(Box::new(map.values()))), "an object of strings")
        }
        (Shape::Set, value) => (
            value.as_object().is_some_and(|map| map.values().all(|value| value.is_object() || value.is_null())),
            "an object of empty objects",
        ),
        (Shape::Object(_), Value::Object(object)) => return check_members(shape, object, &format!("{path}.")),
        (Shape::Object(_), _) => (false, "an object"),
    };
    if fits { Ok(()) } else { Err(format!("`{path}` has to be {expected}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problem(value: &Value) -> Option<String> {
        check(value.as_object().unwrap()).err().map(|error| error.to_string())
    }

    #[test]
    fn e_56_known_keys_have_the_types_that_engines_read() {
        for (value, expected) in [
            (json!({"os": 1}), "`os` has to be a string"),
            (json!({"created": "now"}), "`created` has to be an RFC 3339 time"),
            (json!({"config": []}), "`config` has to be an object"),
            (json!({"config": {"Env": {"A": "1"}}}), "`config.Env` has to be a list of strings"),
            (json!({"config": {"Cmd": ["a", 1]}}), "`config.Cmd` has to be a list of strings"),
            (json!({"config": {"Labels": {"a": 1}}}), "`config.Labels` has to be an object of strings"),
            (json!({"config": {"ExposedPorts": ["80"]}}), "`config.ExposedPorts` has to be an object of empty objects"),
            (json!({"config": {"StopTimeout": 1.5}}), "`config.StopTimeout` has to be a whole number"),
            (
                json!({"config": {"Healthcheck": {"Test": "x"}}}),
                "`config.Healthcheck.Test` has to be a list of strings",
            ),
            (json!({"config": {"ArgsEscaped": "yes"}}), "`config.ArgsEscaped` has to be true or false"),
        ] {
            assert_eq!(problem(&value), Some(format!("the config to merge: {expected}")));
        }
    }

    #[test]
    fn null_and_unknown_keys_are_anything() {
        let value = json!({"x": 1, "os": null, "config": {"Env": null, "Labels": {}, "Volumes": {"/a": {}}, "Y": [1]}});
        assert_eq!(problem(&value), None);
    }

    #[test]
    fn what_follows_from_the_layers_cannot_be_merged() {
        for key in ["rootfs", "history", "Rootfs", "rootF\u{17f}", "HISTORY"] {
            let patch = Map::from_iter([(key.to_owned(), Value::Null)]);
            assert!(check_patch(&patch).unwrap_err().to_string().contains(key));
        }
    }
}
