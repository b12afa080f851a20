//! Deltas that lie are refused, with no output and no growth (docs/delta.md P-2, P-4 to P-10).

use super::{Shelf, image};
use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::{file, layer_tar, symlink};
use crate::support::shape::Shape;
use crate::support::tar_diff::{self, TarDiff};
use crate::support::tarball::Kind;

fn old() -> TestImage {
    let layers = [
        vec![file("hidden", "was here"), file("a", "0123456789"), symlink("link", "a"), symlink("out", "/etc/passwd")],
        vec![file(".wh.hidden", "")],
    ];
    image(&layers, "ex.org/app:1")
}

fn new() -> TestImage {
    TestImage::new().tag("ex.org/app:2").layer_bytes(tar())
}

fn tar() -> Vec<u8> {
    layer_tar([file("b", "0123456789")])
}

/// Archives with the delta that `diff` makes.
fn shelf(diff: &[u8]) -> Shelf {
    shelf_of(&new(), diff)
}

/// The same for this image.
fn shelf_of(new: &TestImage, diff: &[u8]) -> Shelf {
    let delta = tar_diff::of_layer(&old(), new, diff);
    Shelf::of([("old.tar", Shape::Docker20.save_one(&old())), ("up.delta", delta)])
}

#[test]
fn each_lie_is_refused() {
    let v1 = TarDiff::v1;
    let nine = [0xff; 9];
    let whole = v1().data(tar());
    let bad = |diff: TarDiff, problem: &'static str| (diff.bytes(), problem);
    let frame = |bytes: &[u8]| zstd::stream::encode_all(bytes, 3).unwrap();
    let cases = vec![
        (b"".to_vec(), "not a tar-diff"),
        (b"tardf3\n\0".to_vec(), "not a tar-diff"),
        (b"tardf1\n\0".to_vec(), "cut short"),
        bad(v1(), "content is sha256:"),
        (b"tardf1\n\0no frame".to_vec(), "zstd"),
        ([whole.bytes(), b"more".to_vec()].concat(), "zstd"),
        (whole.bytes()[..whole.bytes().len() - 3].to_vec(), "cut short"),
        bad(v1().op(6, 0, ""), "no operation 6"),
        bad(v1().raw([2]).raw(nine).raw([2]), "64 bits"),
        bad(v1().raw([2, 0x80]), "ends within"),
        bad(v1().op(0, 100, "few"), "ends within"),
        bad(v1().op(0, u64::MAX, "few"), "makes too much"),
        bad(v1().op(1, 5000, "a"), "path of 5000 bytes"),
        bad(v1().op(1, 3, "a"), "ends within"),
        bad(v1().open("a").op(3, 9, "few"), "ends within"),
        bad(v1().op(1, 1, [0xff]), "no such file"),
        bad(v1().copy(1), "before it names one"),
        bad(v1().seek(1), "before it names one"),
        bad(v1().add("x"), "before it names one"),
        bad(v1().open("nothing"), "no such file"),
        bad(v1().open("hidden"), "no such file"),
        bad(v1().open("/etc/passwd"), "no such file"),
        bad(v1().open("../../../../../../etc/passwd"), "no such file"),
        bad(v1().open("out"), "no such file"),
        bad(v1().open(""), "no such file"),
        bad(v1().open("a").copy(11), "takes 11 bytes"),
        bad(v1().open("a").copy(u64::MAX), "bytes of a file that has 10 more"),
        bad(v1().open("a").seek(11), "byte 11 of a file of 10"),
        bad(v1().open("a").seek(u64::MAX), "of a file of 10"),
        bad(v1().open("a").seek(10).copy(1), "has 0 more"),
        bad(v1().open("a").seek(5).add("123456"), "has 5 more"),
        bad(v1().open("a").op(3, (100 << 20) + 1, ""), "adds"),
        bad(v1().open("a").op(5, 3, "abc"), "version 1"),
        bad(TarDiff::v2().op(5, 3, "abc"), "before it names one"),
        bad(TarDiff::v2().open("a").op(5, 3, "abc"), "zstd"),
        bad(TarDiff::v2().open("a").op(5, 50, &frame(b"x")[..5]), "cut short"),
        bad(whole.clone().data("x"), "expected"),
        bad(v1().open("a").copy(10), "expected"),
    ];
    for (diff, problem) in cases {
        let outcome = shelf(&diff).refuses("up.delta --with old.tar --to oci -o x.tar", 3);
        outcome.says(["up.delta", problem]);
    }
    let made = shelf(&v1().data(tar()).bytes()).convert("up.delta --with old.tar --to oci").success();
    super::assert_image(&made.stdout, &new().untagged());
}

#[test]
fn little_that_makes_much_meets_a_limit() {
    let copies = (0..2000).fold(TarDiff::v1().open("a"), |diff, _| diff.seek(0).copy(10)).bytes();
    let zeros = TarDiff::v1().data(vec![0; 4 << 20]).bytes();
    // An uncompressed layer is listed with the size of its tar, a compressed one is not.
    let plain = new().stored(Codec::Plain);
    let short = shelf_of(&plain, &TarDiff::v1().open("a").copy(10).bytes());
    short.refuses("up.delta --with old.tar --to oci -o x.tar", 3).says(["it produces 10 of the"]);
    for (diff, most) in [(&copies, "10K"), (&zeros, "1M")] {
        let line = format!("up.delta --with old.tar --to oci -o x.tar --max-size {most}");
        shelf(diff).refuses(&line, 6).says(["--max-size"]);
        shelf_of(&plain, diff).refuses(&line.replace(most, "1G"), 3).says(["produces more than the"]);
    }
    let endless = shelf(&TarDiff::v1().op(0, 2 << 30, "few").bytes());
    endless.refuses("up.delta --with old.tar --to oci -o x.tar", 3).says(["it makes too much"]);
}

#[test]
fn an_artifact_that_lies_is_refused() {
    let diff = TarDiff::v1().data(tar()).bytes();
    let text = tar_diff::of_layer(&old(), &new(), &diff);
    let is_artifact =
        |kind: &Kind| matches!(kind, Kind::File(bytes) if String::from_utf8_lossy(bytes).contains("artifactType"));
    let name = text.members.iter().find(|member| is_artifact(&member.kind)).unwrap().name.clone();
    let body = String::from_utf8(text.body(&name).to_vec()).unwrap();
    for (from, to, problem) in [
        ("delta.source-config", "delta.x", "source-config` is missing"),
        ("image-config", "x", "no `image-config`"),
        ("delta.to\"", "delta.x\"", "neither in the delta nor"),
        // It is then a layer as it is.
        ("application/vnd.tar-diff", "application/x", "the layer is not a tar"),
    ] {
        let changed = body.replace(from, to);
        assert_ne!(changed, body);
        let mut layout = crate::support::layout::Layout::new();
        for member in &text.members {
            if matches!(member.kind, Kind::File(_)) && member.name.starts_with("blobs/") && member.name != name {
                layout.blob("x", text.body(&member.name));
            }
        }
        let listed = layout.blob("application/vnd.oci.image.manifest.v1+json", changed.as_bytes());
        layout.list(&listed);
        let shelf = Shelf::of([("old.tar", Shape::Docker20.save_one(&old())), ("up.delta", layout.tarball())]);
        shelf.refuses("up.delta --with old.tar --to docker -o x.tar", 3).says([problem]);
    }
}

#[test]
fn a_blob_that_is_missing_or_of_another_size_is_damage_without_the_base_too() {
    let diff = TarDiff::v1().data(tar()).bytes();
    let whole = tar_diff::of_layer(&old(), &new(), &diff);
    let is_diff = |kind: &Kind| matches!(kind, Kind::File(bytes) if *bytes == diff);
    let name = whole.members.iter().find(|member| is_diff(&member.kind)).unwrap().name.clone();
    let cut = diff[..diff.len() - 1].to_vec();
    for (delta, problem) in
        [(whole.clone().without(&name), "missing"), (whole.replacing(&name, Kind::File(cut)), "size")]
    {
        let shelf = Shelf::of([("old.tar", Shape::Docker20.save_one(&old())), ("up.delta", delta)]);
        assert_eq!(shelf.imgtar("verify up.delta").run().code, 1);
        shelf.imgtar("inspect up.delta").exits(3).says([&name, problem]);
        shelf.refuses("up.delta --with old.tar --to oci -o x.tar", 3).says([&name, problem]);
    }
}
