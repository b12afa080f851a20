//! There and back: what must survive every chain of layered formats (T-24, M-2, M-4, M-5).

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
    let mut path = scratch.write("0", source.bytes());
    for (nth, target) in targets.iter().enumerate().take(targets.len() - 1) {
        let next = scratch.path(&(nth + 1).to_string());
        imgtar(["convert", "--to", target.flag(), "-o"]).arg(&next).arg(&path).success();
        path = next;
    }
    convert_path(&path, *targets.last().expect("a target"), &[])
}

#[test]
fn every_chain_of_three_keeps_config_diff_ids_and_names() {
    for first in Target::ALL {
        for second in Target::ALL {
            for third in Target::ALL {
                let converted = through(&Shape::Oci.save_one(&image()), &[first, second, third]);
                let [found] = converted.images.as_slice() else { panic!("{} images", converted.images.len()) };
                assert_eq!(found.config, image().config(), "{first:?} {second:?} {third:?}");
                assert_eq!(found.diff_ids(), image().diff_ids(), "{first:?} {second:?} {third:?}");
                assert_names(found, &image());
            }
        }
    }
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
            let once = through(&shape.save_one(&image()), &[target]);
            let twice = through(&shape.save_one(&image()), &[target, target]);
            let thrice = through(&shape.save_one(&image()), &[target, target, target]);
            assert_eq!(twice.bytes, thrice.bytes, "{shape:?} to {}", target.flag());
            assert!(target == Target::Legacy || once.bytes == twice.bytes, "{shape:?} to {}", target.flag());
        }
    }
}

#[test]
fn v1_ids_come_from_the_layers_listed_digests() {
    let ids = crate::support::docker::v1_ids(&image().layer_digests(), &image().config());
    let converted = convert(&Shape::Oci.save_one(&image()), Target::Legacy, &[]);
    for id in ids {
        assert!(converted.archive.has(&format!("{id}/json")), "L-10, L-11: {:#?}", converted.archive.names());
    }
}

#[test]
fn the_report_says_what_was_preserved() {
    let gzip = Shape::Oci.save_one(&image());
    convert(&gzip, Target::Oci, &["-v"]).outcome.says(["preserved: manifest"]);
    convert(&gzip, Target::Docker, &["-v"]).outcome.says(["preserved: layers"]);
    convert(&gzip, Target::Legacy, &["-v"]).outcome.says(["preserved: config"]);
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
