//! `--split`: an archive for each image, all or none (docs/bundles.md B-41).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::archive::Archive;
use crate::support::codec::Codec;
use crate::support::expect::{Target, archive_and_images};
use crate::support::image::TestImage;
use crate::support::layer::{file, layer_tar};
use crate::support::layout::{Layout, Types, blob_path};
use crate::support::noise;
use crate::support::run::{Outcome, imgtar};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

/// Splits `source` by `pattern`, which lies below a directory that is there.
fn split(scratch: &Scratch, source: &Tarball, target: &str, pattern: &str, flags: &[&str]) -> Outcome {
    std::fs::create_dir_all(scratch.path("out")).unwrap();
    let run = imgtar(["convert", "--to", target, "--split", "-o", &format!("out/{pattern}")]).args(flags);
    run.dir(scratch.dir()).stdin(source.bytes()).run()
}

/// What lies in the directory.
fn found(scratch: &Scratch) -> Vec<String> {
    let entries = std::fs::read_dir(scratch.path("out")).unwrap();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    found
}

fn three() -> Tarball {
    Shape::Docker20.save(&["ex.org/team/api:1", "web:2.0", "localhost:5000/db:3"].map(TestImage::demo))
}

#[test]
fn every_image_is_an_archive_of_its_own() {
    for target in Target::ALL {
        let scratch = Scratch::new();
        let outcome = split(&scratch, &three(), target.flag(), "{name}-{tag}.tar", &[]);
        assert_eq!(outcome.code, 0, "{outcome}");
        assert_eq!(found(&scratch), ["api-1.tar", "db-3.tar", "web-2.0.tar"], "{}", target.flag());
        if target != Target::OciDir {
            let (_, images) = archive_and_images(target, &scratch.read("out/web-2.0.tar"));
            assert_eq!(images.len(), 1);
            assert_eq!(images[0].names, ["docker.io/library/web:2.0"]);
        }
        outcome.says(["wrote out/api-1.tar", "wrote out/db-3.tar", "web:2.0"]);
    }
}

#[test]
fn an_archive_without_images_is_refused() {
    let mut layout = Layout::new();
    let image = layout.image(&TestImage::demo("app:1"), Types::Oci);
    let signature = layout.artifact(&image);
    layout.list_as(&signature, &["ex.org/chart:1".to_owned()]);
    let scratch = Scratch::new();
    let outcome = split(&scratch, &layout.tarball(), "oci", "{n}.tar", &[]);
    assert_eq!((outcome.code, found(&scratch)), (4, vec![]), "{outcome}");
    outcome.says(["there is no image in it, only", "ex.org/chart:1"]);
    let edited = imgtar(["edit", "--label", "a=b", "--to", "oci"]).stdin(layout.tarball().bytes()).run();
    assert_eq!(edited.code, 4, "{edited}");
}

#[test]
fn the_fields_of_a_name_with_a_tag_and_a_digest_are_its_own() {
    let digest = format!("sha256:{}", "d".repeat(64));
    let mut layout = Layout::new();
    for name in [format!("ex.org/team/app:1@{digest}"), format!("ex.org/web@{digest}")] {
        let image = layout.image(&TestImage::demo(&name[..12]), Types::Oci);
        layout.list_as(&image, &[name]);
    }
    let scratch = Scratch::new();
    let outcome = split(&scratch, &layout.tarball(), "oci", "{name}.tar", &[]);
    assert_eq!((outcome.code, found(&scratch)), (0, vec!["app.tar".to_owned(), "web.tar".to_owned()]), "{outcome}");
    let without_tag = split(&Scratch::new(), &layout.tarball(), "oci", "{name}-{tag}.tar", &[]);
    assert_eq!(without_tag.code, 4, "{without_tag}");
}

#[test]
fn an_input_on_standard_input_is_never_replaced() {
    let scratch = Scratch::new();
    let bytes = Shape::Docker20.save_one(&TestImage::demo("ex.org/app:1")).bytes();
    scratch.write("app.tar", &bytes);
    Shape::Oci.save_one(&TestImage::demo("app:1")).unpack(&scratch.path("layout"));
    scratch.write("layout/app.tar", &bytes);
    for (input, flags) in [
        ("app.tar", &["--to", "oci", "--split", "-f", "-o", "{name}.tar"][..]),
        ("app.tar", &["--to", "oci", "-f", "-o", "out.tar", "--report", "app.tar"]),
        ("app.tar", &["--to", "oci", "--split", "-f", "-o", "{name}-1.tar", "--report", "app.tar"]),
        ("app.tar", &["--to", "rootfs", "-f", "-o", "out.tar", "--config-out", "app.tar"]),
        ("layout/app.tar", &["--to", "oci-dir", "-f", "-o", "layout"]),
    ] {
        let stdin = fs::File::open(scratch.path(input)).unwrap();
        let outcome = imgtar(["convert"]).args(flags).dir(scratch.dir()).stdin_file(stdin).run();
        assert_eq!((outcome.code, scratch.read(input)), (2, bytes.clone()), "{flags:?}: {outcome}");
    }
}

#[test]
fn a_directory_for_each_image_may_be_spelled_like_one() {
    let scratch = Scratch::new();
    assert_eq!(split(&scratch, &three(), "oci-dir", "{name}/", &[]).code, 0);
    assert_eq!(found(&scratch), ["api", "db", "web"]);
    let refused = split(&scratch, &three(), "oci", "{name}/", &[]);
    assert_eq!(refused.code, 2);
    refused.says(["the name of a file"]);
}

#[test]
fn filesystems_for_several_images_point_to_no_flag_that_is_refused() {
    let scratch = Scratch::new();
    let outcome = split(&scratch, &three(), "rootfs", "{name}.tar", &[]);
    assert_eq!(outcome.code, 0, "{outcome}");
    outcome.says(["not in a root filesystem", "inspect --config"]).never_says(["--config-out"]);
}

#[test]
fn each_archive_is_what_a_conversion_of_its_image_writes() {
    let scratch = Scratch::new();
    assert_eq!(split(&scratch, &three(), "oci", "{n}", &["--compress", "gzip"]).code, 0);
    for nth in ["0", "1", "2"] {
        let image = format!("@{nth}");
        let alone = imgtar(["convert", "--to", "oci", "--compress", "gzip", "--image", &image]).stdin(three().bytes());
        assert!(alone.success().stdout == scratch.read(&format!("out/{nth}")), "{nth}");
    }
}

#[test]
fn fields_are_parts_of_the_image() {
    let image = TestImage::demo("ex.org/team/api:1").platform("linux/arm/v7");
    let scratch = Scratch::new();
    let source = Shape::Oci.save_one(&image);
    assert_eq!(split(&scratch, &source, "oci", "{repo}.{os}.{arch}.{id}.tar.gz", &[]).code, 0);
    assert_eq!(found(&scratch), [format!("ex.org_team_api.linux.arm-v7.{}.tar.gz", &image.id()[..12])]);
    assert_eq!(&scratch.read(&format!("out/{}", found(&scratch)[0]))[..2], [0x1f, 0x8b], "the extension still counts");
    for pattern in ["{other}", "{name", "{name}/x", "{}"] {
        assert_eq!(split(&scratch, &source, "oci", pattern, &[]).code, 2, "{pattern}");
    }
    for flags in [&["--all-blobs"][..], &["--append"]] {
        assert_eq!(
            split(&scratch, &source, if flags[0] == "--append" { "oci-dir" } else { "oci" }, "{n}", flags).code,
            2
        );
    }
    imgtar(["convert", "--to", "oci", "--split"]).stdin(source.bytes()).exits(2).says([r#"-o "out/"#]);
}

#[test]
fn two_of_one_name_are_refused_before_anything_is_written() {
    let scratch = Scratch::new();
    let source = Shape::Docker20.save(&["one/app:1", "two/app:1"].map(TestImage::demo));
    let refused = split(&scratch, &source, "oci", "{name}.tar", &[]);
    assert_eq!(refused.code, 4, "{refused}");
    refused.says(["one/app:1", "two/app:1", "app.tar", "{n}"]);
    assert_eq!(found(&scratch), [""; 0]);
    assert_eq!(split(&scratch, &source, "oci", "{repo}.tar", &[]).code, 0);
    assert_eq!(found(&scratch), ["one_app.tar", "two_app.tar"]);
    let untagged = Shape::Docker20.save_one(&TestImage::demo("x").untagged());
    let refused = split(&scratch, &untagged, "oci", "{name}.tar", &[]);
    assert_eq!(refused.code, 4, "{refused}");
    refused.says(["{name}", "{id}"]);
}

/// Where nobody else could tell the two apart, or find what was written.
#[cfg(windows)]
#[test]
fn names_that_the_system_takes_for_one_or_for_no_file_are_refused() {
    let scratch = Scratch::new();
    let two = Shape::Docker20.save(&["app:V1", "app:v1"].map(TestImage::demo));
    let outcome = split(&scratch, &two, "oci", "{name}-{tag}.tar", &["-f"]);
    assert_eq!(outcome.code, 4, "{outcome}");
    outcome.says(["two images would be written to app-v1.tar"]);
    let dotted = Shape::Docker20.save(&["app:v1.", "app:v1"].map(TestImage::demo));
    let outcome = split(&scratch, &dotted, "oci", "{name}-{tag}", &["-f"]);
    assert_eq!(outcome.code, 4, "{outcome}");
    let report = ["--report", "OUT/APP-V1.tar.", "-f"];
    let outcome = split(&scratch, &dotted, "oci", "{name}-{tag}.tar", &report);
    assert_eq!(outcome.code, 2, "{outcome}");
    let outcome = split(&scratch, &two, "oci", "{name}:{tag}.tar", &[]);
    assert_eq!(outcome.code, 4, "{outcome}");
    outcome.says(["no file can be named `app:V1.tar`"]);
    // The system would remove the point at the end.
    for (pattern, name) in [("{name}.tar", "nul.tar"), ("{tag}", "1.")] {
        let image = Shape::Docker20.save_one(&TestImage::demo("nul:1."));
        let outcome = split(&scratch, &image, "oci", pattern, &[]);
        assert_eq!(outcome.code, 4, "{outcome}");
        outcome.says([&*format!("no file can be named `{name}`")]);
    }
    assert!(found(&scratch).is_empty());
}

#[test]
fn what_is_there_stays_unless_force_replaces_it() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("out")).unwrap();
    scratch.write("out/web.tar", "precious");
    let refused = split(&scratch, &three(), "oci", "{name}.tar", &[]);
    assert_eq!(refused.code, 5, "{refused}");
    refused.says(["out/web.tar", "--force"]);
    assert_eq!(found(&scratch), ["web.tar"]);
    assert_eq!(scratch.read("out/web.tar"), b"precious");
    assert_eq!(split(&scratch, &three(), "oci", "{name}.tar", &["--force"]).code, 0);
    assert_eq!(found(&scratch), ["api.tar", "db.tar", "web.tar"]);
    assert_eq!(split(&scratch, &three(), "oci", "none/{name}.tar", &[]).code, 5, "no directory is made");
    assert_eq!(split(&scratch, &three(), "oci-dir", "{name}", &[]).code, 0);
    assert_eq!(split(&scratch, &three(), "oci-dir", "{name}", &[]).code, 5);
    assert_eq!(split(&scratch, &three(), "oci-dir", "{name}", &["-f"]).code, 0);
    let archive = scratch.write("app.tar", three().bytes());
    let run = imgtar(["convert", "--to", "oci", "--split", "-f", "-o", "app.{tag}ar"]).arg(&archive);
    let named = Shape::Docker20.save_one(&TestImage::demo("x:t")).bytes();
    std::fs::write(&archive, named).unwrap();
    run.dir(scratch.dir()).exits(2).says(["is the input"]);
}

#[test]
fn hostile_names_stay_in_the_directory() {
    for (os, architecture) in
        [("../../etc", "x"), ("..", ""), ("a/b", "c\\d"), ("\u{202e}", "-rf"), ("con:", "\u{1b}[2J")]
    {
        let scratch = Scratch::new();
        let config =
            serde_json::json!({"os": os, "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": []}});
        let source = Shape::Docker20.save_one(&TestImage::new().raw_config(&config.to_string()).tag("x:1"));
        for pattern in ["{os}", "{os}{arch}"] {
            let outcome = split(&scratch, &source, "oci", pattern, &[]);
            assert!([0, 4].contains(&outcome.code), "{outcome}");
            for name in found(&scratch) {
                let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
                assert!(name.chars().all(is_plain), "{name}");
            }
            assert_eq!(scratch.names(), ["out"], "{outcome}");
        }
    }
}

/// `app:1` for two platforms behind one index, with an attestation and a signature of one of them.
fn platforms() -> (Tarball, [TestImage; 2]) {
    let images = ["linux/amd64", "linux/arm64"].map(|platform| TestImage::demo("app:1").platform(platform));
    let mut layout = Layout::new();
    let manifests = images.each_ref().map(|image| layout.image(image, Types::Oci));
    let attestation = layout.attestation(&manifests[0]);
    let signature = layout.artifact(&manifests[0]);
    let index = layout.nested(&[manifests.as_slice(), &[attestation]].concat(), Types::Oci);
    layout.list_as(&index, &["app:1".to_owned()]);
    layout.list_as(&signature, &["app:sha256-x.sig".to_owned()]);
    let other = layout.image(&TestImage::demo("web:1"), Types::Oci);
    layout.list_as(&other, &["web:1".to_owned()]);
    (layout.tarball(), images)
}

#[test]
fn platforms_stay_together_unless_the_pattern_tells_them_apart() {
    let (source, images) = platforms();
    let scratch = Scratch::new();
    assert_eq!(split(&scratch, &source, "oci", "{name}.tar", &[]).code, 0);
    assert_eq!(found(&scratch), ["app.tar", "web.tar"]);
    let together = Archive::open(&scratch.read("out/app.tar"));
    let index: Value = together.json("index.json");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2, "the signature goes where its image is");
    for target in ["oci", "docker"] {
        let scratch = Scratch::new();
        let outcome = split(&scratch, &source, target, "{name}-{arch}.tar", &[]);
        assert_eq!(outcome.code, 0, "{outcome}");
        assert_eq!(found(&scratch), ["app-amd64.tar", "app-arm64.tar", "web-amd64.tar"]);
        let target = if target == "oci" { Target::Oci } else { Target::Docker };
        let (_, judged) = archive_and_images(target, &scratch.read("out/app-arm64.tar"));
        assert_eq!(judged[0].id, images[1].id());
        outcome.says(["note", "each platform is written on its own", "attestation"]);
    }
}

#[test]
fn reports_are_a_document_a_line() {
    let scratch = Scratch::new();
    assert_eq!(split(&scratch, &three(), "oci", "{name}.tar", &["--report", "report"]).code, 0);
    let text = String::from_utf8(scratch.read("report")).unwrap();
    let documents: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outputs: Vec<_> = documents.iter().map(|document| Path::new(document["output"].as_str().unwrap())).collect();
    assert_eq!(outputs, ["api.tar", "web.tar", "db.tar"].map(|name| Path::new("out").join(name)));
    for document in &documents {
        crate::support::schema::check("report", document);
    }
}

fn damage(source: &mut Tarball, layer: &str) {
    let layer = blob_path(layer);
    let member = source.members.iter_mut().find(|member| member.name == layer).unwrap();
    let Kind::File(bytes) = &mut member.kind else { panic!("a layer") };
    *bytes.last_mut().unwrap() ^= 1;
}

#[test]
fn where_one_image_is_damaged_no_archive_appears() {
    let scratch = Scratch::new();
    let mut source = Shape::Oci.save(&["a:1", "b:1"].map(TestImage::demo));
    damage(&mut source, &TestImage::demo("b:1").layer_digests()[1]);
    let outcome = split(&scratch, &source, "oci", "{name}.tar", &[]);
    assert_eq!(outcome.code, 3, "{outcome}");
    assert_eq!(found(&scratch), [""; 0]);
}

/// Images of one layer that they share and one of their own: the last of each is stored with zstd, which is warned about,
/// and the fourth is larger than all others together.
fn many() -> Vec<TestImage> {
    let base = || TestImage::new().layer([file("etc/os-release", "ID=base\n")]);
    let own = |nth: usize| layer_tar([file("own", noise(if nth == 3 { 900_000 } else { 40_000 + nth }))]);
    let image = |nth| base().layer_bytes(own(nth)).stored(Codec::Zstd).tag(&format!("ex.org/app{nth}:1"));
    (0..8).map(image).collect()
}

#[test]
fn archives_written_side_by_side_are_the_same_and_come_in_the_same_order() {
    let source = Shape::Oci.save(&many());
    for (target, compress) in [("oci", "keep"), ("docker", "gzip"), ("oci-dir", "gzip"), ("legacy", "none")] {
        let run = |jobs: &str| {
            let scratch = Scratch::new();
            let flags = ["--compress", compress, "-j", jobs, "--report", "report", "-v"];
            let outcome = split(&scratch, &source, target, "{n}.tar", &flags);
            assert_eq!(outcome.code, 0, "{outcome}");
            let files = tree(&scratch.path("out"));
            (outcome.stderr, scratch.read("report"), files)
        };
        let one = run("1");
        assert_eq!(one.0.contains("warning"), target == "oci", "{}", one.0);
        for jobs in ["2", "3", "16"] {
            let more = run(jobs);
            assert_eq!(more.0, one.0, "{target} -j {jobs}");
            assert!(more.1 == one.1 && more.2 == one.2, "{target} -j {jobs}");
        }
    }
}

/// All files below a directory.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(tree(&path)),
            false => drop(
                files.insert(path.strip_prefix(dir.parent().unwrap()).unwrap().to_owned(), fs::read(&path).unwrap()),
            ),
        }
    }
    files
}

#[test]
fn the_first_image_that_fails_is_reported_with_the_warnings_before_it() {
    let mut source = Shape::Oci.save(&many());
    for nth in [2, 3, 7] {
        damage(&mut source, &many()[nth].layer_digests()[1]);
    }
    let run = |jobs: &str| {
        let scratch = Scratch::new();
        let outcome = split(&scratch, &source, "oci", "{n}.tar", &["-j", jobs]);
        assert_eq!((outcome.code, found(&scratch)), (3, vec![]), "{outcome}");
        outcome.stderr
    };
    let one = run("1");
    assert!(one.lines().last().unwrap().contains(&many()[2].layer_digests()[1][..19]), "{one}");
    for jobs in ["2", "3", "16"] {
        assert_eq!(run(jobs), one, "-j {jobs}");
    }
}

#[test]
fn limits_hold_for_all_archives_together() {
    // Each image alone decodes less.
    let source = Shape::Oci.save(&many());
    for jobs in ["1", "3"] {
        let scratch = Scratch::new();
        let outcome = split(&scratch, &source, "docker", "{n}.tar", &["-j", jobs, "--max-size", "2250K"]);
        assert_eq!((outcome.code, found(&scratch)), (6, vec![]), "{outcome}");
        let alone = imgtar(["convert", "--to", "docker", "--image", "@3", "--max-size", "2250K"]).stdin(source.bytes());
        alone.success();
    }
}

#[test]
fn two_outputs_never_become_one_file() {
    let scratch = Scratch::new();
    let with_report = split(&scratch, &three(), "oci", "{n}.tar", &["--force", "--report", "out/1.tar"]);
    assert_eq!(with_report.code, 2, "{with_report}");
    with_report.says(["1.tar: two outputs would have this name"]);
    assert_eq!(found(&scratch), [""; 0]);
}

#[cfg(unix)]
#[test]
fn links_to_one_file_are_not_two_outputs() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("out")).unwrap();
    scratch.write("real", "old");
    for link in ["out/0.tar", "out/1.tar"] {
        std::os::unix::fs::symlink("../real", scratch.path(link)).unwrap();
    }
    let linked = split(&scratch, &three(), "oci", "{n}.tar", &["--force"]);
    assert_eq!(linked.code, 2, "{linked}");
    linked.says(["real: two outputs would have this name"]);
    assert_eq!(
        (scratch.read("real"), found(&scratch)),
        (b"old".to_vec(), vec!["0.tar".to_owned(), "1.tar".to_owned()])
    );
}
