//! No byte is read twice to find out the same: what a run has hashed it need not hash again.

use serde_json::Value;

use crate::support::codec::Codec;
use crate::support::docker::docker_19;
use crate::support::image::TestImage;
use crate::support::layer::{dir, file};
use crate::support::rootfs::flatten;
use crate::support::run::{Run, imgtar};

/// Bytes that were read to be checked and nothing else.
fn checked(run: Run) -> u64 {
    let outcome = run.args(["--progress", "json"]).success();
    let events = outcome.stderr.lines().filter(|line| line.starts_with('{'));
    let events = events.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let checks = events.filter(|event| event["event"] == "end" && event["action"] == "check");
    checks.map(|event| event["bytes"].as_u64().unwrap()).sum()
}

fn image() -> TestImage {
    let lower = [dir("bin"), file("bin/sh", "#!".repeat(5000))];
    TestImage::new().layer(lower).layer([file("etc", "x")]).tag("app:1").all_stored(Codec::Plain)
}

#[test]
fn layers_that_promise_nothing_are_hashed_once() {
    let size: u64 = image().layers.iter().map(|layer| layer.blob().len() as u64).sum();
    for target in ["legacy", "docker", "oci", "rootfs"] {
        let run = imgtar(["convert", "--to", target]).stdin(docker_19(&image()).bytes());
        assert_eq!(checked(run), size, "{target}");
    }
}

#[test]
fn a_root_filesystem_is_hashed_once() {
    let dir = crate::support::scratch::Scratch::new();
    let tar = flatten(&image(), &[]);
    for (name, bytes) in [("tar", tar.clone()), ("tar.gz", Codec::Gzip.encode(&tar))] {
        let path = dir.write(name, &bytes);
        for target in ["legacy", "docker", "oci"] {
            let run = imgtar(["import", "-t", "app:1", "--arch", "amd64", "--to", target]).arg(&path);
            assert_eq!(checked(run), bytes.len() as u64, "{name} to {target}");
        }
    }
}
