//! What is written, and that nothing but the image decides it: R-24 to R-27, the flags of the command line.

use std::fs::File;

use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::{dir, file, hardlink, symlink, whiteout};
use crate::support::rootfs::{Rootfs, flatten};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

/// Several layers that meet each other, with bodies large and small.
fn image() -> TestImage {
    TestImage::new()
        .layer([
            dir("etc"),
            file("etc/a", "a"),
            dir("usr"),
            dir("usr/lib"),
            file("usr/lib/big", vec![7; 300_000]),
            symlink("lib", "usr/lib"),
        ])
        .layer([file("etc/b", "b"), file("lib/c", "c"), hardlink("etc/z", "usr/lib/big"), file("top", vec![9; 70_000])])
        .stored(Codec::Zstd)
        .layer([whiteout("etc/a"), file("usr/lib/d", vec![1; 65_536])])
        .layer([file("etc/0", "0"), hardlink("Z", "etc/b")])
        .tag("app:1")
}

#[test]
fn r_24_threads_pipes_and_compression_change_no_byte() {
    let expected = flatten(&image(), &[]);
    for jobs in ["1", "2", "8"] {
        for codec in Codec::ALL {
            let stored = image().all_stored(codec);
            assert!(flatten(&stored, &["-j", jobs]) == expected, "{codec:?} layers, -j {jobs}");
        }
    }
    for shape in [
        Shape::Docker111,
        Shape::Docker20,
        Shape::Docker25,
        Shape::Containerd,
        Shape::Skopeo,
        Shape::Nix,
        Shape::OciNested,
    ] {
        let tar = shape.save_one(&image());
        let piped = imgtar(["convert", "--to", "rootfs"]).stdin(tar.bytes()).success().stdout;
        assert!(piped == expected, "{shape:?} through pipes");
        let outer = imgtar(["convert", "--to", "rootfs"]).stdin(tar.compressed(Codec::Zstd)).success().stdout;
        assert!(outer == expected, "{shape:?}, the archive compressed");
    }
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", Shape::Docker20.save_one(&image()).bytes());
    let out = File::create(scratch.path("out")).unwrap();
    imgtar(["convert", "--to", "rootfs"]).stdin_file(File::open(input).unwrap()).stdout_file(out).success();
    assert!(scratch.read("out") == expected, "standard input and output are files");
}

#[test]
fn r_24_directories_are_followed_by_what_is_in_them_in_order_of_names() {
    let image = TestImage::new()
        .layer([file("b", ""), dir("a"), file("a.d", ""), file("a/z", "z"), file("a/b", ""), dir("a-"), file("A", "")])
        .layer([hardlink("a/c", "a/z"), file("a-/x", "")]);
    assert_eq!(Rootfs::of(&image).paths(), ["A", "a/", "a/b", "a/c", "a/z", "a-/", "a-/x", "a.d", "b"]);
    let sorted = Rootfs::with(&image, &["--sort"]);
    assert_eq!(sorted.paths(), ["A", "a-/", "a-/x", "a.d", "a/", "a/b", "a/c", "a/z", "b"]);
    assert!(sorted.paths().is_sorted());
    assert_eq!((sorted.text("a/c").as_str(), sorted.node("a/z").link.as_slice()), ("z", &b"a/c"[..]));
}

#[test]
fn r_25_a_root_entry_iff_some_layer_had_one() {
    let plain = TestImage::new().layer([file("a", "")]);
    assert_eq!(Rootfs::of(&plain).paths(), ["a"]);
    for root in [".", "", "./", "a/.."] {
        let image = plain.clone().layer([dir(root).mode(0o700).owner(1, 2).mtime(3).xattr("user.r", "1")]);
        let rootfs = Rootfs::of(&image);
        assert_eq!(rootfs.listing(), ["./ 0700 1:2 3", "a 0644 0:0 0"], "{root}");
        assert_eq!(rootfs.node("./").records.len(), 1);
    }
}

#[test]
fn r_27_no_layers_are_an_empty_tar() {
    for shape in [Shape::Oci, Shape::Crane, Shape::Docker20] {
        let tar = shape.save_one(&TestImage::new().tag("app:1"));
        assert_eq!(imgtar(["convert", "--to", "rootfs"]).stdin(tar.bytes()).success().stdout, [0; 1024], "{shape:?}");
    }
    assert_eq!(flatten(&TestImage::new().layer_bytes([0; 1024]).layer_bytes(""), &[]), [0; 1024]);
}

#[test]
fn r_7_a_directory_over_a_link_to_one() {
    let image = TestImage::new()
        .layer([dir("e"), file("e/x", "x"), symlink("l", "e"), symlink("dangling", "no"), symlink("f", "e/x")])
        .layer([dir("l").mode(0o700), file("l/y", "y"), dir("dangling"), dir("f")]);
    assert_eq!(Rootfs::of(&image).paths(), ["dangling/", "e/", "e/x", "f/", "l/", "l/y"]);
    let kept = Rootfs::with(&image, &["--keep-dirlinks"]);
    assert_eq!(kept.paths(), ["dangling/", "e/", "e/x", "e/y", "f/", "l"]);
    assert_eq!((kept.node("e/").mode, kept.node("l").kind), (0o700, b'2'));
}

#[test]
fn o_18_the_files_of_estargz_stay_unless_asked_otherwise() {
    let names = ["stargz.index.json", ".no.prefetch.landmark", ".prefetch.landmark"];
    let image = TestImage::new().layer(names.map(|name| file(name, "\x0f"))).layer([file("d/stargz.index.json", "{}")]);
    assert_eq!(Rootfs::of(&image).0.len(), 5);
    assert_eq!(Rootfs::with(&image, &["--strip-estargz"]).paths(), ["d/", "d/stargz.index.json"]);
}

#[test]
fn times_are_clamped_where_they_are_later() {
    let image = TestImage::new().layer([
        file("early", "").mtime(10),
        file("late", "").mtime(1000),
        file("later", "").pax("mtime", "100.5"),
        file("before", "").pax("mtime", "-5.5"),
        dir("i").mtime(101),
        file("j/implied", "").mtime(100),
    ]);
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", Shape::Oci.save_one(&image).bytes());
    let run = imgtar(["convert", "--to", "rootfs", "--clamp-mtime"]).arg(input).env("SOURCE_DATE_EPOCH", "100");
    let rootfs = Rootfs::written(&run.success().stdout);
    let times: Vec<_> = rootfs.0.iter().map(|node| node.mtime.as_str()).collect();
    assert_eq!(times, ["-5.5", "10", "100", "0", "100", "100", "100"]);
}

#[test]
fn the_name_of_the_output_says_how_it_is_compressed() {
    let expected = flatten(&image(), &[]);
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", Shape::Oci.save_one(&image()).bytes());
    for (name, codec) in [
        ("rootfs.tar.gz", Codec::Gzip),
        ("rootfs.tgz", Codec::Gzip),
        ("rootfs.tar.zst", Codec::Zstd),
        ("rootfs.tar.xz", Codec::Xz),
        ("rootfs.tar", Codec::Plain),
    ] {
        for jobs in ["1", "8"] {
            let path = scratch.path(&format!("{jobs}.{name}"));
            imgtar(["convert", "--to", "rootfs", "-j", jobs, "-o"]).arg(&path).arg(&input).success();
        }
        let written = scratch.read(&format!("1.{name}"));
        assert_eq!(Codec::sniff(&written), codec, "{name}");
        assert!(Codec::decode(&written) == expected, "{name}");
        assert!(written == scratch.read(&format!("8.{name}")), "{name}: threads change no byte");
    }
}
