//! O-13: what is an image is decided by what its config and layers hold, not by what they are called.

use serde_json::{Value, json};

use crate::support::codec::Codec;
use crate::support::digest;
use crate::support::expect::{Target, convert, refuse};
use crate::support::image::TestImage;
use crate::support::layer::{file, layer_tar};
use crate::support::layout::{Layout, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Types};
use crate::support::run::imgtar;
use crate::support::shape::Shape;
use crate::support::tarball::Tarball;

const NAME: &str = "acme/odd:1";
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// One config and one layer under these types; the config is that of an image with this layer.
struct Manifest<'a> {
    config_type: &'a str,
    layer_type: &'a str,
    layer: Vec<u8>,
    config: Option<Value>,
}

impl<'a> Manifest<'a> {
    fn new(config_type: &'a str, layer_type: &'a str, layer: impl Into<Vec<u8>>) -> Self {
        Self { config_type, layer_type, layer: layer.into(), config: None }
    }

    fn put(&self, layout: &mut Layout) -> Value {
        let rootfs = json!({"type": "layers", "diff_ids": [digest(&self.layer)]});
        let config = self.config.clone();
        let config = config.unwrap_or_else(|| json!({"architecture": "amd64", "os": "linux", "rootfs": rootfs}));
        let config = layout.blob(self.config_type, config.to_string());
        let layer = layout.blob(self.layer_type, self.layer.clone());
        layout.manifest(&json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]}))
    }

    fn alone(&self) -> Tarball {
        let mut layout = Layout::new();
        let manifest = self.put(&mut layout);
        layout.list_as(&manifest, &[NAME.to_owned()]);
        layout.tarball()
    }
}

fn tar() -> Vec<u8> {
    layer_tar([file("etc/hostname", "odd\n")])
}

#[test]
fn an_image_is_one_whatever_its_config_is_called() {
    for config_type in [OCI_CONFIG, "application/octet-stream", "text/html", "text/plain; charset=utf-8", "x", ""] {
        for layer_type in [OCI_LAYER, "application/vnd.docker.image.rootfs.diff.tar.gzip", "application/x-gtar", ""] {
            let archive = Manifest::new(config_type, layer_type, tar()).alone();
            for target in Target::ALL {
                let converted = convert(&archive, target, &[]);
                assert_eq!(converted.images.len(), 1, "{config_type} {layer_type} to {target:?}");
            }
            let listed = imgtar(["ls", "-"]).stdin(archive.bytes()).success().text();
            assert!(listed.contains("etc/hostname"), "{config_type} {layer_type}");
        }
    }
}

#[test]
fn layers_that_are_no_tar_make_an_artifact_whatever_the_config_says() {
    let json = br#"{"critical":{"type":"cosign container image signature"}}"#;
    for (layer_type, layer) in [
        (SIMPLE_SIGNING, json.to_vec()),
        ("application/vnd.dsse.envelope.v1+json", Codec::Gzip.encode(json)),
        ("application/vnd.oci.image.layer.nydus.blob.v1", vec![0xe2; 4096]),
        ("application/vnd.wasm.content.layer.v1+wasm", b"\0asm\x01\0\0\0".to_vec()),
        ("application/vnd.erofs.layer.v1", Codec::Zstd.encode(&[0x5a; 4096])),
    ] {
        let odd = Manifest::new(OCI_CONFIG, layer_type, layer);
        let alone = odd.alone();
        for target in [Target::Legacy, Target::Docker] {
            refuse(&alone.bytes(), target, &[], 4).says([
                "an artifact: layer 0",
                layer_type,
                "there is no image in it",
            ]);
        }
        imgtar(["ls", "-"]).stdin(alone.bytes()).exits(4).says([layer_type, NAME]);
        imgtar(["verify", "-"]).stdin(alone.bytes()).success();

        let mut layout = Layout::new();
        let image = TestImage::demo("app:1");
        let good = layout.image(&image, Types::Oci);
        layout.list_as(&good, &["app:1".to_owned()]);
        let carried = odd.put(&mut layout);
        layout.list_as(&carried, &[NAME.to_owned()]);
        for target in Target::ALL {
            let converted = convert(&layout.tarball(), target, &[]);
            assert_eq!(converted.images.len(), 1, "{layer_type} to {target:?}");
            if target.is_oci() {
                let index = converted.archive.json("index.json");
                assert_eq!(index["manifests"][1]["digest"], carried["digest"], "carried as it is");
            } else {
                converted.outcome.says([layer_type, "left out"]);
            }
        }
    }
}

/// What `oras` before 1.0 made of a file, and of one with a config that old registries take.
#[test]
fn a_file_that_is_called_a_layer_is_an_artifact_where_the_config_lists_none() {
    for config in ["", "{}", r#"{"os":"linux","architecture":"amd64"}"#, r#"{"rootfs":{"diff_ids":[]}}"#] {
        let mut layout = Layout::new();
        let file = layout.blob(OCI_LAYER, "a text".repeat(200));
        let config = layout.blob(OCI_CONFIG, config);
        let pushed = layout
            .manifest(&json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [file]}));
        layout.list_as(&pushed, &[NAME.to_owned()]);
        refuse(&layout.tarball().bytes(), Target::Docker, &[], 4).says(["an artifact: layer 0", OCI_LAYER]);
        let image = layout.image(&TestImage::demo("app:1"), Types::Oci);
        layout.list_as(&image, &["app:1".to_owned()]);
        for target in Target::ALL {
            assert_eq!(convert(&layout.tarball(), target, &[]).images.len(), 1, "{config} to {target:?}");
        }
        imgtar(["verify", "-"]).stdin(layout.tarball().bytes()).success();
    }
}

#[test]
fn a_config_that_is_no_images_makes_an_artifact_whatever_the_layers_are() {
    let chart = json!({"name": "chart", "version": "1", "apiVersion": "v2"});
    let plugin = json!({"rootfs": {"type": "layers", "diff_ids": [digest(&tar())]}, "entrypoint": ["/p"]});
    let too_few = json!({"rootfs": {"type": "layers", "diff_ids": []}, "os": "linux"});
    for (config_type, config, kind) in [
        ("application/vnd.cncf.helm.config.v1+json", chart, "application/vnd.cncf.helm.config.v1+json"),
        ("application/vnd.docker.plugin.v1+json", plugin, "application/vnd.docker.plugin.v1+json"),
        ("application/octet-stream", too_few, "application/octet-stream"),
        ("application/vnd.oci.empty.v1+json", json!({}), "application/vnd.example.data"),
        ("application/octet-stream", json!("text"), "application/octet-stream"),
    ] {
        let config = Some(config);
        let archive = Manifest { config, ..Manifest::new(config_type, "application/vnd.example.data", tar()) }.alone();
        refuse(&archive.bytes(), Target::Docker, &[], 4).says([kind, "there is no image in it"]);
        let converted = convert(&archive, Target::Oci, &[]);
        assert_eq!(converted.images.len(), 0, "{config_type}");
    }
}

#[test]
fn what_is_called_a_layer_and_is_no_tar_is_refused() {
    let image = TestImage::demo("app:1").layer_bytes("no tar at all");
    for shape in [Shape::Docker20, Shape::Crane, Shape::Skopeo, Shape::Oci, Shape::Containerd] {
        for target in Target::ALL {
            refuse(&shape.save_one(&image).bytes(), target, &[], 3).says(["the layer is not a tar"]);
        }
    }
}

#[test]
fn what_a_hybrid_lists_for_docker_and_is_no_image_is_passed_over() {
    let signature = Manifest::new(OCI_CONFIG, SIMPLE_SIGNING, "{}");
    let mut layout = Layout::new();
    let image = layout.image(&TestImage::demo("app:1"), Types::Oci);
    layout.list_as(&image, &["app:1".to_owned()]);
    let listed = signature.put(&mut layout);
    layout.list_as(&listed, &[NAME.to_owned()]);
    let manifest: Value = serde_json::from_slice(&layout.bytes_of(&listed)).unwrap();
    let place = |descriptor: &Value| format!("blobs/{}", descriptor["digest"].as_str().unwrap().replace(':', "/"));
    let item = json!([{
        "Config": place(&manifest["config"]), "RepoTags": [NAME], "Layers": [place(&manifest["layers"][0])],
    }]);
    let archive = layout.tarball().with("manifest.json", item.to_string());
    for target in Target::ALL {
        assert_eq!(convert(&archive, target, &[]).images.len(), 1, "{target:?}");
    }
}

/// O-2: `index.json` is the work of several tools, and one may have written an entry that no reader understands.
#[test]
fn an_entry_that_is_no_descriptor_takes_no_other_with_it() {
    let mut layout = Layout::new();
    let good = layout.image(&TestImage::demo("app:1"), Types::Oci);
    layout.list_as(&good, &["app:1".to_owned()]);
    let archive = layout.tarball();
    let digest = good["digest"].as_str().unwrap();
    for bad in [
        json!(null),
        json!("text"),
        json!({"mediaType": OCI_MANIFEST, "size": 3}),
        json!({"mediaType": OCI_MANIFEST, "size": 3, "digest": 5}),
        json!({"mediaType": OCI_MANIFEST, "size": 3, "digest": digest.to_ascii_uppercase()}),
        json!({"mediaType": OCI_MANIFEST, "size": -1, "digest": digest}),
        json!({"mediaType": OCI_MANIFEST, "size": "3", "digest": digest}),
        json!({"mediaType": OCI_MANIFEST, "size": 3, "digest": digest, "annotations": ["a"]}),
        json!({"mediaType": OCI_MANIFEST, "size": 3, "digest": digest, "platform": "linux/amd64"}),
    ] {
        for place in [0, 1] {
            let insert = |json: &mut Value| json["manifests"].as_array_mut().unwrap().insert(place, bad.clone());
            let archive = archive.clone().editing("index.json", insert);
            for target in Target::ALL {
                assert_eq!(convert(&archive, target, &["--image", "app:1"]).images.len(), 1, "{bad} to {target:?}");
                refuse(&archive.bytes(), target, &[], 3).says([&*format!("index.json: manifests[{place}]")]);
            }
            let seen = imgtar(["inspect", "-"]).stdin(archive.bytes()).success().text();
            let place = format!("manifests[{place}]");
            for told in ["app:1", &place, "an entry of index.json cannot be read"] {
                assert!(seen.contains(told), "{told}: {seen}");
            }
            imgtar(["ls", "-"]).stdin(archive.bytes()).exits(3).says(["an entry that cannot be read"]);
            assert_eq!(imgtar(["verify", "-"]).stdin(archive.bytes()).run().code, 1, "{bad}");
        }
    }
}

#[test]
fn an_image_without_layers_needs_no_rootfs() {
    for rootfs in [json!(null), json!({}), json!({"type": "layers"}), json!({"diff_ids": []})] {
        let config = json!({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).to_string();
        let image = TestImage::new().tag("empty:1").raw_config(&config);
        for shape in [Shape::Oci, Shape::Docker20, Shape::Crane] {
            for target in Target::ALL {
                let converted = convert(&shape.save_one(&image), target, &[]);
                assert_eq!(converted.images.len(), 1, "{rootfs} {shape:?} to {target:?}");
            }
        }
    }
}
