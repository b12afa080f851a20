//! Somebody writes to the input when a run is at its nth call, for every n: what comes out is what the input was before or
//! what it is now, whole; everything else is refused.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use super::{Files, Input, Output, Pair, each_pair, image};
use crate::support::docker::docker_19;
use crate::support::image::TestImage;
use crate::support::inject::Fault;
use crate::support::layer::{dir, file, hardlink, whiteout};
use crate::support::noise;
use crate::support::rootfs::flatten;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

/// What is done to the file `$in`, `$other` being as old as it and, but for its compression, as long.
const CHANGES: [(&str, &str); 4] = [
    ("added to", r#"printf more >>"$in""#),
    ("cut", r#"truncate -s -1000 "$in""#),
    ("overwritten, its time set back", r#"cp --preserve=timestamps "$other" "$in""#),
    ("replaced", r#"cp "$other" "$in.new" && mv "$in.new" "$in""#),
];

/// The image that the inputs hold, with other bytes in its largest file.
fn other_image() -> TestImage {
    let other: Vec<u8> = noise(300 << 10).into_iter().rev().collect();
    let base = TestImage::new().layer([dir("d"), file("d/gone", "1"), file("noise", other)]);
    base.layer([file("new", "2"), hardlink("again", "new"), whiteout("d/gone")]).tag("app:1")
}

/// A file that changes, and what it may be.
struct Victim {
    path: PathBuf,
    bytes: Vec<u8>,
    other: PathBuf,
}

impl Victim {
    /// The file of `input`, or a layer of its layout; `None` for inputs that nobody can write to.
    fn of(input: &Input, scratch: &Scratch) -> Option<Self> {
        let (path, other) = match input.name {
            "legacy" => (input.path.clone(), Shape::Docker20.save_one(&other_image()).bytes()),
            "v1" => (input.path.clone(), docker_19(&other_image()).bytes()),
            "rootfs" => (input.path.clone(), flatten(&other_image(), &[])),
            "docker" => (input.path.clone(), Shape::Crane.save_one(&other_image()).bytes()),
            "oci-dir" => {
                let layer = image().layers[0].blob();
                let name = crate::support::sha256(&layer);
                (input.path.join("blobs/sha256").join(name), layer.iter().map(|byte| !byte).collect())
            }
            _ => return None,
        };
        let bytes = fs::read(&path).unwrap();
        let victim = Self { path, bytes, other: scratch.write("other", other) };
        set_back(&victim.other);
        victim.restore();
        Some(victim)
    }

    fn restore(&self) {
        fs::write(&self.path, &self.bytes).unwrap();
        set_back(&self.path);
    }

    fn command(&self, change: &str) -> String {
        format!("in={} other={}; {change}", self.path.display(), self.other.display())
    }
}

fn set_back(path: &Path) {
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
}

#[test]
fn h_28_an_input_that_changes_at_any_call_is_refused_or_taken_as_a_whole() {
    let mut problems = Vec::new();
    let mut struck = [0; CHANGES.len()];
    let is_possible = each_pair(|pair, which| {
        let is_tested = matches!(pair.target, "legacy" | "oci" | "rootfs");
        if pair.input.is_piped || !is_tested || !matches!(pair.output, Output::New | Output::Pipe) {
            return;
        }
        let scratch = Scratch::new();
        let Some(victim) = Victim::of(pair.input, &scratch) else { return };
        let mut wholes = vec![(pair.after.clone(), pair.stdout.clone())];
        // What a change makes may be an input too, and is one that is read from its beginning.
        for (_, change) in CHANGES {
            victim.restore();
            pair.set_up();
            assert!(Command::new("sh").args(["-ec", &victim.command(change)]).status().unwrap().success());
            let (ended, _) = pair.run((Fault::Error, 0), "");
            if ended.code == 0 {
                wholes.push((pair.files(), ended.stdout));
            }
        }
        for (change, struck) in CHANGES.iter().zip(&mut struck) {
            let met = change_at_any(&pair, &victim, change, which, &wholes, &mut problems);
            *struck += met;
            eprintln!("{pair}: {} {met} times", change.0);
        }
        victim.restore();
    });
    for ((name, _), struck) in CHANGES.iter().zip(struck) {
        assert!(!is_possible || struck > 0, "no input was ever {name}");
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn change_at_any(
    pair: &Pair<'_>,
    victim: &Victim,
    (name, change): &(&str, &str),
    (first, step): (usize, usize),
    wholes: &[(Files, Vec<u8>)],
    problems: &mut Vec<String>,
) -> usize {
    for (met, nth) in (first..).step_by(step).enumerate() {
        victim.restore();
        pair.set_up();
        let (ended, struck) = pair.run((Fault::Run, nth), &victim.command(change));
        let Some(call) = struck else { return met };
        let found = pair.files();
        let is_right = match ended.code {
            0 => wholes.iter().any(|(files, stdout)| found == *files && ended.stdout == *stdout),
            3 | 5 => found == pair.before && (pair.stdout.is_empty() || ended.stdout.len() < pair.stdout.len()),
            _ => false,
        };
        if !is_right {
            let said = ended.stderr.trim();
            problems.push(format!("{pair}: {name} at call {nth}, {call}: exit {}, {said}", ended.code));
        }
    }
    unreachable!("a run ends")
}
