//! Names: read by the most specific, written for every reader (N-1 … N-9, L-7, O-20 … O-24, D-3).

use serde_json::json;

use crate::support::archive::Archive;
use crate::support::expect::{Converted, Target, convert, refuse};
use crate::support::image::TestImage;
use crate::support::layout::{FULL_NAME, Layout, REF_NAME, Types};
use crate::support::run::imgtar;
use crate::support::shape::Shape;
use crate::support::tarball::Tarball;

fn source() -> Tarball {
    Shape::Docker20.save_one(&TestImage::demo("docker.io/acme/app:1"))
}

/// The names in the target, full and sorted.
#[track_caller]
fn names(source: &Tarball, target: Target, flags: &[&str]) -> Vec<String> {
    let converted = convert(source, target, flags);
    let [image] = converted.images.as_slice() else { panic!("{} images", converted.images.len()) };
    image.names.clone()
}

/// The same archive with these RepoTags.
fn tagged(tags: &serde_json::Value) -> Tarball {
    Shape::Nix.save_one(&TestImage::demo("x:1")).editing("manifest.json", |json| json[0]["RepoTags"] = tags.clone())
}

/// A layout of one image whose index entry has these annotations.
fn annotated(annotations: &serde_json::Value) -> Tarball {
    let mut layout = Layout::new();
    let mut descriptor = layout.image(&TestImage::demo("x:1"), Types::Oci);
    descriptor["annotations"] = annotations.clone();
    layout.list(&descriptor);
    layout.tarball()
}

fn repo_tags(converted: &Converted) -> serde_json::Value {
    converted.archive.json("manifest.json")[0]["RepoTags"].clone()
}

#[test]
fn tags_replace_the_names_of_the_input() {
    for target in Target::ALL {
        let new = names(&source(), target, &["-t", "new", "--tag", "registry.lan:5000/new:2"]);
        assert_eq!(new, ["docker.io/library/new:latest", "registry.lan:5000/new:2"], "{}", target.flag());
    }
}

#[test]
fn added_tags_join_the_names_of_the_input() {
    for target in Target::ALL {
        let all = names(&source(), target, &["--add-tag", "acme/app:stable"]);
        assert_eq!(all, ["docker.io/acme/app:1", "docker.io/acme/app:stable"], "{}", target.flag());
    }
}

#[test]
fn names_are_rewritten_by_prefix_or_whole() {
    for (rule, renamed) in [
        ("docker.io/=registry.lan/", "registry.lan/acme/app:1"),
        ("acme/app:1=other/thing:2", "docker.io/other/thing:2"),
        ("docker.io/acme/app:1=localhost/app:3", "localhost/app:3"),
        ("quay.io/=registry.lan/", "docker.io/acme/app:1"),
    ] {
        assert_eq!(names(&source(), Target::Oci, &["--rename", rule]), [renamed], "{rule}");
    }
}

#[test]
fn names_can_be_dropped() {
    for target in Target::ALL {
        assert!(names(&source(), target, &["--no-tags"]).is_empty(), "{}", target.flag());
    }
}

#[test]
fn an_untagged_image_stays_untagged() {
    for none in [json!(null), json!([])] {
        let legacy = convert(&tagged(&none), Target::Legacy, &[]);
        assert_eq!(legacy.archive.json("repositories"), json!({}));
        assert!(legacy.images[0].names.is_empty());
        let layout = convert(&tagged(&none), Target::OciDir, &[]);
        let entry = &layout.archive.json("index.json")["manifests"][0];
        assert_eq!(entry["annotations"].get(FULL_NAME).or(entry["annotations"].get(REF_NAME)), None, "O-23");
    }
}

#[test]
fn repo_tags_are_familiar_unless_full_names_are_asked_for() {
    let library = Shape::Skopeo.save_one(&TestImage::demo("docker.io/library/app:1").tag("localhost:5000/a/b:t"));
    for target in [Target::Legacy, Target::Docker, Target::Oci] {
        let familiar = convert(&library, target, &[]);
        // Beside several entries of a layout they are full (B-32).
        let first = if target == Target::Oci { "docker.io/library/app:1" } else { "app:1" };
        assert_eq!(repo_tags(&familiar), json!([first, "localhost:5000/a/b:t"]), "N-6");
        let full = convert(&library, target, &["--full-names"]);
        assert_eq!(repo_tags(&full), json!(["docker.io/library/app:1", "localhost:5000/a/b:t"]), "N-6");
    }
}

#[test]
fn a_name_without_tag_is_latest_and_warned_about() {
    for (typed, repository) in [("ubuntu", "ubuntu"), ("localhost:5000/a/b", "localhost:5000/a/b")] {
        let converted = convert(&tagged(&json!([typed])), Target::Legacy, &[]);
        assert_eq!(repo_tags(&converted), json!([format!("{repository}:latest")]), "L-7, L-18");
        assert!(converted.archive.json("repositories")[repository]["latest"].is_string(), "N-7");
        converted.outcome.says(["warning", typed]);
    }
}

#[test]
fn a_digest_is_no_tag() {
    let reference = format!("app@sha256:{}", "a".repeat(64));
    let converted = convert(&tagged(&json!([reference])), Target::Docker, &[]);
    assert!(converted.images[0].names.iter().all(|name| !name.contains('@')), "L-7: only name:tag is written");
    converted.outcome.says(["warning"]);
}

#[test]
fn a_name_with_tag_and_digest_is_the_digests() {
    let pinned = format!("app:1@sha256:{}", "a".repeat(64));
    for target in [Target::Legacy, Target::Docker] {
        let converted = convert(&tagged(&json!([pinned, "app:2"])), target, &[]);
        assert_eq!(converted.images[0].names, ["docker.io/library/app:2"]);
        converted.outcome.says(["warning", &pinned, "--tag"]);
    }
    // What was written is read again: a layout holds the name, its manifest.json does not.
    let layout = imgtar(["convert", "--to", "oci"]).stdin(tagged(&json!([pinned, "app:2"])).bytes()).success();
    let archive = Archive::open(&layout.stdout);
    assert_eq!(archive.json("manifest.json")[0]["RepoTags"], json!(["docker.io/library/app:2"]));
    let index = archive.json("index.json");
    assert_eq!(index["manifests"][0]["annotations"][FULL_NAME], format!("docker.io/library/{pinned}"));
    imgtar(["convert", "--to", "docker"]).stdin(layout.stdout.clone()).success();
    imgtar(["verify"]).stdin(layout.stdout.clone()).success();
    layout.says(["warning", &pinned, "not in manifest.json"]);
}

#[test]
fn a_rename_to_a_digest_is_a_usage_error() {
    let rule = format!("acme/app=app@sha256:{}", "a".repeat(64));
    refuse(&source().bytes(), Target::Oci, &["--rename", &rule], 2).says(["a digest is not part of a new name"]);
}

#[test]
fn the_marker_of_a_pull_by_digest_is_kept_literally() {
    for target in Target::ALL {
        let kept = names(&tagged(&json!(["example.com/app:i-was-a-digest"])), target, &[]);
        assert_eq!(kept, ["example.com/app:i-was-a-digest"], "D-3");
    }
}

#[test]
fn index_docker_io_is_docker_io() {
    let new = names(&tagged(&json!(["index.docker.io/library/app:1"])), Target::Oci, &[]);
    assert_eq!(new, ["docker.io/library/app:1"], "N-3");
}

#[test]
fn the_most_specific_name_wins() {
    let both = annotated(&json!({FULL_NAME: "docker.io/library/a:1", REF_NAME: "docker.io/library/b:2"}));
    assert_eq!(names(&both, Target::Oci, &[]), ["docker.io/library/a:1"]);
    let reference = annotated(&json!({REF_NAME: "example.com/demo:v1"}));
    assert_eq!(names(&reference, Target::Oci, &[]), ["example.com/demo:v1"]);
    let short = annotated(&json!({REF_NAME: "demo:v1"}));
    assert_eq!(names(&short, Target::Docker, &[]), ["docker.io/library/demo:v1"]);
}

#[test]
fn a_bare_tag_is_kept_in_a_layout_and_dropped_with_a_warning_elsewhere() {
    let bare = annotated(&json!({REF_NAME: "v1"}));
    let layout = convert(&bare, Target::OciDir, &[]);
    let annotations = layout.archive.json("index.json")["manifests"][0]["annotations"].clone();
    assert_eq!((&annotations[REF_NAME], annotations.get(FULL_NAME)), (&json!("v1"), None), "O-24");
    let beside = convert(&bare, Target::Oci, &["--strict"]);
    assert_eq!(beside.archive.json("index.json")["manifests"][0]["annotations"], annotations, "nothing is lost");
    beside.outcome.never_says(["warning"]).says(["v1: not in manifest.json", "--tag"]);
    for target in [Target::Legacy, Target::Docker] {
        let converted = convert(&bare, target, &[]);
        assert!(converted.images[0].names.is_empty(), "O-24");
        converted.outcome.says(["warning", "v1", "--tag"]);
        refuse(&bare.bytes(), target, &["--strict"], 4).says(["--tag"]);
    }
}

#[test]
fn names_that_share_a_tag_are_told_apart_in_ref_name() {
    let image = TestImage::demo("a:1").tag("b:1").tag("c:2");
    let converted = convert(&Shape::Crane.save_one(&image), Target::OciDir, &[]);
    let index = converted.archive.json("index.json");
    let refs: Vec<_> = index["manifests"].as_array().unwrap().iter().map(|e| &e["annotations"][REF_NAME]).collect();
    assert_eq!(refs, ["docker.io/library/a:1", "docker.io/library/b:1", "2"], "O-23");
}

#[test]
fn a_rename_that_makes_two_images_one_name_is_refused() {
    let two = [TestImage::demo("a:1"), TestImage::demo("b:1")];
    refuse(&Shape::Crane.save(&two).bytes(), Target::Oci, &["--rename", "b:1=a:1"], 4).says(["a:1"]);
}

#[test]
fn what_is_no_reference_is_refused_as_usage() {
    for wrong in ["lower/UPPER:1", "a:b:c", "", "app@sha256:12", "-x"] {
        refuse(&source().bytes(), Target::Oci, &[&format!("--tag={wrong}")], 2);
    }
    for wrong in ["no-equals", "=x", ""] {
        refuse(&source().bytes(), Target::Oci, &[&format!("--rename={wrong}")], 2);
    }
}
