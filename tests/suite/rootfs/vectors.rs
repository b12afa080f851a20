//! The table of docs/formats.md 7.4: names, contents, and what was replaced is gone.

use crate::support::image::TestImage;
use crate::support::layer::{Item, dir, file, hardlink, layer_tar, opaque, symlink, unended_tar, whiteout};
use crate::support::rootfs::Rootfs;
use crate::support::run::imgtar;
use crate::support::shape::Shape;

/// The base layer of the table; its directories can be told from those of layers above.
fn b() -> TestImage {
    TestImage::new().layer([
        dir("d").mtime(5),
        file("d/x", "x"),
        dir("d/s").mtime(6),
        file("d/s/y", "y"),
        file("f", "f"),
    ])
}

const D: [&str; 4] = ["d/ 0755 0:0 5", "d/s/ 0755 0:0 6", "d/s/y 0644 0:0 0 y", "d/x 0644 0:0 0 x"];
const F: &str = "f 0644 0:0 0 f";

fn usr_merge(target: &str) -> TestImage {
    TestImage::new().layer([dir("usr"), dir("usr/lib"), file("usr/lib/old", "old"), symlink("lib", target)])
}

#[track_caller]
fn gives(image: &TestImage, expected: &[&str]) {
    assert_eq!(Rootfs::of(image).listing(), expected);
}

/// B and a layer of these on it.
#[track_caller]
fn on_b<const N: usize>(items: [Item; N], expected: &[&str]) {
    gives(&b().layer(items), expected);
}

fn d_and(rest: &'static str) -> Vec<&'static str> {
    [&D[..], &[rest]].concat()
}

#[test]
fn v_1_a_whiteout_before_the_file_of_its_layer() {
    on_b([whiteout("f"), file("f", "new")], &d_and("f 0644 0:0 0 new"));
}

#[test]
fn v_2_a_whiteout_behind_the_file_of_its_layer() {
    on_b([file("f", "new"), whiteout("f")], &d_and("f 0644 0:0 0 new"));
}

#[test]
fn v_3_a_whiteout_of_a_directory() {
    on_b([whiteout("d")], &[F]);
}

#[test]
fn v_4_a_directory_removed_and_made_again() {
    on_b([whiteout("d"), dir("d"), file("d/n", "n")], &["d/ 0755 0:0 0", "d/n 0644 0:0 0 n", F]);
}

#[test]
fn v_5_a_directory_made_again_and_removed_behind() {
    on_b([dir("d"), file("d/n", "n"), whiteout("d")], &["d/ 0755 0:0 0", "d/n 0644 0:0 0 n", F]);
}

#[test]
fn v_6_a_directory_removed_and_implied_again() {
    on_b([whiteout("d"), file("d/n", "n")], &["d/ 0755 0:0 0", "d/n 0644 0:0 0 n", F]);
}

#[test]
fn v_7_an_opaque_marker_at_the_end_of_its_layer() {
    let expected = ["d/ 0755 0:0 0", "d/s/ 0755 0:0 0", "d/s/z 0644 0:0 0 z", F];
    on_b([dir("d"), file("d/s/z", "z"), opaque("d")], &expected);
    on_b([opaque("d"), dir("d"), file("d/s/z", "z")], &expected);
}

#[test]
fn v_8_an_opaque_root() {
    on_b([opaque("."), file("n", "n")], &["n 0644 0:0 0 n"]);
    on_b([file("n", "n"), file(".wh..wh..opq", "")], &["n 0644 0:0 0 n"]);
}

#[test]
fn v_9_a_file_or_a_link_over_a_directory() {
    on_b([file("d", "file")], &["d 0644 0:0 0 file", F]);
    on_b([symlink("d", "f")], &["d -> f", F]);
}

#[test]
fn v_10_a_directory_over_a_file() {
    on_b([dir("f").mode(0o700), file("f/k", "k")], &[&D[..], &["f/ 0700 0:0 0", "f/k 0644 0:0 0 k"]].concat());
}

#[test]
fn v_11_an_implied_directory_over_a_file() {
    on_b([file("f/k", "k")], &[&D[..], &["f/ 0755 0:0 0", "f/k 0644 0:0 0 k"]].concat());
}

#[test]
fn v_12_a_directory_that_was_a_link_in_between() {
    let image = b().layer([symlink("d", "s2")]).layer([dir("d"), file("d/q", "q")]);
    gives(&image, &["d/ 0755 0:0 0", "d/q 0644 0:0 0 q", F]);
}

#[test]
fn v_13_an_entry_below_a_link_to_a_directory() {
    for target in ["usr/lib", "/usr/lib"] {
        let link = format!("lib -> {target}");
        let expected = [
            &link,
            "usr/ 0755 0:0 0",
            "usr/lib/ 0755 0:0 0",
            "usr/lib/foo 0644 0:0 0 foo",
            "usr/lib/old 0644 0:0 0 old",
        ];
        gives(&usr_merge(target).layer([file("lib/foo", "foo")]), &expected);
    }
}

#[test]
fn r_8_what_goes_through_a_link_is_warned_of() {
    let image = usr_merge("usr/lib").layer([file("lib/foo", "foo")]);
    let run = || imgtar(["convert", "--to", "rootfs"]).stdin(Shape::Oci.save_one(&image).bytes());
    run().success().says(["warning", "`lib` is a symbolic link of a lower layer"]);
    run().arg("--strict").exits(3).says(["`lib`", "--strict"]);
}

#[test]
fn v_14_a_whiteout_below_a_link_to_a_directory() {
    let image = usr_merge("usr/lib").layer([whiteout("lib/old")]);
    gives(&image, &["lib -> usr/lib", "usr/ 0755 0:0 0", "usr/lib/ 0755 0:0 0"]);
}

#[test]
fn v_15_a_link_that_climbs_out_of_the_root() {
    let target = "../../../../../x/y";
    let image = TestImage::new().layer([symlink("esc", target)]).layer([file("esc/foo", "foo")]);
    let link = format!("esc -> {target}");
    gives(&image, &[&link, "x/ 0755 0:0 0", "x/y/ 0755 0:0 0", "x/y/foo 0644 0:0 0 foo"]);
}

#[test]
fn v_16_the_target_of_a_hard_link_is_replaced() {
    let image = TestImage::new().layer([file("a", "old"), hardlink("b", "a")]).layer([file("a", "new")]);
    gives(&image, &["a 0644 0:0 0 new", "b 0644 0:0 0 old"]);
}

#[test]
fn v_17_the_target_of_a_hard_link_is_removed() {
    let base = TestImage::new().layer([file("a", "old"), hardlink("b", "a"), hardlink("c", "./a")]);
    gives(&base.clone().layer([whiteout("a")]), &["b 0644 0:0 0 old", "c = b"]);
    gives(&base.layer([whiteout("a"), whiteout("c")]), &["b 0644 0:0 0 old"]);
}

#[test]
fn v_18_a_hard_link_to_a_lower_layer() {
    let image = |link: &str| TestImage::new().layer([file("m", "m").mode(0o600)]).layer([hardlink(link, "/m")]);
    gives(&image("n"), &["m 0600 0:0 0 m", "n = m"]);
    gives(&image("c"), &["c 0600 0:0 0 m", "m = c"]);
}

#[test]
fn v_19_a_file_over_a_link() {
    let image = TestImage::new().layer([file("t", "t"), symlink("s", "t")]).layer([file("s", "s")]);
    gives(&image, &["s 0644 0:0 0 s", "t 0644 0:0 0 t"]);
}

#[test]
fn v_20_link_targets_are_kept_verbatim() {
    let image = TestImage::new().layer([dir("u"), symlink("u/s", "../../../etc/hosts"), symlink("u/t", "//x/./y/")]);
    gives(&image, &["u/ 0755 0:0 0", "u/s -> ../../../etc/hosts", "u/t -> //x/./y/"]);
}

#[test]
fn v_21_one_path_twice_in_a_layer() {
    let image = TestImage::new().layer([file("a", "1"), file("a", "2")]);
    gives(&image, &["a 0644 0:0 0 2"]);
    let run = || imgtar(["convert", "--to", "rootfs"]).stdin(Shape::Oci.save_one(&image).bytes());
    run().success().says(["`a` occurs more than once"]);
    run().arg("--strict").exits(3);
}

#[test]
fn v_22_whiteouts_of_any_type() {
    on_b([dir(".wh.d"), symlink(".wh.f", "x")], &[]);
    on_b([whiteout("d"), hardlink(".wh.f", "nothing")], &[]);
}

#[test]
fn v_23_a_directory_entry_replaces_metadata_and_keeps_children() {
    let entry = dir("d").mode(0o700).mtime(1000).owner(7, 8).xattr("user.a", "1");
    let image = b().layer([entry]);
    gives(&image, &[&["d/ 0700 7:8 1000"], &D[1..], &[F]].concat());
    assert_eq!(Rootfs::of(&image).node("d/").records["SCHILY.xattr.user.a"], b"1");
}

#[test]
fn v_24_setuid_setgid_and_sticky_stay() {
    let image = TestImage::new().layer([file("u", "").mode(0o4755), file("g", "").mode(0o2755), dir("t").mode(0o1777)]);
    gives(&image, &["g 2755 0:0 0", "t/ 1777 0:0 0", "u 4755 0:0 0"]);
}

#[test]
fn v_25_absolute_and_dotted_names_are_one() {
    let image = TestImage::new().layer([file("/etc/x", "1")]).layer([file("./etc/x", "2"), dir(".").mode(0o711)]);
    gives(&image, &["./ 0711 0:0 0", "etc/ 0755 0:0 0", "etc/x 0644 0:0 0 2"]);
}

#[test]
fn s_1_sizes_of_what_has_no_data_are_not_believed() {
    let image = TestImage::new().layer([
        dir("d").size(512),
        file("d/a", "a"),
        hardlink("l", "d/a").size(1024),
        symlink("s", "d").size(7),
        file("z", "z"),
    ]);
    gives(&image, &["d/ 0755 0:0 0", "d/a 0644 0:0 0 a", "l = d/a", "s -> d", "z 0644 0:0 0 z"]);
}

#[test]
fn s_2_a_layer_without_an_end_marker() {
    for shape in [Shape::Docker20, Shape::Crane, Shape::Oci] {
        let image = TestImage::new()
            .layer_bytes(unended_tar([file("a", "a")]))
            .layer_bytes(unended_tar([file("b", "b")]))
            .layer_bytes("")
            .layer_bytes([0; 512])
            .tag("app:1");
        let outcome = imgtar(["convert", "--to", "rootfs"]).stdin(shape.save_one(&image).bytes()).success();
        assert_eq!(Rootfs::written(&outcome.stdout).listing(), ["a 0644 0:0 0 a", "b 0644 0:0 0 b"], "{shape:?}");
    }
}

#[test]
fn s_3_the_pax_size_is_the_size() {
    let layer =
        [file("a", "content").size(0).pax("size", "7"), file("b", "b").size(513).pax("size", "1"), file("c", "c")];
    let image = TestImage::new().layer_bytes(layer_tar(layer));
    gives(&image, &["a 0644 0:0 0 content", "b 0644 0:0 0 b", "c 0644 0:0 0 c"]);
}
