//! Many archives in one run, and many out of one: n and 2n of them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::{ATTEMPTS, LEAST, MOST_TIMES, is_whole};
use crate::support::cost::{Cost, cost};
use crate::support::image::TestImage;
use crate::support::layer::file;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

/// Archives, in a debug build and in a release build; and twice that.
const TIMES: (usize, usize) = (150, 1_500);
/// Memory that one more archive or image may take, KiB: its few documents, many times over.
const MOST_EACH: u64 = 96;

/// An image with a layer of its own on one that all share.
fn image(nth: usize) -> TestImage {
    TestImage::new().layer([file("base", "1")]).layer([file("app", nth.to_string())]).tag(&format!("app{nth}:1"))
}

/// Runs `all` with these paths behind it; each path follows a flag at its end, and `IN` is the first of them.
fn run(all: &[&str], paths: &[PathBuf], scratch: &Scratch) -> Cost {
    let out = scratch.path("out");
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir(&out).unwrap();
    let (flag, command) = all.split_last().filter(|(last, _)| **last == "--base").unzip();
    let command = command.unwrap_or(all);
    let arg = |arg: &&str| match *arg {
        "IN" => paths[0].clone().into(),
        arg => OsString::from(arg.replace("OUT", out.to_str().unwrap())),
    };
    let path = |path: &PathBuf| flag.map(OsString::from).into_iter().chain([path.into()]).collect::<Vec<_>>();
    let args: Vec<OsString> = command.iter().map(arg).chain(paths.iter().flat_map(path)).collect();
    let cost = cost(&args);
    assert_eq!(cost.code, 0, "{all:?}: {}", cost.stderr.1);
    cost
}

/// Runs of a command with some archives, and with twice as many.
#[derive(Default)]
struct Runs {
    one: Vec<Cost>,
    two: Vec<Cost>,
}

impl Runs {
    /// The times of both. Chance only ever makes a run slower.
    fn cpu(&self) -> (Duration, Duration) {
        let least = |runs: &[Cost]| runs.iter().map(|cost| cost.cpu).min().expect("there are runs");
        (least(&self.one), least(&self.two))
    }

    /// The memory that twice as many take more, KiB. Chance moves what is resident both ways: pages of the program itself
    /// count, and some are taken back meanwhile.
    fn more(&self) -> u64 {
        let peaks = |runs: &[Cost]| runs.iter().map(|cost| cost.peak).collect::<Vec<_>>();
        peaks(&self.two).into_iter().min().unwrap().saturating_sub(peaks(&self.one).into_iter().max().unwrap())
    }

    /// What grows too fast, if anything does; `times` as many are more.
    fn wrong(&self, times: usize) -> Option<String> {
        let most_times = if is_whole() { MOST_TIMES.1 } else { MOST_TIMES.0 };
        let (cpu, more) = (self.cpu(), self.more());
        let is_slow = cpu.1 > LEAST && cpu.1.as_micros() * 100 / cpu.0.as_micros().max(1) > most_times;
        let is_large = more >= MOST_EACH * times as u64;
        (is_slow || is_large).then(|| format!("{cpu:?} for twice as many, {more} KiB for {times} more"))
    }
}

#[test]
fn archives_in_and_archives_out_cost_what_they_are() {
    let times = if is_whole() { TIMES.1 } else { TIMES.0 };
    let scratch = Scratch::new();
    let save = |nth: usize| Shape::ALL[nth % Shape::ALL.len()].save_one(&image(nth)).bytes();
    let paths: Vec<_> = (0..2 * times).map(|nth| scratch.write(&format!("{nth}.tar"), save(nth))).collect();
    let bundle = |name: &str, images: usize| {
        let images: Vec<_> = (0..images).map(image).collect();
        vec![scratch.write(name, Shape::Oci.save(&images).bytes())]
    };
    let (one, two) = (bundle("one.tar", times), bundle("two.tar", 2 * times));
    for (command, one, two) in [
        (&["convert", "-q", "--to", "oci"][..], &paths[..times], &paths[..]),
        (&["convert", "-q", "--to", "oci", "-t", "x:1", "--image", "app1", "-o", "OUT/x"], &paths[..times], &paths[..]),
        (&["convert", "-q", "--to", "oci", "IN", "--base"], &paths[..times], &paths[..]),
        (&["convert", "-q", "--to", "oci", "IN", "--base"], &one[..], &two[..]),
        (&["convert", "-q", "--to", "oci", "--split", "-o", "OUT/{n}", "IN", "--base"], &one[..], &two[..]),
        (&["verify", "-q"], &paths[..times], &paths[..]),
        (&["inspect", "--short"], &paths[..times], &paths[..]),
        (&["convert", "-q", "--to", "oci", "--split", "-o", "OUT/{name}"], &one[..], &two[..]),
        (&["convert", "-q", "--to", "oci-dir", "--split", "-o", "OUT/{n}"], &one[..], &two[..]),
    ] {
        let mut runs = Runs::default();
        let mut wrong = Some(String::new());
        for _ in 0..ATTEMPTS {
            if wrong.is_some() {
                runs.one.push(run(command, one, &scratch));
                runs.two.push(run(command, two, &scratch));
                wrong = runs.wrong(times);
            }
        }
        println!("{:?} {} KiB more  {command:?} {times}", runs.cpu(), runs.more());
        assert_eq!(wrong, None, "{command:?}");
    }
}
