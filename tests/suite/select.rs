//! Which images and platforms of the input: `--image`, `--platform`, `--index`, `--attestations` (O-11 … O-15, O-27).

use serde_json::Value;

use crate::support::expect::{Target, assert_same, convert, refuse};
use crate::support::image::TestImage;
use crate::support::judge::runnable;
use crate::support::layer::file;
use crate::support::layout::{Layout, Types, blob_path};
use crate::support::run::imgtar;
use crate::support::shape::Shape;
use crate::support::tarball::Tarball;

const NAME: &str = "example.com/multi:v1";

fn on(platform: &str) -> TestImage {
    TestImage::new().platform(platform).layer([file("arch", platform)]).tag(NAME)
}

/// One name, an index of these platforms, an attestation for each.
struct Multi {
    layout: Layout,
    index: Value,
    manifests: Vec<Value>,
    attestations: Vec<Value>,
}

fn multi(platforms: &[&str]) -> Multi {
    let mut layout = Layout::new();
    let manifests: Vec<_> = platforms.iter().map(|platform| layout.image(&on(platform), Types::Oci)).collect();
    let attestations: Vec<_> = manifests.iter().map(|manifest| layout.attestation(manifest)).collect();
    let index = layout.nested(&[manifests.clone(), attestations.clone()].concat(), Types::Oci);
    layout.list_as(&index, &[NAME.into()]);
    Multi { layout, index, manifests, attestations }
}

fn two() -> Multi {
    multi(&["linux/amd64", "linux/arm64/v8"])
}

fn path(descriptor: &Value) -> String {
    blob_path(descriptor["digest"].as_str().unwrap())
}

/// The layout as if it had been pulled for amd64 alone (O-15).
fn dangling() -> Tarball {
    let mut multi = two();
    multi.layout.drop_blob(&multi.manifests[1]);
    multi.layout.drop_blob(&multi.attestations[1]);
    multi.layout.tarball()
}

fn pair() -> Tarball {
    Shape::Crane.save(&[TestImage::demo("a:1"), TestImage::demo("docker.io/library/b:2")])
}

#[test]
fn an_image_is_selected_by_name_number_and_digest() {
    let id = TestImage::demo("docker.io/library/b:2").id();
    for selector in
        ["b:2", "docker.io/library/b:2", "@1", &format!("sha256:{id}"), &format!("sha256:{}", &id[..12]), &id[..12]]
    {
        for target in Target::ALL {
            let converted = convert(&pair(), target, &["--image", selector]);
            let found: Vec<_> = converted.images.iter().map(|image| image.id.as_str()).collect();
            assert_eq!(found, [id.as_str()], "--image {selector} --to {}", target.flag());
        }
    }
}

#[test]
fn an_image_of_a_layout_is_selected_by_its_manifest_digest() {
    let image = TestImage::demo("b:2");
    let digest = crate::support::digest(&Shape::Oci.manifest(&image).unwrap());
    let tar = Shape::Oci.save(&[TestImage::demo("a:1"), image.clone()]);
    assert_same(&convert(&tar, Target::Docker, &["--image", &digest]).images[0], &image, Target::Docker);
}

#[test]
fn an_image_that_is_listed_twice_is_selected_with_all_its_names() {
    let mut layout = Layout::new();
    let mut manifest = layout.image(&TestImage::demo("a:1"), Types::Oci);
    for name in ["a:1", "a:2"] {
        manifest["annotations"]["built"] = name.into();
        layout.list_as(&manifest, &[name.to_owned()]);
    }
    let digest = manifest["digest"].as_str().unwrap();
    let converted = convert(&layout.tarball(), Target::Docker, &["--image", digest]);
    let [image] = converted.images.as_slice() else { panic!("{} images", converted.images.len()) };
    assert_eq!(image.names, ["docker.io/library/a:1", "docker.io/library/a:2"]);
}

#[test]
fn o_5_an_image_is_selected_by_a_digest_of_its_own_algorithm() {
    let mut layout = Layout::sha512();
    for name in ["a:1", "b:1"] {
        let manifest = layout.image(&TestImage::demo(name), Types::Oci);
        layout.list_as(&manifest, &[name.to_owned()]);
    }
    let digest = layout.index[1]["digest"].as_str().unwrap();
    for selector in [digest, &digest[..20]] {
        let converted = convert(&layout.tarball(), Target::Docker, &["--image", selector]);
        assert_eq!(converted.images[0].names, ["docker.io/library/b:1"], "{selector}");
    }
    let false_algorithm = digest[..20].replace("sha512", "sha256");
    refuse(&layout.tarball().bytes(), Target::Docker, &["--image", &false_algorithm], 4).says([&false_algorithm]);
}

/// The names of the images that `flags` select of an archive with several.
fn selected(flags: &[&str]) -> Vec<String> {
    let names = ["acme/app:1", "acme/app:2", "acme/team/web:1", "registry.example/acme/app:1", "db:16"];
    let tar = Shape::Crane.save(&names.map(TestImage::demo));
    let converted = convert(&tar, Target::Docker, flags);
    converted.images.into_iter().flat_map(|image| image.names).collect()
}

#[test]
fn images_are_selected_by_a_pattern() {
    for (pattern, expected) in [
        ("acme/*", &["docker.io/acme/app:1", "docker.io/acme/app:2"][..]),
        ("acme/**", &["docker.io/acme/app:1", "docker.io/acme/app:2", "docker.io/acme/team/web:1"]),
        ("acme/*/*:1", &["docker.io/acme/team/web:1"]),
        ("*/acme/app", &["docker.io/acme/app:1", "docker.io/acme/app:2", "registry.example/acme/app:1"]),
        ("acme/app:[2-9]", &["docker.io/acme/app:2"]),
        ("d?", &["docker.io/library/db:16"]),
        ("docker.io/library/*", &["docker.io/library/db:16"]),
    ] {
        assert_eq!(selected(&["--image", pattern]), expected, "{pattern}");
    }
    let tar = pair().bytes();
    refuse(&tar, Target::Oci, &["--image", "acme/*"], 4).says(["no image `acme/*`", "a:1", "b:2"]);
    imgtar(["ls", "--image", "*", "-"]).stdin(tar.clone()).exits(4).says(["2 images", "a:1", "b:2"]);
    imgtar(["ls", "--image", "?:2", "-"]).stdin(tar).success();
}

#[test]
fn a_repository_stands_for_its_only_tag() {
    assert_eq!(selected(&["--image", "db"]), ["docker.io/library/db:16"]);
    assert_eq!(selected(&["--image", "registry.example/acme/app"]), ["registry.example/acme/app:1"]);
    let two = Shape::Crane.save(&["app:1", "app:2"].map(TestImage::demo)).bytes();
    refuse(&two, Target::Oci, &["--image", "app"], 4).says(["`app`", "several tags", "app:1", "app:2"]);
    let latest = Shape::Crane.save(&["app:1", "app:latest"].map(TestImage::demo));
    let converted = convert(&latest, Target::Docker, &["--image", "app"]);
    assert_eq!(converted.images[0].names, ["docker.io/library/app:latest"], "as docker has it");
}

#[test]
fn several_images_are_selected_by_repeating_the_flag() {
    let tar = Shape::Crane.save(&["a:1", "b:1", "c:1"].map(TestImage::demo));
    let converted = convert(&tar, Target::Legacy, &["--image", "c:1", "--image", "@0"]);
    let names: Vec<_> = converted.images.iter().flat_map(|image| image.names.clone()).collect();
    assert_eq!(names, ["docker.io/library/a:1", "docker.io/library/c:1"], "input order (G-17)");
}

#[test]
fn an_image_that_is_not_there_is_said_with_what_is() {
    for selector in ["c:1", "@2", "sha256:0123456789ab"] {
        refuse(&pair().bytes(), Target::Oci, &["--image", selector], 4).says([selector, "a:1", "b:2"]);
    }
    refuse(&pair().bytes(), Target::Oci, &["--image", "a:1", "--image", "c:1"], 4).says(["c:1"]);
}

#[test]
fn several_platforms_do_not_fit_a_docker_archive() {
    for target in [Target::Legacy, Target::Docker] {
        let tar = two().layout.tarball().bytes();
        refuse(&tar, target, &[], 4).says(["linux/amd64", "linux/arm64", "--platform"]);
    }
}

#[test]
fn two_images_of_one_name_and_platform_are_told_apart_by_their_digests() {
    let mut layout = Layout::new();
    let manifests = ["1", "2"].map(|text| {
        let image = TestImage::demo("app:1").layer([file("version", text)]);
        layout.image(&image, Types::Oci)
    });
    let index = layout.nested(&manifests, Types::Oci);
    layout.list_as(&index, &["app:1".to_owned()]);
    let archive = layout.tarball();
    for command in [&["ls", "-"][..], &["convert", "--to", "docker"]] {
        let refused = imgtar(command).stdin(archive.bytes()).exits(4);
        refused.says([
            "by its digest",
            manifests[0]["digest"].as_str().unwrap(),
            manifests[1]["digest"].as_str().unwrap(),
        ]);
        for manifest in &manifests {
            imgtar(command).args(["--image", manifest["digest"].as_str().unwrap()]).stdin(archive.bytes()).success();
        }
    }
}

#[test]
fn a_platform_is_selected_for_every_target() {
    for target in Target::ALL {
        for flag in ["linux/arm64", "linux/arm64/v8"] {
            let converted = convert(&two().layout.tarball(), target, &["--platform", flag]);
            assert_eq!(converted.images.len(), 1, "{flag}");
            assert_same(&converted.images[0], &on("linux/arm64/v8"), target);
            assert_eq!(converted.images[0].names, [NAME]);
        }
    }
}

#[test]
fn an_empty_platform_is_that_of_the_config() {
    for empty in [serde_json::json!({}), serde_json::json!({"os": "", "architecture": ""})] {
        let mut layout = Layout::new();
        let mut manifest = layout.image(&on("linux/arm64"), Types::Oci);
        manifest["platform"] = empty;
        layout.list_as(&manifest, &[NAME.to_owned()]);
        let archive = layout.tarball();
        for target in Target::ALL {
            convert(&archive, target, &["--platform", "linux/arm64"]);
        }
        let verified = imgtar(["verify", "-"]).stdin(archive.bytes()).success().text();
        assert!(verified.starts_with("OK"), "{verified}");
        assert!(!verified.contains("platform") && !verified.contains("operating system"), "{verified}");
    }
}

#[test]
fn a_platform_that_is_not_there_is_said_with_what_is() {
    let tar = two().layout.tarball().bytes();
    for target in Target::ALL {
        refuse(&tar, target, &["--platform", "linux/s390x"], 4).says(["linux/s390x", "linux/amd64", "linux/arm64"]);
    }
}

#[test]
fn platforms_are_given_with_commas() {
    let three = multi(&["linux/amd64", "linux/arm64/v8", "linux/s390x"]);
    let converted = convert(&three.layout.tarball(), Target::OciDir, &["--platform", "linux/amd64,linux/arm64"]);
    assert_eq!(runnable(&converted.archive).len(), 2);
    refuse(&three.layout.tarball().bytes(), Target::OciDir, &["--platform", "linux/amd64,"], 2).says(["--platform"]);
}

#[test]
fn all_platforms_of_a_name_are_listed_wherever_they_stand() {
    let tar = one_name_on_two_entries(true).bytes();
    let everywhere = ["linux/s390x", "linux/amd64", "linux/riscv64"];
    for target in Target::ALL {
        refuse(&tar, target, &["--platform", "linux/s390x"], 4).says(everywhere);
    }
    imgtar(["ls", "--platform", "linux/s390x", "-"]).stdin(tar).exits(4).says(everywhere);
}

#[test]
fn of_many_choices_the_first_are_listed_and_the_rest_is_counted() {
    let images: Vec<_> = (0..150).map(|n| TestImage::new().tag(&format!("app:{n}")).key("n", n.into())).collect();
    let tar = Shape::Crane.save(&images).bytes();
    refuse(&tar, Target::Oci, &["--image", "nowhere"], 4)
        .says(["app:0", "app:99\n", "and 50 more"])
        .never_says(["app:100"]);
}

/// One manifest under two names, for one of which the descriptor gives the platform.
fn one_manifest_listed_twice() -> Tarball {
    let mut layout = Layout::new();
    let mut descriptor = layout.image(&on("linux/amd64"), Types::Oci);
    layout.list_as(&descriptor, &["a:1".into()]);
    descriptor.as_object_mut().unwrap().remove("platform");
    layout.list_as(&descriptor, &["b:1".into()]);
    layout.tarball()
}

#[test]
fn one_manifest_is_one_image_whatever_its_descriptors_leave_out() {
    let tar = one_manifest_listed_twice();
    for command in [&["ls"][..], &["cat", "-", "arch"], &["history"], &["convert", "--to", "rootfs"]] {
        imgtar(command).stdin(tar.bytes()).success();
    }
    for target in [Target::Docker, Target::Legacy] {
        let converted = convert(&tar, target, &[]);
        assert_eq!(converted.images.len(), 1);
        assert_eq!(converted.images[0].names, ["docker.io/library/a:1", "docker.io/library/b:1"]);
    }
    assert_eq!(convert(&tar, Target::OciDir, &[]).archive.json("index.json")["manifests"].as_array().unwrap().len(), 2);
    for flag in ["--tag", "--add-tag"] {
        for target in Target::ALL {
            let converted = convert(&tar, target, &[flag, "new:1"]);
            assert!(converted.images[0].names.contains(&"docker.io/library/new:1".to_owned()), "{flag}");
        }
    }
}

/// One name on two entries of index.json, each another platform: the specification's own example (N-9).
fn one_name_on_two_entries(say_platform: bool) -> Tarball {
    let mut layout = Layout::new();
    for platform in ["linux/amd64", "linux/riscv64"] {
        let mut descriptor = layout.image(&on(platform), Types::Oci);
        if !say_platform {
            descriptor.as_object_mut().unwrap().remove("platform");
        }
        layout.list_as(&descriptor, &[NAME.into()]);
    }
    layout.tarball()
}

#[test]
fn entries_of_one_name_that_differ_in_platform_are_one_name() {
    let tar = one_name_on_two_entries(true);
    let converted = convert(&tar, Target::Docker, &["--platform", "linux/riscv64"]);
    assert_same(&converted.images[0], &on("linux/riscv64"), Target::Docker);
    refuse(&tar.bytes(), Target::Docker, &[], 4).says(["linux/amd64", "linux/riscv64", "--platform"]);
    assert_eq!(convert(&tar, Target::OciDir, &[]).images.len(), 2);
}

#[test]
fn platforms_missing_from_descriptors_are_taken_from_configs() {
    let tar = one_name_on_two_entries(false);
    let converted = convert(&tar, Target::Docker, &["--platform", "linux/riscv64"]);
    assert_same(&converted.images[0], &on("linux/riscv64"), Target::Docker);
    refuse(&tar.bytes(), Target::Docker, &[], 4).says(["linux/amd64", "linux/riscv64", "--platform"]);
    let mut layout = Layout::new();
    let mut children = ["linux/amd64", "linux/riscv64"].map(|platform| layout.image(&on(platform), Types::Oci));
    children.iter_mut().for_each(|child| drop(child.as_object_mut().unwrap().remove("platform")));
    let index = layout.nested(&children, Types::Oci);
    layout.list_as(&index, &[NAME.into()]);
    let converted = convert(&layout.tarball(), Target::Docker, &["--platform", "linux/riscv64"]);
    assert_same(&converted.images[0], &on("linux/riscv64"), Target::Docker);
}

#[test]
fn a_layout_keeps_all_platforms_and_attestations_byte_for_byte() {
    let multi = two();
    for target in [Target::Oci, Target::OciDir] {
        let converted = convert(&multi.layout.tarball(), target, &[]);
        for descriptor in multi.manifests.iter().chain(&multi.attestations).chain([&multi.index]) {
            assert_eq!(converted.archive.body(&path(descriptor)), multi.layout.bytes_of(descriptor), "O-14, T-3");
        }
        assert_eq!(converted.images.len(), 2);
    }
}

#[test]
fn manifest_json_holds_one_platform_and_never_the_hosts() {
    for (platforms, chosen) in
        [(&["linux/arm64/v8", "linux/amd64"][..], "linux/amd64"), (&["linux/s390x", "linux/riscv64"], "linux/s390x")]
    {
        let converted = convert(&multi(platforms).layout.tarball(), Target::Oci, &[]);
        let manifest = converted.archive.json("manifest.json");
        assert_eq!(manifest.as_array().unwrap().len(), 1, "O-27");
        assert_eq!(manifest[0]["Config"], blob_path(&format!("sha256:{}", on(chosen).id())), "O-27");
    }
}

#[test]
fn one_platform_of_an_index_keeps_its_manifest_and_drops_the_rest_with_a_notice() {
    let multi = two();
    let converted = convert(&multi.layout.tarball(), Target::OciDir, &["--platform", "linux/amd64"]);
    assert_eq!(converted.archive.body(&path(&multi.manifests[0])), multi.layout.bytes_of(&multi.manifests[0]), "M-4");
    for gone in [&multi.index, &multi.manifests[1], &multi.attestations[0]] {
        assert!(!converted.archive.has(&path(gone)), "{gone}");
    }
    converted.outcome.says(["attestation", "linux/arm64"]);
}

#[test]
fn the_attestation_of_a_chosen_platform_can_be_kept_in_a_new_index() {
    let multi = two();
    let flags = ["--platform", "linux/amd64", "--attestations", "keep"];
    let converted = convert(&multi.layout.tarball(), Target::OciDir, &flags);
    assert!(converted.archive.has(&path(&multi.manifests[0])) && converted.archive.has(&path(&multi.attestations[0])));
    assert!(!converted.archive.has(&path(&multi.attestations[1])));
    assert_eq!(runnable(&converted.archive).len(), 1);
    for target in [Target::Legacy, Target::Docker] {
        refuse(&multi.layout.tarball().bytes(), target, &flags, 4).says(["attestation"]);
    }
}

#[test]
fn attestations_are_kept_elsewhere_only_where_there_are_none() {
    let keep = ["--platform", "linux/amd64", "--attestations", "keep"];
    let mut without = Layout::new();
    let manifest = without.image(&on("linux/amd64"), Types::Oci);
    let index = without.nested(std::slice::from_ref(&manifest), Types::Oci);
    without.list_as(&index, &[NAME.into()]);
    let mut beside = Layout::new();
    beside.image(&on("linux/amd64"), Types::Oci);
    beside.list_as(&manifest, &[NAME.into()]);
    let attestation = beside.attestation(&manifest);
    beside.list(&attestation);
    for target in [Target::Legacy, Target::Docker] {
        assert_same(&convert(&without.tarball(), target, &keep).images[0], &on("linux/amd64"), target);
        refuse(&beside.tarball().bytes(), target, &keep, 4).says(["attestation"]);
    }
}

#[test]
fn several_platforms_of_an_index_are_taken_and_the_rest_is_named() {
    let multi = multi(&["linux/amd64", "linux/arm64/v8", "linux/s390x"]);
    let two = ["--platform", "linux/amd64", "--platform", "linux/arm64"];
    let converted = convert(&multi.layout.tarball(), Target::OciDir, &two);
    assert_eq!(runnable(&converted.archive).len(), 2);
    let gone = multi.attestations.iter().map(|gone| gone["digest"].as_str().unwrap());
    gone.for_each(|digest| assert!(converted.outcome.stderr.contains(digest), "{}", converted.outcome));
    converted.outcome.says(["a new index lists linux/amd64, linux/arm64/v8; left out: linux/s390x"]);
    let all = [&two[..], &["--platform", "linux/s390x", "--attestations", "keep"]].concat();
    let whole = convert(&multi.layout.tarball(), Target::OciDir, &all);
    assert!(whole.archive.has(&path(&multi.index)), "nothing is left out");
    whole.outcome.never_says(["new index"]);
}

#[test]
fn attestations_can_be_dropped() {
    let multi = two();
    let converted = convert(&multi.layout.tarball(), Target::Oci, &["--attestations", "drop"]);
    assert!(multi.attestations.iter().all(|gone| !converted.archive.has(&path(gone))));
    assert!(multi.manifests.iter().all(|kept| converted.archive.has(&path(kept))));
}

#[test]
fn platforms_whose_blobs_are_absent_are_pruned_and_named() {
    for target in [Target::Oci, Target::OciDir] {
        let converted = convert(&dangling(), target, &[]);
        let entry = &converted.archive.json("index.json")["manifests"][0];
        assert_eq!(entry["mediaType"], crate::support::layout::OCI_INDEX, "an index of one stays an index");
        let index: Value = serde_json::from_slice(converted.archive.body(&path(entry))).unwrap();
        let text = index.to_string();
        assert!(!text.contains("arm64"), "pruned: {text}");
        converted.outcome.says(["warning", "linux/arm64"]);
    }
}

#[test]
fn the_only_platform_whose_content_is_there_needs_no_flag() {
    for target in [Target::Legacy, Target::Docker] {
        assert_same(&convert(&dangling(), target, &[]).images[0], &on("linux/amd64"), target);
    }
}

#[test]
fn a_dangling_index_can_be_kept_or_refused() {
    let kept = convert(&dangling(), Target::OciDir, &["--index", "keep"]);
    let index = two().index;
    assert!(kept.archive.has(&path(&index)), "the index is kept byte for byte");
    refuse(&dangling().bytes(), Target::Oci, &["--index", "strict"], 3).says(["linux/arm64"]);
    refuse(&dangling().bytes(), Target::Oci, &["--strict"], 3).says(["linux/arm64"]);
}

#[test]
fn the_absent_platform_is_no_choice() {
    refuse(&dangling().bytes(), Target::Docker, &["--platform", "linux/arm64"], 4).says(["linux/arm64"]);
}

#[test]
fn no_platform_is_ever_the_hosts_unless_asked() {
    if cfg!(windows) {
        let refused = refuse(&two().layout.tarball().bytes(), Target::Docker, &["--platform", "host"], 4);
        refused.says(["windows/amd64", "linux/amd64"]);
        return;
    }
    let host = if cfg!(target_arch = "aarch64") { "linux/arm64/v8" } else { "linux/amd64" };
    let converted = convert(&two().layout.tarball(), Target::Docker, &["--platform", "host"]);
    assert_same(&converted.images[0], &on(host), Target::Docker);
}
