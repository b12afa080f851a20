//! The words of an OCI image layout: its marker, indexes and manifests.
//!
//! Indexes and manifests are read into a view beside the JSON object they came from; keys unknown here survive an edit.
//! A document that is kept is written as the bytes it was read from, which its reader keeps: nothing here can give them
//! back.
//!
//! Faults in a part of a document go to the [`Diagnostics`]. If these go on, reading continues without the part.
//!
//! Sources: OCI image-spec `image-layout.md`, `image-index.md`, `manifest.md`, docs/formats.md O-1, O-2, O-8, H-4, M-6.

mod index;
mod manifest;

pub use index::Index;
pub use manifest::{EMPTY_CONFIG, Manifest, ManifestParts};

use std::collections::BTreeMap;
use std::mem;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::descriptor::Descriptor;
use super::fields::{INDEX_OR_MANIFEST, LAYOUT, spell_keys, spell_object_keys};
use super::json::{self, null_as_default};
use super::media_type::{Family, MediaType};
use super::typed;
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Problem, Result};
use crate::limits::MAX_DOCUMENT;
use crate::path::quote;
use crate::rule::Rule;

/// The member that makes an archive an OCI layout (O-1).
pub const LAYOUT_MEMBER: &str = "oci-layout";
/// The member that lists a layout's images (O-2).
pub const INDEX_MEMBER: &str = "index.json";
/// The content of [`LAYOUT_MEMBER`].
pub const LAYOUT_MARKER: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

const VERSION: &str = "1.0.0";

/// Checks that the layout is of the one version there is (O-1).
///
/// # Errors
/// [`Error::Invalid`] if it is not a marker, or one of another version.
pub fn check_layout(bytes: &[u8], at: &str, diagnostics: &Diagnostics) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Marker {
        image_layout_version: String,
    }
    let mut marker = json::read(bytes, at, MAX_DOCUMENT, Rule::O1)?;
    spell_keys(&mut marker, LAYOUT, at, diagnostics)?;
    let Marker { image_layout_version: version } =
        typed::parse(&marker).map_err(|error| Error::invalid(Rule::O1, at, error.to_string()))?;
    if version != VERSION {
        let version = version.escape_debug();
        return Err(Error::invalid(Rule::O1, at, format!("the layout has version `{version}`, expected `{VERSION}`")));
    }
    Ok(())
}

/// Returns the media type of a manifest or index: its `mediaType`, else the one that its keys imply.
///
/// # Errors
/// [`Error::Invalid`] for what is not a JSON object.
pub(crate) fn document_type(bytes: &[u8], at: &str) -> Result<MediaType> {
    let mut object = json::read(bytes, at, MAX_DOCUMENT, Rule::G14)?;
    spell_object_keys(&mut object, INDEX_OR_MANIFEST, at, &Diagnostics::silent())?;
    Ok(match object.get("mediaType").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        Some(text) => MediaType::parse(text),
        None if object.contains_key("manifests") => INDEX.usual,
        None => MANIFEST.usual,
    })
}

/// The fields that an index and a manifest have in common.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentFields {
    artifact_type: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    annotations: BTreeMap<String, String>,
}

/// Brings the type of a document, and the `mediaType` in its `object`, into the words of `family`. A document without a
/// `mediaType` stays without one unless the type is to change.
fn set_family(media_type: &mut MediaType, object: &mut Map<String, Value>, family: Family) {
    let new = media_type.with_family(family);
    if new != *media_type {
        object.insert("mediaType".into(), new.as_str().into());
        *media_type = new;
    }
}

/// Sets the `annotations` of a document, where they stand if it has any; none removes the key.
fn set_annotations(object: &mut Map<String, Value>, annotations: &BTreeMap<String, String>) {
    if annotations.is_empty() {
        object.shift_remove("annotations");
    } else {
        object.insert("annotations".into(), json::text_map(annotations).into());
    }
}

/// The properties that tell an index from a manifest, so that no document can be both (H-4).
struct Kind {
    name: &'static str,
    /// The rule about its content.
    rule: Rule,
    is: fn(&MediaType) -> bool,
    usual: MediaType,
    /// Keys that belong to the other kind, or to docker's first schema.
    foreign: &'static [&'static str],
}

const INDEX: Kind = Kind {
    name: "image index",
    rule: Rule::O2,
    is: MediaType::is_index,
    usual: MediaType::Index(Family::Oci),
    foreign: &["config", "layers", "fsLayers"],
};

const MANIFEST: Kind = Kind {
    name: "image manifest",
    rule: Rule::O8,
    is: MediaType::is_manifest,
    usual: MediaType::Manifest(Family::Oci),
    foreign: &["manifests", "fsLayers"],
};

impl Kind {
    /// Reads a document that is of this kind and no other, and its media type.
    ///
    /// `described` is the media type in the descriptor that led here. A document without a `mediaType` has that type, or
    /// OCI's.
    fn read(
        &self,
        bytes: &[u8],
        at: &str,
        described: Option<&MediaType>,
        diagnostics: &Diagnostics,
    ) -> Result<(MediaType, Map<String, Value>)> {
        let mut object = json::read(bytes, at, MAX_DOCUMENT, Rule::G14)?;
        spell_object_keys(&mut object, INDEX_OR_MANIFEST, at, diagnostics)?;
        let media_type = match self.check(&object, described) {
            Ok(media_type) => media_type,
            Err(problem) => {
                diagnostics.fault(problem.at(at))?;
                described.unwrap_or(&self.usual).clone()
            }
        };
        Ok((media_type, object))
    }

    /// Takes the descriptors out of the list at `key` of `object`, which [`write`] puts back: a list of thousands is not
    /// held twice. `None` stands in the place of one that is refused, after `on_fault` has taken its error.
    fn descriptors(
        &self,
        object: &mut Map<String, Value>,
        key: &str,
        at: &str,
        on_fault: &mut dyn FnMut(Error) -> Result<()>,
    ) -> Result<Vec<Option<Descriptor>>> {
        let list = match object.get_mut(key) {
            Some(Value::Array(list)) => mem::take(list),
            // Go writes `null` for an empty list.
            Some(Value::Null) => return Ok(Vec::new()),
            other => {
                let message =
                    format!("`{key}` is {}, expected a list", shown(other.as_deref().unwrap_or(&Value::Null)));
                return on_fault(Error::invalid(self.rule, at, message)).map(|()| Vec::new());
            }
        };
        let place = |nth| format!("{at}: {key}[{nth}]");
        list.into_iter().enumerate().map(|(nth, value)| descriptor(value, || place(nth), on_fault)).collect()
    }

    fn is_index_json(&self, described: Option<&MediaType>) -> bool {
        described.is_none() && self.usual.is_index()
    }

    fn check(
        &self,
        object: &Map<String, Value>,
        described: Option<&MediaType>,
    ) -> std::result::Result<MediaType, Problem> {
        let wrong = |message| Problem::new(self.rule, message);
        match object.get("schemaVersion").unwrap_or(&Value::Null) {
            Value::Number(number) if number.as_u64() == Some(2) => {}
            // No engine asks for the `schemaVersion` of `index.json`.
            Value::Null if self.is_index_json(described) => {}
            Value::Number(number) if number.as_u64() == Some(1) => {
                let message = "a docker manifest of schema version 1, which is too old to be converted";
                return Err(Problem::new(Rule::M1, message));
            }
            other => return Err(wrong(format!("schemaVersion is {}, expected 2", shown(other)))),
        }
        if let Some(key) = self.foreign.iter().find(|key| object.get(**key).is_some_and(|value| !value.is_null())) {
            let message =
                format!("an {} that also has `{key}` would be read as something else by other tools", self.name);
            return Err(Problem::new(Rule::H4, message));
        }
        let stated = match object.get("mediaType").unwrap_or(&Value::Null) {
            Value::Null => None,
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(MediaType::parse(text)),
            other => return Err(wrong(format!("mediaType is {}, expected a text", shown(other)))),
        };
        match (stated, described) {
            (Some(stated), Some(described)) if stated != *described => {
                let (stated, described) = (quote(stated.as_str()), quote(described.as_str()));
                let message = format!("mediaType is `{stated}`, but the descriptor says `{described}`");
                Err(Problem::new(Rule::H4, message))
            }
            (Some(stated), _) if (self.is)(&stated) => Ok(stated),
            (Some(other), _) => Err(wrong(format!("mediaType `{}` is not an {}", quote(other.as_str()), self.name))),
            (None, described) => Ok(described.unwrap_or(&self.usual).clone()),
        }
    }
}

/// The descriptor that `value` is; `None` if it is refused.
fn descriptor(
    value: Value,
    at: impl Fn() -> String,
    on_fault: &mut dyn FnMut(Error) -> Result<()>,
) -> Result<Option<Descriptor>> {
    // What has to be read anew should the embedded copy be a false one.
    let embedding = value.get("data").is_some().then(|| value.clone());
    match Descriptor::parse(value) {
        Ok(descriptor) => Ok(Some(descriptor)),
        Err(problem) => {
            let is_about_data = problem.rule == Rule::O7;
            on_fault(problem.at(at()))?;
            Ok(embedding.filter(|_| is_about_data).and_then(Descriptor::parse_without_data))
        }
    }
}

/// The document that `object` is, compact, with `list` at `key`.
fn write(object: &Map<String, Value>, key: &str, list: &[Descriptor]) -> Vec<u8> {
    let mut object = object.clone();
    // Go writes `null` for an empty list.
    if !list.is_empty() {
        object.insert(key.to_owned(), list.iter().map(Descriptor::to_value).collect());
    }
    json::write(&object)
}

/// Returns the descriptor in the document's `subject`, if it has one (O-14).
fn subject(object: &Map<String, Value>, at: &str, diagnostics: &Diagnostics) -> Result<Option<Descriptor>> {
    match object.get("subject").filter(|value| !value.is_null()) {
        Some(value) => descriptor(value.clone(), || format!("{at}: subject"), &mut |error| diagnostics.fault(error)),
        None => Ok(None),
    }
}

/// A value short enough for an error message.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "missing".into(),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        Value::String(text) => format!("\"{}\"", text.chars().take(40).collect::<String>().escape_debug()),
        other => other.to_string().chars().take(40).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_of_another_version_is_refused_by_name() {
        assert!(check_layout(LAYOUT_MARKER, "x", &Diagnostics::silent()).is_ok());
        assert!(check_layout(br#"{"x":1, "imageLayoutVersion":"1.0.0"}"#, "x", &Diagnostics::silent()).is_ok());
        let error = check_layout(br#"{"imageLayoutVersion":"1.1.0"}"#, "a.tar: oci-layout", &Diagnostics::silent())
            .unwrap_err();
        assert_eq!(error.to_string(), "a.tar: oci-layout: the layout has version `1.1.0`, expected `1.0.0`");
        assert!(check_layout(b"{}", "x", &Diagnostics::silent()).is_err());
    }

    #[test]
    fn a_document_of_two_kinds_or_none_is_refused() {
        let docker = MediaType::Manifest(Family::Docker);
        for (kind, text, expected) in [
            (&MANIFEST, r#"{"config":{},"layers":[]}"#, "schemaVersion is missing, expected 2"),
            (&INDEX, r#"{"schemaVersion":"2"}"#, "schemaVersion is \"2\", expected 2"),
            (&INDEX, r#"{"schemaVersion":3}"#, "schemaVersion is 3, expected 2"),
            (&MANIFEST, r#"{"schemaVersion":1}"#, "too old"),
            (&INDEX, r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#, "also has `layers`"),
            (&INDEX, r#"{"schemaVersion":2,"config":{}}"#, "also has `config`"),
            (&MANIFEST, r#"{"schemaVersion":2,"config":{},"manifests":[]}"#, "also has `manifests`"),
            (&MANIFEST, r#"{"schemaVersion":2,"fsLayers":[]}"#, "also has `fsLayers`"),
            (&MANIFEST, r#"{"schemaVersion":2,"mediaType":2}"#, "mediaType is 2, expected a text"),
            (
                &MANIFEST,
                r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#,
                "but the descriptor says `application/vnd.docker.distribution.manifest.v2+json`",
            ),
        ] {
            let described = (kind.name == MANIFEST.name).then_some(&docker);
            let error = kind.read(text.as_bytes(), "x", described, &Diagnostics::silent()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let text = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#;
        assert!(
            INDEX
                .read(text, "x", None, &Diagnostics::silent())
                .unwrap_err()
                .to_string()
                .contains("is not an image index")
        );
    }

    #[test]
    fn a_document_without_a_type_is_what_its_descriptor_says() {
        let docker = MediaType::Manifest(Family::Docker);
        for text in [r#"{"schemaVersion":2}"#, r#"{"schemaVersion":2,"mediaType":"","manifests":null}"#] {
            let read = |described| MANIFEST.read(text.as_bytes(), "x", described, &Diagnostics::silent()).unwrap().0;
            assert_eq!(read(Some(&docker)), docker);
            assert_eq!(read(None), MediaType::Manifest(Family::Oci));
        }
    }
}
