//! Reads JSON values into the types of documents.
//!
//! The code that `serde` derives for a type takes a list for an object, its values in the order of the type's fields. No
//! other reader of these documents does, so an object is read from an object alone. Errors name the key that is wrong.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value, map};

use super::json::in_plain_words;
use crate::path::quote;

/// Returns the `T` that `value` is.
///
/// # Errors
/// The problem, as a clause that names the key.
pub(crate) fn parse<'de, T: Deserialize<'de>>(value: &'de Value) -> Result<T, TypeError> {
    T::deserialize(ValueReader(value))
}

/// Returns the `T` that `object` is.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_object<'de, T: Deserialize<'de>>(object: &'de Map<String, Value>) -> Result<T, TypeError> {
    T::deserialize(ObjectReader(object))
}

/// A value of another type than is expected.
#[derive(Debug)]
pub(crate) struct TypeError {
    /// The keys that lead to the value, as in `platform.os` or `urls[1]`; empty for the whole.
    path: String,
    problem: TypeProblem,
}

#[derive(Debug)]
enum TypeProblem {
    /// A predicate: `is null, expected a text`.
    Predicate(String),
    /// A sentence of its own.
    Sentence(String),
}

impl TypeError {
    /// The same, of a value that is found at `key` of another.
    fn within(mut self, key: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{key}{dot}{}", self.path);
        self
    }
}

impl fmt::Display for TypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.problem, &*self.path) {
            (TypeProblem::Predicate(predicate), "") => write!(f, "it {predicate}"),
            (TypeProblem::Predicate(predicate), path) => write!(f, "`{path}` {predicate}"),
            (TypeProblem::Sentence(sentence), "") => f.write_str(sentence),
            (TypeProblem::Sentence(sentence), path) => write!(f, "`{path}`: {sentence}"),
        }
    }
}

impl std::error::Error for TypeError {}

impl de::Error for TypeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = in_plain_words(&message);
        let problem = match text.strip_prefix("it is ") {
            Some(rest) => TypeProblem::Predicate(format!("is {rest}")),
            None => TypeProblem::Sentence(text),
        };
        Self { path: String::new(), problem }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { path: field.to_owned(), problem: TypeProblem::Predicate("is missing".to_owned()) }
    }
}

/// Reads a value.
#[derive(Clone, Copy)]
struct ValueReader<'de>(&'de Value);

impl<'de> Deserializer<'de> for ValueReader<'de> {
    type Error = TypeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeError> {
        match self.0 {
            Value::Array(values) => visitor.visit_seq(ListItems(values.iter().enumerate())),
            Value::Object(object) => ObjectReader(object).deserialize_any(visitor),
            scalar => scalar.deserialize_any(visitor).map_err(de::Error::custom),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeError> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypeError> {
        match self.0 {
            Value::Array(_) => Err(de::Error::invalid_type(Unexpected::Seq, &"an object")),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Reads an object.
struct ObjectReader<'de>(&'de Map<String, Value>);

impl<'de> Deserializer<'de> for ObjectReader<'de> {
    type Error = TypeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeError> {
        visitor.visit_map(ObjectMembers { rest: self.0.iter(), value: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct ListItems<'de>(std::iter::Enumerate<std::slice::Iter<'de, Value>>);

impl<'de> SeqAccess<'de> for ListItems<'de> {
    type Error = TypeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, TypeError> {
        let Some((nth, value)) = self.0.next() else { return Ok(None) };
        seed.deserialize(ValueReader(value)).map(Some).map_err(|error| error.within(&format!("[{nth}]")))
    }
}

struct ObjectMembers<'de> {
    rest: map::Iter<'de>,
    /// The member whose key has been read.
    value: Option<(&'de str, &'de Value)>,
}

impl<'de> MapAccess<'de> for ObjectMembers<'de> {
    type Error = TypeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, TypeError> {
        self.value = self.rest.next().map(|(key, value)| (key.as_str(), value));
        self.value.map(|(key, _)| seed.deserialize(StrDeserializer::new(key))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, TypeError> {
        let (key, value) = self.value.take().expect("a value is asked for after its key");
        seed.deserialize(ValueReader(value)).map_err(|error| error.within(&quote(key)))
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnostics::Diagnostics;
    use crate::spec::config::{ConfigShape, ImageConfig};
    use crate::spec::docker::read_manifest;
    use crate::spec::oci::{Index, Manifest, check_layout};
    use crate::spec::v1::{LegacyLayer, V1Id};

    const ID: &str = "43790b2ec37d4336a49884da231eafae6c31d2e820ed3948b96b520d432699e9";
    const DESCRIPTOR: &str = r#"{"digest":"a:b","size":0}"#;

    /// The error that reading `text`, a document of this `kind`, ends with.
    fn problem(kind: &str, text: &str) -> String {
        let text = text.replace("DESCRIPTOR", DESCRIPTOR).replace("ID", ID);
        let (bytes, diagnostics) = (text.as_bytes(), &Diagnostics::silent());
        let read = match kind {
            "layout" => check_layout(bytes, "x", diagnostics),
            "index" => Index::read(bytes, "x", None, diagnostics).map(drop),
            "manifest" => Manifest::read(bytes, "x", None).map(drop),
            "config" => ImageConfig::read(bytes.to_vec(), "x").map(drop),
            "items" => read_manifest(bytes, "x", diagnostics).map(drop),
            "v1" => LegacyLayer::read(bytes, "x", &ID.parse::<V1Id>().unwrap(), diagnostics).map(drop),
            other => unreachable!("{other}"),
        };
        read.err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn no_document_takes_a_list_for_an_object() {
        for (kind, text, expected) in [
            ("layout", r#"["1.0.0"]"#, "x: it is a list, expected an object"),
            ("index", "[[]]", "x: it is a list, expected an object"),
            ("index", r#"{"schemaVersion":2,"manifests":[["m","a:b",0]]}"#, "a descriptor is not a JSON object"),
            (
                "index",
                r#"{"schemaVersion":2,"manifests":[{"digest":"a:b","size":0,"platform":["linux","amd64","","",[]]}]}"#,
                "x: manifests[0]: descriptor: `platform` is a list, expected an object",
            ),
            ("manifest", r#"{"schemaVersion":2,"config":["m","a:b",0],"layers":[]}"#, "not a JSON object"),
            ("config", "[{},[],null,null,null,null,{}]", "x: it is a list, expected an object"),
            ("config", r#"{"rootfs":["layers",[]]}"#, "x: `rootfs` is a list, expected an object"),
            ("config", r#"{"history":[[null,"a",null,null,true]]}"#, "x: `history[0]` is a list, expected an object"),
            ("config", r#"{"config":[]}"#, "x: `config` is a list, expected an object"),
            ("items", r#"[["a",[],[],null,{}]]"#, "x: [0]: it is a list, expected an object"),
            ("items", r#"[{"Config":"a","Layers":[],"LayerSources":{"b":["m","a:b",0]}}]"#, "not a JSON object"),
            ("v1", r#"["ID","",null,"","",{},""]"#, "x: it is a list, expected an object"),
            ("v1", r#"{"id":"ID","container_config":[["a"]]}"#, "x: `container_config` is a list, expected an object"),
        ] {
            let problem = problem(kind, text);
            assert!(problem.contains(expected), "{text}: {problem}");
        }
        assert_eq!(ConfigShape::of(br#"[{},"linux","amd64"]"#), ConfigShape::Other);
    }

    #[test]
    fn the_key_that_is_wrong_is_named() {
        for (kind, text, expected) in [
            ("layout", "{}", "x: `imageLayoutVersion` is missing"),
            ("layout", r#"{"imageLayoutVersion":1}"#, "x: `imageLayoutVersion` is the number `1`, expected a text"),
            (
                "index",
                r#"{"schemaVersion":2,"manifests":[{"digest":"a:b","size":0,"platform":{"os":1}}]}"#,
                "x: manifests[0]: descriptor: `platform.os` is the number `1`, expected a text",
            ),
            (
                "manifest",
                r#"{"schemaVersion":2,"config":DESCRIPTOR,"layers":[],"annotations":{"a\u001b":1}}"#,
                "x: `annotations.a\\u{1b}` is the number `1`, expected a text",
            ),
            (
                "config",
                r#"{"history":[{},{"created_by":[]}]}"#,
                "x: `history[1].created_by` is a list, expected a text",
            ),
            (
                "items",
                r#"[{"Config":"a","RepoTags":"a:1"}]"#,
                "x: [0]: `RepoTags` is the text \"a:1\", expected a list",
            ),
            ("items", r#"[{"Config":"a","Layers":["b",null]}]"#, "x: [0]: `Layers[1]` is null, expected a text"),
            (
                "v1",
                r#"{"id":"ID","container_config":{"Cmd":[1]}}"#,
                "x: `container_config.Cmd[0]` is the number `1`, expected a text",
            ),
        ] {
            assert_eq!(problem(kind, text), expected, "{text}");
        }
    }

    #[test]
    fn no_document_has_one_key_in_two_spellings() {
        for (kind, text, place, key) in [
            ("layout", r#"{"imageLayoutVersion":"1.0.0","ImageLayoutVersion":"2"}"#, "x", "ImageLayoutVersion"),
            ("index", r#"{"schemaVersion":2,"manifests":[],"Manifests":[DESCRIPTOR]}"#, "x", "Manifests"),
            (
                "index",
                r#"{"schemaVersion":2,"manifests":[{"Digest":"a:c","digest":"a:b","size":0}]}"#,
                "x: manifests[0]",
                "digest",
            ),
            (
                "index",
                r#"{"schemaVersion":2,"manifests":[{"digest":"a:b","size":0,"platform":{"os":"a","OS":"b"}}]}"#,
                "x: manifests[0].platform",
                "OS",
            ),
            ("manifest", r#"{"schemaVersion":2,"config":DESCRIPTOR,"layers":[],"Layers":[]}"#, "x", "Layers"),
            ("config", r#"{"config":{"Cmd":["a"]},"Config":{"Cmd":["b"]}}"#, "x", "Config"),
            ("config", r#"{"os":"linux","OS":"windows"}"#, "x", "OS"),
            ("config", r#"{"rootfs":{},"rootF\u017f":{}}"#, "x", "rootF\u{17f}"),
            ("config", r#"{"config":{"Env":[],"env":[]}}"#, "x: config", "env"),
            ("config", r#"{"history":[{},{"empty_layer":true,"Empty_Layer":false}]}"#, "x: history[1]", "Empty_Layer"),
            ("items", r#"[{"Config":"a","config":"b","Layers":[]}]"#, "x: [0]", "config"),
            (
                "items",
                r#"[{"Config":"a","Layers":[],"LayerSources":{"b":{"size":0,"Size":1,"digest":"a:b"}}}]"#,
                "x: [0]: LayerSources[b]",
                "Size",
            ),
            ("v1", r#"{"id":"ID","Id":"0"}"#, "x", "Id"),
        ] {
            let expected = format!("{place}: the key `{key}` occurs twice, with different capital letters");
            assert_eq!(problem(kind, text), expected, "{text}");
        }
    }

    #[test]
    fn keys_that_users_choose_are_theirs() {
        for (kind, text) in [
            ("index", r#"{"schemaVersion":2,"manifests":[],"annotations":{"a":"1","A":"2"},"x":1,"X":2}"#),
            (
                "config",
                r#"{"config":{"Labels":{"a":"1","A":"2"},"Volumes":{"/a":{},"/A":{}},"ExposedPorts":{"1/tcp":{},"1/TCP":{}}}}"#,
            ),
            ("items", r#"[{"Config":"a","Layers":[],"LayerSources":{"a":DESCRIPTOR,"A":DESCRIPTOR}}]"#),
        ] {
            assert_eq!(problem(kind, text), "", "{text}");
        }
    }

    #[test]
    fn a_key_in_another_spelling_is_read() {
        let config = br#"{"OS":"linux","Config":{"cmd":["a"]},"rootFS":{"Type":"layers"}}"#;
        let read = ImageConfig::read(config.to_vec(), "x").unwrap();
        assert_eq!((read.platform().os.as_str(), &read.runtime()["Cmd"][0]), ("linux", &"a".into()));
        assert_eq!(read.raw(), config);
        assert_eq!(ConfigShape::of(config), ConfigShape::Layers(0));
        let index = br#"{"SchemaVersion":2,"Manifests":[{"Digest":"a:b","Size":7}]}"#;
        let index = Index::read(index, "x", None, &Diagnostics::silent()).unwrap();
        assert_eq!((index.entries()[0].digest().to_string().as_str(), index.entries()[0].size()), ("a:b", 7));
        let strict = Diagnostics::new(true, |_| {});
        let error = Index::read(br#"{"schemaVersion":2,"Manifests":[]}"#, "x", None, &strict).unwrap_err();
        assert_eq!(error.to_string(), "x: the key `Manifests` is not spelled `manifests`; engines accept it anyway");
    }
}
