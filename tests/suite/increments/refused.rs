//! What is missing, cannot be left out, or only looks like an increment.

use serde_json::json;

use super::{Shelf, absent, new, old};
use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::file;
use crate::support::layout::{Types, blob_path, dir_layout};
use crate::support::run::Outcome;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Member, Tarball};

#[test]
fn what_is_still_missing_is_named_with_the_image_that_has_it() {
    let shelf = Shelf::with_increment(&Shape::Docker20.save_one(&old()), &Shape::Oci.save_one(&new()));
    let titles: Vec<String> =
        new().diff_ids().iter().enumerate().map(|(nth, id)| format!("layer {nth} ({})", &id[7..19])).collect();
    let lines = [
        "convert up.tar --to oci -o out",
        "convert up.tar --to docker -o out",
        "convert up.tar --with new.tar --to oci -o out",
        "convert new.tar up.tar --no-tags --to legacy -o out",
        "edit up.tar --to oci --label a=b -o out",
        "edit new.tar --to oci --rebase old.tar=up.tar -o out",
        "convert up.tar --to rootfs -o out",
        "ls up.tar",
        "cat up.tar app",
        "history up.tar",
        "diff up.tar new.tar --image-b ex.org/app:2 --only files",
    ];
    for line in lines {
        // What new.tar stores is in other bytes than what old.tar does.
        let outcome = shelf.imgtar(line).run();
        assert_eq!(outcome.code, if line.contains("--only files") { 0 } else { 3 }, "{outcome}");
        if outcome.code == 3 {
            outcome.says(["up.tar", &titles[0], &titles[1], "ex.org/app:1 has", "--with"]).never_says([&titles[2]]);
        }
    }
    assert_eq!(shelf.0.names(), ["new.tar", "old.tar", "up.tar"]);
    // What the message says helps every command that says it.
    for line in lines.iter().filter(|line| !line.contains("rebase") && !line.contains("new.tar")) {
        shelf.imgtar(&format!("{line} --with old.tar")).success();
        let _ = std::fs::remove_file(shelf.0.path("out"));
    }
    let top = shelf.imgtar("ls --layer 2 up.tar").success();
    assert_eq!(top.text(), "app\n");
    shelf.imgtar("ls --layer 1 up.tar").exits(3).says(["its base has", "--with"]);
}

#[test]
fn a_base_is_refused_where_all_layers_must_be_there_or_nothing_is_shared() {
    let shelf = Shelf::of([
        ("old.tar", Shape::Oci.save_one(&old())),
        ("new.tar", Shape::Oci.save_one(&new())),
        ("other.tar", Shape::Oci.save_one(&TestImage::demo("x:1"))),
        ("none.tar", Tarball::default()),
    ]);
    for target in ["legacy", "docker", "rootfs"] {
        let refused = shelf.convert(&format!("new.tar --base old.tar --to {target} -o out")).exits(4);
        refused.says(["leave out what a base has"]);
    }
    shelf.convert("new.tar --base none.tar --to oci -o out").exits(3).says(["none.tar"]);
    shelf.convert("new.tar --base missing.tar --to oci -o out").exits(5).says(["missing.tar"]);
    let whole = shelf.convert("new.tar --base other.tar --to oci").success();
    assert!(whole.stdout == shelf.converted("new.tar --to oci"));
    whole.says(["warning: other.tar: it has no lowest layer"]);
    shelf.convert("new.tar --base other.tar --base old.tar --strict --to oci -o out").exits(4).says(["other.tar"]);
    assert_eq!(shelf.0.names(), ["new.tar", "none.tar", "old.tar", "other.tar"]);
}

/// `up.tar` with one of its members made another.
fn altered(shelf: &Shelf, alter: impl Fn(&mut Tarball)) -> Outcome {
    let mut up = Tarball { members: shelf.archive("up.tar").members };
    alter(&mut up);
    shelf.0.write("altered.tar", up.bytes());
    shelf.imgtar("verify altered.tar").run()
}

#[test]
fn only_a_link_that_leads_to_nothing_stands_for_a_layer() {
    let shelf = Shelf::with_increment(&Shape::Oci.save_one(&old()), &Shape::Oci.save_one(&new()));
    let first = absent(&new().diff_ids()[0]);
    let retarget =
        |target: &str| altered(&shelf, |up| *up = up.clone().replacing(&first, Kind::Symlink(target.to_owned())));
    assert_eq!(retarget("load first: \u{1b}[2J\u{202e}").code, 0, "its text is only a text");
    let said = shelf.imgtar("inspect altered.tar").success().text();
    assert!(said.contains("\\u{1b}") && !said.contains('\u{1b}'), "{said}");
    assert_eq!(retarget("../../etc/passwd").code, 0, "it is not followed");
    assert_eq!(altered(&shelf, |up| *up = up.clone().without(&first)).code, 1, "a layer without its link");
    let bytes = altered(&shelf, |up| *up = up.clone().replacing(&first, Kind::File(b"no layer".to_vec())));
    assert_eq!(bytes.code, 1, "{bytes}");
    let elsewhere = altered(&shelf, |up| {
        *up = up.clone().editing("manifest.json", |items| items[0]["Layers"][0] = json!("absent/x"));
        up.members.push(Member { name: "absent/x".into(), kind: Kind::Symlink("nothing".into()) });
    });
    assert_eq!(elsewhere.code, 1, "another name is not the layer's\n{elsewhere}");
    let damaged = altered(&shelf, |up| *up = up.clone().without(&blob_path(&new().layer_digests()[2])));
    assert_eq!(damaged.code, 1, "a layer that should be there\n{damaged}");
}

#[test]
fn a_layer_that_both_halves_lack_is_taken_from_the_archive_with_it() {
    let whole = Shape::Containerd.save_one(&new());
    let lacking = |nth: usize| {
        let blob = blob_path(&new().layer_digests()[nth]);
        let mut tarball = whole.clone();
        tarball.members.retain(|member| member.name != blob);
        tarball
    };
    for nth in 0..3 {
        let shelf = Shelf::of([("miss.tar", lacking(nth)), ("whole.tar", whole.clone())]);
        let expected = shelf.converted("whole.tar --to oci");
        shelf.convert("miss.tar --to oci").exits(3).says(["miss.tar", &new().layer_digests()[nth][7..]]);
        for prefer in ["", " --prefer oci"] {
            let back = shelf.converted(&format!("miss.tar --with whole.tar --to oci{prefer}"));
            assert!(back == expected, "layer {nth}{prefer}");
        }
        let ours = shelf.converted("whole.tar --to oci --prefer docker");
        assert!(shelf.converted("miss.tar --with whole.tar --to oci --prefer docker") == ours, "layer {nth}");
    }
    // A directory of skopeo's lacks one, and the archive that has it is read first or last, for its digests or by its names.
    let dir = dir_layout(&new(), Types::Oci, "");
    for archive in [dir.clone(), Shape::Oci.save_one(&new()), Shape::Crane.save_one(&new())] {
        let blob = &new().layer_digests()[1][7..];
        let shelf =
            Shelf::of([("miss.tar", dir.clone().without(blob)), ("whole.tar", archive), ("dir.tar", dir.clone())]);
        let expected = shelf.converted("dir.tar --tag ex.org/app:2 --to oci");
        shelf.convert("miss.tar --tag ex.org/app:2 --to oci -o out").exits(3).says([blob]);
        assert!(shelf.converted("miss.tar --with whole.tar --tag ex.org/app:2 --to oci") == expected);
        let other = Shape::Docker20.save_one(&TestImage::demo("x:1"));
        let shelf =
            Shelf::of([("miss.tar", dir.clone().without(blob)), ("other.tar", other), ("dir.tar", dir.clone())]);
        let both = shelf.converted("other.tar dir.tar --to oci");
        assert!(shelf.converted("other.tar miss.tar --with dir.tar --to oci") == both);
    }
    // Bytes that are not those of the name are refused wherever they come from.
    let mut false_ = whole.clone();
    let blob = blob_path(&new().layer_digests()[1]);
    let member = false_.members.iter_mut().find(|member| member.name == blob).unwrap();
    let Kind::File(bytes) = &mut member.kind else { panic!("a layer") };
    *bytes.last_mut().unwrap() ^= 1;
    let shelf = Shelf::of([("miss.tar", lacking(1)), ("false.tar", false_)]);
    for prefer in ["oci", "docker"] {
        let refused = shelf.convert(&format!("miss.tar --with false.tar --to oci -o out --prefer {prefer}")).exits(3);
        refused.says(["false.tar"]);
    }
}

#[test]
fn where_only_manifest_json_has_all_it_is_named_as_the_way_out() {
    // The layout's blobs are compressed, the layers of the other list are plain files of their own.
    let mut miss = Shape::Containerd.save_one(&new().all_stored(Codec::Gzip));
    let blobs: Vec<String> =
        new().all_stored(Codec::Gzip).layer_digests().iter().map(|digest| blob_path(digest)).collect();
    let compressed = miss.clone();
    miss.members.retain(|member| member.name != blobs[1] && member.name != "manifest.json");
    let plain = Shape::Docker20.save_one(&new());
    miss.members.extend(plain.members.iter().filter(|member| member.name != "repositories").cloned());
    let shelf = Shelf::of([("miss.tar", miss), ("plain.tar", plain), ("gzip.tar", compressed)]);
    let says = ["ex.org/app:2", "blobs of it that are not in the archive", "--with", "--prefer docker"];
    shelf.convert("miss.tar --to oci -o out").exits(3).says(says).never_says(["does not know"]);
    shelf.convert("miss.tar --with plain.tar --to oci -o out").exits(3).says(says);
    assert!(shelf.converted("miss.tar --prefer docker --to oci") == shelf.converted("plain.tar --to oci"));
    assert!(shelf.converted("miss.tar --with gzip.tar --to oci") == shelf.converted("gzip.tar --to oci"));
}

#[test]
fn an_increment_is_whole_again_by_either_half() {
    for codec in [Codec::Gzip, Codec::Plain] {
        let [old, new] = [old(), new()].map(|image| Shape::Oci.save_one(&image.all_stored(codec)));
        let shelf = Shelf::with_increment(&old, &new);
        let whole = shelf.converted("new.tar --to docker");
        for prefer in ["oci", "docker"] {
            assert!(
                shelf.converted(&format!("up.tar --with old.tar --to docker --prefer {prefer}")) == whole,
                "{prefer}"
            );
            shelf
                .convert(&format!("up.tar --to oci -o out --prefer {prefer}"))
                .exits(3)
                .says(["ex.org/app:1 has", "--with"]);
        }
    }
}

#[test]
fn which_bases_must_be_loaded_themselves_is_noted_once() {
    let [one, two] =
        ["one", "two"].map(|name| TestImage::new().layer([file("base", name)]).tag(&format!("ex.org/{name}:1")));
    let above = |base: &TestImage, name: &str| {
        base.clone().untagged().layer([file("app", name)]).tag(&format!("ex.org/{name}:2"))
    };
    let images = [above(&one, "one"), above(&two, "two"), above(&one, "more")];
    let shelf = Shelf::of([
        ("one.tar", Shape::Docker20.save_one(&one)),
        ("two.tar", Shape::Docker20.save_one(&two)),
        ("new.tar", Shape::Oci.save(&images)),
    ]);
    for output in ["up.tar", "up-{name}.tar --split"] {
        let run = shelf.convert(&format!("new.tar --base one.tar --base two.tar --to oci -o {output}")).success();
        let run = run.says(["note: one.tar, two.tar: load exactly these archives first"]);
        assert_eq!(run.stderr.matches("cannot be saved or pushed").count(), 1, "B-4: {}", run.stderr);
    }
}
