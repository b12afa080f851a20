//! OCI output: what is carried along, what is written beside, what is merged (O-2 … O-9, O-14, O-19, O-23 … O-30).

use serde_json::{Value, json};

use crate::support::archive::Archive;
use crate::support::codec::Codec;
use crate::support::expect::{Target, assert_names, assert_same, convert, refuse};
use crate::support::image::TestImage;
use crate::support::judge::docker_images;
use crate::support::layer::file;
use crate::support::layout::{Layout, OCI_MANIFEST, Types, blob_path};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

const OCI: [Target; 2] = [Target::Oci, Target::OciDir];

fn image() -> TestImage {
    TestImage::demo("app:1")
}

fn path(descriptor: &Value) -> String {
    blob_path(descriptor["digest"].as_str().unwrap())
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The image, its manifest edited.
fn edited(edit: impl Fn(&mut Value)) -> (Layout, Value) {
    let mut layout = Layout::new();
    let descriptor = layout.image(&image(), Types::Oci);
    let mut manifest: Value = serde_json::from_slice(&layout.bytes_of(&descriptor)).unwrap();
    edit(&mut manifest);
    let mut fresh = Layout::new();
    fresh.image(&image(), Types::Oci);
    fresh.drop_blob(&descriptor);
    let descriptor = fresh.manifest(&manifest);
    fresh.list_as(&descriptor, &image().tags);
    (fresh, descriptor)
}

#[test]
fn manifest_json_stands_beside_the_layout_in_a_tar_unless_unwanted() {
    for shape in [Shape::Oci, Shape::Docker20, Shape::Containerd] {
        let with = convert(&shape.save_one(&image()), Target::Oci, &[]);
        let [found] = docker_images(&with.archive).try_into().expect("one image");
        assert_names(&found, &image());
        let without = convert(&shape.save_one(&image()), Target::Oci, &["--no-docker-manifest"]);
        assert!(!without.archive.has("manifest.json"), "O-28");
        let dir = convert(&shape.save_one(&image()), Target::OciDir, &[]);
        assert!(!dir.archive.has("manifest.json"), "O-28");
    }
}

#[test]
fn manifest_json_lists_only_what_docker_can_load() {
    let mut layout = Layout::sha512();
    let descriptor = layout.image(&image(), Types::Oci);
    layout.list_as(&descriptor, &image().tags);
    let converted = convert(&layout.tarball(), Target::Oci, &[]);
    assert!(!converted.archive.has("manifest.json"), "O-28: no image qualifies");
    converted.outcome.says(["warning", "manifest.json"]);
}

#[test]
fn blobs_named_by_sha512_stay_so_in_a_layout_and_work_everywhere_else() {
    let mut layout = Layout::sha512();
    let descriptor = layout.image(&image(), Types::Oci);
    layout.list_as(&descriptor, &image().tags);
    for target in OCI {
        let converted = convert(&layout.tarball(), target, &[]);
        assert_eq!(converted.images[0].manifest, Some(layout.bytes_of(&descriptor)), "O-5");
        assert!(converted.archive.has("blobs/sha512/"));
    }
    for target in [Target::Legacy, Target::Docker] {
        assert_same(&convert(&layout.tarball(), target, &[]).images[0], &image(), target);
    }
}

#[test]
fn a_false_sha512_is_found() {
    let mut layout = Layout::sha512();
    let descriptor = layout.image(&image(), Types::Oci);
    layout.list_as(&descriptor, &image().tags);
    let layer = blob_path(&crate::support::digest512(&image().layers[0].blob()));
    let tar = layout.tarball().replacing(&layer, Kind::File(vec![0; image().layers[0].blob().len()]));
    for target in Target::ALL {
        refuse(&tar.bytes(), target, &[], 3).says(["sha512:"]);
    }
}

#[test]
fn a_digest_that_cannot_be_computed_is_carried_and_said_to_be_unverified() {
    let digest = format!("blake3:{}", "b".repeat(64));
    let mut layout = Layout::new();
    let descriptor = layout.image(&image(), Types::Oci);
    layout.list_as(&descriptor, &image().tags);
    layout.list(&json!({"mediaType": "application/vnd.example", "digest": digest, "size": 4}));
    let tar = layout.tarball().with(&blob_path(&digest), "blob");
    for target in OCI {
        let converted = convert(&tar, target, &[]);
        assert_eq!(converted.archive.body(&blob_path(&digest)), b"blob");
        converted.outcome.says(["warning", "not verified"]);
        refuse(&tar.bytes(), target, &["--strict"], 3).says(["not verified"]);
    }
}

#[test]
fn unknown_descriptors_and_artifacts_are_carried_along() {
    let mut layout = Layout::new();
    let descriptor = layout.image(&image(), Types::Oci);
    let artifact = layout.artifact(&descriptor);
    let unknown = layout.blob("application/vnd.example.anything", "anything");
    layout.list_as(&descriptor, &image().tags);
    layout.list(&artifact);
    layout.list(&unknown);
    for target in OCI {
        let converted = convert(&layout.tarball(), target, &[]);
        for kept in [&descriptor, &artifact, &unknown] {
            assert_eq!(converted.archive.body(&path(kept)), layout.bytes_of(kept), "O-2, O-14");
        }
        let index = converted.archive.json("index.json").to_string();
        assert!([&artifact, &unknown].iter().all(|kept| index.contains(kept["digest"].as_str().unwrap())), "{index}");
    }
    for target in [Target::Legacy, Target::Docker] {
        let converted = convert(&layout.tarball(), target, &[]);
        assert_same(&converted.images[0], &image(), target);
    }
}

#[test]
fn a_referrer_whose_subject_is_elsewhere_is_fine() {
    let mut layout = Layout::new();
    let descriptor = layout.image(&image(), Types::Oci);
    let elsewhere = json!({"mediaType": OCI_MANIFEST, "digest": format!("sha256:{}", "4".repeat(64)), "size": 7});
    let artifact = layout.artifact(&elsewhere);
    layout.list_as(&descriptor, &image().tags);
    layout.list(&artifact);
    let converted = convert(&layout.tarball(), Target::OciDir, &[]);
    assert_eq!(converted.archive.body(&path(&artifact)), layout.bytes_of(&artifact), "O-14");
}

#[test]
fn annotations_and_data_in_a_manifest_survive() {
    let (layout, descriptor) = edited(|manifest| {
        manifest["annotations"] = json!({"org.example": "kept"});
        manifest["config"]["data"] = json!(base64(&image().config()));
        manifest["layers"][0]["annotations"] = json!({"containerd.io/snapshot/stargz/toc.digest": "x"});
    });
    for target in OCI {
        assert_eq!(convert(&layout.tarball(), target, &[]).images[0].manifest, Some(layout.bytes_of(&descriptor)));
    }
    let converted = convert(&layout.tarball(), Target::Docker, &[]);
    converted.outcome.says(["annotations"]);
}

#[test]
fn unreferenced_blobs_are_dropped_unless_asked_for() {
    let extra = b"nobody names me".as_slice();
    let path = blob_path(&crate::support::digest(extra));
    let tar = Shape::Oci.save_one(&image()).with(&path, extra);
    for target in OCI {
        assert!(!convert(&tar, target, &[]).archive.has(&path), "O-3");
        assert!(convert(&tar, target, &["--all-blobs"]).archive.has(&path), "O-3");
    }
}

#[test]
fn docker_manifests_become_oci_when_asked_for() {
    for target in OCI {
        let converted = convert(&Shape::OciDockerTypes.save_one(&image()), target, &["--oci-types"]);
        let manifest: Value = serde_json::from_slice(converted.images[0].manifest.as_ref().unwrap()).unwrap();
        assert_eq!(manifest["mediaType"], OCI_MANIFEST, "M-1");
        assert!(!manifest.to_string().contains("vnd.docker"), "{manifest}");
        assert_eq!(converted.archive.json("index.json")["manifests"][0]["mediaType"], OCI_MANIFEST);
        assert_same(&converted.images[0], &image(), target);
    }
}

/// Docker 25.0 stored plain layers, so that a digest in the manifest is a diff_id of the config.
#[test]
fn layers_in_random_order_are_sorted_by_the_config_with_a_warning() {
    let plain = image().all_stored(Codec::Plain);
    let mut layout = Layout::new();
    let descriptor = layout.image(&plain, Types::Oci);
    let mut manifest: Value = serde_json::from_slice(&layout.bytes_of(&descriptor)).unwrap();
    manifest["layers"].as_array_mut().unwrap().swap(0, 1);
    let descriptor = layout.manifest(&manifest);
    layout.list_as(&descriptor, &plain.tags);
    let tar = layout.tarball().with("manifest.json", Shape::Docker25.save_one(&image()).body("manifest.json"));
    for target in Target::ALL {
        let converted = convert(&tar, target, &[]);
        assert_same(&converted.images[0], &plain, target);
        converted.outcome.says(["warning", "order"]);
    }
}

/// The same of two images that share layers: each has them in a disorder of its own, and `verify` says no more of it.
#[test]
fn layers_that_images_share_may_be_in_another_disorder_in_each() {
    let images = ["a:1", "b:1"].map(|tag| TestImage::demo(tag).layer([file(tag, "")]).all_stored(Codec::Plain));
    let mut layout = Layout::new();
    let mut items = Vec::new();
    for (nth, image) in images.iter().enumerate() {
        let descriptor = layout.image(image, Types::Oci);
        let mut manifest: Value = serde_json::from_slice(&layout.bytes_of(&descriptor)).unwrap();
        manifest["layers"].as_array_mut().unwrap().swap(nth, nth + 1);
        let descriptor = layout.manifest(&manifest);
        layout.list_as(&descriptor, &image.tags);
        let item: Value = serde_json::from_slice(Shape::Docker25.save_one(image).body("manifest.json")).unwrap();
        items.push(item[0].clone());
    }
    let mut tar = layout.tarball();
    tar.json("manifest.json", &json!(items));
    for target in Target::ALL {
        let converted = convert(&tar, target, &[]);
        for (found, image) in converted.images.iter().zip(&images) {
            assert_same(found, image, target);
        }
    }
    let report = imgtar(["verify", "--json"]).stdin(tar.bytes()).success().text();
    assert!(report.contains("O-25") && !report.contains("H-20"), "{report}");
}

#[test]
fn encrypted_layers_pass_from_layout_to_layout_only() {
    let mut layout = Layout::new();
    let media_type = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
    let layer = layout.blob(media_type, "nobody can read this");
    let config = layout.blob(crate::support::layout::OCI_CONFIG, image().layer_bytes([]).config());
    let mut manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config});
    manifest["layers"] = json!([layer, layer, layer]);
    let descriptor = layout.manifest(&manifest);
    layout.list_as(&descriptor, &image().tags);
    let run = imgtar(["convert", "--to", "oci"]).stdin(layout.tarball().bytes());
    let archive = Archive::written(&run.success().stdout);
    assert_eq!(archive.body(&path(&descriptor)), layout.bytes_of(&descriptor), "O-19");
    for target in [Target::Legacy, Target::Docker] {
        refuse(&layout.tarball().bytes(), target, &[], 4).says(["encrypted"]);
    }
}

#[test]
fn a_mislabelled_layer_is_decoded_by_its_bytes_with_a_warning() {
    let (layout, descriptor) = edited(|manifest| {
        manifest["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar");
    });
    for target in Target::ALL {
        let converted = convert(&layout.tarball(), target, &[]);
        assert_same(&converted.images[0], &image(), target);
        converted.outcome.says(["warning"]);
        if target.is_oci() {
            assert_eq!(converted.images[0].manifest, Some(layout.bytes_of(&descriptor)), "O-9: kept verbatim");
        }
    }
}

#[test]
fn a_manifest_without_media_type_is_a_manifest() {
    let (layout, descriptor) = edited(|manifest| drop(manifest.as_object_mut().unwrap().remove("mediaType")));
    let converted = convert(&layout.tarball(), Target::OciDir, &[]);
    assert_eq!(converted.archive.body(&path(&descriptor)), layout.bytes_of(&descriptor), "O-8");
}

#[test]
fn other_layout_versions_are_refused() {
    let other = |version| {
        Shape::Oci.save_one(&image()).editing("oci-layout", |json| json["imageLayoutVersion"] = json!(version))
    };
    for version in ["1.1.0", "2.0.0"] {
        refuse(&other(version).bytes(), Target::Oci, &[], 3).says([version]);
    }
}

/// Writes `tar` into the layout at `out`.
fn append(tar: &Tarball, scratch: &Scratch) -> Archive {
    let run = imgtar(["convert", "--to", "oci-dir", "--append", "-o"]).arg(scratch.path("out")).stdin(tar.bytes());
    run.success();
    Archive::of_dir(&scratch.path("out"))
}

#[test]
fn a_layout_directory_grows_by_append() {
    let scratch = Scratch::new();
    Shape::Oci.save_one(&image()).unpack(&scratch.path("out"));
    let archive = append(&Shape::Docker20.save_one(&TestImage::demo("other:1")), &scratch);
    let images = crate::support::order::oci_dir(&archive);
    let ids: Vec<_> = images.iter().map(|image| image.id.clone()).collect();
    assert_eq!(ids, [image().id(), TestImage::demo("other:1").id()]);
    assert_eq!(images[0].manifest, Shape::Oci.manifest(&image()), "what was there is untouched");
}

#[cfg(unix)]
#[test]
fn what_several_runs_append_at_once_is_all_there() {
    let scratch = Scratch::new();
    append(&Shape::Oci.save_one(&TestImage::demo("first:1")), &scratch);
    std::thread::scope(|scope| {
        for nth in 0..6 {
            let (tar, scratch) = (Shape::Oci.save_one(&TestImage::demo(&format!("app:{nth}"))), &scratch);
            scope.spawn(move || append(&tar, scratch));
        }
    });
    let last = append(&Shape::Oci.save_one(&TestImage::demo("last:1")), &scratch);
    let mut names: Vec<_> =
        crate::support::order::oci_dir(&last).iter().flat_map(|image| image.names.clone()).collect();
    names.sort();
    assert_eq!(names.len(), 8, "{names:?}");
}

#[test]
fn append_replaces_the_entry_of_the_same_name() {
    let scratch = Scratch::new();
    Shape::Oci.save(&[image(), TestImage::demo("other:1")]).unpack(&scratch.path("out"));
    let newer = image().layer([file("newer", "1")]);
    let images = crate::support::order::oci_dir(&append(&Shape::Oci.save_one(&newer), &scratch));
    let named =
        |name: &str| images.iter().filter(|image| image.names == [name]).map(|i| i.id.clone()).collect::<Vec<_>>();
    assert_eq!(named("docker.io/library/app:1"), [newer.id()], "O-30");
    assert_eq!(named("docker.io/library/other:1").len(), 1);
}

#[test]
fn append_keeps_entries_of_the_same_name_and_another_platform() {
    let scratch = Scratch::new();
    let arm = image().platform("linux/arm64");
    append(&Shape::Oci.save_one(&image()), &scratch);
    let images = crate::support::order::oci_dir(&append(&Shape::Oci.save_one(&arm), &scratch));
    assert_eq!(images.len(), 2, "N-9");
    let again = crate::support::order::oci_dir(&append(&Shape::Oci.save_one(&arm), &scratch));
    assert_eq!(again.len(), 2, "the same once more changes nothing");
}

#[test]
fn append_is_for_directories() {
    refuse(&Shape::Oci.save_one(&image()).bytes(), Target::Oci, &["--append"], 2).says(["--append"]);
}

#[test]
fn zstd_layers_with_skippable_frames_are_kept_and_decoded_whole() {
    let skippable = b"\x50\x2a\x4d\x18\x03\0\0\0toc".as_slice();
    let frames: Vec<_> = image().layers[0].tar.chunks(700).map(|chunk| Codec::Zstd.encode(chunk)).collect();
    let blob = [skippable, &frames.concat(), skippable].concat();
    let mut layout = Layout::new();
    let layer = layout.blob("application/vnd.oci.image.layer.v1.tar+zstd", blob.clone());
    let image = TestImage::new().layer_bytes(image().layers[0].tar.clone()).tag("frames:1");
    let config = layout.blob(crate::support::layout::OCI_CONFIG, image.config());
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]});
    let descriptor = layout.manifest(&manifest);
    layout.list_as(&descriptor, &image.tags);
    let kept = convert(&layout.tarball(), Target::Oci, &["--verify", "full"]);
    assert_eq!(kept.images[0].layers[0].digest, crate::support::digest(&blob), "O-16");
    assert_eq!(convert(&layout.tarball(), Target::Legacy, &[]).images[0].diff_ids(), image.diff_ids());
}

#[test]
fn recompression_drops_annotations_that_describe_the_old_bytes() {
    let toc = "containerd.io/snapshot/stargz/toc.digest";
    let (layout, _) = edited(|manifest| {
        manifest["layers"][0]["annotations"] = json!({toc: "sha256:x", "org.example": "kept"});
    });
    let converted = convert(&layout.tarball(), Target::OciDir, &["--compress", "zstd"]);
    let annotations = converted.images[0].layers[0].descriptor.as_ref().unwrap()["annotations"].clone();
    assert_eq!(annotations, json!({"org.example": "kept"}), "O-18");
}

#[test]
fn h_16_gzip_layers_of_several_members_are_kept_and_decoded_whole() {
    let tar = &image().layers[0].tar.clone();
    let (head, tail) = tar.split_at(700);
    let blob = [Codec::Gzip.encode(head), Codec::Gzip.encode(tail)].concat();
    let name = format!("{}.tar.gz", crate::support::sha256(&blob));
    let old = Shape::Crane.save_one(&image()).name_ending(".tar.gz");
    let source = Shape::Crane.save_one(&image()).without(&old).with(&name, blob.clone());
    let source = source.editing("manifest.json", |json| json[0]["Layers"][0] = json!(name));
    let converted = convert(&source, Target::Oci, &[]);
    assert_eq!(converted.images[0].layers[0].digest, crate::support::digest(&blob), "O-16, H-16");
    assert_eq!(convert(&source, Target::Legacy, &[]).images[0].diff_ids(), image().diff_ids());
}

#[test]
fn what_refers_to_a_manifest_that_had_to_be_rewritten_is_warned_about() {
    let image = TestImage::demo("app:1").all_stored(Codec::Gzip);
    let mut layout = Layout::new();
    let manifest = layout.image(&image, Types::Oci);
    let index = layout.nested(std::slice::from_ref(&manifest), Types::Oci);
    layout.list_as(&index, &image.tags);
    for subject in [manifest, index] {
        let mut layout = layout.clone();
        let signature = layout.artifact(&subject);
        layout.list(&signature);
        let refers = format!("it refers to {}, which had to be rewritten", subject["digest"].as_str().unwrap());
        let converted = convert(&layout.tarball(), Target::Oci, &["--compress", "zstd"]);
        converted.outcome.says([signature["digest"].as_str().unwrap(), &refers]);
        refuse(&layout.tarball().bytes(), Target::Oci, &["--compress", "none", "--strict"], 4).says([&refers]);
        convert(&layout.tarball(), Target::Oci, &["--strict"]).outcome.never_says(["refers"]);
    }
}

#[test]
fn a_docker_manifest_that_is_rewritten_for_zstd_layers_becomes_oci_s() {
    for nested in [false, true] {
        let mut layout = Layout::new();
        let mut descriptor = layout.image(&image(), Types::Docker);
        if nested {
            descriptor = layout.nested(&[descriptor], Types::Docker);
        }
        layout.list_as(&descriptor, &image().tags);
        for (target, compress) in [(Target::Oci, "zstd"), (Target::OciDir, "zstd"), (Target::Oci, "none")] {
            let converted = convert(&layout.tarball(), target, &["--compress", compress]);
            let family = if compress == "zstd" { "application/vnd.oci." } else { "application/vnd.docker." };
            let mut listed = converted.archive.json("index.json")["manifests"][0].clone();
            let mut types = vec![listed["mediaType"].clone()];
            if nested {
                listed = converted.archive.json(&path(&listed))["manifests"][0].clone();
                types.push(listed["mediaType"].clone());
            }
            let manifest: Value = converted.archive.json(&path(&listed));
            types.extend([manifest["mediaType"].clone(), manifest["config"]["mediaType"].clone()]);
            types.extend(manifest["layers"].as_array().unwrap().iter().map(|layer| layer["mediaType"].clone()));
            let all = types.iter().all(|media_type| media_type.as_str().unwrap().starts_with(family));
            assert!(all, "M-1: {types:?}");
        }
    }
    // One that stays lists what it listed.
    let mut layout = Layout::new();
    let zstd = image().all_stored(Codec::Zstd);
    let descriptor = layout.image(&zstd, Types::Docker);
    layout.list_as(&descriptor, &zstd.tags);
    let kept = convert(&layout.tarball(), Target::Oci, &[]);
    assert_eq!(kept.archive.body(&path(&descriptor)), layout.bytes_of(&descriptor));
}
