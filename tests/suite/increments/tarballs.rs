//! Tarballs of which `manifest.json` lists layers that are not there: other archives complete them.

use serde_json::Value;

use super::{Shelf, new, old};
use crate::support::archive::Archive;
use crate::support::image::TestImage;
use crate::support::judge;
use crate::support::layer::file;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

/// The shapes that are tarballs without a layout.
fn shapes() -> impl Iterator<Item = Shape> {
    Shape::ALL.into_iter().filter(|shape| {
        let archive = shape.save_one(&new());
        let has = |name: &str| archive.members.iter().any(|member| member.name == name);
        has("manifest.json") && !has("index.json")
    })
}

/// `archive` without the files of the `count` lowest layers of its first image.
fn short(archive: Tarball, count: usize) -> Tarball {
    let listed = Archive::open(&archive.bytes()).json("manifest.json")[0]["Layers"].clone();
    let layers = listed.as_array().unwrap()[..count].iter().map(|layer| layer.as_str().unwrap().to_owned());
    layers.fold(archive, |archive, layer| archive.without(&layer))
}

#[test]
fn layers_that_a_tarball_lists_and_lacks_are_taken_from_another_archive() {
    for shape in shapes() {
        for old_shape in Shape::ALL {
            let pair = format!("{shape:?}, {old_shape:?}");
            let whole = shape.save_one(&new());
            let shelf = Shelf::of([
                ("old.tar", old_shape.save_one(&old())),
                ("whole.tar", whole.clone()),
                ("up.tar", short(whole, 2)),
            ]);
            shelf.convert("up.tar --to oci").exits(3).says(["up.tar", "but missing", "--with"]);
            for line in ["up.tar --with old.tar", "up.tar old.tar --image ex.org/app:2"] {
                let made = judge::oci_images(&Archive::written(&shelf.converted(&format!("{line} --to oci"))));
                assert_eq!(made[0].id, new().id(), "B-42: {pair}: {line}");
            }
            let [back, whole] =
                ["up.tar --with old.tar", "whole.tar"].map(|line| shelf.converted(&format!("{line} --to rootfs")));
            assert!(back == whole, "{pair}");
            shelf.imgtar("verify up.tar --with old.tar").success();
            assert_eq!(shelf.imgtar("verify up.tar").run().code, 1, "{pair}");
            shelf.imgtar("cat up.tar lib --with old.tar").success();
        }
    }
}

#[test]
fn the_very_bytes_that_are_listed_come_before_others_of_the_layer() {
    let whole = Shape::Crane.save_one(&new());
    let shelf = Shelf::of([
        ("plain.tar", Shape::Docker20.save_one(&old())),
        ("same.tar", Shape::Crane.save_one(&old())),
        ("whole.tar", whole.clone()),
        ("up.tar", short(whole, 2)),
    ]);
    let expected = shelf.converted("whole.tar --to docker");
    for with in ["--with plain.tar --with same.tar", "--with same.tar --with plain.tar"] {
        assert!(shelf.converted(&format!("up.tar {with} --to docker")) == expected, "B-42: {with}");
    }
}

#[test]
fn tarballs_complete_one_another_and_what_is_taken_is_verified() {
    let newer = new().untagged().layer([file("more", "3")]).tag("ex.org/app:3");
    let shelf = Shelf::of([
        ("old.tar", Shape::Docker20.save_one(&old())),
        ("up.tar", short(Shape::Docker20.save_one(&new()), 2)),
        ("up3.tar", short(Shape::Crane.save_one(&newer), 3)),
    ]);
    for with in ["--with up.tar --with old.tar", "--with old.tar --with up.tar"] {
        let made = judge::oci_images(&Archive::written(&shelf.converted(&format!("up3.tar {with} --to oci"))));
        assert_eq!(made[0].id, newer.id(), "{with}");
    }
    shelf.convert("up3.tar --with old.tar --to oci").exits(3).says(["up3.tar", "but missing"]);
    let mut damaged = Shape::Docker20.save_one(&old());
    for member in &mut damaged.members {
        match &mut member.kind {
            Kind::File(bytes) if member.name.ends_with("/layer.tar") => {
                bytes.iter_mut().filter(|byte| **byte == b'=').for_each(|byte| *byte = b'!');
            }
            _ => {}
        }
    }
    shelf.0.write("damaged.tar", damaged.bytes());
    shelf.convert("up.tar --with damaged.tar --to oci").exits(3).says(["damaged.tar", &old().diff_ids()[0]]);
    assert_eq!(shelf.imgtar("verify up.tar --with damaged.tar").run().code, 1);
}

#[test]
fn what_stays_missing_is_missing_as_without_other_archives() {
    let other = TestImage::new().layer([file("x", "1")]).tag("ex.org/x:1");
    let shelf = Shelf::of([
        ("old.tar", Shape::Oci.save_one(&old())),
        ("other.tar", Shape::Oci.save_one(&other)),
        ("up.tar", short(Shape::Docker20.save(&[new(), other.clone()]), 3)),
    ]);
    let refused = shelf.convert("up.tar --with old.tar --to oci").exits(3);
    refused.says(["up.tar", "manifest.json", "but missing", "layer.tar"]);
    shelf.convert("up.tar --with old.tar --index keep --to oci").exits(3);
    let alone = shelf.converted("up.tar --with old.tar --image ex.org/x:1 --to oci");
    assert_eq!(judge::oci_images(&Archive::written(&alone))[0].id, other.id());
    let verified = shelf.imgtar("verify up.tar --with old.tar").run();
    assert!(verified.code == 1 && verified.text().contains("1 error"), "{}", verified.text());
    let whole = Shelf::of([
        ("old.tar", Shape::Docker20.save_one(&old())),
        ("up.tar", short(Shape::Docker20.save_one(&new()), 2)),
    ]);
    let facts: Value =
        serde_json::from_slice(&whole.imgtar("inspect --json up.tar --with old.tar").success().stdout).unwrap();
    assert_eq!(facts["images"][0]["needs"], Value::Null);
    assert_eq!(facts["loads"][0]["loads"], "no", "engines get it alone");
}
