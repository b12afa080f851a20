//! Layers on top (E-37, E-38).

use std::fs;

use serde_json::Value;

use crate::support::codec::Codec;
use crate::support::digest;
use crate::support::expect::{Target, edit, refuse_edit};
use crate::support::layer::{dir, file, hardlink, layer_tar, symlink, whiteout};
use crate::support::rootfs::entries;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

use super::stacked;

pub(super) fn merged_usr() -> crate::support::image::TestImage {
    stacked(&[vec![
        dir("usr").mode(0o2775).mtime(5),
        dir("usr/lib").mode(0o711),
        symlink("lib", "usr/lib"),
        file("etc/passwd", "1"),
    ]])
}

#[test]
fn a01_a_path_through_a_link_stands_where_it_leads() {
    let scratch = Scratch::new();
    let source = scratch.write("f", "added");
    let add = format!("{}:lib/foo:4755:3:4", source.display());
    let written = edit(&Shape::Oci.save_one(&merged_usr()), Target::Oci, &["--add", &add]);
    let nodes = entries(written.images[0].layers[1].plain.as_ref().unwrap());
    let found: Vec<_> =
        nodes.iter().map(|node| (String::from_utf8_lossy(&node.path).into_owned(), node.mode)).collect();
    assert_eq!(
        found,
        [("usr/".to_owned(), 0o2775), ("usr/lib/".to_owned(), 0o711), ("usr/lib/foo".to_owned(), 0o4755)]
    );
    assert_eq!(
        (nodes[2].owner, &*nodes[2].mtime, &nodes[2].body[..], &*nodes[0].mtime),
        ((3, 4), "0", &b"added"[..], "5")
    );
    let config: Value = serde_json::from_slice(&written.images[0].config).unwrap();
    assert_eq!(config["history"][1]["created_by"], "imgtar edit --add");
    assert_eq!(config["history"][1]["created"], "1970-01-01T00:00:00Z");
}

#[test]
fn a02_missing_directories_are_made_and_listed() {
    let scratch = Scratch::new();
    let source = scratch.write("f", "added");
    let written =
        edit(&Shape::Oci.save_one(&merged_usr()), Target::Oci, &["--add", &format!("{}:opt/a/b/", source.display())]);
    let nodes = entries(written.images[0].layers[1].plain.as_ref().unwrap());
    let found: Vec<_> = nodes.iter().map(|node| String::from_utf8_lossy(&node.path).into_owned()).collect();
    assert_eq!(found, ["opt/", "opt/a/", "opt/a/b/", "opt/a/b/f"]);
    assert!(nodes[..3].iter().all(|node| node.mode == 0o755 && node.owner == (0, 0)));
}

#[cfg(unix)]
#[test]
fn a_directory_is_added_with_all_in_it_and_later_files_win() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("conf/sub")).unwrap();
    scratch.write("conf/b", "b");
    scratch.write("conf/a", "a");
    scratch.write("conf/sub/c", "c");
    std::os::unix::fs::symlink("../a", scratch.path("conf/sub/l")).unwrap();
    let other = scratch.write("other", "other");
    let (tree, file) = (format!("{}:etc", scratch.path("conf").display()), format!("{}:etc/conf/a", other.display()));
    let written = edit(&Shape::Oci.save_one(&merged_usr()), Target::Oci, &["--add", &tree, "--add", &file]);
    let nodes = entries(written.images[0].layers[1].plain.as_ref().unwrap());
    let found: Vec<_> = nodes.iter().map(|node| String::from_utf8_lossy(&node.path).into_owned()).collect();
    assert_eq!(
        found,
        ["etc/", "etc/conf/", "etc/conf/a", "etc/conf/b", "etc/conf/sub/", "etc/conf/sub/c", "etc/conf/sub/l"]
    );
    assert_eq!((&nodes[2].body[..], &nodes[6].link[..]), (&b"other"[..], &b"../a"[..]));
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_longer_than_its_metadata_say_is_refused() {
    let flags = ["--add", "/proc/self/status:srv/f"];
    refuse_edit(&Shape::Oci.save_one(&merged_usr()), Target::Oci, &flags, 5).says(["/proc/self/status", "changed"]);
}

#[test]
fn what_would_delete_a_tree_or_is_nowhere_is_refused() {
    let scratch = Scratch::new();
    let source = scratch.write("usr", "added");
    fs::create_dir(scratch.path("passwd")).unwrap();
    let image = Shape::Oci.save_one(&merged_usr());
    let refuse = |source: &std::path::Path, destination: &str, code| {
        refuse_edit(&image, Target::Oci, &["--add", &format!("{}:{destination}", source.display())], code)
    };
    refuse(&source, "/", 4).says(["`usr`", "directory"]);
    refuse(&scratch.path("passwd"), "etc/", 4).says(["`etc/passwd`"]);
    refuse(&source, "etc/passwd/x", 4).says(["`etc/passwd`"]);
    refuse(&scratch.path("absent"), "x", 5).says(["absent"]);
    refuse(&source, "../x", 2);
    fs::create_dir(scratch.path("below")).unwrap();
    fs::write(scratch.path("below/.wh.passwd"), "").unwrap();
    refuse(&source, "etc/.wh.passwd", 4).says(["`etc/.wh.passwd`", "whiteout"]);
    refuse(&source, "etc/.wh..wh..opq", 4).says(["whiteout"]);
    refuse(&source, ".wh.new/x", 4).says(["whiteout"]);
    refuse(&scratch.path("below"), "etc", 4).says(["whiteout"]);
}

#[test]
fn additions_that_contradict_each_other_are_refused_in_any_order() {
    let scratch = Scratch::new();
    let source = scratch.write("f", "added");
    fs::create_dir(scratch.path("d")).unwrap();
    let image = Shape::Oci.save_one(&merged_usr());
    let spec = |name: &str, destination: &str| format!("{}:{destination}", scratch.path(name).display());
    let (file, other, below) = (spec("f", "x"), spec("f", "x-"), spec("f", "x/y/z"));
    for flags in [["--add", &file, "--add", &below], ["--add", &below, "--add", &file]] {
        refuse_edit(&image, Target::Oci, &flags, 4).says(["`x", "a file and a directory"]);
    }
    edit(&image, Target::Oci, &["--add", &below, "--add", &other, "--add", &spec("d", "x")]);
    let long = |name: &str| format!("{}:{name}", source.display());
    for name in ["n".repeat(256), vec!["n".repeat(200); 21].join("/")] {
        refuse_edit(&image, Target::Oci, &["--add", &long(&name)], 4).says(["no system takes more than"]);
    }
    edit(&image, Target::Oci, &["--add", &long(&"n".repeat(255))]);
    let deep = stacked(&[vec![crate::support::layer::file("d/".repeat(2_100) + "f", "")]]);
    refuse_edit(&Shape::Oci.save_one(&deep), Target::Oci, &["--add", &file], 3).says(["no system takes more than"]);
}

#[test]
fn e_38_a_layer_is_added_as_it_is() {
    let scratch = Scratch::new();
    let tar = layer_tar([dir("etc"), file("etc/new", "1"), whiteout("etc/passwd")]);
    for codec in [Codec::Plain, Codec::Gzip, Codec::Zstd] {
        let path = scratch.write("layer", codec.encode(&tar));
        let written = edit(&Shape::Oci.save_one(&merged_usr()), Target::Oci, &["--add-layer", path.to_str().unwrap()]);
        assert_eq!(written.images[0].layers[1].diff_id, digest(&tar));
        assert_eq!(written.images[0].layers[1].codec, codec);
        written.outcome.never_says(["overlay", "engines"]);
    }
}

#[test]
fn e_38_what_overlay_filesystems_fail_on_is_warned_about() {
    let scratch = Scratch::new();
    for (items, says) in [
        (vec![hardlink("c", "etc/passwd")], "E-6"),
        (vec![file("etc/n", "1")], "a directory above it is not listed"),
        (vec![whiteout("no/x")], "a name that is not there"),
        (vec![dir("etc"), whiteout("etc/passwd"), file("etc/passwd", "2")], "a whiteout of it is in the same layer"),
    ] {
        let path = scratch.write("layer", layer_tar(items));
        let flags = ["--add-layer", path.to_str().unwrap()];
        let written = edit(&Shape::Oci.save_one(&merged_usr()), Target::Oci, &flags);
        let says = if says == "E-6" { "a hard link to a file of a lower layer" } else { says };
        written.outcome.says(["warning", says]);
        refuse_edit(&Shape::Oci.save_one(&merged_usr()), Target::Oci, &["--strict", flags[0], flags[1]], 3);
    }
    let path = scratch.write("layer", layer_tar([hardlink("c", "nowhere")]));
    refuse_edit(&Shape::Oci.save_one(&merged_usr()), Target::Oci, &["--add-layer", path.to_str().unwrap()], 3);
}

#[test]
fn f06_f07_a_link_without_all_metadata_is_warned_about_and_squashing_mends_it() {
    let scratch = Scratch::new();
    let a = || file("a", "1").mode(0o4755).owner(7, 7).xattr("security.capability", "c");
    let full = hardlink("b", "a").mode(0o4755).owner(7, 7).xattr("security.capability", "c");
    let says = "a hard link whose header has other metadata than its file";
    for (link, is_warned) in
        [(hardlink("b", "a"), true), (hardlink("b", "a").mode(0o4755).owner(7, 7), true), (full, false)]
    {
        let path = scratch.write("layer", layer_tar([a(), link]));
        let flags = ["--add-layer", path.to_str().unwrap()];
        let outcome = edit(&Shape::Oci.save_one(&merged_usr()), Target::Oci, &flags).outcome;
        if is_warned {
            outcome.says(["warning", "`b`", says])
        } else {
            outcome.never_says([says])
        };
    }
    let image = stacked(&[vec![a(), hardlink("b", "a")], vec![file("z", "")]]);
    let squashed = edit(&Shape::Oci.save_one(&image), Target::Oci, &["--squash"]);
    let nodes = entries(squashed.images[0].layers[0].plain.as_ref().unwrap());
    assert_eq!(
        (nodes[1].kind, nodes[1].mode, nodes[1].owner, &nodes[1].records),
        (b'1', 0o4755, (7, 7), &nodes[0].records)
    );
}

#[test]
fn what_was_added_and_removed_again_leaves_the_tree() {
    let scratch = Scratch::new();
    let source = scratch.write("f", "added");
    let image = merged_usr();
    let added = edit(&Shape::Oci.save_one(&image), Target::Oci, &["--add", &format!("{}:lib/foo", source.display())]);
    let path = scratch.write("added.tar", &added.bytes);
    let run = crate::support::run::imgtar(["edit", "--remove", "lib/foo", "--to", "oci"]).arg(path);
    let removed = run.success().stdout;
    let rootfs =
        |bytes: Vec<u8>| crate::support::run::imgtar(["convert", "--to", "rootfs"]).stdin(bytes).success().stdout;
    assert!(rootfs(removed) == rootfs(Shape::Oci.save_one(&image).bytes()));
}
