//! One name on several platforms, and what stands beside images: chosen, put together again, listed (N-9, O-14, O-27,
//! O-30).

use serde_json::{Value, json};

use crate::support::archive::Archive;
use crate::support::digest;
use crate::support::expect::{Target, assert_names, convert, refuse};
use crate::support::image::TestImage;
use crate::support::judge;
use crate::support::layout::{FULL_NAME, Layout, OCI_INDEX, OCI_MANIFEST, REF_NAME, Types, blob_path};
use crate::support::name::full;
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::Tarball;

const NAME: &str = "app:1";

fn image(architecture: &str) -> TestImage {
    TestImage::demo(NAME).platform(&format!("linux/{architecture}"))
}

/// `app:1` for amd64 and arm64, each in an entry of its own.
fn flat() -> Tarball {
    let mut layout = Layout::new();
    for architecture in ["amd64", "arm64"] {
        let descriptor = layout.image(&image(architecture), Types::Oci);
        layout.list_as(&descriptor, &[NAME.to_owned()]);
    }
    layout.tarball()
}

/// The same in one index.
fn nested() -> Tarball {
    let mut layout = Layout::new();
    let children = ["amd64", "arm64"].map(|architecture| layout.image(&image(architecture), Types::Oci));
    let index = layout.nested(&children, Types::Oci);
    layout.list_as(&index, &[NAME.to_owned()]);
    layout.tarball()
}

/// The platforms of the one name that there is: side by side, or in the index to which its entry leads.
fn architectures(archive: &Archive) -> Vec<String> {
    let mut index: Value = archive.json("index.json");
    if index["manifests"][0]["mediaType"] == OCI_INDEX {
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1, "N-9: one entry a name");
        index = archive.json(&blob_path(index["manifests"][0]["digest"].as_str().unwrap()));
    }
    let entries = index["manifests"].as_array().unwrap();
    entries.iter().map(|entry| entry["platform"]["architecture"].as_str().unwrap_or("none").to_owned()).collect()
}

#[test]
fn a_name_that_is_asked_for_keeps_all_its_platforms() {
    let both = convert(&flat(), Target::Oci, &["--image", NAME]);
    assert_eq!(architectures(&both.archive), ["amd64", "arm64"]);
    for architecture in ["amd64", "arm64"] {
        let platform = format!("linux/{architecture}");
        let one = convert(&flat(), Target::Docker, &["--image", NAME, "--platform", &platform]);
        assert_eq!(one.images[0].id, image(architecture).id());
    }
    refuse(&flat().bytes(), Target::Docker, &["--image", NAME], 4).says(["linux/amd64", "linux/arm64"]);
}

#[test]
fn the_platforms_of_one_name_are_written_as_one_index() {
    let nested = convert(&flat(), Target::Oci, &[]);
    let index: Value = nested.archive.json("index.json");
    let [entry] = index["manifests"].as_array().unwrap().as_slice() else { panic!("{index}") };
    assert_eq!(entry["mediaType"], OCI_INDEX);
    assert_eq!(entry["annotations"], json!({FULL_NAME: full(NAME), REF_NAME: "1"}));
    let inner: Value = nested.archive.json(&blob_path(entry["digest"].as_str().unwrap()));
    for (child, architecture) in inner["manifests"].as_array().unwrap().iter().zip(["amd64", "arm64"]) {
        let keys: Vec<_> = child.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["mediaType", "digest", "size", "platform"], "names are the entry's");
        assert_eq!(child["platform"]["architecture"], architecture);
    }
    // What has its name alone stays as it is, and so does all of it where that is asked for.
    let apart = convert(&flat(), Target::Oci, &["--flat-index"]);
    let index: Value = apart.archive.json("index.json");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
    let again = imgtar(["convert", "--to", "oci"]).stdin(apart.bytes).success().stdout;
    assert!(again == nested.bytes);
}

#[test]
fn an_appended_platform_takes_its_place_in_the_index_and_nothing_else_s() {
    let scratch = Scratch::new();
    let dir = scratch.path("layout");
    let mut layout = Layout::new();
    let mut children = ["amd64", "arm64"].map(|architecture| layout.image(&image(architecture), Types::Oci)).to_vec();
    let attestations: Vec<_> = children.iter().map(|child| layout.attestation(child)).collect();
    children.extend(attestations.clone());
    let index = layout.nested(&children, Types::Oci);
    layout.list_as(&index, &[NAME.to_owned()]);
    imgtar(["convert", "--to", "oci-dir", "-o"]).arg(&dir).stdin(layout.tarball().bytes()).success();
    // Another image for arm64.
    let mut newer = Layout::new();
    let arm64 = TestImage::demo(NAME).platform("linux/arm64").key("author", json!("x"));
    let descriptor = newer.image(&arm64, Types::Oci);
    newer.list_as(&descriptor, &[NAME.to_owned()]);
    imgtar(["convert", "--to", "oci-dir", "--append", "-o"]).arg(&dir).stdin(newer.tarball().bytes()).success();
    let archive = Archive::of_dir(&dir);
    let entry: Value = archive.json("index.json");
    let entry = entry["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let inner: Value = archive.json(&blob_path(&entry));
    let digests: Vec<_> = inner["manifests"].as_array().unwrap().iter().map(|child| &child["digest"]).collect();
    assert_eq!(digests, [&children[0]["digest"], &descriptor["digest"], &attestations[0]["digest"]]);
    imgtar(["verify"]).arg(&dir).success();
}

#[test]
fn several_platforms_of_one_name_are_found_wherever_they_stand() {
    let both = ["--platform", "linux/arm64", "--platform", "linux/amd64"];
    assert_eq!(architectures(&convert(&flat(), Target::Oci, &both).archive), ["amd64", "arm64"]);
    refuse(&flat().bytes(), Target::Oci, &["--platform", "linux/arm64", "--platform", "linux/386"], 4)
        .says(["linux/386"]);
}

#[test]
fn a_new_name_is_given_to_all_platforms_of_the_old_one() {
    let named = convert(&flat(), Target::Oci, &["--tag", "new:2"]);
    assert_eq!(architectures(&named.archive), ["amd64", "arm64"]);
    assert_eq!(named.images.len(), 2);
    refuse(
        &Shape::Crane.save(&[TestImage::demo("a:1"), TestImage::demo("b:1")]).bytes(),
        Target::Oci,
        &["--tag", "new:2"],
        2,
    )
    .says(["docker.io/library/new:2", "2 images", "--image", "--rename"]);
}

#[test]
fn manifest_json_lists_one_platform_a_name() {
    for (options, expected) in
        [(&[][..], "amd64"), (&["--platform", "linux/arm64", "--platform", "linux/amd64"], "arm64")]
    {
        let manifest: Value = convert(&flat(), Target::Oci, options).archive.json("manifest.json");
        let items = manifest.as_array().unwrap();
        assert_eq!(items.len(), 1, "{manifest}");
        assert_eq!(items[0]["Config"], json!(format!("blobs/sha256/{}", image(expected).id())));
    }
}

#[test]
fn platforms_appended_one_by_one_stand_side_by_side() {
    for archive in [flat(), nested()] {
        let scratch = Scratch::new();
        let layout = scratch.path("layout");
        for (platform, append) in [("linux/amd64", None), ("linux/arm64", Some("--append"))] {
            let run = imgtar(["convert", "--to", "oci-dir", "--platform", platform, "-o"]).arg(&layout).args(append);
            run.stdin(archive.bytes()).success();
        }
        assert_eq!(architectures(&Archive::of_dir(&layout)), ["amd64", "arm64"]);
    }
}

/// `app:1` for one platform, which its config alone tells.
fn undescribed(architecture: &str) -> Tarball {
    let mut layout = Layout::new();
    let mut descriptor = layout.image(&image(architecture), Types::Oci);
    descriptor.as_object_mut().unwrap().remove("platform");
    layout.list_as(&descriptor, &[NAME.to_owned()]);
    layout.tarball()
}

#[test]
fn platforms_that_only_configs_tell_are_appended_side_by_side() {
    let scratch = Scratch::new();
    let layout = scratch.path("layout");
    let append = |archive: Tarball| {
        let run = imgtar(["convert", "--to", "oci-dir", "--append", "-o"]).arg(&layout);
        run.stdin(archive.bytes()).success();
        let verified = imgtar(["verify"]).arg(&layout).success();
        verified.never_says(["N-9"]);
        judge::oci_images(&Archive::of_dir(&layout)).into_iter().map(|image| image.id).collect::<Vec<_>>()
    };
    let [amd64, arm64] = ["amd64", "arm64"].map(|architecture| image(architecture).id());
    assert_eq!(append(undescribed("amd64")), std::slice::from_ref(&amd64));
    assert_eq!(append(undescribed("arm64")), [amd64.clone(), arm64.clone()]);
    assert_eq!(append(undescribed("amd64")), [arm64.clone(), amd64], "what is there is replaced");
    let index = convert(&nested(), Target::Oci, &[]);
    assert_eq!(append(nested()), index.images.iter().map(|image| image.id.clone()).collect::<Vec<_>>());
}

#[test]
fn an_appended_name_replaces_its_old_image_however_it_was_spelled() {
    let scratch = Scratch::new();
    let layout = scratch.path("layout");
    let mut old = Layout::new();
    let mut descriptor = old.image(&TestImage::demo("old"), Types::Oci);
    descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": NAME});
    old.list(&descriptor);
    imgtar(["convert", "--to", "oci-dir", "--no-tags", "-o"]).arg(&layout).stdin(old.tarball().bytes()).success();
    // As skopeo names it.
    let index = json!({"schemaVersion": 2, "manifests": [descriptor]});
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
    let append = imgtar(["convert", "--to", "oci-dir", "--append", "--image", NAME, "--platform", "linux/amd64", "-o"]);
    append.arg(&layout).stdin(flat().bytes()).success();
    assert_eq!(architectures(&Archive::of_dir(&layout)).len(), 1);
    imgtar(["convert", "--to", "oci"]).arg(&layout).success();
}

#[test]
fn an_artifact_beside_the_images_is_no_missing_platform() {
    let mut layout = Layout::new();
    let descriptor = layout.image(&image("amd64"), Types::Oci);
    layout.list_as(&descriptor, &[NAME.to_owned()]);
    let artifact = layout.artifact(&descriptor);
    layout.list(&artifact);
    for target in Target::ALL {
        let converted = convert(&layout.tarball(), target, &["--platform", "linux/amd64"]);
        if target.is_oci() {
            let index: Value = converted.archive.json("index.json");
            assert_eq!(index["manifests"][1]["digest"], artifact["digest"], "kept (O-14)");
        } else {
            converted.outcome.says(["an artifact", "left out"]);
        }
    }
    refuse(&layout.tarball().bytes(), Target::Oci, &["--platform", "linux/386"], 4).says(["linux/386"]);
}

#[test]
fn a_new_name_is_the_images_and_not_that_of_an_artifact_beside_it() {
    let mut layout = Layout::new();
    let descriptor = layout.image(&image("amd64"), Types::Oci);
    layout.list_as(&descriptor, &[NAME.to_owned()]);
    let mut artifact = layout.artifact(&descriptor);
    artifact["annotations"][REF_NAME] = json!("signature");
    layout.list(&artifact);
    for (flag, new) in [("--tag", &["acme/app:2"][..]), ("--add-tag", &["acme/app:2", "app:1"])] {
        for target in Target::ALL {
            let converted = convert(&layout.tarball(), target, &[flag, "acme/app:2"]);
            let expected: Vec<String> = new.iter().map(|name| full(name)).collect();
            assert_eq!(converted.images[0].names, expected, "{flag} --to {}", target.flag());
            if target.is_oci() {
                let index: Value = converted.archive.json("index.json");
                let last = index["manifests"].as_array().unwrap().last().unwrap().clone();
                assert_eq!((&last["digest"], &last["annotations"]), (&artifact["digest"], &artifact["annotations"]));
            }
        }
    }
    layout.list_as(&layout.index[0].clone(), &["other:1".to_owned()]);
    let other = layout.image(&TestImage::demo("db:1"), Types::Oci);
    layout.list_as(&other, &["db:1".to_owned()]);
    refuse(&layout.tarball().bytes(), Target::Oci, &["-t", "x"], 2).says(["2 images"]);
}

#[test]
fn a_new_name_that_nothing_takes_is_warned_about() {
    let mut layout = Layout::new();
    let artifact = layout.blob("application/vnd.example", "signed");
    layout.list(&artifact);
    for flag in ["--tag", "--add-tag"] {
        convert(&layout.tarball(), Target::Oci, &[flag, NAME])
            .outcome
            .says(["warning: docker.io/library/app:1", "no image to be named"]);
    }
    convert(&layout.tarball(), Target::Oci, &["--no-tags"]).outcome.never_says(["no image to be named"]);
}

#[test]
fn a_strict_index_is_strict_for_every_target() {
    let mut layout = Layout::new();
    let descriptor = layout.image(&image("amd64"), Types::Oci);
    let mut absent = descriptor.clone();
    absent["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
    absent["platform"]["architecture"] = json!("s390x");
    let index = layout.nested(&[descriptor, absent], Types::Oci);
    layout.list_as(&index, &[NAME.to_owned()]);
    for target in Target::ALL {
        for options in [&["--index", "strict"][..], &["--index", "strict", "--platform", "linux/amd64"]] {
            refuse(&layout.tarball().bytes(), target, options, 3).says(["linux/s390x", "missing"]);
        }
    }
}

/// An index that lists one image twice: in the same words, in an index of its own, and without its platform.
fn listed_twice() -> [Tarball; 3] {
    let again: [fn(&mut Layout, &Value) -> Value; 3] = [
        |_, descriptor| descriptor.clone(),
        |layout, descriptor| layout.nested(std::slice::from_ref(descriptor), Types::Oci),
        |_, descriptor| json!({"mediaType": OCI_MANIFEST, "digest": descriptor["digest"], "size": descriptor["size"]}),
    ];
    again.map(|again| {
        let mut layout = Layout::new();
        let descriptor = layout.image(&image("amd64"), Types::Oci);
        let children = [descriptor.clone(), again(&mut layout, &descriptor)];
        let index = layout.nested(&children, Types::Oci);
        layout.list_as(&index, &[NAME.to_owned()]);
        layout.tarball()
    })
}

#[test]
fn an_image_that_an_index_lists_twice_is_one_image() {
    let (id, manifest) = (image("amd64").id(), digest(&Shape::Oci.manifest(&image("amd64")).unwrap()));
    for tar in listed_twice() {
        for flags in [&[][..], &["--platform", "linux/amd64"], &["--image", &id], &["--image", &manifest]] {
            for target in [Target::Docker, Target::Legacy] {
                let converted = convert(&tar, target, flags);
                assert_eq!(converted.images.len(), 1, "{flags:?}");
                assert_names(&converted.images[0], &image("amd64"));
            }
            imgtar(["convert", "--to", "rootfs"]).args(flags).stdin(tar.bytes()).success();
            imgtar(["ls", "-"]).args(flags).stdin(tar.bytes()).success();
        }
        let converted = convert(&tar, Target::Oci, &["--platform", "linux/amd64"]);
        assert_eq!(architectures(&converted.archive), ["amd64"]);
    }
}
