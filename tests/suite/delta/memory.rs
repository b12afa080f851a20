//! The memory that deltas take: making one no more than `--memory` says, and dictionaries within the limit.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use imgtar::{Archives, ConvertOptions, DeltaOptions, Input, Run, Sink, Target};

use super::{Shelf, assert_image, image, next_version, noise};
use crate::support::image::TestImage;
use crate::support::layer::{Item, file};
use crate::support::process::{FOREGROUND, Process};
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
        let [whole, windows] = [delta(""), delta(" --memory 32M")];
        assert!(whole == delta(" --memory 512M") && whole != windows, "{fast}");
        assert!(windows == delta(" --memory 32M -j 8"), "threads change nothing");
        for written in [whole, windows] {
            assert!(written.len() < 100_000, "{fast}: {} bytes", written.len());
            let made = shelf.convert("- --with old.tar --to oci").stdin(written).success();
            assert_image(&made.stdout, &new);
        }
    }
}

#[test]
fn no_more_memory_is_taken_than_was_given() {
    // What was given without the pages of the program itself, as many as a release build has.
    const MOST: u64 = (32 - 10) << 10;
    // One file in windows, two that take all of the memory, and many that are compared side by side.
    let sizes = [4 << 20, 1 << 20, 1 << 20].into_iter().chain([200 << 10; 8]);
    let old: Vec<Item> = sizes.zip(0..).map(|(size, nth)| file(format!("f{nth}"), noise(nth, size))).collect();
    let mut new = old.clone();
    new.iter_mut().for_each(|item| item.body = next_version(std::mem::take(&mut item.body)));
    let of = |items: Vec<Item>, name| Shape::Oci.save_one(&image(&[items], name));
    let shelf = Shelf::of([("old.tar", of(old, "ex.org/app:1")), ("new.tar", of(new, "ex.org/app:2"))]);
    let paths = ["new.tar", "old.tar", "up.delta"].map(|name| shelf.0.path(name));
    let [new, old, delta] = paths.each_ref().map(PathBuf::as_path);
    for flags in [&["-j", "2"][..], &["-j", "8"], &["-j", "8", "--fast"]] {
        let words = ["convert", "--force", "--to", "delta", "--memory", "32M"].iter().chain(flags).map(Path::new);
        let args = words.chain([new, Path::new("--base"), old, Path::new("-o"), delta]);
        let (ended, peak) = Process::start(FOREGROUND, args, Stdio::null()).end_and_peak();
        ended.exits(0, []);
        assert!(peak < MOST, "{peak} KiB: {flags:?}");
    }
}

#[test]
fn too_little_memory_is_refused() {
    let (shelf, _) = shelf();
    shelf.refuses("new.tar --to delta --base old.tar --memory 31M -o x.delta", 2).says(["32M"]);
    shelf.refuses("new.tar --to oci --memory 64M -o x.tar", 2).says(["--memory"]);
}

#[test]
fn any_number_of_bytes_of_memory_makes_a_delta() {
    let (shelf, _) = shelf();
    let delta = |memory| {
        let input = |name: &str| vec![Input::from(shelf.0.path(name))];
        let archives = Archives { inputs: input("new.tar"), bases: input("old.tar"), ..Archives::default() };
        let target = Target::Delta(DeltaOptions { memory, ..DeltaOptions::default() });
        let (sink, written) = Sink::memory();
        imgtar::convert_all(archives, sink.into(), &ConvertOptions::new(target), &Run::quiet()).unwrap();
        written.bytes().clone()
    };
    assert!(delta(0) == delta(DeltaOptions::LEAST_MEMORY), "less counts as the least");
    assert!(delta(u64::MAX) == delta(DeltaOptions::default().memory));
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
