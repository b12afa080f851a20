//! Several archives that are asked about at once: `verify`, `inspect`.

use serde_json::Value;

use super::image;
use crate::support::layout::blob_path;
use crate::support::run::imgtar;
use crate::support::schema;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::Kind;

/// Archives in a directory: sound, damaged in a layer, and none at all.
fn shelf() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("one.tar", Shape::Docker20.save(&[image("a:1"), image("b:1").platform("linux/arm64")]).bytes());
    scratch.write("two.tar", Shape::Oci.save_one(&image("c:1").tag("c:2")).bytes());
    let mut damaged = Shape::Oci.save_one(&image("d:1"));
    let layer = blob_path(&image("d:1").layer_digests()[1]);
    let member = damaged.members.iter_mut().find(|member| member.name == layer).unwrap();
    let Kind::File(bytes) = &mut member.kind else { panic!("a layer") };
    *bytes.last_mut().unwrap() ^= 1;
    scratch.write("damaged.tar", damaged.bytes());
    scratch.write("none.tar", "no archive");
    scratch
}

#[test]
fn each_of_several_archives_is_verified() {
    let shelf = shelf();
    let verify = |args: &[&str]| imgtar(["verify"]).dir(shelf.dir()).args(args).run();
    let sound = verify(&["one.tar", "two.tar"]);
    assert_eq!(sound.code, 0, "{sound}");
    let said = sound.text();
    let lines: Vec<_> = said.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["OK      one.tar", "OK      two.tar"]);
    let bad = verify(&["damaged.tar", "one.tar"]);
    assert_eq!(bad.code, 1, "{bad}");
    assert!(bad.text().starts_with("FAILED  damaged.tar: ") && bad.text().contains("OK      one.tar: 2 images"));
    let worse = verify(&["none.tar", "damaged.tar", "missing.tar", "one.tar"]);
    assert_eq!(worse.code, 5, "the largest code\n{worse}");
    let said = worse.text();
    assert!(said.contains("FAILED  none.tar: cannot be read\n") && said.contains("OK      one.tar"), "{said}");
    assert!(said.contains("FAILED  missing.tar: cannot be read\n"), "{said}");
    worse.says(["error: none.tar", "missing.tar"]);
}

/// A code that each of these gives alone, and how the document of such an archive begins.
const EACH: [(&str, i32); 4] = [("one.tar", 0), ("damaged.tar", 1), ("none.tar", 3), ("missing.tar", 5)];

#[test]
fn each_has_its_document_and_the_largest_code_counts_in_any_order() {
    let shelf = shelf();
    for command in ["verify", "inspect"] {
        for (nth, (one, _)) in EACH.iter().enumerate() {
            for (other, _) in EACH.iter().skip(nth) {
                for names in [[one, other], [other, one]] {
                    let run = imgtar([command, "--json"]).args(names).dir(shelf.dir()).run();
                    let documents: Vec<Value> =
                        run.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                    assert_eq!(documents.iter().map(|found| &found["archive"]).collect::<Vec<_>>(), names);
                    let mut largest = 0;
                    for (name, document) in names.iter().zip(&documents) {
                        let code = EACH.iter().find(|(known, _)| known == *name).unwrap().1;
                        schema::check(if code > 1 { "unread" } else { command }, document);
                        // What is wrong in a layer is not looked for by `inspect`.
                        largest = largest.max(if command == "inspect" && code == 1 { 0 } else { code });
                    }
                    assert_eq!(run.code, largest, "{run}");
                }
            }
        }
    }
    let limited =
        |names: [&str; 2]| imgtar(["verify", "--json", "--max-entries", "3"]).args(names).dir(shelf.dir()).run();
    for names in [["two.tar", "missing.tar"], ["missing.tar", "two.tar"]] {
        let run = limited(names);
        assert_eq!((run.code, run.text().lines().count()), (6, 2), "{run}");
    }
}

#[test]
fn limits_hold_for_each_archive_that_is_verified() {
    let shelf = shelf();
    let entries = |name: &str| {
        let most = |most: u32| imgtar(["verify", "--max-entries", &most.to_string(), name]).dir(shelf.dir()).run().code;
        (1..).find(|&entries| most(entries) == 0).unwrap()
    };
    let most = entries("one.tar").max(entries("two.tar")).to_string();
    imgtar(["verify", "--max-entries", &most, "one.tar", "two.tar"]).dir(shelf.dir()).success();
}

#[test]
fn images_of_several_archives_are_listed_a_line_each() {
    let shelf = shelf();
    let inspect = |args: &[&str]| imgtar(["inspect"]).dir(shelf.dir()).args(args).run();
    let short = inspect(&["--short", "one.tar", "two.tar"]);
    assert_eq!(short.code, 0, "{short}");
    let said = short.text();
    let rows: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    let expected = [("a:1", "linux/amd64", "one.tar"), ("b:1", "linux/arm64", "one.tar"), ("c:1,", "c:2", "two.tar")];
    assert_eq!(rows.iter().map(|row| (row[0], row[1], *row.last().unwrap())).collect::<Vec<_>>(), expected, "{said}");
    assert_eq!(rows[0][rows[0].len() - 2], &image("a:1").id()[..12], "{said}");
    let both = inspect(&["one.tar", "two.tar"]).text();
    assert!(both.contains("\n\ntwo.tar: OCI layout"), "{both}");
    let loads = inspect(&["--for", "docker-20", "one.tar", "two.tar"]);
    assert_eq!(loads.code, 1, "Docker 20 loads no layout without manifest.json\n{}", loads.text());
    assert_eq!(inspect(&["--raw", "one.tar", "two.tar"]).code, 2);
    assert_eq!(inspect(&["--short", "one.tar"]).text().lines().count(), 2);
}
