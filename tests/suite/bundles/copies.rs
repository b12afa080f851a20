//! What several archives have of one thing: copies that are not read, and annotations of the archives as a whole.

use std::fs;

use serde_json::{Value, json};

use super::image;
use crate::support::archive::Archive;
use crate::support::expect::{Target, convert, convert_all};
use crate::support::run::imgtar;
use crate::support::schema;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

/// `archive` with another byte in the file of its lowest layer.
fn damaged(mut archive: Tarball) -> Tarball {
    let bodies = archive.members.iter_mut().filter_map(|member| match &mut member.kind {
        Kind::File(bytes) if member.name.ends_with("/layer.tar") => Some(bytes),
        _ => None,
    });
    let byte = bodies.flatten().find(|byte| **byte == b'=').expect("ID=base");
    *byte = b'!';
    archive
}

#[test]
fn copies_are_not_read_which_is_said_and_verify_finds_what_is_wrong_with_them() {
    let good = Shape::Docker20.save_one(&image("example.com/a:1"));
    // The same image, and another one over the same base.
    for name in ["example.com/a:1", "example.com/b:1"] {
        let copy = Shape::Docker20.save_one(&image(name));
        let scratch = Scratch::new();
        let paths = [("good.tar", &good), ("bad.tar", &damaged(copy.clone()))]
            .map(|(name, tar)| scratch.write(name, tar.bytes()));
        let run = imgtar(["convert", "-v", "--to", "oci", "--report"]).arg(scratch.path("report.json")).arg("-o");
        let run = run.arg(scratch.path("out")).args(&paths).success();
        let number = if name.ends_with("a:1") { 2 } else { 1 };
        run.says([&*format!("bad.tar: {number} layer"), "not read, because an archive before it has the same"]);
        assert!(scratch.read("out") == convert_all(&[&good, &copy], Target::Oci, &[]).bytes, "B-40: {name}");
        let report: Value = serde_json::from_slice(&scratch.read("report.json")).unwrap();
        schema::check("report", &report);
        let unread = report["unread"].as_array().unwrap();
        assert_eq!((unread.len(), &unread[0]["layers"]), (1, &json!(number)), "{report}");
        let verified = imgtar(["verify"]).args(&paths).run();
        assert!(verified.code == 1 && verified.text().contains("bad.tar: 1 error"), "{verified}\n{}", verified.text());
        // In the order in which the damaged one would be read it is.
        fs::remove_file(scratch.path("out")).unwrap();
        imgtar(["convert", "--to", "oci", "-o"]).arg(scratch.path("out")).args([&paths[1], &paths[0]]).exits(3);
    }
    let quiet = convert_all(&[&good, &good], Target::Oci, &[]);
    quiet.outcome.never_says(["not read"]);
}

/// A layout of one image whose `index.json` has these annotations.
fn annotated(name: &str, annotations: Value) -> Tarball {
    let archive = Shape::Oci.save_one(&image(name));
    let mut index: Value = serde_json::from_slice(archive.body("index.json")).unwrap();
    index["annotations"] = annotations;
    archive.replacing("index.json", Kind::File(index.to_string().into()))
}

#[test]
fn annotations_of_indexes_are_kept_where_those_that_have_them_agree() {
    let one = annotated("a:1", json!({"same": "1", "other": "1"}));
    let kept = |archive: &Archive| archive.json("index.json")["annotations"].clone();
    let alone = convert(&one, Target::Oci, &[]);
    assert_eq!(kept(&alone.archive), json!({"same": "1", "other": "1"}));
    let plain = [Shape::Oci.save_one(&image("b:1")), Shape::Docker20.save_one(&image("c:1"))];
    let written = convert_all(&[&plain[0], &one, &plain[1]], Target::Oci, &[]);
    assert_eq!(kept(&written.archive), json!({"same": "1", "other": "1"}), "B-39");
    written.outcome.never_says(["warning"]);
    let other = annotated("b:1", json!({"same": "1", "other": "2", "more": "3"}));
    let written = convert_all(&[&one, &other], Target::Oci, &[]);
    assert_eq!(kept(&written.archive), json!({"same": "1", "more": "3"}), "B-39");
    written.outcome.says(["warning: index.json: the archives differ in its annotations other; dropped"]);
    for target in [Target::Docker, Target::Legacy] {
        convert(&one, target, &[])
            .outcome
            .says(["note: index.json: the target format has no place for its annotations"]);
        convert(&plain[0], target, &[]).outcome.never_says(["annotations"]);
    }
}

#[test]
fn a_directory_keeps_its_annotations_and_gains_others() {
    let scratch = Scratch::new();
    scratch.write("one.tar", annotated("a:1", json!({"same": "1", "other": "1"})).bytes());
    scratch.write("two.tar", annotated("b:1", json!({"same": "1", "other": "2", "more": "3"})).bytes());
    let convert = |line: &str| imgtar(format!("convert --to oci-dir -o layout {line}").split(' ')).dir(scratch.dir());
    convert("one.tar").success().never_says(["warning"]);
    convert("two.tar --append").success().says(["annotations other; what the directory has stays"]);
    let index: Value = serde_json::from_slice(&fs::read(scratch.path("layout/index.json")).unwrap()).unwrap();
    assert_eq!(index["annotations"], json!({"same": "1", "other": "1", "more": "3"}), "B-39");
}
