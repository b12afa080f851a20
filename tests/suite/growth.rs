//! Everything that an archive can repeat, at n and at 2n through every command: the processor's time grows no faster than
//! the archive and what is written of it, memory stays within `--max-metadata`, standard error below a mebibyte (H-7, H-14).
//!
//! `things` are what archives hold, made by the suite's builders; `products` repeats two things together; `documents` finds
//! every list and object of every document that the writers write, so that nobody has to think of them. Each is tried with
//! one of the commands, which take turns; `IMGTAR_GROWTH` set to anything tries each with all, at sizes for a release build,
//! and prints a table:
//!
//! ```text
//! TMPDIR=/dev/shm IMGTAR_GROWTH=all cargo test --release --test suite growth -- --nocapture --test-threads 1
//! ```
//!
//! In memory, because ext4 looks past each inode that was deleted in the last seconds when it makes a file, and thousands are.

mod archives;
mod deltas;
mod documents;
mod products;
mod things;

use std::collections::{HashMap, HashSet};
use std::env;
use std::ffi::OsString;
use std::time::Duration;

use crate::support::cost::{Cost, cost};
use crate::support::image::TestImage;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

/// Times that twice as much may take, in a debug build beside other tests and in a release build, in hundredths: two, and
/// something for chance. What grows with the square takes four.
const MOST_TIMES: (u128, u128) = (320, 230);
/// Runs of each size before growth is found to be too fast: chance only ever makes a run slower.
const ATTEMPTS: usize = 8;
/// A run that takes no longer has not done enough to be judged.
const LEAST: Duration = Duration::from_millis(40);
/// Runs with a small archive, of which the largest peak is what the command takes at rest: memory is read while a command
/// runs, and one that ends within milliseconds may have ended before it was looked at a last time.
const IDLE_RUNS: usize = 12;
/// Standard error, bytes.
const MOST_SAID: usize = 1 << 20;
/// `--max-metadata` where memory is looked at, in a debug build and in a release build, MiB.
const BUDGET: (u64, u64) = (8, 32);
/// Memory above that of a small archive that a run with that budget may take, in hundredths of it and KiB besides: estimates
/// and allocators need not be exact.
const MOST_MEMORY: (u64, u64) = (150, 8 << 10);

/// Growth that is known to be too fast, below its reason: `SORT: REPEAT:` for all commands, `SORT: REPEAT: COMMAND` for those
/// that begin so. The whole table reports lines of its repeats that it does not need.
const KNOWN: &str = include_str!("growth.known");

/// Something that an archive repeats.
struct Repeat {
    what: String,
    /// How often, in a debug build and in a release build; and twice that.
    times: (usize, usize),
    archive: Box<dyn Fn(usize) -> Vec<u8>>,
}

impl Repeat {
    fn new(what: impl Into<String>, times: (usize, usize), archive: impl Fn(usize) -> Vec<u8> + 'static) -> Self {
        Self { what: what.into(), times, archive: Box::new(archive) }
    }
}

/// The commands that look at an archive, without its path.
const COMMANDS: [&[&str]; 26] = [
    &["convert", "--to", "oci"],
    &["verify"],
    &["convert", "--to", "docker"],
    &["inspect"],
    &["convert", "--to", "rootfs"],
    &["ls", "-l"],
    &["convert", "--to", "legacy"],
    &["inspect", "--json", "--full"],
    &["cat", "-", "etc/os-release"],
    &["history"],
    &["diff", "-"],
    &["convert", "--to", "oci-dir"],
    &["convert", "--to", "oci", "--tag", "new:1"],
    &["verify", "--json"],
    &["convert", "--to", "docker", "--platform", "linux/amd64"],
    &["convert", "--to", "oci", "--add-tag", "new:1"],
    &["ls", "--json", "--image", "a*"],
    &["convert", "--to", "oci", "--image", "a*"],
    &["ls", "--layers"],
    &["ls", "--tree"],
    &["edit", "--squash", "--to", "oci"],
    &["edit", "--remove", "**/*1", "--to", "docker"],
    &["edit", "--normalize", "--user", "1", "--to", "oci"],
    &["edit", "--squash-top", "2", "--to", "rootfs"],
    &["edit", "--remove-layer", "0", "--to", "legacy"],
    &["edit", "--label", "a=b", "--to", "oci-dir"],
];

/// Whether the whole table is wanted.
fn is_whole() -> bool {
    env::var_os("IMGTAR_GROWTH").is_some()
}

/// The directory of one repeat: the archives, and where output goes.
struct Bench {
    scratch: Scratch,
    /// True if the archive has something for each pair of things; a run may then take four times as long.
    is_square: bool,
}

impl Bench {
    fn new(repeat: &Repeat, times: usize) -> Self {
        let scratch = Scratch::new();
        let [one, two] = [("one", times), ("two", 2 * times)].map(|(name, times)| {
            let archive = (repeat.archive)(times);
            scratch.write(name, &archive);
            archive.len()
        });
        scratch.write("other", Shape::Docker20.save_one(&TestImage::demo("other:1")).bytes());
        Self { scratch, is_square: is_square(one, two) }
    }

    /// Runs `command` with the archive `name`.
    fn run(&self, command: &[&str], name: &str, more: &[&str]) -> Cost {
        let archive = self.scratch.path(name);
        let mut args: Vec<OsString> = Vec::new();
        for &arg in command {
            args.push(if arg == "-" { archive.clone().into() } else { arg.into() });
        }
        match command[0] {
            "diff" => args.push(self.scratch.path("other").into()),
            "cat" => {}
            _ => args.push(archive.into()),
        }
        if command.contains(&"oci-dir") {
            args.extend(["-f".into(), "-o".into(), self.scratch.path("out").into()]);
        }
        args.extend(more.iter().map(OsString::from));
        cost(&args)
    }

    /// The memory that `command` takes for its program and for the archive `one`, KiB.
    fn peak_at_rest(&self, command: &[&str]) -> u64 {
        (0..IDLE_RUNS).map(|_| self.run(command, "one", &[]).peak).max().expect("there are runs")
    }
}

/// Returns whether `two`, for twice as many things, is so much larger than `one` that it has something for each pair of them.
fn is_square(one: usize, two: usize) -> bool {
    2 * two > 5 * one
}

/// What is wrong with how `command` takes the archives, and a row of the table.
fn problems_and_row(bench: &Bench, command: &[&str], idle: u64) -> (Vec<(&'static str, String)>, String) {
    let (mut one, mut two) = (bench.run(command, "one", &[]), bench.run(command, "two", &[]));
    let times = |one: &Cost, two: &Cost| two.cpu.as_micros() * 100 / one.cpu.as_micros().max(1);
    let most_times = if is_whole() { MOST_TIMES.1 } else { MOST_TIMES.0 };
    let is_square = |one: &Cost, two: &Cost| bench.is_square || is_square(one.stdout, two.stdout);
    let allowed = |one: &Cost, two: &Cost| if is_square(one, two) { 2 * most_times } else { most_times };
    let is_fast = |one: &Cost, two: &Cost| two.cpu > LEAST && times(one, two) > allowed(one, two);
    for _ in 1..ATTEMPTS {
        if is_fast(&one, &two) {
            // The least of each.
            let again = [("one", &mut one), ("two", &mut two)];
            for (name, best) in again {
                let cost = bench.run(command, name, &[]);
                if cost.cpu < best.cpu {
                    *best = cost;
                }
            }
        }
    }
    let budget = if is_whole() { BUDGET.1 } else { BUDGET.0 };
    let most = (budget << 10) * MOST_MEMORY.0 / 100 + MOST_MEMORY.1;
    // What takes little without a budget takes no more with one. Chance adds to what is resident: the least of some runs.
    let mut within = two.clone();
    for _ in 0..ATTEMPTS {
        if within.peak.saturating_sub(idle) > most {
            let again = bench.run(command, "two", &["--max-metadata", &format!("{budget}M")]);
            if again.peak < within.peak {
                within = again;
            }
        }
    }
    let mut wrong = Vec::new();
    if is_fast(&one, &two) {
        wrong.push(("time", format!("{:?}, {:?} for twice as much", one.cpu, two.cpu)));
    }
    let memory = within.peak.saturating_sub(idle);
    if memory > most {
        wrong.push(("memory", format!("{memory} KiB with --max-metadata {budget}M")));
    }
    for cost in [&one, &two, &within] {
        let (said, begins) = &cost.stderr;
        if *said > MOST_SAID {
            wrong.push(("words", format!("{said} bytes of standard error: {begins}")));
        }
        if ![0, 1, 2, 3, 4, 6].contains(&cost.code) {
            wrong.push(("end", format!("exit {}: {begins}", cost.code)));
        }
    }
    let row = format!(
        "{:>8.1} {:>8.1} {:>5.2} {:>8} {:>8} {:>8} {:>4} {:>4}",
        one.cpu.as_secs_f64() * 1e3,
        two.cpu.as_secs_f64() * 1e3,
        times(&one, &two) as f64 / 100.0,
        two.peak,
        memory,
        two.stderr.0,
        two.code,
        within.code,
    );
    (wrong, row)
}

/// Wants each of `repeats` to grow no faster than it may; without the whole table by one command, and these take turns from
/// `first` on.
fn try_all(repeats: &[Repeat], first: usize) {
    let is_whole = is_whole();
    let only = env::var("IMGTAR_GROWTH").ok().filter(|only| only != "all");
    let is_shown = is_whole || env::args().any(|arg| arg == "--nocapture");
    let small = Bench::new(&Repeat::new("", (1, 1), |_| Shape::Docker20.save_one(&TestImage::demo("a:1")).bytes()), 1);
    let mut idle = HashMap::new();
    let known: Vec<&str> = KNOWN.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let (mut met, mut problems) = (HashSet::new(), Vec::new());
    for (nth, repeat) in repeats.iter().enumerate() {
        if only.as_ref().is_some_and(|only| !repeat.what.contains(only)) {
            continue;
        }
        let times = if is_whole { repeat.times.1 } else { repeat.times.0 };
        let bench = Bench::new(repeat, times);
        let tried: Vec<_> = match is_whole {
            true => COMMANDS.iter().collect(),
            false => vec![&COMMANDS[(first + nth) % COMMANDS.len()]],
        };
        for command in tried {
            let idle = *idle.entry(command).or_insert_with(|| small.peak_at_rest(command));
            let (wrong, row) = problems_and_row(&bench, command, idle);
            if is_shown {
                println!("{row}  {} {times}: {}", repeat.what, command.join(" "));
            }
            for (sort, why) in wrong {
                let place = format!("{sort}: {}: {}", repeat.what, command.join(" "));
                match known.iter().find(|known| place.starts_with(**known)) {
                    Some(known) => drop(met.insert(*known)),
                    None => problems.push(format!("{place}: {why}")),
                }
            }
        }
        let its = format!("{}:", repeat.what);
        let is_its = |known: &str| known.split_once(": ").is_some_and(|(_, what)| what.starts_with(&its));
        for known in known.iter().filter(|known| is_whole && is_its(known) && !met.contains(*known)) {
            problems.push(format!("growth.known is behind: {known}"));
        }
    }
    assert!(problems.is_empty(), "{} grow too fast:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn what_archives_hold_grows_no_faster_than_they_do() {
    try_all(&things::all(), 0);
}

#[test]
fn two_things_together_grow_no_faster_than_they_do() {
    try_all(&products::all(), 2);
}

#[test]
fn lists_and_objects_of_documents_grow_no_faster_than_they_do() {
    try_all(&documents::all(), 1);
}
