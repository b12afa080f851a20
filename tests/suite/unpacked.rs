//! Archives of every format unpacked into a directory, and skopeo's `dir:` (X-1, X-4, O-1, O-2, G-14).

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::expect::{Target, assert_same, convert, convert_path, refuse};
use crate::support::image::TestImage;
use crate::support::layout::{Layout, OCI_INDEX, REF_NAME, Types, dir_layout};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

/// Writes the archive as a directory, links and all.
fn unpack(tar: &Tarball, dir: &Path) {
    for member in &tar.members {
        let path = dir.join(&member.name);
        match &member.kind {
            Kind::Dir => fs::create_dir_all(path).unwrap(),
            Kind::File(bytes) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            #[cfg(unix)]
            Kind::Symlink(target) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::os::unix::fs::symlink(target, path).unwrap();
            }
            other => panic!("a directory holds no {other:?}"),
        }
    }
}

#[test]
#[cfg(unix)]
fn every_format_is_read_from_a_directory() {
    let image = TestImage::demo("app:1");
    for shape in Shape::ALL {
        let tar = shape.save_one(&image);
        let scratch = Scratch::new();
        unpack(&tar, &scratch.path("unpacked"));
        for target in Target::ALL {
            let [from_dir, from_tar] =
                [convert_path(&scratch.path("unpacked"), target, &[]), convert(&tar, target, &[])];
            assert_same(&from_dir.images[0], &shape.stored(&image), target);
            assert_eq!(from_dir.bytes, from_tar.bytes, "{shape:?} to {target:?}");
        }
        imgtar(["verify"]).arg(scratch.path("unpacked")).success();
        imgtar(["inspect"]).arg(scratch.path("unpacked")).success();
    }
}

#[test]
#[cfg(unix)]
fn two_items_of_one_image_are_one_in_a_directory_too() {
    let image = TestImage::demo("app:1").tag("app:2");
    let item = |json: &mut Value| {
        let mut second = json[0].clone();
        second["RepoTags"] = json!(["app:1", "app:2"]);
        json[0]["RepoTags"] = json!(["app:1"]);
        json.as_array_mut().unwrap().push(second);
    };
    let scratch = Scratch::new();
    unpack(&Shape::Docker20.save_one(&image).editing("manifest.json", item), &scratch.path("unpacked"));
    assert_eq!(convert_path(&scratch.path("unpacked"), Target::Oci, &[]).images.len(), 1);
}

#[test]
fn skopeos_dir_is_read() {
    let image = TestImage::demo("app:1");
    for types in [Types::Oci, Types::Docker] {
        for end in ["", ".tar"] {
            let tar = dir_layout(&image, types, end);
            let scratch = Scratch::new();
            unpack(&tar, &scratch.path("dir"));
            let tarred = scratch.write("dir.tar", tar.bytes());
            for path in [scratch.path("dir"), tarred] {
                for target in Target::ALL {
                    let converted = convert_path(&path, target, &["--tag", "app:1"]);
                    assert_eq!(converted.images[0].id, image.id(), "{types:?} {end} to {target:?}");
                }
                imgtar(["verify"]).arg(&path).success();
                let told = imgtar(["inspect", "--json"]).arg(&path).success();
                let told: Value = serde_json::from_slice(&told.stdout).unwrap();
                assert_eq!(told["format"], "dir");
                let loading = told["loads"].as_array().unwrap().iter().filter(|row| row["loads"] == "yes");
                let loading: Vec<_> = loading.map(|row| row["engine"].as_str().unwrap()).collect();
                assert_eq!(loading, if path.is_dir() && end.is_empty() { &["podman-4"][..] } else { &[] });
            }
        }
    }
}

#[test]
fn a_dir_of_several_platforms_is_read() {
    let mut layout = Layout::new();
    let images = ["linux/amd64", "linux/arm64"].map(|platform| TestImage::demo("app:1").platform(platform));
    let manifests = images.each_ref().map(|image| layout.image(image, Types::Oci));
    let mut tar = Tarball::default().with("version", "Directory Transport Version: 1.1\n");
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
    tar = tar.with("manifest.json", list.to_string());
    for member in &layout.tarball().members {
        let Some(hex) = member.name.strip_prefix("blobs/sha256/").filter(|hex| !hex.is_empty()) else { continue };
        let Kind::File(bytes) = &member.kind else { continue };
        let is_manifest = manifests.iter().any(|manifest| manifest["digest"].as_str().unwrap().ends_with(hex));
        tar = tar.with(&format!("{hex}{}", if is_manifest { ".manifest.json" } else { "" }), bytes.clone());
    }
    assert_eq!(convert(&tar, Target::Oci, &[]).images.len(), 2);
    let one = convert(&tar, Target::Docker, &["--platform", "linux/arm64"]);
    assert_eq!(one.images[0].id, images[1].id());
}

#[test]
fn a_dir_with_a_false_or_a_missing_blob_is_refused() {
    let tar = dir_layout(&TestImage::demo("app:1"), Types::Oci, "");
    let blobs: Vec<String> =
        tar.members.iter().map(|member| member.name.clone()).filter(|name| name.len() == 64).collect();
    for blob in blobs {
        let mut bytes = tar.body(&blob).to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        refuse(&tar.clone().replacing(&blob, Kind::File(bytes)).bytes(), Target::Oci, &[], 3).says([&blob]);
        refuse(&tar.clone().without(&blob).bytes(), Target::Docker, &[], 3).says([&blob]);
    }
}

#[test]
fn a_layout_is_one_without_its_marker() {
    let image = TestImage::demo("app:1");
    let tar = Shape::Oci.save_one(&image).without("oci-layout");
    let converted = convert(&tar, Target::Oci, &[]);
    assert_same(&converted.images[0], &Shape::Oci.stored(&image), Target::Oci);
    converted.outcome.says(["there is no `oci-layout`"]);
    assert!(converted.archive.has("oci-layout"));
    let scratch = Scratch::new();
    let empty = scratch.write("empty.tar", Tarball::default().with("index.json", "{}").bytes());
    imgtar(["inspect"]).arg(empty).exits(3).says(["`oci-layout` and `blobs/` are missing"]);
}

#[test]
fn an_index_without_what_no_engine_asks_for_is_read() {
    let image = TestImage::demo("app:1");
    for types in [Types::Oci, Types::Docker] {
        let mut layout = Layout::new();
        let mut descriptor = layout.image(&image, types);
        descriptor["annotations"][REF_NAME] = json!("v1");
        layout.list(&descriptor);
        let tar = layout.tarball().editing("index.json", |index| {
            index.as_object_mut().unwrap().remove("schemaVersion");
            index["manifests"][0].as_object_mut().unwrap().remove("mediaType");
        });
        let converted = convert(&tar, Target::Oci, &[]);
        let written = converted.archive.json("index.json");
        assert_eq!(written["manifests"][0]["mediaType"], descriptor["mediaType"]);
        assert_eq!(written["schemaVersion"], 2);
        converted.outcome.says(["has no `mediaType`"]);
    }
}

#[test]
fn keys_of_manifest_json_are_read_in_any_case() {
    let tar = Shape::Jib.save_one(&TestImage::demo("app:1"));
    let lower = tar.clone().editing("manifest.json", |json| {
        let item = json[0].as_object_mut().unwrap();
        for (old, new) in [("Config", "config"), ("RepoTags", "repoTags"), ("Layers", "layers")] {
            let value = item.remove(old).unwrap();
            item.insert(new.into(), value);
        }
    });
    for target in Target::ALL {
        let converted = convert(&lower, target, &[]);
        assert_same(&converted.images[0], &Shape::Jib.stored(&TestImage::demo("app:1")), target);
        converted.outcome.says(["the key `config` is not spelled `Config`"]);
    }
    let both = tar.editing("manifest.json", |json| json[0]["layers"] = json!([]));
    refuse(&both.bytes(), Target::Oci, &[], 3).says(["the key `layers` occurs twice"]);
}

#[test]
fn text_in_a_config_that_is_none_is_no_reason_to_refuse_it() {
    for text in [r#""author":"\ud83d""#, r#""author":"\udc00\ud83dx""#] {
        let image = TestImage::demo("app:1");
        let config = String::from_utf8(image.config()).unwrap();
        let image = image.raw_config(&config.replacen('{', &format!("{{{text},"), 1));
        for target in ["legacy", "docker", "oci"] {
            let converted =
                imgtar(["convert", "--to", target]).stdin(Shape::Docker20.save_one(&image).bytes()).success();
            let told = imgtar(["inspect", "--short"]).stdin(converted.says(["U+FFFD"]).stdout).success();
            assert!(told.text().contains(&image.id()[..12]), "{}", told.text());
        }
    }
}

/// Puts what is at `name` in `dir` beside it, and a link to it, by the path that `target` makes of its new one, in its place.
#[cfg(unix)]
fn move_out(dir: &Path, name: &str, target: impl Fn(&Path) -> std::path::PathBuf) {
    let (place, outside) = (dir.join(name), dir.with_file_name("outside"));
    fs::rename(&place, &outside).unwrap();
    std::os::unix::fs::symlink(target(&outside), &place).unwrap();
}

#[test]
#[cfg(unix)]
fn links_lead_out_of_a_directory_only_to_what_a_digest_names() {
    let image = TestImage::demo("app:1");
    let absolute = |path: &Path| path.to_owned();
    let climbing = |_: &Path| Path::new("../../outside").to_owned();
    let saved = |shape: Shape| shape.save_one(&image);
    // The members that no reader asks for, and those that are compared with a digest.
    let cases: [(Tarball, &[&str], &str); 5] = [
        (saved(Shape::Docker20), &["/VERSION", "/json", "repositories"], "-"),
        (saved(Shape::Docker20).without("manifest.json"), &["/VERSION", ".json"], "-"),
        (saved(Shape::Jib), &[], "-"),
        (saved(Shape::Oci), &[], "blobs/"),
        (dir_layout(&image, Types::Oci, ""), &["version"], ""),
    ];
    for (tar, unread, by_digest) in cases {
        for name in tar.members.iter().filter(|member| matches!(member.kind, Kind::File(_))).map(|member| &member.name)
        {
            let scratch = Scratch::new();
            let dir = scratch.path("unpacked");
            unpack(&tar, &dir);
            if name.contains('/') && by_digest == "-" {
                move_out(&dir, name, climbing);
            } else {
                move_out(&dir, name, absolute);
            }
            let run = imgtar(["convert", "--to", "oci", "-o"]).arg(scratch.path("out.tar")).arg(&dir);
            let is_unread = unread.iter().any(|end| name.ends_with(end)) && name != "manifest.json";
            if is_unread || name.starts_with(by_digest) && name != "manifest.json" {
                run.success();
                imgtar(["verify"]).arg(&dir).success();
            } else {
                run.exits(3).says([name, "leads out of the directory"]);
                assert!(!scratch.path("out.tar").exists());
                imgtar(["inspect", "--full"]).arg(&dir).exits(3);
            }
        }
    }
}

#[test]
#[cfg(unix)]
fn links_within_a_directory_are_followed() {
    let image = TestImage::demo("app:1");
    let tar = Shape::Docker20.save_one(&image);
    let scratch = Scratch::new();
    let dir = scratch.path("unpacked");
    unpack(&tar, &dir);
    let layer = tar.members.iter().find(|member| member.name.ends_with("/layer.tar")).unwrap().name.clone();
    fs::create_dir(dir.join("store")).unwrap();
    fs::rename(dir.join(&layer), dir.join("store/one")).unwrap();
    std::os::unix::fs::symlink("../by-name/one", dir.join(&layer)).unwrap();
    std::os::unix::fs::symlink(dir.join("store"), dir.join("by-name")).unwrap();
    assert_eq!(convert_path(&dir, Target::Oci, &[]).images[0].id, image.id());
    fs::remove_file(dir.join("store/one")).unwrap();
    imgtar(["convert", "--to", "oci", "-o"]).arg(scratch.path("out")).arg(&dir).exits(3).says(["leads nowhere"]);
}

#[test]
fn a_directory_that_is_no_archive_is_told_what_was_looked_for() {
    let scratch = Scratch::new();
    scratch.write("notes.txt", "");
    imgtar(["verify"]).arg(scratch.dir()).exits(3).says(["`manifest.json`", "`index.json`", "`repositories`"]);
}
