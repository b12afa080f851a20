//! The words of a docker archive: `manifest.json`, `repositories` and member names.
//!
//! Shared by readers and writers of the docker formats so that the two sides cannot drift apart. Reading is strict where
//! tools disagree: keys are there once in whatever case, entries have their type (docs/formats.md G-14, H-20). Names of images are plain
//! text here; `super::reference` parses them.
//!
//! Sources: moby image spec v1.2, docs/formats.md L-1, L-2, L-4 to L-9, L-20, D-1, D-2.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::descriptor::Descriptor;
use super::fields::{ITEM, spell_keys};
use super::json::{self, null_as_default};
use super::typed;
use crate::diagnostics::Diagnostics;
use crate::digest::{DiffId, Digest};
use crate::error::{Error, Result};
use crate::limits::MAX_MANIFEST_JSON;
use crate::path::quote;
use crate::rule::Rule;

/// The member that lists a docker archive's images.
pub const MANIFEST_MEMBER: &str = "manifest.json";
/// The member that names images by their top layer's v1 ID (L-8).
pub const REPOSITORIES_MEMBER: &str = "repositories";
/// The entry of `RepoTags` that Docker writes for an image without names.
pub const UNTAGGED: &str = "<none>:<none>";
/// The content of `<v1 id>/VERSION` (L-2).
pub const VERSION: &[u8] = b"1.0";

/// One image of `manifest.json` (L-4).
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestItem {
    /// The config's member. A digest in it proves nothing (L-6).
    pub config: String,
    /// The image's names as they were written; `null`, missing and empty alike are none (L-7).
    pub repo_tags: Vec<String>,
    /// The layers' members, base first; one named twice is applied twice (G-9).
    pub layers: Vec<String>,
    /// The image ID of the parent, where that is in the archive too.
    pub parent: Option<String>,
    /// Descriptors of layers by diff_id, or by layer digest as regclient has it (L-20).
    pub layer_sources: BTreeMap<String, Descriptor>,
}

/// The keys of an item.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ItemFields {
    config: String,
    #[serde(default, deserialize_with = "null_as_default")]
    repo_tags: Vec<String>,
    #[serde(deserialize_with = "null_as_default")]
    layers: Vec<String>,
    parent: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    layer_sources: BTreeMap<String, Value>,
}

/// Reads `manifest.json`; `[]` is an archive without images, `null` is an error (H-19). `None` stands in the place of an
/// item that is refused.
///
/// # Errors
/// [`Error::Invalid`] for what is not a list; and unless `diagnostics` go on, for an item that is not as it should be.
pub fn read_manifest(bytes: &[u8], at: &str, diagnostics: &Diagnostics) -> Result<Vec<Option<ManifestItem>>> {
    let items: Option<Vec<Value>> = json::read(bytes, at, MAX_MANIFEST_JSON, Rule::G14)?;
    let items = items.ok_or_else(|| {
        let problem =
            "it is null: the archive was written without an image; build or save the image again under a name";
        Error::invalid(Rule::H19, at, problem)
    })?;
    let item = |(nth, value)| ManifestItem::parse(value, &item_at(at, nth), diagnostics);
    items.into_iter().enumerate().map(item).collect()
}

/// Returns the name in messages of an item of the `manifest.json` at `at`.
pub fn item_at(at: &str, nth: usize) -> String {
    format!("{at}: [{nth}]")
}

impl ManifestItem {
    fn parse(mut value: Value, at: &str, diagnostics: &Diagnostics) -> Result<Option<Self>> {
        spell_keys(&mut value, ITEM, at, diagnostics)?;
        let ItemFields { config, repo_tags, layers, parent, layer_sources: listed } = match typed::parse(&value) {
            Ok(fields) => fields,
            Err(error) => {
                let error = Error::invalid(Rule::L4, at, error.to_string());
                return diagnostics.fault(error).map(|()| None);
            }
        };
        let mut layer_sources = BTreeMap::new();
        for (key, value) in listed {
            match Descriptor::parse(value) {
                Ok(source) => drop(layer_sources.insert(key, source)),
                Err(problem) => diagnostics.fault(problem.at(format!("{at}: LayerSources[{}]", quote(&key))))?,
            }
        }
        Ok(Some(Self { config, repo_tags, layers, parent, layer_sources }))
    }

    /// The `LayerSources` entry of a layer: by its diff_id, or by its digest as regclient has it (L-20).
    pub fn layer_source(&self, member: &str, diff_id: Option<&DiffId>) -> Option<&Descriptor> {
        let by_diff_id = diff_id.and_then(|diff_id| self.layer_sources.get(&diff_id.to_string()));
        by_diff_id.or_else(|| self.layer_sources.get(&digest_in_name(member)?.to_string()))
    }
}

/// The digest that a layer's name seems to be: `<64 hex>` before its extensions (D-6).
pub fn digest_in_name(member: &str) -> Option<Digest> {
    let last = member.rsplit('/').next().unwrap_or_default();
    Digest::from_sha256_hex(last.split('.').next().unwrap_or_default())
}

/// Returns `manifest.json` as ggcr writes it: compact, L-4's order of keys, no newline. `admit` is called with the size
/// of each item before that is held.
///
/// # Errors
/// Those of `admit`.
pub fn manifest(
    items: impl IntoIterator<Item = ManifestItem>,
    mut admit: impl FnMut(usize) -> Result<()>,
) -> Result<Vec<u8>> {
    let mut document = b"[".to_vec();
    for (number, item) in items.into_iter().enumerate() {
        let item = json::write(&item);
        admit(item.len())?;
        document.extend((number > 0).then_some(b','));
        document.extend(item);
    }
    document.push(b']');
    Ok(document)
}

impl Serialize for ManifestItem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct WrittenItem<'a> {
            config: &'a str,
            // Docker writes `null` for an image without names.
            repo_tags: Option<&'a [String]>,
            layers: &'a [String],
            #[serde(skip_serializing_if = "Option::is_none")]
            parent: Option<&'a str>,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            layer_sources: BTreeMap<&'a str, Value>,
        }
        let sources = self.layer_sources.iter().map(|(key, layer)| (key.as_str(), layer.to_layer_source()));
        WrittenItem {
            config: &self.config,
            repo_tags: (!self.repo_tags.is_empty()).then_some(&self.repo_tags),
            layers: &self.layers,
            parent: self.parent.as_deref(),
            layer_sources: sources.collect(),
        }
        .serialize(serializer)
    }
}

/// `repositories`: for each repository its tags, for each tag the v1 ID of the image's top layer (L-8).
///
/// Where `oci-layout` or `blobs/` is present the values are not v1 IDs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Repositories(pub BTreeMap<String, BTreeMap<String, String>>);

impl Repositories {
    /// Reads `repositories`.
    ///
    /// # Errors
    /// [`crate::error::Error::Invalid`] for what is not an object of objects of strings.
    pub fn read(bytes: &[u8], at: &str) -> Result<Self> {
        json::read(bytes, at, MAX_MANIFEST_JSON, Rule::L8)
    }

    /// Records `id` as the top layer of the image `name`; a name without a tag gets `latest` (N-7).
    ///
    /// Docker takes the name apart the same way, so it need not be one that `super::reference` accepts.
    pub fn insert(&mut self, name: &str, id: &str) {
        let (repository, tag) = split_tag(name);
        self.0.entry(repository.into()).or_default().insert(tag.unwrap_or("latest").into(), id.into());
    }

    /// The document: compact, keys ascending (L-9), no newline; `{}` without names.
    pub fn to_bytes(&self) -> Vec<u8> {
        json::write(self)
    }
}

/// Splits at the last `:` that no `/` follows, so that a port is not a tag (N-7).
pub fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    }
}

/// The config's member in a legacy archive: `<hex>.json` (L-1).
pub fn legacy_config_member(image_id: &Digest) -> String {
    format!("{}.json", image_id.encoded())
}

/// The config's member in a compressed archive: `sha256:<hex>` (D-1).
pub fn config_member(image_id: &Digest) -> String {
    image_id.to_string()
}

/// A layer's member in a compressed archive: the hex of its digest and what its compression is called (D-1).
pub fn layer_member(digest: &Digest, extension: &str) -> String {
    format!("{}{extension}", digest.encoded())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_items(text: impl AsRef<[u8]>) -> Result<Vec<ManifestItem>> {
        let items = read_manifest(text.as_ref(), "x", &Diagnostics::silent())?;
        Ok(items.into_iter().flatten().collect())
    }

    const MANIFEST: &str = r#"[{"Config":"a.json","RepoTags":["a:1","b:<2>"],"Layers":["x/layer.tar","x/layer.tar"],"Parent":"sha256:p","LayerSources":{"sha256:0":{"mediaType":"m","size":1,"digest":"a:b","urls":["u"],"x":1},"sha256:1":{"mediaType":"m","size":2,"digest":"a:b"}}},{"Config":"b.json","RepoTags":null,"Layers":[]}]"#;

    fn written(items: Vec<ManifestItem>) -> Vec<u8> {
        manifest(items, |_| Ok(())).unwrap()
    }

    #[test]
    fn a_manifest_is_written_as_it_was_read() {
        let items = read_items(MANIFEST).unwrap();
        assert_eq!(items[0].layer_sources["sha256:0"].size(), 1);
        assert!(items[1].repo_tags.is_empty() && items[1].parent.is_none());
        assert_eq!(String::from_utf8(written(items)).unwrap(), MANIFEST.replace("<2>", "\\u003c2\\u003e"));
    }

    #[test]
    fn an_image_may_have_no_names_and_no_layers() {
        for tags in ["", r#""RepoTags":null,"#, r#""RepoTags":[],"#] {
            let items = read_items(format!(r#"[{{"Config":"a",{tags}"Layers":null}}]"#)).unwrap();
            assert_eq!(written(items), br#"[{"Config":"a","RepoTags":null,"Layers":[]}]"#);
        }
        assert_eq!(written(read_items(b"[]").unwrap()), b"[]");
    }

    #[test]
    fn what_readers_take_differently_is_refused() {
        for (text, expected) in [
            ("null", "it is null: the archive was written without an image"),
            ("{}", "it is an object, expected a list"),
            ("[null]", "it is null, expected an object"),
            (r#"[{"Layers":[]}]"#, "`Config` is missing"),
            (r#"[{"Config":"a"}]"#, "`Layers` is missing"),
            (r#"[{"Config":"a","config":"a","Layers":[]}]"#, "the key `config` occurs twice"),
            (r#"[{"layers":[],"Config":"a","LAYERS":[]}]"#, "the key `LAYERS` occurs twice"),
            (r#"[{"Config":"a","Layers":[],"Layer\u017f":[]}]"#, "occurs twice"),
            (r#"[{"Config":"a","Layers":[1]}]"#, "expected a text"),
            (r#"[{"Config":"a","Layers":[null]}]"#, "expected a text"),
            (r#"[{"Config":"a","Layers":"b"}]"#, "expected a list"),
            (r#"[{"Config":"a","RepoTags":["a",2],"Layers":[]}]"#, "expected a text"),
            (r#"[{"Config":"a","Layers":[],"Layers":[]}]"#, "`Layers` occurs twice"),
            (r#"[{"Config":"a","Layers":[],"LayerSources":{"b":{}}}]"#, "`digest` is missing"),
            (r#"[{"Config":"a","Layers":[]}] x"#, "trailing characters"),
        ] {
            let error = read_items(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn keys_in_any_case_are_read() {
        for text in [
            r#"[{"config":"a","repoTags":["a:1"],"layers":["b"]}]"#,
            r#"[{"CONFIG":"a","repotags":["a:1"],"Layer\u017f":["b"],"x":1,"X":2}]"#,
        ] {
            let items = read_items(text).unwrap();
            assert_eq!(written(items), br#"[{"Config":"a","RepoTags":["a:1"],"Layers":["b"]}]"#);
        }
    }

    #[test]
    fn repositories_are_sorted_by_their_bytes() {
        let mut repositories = Repositories::default();
        assert_eq!(repositories.to_bytes(), b"{}");
        for (name, id) in [("b:2", "1"), ("b:10", "2"), ("localhost:5000/a/b", "3"), ("B:1", "4")] {
            repositories.insert(name, id);
        }
        let text = r#"{"B":{"1":"4"},"b":{"10":"2","2":"1"},"localhost:5000/a/b":{"latest":"3"}}"#;
        assert_eq!(String::from_utf8(repositories.to_bytes()).unwrap(), text);
        assert_eq!(Repositories::read(text.as_bytes(), "x").unwrap(), repositories);
        for text in ["null", "[]", r#"{"a":"b"}"#, r#"{"a":{"b":1}}"#, r#"{"a":{},"a":{}}"#] {
            assert!(Repositories::read(text.as_bytes(), "x").is_err(), "{text}");
        }
    }

    #[test]
    fn a_port_is_no_tag() {
        for (name, repository, tag) in [
            ("localhost:5000/a/b:t", "localhost:5000/a/b", Some("t")),
            ("localhost:5000/a/b", "localhost:5000/a/b", None),
            ("a", "a", None),
            ("a:", "a", Some("")),
            ("a:i-was-a-digest", "a", Some("i-was-a-digest")),
        ] {
            assert_eq!(split_tag(name), (repository, tag), "{name}");
        }
    }
}
