//! Inputs that change or go away during a run, at any system call.

use std::ffi::OsString;
use std::fs;
use std::process::Stdio;
use std::time::SystemTime;

use crate::support::expect::{Target, archive_and_images};
use crate::support::inject::{self, Disks, Fault};
use crate::support::layer::file;
use crate::support::noise;
use crate::support::rootfs::entries;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

use super::add::merged_usr;
use super::{squash, stacked};

#[test]
fn a_file_that_changes_at_any_call_is_refused_or_added_as_a_whole() {
    if !inject::is_possible() {
        return;
    }
    let scratch = Scratch::new();
    let image = scratch.write("in.tar", Shape::Oci.save_one(&merged_usr()).bytes());
    let (source, old) = (scratch.path("source"), noise(300 << 10));
    let longer: Vec<u8> = old.iter().copied().chain(*b"more").collect();
    let other: Vec<u8> = old.iter().rev().copied().collect();
    scratch.write("other", &other);
    let (shown, out) = (source.display(), scratch.path("out"));
    let args: Vec<OsString> = ["edit", "-q", "-j1", "--to", "oci", "--add", &format!("{shown}:srv/f"), "-o"]
        .map(OsString::from)
        .into_iter()
        .chain([out.clone().into(), image.into()])
        .collect();
    let added = || {
        let (_, images) = archive_and_images(Target::Oci, &fs::read(&out).unwrap());
        entries(images[0].layers[1].plain.as_ref().unwrap()).pop().unwrap().body
    };
    // Each change comes at every third call, all three together at every one.
    for (first, (change, new)) in [
        (format!("printf more >>{shown}"), longer),
        (format!("truncate -s -1000 {shown}"), old[..old.len() - 1000].to_vec()),
        (format!("cp --preserve=timestamps {} {shown}", scratch.path("other").display()), other),
    ]
    .into_iter()
    .enumerate()
    {
        let (mut refused, mut nth) = (0, first + 1);
        loop {
            for path in [&source, &scratch.path("other")] {
                let bytes = if *path == source { &old } else { &fs::read(path).unwrap() };
                fs::write(path, bytes).unwrap();
                fs::File::options().write(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
            }
            let (ended, struck) =
                inject::run(Disks::Able, (Fault::Run, nth), &scratch.path("log"), &change, args.clone(), Stdio::null());
            let Some(call) = struck else { break fs::remove_file(&out).unwrap() };
            if ended.code == 0 {
                let found = added();
                assert!(found == old || found == new, "{change} at call {nth}, {call}");
                fs::remove_file(&out).unwrap();
            } else {
                refused += 1;
                ended.exits(5, [shown.to_string().as_str(), "the file changed while it was read"]);
            }
            assert_eq!(scratch.names(), ["in.tar", "log", "other", "source"]);
            nth += 3;
        }
        assert!(refused > 0, "{change}: never while the file was copied, in {nth} calls");
    }
}

#[test]
fn a_blob_that_goes_while_its_layout_is_squashed_is_named() {
    if !inject::is_possible() {
        return;
    }
    let scratch = Scratch::new();
    let image = stacked(&[vec![file("a", squash::noise(1, 200 << 10))], vec![file("b", squash::noise(2, 100 << 10))]]);
    let (layout, out) = (scratch.path("layout"), scratch.path("out"));
    let hex = &image.layer_digests()[0]["sha256:".len()..];
    let blob = layout.join("blobs/sha256").join(hex);
    let args = ["edit", "-q", "-j1", "--squash", "--to", "oci", "-o"].map(OsString::from);
    let args: Vec<OsString> = args.into_iter().chain([out.clone().into(), layout.clone().into()]).collect();
    let (mut lost, change) = (0, format!("rm -f {}", blob.display()));
    for nth in (1..).step_by(3) {
        Shape::Oci.save_one(&image).unpack(&layout);
        let fault = (Fault::Run, nth);
        let (ended, struck) =
            inject::run(Disks::Able, fault, &scratch.path("log"), &change, args.clone(), Stdio::null());
        let _ = fs::remove_file(&out);
        let Some(call) = struck else { break };
        if ended.code != 0 {
            lost += 1;
            assert!(ended.stderr.contains(hex) && !ended.stderr.contains("new layer"), "{call}: {}", ended.stderr);
        }
    }
    assert!(lost > 3, "{lost} times");
}
