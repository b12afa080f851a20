//! Two configs, field by field.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{DiffIgnore, DiffOptions};
use crate::limits::MAX_DOCUMENT;
use crate::rule::Rule;
use crate::spec::json;

/// A field that only one config has, or that has another value in each.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConfigChange {
    /// The way to it: `config.Env[2]`. A place in a list is counted in the config that has it, in the first if both do.
    pub field: String,
    /// Its value in the first config; `None` if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub a: Option<Value>,
    /// Its value in the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b: Option<Value>,
}

/// Lists what differs between the configs with these bytes. The list of diff_ids is left out: it is about the layers.
pub(super) fn compare(a: &[u8], b: &[u8], options: &DiffOptions) -> Vec<ConfigChange> {
    let mut changes = Vec::new();
    // Both have been read before, when their images were opened.
    let parsed = |raw| json::read(raw, "config", MAX_DOCUMENT, Rule::M11).ok().map(|config| compared(config, options));
    values("", parsed(a).as_ref(), parsed(b).as_ref(), &mut changes);
    changes
}

/// Returns `config` without what does not count.
fn compared(mut config: Value, options: &DiffOptions) -> Value {
    let mut remove = |way: &[&str], key: &str| {
        let parent = way.iter().try_fold(&mut config, |value, key| value.get_mut(key));
        if let Some(object) = parent.and_then(Value::as_object_mut) {
            object.shift_remove(key);
        }
    };
    remove(&["rootfs"], "diff_ids");
    if options.ignores(DiffIgnore::Labels) {
        remove(&["config"], "Labels");
        remove(&["container_config"], "Labels");
    }
    if options.ignores(DiffIgnore::History) {
        remove(&[], "history");
    }
    if options.ignores(DiffIgnore::Created) {
        remove(&[], "created");
        let steps = config.get_mut("history").and_then(Value::as_array_mut).into_iter().flatten();
        steps.filter_map(Value::as_object_mut).for_each(|step| {
            step.shift_remove("created");
        });
    }
    config
}

fn values(field: &str, a: Option<&Value>, b: Option<&Value>, changes: &mut Vec<ConfigChange>) {
    match (a, b) {
        (a, b) if a == b => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) => objects(field, a, b, changes),
        (Some(Value::Array(a)), Some(Value::Array(b))) => lists(field, a, b, changes),
        (a, b) => changes.push(ConfigChange { field: field.to_owned(), a: a.cloned(), b: b.cloned() }),
    }
}

fn objects(field: &str, a: &Map<String, Value>, b: &Map<String, Value>, changes: &mut Vec<ConfigChange>) {
    let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
    for key in keys {
        let below = if field.is_empty() { key.clone() } else { format!("{field}.{key}") };
        values(&below, a.get(key), b.get(key), changes);
    }
}

/// Compares two lists. Elements that both begin or end with are skipped, so that one element more is one change.
fn lists(field: &str, a: &[Value], b: &[Value], changes: &mut Vec<ConfigChange>) {
    let start = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (rest_a, rest_b) = (&a[start..], &b[start..]);
    let end = rest_a.iter().rev().zip(rest_b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (rest_a, rest_b) = (&rest_a[..rest_a.len() - end], &rest_b[..rest_b.len() - end]);
    for nth in 0..rest_a.len().max(rest_b.len()) {
        values(&format!("{field}[{}]", start + nth), rest_a.get(nth), rest_b.get(nth), changes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(a: &str, b: &str) -> Vec<String> {
        let shown = |value: Option<Value>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
        let changes = compare(a.as_bytes(), b.as_bytes(), &DiffOptions::default()).into_iter();
        changes.map(|change| format!("{} {} {}", change.field, shown(change.a), shown(change.b))).collect()
    }

    #[test]
    fn fields_are_compared_to_their_leaves() {
        let a = r#"{"os":"linux","config":{"Env":["A=1","B=2"],"Labels":{"x":"1"},"User":"u"},"n":1.50}"#;
        let b = r#"{"n":1.50,"config":{"Labels":{"x":"2","y":null},"Env":["A=1","B=3"],"Cmd":["c"]},"os":"linux"}"#;
        assert_eq!(
            changes(a, b),
            [
                r#"config.Env[1] "B=2" "B=3""#,
                r#"config.Labels.x "1" "2""#,
                "config.Labels.y none null",
                r#"config.User "u" none"#,
                r#"config.Cmd none ["c"]"#,
            ]
        );
        assert!(changes(a, a).is_empty());
    }

    #[test]
    fn one_element_more_is_one_change() {
        assert_eq!(changes(r#"{"l":[1,2,3]}"#, r#"{"l":[1,9,2,3]}"#), ["l[1] none 9"]);
        assert_eq!(changes(r#"{"l":[1,1]}"#, r#"{"l":[1]}"#), ["l[1] 1 none"]);
        assert_eq!(changes(r#"{"l":[]}"#, r#"{"l":[1]}"#), ["l[0] none 1"]);
        assert_eq!(changes(r#"{"l":[1,5]}"#, r#"{"l":[2,3,5]}"#), ["l[0] 1 2", "l[1] none 3"]);
    }

    #[test]
    fn layers_are_no_business_of_the_configs() {
        let config = |id: &str| format!(r#"{{"rootfs":{{"type":"layers","diff_ids":["{id}"]}}}}"#);
        assert!(changes(&config("a"), &config("b")).is_empty());
    }
}
