//! `imgtar diff`: what sets two images apart, and nothing else.

use serde_json::{Value, json};

use crate::support::codec::Codec;
use crate::support::digest;
use crate::support::image::TestImage;
use crate::support::layer::{Item, device, dir, fifo, file, hardlink, layer_tar, symlink, whiteout};
use crate::support::layout::{Layout, Types};
use crate::support::run::{Outcome, imgtar};
use crate::support::schema;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

/// Runs `diff` on two archives.
fn compare(a: &Tarball, b: &Tarball, flags: &[&str]) -> Outcome {
    let scratch = Scratch::new();
    let a = scratch.write("a.tar", a.bytes());
    imgtar(["diff"]).arg(a).arg("-").args(flags).stdin(b.bytes()).run()
}

/// What `diff` says of two images; held against the schema.
fn diff(a: &TestImage, b: &TestImage) -> Value {
    let outcome = compare(&Shape::Crane.save_one(a), &Shape::Oci.save_one(b), &["--json"]);
    let value: Value = serde_json::from_slice(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome}"));
    schema::check("diff", &value);
    assert_eq!(outcome.code, i32::from(value["same"] == false), "{outcome}");
    value
}

fn paths(files: &Value) -> Vec<&str> {
    files.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect()
}

/// The base of all images here.
fn base() -> TestImage {
    TestImage::new()
        .layer([dir("etc"), file("etc/a", "1"), file("etc/b", "22"), symlink("l", "etc"), dir("srv")])
        .tag("app:1")
}

/// What changed where the two images have one more layer each.
#[track_caller]
fn changes(one: Item, other: Item, fields: &[&str]) {
    let diff = diff(&base().layer([one]), &base().layer([other]));
    let changed = diff["files"]["changed"].as_array().unwrap();
    assert_eq!((&diff["files"]["added"], &diff["files"]["removed"]), (&json!([]), &json!([])));
    let found: Vec<_> = changed.iter().map(|changed| &changed["fields"]).collect();
    if fields.is_empty() {
        assert!(found.is_empty(), "{found:?}");
    } else {
        assert_eq!(found, [&json!(fields)]);
    }
}

#[test]
fn an_image_is_the_same_in_every_shape_and_compression_and_under_every_name() {
    let image = base();
    let shapes =
        [Shape::Docker20, Shape::Docker25, Shape::Skopeo, Shape::Crane, Shape::Jib, Shape::Oci, Shape::OciNested];
    for shape in shapes {
        let other = image.clone().untagged().tag("other:2");
        let outcome = compare(&Shape::Oci.save_one(&image), &shape.save_one(&other), &[]);
        assert_eq!((outcome.code, outcome.text().as_str(), outcome.stderr.as_str()), (0, "", ""), "{shape:?}");
    }
    for codec in Codec::ALL {
        let packed = Shape::Crane.save_one(&image.clone().all_stored(codec));
        assert_eq!(compare(&Shape::Oci.save_one(&image), &packed, &[]).code, 0, "{codec:?}");
    }
    let same = diff(&image, &image);
    let nothing = json!({"added": [], "removed": [], "changed": []});
    assert_eq!((&same["same"], &same["config"], &same["files"]), (&json!(true), &json!([]), &nothing));
    assert_eq!(same["layers"], json!({"common": 1, "a": [], "b": []}));
    let said = compare(&Shape::Crane.save_one(&image), &Shape::Oci.save_one(&image), &["-v"]);
    said.says([&format!("both are sha256:{}", image.id())]);
}

#[test]
fn the_same_image_is_not_decoded() {
    let crane = Shape::Crane.save_one(&base());
    let layer = crane.name_ending(".tar.gz");
    let broken = crane.clone().replacing(&layer, Kind::File(b"\x1f\x8b\x08 no gzip".into()));
    assert_eq!(compare(&crane, &broken, &[]).code, 0);
}

#[test]
fn configs_are_compared_field_by_field() {
    let runtime = |env: &str| json!({"Env": ["A=1", env], "Labels": {"x": "1"}});
    let (a, b) =
        (base().key("config", runtime("B=2")), base().key("config", runtime("B=3")).key("author", json!("me")));
    let diff = diff(&a, &b);
    let expected = json!([
        {"field": "config.Env[1]", "a": "B=2", "b": "B=3"},
        {"field": "author", "b": "me"},
    ]);
    assert_eq!(diff["config"], expected);
    assert_eq!(diff["files"], json!({"added": [], "removed": [], "changed": []}));
    assert_eq!(diff["a"]["image_id"], format!("sha256:{}", a.id()));
    let said = compare(&Shape::Crane.save_one(&a), &Shape::Crane.save_one(&b), &[]).text();
    assert!(said.contains("\n~ config.Env[1]: \"B=2\" -> \"B=3\"\n+ author: \"me\"\n"), "{said}");
    // Other bytes are another image, even if they say the same.
    let respelled = String::from_utf8(base().config()).unwrap().replace('\n', "");
    let respelled = base().raw_config(&respelled);
    let said = compare(&Shape::Crane.save_one(&base()), &Shape::Crane.save_one(&respelled), &[]);
    assert_eq!(said.code, 1);
    assert!(
        said.text().contains("\nconfig: the same values, written differently, so the image IDs differ\n"),
        "{}",
        said.text()
    );
}

#[test]
fn files_are_added_removed_and_changed() {
    let a = base().layer([file("only-a", "x"), file("etc/b", "33")]);
    let b = base().layer([whiteout("etc/a"), file("etc/b", "44"), file("new/only-b", "y")]);
    let diff = diff(&a, &b);
    let files = &diff["files"];
    assert_eq!(paths(&files["removed"]), ["etc/a", "only-a"]);
    assert_eq!(paths(&files["added"]), ["new", "new/only-b"]);
    let changed = &files["changed"][0];
    assert_eq!((&changed["fields"], &changed["a"]["path"]), (&json!(["content"]), &json!("etc/b")));
    assert_eq!(changed["a"]["content"], digest(b"33"));
    assert_eq!(changed["b"]["content"], digest(b"44"));
    assert_eq!(changed["b"]["layer"], 1);
    assert_eq!(diff["layers"]["common"], 1);
    assert_eq!(
        diff["layers"]["a"],
        json!([{
            "layer": 1, "diff_id": a.diff_ids()[1], "size": a.layers[1].blob().len(),
        }])
    );
    let said = compare(&Shape::Crane.save_one(&a), &Shape::Crane.save_one(&b), &[]).text();
    assert!(said.contains("\nfiles: 2 added, 2 removed, 1 changed\n"), "{said}");
    let files = said.split("\nfiles\n").nth(1).unwrap();
    assert_eq!(files, "- etc/a (1 B)\n- only-a (1 B)\n+ new/\n+ new/only-b (1 B)\n~ etc/b: content\n");
    let names: Vec<&str> = said.lines().take(4).collect();
    assert!(names[0].starts_with("--- ") && names[0].ends_with("a.tar: app:1"), "{said}");
    assert_eq!((names[1], names[2]), (&*format!("    sha256:{}", a.id()), "+++ standard input: app:1"));
}

#[test]
fn what_changed_is_told() {
    let f = || file("f", "1");
    changes(f(), f().mode(0o4755), &["mode"]);
    changes(f(), f().owner(1, 0), &["owner"]);
    changes(f(), f().owner(0, 1), &["owner"]);
    changes(f(), f().mtime(9), &["mtime"]);
    changes(f(), f().pax("mtime", "0.5"), &["mtime"]);
    changes(f(), file("f", "2"), &["content"]);
    changes(f(), file("f", "22"), &["size", "content"]);
    changes(f(), f().xattr("user.a", "1"), &["xattrs"]);
    changes(f().xattr("user.a", "1"), f().xattr("user.a", "2"), &["xattrs"]);
    changes(f(), f().pax("SCHILY.acl.access", "user::rw-\n"), &["pax"]);
    changes(dir("f").pax("SCHILY.acl.default", "user::r--"), dir("f").pax("SCHILY.acl.default", "user::rw-"), &["pax"]);
    changes(f().pax("SCHILY.fflags", "nodump"), f().xattr("user.a", "1"), &["xattrs", "pax"]);
    changes(f(), symlink("f", "x"), &["type"]);
    changes(f(), fifo("f"), &["type"]);
    changes(symlink("f", "x"), symlink("f", "y"), &["target"]);
    changes(device("f", b'3', (1, 3)), device("f", b'3', (1, 5)), &["device"]);
    changes(dir("f"), dir("f").mode(0o700).owner(5, 5), &["mode", "owner"]);
}

#[test]
fn attributes_and_acls_are_named() {
    let f = |note: &str| file("f", "1").xattr("user.same", "1").xattr("user.\u{1b}", note).xattr("user.note", note);
    let a = base().layer([f("1").xattr("user.a", "1")]);
    let b = base().layer([f("2").pax("SCHILY.acl.access", "user::rw-").pax("SCHILY.acl.default", "user::r--")]);
    let said = compare(&Shape::Crane.save_one(&a), &Shape::Crane.save_one(&b), &[]).text();
    let expected = "\n~ f: xattrs user.\\u{1b} user.a user.note, PAX records SCHILY.acl.access SCHILY.acl.default\n";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn what_is_only_written_otherwise_is_no_change() {
    let f = || file("f", "1");
    changes(f(), file("./f", "1"), &[]);
    changes(f(), f().owner_names("root", "root"), &[]);
    changes(f().xattr("user.a", "1").xattr("user.b", "2"), f().xattr("user.b", "2").xattr("user.a", "1"), &[]);
    // Of two records with one key the last counts; libarchive spells attributes its own way.
    changes(f().xattr("user.a", "1").xattr("user.a", "2"), f().xattr("user.a", "2"), &[]);
    changes(f().pax("LIBARCHIVE.xattr.user.a", "MQ"), f().xattr("user.a", "1"), &[]);
    changes(f().pax("comment", "1").pax("atime", "2"), f(), &[]);
    changes(symlink("f", "x"), symlink("f", "x").mode(0o644), &[]);
    // In another order, in another layer, with a detour.
    let a = base().layer([f(), file("g", "2")]);
    let b = base().layer([file("g", "2"), file("h", "")]).layer([whiteout("h"), f()]);
    assert_eq!(diff(&a, &b)["files"], json!({"added": [], "removed": [], "changed": []}));
}

#[test]
fn a_further_name_is_the_file_that_it_is() {
    let a = base().layer([file("f", "1"), hardlink("g", "f")]);
    let b = base().layer([file("f", "1"), file("g", "1")]);
    assert_eq!(diff(&a, &b)["files"], json!({"added": [], "removed": [], "changed": []}));
    let c = base().layer([file("f", "1"), hardlink("g", "f"), hardlink("a", "f")]);
    assert_eq!(paths(&diff(&a, &c)["files"]["added"]), ["a"]);
    assert_eq!(diff(&a, &c)["files"]["changed"], json!([]));
}

#[test]
fn a_file_in_the_place_of_a_directory_is_one_change_and_its_content_gone() {
    let a = base().layer([file("d/x", "1"), file("d-e", "2")]);
    let b = base().layer([file("d", "1"), file("d-e", "2")]);
    let diff = diff(&a, &b);
    assert_eq!(paths(&diff["files"]["removed"]), ["d/x"]);
    assert_eq!(diff["files"]["changed"][0]["fields"], json!(["type"]));
    assert_eq!(diff["files"]["added"], json!([]));
}

#[test]
fn r21_names_that_are_no_text_are_exact_in_json_and_escaped_elsewhere() {
    let b = base().layer([file(b"\xff\x1b[31m", "1")]);
    let diff = diff(&base(), &b);
    assert_eq!(diff["files"]["added"][0]["path_base64"], "/xtbMzFt");
    let said = compare(&Shape::Crane.save_one(&base()), &Shape::Crane.save_one(&b), &[]).text();
    assert!(said.contains("\n+ \\xff\\u{1b}[31m (1 B)\n"), "{said}");
}

#[test]
fn one_image_of_each_is_chosen() {
    let two = Shape::Crane.save(&[base(), TestImage::demo("b:1")]);
    let one = Shape::Crane.save_one(&base());
    compare(&two, &one, &[]).says(["--image"]);
    assert_eq!(compare(&two, &one, &[]).code, 4);
    assert_eq!(compare(&one, &two, &[]).code, 4);
    assert_eq!(compare(&two, &two, &["--image", "b:1"]).code, 0);
    assert_eq!(compare(&one, &two, &["--image", "b:1"]).code, 4, "both must have it");
    let mut layout = Layout::new();
    let platforms = ["linux/amd64", "linux/arm64"].map(|platform| layout.image(&base().platform(platform), Types::Oci));
    let index = layout.nested(&platforms, Types::Oci);
    layout.list_as(&index, &base().tags);
    let several = layout.tarball();
    assert_eq!(compare(&several, &one, &[]).code, 4);
    assert_eq!(compare(&several, &one, &["--platform", "linux/amd64"]).code, 0);
}

#[test]
fn two_images_of_one_archive_are_compared() {
    let scratch = Scratch::new();
    let images = [base().tag("one:1"), base().layer([file("new", "1")]).tag("two:1")];
    let archive = scratch.write("all.tar", Shape::Crane.save(&images).bytes());
    let diff = |flags: &[&str]| imgtar(["diff", "--json"]).arg(&archive).arg(&archive).args(flags);
    for flags in [&["--image-a", "one:1", "--image-b", "two:1"][..], &["--image", "one:1", "--image-b", "@1"]] {
        let found: Value = serde_json::from_slice(&diff(flags).run().stdout).unwrap();
        schema::check("diff", &found);
        assert_eq!(paths(&found["files"]["added"]), ["new"], "{flags:?}");
    }
    diff(&["--image", "two:1"]).success();
    diff(&["--image-a", "one:1"]).exits(4);
}

#[test]
fn whoever_stops_reading_has_heard_enough() {
    let many = |content: &str| base().layer_bytes(layer_tar((0..20_000).map(|n| file(format!("f{n}"), content))));
    let scratch = Scratch::new();
    let [a, b] = ["1", "2"].map(|content| scratch.write(content, Shape::Crane.save_one(&many(content)).bytes()));
    for form in ["--json", "-v"] {
        let outcome = imgtar(["diff", form]).arg(&a).arg(&b).run_and_hang_up_after(10);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{form}");
    }
}

#[test]
fn there_is_one_standard_input() {
    imgtar(["diff", "-", "-"]).exits(2).says(["twice"]);
    imgtar(["diff", "-"]).exits(2);
}

#[test]
fn lies_are_refused_where_layers_are_decoded() {
    let crane = Shape::Crane.save_one(&base());
    let layer = crane.name_ending(".tar.gz");
    let other = Codec::Gzip.encode(&layer_tar([file("evil", "1")]));
    let lying = crane.replacing(&layer, Kind::File(other));
    let outcome = compare(&lying, &Shape::Crane.save_one(&TestImage::demo("app:1")), &[]);
    assert_eq!(outcome.code, 3, "{outcome}");
}

#[test]
fn layers_of_windows_are_compared_by_name_alone() {
    let windows = |content: &str| base().layer([file("Files/x", content)]).platform("windows/amd64");
    let outcome = compare(&Shape::Crane.save_one(&windows("1")), &Shape::Crane.save_one(&windows("2")), &["--json"]);
    let value: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    schema::check("diff", &value);
    assert!(value.get("files").is_none() && outcome.code == 1);
    outcome.says(["Windows"]);
}

#[test]
fn threads_and_pipes_change_nothing() {
    let (a, b) = (base().layer([file("x", "1")]), base().layer([file("x", "2")]).layer([file("y", "3")]));
    let scratch = Scratch::new();
    let [a, b] = [("a", &a), ("b", &b)].map(|(name, image)| {
        Shape::Oci.save_one(image).unpack(&scratch.path(name));
        scratch.path(name)
    });
    let said = |jobs: &str| imgtar(["diff", "-j", jobs]).arg(&a).arg(&b).run().text();
    let one = said("1");
    assert!(one.contains("files: 1 added, 0 removed, 1 changed"), "{one}");
    assert_eq!(one, said("8"));
}

#[test]
fn a_rebuild_is_the_same_but_for_what_is_ignored() {
    let build = |time: u32, created: &str, label: &str| {
        let layer = [file("app", "1").mtime(u64::from(time)), dir("d").mtime(u64::from(time)).mode(0o755 - time)];
        TestImage::new()
            .layer(layer)
            .key("created", created.into())
            .key("config", json!({"Labels": {"build": label}}))
            .key("history", json!([{"created": created, "created_by": "COPY"}]))
            .tag("app:1")
    };
    let (a, b) = (build(1, "2020-01-01T00:00:00Z", "x"), build(2, "2021-01-01T00:00:00Z", "y"));
    let (a, b) = (Shape::Oci.save_one(&a), Shape::Oci.save_one(&b));
    for (ignore, code, said) in [
        ("mtime,created", 1, "config: 1 field differs"),
        ("created,labels", 1, "files: 0 added, 0 removed, 2 changed"),
        ("mtime,created,labels", 1, "files: 0 added, 0 removed, 1 changed"),
        ("mtime,mode,history,labels", 1, "config: 1 field differs"),
        ("mtime,mode,created,labels", 0, ""),
        ("mtime,mode,created,labels,history,owner,xattrs", 0, ""),
    ] {
        let outcome = compare(&a, &b, &["--ignore", ignore]);
        assert_eq!(outcome.code, code, "{ignore}: {outcome}");
        assert!(outcome.text().contains(said), "{ignore}: {outcome}");
    }
    let json = compare(&a, &b, &["--json", "--ignore", "mtime", "--ignore", "mode,created,labels"]);
    let json: Value = serde_json::from_str(&json.text()).unwrap();
    schema::check("diff", &json);
    assert_eq!((&json["same"], &json["files"]["changed"]), (&json!(true), &json!([])));
}

#[test]
fn a_part_is_compared_alone() {
    let base = TestImage::new().layer([file("app", "1")]).tag("app:1");
    let labelled = TestImage::new().layer([file("app", "1")]).key("config", json!({"User": "u"}));
    let rebuilt = TestImage::new().layer([file("app", "1").mtime(9), file("new", "")]);
    let compare = |other: &TestImage, part: &str| {
        compare(&Shape::Oci.save_one(&base), &Shape::Oci.save_one(&other.clone().tag("app:1")), &["--only", part])
    };
    for (part, of_labelled, of_rebuilt) in [("files", 0, 1), ("layers", 0, 1), ("config", 1, 0)] {
        assert_eq!(compare(&labelled, part).code, of_labelled, "{part}");
        assert_eq!(compare(&rebuilt, part).code, of_rebuilt, "{part}");
    }
    let said = compare(&rebuilt, "files").text();
    assert!(said.contains("files: 1 added, 0 removed, 1 changed") && !said.contains("layers:"), "{said}");
    let said = compare(&rebuilt, "layers").text();
    assert!(
        said.contains("layers: 0 in common, 1 only in the first, 1 only in the second") && !said.contains("files:"),
        "{said}"
    );
}
