//! The nth system call goes wrong, for every n: an error, a disk that is full or can no longer be changed, an interruption, a
//! short count, a reader that leaves, a signal; from every kind of input to every kind of output (the page's principle 7,
//! H-26).
//!
//! `IMGTAR_FAULTS` says how many: 1 takes every n, 101, if it is unset, one in 101, and other ones in each pair. Which ones
//! `IMGTAR_FAULTS_FROM` says: from 0, if it is unset, to one less than `IMGTAR_FAULTS`, all take every n.
//! `IMGTAR_FAULTS_JOBS` is the number of threads, 1 if unset; with more, which call is the nth is left to chance. With
//! `--nocapture` each pair tells how many faults it met.

mod changed;
mod closing;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{env, fs};

use crate::support::codec::Codec;
use crate::support::docker::docker_19;
use crate::support::image::TestImage;
use crate::support::inject::{self, Disks, Fault};
use crate::support::layer::{dir, file, hardlink, whiteout};
use crate::support::noise;
use crate::support::process::{Ended, piped};
use crate::support::rootfs::flatten;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

/// Small, and yet larger than what is copied in one step.
fn image() -> TestImage {
    let base = TestImage::new().layer([dir("d"), file("d/gone", "1"), file("noise", noise(300 << 10))]);
    base.layer([file("new", "2"), hardlink("again", "new"), whiteout("d/gone")]).tag("app:1")
}

/// Where a run reads from.
struct Input {
    name: &'static str,
    command: &'static [&'static str],
    path: PathBuf,
    is_piped: bool,
    /// Another archive behind it.
    more: Option<PathBuf>,
    /// The archive of `--base`.
    base: Option<PathBuf>,
}

impl Input {
    fn stdin(&self) -> Stdio {
        if self.is_piped { piped(&self.path) } else { Stdio::null() }
    }
}

/// All inputs, whose files are in `scratch`.
fn inputs(scratch: &Scratch) -> Vec<Input> {
    let convert: &[&str] = &["convert"];
    let import: &[&str] = &["import", "-t", "app:1", "--arch", "amd64"];
    let squash: &[&str] = &["edit", "--squash"];
    let remove: &[&str] = &["edit", "--remove", "new", "--normalize"];
    let mut inputs = Vec::new();
    for (name, command, bytes) in [
        ("legacy", convert, Shape::Docker20.save_one(&image()).bytes()),
        ("docker", convert, Shape::Crane.save_one(&image()).bytes()),
        ("oci", convert, Shape::Oci.save_one(&image().all_stored(Codec::Zstd)).bytes()),
        ("rootfs", import, flatten(&image(), &[])),
        ("squash", squash, Shape::Oci.save_one(&image()).bytes()),
        ("remove", remove, Shape::Docker20.save_one(&image()).bytes()),
    ] {
        let path = scratch.write(name, bytes);
        for is_piped in [false, true] {
            inputs.push(Input { name, command, path: path.clone(), is_piped, more: None, base: None });
        }
    }
    let v1 = scratch.write("v1", docker_19(&image()).bytes());
    inputs.push(Input { name: "v1", command: convert, path: v1, is_piped: false, more: None, base: None });
    let packed = scratch.write("legacy.gz", Shape::Docker20.save_one(&image()).compressed(Codec::Gzip));
    inputs.push(Input { name: "legacy.gz", command: convert, path: packed, is_piped: false, more: None, base: None });
    Shape::Oci.save_one(&image()).unpack(&scratch.path("layout"));
    inputs.push(Input {
        name: "oci-dir",
        command: convert,
        path: scratch.path("layout"),
        is_piped: false,
        more: None,
        base: None,
    });
    let other = scratch.write("other", Shape::Oci.save_one(&TestImage::demo("other:1")).bytes());
    for (name, command) in [("several", convert), ("several, squashed", squash)] {
        let (path, more) = (scratch.path("docker"), Some(other.clone()));
        inputs.push(Input { name, command, path, is_piped: false, more, base: None });
    }
    let of_base =
        TestImage::new().layer([dir("d"), file("d/gone", "1"), file("noise", noise(300 << 10))]).tag("base:1");
    let base = Some(scratch.write("base", Shape::Crane.save_one(&of_base).bytes()));
    let (name, path) = ("increment", scratch.path("docker"));
    inputs.push(Input { name, command: convert, path, is_piped: false, more: None, base });
    inputs
}

/// Where a run writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    /// A file or directory that is not there yet.
    New,
    /// One that is there already, with `--force`.
    Over,
    /// A layout that is there already, with `--append`.
    Beside,
    /// Standard output.
    Pipe,
    /// A file or directory for each image, none of which is there yet.
    Split,
    /// A file that is there already, with `--force`, or a layout, with `--append`; a report goes to standard output.
    Reported,
}

/// Ends that leave a process no time to clean up: SIGKILL, and what Rust's runtime does when there is no memory.
const DEADLY: [i32; 3] = [134, 137, 139];
/// What Rust's runtime says when it ends a process for want of memory, unless the process has ended meanwhile.
const LAST_WORDS: &str = "failed to allocate an alternative stack";

const TARGETS: [&str; 5] = ["legacy", "docker", "oci", "oci-dir", "rootfs"];

fn outputs(input: &Input, target: &str) -> &'static [Output] {
    match target {
        _ if input.more.is_some() && target == "rootfs" => &[],
        "oci" if input.name == "several, squashed" => &[Output::Split],
        _ if input.name == "several, squashed" => &[],
        "oci" | "oci-dir" if input.more.is_some() => &[Output::New, Output::Split],
        _ if input.more.is_some() => &[Output::Split],
        "oci" | "oci-dir" if input.base.is_some() => &[Output::New, Output::Split],
        _ if input.base.is_some() => &[],
        "oci" | "oci-dir" if input.name == "squash" && !input.is_piped => &[Output::New, Output::Reported],
        // A layout that keeps its blobs keeps what is to be removed, so that is refused.
        "oci-dir" if input.name == "remove" => &[Output::New, Output::Over],
        "oci-dir" => &[Output::New, Output::Over, Output::Beside],
        "oci" => &[Output::New, Output::Over, Output::Pipe],
        _ => &[Output::New, Output::Pipe],
    }
}

/// All files below a directory.
type Files = BTreeMap<PathBuf, Vec<u8>>;

fn files(dir: &Path) -> Files {
    let mut found = Files::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // A directory that stays empty is litter too.
                found.insert(path.clone(), Vec::new());
                waiting.push(path);
            } else {
                found.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    found
}

/// An input, an output and the place where they meet.
struct Pair<'a> {
    input: &'a Input,
    target: &'static str,
    output: Output,
    disks: Disks,
    jobs: &'a str,
    scratch: Scratch,
    /// What is there before each run.
    before: Files,
    /// What a run without faults leaves.
    after: Files,
    stdout: Vec<u8>,
}

impl<'a> Pair<'a> {
    fn new(input: &'a Input, target: &'static str, output: Output, jobs: &'a str) -> Self {
        let (before, after, stdout) = Default::default();
        let disks = Disks::Able;
        let mut pair = Self { input, target, output, disks, jobs, scratch: Scratch::new(), before, after, stdout };
        pair.set_up();
        pair.before = pair.files();
        (pair.after, pair.stdout) = pair.undisturbed();
        pair
    }

    /// The same pair on such `disks`, where it comes to the same.
    fn on(mut self, disks: Disks) -> Self {
        self.disks = disks;
        self.set_up();
        assert!(self.undisturbed() == (self.after.clone(), self.stdout.clone()), "{self}: other files or bytes");
        self
    }

    /// What a run without faults leaves and writes.
    fn undisturbed(&self) -> (Files, Vec<u8>) {
        let (ended, _) = self.run((Fault::Error, 0), "");
        let ended = ended.exits(0, []);
        (self.files(), ended.stdout)
    }

    fn set_up(&self) {
        let (place, tmp) = (self.scratch.path("place"), self.scratch.path("tmp"));
        for dir in [&place, &tmp] {
            let _ = fs::remove_dir_all(dir);
            fs::create_dir(dir).unwrap();
        }
        match self.output {
            Output::New | Output::Pipe | Output::Split => {}
            Output::Over | Output::Reported if self.target != "oci-dir" => {
                fs::write(place.join("out"), "precious").unwrap();
            }
            Output::Over | Output::Beside | Output::Reported => {
                Shape::Oci.save_one(&TestImage::demo("old:1")).unpack(&place.join("out"));
            }
        }
    }

    /// What lies where the output goes and where spools go.
    fn files(&self) -> Files {
        let mut found = files(self.scratch.dir());
        found.remove(&self.scratch.path("log"));
        found
    }

    fn run(&self, fault: (Fault, usize), meanwhile: &str) -> (Ended, Option<String>) {
        let (out, tmp) = (self.scratch.path("place/out"), self.scratch.path("tmp"));
        let mut args: Vec<OsString> = self.input.command.iter().map(OsString::from).collect();
        args.extend(["-q", "-j", self.jobs, "--to", self.target, "--tmpdir"].map(OsString::from));
        args.push(tmp.into());
        match self.output {
            Output::New | Output::Pipe => {}
            Output::Over => args.push("--force".into()),
            Output::Beside => args.push("--append".into()),
            Output::Split => args.push("--split".into()),
            Output::Reported => {
                let flag = if self.target == "oci-dir" { "--append" } else { "--force" };
                args.extend([flag, "--report", "-"].map(OsString::from));
            }
        }
        let output = match self.output {
            Output::Pipe => "-".into(),
            Output::Split => self.scratch.path("place/{name}").into(),
            Output::New | Output::Over | Output::Beside | Output::Reported => out.into(),
        };
        args.extend(["-o".into(), output]);
        args.push(if self.input.is_piped { "-".into() } else { self.input.path.clone().into() });
        args.extend(self.input.more.iter().map(|path| path.clone().into()));
        args.extend(self.input.base.iter().flat_map(|path| ["--base".into(), path.clone().into()]));
        inject::run(self.disks, fault, &self.scratch.path("log"), meanwhile, args, self.input.stdin())
    }

    /// Runs with every `step`th fault from `first` on, and judges each by `allowed`: how many there were, and what was
    /// wrong.
    fn all(&self, fault: Fault, (first, step): (usize, usize), allowed: &[i32]) -> (usize, Vec<String>) {
        let mut problems = Vec::new();
        for (met, nth) in (first..).step_by(step).enumerate() {
            self.set_up();
            let (ended, struck) = self.run((fault, nth), "");
            let Some(call) = struck else { return (met, problems) };
            // That its own stream fails, a report cannot know.
            let is_early = !ended.stdout.is_empty() && call != "close" && !ended.stderr.contains("standard output");
            let judged = match self.output == Output::Reported && ended.code == 5 && is_early {
                true => Err("a report of what does not come about".to_owned()),
                false => self.check(fault, &ended, allowed),
            };
            if let Err(problem) = judged {
                let said = ended.stderr.trim();
                problems
                    .push(format!("{self}: {fault:?} at call {nth}, {call}: exit {}, {said}: {problem}", ended.code));
            }
        }
        unreachable!("a run ends")
    }

    /// All or nothing, and said so.
    fn check(&self, fault: Fault, ended: &Ended, allowed: &[i32]) -> Result<(), String> {
        let (told, words) = told(&ended.stderr);
        let mut found = self.files();
        if let Some(aside) = words.iter().find_map(|line| Some(line.split_once("; what was there is now ")?.1)) {
            found = self.put_back(found, Path::new(aside));
        }
        let is_there = told.iter().all(|told| found.contains_key(*told));
        let is_told = |path: &Path| told.iter().any(|told| path.starts_with(told));
        found.retain(|path, _| !is_told(path));
        let before = self.before.iter().filter(|(path, _)| !is_told(path));
        let is_right = match ended.code {
            0 => found == self.after && ended.stdout == self.stdout,
            code if DEADLY.contains(&code) => self.is_right_when_killed(&found),
            _ => found.iter().eq(before),
        };
        // A disk without any room refuses to put back what was there.
        let may_stay = self.output == Output::Reported && fault == Fault::Full;
        let has_words = !words.is_empty();
        let dies = DEADLY.contains(&ended.code) || fault == Fault::Memory && ended.stderr.contains(LAST_WORDS);
        for (is_right, problem) in [
            (allowed.contains(&ended.code), "another exit code was expected"),
            (!ended.stderr.contains("panicked") || dies, "a panic"),
            (has_words == (ended.code == 5) || dies, "a word too many, or none"),
            (told.is_empty() || fault == Fault::ReadOnly || may_stay, "a thing left that could have been removed"),
            (is_there, "a thing is said to be left that is not"),
            (self.stdout.starts_with(&ended.stdout), "standard output is not how the archive begins"),
        ] {
            is_right.then_some(()).ok_or(problem)?;
        }
        is_right.then_some(()).ok_or_else(|| self.difference(&found))
    }

    /// `found` as if the directory that was there had its name: not even that can be done where no disk can be changed.
    fn put_back(&self, found: Files, aside: &Path) -> Files {
        let out = self.scratch.path("place/out");
        let place = |path: PathBuf| path.strip_prefix(aside).map(|below| out.join(below)).unwrap_or(path);
        found.into_iter().map(|(path, bytes)| (place(path), bytes)).collect()
    }

    /// A killed run may leave litter, but nothing of it under the output's name.
    fn is_right_when_killed(&self, found: &Files) -> bool {
        let is_litter = |path: &Path| path.to_str().unwrap().contains("/.imgtar-");
        let found: Files = found.clone().into_iter().filter(|(path, _)| !is_litter(path)).collect();
        if self.output == Output::Split {
            // One by one they have their names, each of them whole.
            let is_whole = |place: &PathBuf| {
                let of = |files: &Files| -> Files {
                    files
                        .iter()
                        .filter(|(path, _)| path.starts_with(place))
                        .map(|(path, bytes)| (path.clone(), bytes.clone()))
                        .collect()
                };
                of(&found) == of(&self.after) || of(&found).is_empty()
            };
            let places = ["app", "other"].map(|name| self.scratch.path("place").join(name));
            return places.iter().all(is_whole) && found.keys().all(|path| self.after.contains_key(path));
        }
        if !(self.output == Output::Beside || self.output == Output::Reported && self.target == "oci-dir") {
            return found == self.before || found == self.after;
        }
        // Blobs come one by one; what names them comes last.
        let index = self.scratch.path("place/out/index.json");
        let least = if found[&index] == self.before[&index] { &self.before } else { &self.after };
        let is_known = |(path, bytes)| [&self.before, &self.after].iter().any(|files| files.get(path) == Some(bytes));
        found.iter().all(is_known) && least.keys().all(|path| found.contains_key(path))
    }

    fn difference(&self, found: &Files) -> String {
        let relative = |path: &PathBuf| path.strip_prefix(self.scratch.dir()).unwrap().to_owned();
        let names = |files: &Files| files.keys().map(relative).collect::<Vec<_>>();
        format!("found {:?}, before {:?}, after {:?}", names(found), names(&self.before), names(&self.after))
    }
}

/// What is said to be left, and what else is said.
fn told(stderr: &str) -> (Vec<&Path>, Vec<&str>) {
    (stderr.lines().filter_map(left).collect(), stderr.lines().filter(|line| left(line).is_none()).collect())
}

/// The path that is left, if that is what `line` says.
fn left(line: &str) -> Option<&Path> {
    let line = line.strip_prefix("imgtar: warning: ")?;
    let parts = [" could not be removed: ", " could not be put back as it was: "].map(|words| line.split_once(words));
    Some(Path::new(parts.into_iter().flatten().next()?.0))
}

impl std::fmt::Display for Pair<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { input, target, output, disks, jobs, .. } = self;
        let from = if input.is_piped { "piped" } else { "file" };
        write!(f, "{} ({from}) to {target} ({output:?}), {disks:?}, -j {jobs}", input.name)
    }
}

/// Does `work` to every pair of an input and an output, and gives it the calls to strike; `false` where none can be struck.
fn each_pair(mut work: impl FnMut(Pair<'_>, (usize, usize))) -> bool {
    if !inject::is_possible() {
        return false;
    }
    let (step, from) = (number("IMGTAR_FAULTS").unwrap_or(101), number("IMGTAR_FAULTS_FROM").unwrap_or(0));
    let jobs = env::var("IMGTAR_FAULTS_JOBS").unwrap_or_else(|_| "1".to_owned());
    let scratch = Scratch::new();
    let mut nth = from;
    for input in inputs(&scratch) {
        for target in TARGETS.into_iter().filter(|&target| (input.name, target) != ("rootfs", "rootfs")) {
            for &output in outputs(&input, target) {
                work(Pair::new(&input, target, output, &jobs), (nth % step + 1, step));
                nth += 1;
            }
        }
    }
    true
}

fn number(variable: &str) -> Option<usize> {
    env::var(variable).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// Strikes all pairs, on such `disks`, with `faults`, each of which must strike somewhere.
fn strike(disks: Disks, faults: &[(Fault, &[i32])]) {
    let mut problems = Vec::new();
    let mut struck = vec![0; faults.len()];
    let is_possible = each_pair(|pair, which| {
        let pair = pair.on(disks);
        let met = faults.iter().zip(&mut struck).map(|(&(fault, allowed), struck)| {
            let (met, wrong) = pair.all(fault, which, allowed);
            problems.extend(wrong);
            *struck += met;
            format!("{fault:?} {met}")
        });
        eprintln!("{pair}: {}", met.collect::<Vec<_>>().join(", "));
    });
    for ((fault, _), struck) in faults.iter().zip(&struck) {
        eprintln!("{fault:?}: {struck} times on {disks:?} disks");
        assert!(!is_possible || *struck > 0, "{fault:?} never struck on {disks:?} disks");
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

const ERRORS: &[(Fault, &[i32])] =
    &[(Fault::Error, &[0, 5]), (Fault::ReadOnly, &[0, 5]), (Fault::Full, &[0, 5]), (Fault::HangUp, &[0, 141])];
const HARMLESS: &[(Fault, &[i32])] = &[(Fault::Interrupt, &[0]), (Fault::Short, &[0])];
const SIGNALS: &[(Fault, &[i32])] = &[(Fault::Term, &[0, 143]), (Fault::Kill, &[137])];

#[test]
fn an_error_at_any_call_leaves_all_or_nothing() {
    strike(Disks::Able, ERRORS);
}

#[test]
fn file_systems_that_can_do_little_leave_all_or_nothing_too() {
    strike(Disks::Bare, &[(Fault::Error, &[0, 5]), (Fault::ReadOnly, &[0, 5]), (Fault::Term, &[0, 143])]);
}

#[test]
fn no_memory_from_any_call_on_leaves_all_or_nothing() {
    strike(Disks::Able, &[(Fault::Memory, &[0, 5, 134, 139])]);
}

#[test]
fn interruptions_and_short_counts_change_nothing() {
    strike(Disks::Able, HARMLESS);
}

#[test]
fn a_signal_at_any_call_leaves_all_or_nothing() {
    strike(Disks::Able, SIGNALS);
}
