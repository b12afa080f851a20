//! Every row of docs/formats.md, section 8, and every vector of docs/edit.md, section 9, has a test that bears its number; those
//! that stand with no other theme are here.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use crate::support::codec::Codec;
use crate::support::expect::{Target, assert_same, convert, convert_path};
use crate::support::image::TestImage;
use crate::support::layer::{dir, file, symlink};
use crate::support::rootfs::Rootfs;
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What tests are called, and where they stand.
fn tests(below: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(tests(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let functions = text.split("#[test]").skip(1).filter_map(|rest| rest.split("fn ").nth(1));
            names.extend(functions.filter_map(|rest| rest.split('(').next()).map(str::to_owned));
        }
    }
    names
}

/// Whether a test of this name is one of rule H-`number`: `h12_…`, `h_12_…`, `r_3_h_12_…`.
fn is_of_rule(name: &str, number: usize) -> bool {
    [format!("h{number}_"), format!("h_{number}_")]
        .iter()
        .any(|rule| name.starts_with(rule.as_str()) || name.contains(&format!("_{rule}")))
}

#[test]
fn every_rule_on_hostile_input_has_a_test_from_outside() {
    let page = fs::read_to_string(PathBuf::from(ROOT).join("docs/formats.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| **H-")?.split("**").next()?.parse().ok());
    let rows: BTreeSet<usize> = rows.collect();
    assert_eq!(rows.iter().copied().collect::<Vec<_>>(), (1..=28).collect::<Vec<_>>());
    let names = tests(&PathBuf::from(ROOT).join("tests/suite"));
    let missing: Vec<_> = rows.iter().filter(|&&row| !names.iter().any(|name| is_of_rule(name, row))).collect();
    assert!(missing.is_empty(), "no test bears the number of H-{missing:?}");
}

#[test]
fn every_vector_of_changed_images_has_a_test() {
    let page = fs::read_to_string(PathBuf::from(ROOT).join("docs/edit.md")).unwrap();
    let rows = page.split("## 9. Vectors").nth(1).unwrap().lines();
    let first_columns = rows.filter_map(|row| row.strip_prefix("| ")?.split(" |").next());
    let is_vector = |word: &&str| word.len() == 3 && word[1..].parse::<u8>().is_ok();
    let vectors: Vec<&str> = first_columns.flat_map(str::split_whitespace).filter(is_vector).collect();
    assert!(vectors.len() >= 60, "{vectors:?}");
    let root = PathBuf::from(ROOT);
    let names = [tests(&root.join("src/edit")), tests(&root.join("tests/suite/edit"))].concat();
    let is_tested = |vector: &str| names.iter().any(|name| name.split('_').any(|word| word == vector));
    let missing: Vec<_> = vectors.iter().filter(|vector| !is_tested(vector)).collect();
    assert!(missing.is_empty(), "no test bears the name of {missing:?}");
}

#[test]
fn h_14_h_20_all_json_of_archives_comes_in_through_one_door() {
    let mut readers = Vec::new();
    let mut folders = vec![PathBuf::from(ROOT).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            if ["json::from_slice", "json::from_reader", "json::from_str", "json::Deserializer", "into_iter::<Value>"]
                .iter()
                .any(|way| code.contains(way))
            {
                readers.push(path.strip_prefix(ROOT).unwrap().to_string_lossy().replace('\\', "/"));
            }
        }
    }
    readers.sort();
    // The first reads what a user typed, the second the fields of a config that came in through the third.
    assert_eq!(readers, ["src/cli/values.rs", "src/spec/config_types.rs", "src/spec/json.rs"]);
}

#[test]
fn h_5_a_layer_never_writes_outside_the_root() {
    let base =
        || TestImage::new().layer([symlink("abs", "/out"), symlink("rel", "../../../out"), symlink("self", ".")]);
    let image = base().layer([file("abs/a", "1"), file("rel/b", "2"), file("self/c", "3")]);
    let paths = Rootfs::of(&image).paths();
    assert_eq!(paths, ["abs", "c", "out/", "out/a", "out/b", "rel", "self"], "inside the root, the links as they were");
    assert!(!Path::new("/out").exists());
}

#[test]
fn h_5_a_root_that_is_a_link_is_refused() {
    for root in [symlink(".", "/etc"), symlink("./", "x"), file("./.", "")] {
        let image = TestImage::new().layer([dir("a")]).layer([root]);
        let tar = Shape::Oci.save_one(&image).bytes();
        imgtar(["convert", "--to", "rootfs"]).stdin(tar).exits(3).says(["root", "not a directory"]);
    }
}

#[test]
fn h_22_urls_are_copied_and_never_fetched() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let url = format!("http://{}/layer", server.local_addr().unwrap());
    let image = TestImage::demo("app:1").foreign(&url);
    for target in Target::ALL {
        let converted = convert(&Shape::Oci.save_one(&image), target, &[]);
        let descriptor = converted.images[0].layers[1].descriptor.as_ref().unwrap();
        assert_eq!(descriptor["urls"][0], url.as_str(), "{}", target.flag());
    }
    let asked = server.accept().unwrap_err();
    assert_eq!(asked.kind(), std::io::ErrorKind::WouldBlock, "somebody asked for {url}");
}

#[test]
fn h_27_no_helper_is_ever_started() {
    let scratch = Scratch::new();
    let trap = scratch.path("trap");
    fs::create_dir(&trap).unwrap();
    for helper in
        ["gzip", "unpigz", "pigz", "zstd", "xz", "unxz", "bzip2", "tar", "sha256sum", "sh", "docker", "skopeo"]
    {
        let path = trap.join(helper);
        fs::write(&path, format!("#!/bin/sh\necho {helper} >>'{}'\n", scratch.path("started").display())).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    for codec in Codec::ALL {
        let image = TestImage::demo("app:1").all_stored(codec);
        let tar = scratch.write("in", codec.encode(&Shape::Oci.save_one(&image).bytes()));
        for to in ["legacy", "docker", "oci", "rootfs"] {
            imgtar(["convert", "--to", to]).arg(&tar).env("PATH", &trap).success();
        }
        assert_same(&convert_path(&tar, Target::Legacy, &[]).images[0], &image, Target::Legacy);
    }
    assert!(!scratch.path("started").exists(), "started: {}", String::from_utf8_lossy(&scratch.read("started")));
}
