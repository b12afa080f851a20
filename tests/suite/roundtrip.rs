//! There and back: what must survive every chain of layered formats (T-24, M-2, M-4, M-5).

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::codec::Codec;
use crate::support::expect::{Converted, Target, assert_names, convert, convert_path};
use crate::support::image::TestImage;
use crate::support::layer::{file, whiteout};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::Tarball;

fn image() -> TestImage {
    TestImage::demo("example.com/demo:v1").layer([whiteout("app"), file("z", "z")]).tag("demo:1")
}

/// Converts through every target in turn.
#[track_caller]
fn through(source: &Tarball, targets: &[Target]) -> Converted {
    let scratch = Scratch::new();
    let mut path = scratch.write("in", source.bytes());
    let (last, before) = targets.split_last().expect("a target");
    for target in before {
        path = hop(&path, *target);
    }
    convert_path(&path, *last, &[])
}

#[test]
fn every_chain_of_three_keeps_config_diff_ids_and_names() {
    let scratch = Scratch::new();
    let source = scratch.write("oci", Shape::Oci.save_one(&image()).bytes());
    for first in Target::ALL {
        let one = hop(&source, first);
        for second in Target::ALL {
            let two = hop(&one, second);
            for third in Target::ALL {
                let converted = convert_path(&two, third, &[]);
                let chain = two.display();
                let [found] = converted.images.as_slice() else { panic!("{chain}: {} images", converted.images.len()) };
                assert_eq!(found.config, image().config(), "{chain} {third:?}");
                assert_eq!(found.diff_ids(), image().diff_ids(), "{chain} {third:?}");
                assert_names(found, &image());
            }
        }
    }
}

/// Converts what lies at `path` into its neighbour, whose name says the whole way.
fn hop(path: &Path, target: Target) -> PathBuf {
    let next = PathBuf::from(format!("{}-{}", path.display(), target.flag()));
    imgtar(["convert", "--to", target.flag(), "-o"]).arg(&next).arg(path).success();
    next
}

#[test]
fn a_layout_keeps_its_manifest_through_tar_and_directory() {
    for shape in [Shape::Oci, Shape::OciDockerTypes, Shape::Containerd, Shape::OciNested] {
        let converted = through(&shape.save_one(&image()), &[Target::Oci, Target::OciDir, Target::Oci]);
        assert_eq!(converted.images[0].manifest, shape.manifest(&image()), "{shape:?}");
    }
}

#[test]
fn gzip_layers_keep_their_digests_through_a_docker_tarball() {
    let converted = through(&Shape::Oci.save_one(&image()), &[Target::Docker, Target::OciDir]);
    assert_eq!(converted.images[0].layer_digests(), image().layer_digests());
}

#[test]
fn a_conversion_to_the_same_format_is_a_fixed_point() {
    for target in [Target::Legacy, Target::Docker, Target::Oci] {
        for shape in [Shape::Docker20, Shape::Crane, Shape::Oci] {
            let scratch = Scratch::new();
            let once = hop(&scratch.write("in", shape.save_one(&image()).bytes()), target);
            let twice = hop(&once, target);
            let [once, twice, thrice] = [&once, &twice, &hop(&twice, target)].map(|path| fs::read(path).unwrap());
            assert!(twice == thrice, "{shape:?} to {}", target.flag());
            // v1 ids come from listed digests, of which a legacy archive has none (L-11).
            assert!(target == Target::Legacy || once == twice, "{shape:?} to {}", target.flag());
        }
    }
}

#[test]
fn v1_ids_come_from_the_layers_listed_digests() {
    let ids = crate::support::docker::v1_ids(&image().layer_digests(), &image().config());
    for shape in [Shape::Oci, Shape::Containerd, Shape::Crane] {
        let converted = convert(&shape.save_one(&image()), Target::Legacy, &[]);
        let names = converted.archive.names();
        assert!(ids.iter().all(|id| names.contains(&format!("{id}/json").as_str())), "{shape:?}, L-11: {names:#?}");
    }
}

#[test]
fn plain_layers_of_docker_save_stay_plain_in_a_layout() {
    let converted = through(&Shape::Docker20.save_one(&image()), &[Target::OciDir, Target::Oci]);
    assert!(converted.images[0].layers.iter().all(|layer| layer.codec == Codec::Plain));
}

#[test]
fn a_synthesised_manifest_is_oci_typed_and_canonical() {
    let converted = convert(&Shape::Crane.save_one(&image()), Target::Oci, &[]);
    let bytes = converted.images[0].manifest.clone().unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(manifest.to_string().as_bytes(), bytes, "compact, no newline (M-6)");
    let keys: Vec<_> = manifest.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["schemaVersion", "mediaType", "config", "layers"]);
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    for descriptor in manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]) {
        let keys: Vec<_> = descriptor.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["mediaType", "digest", "size"]);
    }
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
}
