//! The layout of what imgtar writes, to the member: L-35, D-1, O-29, O-30.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::archive::Archive;
use super::codec::Codec;
use super::hex_of;
use super::judge::{Judged, blob, docker_images, oci_images, runnable};
use super::layout::{FULL_NAME, REF_NAME, blob_path};
use super::name::{familiar, full, tag};
use super::tarball::Kind;

/// Judges an archive written with `--to legacy`.
pub(crate) fn legacy(archive: &Archive) -> Vec<Judged> {
    let images = docker_images(archive);
    let manifest = archive.json("manifest.json");
    let mut expected: Vec<String> = Vec::new();
    let mut members = archive.names().into_iter();
    let mut tops = Vec::new();
    for (image, item) in images.iter().zip(manifest.as_array().unwrap()) {
        let config = format!("{}.json", image.id);
        assert_eq!(item["Config"], json!(config), "Config names the image ID");
        push_new(&mut expected, config);
        tops.push(v1_chain(archive, image, &mut expected));
    }
    expected.extend(["manifest.json".into(), "repositories".into()]);
    assert!(members.by_ref().eq(expected.iter()), "L-1 order: {:#?}\nexpected {expected:#?}", archive.names());
    layers_are_stored_once(archive, &images);
    repositories_name_the_tops(archive, &images, &tops);
    images
}

/// Takes the image's new v1 directories in archive order and follows `parent` from its top to its base.
fn v1_chain(archive: &Archive, image: &Judged, expected: &mut Vec<String>) -> Option<String> {
    let names = archive.names();
    let mut at = names.iter().position(|name| *name == format!("{}.json", image.id)).unwrap() + 1;
    while let Some(id) = names[at].strip_suffix("/layer.tar") {
        for name in ["layer.tar", "json", "VERSION"] {
            push_new(expected, format!("{id}/{name}"));
        }
        at += 3;
    }
    let mut id = (!image.layers.is_empty()).then(|| names[at - 1].strip_suffix("/VERSION").unwrap().to_owned());
    let top = id.clone();
    for layer in image.layers.iter().rev() {
        let here = id.expect("a v1 directory for every layer");
        let v1 = archive.json(&format!("{here}/json"));
        assert_eq!(v1["id"], json!(here), "json.id is the directory's name");
        assert!(v1["created"].is_string() && v1["container_config"].is_object(), "L-15: {v1}");
        assert_eq!(archive.body(&format!("{here}/VERSION")), b"1.0");
        let tar = archive.body(&format!("{here}/layer.tar"));
        assert_eq!(Some(tar), layer.plain.as_deref(), "{here}/layer.tar is the layer of that place");
        id = v1.get("parent").map(|parent| parent.as_str().unwrap().to_owned());
    }
    assert_eq!(id, None, "the base has no parent");
    top
}

/// `Layers` names regular members; every other name of a diff_id is a link to the first (L-35).
pub(crate) fn layers_are_stored_once(archive: &Archive, images: &[Judged]) {
    for layer in images.iter().flat_map(|image| &image.layers) {
        assert!(archive.is_regular(&layer.member), "`Layers` names the link {}", layer.member);
        assert_eq!(layer.codec, Codec::Plain, "{}", layer.member);
    }
    let mut seen = BTreeSet::new();
    for member in &archive.members {
        match &member.kind {
            Kind::File(bytes) if member.name.ends_with("/layer.tar") => {
                assert!(seen.insert(bytes), "{}: stored a second time", member.name);
            }
            Kind::Symlink(target) => {
                let first = target.strip_prefix("../").expect("a sibling directory");
                assert!(archive.is_regular(first), "{} -> {target}", member.name);
            }
            _ => {}
        }
    }
}

fn repositories_name_the_tops(archive: &Archive, images: &[Judged], tops: &[Option<String>]) {
    let mut expected = json!({});
    for (image, top) in images.iter().zip(tops) {
        for name in image.names.iter().filter(|_| top.is_some()) {
            let (repository, tag) = name.rsplit_once(':').unwrap();
            expected[full(repository).strip_suffix(":latest").unwrap()][tag] = json!(top);
        }
    }
    let mut found = json!({});
    for (repository, tags) in archive.json("repositories").as_object().unwrap() {
        found[full(repository).strip_suffix(":latest").unwrap()] = tags.clone();
    }
    assert_eq!(found, expected, "repositories maps names to top v1 ids (L-8)");
}

/// Judges an archive written with `--to docker`.
pub(crate) fn docker(archive: &Archive) -> Vec<Judged> {
    let images = docker_images(archive);
    let manifest = archive.json("manifest.json");
    assert_eq!(archive.body("manifest.json"), manifest.to_string().as_bytes(), "compact, no newline (D-2)");
    let mut expected = Vec::new();
    for (image, item) in images.iter().zip(manifest.as_array().unwrap()) {
        assert_eq!(item["Config"], json!(format!("sha256:{}", image.id)));
        let mut members = vec![format!("sha256:{}", image.id)];
        for layer in &image.layers {
            assert_eq!(layer.member, format!("{}.tar{}", hex_of(&layer.digest), layer.codec.suffix()), "D-1");
            members.extend(archive.has(&layer.member).then(|| layer.member.clone()));
        }
        expected.push(members);
    }
    // Images may be sorted by name in manifest.json (D-2); each stands together, config first.
    let mut names = archive.names();
    assert_eq!(names.pop(), Some("manifest.json"), "manifest.json is last");
    let all: BTreeSet<_> = expected.iter().flatten().map(String::as_str).collect();
    assert_eq!(names.iter().copied().collect::<BTreeSet<_>>(), all, "no member that nothing names");
    for members in &expected {
        let place = |name: &String| names.iter().position(|found| found == name).unwrap();
        assert!(members[1..].iter().all(|layer| place(layer) > place(&members[0]) || is_shared(&expected, layer)));
    }
    images
}

fn is_shared(images: &[Vec<String>], layer: &String) -> bool {
    images.iter().filter(|members| members.contains(layer)).count() > 1
}

/// Judges an archive written with `--to oci`: member order, blobs, names, and the docker half if there is one.
pub(crate) fn oci(archive: &Archive) -> Vec<Judged> {
    let names = archive.names();
    let dirs = names.iter().take_while(|name| name.ends_with('/')).count();
    assert_eq!(names[0], "blobs/", "O-29");
    let algorithms: BTreeSet<_> = names[1..dirs].iter().copied().collect();
    let needed: BTreeSet<_> = names[dirs..]
        .iter()
        .filter_map(|name| name.strip_prefix("blobs/"))
        .map(|name| format!("blobs/{}/", name.split('/').next().unwrap()))
        .collect();
    assert!(
        needed.iter().all(|dir| algorithms.contains(dir.as_str())),
        "a directory for each algorithm, before all blobs (O-29): {names:#?}"
    );
    let metadata: Vec<_> = names[dirs..].iter().copied().skip_while(|name| name.starts_with("blobs/")).collect();
    let docker = archive.has("manifest.json");
    let last: &[_] =
        if docker { &["index.json", "manifest.json", "oci-layout"] } else { &["index.json", "oci-layout"] };
    assert_eq!(metadata, last, "metadata last (O-29): {names:#?}");
    blobs_follow_the_images(archive);
    let images = layout(archive);
    if docker {
        halves_agree(archive, &images);
    }
    images
}

/// Judges a directory written with `--to oci-dir`.
pub(crate) fn oci_dir(archive: &Archive) -> Vec<Judged> {
    let foreign = |name: &&str| !(name.starts_with("blobs/") || ["index.json", "oci-layout"].contains(name));
    assert_eq!(archive.names().into_iter().find(foreign), None, "nothing else stands in the directory (O-28, O-30)");
    layout(archive)
}

fn layout(archive: &Archive) -> Vec<Judged> {
    assert_eq!(archive.json("oci-layout")["imageLayoutVersion"], json!("1.0.0"));
    let index = archive.json("index.json");
    assert_eq!(index["schemaVersion"], json!(2));
    for member in archive.members.iter().filter(|member| member.name.starts_with("blobs/")) {
        if let Kind::File(_) = member.kind {
            let (algorithm, hex) = member.name["blobs/".len()..].split_once('/').expect("blobs/<alg>/<hex>");
            let size = archive.body(&member.name).len();
            let _checked = blob(archive, &json!({"digest": format!("{algorithm}:{hex}"), "size": size}));
        }
    }
    names_are_written_for_every_reader(&index);
    oci_images(archive)
}

/// O-29: in image order, layers base first, config, manifest; a blob stands where it is first needed.
fn blobs_follow_the_images(archive: &Archive) {
    let mut expected = Vec::new();
    for (descriptor, _) in runnable(archive) {
        let manifest: Value = serde_json::from_slice(blob(archive, &descriptor)).unwrap();
        for part in manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"], &descriptor]) {
            let path = blob_path(part["digest"].as_str().unwrap());
            if archive.has(&path) {
                push_new(&mut expected, path);
            }
        }
    }
    let names = archive.names();
    let found: Vec<_> = names.into_iter().filter(|name| expected.iter().any(|path| path == name)).collect();
    assert_eq!(found, expected, "blobs in image order (O-29)");
}

/// O-23: both annotations; `ref.name` is the tag, or the full name where another entry has the same tag, and never one
/// that stands for two names.
fn names_are_written_for_every_reader(index: &Value) {
    let entries = index["manifests"].as_array().unwrap();
    let text = |entry: &Value, key: &str| entry["annotations"][key].as_str().map(str::to_owned);
    for entry in entries {
        let Some(name) = text(entry, FULL_NAME) else { continue };
        assert_eq!(full(&name), name, "the full name is normalised");
        let short = text(entry, REF_NAME).unwrap_or_else(|| panic!("{name} has no ref.name"));
        let others = || entries.iter().filter(|other| text(other, FULL_NAME).is_some_and(|other| other != name));
        let same_tag = |other: &&Value| text(other, FULL_NAME).is_some_and(|other| tag(&other) == tag(&name));
        let shared = entries.iter().filter(same_tag).count() > 1;
        assert!(short == tag(&name) || (shared && short == name), "ref.name of {name} is {short}");
        let clash = others().find(|other| text(other, REF_NAME).as_ref() == Some(&short));
        assert!(clash.is_none(), "ref.name {short} stands for {name} and for {}", clash.unwrap());
    }
}

/// O-26, O-28: what `manifest.json` names is what `index.json` names.
fn halves_agree(archive: &Archive, images: &[Judged]) {
    for half in docker_images(archive) {
        let twin = images.iter().find(|image| image.id == half.id).expect("an image of the layout, too");
        let names: Vec<_> = twin.names.iter().filter(|name| name.contains(['/', ':'])).collect();
        assert_eq!(half.names.iter().collect::<Vec<_>>(), names, "one image, one set of names");
        assert_eq!(half.layer_digests(), twin.layer_digests());
        let item = archive.json("manifest.json");
        let item =
            item.as_array().unwrap().iter().find(|item| item["Config"] == blob_path(&format!("sha256:{}", half.id)));
        for name in item.expect("Config is a blob")["RepoTags"].as_array().into_iter().flatten() {
            assert!([familiar(name.as_str().unwrap()), full(name.as_str().unwrap())].iter().any(|form| form == name));
        }
    }
}

fn push_new(names: &mut Vec<String>, name: String) {
    if !names.contains(&name) {
        names.push(name);
    }
}
