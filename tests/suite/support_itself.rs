//! The support code judged: every shape must hold, by its own archive, the images it was given.

use crate::support::archive::Archive;
use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::judge::{Judged, docker_images, oci_images};
use crate::support::layer::{dir, file, symlink};
use crate::support::name::full;
use crate::support::order;
use crate::support::shape::Shape;

fn image() -> TestImage {
    TestImage::new()
        .layer([dir("etc"), file("etc/os-release", "ID=demo\n"), symlink("etc/link", "os-release")])
        .metadata_step("ENV A=1")
        .layer([file("app", "1")])
        .tag("example.com/demo:v1")
        .tag("demo:latest")
}

const DOCKER: [Shape; 10] = [
    Shape::Docker111,
    Shape::Docker20,
    Shape::Docker25,
    Shape::Containerd,
    Shape::Skopeo,
    Shape::Crane,
    Shape::CraneLegacy,
    Shape::Jib,
    Shape::RulesOci,
    Shape::Nix,
];
const OCI: [Shape; 5] = [Shape::Docker25, Shape::Containerd, Shape::Oci, Shape::OciDockerTypes, Shape::OciNested];

fn assert_is(found: &[Judged], image: &TestImage, shape: Shape) {
    let [found] = found else { panic!("{shape:?}: {} images", found.len()) };
    assert_eq!(found.config, image.config(), "{shape:?}");
    assert_eq!(found.layer_digests(), shape.stored(image).layer_digests(), "{shape:?}");
    let mut names: Vec<_> = image.tags.iter().map(|name| full(name)).collect();
    names.sort();
    assert_eq!(found.names, names, "{shape:?}");
}

#[test]
fn every_docker_shape_holds_its_image() {
    for shape in DOCKER {
        let archive = Archive::open(&shape.save_one(&image()).bytes());
        assert_is(&docker_images(&archive), &image(), shape);
    }
}

#[test]
fn every_oci_shape_holds_its_image_and_its_manifest() {
    for shape in OCI {
        let archive = Archive::open(&shape.save_one(&image()).bytes());
        let found = oci_images(&archive);
        assert_is(&found, &image(), shape);
        assert_eq!(found[0].manifest, shape.manifest(&image()), "{shape:?}");
    }
}

#[test]
fn mixed_compression_and_outer_compression_read_back() {
    let image = TestImage::new()
        .layer([file("a", "1")])
        .layer([file("b", "1")])
        .stored(Codec::Zstd)
        .layer([file("c", "1")])
        .stored(Codec::Plain);
    for codec in Codec::ALL {
        let archive = Archive::open(&Shape::Crane.save_one(&image).compressed(codec));
        assert_is(&docker_images(&archive), &image, Shape::Crane);
    }
}

#[test]
#[should_panic(expected = "the layer is what the config promises")]
fn a_false_layer_is_found_out() {
    let tar = Shape::Nix.save_one(&image());
    let name = tar.name_ending("/layer.tar");
    let tar = tar.replacing(&name, crate::support::tarball::Kind::File(b"false".to_vec()));
    docker_images(&Archive::open(&tar.bytes()));
}

#[test]
#[should_panic(expected = "the header is not USTAR")]
fn foreign_headers_are_found_out() {
    Archive::written(&Shape::Nix.save_one(&image()).bytes());
}

#[test]
fn the_layout_of_each_target_is_recognised() {
    let image = image();
    order::legacy(&Archive::open(&Shape::CraneLegacy.save_one(&image).bytes()));
    let mut crane = Shape::Crane.save_one(&image);
    crane.members.remove(0);
    order::docker(&Archive::open(&crane.bytes()));
    order::oci_dir(&Archive::open(&Shape::Oci.save_one(&image).bytes()));
}

#[test]
#[should_panic(expected = "names the link")]
fn a_link_named_by_layers_is_found_out() {
    let twice = TestImage::new().layer([file("a", "1")]).layer([file("a", "1")]);
    let archive = Archive::open(&Shape::Docker20.save_one(&twice).bytes());
    order::layers_are_stored_once(&archive, &docker_images(&archive));
}

#[test]
#[should_panic(expected = "metadata last")]
fn metadata_before_blobs_is_found_out() {
    order::oci(&Archive::open(&Shape::Oci.save_one(&image()).with("blobs/sha256/x", "").bytes()));
}
