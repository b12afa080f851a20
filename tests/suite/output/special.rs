//! Outputs that only systems of the Unix family have: symbolic links that anybody may make, FIFOs, devices, descriptors as paths.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::Command;
use std::thread;

use super::{source, to};
use crate::support::expect::{Target, archive_and_images, convert};
use crate::support::image::TestImage;
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::Tarball;

#[test]
fn a_symbolic_link_is_followed_to_where_it_points() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("real")).unwrap();
    symlink("real/out", scratch.path("link")).unwrap();
    to(Target::Docker, &scratch.path("link")).stdin(source().bytes()).success();
    assert!(scratch.path("link").is_symlink(), "the link itself stays");
    archive_and_images(Target::Docker, &scratch.read("real/out"));
    to(Target::Docker, &scratch.path("link")).stdin(source().bytes()).exits(5);
    to(Target::Legacy, &scratch.path("link")).arg("-f").stdin(source().bytes()).success();
    assert!(scratch.path("link").is_symlink());
    archive_and_images(Target::Legacy, &scratch.read("real/out"));
}

#[test]
fn a_fifo_is_written_as_a_stream() {
    let scratch = Scratch::new();
    let fifo = scratch.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = thread::spawn({
        let fifo = fifo.clone();
        move || {
            let mut bytes = Vec::new();
            fs::File::open(fifo).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        }
    });
    to(Target::Docker, &fifo).stdin(source().bytes()).success();
    assert_eq!(reader.join().unwrap(), convert(&source(), Target::Docker, &[]).bytes);
    assert!(FileTypeExt::is_fifo(&fs::metadata(&fifo).unwrap().file_type()));
}

#[test]
fn a_fifo_that_is_read_is_not_written() {
    let scratch = Scratch::new();
    let fifo = scratch.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    to(Target::Docker, &fifo).arg(&fifo).exits(2).says(["is the input"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_exit_5() {
    to(Target::Docker, Path::new("/dev/full")).stdin(source().bytes()).exits(5).says(["/dev/full"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_exit_5() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    imgtar(["convert", "--to", "docker"]).stdin(source().bytes()).stdout_file(full).exits(5);
}

#[cfg(target_os = "linux")]
#[test]
fn a_descriptor_given_as_a_path_is_written_as_a_stream() {
    let outcome = to(Target::Docker, Path::new("/dev/fd/1")).stdin(source().bytes()).success();
    assert_eq!(outcome.stdout, convert(&source(), Target::Docker, &[]).bytes);
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_that_cannot_write_all_leaves_nothing_under_a_final_name() {
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (to, flags) in [
        ("oci", &["--report", "/dev/full"][..]),
        ("oci-dir", &["--report", "/dev/full"]),
        ("oci", &["--report", "-"]),
        ("rootfs", &["--config-out", "/dev/full", "--report", "r.json"]),
        ("rootfs", &["--config-out", "-", "--report", "r.json"]),
        ("rootfs", &["--config-out", "c.json", "--report", "/dev/full"]),
        ("oci", &["--split", "--report", "/dev/full"]),
        ("oci-dir", &["--split", "--report", "-"]),
    ] {
        for force in [&[][..], &["-f"]] {
            let scratch = Scratch::new();
            let run = imgtar(["convert", "--to", to, "-o", "out"]).args(flags).args(force).stdin(source().bytes());
            run.stdout_file(full()).dir(scratch.dir()).exits(5).says(["No space left"]);
            assert_eq!(scratch.names(), [""; 0], "{to} {flags:?}");
            if !force.is_empty() && to != "oci-dir" {
                scratch.write("out", "old");
                let run = imgtar(["convert", "--to", to, "-o", "out"]).args(flags).args(force).stdin(source().bytes());
                run.stdout_file(full()).dir(scratch.dir()).exits(5);
                assert_eq!((scratch.names(), scratch.read("out")), (vec!["out".to_owned()], b"old".to_vec()));
            }
        }
    }
    let scratch = Scratch::new();
    let run = imgtar(["import", "--to", "oci", "--arch", "amd64", "-o", "out", "--report", "/dev/full"]);
    run.stdin(Tarball::default().with("etc/demo", "demo").bytes()).dir(scratch.dir()).exits(5);
    assert_eq!(scratch.names(), [""; 0]);
}

#[test]
fn several_outputs_go_where_one_would() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("real")).unwrap();
    symlink("real/out", scratch.path("a")).unwrap();
    assert!(Command::new("mkfifo").arg(scratch.path("b")).status().unwrap().success());
    let reader = thread::spawn({
        let fifo = scratch.path("b");
        move || fs::read(fifo).unwrap()
    });
    let two = Shape::Oci.save(&["a", "b"].map(TestImage::demo));
    let split =
        || imgtar(["convert", "--to", "docker", "--split", "-o", "{name}"]).dir(scratch.dir()).stdin(two.bytes());
    split().success();
    archive_and_images(Target::Docker, &reader.join().unwrap());
    archive_and_images(Target::Docker, &scratch.read("real/out"));
    assert!(scratch.path("a").is_symlink());
    assert!(FileTypeExt::is_fifo(&fs::metadata(scratch.path("b")).unwrap().file_type()));
    split().exits(5).says(["a: exists"]);
}

#[test]
fn no_stream_tells_of_an_output_that_could_not_be_named() {
    for (to, flags) in [
        ("oci", &["--report", "-"][..]),
        ("oci-dir", &["--report", "/dev/fd/1"]),
        ("rootfs", &["--config-out", "-", "--report", "r.json"]),
    ] {
        let scratch = Scratch::new();
        assert!(Command::new("mkfifo").arg(scratch.path("in")).status().unwrap().success());
        let other = thread::spawn({
            let (input, out) = (scratch.path("in"), scratch.path("out"));
            move || {
                // It is opened when the output has been begun.
                let mut input = fs::OpenOptions::new().write(true).open(input).unwrap();
                fs::write(out, "other").unwrap();
                input.write_all(&source().bytes()).unwrap();
            }
        });
        let run = imgtar(["convert", "in", "--to", to, "-o", "out"]).args(flags).dir(scratch.dir());
        let outcome = run.exits(5).says(["out: appeared while it was written"]);
        other.join().unwrap();
        assert!(outcome.stdout.is_empty(), "{outcome}");
        assert_eq!(
            (scratch.names(), scratch.read("out")),
            (vec!["in".to_owned(), "out".to_owned()], b"other".to_vec())
        );
    }
}

#[test]
fn a_report_whose_reader_goes_away_leaves_nothing() {
    let many: Vec<TestImage> = (0..40).map(|nth| TestImage::demo(&format!("app{nth}:1"))).collect();
    let source = Shape::Oci.save(&many);
    for flags in [&["--to", "oci", "-o", "out"][..], &["--to", "docker", "--split", "-o", "{name}"]] {
        let scratch = Scratch::new();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run = imgtar(["convert", "--report", "-"]).args(flags).dir(scratch.dir()).stdin(source.bytes());
        let outcome = run.stdout_file(std::os::fd::OwnedFd::from(writer).into()).run();
        assert_eq!((outcome.code, scratch.names(), &*outcome.stderr), (141, vec![], ""), "{outcome}");
    }
}
