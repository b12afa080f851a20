//! Which inputs have a root filesystem, and which lie about it.

use serde_json::json;

use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::{file, layer_tar};
use crate::support::layout::{Layout, Types, blob_path};
use crate::support::rootfs::Rootfs;
use crate::support::run::{Outcome, imgtar};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

#[track_caller]
fn refuse(tar: &Tarball, flags: &[&str], code: i32) -> Outcome {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", tar.bytes());
    let run = imgtar(["convert", "--to", "rootfs", "-o"]).arg(scratch.path("out.tar")).arg(input).args(flags);
    let outcome = run.exits(code);
    assert_eq!(scratch.names(), ["in.tar"], "a failed run leaves no file\n{outcome}");
    outcome
}

#[track_caller]
fn paths(tar: &Tarball, flags: &[&str]) -> Vec<String> {
    let outcome = imgtar(["convert", "--to", "rootfs"]).args(flags).stdin(tar.bytes()).success();
    Rootfs::written(&outcome.stdout).paths()
}

#[test]
fn several_images_are_listed_and_one_can_be_chosen() {
    let one = TestImage::new().layer([file("one", "")]).tag("one:1");
    let two = TestImage::new().layer([file("two", "")]).tag("two:1");
    for shape in [Shape::Docker20, Shape::Crane, Shape::Oci] {
        let tar = shape.save(&[one.clone(), two.clone()]);
        refuse(&tar, &[], 4).says(["--image", "one:1", "two:1"]);
        assert_eq!(paths(&tar, &["--image", "two:1"]), ["two"], "{shape:?}");
        assert_eq!(paths(&tar, &["--image", "@0"]), ["one"], "{shape:?}");
        refuse(&tar, &["--image", "@0", "--image", "@1"], 4).says(["--image"]);
        refuse(&tar, &["--image", "three:1"], 4).says(["three:1"]);
    }
}

#[test]
fn several_platforms_are_listed_and_one_can_be_chosen() {
    let mut layout = Layout::new();
    let children = ["linux/amd64", "linux/arm64/v8"].map(|platform| {
        let image = TestImage::new().layer([file(platform.rsplit('/').next().unwrap(), "")]).platform(platform);
        layout.image(&image, Types::Oci)
    });
    let index = layout.nested(&children, Types::Oci);
    layout.list_as(&index, &["app:1".to_owned()]);
    let tar = layout.tarball();
    refuse(&tar, &[], 4).says(["linux/amd64", "linux/arm64/v8"]);
    assert_eq!(paths(&tar, &["--platform", "linux/arm64/v8"]), ["v8"]);
    refuse(&tar, &["--platform", "linux/s390x"], 4).says(["linux/s390x"]);
}

#[test]
fn windows_layers_are_no_root_filesystem() {
    let image = TestImage::new().layer([file("Files/a", "")]).platform("windows/amd64").tag("app:1");
    for shape in [Shape::Docker20, Shape::Oci] {
        refuse(&shape.save_one(&image), &[], 4).says(["Windows"]);
    }
}

#[test]
fn t_12_a_foreign_layer_needs_its_bytes() {
    for codec in [Codec::Plain, Codec::Gzip] {
        let image = TestImage::new()
            .layer([file("a", "")])
            .foreign("https://example.com/l")
            .stored(codec)
            .layer([file("b", "")]);
        let mut layout = Layout::new();
        let descriptor = layout.image(&image, Types::Oci);
        layout.list(&descriptor);
        assert_eq!(paths(&layout.tarball(), &[]), ["a", "b"]);
        let digest = &image.layer_digests()[0];
        layout.drop_blob(&json!({"digest": digest}));
        refuse(&layout.tarball(), &[], 4).says(["foreign", &blob_path(digest)]);
    }
}

#[test]
fn m_11_a_layer_that_is_not_its_diff_id_is_no_rootfs() {
    let image = TestImage::new().layer([file("a", "1")]).layer([file("b", "2")]).tag("app:1");
    let other = TestImage::new().layer([file("a", "other")]);
    for shape in [Shape::Docker20, Shape::Crane, Shape::Nix, Shape::Skopeo] {
        let stored = shape.stored(&image);
        let honest = stored.layers[0].blob();
        let false_layer = shape.stored(&other).layers[0].blob();
        let mut tar = shape.save_one(&image);
        let member =
            tar.members.iter_mut().find(|member| member.kind == Kind::File(honest.clone())).expect("the layer");
        member.kind = Kind::File(false_layer);
        for jobs in ["1", "8"] {
            let diff_id = &image.diff_ids()[0];
            refuse(&tar, &["-j", jobs], 3).says([diff_id, &other.diff_ids()[0]]);
        }
    }
    let lie = json!({"type": "layers", "diff_ids": [other.diff_ids()[0], image.diff_ids()[1]]});
    for codec in Codec::ALL {
        let tar = Shape::Oci.save_one(&image.clone().all_stored(codec).key("rootfs", lie.clone()));
        refuse(&tar, &[], 3).says(["diff_id", &other.diff_ids()[0]]);
    }
}

#[test]
fn m_12_bytes_behind_the_end_marker_count_for_the_digest_and_for_nothing_else() {
    let mut tar = layer_tar([file("a", "a")]);
    tar.resize(10_240, 0);
    tar.extend(layer_tar([file("b", "b")]));
    for codec in Codec::ALL {
        let image = TestImage::new().layer_bytes(tar.clone()).stored(codec).tag("app:1");
        assert_eq!(Rootfs::of(&image).paths(), ["a"], "{codec:?}");
    }
}
