//! Foreign layers: the media type decides, `urls` are carried and never followed (T-12, M-8 … M-10, L-20 … L-23).

use serde_json::{Value, json};

use crate::support::codec::Codec;
use crate::support::docker::foreign_sources;
use crate::support::expect::{Converted, Target, assert_same, convert, refuse};
use crate::support::image::TestImage;
use crate::support::layer::file;
use crate::support::layout::{Layout, OCI_CONFIG, OCI_MANIFEST, Types, blob_path};
use crate::support::run::imgtar;
use crate::support::shape::Shape;
use crate::support::tarball::Tarball;

/// Nobody listens there: a run that fetched would fail.
const URL: &str = "https://192.0.2.1/layer.tar.gz";
const OCI_FOREIGN_PLAIN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
const OCI_FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";

/// A Windows image: a foreign base, a layer of its own.
fn image() -> TestImage {
    let base = TestImage::new().platform("windows/amd64").layer([file("Files/base", "1")]).foreign(URL);
    base.layer([file("Files/app", "1")]).tag("win:1")
}

fn foreign_blob() -> String {
    image().layer_digests()[0].clone()
}

/// A layout without the foreign bytes, as registries hand it out.
fn absent_in_layout() -> Tarball {
    let mut layout = Layout::new();
    let descriptor = layout.image(&image(), Types::Oci);
    layout.drop_blob(&json!({"digest": foreign_blob()}));
    layout.list_as(&descriptor, &image().tags);
    layout.tarball()
}

/// `docker save` of Docker ≤ 24: the layer's plain tar, LayerSources naming the compressed blob (L-22).
fn present_raw() -> Tarball {
    let sources = foreign_sources(&image()).unwrap();
    Shape::Docker20.save_one(&image()).editing("manifest.json", |json| json[0]["LayerSources"] = sources)
}

/// The same, and the layer is not there.
fn absent_in_docker() -> Tarball {
    let tar = present_raw();
    let manifest: Value = serde_json::from_slice(tar.body("manifest.json")).unwrap();
    tar.without(manifest[0]["Layers"][0].as_str().unwrap())
}

fn layer_descriptor(converted: &Converted) -> &Value {
    converted.images[0].layers[0].descriptor.as_ref().expect("a descriptor")
}

#[test]
fn a_foreign_layer_that_is_there_keeps_its_source_in_docker_archives() {
    for tar in [Shape::Oci.save_one(&image()), Shape::Crane.save_one(&image()), present_raw()] {
        for target in [Target::Legacy, Target::Docker] {
            let converted = convert(&tar, target, &[]);
            let source = layer_descriptor(&converted);
            let keys: Vec<_> = source.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(keys, ["mediaType", "size", "digest", "urls"], "M-13");
            assert_eq!(source["mediaType"], "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "M-8");
            assert_eq!((&source["digest"], &source["urls"]), (&json!(foreign_blob()), &json!([URL])));
            assert!(converted.images[0].layers[0].plain.is_some(), "the bytes are there, too");
        }
    }
}

#[test]
fn sources_keyed_by_the_layers_digest_are_understood() {
    let tar = Shape::Crane.save_one(&image()).editing("manifest.json", |json| {
        let source = json[0]["LayerSources"][&image().diff_ids()[0]].take();
        json[0]["LayerSources"] = json!({foreign_blob(): source});
    });
    let converted = convert(&tar, Target::OciDir, &[]);
    assert_eq!(*layer_descriptor(&converted), foreign_descriptor(), "L-20: as regclient writes it");
}

#[test]
fn a_foreign_layer_in_a_layout_stays_as_it_is() {
    for (tar, there) in [(Shape::Oci.save_one(&image()), true), (absent_in_layout(), false)] {
        for target in [Target::Oci, Target::OciDir] {
            let converted = convert(&tar, target, &[]);
            assert_eq!(converted.images[0].manifest, Shape::Oci.manifest(&image()));
            assert_eq!(converted.archive.has(&blob_path(&foreign_blob())), there);
        }
    }
}

#[test]
fn the_blob_goes_into_a_layout_when_the_bytes_are_the_promised_ones() {
    let converted = convert(&Shape::Crane.save_one(&image()), Target::OciDir, &[]);
    assert_eq!(*layer_descriptor(&converted), foreign_descriptor());
    assert!(converted.archive.has(&blob_path(&foreign_blob())));
}

#[test]
fn the_blob_is_left_out_of_a_layout_and_said_so_when_only_the_plain_tar_is_there() {
    let converted = convert(&present_raw(), Target::OciDir, &[]);
    assert_eq!(*layer_descriptor(&converted), foreign_descriptor(), "L-22, M-8");
    assert!(!converted.archive.has(&blob_path(&foreign_blob())));
    converted.outcome.says([&foreign_blob()[..19]]);
}

fn foreign_descriptor() -> Value {
    let size = image().layers[0].blob().len();
    json!({"mediaType": OCI_FOREIGN, "digest": foreign_blob(), "size": size, "urls": [URL]})
}

#[test]
fn a_foreign_layer_can_be_embedded_as_an_ordinary_one() {
    for tar in [present_raw(), Shape::Crane.save_one(&image()), Shape::Oci.save_one(&image())] {
        let converted = convert(&tar, Target::Oci, &["--embed-foreign"]);
        let descriptor = layer_descriptor(&converted);
        assert!(!descriptor.to_string().contains("nondistributable"), "{descriptor}");
        assert_eq!(descriptor.get("urls"), None, "M-8");
        assert_eq!(converted.images[0].diff_ids(), image().diff_ids());
    }
}

#[test]
fn an_absent_foreign_layer_is_legal_only_in_a_layout() {
    for tar in [absent_in_layout(), absent_in_docker()] {
        for target in [Target::Legacy, Target::Docker] {
            refuse(&tar.bytes(), target, &[], 4).says(["--allow-missing-foreign"]);
        }
    }
    let converted = convert(&absent_in_docker(), Target::OciDir, &[]);
    assert_eq!(*layer_descriptor(&converted), foreign_descriptor(), "L-23");
}

#[test]
fn an_absent_foreign_layer_can_be_allowed() {
    for tar in [absent_in_layout(), absent_in_docker()] {
        let scratch = crate::support::scratch::Scratch::new();
        let input = scratch.write("in.tar", tar.bytes());
        let run = crate::support::run::imgtar(["convert", "--to", "docker", "--allow-missing-foreign"]).arg(input);
        let archive = crate::support::archive::Archive::written(&run.success().stdout);
        let images = crate::support::judge::docker_images(&archive);
        assert_eq!(images[0].layers[0].plain, None);
        assert_eq!(images[0].diff_ids(), image().diff_ids(), "M-8: the diff_id is the config's");
    }
}

#[test]
fn an_absent_ordinary_layer_is_an_error_whatever_is_allowed() {
    let tar = Shape::Crane.save_one(&TestImage::demo("app:1"));
    let layer = tar.name_ending(".tar.gz");
    refuse(&tar.without(&layer).bytes(), Target::Docker, &["--allow-missing-foreign"], 3)
        .says([&layer, "manifest.json"]);
    let mut layout = Layout::new();
    let descriptor = layout.image(&TestImage::demo("app:1"), Types::Oci);
    // An increment could have left out the lowest layer (B-15).
    let top = TestImage::demo("app:1").layer_digests().pop().unwrap();
    layout.drop_blob(&json!({"digest": top}));
    layout.list_as(&descriptor, &["app:1".into()]);
    let blob = blob_path(&top);
    refuse(&layout.tarball().bytes(), Target::Docker, &["--allow-missing-foreign"], 3).says([&blob]);
}

#[test]
fn urls_do_not_make_a_layer_foreign() {
    let mut layout = Layout::new();
    let image = TestImage::demo("app:1");
    let descriptor = layout.image(&image, Types::Oci);
    let mut manifest: Value = serde_json::from_slice(&layout.bytes_of(&descriptor)).unwrap();
    manifest["layers"][0]["urls"] = json!([URL]);
    let descriptor = layout.manifest(&manifest);
    layout.list_as(&descriptor, &image.tags);
    let converted = convert(&layout.tarball(), Target::Docker, &[]);
    assert_eq!(converted.archive.json("manifest.json")[0].get("LayerSources"), None, "M-10");
    assert_same(&converted.images[0], &image, Target::Docker);
}

#[test]
fn a_false_digest_of_a_foreign_source_is_found() {
    let tar = Shape::Crane.save_one(&image().stored(Codec::Gzip)).editing("manifest.json", |json| {
        for source in json[0]["LayerSources"].as_object_mut().unwrap().values_mut() {
            source["digest"] = json!(format!("sha256:{}", "3".repeat(64)));
        }
    });
    let converted = convert(&tar, Target::OciDir, &[]);
    assert!(!converted.archive.has(&format!("blobs/sha256/{}", "3".repeat(64))), "M-8: iff the bytes hash to it");
}

#[test]
fn a_foreign_blob_that_another_image_is_recoded_to_is_stored_once() {
    let layer = || TestImage::new().layer([file("Files/base", "1")]);
    for (theirs, ours, flag) in [(Codec::Plain, Codec::Gzip, "none"), (Codec::Gzip, Codec::Plain, "gzip")] {
        let recoded = layer().stored(ours).tag("app:1");
        let flags = ["--compress", flag];
        let made = convert(&Shape::Oci.save_one(&recoded), Target::Oci, &flags);
        let digest = &made.images[0].layers[0].digest;

        let mut layout = Layout::new();
        let media_type = format!("{OCI_FOREIGN_PLAIN}{}", theirs.oci_suffix());
        let foreign = layout.blob(&media_type, made.archive.body(&blob_path(digest)));
        let config = layout.blob(OCI_CONFIG, layer().key("author", json!("somebody else")).config());
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [foreign]});
        let manifest = layout.manifest(&manifest);
        layout.list_as(&manifest, &["win:1".to_owned()]);
        let manifest = layout.image(&recoded, Types::Oci);
        layout.list_as(&manifest, &recoded.tags);

        let tar = layout.tarball();
        let converted = convert(&tar, Target::Oci, &flags);
        assert!(converted.images.iter().all(|image| image.layers[0].digest == *digest));
        let piped = imgtar(["convert", "--to", "oci"]).args(flags).stdin(tar.bytes()).success();
        assert!(piped.stdout == converted.bytes, "the same bytes in a stream");
    }
}
