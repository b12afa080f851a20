//! The programs in examples/ do what they say.

use std::path::Path;
use std::process::Command;

use crate::support::archive::Archive;
use crate::support::scratch::Scratch;

/// Builds an example as this test was built, runs it, and returns what it printed.
fn run(example: &str, args: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["run", "--quiet", "--frozen", "--example", example]);
    let profile = Path::new(env!("CARGO_BIN_EXE_imgtar")).parent().unwrap().file_name().unwrap();
    if profile == "release" {
        cargo.arg("--release");
    }
    let output = cargo.arg("--").args(args).output().unwrap();
    assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const SAVED: &str = "fixtures/saved20.tar.xz";

#[test]
fn images_are_listed() {
    let printed = run("list", &[SAVED]);
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines.len(), 4, "{printed}");
    assert!(lines[0].starts_with("example.com/demo:v1 for linux/amd64: sha256:"), "{printed}");
    assert!(lines[1..].iter().all(|line| line.starts_with("  sha256:") && line.ends_with(" bytes")), "{printed}");
}

#[test]
fn a_file_is_read() {
    assert_eq!(run("read_file", &[SAVED, "/etc/demo"]), "demo\n");
}

#[test]
fn a_platform_is_converted() {
    let scratch = Scratch::new();
    let output = scratch.path("oci.tar");
    let printed = run("convert_platform", &[SAVED, "linux/amd64", output.to_str().unwrap()]);
    assert!(printed.ends_with(" example.com/demo:v1\n"), "{printed}");
    assert!(Archive::open(&std::fs::read(&output).unwrap()).has("oci-layout"));
}

#[test]
fn an_image_is_flattened_into_a_reader() {
    let printed = run("flatten", &[SAVED]);
    let (size, path) = printed.trim_end().split_once(' ').unwrap();
    assert!(size.parse::<u64>().unwrap() > 0 && !path.is_empty(), "{printed}");
}
