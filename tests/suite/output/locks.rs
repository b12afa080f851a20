//! Runs that write to one directory at once: each waits for the one before, and says so (O-30).

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::support::archive::Archive;
use crate::support::image::TestImage;
use crate::support::order;
use crate::support::run::{imgtar, program};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

fn lock(scratch: &Scratch, name: &str) -> File {
    let directory = File::open(scratch.path(name)).unwrap();
    flock(&directory, FlockOperation::LockExclusive).unwrap();
    directory
}

/// Begins a run that writes `app.tar` to `layout`, and returns it with its other messages when it has said that it waits.
fn waiting(scratch: &Scratch, how: &str) -> (Child, Receiver<String>) {
    let run = Command::new(program())
        .args(["convert", "app.tar", "--to", "oci-dir", "-o", "layout", how])
        .current_dir(scratch.dir())
        .stderr(Stdio::piped())
        .spawn();
    let mut run = run.unwrap();
    let (sender, messages) = mpsc::channel();
    let lines = BufReader::new(run.stderr.take().unwrap()).lines();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let first = messages.recv_timeout(Duration::from_secs(20)).expect("a note");
    assert_eq!(first, "imgtar: note: waiting for another run that writes to layout");
    (run, messages)
}

#[track_caller]
fn ends_well(mut run: Child, messages: Receiver<String>) {
    let lines: Vec<String> = messages.into_iter().collect();
    assert!(run.wait().unwrap().success(), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("waiting")), "once: {lines:?}");
}

fn shelf() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("app.tar", Shape::Oci.save_one(&TestImage::demo("app:1")).bytes());
    Shape::Oci.save_one(&TestImage::demo("first:1")).unpack(&scratch.path("layout"));
    scratch
}

fn names(scratch: &Scratch, layout: &str) -> Vec<String> {
    let images = order::oci_dir(&Archive::of_dir(&scratch.path(layout)));
    images.into_iter().flat_map(|image| image.names).collect()
}

#[test]
fn a_run_that_waits_says_so() {
    for (how, expected) in [
        ("--append", &["docker.io/library/first:1", "docker.io/library/app:1"][..]),
        ("--force", &["docker.io/library/app:1"]),
    ] {
        let scratch = shelf();
        let lock = lock(&scratch, "layout");
        let (run, messages) = waiting(&scratch, how);
        drop(lock);
        ends_well(run, messages);
        assert_eq!(names(&scratch, "layout"), expected, "{how}");
    }
}

#[test]
fn a_run_that_holds_a_directory_does_not_wait_for_another() {
    let scratch = Scratch::new();
    let source = Shape::Oci.save(&["first", "second"].map(TestImage::demo));
    for name in ["first", "second"] {
        Shape::Oci.save_one(&TestImage::demo("old:1")).unpack(&scratch.path(name));
    }
    let split = || {
        let run = imgtar(["convert", "--to", "oci-dir", "--split", "-f", "-o", "{name}"]).dir(scratch.dir());
        run.stdin(source.bytes())
    };
    let second = lock(&scratch, "second");
    let outcome = split().exits(5).says(["second: another run writes to it", "run it again"]);
    assert!(!outcome.stderr.contains("waiting"), "{outcome}");
    for name in ["first", "second"] {
        assert_eq!(names(&scratch, name), ["docker.io/library/old:1"]);
    }
    assert_eq!(scratch.names(), ["first", "second"]);
    drop(second);
    split().success();
    for name in ["first", "second"] {
        assert_eq!(names(&scratch, name), [format!("docker.io/library/{name}:latest")]);
    }
}

/// Begins a run that adds to `layout`, which is not there, and returns it when it has begun and waits for its input.
fn beginning(scratch: &Scratch) -> (Child, File) {
    assert!(Command::new("mkfifo").arg(scratch.path("in")).status().unwrap().success());
    let run = Command::new(program())
        .args(["convert", "in", "--to", "oci-dir", "-o", "layout", "--append"])
        .current_dir(scratch.dir())
        .stderr(Stdio::null())
        .spawn();
    // It is opened when the output has been begun.
    let input = fs::OpenOptions::new().write(true).open(scratch.path("in")).unwrap();
    (run.unwrap(), input)
}

#[test]
fn runs_that_add_to_a_directory_that_is_not_there_yet_wait_too() {
    let first = Shape::Oci.save_one(&TestImage::demo("first:1")).bytes();
    for (input, code, expected) in [
        (&first[..], 0, &["docker.io/library/first:1", "docker.io/library/app:1"][..]),
        (b"no archive", 3, &["docker.io/library/app:1"]),
    ] {
        let scratch = Scratch::new();
        scratch.write("app.tar", Shape::Oci.save_one(&TestImage::demo("app:1")).bytes());
        let (mut one, mut file) = beginning(&scratch);
        let (other, messages) = waiting(&scratch, "--append");
        file.write_all(input).unwrap();
        drop(file);
        assert_eq!(one.wait().unwrap().code(), Some(code));
        ends_well(other, messages);
        assert_eq!(names(&scratch, "layout"), expected);
        assert_eq!(scratch.names(), ["app.tar", "in", "layout"]);
    }
}

#[test]
fn a_directory_that_was_made_to_be_added_to_goes_with_the_run() {
    for signal in [None, Some("-TERM"), Some("-KILL")] {
        let scratch = Scratch::new();
        let (mut run, file) = beginning(&scratch);
        assert_eq!(scratch.names(), ["in", "layout"]);
        if let Some(signal) = signal {
            assert!(Command::new("kill").args([signal, &run.id().to_string()]).status().unwrap().success());
        } else {
            drop(file);
        }
        assert!(!run.wait().unwrap().success());
        if signal == Some("-KILL") {
            let bytes = Shape::Oci.save_one(&TestImage::demo("app:1")).bytes();
            let again = imgtar(["convert", "--to", "oci-dir", "-o", "layout", "--append"]).dir(scratch.dir());
            again.stdin(bytes).success();
            assert!(scratch.path("layout/index.json").exists(), "what was left does not stand in the way");
        } else {
            assert_eq!(scratch.names(), ["in"], "{signal:?}");
        }
    }
}

#[test]
fn who_waits_for_a_directory_that_is_replaced_waits_for_the_new_one() {
    let scratch = shelf();
    let old = lock(&scratch, "layout");
    let (mut run, messages) = waiting(&scratch, "--append");
    fs::rename(scratch.path("layout"), scratch.path("old")).unwrap();
    Shape::Oci.save_one(&TestImage::demo("second:1")).unpack(&scratch.path("layout"));
    let new = lock(&scratch, "layout");
    drop(old);
    thread::sleep(Duration::from_millis(500));
    assert!(run.try_wait().unwrap().is_none(), "the new one is locked");
    drop(new);
    ends_well(run, messages);
    assert_eq!(names(&scratch, "layout"), ["docker.io/library/second:1", "docker.io/library/app:1"]);
}
