//! Layers that no rule of docs/formats.md section 7 gives a meaning: exit 3, the layer and the entry named, no output.

use crate::support::expect::assert_unsound;
use crate::support::image::TestImage;
use crate::support::layer::{Item, device, dir, extension, file, hardlink, layer_tar, pax_body, symlink, whiteout};
use crate::support::run::{Outcome, imgtar};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

/// Converts and wants a failure that leaves nothing behind.
#[track_caller]
fn refuse(image: &TestImage, flags: &[&str], code: i32) -> Outcome {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", Shape::Oci.save_one(image).bytes());
    let run = imgtar(["convert", "--to", "rootfs", "-o"]).arg(scratch.path("out.tar")).arg(&input).args(flags);
    let outcome = run.exits(code);
    assert_eq!(scratch.names(), ["in.tar"], "a failed run leaves no file\n{outcome}");
    if code == 3 {
        assert_unsound(&input, flags.contains(&"--strict"));
    }
    outcome
}

/// This entry on a harmless layer is refused; the message names the second layer by its digest, and says all of `words`.
#[track_caller]
fn refused<const N: usize>(items: impl IntoIterator<Item = Item>, words: [&str; N]) {
    let image = TestImage::new().layer([dir("d"), file("d/x", "x")]).layer_bytes(layer_tar(items));
    let layer = image.layer_digests()[1].replacen(':', "/", 1);
    refuse(&image, &[], 3).says([&layer]).says(words);
}

#[test]
fn r_3_h_23_whiteouts_of_nothing() {
    for name in [".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh..."] {
        refused([file(name, "")], [&*format!("`{name}`"), "whiteout names no file"]);
    }
}

#[test]
fn r_4_names_that_climb_or_are_empty() {
    for name in ["../x", "d/../../x", "/../x", ".."] {
        refused([file(name, "")], [&*format!("`{name}`"), "climbs"]);
    }
    refused([file("", "")], ["the entry for the root is not a directory"]);
    refused([whiteout("../x")], ["`../.wh.x`", "climbs"]);
}

#[test]
fn r_5_h_23_whiteouts_in_the_middle_of_a_path() {
    refused([file(".wh.d/x", "")], ["`.wh.d/x`", "whiteout"]);
    refused([file("d/.wh.d/.wh.x", "")], ["`d/.wh.d/.wh.x`"]);
    refused([symlink("l", ".wh.d"), file("l/x", "")], ["`l/x`", "whiteout"]);
}

#[test]
fn r_6_loops_of_links() {
    refused([symlink("a", "b"), symlink("b", "a"), file("a/x", "")], ["`a/x`", "more than 40 symbolic links"]);
}

#[test]
fn r_12_hard_links_to_what_is_not_there() {
    let at = |target: &str| format!("`l`: hard link to `{target}`");
    refused([hardlink("l", "no")], [&*at("no"), "nothing is there"]);
    refused([hardlink("l", "later"), file("later", "")], [&*at("later")]);
    refused([hardlink("l", "l")], [&*at("l"), "the link itself"]);
    refused([hardlink("l", "d")], [&*at("d"), "directory"]);
    refused([hardlink("l", "../d/x")], [&*at("../d/x"), "climbs"]);
    refused([hardlink("l", "")], ["`l`"]);
}

#[test]
fn r_13_types_that_are_no_files() {
    for kind in *b"VMDNA?" {
        refused([file("odd", "").kind(kind)], ["`odd`"]);
    }
}

#[test]
fn r_18_a_root_that_is_no_directory() {
    for root in [symlink(".", "d"), file("./", "").kind(b'0'), hardlink("/", "d/x"), device("d/..", b'3', (1, 3))] {
        refused([root], ["root is not a directory"]);
    }
}

#[test]
fn r_19_records_that_cannot_be() {
    refused([file("a", "").pax("path", "a\0b")], ["path", "NUL"]);
    refused([file("a", "").pax("size", "-1")], ["size"]);
    refused([file("a", "").pax("mtime", "today")], ["mtime"]);
    for key in ["path", "linkpath", "size", "GNU.sparse.major"] {
        let global = extension(b'g', &pax_body(&[(key, "1")]));
        refused([file("a", "").after(global)], ["global PAX header", key]);
    }
}

#[test]
fn r_20_sparse_maps_that_lie() {
    let sparse = |map: &str| {
        file("GNUSparseFile.0/a", "12")
            .pax("GNU.sparse.size", "9")
            .pax("GNU.sparse.map", map)
            .pax("GNU.sparse.name", "a")
    };
    for (map, word) in [("0,1", "`a`"), ("0,3", "`a`"), ("8,2", "`a`"), ("4,1,0,1", "offset 0"), ("x,2", "offset 0")] {
        refused([sparse(map)], [word]);
    }
}

#[test]
fn r_23_symbolic_links_to_nothing() {
    refused([symlink("d/l", "")], ["`d/l`: a symbolic link without a target"]);
}

#[test]
fn h_11_numbers_out_of_range() {
    refused([file("a", "").pax("uid", "4294967296")], ["`a`", "uid"]);
    refused([device("a", b'3', (0, 0)).pax("SCHILY.devmajor", "4294967296")], ["`a`", "device"]);
}

#[test]
fn h_18_damage_within_a_layer() {
    let whole = layer_tar([file("a", "a".repeat(600)), file("b", "b")]);
    let cut = |at: usize| TestImage::new().layer_bytes(&whole[..at]);
    refuse(&cut(700), &[], 3).says(["truncated"]);
    refuse(&cut(512 * 3 + 100), &[], 3).says(["truncated"]);
    let mut bad = whole.clone();
    bad[512 * 3] ^= 1;
    refuse(&TestImage::new().layer_bytes(bad), &[], 3).says(["bad checksum at offset 1536"]);
}

#[test]
fn what_a_layer_says_is_too_much_is_a_limit() {
    let deep = file("d/".repeat(2000) + "x", "");
    let image = TestImage::new().layer_bytes(layer_tar([deep]));
    refuse(&image, &["--max-size", "1M"], 6).says(["headers of the root filesystem", "--max-size"]);
    let sparse = file("GNUSparseFile.0/a", "")
        .pax("GNU.sparse.size", "1000000000000")
        .pax("GNU.sparse.map", "")
        .pax("GNU.sparse.name", "a");
    refuse(&TestImage::new().layer_bytes(layer_tar([sparse])), &["--max-size", "10M"], 6).says(["--max-size"]);
    refuse(&TestImage::new().layer([file("a", ""), file("b", "")]), &["--max-entries", "5"], 6).says(["--max-entries"]);
}
