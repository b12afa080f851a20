//! Deltas of n and 2n changed files, and of files of n and 2n bytes: made and applied.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{ATTEMPTS, LEAST, MOST_TIMES, is_whole};
use crate::support::cost::{Cost, cost};
use crate::support::image::TestImage;
use crate::support::layer::{Item, file, layer_tar};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

/// Bytes of files in a debug build and in a release build; and twice that. Beside other tests a file's index has to fit into
/// the processor's cache, or twice as much takes four times as long for want of it. Twice as much is still compared as a whole
/// (docs/delta.md P-13): a file in windows is compared with twice its bytes.
const SIZES: (usize, usize) = (1 << 20, 12 << 20);
/// Bytes of one of many files.
const SMALL: usize = 1 << 10;

/// Bytes of no pattern; those of another version differ here and there.
fn content(seed: u64, len: usize, version: u8) -> Vec<u8> {
    let random = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    let mut bytes: Vec<u8> =
        std::iter::successors(Some(seed), random).map(|state| (state >> 56) as u8).take(len).collect();
    bytes.iter_mut().step_by(500).for_each(|byte| *byte = byte.wrapping_add(version));
    bytes
}

fn many(size: usize, version: u8) -> Vec<Item> {
    (0..size / SMALL).map(|nth| file(format!("dir/{nth}"), content(nth as u64, SMALL, version))).collect()
}

fn noise(size: usize, version: u8) -> Vec<Item> {
    vec![file("one", content(1, size, version))]
}

/// Runs of one byte, in which every place is like every other.
fn runs(size: usize, version: u8) -> Vec<Item> {
    vec![file("one", [vec![0; size / 2], vec![version], vec![0; size / 2]].concat())]
}

fn save(scratch: &Scratch, name: &str, items: Vec<Item>) -> PathBuf {
    let image = TestImage::new().tag("app:1").layer_bytes(layer_tar(items));
    scratch.write(name, Shape::Docker20.save_one(&image).bytes())
}

/// The least cost of several runs of `convert` with these words; `OUT` is written.
fn least(words: &[&OsString], out: &PathBuf) -> Cost {
    let run = || {
        let args: Vec<OsString> = ["convert", "-q", "--force", "-j", "1"].map(OsString::from).to_vec();
        let args: Vec<_> = args.into_iter().chain(words.iter().map(|word| (*word).clone())).collect();
        let cost = cost(&[args, vec!["-o".into(), out.into()]].concat());
        assert_eq!(cost.code, 0, "{words:?}: {}", cost.stderr.1);
        cost
    };
    (0..ATTEMPTS).map(|_| run()).min_by_key(|cost| cost.cpu).unwrap()
}

#[test]
fn a_delta_costs_what_its_files_are() {
    let size = if is_whole() { SIZES.1 } else { SIZES.0 };
    let most_times = if is_whole() { MOST_TIMES.1 } else { MOST_TIMES.0 };
    for (what, items) in [("many", many as fn(usize, u8) -> Vec<Item>), ("noise", noise), ("runs", runs)] {
        let scratch = Scratch::new();
        let costs = [size, 2 * size].map(|size| {
            let old: OsString = save(&scratch, "old.tar", items(size, 0)).into();
            let new: OsString = save(&scratch, "new.tar", items(size, 1)).into();
            let (delta, made) = (scratch.path("up.delta"), scratch.path("made.tar"));
            let word = OsString::from;
            let create = least(&[&new, &word("--to"), &word("delta"), &word("--base"), &old], &delta);
            let delta: OsString = delta.into();
            let apply = least(&[&delta, &word("--with"), &old, &word("--to"), &word("oci")], &made);
            [create.cpu, apply.cpu]
        });
        for (nth, step) in ["made", "applied"].into_iter().enumerate() {
            let (one, two) = (costs[0][nth], costs[1][nth]);
            println!("{one:?} {two:?} {what} {step}");
            let is_slow = two > LEAST && two.as_micros() * 100 / one.as_micros().max(1) > most_times;
            assert!(!is_slow, "{what}: {one:?} and {two:?} for twice as much, {step}");
        }
    }
}
