//! `<v1 id>/json` as ggcr writes it (L-14, L-15).

use serde::Serialize;
use serde_json::{Map, Value};

use super::V1Id;
use crate::spec::config::{History, ImageConfig};
use crate::spec::json;
use crate::spec::timestamp::Timestamp;

/// The steps of an image's history that made its layers, one for each (L-16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps {
    /// As many as there are layers, base first.
    pub of_layers: Vec<History>,
    /// True if the history had one step for each layer or none at all; if false, it was cut short or filled up.
    pub fit: bool,
}

impl Steps {
    /// Finds the steps of `layers` layers: those that are not marked as having made none.
    pub fn of(history: &[History], layers: usize) -> Self {
        let mut of_layers: Vec<History> = history.iter().filter(|step| !step.empty_layer).cloned().collect();
        let fit = of_layers.is_empty() || of_layers.len() == layers;
        of_layers.resize_with(layers, History::default);
        Self { of_layers, fit }
    }
}

/// The metadata of layer `id`, made by `step` on top of `parent`; the top layer's carries its image's `config` as well.
///
/// A time that is missing or not of RFC 3339 becomes Go's zero time.
pub fn layer_json(id: &V1Id, parent: Option<&V1Id>, step: &History, config: Option<&ImageConfig>) -> Vec<u8> {
    let created = config.map_or(step.created.as_deref(), ImageConfig::created);
    json::write(&LayerJson {
        architecture: config.map_or("", |config| &config.platform().architecture),
        author: step.author.as_deref().unwrap_or_default(),
        container: config.and_then(ImageConfig::container).unwrap_or_default(),
        created: created.and_then(|created| created.parse().ok()).unwrap_or(Timestamp::ZERO).to_string(),
        docker_version: config.and_then(ImageConfig::docker_version).unwrap_or_default(),
        os: config.map_or("", |config| &config.platform().os),
        rootfs: NoRootFs { kind: "", diff_ids: None },
        config: config.map(|config| runtime(config.runtime())).unwrap_or_default(),
        container_config: WrittenContainerConfig { cmd: [step.created_by.as_deref().unwrap_or_default()] },
        id: id.as_str(),
        parent: parent.map_or("", V1Id::as_str),
        comment: step.comment.as_deref().unwrap_or_default(),
    })
}

#[derive(Serialize)]
struct LayerJson<'a> {
    architecture: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    author: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    container: &'a str,
    created: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    docker_version: &'a str,
    os: &'a str,
    rootfs: NoRootFs,
    config: Map<String, Value>,
    container_config: WrittenContainerConfig<'a>,
    id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    parent: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    comment: &'a str,
}

/// Go's struct without content, which ggcr cannot leave out.
#[derive(Serialize)]
struct NoRootFs {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: Option<()>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WrittenContainerConfig<'a> {
    cmd: [&'a str; 1],
}

/// The keys of ggcr's `Config`, in its order (L-15).
const RUNTIME: [&str; 24] = [
    "AttachStderr",
    "AttachStdin",
    "AttachStdout",
    "Cmd",
    "Healthcheck",
    "Domainname",
    "Entrypoint",
    "Env",
    "Hostname",
    "Image",
    "Labels",
    "OnBuild",
    "OpenStdin",
    "StdinOnce",
    "Tty",
    "User",
    "Volumes",
    "WorkingDir",
    "ExposedPorts",
    "ArgsEscaped",
    "NetworkDisabled",
    "MacAddress",
    "StopSignal",
    "Shell",
];

/// The keys of ggcr's `HealthConfig`, in its order.
const HEALTH: [&str; 5] = ["Test", "Interval", "Timeout", "StartPeriod", "Retries"];

/// The `config` of an image in ggcr's words: known keys in their order, what is empty left out.
fn runtime(config: &Map<String, Value>) -> Map<String, Value> {
    let mut written = Map::new();
    for (key, value) in known(config, &RUNTIME) {
        let value = match (key, value) {
            ("Healthcheck", Value::Object(health)) => known(health, &HEALTH)
                .filter(|(_, value)| !is_empty(value))
                .map(|(key, value)| (key.to_owned(), value.clone()))
                .collect(),
            (_, value) if is_empty(value) => continue,
            ("Volumes" | "ExposedPorts", Value::Object(set)) => sorted(set, |_| Value::Object(Map::new())),
            (_, Value::Object(map)) => sorted(map, Value::clone),
            (_, value) => value.clone(),
        };
        written.insert(key.to_owned(), value);
    }
    written
}

fn known<'a>(object: &'a Map<String, Value>, keys: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a Value)> {
    keys.iter().filter_map(|key| object.get(*key).map(|value| (*key, value)))
}

/// Go's `omitempty`.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// A map as Go writes it, keys ascending (L-9).
fn sorted(map: &Map<String, Value>, value: impl Fn(&Value) -> Value) -> Value {
    let mut pairs: Vec<_> = map.iter().map(|(key, found)| (key.clone(), value(found))).collect();
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    Value::Object(Map::from_iter(pairs))
}

#[cfg(test)]
mod tests {
    use super::super::examples::*;
    use super::*;

    fn config(text: &str) -> ImageConfig {
        ImageConfig::read(text.as_bytes().to_vec(), "x").unwrap()
    }

    fn written(id: &str, parent: Option<&str>, step: &History, config: Option<&ImageConfig>) -> String {
        let (id, parent) = (id.parse().unwrap(), parent.map(|parent| parent.parse().unwrap()));
        String::from_utf8(layer_json(&id, parent.as_ref(), step, config)).unwrap()
    }

    #[test]
    fn the_json_of_both_examples_is_ggcrs() {
        let [base, top] = TWO_LAYERS_IDS;
        let image = config(TWO_LAYERS);
        assert_eq!(image.image_id().encoded(), "e1eecdd59953db187c766b48a39ddea960dd5112daf4737d863900a5260460b0");
        let steps = Steps::of(image.history(), 2);
        assert!(steps.fit);
        assert_eq!(
            written(base, None, &steps.of_layers[0], None),
            r#"{"architecture":"","created":"2020-01-02T03:04:03Z","os":"","rootfs":{"type":"","diff_ids":null},"config":{},"container_config":{"Cmd":["ADD one"]},"id":"1974559469fa9ea06fc780fa2d455acaaa298b56e3144330d3c371e06a312c69"}"#
        );
        assert_eq!(
            written(top, Some(base), &steps.of_layers[1], Some(&image)),
            r#"{"architecture":"amd64","author":"me","created":"2020-01-02T03:04:05Z","os":"linux","rootfs":{"type":"","diff_ids":null},"config":{"Cmd":["/bin/sh"],"Env":["A=1"]},"container_config":{"Cmd":["RUN two \u0026\u0026 \u003cx\u003e"]},"id":"a892f1057c03eadf905acd62d1abb49cabf22e8f3579ac4f463af6cad778d865","parent":"1974559469fa9ea06fc780fa2d455acaaa298b56e3144330d3c371e06a312c69","comment":"c"}"#
        );

        let image = config(ONE_LAYER);
        let steps = Steps::of(image.history(), 1);
        assert!(steps.fit);
        assert_eq!(
            written(ONE_LAYER_ID, None, &steps.of_layers[0], Some(&image)),
            format!(
                r#"{{"architecture":"amd64","created":"0001-01-01T00:00:00Z","os":"linux","rootfs":{{"type":"","diff_ids":null}},"config":{{}},"container_config":{{"Cmd":[""]}},"id":"{ONE_LAYER_ID}"}}"#
            )
        );
    }

    #[test]
    fn a_history_that_does_not_match_is_cut_or_filled() {
        let step = |by: &str, empty_layer| History { created_by: Some(by.into()), empty_layer, ..History::default() };
        let history = [step("a", false), step("b", true), step("c", false)];
        for (layers, fit, made_by) in [
            (2, true, vec![Some("a"), Some("c")]),
            (1, false, vec![Some("a")]),
            (3, false, vec![Some("a"), Some("c"), None]),
            (0, false, vec![]),
        ] {
            let steps = Steps::of(&history, layers);
            assert_eq!(steps.fit, fit, "{layers}");
            assert_eq!(steps.of_layers.iter().map(|step| step.created_by.as_deref()).collect::<Vec<_>>(), made_by);
        }
        assert!(Steps::of(&history[1..2], 2).fit);
        assert!(Steps::of(&[], 0).fit);
    }

    #[test]
    fn the_config_is_written_in_ggcrs_order_without_what_is_empty() {
        let image = config(
            r#"{"created":"2020-01-02T03:04:05.120+00:00","container":"c","docker_version":"20.10","variant":"v8","os":"linux",
            "config":{"Shell":["s"],"ExposedPorts":{"9/tcp":null,"80/tcp":{"x":1}},"User":"","Cmd":null,"Env":[],"Tty":false,
            "Labels":{"b":"<","a":"1"},"Volumes":{},"Unknown":1,"OpenStdin":true,"Memory":0,
            "Healthcheck":{"Retries":3,"Interval":1000000000,"Test":["NONE"],"Timeout":0,"X":1}},
            "rootfs":{"type":"layers","diff_ids":[]}}"#,
        );
        assert_eq!(
            written(ONE_LAYER_ID, None, &History::default(), Some(&image)),
            format!(
                r#"{{"architecture":"","container":"c","created":"2020-01-02T03:04:05.12Z","docker_version":"20.10","os":"linux","rootfs":{{"type":"","diff_ids":null}},"config":{{"Healthcheck":{{"Test":["NONE"],"Interval":1000000000,"Retries":3}},"Labels":{{"a":"1","b":"\u003c"}},"OpenStdin":true,"ExposedPorts":{{"80/tcp":{{}},"9/tcp":{{}}}},"Shell":["s"]}},"container_config":{{"Cmd":[""]}},"id":"{ONE_LAYER_ID}"}}"#
            )
        );
    }
}
