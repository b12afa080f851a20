//! The words of a delta: an OCI artifact that makes one image of another.
//!
//! ```text
//! artifact   artifactType, subject: the target's manifest; annotations: target, source, reused layers
//!   layers   image-manifest   the target's manifest, byte for byte
//!            image-config     the target's config, byte for byte
//!            image-layer      a tar-diff, or a layer as it is; `delta.to` names the target's blob that it makes
//! ```
//!
//! The annotations that begin with `io.github.imgtar.` are this program's own; other readers ignore them.
//!
//! Sources: docs/delta.md P-1, P-2, P-8, P-10, P-11, P-14; containers/oci-delta, README.

use std::collections::{BTreeMap, HashMap};
use std::iter::Sum;

use serde::{Deserialize, Serialize};

use crate::digest::{DiffId, Digest};
use crate::error::{Error, Result};
use crate::limits::MAX_DOCUMENT;
use crate::path::quote;
use crate::rule::Rule;
use crate::spec::descriptor::Descriptor;
use crate::spec::json;
use crate::spec::media_type::{Compression, MediaType};
use crate::spec::oci::Manifest;
use crate::spec::typed;

/// The `artifactType` of a delta's manifest.
pub(crate) const ARTIFACT_TYPE: &str = "application/vnd.io.github.containers.oci-delta.v1";
/// The media type of a layer that has to be applied to the files of the old image.
pub(crate) const TAR_DIFF: &str = "application/vnd.tar-diff";

const CONTENT: &str = "io.github.containers.delta.content";
const TO: &str = "io.github.containers.delta.to";
const TARGET: &str = "io.github.containers.delta.target";
const SOURCE: &str = "io.github.containers.delta.source";
const SOURCE_CONFIG: &str = "io.github.containers.delta.source-config";
const REUSED: &str = "io.github.containers.delta.reused";
const REUSED_DIFF_ID: &str = "io.github.containers.delta.reused-diff-id";
const LAYER_SIZE: &str = "io.github.imgtar.delta.layer-size";
const FILES: &str = "io.github.imgtar.delta.files";
const COMPRESSION: &str = "io.github.imgtar.delta.compression";
const SOURCE_NAMES: &str = "io.github.imgtar.delta.source-names";
const NAMES: &str = "io.github.imgtar.delta.names";

const MANIFEST: &str = "image-manifest";
const CONFIG: &str = "image-config";
const LAYER: &str = "image-layer";

/// One delta, as its manifest describes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DeltaManifest {
    /// The image that it makes.
    pub(crate) target: TargetImage,
    /// The image that it needs.
    pub(crate) source: SourceImage,
    /// The blobs that make layers of the target, by the digests of the target's blobs.
    pub(crate) layers: HashMap<Digest, DeltaLayer>,
    /// The layers that are taken from the source as they are: the digests of the target's blobs, and their diff_ids.
    pub(crate) reused: Vec<(Digest, DiffId)>,
}

/// The image that a delta makes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TargetImage {
    /// Its manifest.
    pub(crate) manifest: Descriptor,
    /// Its config.
    pub(crate) config: Descriptor,
    /// Its names, where the writer recorded them.
    pub(crate) names: Vec<String>,
}

/// The image that a delta needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourceImage {
    /// The digest of its manifest, where it has one.
    pub(crate) manifest: Option<Digest>,
    /// Its image ID.
    pub(crate) config: Digest,
    /// Its names, where the writer recorded them.
    pub(crate) names: Vec<String>,
}

/// A blob that makes a layer of the target.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DeltaLayer {
    /// The blob in the delta.
    pub(crate) blob: Descriptor,
    /// Bytes of the layer's uncompressed tar, where the writer recorded them.
    pub(crate) size: Option<u64>,
    /// The files of that tar by what they are made of, where the writer recorded it.
    pub(crate) files: Option<FileCounts>,
    /// The compression with which this program makes the target's blob of that tar, if it can.
    pub(crate) compression: Option<Compression>,
}

/// Numbers of files of a layer by what they are made of; short ones, which are always sent, are not counted (docs/delta.md P-11).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileCounts {
    /// Those that have the bytes of an old one.
    pub equal: u64,
    /// Those that are made of an old one.
    pub changed: u64,
    /// Those that are sent.
    pub new: u64,
}

/// The blobs in a delta that make layers of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeltaContent {
    /// The number of layers that they make.
    pub layers: usize,
    /// Bytes of the blobs.
    pub size: u64,
    /// Bytes of the layers' tars, if recorded of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tar_size: Option<u64>,
    /// The files of the layers, if recorded of any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<FileCounts>,
}

impl Sum for FileCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, more| Self {
            equal: sum.equal.saturating_add(more.equal),
            changed: sum.changed.saturating_add(more.changed),
            new: sum.new.saturating_add(more.new),
        })
    }
}

impl DeltaLayer {
    /// Returns true if the blob has to be applied to the source's files; false for a layer as it is.
    pub(crate) fn is_tar_diff(&self) -> bool {
        self.blob.media_type().as_str() == TAR_DIFF
    }
}

/// Returns true for the manifest of a delta.
pub(crate) fn is_delta(manifest: &Manifest) -> bool {
    manifest.artifact_type() == Some(ARTIFACT_TYPE)
}

impl DeltaManifest {
    /// Reads the description of a delta in its manifest. Parts with an unknown purpose are ignored.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a part or annotation is missing or is not a digest.
    pub(crate) fn read(manifest: &Manifest, at: &str) -> Result<Self> {
        let find = |kind: &str| {
            let mut found = manifest.layers().iter().filter(|layer| layer.annotation(CONTENT) == Some(kind));
            match (found.next(), found.next()) {
                (Some(only), None) => Ok(only.clone()),
                (None, _) => Err(Error::invalid(Rule::P2, at, format!("there is no `{kind}` among its layers"))),
                (Some(_), Some(_)) => Err(Error::invalid(Rule::P2, at, format!("it has two layers `{kind}`"))),
            }
        };
        let annotations = manifest.annotations();
        let digest = |key: &str| annotations.get(key).map(|text| parse(text, key, at)).transpose();
        let config = digest(SOURCE_CONFIG)?
            .ok_or_else(|| Error::invalid(Rule::P2, at, format!("the annotation `{SOURCE_CONFIG}` is missing")))?;
        let names = |key: &str| annotations.get(key).and_then(|text| texts(text, key, at).ok());
        let target =
            TargetImage { manifest: find(MANIFEST)?, config: find(CONFIG)?, names: names(NAMES).unwrap_or_default() };
        if digest(TARGET)?.is_some_and(|target_digest| target_digest != *target.manifest.digest()) {
            let problem = format!("`{TARGET}` is not the digest of its `{MANIFEST}`");
            return Err(Error::invalid(Rule::P2, at, problem));
        }
        let source = SourceImage { manifest: digest(SOURCE)?, config, names: names(SOURCE_NAMES).unwrap_or_default() };
        Ok(Self { target, source, layers: layers(manifest, at)?, reused: reused(annotations, at)? })
    }

    /// Returns what is in it.
    pub(crate) fn content(&self) -> DeltaContent {
        let parts = || self.layers.values();
        let files: Vec<FileCounts> = parts().filter_map(|part| part.files).collect();
        DeltaContent {
            layers: self.layers.len(),
            size: parts().map(|part| part.blob.size()).fold(0, u64::saturating_add),
            tar_size: parts().try_fold(0_u64, |sum, part| sum.checked_add(part.size?)),
            files: (!files.is_empty()).then(|| files.into_iter().sum()),
        }
    }

    /// The manifest of the delta.
    pub(crate) fn to_manifest(&self) -> Manifest {
        let Self { target, source, layers, reused } = self;
        let part = |descriptor: &Descriptor, kind| descriptor.clone().with_annotation(CONTENT, Some(kind));
        let mut parts = vec![part(&target.manifest, MANIFEST), part(&target.config, CONFIG)];
        let mut sorted: Vec<_> = layers.iter().collect();
        sorted.sort_by_key(|(to, _)| *to);
        for (to, layer) in sorted {
            let size = layer.size.map(|size| size.to_string());
            let blob = part(&layer.blob, LAYER).with_annotation(TO, Some(&to.to_string()));
            let compression = layer.compression.and_then(compression_name);
            let files = layer.files.map(|files| serde_json::to_string(&files).expect("numbers are always JSON"));
            let blob = blob.with_annotation(LAYER_SIZE, size.as_deref()).with_annotation(FILES, files.as_deref());
            parts.push(blob.with_annotation(COMPRESSION, compression));
        }
        let list = |texts: Vec<String>| serde_json::to_string(&texts).expect("texts are always JSON");
        let mut annotations = BTreeMap::from([
            (TARGET.to_owned(), target.manifest.digest().to_string()),
            (SOURCE_CONFIG.to_owned(), source.config.to_string()),
        ]);
        annotations.extend(source.manifest.as_ref().map(|digest| (SOURCE.to_owned(), digest.to_string())));
        if !reused.is_empty() {
            let digests = reused.iter().map(|(digest, _)| digest.to_string()).collect();
            let diff_ids = reused.iter().map(|(_, diff_id)| diff_id.to_string()).collect();
            annotations.insert(REUSED.to_owned(), list(digests));
            annotations.insert(REUSED_DIFF_ID.to_owned(), list(diff_ids));
        }
        for (key, names) in [(NAMES, &target.names), (SOURCE_NAMES, &source.names)] {
            if !names.is_empty() {
                annotations.insert(key.to_owned(), list(names.clone()));
            }
        }
        Manifest::artifact(ARTIFACT_TYPE, parts, target.manifest.clone(), annotations)
    }
}

/// The descriptor of a tar-diff.
pub(crate) fn tar_diff(digest: Digest, size: u64) -> Descriptor {
    Descriptor::new(MediaType::parse(TAR_DIFF), digest, size)
}

/// The name of a compression in an annotation; `None` for no compression.
fn compression_name(compression: Compression) -> Option<&'static str> {
    match compression {
        Compression::Plain => None,
        Compression::Gzip => Some("gzip"),
        Compression::Zstd => Some("zstd"),
    }
}

/// The parts of `manifest` that make layers, by what they make.
fn layers(manifest: &Manifest, at: &str) -> Result<HashMap<Digest, DeltaLayer>> {
    let mut layers = HashMap::new();
    for blob in manifest.layers().iter().filter(|layer| layer.annotation(CONTENT) == Some(LAYER)) {
        let to = blob.annotation(TO).map(|text| parse(text, TO, at)).transpose()?;
        let to = to.unwrap_or_else(|| blob.digest().clone());
        let number = |text: &str| {
            let problem = || format!("`{LAYER_SIZE}` is `{}`, not a number", quote(text));
            text.parse().map_err(|_| Error::invalid(Rule::P8, at, problem()))
        };
        let size = blob.annotation(LAYER_SIZE).map(number).transpose()?;
        let recorded = blob.annotation(COMPRESSION);
        let compression =
            [Compression::Gzip, Compression::Zstd].into_iter().find(|known| compression_name(*known) == recorded);
        // For people only, so one that cannot be read is left out.
        let counts = |text: &str| {
            let counts = json::read(text.as_bytes(), FILES, MAX_DOCUMENT, Rule::P11).ok()?;
            typed::parse(&counts).ok()
        };
        let files = blob.annotation(FILES).and_then(counts);
        layers.insert(to, DeltaLayer { blob: blob.clone(), size, files, compression });
    }
    Ok(layers)
}

fn reused(annotations: &BTreeMap<String, String>, at: &str) -> Result<Vec<(Digest, DiffId)>> {
    let list = |key: &str| match annotations.get(key) {
        Some(text) => {
            let digests = texts(text, key, at)?;
            digests.iter().map(|text| parse(text, key, at)).collect::<Result<Vec<_>>>()
        }
        None => Ok(Vec::new()),
    };
    let diff_ids = list(REUSED_DIFF_ID)?.into_iter().map(DiffId);
    Ok(list(REUSED)?.into_iter().zip(diff_ids).collect())
}

fn texts(text: &str, key: &str, at: &str) -> Result<Vec<String>> {
    json::read(text.as_bytes(), &format!("{at}: `{key}`"), MAX_DOCUMENT, Rule::P2)
}

fn parse(text: &str, key: &str, at: &str) -> Result<Digest> {
    text.parse().map_err(|error| Error::invalid(Rule::P2, at, format!("`{key}`: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::media_type::Family;

    fn layer_files() -> Option<FileCounts> {
        Some(FileCounts { equal: 3, changed: 2, new: 1 })
    }

    fn delta() -> DeltaManifest {
        let digest = |text: &[u8]| Digest::sha256(text);
        let files = layer_files();
        let layer =
            |size| DeltaLayer { blob: tar_diff(digest(b"diff"), 4), size, files, compression: Some(Compression::Zstd) };
        let kept = Descriptor::new(MediaType::Layer(Family::Oci, Compression::Gzip), digest(b"kept"), 4);
        DeltaManifest {
            target: TargetImage {
                manifest: Descriptor::of(MediaType::Manifest(Family::Oci), b"manifest"),
                config: Descriptor::of(MediaType::Config(Family::Oci), b"config"),
                names: vec!["ex.org/app:2".into()],
            },
            source: SourceImage { manifest: Some(digest(b"m")), config: digest(b"c"), names: Vec::new() },
            layers: HashMap::from([
                (digest(b"to"), layer(Some(10))),
                (digest(b"kept"), DeltaLayer { blob: kept, size: None, files: None, compression: None }),
            ]),
            reused: vec![(digest(b"r"), DiffId(digest(b"d")))],
        }
    }

    #[test]
    fn a_delta_is_read_as_it_was_written() {
        let written = delta();
        let bytes = written.to_manifest().to_bytes();
        let manifest = Manifest::read(&bytes, "x", None).unwrap();
        assert!(is_delta(&manifest));
        assert_eq!(manifest.to_bytes(), bytes);
        let keys: Vec<_> = String::from_utf8(bytes).unwrap().split('"').nth(1).map(str::to_owned).into_iter().collect();
        assert_eq!(keys, ["schemaVersion"]);
        let read = DeltaManifest::read(&manifest, "x").unwrap();
        assert_eq!((&read.source, &read.reused), (&written.source, &written.reused));
        assert_eq!(read.target.names, written.target.names);
        let content = DeltaContent { layers: 2, size: 8, tar_size: None, files: layer_files() };
        assert_eq!(read.content(), content);
        assert_eq!(read.target.config.digest(), written.target.config.digest());
        let sizes = |delta: &DeltaManifest| {
            let mut sizes: Vec<_> = delta
                .layers
                .iter()
                .map(|(to, layer)| {
                    let new = layer.files.map(|files| files.new);
                    (to.clone(), layer.size, new, layer.compression == Some(Compression::Zstd))
                })
                .collect();
            sizes.sort();
            sizes
        };
        assert_eq!(sizes(&read), sizes(&written));
    }

    #[test]
    fn a_part_or_annotation_that_is_missing_is_named() {
        let text = String::from_utf8(delta().to_manifest().to_bytes()).unwrap();
        for (from, to, problem) in [
            ("image-config", "other", "no `image-config`"),
            ("image-config", "image-manifest", "two layers `image-manifest`"),
            ("delta.source-config", "delta.other", "is missing"),
            (
                "\"io.github.imgtar.delta.layer-size\":\"10\"",
                "\"io.github.imgtar.delta.layer-size\":\"-1\"",
                "not a number",
            ),
            ("delta.reused\":\"[", "delta.reused\":\"", "delta.reused`"),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text, "{from}");
            let manifest = Manifest::read(changed.as_bytes(), "x", None).unwrap();
            let error = DeltaManifest::read(&manifest, "x").unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
