//! Whatever an archive says, a person sees it escaped (H-25): no name, tag, label, media type, path or comment may move the
//! cursor, turn the writing or begin a line of its own.

use serde_json::Value;

use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::{device, file, hardlink, symlink, whiteout};
use crate::support::run::{Outcome, imgtar};
use crate::support::scratch::Scratch;
use crate::support::sha256;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

/// Sets a title, clears the screen, writes from right to left, begins a line.
const EVIL: &str = "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\r\nEVIL";

fn is_obeyed(c: char) -> bool {
    (c.is_control() && c != '\n') || c == '\u{202e}'
}

/// What was answered, in which no poison may stand as it is.
#[track_caller]
fn assert_clean_answer(outcome: &Outcome, poison: &str) {
    assert_clean(outcome, poison);
    let answer = String::from_utf8(outcome.stdout.clone()).expect("an answer is text");
    assert!(!answer.contains(is_obeyed) && !answer.contains("\nEVIL"), "{poison}\n{answer:?}");
}

/// What was said, which must be lines of ours without anything that a terminal would obey.
#[track_caller]
fn assert_clean(outcome: &Outcome, poison: &str) {
    assert!(!outcome.stderr.contains(is_obeyed), "{poison}\n{:?}", outcome.stderr);
    assert!(!outcome.stderr.contains("panicked"), "{poison}\n{outcome}");
    let is_ours = |line: &str| {
        line.starts_with("imgtar: ") || line.starts_with("wrote ") || line.starts_with("  ") || line.starts_with('{')
    };
    assert!(outcome.stderr.lines().all(is_ours), "{poison}\n{outcome}");
}

/// The JSON documents of an archive, by the places of their members.
fn documents(tar: &Tarball) -> Vec<(usize, Value)> {
    let document = |kind: &Kind| match kind {
        Kind::File(bytes) => {
            serde_json::from_slice(bytes).ok().filter(|value: &Value| value.is_object() || value.is_array())
        }
        _ => None,
    };
    tar.members.iter().enumerate().filter_map(|(at, member)| Some((at, document(&member.kind)?))).collect()
}

/// Every text of a document, keys too, by its JSON pointer; a key by that of its value and a `#`.
fn texts(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(nth, item)| texts(item, &format!("{at}/{nth}"), found));
        }
        Value::Object(fields) => {
            for (key, item) in fields {
                let below = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                found.push(format!("{below}#"));
                texts(item, &below, found);
            }
        }
        _ => {}
    }
}

/// The document with the text at `pointer` replaced, or made longer.
fn poisoned(document: &Value, pointer: &str, replaced: bool) -> Value {
    let mut document = document.clone();
    let evil = |text: &str| if replaced { EVIL.to_owned() } else { format!("{text}{EVIL}") };
    if let Some((parent, key)) = pointer.strip_suffix('#').map(|path| path.rsplit_once('/').unwrap()) {
        let object = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        let key = key.replace("~1", "/").replace("~0", "~");
        let value = object.remove(&key).unwrap();
        object.insert(evil(&key), value);
    } else {
        let text = document.pointer_mut(pointer).unwrap();
        *text = Value::String(evil(text.as_str().unwrap()));
    }
    document
}

/// Gives member `at` another content and has all that names its digest name the new one.
fn resealed(mut tar: Tarball, at: usize, content: &Value) -> Tarball {
    let Kind::File(old) = &tar.members[at].kind else { panic!("a document is a file") };
    let new = content.to_string().into_bytes();
    let (old_hex, new_hex, size) = (sha256(old), sha256(&new), new.len());
    tar.members[at].kind = Kind::File(new);
    let tar = tar.renamed(|name| name.replace(&old_hex, &new_hex));
    documents(&tar).into_iter().filter(|(_, document)| document.to_string().contains(&old_hex)).fold(
        tar,
        |tar, (at, mut document)| {
            resize(&mut document, &old_hex, size);
            let text = document.to_string().replace(&old_hex, &new_hex);
            resealed(tar, at, &serde_json::from_str(&text).unwrap())
        },
    )
}

fn resize(value: &mut Value, hex: &str, size: usize) {
    if value["digest"].as_str().is_some_and(|digest| digest.ends_with(hex)) && value.get("size").is_some() {
        value["size"] = size.into();
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| resize(item, hex, size)),
        Value::Object(fields) => fields.values_mut().for_each(|item| resize(item, hex, size)),
        _ => {}
    }
}

#[test]
fn h25_no_text_of_any_document_reaches_a_person_as_it_is() {
    let image = TestImage::new().layer([file("a", "1")]).metadata_step("ENV a=b").tag("app:1");
    let image = image.layer([file("b", "1")]).foreign("https://example.com/layer");
    for shape in [Shape::Docker20, Shape::Docker25, Shape::Crane, Shape::OciNested, Shape::OciDockerTypes] {
        let tar = shape.save_one(&image);
        let mut count = 0;
        for (at, document) in documents(&tar) {
            let mut pointers = Vec::new();
            texts(&document, "", &mut pointers);
            for pointer in pointers {
                for (replaced, target) in [(true, "docker"), (false, "oci")] {
                    let evil = resealed(tar.clone(), at, &poisoned(&document, &pointer, replaced));
                    let flags = ["convert", "-v", "--progress", "plain", "--rename", "docker.io/=x/", "--to", target];
                    let outcome = imgtar(flags).stdin(evil.bytes()).run();
                    assert_clean(&outcome, &format!("{shape:?}: {}: {pointer}", tar.members[at].name));
                    // One of them for each text: every shape has most texts of the others.
                    let command = [&["inspect"][..], &["history"], &["verify", "-v"]][count % 3];
                    assert_clean_answer(&imgtar(command).stdin(evil.bytes()).run(), &pointer);
                    count += 1;
                }
            }
        }
        assert!(count > 50, "{shape:?} has but {count} texts");
    }
}

#[test]
fn h25_no_name_of_a_member_reaches_a_person_as_it_is() {
    let image = TestImage::new().layer([file("a", "1")]).tag("app:1");
    for shape in [Shape::Docker20, Shape::Crane, Shape::Oci] {
        let tar = shape.save_one(&image);
        for at in 0..tar.members.len() {
            let mut evil = tar.clone();
            evil.members[at].name += EVIL;
            assert_clean(&imgtar(["convert", "-v", "--to", "oci"]).stdin(evil.bytes()).run(), &tar.members[at].name);
            assert_clean_answer(&imgtar(["verify", "-v"]).stdin(evil.bytes()).run(), &tar.members[at].name);
        }
        // What is found among members that all have such names.
        let below = tar.renamed(|name| format!("{EVIL}/{name}"));
        assert_clean(&imgtar(["convert", "--to", "oci"]).stdin(below.bytes()).exits(3), "a directory above all");
    }
    // A layer whose name is such, damaged.
    let tar = Shape::Crane.save_one(&image);
    let layer = tar.name_ending(".tar.gz");
    let evil = tar.renamed(|name| name.replace(&layer, &format!("{EVIL}.tar.gz")));
    let evil = evil.editing("manifest.json", |json| json[0]["Layers"][0] = format!("{EVIL}.tar.gz").into());
    for target in ["legacy", "rootfs"] {
        let args = ["convert", "-v", "--progress", "plain", "--to", target];
        assert_clean(&imgtar(args).stdin(evil.bytes()).success(), "a layer");
        let damaged = evil.clone().replacing(&format!("{EVIL}.tar.gz"), Kind::File(Codec::Gzip.encode(b"else")));
        assert_clean(&imgtar(args).stdin(damaged.bytes()).exits(3), "a damaged layer");
    }
}

#[test]
fn h25_no_path_of_a_layer_reaches_a_person_as_it_is() {
    let path = |name: &str| format!("{EVIL}{name}");
    let base = || TestImage::new().layer([symlink(path("link"), path("to")), file(path("file"), "1")]).tag("app:1");
    let through = format!("{}/x", path("link"));
    for (items, code) in [
        (vec![file(path("twice"), "1"), file(path("twice"), "2")], 0),
        (vec![hardlink(path("a"), path("none"))], 3),
        (vec![file(through, "1")], 0),
        (vec![device(&path("null"), b'3', (0, 0))], 0),
        (vec![file(format!("{EVIL}/.wh."), "")], 3),
        (vec![whiteout(&format!(".{EVIL}"))], 0),
        (vec![file(path("x"), "").pax(EVIL, EVIL)], 0),
        (vec![file(path("x"), "").pax("mtime", EVIL)], 3),
        (vec![file(path("x"), "").xattr(EVIL, EVIL)], 0),
        (vec![file(path("x"), "").kind(b'Z')], 3),
        (vec![symlink(path("x"), path("x")), file(format!("{}/y", path("x")), "")], 3),
        (vec![file(format!("../{EVIL}"), "")], 3),
        (vec![file(path("x"), "").pax("size", EVIL)], 3),
        (vec![file(path("x"), "").pax("path", format!("{EVIL}\0"))], 3),
    ] {
        let tar = crate::support::layer::layer_tar(items);
        let image = base().layer_bytes(tar.clone());
        let outcome = imgtar(["convert", "-v", "--to", "rootfs"]).stdin(Shape::Crane.save_one(&image).bytes()).run();
        assert_clean(&outcome, "a layer");
        assert_eq!(outcome.code, code, "{outcome}");
        let archive = Shape::Crane.save_one(&image).bytes();
        assert_clean_answer(&imgtar(["ls", "-l", "-"]).stdin(archive.clone()).run(), "a listing");
        assert_clean_answer(
            &imgtar(["ls", "-l", "--layer", "1", "-"]).stdin(archive.clone()).run(),
            "a listing of a layer",
        );
        assert_clean_answer(&imgtar(["verify", "-v"]).stdin(archive.clone()).run(), "a layer's findings");
        let scratch = Scratch::new();
        let other = scratch.write("base.tar", Shape::Crane.save_one(&base()).bytes());
        assert_clean_answer(&imgtar(["diff"]).arg(other).arg("-").stdin(archive).run(), "a difference");
        let import = ["import", "-v", "--to", "docker", "-t", "a:1", "--arch", "amd64"];
        assert_clean(&imgtar(import).stdin(tar).run(), "a root filesystem");
    }
}
