//! What a conversion says it wrote: a sentence an archive and a line an image; `-v`; `--report`.

use serde_json::{Value, json};

use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layout::{Layout, Types};
use crate::support::run::{Outcome, imgtar};
use crate::support::schema;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

fn image() -> TestImage {
    TestImage::demo("app:1")
}

fn short(digest: &str) -> &str {
    &digest.trim_start_matches("sha256:")[..12]
}

/// Converts in a directory of its own, with an output named `out`.
fn convert(input: Vec<u8>, flags: &[&str]) -> (Outcome, Scratch) {
    let scratch = Scratch::new();
    let outcome = imgtar(["convert", "-o", "out"]).args(flags).stdin(input).dir(scratch.dir()).success();
    (outcome, scratch)
}

#[track_caller]
fn says(input: Vec<u8>, flags: &[&str], expected: &str) {
    let (outcome, scratch) = convert(input, flags);
    let size = std::fs::metadata(scratch.path("out")).unwrap().len();
    let size = format!("{:.1} KiB", size as f64 / 1024.0);
    assert_eq!(outcome.stderr, expected.replace("SIZE", &size), "{flags:?}");
}

#[test]
fn of_many_names_only_the_first_hundred_are_shown() {
    let tags: Vec<String> = (0..150).map(|nth| format!("--add-tag=app:tag{nth:03}")).collect();
    let flags: Vec<&str> = ["--to", "docker"].into_iter().chain(tags.iter().map(String::as_str)).collect();
    let (outcome, _) = convert(Shape::Oci.save_one(&image()).bytes(), &flags);
    assert!(outcome.stderr.contains("app:tag098, and 51 more (linux/amd64)"), "{}", outcome.stderr);
    let report = convert(Shape::Oci.save_one(&image()).bytes(), &[&flags[..], &["--report", "-"]].concat()).0.stdout;
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["images"][0]["names"].as_array().unwrap().len(), 151);
}

#[test]
fn of_many_images_only_the_first_hundred_are_shown() {
    let images: Vec<TestImage> = (0..150).map(|nth| TestImage::demo(&format!("app:{nth}"))).collect();
    let archive = Shape::Docker20.save(&images).bytes();
    let lines = |flags: &[&str]| {
        let stderr = convert(archive.clone(), &[&["--to", "docker"], flags].concat()).0.stderr;
        stderr.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let [first, shown @ .., last] = &lines(&[])[..] else { panic!("more than two lines") };
    assert!(first.contains("150 images") && shown.len() == 100, "{first}");
    assert_eq!(last, "  and 50 more images; -v lists all");
    assert_eq!(lines(&["-v"]).iter().filter(|line| line.starts_with("  app:")).count(), 150);
}

#[test]
fn a_sentence_an_archive_and_a_line_an_image() {
    let gzip = Shape::Oci.save_one(&image()).bytes();
    let id = image().id();
    let id = short(&id);
    says(
        gzip.clone(),
        &["--to", "docker"],
        &format!(
            "wrote out: docker tarball, 1 image, SIZE\n  app:1 (linux/amd64): image ID {id}, unchanged; 2 layers, unchanged\n"
        ),
    );
    says(
        gzip.clone(),
        &["--to", "legacy"],
        &format!(
            "wrote out: docker save archive, 1 image, SIZE\n  app:1 (linux/amd64): image ID {id}, unchanged; 2 layers, uncompressed\n"
        ),
    );
    says(
        gzip.clone(),
        &["--to", "rootfs"],
        &format!(
            "wrote out: root filesystem, SIZE\n  app:1 (linux/amd64): image ID {id}; 2 layers, flattened\n    not in a root \
             filesystem: CMD, HEALTHCHECK; --config-out FILE keeps the config\n"
        ),
    );
    let plain = Shape::Docker20.save(&[image(), TestImage::demo("b:1").untagged()]).bytes();
    let (outcome, _) = convert(plain, &["--to", "docker", "-z", "zstd"]);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert!(lines[0].starts_with("wrote out: docker tarball compressed with zstd, 2 images, "), "{outcome}");
    assert!(
        lines[1].ends_with("2 layers, compressed with gzip")
            && lines[2].starts_with("  untagged image (linux/amd64): "),
        "{outcome}"
    );
    let piped = imgtar(["convert", "--to", "docker"]).stdin(gzip).success();
    assert!(piped.stderr.starts_with("wrote to standard output: docker tarball, 1 image, "), "{piped}");
}

#[test]
fn a_manifest_is_the_inputs_or_new() {
    let oci = Shape::Oci.save_one(&image());
    let kept = convert(oci.bytes(), &["--to", "oci"]).0;
    assert!(
        kept.stderr.contains("; 2 layers, unchanged; manifest sha256:") && kept.stderr.ends_with("…, unchanged\n"),
        "{kept}"
    );
    let new = convert(oci.bytes(), &["--to", "oci", "--compress", "none", "-v"]).0;
    assert!(
        new.stderr.contains("; 2 layers, uncompressed; manifest sha256:") && new.stderr.contains("…, new\n"),
        "{new}"
    );
    let made = convert(Shape::Crane.save_one(&image()).bytes(), &["--to", "oci", "-v"]).0;
    assert!(made.stderr.contains("…, new\n"), "{made}");
}

#[test]
fn layers_are_named_and_told_one_by_one_where_that_is_asked_for() {
    let [base, top] = &image().layers[..] else { panic!("two layers") };
    let (outcome, _) = convert(Shape::Docker20.save_one(&image()).bytes(), &["--to", "docker", "-v"]);
    for (number, layer) in [base, top].into_iter().enumerate() {
        let size = layer.tar.len() as f64 / 1024.0;
        let line = format!("    layer {number} ({}): plain, {size:.1} KiB -> gzip, ", short(&layer.diff_id()));
        assert!(outcome.stderr.contains(&line), "{line}\n{outcome}");
    }
    let (kept, _) = convert(Shape::Docker20.save_one(&image()).bytes(), &["--to", "oci", "-v"]);
    assert_eq!(kept.stderr.matches(" KiB, unchanged\n").count(), 2, "{kept}");
}

#[test]
fn the_report_is_the_truth_about_the_output() {
    let mut layout = Layout::new();
    let mixed = image().all_stored(Codec::Zstd);
    let on = |platform: &str| mixed.clone().platform(platform);
    let platforms = ["linux/amd64", "linux/arm64"].map(|platform| layout.image(&on(platform), Types::Oci));
    let index = layout.nested(&platforms, Types::Oci);
    layout.list_as(&index, &["app:1".to_owned()]);
    let input = layout.tarball().bytes();
    for (flags, action, compression) in [
        (&["--to", "oci"][..], "kept", "zstd"),
        (&["--to", "oci", "--compress", "gzip"], "converted", "gzip"),
        (&["--to", "docker", "--platform", "linux/arm64"], "converted", "gzip"),
        (&["--to", "legacy", "--platform", "linux/arm64"], "converted", "none"),
        (&["--to", "rootfs", "--platform", "linux/arm64"], "flattened", ""),
    ] {
        let (_, scratch) = convert(input.clone(), &[flags, &["--report", "report.json"]].concat());
        let report: Value = serde_json::from_slice(&scratch.read("report.json")).unwrap();
        schema::check("report", &report);
        assert_eq!((&report["output"], &report["format"]), (&json!("out"), &json!(flags[1])));
        assert_eq!(report["size"], json!(scratch.read("out").len()), "{flags:?}");
        let images = report["images"].as_array().unwrap();
        assert_eq!(images.len(), if flags.contains(&"--platform") || flags[1] != "oci" { 1 } else { 2 });
        for image in images {
            for (number, layer) in image["layers"].as_array().unwrap().iter().enumerate() {
                let expected = &mixed.layers[number];
                assert_eq!((&layer["layer"], &layer["diff_id"]), (&json!(number), &json!(expected.diff_id())));
                assert_eq!(layer["action"], action, "{flags:?}");
                assert_eq!(layer["source"]["size"], json!(expected.blob().len()));
                assert_eq!(layer["written"]["compression"].as_str().unwrap_or_default(), compression);
            }
        }
    }
}

#[test]
fn a_report_goes_where_it_can() {
    let input = Shape::Oci.save_one(&image()).bytes();
    let scratch = Scratch::new();
    let run = |flags: &[&str]| imgtar(["convert", "--to", "oci"]).args(flags).stdin(input.clone()).dir(scratch.dir());
    let report: Value = serde_json::from_slice(&run(&["-o", "a.tar", "--report", "-"]).success().stdout).unwrap();
    schema::check("report", &report);
    run(&["--report", "-"]).exits(2).says(["-o FILE"]);
    run(&["-o", "b.tar", "--report", "no/such/dir/report"]).exits(5);
    assert_eq!(scratch.names(), ["a.tar"], "nothing is written where the report cannot be");
    imgtar(["convert", "--to", "oci", "-o", "c.tar", "--report", "r.json"]).stdin("none").dir(scratch.dir()).exits(3);
    assert_eq!(scratch.names(), ["a.tar"], "a run that fails reports nothing");
}

#[test]
fn documents_have_a_platform_without_the_version_of_its_system() {
    let image = image().platform("windows/amd64").key("os.version", json!("10.0.17763.1577"));
    let archive = Shape::Crane.save_one(&image).bytes();
    let (report, _) = convert(archive.clone(), &["--to", "oci", "--report", "-"]);
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    let inspected = imgtar(["inspect", "--json"]).stdin(archive.clone()).success().text();
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    let history: Value = serde_json::from_str(&imgtar(["history", "--json"]).stdin(archive).success().text()).unwrap();
    for platform in [&report["images"][0], &inspected["images"][0], &history].map(|image| &image["platform"]) {
        assert_eq!(platform, "windows/amd64");
    }
}
