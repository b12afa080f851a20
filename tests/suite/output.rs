//! Where OUT goes: never half, never over something by accident, never litter (H-26, O-30, the page's "Edges").

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::support::archive::Archive;
use crate::support::expect::{Target, convert, judge, refuse};
use crate::support::image::TestImage;
use crate::support::order;
use crate::support::run::{Run, imgtar};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

fn source() -> Tarball {
    Shape::Docker20.save_one(&TestImage::demo("app:1"))
}

/// An archive whose second layer is not what the config says: found when much is written already.
fn false_source() -> Tarball {
    let tar = Shape::Nix.save_one(&TestImage::demo("app:1"));
    let name = tar.members[1].name.clone();
    tar.replacing(&name, Kind::File(vec![0; 2048]))
}

fn to(target: Target, out: &Path) -> Run {
    imgtar(["convert", "--to", target.flag(), "-o"]).arg(out)
}

#[test]
fn an_existing_file_is_kept_unless_forced() {
    let scratch = Scratch::new();
    let out = scratch.write("out", "precious");
    to(Target::Docker, &out).stdin(source().bytes()).exits(5).says(["--force"]);
    assert_eq!(scratch.read("out"), b"precious");
    to(Target::Docker, &out).arg("--force").stdin(source().bytes()).success();
    judge(Target::Docker, &scratch.read("out"));
    assert_eq!(scratch.names(), ["out"]);
}

#[test]
fn h_26_a_failed_run_leaves_the_old_file_and_no_litter() {
    for target in [Target::Legacy, Target::Docker, Target::Oci] {
        let scratch = Scratch::new();
        let out = scratch.write("out", "precious");
        to(target, &out).arg("-f").stdin(false_source().bytes()).exits(3);
        assert_eq!(scratch.read("out"), b"precious");
        assert_eq!(scratch.names(), ["out"]);
    }
}

#[test]
fn a_failed_run_leaves_no_directory() {
    refuse(&false_source().bytes(), Target::OciDir, &[], 3);
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("out")).unwrap();
    to(Target::OciDir, &scratch.path("out")).stdin(false_source().bytes()).exits(3);
    assert!(!scratch.path("out/index.json").exists() && !scratch.path("out/oci-layout").exists(), "nothing to load");
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_followed_to_where_it_points() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("real")).unwrap();
    std::os::unix::fs::symlink("real/out", scratch.path("link")).unwrap();
    to(Target::Docker, &scratch.path("link")).stdin(source().bytes()).success();
    assert!(scratch.path("link").is_symlink(), "the link itself stays");
    judge(Target::Docker, &scratch.read("real/out"));
    to(Target::Docker, &scratch.path("link")).stdin(source().bytes()).exits(5);
    to(Target::Legacy, &scratch.path("link")).arg("-f").stdin(source().bytes()).success();
    assert!(scratch.path("link").is_symlink());
    judge(Target::Legacy, &scratch.read("real/out"));
}

#[cfg(unix)]
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
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&fs::metadata(&fifo).unwrap().file_type()));
}

#[cfg(unix)]
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

#[test]
fn a_directory_is_no_place_for_a_file_format() {
    let scratch = Scratch::new();
    for force in [&[][..], &["-f"]] {
        to(Target::Docker, scratch.dir()).args(force).stdin(source().bytes()).exits(5).says(["directory"]);
    }
    assert!(scratch.names().is_empty());
}

#[test]
fn a_missing_parent_directory_is_exit_5() {
    let scratch = Scratch::new();
    for target in Target::ALL {
        to(target, &scratch.path("no/such/out")).stdin(source().bytes()).exits(5).says(["no/such"]);
    }
    assert!(scratch.names().is_empty());
}

#[test]
fn h_26_the_input_is_never_the_output() {
    let scratch = Scratch::new();
    let path = scratch.write("image.tar", source().bytes());
    fs::hard_link(&path, scratch.path("second.tar")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("image.tar", scratch.path("link.tar")).unwrap();
    for other in ["image.tar", "./image.tar", "second.tar", "link.tar"] {
        to(Target::Docker, Path::new(other)).arg("-f").arg("image.tar").dir(scratch.dir()).exits(2);
    }
    assert_eq!(scratch.read("image.tar"), source().bytes());
}

#[test]
fn a_layout_is_never_written_into_itself() {
    let scratch = Scratch::new();
    let layout = Shape::Oci.save_one(&TestImage::demo("app:1"));
    layout.unpack(&scratch.path("layout"));
    for flag in ["-f", "--append"] {
        to(Target::OciDir, &scratch.path("layout")).arg(flag).arg(scratch.path("layout")).exits(2);
    }
    to(Target::Oci, &scratch.path("layout/index.json")).arg("-f").arg(scratch.path("layout")).exits(2);
    to(Target::OciDir, &scratch.path("layout/new/inner")).arg(scratch.path("layout")).exits(2);
    to(Target::Docker, Path::new("out.tar")).arg(".").dir(&scratch.path("layout")).exits(2);
    assert_eq!(scratch.read("layout/index.json"), layout.body("index.json"));
}

#[test]
fn a_layout_directory_is_replaced_only_by_force() {
    let scratch = Scratch::new();
    let out = scratch.path("out");
    Shape::Oci.save_one(&TestImage::demo("old:1")).unpack(&out);
    to(Target::OciDir, &out).stdin(source().bytes()).exits(5).says(["--force"]);
    to(Target::OciDir, &out).arg("-f").stdin(source().bytes()).success();
    let images = order::oci_dir(&Archive::of_dir(&out));
    assert_eq!(images.len(), 1, "replaced, not merged");
    assert_eq!(images[0].id, TestImage::demo("app:1").id());
    assert_eq!(scratch.names(), ["out"]);
}

#[test]
fn a_directory_that_is_no_layout_is_never_replaced() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("out")).unwrap();
    scratch.write("out/precious", "1");
    for flags in [&[][..], &["-f"], &["--append"]] {
        to(Target::OciDir, &scratch.path("out")).args(flags).stdin(source().bytes()).exits(5);
        assert_eq!(scratch.read("out/precious"), b"1");
    }
    assert_eq!(scratch.names(), ["out"]);
}

#[test]
fn an_empty_directory_is_filled() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("out")).unwrap();
    to(Target::OciDir, &scratch.path("out")).stdin(source().bytes()).success();
    order::oci_dir(&Archive::of_dir(&scratch.path("out")));
}

#[test]
fn a_file_is_no_place_for_a_directory() {
    let scratch = Scratch::new();
    let out = scratch.write("out", "precious");
    for flags in [&[][..], &["-f"]] {
        to(Target::OciDir, &out).args(flags).stdin(source().bytes()).exits(5);
        assert_eq!(scratch.read("out"), b"precious");
    }
}

#[test]
fn a_missing_input_is_exit_5_and_named() {
    let scratch = Scratch::new();
    to(Target::Docker, &scratch.path("out")).arg(scratch.path("nowhere.tar")).exits(5).says(["nowhere.tar"]);
    assert!(scratch.names().is_empty());
}

#[test]
fn no_flag_writes_over_what_another_reads_or_writes() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("dir")).unwrap();
    for name in ["in.tar", "base.tar", "dir/in.tar"] {
        scratch.write(name, Shape::Oci.save_one(&TestImage::demo("a:1")).bytes());
    }
    let before = scratch.read("in.tar");
    let refused = |args: &[&str], problem: &str| {
        let outcome = imgtar(args).dir(scratch.dir()).exits(2);
        assert!(outcome.stderr.contains(problem), "{args:?}: {outcome}");
        assert_eq!(scratch.names(), ["base.tar", "dir", "in.tar"], "{args:?}");
        assert!(scratch.read("in.tar") == before && scratch.read("base.tar") == before, "{args:?}");
    };
    let (read, one) = ("would replace an input", "name the same file");
    refused(&["convert", "in.tar", "--to", "oci", "-o", "x", "--report", "in.tar"], read);
    refused(&["convert", "in.tar", "--to", "oci", "-o", "x", "--report", "x"], one);
    refused(&["convert", "in.tar", "--to", "oci", "-o", "x", "--report", "./dir/../x"], one);
    refused(&["convert", "in.tar", "--to", "oci", "-o", "x", "--with", "base.tar", "--report", "base.tar"], read);
    refused(&["convert", "dir", "--to", "oci", "-o", "x", "--report", "dir/report"], read);
    refused(&["convert", "in.tar", "--to", "rootfs", "-f", "-o", "x", "--config-out", "in.tar"], read);
    refused(&["convert", "in.tar", "--to", "rootfs", "-f", "-o", "x", "--config-out", "x"], one);
    refused(&["convert", "in.tar", "--to", "rootfs", "-o", "x", "--report", "y", "--config-out", "y"], one);
    for flags in [["--squash-above", "base.tar"], ["--add-layer", "base.tar"], ["--add", "base.tar:etc/x"]] {
        refused(&[&["edit", "in.tar", "--to", "oci", "-f", "-o", "base.tar"][..], &flags].concat(), read);
    }
    refused(&["edit", "in.tar", "--to", "oci", "-f", "-o", "base.tar", "--rebase", "in.tar=base.tar"], read);
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

#[cfg(unix)]
#[test]
fn several_outputs_go_where_one_would() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("real")).unwrap();
    std::os::unix::fs::symlink("real/out", scratch.path("a")).unwrap();
    assert!(Command::new("mkfifo").arg(scratch.path("b")).status().unwrap().success());
    let reader = thread::spawn({
        let fifo = scratch.path("b");
        move || fs::read(fifo).unwrap()
    });
    let two = Shape::Oci.save(&["a", "b"].map(TestImage::demo));
    let split =
        || imgtar(["convert", "--to", "docker", "--split", "-o", "{name}"]).dir(scratch.dir()).stdin(two.bytes());
    split().success();
    judge(Target::Docker, &reader.join().unwrap());
    judge(Target::Docker, &scratch.read("real/out"));
    assert!(scratch.path("a").is_symlink());
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&fs::metadata(scratch.path("b")).unwrap().file_type()));
    split().exits(5).says(["a: exists"]);
}

#[test]
fn the_config_goes_to_standard_output_where_that_is_free() {
    let scratch = Scratch::new();
    let run = |flags: &[&str]| {
        imgtar(["convert", "--to", "rootfs", "--config-out", "-"])
            .args(flags)
            .dir(scratch.dir())
            .stdin(source().bytes())
    };
    let config = run(&["-o", "out"]).success().stdout;
    assert!(config == TestImage::demo("app:1").config(), "the bytes of the config");
    run(&[]).exits(2).says(["--config-out - needs -o FILE"]);
    run(&["-o", "new", "--report", "-"]).exits(2).says(["there is one standard output"]);
    assert_eq!(scratch.names(), ["out"]);
}

#[test]
fn every_output_that_exists_is_kept_unless_forced() {
    let scratch = Scratch::new();
    for (to, flags) in
        [("oci", &["--report", "r"][..]), ("rootfs", &["--config-out", "r"]), ("oci", &["--split", "--report", "r"])]
    {
        scratch.write("r", "old");
        let run =
            || imgtar(["convert", "--to", to, "-o", "out"]).args(flags).dir(scratch.dir()).stdin(source().bytes());
        run().exits(5).says(["r: exists", "--force"]);
        assert_eq!((scratch.names(), scratch.read("r")), (vec!["r".to_owned()], b"old".to_vec()));
        run().arg("-f").success();
        assert_ne!(scratch.read("r"), b"old");
        fs::remove_file(scratch.path("out")).unwrap();
    }
}
