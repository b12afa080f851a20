//! What the commands that answer say of a delta, alone and with the archive that it is for.

use serde_json::{Value, json};

use super::{Shelf, new, old, shelf};
use crate::support::schema;
use crate::support::shape::Shape;

fn inspected(shelf: &Shelf, line: &str) -> Value {
    let report = serde_json::from_slice(&shelf.imgtar(&format!("inspect --json {line}")).success().stdout).unwrap();
    schema::check("inspect", &report);
    report
}

#[test]
fn alone_a_delta_tells_what_it_needs_and_what_it_makes() {
    let shelf = shelf(Shape::Oci);
    let files = "files: 1 changed, 1 new, 2 equal";
    shelf.delta().says(["makes 1 of 2 layers (", files]);
    let report = inspected(&shelf, "up.delta");
    let image = &report["images"][0];
    let delta = &image["needs"]["delta"];
    assert_eq!(image["needs"]["image"], json!("ex.org/app:1"));
    assert_eq!((&image["needs"]["layers"], &delta["layers"]), (&json!(1), &json!(1)));
    assert_eq!(delta["tar_size"], json!(new().layers[1].tar.len()));
    assert_eq!(delta["files"], json!({ "equal": 2, "changed": 1, "new": 1 }));
    assert_eq!(image["size"], delta["size"], "the blob that makes the layer");
    assert!(delta["size"].as_u64().unwrap() > 20_000);
    let told = shelf.imgtar("inspect up.delta").success();
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.contains(files) && text.contains("restores the image") && !text.contains(" 0 B"), "{text}");
    for question in ["ls up.delta", "history up.delta", "edit up.delta --squash --to oci -o x.tar"] {
        shelf.imgtar(question).exits(3).says(["up.delta", "it is a delta, and needs ex.org/app:1"]);
    }
    let verified: Value = serde_json::from_slice(&shelf.imgtar("verify --json up.delta").success().stdout).unwrap();
    assert_eq!(verified["counts"]["notes"], json!(1), "{verified}");
    let note = "its layers were not rebuilt: that takes an archive of ex.org/app:1 with it";
    assert!(verified.to_string().contains(note), "{verified}");
    let short = shelf.imgtar("inspect --short up.delta").success();
    assert!(!String::from_utf8(short.stdout).unwrap().contains(" 0 B"));
}

#[test]
fn with_its_archive_a_delta_is_an_image_like_any_other() {
    for shape in [Shape::Oci, Shape::Crane] {
        let shelf = shelf(shape);
        shelf.delta();
        let report = inspected(&shelf, "up.delta --with old.tar");
        assert_eq!(report["images"][0]["image_id"], json!(format!("sha256:{}", new().id())));
        assert!(report["images"][0].get("needs").is_none());
        let of = |line: &str| String::from_utf8(shelf.imgtar(line).success().stdout).unwrap();
        assert_eq!(of("ls -l up.delta --with old.tar"), of("ls -l new.tar"));
        assert_eq!(of("cat up.delta tiny --with old.tar"), "few");
        let verified: Value = serde_json::from_str(&of("verify --json up.delta --with old.tar")).unwrap();
        assert_eq!((&verified["ok"], &verified["checked"]["layers"]), (&json!(true), &json!(2)), "{verified}");
        assert_eq!(verified["counts"]["notes"], json!(0), "nothing is left out");
        // The image that it is for is looked for in all of them.
        let outcome = shelf.imgtar("verify up.delta --with new.tar").run();
        let lacking = String::from_utf8(outcome.stdout).unwrap();
        assert_eq!(outcome.code, 1);
        assert!(lacking.contains("needs ex.org/app:1") && lacking.contains(&old().id()), "{lacking}");
    }
}
