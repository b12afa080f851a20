//! Every list and every object of every document that writers put into archives, found in archives that have them all.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{Repeat, is_whole};
use crate::support::docker::docker_19;
use crate::support::image::TestImage;
use crate::support::layer::{dir, file};
use crate::support::layout::{Layout, Types};
use crate::support::repair::repair_digests;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

/// Bytes by which the larger document grows, in a debug build and in a release build; no more than is read of one.
const BYTES: (usize, usize) = (200_000, 3_000_000);

/// What is repeated in a list or object.
#[derive(Debug, Clone, Copy)]
enum How {
    /// Its last element; in an object under names of their own.
    Again,
    /// Its last element with other text in it.
    Varied,
}

/// A list or object of a document.
struct Place {
    member: usize,
    pointer: String,
    what: String,
}

/// Each list and object, repeated in each way.
pub(super) fn all() -> Vec<Repeat> {
    let mut repeats = Vec::new();
    let mut known = HashSet::new();
    for (name, tar) in archives() {
        for place in places(name, &tar) {
            if !known.insert(place.what.clone()) {
                continue;
            }
            // Where not all is tried, in turns.
            let both = [How::Again, How::Varied];
            let tried = if is_whole() { &both[..] } else { &both[known.len() % 2..][..1] };
            for &how in tried {
                let (tar, Place { member, pointer, what }) = (tar.clone(), &place);
                let (member, pointer) = (*member, pointer.clone());
                let length = element(&tar, member, &pointer).to_string().len() + 12;
                let times = (BYTES.0 / 2 / length, BYTES.1 / 2 / length);
                let archive = move |times| repeated(&tar, member, &pointer, how, times).bytes();
                repeats.push(Repeat::new(format!("{what}, {how:?}"), times, archive));
            }
        }
    }
    repeats
}

/// An image with something of everything that a config can hold.
fn image() -> TestImage {
    let base = TestImage::new().layer([dir("etc"), file("etc/os-release", "ID=demo\n")]);
    let image = base.layer([file("app", "1")]).metadata_step("ENV a=b").tag("app:1").tag("acme/app:2");
    image.key("os.features", json!(["f"])).key(
        "config",
        json!({
            "Env": ["a=b"], "Cmd": ["a"], "Entrypoint": ["e"], "Labels": {"a": "b"}, "Volumes": {"/v": {}},
            "ExposedPorts": {"1/tcp": {}}, "Shell": ["s"], "OnBuild": ["RUN a"], "Healthcheck": {"Test": ["NONE"]},
        }),
    )
}

/// Archives that have every document between them.
fn archives() -> Vec<(&'static str, Tarball)> {
    let mut layout = Layout::new();
    let image = image().layer([file("foreign", "1")]).foreign("https://example.com/layer");
    let mut manifest = layout.image(&image, Types::Oci);
    manifest["annotations"] = json!({"a": "b"});
    manifest["platform"]["os.features"] = json!(["f"]);
    let attestation = layout.attestation(&manifest);
    let artifact = layout.artifact(&manifest);
    let index = layout.nested(&[manifest, attestation], Types::Oci);
    layout.list_as(&index, &["app:1".into(), "app:2".into()]);
    layout.list(&artifact);
    let image = self::image();
    vec![
        ("layout", layout.tarball()),
        ("hybrid", Shape::Docker25.save_one(&image)),
        ("legacy", Shape::Docker20.save_one(&image)),
        ("v1", docker_19(&image)),
        ("docker", Shape::Crane.save_one(&image.foreign("https://example.com/layer"))),
    ]
}

/// The lists and objects of `tar`.
fn places(archive: &str, tar: &Tarball) -> Vec<Place> {
    let mut places = Vec::new();
    for (member, held) in tar.members.iter().enumerate() {
        let Kind::File(body) = &held.kind else { continue };
        let Ok(document) = serde_json::from_slice::<Value>(body) else { continue };
        let what = format!("{archive} {}", kind(&held.name, &document));
        walk(&document, "", &mut |pointer| {
            places.push(Place { member, pointer: pointer.to_owned(), what: format!("{what}#{}", shown(pointer)) });
        });
    }
    places
}

/// What sort of document it is.
fn kind(name: &str, document: &Value) -> String {
    let has = |key: &str| document.get(key).is_some();
    match name {
        "manifest.json" | "repositories" | "index.json" | "oci-layout" => name.to_owned(),
        _ if has("manifests") => "index".into(),
        _ if has("artifactType") => "artifact".into(),
        _ if has("layers") => "manifest".into(),
        _ if has("rootfs") => "config".into(),
        _ if has("id") => "json of a layer".into(),
        _ => "document".into(),
    }
}

/// A pointer without what is another digest in each archive.
fn shown(pointer: &str) -> String {
    let parts = pointer.split('/').map(|part| if part.len() >= 64 { "…" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn walk(value: &Value, pointer: &str, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) => {
            found(pointer);
            for (key, value) in map {
                walk(value, &format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            found(pointer);
            // The others are like it.
            if let Some(last) = items.last() {
                walk(last, &format!("{pointer}/{}", items.len() - 1), found);
            }
        }
        _ => {}
    }
}

/// The element of a list or object that is repeated.
fn element(tar: &Tarball, member: usize, pointer: &str) -> Value {
    let document: Value = serde_json::from_slice(tar.body(&tar.members[member].name)).unwrap();
    let last = match document.pointer(pointer).unwrap() {
        Value::Array(items) => items.last().cloned(),
        Value::Object(map) => map.values().next_back().cloned(),
        other => panic!("{pointer} is {other}"),
    };
    last.unwrap_or_else(|| json!("a"))
}

/// `tar` with the element repeated, and every digest right.
fn repeated(tar: &Tarball, member: usize, pointer: &str, how: How, times: usize) -> Tarball {
    let element = element(tar, member, pointer);
    let mut document: Value = serde_json::from_slice(tar.body(&tar.members[member].name)).unwrap();
    for nth in 0..times {
        let mut element = element.clone();
        if let How::Varied = how {
            vary(&mut element, nth);
        }
        match document.pointer_mut(pointer).unwrap() {
            Value::Array(items) => items.push(element),
            Value::Object(map) => drop(map.insert(format!("a{nth}"), element)),
            other => panic!("{pointer} is {other}"),
        }
    }
    let mut larger = tar.clone();
    larger.members[member].kind = Kind::File(document.to_string().into_bytes());
    repair_digests(tar, &larger)
}

/// Changes the last text or number in `value`; of digests the end, so that they stay some.
fn vary(value: &mut Value, nth: usize) -> bool {
    match value {
        Value::Object(map) => map.values_mut().rev().any(|value| vary(value, nth)),
        Value::Array(items) => items.iter_mut().rev().any(|value| vary(value, nth)),
        Value::String(text) if text.starts_with("sha256:") => {
            text.replace_range(text.len() - 8.., &format!("{nth:08x}"));
            true
        }
        Value::String(text) => {
            text.push_str(&nth.to_string());
            true
        }
        _ => false,
    }
}
