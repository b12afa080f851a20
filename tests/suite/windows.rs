//! What only Windows does with files: names that are longer than its old limit, files that another program keeps for itself,
//! files that may not be written, names in any case (docs/systems.md).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::expect::{Target, archive_and_images};
use crate::support::image::TestImage;
use crate::support::run::{Outcome, Run, imgtar};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::skip::skip;

fn source() -> Vec<u8> {
    Shape::Docker20.save_one(&TestImage::demo("app:1")).bytes()
}

fn to(target: Target, out: &Path) -> Run {
    imgtar(["convert", "--to", target.flag(), "-o"]).arg(out)
}

/// Names in a document of an unpacked archive that lead to another directory, drive or machine, or to a device, are those of
/// files that are not there: Windows would connect to the machine when it only looked, and tell it who is there.
#[test]
fn no_name_in_a_document_leads_out_of_a_directory_or_to_a_device() {
    let scratch = Scratch::new();
    let outside = scratch.write("outside.json", "{}");
    let verbatim = fs::canonicalize(&outside).unwrap().to_string_lossy().into_owned();
    let rooted = verbatim.trim_start_matches(r"\\?\").split_at(2).1;
    let paths =
        [&*verbatim, rooted, r"..\outside.json", r"..\none.json", "C:none.json", r"\\evil.invalid\share\x.json"];
    for (number, name) in paths.into_iter().chain([r"\\.\NUL", "aux.json", "a?b"]).enumerate() {
        let dir = scratch.path(&format!("unpacked{number}"));
        for layer in [false, true] {
            let name_it = |document: &mut Value| match layer {
                true => document[0]["Layers"][0] = json!(name),
                false => document[0]["Config"] = json!(name),
            };
            Shape::Jib.save_one(&TestImage::demo("app:1")).editing("manifest.json", name_it).unpack(&dir);
            let refused = to(Target::Oci, &scratch.path("out")).arg(&dir).exits(3);
            refused.says(["is named by manifest.json", "but missing"]);
        }
        let verified = imgtar(["verify"]).arg(&dir).run();
        assert!(verified.code == 1 && verified.text().contains("the archive does not hold"), "{name}: {verified}");
    }
}

/// Opens the file so that no other program can.
fn open_exclusively(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).share_mode(0).open(path).unwrap()
}

/// Asserts that `out` holds the archive if the run succeeded, else what it held before, with exit code 5; and that there is
/// no other file.
#[track_caller]
fn assert_replaced_or_as_it_was(scratch: &Scratch, outcome: &Outcome) {
    match outcome.code {
        0 => drop(archive_and_images(Target::Docker, &scratch.read("out"))),
        code => assert!(code == 5 && scratch.read("out") == b"precious", "{outcome}"),
    }
    assert_eq!(scratch.names(), ["out"]);
}

#[test]
fn paths_may_be_longer_than_260_characters() {
    let scratch = Scratch::new();
    let verbatim = fs::canonicalize(scratch.dir()).unwrap();
    assert!(verbatim.to_string_lossy().starts_with(r"\\?\"), "{}", verbatim.display());
    let deep = (0..4).fold(verbatim, |path, _| path.join("d".repeat(100)));
    fs::create_dir_all(&deep).unwrap();
    let input = deep.join("in.tar");
    fs::write(&input, source()).unwrap();
    for target in Target::ALL {
        to(target, &deep.join(target.flag())).arg(&input).success();
    }
    // The same paths as a user writes them.
    let short = |path: &Path| path.to_string_lossy().trim_start_matches(r"\\?\").to_owned();
    to(Target::Oci, Path::new(&short(&deep.join("two.tar")))).arg(short(&input)).success();
    archive_and_images(Target::Oci, &fs::read(deep.join("two.tar")).unwrap());
    if fs::canonicalize(&deep).is_err() {
        return skip("wine 8 does not tell the real path of so deep a directory, without which no layout is read");
    }
    imgtar(["verify"]).arg(deep.join("oci-dir")).success();
}

#[test]
fn an_input_that_another_program_keeps_for_itself_is_exit_5() {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", source());
    let _held = open_exclusively(&input);
    to(Target::Docker, &scratch.path("out")).arg(&input).exits(5).says(["in.tar"]);
    assert_eq!(scratch.names(), ["in.tar"]);
}

#[test]
fn an_output_that_another_program_keeps_for_itself_stays_as_it_is() {
    let scratch = Scratch::new();
    let out = scratch.write("out", "precious");
    let held = open_exclusively(&out);
    to(Target::Docker, &out).stdin(source()).exits(5).says(["out", "--force"]);
    to(Target::Docker, &out).arg("-f").stdin(source()).exits(5).says(["out"]);
    drop(held);
    assert_eq!(scratch.read("out"), b"precious");
    assert_eq!(scratch.names(), ["out"]);
}

#[test]
fn an_output_that_another_program_only_reads_is_replaced_or_stays() {
    let scratch = Scratch::new();
    let out = scratch.write("out", "precious");
    let held = File::open(&out).unwrap();
    let outcome = to(Target::Docker, &out).arg("-f").stdin(source()).run();
    assert_eq!(io::read_to_string(held).unwrap(), "precious", "the other program reads on in the file that it opened");
    assert_replaced_or_as_it_was(&scratch, &outcome);
}

#[test]
fn a_read_only_output_is_refused_before_anything_is_read() {
    let scratch = Scratch::new();
    let out = scratch.write("out", "precious");
    let set_read_only = |is_read_only| {
        let mut permissions = fs::metadata(&out).unwrap().permissions();
        permissions.set_readonly(is_read_only);
        fs::set_permissions(&out, permissions).unwrap();
    };
    set_read_only(true);
    to(Target::Docker, &out).stdin(source()).exits(5).says(["--force"]);
    to(Target::Docker, &out).arg("-f").stdin("no archive").exits(5).says(["is read-only"]);
    assert_eq!(scratch.read("out"), b"precious");
    assert_eq!(scratch.names(), ["out"]);
    // Windows cannot remove a directory with a read-only file in it.
    set_read_only(false);
}

#[test]
fn what_a_killed_run_left_in_an_empty_directory_does_not_stand_in_the_way() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("layout/.imgtar-x/blobs")).unwrap();
    to(Target::OciDir, &scratch.path("layout")).stdin(source()).success();
    imgtar(["verify"]).arg(scratch.path("layout")).success();
    fs::create_dir(scratch.path("other")).unwrap();
    scratch.write("other/precious", "");
    to(Target::OciDir, &scratch.path("other")).stdin(source()).exits(5);
}

#[test]
fn the_directory_that_temp_names_holds_what_is_spooled_and_nothing_afterwards() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("temp")).unwrap();
    let run = |temp: &Path| {
        let run = imgtar(["convert", "--to", "docker", "-o", "out", "-f"]).dir(scratch.dir()).stdin(source());
        run.env("TMPDIR", "").env("TMP", temp).env("TEMP", temp)
    };
    run(&scratch.path("temp")).success();
    assert!(fs::read_dir(scratch.path("temp")).unwrap().next().is_none(), "a file is left");
    run(&scratch.path("none")).exits(5).says(["none"]);
    assert_eq!(scratch.names(), ["out", "temp"]);
}

#[test]
fn a_layout_is_read_whatever_the_case_of_its_names() {
    let scratch = Scratch::new();
    Shape::Oci.save_one(&TestImage::demo("app:1")).unpack(&scratch.path("layout"));
    for name in ["index.json", "oci-layout", "blobs"] {
        fs::rename(scratch.path("layout").join(name), scratch.path("layout").join(name.to_uppercase())).unwrap();
    }
    to(Target::Docker, &scratch.path("out")).arg(scratch.path("LAYOUT")).success();
    archive_and_images(Target::Docker, &scratch.read("out"));
}

/// In every directory and in any case it is the device.
#[test]
fn what_is_written_to_the_device_nul_is_discarded() {
    let scratch = Scratch::new();
    for name in ["NUL", "nul"] {
        to(Target::Docker, Path::new(name)).dir(scratch.dir()).stdin(source()).success();
        to(Target::Docker, &scratch.path(name)).stdin(source()).success();
        to(Target::OciDir, Path::new(name)).dir(scratch.dir()).stdin(source()).exits(5).says([name]);
    }
    assert!(scratch.names().is_empty());
}

/// Older versions of Windows take it for the device; on newer ones, where it is none, it is refused as everywhere.
#[test]
fn what_is_written_to_nul_with_an_extension_is_discarded_or_refused() {
    for name in ["nul.tar", "NUL.tar"] {
        let scratch = Scratch::new();
        let outcome = to(Target::Docker, Path::new(name)).dir(scratch.dir()).stdin(source()).run();
        if outcome.code != 0 {
            assert_eq!(outcome.code, 5, "{outcome}");
            outcome.says(["is the name of a device on Windows"]);
        }
        assert!(scratch.names().is_empty());
    }
}

/// Only one of them would be there afterwards.
#[test]
fn two_outputs_of_one_run_that_are_one_file_are_refused() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("o")).unwrap();
    for flags in [
        &["--to", "oci", "-o", "o/Out.tar", "--report", "o/out.tar"][..],
        &["--to", "oci", "-o", "o/x.tar", "--report", "o/x.tar."],
        &["--to", "oci", "-o", "o/\u{c4}.tar", "--report", "O\\\u{e4}.TAR "],
        &["--to", "rootfs", "-o", "o/r.tar", "--config-out", "o/R.TAR"],
        &["--to", "oci-dir", "-o", "o/q1", "--report", "o/Q1"],
    ] {
        for force in [&[][..], &["-f"]] {
            let run = imgtar(["convert"]).args(flags).args(force).dir(scratch.dir()).stdin(source());
            run.exits(2).says(["name the same file"]);
            assert_eq!(fs::read_dir(scratch.path("o")).unwrap().count(), 0, "{flags:?}");
        }
    }
    let input = scratch.write("o/in.tar", source());
    let run = imgtar(["convert", "o/in.tar", "--to", "oci", "-o", "o/out.tar", "-f", "--report", "O/IN.TAR."]);
    run.dir(scratch.dir()).exits(2).says(["--report would replace an input"]);
    assert_eq!(fs::read(input).unwrap(), source());
}

/// Older versions of Windows would write to the port that has the name, and there would be no file.
#[test]
fn names_of_other_devices_and_of_streams_in_files_are_refused() {
    let scratch = Scratch::new();
    for (out, problem) in [
        ("aux", "is the name of a device"),
        ("./Aux.tar", "is the name of a device"),
        ("COM1", "is the name of a device"),
        (r"\\.\COM1", "is the name of a device"),
        ("con.tar", "is the name of a device"),
        ("a.tar:b", "has a `:`"),
        ("layout:6", "has a `:`"),
        (r".\c:a.tar", "has a `:`"),
        (r"\\.\pipe\imgtar", "is a named pipe"),
    ] {
        for target in [Target::Docker, Target::OciDir] {
            let run = || to(target, Path::new(out)).dir(scratch.dir()).stdin(source());
            run().exits(5).says([out, problem]);
            run().arg("-f").exits(5).says([problem]);
        }
        let run = to(Target::Docker, Path::new("out")).args(["--report", out]).dir(scratch.dir()).stdin(source());
        run.exits(5).says([problem]);
        assert!(scratch.names().is_empty(), "{out}");
    }
}

/// Where there is no terminal the name is that of a device like others.
#[test]
fn an_archive_is_not_written_to_the_console() {
    let scratch = Scratch::new();
    for out in ["CON", "con", "CONOUT$", r"\\.\CONOUT$", r"\\.\CON", "./CON"] {
        let outcome = to(Target::Docker, Path::new(out)).dir(scratch.dir()).stdin(source()).run();
        assert!(outcome.stdout.is_empty() && scratch.names().is_empty(), "{outcome}");
        let problem = match outcome.code {
            2 => "an archive is not written to a terminal",
            code => {
                assert_eq!(code, 5, "{outcome}");
                "is the name of a device"
            }
        };
        outcome.says([problem]);
    }
}

#[test]
fn separators_of_both_kinds_and_a_drive_name_files() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("a b")).unwrap();
    scratch.write(r"a b\in.tar", source());
    let drive = scratch.dir().to_string_lossy().chars().take(2).collect::<String>();
    assert!(drive.ends_with(':'), "{drive}");
    for (number, input) in [r"a b\in.tar", "a b/in.tar", r".\a b/in.tar", r"a b\..\a b\in.tar"].iter().enumerate() {
        let run = to(Target::Oci, Path::new(&format!(r"a b\out{number}"))).arg(input).dir(scratch.dir());
        run.success();
        archive_and_images(Target::Oci, &scratch.read(&format!("a b/out{number}")));
    }
    // From the root of the drive in use.
    let rooted = scratch.path(r"a b\in.tar").to_string_lossy()[2..].to_owned();
    to(Target::Oci, &scratch.path("out")).arg(rooted).dir(scratch.dir()).success();
}

/// Not one byte is changed as text would be: standard streams hold every value of a byte, line ends and Ctrl-Z among them.
#[test]
fn standard_streams_are_binary() {
    let scratch = Scratch::new();
    let bytes: Vec<u8> = (0..=255_u8).cycle().take(100_000).chain(*b"\r\n\x1a\n\r").collect();
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "every", bytes.as_slice()).unwrap();
    let rootfs = archive.into_inner().unwrap();
    let import = imgtar(["import", "--to", "oci", "--arch", "amd64", "-t", "every:1"]).stdin(rootfs).success();
    let image = scratch.write("image.tar", &import.stdout);
    let shown = imgtar(["cat"]).arg(image).arg("every").success();
    assert!(shown.stdout == bytes, "{} bytes instead of {}", shown.stdout.len(), bytes.len());
}

#[test]
fn a_file_is_added_from_any_drive_to_a_path_with_slashes() {
    let scratch = Scratch::new();
    let drive = scratch.write("a.txt", "added").to_string_lossy().into_owned();
    let edit = |add: &str| {
        let run = imgtar(["edit", "--to", "oci", "-o", "out", "-f", "--add", add, "-"]).dir(scratch.dir());
        run.stdin(source())
    };
    let lower = drive[..1].to_lowercase() + &drive[1..];
    for from in [&*drive, &*drive.replace('\\', "/"), &*lower, &*format!(r"\\?\{drive}"), &*format!(r"\\.\{drive}")] {
        edit(&format!("{from}:opt/b:600:1:2")).success();
        assert_eq!(imgtar(["cat"]).arg(scratch.path("out")).arg("opt/b").success().text(), "added", "{from}");
    }
    edit(&format!("{}a.txt:opt/b", &drive[..2])).exits(2).says([r"a drive in SRC is followed by `\` or `/`"]);
    edit(&format!(r"{drive}:\opt\b")).exits(2).says(["paths in images have `/`: /opt/b"]);
}

#[test]
fn hints_fit_windows() {
    let scratch = Scratch::new();
    scratch.write("saved.tar", source());
    let run = |args: &[&str], code| imgtar(args).dir(scratch.dir()).exits(code).stderr;
    // A file on another drive, not an image.
    assert!(!run(&["inspect", "c:nosuch"], 5).contains("docker save"));
    assert!(run(&["inspect", "app:nosuch"], 5).contains("docker save app:nosuch"));
    let prefixed = run(&["inspect", r"docker-archive:C:\t\saved.tar"], 5);
    assert!(prefixed.contains(r"IN is a path alone: C:\t\saved.tar"), "{prefixed}");
    for pattern in ["*.tar", r".\save?.tar"] {
        let refused = run(&["verify", pattern], 5);
        assert!(refused.contains("the shells of Windows expand no patterns"), "{refused}");
    }
    let rooted: [&[&str]; 5] = [
        &["cat", "saved.tar", r"etc\demo"],
        &["ls", "saved.tar", r"etc\demo"],
        &["ls", "--layer", "0", "saved.tar", r"etc\demo"],
        &["convert", "saved.tar", "--to", "rootfs", "-o", "out", "--only", r"\etc\demo"],
        &["edit", "saved.tar", "--to", "oci", "-o", "out", "--remove", r"etc\demo"],
    ];
    for args in rooted {
        let refused = run(args, 4);
        assert!(refused.contains(r"etc\\demo`") && refused.contains("paths in images have `/`"), "{refused}");
    }
    assert!(!run(&["cat", "saved.tar", "etc/none"], 4).contains("paths in images"));
}
