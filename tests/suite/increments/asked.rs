//! Questions about an increment: with the archive of its base they are answered as for the whole.

use serde_json::Value;

use super::{Shelf, new, old};
use crate::support::layout::blob_path;
use crate::support::schema;
use crate::support::shape::Shape;
use crate::support::tarball::Kind;

fn shelf() -> Shelf {
    Shelf::with_increment(&Shape::Docker20.save_one(&old()), &Shape::Docker20.save_one(&new()))
}

#[test]
fn with_its_base_an_increment_is_the_whole() {
    let shelf = shelf();
    for line in ["ls -l IN", "ls --layers IN lib", "cat IN lib", "history IN", "history --json IN"] {
        let whole = shelf.imgtar(&line.replace("IN", "new.tar")).success().stdout;
        let increment = shelf.imgtar(&format!("{} --with old.tar", line.replace("IN", "up.tar"))).success().stdout;
        assert_eq!(String::from_utf8_lossy(&increment), String::from_utf8_lossy(&whole), "{line}");
    }
    shelf.imgtar("diff new.tar up.tar --with old.tar --ignore created").success();
    let facts = |line: &str| {
        let facts: Value = serde_json::from_slice(&shelf.imgtar(line).success().stdout).unwrap();
        schema::check("inspect", &facts);
        facts
    };
    let (whole, increment) =
        (facts("inspect --json --full new.tar"), facts("inspect --json --full up.tar --with old.tar"));
    assert_eq!(increment["images"][0]["tar_size"], whole["images"][0]["tar_size"]);
    assert_eq!(increment["images"][0]["needs"], Value::Null);
    let docker = |facts: &Value| facts["loads"][0]["loads"].clone();
    assert_eq!(
        (docker(&whole), docker(&increment)),
        ("yes".into(), "where the base is".into()),
        "engines get it alone"
    );
    assert_eq!(shelf.imgtar("inspect --for docker-20 up.tar").run().code, 1);
}

#[test]
fn what_is_taken_is_verified() {
    let shelf = shelf();
    let alone = shelf.imgtar("verify -v up.tar").success();
    assert!(alone.text().contains("it leaves 2 of its 3 layers to ex.org/app:1"), "{}", alone.text());
    let with = shelf.imgtar("verify -v up.tar --with old.tar").success().text();
    assert!(with.contains("OK      up.tar: 1 image, 3 layers") && !with.contains("note"), "{with}");
    let base = Shape::Oci.save_one(&old());
    let layer = blob_path(&old().layer_digests()[1]);
    let shelf = Shelf::with_increment(&base, &Shape::Oci.save_one(&new()));
    let mut damaged = base.body(&layer).to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    shelf.0.write("damaged.tar", base.replacing(&layer, Kind::File(damaged)).bytes());
    let run = shelf.imgtar("verify up.tar --with damaged.tar").run();
    assert!(run.code == 1 && run.text().contains(&format!("damaged.tar: {layer}")), "{run}\n{}", run.text());
    shelf.imgtar("cat up.tar lib --with damaged.tar").exits(3).says(["damaged.tar", &layer]);
}

#[test]
fn standard_input_is_one_archive() {
    let shelf = shelf();
    let up = shelf.0.read("up.tar");
    for line in ["ls --with old.tar", "verify --with old.tar", "inspect --short --with old.tar -"] {
        shelf.imgtar(line).stdin(up.clone()).success();
    }
    for line in ["ls - --with -", "cat - lib --with -", "verify up.tar new.tar --with -", "inspect --with -"] {
        shelf.imgtar(line).stdin(up.clone()).exits(2).says(["standard input"]);
    }
}
