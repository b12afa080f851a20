//! What loads where: the verdicts of `imgtar inspect` against what the engines did.

mod shapes;

use std::path::Path;

use serde_json::{Value, json};

use shapes::{
    LoadCase, MEASURED, archive, cases, deep, directories, flat, hard_linked, mixed, named, nested, of_docker_29,
    of_types_and_layers, padded, rooted_layer, same_platform, signed, stored_as, twice_nested, untyped,
};

use crate::support::codec::Codec;
use crate::support::digest;
use crate::support::docker::docker_19;
use crate::support::image::TestImage;
use crate::support::layer::{dir, file, hardlink, layer_tar};
use crate::support::layout::{
    DOCKER_CONFIG, DOCKER_MANIFEST, Layout, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Types, dir_layout,
};
use crate::support::run::imgtar;
use crate::support::schema;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::sparse::Sparse;
use crate::support::tarball::{Kind, Tarball};

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
    report_with(&[], bytes)
}

fn report_with(flags: &[&str], bytes: Vec<u8>) -> Value {
    let said = imgtar(["inspect", "--json"]).args(flags).stdin(bytes).success();
    let report = serde_json::from_str(&said.text()).expect("one JSON document");
    schema::check("inspect", &report);
    report
}

/// The verdicts in a letter each, in the order of [`LoadCase::letters`].
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

/// O-23: of several images skopeo 1.9 selects one by its `ref.name`, if that is of one form.
#[test]
fn a_ref_name_that_skopeo_cannot_select_is_reported() {
    let images = [TestImage::demo("app:1"), TestImage::demo("app:2").layer([file("more", "")])];
    for (name, loads) in [("a.b", "yes"), ("a--b", "yes"), ("a..b", "no"), ("a__b", "no")] {
        let tar = Shape::Oci.save(&images).editing("index.json", |index| {
            index["manifests"][0]["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        });
        assert_eq!(verdict(&report(tar.bytes()), "skopeo-1.9-oci-archive")["loads"], loads, "{name}");
    }
}

#[test]
fn every_other_shape_is_for_those_who_were_seen_to_take_it() {
    for LoadCase { what, bytes, letters: expected, in_full } in cases() {
        if !in_full {
            assert_eq!(letters(&report(bytes.clone())), expected, "{what}");
        } else {
            assert_eq!(
                letters(&report(bytes.clone())),
                "yyyyyyyyynnynn",
                "{what}: without --full nothing is known of it"
            );
            let report = report_with(&["--full"], bytes.clone());
            assert_eq!(letters(&report), expected, "{what}");
            assert!(!report["findings"].as_array().unwrap().is_empty(), "{what}: {report:#}");
        }
    }
}

#[test]
fn directories_are_for_those_that_read_layouts() {
    for (what, tar, expected) in directories() {
        let scratch = Scratch::new();
        tar.unpack(scratch.dir());
        assert_eq!(letters(&report_of_path(scratch.dir())), expected, "{what}");
    }
}

/// For tests/interop, which shows them to the engines that Debian has.
#[test]
#[ignore = "writes the archives to the directory $LOADS_SHAPES"]
fn the_shapes_are_written_for_the_engines() {
    let out = std::env::var_os("LOADS_SHAPES").expect("LOADS_SHAPES names a directory");
    let path = |what: &str| {
        let letters = what
            .chars()
            .map(|char| if char.is_ascii_alphanumeric() || char == '.' { char.to_ascii_lowercase() } else { '-' });
        Path::new(&out).join(letters.collect::<String>())
    };
    for line in MEASURED.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split_whitespace().next().unwrap();
        std::fs::write(path(&format!("{name}.tar")), archive(name)).unwrap();
    }
    for case in cases() {
        std::fs::write(path(&format!("{}.tar", case.what)), case.bytes).unwrap();
    }
    for (what, tar, _) in directories() {
        let path = path(&format!("directory: {what}"));
        std::fs::create_dir(&path).unwrap();
        tar.unpack(&path);
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
fn skopeo_is_told_which_of_several_images_to_take() {
    let images = ["a:1", "b:2", "c:3", "d:4"].map(TestImage::demo);
    let notes = |archive: Vec<u8>, engine: &str| verdict(&report(archive), engine)["notes"].clone();
    let docker = Shape::Crane.save(&images).bytes();
    let told = "it has to be told which image: PATH:a:1, PATH:b:2, PATH:c:3, …";
    assert_eq!(notes(docker, "skopeo-1.22-docker-archive"), json!([told]));
    let oci = Shape::Oci.save(&images[..2]).bytes();
    assert_eq!(notes(oci, "skopeo-1.22-oci-archive"), json!(["it has to be told which image: PATH:1, PATH:2"]));
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
    let (gzip, octets) = (format!("{OCI_LAYER}+gzip"), "application/octet-stream");
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
        ("untyped", untyped().bytes()),
        ("unmarked", Shape::Oci.save_one(&demo).without("oci-layout").bytes()),
        ("v1", docker_19(&demo).bytes()),
        ("v1 without names", docker_19(&demo).without("repositories").bytes()),
        ("absent platforms", nested("oci", true).bytes()),
        ("several platforms", nested("oci", false).bytes()),
        ("a flat index", flat("oci").bytes()),
        ("packed", Shape::Crane.save_one(&demo).compressed(Codec::Zstd)),
        ("padded", padded("docker").bytes()),
        ("padded in a layout", padded("oci-nodm").bytes()),
        ("many layers", deep(130)),
        ("an entry that cannot be read", with_broken_entry().bytes()),
        ("a slash before a layer", rooted_layer().bytes()),
        ("an index in an index", twice_nested().bytes()),
        ("two images for one platform", same_platform().bytes()),
        ("a signature", signed().bytes()),
        ("a ref.name that is not a name", named("a:b:c:d").bytes()),
        ("OCI's layers in Docker's manifest", of_types_and_layers(DOCKER_MANIFEST, DOCKER_CONFIG, &gzip).bytes()),
        ("Docker's config in OCI's manifest", of_types_and_layers(OCI_MANIFEST, DOCKER_CONFIG, &gzip).bytes()),
        ("an unknown type in Docker's manifest", of_types_and_layers(DOCKER_MANIFEST, OCI_CONFIG, octets).bytes()),
        ("plain layers of an unknown type", stored_as(Codec::Plain, octets).bytes()),
        ("gzip layers of an unknown type", stored_as(Codec::Gzip, octets).bytes()),
        ("xz layers of an unknown type", stored_as(Codec::Xz, octets).bytes()),
        ("plain layers called gzip", stored_as(Codec::Plain, &gzip).bytes()),
        ("gzip layers called plain", stored_as(Codec::Gzip, OCI_LAYER).bytes()),
        ("xz layers called gzip", stored_as(Codec::Xz, &gzip).bytes()),
        ("an end that is cut short", cut_short()),
        ("platforms of different names", Shape::Crane.save(&of_two_platforms()).bytes()),
        ("platforms of different names in a layout", Shape::Oci.save(&of_two_platforms()).bytes()),
        ("one name for two images", Shape::Crane.save(&of_one_name(&demo)).bytes()),
        ("one name for two images in a layout", Shape::Oci.save(&of_one_name(&demo)).bytes()),
        ("one name for two images in zstd", Shape::Crane.save(&of_one_name(&zstd)).bytes()),
        ("a name that says that there is none", tags(json!(["<none>:<none>"]))),
        ("digests by SHA-512", with_sha512().bytes()),
        ("a dir:", dir_layout(&demo, Types::Oci, "").bytes()),
        ("a dir: in Docker's types", dir_layout(&demo, Types::Docker, "").bytes()),
        ("an old dir:", dir_layout(&demo, Types::Docker, ".tar").bytes()),
    ] {
        for loads in report(bytes.clone())["loads"].as_array().unwrap() {
            let Some(command) = loads["remedy"].as_str() else {
                // A layout keeps its digests.
                let reads_layouts = ["skopeo-1.9-oci-archive", "umoci-0.4", "umoci-0.6"].map(Value::from);
                let is_kept = what == "digests by SHA-512" && reads_layouts.contains(&loads["engine"]);
                assert!(is_kept || loads["loads"] == "yes", "{what}: {loads}");
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

/// Images of which no machine has all.
fn of_two_platforms() -> [TestImage; 2] {
    [("linux/arm64", "arm:1"), ("linux/amd64", "amd:1")]
        .map(|(platform, name)| TestImage::new().platform(platform).layer([file("arch", platform)]).tag(name))
}

/// `image`, and another one that has its name.
fn of_one_name(image: &TestImage) -> [TestImage; 2] {
    [image.clone(), image.clone().layer([file("more", "")])]
}

/// A layout whose blobs are named by SHA-512.
fn with_sha512() -> Tarball {
    let mut layout = Layout::sha512();
    let image = layout.image(&TestImage::demo("app:1"), Types::Oci);
    layout.list_as(&image, &["app:1".to_owned()]);
    layout.tarball()
}

/// A layout whose first entry has a config without `rootfs`, and whose second is an image.
fn with_broken_entry() -> Tarball {
    let mut layout = Layout::new();
    for (name, image) in
        [("bad:1", TestImage::demo("bad:1").raw_config(r#"{"os":"linux"}"#)), ("app:1", TestImage::demo("app:1"))]
    {
        let manifest = layout.image(&image, Types::Oci);
        layout.list_as(&manifest, &[name.to_owned()]);
    }
    layout.tarball()
}

/// An archive without its last byte.
fn cut_short() -> Vec<u8> {
    let mut bytes = Shape::Crane.save_one(&TestImage::demo("app:1")).bytes();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap().next_multiple_of(512);
    bytes.truncate(end + 1023);
    bytes
}

#[test]
fn an_end_that_is_cut_short_is_called_so() {
    let report = report(cut_short());
    for engine in ["docker-20.10", "ctr-2", "podman-4", "crane"] {
        let loads = verdict(&report, engine);
        let reason = loads["reasons"][0].as_str().unwrap();
        assert!(loads["loads"] == "no" && reason.starts_with("the end marker is cut short"), "{loads}");
    }
}

#[test]
fn what_stops_an_engine_from_unpacking_a_layer_stops_it_in_both_lists_of_a_hybrid() {
    let twice = TestImage::new().layer_bytes(layer_tar([file("a", "1"), file("a", "2")])).tag("app:1");
    let hybrid =
        imgtar(["convert", "--to", "oci", "-"]).stdin(Shape::Docker20.save_one(&twice).bytes()).success().stdout;
    let report = report_with(&["--full"], hybrid);
    for engine in ["docker-20.10", "docker-29-classic"] {
        assert_eq!(verdict(&report, engine)["loads"], "no", "{report}");
    }
}

#[test]
fn nothing_is_named_that_does_not_help() {
    let case = |what: &str| cases().into_iter().find(|case| case.what == what).unwrap().bytes;
    for (what, engines) in [
        ("no image", ""),
        ("no image of Docker 1.9", ""),
        ("a config of an unknown type", "umoci"),
        ("a wrong layer", ""),
    ] {
        for loads in report(case(what))["loads"].as_array().unwrap() {
            let is_meant = loads["engine"].as_str().unwrap().starts_with(engines);
            assert!(!is_meant || loads.get("remedy").is_none(), "{what}: {loads}");
        }
    }
    let gzip = format!("{OCI_LAYER}+gzip");
    let wasi = TestImage::new().platform("wasip1/wasm").layer([file("app.wasm", "")]).tag("app:1");
    let whole = dir_layout(&TestImage::demo("app:1"), Types::Oci, "");
    let layer = TestImage::demo("app:1").layers[0].blob();
    let layer = digest(&layer);
    for (what, tar, engines) in [
        ("encrypted layers", of_types_and_layers(OCI_MANIFEST, OCI_CONFIG, &format!("{gzip}+encrypted")), ""),
        (
            "octets for Docker's config",
            of_types_and_layers(DOCKER_MANIFEST, "application/octet-stream", &gzip),
            "umoci",
        ),
        ("an image of WASI in a layout", Shape::Oci.save_one(&wasi), "docker"),
        ("a dir: without a layer", whole.without(layer.strip_prefix("sha256:").unwrap()), ""),
    ] {
        for loads in report(tar.bytes())["loads"].as_array().unwrap() {
            let is_meant = loads["engine"].as_str().unwrap().starts_with(engines);
            assert!(!is_meant || loads.get("remedy").is_none(), "{what}: {loads}");
        }
    }
    let no_tar = report_with(&["--full"], case("a layer that is not a tar"));
    assert!(no_tar["loads"].as_array().unwrap().iter().all(|loads| loads.get("remedy").is_none()), "{no_tar}");
    let own = |entry| Shape::Crane.save_one(&TestImage::demo("app:1").layer([file("x", ""), entry])).bytes();
    for (what, bytes) in [
        ("a link to a directory", case("a link to a directory (R-12)")),
        ("a whiteout of nothing", case("a whiteout of nothing (R-3)")),
        ("a link to itself", own(hardlink("new", "./new"))),
        ("a root that is a file", own(file(".", ""))),
    ] {
        let loads = report_with(&["--full"], bytes)["loads"].clone();
        let podman = loads.as_array().unwrap().iter().find(|loads| loads["engine"] == "podman-4").unwrap();
        assert!(podman["loads"] == "no" && podman.get("remedy").is_none(), "{what}: {podman}");
    }
}

/// X-4: a `dir:` has no list of images, which is no fault of it.
#[test]
fn a_dir_has_no_finding_for_its_form() {
    assert_eq!(report(dir_layout(&TestImage::demo("app:1"), Types::Oci, "").bytes())["findings"], json!([]));
}

fn unclean(json: &mut Value) {
    let config = json[0]["Config"].as_str().unwrap().to_owned();
    json[0]["Config"] = json!(format!("./{config}"));
}

#[test]
fn reasons_name_the_layer_and_the_path() {
    let case = |what: &str| cases().into_iter().find(|case| case.what.starts_with(what)).unwrap().bytes;
    let twice = report_with(&["--full"], case("a path twice"));
    assert_eq!(
        verdict(&twice, "docker-20.10")["reasons"],
        json!(["it does not unpack layer 1: a path occurs twice (`a`)"])
    );
    let wrong = report(case("a wrong layer"));
    let reasons = &verdict(&wrong, "podman-4")["reasons"];
    assert_eq!(reasons, &json!(["the bytes of layer 1 are not those that the config names"]));
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
         Docker 20.10                      no; it cannot read zstd layers\n                                    \
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

#[test]
fn an_answer_for_an_engine_looks_into_the_layers() {
    let sparse = Sparse { size: 4096, pieces: vec![(0, b"x")] };
    for platform in ["linux/amd64", "windows/amd64"] {
        let image = TestImage::new().platform(platform).tag("app:1");
        let plain = Shape::Crane.save_one(&image.clone().layer([file("a", "1")])).bytes();
        let refused = Shape::Crane.save_one(&image.layer([dir("d").after(sparse.old_gnu("a"))])).bytes();
        for (engine, code) in [("kind", 1), ("podman", 1), ("skopeo", 0)] {
            let ask = |archive: &[u8]| imgtar(["inspect", "--for", engine]).stdin(archive).run();
            assert_eq!(ask(&plain).code, 0, "{platform} {engine}");
            let asked = ask(&refused);
            assert_eq!(asked.code, code, "{platform} {engine}: {asked}");
            assert_eq!(asked.text().contains("it does not unpack layer 0"), code == 1, "{asked}");
        }
        let short = imgtar(["inspect", "--short", "--for", "kind"]).stdin(refused).run();
        assert!(short.code == 1 && short.text().starts_with("app:1 ") && short.text().lines().count() == 1, "{short}");
    }
    let mut damaged = Shape::Docker20.save_one(&TestImage::demo("app:1"));
    let layer = damaged.members.iter().find(|member| member.name.ends_with("/layer.tar")).unwrap().name.clone();
    damaged = damaged.replacing(&layer, Kind::File(vec![0; 2048]));
    imgtar(["inspect", "--for", "kind"]).stdin(damaged.bytes()).exits(3).says(["layer"]);
}
