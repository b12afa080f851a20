//! The memory that deltas take: for each thread as much as `--memory` says, and dictionaries within the limit.

use super::{Shelf, assert_image, image, next_version, noise};
use crate::support::image::TestImage;
use crate::support::layer::{Item, file};
use crate::support::shape::Shape;
use crate::support::tar_diff::{TarDiff, of_layer};

/// A file of 5 MiB whose halves change places, one of them in a new version.
fn shelf() -> (Shelf, TestImage) {
    let old = noise(7, 5 << 20);
    let (one, two) = old.split_at(3 << 20);
    let changed = [two, &next_version(one.to_vec())[..]].concat();
    let of = |content: Vec<u8>| -> Vec<Vec<Item>> { vec![vec![file("large", content)]] };
    let (old, new) = (image(&of(old), "ex.org/app:1"), image(&of(changed), "ex.org/app:2"));
    (Shelf::of([("old.tar", Shape::Oci.save_one(&old)), ("new.tar", Shape::Oci.save_one(&new))]), new)
}

#[test]
fn with_less_memory_large_files_are_compared_in_windows() {
    let (shelf, new) = shelf();
    for fast in ["", " --fast"] {
        let delta =
            |flags: &str| shelf.convert(&format!("new.tar --to delta --base old.tar{fast}{flags}")).success().stdout;
        let [whole, windows] = [delta(""), delta(" --memory 12M")];
        assert!(whole == delta(" --memory 192M") && whole != windows, "{fast}");
        assert!(windows == delta(" --memory 12M -j 8"), "threads change nothing");
        for written in [whole, windows] {
            assert!(written.len() < 100_000, "{fast}: {} bytes", written.len());
            let made = shelf.convert("- --with old.tar --to oci").stdin(written).success();
            assert_image(&made.stdout, &new);
        }
    }
}

#[test]
fn too_little_memory_is_refused() {
    let (shelf, _) = shelf();
    shelf.refuses("new.tar --to delta --base old.tar --memory 11M -o x.delta", 2).says(["12M"]);
    shelf.refuses("new.tar --to oci --memory 64M -o x.tar", 2).says(["--memory"]);
}

#[test]
fn a_dictionary_counts_as_metadata_while_it_is_held() {
    let old = image(&[vec![file("a", noise(3, 2 << 20))]], "ex.org/app:1");
    let new = TestImage::new().layer([file("b", "c")]);
    let nothing = zstd::stream::encode_all(&b""[..], 1).unwrap();
    let with_dictionary = |diff: TarDiff, _| diff.open("a").op(5, nothing.len() as u64, &nothing);
    let diff = (0..8).fold(TarDiff::v2(), with_dictionary).data(&new.layers[0].tar).bytes();
    let shelf = Shelf::of([("old.tar", Shape::Oci.save_one(&old)), ("up.delta", of_layer(&old, &new, &diff))]);
    // Eight of two MiB each, one after the other.
    let made = shelf.convert("up.delta --with old.tar --to oci --max-metadata 8M").success();
    assert_image(&made.stdout, &new);
    shelf.refuses("up.delta --with old.tar --to oci --max-metadata 1M -o x.tar", 6).says(["--max-metadata"]);
}
