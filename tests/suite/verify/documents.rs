//! Faults in what documents say: names, references, digests, numbers.

use serde_json::{Value, json};

use super::verify;
use crate::support::digest;
use crate::support::docker::docker_19;
use crate::support::expect::{Target, convert, refuse};
use crate::support::image::TestImage;
use crate::support::layer::file;
use crate::support::layout::{Layout, OCI_INDEX, OCI_MANIFEST, Types, blob_path};
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

fn image() -> TestImage {
    TestImage::demo("app:1")
}

fn crane() -> Tarball {
    Shape::Crane.save_one(&image())
}

/// A layout whose manifest has been edited, digests adjusted: the lie is inside.
fn with_manifest(edit: impl Fn(&mut Value)) -> Tarball {
    let mut layout = Layout::new();
    let descriptor = layout.image(&image(), Types::Oci);
    let mut manifest: Value = serde_json::from_slice(&layout.bytes_of(&descriptor)).unwrap();
    layout.drop_blob(&descriptor);
    edit(&mut manifest);
    let edited = layout.blob(OCI_MANIFEST, manifest.to_string());
    layout.list_as(&edited, &image().tags);
    layout.tarball()
}

fn edited_item(edit: impl FnOnce(&mut Value)) -> Tarball {
    crane().editing("manifest.json", |json| edit(&mut json[0]))
}

#[test]
fn h1_names_that_climb_out_of_the_archive() {
    verify(&crane().with("../evil", "1")).finds(&[("error", "H-1", "member `../evil`")]);
    let tar = edited_item(|item| item["Config"] = json!("../../etc/passwd"));
    verify(&tar).finds(&[("error", "H-1", "../../etc/passwd")]);
    let tar = edited_item(|item| item["Layers"][1] = json!("/../x"));
    verify(&tar).finds(&[("error", "H-1", "/../x")]);
}

#[test]
fn h2_digests_that_are_none() {
    for false_digest in ["sha256:../../x", "sha256:ABC", "sha256:", ""] {
        let tar = Shape::Oci.save_one(&image());
        let tar = tar.editing("index.json", |index| index["manifests"][0]["digest"] = json!(false_digest));
        let verified = verify(&tar);
        let errors: Vec<&Value> = verified.findings().iter().filter(|one| one["severity"] == "error").collect();
        assert_eq!(errors.len(), 1, "{errors:#?}");
        assert_eq!((&errors[0]["rule"], &errors[0]["place"]), (&json!("H-2"), &json!("index.json: manifests[0]")));
    }
    let config = image().key("rootfs", json!({"type": "layers", "diff_ids": ["sha256:x", image().diff_ids()[1], "y"]}));
    verify(&Shape::Nix.save_one(&config).editing("manifest.json", |json| {
        json[0]["Layers"].as_array_mut().unwrap().push(json!("none"));
    }))
    .finds(&[
        ("error", "H-2", "rootfs.diff_ids[0]"),
        ("error", "H-2", "rootfs.diff_ids[2]"),
        ("error", "L-23", "manifest.json: [0]"),
    ]);
}

#[test]
fn h3_sizes_and_embedded_data_that_lie() {
    let size = image().layers[0].blob().len();
    let tar = with_manifest(|manifest| manifest["layers"][0]["size"] = json!(size + 1));
    let layer = blob_path(&image().layer_digests()[0]);
    verify(&tar).finds(&[("error", "O-6", &layer)]).instead("O-6", &(size + 1).to_string(), &size.to_string());
    let tar = with_manifest(|manifest| manifest["layers"][0]["size"] = json!(-1));
    verify(&tar).finds(&[("error", "H-11", "layers[0]"), ("note", "O-3", &layer)]);
    let tar = with_manifest(|manifest| manifest["config"]["data"] = json!("e30="));
    verify(&tar).finds(&[("error", "O-7", "config")]);
}

#[test]
fn h4_documents_that_are_two_things_at_once() {
    let tar = with_manifest(|manifest| manifest["manifests"] = json!([]));
    verify(&tar).finds(&[("error", "H-4", "blobs/sha256/")]);
    let tar = with_manifest(|manifest| manifest["mediaType"] = json!(OCI_INDEX));
    verify(&tar).finds(&[("error", "H-4", "blobs/sha256/")]);
}

#[test]
fn h6_links_that_lead_nowhere_or_in_circles() {
    let layer = crane().name_ending(".tar.gz");
    for (target, rule) in [(layer.as_str(), "H-6"), ("gone", "G-7"), ("../../x", "H-1")] {
        let tar = crane().replacing(&layer, Kind::Symlink(target.to_owned()));
        verify(&tar).finds(&[("error", rule, &layer)]);
    }
    let tar = crane().replacing(&layer, Kind::Dir);
    verify(&tar).finds(&[("error", "G-6", &layer)]);
    let tar = edited_item(|item| item["Layers"][0] = json!("a\u{0}b"));
    verify(&tar).finds(&[("error", "H-24", "a\\u{0}b")]);
    // One that nobody asks for harms nobody (G-7).
    let mut tar = crane();
    tar.push("elsewhere", Kind::Symlink("gone".into()));
    verify(&tar).finds(&[]);
}

#[test]
fn h7_indexes_without_end() {
    let place = format!("blobs/sha256/{}", "c".repeat(64));
    let child = json!({"mediaType": OCI_INDEX, "digest": format!("sha256:{}", "c".repeat(64)), "size": 1});
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).to_string();
    let tar = Layout::new().tarball().replacing("index.json", Kind::File(index.clone().into()));
    verify(&tar.with(&place, index)).finds(&[
        ("error", "O-6", &place),
        ("error", "H-7", &place),
        ("error", "H-3", &place),
    ]);
    let mut layout = Layout::new();
    let manifest = layout.image(&image(), Types::Oci);
    let deep = (0..9).fold(manifest.clone(), |inner, _| layout.nested(&[inner], Types::Oci));
    layout.list(&deep);
    let verified = verify(&layout.tarball());
    let errors: Vec<_> = verified.findings().iter().filter(|finding| finding["severity"] == "error").collect();
    assert!(errors.len() == 1 && errors[0]["rule"] == "H-7", "{errors:#?}");
    let mut layout = Layout::new();
    layout.image(&image(), Types::Oci);
    layout.index = vec![manifest; 10_001];
    verify(&layout.tarball()).finds(&[("error", "H-7", "index.json")]);
}

#[test]
fn h12_members_that_are_there_twice() {
    let layer = crane().name_ending(".tar.gz");
    let config = format!("sha256:{}", image().id());
    for name in [&layer, &config] {
        verify(&crane().with(name, "[]")).finds(&[("error", "H-12", name)]);
    }
    let mut same = crane();
    same.members.extend(same.members.clone());
    verify(&same).finds(&[]);
}

#[test]
fn h13_halves_that_tell_of_different_images() {
    let tar = Shape::Containerd.save(&[TestImage::demo("a:1"), TestImage::demo("b:1")]);
    let swapped = tar.clone().editing("manifest.json", |json| {
        let tags = [json[0]["RepoTags"].take(), json[1]["RepoTags"].take()];
        (json[1]["RepoTags"], json[0]["RepoTags"]) = tags.into();
    });
    verify(&swapped).finds(&[("error", "H-13", "manifest.json: [0]"), ("error", "H-13", "manifest.json: [1]")]);
    let renamed = tar.clone().editing("manifest.json", |json| json[0]["RepoTags"] = json!(["c:1"]));
    verify(&renamed).finds(&[("error", "H-13", "manifest.json: [0]"), ("note", "O-26", "manifest.json")]);
    let shorter = tar.clone().editing("manifest.json", |json| drop(json.as_array_mut().unwrap().pop()));
    verify(&shorter).finds(&[("note", "O-26", "manifest.json")]);
    let untagged = tar.editing("index.json", |json| drop(json["manifests"].as_array_mut().unwrap().pop()));
    let untagged = untagged.editing("manifest.json", |json| json[1]["RepoTags"] = json!(null));
    // The manifest of the second image is now nobody's; its config and layers are as well, but for manifest.json.
    let verified = verify(&untagged);
    assert!(verified.findings().iter().any(|finding| finding["rule"] == "O-25" && finding["severity"] == "warning"));
    assert_eq!(verified.code, 0, "{:#}", verified.report);
}

#[test]
fn h14_documents_that_are_too_large() {
    let spaces = " ".repeat(9 << 20);
    let config = format!("sha256:{}", image().id());
    let huge = [spaces.as_bytes(), &image().config()].concat();
    verify(&crane().replacing(&config, Kind::File(huge))).finds(&[("error", "H-14", &config)]);
    for depth in [101, 100_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let tar = crane().replacing("manifest.json", Kind::File(deep.into()));
        verify(&tar).finds(&[("error", "H-14", "manifest.json")]);
    }
}

#[test]
fn h19_lists_that_are_none_or_empty() {
    verify(&crane().replacing("manifest.json", Kind::File(b"[]".into()))).finds(&[("error", "H-19", "manifest.json")]);
    verify(&crane().replacing("manifest.json", Kind::File(b"null".into()))).finds(&[(
        "error",
        "H-19",
        "manifest.json",
    )]);
    verify(&crane().replacing("manifest.json", Kind::File(b"{".into()))).finds(&[("error", "G-14", "manifest.json")]);
}

#[test]
fn h20_numbers_of_layers_that_differ() {
    let tar = edited_item(|item| drop(item["Layers"].as_array_mut().unwrap().pop()));
    verify(&tar).finds(&[("error", "L-5", "manifest.json: [0]")]).instead("L-5", "2", "1");
    let tar = with_manifest(|manifest| drop(manifest["layers"].as_array_mut().unwrap().pop()));
    verify(&tar).finds(&[("error", "L-5", "blobs/sha256/"), ("note", "O-3", "blobs/sha256/")]);
    let tar = edited_item(|item| item["Layers"][1] = item["Layers"][0].clone());
    let layer = crane().name_ending(".tar.gz");
    verify(&tar).finds(&[("error", "H-20", &layer), ("error", "M-11", &layer)]);
    let tar = edited_item(|item| item["Layers"][1] = json!(7));
    verify(&tar).finds(&[("error", "L-4", "manifest.json: [0]")]);
    let twice = String::from_utf8(crane().body("manifest.json").to_vec()).unwrap().replace("[{", "[{\"Config\":\"x\",");
    verify(&crane().replacing("manifest.json", Kind::File(twice.into()))).finds(&[("error", "H-20", "manifest.json")]);
}

#[test]
fn h21_layer_sources_that_lie() {
    let tar = Shape::Docker25.save_one(&image()).editing("manifest.json", |json| {
        let source = &mut json[0]["LayerSources"][&image().diff_ids()[0]];
        source["digest"] = json!(format!("sha256:{}", "2".repeat(64)));
        source["size"] = json!(7);
        let stray = source.clone();
        json[0]["LayerSources"][format!("sha256:{}", "3".repeat(64))] = stray;
    });
    let layer = blob_path(&image().diff_ids()[0]);
    let notes = ("note", "O-3", "blobs/sha256/");
    verify(&tar).finds(&[
        ("warning", "H-21", &layer),
        ("warning", "H-21", &layer),
        ("note", "L-20", "manifest.json: [0]"),
        notes,
        notes,
    ]);
}

#[test]
fn missing_members_are_named_by_those_who_want_them() {
    let layer = crane().name_ending(".tar.gz");
    let config = format!("sha256:{}", image().id());
    verify(&crane().without(&layer).without(&config))
        .finds(&[("error", "L-6", "manifest.json: [0]"), ("error", "L-23", "manifest.json: [0]")]);
    let tar = Shape::Oci.save_one(&image());
    let manifest = digest(&Shape::Oci.manifest(&image()).unwrap());
    let [layer, config] = [&image().layer_digests()[1], &digest(&image().config())].map(|digest| blob_path(digest));
    let both = tar.clone().without(&layer).without(&config);
    let place = blob_path(&manifest);
    verify(&both).finds(&[("error", "O-3", &place), ("error", "O-3", &place)]);
    let notes = ("note", "O-3", "blobs/sha256/");
    verify(&tar.without(&place)).finds(&[("error", "O-3", "index.json: manifests[0]"), notes, notes, notes]);
}

#[test]
fn names_that_engines_refuse_are_warned_about() {
    let tar = edited_item(|item| item["RepoTags"] = json!(["bare", "x/UPPER:1", format!("a@{}", digest(b""))]));
    let warning = ("warning", "L-7", "manifest.json: [0]");
    verify(&tar).finds(&[warning, warning, warning]);
    let tar = Shape::Oci.save_one(&image()).editing("index.json", |index| {
        index["manifests"][0]["annotations"] =
            json!({"io.containerd.image.name": "No Name", "org.opencontainers.image.ref.name": "a b"});
    });
    let place = "index.json: manifests[0]";
    verify(&tar).finds(&[("warning", "O-24", place), ("warning", "O-23", place)]);
}

#[test]
fn n9_one_name_for_two_images() {
    let images = [TestImage::demo("a:1"), image().layer([file("x", "")]).untagged().tag("a:1")];
    verify(&Shape::Crane.save(&images)).finds(&[("error", "N-9", "manifest.json: [1]")]);
    verify(&Shape::Oci.save(&images)).finds(&[("error", "N-9", "index.json: manifests[1]")]);
    let platforms = [TestImage::demo("a:1"), TestImage::demo("a:1").platform("linux/arm64")];
    verify(&Shape::Oci.save(&platforms)).finds(&[]);
    let by_config = Shape::Oci.save(&platforms).editing("index.json", |index| {
        for entry in index["manifests"].as_array_mut().unwrap() {
            entry.as_object_mut().unwrap().remove("platform");
        }
    });
    verify(&by_config).finds(&[]);
    convert(&by_config, Target::Oci, &[]);
}

#[test]
fn n9_one_name_for_two_layers_of_an_archive_without_manifest_json() {
    let tar = docker_19(&image());
    let repositories: Value = serde_json::from_slice(tar.body("repositories")).unwrap();
    let top = repositories["app"]["1"].as_str().unwrap();
    let ids = tar.members.iter().filter_map(|member| member.name.strip_suffix("/json"));
    let below = ids.filter(|id| *id != top).collect::<Vec<_>>()[0].to_owned();
    let tar = tar.editing("repositories", |json| json["docker.io/library/app"] = json!({"1": below}));
    // Such an old Docker gave the images other IDs.
    let old = ("warning", "L-32", "/json");
    verify(&tar).finds(&[("error", "N-9", "repositories"), old, old]);
    refuse(&tar.bytes(), Target::Oci, &[], 4);
}

#[test]
fn o1_a_layout_of_another_version() {
    let layout = json!({"imageLayoutVersion": "1.1.0"}).to_string();
    let tar = Shape::Oci.save_one(&image()).replacing("oci-layout", Kind::File(layout.into()));
    verify(&tar).finds(&[("error", "O-1", "oci-layout")]);
}

#[test]
fn o9_media_types_that_lie_about_the_content() {
    let tar = with_manifest(|manifest| {
        let media_type = manifest["layers"][0]["mediaType"].as_str().unwrap().replace("+gzip", "+zstd");
        manifest["layers"][0]["mediaType"] = json!(media_type);
    });
    verify(&tar).finds(&[("warning", "O-9", &blob_path(&image().layer_digests()[0]))]);
}

#[test]
fn o12_a_descriptor_for_another_platform() {
    let tar = Shape::Oci.save_one(&image());
    let tar = tar.editing("index.json", |index| index["manifests"][0]["platform"]["architecture"] = json!("s390x"));
    verify(&tar).finds(&[("warning", "O-12", "blobs/sha256/")]).instead("O-12", "linux/amd64", "linux/s390x");
}

#[test]
fn l16_a_history_that_does_not_fit() {
    let odd = image().key("history", json!([{"created_by": "one"}]));
    let place = blob_path(&digest(&odd.config()));
    verify(&Shape::Oci.save_one(&odd)).finds(&[("warning", "L-16", &place)]).instead("L-16", "2", "1");
    let none = image().key("history", json!([{"created_by": "one", "empty_layer": true}]));
    verify(&Shape::Oci.save_one(&none)).finds(&[]);
}

#[test]
fn m11_a_config_that_is_not_of_layers() {
    let odd = image().key("rootfs", json!({"type": "layers+base", "diff_ids": image().diff_ids()}));
    verify(&Shape::Crane.save_one(&odd)).finds(&[("error", "M-11", &odd.id())]);
}

#[test]
fn l8_repositories_that_tell_something_else() {
    let tar = Shape::Docker20.save_one(&image());
    let other = tar.clone().editing("repositories", |json| *json = json!({"other": {"1": "f".repeat(64)}}));
    verify(&other).finds(&[("warning", "L-8", "repositories"), ("note", "L-8", "repositories")]);
    let gone = tar.clone().editing("repositories", |json| json["app"]["1"] = json!("f".repeat(64)));
    verify(&gone).finds(&[("warning", "L-8", "repositories")]);
    let manifest: Value = serde_json::from_slice(tar.body("manifest.json")).unwrap();
    let ids: Vec<&str> = manifest[0]["Layers"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let lower = ids[0].strip_suffix("/layer.tar").unwrap();
    let lower = tar.editing("repositories", |json| json["app"]["1"] = json!(lower));
    verify(&lower).finds(&[("warning", "L-8", "repositories")]).instead(
        "L-8",
        &image().diff_ids()[1],
        &image().diff_ids()[0],
    );
}

#[test]
fn schema1_is_named() {
    let mut layout = Layout::new();
    let media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let old = layout.blob(media_type, json!({"schemaVersion": 1}).to_string());
    layout.list(&old);
    verify(&layout.tarball()).finds(&[("error", "M-1", "blobs/sha256/")]);
}

#[test]
fn a_rule_is_never_chosen_by_the_words_that_a_message_quotes() {
    // Words with which other rules are broken.
    for words in ["is not a digest", "climbs out of the archive", "truncated", "nested deeper", "sparse map", "`data`"]
    {
        let layer = crane().name_ending(".tar.gz");
        let tar = crane().replacing(&layer, Kind::Symlink(words.to_owned()));
        verify(&tar).finds(&[("error", "G-7", &layer)]);
        let twice = format!("[{{\"{words}\":1,\"{words}\":2}}]");
        let tar = crane().replacing("manifest.json", Kind::File(twice.into()));
        verify(&tar).finds(&[("error", "H-20", "manifest.json")]);
        let tar = edited_item(|item| item["Layers"][0] = json!(words));
        verify(&tar).finds(&[("error", "L-23", "manifest.json: [0]")]);
        let odd = image().key("rootfs", json!({"type": words, "diff_ids": image().diff_ids()}));
        verify(&Shape::Crane.save_one(&odd)).finds(&[("error", "M-11", &odd.id())]);
    }
}
