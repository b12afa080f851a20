//! Which old files a recipe may name, and the limits of what it may hold (docs/delta.md P-4, P-6, P-9, P-11).

use super::{Shelf, image, noise};
use crate::support::archive::Archive;
use crate::support::image::TestImage;
use crate::support::layer::{Item, dir, file, hardlink, layer_tar, symlink, whiteout};
use crate::support::shape::Shape;
use crate::support::sparse::Sparse;
use crate::support::tar_diff::{self, TarDiff};

const SIZE: usize = 20_000;

/// Bytes that no compression shortens, and that a recipe has or has not.
fn content() -> Vec<u8> {
    noise(5, SIZE)
}

/// Wants a file of these layers to be the source of `new`, or none; and `new` to be made in any case.
#[track_caller]
fn assert_source(case: &str, old: &[Vec<Item>], new: Item, is_named: bool) {
    let (old, new) = (image(old, "ex.org/app:1"), image(&[vec![new]], "ex.org/app:2"));
    let shelf = Shelf::of([("old.tar", Shape::Oci.save_one(&old)), ("new.tar", Shape::Oci.save_one(&new))]);
    let written = shelf.convert("new.tar --to delta --base old.tar").success().stdout;
    let layers = tar_diff::layers(&Archive::written(&written));
    let size = layers[&new.layer_digests()[0]].1.len();
    assert_eq!(size < SIZE, is_named, "{case}: {size} bytes");
    let made = shelf.convert("- --with old.tar --to oci").stdin(written).success();
    super::assert_image(&made.stdout, &new);
}

#[test]
fn a_file_is_a_source_under_every_name_that_a_container_sees() {
    let new = || file("new", content());
    let linked = vec![vec![file("a", content())], vec![hardlink("b", "a")], vec![whiteout("a")]];
    assert_source("a hard link to a file of a layer below, which is hidden", &linked, new(), true);
    let behind = vec![vec![dir("real"), file("real/a", content()), symlink("link", "real")]];
    assert_source("a path through a symbolic link", &behind, file("link/a", content()), true);
    assert_source("a path as another writer spells it", &[vec![file("./a", content())]], new(), true);
    // By its name alone it would be a version of the second.
    let two = vec![vec![file("x/f-1", content()), file("y/f-2", noise(6, SIZE + 8))]];
    for path in ["x/f-2", "./x/f-2", "/x/f-2"] {
        assert_source(path, &two, file(path, [&content()[..], b"another"].concat()), true);
    }
}

#[test]
fn what_other_programs_cannot_open_is_no_source() {
    let other = || file("a", noise(6, SIZE));
    let long = format!("{}x", "d/".repeat(2100));
    for (case, old) in [
        ("hidden by a later layer", vec![vec![file("a", content())], vec![other()]]),
        ("in front of another of its path", vec![vec![file("a", content()), other()]]),
        ("not for everybody to read", vec![vec![file("a", content()).mode(0o640)]]),
        ("a path that is no text", vec![vec![file(b"a\xff", content())]]),
        ("a path of more than 4096 bytes", vec![vec![file(long, content())]]),
        ("in the store of an OSTree system", vec![vec![file("sysroot/ostree/repo/a", content())]]),
    ] {
        assert_source(case, &old, file("new", content()), false);
    }
}

#[test]
fn sparse_files_are_sent_as_they_are_and_are_no_sources() {
    let sparse = || Sparse { size: 1 << 20, pieces: vec![(4096, content().leak())] };
    let packed = || file("x", content());
    let old_gnu = |sparse: &Sparse, name: &str| dir("d").after(sparse.old_gnu(name));
    for spelled in [Sparse::pax_0_0, Sparse::pax_0_1, Sparse::pax_1_0, old_gnu] {
        assert_source("an old one", &[vec![spelled(&sparse(), "x")]], packed(), false);
        assert_source("a new one", &[vec![packed()]], spelled(&sparse(), "x"), false);
    }
}

/// A zstd frame of these bytes, as they are, that asks for a window of 2 to the power of `log` bytes.
fn with_window(log: u8, bytes: &[u8]) -> Vec<u8> {
    let last_raw_block = (bytes.len() << 3 | 1) as u32;
    [&b"\x28\xb5\x2f\xfd\0"[..], &[(log - 10) << 3], &last_raw_block.to_le_bytes()[..3], bytes].concat()
}

#[test]
fn windows_have_limits_and_a_frame_of_its_own_may_be_followed_by_anything() {
    let old = image(&[vec![file("a", "0123456789")]], "ex.org/app:1");
    let new = TestImage::new().layer([file("b", "new")]);
    let tar = layer_tar([file("b", "new")]);
    let shelf = |diff: &[u8]| {
        let delta = tar_diff::of_layer(&old, &new, diff);
        Shelf::of([("old.tar", Shape::Oci.save_one(&old)), ("up.delta", delta)])
    };
    let outer = |log| [b"tardf1\n\0", &with_window(log, &TarDiff::v1().data(&tar).operations)[..]].concat();
    let inner = |log, behind: &[u8]| {
        let frame = [&with_window(log, &tar)[..], behind].concat();
        TarDiff::v2().open("a").op(5, frame.len() as u64, frame).bytes()
    };
    let line = "up.delta --with old.tar --to oci";
    for fitting in [outer(27), inner(20, b""), inner(20, b"whatever follows")] {
        super::assert_image(&shelf(&fitting).convert(line).success().stdout, &new);
    }
    for (large, problem) in [(outer(28), "window"), (inner(30, b""), "frame requires too much memory")] {
        shelf(&large).refuses(&format!("{line} -o x.tar"), 3).says(["zstd", problem]);
    }
}
