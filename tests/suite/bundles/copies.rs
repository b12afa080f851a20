//! What several archives have of one thing: annotations of the archives as a whole.

use std::fs;

use serde_json::{Value, json};

use super::image;
use crate::support::archive::Archive;
use crate::support::expect::{Target, convert, convert_all};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

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
