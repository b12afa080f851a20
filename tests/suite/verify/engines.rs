//! What a conversion takes and engines do not: an error where none of them does, a warning where some do not.

use serde_json::json;

use super::verify;
use crate::support::image::TestImage;
use crate::support::layer::{dir, extension, file, hardlink, layer_tar, pax_body, symlink, unended_tar, whiteout};
use crate::support::layout::blob_path;
use crate::support::run::imgtar;
use crate::support::shape::Shape;
use crate::support::tarball::{Tarball, raw_member};

/// An archive with this layer alone, and the layer's place.
fn alone(tar: impl Into<Vec<u8>>) -> (Tarball, String) {
    let image = TestImage::new().layer_bytes(tar).tag("odd:1");
    let place = blob_path(&image.layer_digests()[0]);
    (Shape::Oci.save_one(&image), place)
}

/// A layer of one member whose header has `bytes` at `at`.
fn with_field(kind: u8, at: usize, bytes: &[u8]) -> Vec<u8> {
    let member =
        raw_member(kind, "f", b"", |header| header.as_mut_bytes()[at..at + bytes.len()].copy_from_slice(bytes));
    [member, vec![0; 1024]].concat()
}

/// The exit code of `verify` for these bytes, and what it says.
fn verified(archive: Vec<u8>) -> (i32, String) {
    let outcome = imgtar(["verify", "-"]).stdin(archive).run();
    (outcome.code, outcome.text())
}

/// What `inspect --full` says of Docker 20.10.
fn docker_loads(archive: &Tarball) -> serde_json::Value {
    let told = imgtar(["inspect", "--full", "--json", "-"]).stdin(archive.bytes()).success();
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    told["loads"][0].clone()
}

#[test]
fn numbers_that_are_none_where_nothing_is_needed_of_them() {
    for (kind, at) in [
        (b'5', 124), // the size of a directory
        (b'0', 329), // the device numbers of a file
        (b'0', 337),
    ] {
        let (archive, place) = alone(with_field(kind, at, b"garbage"));
        verify(&archive).finds(&[("error", "H-11", &place)]);
        assert_eq!(docker_loads(&archive)["loads"], "no", "field at {at}");
        imgtar(["convert", "--to", "rootfs", "-"]).stdin(archive.bytes()).success();
    }
    let overridden = [extension(b'x', &pax_body(&[("mtime", "1")])), with_field(b'0', 136, b"yesterday")].concat();
    let (archive, place) = alone(overridden);
    verify(&archive).finds(&[("error", "H-11", &place)]);
    for key in ["atime", "ctime"] {
        let (archive, place) = alone(layer_tar([file("f", "").pax(key, "soon")]));
        verify(&archive).finds(&[("error", "H-11", &place)]);
        assert_eq!(docker_loads(&archive)["loads"], "no", "{key}");
    }
}

#[test]
fn a_tab_is_no_blank_in_a_number() {
    for at in [100, 108, 116, 124, 136] {
        let (archive, place) = alone(with_field(b'0', at, b"\t000644"));
        verify(&archive).finds(&[("error", "H-11", &place)]);
    }
    for blank in [&b"  0644 "[..], b"\0 0644\0"] {
        let (archive, _) = alone(with_field(b'0', 100, blank));
        verify(&archive).finds(&[]);
    }
}

#[test]
fn an_end_marker_that_is_cut_short() {
    for tar in [vec![0; 1000], [unended_tar([file("f", "")]), vec![0; 700]].concat()] {
        let (archive, place) = alone(tar);
        verify(&archive).finds(&[("error", "G-13", &place)]);
        assert_eq!(docker_loads(&archive)["loads"], "no");
        imgtar(["convert", "--to", "rootfs", "-"]).stdin(archive.bytes()).success();
    }
}

#[test]
fn layers_that_overlays_do_not_take() {
    for (items, rule) in [
        (vec![dir("d"), file("d/new", ""), whiteout("d")], "R-1"),
        (vec![file("f", ""), file("f/k", "")], "R-6"),
        (vec![symlink("a", "nowhere"), file("a/x", "")], "R-6"),
    ] {
        let (archive, place) = alone(layer_tar(items));
        verify(&archive).finds(&[("warning", rule, &place)]);
    }
    let image = TestImage::new().layer([file("lower", "")]).layer([hardlink("l", "lower")]).tag("odd:1");
    verify(&Shape::Crane.save_one(&image)).finds(&[("warning", "R-12", ".tar.gz: `l`")]);
}

#[test]
fn configs_that_engines_do_not_read() {
    for (key, value, severity) in [
        ("created", json!(""), "error"),
        ("created", json!("2023-03-06T15:35:56"), "error"),
        ("config", json!({"Env": {"A": "1"}}), "error"),
        ("config", json!({"Cmd": "sh"}), "warning"),
        ("container_config", json!({"Hostname": 1}), "warning"),
    ] {
        let image = TestImage::new().layer([file("f", "")]).tag("odd:1").key(key, value);
        verify(&Shape::Docker20.save_one(&image)).finds(&[(severity, "M-14", &image.id())]);
    }
}

#[test]
fn what_the_outer_archive_has_beside_its_members() {
    let archive = Shape::Docker20.save_one(&TestImage::demo("a:1")).bytes();
    let odd = raw_member(b'0', "README", b"", |header| header.as_mut_bytes()[329..331].copy_from_slice(b"no"));
    let (code, found) = verified([odd.clone(), archive.clone()].concat());
    assert!(code == 1 && found.contains("H-11") && found.contains("member `README`"), "{found}");
    let told = imgtar(["inspect", "--for", "docker-20.10", "-"]).stdin([odd, archive.clone()].concat()).run();
    assert_eq!(told.code, 1, "{told}");

    let twice = [archive.clone(), archive.clone()].concat();
    let words = format!("{} bytes follow the end of the archive", twice.len() - archive.len());
    let (code, found) = verified(twice.clone());
    assert!(code == 0 && found.contains("G-13") && found.contains(&words), "{found}");
    imgtar(["convert", "--to", "oci", "-"]).stdin(twice.clone()).success().says([&words]);
    imgtar(["convert", "--to", "oci", "--strict", "-"]).stdin(twice).exits(3);
    imgtar(["convert", "--to", "oci", "--strict", "-"]).stdin([archive, vec![0; 9216]].concat()).success();
}
