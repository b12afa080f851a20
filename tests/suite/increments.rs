//! `--base`: an archive without the layers that the other side has, and `--with`, which makes it whole (docs/bundles.md).

mod asked;
mod lost_index;
mod random;
mod refused;
mod tarballs;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::archive::Archive;
use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::judge;
use crate::support::layer::file;
use crate::support::layout::{Layout, Types, blob_path};
use crate::support::name::full;
use crate::support::run::{Run, imgtar};
use crate::support::schema;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Member, Tarball};

/// What the other side has: two layers.
fn old() -> TestImage {
    TestImage::new().layer([file("etc/os-release", "ID=base\n")]).layer([file("lib", "1")]).tag("ex.org/app:1")
}

/// What it is to get: one layer on top.
fn new() -> TestImage {
    old().untagged().layer([file("app", "2")]).tag("ex.org/app:2")
}

/// Archives by their names, and conversions in their directory.
struct Shelf(Scratch);

impl Shelf {
    fn of<'t>(archives: impl IntoIterator<Item = (&'t str, Tarball)>) -> Self {
        let scratch = Scratch::new();
        archives.into_iter().for_each(|(name, archive)| drop(scratch.write(name, archive.bytes())));
        Self(scratch)
    }

    /// `new.tar` without what `old.tar` has, as `up.tar`.
    fn with_increment(old: &Tarball, new: &Tarball) -> Self {
        let shelf = Self::of([("old.tar", old.clone()), ("new.tar", new.clone())]);
        shelf.convert("new.tar --base old.tar --to oci -o up.tar").success();
        shelf
    }

    fn imgtar(&self, line: &str) -> Run {
        imgtar(line.split(' ')).dir(self.0.dir())
    }

    fn convert(&self, line: &str) -> Run {
        self.imgtar(&format!("convert {line}"))
    }

    fn archive(&self, name: &str) -> Archive {
        Archive::written(&self.0.read(name))
    }

    /// The output of a conversion to standard output.
    #[track_caller]
    fn converted(&self, line: &str) -> Vec<u8> {
        self.convert(line).success().stdout
    }
}

fn links(archive: &Archive) -> Vec<(String, String)> {
    let link = |member: &Member| match &member.kind {
        Kind::Symlink(target) => Some((member.name.clone(), target.clone())),
        Kind::File(_) | Kind::Dir | Kind::Hardlink(_) => None,
    };
    archive.members.iter().filter_map(link).collect()
}

fn absent(diff_id: &str) -> String {
    format!("absent/{}", diff_id.trim_start_matches("sha256:"))
}

#[test]
fn what_a_base_has_is_listed_and_left_out() {
    let shelf = Shelf::with_increment(&Shape::Oci.save_one(&old()), &Shape::Oci.save_one(&new()));
    let up = shelf.archive("up.tar");
    let (new, manifest) = (new(), Shape::Oci.manifest(&new()).unwrap());
    let lower = &new.layer_digests()[..2];
    assert!(lower.iter().all(|digest| !up.has(&blob_path(digest))) && up.has(&blob_path(&new.layer_digests()[2])));
    assert!(up.members.iter().any(|member| matches!(&member.kind, Kind::File(bytes) if *bytes == manifest)), "B-9");
    let mut expected: Vec<_> =
        new.diff_ids()[..2].iter().map(|diff_id| (absent(diff_id), "load first: ex.org/app:1".to_owned())).collect();
    expected.sort();
    assert_eq!(links(&up), expected, "B-10, B-11");
    assert_eq!(
        up.names().iter().position(|name| *name == "absent/"),
        Some(up.members.len() - 6),
        "before the documents"
    );
    let item = &up.json("manifest.json")[0];
    let top = blob_path(&new.layer_digests()[2]);
    assert_eq!(item["Layers"], json!([absent(&new.diff_ids()[0]), absent(&new.diff_ids()[1]), top]));
    assert_eq!(shelf.0.names(), ["new.tar", "old.tar", "up.tar"]);
}

#[test]
fn the_summary_and_the_report_say_what_is_needed() {
    let shelf = Shelf::of([("old.tar", Shape::Oci.save_one(&old())), ("new.tar", Shape::Oci.save_one(&new()))]);
    let run = shelf.convert("new.tar --base old.tar --to oci -o up.tar --report -").success();
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    schema::check("report", &report);
    let size: usize = old().layers.iter().map(|layer| layer.blob().len()).sum();
    assert_eq!(report["images"][0]["needs"], json!({"image": "ex.org/app:1", "layers": 2, "size": size}));
    let actions: Vec<_> =
        report["images"][0]["layers"].as_array().unwrap().iter().map(|layer| &layer["action"]).collect();
    assert_eq!(actions, ["left-out", "left-out", "kept"]);
    let needs = format!("needs 2 of 3 layers of ex.org/app:1 ({size} B left out); load that archive first");
    run.says([&needs, "3 layers, 2 left out, 1 unchanged"]).never_says(["warning"]);
    let said = shelf.imgtar("inspect up.tar").success().text();
    assert!(said.contains(needs.trim_start_matches("needs ")), "{said}");
    assert!(said.contains("where the base is") && said.contains("crane  "), "{said}");
    let facts: Value = serde_json::from_slice(&shelf.imgtar("inspect --json up.tar").success().stdout).unwrap();
    schema::check("inspect", &facts);
    assert_eq!(facts["images"][0]["needs"], report["images"][0]["needs"]);
}

/// The names in `manifest.json`.
fn repo_tags(archive: &Archive) -> Value {
    archive.json("manifest.json")[0]["RepoTags"].clone()
}

#[test]
fn names_are_full_in_an_increment_alone() {
    let [old, new] =
        [old().untagged().tag("app:1"), new().untagged().tag("app:2")].map(|image| Shape::Oci.save_one(&image));
    let shelf = Shelf::with_increment(&old, &new);
    assert_eq!(repo_tags(&shelf.archive("up.tar")), json!([full("app:2")]), "B-12");
    assert_eq!(links(&shelf.archive("up.tar"))[0].1, "load first: app:1");
    let whole = Archive::written(&shelf.converted("up.tar --with old.tar --to oci"));
    assert_eq!(repo_tags(&whole), json!(["app:2"]));
}

#[test]
fn an_increment_and_its_base_make_what_was_left_whole() {
    for old_shape in Shape::ALL {
        for new_shape in Shape::ALL {
            let pair = format!("{old_shape:?}, {new_shape:?}");
            let shelf = Shelf::with_increment(&old_shape.save_one(&old()), &new_shape.save_one(&new()));
            let up = shelf.archive("up.tar");
            assert_eq!(links(&up).len(), 2, "{pair}");
            shelf.imgtar("verify up.tar").success();
            let back = shelf.converted("up.tar --with old.tar --to oci");
            let images = judge::oci_images(&Archive::written(&back));
            assert_eq!(images[0].id, new().id(), "{pair}");
            let digests = |shape: Shape, image: &TestImage| shape.stored(image).layer_digests()[..2].to_vec();
            assert_eq!(images[0].layer_digests()[..2], digests(old_shape, &old()), "B-9: {pair}");
            let is_same = digests(old_shape, &old()) == digests(new_shape, &new());
            assert_eq!(back == shelf.converted("new.tar --to oci"), is_same, "{pair}: byte for byte");
            let [back, whole] =
                ["up.tar --with old.tar", "new.tar"].map(|line| shelf.converted(&format!("{line} --to rootfs")));
            assert!(back == whole, "{pair} to rootfs");
        }
    }
}

#[test]
fn a_manifest_json_that_is_all_there_is_of_an_increment_becomes_whole_too() {
    for old_shape in Shape::ALL {
        let shelf = Shelf::with_increment(&old_shape.save_one(&old()), &Shape::Crane.save_one(&new()));
        let mut members = shelf.archive("up.tar").members;
        members.retain(|member| !["index.json", "oci-layout"].contains(&&*member.name));
        shelf.0.write("up.tar", Tarball { members }.bytes());
        shelf.convert("up.tar --to oci").exits(3).says(["layer 0", "ex.org/app:1", "--with"]);
        for line in ["up.tar --with old.tar", "up.tar old.tar --image ex.org/app:2"] {
            let images = judge::oci_images(&Archive::written(&shelf.converted(&format!("{line} --to oci"))));
            assert_eq!(images[0].id, new().id(), "{old_shape:?}");
            let of_base = old_shape.stored(&old()).layer_digests();
            assert_eq!(images[0].layer_digests()[..2], of_base[..2], "{old_shape:?}");
        }
        let [back, whole] =
            ["up.tar --with old.tar", "new.tar"].map(|line| shelf.converted(&format!("{line} --to rootfs")));
        assert!(back == whole, "{old_shape:?}");
        shelf.imgtar("verify up.tar --with old.tar").success();
        shelf.imgtar("cat up.tar app --with old.tar").success();
    }
    // The diff_ids by which layers are found are what another archive says of them.
    let shelf = Shelf::with_increment(&Shape::Oci.save_one(&old()), &Shape::Oci.save_one(&new()));
    let mut members = shelf.archive("up.tar").members;
    members.retain(|member| member.name != "index.json");
    shelf.0.write("up.tar", Tarball { members }.bytes());
    let diff_ids = old().diff_ids();
    let swapped = serde_json::json!({"type": "layers", "diff_ids": [diff_ids[1], diff_ids[0]]});
    shelf.0.write("old.tar", Shape::Oci.save_one(&old().key("rootfs", swapped)).bytes());
    shelf.convert("up.tar --with old.tar --to oci").exits(3).says(["old.tar", &diff_ids[1]]);
}

/// The tarballs that engines wrote, uncompressed.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let paths = std::fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "xz")).collect();
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), Codec::decode(&std::fs::read(path).unwrap()))).collect()
}

#[test]
fn archives_of_engines_are_whole_again_too() {
    let fixtures = fixtures();
    let scratch = Scratch::new();
    fixtures.iter().for_each(|(name, bytes)| drop(scratch.write(name, bytes)));
    let convert = |line: &str| imgtar(format!("convert --to oci {line}").split(' ')).dir(scratch.dir());
    // Of layers that are compressed anew it does not matter whose blobs they were.
    let targets = ["docker --compress gzip:1", "rootfs"];
    let to = |target: &str, line: &str| imgtar(format!("convert --to {target} {line}").split(' ')).dir(scratch.dir());
    let mut same = 0;
    for (new, _) in &fixtures {
        let whole = convert(new).success().stdout;
        let anew = targets.map(|target| to(target, new).success().stdout);
        for (old, _) in &fixtures {
            let up = convert(&format!("{new} --base {old}")).success().stdout;
            let back = convert(&format!("- --with {old}")).stdin(up.clone()).success().stdout;
            let [back_images, images] = [&back, &whole].map(|bytes| judge::oci_images(&Archive::written(bytes)));
            let ids = |images: &[judge::Judged]| images.iter().map(|image| image.id.clone()).collect::<Vec<_>>();
            assert_eq!(ids(&back_images), ids(&images), "{new} on {old}");
            let digests = |images: &[judge::Judged]| -> Vec<String> {
                images.iter().flat_map(|image| image.layers.iter().map(|layer| layer.digest.clone())).collect()
            };
            let is_same = digests(&back_images) == digests(&images);
            assert_eq!(back == whole, is_same, "{new} on {old}: byte for byte where the blobs are equal");
            same += usize::from(is_same);
            for (target, anew) in targets.iter().zip(&anew) {
                let back = to(target, &format!("- --with {old}")).stdin(up.clone()).success().stdout;
                assert!(back == *anew, "{new} on {old} to {target}");
            }
        }
    }
    assert!(same >= 2 * fixtures.len(), "only {same} pairs have the same blobs");
}

#[test]
fn a_layer_that_another_image_has_above_its_base_is_there_for_all() {
    // The layer of `web` is the base's second, above another lowest one.
    let web = TestImage::new().layer([file("web", "1")]).layer([file("lib", "1")]).tag("ex.org/web:1");
    let shelf = Shelf::with_increment(&Shape::Oci.save_one(&old()), &Shape::Oci.save(&[new(), web.clone()]));
    let up = shelf.archive("up.tar");
    assert_eq!(links(&up), [(absent(&new().diff_ids()[0]), "load first: ex.org/app:1".to_owned())], "B-2");
    let shared = blob_path(&web.layer_digests()[1]);
    assert!(up.has(&shared));
    assert_eq!(up.json("manifest.json")[0]["Layers"][1], json!(shared));
    assert!(shelf.converted("up.tar --with old.tar --to oci") == shelf.converted("new.tar --to oci"));
}

#[test]
fn of_several_bases_the_image_that_has_most_gives_all_it_has() {
    let less = TestImage::new().layer([file("etc/os-release", "ID=base\n")]).tag("ex.org/less:1");
    let shelf = Shelf::of([
        ("less.tar", Shape::Docker20.save_one(&less)),
        ("old.tar", Shape::Oci.save_one(&old())),
        ("new.tar", Shape::Oci.save_one(&new())),
    ]);
    let run = shelf.convert("new.tar --base less.tar --base old.tar --to oci -o up.tar").success();
    run.says(["note: old.tar: a base before it has the same layers", "needs 2 of 3 layers of ex.org/app:1"])
        .never_says(["load this very"]);
    let manifest = shelf.archive("up.tar").members.into_iter().find_map(|member| match member.kind {
        Kind::File(bytes) if bytes == Shape::Oci.manifest(&new()).unwrap() => Some(()),
        _ => None,
    });
    assert!(manifest.is_some(), "B-43: listed as the named image has them");
    let plain = shelf.convert("new.tar --base less.tar --to oci -o less-up.tar").success();
    plain.says([
        "note: less.tar: load exactly this archive first",
        "needs 1 of 3 layers of ex.org/less:1",
        "manifest sha256:",
    ]);
}

/// An index of the image for each platform, behind one name.
fn platforms(image: fn() -> TestImage) -> Tarball {
    let mut layout = Layout::new();
    let manifests: Vec<_> = ["linux/amd64", "linux/arm64"]
        .map(|platform| {
            let image = image().platform(platform).layer([file("arch", platform)]);
            layout.image(&image, Types::Oci)
        })
        .into();
    let attestation = layout.attestation(&manifests[0]);
    let index = layout.nested(&[manifests, vec![attestation]].concat(), Types::Oci);
    layout.list_as(&index, &image().tags);
    layout.tarball()
}

#[test]
fn of_several_platforms_each_leaves_out_its_own() {
    let base = || TestImage::new().layer([file("etc/os-release", "ID=base\n")]).tag("ex.org/app:1");
    let shelf = Shelf::with_increment(
        &platforms(base),
        &platforms(|| TestImage::new().layer([file("etc/os-release", "ID=base\n")]).tag("ex.org/app:2")),
    );
    let up = shelf.archive("up.tar");
    assert_eq!(links(&up).len(), 3, "all layers of both: {:?}", links(&up));
    shelf.imgtar("verify up.tar").success();
    assert!(shelf.converted("up.tar --with old.tar --to oci") == shelf.converted("new.tar --to oci"));
    let split = shelf.convert("new.tar --base old.tar --to oci --split -o {arch}.tar").success();
    split.says(["wrote amd64.tar", "wrote arm64.tar", "needs 2 of 2 layers of ex.org/app:1"]);
    let alone = shelf.converted("new.tar --base old.tar --to oci --platform linux/arm64");
    assert_eq!(judge_ids(&alone), judge_ids(&shelf.0.read("arm64.tar")));
}

fn judge_ids(archive: &[u8]) -> Value {
    Archive::written(archive).json("manifest.json")[0]["Config"].clone()
}

#[test]
fn bases_come_from_pipes_and_increments_go_into_them() {
    let shelf = Shelf::with_increment(&Shape::Oci.save_one(&old()), &Shape::Oci.save_one(&new()));
    let up = shelf.0.read("up.tar");
    let (old, new) = (shelf.0.read("old.tar"), shelf.0.read("new.tar"));
    assert!(shelf.convert("new.tar --base - --to oci").stdin(old.clone()).success().stdout == up);
    assert!(shelf.convert("- --base old.tar --to oci").stdin(new.clone()).success().stdout == up);
    let whole = shelf.convert("--with old.tar --to oci").stdin(up.clone()).success().stdout;
    assert!(whole == shelf.converted("new.tar --to oci"));
    assert!(shelf.convert("up.tar --with - --to oci").stdin(old).success().stdout == whole);
    shelf.convert("- --base - --to oci").stdin(new).exits(2).says(["`-` is given twice"]);
    shelf.convert("old.tar --base old.tar --to oci -o old.tar -f").exits(2).says(["is the input"]);
    shelf.convert("new.tar --base old.tar --to oci -o x --report old.tar").exits(2).says(["would replace an input"]);
}

#[test]
fn a_directory_with_the_base_in_it_becomes_whole() {
    let shelf = Shelf::with_increment(&Shape::Oci.save_one(&old()), &Shape::Oci.save_one(&new()));
    shelf.convert("old.tar --to oci-dir -o layout").success();
    shelf.convert("new.tar --base old.tar --to oci-dir -o layout --append").success();
    shelf.imgtar("verify layout").success().never_says(["warning"]);
    let whole = shelf.converted("layout --image ex.org/app:2 --to oci");
    assert!(whole == shelf.converted("new.tar --to oci"));
    shelf.convert("new.tar --base old.tar --to oci-dir -o alone").success();
    shelf.imgtar("verify alone").success();
    shelf.convert("alone --to oci").exits(3).says(["does not hold layer 0", "--with"]);
    assert!(shelf.converted("alone --with old.tar --to oci") == whole);
    assert!(shelf.converted("alone --with layout --to oci") == whole);
}

#[cfg(unix)]
#[test]
fn unpacked_over_its_base_an_increment_is_a_whole_layout() {
    let shelf = Shelf::with_increment(&Shape::Oci.save_one(&old()), &Shape::Oci.save_one(&new()));
    for (line, expected) in [("tar xf up.tar", 3), ("tar xf old.tar && tar xf up.tar", 0)] {
        let line = format!("rm -rf folder && mkdir folder && cd folder && {}", line.replace("xf ", "xf ../"));
        let unpacked =
            std::process::Command::new("sh").args(["-c", &line]).current_dir(shelf.0.dir()).status().unwrap();
        assert!(unpacked.success());
        shelf.imgtar("verify folder").success();
        let run = shelf.convert("folder --to oci").exits(expected);
        assert!(expected != 0 || run.stdout == shelf.converted("new.tar --to oci"), "B-11");
    }
}

#[test]
fn increments_follow_one_another() {
    let newer = new().untagged().layer([file("more", "3")]).tag("ex.org/app:3");
    let shelf = Shelf::with_increment(&Shape::Oci.save_one(&old()), &Shape::Oci.save_one(&new()));
    shelf.0.write("newer.tar", Shape::Oci.save_one(&newer).bytes());
    let refused = shelf.convert("newer.tar --base up.tar --to oci -o up3.tar").exits(4);
    refused.says(["up.tar: ex.org/app:2", "an increment itself", "ex.org/app:1", "--base"]);
    let run = shelf.convert("newer.tar --base up.tar --base old.tar --to oci -o up3.tar").success();
    run.says(["needs 3 of 4 layers of ex.org/app:2"]).never_says(["warning"]);
    let whole = shelf.converted("newer.tar --to oci");
    assert!(shelf.converted("up3.tar --with up.tar --with old.tar --to oci") == whole);
    shelf.convert("up3.tar --with old.tar --to oci").exits(3).says(["layer 2", "ex.org/app:2 has"]);
    // An increment is written again as one, by its base or because that is asked for.
    assert!(shelf.converted("up.tar --base old.tar --to oci") == shelf.0.read("up.tar"));
    assert!(shelf.converted("up.tar --index keep --to oci") == shelf.0.read("up.tar"));
}

#[test]
fn foreign_layers_stay_what_they_are() {
    let windows = |image: TestImage| image.platform("windows/amd64");
    let foreign = || windows(TestImage::new().layer([file("Files/os", "1")]).foreign("https://ms.example/os"));
    let old = foreign().layer([file("Files/lib", "1")]).tag("ex.org/win:1");
    let new = old.clone().untagged().layer([file("Files/app", "2")]).tag("ex.org/win:2");
    let shelf = Shelf::with_increment(&Shape::Oci.save_one(&old), &Shape::Oci.save_one(&new));
    let up = shelf.archive("up.tar");
    assert!(!up.has(&blob_path(&new.layer_digests()[1])), "the layer above the foreign one is left out");
    assert!(up.has(&blob_path(&new.layer_digests()[0])), "M-8: the foreign one is as it was");
    assert!(shelf.converted("up.tar --with old.tar --to oci") == shelf.converted("new.tar --to oci"));
}
