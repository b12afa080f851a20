//! Where OUT goes: never half, never over something by accident, never litter (H-26, O-30, the page's "Edges").

mod locks;
#[cfg(unix)]
mod special;

use std::fs;
use std::path::Path;

use crate::support::archive::Archive;
use crate::support::expect::{Target, archive_and_images, refuse};
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
    archive_and_images(Target::Docker, &scratch.read("out"));
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
    // Not every user of Windows may make symbolic links.
    #[cfg(windows)]
    fs::hard_link(&path, scratch.path("link.tar")).unwrap();
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
        let refused = to(Target::OciDir, &scratch.path("layout")).arg(flag).arg(scratch.path("layout")).exits(2);
        refused.says(if flag == "-f" { ["write to another name"] } else { ["leave it out of the inputs"] });
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
    run(&[]).exits(2).says(["--config-out needs -o FILE"]);
    run(&["-o", "new", "--report", "-"]).exits(2).says(["there is one standard output"]);
    assert_eq!(scratch.names(), ["out"]);
}

#[cfg(unix)]
#[test]
fn standard_output_by_another_name_is_standard_output() {
    let run = |flags: &[&str]| imgtar(["convert", "--to", "rootfs"]).args(flags).stdin(source().bytes());
    for flags in [
        &["-o", "/dev/stdout", "--report", "-"][..],
        &["-o", "-", "--report", "/dev/stdout"],
        &["-o", "/dev/fd/1", "--config-out", "-"],
    ] {
        let refused = run(flags).exits(2).says(["the archive is on standard output"]);
        assert!(refused.stdout.is_empty(), "{flags:?}");
    }
    run(&["-o", "/dev/null", "--report", "/dev/stdout", "--config-out", "-"]).exits(2).says(["one standard output"]);
    run(&["-o", "/dev/null", "--report", "/dev/stdout"]).success();
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
