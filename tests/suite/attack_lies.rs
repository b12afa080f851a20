//! Lies that hide behind a truth: a second word on bytes that were already found good, and bytes that nobody was to
//! decode (M-11, H-3, H-20).

use serde_json::{Value, json};

use crate::support::codec::Codec;
use crate::support::digest;
use crate::support::expect::{Target, convert, refuse};
use crate::support::image::{TestImage, TestLayer};
use crate::support::layer::{file, layer_tar};
use crate::support::layout::{Layout, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, blob_path};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

fn layer(content: &str) -> TestLayer {
    TestLayer { tar: layer_tar([file("f", content)]), codec: Codec::Gzip, url: None }
}

fn config(diff_ids: &[String], architecture: &str) -> String {
    json!({"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}).to_string()
}

/// Lists an image of `layers`, each with its diff_id, under `name`.
fn list(layout: &mut Layout, name: &str, architecture: &str, layers: &[(Value, String)]) {
    let diff_ids: Vec<_> = layers.iter().map(|(_, diff_id)| diff_id.clone()).collect();
    let config = layout.blob(OCI_CONFIG, config(&diff_ids, architecture));
    let descriptors: Vec<_> = layers.iter().map(|(descriptor, _)| descriptor).collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": descriptors});
    let manifest = layout.manifest(&manifest);
    layout.list_as(&manifest, &[name.to_owned()]);
}

#[track_caller]
fn no_target_takes<const N: usize>(tar: &Tarball, words: [&str; N]) {
    for target in Target::ALL {
        refuse(&tar.bytes(), target, &[], 3).says(words);
    }
}

#[test]
fn a_size_that_lies_beside_a_true_one_is_refused() {
    let (mut layout, layer) = (Layout::new(), layer("1"));
    let blob = layout.blob(&format!("{OCI_LAYER}+gzip"), layer.blob());
    let mut lie = blob.clone();
    lie["size"] = json!(layer.blob().len() + 1);
    list(&mut layout, "a:1", "amd64", &[(blob, layer.diff_id())]);
    list(&mut layout, "b:1", "arm64", &[(lie, layer.diff_id())]);
    let expected = format!("size is {} bytes, expected {}", layer.blob().len(), layer.blob().len() + 1);
    no_target_takes(&layout.tarball(), [&digest(&layer.blob())[7..], &expected]);
}

#[test]
fn a_size_that_lies_of_a_carried_blob_beside_a_true_one_is_refused() {
    let mut layout = Layout::new();
    let blob = layout.blob("application/vnd.example", "signed");
    let mut lie = blob.clone();
    lie["size"] = json!(7);
    layout.list(&lie);
    layout.list(&blob);
    list(&mut layout, "a:1", "amd64", &[]);
    refuse(&layout.tarball().bytes(), Target::Oci, &[], 3).says(["size is 6 bytes, expected 7"]);
}

#[test]
fn a_second_file_that_lies_about_a_diff_id_the_archive_holds_is_refused() {
    let (honest, other) = (layer("1"), layer("2"));
    for codec in [Codec::Plain, Codec::Gzip] {
        let mut tar = Tarball::default();
        tar.file("one.tar", honest.tar.clone());
        tar.file("two.tar", codec.encode(&other.tar));
        tar.file("1.json", config(&[honest.diff_id()], "amd64"));
        tar.file("2.json", config(&[honest.diff_id()], "arm64"));
        tar.json(
            "manifest.json",
            &json!([
                {"Config": "1.json", "RepoTags": ["a:1"], "Layers": ["one.tar"]},
                {"Config": "2.json", "RepoTags": ["b:1"], "Layers": ["two.tar"]},
            ]),
        );
        no_target_takes(&tar, ["two.tar", &honest.diff_id(), &other.diff_id()]);
    }
}

#[test]
fn a_false_blob_whose_diff_id_was_already_recoded_is_refused() {
    let (mut layout, honest) = (Layout::new(), layer("1"));
    let plain = layout.blob(OCI_LAYER, honest.tar.clone());
    let packed = layout.blob(&format!("{OCI_LAYER}+gzip"), honest.blob());
    list(&mut layout, "a:1", "amd64", &[(plain, honest.diff_id())]);
    list(&mut layout, "b:1", "arm64", &[(packed.clone(), honest.diff_id())]);
    let lie = Codec::Gzip.encode(b"something else");
    let tar = layout.tarball().replacing(&blob_path(packed["digest"].as_str().unwrap()), Kind::File(lie.clone()));
    for (target, options) in [
        (Target::Legacy, &[][..]),
        (Target::Docker, &[]),
        (Target::Oci, &["--compress", "zstd"]),
        (Target::Oci, &["--compress", "none"]),
    ] {
        refuse(&tar.bytes(), target, options, 3).says([&blob_path(packed["digest"].as_str().unwrap())]);
    }
}

#[test]
fn a_false_foreign_blob_is_refused_also_where_other_layers_are_recoded() {
    let (mut layout, layer) = (Layout::new(), layer("1"));
    let foreign_type = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    let mut foreign = layout.blob(foreign_type, layer.blob());
    foreign["urls"] = json!(["https://example.com/layer"]);
    list(&mut layout, "a:1", "amd64", &[(foreign.clone(), layer.diff_id())]);
    let name = blob_path(foreign["digest"].as_str().unwrap());
    for lie in [b"not even gzip".to_vec(), Codec::Zstd.encode(&layer.tar), Codec::Gzip.encode(b"no tar")] {
        let tar = layout.tarball().replacing(&name, Kind::File(lie)).bytes();
        for options in [&[][..], &["--compress", "gzip"], &["--compress", "zstd"], &["--compress", "none"]] {
            refuse(&tar, Target::Oci, options, 3).says([&name]);
        }
    }
}

#[test]
fn a_blob_with_two_diff_ids_is_refused_although_nothing_is_decoded() {
    let (mut layout, honest, other) = (Layout::new(), layer("1"), layer("2"));
    let blob = layout.blob(&format!("{OCI_LAYER}+gzip"), honest.blob());
    list(&mut layout, "a:1", "amd64", &[(blob.clone(), honest.diff_id()), (blob, other.diff_id())]);
    no_target_takes(&layout.tarball(), ["two diff_ids", &honest.diff_id(), &other.diff_id()]);
}

#[test]
fn a_layer_with_the_bytes_of_another_images_config_is_no_layer() {
    let empty = config(&[], "amd64");
    let mut tar = Tarball::default();
    tar.file("1.json", empty.clone());
    tar.file("2.json", config(&[digest(empty.as_bytes())], "arm64"));
    tar.file("layer", empty.clone());
    let items = json!([
        {"Config": "1.json", "RepoTags": ["a:1"], "Layers": []},
        {"Config": "2.json", "RepoTags": ["b:1"], "Layers": ["layer"]},
    ]);
    tar.json("manifest.json", &items);
    no_target_takes(&tar, ["layer", "is not a tar", "JSON"]);
}

#[test]
fn text_of_an_archive_moves_no_cursor_whatever_message_it_stands_in() {
    let evil = "\u{1b}[31m";
    let mut layout = Layout::new();
    let image = TestImage::demo("a:1");
    for architecture in ["amd64", "arm64"] {
        let mut descriptor = layout.image(&image, crate::support::layout::Types::Oci);
        descriptor["platform"] = json!({"os": format!("linux{evil}"), "architecture": architecture});
        layout.list(&descriptor);
    }
    let platforms = refuse(&layout.tarball().bytes(), Target::Docker, &["--platform", "linux/386"], 4);
    let mut reserved = Tarball::default();
    reserved.file("manifest.json", "[{\"$serde_json::private::\\u001b[31m\":1}]");
    let reserved = refuse(&reserved.bytes(), Target::Docker, &[], 3);
    let id = "a".repeat(64);
    let mut old = Tarball::default();
    old.json(format!("{id}/json"), &json!({"id": id}));
    old.file(format!("{id}/layer.tar"), layer("1").tar);
    old.json("repositories", &json!({format!("r{evil}"): {"t": "no id"}}));
    let old = refuse(&old.bytes(), Target::Docker, &[], 3);
    for outcome in [platforms, reserved, old] {
        assert!(!outcome.stderr.contains('\u{1b}') && outcome.stderr.contains("\\u{1b}"), "{outcome}");
    }
}

#[test]
fn a_layer_source_that_means_the_bytes_that_are_there_promises_their_size() {
    let layer = layer("1");
    let mut tar = Tarball::default();
    tar.file("layer.tar.gz", layer.blob());
    tar.file("config", config(&[layer.diff_id()], "amd64"));
    let source = json!({
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": digest(&layer.blob()), "size": layer.blob().len() + 1, "urls": ["https://example.com/layer"],
    });
    let sources = json!({layer.diff_id(): source});
    let items = json!([{"Config": "config", "RepoTags": ["a:1"], "Layers": ["layer.tar.gz"], "LayerSources": sources}]);
    tar.json("manifest.json", &items);
    let expected = format!("size is {} bytes, expected {}", layer.blob().len(), layer.blob().len() + 1);
    no_target_takes(&tar, ["layer.tar.gz", &expected]);
}

#[test]
fn a_damaged_blob_of_a_layout_is_not_taken_for_the_one_that_is_appended() {
    let scratch = Scratch::new();
    let directory = scratch.path("layout");
    let archive = Shape::Oci.save_one(&TestImage::demo("app:1"));
    archive.unpack(&directory);
    let blob = directory.join(blob_path(&digest(&TestImage::demo("app:1").layers[0].blob())));
    std::fs::write(&blob, "damaged").unwrap();
    imgtar(["convert", "--to", "oci-dir", "--append", "-o"]).arg(&directory).stdin(archive.bytes()).success();
    assert_eq!(std::fs::read(&blob).unwrap(), TestImage::demo("app:1").layers[0].blob());
}

#[test]
fn a_layout_of_another_version_is_not_appended_to() {
    let scratch = Scratch::new();
    let directory = scratch.path("layout");
    let archive = Shape::Oci.save_one(&TestImage::demo("app:1"));
    archive.unpack(&directory);
    let marker = "{\"imageLayoutVersion\":\"2.0.0\"}";
    std::fs::write(directory.join("oci-layout"), marker).unwrap();
    let append = imgtar(["convert", "--to", "oci-dir", "--append", "-o"]).arg(&directory).stdin(archive.bytes());
    append.exits(3).says(["layout/oci-layout", "2.0.0"]);
    assert_eq!(std::fs::read_to_string(directory.join("oci-layout")).unwrap(), marker);
}

#[test]
fn a_link_that_leads_nowhere_harms_nobody_below_blobs_either() {
    let mut tar = Shape::Oci.save_one(&TestImage::demo("app:1"));
    tar.push(format!("blobs/sha256/{}", "1".repeat(64)), Kind::Symlink("nowhere".into()));
    for target in Target::ALL {
        convert(&tar, target, &[]);
    }
}

/// A layer's ID is made of the name by which it is listed, and one ID is one place in the archive.
#[test]
fn two_layers_under_one_false_name_are_two_in_a_legacy_archive() {
    let (one, two, top) = (layer("1"), layer("2"), layer("top"));
    let name = |directory: &str| format!("{directory}/{}.tar.gz", "a".repeat(64));
    let mut tar = Tarball::default();
    let mut items = Vec::new();
    for (directory, base) in [("x", &one), ("y", &two)] {
        tar.file(name(directory), base.blob());
        tar.file(directory, config(&[base.diff_id(), top.diff_id()], "amd64"));
        let tag = format!("{directory}:1");
        items.push(json!({"Config": directory, "RepoTags": [tag], "Layers": [name(directory), "top"]}));
    }
    tar.file("top", top.blob());
    tar.json("manifest.json", &json!(items));
    let converted = convert(&tar, Target::Legacy, &[]);
    for (image, base) in converted.images.iter().zip([one, two]) {
        assert_eq!(image.layers[0].diff_id, base.diff_id());
    }
}

#[test]
fn a_key_in_two_spellings_is_refused() {
    for (config, key) in [
        (r#"{"config":{"Cmd":["a"]},"Config":{"Cmd":["b"]},"rootfs":{"type":"layers","diff_ids":[]}}"#, "Config"),
        (r#"{"os":"linux","OS":"windows","rootfs":{"type":"layers","diff_ids":[]}}"#, "OS"),
    ] {
        let tar = Shape::Docker20.save_one(&TestImage::new().tag("a:1").raw_config(config));
        no_target_takes(&tar, [&format!("the key `{key}` occurs twice, with different capital letters")]);
    }
}

#[test]
fn a_config_that_no_engine_reads_is_written_with_a_warning() {
    let image = TestImage::new().layer([file("f", "")]).tag("a:1").key("created", json!(""));
    let tar = Shape::Docker20.save_one(&image);
    let problem = "`created` is not a time of RFC 3339: no engine reads the config";
    for target in [Target::Oci, Target::Docker, Target::Legacy] {
        convert(&tar, target, &[]).outcome.says([problem]);
        refuse(&tar.bytes(), target, &["--strict"], 3).says([problem]);
    }
}
