//! Archives that real engines wrote (fixtures/README.md), converted to every target.

use std::fs;
use std::path::PathBuf;

use crate::support::archive::Archive;
use crate::support::expect::{Target, convert_path};
use crate::support::judge::{Judged, docker_images, oci_images};
use crate::support::layout::OCI_INDEX;
use crate::support::sha256;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures")).join(name)
}

/// The rows of the README's table of digests: file, its sha256, its image ID.
fn digests() -> Vec<[String; 3]> {
    let readme = fs::read_to_string(fixture("README.md")).unwrap();
    let table = readme.split("## Digests").nth(1).expect("a table of digests");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.split('`').skip(1).step_by(2).map(str::to_owned);
        let (sha256, file, id) = (cells.next().unwrap(), cells.next().unwrap(), cells.next().unwrap());
        [file, sha256, id]
    })
    .collect()
}

/// The image in the archive, by the judge alone.
fn original(file: &str) -> Judged {
    let archive = Archive::open(&fs::read(fixture(file)).unwrap());
    let mut images = if archive.has("oci-layout") { oci_images(&archive) } else { docker_images(&archive) };
    assert_eq!(images.len(), 1, "{file}");
    images.remove(0)
}

/// Converts to every target and compares with what the judge says is in there.
fn converts(file: &str) {
    let original = original(file);
    for target in Target::ALL {
        let converted = convert_path(&fixture(file), target, &[]);
        let [found] = converted.images.as_slice() else { panic!("{} images", converted.images.len()) };
        assert_eq!(found.config, original.config, "{file} to {}", target.flag());
        assert_eq!(found.diff_ids(), original.diff_ids(), "{file} to {}", target.flag());
        assert_eq!(found.names, original.names, "{file} to {}", target.flag());
        if target.is_oci() && original.manifest.is_some() {
            assert_eq!(found.manifest, original.manifest, "{file} to {}: kept byte for byte (M-4)", target.flag());
            assert_eq!(found.layer_digests(), original.layer_digests());
        }
    }
}

#[test]
fn the_fixtures_are_what_their_readme_says() {
    assert_eq!(digests().len(), 7);
    for [file, promised, id] in digests() {
        assert_eq!(sha256(&fs::read(fixture(&file)).unwrap()), promised, "{file}");
        assert_eq!(original(&file).id, id, "{file}");
    }
}

#[test]
fn an_archive_of_docker_20_converts() {
    converts("saved20.tar.xz");
}

#[test]
fn an_archive_of_docker_29_classic_store_converts() {
    converts("saved29-classic.tar.xz");
}

#[test]
fn an_export_of_containerd_converts() {
    converts("exp24.tar.xz");
}

#[test]
fn a_docker_archive_of_podman_converts() {
    converts("pod-docker-archive.tar.xz");
}

#[test]
fn an_oci_archive_of_buildah_converts() {
    converts("bld-oa.tar.xz");
}

#[test]
fn a_tarball_of_crane_converts() {
    converts("cr-tarball.tar.xz");
}

#[test]
fn an_export_with_a_dangling_index_converts_and_no_longer_dangles() {
    converts("dangling-index.tar.xz");
    let converted = convert_path(&fixture("dangling-index.tar.xz"), Target::Oci, &[]);
    let entry = &converted.archive.json("index.json")["manifests"][0];
    assert_eq!(entry["mediaType"], OCI_INDEX);
    let index = converted.archive.json(&crate::support::layout::blob_path(entry["digest"].as_str().unwrap()));
    let platforms: Vec<_> =
        index["manifests"].as_array().unwrap().iter().map(|d| &d["platform"]["architecture"]).collect();
    assert_eq!(platforms, ["amd64"]);
    converted.outcome.says(["warning", "linux/arm64"]);
}

#[test]
fn the_same_image_of_all_engines_becomes_the_same_docker_tarball() {
    let plain = ["saved20.tar.xz", "saved29-classic.tar.xz", "pod-docker-archive.tar.xz"];
    let written = plain.map(|file| convert_path(&fixture(file), Target::Docker, &["-t", "one:1"]).bytes);
    assert!(written[0] == written[1] && written[1] == written[2], "plain layers compress to the same bytes (D-10)");
}
