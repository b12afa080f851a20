//! `imgtar history`: what made each layer, how large it is, and what it hides.

use serde_json::{Value, json};

use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::{dir, file, hardlink, layer_tar, opaque, symlink, whiteout};
use crate::support::layout::{Layout, Types};
use crate::support::run::imgtar;
use crate::support::schema;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::Kind;

fn history(image: &TestImage) -> Value {
    let outcome = imgtar(["history", "--json"]).stdin(Shape::Crane.save_one(image).bytes()).success();
    let value = serde_json::from_slice(&outcome.stdout).unwrap();
    schema::check("history", &value);
    value
}

/// The steps that made a layer, base first.
fn layers(history: &Value) -> Vec<&Value> {
    history["steps"].as_array().unwrap().iter().filter(|step| step.get("layer").is_some()).collect()
}

fn count(files: u64, size: u64) -> Value {
    json!({"files": files, "size": size})
}

/// What the layers of `image` hide, each as deleted, replaced and duplicated.
#[track_caller]
fn hides<const N: usize>(image: &TestImage, expected: [[Value; 3]; N]) {
    let history = history(image);
    let found: Vec<_> = layers(&history).into_iter().map(|layer| layer["hides"].clone()).collect();
    let expected = expected.map(
        |[deleted, replaced, duplicated]| json!({"deleted": deleted, "replaced": replaced, "duplicated": duplicated}),
    );
    assert_eq!(found, expected);
    let hidden =
        |key: &str| -> u64 { layers(&history).iter().map(|layer| layer["hidden"][key].as_u64().unwrap()).sum() };
    assert_eq!(history["total"]["hidden"], count(hidden("files"), hidden("size")), "each file is hidden once");
}

fn none() -> [Value; 3] {
    [count(0, 0), count(0, 0), count(0, 0)]
}

#[test]
fn layers_stand_beside_the_steps_that_made_them() {
    let image = TestImage::new()
        .metadata_step("ENV A=1")
        .layer([file("a", "123")])
        .metadata_step("CMD [\"sh\"]")
        .layer([file("b", "12345"), dir("d"), symlink("l", "b")])
        .tag("app:1");
    let history = history(&image);
    let steps: Vec<_> = history["steps"].as_array().unwrap().iter().collect();
    let commands: Vec<_> = steps.iter().map(|step| step["created_by"].as_str().unwrap()).collect();
    assert_eq!(commands, ["ENV A=1", "ADD layer 0", "CMD [\"sh\"]", "ADD layer 1"]);
    assert_eq!([0, 2].map(|nth: usize| steps[nth].get("layer")), [None, None]);
    for (nth, layer) in layers(&history).into_iter().enumerate() {
        assert_eq!(layer["layer"], nth);
        assert_eq!(layer["diff_id"], image.diff_ids()[nth].as_str());
        assert_eq!(layer["compression"], "gzip");
        assert_eq!(layer["size"], image.layers[nth].blob().len());
        assert_eq!(layer["tar_size"], image.layers[nth].tar.len());
        assert_eq!(layer["holds"], count(1, [3, 5][nth]));
    }
    let stored: usize = image.layers.iter().map(|layer| layer.blob().len()).sum();
    let tar_size: usize = image.layers.iter().map(|layer| layer.tar.len()).sum();
    let total = json!({
        "layers": 2, "size": stored, "tar_size": tar_size, "holds": count(2, 8), "hidden": count(0, 0),
    });
    assert_eq!(history["total"], total);
    assert_eq!((&history["names"], &history["platform"]), (&json!(["app:1"]), &json!("linux/amd64")));
    assert_eq!(history["image_id"], format!("sha256:{}", image.id()));
}

#[test]
fn l16_histories_that_do_not_fit_are_shown_as_far_as_they_go() {
    let two = TestImage::demo("app:1");
    let without = history(&two.clone().key("history", json!(null)));
    assert_eq!(without["steps"].as_array().unwrap().len(), 2);
    let short = two.clone().key("history", json!([{"created_by": "one"}, {"created_by": "e", "empty_layer": true}]));
    let outcome = imgtar(["history", "--json"]).stdin(Shape::Crane.save_one(&short).bytes()).success();
    let history: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    outcome.says(["makes 1 layer", "the image has 2"]);
    let shown: Vec<_> = history["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step.get("created_by"), step.get("layer").is_some()))
        .collect();
    assert_eq!(shown, [(Some(&json!("one")), true), (Some(&json!("e")), false), (None, true)]);
    let long = json!([{"created_by": "1"}, {"created_by": "2"}, {"created_by": "3"}]);
    let outcome =
        imgtar(["history", "--json"]).stdin(Shape::Crane.save_one(&two.key("history", long)).bytes()).success();
    let history: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert!(history["steps"][2].get("layer").is_none());
}

#[test]
fn files_are_hidden_by_deletion_replacement_and_writing_them_again() {
    let base = TestImage::new().layer([file("d/a", "1"), file("d/b", "22"), file("c", "333"), file("e", "4444")]);
    hides(
        &base.clone().layer([whiteout("d/a"), file("c", "new"), file("e", "4444").mode(0o600)]),
        [none(), [count(1, 1), count(1, 3), count(1, 4)]],
    );
    hides(&base.clone().layer([whiteout("d")]), [none(), [count(2, 3), count(0, 0), count(0, 0)]]);
    hides(&base.clone().layer([opaque("d"), file("d/n", "")]), [none(), [count(2, 3), count(0, 0), count(0, 0)]]);
    hides(&base.clone().layer([symlink("d", "c")]), [none(), [count(0, 0), count(2, 3), count(0, 0)]]);
    hides(
        &base.clone().layer([file("c", "x")]).layer([whiteout("c")]),
        [none(), [count(0, 0), count(1, 3), count(0, 0)], [count(1, 1), count(0, 0), count(0, 0)]],
    );
    // Within one layer the last entry counts.
    hides(&TestImage::new().layer([file("a", "1"), file("a", "22")]), [[count(0, 0), count(1, 1), count(0, 0)]]);
    // Directories, links and devices have no bytes.
    hides(
        &TestImage::new().layer([dir("d"), symlink("l", "d")]).layer([whiteout("d"), whiteout("l")]),
        [none(), none()],
    );
}

#[test]
fn a_file_is_hidden_with_the_last_of_its_names() {
    let base = TestImage::new().layer([file("a", "123"), hardlink("b", "a")]);
    hides(&base.clone().layer([whiteout("a")]), [none(), none()]);
    hides(&base.clone().layer([file("a", "new")]), [none(), none()]);
    hides(&base.clone().layer([whiteout("a"), whiteout("b")]), [none(), [count(1, 3), count(0, 0), count(0, 0)]]);
    hides(
        &base.clone().layer([whiteout("a")]).layer([whiteout("b")]),
        [none(), none(), [count(1, 3), count(0, 0), count(0, 0)]],
    );
    // A link may take what a whiteout of its own layer removed.
    hides(&base.layer([whiteout("a"), whiteout("b"), hardlink("c", "a")]), [none(), none()]);
}

#[test]
fn the_largest_hidden_files_are_named() {
    let files = (0..30).map(|n| file(format!("f{n:02}"), vec![7; n]));
    let image = TestImage::new()
        .layer_bytes(layer_tar(files))
        .layer_bytes(layer_tar((0..30).map(|n| whiteout(&format!("f{n:02}")))));
    let history = history(&image);
    let largest = history["largest_hidden"].as_array().unwrap();
    assert_eq!(largest.len(), 20);
    assert_eq!(largest[0], json!({"path": "f29", "size": 29, "layer": 0, "hidden_by": 1, "how": "deleted"}));
    assert_eq!(largest[19]["path"], "f10");
}

#[test]
fn a_repeated_layer_hides_itself() {
    let once = TestImage::new().layer([file("a", "123")]);
    let twice = once.clone().layer_bytes(once.layers[0].tar.clone()).tag("app:1");
    hides(&twice, [none(), [count(0, 0), count(0, 0), count(1, 3)]]);
}

#[test]
fn every_shape_and_compression_has_one_history() {
    let image = TestImage::demo("app:1").layer([whiteout("app")]);
    let hidden = |shape: Shape, image: &TestImage| {
        let outcome = imgtar(["history", "--json"]).stdin(shape.save_one(image).bytes()).success();
        let history: Value = serde_json::from_slice(&outcome.stdout).unwrap();
        (history["total"]["hidden"].clone(), history["total"]["tar_size"].clone())
    };
    let expected = hidden(Shape::Oci, &image);
    assert_eq!(expected.0, count(1, 5));
    for shape in [Shape::Docker20, Shape::Docker25, Shape::Skopeo, Shape::Crane, Shape::Nix, Shape::OciNested] {
        assert_eq!(hidden(shape, &image), expected, "{shape:?}");
    }
    for codec in Codec::ALL {
        assert_eq!(hidden(Shape::Crane, &image.clone().all_stored(codec)), expected, "{codec:?}");
    }
}

#[test]
fn a_table_fits_its_page() {
    let long = format!("/bin/sh -c #(nop) COPY file:{} in /usr/share/something", "a".repeat(64));
    let image = TestImage::demo("app:1").layer([whiteout("app")]).metadata_step(&long);
    let tar = Shape::Crane.save_one(&image).bytes();
    let table = |columns: &str| imgtar(["history"]).env("COLUMNS", columns).stdin(tar.clone()).success().text();
    for (columns, width) in [("40", 40), ("80", 80), ("120", 120)] {
        let table = table(columns);
        let longest = table.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= width, "{longest} columns of {width}\n{table}");
        assert!(table.contains("COPY file:aaa") && table.contains('…'), "{table}");
    }
    let piped = imgtar(["history"]).stdin(tar.clone()).success().text();
    assert!(piped.contains("in /usr/share/something"), "nothing is cut where nobody counts columns\n{piped}");
    assert!(!piped.contains('\u{1b}'));
    let expected = "\
LAYER  STORED  SIZE  HIDES  CREATED BY
    0   128 B   8 B      -  ADD layer 0
";
    assert!(table("80").starts_with(expected), "{}", table("80"));
    assert!(piped.contains("hidden    5 B  in 1 file: "), "{piped}");
    assert!(piped.contains("  app (deleted)"), "{piped}");
}

#[test]
fn h25_commands_and_names_are_escaped_where_a_person_reads_them() {
    let image = TestImage::new().layer([file("a\u{1b}[31m", "1")]).layer([whiteout("a\u{1b}[31m")]);
    let image = image.metadata_step("evil \u{1b}[2J \u{202e}");
    let bytes = Shape::Crane.save_one(&image).bytes();
    for flags in [&["history"][..], &["history", "--json"]] {
        let said = imgtar(flags).stdin(bytes.clone()).success().text();
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said}");
    }
}

#[test]
fn one_image_is_chosen_and_a_lie_is_refused() {
    let two = [TestImage::demo("a:1"), TestImage::demo("b:1")];
    let tar = Shape::Crane.save(&two);
    imgtar(["history"]).stdin(tar.bytes()).exits(4).says(["--image", "a:1", "b:1"]);
    imgtar(["history", "--image", "b:1"]).stdin(tar.bytes()).success();
    imgtar(["history", "--image", "c:1"]).stdin(tar.bytes()).exits(4).says(["c:1"]);
    let mut layout = Layout::new();
    let platforms =
        ["linux/amd64", "linux/arm64"].map(|platform| layout.image(&two[0].clone().platform(platform), Types::Oci));
    let index = layout.nested(&platforms, Types::Oci);
    layout.list_as(&index, &two[0].tags);
    let tar = layout.tarball().bytes();
    imgtar(["history"]).stdin(tar.clone()).exits(4).says(["--platform", "linux/arm64"]);
    imgtar(["history", "--platform", "linux/arm64"]).stdin(tar).success();
    let crane = Shape::Crane.save_one(&two[0]);
    let layer = crane.name_ending(".tar.gz");
    let false_layer = crane.replacing(&layer, Kind::File(Codec::Gzip.encode(&layer_tar([file("evil", "1")]))));
    imgtar(["history"]).stdin(false_layer.bytes()).exits(3).says([&two[0].diff_ids()[0]]);
}

#[test]
fn files_and_directories_are_read_as_pipes_are() {
    let scratch = Scratch::new();
    let tar = Shape::Oci.save_one(&TestImage::demo("app:1"));
    let piped = imgtar(["history"]).stdin(tar.bytes()).success().text();
    let file = scratch.write("in.tar", tar.bytes());
    assert_eq!(imgtar(["history", "-j", "1"]).arg(&file).success().text(), piped);
    tar.unpack(&scratch.path("dir"));
    assert_eq!(imgtar(["history", "-j", "8"]).arg(scratch.path("dir")).success().text(), piped);
}

#[test]
fn more_hidden_than_may_be_is_a_negative_answer() {
    let image = TestImage::new()
        .layer([file("a", vec![1; 1000]), file("b", vec![2; 3000])])
        .layer([whiteout("a")])
        .tag("app:1");
    let tar = Shape::Crane.save_one(&image).bytes();
    for (limit, code) in [
        ("1000", 0),
        ("1K", 0),
        ("999", 1),
        ("0", 1),
        ("25%", 0),
        ("24.9%", 1),
        ("100%", 0),
        ("0%", 1),
        ("x", 2),
        ("101%", 2),
        ("-1%", 2),
    ] {
        let limit = format!("--max-hidden={limit}");
        let outcome = imgtar(["history", &limit]).stdin(tar.clone()).exits(code);
        assert_eq!(outcome.stderr.contains("more than --max-hidden allows"), code == 1, "{limit}: {outcome}");
    }
    let json = imgtar(["history", "--json", "--max-hidden", "0"]).stdin(tar).exits(1);
    serde_json::from_str::<Value>(&json.text()).expect("the answer is whole");
}
