//! The docker family as its writers save it: docker 1.10–24, ggcr, c/image, nix, jib, rules_oci.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::codec::Codec;
use super::image::{TestImage, TestLayer};
use super::name::{familiar, full, tag};
use super::tarball::{Kind, Tarball};
use super::{digest, hex_of, sha256};

/// What `docker save` of 1.10–24 makes of a layer whose diff_id is in the archive already (L-25).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duplicate {
    /// 1.10 and 1.11 write it again.
    Again,
    /// From 1.12 on it is a symbolic link, which `Layers` names.
    Symlink,
}

/// `docker save`, Docker 1.10–24: names sorted, so a link may precede its target.
pub(crate) fn docker_save(images: &[TestImage], duplicate: Duplicate) -> Tarball {
    let mut tar = Tarball::default();
    let (mut items, mut first, mut repositories) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for image in images {
        let ids = docker_v1_ids(image);
        for (nth, (layer, id)) in image.layers.iter().zip(&ids).enumerate() {
            if tar.has(&format!("{id}/")) {
                continue;
            }
            tar.push(format!("{id}/"), Kind::Dir);
            tar.file(format!("{id}/VERSION"), "1.0");
            tar.json(format!("{id}/json"), &v1_json(id, nth.checked_sub(1).map(|below| &ids[below])));
            let known = first.get(&layer.diff_id()).filter(|_| duplicate == Duplicate::Symlink);
            match known {
                Some(known) => tar.push(format!("{id}/layer.tar"), Kind::Symlink(format!("../{known}/layer.tar"))),
                None => tar.file(format!("{id}/layer.tar"), layer.tar.clone()),
            }
            first.entry(layer.diff_id()).or_insert_with(|| id.clone());
        }
        tar.file_once(format!("{}.json", image.id()), image.config());
        add_tags(&mut repositories, image, ids.last());
        items.push(item(image, &format!("{}.json", image.id()), ids.iter().map(|id| format!("{id}/layer.tar"))));
    }
    tar.members.sort_by(|a, b| a.name.cmp(&b.name));
    tar.file("manifest.json", format!("{}\n", Value::from(items)));
    if !repositories.is_empty() {
        tar.file("repositories", format!("{}\n", json!(repositories)));
    }
    tar
}

/// `docker save` of Docker 1.9: what later ones have beside the layer directories taken away.
pub(crate) fn docker_19(image: &TestImage) -> Tarball {
    let mut tar = docker_save(std::slice::from_ref(image), Duplicate::Again).without("manifest.json");
    tar.members.retain(|member| member.name.contains('/') || member.name == "repositories");
    tar
}

/// ggcr's legacy writer: L-1 order, L-10 ids, no links, `{}` for `repositories` without names.
pub(crate) fn crane_legacy(images: &[TestImage]) -> Tarball {
    let mut tar = Tarball::default();
    let (mut items, mut repositories) = (Vec::new(), BTreeMap::new());
    for image in images {
        tar.file_once(format!("{}.json", image.id()), image.config());
        let ids = v1_ids(&image.layer_digests(), &image.config());
        for (nth, (layer, id)) in image.layers.iter().zip(&ids).enumerate() {
            tar.file_once(format!("{id}/layer.tar"), layer.tar.clone());
            let json = v1_json(id, nth.checked_sub(1).map(|below| &ids[below]));
            tar.file_once(format!("{id}/json"), json.to_string());
            tar.file_once(format!("{id}/VERSION"), "1.0");
        }
        add_tags(&mut repositories, image, ids.last());
        items.push(item(image, &format!("{}.json", image.id()), ids.iter().map(|id| format!("{id}/layer.tar"))));
    }
    tar.json("manifest.json", &items.into());
    tar.json("repositories", &json!(repositories));
    tar
}

/// skopeo's and podman's `docker-archive`: layers at the top level, links in the v1 directories, full names (L-27).
pub(crate) fn skopeo(images: &[TestImage]) -> Tarball {
    let mut tar = Tarball::default();
    let (mut items, mut repositories) = (Vec::new(), BTreeMap::new());
    for image in images {
        let ids = docker_v1_ids(image);
        let names: Vec<_> = image.diff_ids().iter().map(|diff_id| format!("{}.tar", hex_of(diff_id))).collect();
        for (layer, name) in image.layers.iter().zip(&names) {
            tar.file_once(name, layer.tar.clone());
        }
        tar.file_once(format!("{}.json", image.id()), image.config());
        for (nth, (id, name)) in ids.iter().zip(&names).enumerate() {
            if !tar.has(&format!("{id}/VERSION")) {
                tar.push(format!("{id}/layer.tar"), Kind::Symlink(format!("../{name}")));
                tar.file(format!("{id}/VERSION"), "1.0");
                tar.json(format!("{id}/json"), &v1_json(id, nth.checked_sub(1).map(|below| &ids[below])));
            }
        }
        add_tags(&mut repositories, image, ids.last());
        let mut item = item(image, &format!("{}.json", image.id()), names.into_iter());
        item["RepoTags"] = image.tags.iter().map(|name| full(name)).collect();
        items.push(item);
    }
    tar.json("manifest.json", &items.into());
    tar.json("repositories", &json!(repositories));
    tar
}

/// `crane pull`, kaniko and ko: config first, layers by digest (D-1); the config once per reference (D-4).
pub(crate) fn crane(images: &[TestImage]) -> Tarball {
    let mut tar = Tarball::default();
    let mut items = Vec::new();
    for image in images {
        let config = format!("sha256:{}", image.id());
        for _ in 0..image.tags.len().max(1) {
            tar.file(&config, image.config());
        }
        for layer in &image.layers {
            tar.file_once(crane_name(layer), layer.blob());
        }
        let mut item = item(image, &config, image.layers.iter().map(crane_name));
        if let Some(sources) = foreign_sources(image) {
            item["LayerSources"] = sources;
        }
        items.push(item);
    }
    tar.json("manifest.json", &items.into());
    tar
}

/// nix dockerTools: `<hex>/layer.tar` and nothing else beside config and manifest.json (L-28).
pub(crate) fn nix(images: &[TestImage]) -> Tarball {
    let name = |layer: &TestLayer| format!("{}/layer.tar", hex_of(&layer.diff_id()));
    flat(images, |image| format!("{}.json", image.id()), name, |layer| layer.tar.clone())
}

/// jib: `config.json`, and `<hex>.tar.gz` layers. Holds one image only.
pub(crate) fn jib(images: &[TestImage]) -> Tarball {
    flat(images, |_| "config.json".into(), |layer| format!("{}.tar.gz", sha256(&layer.blob())), TestLayer::blob)
}

/// rules_oci `oci_tarball`: blobs, but no layout (D-9).
pub(crate) fn rules_oci(images: &[TestImage]) -> Tarball {
    let name = |layer: &TestLayer| format!("blobs/sha256/{}.tar.gz", sha256(&layer.blob()));
    flat(images, |image| format!("blobs/sha256/{}", image.id()), name, TestLayer::blob)
}

fn flat(
    images: &[TestImage],
    config: impl Fn(&TestImage) -> String,
    name: impl Fn(&TestLayer) -> String,
    body: impl Fn(&TestLayer) -> Vec<u8>,
) -> Tarball {
    let mut tar = Tarball::default();
    let mut items = Vec::new();
    for image in images {
        for layer in &image.layers {
            tar.file_once(name(layer), body(layer));
        }
        tar.file_once(config(image), image.config());
        items.push(item(image, &config(image), image.layers.iter().map(&name)));
    }
    tar.json("manifest.json", &items.into());
    tar
}

/// One image of manifest.json, keys in the order of L-4.
pub(crate) fn item(image: &TestImage, config: &str, layers: impl Iterator<Item = String>) -> Value {
    let tags = match image.tags.as_slice() {
        [] => Value::Null,
        tags => tags.iter().map(|name| familiar(name)).collect(),
    };
    json!({"Config": config, "RepoTags": tags, "Layers": layers.collect::<Vec<_>>()})
}

/// `LayerSources` of the foreign layers, keyed by diff_id (L-20).
pub(crate) fn foreign_sources(image: &TestImage) -> Option<Value> {
    let mut sources = Map::new();
    for layer in &image.layers {
        let Some(url) = &layer.url else { continue };
        let blob = layer.blob();
        let descriptor = json!({
            "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "size": blob.len(), "digest": digest(&blob), "urls": [url],
        });
        sources.insert(layer.diff_id(), descriptor);
    }
    (!sources.is_empty()).then(|| sources.into())
}

pub(crate) fn add_tags(
    repositories: &mut BTreeMap<String, BTreeMap<String, String>>,
    image: &TestImage,
    top: Option<&String>,
) {
    let Some(top) = top else { return };
    for name in &image.tags {
        let short = familiar(name);
        let repository = short.strip_suffix(&format!(":{}", tag(name))).expect("a tag at the end").to_owned();
        repositories.entry(repository).or_default().insert(tag(name), top.clone());
    }
}

/// The v1 ids of ggcr (L-10), from the layers' listed digests.
pub(crate) fn v1_ids(digests: &[String], config: &[u8]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for (nth, digest) in digests.iter().enumerate() {
        let mut text = format!("{} {}", hex_of(digest), ids.last().map_or("", String::as_str)).into_bytes();
        if nth + 1 == digests.len() && !config.is_empty() {
            text.push(b' ');
            text.extend_from_slice(config);
        }
        ids.push(sha256(&text));
    }
    ids
}

/// Opaque ids that depend on what is below, as docker's do (L-19); only the top knows the config.
fn docker_v1_ids(image: &TestImage) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for (nth, diff_id) in image.diff_ids().iter().enumerate() {
        let top = if nth + 1 == image.layers.len() { image.id() } else { String::new() };
        ids.push(sha256(format!("docker {diff_id} {} {top}", ids.last().map_or("", String::as_str)).as_bytes()));
    }
    ids
}

fn v1_json(id: &str, parent: Option<&String>) -> Value {
    let mut json = json!({"id": id});
    if let Some(parent) = parent {
        json["parent"] = json!(parent);
    }
    json["created"] = json!("1970-01-01T00:00:00Z");
    json["container_config"] = json!({"Cmd": [""]});
    json
}

fn crane_name(layer: &TestLayer) -> String {
    let codec = if layer.codec == Codec::Plain || layer.codec == Codec::Zstd { layer.codec } else { Codec::Gzip };
    format!("{}.tar{}", sha256(&layer.blob()), codec.suffix())
}
