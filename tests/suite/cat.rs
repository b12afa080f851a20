//! `imgtar cat`: one file as a container would see it (the page's "Commands" and "Edges").

use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::{dir, fifo, file, hardlink, layer_tar, symlink, whiteout};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::sparse::Sparse;
use crate::support::tarball::Kind;

fn image() -> TestImage {
    TestImage::new()
        .layer([
            dir("etc"),
            file("usr/lib/os-release", "ID=demo\n"),
            symlink("etc/os-release", "../usr/lib/os-release"),
            symlink("etc/absolute", "/usr/lib/os-release"),
            symlink("etc/climbing", "../../../../../../usr/lib/os-release"),
            symlink("lib", "usr/lib"),
            hardlink("etc/hard", "usr/lib/os-release"),
            symlink("a", "b"),
            symlink("b", "a"),
            symlink("gone", "no/where"),
            file("replaced", "old"),
            file("removed", "old"),
            fifo("pipe"),
            file("empty", ""),
            file("large", vec![7; 3 << 20]),
        ])
        .layer([file("replaced", "new"), whiteout("removed"), file("lib/late", "late")])
        .tag("app:1")
}

const SHAPES: [Shape; 5] = [Shape::Docker20, Shape::Docker25, Shape::Skopeo, Shape::Crane, Shape::Oci];

#[test]
fn a_file_is_what_a_container_would_see() {
    for shape in SHAPES {
        let tar = shape.save_one(&image()).bytes();
        for (path, expected) in [
            ("/usr/lib/os-release", "ID=demo\n"),
            ("usr/lib/os-release", "ID=demo\n"),
            ("./usr//lib/./os-release", "ID=demo\n"),
            ("etc/os-release", "ID=demo\n"),
            ("etc/absolute", "ID=demo\n"),
            ("etc/climbing", "ID=demo\n"),
            ("lib/os-release", "ID=demo\n"),
            ("etc/hard", "ID=demo\n"),
            ("../../etc/hard", "ID=demo\n"),
            ("replaced", "new"),
            ("usr/lib/late", "late"),
            ("empty", ""),
        ] {
            assert_eq!(imgtar(["cat", "-", path]).stdin(tar.clone()).success().text(), expected, "{shape:?} {path}");
        }
    }
}

#[test]
fn in_may_be_left_out() {
    let scratch = Scratch::new();
    let tar = Shape::Crane.save_one(&image());
    let path = scratch.write("in.tar", tar.bytes());
    assert_eq!(imgtar(["cat", "replaced"]).stdin(tar.bytes()).success().text(), "new");
    assert_eq!(imgtar(["cat"]).arg(&path).arg("replaced").success().text(), "new");
    assert_eq!(imgtar(["cat", "-"]).stdin(tar.bytes()).exits(4).stdout, b"", "one positional is PATH");
    imgtar(["cat", "-", "-"]).stdin(tar.bytes()).exits(2).says(["twice"]);
    imgtar(["cat"]).stdin(tar.bytes()).exits(2);
    imgtar(["cat", "a", "b", "c"]).stdin(tar.bytes()).exits(2);
    let packed = scratch.write("in.tar.xz", tar.compressed(Codec::Xz));
    assert_eq!(imgtar(["cat"]).arg(packed).arg("replaced").success().text(), "new");
    let layout = Scratch::new();
    Shape::Oci.save_one(&image()).unpack(layout.dir());
    assert_eq!(imgtar(["cat"]).arg(layout.dir()).arg("replaced").success().text(), "new");
}

#[test]
fn what_is_no_file_is_exit_4_and_nothing_is_written() {
    let refused = |path: &str| {
        let outcome = imgtar(["cat", path]).stdin(Shape::Oci.save_one(&image()).bytes()).exits(4);
        assert!(outcome.stdout.is_empty(), "{path}");
        outcome
    };
    refused("etc/os-relase").says(["no `etc/os-relase`", "did you mean `etc/os-release`?"]);
    refused("/os-release").says(["did you mean `etc/os-release`?"]);
    refused("removed").says(["no `removed`"]);
    refused("/nope").says(["no `/nope`"]).never_says(["did you mean"]);
    refused("etc").says(["`etc` is a directory"]);
    refused("/").says(["`/` is a directory"]);
    refused("lib").says(["`usr/lib` is a directory"]);
    refused("").says(["is a directory"]);
    refused("a").says(["no `a`", "symbolic links"]);
    refused("gone").says(["`gone` is a symbolic link to `no/where`"]);
    refused("pipe").says(["named pipe"]);
    refused("replaced/x").says(["`replaced` is not a directory"]);
    refused("replaced/").says(["`replaced` is not a directory"]);
}

#[test]
fn a_link_out_of_the_root_stays_inside() {
    let scratch = Scratch::new();
    let secret = scratch.write("secret", "mine");
    let up = format!("../../../../../../../../..{}", secret.display());
    let image =
        TestImage::new().layer([symlink("escape", &up), symlink("etc", "/"), symlink("etc2", "..")]).tag("app:1");
    for path in ["escape", "etc/escape", "etc2/escape", up.as_str()] {
        imgtar(["cat", path]).stdin(Shape::Oci.save_one(&image).bytes()).exits(4).never_says(["mine"]);
    }
}

#[test]
fn large_bodies_and_holes_are_written_whole() {
    let sparse = Sparse { size: 1 << 20, pieces: vec![(512, b"begin"), (700_000, b"end")] };
    let tars =
        [sparse.pax_0_0("s").bytes(), sparse.pax_0_1("s").bytes(), sparse.pax_1_0("s").bytes(), sparse.old_gnu("s")];
    for (nth, tar) in tars.into_iter().enumerate() {
        let layer = [tar, layer_tar([file("behind", "behind")])].concat();
        let image = TestImage::new().layer_bytes(layer).tag("app:1");
        for shape in [Shape::Docker20, Shape::Crane] {
            let bytes = shape.save_one(&image).bytes();
            let found = imgtar(["cat", "s"]).stdin(bytes.clone()).success().stdout;
            assert!(found == sparse.content(), "form {nth}, {shape:?}");
            assert_eq!(imgtar(["cat", "behind"]).stdin(bytes).success().text(), "behind");
        }
    }
    for shape in SHAPES {
        let scratch = Scratch::new();
        let path = scratch.write("in.tar", shape.save_one(&image()).bytes());
        let out = std::fs::File::create(scratch.path("out")).unwrap();
        imgtar(["cat"]).arg(path).arg("large").stdout_file(out).success();
        assert!(scratch.read("out") == vec![7; 3 << 20], "{shape:?} into a file");
    }
}

#[test]
fn a_reader_that_has_heard_enough_ends_the_run_well() {
    for shape in [Shape::Docker20, Shape::Crane] {
        let bytes = shape.save_one(&image()).bytes();
        let outcome = imgtar(["cat", "-q", "large"]).stdin(bytes).run_and_hang_up_after(10);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{shape:?}");
    }
}

#[test]
fn several_images_are_exit_4_and_the_list() {
    let two = Shape::Crane.save(&[TestImage::demo("a:1"), TestImage::demo("b:1")]).bytes();
    imgtar(["cat", "app"]).stdin(two.clone()).exits(4).says(["--image", "a:1", "b:1"]);
    assert_eq!(imgtar(["cat", "--image", "b:1", "app"]).stdin(two).success().text(), "b:1");
}

#[test]
fn windows_and_broken_promises_are_refused() {
    let windows = TestImage::new().platform("windows/amd64").layer([file("Files/a", "1")]).tag("app:1");
    imgtar(["cat", "Files/a"]).stdin(Shape::Oci.save_one(&windows).bytes()).exits(4).says(["Windows"]);
    let tar = Shape::Crane.save_one(&image());
    let layer = tar.name_ending(".tar.gz");
    let other = Codec::Gzip.encode(&layer_tar([file("replaced", "evil")]));
    let outcome = imgtar(["cat", "replaced"]).stdin(tar.replacing(&layer, Kind::File(other)).bytes()).exits(3);
    assert!(outcome.stdout.is_empty(), "nothing of a layer that lies");
}

#[test]
fn verbose_says_which_layer_has_it() {
    let said = imgtar(["cat", "-v", "etc/os-release"]).stdin(Shape::Docker20.save_one(&image()).bytes()).success();
    said.says(["`usr/lib/os-release` is in layer 0", "layer.tar"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_gets_text_alone() {
    use crate::support::screen;
    let scratch = Scratch::new();
    let image =
        TestImage::new().layer([file("text", "a\tb\n\u{e4}\n"), file("program", "\x7fELF\0\x1b[2J")]).tag("app:1");
    let archive = scratch.write("in.tar", Shape::Docker20.save_one(&image).bytes());
    let shown = |path: &str| screen::imgtar(80, ["cat"]).arg(&archive).arg(path).run();
    assert_eq!((shown("text").code, shown("text").last()[1].as_str()), (Some(0), "\u{e4}"));
    let refused = shown("program");
    assert_eq!(refused.code, Some(2));
    assert!(refused.ever(&["`program`", "pipe"]), "{:?}", refused.last());
    assert!(!refused.bytes.contains(&0x7f), "{}", refused.bytes.escape_ascii());
    assert_eq!(imgtar(["cat"]).arg(&archive).arg("program").success().text(), "\x7fELF\0\x1b[2J");
}

#[test]
fn a_layer_has_what_later_ones_delete_or_replace() {
    let tar = Shape::Oci.save_one(&image()).bytes();
    for (layer, path, expected) in
        [("0", "removed", "old"), ("0", "replaced", "old"), ("1", "replaced", "new"), ("1", "lib/late", "late")]
    {
        let outcome = imgtar(["cat", "--layer", layer, "-", path]).stdin(tar.clone()).success();
        assert_eq!(outcome.text(), expected, "{path} of layer {layer}");
    }
    let cat = |layer, path| imgtar(["cat", "--layer", layer, "-", path]).stdin(tar.clone()).exits(4);
    cat("1", "empty").says(["layer 1 does not have `empty`; layer 0 does"]);
    cat("1", "removed").says(["there is no `removed`; `ls --layers` tells whether"]);
    cat("0", "lib/late").says(["there is no `lib/late`"]);
    cat("2", "replaced").says(["there is no layer 2"]);
}
