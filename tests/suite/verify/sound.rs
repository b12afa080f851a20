//! Archives with nothing wrong, and what is only worth knowing about them.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::{Verified, verify};
use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::{dir, file, hardlink, layer_tar, symlink, whiteout};
use crate::support::layout::{Layout, Types};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

fn image() -> TestImage {
    TestImage::demo("app:1")
}

/// Wants no errors and no warnings; v1 documents in a layout of Docker 25 are blobs that nothing names.
#[track_caller]
fn is_sound(verified: &Verified) {
    let counts = &verified.report["counts"];
    assert_eq!((&counts["errors"], &counts["warnings"]), (&json!(0), &json!(0)), "{:#}", verified.report);
    assert_eq!(verified.code, 0);
}

#[test]
fn what_every_writer_writes_is_sound() {
    for shape in Shape::ALL {
        let verified = verify(&shape.save_one(&image()));
        is_sound(&verified);
        let checked = &verified.report["checked"];
        assert_eq!((&checked["images"], &checked["layers"]), (&json!(1), &json!(2)), "{shape:?}");
        assert_eq!(checked["entries"], 3, "{shape:?}");
    }
}

#[test]
fn several_images_that_share_layers_are_sound() {
    let one = image();
    let two = image().layer([whiteout("app"), dir("srv"), symlink("srv/l", "/etc")]).untagged().tag("two:2");
    for shape in Shape::ALL.into_iter().filter(|shape| *shape != Shape::Jib) {
        let verified = verify(&shape.save(&[one.clone(), two.clone()]));
        is_sound(&verified);
        assert_eq!(verified.report["checked"]["images"], 2, "{shape:?}");
        // Only ggcr stores what occurs twice under two names (L-13), and Docker up to 1.11 (L-25).
        let twice = matches!(shape, Shape::CraneLegacy | Shape::Docker111);
        assert_eq!(verified.report["checked"]["layers"], if twice { 4 } else { 3 }, "{shape:?}");
    }
}

#[test]
fn what_images_are_built_upon_is_applied_once() {
    let base = layer_tar((0..3000).map(|n| file(format!("file-{n}"), "")));
    let base = TestImage::new().layer_bytes(base);
    let images: Vec<_> = (0..40).map(|n| base.clone().layer([file("app", n.to_string())])).collect();
    let archive = Shape::Crane.save(&images).bytes();
    imgtar(["verify", "--max-metadata", "4M"]).stdin(archive).success();
}

#[test]
fn layers_in_every_compression_are_sound() {
    for codec in Codec::ALL {
        is_sound(&verify(&Shape::Crane.save_one(&image().all_stored(codec))));
    }
}

#[test]
fn odd_layers_that_engines_take_are_sound() {
    let untold = TestImage::new().layer_bytes([]).layer_bytes([0; 512]).layer_bytes([0; 1024]).tag("empty:1");
    is_sound(&verify(&Shape::Oci.save_one(&untold)));
    let across = image().layer([file("app.d/l", ""), hardlink("l", "app.d/l"), file("etc/new/x", "")]);
    is_sound(&verify(&Shape::Crane.save_one(&across)));
    is_sound(&verify(&Shape::Oci.save_one(&TestImage::new().tag("nothing:1"))));
}

#[test]
fn whatever_imgtar_writes_is_sound() {
    let scratch = Scratch::new();
    let image = image().layer([file("etc/new", "1"), whiteout("app")]);
    for shape in Shape::ALL {
        let input = scratch.write("in.tar", shape.save_one(&image).bytes());
        for target in ["legacy", "docker", "oci"] {
            let written = imgtar(["convert", "--to", target]).arg(&input).success();
            is_sound(&Verified::of(imgtar(["verify", "--json"]).stdin(written.stdout)));
        }
        let out = scratch.path("dir");
        imgtar(["convert", "--to", "oci-dir", "-f", "-o"]).arg(&out).arg(&input).success();
        is_sound(&Verified::of(imgtar(["verify", "--json"]).arg(&out)));
    }
}

#[test]
fn what_real_engines_wrote_is_sound() {
    let fixtures = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"));
    for (file, warnings, notes) in [
        ("bld-oa.tar.xz", 0, 0),
        ("cr-tarball.tar.xz", 0, 0),
        ("dangling-index.tar.xz", 1, 0),
        ("exp24.tar.xz", 0, 0),
        ("pod-docker-archive.tar.xz", 0, 0),
        ("saved20.tar.xz", 0, 0),
        ("saved29-classic.tar.xz", 0, 3),
    ] {
        let verified = Verified::of(imgtar(["verify", "--json"]).arg(fixtures.join(file)));
        let counts = json!({"errors": 0, "warnings": warnings, "notes": notes});
        assert_eq!(verified.report["counts"], counts, "{file}: {:#}", verified.report);
    }
    let dangling = Verified::of(imgtar(["verify", "--json"]).arg(fixtures.join("dangling-index.tar.xz")));
    dangling.finds(&[("warning", "O-15", "blobs/sha256/552342fe")]);
}

#[test]
fn files_pipes_directories_and_compressed_archives_give_one_report() {
    let scratch = Scratch::new();
    let tar = Shape::OciNested.save_one(&image()).with("blobs/sha256/odd", "1");
    let findings = |verified: &Verified| (verified.report["findings"].clone(), verified.report["checked"].clone());
    let expected = findings(&verify(&tar));
    let file = scratch.write("in.tar", tar.bytes());
    assert_eq!(findings(&Verified::of(imgtar(["verify", "--json"]).arg(&file))), expected);
    assert_eq!(findings(&Verified::of(imgtar(["verify", "--json", "-j", "1"]).arg(&file))), expected);
    assert_eq!(findings(&Verified::of(imgtar(["verify", "--json", "-j", "8"]).arg(&file))), expected);
    for codec in [Codec::Gzip, Codec::Zstd, Codec::Xz, Codec::Bzip2, Codec::Lz4] {
        let packed = scratch.write("packed", tar.compressed(codec));
        assert_eq!(findings(&Verified::of(imgtar(["verify", "--json"]).arg(&packed))), expected);
    }
    tar.unpack(&scratch.path("dir"));
    assert_eq!(findings(&Verified::of(imgtar(["verify", "--json"]).arg(scratch.path("dir")))), expected);
    assert_eq!(fs::read_dir(scratch.path("dir")).unwrap().count(), 3, "a directory is only looked at");
}

#[test]
fn platforms_that_were_not_exported_are_warned_about() {
    let mut layout = Layout::new();
    let here = layout.image(&image(), Types::Oci);
    let there = layout.image(&image().platform("linux/arm64"), Types::Oci);
    let index = layout.nested(&[here, there.clone()], Types::Oci);
    layout.list_as(&index, &image().tags);
    layout.drop_blob(&there);
    verify(&layout.tarball()).finds(&[
        ("warning", "O-15", "blobs/sha256/"),
        // The config of the image whose manifest is gone.
        ("note", "O-3", "blobs/sha256/"),
    ]);
}

#[test]
fn blobs_that_nothing_refers_to_are_worth_a_note() {
    let mut layout = Layout::new();
    let manifest = layout.image(&image(), Types::Oci);
    layout.list_as(&manifest, &image().tags);
    let stray = layout.blob("x/y", "nobody's");
    let place = stray["digest"].as_str().unwrap().replace(':', "/");
    verify(&layout.tarball()).finds(&[("note", "O-3", &place)]);
}

#[test]
fn artifacts_attestations_and_other_types_are_no_images() {
    let mut layout = Layout::new();
    let manifest = layout.image(&image(), Types::Oci);
    let signature = layout.artifact(&manifest);
    let odd = layout.blob("application/vnd.example.unknown", "whatever");
    layout.list_as(&manifest, &image().tags);
    layout.list(&signature);
    layout.list(&odd);
    let verified = verify(&layout.tarball());
    is_sound(&verified);
    assert_eq!(verified.report["checked"]["images"], 1);
}

#[test]
fn digests_of_sha512_are_checked() {
    let mut layout = Layout::sha512();
    let manifest = layout.image(&image(), Types::Oci);
    layout.list_as(&manifest, &image().tags);
    let tar = layout.tarball();
    is_sound(&verify(&tar));
    let blob = tar.members.iter().find(|member| member.name.starts_with("blobs/sha512/")).map(|member| &member.name);
    let blob = blob.filter(|name| !name.ends_with('/')).cloned();
    let blob = blob.unwrap_or_else(|| tar.members[2].name.clone());
    let mut bytes = tar.body(&blob).to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let verified = verify(&tar.replacing(&blob, crate::support::tarball::Kind::File(bytes)));
    assert!(verified.findings().iter().any(|finding| finding["rule"] == "H-3" && finding["place"] == blob.as_str()));
}

#[test]
fn foreign_layers_may_be_absent() {
    let image = image().layer([file("w", "1")]).foreign("https://example.com/w");
    let mut layout = Layout::new();
    let manifest = layout.image(&image, Types::Oci);
    layout.list_as(&manifest, &image.tags);
    let layer = crate::support::layout::blob_path(&image.layer_digests()[2]);
    verify(&layout.tarball().without(&layer)).finds(&[]);
    let tar = Shape::Crane.save_one(&image);
    let layer = tar.body("manifest.json").to_vec();
    let layer: serde_json::Value = serde_json::from_slice(&layer).unwrap();
    let layer = layer[0]["Layers"][2].as_str().unwrap();
    verify(&tar.clone().without(layer)).finds(&[("note", "L-23", "manifest.json: [0]")]);
}

#[test]
fn a_layer_tar_is_read_to_its_last_byte() {
    let mut tar = layer_tar([file("a", "1")]);
    tar.extend([0; 8192]);
    tar.extend(b"not zeros, and still a part of the diff_id (M-12)");
    is_sound(&verify(&Shape::Oci.save_one(&TestImage::new().layer_bytes(tar).tag("padded:1"))));
}
