//! Several images in one archive, tagged and untagged, sharing layers (T-11).

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::codec::Codec;
use crate::support::expect::{Target, assert_names, assert_same, convert, convert_path, refuse};
use crate::support::image::TestImage;
use crate::support::layer::file;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::Kind;

/// Three images on one base: two named, one of them twice, one untagged.
fn family() -> [TestImage; 3] {
    let base = || TestImage::new().layer([file("base", "1")]).layer([file("runtime", "1")]);
    [
        base().layer([file("app", "a")]).tag("example.com/a:1").tag("example.com/a:latest"),
        base().layer([file("app", "b")]).tag("b:1"),
        base(),
    ]
}

const SHAPES: [Shape; 7] =
    [Shape::Docker111, Shape::Docker20, Shape::Docker25, Shape::Containerd, Shape::Skopeo, Shape::Crane, Shape::Oci];

#[test]
fn all_images_of_every_shape_reach_every_target() {
    for shape in SHAPES {
        for target in Target::ALL {
            let converted = convert(&shape.save(&family()), target, &[]);
            assert_eq!(converted.images.len(), 3, "{shape:?} to {}", target.flag());
            for image in family() {
                let found = converted.images.iter().find(|found| found.id == image.id()).expect("the image");
                assert_same(found, &shape.stored(&image), target);
                assert_names(found, &image);
            }
        }
    }
}

#[test]
fn images_keep_the_order_of_the_input() {
    for target in [Target::Legacy, Target::Oci, Target::OciDir] {
        let converted = convert(&Shape::Skopeo.save(&family()), target, &[]);
        let found: Vec<_> = converted.images.iter().map(|image| image.id.clone()).collect();
        assert_eq!(found, family().map(|image| image.id()), "G-17 in {}", target.flag());
    }
}

#[test]
fn a_shared_layer_is_written_once() {
    for target in Target::ALL {
        let converted = convert(&Shape::Docker20.save(&family()), target, &[]);
        let layers: BTreeSet<_> = family().iter().flat_map(TestImage::diff_ids).collect();
        let stored: BTreeSet<_> = converted.images.iter().flat_map(|image| &image.layers).map(|l| &l.member).collect();
        assert_eq!(stored.len(), layers.len(), "{}", target.flag());
    }
}

#[test]
fn images_that_differ_in_compression_alone_are_one_where_they_do_not_any_more() {
    let image = |codec, name: &str| TestImage::new().layer([file("base", "1")]).stored(codec).tag(name);
    let both = [image(Codec::Gzip, "a:1"), image(Codec::Zstd, "b:1")];
    for flags in [&[][..], &["--compress", "none"]] {
        let converted = convert(&Shape::Oci.save(&both), Target::Docker, flags);
        let manifest = converted.archive.json("manifest.json");
        assert_eq!(manifest.as_array().unwrap().len(), 1, "{manifest}");
        assert_eq!(manifest[0]["RepoTags"], json!(["a:1", "b:1"]));
        let scratch = Scratch::new();
        let again = convert_path(&scratch.write("again.tar", &converted.bytes), Target::Docker, flags);
        assert!(again.bytes == converted.bytes, "what was written stays as it is");
    }
    let layout = convert(&Shape::Crane.save(&both), Target::Oci, &["--compress", "gzip"]);
    assert_eq!(
        layout.archive.json("manifest.json")[0]["RepoTags"],
        json!(["docker.io/library/a:1", "docker.io/library/b:1"]),
        "beside a layout too"
    );
    let kept = convert(&Shape::Oci.save(&both), Target::Docker, &["--compress", "keep"]);
    assert_eq!(kept.images.len(), 2, "they still differ");
}

#[test]
fn a_shared_layer_under_another_v1_id_is_a_link_for_old_readers() {
    let other = TestImage::new().layer([file("first", "1")]).layer([file("base", "1")]).tag("other:1");
    let images = [TestImage::new().layer([file("base", "1")]).tag("one:1"), other];
    let converted = convert(&Shape::Crane.save(&images), Target::Legacy, &[]);
    let links = converted.archive.members.iter().filter(|member| matches!(member.kind, Kind::Symlink(_)));
    assert_eq!(links.count(), 1, "L-35");
}

#[test]
fn an_index_has_one_entry_a_name() {
    let converted = convert(&Shape::Docker20.save(&family()), Target::OciDir, &[]);
    let index = converted.archive.json("index.json");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 4, "two names, one name, none: {index}");
}

#[test]
fn images_that_only_manifest_json_knows_are_added_with_a_warning() {
    let [tagged, _, untagged] = family();
    let mut tar = Shape::Docker25.save(&[tagged, untagged.clone()]);
    let whole = Shape::Docker25.manifest(&untagged).map(|manifest| crate::support::digest(&manifest)).unwrap();
    tar = tar.editing("index.json", |index| {
        index["manifests"].as_array_mut().unwrap().retain(|entry| entry["digest"] != whole.as_str());
    });
    let converted = convert(&tar, Target::Legacy, &[]);
    converted.outcome.says(["warning", &untagged.id()[..12]]);
    assert!(converted.images.iter().any(|image| image.id == untagged.id()), "O-25");
}

#[test]
fn one_image_under_two_items_becomes_one_with_both_names() {
    let (one, two) = (TestImage::demo("x:1"), TestImage::demo("x:1").untagged().tag("y:1"));
    for target in Target::ALL {
        let converted = convert(&Shape::Crane.save(&[one.clone(), two.clone()]), target, &[]);
        let [image] = converted.images.as_slice() else { panic!("{} images", converted.images.len()) };
        assert_eq!(image.names, ["docker.io/library/x:1", "docker.io/library/y:1"]);
    }
}

#[test]
fn two_images_that_claim_one_name_are_refused() {
    let images = [TestImage::demo("same:1"), TestImage::demo("same:1").layer([file("more", "1")])];
    for target in Target::ALL {
        refuse(&Shape::Crane.save(&images).bytes(), target, &[], 4).says(["same:1"]);
    }
}

#[test]
fn a_tag_for_several_images_is_a_usage_error() {
    refuse(&Shape::Crane.save(&family()).bytes(), Target::Docker, &["-t", "new:1"], 2).says(["--rename"]);
}
