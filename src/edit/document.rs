//! An image's config as a document: a change rewrites the keys that it names and nothing else.
//!
//! Keys keep their order, unknown keys and the texts of numbers survive, new keys go last in their object (E-54). A config
//! that no change touches keeps its bytes, and with them its image ID.
//!
//! Sources: docs/edit.md E-54; docs/formats.md L-15, M-2.

use serde_json::{Map, Value};

use crate::diagnostics::Diagnostics;
use crate::digest::DiffId;
use crate::error::{Error, Result};
use crate::limits::MAX_DOCUMENT;
use crate::rule::Rule;
use crate::spec::config_types::CONFIG;
use crate::spec::fields::spell_object_keys;
use crate::spec::json;

/// A config under change.
#[derive(Debug, Clone)]
pub(crate) struct ConfigDocument {
    at: String,
    raw: Vec<u8>,
    read: Map<String, Value>,
    object: Map<String, Value>,
}

impl ConfigDocument {
    /// Parses the config in `raw`; `at` is its name in errors.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not a JSON object.
    pub(crate) fn read(raw: &[u8], at: &str) -> Result<Self> {
        let mut read: Map<String, Value> = json::read(raw, at, MAX_DOCUMENT, Rule::M11)?;
        // The reader of the image has warned of keys that are spelled otherwise.
        spell_object_keys(&mut read, CONFIG, at, &Diagnostics::silent())?;
        Ok(Self { at: at.to_owned(), raw: raw.to_vec(), object: read.clone(), read })
    }

    /// Returns its name in messages.
    pub(crate) fn at(&self) -> &str {
        &self.at
    }

    /// The document: the bytes that were read if nothing has changed, else compact JSON with Go's escapes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        if self.is_changed() { json::write(&self.object) } else { self.raw.clone() }
    }

    /// Returns whether the document differs from the one that was read.
    pub(crate) fn is_changed(&self) -> bool {
        self.object != self.read
    }

    /// All of it.
    pub(crate) fn object(&self) -> &Map<String, Value> {
        &self.object
    }

    /// All of it, to be changed.
    pub(crate) fn object_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.object
    }

    /// The text at a key of the document itself.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.object.get(key).and_then(Value::as_str)
    }

    /// The container settings, `config`; an empty object is put there if there is none.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `config` is not an object.
    pub(crate) fn runtime_mut(&mut self) -> Result<&mut Map<String, Value>> {
        object_at(&mut self.object, "config", &self.at)
    }

    /// The entries of `history`; none if it is absent or null.
    pub(crate) fn history(&self) -> Vec<Value> {
        self.object.get("history").and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// Puts other entries in place of `history`.
    pub(crate) fn set_history(&mut self, entries: Vec<Value>) {
        self.object.insert("history".to_owned(), entries.into());
    }

    /// Puts other layers in place of `rootfs.diff_ids`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `rootfs` is not an object.
    pub(crate) fn set_diff_ids<'a>(&mut self, diff_ids: impl Iterator<Item = &'a DiffId>) -> Result<()> {
        let list: Vec<Value> = diff_ids.map(|diff_id| diff_id.to_string().into()).collect();
        object_at(&mut self.object, "rootfs", &self.at)?.insert("diff_ids".to_owned(), list.into());
        Ok(())
    }
}

/// The object at `key`; an empty one is put there if it is absent or null.
///
/// # Errors
/// [`Error::Invalid`] where something else is there.
pub(super) fn object_at<'a>(
    object: &'a mut Map<String, Value>,
    key: &str,
    at: &str,
) -> Result<&'a mut Map<String, Value>> {
    let value = object.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().ok_or_else(|| Error::invalid(Rule::M11, at, format!("`{key}` is not a JSON object")))
}

/// The list at `key`; an empty one is put there if it is absent or null.
///
/// # Errors
/// [`Error::Invalid`] where something else is there.
pub(super) fn list_at<'a>(object: &'a mut Map<String, Value>, key: &str, at: &str) -> Result<&'a mut Vec<Value>> {
    let value = object.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().ok_or_else(|| Error::invalid(Rule::M11, at, format!("`{key}` is not a JSON list")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn document(text: &str) -> ConfigDocument {
        ConfigDocument::read(text.as_bytes(), "config").unwrap()
    }

    fn text(document: &ConfigDocument) -> String {
        String::from_utf8(document.to_bytes()).unwrap()
    }

    #[test]
    fn what_is_not_changed_keeps_its_bytes() {
        let indented = "{\n  \"b\": 2.50,\n  \"a\": \"<\"\n}\n";
        let mut document = document(indented);
        document.object_mut().insert("a".into(), "<".into());
        assert_eq!(text(&document), indented);
    }

    #[test]
    fn order_unknown_keys_and_numbers_survive_a_change() {
        let mut document = document(
            r#"{"z":12345678901234567890,"config":{"Zed":[1.0,2.50],"Env":null},"a":"<","rootfs":{"x":1,"diff_ids":[],"type":"layers"}}"#,
        );
        document.runtime_mut().unwrap().insert("User".into(), "1".into());
        let diff_id = DiffId(Digest::sha256(b""));
        document.set_diff_ids([&diff_id].into_iter()).unwrap();
        assert_eq!(
            text(&document),
            format!(
                r#"{{"z":12345678901234567890,"config":{{"Zed":[1.0,2.50],"Env":null,"User":"1"}},"a":"\u003c","rootfs":{{"x":1,"diff_ids":["{diff_id}"],"type":"layers"}}}}"#
            )
        );
    }

    #[test]
    fn an_absent_object_is_made_and_another_value_refused() {
        for without in ["{}", r#"{"config":null}"#] {
            let mut document = document(without);
            document.runtime_mut().unwrap().insert("User".into(), "1".into());
            assert_eq!(text(&document), r#"{"config":{"User":"1"}}"#);
        }
        let error = document(r#"{"config":[]}"#).runtime_mut().unwrap_err();
        assert_eq!(error.to_string(), "config: `config` is not a JSON object");
    }
}
