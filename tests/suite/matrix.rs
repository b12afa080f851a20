//! Every writer's archive to every layered format: T-1, T-2, T-4 … T-9, T-13, T-17.

use crate::support::codec::Codec;
use crate::support::expect::{Target, assert_names, assert_same, convert, convert_path};
use crate::support::image::TestImage;
use crate::support::layer::{dir, file, hardlink, opaque, symlink, whiteout};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

/// Three layers of everything a layer can say, two names, a step without a layer.
fn image() -> TestImage {
    TestImage::new()
        .layer([dir("etc"), file("etc/os-release", "ID=demo\n"), symlink("etc/link", "os-release")])
        .layer([file("app", "binary"), hardlink("app2", "app"), whiteout("etc/link")])
        .metadata_step("CMD [\"/app\"]")
        .layer([dir("etc"), file("etc/only", "1"), opaque("etc")])
        .tag("example.com/team/demo:v1")
        .tag("demo:latest")
}

/// Converts the image as `shape` saves it to every target.
#[track_caller]
fn from(shape: Shape, image: &TestImage) {
    let tar = shape.save_one(image);
    for target in Target::ALL {
        let converted = convert(&tar, target, &[]);
        let [found] = converted.images.as_slice() else { panic!("{} images", converted.images.len()) };
        assert_same(found, &shape.stored(image), target);
        assert_names(found, image);
        if let Some(manifest) = shape.manifest(image).filter(|_| target.is_oci()) {
            assert_eq!(found.manifest.as_ref(), Some(&manifest), "{shape:?}: the manifest is kept byte for byte (M-4)");
        }
    }
}

#[test]
fn docker_save_of_docker_1_10_converts_to_all() {
    from(Shape::Docker111, &image());
}

#[test]
fn docker_save_of_docker_20_converts_to_all() {
    from(Shape::Docker20, &image());
}

#[test]
fn docker_save_of_docker_25_converts_to_all() {
    from(Shape::Docker25, &image());
}

#[test]
fn containerd_exports_convert_to_all() {
    from(Shape::Containerd, &image());
}

#[test]
fn skopeo_docker_archives_convert_to_all() {
    from(Shape::Skopeo, &image());
}

#[test]
fn crane_tarballs_convert_to_all() {
    from(Shape::Crane, &image());
    from(Shape::Crane, &image().all_stored(Codec::Plain));
    from(Shape::Crane, &image().all_stored(Codec::Zstd));
}

#[test]
fn crane_tarballs_with_xz_and_bzip2_layers_convert_to_all() {
    from(Shape::Crane, &image().stored(Codec::Xz));
    from(Shape::Crane, &image().stored(Codec::Bzip2));
}

#[test]
fn legacy_tarballs_of_crane_convert_to_all() {
    from(Shape::CraneLegacy, &image());
}

#[test]
fn jib_tarballs_convert_to_all() {
    from(Shape::Jib, &image());
}

#[test]
fn rules_oci_tarballs_convert_to_all() {
    from(Shape::RulesOci, &image());
}

#[test]
fn nix_tarballs_with_absolute_names_in_layers_convert_to_all() {
    from(Shape::Nix, &image().layer([dir("/nix"), file("/nix/store", "1")]));
}

#[test]
fn oci_layouts_convert_to_all() {
    from(Shape::Oci, &image());
}

#[test]
fn oci_layouts_with_plain_zstd_and_mixed_layers_convert_to_all() {
    from(Shape::Oci, &image().all_stored(Codec::Plain));
    from(Shape::Oci, &image().all_stored(Codec::Zstd));
    from(Shape::Oci, &image().stored(Codec::Zstd).layer([file("last", "1")]).stored(Codec::Plain));
}

#[test]
fn oci_layouts_with_docker_types_convert_to_all() {
    from(Shape::OciDockerTypes, &image());
}

#[test]
fn images_behind_an_index_with_attestations_convert_to_all() {
    from(Shape::OciNested, &image());
}

#[test]
fn layout_directories_convert_as_their_tar_does() {
    let scratch = Scratch::new();
    let tar = Shape::Oci.save_one(&image());
    tar.unpack(&scratch.path("layout"));
    for target in Target::ALL {
        let from_dir = convert_path(&scratch.path("layout"), target, &[]);
        let from_tar = convert(&tar, target, &[]);
        assert_eq!(from_dir.archive.members, from_tar.archive.members, "T-23: the same from directory and tar");
        assert_same(&from_dir.images[0], &image(), target);
    }
}

#[test]
fn a_repeated_layer_stays_repeated_in_order() {
    let repeated = || [file("again", "1")];
    let image = TestImage::new().layer(repeated()).layer([file("b", "1")]).layer(repeated()).tag("twice:1");
    for shape in [Shape::Docker111, Shape::Docker20, Shape::Skopeo, Shape::Crane, Shape::Oci, Shape::Containerd] {
        from(shape, &image);
    }
}

#[test]
fn a_repeated_layer_is_stored_once_in_a_docker_tarball() {
    let image = TestImage::new().layer([file("a", "1")]).layer([file("a", "1")]).tag("twice:1");
    let converted = convert(&Shape::Docker20.save_one(&image), Target::Docker, &[]);
    assert_eq!(converted.archive.names().len(), 3, "config, one layer, manifest.json: {:?}", converted.archive.names());
    assert_eq!(converted.images[0].layers[0].member, converted.images[0].layers[1].member);
}

#[test]
fn an_image_without_layers_converts_to_all() {
    for shape in [Shape::Docker20, Shape::Skopeo, Shape::Crane, Shape::Oci, Shape::Containerd] {
        from(shape, &TestImage::new().tag("empty:1"));
    }
}

#[test]
fn an_empty_layer_file_and_layers_of_zeros_are_layers() {
    let image = TestImage::new().layer_bytes([]).layer_bytes([0; 1024]).layer_bytes([0; 512]).tag("zeros:1");
    for shape in [Shape::Docker20, Shape::Nix, Shape::Crane, Shape::Oci, Shape::Docker25] {
        from(shape, &image);
        from(shape, &image.clone().all_stored(Codec::Plain));
    }
}

#[test]
fn a_layer_without_end_marker_keeps_its_diff_id() {
    let mut layer = crate::support::layer::layer_tar([file("a", "1")]);
    layer.truncate(1024);
    from(Shape::Docker20, &TestImage::new().layer_bytes(layer.clone()).tag("cut:1"));
    layer.extend(b"\0\0\0\0");
    from(Shape::Skopeo, &TestImage::new().layer_bytes(layer).tag("odd:1"));
}

#[test]
fn bytes_after_a_layers_end_marker_count_for_its_diff_id() {
    let mut layer = crate::support::layer::layer_tar([file("a", "1")]);
    layer.extend(vec![0; 8192]);
    layer.extend(b"after the end (M-12)");
    from(Shape::Docker20, &TestImage::new().layer_bytes(layer).tag("tail:1"));
}

#[test]
fn dot_slash_names_are_cleaned() {
    for shape in [Shape::Docker20, Shape::Crane, Shape::Oci, Shape::Containerd] {
        let tar = shape.save_one(&image()).renamed(|name| format!("./{name}"));
        let converted = convert(&tar, Target::Legacy, &[]);
        assert_same(&converted.images[0], &shape.stored(&image()), Target::Legacy);
    }
}

#[test]
fn dot_slash_names_inside_manifest_json_are_cleaned() {
    let tar = Shape::Crane.save_one(&image()).editing("manifest.json", |manifest| {
        let dotted = |name: &serde_json::Value| format!("./{}", name.as_str().unwrap()).into();
        manifest[0]["Config"] = dotted(&manifest[0]["Config"]);
        manifest[0]["Layers"].as_array_mut().unwrap().iter_mut().for_each(|name| *name = dotted(name));
    });
    assert_same(&convert(&tar, Target::Docker, &[]).images[0], &image(), Target::Docker);
}

#[test]
fn the_order_of_members_is_free() {
    for shape in [Shape::Docker20, Shape::Skopeo, Shape::Crane, Shape::Oci, Shape::Docker25] {
        let tar = shape.save_one(&image());
        for target in Target::ALL {
            let (straight, reversed) = (convert(&tar, target, &[]), convert(&tar.clone().reversed(), target, &[]));
            assert_eq!(straight.archive.members, reversed.archive.members, "{shape:?} to {}", target.flag());
        }
    }
}

#[test]
fn hard_linked_layers_are_read_and_never_written() {
    let tar = Shape::Nix.save_one(&image());
    let name = tar.name_ending("/layer.tar");
    let body = tar.body(&name).to_vec();
    let mut linked = Tarball::default().with("pool/first", body);
    linked.members.extend(tar.replacing(&name, Kind::Hardlink("pool/first".into())).members);
    for target in Target::ALL {
        assert_same(&convert(&linked, target, &[]).images[0], &Shape::Nix.stored(&image()), target);
    }
}

#[test]
fn unknown_members_are_ignored() {
    let tar = Shape::Docker20.save_one(&image()).with("README", "read me").with("sha256sums", "");
    let converted = convert(&tar, Target::Docker, &[]);
    assert!(!converted.archive.has("README"));
}

#[test]
fn every_outer_compression_gives_the_same_result() {
    for shape in [Shape::Docker20, Shape::Crane, Shape::Oci] {
        let tar = shape.save_one(&image());
        let plain = convert(&tar, Target::Oci, &[]);
        for codec in Codec::ALL {
            let scratch = Scratch::new();
            let packed = scratch.write("image.bin", tar.compressed(codec));
            assert_eq!(convert_path(&packed, Target::Oci, &[]).bytes, plain.bytes, "{shape:?} in {codec:?} (T-14)");
        }
    }
}
