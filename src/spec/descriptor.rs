//! Descriptors: the media type, digest and size of a blob, as another document states them.
//!
//! A descriptor keeps the JSON object it was read from, so that keys unknown here survive when the document around it has
//! to be written anew. Size and digest are verified where a blob's bytes are read, size first (docs/formats.md O-6).
//!
//! Sources: OCI image-spec `descriptor.md`, docs/formats.md O-6, O-7, O-18, M-6, M-13, L-20.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Number, Value};

use super::json::{self, null_as_default};
use super::media_type::{Family, MediaType};
use super::platform::Platform;
use super::typed;
use crate::digest::{Digest, Hasher};
use crate::error::Problem;
use crate::rule::Rule;

/// A blob's media type, digest and size, and its optional keys. Cheap to clone: an index of thousands is held by its
/// document, by the list of its images, and by the images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor(Arc<DescriptorContent>);

/// The parsed fields of a descriptor and the JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DescriptorContent {
    /// The values of the known keys.
    fields: DescriptorFields,
    /// The known keys and all unknown keys, in the order they were read in; this is what is written.
    object: Map<String, Value>,
}

/// The keys of `descriptor.md`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescriptorFields {
    /// Empty where it is left out, which the specification forbids and engines accept.
    #[serde(default, deserialize_with = "null_as_default")]
    media_type: MediaType,
    digest: Digest,
    #[serde(deserialize_with = "size")]
    size: u64,
    #[serde(default, deserialize_with = "null_as_default")]
    urls: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    annotations: BTreeMap<String, String>,
    data: Option<String>,
    platform: Option<Platform>,
    artifact_type: Option<String>,
}

/// Prefixes of annotations that describe how a blob's bytes are compressed: they are false once the bytes change (O-18).
const OF_THE_COMPRESSION: [&str; 3] =
    ["containerd.io/snapshot/stargz/", "io.containers.estargz.", "io.github.containers.zstd-chunked."];

/// The annotation by which BuildKit marks attestation manifests in an index (O-13).
const ATTESTATION: &str = "vnd.docker.reference.type";
/// The annotation in which it names the manifest that an attestation is about (O-13).
const ATTESTED: &str = "vnd.docker.reference.digest";

impl Descriptor {
    /// Makes a descriptor of the required keys alone, written in the order `mediaType, digest, size` (M-6).
    ///
    /// `size` must be below 2^63 (H-11).
    pub(crate) fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        let fields = DescriptorFields {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            data: None,
            platform: None,
            artifact_type: None,
        };
        let object = Map::from_iter([
            ("mediaType".to_owned(), fields.media_type.as_str().into()),
            ("digest".to_owned(), fields.digest.to_string().into()),
            ("size".to_owned(), size.into()),
        ]);
        Self(Arc::new(DescriptorContent { fields, object }))
    }

    /// The descriptor of a document held in memory.
    pub(crate) fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::sha256(bytes), bytes.len() as u64)
    }

    /// The blob's media type.
    pub fn media_type(&self) -> &MediaType {
        &self.0.fields.media_type
    }

    /// The digest of the blob as stored.
    pub fn digest(&self) -> &Digest {
        &self.0.fields.digest
    }

    /// The size of the blob as stored, in bytes; below 2^63.
    pub fn size(&self) -> u64 {
        self.0.fields.size
    }

    /// The `urls` of the blob; nothing here fetches them (M-9), and they do not make a layer foreign (M-10).
    pub fn urls(&self) -> &[String] {
        &self.0.fields.urls
    }

    /// All annotations.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.0.fields.annotations
    }

    /// One annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.0.fields.annotations.get(key).map(String::as_str)
    }

    /// The platform, where the descriptor names one; an empty `platform` names none (O-12).
    pub fn platform(&self) -> Option<&Platform> {
        let names_one = |platform: &&Platform| !platform.os.is_empty() || !platform.architecture.is_empty();
        self.0.fields.platform.as_ref().filter(names_one)
    }

    /// The `artifactType` of the described manifest; it proves nothing alone (O-13).
    pub fn artifact_type(&self) -> Option<&str> {
        self.0.fields.artifact_type.as_deref()
    }

    /// The blob itself, where the descriptor embeds it (O-7); its digest and size have been verified.
    pub fn data(&self) -> Option<Vec<u8>> {
        BASE64.decode(self.0.fields.data.as_deref()?).ok()
    }

    /// Returns whether the described manifest is a BuildKit attestation of another one, and so no image (O-13).
    pub fn is_attestation(&self) -> bool {
        self.0.fields.annotations.contains_key(ATTESTATION) || self.platform().is_some_and(Platform::is_unknown)
    }

    /// The digest, as text, of the manifest that an attestation is about (O-13).
    pub(crate) fn attested(&self) -> Option<&str> {
        self.annotation(ATTESTED)
    }

    /// This descriptor with an annotation set to `value`, or removed; written in ascending order, as Go does (L-9).
    #[must_use]
    pub(crate) fn with_annotation(self, key: &str, value: Option<&str>) -> Self {
        let is_written_alike = match self.0.object.get("annotations") {
            None => true,
            Some(Value::Object(written)) => !written.is_empty() && written.keys().is_sorted(),
            Some(_) => false,
        };
        if value.is_none() && self.annotation(key).is_none() && is_written_alike {
            return self;
        }
        let mut annotations = self.0.fields.annotations.clone();
        match value {
            Some(value) => annotations.insert(key.into(), value.into()),
            None => annotations.remove(key),
        };
        self.with_annotations(&annotations)
    }

    /// This descriptor with these annotations and no others, in ascending order (L-9); none removes the key.
    #[must_use]
    pub(crate) fn with_annotations(self, annotations: &BTreeMap<String, String>) -> Self {
        self.with("annotations", json::text_map(annotations))
    }

    /// This descriptor with these `urls`; an empty list removes the key.
    #[must_use]
    pub(crate) fn with_urls(self, urls: Vec<String>) -> Self {
        self.with("urls", urls)
    }

    /// This descriptor with another platform.
    #[must_use]
    pub(crate) fn with_platform(self, platform: &Platform) -> Self {
        self.with("platform", platform.to_object())
    }

    /// The same blob under another media type.
    #[must_use]
    pub fn with_media_type(self, media_type: &MediaType) -> Self {
        self.with("mediaType", media_type.as_str())
    }

    /// The same blob, its media type in the words of `family` (M-1).
    #[must_use]
    pub(crate) fn with_family(self, family: Family) -> Self {
        let media_type = self.media_type().with_family(family);
        self.with_media_type(&media_type)
    }

    /// Another blob in this one's place: a layer compressed anew, a manifest rewritten.
    ///
    /// Removes the keys that describe the old bytes: `data`, `urls` and the annotations of their compression (O-18).
    /// The rest stays.
    #[must_use]
    pub(crate) fn replaced_by(self, media_type: &MediaType, digest: &Digest, size: u64) -> Self {
        let mut annotations = self.0.fields.annotations.clone();
        annotations.retain(|key, _| !OF_THE_COMPRESSION.iter().any(|prefix| key.starts_with(prefix)));
        self.with("mediaType", media_type.as_str())
            .with("digest", digest.to_string())
            .with("size", size)
            .with("urls", Value::Null)
            .with("data", Value::Null)
            .with_annotations(&annotations)
    }

    /// The document `bytes` in place of this one, of the same type: with its digest and size, and embedded if this one is
    /// (O-7).
    #[must_use]
    pub(crate) fn with_content(self, bytes: &[u8]) -> Self {
        let data = if self.0.fields.data.is_some() { Value::from(BASE64.encode(bytes)) } else { Value::Null };
        self.with("digest", Digest::sha256(bytes).to_string()).with("size", bytes.len() as u64).with("data", data)
    }

    /// The object that stands for this blob in `LayerSources`: docker's order of keys (M-13), the rest behind them.
    pub(crate) fn to_layer_source(&self) -> Value {
        let mut rest = self.0.object.clone();
        let mut source = Map::new();
        for key in ["mediaType", "size", "digest", "urls"] {
            source.extend(rest.shift_remove(key).map(|value| (key.to_owned(), value)));
        }
        source.extend(rest);
        source.into()
    }

    /// The object as it stands in a list of layers or manifests.
    pub(crate) fn to_value(&self) -> Value {
        self.0.object.clone().into()
    }

    /// One key changed; an empty value removes it.
    fn with(self, key: &str, value: impl Into<Value>) -> Self {
        let mut object = Arc::unwrap_or_clone(self.0).object;
        match value.into() {
            Value::Null => drop(object.shift_remove(key)),
            Value::Array(list) if list.is_empty() => drop(object.shift_remove(key)),
            Value::Object(map) if map.is_empty() => drop(object.shift_remove(key)),
            value => drop(object.insert(key.into(), value)),
        }
        let fields = typed::parse_object(&object).expect("only what these types gave was changed");
        Self(Arc::new(DescriptorContent { fields, object }))
    }

    /// The descriptor that a JSON value is.
    pub(crate) fn parse(value: Value) -> Result<Self, Problem> {
        let Value::Object(object) = value else {
            return Err(Problem::new(Rule::O6, "a descriptor is not a JSON object"));
        };
        if let Some(Value::String(digest)) = object.get("digest") {
            digest.parse::<Digest>().map_err(|error| Problem::new(Rule::H2, error.to_string()))?;
        }
        if let Some(Value::Number(number)) = object.get("size") {
            bytes_in(number).map_err(|message| Problem::new(Rule::H11, message))?;
        }
        let fields =
            typed::parse_object(&object).map_err(|error| Problem::new(Rule::O6, format!("descriptor: {error}")))?;
        let descriptor = Self(Arc::new(DescriptorContent { fields, object }));
        match descriptor.check_data() {
            Ok(()) => Ok(descriptor),
            Err(message) => Err(Problem::new(Rule::O7, format!("descriptor of {}: {message}", descriptor.digest()))),
        }
    }

    /// The descriptor without its embedded copy of the blob, which is not the blob.
    pub(crate) fn parse_without_data(mut value: Value) -> Option<Self> {
        value.as_object_mut()?.shift_remove("data");
        Self::parse(value).ok()
    }

    /// O-7: an embedded copy has to be the blob.
    fn check_data(&self) -> Result<(), String> {
        let Some(data) = &self.0.fields.data else { return Ok(()) };
        let bytes = BASE64.decode(data).map_err(|error| format!("`data` is not base64: {error}"))?;
        if bytes.len() as u64 != self.size() {
            return Err(format!("`data` has {} bytes, expected {}", bytes.len(), self.size()));
        }
        let Some(mut hasher) = Hasher::of(self.digest().algorithm()) else { return Ok(()) };
        hasher.update(&bytes);
        let found = hasher.finish();
        if found == *self.digest() { Ok(()) } else { Err(format!("`data` is {found}")) }
    }
}

/// A whole number of bytes that fits what every reader holds it in, a signed 64-bit integer (H-11).
fn bytes_in(number: &Number) -> Result<u64, String> {
    number.as_i64().and_then(|size| u64::try_from(size).ok()).ok_or_else(|| {
        let shown: String = number.as_str().chars().take(40).collect();
        format!("a size of {shown} is not a number of bytes")
    })
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    bytes_in(&Number::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// The fields follow from the object.
impl Hash for Descriptor {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.object.hash(state);
    }
}

impl Serialize for Descriptor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.object.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(text: &str) -> crate::error::Result<Descriptor> {
        let value = json::read(text.as_bytes(), "x", 1 << 20, Rule::O6)?;
        Descriptor::parse(value).map_err(|problem| problem.at("x"))
    }

    fn written(value: &impl Serialize) -> String {
        String::from_utf8(json::write(value)).unwrap()
    }

    #[test]
    fn unknown_keys_and_their_order_survive_an_edit() {
        let text = r#"{"x-a":{"z":1,"a":1.50},"size":0,"digest":"EMPTY","annotations":null,"mediaType":"application/vnd.docker.image.rootfs.diff.tar","platform":{"os":"linux","x":[]}}"#
            .replace("EMPTY", EMPTY);
        let descriptor = read(&text).unwrap();
        assert_eq!(written(&descriptor), text);
        assert_eq!(descriptor.platform(), Some(&Platform::new("linux", "")));
        assert_eq!(
            written(
                &descriptor.with_family(Family::Oci).with_annotation("b", Some("1")).with_annotation("a", Some("<"))
            ),
            text.replace("docker.image.rootfs.diff.tar", "oci.image.layer.v1.tar")
                .replace("null", r#"{"a":"\u003c","b":"1"}"#)
        );
    }

    #[test]
    fn a_false_size_or_digest_is_refused() {
        for (rest, expected) in [
            (r#""size":0"#, "x: descriptor: `digest` is missing"),
            (r#""mediaType":"a","digest":"EMPTY","size":-1"#, "a size of -1 is not a number of bytes"),
            (r#""mediaType":"a","digest":"EMPTY","size":1.0"#, "a size of 1.0 is no"),
            (r#""mediaType":"a","digest":"EMPTY","size":"1""#, "`size` is the text \"1\", expected a number"),
            (r#""mediaType":"a","digest":"EMPTY","size":9223372036854775808"#, "a size of 9223372036854775808 is no"),
            (r#""mediaType":"a","digest":"sha256:../x","size":1"#, "`sha256:../x` is not a digest"),
            (r#""mediaType":"a","digest":"EMPTY","size":1,"data":"YQ==""#, "`data` is sha256:ca978112"),
            (r#""mediaType":"a","digest":"EMPTY","size":0,"data":"YQ==""#, "`data` has 1 bytes, expected 0"),
            (r#""mediaType":"a","digest":"EMPTY","size":1,"data":"Y""#, "`data` is not base64"),
            (r#""mediaType":"a","digest":"EMPTY","size":1,"urls":[1]"#, "`urls[0]` is the number `1`, expected a text"),
        ] {
            let error = read(&format!("{{{}}}", rest.replace("EMPTY", EMPTY))).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(read(&format!(r#"{{"mediaType":"a","digest":"{EMPTY}","size":0,"data":""}}"#)).is_ok());
    }

    #[test]
    fn a_recompressed_layer_forgets_what_described_the_old_bytes() {
        let old = Descriptor::new(MediaType::parse("x"), EMPTY.parse().unwrap(), 0)
            .with_urls(vec!["https://x".into()])
            .with_annotation("containerd.io/snapshot/stargz/toc.digest", Some("sha256:…"))
            .with_annotation("io.github.containers.zstd-chunked.manifest-position", Some("1:2:3:4"))
            .with_annotation("org.example", Some("kept"));
        let gzip = MediaType::parse("application/vnd.oci.image.layer.v1.tar+gzip");
        let new = old.replaced_by(&gzip, &Digest::sha256(b"a"), 1);
        assert_eq!(
            written(&new),
            format!(
                r#"{{"mediaType":"{gzip}","digest":"{}","size":1,"annotations":{{"org.example":"kept"}}}}"#,
                Digest::sha256(b"a")
            )
        );
        assert_eq!(written(&new.with_annotation("org.example", None)).find("annotations"), None);
    }

    #[test]
    fn keys_stand_in_the_order_that_each_format_has() {
        let descriptor = Descriptor::of(MediaType::parse("x"), b"")
            .with_platform(&Platform { variant: "v8".into(), ..Platform::new("linux", "arm64") })
            .with_urls(vec!["u".into()]);
        assert_eq!(
            written(&descriptor),
            format!(
                r#"{{"mediaType":"x","digest":"{EMPTY}","size":0,"platform":{{"architecture":"arm64","os":"linux","variant":"v8"}},"urls":["u"]}}"#
            )
        );
        assert!(
            written(&descriptor.to_layer_source())
                .starts_with(&format!(r#"{{"mediaType":"x","size":0,"digest":"{EMPTY}","urls":["u"],"platform":"#))
        );
    }
}
