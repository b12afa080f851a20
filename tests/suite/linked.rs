//! A path leads through symbolic links in every command alike: `ls`, `ls --layers`, `cat`, `rootfs --only`.

use crate::support::image::TestImage;
use crate::support::layer::{Item, dir, file, layer_tar, symlink, whiteout};
use crate::support::rootfs::Rootfs;
use crate::support::run::{Outcome, imgtar};
use crate::support::shape::Shape;

/// `bin` is a link that the second layer turns elsewhere; the third deletes what it led to first.
fn archive() -> Vec<u8> {
    let layers: [Vec<Item>; 3] = [
        vec![
            dir("usr"),
            dir("usr/bin"),
            file("usr/bin/sh", "1"),
            symlink("bin", "usr/bin"),
            symlink("gone", "no/where"),
        ],
        vec![dir("opt"), file("opt/sh", "2"), symlink("bin", "opt")],
        vec![file("opt/sh", "3"), whiteout("usr/bin")],
    ];
    let image = TestImage::new().tag("app:1");
    let image = layers.into_iter().fold(image, |image, layer| image.layer_bytes(layer_tar(layer)));
    Shape::Crane.save_one(&image).bytes()
}

fn run(args: &[&str]) -> Outcome {
    imgtar(args).args(["-q"]).stdin(archive()).run()
}

/// Layers, verbs and paths.
fn changes(path: &str) -> Vec<String> {
    let told = run(&["ls", "--layers", "-", path]);
    assert_eq!(told.code, 0, "{told}");
    let words = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        [words[1], words[3], words[4]].join(" ")
    };
    told.text().lines().map(words).collect()
}

#[test]
fn the_layers_of_a_path_are_those_in_which_it_can_be_read() {
    assert_eq!(
        changes("bin/sh"),
        ["0 adds usr/bin/sh", "1 adds opt/sh", "2 changes opt/sh", "2 deletes usr/bin/sh"],
        "wherever the link led"
    );
    for (layer, text) in [("0", "1"), ("1", "2"), ("2", "3")] {
        assert_eq!(run(&["cat", "--layer", layer, "-", "bin/sh"]).text(), text);
    }
    assert_eq!(run(&["ls", "-", "bin/sh"]).text(), "opt/sh\n");
    assert!(changes("/bin/").contains(&"1 changes bin".to_owned()), "a link to a directory is one of its places");
    assert_eq!(changes("gone"), ["0 adds gone"], "a link that leads nowhere is listed itself");
    assert_eq!(run(&["ls", "--layers", "-", "bin/none"]).code, 4);
}

#[test]
fn what_a_dangling_link_leads_to_is_said() {
    for path in ["gone", "/gone", "gone/"] {
        let told = run(&["cat", "-", path]);
        assert_eq!(told.code, 4, "{told}");
        told.says(["`gone` is a symbolic link to `no/where`, which does not exist"]).never_says(["did you mean"]);
    }
    run(&["cat", "-", "gon"]).says(["did you mean `gone`?"]);
    run(&["cat", "-", "gone/x"]).says(["nothing is called `no`"]);
}

#[test]
fn a_part_of_the_filesystem_keeps_the_links_that_lead_to_it() {
    let paths = |only: &str| {
        let part = run(&["convert", "--to", "rootfs", "--only", only]);
        assert_eq!(part.code, 0, "{part}");
        Rootfs::written(&part.stdout).paths()
    };
    assert_eq!(paths("bin/sh"), ["bin", "opt/", "opt/sh"]);
    assert_eq!(paths("bin"), ["bin", "opt/", "opt/sh"]);
    assert_eq!(paths("opt/sh"), ["opt/", "opt/sh"]);
    assert_eq!(paths("gone"), ["gone"]);
}
