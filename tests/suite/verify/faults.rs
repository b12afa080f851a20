//! Faults in bytes: blobs, compression, tars; many at once; and what a person reads of them.

use serde_json::json;

use super::{Verified, verify};
use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::{Item, device, dir, extension, file, hardlink, layer_tar, pax_body, symlink, whiteout};
use crate::support::layout::blob_path;
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball, raw_member};
use crate::support::{digest, sha256};

fn image() -> TestImage {
    TestImage::demo("app:1")
}

/// The archive with other bytes for its first layer, under a name that promises nothing.
fn with_layer(blob: impl Into<Vec<u8>>) -> Tarball {
    let crane = Shape::Crane.save_one(&image());
    let old = crane.name_ending(".tar.gz");
    let tar = crane.renamed(|name| name.replace(&old, "layer")).replacing("layer", Kind::File(blob.into()));
    tar.editing("manifest.json", |json| json[0]["Layers"][0] = json!("layer"))
}

/// An image with this layer on top of a harmless one.
fn on_top(tar: Vec<u8>) -> (Tarball, String) {
    let image = TestImage::new().layer([dir("d"), file("d/x", "x")]).layer_bytes(tar).tag("odd:1");
    let place = blob_path(&image.layer_digests()[1]);
    (Shape::Oci.save_one(&image), place)
}

#[test]
fn h3_blobs_that_are_not_what_their_name_says() {
    let blob = image().layers[1].blob();
    let mut altered = blob.clone();
    // The header's OS byte: the layer decodes to the promised diff_id all the same.
    altered[9] ^= 1;
    let place = blob_path(&digest(&blob));
    let tar = Shape::Oci.save_one(&image()).replacing(&place, Kind::File(altered.clone()));
    verify(&tar).finds(&[("error", "H-3", &place)]).instead("H-3", &digest(&blob), &digest(&altered));

    let other = Codec::Gzip.encode(&layer_tar([file("evil", "1")]));
    let tar = Shape::Oci.save_one(&image()).replacing(&place, Kind::File(other));
    verify(&tar).finds(&[("error", "O-6", &place), ("error", "H-3", &place), ("error", "M-11", &place)]);
}

#[test]
fn m11_layers_in_the_place_of_others() {
    for shape in [Shape::Docker20, Shape::Skopeo, Shape::Crane, Shape::Jib] {
        let tar = shape.save_one(&image()).editing("manifest.json", |json| {
            json[0]["Layers"].as_array_mut().unwrap().swap(0, 1);
        });
        let ids = image().diff_ids();
        let verified = verify(&tar);
        verified.instead("M-11", &ids[0], &ids[1]).instead("M-11", &ids[1], &ids[0]);
        assert_eq!(verified.code, 1);
    }
}

#[test]
fn o25_layers_in_the_disorder_of_docker_25() {
    let tar = Shape::Docker25.save_one(&image());
    let manifest = digest(&Shape::Docker25.manifest(&image()).unwrap());
    let mut document: serde_json::Value = serde_json::from_slice(tar.body(&blob_path(&manifest))).unwrap();
    document["layers"].as_array_mut().unwrap().swap(0, 1);
    let swapped = document.to_string();
    let tar = tar.without(&blob_path(&manifest)).with(&blob_path(&digest(swapped.as_bytes())), swapped.as_bytes());
    let tar = tar.editing("index.json", |index| {
        index["manifests"][0]["digest"] = json!(digest(swapped.as_bytes()));
        index["manifests"][0]["size"] = json!(swapped.len());
    });
    let verified = verify(&tar);
    let rules: Vec<_> =
        verified.findings().iter().filter(|one| one["severity"] != "note").map(|one| &one["rule"]).collect();
    assert_eq!(rules.iter().filter(|rule| **rule == "O-25").count(), 1, "{:#}", verified.report);
}

#[test]
fn d6_names_that_are_false_digests_are_only_names() {
    let crane = Shape::Crane.save_one(&image());
    let (old, new) = (crane.name_ending(".tar.gz"), format!("{}.tar.gz", "0".repeat(64)));
    let tar = crane.renamed(|name| name.replace(&old, &new));
    let tar = tar.editing("manifest.json", |json| json[0]["Layers"][0] = json!(new));
    verify(&tar).finds(&[("warning", "D-6", &new)]);
    let (old, new) = (format!("{}.json", image().id()), format!("{}.json", "0".repeat(64)));
    let tar = Shape::Nix.save_one(&image()).renamed(|name| name.replace(&old, &new));
    let tar = tar.editing("manifest.json", |json| json[0]["Config"] = json!(new));
    verify(&tar).finds(&[("warning", "L-6", &new)]);
}

#[test]
fn h17_damaged_compression() {
    let whole = image().layers[0].blob();
    let end = whole.len();
    let mut bad_crc = whole.clone();
    bad_crc[end - 8] ^= 1;
    let garbage = [&whole[..], b"garbage"].concat();
    for blob in [bad_crc, garbage, whole[..end - 4].to_vec(), whole[..end / 2].to_vec()] {
        verify(&with_layer(blob)).finds(&[("error", "H-17", "layer")]);
    }
    for codec in [Codec::Zstd, Codec::Xz, Codec::Bzip2, Codec::Lz4] {
        let whole = codec.encode(&image().layers[0].tar);
        verify(&with_layer(&whole[..whole.len() - 3])).finds(&[("error", "O-17", "layer")]);
    }
    let padded = [&whole[..], &[0; 512]].concat();
    verify(&with_layer(padded)).finds(&[("warning", "O-17", "layer")]);
}

#[test]
fn h17_damage_in_a_blob_is_found_beside_its_digest() {
    let whole = image().layers[0].blob();
    let (half, place) = (&whole[..whole.len() / 2], blob_path(&digest(&whole)));
    for jobs in ["1", "8"] {
        let tar = Shape::Oci.save_one(&image()).replacing(&place, Kind::File(half.to_vec()));
        Verified::of(imgtar(["verify", "--json", "-j", jobs]).stdin(tar.bytes())).finds(&[
            ("error", "O-6", &place),
            ("error", "H-3", &place),
            ("error", "H-17", &place),
        ]);
    }
}

#[test]
fn h18_layers_that_are_no_tars() {
    let layer = layer_tar([file("a", "1"), file("b", "2")]);
    let mut bad_sum = layer.clone();
    bad_sum[1024] ^= 1;
    for tar in [b"no tar".to_vec(), bad_sum, layer[..1100].to_vec()] {
        let (archive, place) = on_top(tar);
        verify(&archive).finds(&[("error", "H-18", &place)]);
    }
    let (archive, place) = on_top(layer_tar([file("a", "1").kind(b'V')]));
    verify(&archive).finds(&[("error", "R-13", &place)]);
    let (archive, place) = on_top(layer_tar([file("a", "1").pax("path", "a\0b")]));
    assert_eq!(verify(&archive).code, 1, "{place}");
}

#[test]
fn every_fault_of_a_layer_has_its_rule() {
    let odd = |item: Item| layer_tar([item]);
    let holes = |map: &str| file("s", "x").pax("GNU.sparse.map", map).pax("GNU.sparse.size", "9");
    let late = [&raw_member(b'0', "a", b"", |_| {})[..], &[0; 512], &raw_member(b'0', "b", b"", |_| {})].concat();
    let pax = |record: &str| [extension(b'x', record.as_bytes()), layer_tar([file("a", "")])].concat();
    let long = [extension(b'L', b"\0\0"), layer_tar([file("a", "")])].concat();
    let wide = raw_member(b'0', "a", b"", |header| header.set_uid(1 << 40));
    let null = device("null", b'3', (0, 0));
    for (tar, severity, rule) in [
        (late, "error", "G-13"),
        (pax("9 path"), "error", "H-9"),
        (long, "error", "H-9"),
        (odd(holes("0,99")), "error", "R-20"),
        (wide, "error", "H-11"),
        (odd(file("a", "").pax("path", "a\0b")), "error", "H-24"),
        (odd(file("a", "").after(extension(b'g', &pax_body(&[("x", "1")])))), "warning", "R-19"),
        (odd(file("a//b", "")), "warning", "H-24"),
        (odd(file("n".repeat(300), "")), "warning", "H-24"),
        (odd(file(format!("d/{}", "x/".repeat(2500)), "")), "warning", "H-24"),
        (odd(null), "warning", "R-22"),
    ] {
        let (archive, place) = on_top(tar);
        verify(&archive).finds(&[(severity, rule, &place)]);
    }
    let base = TestImage::new().layer([dir("usr"), dir("usr/lib"), symlink("lib", "usr/lib")]);
    verify(&Shape::Oci.save_one(&base.layer([file("lib/foo", "")]).tag("merged:1"))).finds(&[(
        "warning",
        "R-8",
        "blobs/sha256/",
    )]);
}

#[test]
fn h18_an_archive_that_is_cut() {
    let tar = Shape::Oci.save_one(&image());
    let bytes = tar.bytes();
    let no_end = &bytes[..bytes.len() - 1024];
    Verified::of(imgtar(["verify", "--json"]).stdin(no_end)).finds(&[("error", "H-18", "standard input")]);
    // Metadata first, so that a cut takes blobs.
    let cut = tar.reversed().bytes();
    let verified = Verified::of(imgtar(["verify", "--json"]).stdin(&cut[..cut.len() - 3072]));
    assert_eq!(verified.code, 1);
    let rules: Vec<_> = verified.findings().iter().map(|finding| finding["rule"].as_str().unwrap()).collect();
    assert!(rules.contains(&"H-18") && rules.contains(&"O-6"), "{rules:?}");
    // Compressed archives that are cut are read as far as they go.
    let packed = Codec::Gzip.encode(&bytes);
    let verified = Verified::of(imgtar(["verify", "--json"]).stdin(&packed[..packed.len() - 4]));
    assert_eq!(verified.code, 1, "{:#}", verified.report);
}

#[test]
fn r3_to_r5_names_of_entries() {
    let bad = [".wh.", "d/.wh..", "../x", ".wh.d/x", "fine", "d/../../y"];
    let (archive, place) = on_top(layer_tar(bad.map(|name| file(name, ""))));
    verify(&archive).finds(&[
        ("error", "R-3", &format!("{place}: `.wh.`")),
        ("error", "R-3", &format!("{place}: `d/.wh..`")),
        ("error", "R-4", &format!("{place}: `../x`")),
        ("error", "R-5", &format!("{place}: `.wh.d/x`")),
        ("error", "R-4", &format!("{place}: `d/../../y`")),
    ]);
    let (archive, place) = on_top(layer_tar((0..150).map(|n| file(format!("../{n}"), ""))));
    let verified = verify(&archive);
    assert_eq!(verified.report["counts"]["errors"], 101);
    assert!(verified.findings()[100]["problem"].as_str().unwrap().starts_with("and 50 more"), "{place}");
}

#[test]
fn images_that_share_layers_are_judged_each_by_its_own_stack() {
    let top = layer_tar([hardlink("l", "f")]);
    let base = TestImage::new().layer([file("f", "1")]);
    let without = base.clone().layer([whiteout("f")]);
    let again = without.clone().layer([file("f", "2")]);
    let beside = base.clone().layer([file("g", "3")]);
    let mut images = [without, base, again, beside].map(|image| image.layer_bytes(top.clone()));
    let place = sha256(&images[0].layers[2].blob());
    for _ in 0..images.len() {
        images.rotate_left(1);
        verify(&Shape::Crane.save(&images)).finds(&[("error", "R-12", &place), ("warning", "R-12", &place)]);
    }
}

#[test]
fn r6_to_r18_layers_that_cannot_be_applied() {
    let (archive, place) = on_top(layer_tar([symlink("a", "b"), symlink("b", "a"), file("a/x", "")]));
    verify(&archive).finds(&[("error", "R-6", &place), ("warning", "R-6", &place)]);
    let (archive, place) = on_top(layer_tar([hardlink("l", "no")]));
    verify(&archive).finds(&[("error", "R-12", &place), ("warning", "R-12", &place)]);
    let (archive, place) = on_top(layer_tar([file(".", "")]));
    verify(&archive).finds(&[("error", "R-18", &place)]);
    let (archive, place) = on_top(layer_tar([file("a", "1"), file("a", "2")]));
    verify(&archive).finds(&[("warning", "R-10", &place)]);
}

#[test]
fn many_faults_at_once_are_all_found() {
    let image = TestImage::new()
        .layer([dir("etc"), file("etc/a", "1")])
        .layer([file("b", "2"), file(".wh.", "")])
        .layer([file("c", "3")])
        .layer([hardlink("l", "no")])
        .tag("bad:1")
        .key("history", json!([{"created_by": "one"}]));
    let [first, second, third, last] = [0, 1, 2, 3].map(|nth| blob_path(&image.layer_digests()[nth]));
    let tar = Shape::Containerd.save_one(&image);
    let manifest = blob_path(&digest(&Shape::Containerd.manifest(&image).unwrap()));
    let config = blob_path(&digest(&image.config()));
    let mut altered = tar.body(&first).to_vec();
    altered[9] ^= 1;
    let tar = tar
        .replacing(&first, Kind::File(altered))
        .without(&third)
        .editing("index.json", |index| index["manifests"][0]["size"] = json!(1))
        .editing("manifest.json", |json| json[0]["RepoTags"] = json!(["other:1", "BAD"]))
        .with("blobs/sha256/0", "stray")
        .with("../climbs", "1");
    verify(&tar).finds(&[
        ("error", "H-1", "member `../climbs`"),
        ("error", "O-6", &manifest),
        ("error", "O-3", &manifest),
        ("warning", "L-16", &config),
        ("warning", "H-2", "blobs/sha256/0"),
        ("warning", "L-7", "manifest.json: [0]"),
        ("error", "L-23", "manifest.json: [0]"),
        ("error", "H-13", "manifest.json: [0]"),
        ("error", "H-13", "manifest.json: [0]"),
        ("note", "O-26", "manifest.json"),
        ("error", "H-3", &first),
        ("error", "R-3", &second),
        ("warning", "R-12", &last),
    ]);
}

#[test]
fn v1_archives_are_held_against_themselves() {
    let (base, top) = ("a".repeat(64), "b".repeat(64));
    let mut tar = Tarball::default();
    for (id, parent) in [(&base, None), (&top, Some(&base))] {
        tar.file(format!("{id}/VERSION"), "1.0");
        tar.json(
            format!("{id}/json"),
            &parent.map_or(
                json!({"id": id, "docker_version": "1.9.1"}),
                |parent| json!({"id": id, "parent": parent, "docker_version": "1.9.1"}),
            ),
        );
        tar.file(format!("{id}/layer.tar"), layer_tar([file(id.as_bytes(), "1")]));
    }
    tar.json("repositories", &json!({"old": {"1": top}}));
    let verified = verify(&tar);
    verified.finds(&[]);
    assert_eq!((&verified.report["format"], &verified.report["checked"]["images"]), (&json!("v1"), &json!(1)));
    let (base_json, top_json) = (format!("{base}/json"), format!("{top}/json"));
    let missing = tar.clone().editing(&top_json, |json| json["parent"] = json!("c".repeat(64)));
    verify(&missing).finds(&[("error", "L-31", &top_json)]);
    let cycle = tar.clone().editing(&base_json, |json| json["parent"] = json!(top));
    verify(&cycle).finds(&[("error", "L-31", "/json")]);
    let other = tar.clone().editing(&base_json, |json| json["id"] = json!("d".repeat(64)));
    verify(&other).finds(&[("error", "L-31", &base_json)]);
    let named = tar.clone().editing("repositories", |json| json["old"]["1"] = json!("d".repeat(64)));
    verify(&named).finds(&[("error", "L-31", "repositories")]);
    let layer = format!("{base}/layer.tar");
    verify(&tar.clone().replacing(&layer, Kind::File(b"noise".into()))).finds(&[("error", "H-18", &layer)]);
    verify(&tar.without("repositories")).finds(&[("note", "L-30", "repositories")]);
}

#[test]
fn what_is_no_archive_is_no_answer() {
    for bytes in [b"".to_vec(), vec![0; 10240], vec![0xa5; 4096], b"\x1f\x8b\x08noise".to_vec()] {
        let outcome = imgtar(["verify"]).stdin(bytes).exits(3);
        assert!(outcome.stdout.is_empty(), "{outcome}");
    }
    let no_image = layer_tar([file("etc/passwd", "")]);
    imgtar(["verify", "--json"]).stdin(no_image).exits(3).says(["not an image archive"]);
}

#[test]
fn a_person_reads_a_line_for_each_finding() {
    let scratch = Scratch::new();
    let blob = image().layers[1].blob();
    let place = blob_path(&digest(&blob));
    let mut altered = blob.clone();
    altered[9] ^= 1;
    let tar = Shape::Oci
        .save_one(&image())
        .replacing(&place, Kind::File(altered.clone()))
        .with(&format!("blobs/sha256/{}", sha256(b"stray")), "stray");
    let path = scratch.write("app.tar", tar.bytes());
    let line = format!(
        "  error  H-3  {place}: its content has another digest than its name says: expected {}, found {}\n",
        digest(&blob),
        digest(&altered)
    );
    let said = |flags: &[&str], code| {
        let outcome = imgtar(["verify"]).args(flags).arg(&path).run();
        assert_eq!(outcome.code, code, "{outcome}");
        assert_eq!(outcome.stderr, "", "{outcome}");
        outcome.text()
    };
    let verdict = format!("FAILED  {}: 1 error, 1 note\n", path.display());
    let plain = said(&[], 1);
    assert_eq!(plain, format!("{verdict}{line}"));
    assert_eq!(said(&["-q"], 1), plain);
    let verbose = said(&["-v"], 1);
    assert_eq!(verbose.lines().filter(|line| line.starts_with("  note ")).count(), 1, "{verbose}");
    let sound = scratch.write("sound.tar", Shape::Docker20.save_one(&image()).bytes());
    let answer = imgtar(["verify"]).arg(&sound).success().text();
    assert!(answer.starts_with(&format!("OK      {}: 1 image, 2 layers, ", sound.display())), "{answer}");
    assert_eq!(imgtar(["verify", "-q"]).arg(&sound).success().text(), "");
    assert!(!plain.contains('\u{1b}'), "colours are for a terminal");
}

#[test]
fn strict_makes_warnings_a_reason() {
    let padded = [&image().layers[0].blob()[..], &[0; 512]].concat();
    let tar = with_layer(padded).bytes();
    assert_eq!(imgtar(["verify"]).stdin(tar.clone()).run().code, 0);
    for flags in [&["verify", "--strict"][..], &["verify", "--strict", "-q"]] {
        let told = imgtar(flags).stdin(tar.clone()).run();
        let text = told.text();
        assert!(told.code == 1 && text.starts_with("FAILED  ") && text.contains(": 1 warning\n  warning  "), "{text}");
    }
    let json = imgtar(["verify", "--strict", "--json"]).stdin(tar).run();
    assert!(json.code == 1 && json.text().contains("\"ok\": false"), "{json}");
}

#[test]
fn h25_names_never_reach_the_terminal_as_they_are() {
    let (archive, _) = on_top(layer_tar([file("../\u{1b}[31m\u{202e}x", "")]));
    let tar = archive.with("../\u{1b}[2Jevil", "1").with("blobs/sha256/\u{1b}", "1");
    let outcome = imgtar(["verify", "-v"]).stdin(tar.bytes()).run();
    assert!(!outcome.text().contains(['\u{1b}', '\u{202e}']), "{}", outcome.text());
    assert_eq!(outcome.text().matches("\\u{1b}").count(), 3, "{}", outcome.text());
}

#[test]
fn limits_end_a_check() {
    let tar = Shape::Crane.save_one(&TestImage::new().layer_bytes(vec![0; 8 << 20]).tag("bomb:1")).bytes();
    imgtar(["verify", "--max-size", "1M"]).stdin(tar.clone()).exits(6).says(["--max-size"]);
    imgtar(["verify", "--max-entries", "1"]).stdin(tar.clone()).exits(6).says(["--max-entries"]);
    imgtar(["verify", "--max-metadata", "10"]).stdin(tar).exits(6).says(["--max-metadata"]);
}

#[test]
fn whoever_stops_reading_has_heard_enough() {
    let (archive, _) = on_top(layer_tar([file("../x", "")]));
    for form in ["--json", "-v"] {
        // A report fits into a pipe, so nobody is there to read it from the first byte on.
        let outcome = imgtar(["verify", form]).stdin(archive.bytes()).run_and_hang_up_after(0);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{form}");
    }
}

#[test]
fn a_hostile_archive_cannot_fill_a_log() {
    let long = "long/".repeat(60);
    let bad = |n: u32| [file(format!("../{n}/{long}"), ""), file(format!("{n}//{long}"), "")];
    let (mut archive, _) = on_top(layer_tar((0..5000).flat_map(bad)));
    for n in 0..5000 {
        archive = archive.with(&format!("blobs/sha256/{n}{}", "-".repeat(200)), "");
    }
    let report = imgtar(["verify", "-v"]).stdin(archive.bytes()).run().text();
    assert_eq!(report.matches("and 4,900 more like these").count(), 3, "{report}");
    assert!(report.len() < 200 << 10, "{} bytes", report.len());
    let converted = imgtar(["convert", "--to", "legacy"]).stdin(archive.bytes()).run();
    assert!(converted.stderr.len() < 100 << 10, "{} bytes", converted.stderr.len());
}
