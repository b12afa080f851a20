//! Bytes that are not what was promised: exit 3, the member, the expected and the found digest, and no output
//! (M-11, H-3, H-4, H-12, H-13, H-20).

use serde_json::{Value, json};

use crate::support::codec::Codec;
use crate::support::digest;
use crate::support::expect::{Target, assert_same, convert, refuse};
use crate::support::image::TestImage;
use crate::support::layer::{file, layer_tar};
use crate::support::layout::{Layout, OCI_INDEX, Types, blob_path};
use crate::support::run::imgtar;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

fn image() -> TestImage {
    TestImage::demo("app:1")
}

/// Every target refuses it with exit 3 and these words.
#[track_caller]
fn no_target_takes<const N: usize>(tar: &Tarball, words: [&str; N]) {
    for target in Target::ALL {
        refuse(&tar.bytes(), target, &[], 3).says(words);
    }
}

/// The layout of the image with one blob's bytes exchanged.
fn with_false_blob(promised: &str, bytes: &[u8]) -> Tarball {
    Shape::Oci.save_one(&image()).replacing(&blob_path(promised), Kind::File(bytes.to_vec()))
}

/// The layout whose manifest has been edited, digests adjusted: the lie is inside.
fn with_manifest(edit: impl Fn(&mut Value)) -> Tarball {
    let mut layout = Layout::new();
    let descriptor = layout.image(&image(), Types::Oci);
    let mut manifest: Value = serde_json::from_slice(&layout.bytes_of(&descriptor)).unwrap();
    edit(&mut manifest);
    let edited = layout.blob(crate::support::layout::OCI_MANIFEST, manifest.to_string());
    layout.list_as(&edited, &image().tags);
    layout.tarball()
}

#[test]
fn h_3_a_layer_blob_with_other_bytes_of_the_same_size_is_refused() {
    let blob = image().layers[1].blob();
    let mut altered = blob.clone();
    // The header's OS byte: the layer decodes to the promised diff_id all the same.
    altered[9] ^= 1;
    no_target_takes(
        &with_false_blob(&digest(&blob), &altered),
        [&digest(&blob)[7..], &digest(&blob), &digest(&altered)],
    );
}

#[test]
fn a_valid_layer_in_the_place_of_another_is_refused() {
    let (blob, other) = (image().layers[1].blob(), Codec::Gzip.encode(&layer_tar([file("evil", "1")])));
    no_target_takes(&with_false_blob(&digest(&blob), &other), [&digest(&blob)[7..]]);
}

#[test]
fn a_config_with_other_bytes_is_refused() {
    let config = digest(&image().config());
    let altered = String::from_utf8(image().config()).unwrap().replace("amd64", "arm64");
    no_target_takes(&with_false_blob(&config, altered.as_bytes()), [&config, &digest(altered.as_bytes())]);
}

#[test]
fn a_manifest_with_other_bytes_is_refused() {
    let manifest = Shape::Oci.manifest(&image()).unwrap();
    let mut altered = manifest.clone();
    altered.extend(b" ");
    let tar = with_false_blob(&digest(&manifest), &altered);
    no_target_takes(&tar, [&digest(&manifest)[7..]]);
    altered.truncate(manifest.len() - 1);
    altered.extend(b" ");
    no_target_takes(&with_false_blob(&digest(&manifest), &altered), [&digest(&manifest), &digest(&altered)]);
}

#[test]
fn h_3_a_false_size_in_a_descriptor_is_refused() {
    let size = image().layers[0].blob().len();
    let tar = with_manifest(|manifest| manifest["layers"][0]["size"] = json!(size + 1));
    no_target_takes(&tar, [&image().layer_digests()[0][7..], &size.to_string(), &(size + 1).to_string()]);
    let size = image().config().len();
    let tar = with_manifest(|manifest| manifest["config"]["size"] = json!(size - 1));
    no_target_takes(&tar, [&image().id(), &size.to_string(), &(size - 1).to_string()]);
}

#[test]
fn swapped_layers_of_a_docker_archive_are_refused() {
    for shape in [Shape::Docker20, Shape::Skopeo, Shape::Crane, Shape::Jib] {
        let swap = |json: &mut Value| json[0]["Layers"].as_array_mut().unwrap().swap(0, 1);
        let ids = image().diff_ids();
        no_target_takes(&shape.save_one(&image()).editing("manifest.json", swap), [&ids[0], &ids[1]]);
    }
}

#[test]
fn h_3_false_data_in_a_descriptor_is_refused() {
    let tar = with_manifest(|manifest| manifest["config"]["data"] = json!("e30="));
    no_target_takes(&tar, ["data"]);
}

#[test]
fn h_20_layers_and_diff_ids_must_be_as_many() {
    for shape in [Shape::Docker20, Shape::Crane] {
        let tar = shape.save_one(&image()).editing("manifest.json", |json| {
            json[0]["Layers"].as_array_mut().unwrap().pop();
        });
        no_target_takes(&tar, ["1", "2"]);
    }
    let fewer = with_manifest(|manifest| drop(manifest["layers"].as_array_mut().unwrap().pop()));
    no_target_takes(&fewer, ["1", "2"]);
}

#[test]
fn h_20_one_file_for_two_diff_ids_is_refused() {
    let tar = Shape::Crane.save_one(&image()).editing("manifest.json", |json| {
        json[0]["Layers"][1] = json[0]["Layers"][0].clone();
    });
    no_target_takes(&tar, [&image().diff_ids()[1]]);
}

#[test]
fn a_rootfs_of_another_type_is_refused() {
    let rootfs = json!({"type": "layers+base", "diff_ids": image().diff_ids()});
    let odd = image().key("rootfs", rootfs);
    for shape in [Shape::Crane, Shape::Oci] {
        no_target_takes(&shape.save_one(&odd), ["layers+base"]);
    }
}

#[test]
fn a_wrong_diff_id_behind_a_kept_manifest_is_found_when_the_layer_is_decoded() {
    let wrong = format!("sha256:{}", "1".repeat(64));
    let rootfs = json!({"type": "layers", "diff_ids": [image().diff_ids()[0], wrong]});
    let tar = Shape::Oci.save_one(&image().key("rootfs", rootfs)).bytes();
    refuse(&tar, Target::Legacy, &[], 3).says([&wrong, &image().diff_ids()[1]]);
    for target in [Target::Oci, Target::OciDir] {
        refuse(&tar, target, &["--verify", "full"], 3).says([&wrong, &image().diff_ids()[1]]);
    }
}

#[test]
fn h_4_a_document_that_is_manifest_and_index_at_once_is_refused() {
    no_target_takes(&with_manifest(|manifest| manifest["manifests"] = json!([])), ["manifests"]);
}

#[test]
fn h_4_a_media_type_that_contradicts_the_descriptor_is_refused() {
    no_target_takes(&with_manifest(|manifest| manifest["mediaType"] = json!(OCI_INDEX)), [OCI_INDEX]);
}

#[test]
fn h_12_duplicates_with_different_bytes_are_refused() {
    let crane = Shape::Crane.save_one(&image());
    let layer = crane.name_ending(".tar.gz");
    let config = format!("sha256:{}", image().id());
    for name in ["manifest.json", &layer, &config] {
        no_target_takes(&crane.clone().with(name, "[]"), [name]);
    }
    let oci = Shape::Oci.save_one(&image());
    for name in ["index.json", "oci-layout", &blob_path(&image().layer_digests()[0])] {
        no_target_takes(&oci.clone().with(name, "{}"), [name]);
    }
}

#[test]
fn identical_duplicates_are_fine() {
    let mut tar = Shape::Crane.save_one(&image());
    tar.members.extend(tar.members.clone());
    for target in Target::ALL {
        assert_same(&convert(&tar, target, &[]).images[0], &image(), target);
    }
}

#[test]
fn h_13_hybrid_halves_that_name_different_images_are_refused() {
    let (ours, theirs) = (image(), TestImage::demo("app:1").layer([file("evil", "1")]));
    let both = Shape::Containerd.save(&[ours.clone(), theirs.clone().untagged()]);
    let item = |image: &TestImage| Shape::Containerd.save_one(image).body("manifest.json").to_vec();
    let tar = both.editing("index.json", |index| drop(index["manifests"].as_array_mut().unwrap().pop()));
    let tar = tar.replacing("manifest.json", Kind::File(item(&theirs)));
    no_target_takes(&tar, ["--prefer"]);
    assert_same(&convert(&tar, Target::Docker, &["--prefer", "oci"]).images[0], &ours, Target::Docker);
    assert_same(&convert(&tar, Target::Docker, &["--prefer", "docker"]).images[0], &theirs, Target::Docker);
}

#[test]
fn the_half_that_is_not_preferred_is_not_warned_about() {
    let tar = Shape::Containerd.save_one(&image());
    let tar = tar.editing("manifest.json", |json| json[0]["RepoTags"] = json!(["a name"]));
    for target in Target::ALL {
        convert(&tar, target, &["--prefer", "oci", "--strict"]).outcome.never_says(["a name"]);
    }
    convert(&tar, Target::Oci, &["--prefer", "docker"]).outcome.says(["warning", "`a name`"]);
}

#[test]
fn a_name_on_another_image_in_the_other_half_is_refused() {
    let tar = Shape::Containerd.save(&[TestImage::demo("a:1"), TestImage::demo("b:1")]);
    let tar = tar.editing("manifest.json", |json| {
        let tags = [json[0]["RepoTags"].take(), json[1]["RepoTags"].take()];
        (json[1]["RepoTags"], json[0]["RepoTags"]) = tags.into();
    });
    no_target_takes(&tar, ["--prefer"]);
}

#[test]
fn a_member_name_that_is_a_false_digest_is_only_a_name() {
    let old = Shape::Crane.save_one(&image()).name_ending(".tar.gz");
    let new = format!("{}.tar.gz", "0".repeat(64));
    let renamed = Shape::Crane.save_one(&image()).renamed(|name| name.replace(&old, &new));
    let tar = renamed.editing("manifest.json", |json| json[0]["Layers"][0] = json!(new));
    for target in Target::ALL {
        let converted = convert(&tar, target, &[]);
        assert_same(&converted.images[0], &image(), target);
        let warnings = converted.outcome.stderr.lines().filter(|line| line.contains("warning"));
        assert_eq!(warnings.count(), 1, "{}", converted.outcome);
        converted.outcome.says(["warning", &new]);
        refuse(&tar.bytes(), target, &["--strict"], 3).says([&new]);
        for verify in ["auto", "digests", "full"] {
            if target != Target::OciDir {
                // A file is written before the name is found out, a pipe after.
                let found = imgtar(["convert", "--to", target.flag(), "--verify", verify]).stdin(tar.bytes()).success();
                assert!(found.stdout == converted.bytes, "--to {} --verify {verify}", target.flag());
                assert!(convert(&tar, target, &["--verify", verify]).bytes == converted.bytes);
            }
        }
    }
}

#[test]
fn a_config_name_that_is_a_false_digest_is_only_a_name() {
    let (old, new) = (format!("{}.json", image().id()), format!("{}.json", "0".repeat(64)));
    let tar = Shape::Nix.save_one(&image()).renamed(|name| name.replace(&old, &new));
    let tar = tar.editing("manifest.json", |json| json[0]["Config"] = json!(new));
    let converted = convert(&tar, Target::Docker, &[]);
    assert_eq!(converted.images[0].id, image().id(), "L-6: the image ID is computed");
    converted.outcome.says(["warning", &new]);
    refuse(&tar.bytes(), Target::Docker, &["--strict"], 3).says([&new]);
}

#[test]
fn h_21_lying_layer_sources_are_warned_about_and_lose() {
    let tar = Shape::Docker25.save_one(&image()).editing("manifest.json", |json| {
        for source in json[0]["LayerSources"].as_object_mut().unwrap().values_mut() {
            source["digest"] = json!(format!("sha256:{}", "2".repeat(64)));
        }
    });
    let tar = tar.without("oci-layout").without("index.json");
    let converted = convert(&tar, Target::Oci, &[]);
    assert_same(&converted.images[0], &Shape::Docker25.stored(&image()), Target::Oci);
    converted.outcome.says(["warning", "LayerSources"]);
}
