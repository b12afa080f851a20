//! Runs that write to one directory at once: each waits for the one before, and says so (O-30).

#[cfg(unix)]
mod unix;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::support::archive::Archive;
use crate::support::image::TestImage;
use crate::support::order;
use crate::support::run::{imgtar, program};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

#[cfg(unix)]
fn lock(scratch: &Scratch, name: &str) -> File {
    use rustix::fs::{FlockOperation, flock};
    let directory = File::open(scratch.path(name)).unwrap();
    flock(&directory, FlockOperation::LockExclusive).unwrap();
    directory
}

#[cfg(windows)]
fn lock(scratch: &Scratch, name: &str) -> File {
    use std::fs::OpenOptions;
    use std::os::windows::fs::OpenOptionsExt;
    const ACCESS: u32 = 0x4000_0000 | 0x1_0000; // GENERIC_WRITE, DELETE
    const DELETE_ON_CLOSE: u32 = 0x400_0000;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).access_mode(ACCESS).share_mode(0).custom_flags(DELETE_ON_CLOSE);
    options.open(scratch.path(&format!(".imgtar-{name}.lock"))).unwrap()
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
    drop(second);
    assert_eq!(scratch.names(), ["first", "second"]);
    split().success();
    for name in ["first", "second"] {
        assert_eq!(names(&scratch, name), [format!("docker.io/library/{name}:latest")]);
    }
}

#[test]
fn runs_that_add_at_once_lose_no_image() {
    for target in ["layout", "new"] {
        let scratch = shelf();
        let tags: Vec<String> = (0..5).map(|number| format!("docker.io/library/app:{number}")).collect();
        let begin = |tag: &String| {
            let mut run = Command::new(program());
            run.args(["convert", "app.tar", "--to", "oci-dir", "--append", "-q", "-o", target, "-t", tag]);
            run.current_dir(scratch.dir()).spawn().unwrap()
        };
        let runs: Vec<Child> = tags.iter().map(begin).collect();
        for mut run in runs {
            assert!(run.wait().unwrap().success());
        }
        let mut found = names(&scratch, target);
        found.sort();
        found.retain(|name| name != "docker.io/library/first:1");
        assert_eq!(found, tags, "{target}");
        let expected = if target == "new" { &["app.tar", "layout", "new"][..] } else { &["app.tar", "layout"] };
        assert_eq!(scratch.names(), expected);
    }
}
