//! The command line: usage errors, terminals, voices (CLI principles 2 and 3, "Exit codes", "Edges").

use std::process::Command;

use crate::support::expect::{Target, archive_and_images, convert};
use crate::support::image::TestImage;
use crate::support::layout::{Layout, Types};
use crate::support::run::{imgtar, program};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::skip::skip;

fn source() -> Vec<u8> {
    Shape::Docker20.save_one(&TestImage::demo("app:1")).bytes()
}

#[test]
fn what_is_no_request_is_exit_2() {
    for args in [
        &[][..],
        &["frobnicate"],
        &["convert"],
        &["convert", "--to", "floppy"],
        &["convert", "--to"],
        &["convert", "--to", "oci", "--no-such-flag"],
        &["convert", "--to", "oci", "one.tar", "two.tar"],
        &["convert", "--to", "oci", "--platform", "amd64"],
        &["convert", "--to", "oci", "--platform", ""],
        &["convert", "--to", "oci", "--image", "@x"],
        &["convert", "--to", "oci", "--index", "maybe"],
        &["convert", "--to", "oci", "--attestations", "maybe"],
        &["convert", "--to", "oci", "--verify", "maybe"],
        &["convert", "--to", "oci", "--prefer", "maybe"],
        &["convert", "--to", "oci", "--max-size", "lots"],
        &["convert", "--to", "oci", "-j", "0"],
        &["convert", "--to", "oci", "-z", "bzip2"],
        &["diff", "-", "-"],
    ] {
        let outcome = imgtar(args).stdin(source()).exits(2);
        assert!(args.is_empty() || outcome.stderr.starts_with("imgtar: error: "), "{outcome}");
    }
}

#[test]
fn flags_that_contradict_are_exit_2() {
    for flags in [
        &["--to", "oci-dir", "-o", "out", "-z", "gzip"][..],
        &["--to", "oci-dir"],
        &["--to", "oci-dir", "-o", "-"],
        &["--to", "rootfs", "--compress", "gzip"],
        &["--to", "legacy", "--compress", "zstd"],
        &["--to", "docker", "--append"],
        &["--to", "oci", "--no-tags", "-t", "app:1"],
        &["--to", "docker", "--platform", "all"],
    ] {
        let scratch = Scratch::new();
        let expected = if flags.contains(&"all") { 4 } else { 2 };
        let bytes = if expected == 4 { multi_platform() } else { source() };
        imgtar(["convert"]).args(flags).stdin(bytes).dir(scratch.dir()).exits(expected);
        assert!(scratch.names().is_empty(), "{flags:?}");
    }
}

fn multi_platform() -> Vec<u8> {
    let mut layout = Layout::new();
    for platform in ["linux/amd64", "linux/arm64"] {
        let descriptor = layout.image(&TestImage::demo("app:1").platform(platform), Types::Oci);
        layout.list_as(&descriptor, &["app:1".into()]);
    }
    layout.tarball().bytes()
}

#[test]
fn formats_have_aliases() {
    for (alias, target) in [
        ("docker-save", Target::Legacy),
        ("docker-archive", Target::Docker),
        ("tarball", Target::Docker),
        ("oci-archive", Target::Oci),
    ] {
        let written = imgtar(["convert", "--to", alias]).stdin(source()).success().stdout;
        archive_and_images(target, &written);
        let plain = imgtar(["convert", "--to", target.flag()]).stdin(source()).success().stdout;
        assert_eq!(written, plain, "{alias}");
    }
    let scratch = Scratch::new();
    imgtar(["convert", "--to", "dir", "-o"]).arg(scratch.path("out")).stdin(source()).success();
    assert!(scratch.path("out/oci-layout").exists());
}

#[test]
fn help_and_version_answer_on_standard_output() {
    let version = imgtar(["--version"]).success();
    assert!(version.text().starts_with(concat!("imgtar ", env!("CARGO_PKG_VERSION"))), "{version}");
    for library in ["libdeflate", "libzstd", "liblzma"] {
        assert!(shown_version(&version.text(), library).split('.').all(|part| part.parse::<u32>().is_ok()), "D-10");
    }
    for args in [&["--help"][..], &["help"], &["convert", "--help"], &["help", "convert"]] {
        assert!(imgtar(args).success().text().contains("convert"));
    }
}

/// The version of `library` that `--version` shows.
fn shown_version<'a>(text: &'a str, library: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("{library} ")).expect("D-10: every encoder is named");
    rest.split(',').next().unwrap()
}

#[test]
fn the_versions_of_encoders_are_those_that_are_linked() {
    let text = imgtar(["--version"]).success().text();
    // These two crates have the version of the C library in their own.
    for (library, name) in [("libdeflate", "libdeflate-sys"), ("libzstd", "zstd-sys")] {
        let (_, locked) =
            include_str!("../../Cargo.lock").split_once(&format!("name = \"{name}\"\nversion = \"")).unwrap();
        let locked = locked.split('"').next().unwrap();
        let locked = locked.split_once("zstd.").map_or(locked, |(_, version)| version);
        let shown = shown_version(&text, library);
        assert!(locked.starts_with(shown), "{library} {shown} is shown, {locked} is linked");
    }
}

#[test]
fn an_archive_is_never_written_to_a_terminal() {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", source());
    let command = format!("'{}' convert --to oci '{}'", program().display(), input.display());
    let Ok(output) = Command::new("script").args(["-q", "-e", "-c", &command, "/dev/null"]).output() else {
        return skip("`script` is not installed, so there is no terminal to refuse");
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("-o"), "{said}");
}

#[test]
fn quiet_is_quiet_and_still_fails_aloud() {
    let tar = Shape::Skopeo.save_one(&TestImage::demo("app:1"));
    let converted = convert(&tar, Target::Oci, &["-q"]);
    assert_eq!(converted.outcome.stderr, "");
    imgtar(["convert", "--to", "oci", "-q"]).stdin("no archive at all").exits(3).says(["imgtar: error: "]);
    assert_eq!(imgtar(["-q", "convert", "--to", "oci"]).stdin(source()).success().stderr, "");
    imgtar(["-v", "convert", "--to", "docker"]).stdin(source()).success().says(["layer 0 ("]);
    imgtar(["-q", "-v", "convert", "--to", "docker"]).exits(2);
}

#[test]
fn progress_is_never_drawn_where_there_is_no_terminal() {
    let outcome = imgtar(["convert", "--to", "docker"]).stdin(source()).success();
    assert!(!outcome.stderr.contains(['\r', '\u{1b}']), "{outcome}");
}

#[test]
fn progress_as_json_is_one_document_a_line() {
    let outcome = imgtar(["convert", "--to", "docker", "--progress", "json"]).stdin(source()).success();
    assert!(!outcome.stderr.trim().is_empty(), "{outcome}");
    for line in outcome.stderr.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[test]
fn warnings_become_failures_under_strict() {
    let untagged = Shape::Nix.save_one(&TestImage::demo("app:1"));
    let warned = untagged.editing("manifest.json", |json| json[0]["RepoTags"] = serde_json::json!(["app"]));
    convert(&warned, Target::Docker, &[]).outcome.says(["warning"]);
    imgtar(["convert", "--to", "docker", "--strict"]).stdin(warned.bytes()).exits(3).says(["--strict"]);
}

#[test]
fn the_number_of_threads_may_come_from_the_environment() {
    let plain = imgtar(["convert", "--to", "docker"]).stdin(source()).success().stdout;
    let one = imgtar(["convert", "--to", "docker"]).env("IMGTAR_JOBS", "1").stdin(source()).success().stdout;
    assert_eq!(plain, one);
    imgtar(["convert", "--to", "docker"])
        .env("IMGTAR_JOBS", "many")
        .stdin(source())
        .exits(2)
        .says(["IMGTAR_JOBS is `many`"]);
}

#[test]
fn an_error_names_the_archive_and_ends_without_full_stop() {
    let scratch = Scratch::new();
    let input = scratch.write("broken.tar", "no archive at all");
    let outcome = imgtar(["convert", "--to", "docker"]).arg(&input).exits(3).says(["broken.tar"]);
    assert!(!outcome.stderr.trim_end().ends_with('.'), "{outcome}");
    let piped = imgtar(["convert", "--to", "docker"]).stdin("no archive at all").exits(3);
    piped.says(["standard input"]);
}
