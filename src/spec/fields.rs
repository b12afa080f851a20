//! The keys of documents that are known, and the types of their values.
//!
//! Engines, all written in Go, take a known key whatever its capital letters, and of two that are one to them some take the
//! first and some the last. So a document is read under the spelling that is known, with a warning, and two keys that are one
//! are an error (docs/formats.md G-14, H-20). Keys that users choose, such as those of labels, are theirs and stay.

use serde_json::{Map, Value};

use crate::diagnostics::Diagnostics;
use crate::error::{Error, Result};
use crate::path::quote;
use crate::rule::Rule;

/// The types of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldType {
    Text,
    Flag,
    Number,
    Time,
    Texts,
    /// A list of texts for all but Docker and containers/image, which take one text too.
    Command,
    /// An object whose values are texts.
    TextByText,
    /// An object whose values are objects.
    Set,
    /// An object with these fields.
    Object(&'static [FieldRule]),
    /// A list of such objects.
    Objects(&'static [FieldRule]),
    /// An object whose keys are the user's, and whose values are such objects.
    ObjectByText(&'static [FieldRule]),
    /// A field that has to be there.
    Present,
}

/// The name of a field, its type, and whether OCI's specification has it.
pub(crate) type FieldRule = (&'static str, FieldType, bool);

use FieldType::{Number, Object, ObjectByText, Objects, Text, TextByText, Texts};

/// The marker of an OCI layout.
pub(super) const LAYOUT: &[FieldRule] = &[("imageLayoutVersion", Text, true)];

/// Indexes and manifests: one that is both has to be seen.
pub(super) const INDEX_OR_MANIFEST: &[FieldRule] = &[
    ("annotations", TextByText, true),
    ("artifactType", Text, true),
    ("config", Object(DESCRIPTOR), true),
    ("fsLayers", Texts, false),
    ("layers", Objects(DESCRIPTOR), true),
    ("manifests", Objects(DESCRIPTOR), true),
    ("mediaType", Text, true),
    ("schemaVersion", Number, true),
    ("subject", Object(DESCRIPTOR), true),
];

/// Descriptors.
pub(super) const DESCRIPTOR: &[FieldRule] = &[
    ("annotations", TextByText, true),
    ("artifactType", Text, true),
    ("data", Text, true),
    ("digest", Text, true),
    ("mediaType", Text, true),
    ("platform", Object(PLATFORM), true),
    ("size", Number, true),
    ("urls", Texts, true),
];

const PLATFORM: &[FieldRule] = &[
    ("architecture", Text, true),
    ("os", Text, true),
    ("os.features", Texts, true),
    ("os.version", Text, true),
    ("variant", Text, true),
];

/// The items of `manifest.json`.
pub(super) const ITEM: &[FieldRule] = &[
    ("Config", Text, false),
    ("LayerSources", ObjectByText(DESCRIPTOR), false),
    ("Layers", Texts, false),
    ("Parent", Text, false),
    ("RepoTags", Texts, false),
];

/// Spells the keys in `value`, an object with these `fields`, as they are known.
///
/// # Errors
/// Unless `diagnostics` go on, [`Error::Invalid`] for two keys of one object that are one to engines (H-20); and for one that
/// is spelled otherwise, if warnings are errors.
pub(crate) fn spell_keys(
    value: &mut Value,
    fields: &'static [FieldRule],
    at: &str,
    diagnostics: &Diagnostics,
) -> Result<()> {
    match value {
        Value::Object(object) => spell_keys_of(object, fields, at, "", diagnostics),
        _ => Ok(()),
    }
}

/// The same for an object.
pub(crate) fn spell_object_keys(
    object: &mut Map<String, Value>,
    fields: &'static [FieldRule],
    at: &str,
    diagnostics: &Diagnostics,
) -> Result<()> {
    spell_keys_of(object, fields, at, "", diagnostics)
}

/// The same for the object at `path` of the document.
fn spell_keys_of(
    object: &mut Map<String, Value>,
    fields: &'static [FieldRule],
    at: &str,
    path: &str,
    diagnostics: &Diagnostics,
) -> Result<()> {
    let known = |key: &str| fields.iter().map(|(name, ..)| *name).find(|name| is_one_key(name, key));
    if object.keys().any(|key| known(key).is_some_and(|name| name != key)) {
        let place = if path.is_empty() { at.to_owned() } else { format!("{at}: {path}") };
        for (key, value) in std::mem::take(object) {
            let name = known(&key);
            if let Some(name) = name.filter(|name| *name != key) {
                let problem = format!("the key `{}` is not spelled `{name}`; engines accept it anyway", quote(&key));
                diagnostics.warn(Rule::G14, &place, problem)?;
            }
            let name = name.map_or_else(|| key.clone(), str::to_owned);
            if object.insert(name, value).is_some() {
                let problem = format!("the key `{}` occurs twice, with different capital letters", quote(&key));
                diagnostics.fault(Error::invalid(Rule::H20, &place, problem))?;
            }
        }
    }
    for (name, kind, _) in fields {
        let Some(value) = object.get_mut(*name) else { continue };
        let path = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
        match (kind, value) {
            (Object(fields), Value::Object(object)) => spell_keys_of(object, fields, at, &path, diagnostics)?,
            (Objects(fields), Value::Array(values)) => {
                for (nth, object) in values.iter_mut().enumerate() {
                    if let Value::Object(object) = object {
                        spell_keys_of(object, fields, at, &format!("{path}[{nth}]"), diagnostics)?;
                    }
                }
            }
            (ObjectByText(fields), Value::Object(objects)) => {
                for (key, object) in objects {
                    if let Value::Object(object) = object {
                        spell_keys_of(object, fields, at, &format!("{path}[{}]", quote(key)), diagnostics)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns whether Go takes `key` for `known`: it ignores case, and two letters outside ASCII fold to `s` and `k`.
pub(crate) fn is_one_key(known: &str, key: &str) -> bool {
    let fold = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    known.chars().map(fold).eq(key.chars().map(fold))
}
