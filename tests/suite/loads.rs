//! What loads where: the verdicts of `imgtar inspect` against what the engines did.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::codec::Codec;
use crate::support::digest;
use crate::support::docker::{self, docker_19};
use crate::support::image::TestImage;
use crate::support::layer::{dir, file, hardlink, symlink, whiteout};
use crate::support::layout::{
    DOCKER_CONFIG, DOCKER_MANIFEST, Layout, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Types, blob_path,
};
use crate::support::run::imgtar;
use crate::support::schema;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Member, Tarball};

/// What engines did, a line an archive.
const MEASURED: &str = include_str!("loads/engines.txt");

/// The engines in the order of the columns.
const COLUMNS: [&str; 12] = [
    "docker-20.10",
    "docker-29-classic",
    "docker-29-containerd",
    "ctr-1.6",
    "ctr-2",
    "kind",
    "podman-4",
    "skopeo-1.9-docker-archive",
    "skopeo-1.9-oci-archive",
    "skopeo-1.22-docker-archive",
    "skopeo-1.22-oci-archive",
    "crane",
];

fn report(bytes: Vec<u8>) -> Value {
    let said = imgtar(["inspect", "--json"]).stdin(bytes).success();
    let report = serde_json::from_str(&said.text()).expect("one JSON document");
    schema::check("inspect", &report);
    report
}

/// The verdicts in a letter each: Docker 20.10, 29 classic, 29 containerd, ctr 1.6, 2, kind, podman, skopeo docker-archive 1.9,
/// 1.22, oci-archive 1.9, 1.22, crane, umoci 0.4, 0.6.
fn letters(report: &Value) -> String {
    let loads = report["loads"].as_array().unwrap().iter();
    loads.map(|loads| &loads["loads"].as_str().unwrap()[..1]).collect()
}

/// What `report` says of an engine.
fn verdict<'a>(report: &'a Value, engine: &str) -> &'a Value {
    let loads = report["loads"].as_array().unwrap();
    loads.iter().find(|loads| loads["engine"] == engine).unwrap_or_else(|| panic!("no row of {engine}"))
}

#[test]
fn every_cell_of_the_table_is_what_the_engine_did() {
    let mut problems = Vec::new();
    let mut cells = 0;
    for line in MEASURED.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let report = report(archive(words[0]));
        for (engine, measured) in COLUMNS.iter().zip(&words[1..]) {
            let expected = match *measured {
                "?" => continue,
                "last" => "last platform only",
                "first" => "first platform only",
                word => word,
            };
            cells += 1;
            let found = verdict(&report, engine);
            if found["loads"] != expected {
                problems.push(format!(
                    "{} {engine}: {} instead of {expected}: {}",
                    words[0], found["loads"], found["reasons"]
                ));
            }
        }
    }
    assert!(problems.is_empty(), "{} of {cells} cells:\n{}", problems.len(), problems.join("\n"));
    assert!(cells > 1100, "{cells} cells");
}

/// The archive that a line of the table is about.
fn archive(name: &str) -> Vec<u8> {
    let (name, outer) = match name.rsplit_once('.') {
        Some((name, "gz")) => (name, Codec::Gzip),
        Some((name, "zst")) => (name, Codec::Zstd),
        Some((name, "xz")) => (name, Codec::Xz),
        _ => (name, Codec::Plain),
    };
    let (source, form) = name.split_once(['/', '-']).expect("SOURCE/FORM");
    tarball(source, form).compressed(outer)
}

fn tarball(source: &str, form: &str) -> Tarball {
    let plain = TestImage::demo("app:1").all_stored(Codec::Plain);
    let gzip = TestImage::demo("app:1");
    let two = || [gzip.clone(), gzip.clone().layer([file("more", "")]).untagged().tag("other:2")];
    let images = match source {
        "A" if form == "oci" || form == "oci-nodm" => vec![plain],
        "A" | "B" | "b1" | "b2" | "v1" | "import" => vec![gzip],
        "M" | "MB" => two().to_vec(),
        "T" => vec![gzip.tag("example.com/app:2")],
        "U" => vec![gzip.untagged()],
        "P" => return flat(form),
        "X" => return nested(form, false),
        "DG" => return nested(form, form == "oci-keepidx"),
        "mix" | "mixgr" | "mixrg" | "xz" | "bz" => return mixed(source, form),
        other => panic!("no source {other}"),
    };
    match (source, form) {
        ("v1", "src") => docker_19(&images[0]),
        ("b1" | "b2", form) => buildkit(source, form),
        ("B" | "MB", form) if form.starts_with("oci") && !form.contains("types") => of_docker_29(&images, form),
        (_, form) => converted(&images, form),
    }
}

/// The archive of `images` in this form, with OCI's media types if it is a layout.
fn converted(images: &[TestImage], form: &str) -> Tarball {
    let stored = |codec| images.iter().map(|image| image.clone().all_stored(codec)).collect::<Vec<_>>();
    match form {
        "legacy" | "legacy-full" => Shape::CraneLegacy.save(images),
        "docker" | "docker-full" => Shape::Crane.save(images),
        "docker-zstd" => Shape::Crane.save(&stored(Codec::Zstd)),
        "oci" | "oci-full" | "oci-types" => Shape::Containerd.save(images),
        "oci-none" => Shape::Containerd.save(&stored(Codec::Plain)),
        "oci-gzip" => Shape::Containerd.save(&stored(Codec::Gzip)),
        "oci-zstd" | "oci-types-zstd" => Shape::Containerd.save(&stored(Codec::Zstd)),
        "oci-nodm" => Shape::Oci.save(images),
        "oci-nodm-gzip" => Shape::Oci.save(&stored(Codec::Gzip)),
        other => panic!("no form {other}"),
    }
}

/// The archive of `images` as Docker 29 has them, in Docker's media types.
fn of_docker_29(images: &[TestImage], form: &str) -> Tarball {
    let codec = if form.ends_with("zstd") {
        Codec::Zstd
    } else if form.ends_with("none") {
        Codec::Plain
    } else {
        Codec::Gzip
    };
    let images: Vec<_> = images.iter().map(|image| image.clone().all_stored(codec)).collect();
    let mut layout = Layout::new();
    for image in &images {
        let manifest = dockers(&mut layout, image);
        layout.list_as(&manifest, &image.tags);
    }
    finished(&layout, &images, form)
}

/// An image in Docker's media types, that of zstd layers among them.
fn dockers(layout: &mut Layout, image: &TestImage) -> Value {
    let mut layers = Vec::new();
    for layer in &image.layers {
        let suffix = match layer.codec {
            Codec::Plain => "",
            Codec::Zstd => ".zstd",
            _ => ".gzip",
        };
        layers.push(layout.blob(&format!("application/vnd.docker.image.rootfs.diff.tar{suffix}"), layer.blob()));
    }
    let config = layout.blob(DOCKER_CONFIG, image.config());
    layout.manifest(&json!({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": layers}))
}

/// The layout as an archive, with the `manifest.json` of `images` unless the form is without.
fn finished(layout: &Layout, images: &[TestImage], form: &str) -> Tarball {
    let mut tar = layout.tarball();
    if !form.contains("nodm") {
        let items = images.iter().map(|image| {
            let layers = image.layer_digests();
            docker::item(image, &blob_path(&digest(&image.config())), layers.iter().map(|digest| blob_path(digest)))
        });
        let items = Value::from(items.collect::<Vec<_>>()).to_string();
        tar.members.push(Member { name: "manifest.json".into(), kind: Kind::File(items.into()) });
    }
    tar
}

fn platforms() -> [TestImage; 2] {
    ["linux/amd64", "linux/arm64"]
        .map(|platform| TestImage::new().platform(platform).layer([file("arch", platform)]).tag("app:1"))
}

/// Two platforms of one name side by side.
fn flat(form: &str) -> Tarball {
    let mut layout = Layout::new();
    for image in platforms() {
        let manifest = layout.image(&image, Types::Oci);
        layout.list_as(&manifest, &image.tags);
    }
    finished(&layout, &platforms()[..1], form)
}

/// Two platforms of one name in an index of their own; the second may be absent.
fn nested(form: &str, is_absent: bool) -> Tarball {
    let codec = if form.ends_with("none") { Codec::Plain } else { Codec::Gzip };
    let images = platforms().map(|image| image.all_stored(codec));
    let mut layout = Layout::new();
    let children = if form == "oci-zstd" {
        images.clone().map(|image| {
            let platform = image.platform_json();
            let mut child = dockers(&mut layout, &image.all_stored(Codec::Zstd));
            child["platform"] = platform;
            child
        })
    } else {
        images.clone().map(|image| layout.image(&image, Types::Oci))
    };
    let index = layout.nested(&children, Types::Oci);
    layout.list_as(&index, &["app:1".into()]);
    if is_absent {
        layout.drop_blob(&children[1]);
    }
    let stored = if form == "oci-zstd" { images.map(|image| image.all_stored(Codec::Zstd)) } else { images };
    finished(&layout, &stored[..1], form)
}

/// An image, or two platforms, with provenance beside, as BuildKit exports them and imgtar converts them.
fn buildkit(source: &str, form: &str) -> Tarball {
    let codec = match form {
        "zstd" => Codec::Zstd,
        "plain" => Codec::Plain,
        _ => Codec::Gzip,
    };
    let images = platforms().map(|image| image.all_stored(codec));
    let images = match (source, form) {
        ("b2", "arm") => &images[1..],
        ("b2", "amd" | "keep") | ("b1", _) => &images[..1],
        _ => &images[..],
    };
    match form {
        "legacy" | "docker" => return converted(&images[..1], form),
        "zstdsrc" => return converted(&images[..1], "docker"),
        "zgz" => return converted(&images[..1], "oci-gzip"),
        "amd" | "arm" => return converted(images, "oci"),
        _ => {}
    }
    let mut layout = Layout::new();
    let mut children = Vec::new();
    for image in images {
        let manifest = layout.image(image, Types::Oci);
        let attestation = (form != "drop").then(|| layout.attestation(&manifest));
        children.extend([manifest].into_iter().chain(attestation));
    }
    let index = layout.nested(&children, Types::Oci);
    layout.list_as(&index, &["app:1".into()]);
    finished(&layout, &images[..1], form)
}

/// An image whose layers are compressed in several ways, or as no media type says.
fn mixed(source: &str, form: &str) -> Tarball {
    let codecs: &[Codec] = match (source, form) {
        ("mix", "docker") | ("xz", "oci") => &[Codec::Gzip],
        ("mix", _) => &[Codec::Gzip, Codec::Plain, Codec::Zstd],
        ("mixgr", _) => &[Codec::Gzip, Codec::Plain],
        ("mixrg", _) => &[Codec::Plain, Codec::Gzip],
        ("xz", _) => &[Codec::Xz],
        _ => &[Codec::Bzip2],
    };
    let mut image = TestImage::new().tag("app:1");
    for (number, codec) in codecs.iter().enumerate() {
        image = image.layer([file(format!("layer-{number}"), "")]).stored(*codec);
    }
    match form {
        "src" | "docker" => Shape::Crane.save_one(&image),
        _ => Shape::Containerd.save_one(&image),
    }
}

#[test]
fn letters_of_shapes_that_no_line_of_the_table_is_about() {
    let demo = TestImage::demo("app:1");
    for (what, bytes, expected) in [
        ("v1 without a list", docker_19(&demo).without("repositories").bytes(), "nnnnnnnnnnnnnn"),
        ("hard links in directories (G-8)", hard_linked(Shape::RulesOci).bytes(), "yynnnnnnnnnnnn"),
        ("hard links at the top", hard_linked(Shape::Crane).bytes(), "yynnnnnnnnnynn"),
        ("hard links in a layout", hard_linked(Shape::Containerd).bytes(), "yyyyyyynnyynnn"),
        ("lz4 around (G-1)", Shape::Containerd.save_one(&demo).compressed(Codec::Lz4), "nnnnnnnnnnnnnn"),
        ("bzip2 around", Shape::Containerd.save_one(&demo).compressed(Codec::Bzip2), "yyynnnyyyyynnn"),
    ] {
        assert_eq!(letters(&report(bytes)), expected, "{what}");
    }
}

#[test]
fn directories_are_for_those_that_read_layouts() {
    let demo = TestImage::demo("app:1");
    let zstd = demo.clone().all_stored(Codec::Zstd);
    let two = [demo.clone(), TestImage::demo("b:2")];
    for (what, tar, expected) in [
        ("one image", Shape::Oci.save_one(&demo), "nnnnnnynnyyyyy"),
        ("zstd", Shape::Oci.save_one(&zstd), "nnnnnnynnyyyny"),
        ("Docker's types", Shape::OciDockerTypes.save_one(&demo), "nnnnnnynnyyynn"),
        ("two images", Shape::Oci.save(&two), "nnnnnnnnnyyyyy"),
        ("two images in Docker's types", Shape::OciDockerTypes.save(&two), "nnnnnnnnnnyynn"),
        ("untagged", Shape::Oci.save_one(&demo.clone().untagged()), "nnnnnnynnyyynn"),
        ("several platforms", nested("oci-nodm", false), "nnnnnnynnyyynn"),
        ("a flat index", flat("oci-nodm"), "nnnnnnnnnffynn"),
        ("zstd in Docker's types", of_docker_29(std::slice::from_ref(&zstd), "oci-nodm-zstd"), "nnnnnnnnnnyynn"),
    ] {
        let scratch = Scratch::new();
        tar.unpack(scratch.dir());
        assert_eq!(letters(&report_of_path(scratch.dir())), expected, "{what}");
    }
}

fn report_of_path(path: &Path) -> Value {
    let report = serde_json::from_str(&imgtar(["inspect", "--json"]).arg(path).success().text()).unwrap();
    schema::check("inspect", &report);
    report
}

#[test]
fn engines_call_images_by_their_own_names() {
    let names = |shape: Shape, image: &TestImage| -> Vec<String> {
        let report = report(shape.save_one(image).bytes());
        let loads = report["loads"].as_array().unwrap().iter().take(7);
        loads.map(|loads| loads["names"][0].as_str().unwrap_or("-").to_owned()).collect()
    };
    let hub = TestImage::demo("docker.io/library/app:1");
    let (short, full, local) = ("app:1", "docker.io/library/app:1", "localhost/app:1");
    assert_eq!(names(Shape::Containerd, &hub), [short, short, short, full, full, full, full]);
    assert_eq!(names(Shape::Docker20, &hub)[..6], [short, short, short, full, full, full]);
    assert!([full, local].contains(&names(Shape::Docker20, &hub)[6].as_str()));
    let other = TestImage::demo("example.com/b:2");
    assert_eq!(names(Shape::Crane, &other), ["example.com/b:2"; 7]);
    let untagged = ["-"; 7];
    assert_eq!(names(Shape::Crane, &other.untagged()), untagged);
}

#[test]
fn every_remedy_that_is_named_helps() {
    let demo = TestImage::demo("app:1");
    let zstd = demo.clone().all_stored(Codec::Zstd);
    let symlinks = [demo.clone(), demo.clone().layer([file("more", "")]).untagged().tag("app:2")];
    let untagged = ["a:1", "b:1"].map(|name| TestImage::demo(name).untagged());
    let tags = |names: Value| {
        let tar = Shape::Crane.save_one(&demo);
        tar.editing("manifest.json", |json| json[0]["RepoTags"] = names).bytes()
    };
    let mut checked = 0;
    for (what, bytes) in [
        ("zstd", Shape::Crane.save_one(&zstd).bytes()),
        ("zstd in a hybrid", Shape::Containerd.save_one(&zstd).bytes()),
        ("zstd in a layout", Shape::Oci.save_one(&zstd).bytes()),
        ("xz", Shape::Crane.save_one(&demo.clone().all_stored(Codec::Xz)).bytes()),
        ("mixed", mixed("mixgr", "oci").bytes()),
        ("oci", Shape::Oci.save_one(&demo).bytes()),
        ("untagged", Shape::Crane.save_one(&demo.clone().untagged()).bytes()),
        ("untagged oci", Shape::Oci.save_one(&demo.clone().untagged()).bytes()),
        ("two", Shape::Crane.save(&symlinks).bytes()),
        ("two untagged", Shape::Crane.save(&untagged).bytes()),
        ("two untagged oci", Shape::Oci.save(&untagged).bytes()),
        ("links", Shape::Docker20.save(&symlinks).bytes()),
        ("tagless", tags(json!(["app"]))),
        ("upper case", tags(json!(["ACME/web:1"]))),
        ("a digest", tags(json!([format!("app@sha256:{}", "d".repeat(64))]))),
        ("Docker's types", Shape::OciDockerTypes.save(&[demo.clone(), TestImage::demo("b:2")]).bytes()),
        ("zstd in Docker's types", of_docker_29(std::slice::from_ref(&zstd), "oci-zstd").bytes()),
        ("hard links", hard_linked(Shape::Containerd).bytes()),
        ("hard links without a layout", hard_linked(Shape::RulesOci).bytes()),
        ("unclean", Shape::Crane.save_one(&demo).editing("manifest.json", unclean).bytes()),
        ("v1", docker_19(&demo).bytes()),
        ("absent platforms", nested("oci", true).bytes()),
        ("several platforms", nested("oci", false).bytes()),
        ("a flat index", flat("oci").bytes()),
        ("packed", Shape::Crane.save_one(&demo).compressed(Codec::Zstd)),
        ("padded", padded("docker").bytes()),
        ("padded in a layout", padded("oci-nodm").bytes()),
        ("many layers", deep(130)),
    ] {
        for loads in report(bytes.clone())["loads"].as_array().unwrap() {
            let Some(command) = loads["remedy"].as_str() else {
                assert_eq!(loads["loads"], "yes", "{what}: {loads}");
                continue;
            };
            let scratch = Scratch::new();
            let out = scratch.path("out");
            let words = command.split(' ').map(|word| if word == "NAME" { "new:1" } else { word });
            imgtar(words).args(["-o"]).arg(&out).stdin(bytes.clone()).success();
            let again = report_of_path(&out);
            let again = verdict(&again, loads["engine"].as_str().unwrap());
            assert_eq!(again["loads"], "yes", "{what}: {command} for {loads}: {again}");
            assert!(again.get("remedy").is_none(), "{what}: {again}");
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked} remedies");
}

/// A layer is a hard link, as tar writes the second name of a file (G-8).
fn hard_linked(shape: Shape) -> Tarball {
    let demo = TestImage::demo("app:1");
    let tar = shape.save_one(&demo);
    let layer = match shape {
        Shape::Containerd => blob_path(&demo.layer_digests()[0]),
        _ => tar.name_ending(".tar.gz"),
    };
    let bytes = tar.body(&layer).to_vec();
    let mut linked = Tarball::default();
    linked.file("first", bytes);
    linked.members.extend(tar.replacing(&layer, Kind::Hardlink("first".into())).members);
    linked
}

fn unclean(json: &mut Value) {
    let config = json[0]["Config"].as_str().unwrap().to_owned();
    json[0]["Config"] = json!(format!("./{config}"));
}

#[test]
fn configs_that_go_cannot_read_are_for_no_engine_that_reads_them() {
    let with = |key: &str, value: Value| TestImage::demo("app:1").key(key, value);
    for (what, image, expected) in [
        ("no time", with("created", Value::Null), "yyyyyyyyynnynn"),
        ("an empty time", with("created", json!("")), "nnnnnnnnnnnnnn"),
        ("a time without a zone", with("created", json!("2020-01-02T03:04:05")), "nnnnnnnnnnnnnn"),
        ("Env as an object", with("config", json!({"Env": {"A": "1"}})), "nnnnnnnnnnnnnn"),
        ("Cmd as a text", with("config", json!({"Cmd": "sh"})), "yynnnnnyynnnnn"),
        ("OnBuild as a text", with("config", json!({"OnBuild": "x"})), "nnyyyyynnnnnnn"),
    ] {
        assert_eq!(letters(&report(Shape::Crane.save_one(&image).bytes())), expected, "{what}");
    }
}

/// An image of so many layers.
fn deep(layers: usize) -> Vec<u8> {
    let image = (0..layers).fold(TestImage::new().tag("app:1"), |image, nth| image.layer([file("f", nth.to_string())]));
    Shape::Crane.save_one(&image).bytes()
}

/// A layer's gzip stream is followed by zero bytes.
fn padded(form: &str) -> Tarball {
    let image = TestImage::new().layer([file("f", "1")]).tag("app:1");
    let mut blob = image.layers[0].blob();
    blob.extend([0; 100]);
    if form == "docker" {
        let tar = Shape::Crane.save_one(&image);
        let member = tar.name_ending(".tar.gz");
        return tar.replacing(&member, Kind::File(blob));
    }
    let mut layout = Layout::new();
    let layer = layout.blob(&format!("{OCI_LAYER}+gzip"), blob);
    let config = layout.blob(OCI_CONFIG, image.config());
    let manifest =
        layout.manifest(&json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]}));
    layout.list_as(&manifest, &image.tags);
    layout.tarball()
}

#[test]
fn o17_zero_bytes_behind_gzip_are_for_those_who_copy() {
    assert_eq!(letters(&report(padded("docker").bytes())), "nnnnnnnyynnynn");
    assert_eq!(letters(&report(padded("oci-nodm").bytes())), "nnnnnnnnnyynnn");
    let empty = TestImage::new().layer_bytes(Vec::new()).tag("app:1");
    assert_eq!(
        letters(&report(Shape::Crane.save_one(&empty).bytes())),
        "yyyyyyyyynnynn",
        "an empty stream ends with zeros"
    );
}

/// The letters with `--full`.
fn letters_in_full(image: &TestImage) -> String {
    let bytes = Shape::Crane.save_one(image).bytes();
    let without = report(bytes.clone());
    assert_eq!(letters(&without), "yyyyyyyyynnynn", "without --full nothing is known of the layers");
    let said = imgtar(["inspect", "--json", "--full"]).stdin(bytes).success();
    let report: Value = serde_json::from_str(&said.text()).unwrap();
    schema::check("inspect", &report);
    assert!(!report["findings"].as_array().unwrap().is_empty(), "{report:#}");
    letters(&report)
}

#[test]
fn layers_that_engines_cannot_unpack_are_told_in_full() {
    let base = || TestImage::new().layer([dir("d"), file("d/x", "1"), file("f", "2")]).tag("app:1");
    for (what, image, expected) in [
        ("a path twice (R-10)", base().layer([file("a", "1"), file("a", "2")]), "nnyyyynyynnynn"),
        ("a whiteout behind its path (V-2)", base().layer([file("f", "3"), whiteout("f")]), "nnnnnnnyynnynn"),
        ("a file below a whiteout (V-6)", base().layer([whiteout("d"), file("d/n", "")]), "nnnnnnnyynnynn"),
        ("a link into a lower layer (V-18)", base().layer([hardlink("c", "f")]), "nnnnnnnyynnynn"),
        ("a link to nothing yet", base().layer([symlink("a", "b"), whiteout("a/x"), dir("b")]), "nnyyyynyynnynn"),
        ("a whiteout of nothing (R-3)", base().layer([file("d/.wh.", "")]), "nnnnnnnyynnynn"),
        ("no tar", base().layer_bytes("no tar at all"), "nnnnnnnyynnynn"),
    ] {
        assert_eq!(letters_in_full(&image), expected, "{what}");
    }
}

#[test]
fn layers_that_docker_cannot_stack_or_count() {
    let letters_of = |layers: usize| letters(&report(deep(layers)));
    assert_eq!(letters_of(125), "yyyyyyyyynnynn");
    assert_eq!(letters_of(126), "nnyyyyyyynnynn");
    let steps = json!([{"created_by": "a"}, {"created_by": "b"}, {"created_by": "c"}]);
    let long = TestImage::demo("app:1").key("history", steps);
    assert_eq!(letters(&report(Shape::Crane.save_one(&long).bytes())), "nnyyyyyyynnynn", "more steps than layers");
    let none = Shape::Crane.save_one(&TestImage::new().tag("app:1"));
    assert_eq!(letters(&report(none.bytes())), "yyyyyyyyynnnnn", "no layers");
}

#[test]
fn platforms_that_linux_does_not_run() {
    let on = |platform: &str| TestImage::new().platform(platform).layer([file("arch", platform)]);
    let letters_of = |images: &[TestImage]| letters(&report(Shape::Crane.save(images).bytes()));
    assert_eq!(letters_of(&[on("windows/amd64").tag("app:1")]), "nnnnnyyyynnynn");
    assert_eq!(letters_of(&[on("wasi/wasm").tag("app:1")]), "nnnnnyyyynnynn");
    assert_eq!(letters_of(&[on("linux/arm64").tag("app:1")]), "yyyyyyyyynnynn");
    let torn = [on("linux/arm64").tag("arm:1"), on("linux/amd64").tag("amd:1")];
    assert_eq!(letters_of(&torn), "yyynnyyyynnnnn", "no machine has both platforms");
}

#[test]
fn bytes_that_are_not_those_of_the_config_are_told_where_nothing_has_to_be_read() {
    let image = TestImage::demo("app:1").all_stored(Codec::Plain);
    let wrong = format!("sha256:{}", "e".repeat(64));
    let mut layout = Layout::new();
    let config = image.clone().key("rootfs", json!({"type": "layers", "diff_ids": [image.diff_ids()[0], wrong]}));
    let listed = layout.image(&config, Types::Oci);
    layout.list_as(&listed, &image.tags);
    let report = report(layout.tarball().bytes());
    assert_eq!(letters(&report), "nnnnnnnnnnnnnn");
    let reasons = &verdict(&report, "podman-4")["reasons"];
    assert!(reasons[0].as_str().unwrap().contains("layer 1"), "{reasons}");
}

#[test]
fn for_an_engine_the_exit_code_is_the_answer() {
    let zstd = Shape::Crane.save_one(&TestImage::demo("app:1").all_stored(Codec::Zstd)).bytes();
    let ask = |engine: &str, code: i32| imgtar(["inspect", "--for", engine]).stdin(zstd.clone()).run().code == code;
    for (engine, code) in [
        ("docker", 1),
        ("docker-20", 1),
        ("docker-29", 0),
        ("kind", 0),
        ("k3s", 0),
        ("ctr", 0),
        ("podman", 0),
        ("skopeo", 0),
        ("skopeo-oci-archive", 1),
        ("crane", 1),
        ("umoci", 1),
        ("moby", 2),
    ] {
        assert!(ask(engine, code), "{engine}: not {code}");
    }
    let said = imgtar(["inspect", "--for", "docker"]).stdin(zstd.clone()).run().text();
    assert_eq!(
        said,
        "standard input: docker archive, 1 image\n  \
         Docker 20.10                      no; it reads no zstd layers\n                                    \
         helps: imgtar convert --to oci --compress gzip\n  \
         Docker 29 classic, 29 containerd  yes, as app:1\n"
    );
    let said = imgtar(["inspect", "--json", "--for", "docker-20"]).stdin(zstd.clone()).run();
    let report: Value = serde_json::from_slice(&said.stdout).unwrap();
    schema::check("inspect", &report);
    assert_eq!((said.code, report["loads"].as_array().unwrap().len()), (1, 1));
    let flat = flat("oci").bytes();
    assert_eq!(imgtar(["inspect", "--for", "kind"]).stdin(flat).run().code, 1, "a platform would be lost");
    imgtar(["inspect", "--for", "kind", "--raw"]).stdin(zstd).exits(2);
}
