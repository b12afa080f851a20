//! JSON held against the schemas in tests/schemas: the few words of JSON Schema that those use, and an error for any other.

use serde_json::{Map, Value};

/// Holds `value` against the schema of this name.
#[track_caller]
pub(crate) fn check(name: &str, value: &Value) {
    let path = format!("{}/tests/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).expect("a schema is JSON");
    let mut problems = Vec::new();
    Checker { root: &schema }.check(&schema, value, "$", &mut problems);
    assert!(problems.is_empty(), "{name}: {problems:#?}\n{value:#}");
}

struct Checker<'a> {
    root: &'a Value,
}

impl Checker<'_> {
    fn check(&self, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
        for (word, says) in schema.as_object().expect("a schema is an object") {
            match word.as_str() {
                "$schema" | "$id" | "$defs" | "title" | "description" => {}
                "$ref" => self.check(self.definition(says), value, at, problems),
                "type" if !is_of_type(value, says) => problems.push(format!("{at}: is no {says}")),
                "enum" if !says.as_array().unwrap().contains(value) => problems.push(format!("{at}: not in {says}")),
                "minimum" if value.as_f64() < says.as_f64() => problems.push(format!("{at}: less than {says}")),
                "type" | "enum" | "minimum" => {}
                "required" => problems.extend(missing(says, value).map(|key| format!("{at}: lacks {key}"))),
                "properties" => self.properties(schema, value, at, problems),
                "additionalProperties" if says.is_object() => {
                    for (key, value) in value.as_object().into_iter().flatten() {
                        self.check(says, value, &format!("{at}.{key}"), problems);
                    }
                }
                "additionalProperties" => assert_eq!(*says, Value::Bool(false), "the only other use"),
                "items" => {
                    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(says, item, &format!("{at}[{number}]"), problems);
                    }
                }
                other => panic!("the schemas' checker does not know `{other}`"),
            }
        }
    }

    /// Known keys by their schemas; others are refused, because what is written is what is documented.
    fn properties(&self, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
        assert_eq!(schema["additionalProperties"], Value::Bool(false), "{at}: a closed object");
        let known = schema["properties"].as_object().unwrap();
        for (key, value) in value.as_object().unwrap_or(&Map::new()) {
            match known.get(key) {
                Some(schema) => self.check(schema, value, &format!("{at}.{key}"), problems),
                None => problems.push(format!("{at}: `{key}` is not documented")),
            }
        }
    }

    fn definition(&self, reference: &Value) -> &Value {
        let name = reference.as_str().and_then(|text| text.strip_prefix("#/$defs/")).expect("a local definition");
        self.root["$defs"].get(name).unwrap_or_else(|| panic!("no definition of `{name}`"))
    }
}

fn missing<'a>(required: &'a Value, value: &'a Value) -> impl Iterator<Item = &'a str> {
    let required = required.as_array().unwrap().iter().map(|key| key.as_str().unwrap());
    required.filter(|key| value.is_object() && value.get(key).is_none())
}

fn is_of_type(value: &Value, wanted: &Value) -> bool {
    if let Some(several) = wanted.as_array() {
        return several.iter().any(|one| is_of_type(value, one));
    }
    match wanted.as_str().expect("a type") {
        "null" => value.is_null(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("the schemas' checker does not know the type `{other}`"),
    }
}
