//! tar-diffs, written and applied by the format's own page (containers/tar-diff, `file-format.md`) and nothing else.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::{Value, json};

use super::image::TestImage;
use super::layout::{Layout, Types};
use super::model::Model;
use super::tarball::Tarball;

const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const ARTIFACT: &str = "application/vnd.io.github.containers.oci-delta.v1";
pub(crate) const TAR_DIFF: &str = "application/vnd.tar-diff";

/// Operations under construction.
#[derive(Debug, Clone)]
pub(crate) struct TarDiff {
    magic: &'static [u8],
    pub(crate) operations: Vec<u8>,
}

impl TarDiff {
    pub(crate) fn v1() -> Self {
        Self { magic: b"tardf1\n\0", operations: Vec::new() }
    }

    pub(crate) fn v2() -> Self {
        Self { magic: b"tardf2\n\0", operations: Vec::new() }
    }

    /// An operation of any number, size and payload.
    pub(crate) fn op(mut self, number: u8, mut size: u64, payload: impl AsRef<[u8]>) -> Self {
        self.operations.push(number);
        while size > 0x7f {
            self.operations.push(size as u8 | 0x80);
            size >>= 7;
        }
        self.operations.push(size as u8);
        self.raw(payload)
    }

    /// Bytes that need not be an operation.
    pub(crate) fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.operations.extend_from_slice(bytes.as_ref());
        self
    }

    pub(crate) fn data(self, bytes: impl AsRef<[u8]>) -> Self {
        let size = bytes.as_ref().len() as u64;
        self.op(0, size, bytes)
    }

    pub(crate) fn open(self, path: &str) -> Self {
        self.op(1, path.len() as u64, path)
    }

    pub(crate) fn copy(self, size: u64) -> Self {
        self.op(2, size, "")
    }

    pub(crate) fn add(self, bytes: impl AsRef<[u8]>) -> Self {
        let size = bytes.as_ref().len() as u64;
        self.op(3, size, bytes)
    }

    pub(crate) fn seek(self, position: u64) -> Self {
        self.op(4, position, "")
    }

    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.magic, &zstd::stream::encode_all(&self.operations[..], 3).unwrap()].concat()
    }
}

/// What `diff` makes of an unpacked old image: each step as the page has it. A file that not everybody may read, or none
/// at all, is not a source.
pub(crate) fn apply(diff: &[u8], old: &Model) -> Vec<u8> {
    let files = old.files();
    let (magic, frame) = diff.split_at(8);
    assert!(magic == b"tardf1\n\0" || magic == b"tardf2\n\0");
    let operations = zstd::stream::decode_all(frame).unwrap();
    let (mut rest, mut made) = (&operations[..], Vec::new());
    let (mut source, mut position): (&[u8], usize) = (&[], 0);
    while let Some((&number, behind)) = rest.split_first() {
        let (mut size, mut shift) = (0_usize, 0);
        rest = behind;
        loop {
            let byte = rest.split_off_first().unwrap();
            size |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let payload = if matches!(number, 0 | 1 | 3 | 5) { rest.split_off(..size).unwrap() } else { &[] };
        match number {
            0 => made.extend_from_slice(payload),
            1 => {
                let path = std::str::from_utf8(payload).unwrap();
                let (mode, content) = files.get(path).unwrap_or_else(|| panic!("there is no {path}"));
                assert!(mode & 4 != 0, "not everybody may read {path}");
                (source, position) = (content, 0);
            }
            2 => made.extend_from_slice(&source[position..position + size]),
            3 => made.extend(source[position..position + size].iter().zip(payload).map(|(a, b)| a.wrapping_add(*b))),
            4 => position = size,
            5 => {
                assert_eq!(magic, b"tardf2\n\0");
                zstd::stream::read::Decoder::with_ref_prefix(payload, source).unwrap().read_to_end(&mut made).unwrap();
            }
            other => panic!("operation {other}"),
        }
        if matches!(number, 2 | 3) {
            position += size;
        }
    }
    made
}

/// An archive as oci-delta writes it: what makes `new` of `old`. Of each layer of `new` the blob that makes it, or none if
/// it is reused.
pub(crate) fn artifact(old: &TestImage, new: &TestImage, layers: &[Option<(&str, Vec<u8>)>]) -> Layout {
    let mut target = Layout::new();
    let manifest = target.image(new, Types::Oci);
    let mut layout = Layout::new();
    let content = |mut descriptor: Value, content: &str| {
        descriptor["annotations"]["io.github.containers.delta.content"] = json!(content);
        descriptor
    };
    let manifest_type = manifest["mediaType"].as_str().unwrap();
    let manifest = layout.blob(manifest_type, target.bytes_of(&manifest));
    let config = layout.blob("application/vnd.oci.image.config.v1+json", new.config());
    let mut parts = vec![content(manifest.clone(), "image-manifest"), content(config, "image-config")];
    let mut reused = (Vec::new(), Vec::new());
    for ((layer, digest), made) in new.layers.iter().zip(new.layer_digests()).zip(layers) {
        match made {
            Some((media_type, bytes)) => {
                let mut part = content(layout.blob(media_type, bytes.clone()), "image-layer");
                part["annotations"]["io.github.containers.delta.to"] = json!(digest);
                parts.push(part);
            }
            None => {
                reused.0.push(digest);
                reused.1.push(layer.diff_id());
            }
        }
    }
    let mut source = Layout::new();
    let annotations = json!({
        "io.github.containers.delta.target": manifest["digest"],
        "io.github.containers.delta.source": source.image(old, Types::Oci)["digest"],
        "io.github.containers.delta.source-config": format!("sha256:{}", old.id()),
        "io.github.containers.delta.reused": json!(reused.0).to_string(),
        "io.github.containers.delta.reused-diff-id": json!(reused.1).to_string(),
    });
    let config = layout.blob(EMPTY, "{}");
    let artifact = layout.manifest(&json!({
        "schemaVersion": 2, "artifactType": ARTIFACT, "config": config, "layers": parts, "subject": manifest,
        "annotations": annotations,
    }));
    layout.list(&artifact);
    layout
}

/// The delta that makes the only layer of `new` by `diff`.
pub(crate) fn of_layer(old: &TestImage, new: &TestImage, diff: &[u8]) -> Tarball {
    artifact(old, new, &[Some((TAR_DIFF, diff.to_vec()))]).tarball()
}

/// The layers of the deltas in `archive`, by the digests of what they make: media types and blobs.
pub(crate) fn layers(archive: &super::archive::Archive) -> BTreeMap<String, (String, Vec<u8>)> {
    let mut layers = BTreeMap::new();
    for entry in archive.json("index.json")["manifests"].as_array().unwrap() {
        let manifest: Value = serde_json::from_slice(super::judge::blob(archive, entry)).unwrap();
        for layer in manifest["layers"].as_array().unwrap() {
            let blob = super::judge::blob(archive, layer).to_vec();
            if let Some(to) = layer["annotations"]["io.github.containers.delta.to"].as_str() {
                layers.insert(to.to_owned(), (layer["mediaType"].as_str().unwrap().to_owned(), blob));
            }
        }
    }
    layers
}
