//! What users met in the field beside what is an image: referrers, annotations, names, paths without end.

use serde_json::json;

use crate::support::expect::{Target, convert, refuse};
use crate::support::image::TestImage;
use crate::support::layer::{dir, file, layer_tar};
use crate::support::layout::{Layout, REF_NAME, Types};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Tarball, raw_member};

#[test]
fn annotations_of_the_index_are_kept() {
    let mut layout = Layout::new();
    let descriptor = layout.image(&TestImage::demo("app:1"), Types::Oci);
    layout.list(&descriptor);
    let annotations = json!({"org.opencontainers.image.ref.name": "hello:world"});
    let tar = layout.tarball().editing("index.json", |index| index["annotations"] = annotations.clone());
    for target in [Target::Oci, Target::OciDir] {
        assert_eq!(convert(&tar, target, &[]).archive.json("index.json")["annotations"], annotations);
    }
    let none = convert(&layout.tarball(), Target::Oci, &[]).archive.json("index.json");
    assert!(none.get("annotations").is_none());
}

#[test]
fn an_image_that_is_asked_for_takes_its_referrers_along() {
    let mut layout = Layout::new();
    let signed = layout.image(&TestImage::demo("signed:1"), Types::Oci);
    let other = layout.image(&TestImage::demo("other:1"), Types::Oci);
    layout.list_as(&signed, &["signed:1".to_owned()]);
    layout.list_as(&other, &["other:1".to_owned()]);
    let signature = layout.artifact(&signed);
    layout.list(&signature);
    let countersigned = layout.artifact(&signature);
    layout.list(&countersigned);
    let hex = signed["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let mut by_tag =
        layout.artifact(&json!({"mediaType": "x", "digest": format!("sha256:{}", "0".repeat(64)), "size": 1}));
    by_tag["annotations"][REF_NAME] = json!(format!("sha256-{hex}.sig"));
    layout.list(&by_tag);
    let listed = |name| {
        let index = convert(&layout.tarball(), Target::Oci, &["--image", name]).archive.json("index.json");
        index["manifests"].as_array().unwrap().iter().map(|entry| entry["digest"].clone()).collect::<Vec<_>>()
    };
    let with_referrers = [&signed, &signature, &countersigned, &by_tag].map(|entry| entry["digest"].clone());
    assert_eq!(listed("signed:1").len(), 4);
    assert!(with_referrers.iter().all(|digest| listed("signed:1").contains(digest)));
    assert_eq!(listed("other:1"), [other["digest"].clone()]);
}

#[test]
fn names_that_are_none_or_that_no_engine_takes() {
    let image = TestImage::demo("app:1");
    let tar = Shape::Docker20
        .save_one(&image)
        .editing("manifest.json", |json| json[0]["RepoTags"] = json!(["<none>:<none>"]));
    let converted = convert(&tar, Target::Docker, &[]);
    assert!(converted.images[0].names.is_empty());
    converted.outcome.says(["`<none>:<none>` is not a name: the image is untagged"]);

    let tar = Shape::Docker20.save_one(&image);
    let outcome = convert(&tar, Target::Docker, &["--tag", "[fd00::1]:5000/app:1"]).outcome;
    outcome.says(["IPv6", "--tag"]);
    convert(&tar, Target::Docker, &[]).outcome.never_says(["IPv6"]);
}

#[test]
fn a_layer_that_was_left_out_is_named() {
    let tar = Shape::Crane.save_one(&TestImage::demo("app:1"));
    let tar = tar.editing("manifest.json", |json| json[0]["Layers"][1] = json!(""));
    refuse(&tar.bytes(), Target::Oci, &[], 3).says(["layer 1 has no file: it was left out"]);
}

#[test]
fn an_archive_with_short_ids_is_refused_in_true_words() {
    let tar = Tarball::default()
        .with("repositories", r#"{"app":{"1":"0123456789ab"}}"#)
        .with("0123456789ab/json", "{}")
        .with("0123456789ab/layer.tar", [0; 1024]);
    imgtar(["inspect", "-"]).stdin(tar.bytes()).exits(3).says(["`repositories` is there", "64 hex digits"]);
}

#[test]
fn an_entry_without_a_name_is_the_root() {
    let nameless = raw_member(b'5', "", b"", |header| header.set_mode(0o750));
    let image = TestImage::new().layer_bytes([nameless, layer_tar([file("etc/a", "")])].concat()).tag("app:1");
    let archive = Shape::Docker20.save_one(&image).bytes();
    imgtar(["verify", "-"]).stdin(archive.clone()).success();
    let listed = imgtar(["ls", "-l", "-"]).stdin(archive).success().text();
    assert!(listed.contains("etc/a"), "{listed}");
}

#[test]
fn paths_that_no_system_takes_are_refused_and_never_printed() {
    let deep = |components: usize| "d/".repeat(components) + "f";
    let longest = format!("{}/{}", vec!["x".repeat(200); 20].join("/"), "y".repeat(76));
    assert_eq!(longest.len(), 4096);
    let convert_rootfs = |path: &str| {
        let image = TestImage::new().layer([file(path, "")]).tag("deep:1");
        (imgtar(["convert", "--to", "rootfs", "-"]).stdin(Shape::Crane.save_one(&image).bytes()).run(), image)
    };
    for (path, problem) in [
        (deep(100), None),
        (longest.clone(), None),
        (format!("{longest}z"), Some("has 4097 bytes, and no system takes more than 4096")),
        (deep(200_000), Some("no system takes more than 4096")),
    ] {
        let (outcome, image) = convert_rootfs(&path);
        assert_eq!(outcome.code, if problem.is_some() { 3 } else { 0 }, "{outcome}");
        outcome.says([problem.unwrap_or_default()]);
        let scratch = Scratch::new();
        let (other, image) = (TestImage::new().layer([file("a", "")]).tag("x:1"), Shape::Crane.save_one(&image));
        let (other, image) =
            (scratch.write("other", Shape::Crane.save_one(&other).bytes()), scratch.write("image", image.bytes()));
        for (answer, code) in [(&["ls"][..], 0), (&["ls", "--layers"], 0), (&["diff", other.to_str().unwrap()], 1)] {
            let told = imgtar(answer).arg(&image).run();
            assert!(told.code == code && told.stdout.len() < 20 << 20, "{} bytes", told.stdout.len());
            if problem.is_some() {
                told.says(["of more than 4096 bytes", "left out"]);
            }
        }
    }
    let many = (0..2000).map(|n| file(format!("{n}/{}", deep(2000)), ""));
    let image = TestImage::new().layer_bytes(layer_tar(many)).tag("wide:1");
    imgtar(["convert", "--to", "rootfs", "-"])
        .stdin(Shape::Crane.save_one(&image).bytes())
        .exits(3)
        .says(["directories that only the paths of others imply"]);
    let squashed = TestImage::new().layer([dir("a")]).layer([file(deep(3000), "")]).tag("deep:1");
    let archive = Shape::Crane.save_one(&squashed).bytes();
    imgtar(["edit", "--squash", "--to", "oci", "-"]).stdin(archive).exits(3).says(["no system takes more than 4096"]);
}
