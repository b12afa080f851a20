//! `imgtar inspect`: the facts against an independent reader, the exact documents, and what loads where.

use std::fs;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use imgtar::{ImageSelector, Input, InspectDepth, Run, inspect};
use serde_json::{Value, json};

use crate::support::archive::Archive;
use crate::support::codec::Codec;
use crate::support::docker::docker_19;
use crate::support::image::TestImage;
use crate::support::judge::{Judged, docker_images, oci_images};
use crate::support::layer::{file, layer_tar};
use crate::support::layout::{Layout, Types};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};
use crate::support::{schema, sha256};

const FIXTURES: [&str; 7] = [
    "bld-oa.tar.xz",
    "cr-tarball.tar.xz",
    "dangling-index.tar.xz",
    "exp24.tar.xz",
    "pod-docker-archive.tar.xz",
    "saved20.tar.xz",
    "saved29-classic.tar.xz",
];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures")).join(name)
}

fn report(bytes: impl Into<Vec<u8>>, flags: &[&str]) -> Value {
    let said = imgtar(["inspect", "--json"]).args(flags).stdin(bytes.into()).success();
    let report = serde_json::from_str(&said.text()).expect("one JSON document");
    schema::check("inspect", &report);
    report
}

fn judged(bytes: &[u8]) -> Vec<Judged> {
    let archive = Archive::open(bytes);
    if archive.has("oci-layout") { oci_images(&archive) } else { docker_images(&archive) }
}

/// Holds the facts against what the judge found; with `full` all sizes and digests are known.
#[track_caller]
fn agrees(bytes: &[u8], what: &str, full: bool) {
    let report = report(bytes, if full { &["--full"] } else { &[] });
    let (found, expected) = (report["images"].as_array().unwrap(), judged(bytes));
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found["image_id"], format!("sha256:{}", expected.id), "{what}");
        let digest = expected.manifest.as_ref().map(|manifest| format!("sha256:{}", sha256(manifest)));
        assert_eq!(found["manifest"]["digest"].as_str(), digest.as_deref(), "{what}");
        let config: Value = serde_json::from_slice(&expected.config).unwrap();
        assert_eq!(found["created"], config["created"], "{what}");
        let platform = [&config["os"], &config["architecture"], &config["variant"]];
        let platform: Vec<&str> =
            platform.iter().filter_map(|part| part.as_str()).filter(|part| !part.is_empty()).collect();
        assert_eq!(found["platform"], platform.join("/"), "{what}");
        let layers = found["layers"].as_array().unwrap();
        assert_eq!(layers.len(), expected.layers.len(), "{what}");
        for (number, (layer, expected)) in layers.iter().zip(&expected.layers).enumerate() {
            assert_eq!(layer["layer"], number, "{what}");
            assert_eq!(layer["diff_id"], expected.diff_id, "{what}");
            let compression = match expected.codec {
                Codec::Plain => "none",
                Codec::Gzip | Codec::GzipMembers => "gzip",
                Codec::Zstd | Codec::ZstdFrames => "zstd",
                Codec::Xz => "xz",
                Codec::Bzip2 => "bzip2",
                Codec::Lz4 => "lz4",
            };
            assert_eq!(layer["compression"], compression, "{what}");
            assert_eq!(layer["size"], Archive::open(bytes).body(&expected.member).len(), "{what}");
            if full || expected.codec == Codec::Plain || layer.get("digest").is_some() {
                assert_eq!(layer["digest"], expected.digest, "{what}");
            }
            let tar_size = expected.plain.as_ref().map(Vec::len);
            if full || expected.codec == Codec::Plain {
                assert_eq!(layer["tar_size"].as_u64(), tar_size.map(|size| size as u64), "{what}");
            } else {
                assert!(layer.get("tar_size").is_none(), "{what}: nothing was decoded");
            }
        }
    }
}

#[test]
fn the_facts_are_what_an_independent_reader_finds() {
    let images = [TestImage::demo("app:1").platform("linux/arm64/v8"), TestImage::demo("example.com/b:2")];
    for shape in Shape::ALL {
        // jib writes archives of one image.
        let images = if shape == Shape::Jib { &images[..1] } else { &images[..] };
        let bytes = shape.save(images).bytes();
        agrees(&bytes, &format!("{shape:?}"), false);
        agrees(&bytes, &format!("{shape:?} in full"), true);
    }
    for codec in Codec::ALL {
        let image = TestImage::demo("app:1").all_stored(codec);
        agrees(&Shape::Crane.save_one(&image).bytes(), &format!("{codec:?}"), true);
    }
    for name in FIXTURES {
        let bytes = fs::read(fixture(name)).unwrap();
        agrees(&bytes, name, false);
        agrees(&bytes, name, true);
    }
}

#[test]
fn every_answer_about_a_real_archive_keeps_to_its_schema() {
    for name in FIXTURES {
        let ask = |args: &[&str]| {
            let said = imgtar(args).arg(fixture(name)).success();
            said.text().lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let document = |answer: Vec<String>| serde_json::from_str::<Value>(&answer.join("\n")).expect("one document");
        let rows = |answer: Vec<String>| {
            let rows: Vec<Value> = answer.iter().map(|row| serde_json::from_str(row).expect("one document")).collect();
            assert!(!rows.is_empty(), "{name}");
            rows.iter().for_each(|row| schema::check("ls", row));
        };
        let report = document(ask(&["inspect", "--json", "--full"]));
        schema::check("inspect", &report);
        rows(ask(&["ls", "--json"]));
        for layer in report["images"][0]["layers"].as_array().unwrap() {
            rows(ask(&["ls", "--json", "--layer", &layer["layer"].to_string()]));
        }
        schema::check("history", &document(ask(&["history", "--json"])));
        schema::check("verify", &document(ask(&["verify", "--json"])));
        for other in FIXTURES {
            let said = imgtar(["diff", "--json"]).arg(fixture(name)).arg(fixture(other)).run();
            let diff: Value = serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{said}"));
            schema::check("diff", &diff);
            assert_eq!(said.code, i32::from(diff["a"]["image_id"] != diff["b"]["image_id"]), "{said}");
        }
    }
}

#[test]
fn files_pipes_and_directories_are_the_same_to_it() {
    let tar = Shape::Oci.save_one(&TestImage::demo("app:1"));
    let scratch = Scratch::new();
    let path = scratch.write("in.tar", tar.bytes());
    let mut piped = report(tar.bytes(), &[]);
    let mut read = serde_json::from_str::<Value>(&imgtar(["inspect", "--json"]).arg(&path).success().text()).unwrap();
    assert_eq!((&piped["archive"], &read["archive"]), (&"standard input".into(), &path.to_str().unwrap().into()));
    piped["archive"].take();
    read["archive"].take();
    assert_eq!(piped, read);
    let layout = Scratch::new();
    tar.unpack(layout.dir());
    let found = imgtar(["inspect", "--json"]).arg(layout.dir()).success().text();
    let found: Value = serde_json::from_str(&found).unwrap();
    schema::check("inspect", &found);
    assert_eq!((&found["images"], &found["directory"]), (&read["images"], &Value::Bool(true)));
}

#[test]
fn the_formats_are_told_apart() {
    let image = TestImage::demo("app:1");
    for (shape, format) in [
        (Shape::Docker20, "legacy"),
        (Shape::Nix, "legacy"),
        (Shape::Skopeo, "legacy"),
        (Shape::Crane, "docker"),
        (Shape::Jib, "docker"),
        (Shape::Docker25, "hybrid"),
        (Shape::Containerd, "hybrid"),
        (Shape::Oci, "oci"),
    ] {
        assert_eq!(report(shape.save_one(&image).bytes(), &[])["format"], format, "{shape:?}");
    }
    assert_eq!(report(v1().bytes(), &[])["format"], "v1");
    for (codec, word) in
        [(Codec::Gzip, "gzip"), (Codec::Zstd, "zstd"), (Codec::Xz, "xz"), (Codec::Bzip2, "bzip2"), (Codec::Lz4, "lz4")]
    {
        let packed = Shape::Crane.save_one(&image).compressed(codec);
        assert_eq!(report(packed, &[])["compression"], word);
    }
}

fn v1() -> Tarball {
    docker_19(&TestImage::demo("app:1"))
}

#[test]
fn the_config_is_summed_up() {
    let config = json!({
        "Entrypoint": ["/bin/app"], "Cmd": ["-v", "two words"], "Env": ["PATH=/bin", "X="], "User": "1000:1000",
        "WorkingDir": "/srv", "ExposedPorts": {"80/tcp": {}, "443/tcp": {}}, "Volumes": {"/data": {}},
        "Labels": {"b": "2", "a": "1"}, "StopSignal": "SIGINT", "Healthcheck": {"Test": ["CMD", "true"]},
    });
    let image = TestImage::demo("app:1").key("config", config).key("author", json!("me"));
    let found = &report(Shape::Crane.save_one(&image).bytes(), &[])["images"][0];
    assert_eq!(
        found["config"],
        json!({
            "entrypoint": ["/bin/app"], "cmd": ["-v", "two words"], "env": ["PATH=/bin", "X="], "user": "1000:1000",
            "workdir": "/srv", "ports": ["443/tcp", "80/tcp"], "volumes": ["/data"], "labels": {"a": "1", "b": "2"},
            "stop_signal": "SIGINT", "healthcheck": ["CMD", "true"],
        })
    );
    assert_eq!(found["author"], "me");
    let table = imgtar(["inspect"]).stdin(Shape::Crane.save_one(&image).bytes()).success().text();
    for line in
        ["  entrypoint  /bin/app", "  cmd         -v 'two words'", "  env         PATH=/bin", "              X="]
    {
        assert!(table.lines().any(|found| found == line), "`{line}` in {table}");
    }
}

#[test]
fn layers_are_told_what_made_them() {
    let image =
        TestImage::new().metadata_step("ENV A=1").layer([file("a", "")]).metadata_step("CMD x").layer([file("b", "")]);
    let found = &report(Shape::Oci.save_one(&image).bytes(), &[])["images"][0];
    let by: Vec<&str> =
        found["layers"].as_array().unwrap().iter().map(|layer| layer["created_by"].as_str().unwrap()).collect();
    assert_eq!(by, ["ADD layer 0", "ADD layer 1"], "L-16");
    let image = image.key("history", json!([{"created_by": "one"}, {"created_by": "two"}, {"created_by": "three"}]));
    let report = report(Shape::Oci.save_one(&image).bytes(), &[]);
    assert!(report["images"][0]["layers"][0].get("created_by").is_none(), "steps that do not fit are nobody's");
    assert!(
        report["findings"][0]["problem"].as_str().unwrap().contains("describes 3 layers, but it has 2"),
        "{report:#}"
    );
}

#[test]
fn documents_come_byte_for_byte() {
    let image = TestImage::demo("app:1");
    for shape in Shape::ALL {
        let tar = shape.save_one(&image);
        let document = |flag: &str| imgtar(["inspect", flag]).stdin(tar.bytes());
        let [judged] = &judged(&tar.bytes())[..] else { panic!("one image") };
        assert!(document("--config").success().stdout == judged.config, "{shape:?}");
        match &judged.manifest {
            Some(manifest) => assert!(document("--manifest").success().stdout == *manifest, "{shape:?}"),
            None => drop(document("--manifest").exits(4).says(["no manifest"])),
        }
        let top = if tar.has("index.json") { "index.json" } else { "manifest.json" };
        assert!(document("--raw").success().stdout == tar.body(top), "{shape:?}");
    }
    let hybrid = Shape::Containerd.save_one(&image);
    let docker = imgtar(["inspect", "--raw", "--prefer", "docker"]).stdin(hybrid.bytes()).success().stdout;
    assert!(docker == hybrid.body("manifest.json"));
    assert!(imgtar(["inspect", "--raw"]).stdin(v1().bytes()).success().stdout == v1().body("repositories"));
    imgtar(["inspect", "--raw"]).stdin(v1().without("repositories").bytes()).exits(4);
}

#[test]
fn one_image_is_chosen_for_its_documents() {
    let two = Shape::Crane.save(&[TestImage::demo("a:1"), TestImage::demo("b:1")]).bytes();
    imgtar(["inspect", "--config"]).stdin(two.clone()).exits(4).says(["--image", "a:1", "b:1"]);
    let config = imgtar(["inspect", "--config", "--image", "b:1"]).stdin(two.clone()).success().stdout;
    assert_eq!(sha256(&config), TestImage::demo("b:1").id());
    assert_eq!(report(two.clone(), &["--image", "@1"])["images"][0]["names"], json!(["b:1"]));
    assert_eq!(report(two.clone(), &["--image", "@1"])["images"][0]["position"], 1);
    imgtar(["inspect", "--image", "b:2"]).stdin(two).exits(4).says(["did you mean `b:1`?"]);
    let far =
        Shape::Crane.save(&[TestImage::demo("redis:7"), TestImage::demo("registry.example/team/app:1.0")]).bytes();
    for typed in ["app:1.0", "localhost/app:1.0", "registry.exmaple/team/ap:1.0", "team/app"] {
        let hint = "did you mean `registry.example/team/app:1.0`?";
        imgtar(["inspect", "--image", typed]).stdin(far.clone()).exits(4).says([hint]);
    }
    imgtar(["inspect", "--image", "nginx:7"]).stdin(far).exits(4).never_says(["did you mean"]);
}

#[test]
fn what_contradicts_itself_is_exit_2() {
    for flags in [
        &["--json", "--raw"][..],
        &["--json", "--config"],
        &["--raw", "--manifest"],
        &["--config", "--manifest"],
        &["--full", "--raw"],
        &["--raw", "--image", "@0"],
        &["--short", "--json"],
        &["--raw", "a", "b"],
    ] {
        imgtar(["inspect"]).args(flags).stdin(v1().bytes()).exits(2);
    }
}

/// One name for two platforms with an attestation, one of them not there.
fn dangling() -> Tarball {
    let mut layout = Layout::new();
    let on = |platform: &str| TestImage::new().platform(platform).layer([file("arch", platform)]);
    let children = ["linux/amd64", "linux/arm64"].map(|platform| layout.image(&on(platform), Types::Oci));
    let attestation = layout.attestation(&children[0]);
    let index = layout.nested(&[&children[..], &[attestation]].concat(), Types::Oci);
    layout.list_as(&index, &["docker.io/library/app:1".into()]);
    layout.drop_blob(&children[1]);
    layout.tarball()
}

#[test]
fn what_is_listed_beside_images_and_what_is_not_there_is_said() {
    let report = report(dangling().bytes(), &[]);
    assert_eq!(report["images"].as_array().unwrap().len(), 1);
    assert_eq!(report["images"][0]["index"]["media_type"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(report["missing"][0]["platform"], "linux/arm64", "O-15");
    assert_eq!(report["artifacts"][0]["attestation"], true, "O-13");
    let table = imgtar(["inspect"]).stdin(dangling().bytes()).success().text();
    assert!(table.contains("listed, but not there") && table.contains("linux/arm64: blobs/sha256/"), "{table}");
    let hybrid = Shape::Docker25.save_one(&TestImage::demo("app:1"));
    let report = self::report(hybrid.bytes(), &[]);
    assert!(report["unreferenced"]["blobs"].as_u64().unwrap() > 0, "v1 json files hide among the blobs (O-25)");
}

#[test]
fn findings_are_part_of_the_answer_and_errors_under_strict() {
    let tar = Shape::Crane
        .save_one(&TestImage::demo("app:1"))
        .editing("manifest.json", |json| json[0]["RepoTags"] = json!(["app"]));
    let said = imgtar(["inspect", "--json"]).stdin(tar.bytes()).success();
    assert_eq!(said.stderr, "");
    let report: Value = serde_json::from_str(&said.text()).unwrap();
    assert!(report["findings"][0]["problem"].as_str().unwrap().contains("`app` has no tag"), "{report:#}");
    let table = imgtar(["inspect"]).stdin(tar.bytes()).success().text();
    assert!(table.contains("\nfindings\n"), "{table}");
    imgtar(["inspect", "--strict"]).stdin(tar.bytes()).exits(3).says(["no tag", "--strict"]);
}

#[test]
fn a_layer_that_lies_is_found_in_full_only() {
    let tar = Shape::Crane.save_one(&TestImage::demo("app:1"));
    let layer = tar.name_ending(".tar.gz");
    let tar = tar.replacing(&layer, Kind::File(Codec::Gzip.encode(&layer_tar([file("evil", "")]))));
    report(tar.bytes(), &[]);
    imgtar(["inspect", "--full"]).stdin(tar.bytes()).exits(3).says(["diff_id", "expected sha256:"]);
}

#[test]
fn a_layer_of_any_size_is_not_read() {
    const SIZE: u64 = 64 << 30;
    let scratch = Scratch::new();
    let mut tar = Tarball::default();
    tar.json("manifest.json", &json!([{"Config": "config.json", "RepoTags": ["big:1"], "Layers": ["l.tar"]}]));
    tar.file("config.json", TestImage::new().layer_bytes("x").config());
    let mut head = tar.bytes();
    head.truncate(head.len() - 1024);
    head.extend(file("l.tar", "").pax("size", SIZE.to_string()).bytes());
    let path = scratch.write("big.tar", &head);
    let archive = fs::OpenOptions::new().write(true).open(&path).unwrap();
    archive.set_len(head.len() as u64 + SIZE + 1024).unwrap();
    let said = imgtar(["inspect", "--json"]).arg(&path).success().text();
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["images"][0]["size"], SIZE);
}

#[test]
fn a_table_fits_its_columns() {
    let config = json!({"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Labels": {"a": "word ".repeat(40)}});
    let image = TestImage::demo("registry.example.com/a/rather/long/name/of/an/image:with-a-tag").key("config", config);
    let tar = Shape::Oci.save_one(&image).bytes();
    for columns in ["40", "80", "132"] {
        for flag in ["-q", "-v"] {
            let table = imgtar(["inspect", flag]).env("COLUMNS", columns).stdin(tar.clone()).success().text();
            for line in table.lines() {
                assert!(line.chars().count() <= columns.parse().unwrap(), "{columns} columns: `{line}`");
                assert_eq!(line, line.trim_end(), "{columns} columns");
            }
            assert!(!table.contains('\u{1b}'), "no colours where there is no terminal");
        }
    }
}

#[test]
fn what_comes_from_an_archive_moves_no_cursor() {
    let evil = "a\u{1b}[2J\u{202e}b";
    let image = TestImage::demo("app:1").key("author", json!(evil)).key("config", json!({"Labels": {evil: evil}}));
    let tar = Shape::Crane.save_one(&image).bytes();
    for flag in ["-v", "--json"] {
        let said = imgtar(["inspect", flag]).stdin(tar.clone()).success();
        assert!(!said.text().contains(['\u{1b}', '\u{202e}']), "H-25: {flag}");
    }
    assert_eq!(report(tar, &[])["images"][0]["author"], evil, "nothing is lost");
}

#[test]
fn archives_without_images_are_answered_too() {
    let mut empty = Tarball::default();
    empty.push("manifest.json", Kind::File(b"[]".to_vec()));
    let found = report(empty.bytes(), &[]);
    let loads = found["loads"].as_array().unwrap();
    assert_eq!(found["images"], json!([]));
    assert!(loads.iter().all(|loads| loads["loads"] == "no"), "{found:#}");
    imgtar(["inspect", "--config"]).stdin(empty.bytes()).exits(4);
    imgtar(["inspect"]).stdin("no archive at all").exits(3);
}

#[test]
fn of_several_shared_names_the_first_is_told_every_time() {
    let mut layout = Layout::new();
    for content in ["1", "2"] {
        let image = layout.image(&TestImage::new().layer([file("f", content)]), Types::Oci);
        let names: Vec<_> = ["b", "a", "c", "d", "e"].map(|name| format!("app:{name}")).to_vec();
        layout.list_as(&image, &names);
    }
    let tar = layout.tarball().bytes();
    let first = imgtar(["inspect"]).stdin(tar.clone()).success().text();
    assert!(first.contains("different images have the name `docker.io/library/app:b`"), "{first}");
    // By chance it would be the same once in five.
    for _ in 0..4 {
        assert_eq!(imgtar(["inspect"]).stdin(tar.clone()).success().text(), first);
    }
}

#[test]
fn an_image_in_two_indexes_is_told_of_the_one_that_is_listed_first() {
    let mut layout = Layout::new();
    let image = layout.image(&TestImage::demo("app:1"), Types::Oci);
    let other = layout.image(&TestImage::new().platform("linux/arm64"), Types::Oci);
    let first = layout.nested(std::slice::from_ref(&image), Types::Oci);
    let second = layout.nested(&[image, other], Types::Oci);
    let top = layout.nested(&[first.clone(), second], Types::Oci);
    layout.list_as(&top, &["app:1".into()]);
    assert_eq!(report(layout.tarball().bytes(), &[])["images"][0]["index"]["digest"], first["digest"]);
}

#[test]
fn an_image_listed_for_many_platforms_has_its_facts_once() {
    let mut layout = Layout::new();
    let image = (0..50).fold(TestImage::new(), |image, nth| image.layer([file("f", nth.to_string())]));
    let listed = layout.image(&image, Types::Oci);
    for nth in 0..40 {
        let mut entry = listed.clone();
        entry["platform"] = json!({"os": "linux", "architecture": format!("arch{nth}")});
        layout.list(&entry);
    }
    let run = Run::quiet();
    let input = Input::reader("in", Cursor::new(layout.tarball().bytes()));
    let archive = imgtar::Archive::open(input, &run).unwrap();
    let images = archive.images(None, &run).unwrap();
    let report = inspect(&archive, &images, &ImageSelector::default(), None, InspectDepth::Documents, &run).unwrap();
    assert_eq!(report.images.len(), 40);
    let first = &report.images[0].content;
    assert!(report.images.iter().all(|image| Arc::ptr_eq(&image.content, first)));
}
