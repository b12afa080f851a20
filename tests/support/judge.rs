//! What an archive holds, image by image, told by the archive alone.
//!
//! Every promise found on the way is checked: blobs against the digests that name them and the sizes beside them,
//! decompressed layers against the diff_ids of the config, one layer for every diff_id.

use serde_json::Value;

use super::archive::Archive;
use super::codec::Codec;
use super::layout::{DOCKER_LIST, DOCKER_MANIFEST, FULL_NAME, OCI_INDEX, OCI_MANIFEST, REF_NAME, blob_path};
use super::name::full;
use super::{digest, digest512, sha256};

/// An image as the judge found it.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    /// The image ID, 64 hex digits.
    pub(crate) id: String,
    pub(crate) config: Vec<u8>,
    /// Full names, sorted; a bare tag stands as it is.
    pub(crate) names: Vec<String>,
    pub(crate) layers: Vec<JudgedLayer>,
    /// The manifest's bytes; there is none in a docker tarball.
    pub(crate) manifest: Option<Vec<u8>>,
}

/// A layer as the judge found it.
#[derive(Debug, Clone)]
pub(crate) struct JudgedLayer {
    /// The member that holds it.
    pub(crate) member: String,
    /// The digest of the stored bytes, whatever the member is called.
    pub(crate) digest: String,
    /// Promised by the config, and true.
    pub(crate) diff_id: String,
    pub(crate) codec: Codec,
    /// `None` for a foreign layer whose bytes are elsewhere.
    pub(crate) plain: Option<Vec<u8>>,
    /// What the manifest or LayerSources says of it.
    pub(crate) descriptor: Option<Value>,
}

impl Judged {
    pub(crate) fn diff_ids(&self) -> Vec<&str> {
        self.layers.iter().map(|layer| layer.diff_id.as_str()).collect()
    }

    pub(crate) fn layer_digests(&self) -> Vec<&str> {
        self.layers.iter().map(|layer| layer.digest.as_str()).collect()
    }
}

/// The images of `manifest.json`.
pub(crate) fn docker_images(archive: &Archive) -> Vec<Judged> {
    let manifest = archive.json("manifest.json");
    manifest.as_array().expect("manifest.json is an array").iter().map(|item| docker_image(archive, item)).collect()
}

fn docker_image(archive: &Archive, item: &Value) -> Judged {
    let config = archive.body(item["Config"].as_str().expect("Config")).to_vec();
    let promised = diff_ids(&config);
    let members = strings(&item["Layers"]);
    assert_eq!(members.len(), promised.len(), "Layers and diff_ids in {item}");
    let layers =
        members.into_iter().zip(promised).map(|(member, diff_id)| match item["LayerSources"].get(&diff_id).cloned() {
            Some(source) if !archive.has(&member) => absent_layer(member, diff_id, source),
            source => layer(archive.body(&member), member, diff_id, source),
        });
    Judged {
        id: sha256(&config),
        layers: layers.collect(),
        names: sorted(item["RepoTags"].as_array().into_iter().flatten().map(|name| full(name.as_str().unwrap()))),
        config,
        manifest: None,
    }
}

/// The runnable images of `index.json`, depth first; entries for one manifest are one image with several names.
pub(crate) fn oci_images(archive: &Archive) -> Vec<Judged> {
    let mut images: Vec<Judged> = Vec::new();
    for (descriptor, name) in runnable(archive) {
        let manifest = blob(archive, &descriptor);
        match images.iter_mut().find(|image| image.manifest.as_deref() == Some(manifest)) {
            Some(known) => known.names = sorted(known.names.drain(..).chain(name)),
            None => images.push(oci_image(archive, manifest, name)),
        }
    }
    images
}

/// The descriptors of image manifests, depth first, each with the name of the index.json entry that leads there.
pub(crate) fn runnable(archive: &Archive) -> Vec<(Value, Option<String>)> {
    let mut found = Vec::new();
    for entry in array(&archive.json("index.json")["manifests"]) {
        let name = entry["annotations"][FULL_NAME].as_str().map(full);
        let name = name.or_else(|| entry["annotations"][REF_NAME].as_str().map(str::to_owned));
        descend(archive, entry, name.as_ref(), &mut found);
    }
    found
}

fn descend(archive: &Archive, descriptor: &Value, name: Option<&String>, found: &mut Vec<(Value, Option<String>)>) {
    match descriptor["mediaType"].as_str().expect("a media type") {
        OCI_INDEX | DOCKER_LIST => {
            let index: Value = serde_json::from_slice(blob(archive, descriptor)).unwrap();
            array(&index["manifests"]).iter().for_each(|child| descend(archive, child, name, found));
        }
        OCI_MANIFEST | DOCKER_MANIFEST if is_runnable(archive, descriptor) => {
            found.push((descriptor.clone(), name.cloned()));
        }
        _ => {}
    }
}

/// O-13; an image that a layout only names (O-15) is none that a judge could judge.
fn is_runnable(archive: &Archive, descriptor: &Value) -> bool {
    if descriptor["annotations"].get("vnd.docker.reference.type").is_some() {
        return false;
    }
    if !archive.has(&blob_path(descriptor["digest"].as_str().unwrap())) {
        return false;
    }
    let manifest: Value = serde_json::from_slice(blob(archive, descriptor)).unwrap();
    let is_there = |part: &Value| archive.has(&blob_path(part["digest"].as_str().unwrap()));
    let config_type = manifest["config"]["mediaType"].as_str().unwrap_or_default();
    if config_type == "application/vnd.docker.plugin.v1+json" {
        return false;
    }
    let is_called_image = config_type.contains("image");
    let is_one = if is_there(&manifest["config"]) {
        let config: Value = serde_json::from_slice(blob(archive, &manifest["config"])).unwrap_or_default();
        is_called_image || array(&config["rootfs"]["diff_ids"]).len() == array(&manifest["layers"]).len()
    } else {
        is_called_image
    };
    is_one && array(&manifest["layers"]).iter().filter(|layer| is_there(layer)).all(|layer| is_tar(archive, layer))
}

/// Whether the layer begins as a tar does, or is none that can be looked into.
fn is_tar(archive: &Archive, layer: &Value) -> bool {
    if layer["mediaType"].as_str().is_some_and(|kind| kind.ends_with("+encrypted")) {
        return true;
    }
    let plain = Codec::decode(blob(archive, layer));
    let head = &plain[..plain.len().min(512)];
    // Tars of before 1988 have no magic, only a checksum.
    head.iter().all(|&byte| byte == 0) || head.get(257..262) == Some(b"ustar") || has_checksum(head)
}

/// Whether `block` is a tar header by its checksum: the sum of its bytes, those of the field itself counted as blanks.
fn has_checksum(block: &[u8]) -> bool {
    let Some(field) = block.get(148..156).filter(|_| block.len() == 512) else { return false };
    let digits = String::from_utf8_lossy(field);
    let recorded = u64::from_str_radix(digits.trim_matches(['\0', ' ']), 8);
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    recorded == Ok(sum - field.iter().map(|&byte| u64::from(byte)).sum::<u64>() + 8 * u64::from(b' '))
}

fn oci_image(archive: &Archive, bytes: &[u8], name: Option<String>) -> Judged {
    let manifest: Value = serde_json::from_slice(bytes).unwrap();
    let config = blob(archive, &manifest["config"]).to_vec();
    let promised = diff_ids(&config);
    let descriptors = array(&manifest["layers"]);
    assert_eq!(descriptors.len(), promised.len(), "layers and diff_ids of {manifest}");
    let layers = descriptors.iter().zip(promised).map(|(descriptor, diff_id)| {
        let member = blob_path(descriptor["digest"].as_str().unwrap());
        if is_foreign(descriptor) && !archive.has(&member) {
            return absent_layer(member, diff_id, descriptor.clone());
        }
        layer(blob(archive, descriptor), member, diff_id, Some(descriptor.clone()))
    });
    Judged {
        id: sha256(&config),
        layers: layers.collect(),
        names: name.into_iter().collect(),
        config,
        manifest: Some(bytes.to_vec()),
    }
}

/// A blob of a layout, held against its digest and size.
pub(crate) fn blob<'a>(archive: &'a Archive, descriptor: &Value) -> &'a [u8] {
    let promised = descriptor["digest"].as_str().expect("a digest");
    let bytes = archive.body(&blob_path(promised));
    match promised.split(':').next() {
        Some("sha256") => assert_eq!(digest(bytes), promised, "the blob hashes to its name"),
        Some("sha512") => assert_eq!(digest512(bytes), promised, "the blob hashes to its name"),
        // O-4 knows algorithms that nothing here can compute.
        _ => {}
    }
    assert_eq!(descriptor["size"].as_u64(), Some(bytes.len() as u64), "the size of {descriptor}");
    bytes
}

fn layer(blob: &[u8], member: String, diff_id: String, descriptor: Option<Value>) -> JudgedLayer {
    let plain = Codec::decode(blob);
    assert_eq!(digest(&plain), diff_id, "{member}: the layer is what the config promises");
    let codec = Codec::sniff(blob);
    JudgedLayer { member, digest: digest(blob), diff_id, codec, plain: Some(plain), descriptor }
}

fn absent_layer(member: String, diff_id: String, descriptor: Value) -> JudgedLayer {
    let digest = descriptor["digest"].as_str().unwrap().to_owned();
    JudgedLayer { member, digest, diff_id, codec: Codec::Plain, plain: None, descriptor: Some(descriptor) }
}

/// Whether the media type says so; `urls` prove nothing (M-10).
pub(crate) fn is_foreign(descriptor: &Value) -> bool {
    let media_type = descriptor["mediaType"].as_str().unwrap_or_default();
    media_type.contains("nondistributable") || media_type.contains("foreign")
}

fn diff_ids(config: &[u8]) -> Vec<String> {
    let config: Value = serde_json::from_slice(config).expect("a config is JSON");
    strings(&config["rootfs"]["diff_ids"])
}

fn strings(value: &Value) -> Vec<String> {
    array(value).iter().map(|text| text.as_str().expect("a string").to_owned()).collect()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}
