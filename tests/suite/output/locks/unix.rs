//! Locks that are those of the directory itself, which is made to be locked, and may be another one meanwhile.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{ends_well, lock, names, shelf, waiting};
use crate::support::image::TestImage;
use crate::support::run::{imgtar, program};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

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
