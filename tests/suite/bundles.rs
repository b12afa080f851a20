//! Several archives become one: images in the order given, what they share once (docs/bundles.md).

mod asked;
mod copies;
mod random;
#[cfg(unix)]
mod removed;

use serde_json::{Value, json};

use crate::support::archive::Archive;
use crate::support::codec::Codec;
use crate::support::expect::{Converted, Target, convert, convert_all};
use crate::support::image::TestImage;
use crate::support::layer::{dir, file};
use crate::support::layout::{FULL_NAME, Layout, OCI_INDEX, REF_NAME, Types, blob_path};
use crate::support::name::full;
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

/// An image on a base that all share.
fn image(name: &str) -> TestImage {
    let base = TestImage::new().layer([dir("etc"), file("etc/os-release", "ID=base\n")]);
    base.layer([file("app", name)]).tag(name)
}

/// The names of each image, in order.
fn names(converted: &Converted) -> Vec<Vec<String>> {
    converted.images.iter().map(|image| image.names.clone()).collect()
}

/// The entry of `index.json` that has this name.
fn entry(archive: &Archive, name: &str) -> Value {
    let index: Value = archive.json("index.json");
    let entries = index["manifests"].as_array().unwrap();
    entries.iter().find(|entry| entry["annotations"][FULL_NAME] == full(name)).unwrap_or(&json!(null)).clone()
}

/// What the entry of this name leads to.
fn nested(archive: &Archive, name: &str) -> Value {
    let entry = entry(archive, name);
    assert_eq!(entry["mediaType"], OCI_INDEX, "B-21: {entry}");
    archive.json(&blob_path(entry["digest"].as_str().unwrap()))
}

fn digests(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entry| entry["digest"].as_str().unwrap()).collect()
}

#[test]
fn images_of_every_shape_come_in_the_order_of_the_archives() {
    for target in Target::ALL {
        let images: Vec<_> = (0..Shape::ALL.len()).map(|nth| image(&format!("example.com/app{nth}:1"))).collect();
        let sources: Vec<_> = Shape::ALL.iter().zip(&images).map(|(shape, image)| shape.save_one(image)).collect();
        let flags: &[&str] = if target.is_oci() { &[] } else { &["--platform", "linux/amd64"] };
        let written = convert_all(&sources.iter().collect::<Vec<_>>(), target, flags);
        let ids: Vec<_> = images.iter().map(TestImage::id).collect();
        assert_eq!(written.images.iter().map(|image| image.id.clone()).collect::<Vec<_>>(), ids, "{}", target.flag());
        assert_eq!(names(&written), images.iter().map(|image| image.tags.clone()).collect::<Vec<_>>());
    }
}

#[test]
fn a_shared_layer_is_stored_once_whoever_saved_it() {
    let images = [image("example.com/a:1"), image("example.com/b:1"), image("example.com/c:1")];
    let [a, b, c] = [
        Shape::Crane.save_one(&images[0]),
        Shape::Containerd.save_one(&images[1]),
        Shape::OciDockerTypes.save_one(&images[2]),
    ];
    let written = convert_all(&[&a, &b, &c], Target::Oci, &[]);
    let base = images[0].layer_digests()[0].clone();
    for image in &written.images {
        assert_eq!(image.layers[0].digest, base, "B-40");
    }
    let blobs = written.archive.names().iter().filter(|name| name.starts_with("blobs/sha256/")).count() - 1;
    assert_eq!(blobs, 1 + 3 + 3 + 3, "a base, and a layer, a config and a manifest for each image");
}

#[test]
fn one_archive_given_twice_is_one() {
    for shape in Shape::ALL {
        // jib names every config alike.
        let images = if shape == Shape::Jib { 1 } else { 2 };
        let source = shape.save(&["example.com/a:1", "example.com/b:1"].map(image)[..images]);
        let (once, twice) = (convert(&source, Target::Oci, &[]), convert_all(&[&source, &source], Target::Oci, &[]));
        assert_eq!(once.bytes, twice.bytes, "{shape:?}");
        twice.outcome.never_says(["warning"]);
    }
}

#[test]
fn one_image_under_several_names_is_one_image() {
    let one = image("example.com/a:1");
    let other = one.clone().untagged().tag("example.com/b:2");
    for (one, other) in [
        (Shape::Docker20.save_one(&one), Shape::Docker20.save_one(&other)),
        (Shape::Docker20.save_one(&one), Shape::Crane.save_one(&other)),
        (Shape::Oci.save_one(&one), Shape::Containerd.save_one(&other)),
    ] {
        for target in Target::ALL {
            let written = convert_all(&[&one, &other], target, &[]);
            assert_eq!(names(&written), [["example.com/a:1", "example.com/b:2"]], "B-33, B-39: {}", target.flag());
        }
    }
}

#[test]
fn one_name_for_two_images_of_one_platform_is_refused_with_both() {
    let (one, other) = (image("example.com/a:1"), image("example.com/a:1").key("author", json!("x")));
    let scratch = Scratch::new();
    let one_path = scratch.write("one.tar", Shape::Docker20.save_one(&one).bytes());
    let other_path = scratch.write("other.tar", Shape::Oci.save_one(&other).bytes());
    for target in ["oci", "legacy"] {
        let refused = imgtar(["convert", "--to", target, "-o"]).arg(scratch.path("out")).args([&one_path, &other_path]);
        refused.exits(4).says(["example.com/a:1", &one.id(), "one.tar", "other.tar", "--rename", "--image"]);
    }
    assert_eq!(scratch.names(), ["one.tar", "other.tar"], "B-26: nothing is written");
    for flags in [&["--no-tags"][..], &["--image", &one.id()]] {
        let run = imgtar(["convert", "--to", "oci", "-o"]).arg(scratch.path("out")).args([&one_path, &other_path]);
        run.args(flags).arg("--force").success();
    }
}

#[test]
fn one_image_in_other_compression_under_one_name_is_the_first() {
    let gzip = image("example.com/a:1");
    let plain = gzip.clone().all_stored(Codec::Plain);
    let written = convert_all(&[&Shape::Oci.save_one(&gzip), &Shape::Oci.save_one(&plain)], Target::Oci, &[]);
    assert_eq!(written.images.len(), 1, "B-39");
    assert_eq!(written.images[0].manifest, Shape::Oci.manifest(&gzip));
    written.outcome.says(["note", "listed twice"]);
}

#[test]
fn platforms_of_one_name_become_an_index_of_the_manifests_as_they_are() {
    let images = ["linux/arm64", "linux/amd64", "linux/arm/v7"].map(|platform| image("app:1").platform(platform));
    let sources = [Shape::OciDockerTypes, Shape::Oci, Shape::Docker20].iter().zip(&images);
    let sources: Vec<_> = sources.map(|(shape, image)| shape.save_one(image)).collect();
    let written = convert_all(&sources.iter().collect::<Vec<_>>(), Target::Oci, &[]);
    let index = nested(&written.archive, "app:1");
    let platforms: Vec<_> = index["manifests"].as_array().unwrap().iter().map(|entry| &entry["platform"]).collect();
    assert_eq!(platforms, images.each_ref().map(TestImage::platform_json).iter().collect::<Vec<_>>(), "B-23, B-24");
    let kept = [Shape::OciDockerTypes.manifest(&images[0]), Shape::Oci.manifest(&images[1])].map(Option::unwrap);
    for (digest, manifest) in digests(&index["manifests"]).iter().zip(kept) {
        assert_eq!(written.archive.body(&blob_path(digest)), manifest, "B-22: kept byte for byte");
    }
    let listed: Value = written.archive.json("manifest.json");
    assert_eq!(listed.as_array().unwrap().len(), 1, "B-27");
    assert_eq!(listed[0]["Config"], format!("blobs/sha256/{}", images[1].id()), "O-27: linux/amd64");
    assert_eq!(written.archive.json("index.json")["manifests"].as_array().unwrap().len(), 1, "B-20");
}

#[test]
fn one_tag_is_given_to_images_of_several_platforms_and_names() {
    let [amd64, arm64] = [("build-amd64:7", "linux/amd64"), ("build-arm64:7", "linux/arm64/v8")]
        .map(|(name, platform)| Shape::Docker20.save_one(&image(name).platform(platform)));
    let written = convert_all(&[&amd64, &arm64], Target::Oci, &["-t", "app:1"]);
    assert_eq!(nested(&written.archive, "app:1")["manifests"].as_array().unwrap().len(), 2);
    let scratch = Scratch::new();
    let same = Shape::Docker20.save_one(&image("other:1").platform("linux/arm64"));
    let paths = [("a.tar", &arm64), ("b.tar", &same)].map(|(name, source)| scratch.write(name, source.bytes()));
    let refused = imgtar(["convert", "--to", "oci", "-t", "app:1", "-o"]).arg(scratch.path("out")).args(&paths);
    refused.exits(2).says(["app:1", "2 images"]);
    for target in ["docker", "legacy"] {
        let amd64 = scratch.write("c.tar", amd64.bytes());
        let run = imgtar(["convert", "--to", target, "-t", "app:1", "-o"]).arg(scratch.path("out"));
        run.args([&amd64, &paths[0]]).exits(4).says(["linux/amd64", "linux/arm64"]);
    }
}

/// `app:1` behind an index of its own, an attestation beside it.
fn attested(platform: &str, note: Option<&str>) -> (Tarball, [Value; 2]) {
    let mut layout = Layout::new();
    let manifest = layout.image(&image("app:1").platform(platform), Types::Oci);
    let attestation = layout.attestation(&manifest);
    let index = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [&manifest, &attestation],
        "annotations": note.map(|note| json!({"same": "1", "other": note})),
    });
    let index = layout.blob(OCI_INDEX, index.to_string());
    layout.list_as(&index, &["app:1".to_owned()]);
    (layout.tarball(), [manifest, attestation])
}

#[test]
fn indexes_of_one_name_are_flattened_into_one_attestations_last() {
    let (amd64, first) = attested("linux/amd64", Some("1"));
    let (arm64, second) = attested("linux/arm64", Some("2"));
    let written = convert_all(&[&amd64, &arm64], Target::Oci, &[]);
    let index = nested(&written.archive, "app:1");
    let expected = [&first[0], &second[0], &first[1], &second[1]].map(|entry| entry["digest"].as_str().unwrap());
    assert_eq!(digests(&index["manifests"]), expected, "B-24, B-25");
    let subject = &index["manifests"][3]["annotations"]["vnd.docker.reference.digest"];
    assert_eq!(subject, &second[0]["digest"], "B-24");
    assert_eq!(index["annotations"], json!({"same": "1"}), "B-25");
    written.outcome.says(["warning", "other"]);
    let alone = Shape::Oci.save_one(&image("app:1").platform("linux/arm64"));
    let written = convert_all(&[&amd64, &alone], Target::Oci, &[]);
    let index = nested(&written.archive, "app:1");
    assert_eq!(digests(&index["manifests"])[2], first[1]["digest"].as_str().unwrap());
    assert_eq!(index["annotations"], json!({"same": "1", "other": "1"}));
}

#[test]
fn an_attestation_survives_the_image_that_is_there_already() {
    let alone = Shape::Oci.save_one(&image("app:1"));
    let (attested, [manifest, attestation]) = attested("linux/amd64", None);
    let written = convert_all(&[&alone, &attested], Target::Oci, &[]);
    let index = nested(&written.archive, "app:1");
    let expected = [&manifest, &attestation].map(|entry| entry["digest"].as_str().unwrap());
    assert_eq!(digests(&index["manifests"]), expected, "B-25");
}

/// One index of two platforms, saved twice with the content of one each, as engines export what they have.
fn halves() -> (Tarball, [Tarball; 2]) {
    let mut whole = Layout::new();
    let manifests =
        ["linux/amd64", "linux/arm64"].map(|platform| whole.image(&image("app:1").platform(platform), Types::Oci));
    let index = whole.nested(&manifests, Types::Oci);
    whole.list_as(&index, &["app:1".to_owned()]);
    let halves = manifests.each_ref().map(|manifest| {
        let mut half = whole.clone();
        half.drop_blob(manifest);
        half.tarball()
    });
    (whole.tarball(), halves)
}

#[test]
fn halves_of_one_index_make_it_whole() {
    let (whole, [one, other]) = halves();
    let expected = convert(&whole, Target::Oci, &[]);
    for halves in [[&one, &other], [&other, &one]] {
        let written = convert_all(&halves, Target::Oci, &[]);
        assert_eq!(entry(&written.archive, "app:1")["digest"], entry(&expected.archive, "app:1")["digest"], "B-39");
        assert_eq!(written.bytes, expected.bytes);
        written.outcome.never_says(["warning"]);
    }
    convert(&one, Target::Oci, &[]).outcome.says(["warning", "not in the archive"]);
}

#[test]
fn a_layer_that_an_archive_lacks_is_taken_from_another_and_verified() {
    let named = image("example.com/a:1").all_stored(Codec::Plain);
    let base = Shape::Docker20.save_one(&image("example.com/base:1"));
    let whole = Shape::Oci.save_one(&named);
    let lacking = whole.clone().without(&blob_path(&named.diff_ids()[0]));
    let written = convert_all(&[&lacking, &base], Target::Oci, &["--image", "example.com/a:1"]);
    assert_eq!(written.bytes, convert(&whole, Target::Oci, &[]).bytes, "B-39");
    let mut liar = base;
    let member = liar.members.iter_mut().find(|member| member.name.ends_with("/layer.tar")).unwrap();
    let Kind::File(bytes) = &mut member.kind else { panic!("a layer") };
    // The first byte of the file in it.
    bytes[1024] ^= 1;
    let scratch = Scratch::new();
    let paths = [("a.tar", &lacking), ("liar.tar", &liar)].map(|(name, source)| scratch.write(name, source.bytes()));
    let run = imgtar(["convert", "--to", "oci", "-o"]).arg(scratch.path("out")).args(&paths);
    run.exits(3).says(["liar.tar", &named.diff_ids()[0]]);
    assert_eq!(scratch.names(), ["a.tar", "liar.tar"]);
}

#[test]
fn with_another_archive_what_is_listed_and_absent_is_taken_from_there_and_no_image_more() {
    let named = image("example.com/a:1").all_stored(Codec::Plain);
    let base = Shape::Docker20.save_one(&image("example.com/base:1"));
    let whole = Shape::Oci.save_one(&named);
    let lacking = whole.clone().without(&blob_path(&named.diff_ids()[0]));
    let expected = convert(&whole, Target::Oci, &[]);
    let scratch = Scratch::new();
    let (lacking, base) = (scratch.write("up.tar", lacking.bytes()), scratch.write("base.tar", base.bytes()));
    let convert_with = |target: &str, more: &[&std::path::Path]| {
        let run = imgtar(["convert", "--to", target, "-o"]).arg(scratch.path("out")).arg("-f").arg(&lacking);
        more.iter().fold(run, |run, path| run.arg("--with").arg(path))
    };
    convert_with("oci", &[&base]).success();
    assert!(scratch.read("out") == expected.bytes, "B-42: byte for byte the whole");
    convert_with("legacy", &[&base]).success();
    let other = scratch.write("other.tar", Shape::Oci.save_one(&TestImage::demo("x:1")).bytes());
    std::fs::remove_file(scratch.path("out")).unwrap();
    convert_with("oci", &[&other]).exits(3).says(["up.tar", &blob_path(&named.diff_ids()[0])]);
    convert_with("oci", &[&scratch.write("none.tar", "no archive")]).exits(3).says(["none.tar"]);
    convert_with("oci", &[std::path::Path::new("-"), std::path::Path::new("-")]).exits(2);
    let run = imgtar(["convert", "--to", "oci", "-f", "-o"]).arg(&base).arg(&lacking).arg("--with").arg(&base);
    run.exits(2).says(["is the input"]);
    let (whole, [one, other]) = halves();
    let (one, other) = (scratch.write("one.tar", one.bytes()), scratch.write("two.tar", other.bytes()));
    let run = imgtar(["convert", "--to", "oci", "-o"]).arg(scratch.path("out")).arg(&one).arg("--with").arg(&other);
    run.success().never_says(["warning"]);
    assert!(scratch.read("out") == convert(&whole, Target::Oci, &[]).bytes, "B-42");
}

#[test]
fn a_layer_is_taken_for_another_only_if_it_is_what_both_say() {
    let images = [image("example.com/a:1"), image("example.com/b:1")];
    let digest = images[0].layer_digests()[0].clone();
    let mut damaged = images[0].layers[0].blob();
    *damaged.last_mut().unwrap() ^= 1;
    let bad = Shape::Oci.save_one(&images[0]).replacing(&blob_path(&digest), Kind::File(damaged));
    let good = Shape::Oci.save_one(&images[1]);
    let scratch = Scratch::new();
    let paths = [("bad.tar", &bad), ("good.tar", &good)].map(|(name, source)| scratch.write(name, source.bytes()));
    let run = imgtar(["convert", "--to", "oci", "-o"]).arg(scratch.path("out")).args(&paths);
    run.exits(3).says(["bad.tar", &digest]);
    assert_eq!(scratch.names(), ["bad.tar", "good.tar"]);
}

#[test]
fn names_that_share_a_tag_are_told_apart() {
    let [a, b] = ["one/app:1", "two/app:1"].map(|name| Shape::Docker20.save_one(&image(name)));
    let written = convert_all(&[&a, &b], Target::Oci, &[]);
    for name in ["one/app:1", "two/app:1"] {
        assert_eq!(entry(&written.archive, name)["annotations"][REF_NAME], full(name), "B-30");
    }
    let listed: Value = written.archive.json("manifest.json");
    assert_eq!(listed[1]["RepoTags"], json!(["docker.io/two/app:1"]), "B-32");
    let alone: Value = convert(&a, Target::Oci, &[]).archive.json("manifest.json");
    assert_eq!(alone[0]["RepoTags"], json!(["one/app:1"]), "N-6");
}

#[test]
fn files_pipes_directories_and_compressed_archives_mix() {
    let images = ["a:1", "b:1", "c:1", "d:1"].map(image);
    let scratch = Scratch::new();
    let [file, piped, unpacked, packed] = images.each_ref().map(|image| Shape::Oci.save_one(image));
    unpacked.unpack(&scratch.path("layout"));
    let (file, packed) = (scratch.write("a.tar", file.bytes()), scratch.write("d", packed.compressed(Codec::Zstd)));
    let run = imgtar(["convert", "--to", "oci", "-o"]).arg(scratch.path("out")).arg(file);
    run.arg("-").arg(scratch.path("layout")).arg(&packed).stdin(piped.bytes()).success();
    let written = Archive::open(&scratch.read("out"));
    let index: Value = written.json("index.json");
    let names: Vec<_> = (index["manifests"].as_array().unwrap().iter())
        .map(|entry| entry["annotations"][FULL_NAME].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["a:1", "b:1", "c:1", "d:1"].map(full));
    imgtar(["convert", "--to", "oci", "-", "-"]).stdin("").exits(2).says(["`-` is given twice"]);
    #[cfg(unix)]
    for args in [
        &["convert", "--to", "oci", "-", "/dev/stdin"][..],
        &["convert", "--to", "oci", "--with", "/dev/fd/0"],
        &["verify", "/dev/stdin", "/dev/stdin"],
        &["diff", "/dev/stdin", "-"],
    ] {
        imgtar(args).stdin("x").exits(2).says(["one stream, which can be read once"]);
    }
    let run = imgtar(["convert", "--to", "oci", "-o"]).arg(&packed).arg(scratch.path("a.tar")).arg(&packed).arg("-f");
    run.exits(2).says(["is the input"]);
}

#[cfg(unix)]
#[test]
fn more_archives_than_a_process_may_have_files() {
    let scratch = Scratch::new();
    let mut words = Vec::new();
    for nth in 0..300 {
        let source = Shape::Oci.save_one(&image(&format!("app{nth}:1")));
        let bytes = if nth % 2 == 0 { source.bytes() } else { source.compressed(Codec::Gzip) };
        scratch.write(&format!("{nth}.tar"), bytes);
        words.push(format!("{nth}.tar"));
    }
    let line = format!(
        "ulimit -n 64; exec {} convert --to oci -o out {}",
        crate::support::run::program().display(),
        words.join(" ")
    );
    let ended = std::process::Command::new("sh").args(["-c", &line]).current_dir(scratch.dir()).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let index: Value = Archive::open(&scratch.read("out")).json("index.json");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 300);
}

#[test]
fn where_one_archive_fails_nothing_is_written() {
    let scratch = Scratch::new();
    let good = scratch.write("good.tar", Shape::Oci.save_one(&image("a:1")).bytes());
    let bad = scratch.write("bad.tar", "no archive");
    for order in [[&good, &bad], [&bad, &good]] {
        imgtar(["convert", "--to", "oci", "-o"]).arg(scratch.path("out")).args(order).exits(3).says(["bad.tar"]);
        assert_eq!(scratch.names(), ["bad.tar", "good.tar"]);
    }
}

#[test]
fn output_does_not_depend_on_threads() {
    let sources: Vec<_> =
        (Shape::ALL.iter().enumerate()).map(|(nth, shape)| shape.save_one(&image(&format!("app{nth}:1")))).collect();
    let sources: Vec<_> = sources.iter().collect();
    for flags in [&[][..], &["--compress", "zstd"]] {
        let [one, many] = ["1", "8"].map(|jobs| convert_all(&sources, Target::Oci, &[flags, &["-j", jobs]].concat()));
        assert_eq!(one.bytes, many.bytes);
    }
}
