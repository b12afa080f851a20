//! What goes wrong around a run: a full disk, a limit, a signal, an input that changes. Never half an output, never
//! litter, always the right exit code (the page's principle 7, its exit codes and "Edges"; H-26).

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::support::expect::{Target, archive_and_images};
use crate::support::image::TestImage;
use crate::support::layer::file;
use crate::support::noise;
use crate::support::process::{Ended, FOREGROUND, Process, piped};
use crate::support::run::{imgtar, program};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::skip::skip;
use crate::support::tarball::Tarball;

/// Larger than all pipes and buffers on the way: a run whose output nobody reads stops in its middle.
fn image() -> TestImage {
    TestImage::new().layer([file("a", "1")]).layer([file("noise", noise(3 << 20))]).tag("app:1")
}

fn source() -> Tarball {
    Shape::Docker20.save_one(&image())
}

fn convert(target: Target, more: &[&Path]) -> Vec<OsString> {
    ["convert", "-q", "--to", target.flag()].into_iter().map(OsString::from).chain(args(more)).collect()
}

fn args(paths: &[&Path]) -> impl Iterator<Item = OsString> {
    paths.iter().map(|path| path.as_os_str().to_owned())
}

/// Runs to the end what a shell begins with `prefix`.
fn run(prefix: &str, args: impl IntoIterator<Item = OsString>) -> Ended {
    Process::start(prefix, args, Stdio::null()).end()
}

/// Converts `input` to standard output and does `meanwhile` when the run is in the middle of it.
fn disturbed(target: &str, input: &Path, meanwhile: impl FnOnce()) -> Ended {
    let input = input.to_str().unwrap();
    let mut process = Process::start(FOREGROUND, ["convert", "-q", "--to", target, input], Stdio::null());
    process.read(512);
    meanwhile();
    process.end()
}

fn has_documents(stdout: &[u8]) -> bool {
    ["manifest.json", "index.json"].iter().any(|name| stdout.windows(name.len()).any(|part| part == name.as_bytes()))
}

#[test]
fn an_input_that_is_written_to_while_it_is_read_is_refused() {
    for (shape, target) in [
        (Shape::Docker20, "legacy"),
        (Shape::Docker20, "oci"),
        (Shape::Docker20, "rootfs"),
        (Shape::Crane, "docker"),
        (Shape::Oci, "oci"),
    ] {
        let scratch = Scratch::new();
        let input = scratch.write("in.tar", shape.save_one(&image()).bytes());
        let ended = disturbed(target, &input, || {
            OpenOptions::new().append(true).open(&input).unwrap().write_all(b"more").unwrap();
        });
        let ended = ended.exits(3, ["in.tar: the file changed while it was read"]);
        assert!(!has_documents(&ended.stdout), "{shape:?} to {target}: nothing that makes it loadable");
    }
}

#[test]
fn an_input_that_only_gets_another_name_while_it_is_read_is_converted() {
    let changes: [fn(&Path, &Path); 3] = [
        |input, other| fs::rename(input, other).unwrap(),
        |input, other| fs::hard_link(input, other).unwrap(),
        |input, _| fs::remove_file(input).unwrap(),
    ];
    for change in changes {
        let scratch = Scratch::new();
        let input = scratch.write("in.tar", source().bytes());
        // Clocks of file systems are slow: the change could bear the time at which the file was made.
        thread::sleep(Duration::from_millis(20));
        let ended = disturbed("oci", &input, || change(&input, &scratch.path("other")));
        assert!(has_documents(&ended.exits(0, []).stdout));
    }
}

#[test]
fn an_input_that_shrinks_while_it_is_read_is_refused() {
    for target in ["legacy", "oci", "rootfs"] {
        let scratch = Scratch::new();
        let input = scratch.write("in.tar", source().bytes());
        let ended = disturbed(target, &input, || {
            OpenOptions::new().write(true).open(&input).unwrap().set_len(2 << 20).unwrap();
        });
        let ended = ended.exits(3, ["in.tar"]);
        assert!(!has_documents(&ended.stdout), "{target}: nothing that makes it loadable");
    }
}

#[test]
fn a_blob_that_changes_while_its_layout_is_read_is_refused() {
    let scratch = Scratch::new();
    let (layout, image) = (scratch.path("layout"), image());
    Shape::Oci.save_one(&image).unpack(&layout);
    let blob = layout.join("blobs/sha256").join(&image.layer_digests()[1]["sha256:".len()..]);
    // Clocks of file systems are slow: what is written now could bear the time of what was written before.
    OpenOptions::new().write(true).open(&blob).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let ended = disturbed("oci", &layout, || {
        OpenOptions::new().write(true).open(&blob).unwrap().write_all_at(b"other", 5 << 19).unwrap();
    });
    let ended = ended.exits(3, ["layout"]);
    assert!(!has_documents(&ended.stdout), "nothing that makes it loadable");
}

/// A run that has begun its output over an existing one and waits for the rest of its input.
fn waiting(prefix: &str, scratch: &Scratch) -> (Process, Vec<u8>) {
    let out = scratch.write("out", "precious");
    let mut bytes = source().bytes();
    let rest = bytes.split_off(bytes.len() / 2);
    let mut process = Process::start(prefix, convert(Target::Oci, &[Path::new("-fo"), &out]), Stdio::piped());
    process.feed(&bytes);
    process.until("an unfinished output", |_| scratch.names().len() == 2);
    (process, rest)
}

#[test]
fn a_signal_ends_the_run_with_its_code_and_leaves_the_old_output() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let scratch = Scratch::new();
        let (process, _) = waiting(FOREGROUND, &scratch);
        process.signal(signal);
        process.until("no litter", |_| scratch.names() == ["out"]);
        process.end().exits(code, []);
        assert_eq!(scratch.read("out"), b"precious");
    }
}

#[test]
fn a_killed_run_leaves_the_old_output() {
    let scratch = Scratch::new();
    let (process, _) = waiting(FOREGROUND, &scratch);
    process.signal("KILL");
    process.end().exits(137, []);
    assert_eq!(scratch.read("out"), b"precious");
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let scratch = Scratch::new();
    let (mut process, rest) = waiting("exec env --ignore-signal=HUP", &scratch);
    process.signal("HUP");
    process.feed(&rest);
    process.end().exits(0, []);
    archive_and_images(Target::Oci, &scratch.read("out"));
}

#[test]
fn a_signal_at_any_moment_leaves_all_or_nothing() {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", source().bytes());
    let mut struck = 0;
    for (nth, target) in (0..).zip(Target::ALL.into_iter().cycle().take(16)) {
        let out = scratch.path("out");
        let args = convert(target, &[Path::new("-o"), &out, &input]);
        let process = Process::start(FOREGROUND, args, Stdio::null());
        thread::sleep(Duration::from_millis(4 * nth));
        process.signal("TERM");
        let ended = process.end();
        match ended.code {
            // The handler comes a few milliseconds after the process: before it nothing is made.
            143 => {
                struck += 1;
                assert_eq!(scratch.names(), ["in.tar"], "{target:?} after {nth}");
            }
            0 => assert_eq!(scratch.names(), ["in.tar", "out"], "{target:?} after {nth}"),
            code => panic!("exit {code}: {}", ended.stderr),
        }
        let _ = fs::remove_dir_all(&out).or_else(|_| fs::remove_file(&out));
    }
    assert!(struck > 0, "no signal came before the end");
}

#[test]
fn a_file_size_limit_is_exit_5_and_leaves_nothing() {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", source().bytes());
    let packed = scratch.write("in.tar.gz", source().compressed(crate::support::codec::Codec::Gzip));
    let before = scratch.names();
    let limit = "ulimit -f 1024; exec";
    for target in Target::ALL {
        let out = scratch.path("out");
        run(limit, convert(target, &[Path::new("-o"), &out, &input])).exits(5, ["/out", "File too large"]);
        run(limit, convert(target, &[Path::new("-o"), &out, &packed])).exits(5, ["--tmpdir", "File too large"]);
        assert_eq!(scratch.names(), before, "{target:?}");
    }
}

#[test]
fn little_memory_is_all_or_nothing() {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", source().bytes());
    let (mut whole, mut runs) = (0, 0);
    for target in Target::ALL {
        for kib in (4 << 10..64 << 10).step_by(6 << 10).chain([1 << 20]) {
            let out = scratch.path("out");
            let args = convert(target, &[Path::new("-o"), &out, &input]);
            let ended = run(&format!("ulimit -c 0 && ulimit -v {kib} && exec env RUST_BACKTRACE=0"), args);
            let is_whole = ended.code == 0;
            assert_eq!(out.exists(), is_whole, "{target:?} in {kib} KiB: exit {}, {}", ended.code, ended.stderr);
            // The loader says 127; what Rust's runtime does without memory is to end by a signal.
            assert!([0, 5, 127, 134, 139].contains(&ended.code), "exit {}: {}", ended.code, ended.stderr);
            (whole, runs) = (whole + usize::from(is_whole), runs + 1);
            let _ = fs::remove_dir_all(&out).or_else(|_| fs::remove_file(&out));
        }
    }
    assert!(whole >= Target::ALL.len(), "a gigabyte is enough");
    assert!(whole <= runs - Target::ALL.len(), "four megabytes are not");
}

/// What stands before a command that has a file system of 512 KiB below `dir`; whatever is left there at the end, it names
/// as litter.
fn on_a_full_disk(dir: &Path) -> String {
    let dir = dir.to_str().unwrap();
    format!(
        "exec unshare --map-root-user --mount sh -c '
           mount -t tmpfs -o size=512k none {dir} || exit 99
           \"$0\" \"$@\"
           code=$?
           ls -A {dir} | sed \"s/^/litter: /\" >&2
           exit $code'"
    )
}

#[test]
fn a_full_disk_is_exit_5_and_leaves_nothing() {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", source().bytes());
    let disk = scratch.path("disk");
    fs::create_dir(&disk).unwrap();
    let prefix = on_a_full_disk(&disk);
    let probe = run(&prefix, [OsString::from("--version")]);
    if probe.code != 0 {
        return skip(format!("no file system can be mounted here: {}", probe.stderr.trim()));
    }
    for target in Target::ALL {
        let (at_out, spooled) = (disk.join("out"), scratch.path("out"));
        let ended = run(&prefix, convert(target, &[Path::new("-o"), &at_out, &input]));
        let ended = ended.exits(5, ["disk/out", "No space left on device"]);
        assert!(!ended.stderr.contains("litter"), "{}", ended.stderr);

        let args = convert(target, &[Path::new("-o"), &spooled, Path::new("--tmpdir"), &disk]);
        let piped = Process::start(&prefix, args, piped(&input)).end();
        let piped = piped.exits(5, ["disk: ", "cannot write a temporary file: No space left on device", "--tmpdir"]);
        assert!(!piped.stderr.contains("litter"), "{}", piped.stderr);
        assert_eq!(scratch.names(), ["disk", "in.tar"], "{target:?}");
    }
}

#[test]
fn a_directory_that_takes_no_files_is_exit_5() {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", source().bytes());
    for target in Target::ALL {
        let args = convert(target, &[Path::new("-o"), Path::new("/proc/imgtar-out"), &input]);
        run("exec", args).exits(5, ["/proc/imgtar-out"]);
    }
}

#[test]
fn few_open_files_are_enough_for_many_layers() {
    let scratch = Scratch::new();
    let image = (0..40).fold(TestImage::new().tag("app:1"), |image, nth| image.layer([file(format!("f{nth}"), "1")]));
    let layout = scratch.path("layout");
    Shape::Oci.save_one(&image).unpack(&layout);
    let tar = scratch.write("in.tar", Shape::Crane.save_one(&image).bytes());
    for target in ["legacy", "docker", "oci", "oci-dir", "rootfs"] {
        for input in [&layout, &tar] {
            let out = scratch.path("out");
            let args = ["convert", "-q", "-j", "3", "--to", target, "-fo"].map(OsString::from);
            run("ulimit -n 16; exec", args.into_iter().chain(self::args(&[&out, input]))).exits(0, []);
            let _ = fs::remove_dir_all(&out).or_else(|_| fs::remove_file(&out));
        }
    }
}

#[test]
fn too_few_open_files_for_layers_decoded_side_by_side_is_exit_5() {
    let scratch = Scratch::new();
    let image = (0..40).fold(TestImage::new().tag("app:1"), |image, nth| image.layer([file(format!("f{nth}"), "1")]));
    let layout = scratch.path("layout");
    Shape::Oci.save_one(&image).unpack(&layout);
    // No file may grow, so no layer finds room for a temporary one; each is then decoded from a file of its own.
    let convert = |limit: &str| {
        let args = ["convert", "-q", "-j", "3", "--to", "rootfs", layout.to_str().unwrap()].map(OsString::from);
        run(&format!("ulimit -f 0; ulimit -n {limit}; exec"), args)
    };
    let whole = convert("256").exits(0, []).stdout;
    // Each C library says it in words of its own.
    let cut = convert("24").exits(5, ["os error 24"]).stdout;
    assert!(cut.len() < whole.len(), "what is begun has no end marker");
}

#[test]
fn a_closed_standard_input_is_no_place_to_read_from() {
    let script = r#"exec "$0" convert --to oci <&-"#;
    let output = std::process::Command::new("sh").args(["-c", script]).arg(program()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("standard input is closed"), "{stderr}");
}

#[test]
fn who_wants_to_hear_nothing_hears_nothing() {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", source().bytes());
    for args in [&["convert", "--to", "oci"][..], &["inspect"], &["verify"]] {
        // As a shell opens it, and as Python does.
        for read in [false, true] {
            let null = OpenOptions::new().read(read).write(true).open("/dev/null").unwrap();
            imgtar(args.iter().copied()).arg(&input).stdout_file(null).success();
        }
    }
}

#[test]
fn standard_input_that_cannot_be_read_is_exit_5() {
    let scratch = Scratch::new();
    scratch.write("in", "write only");
    let unreadable = OpenOptions::new().append(true).open(scratch.path("in")).unwrap();
    imgtar(["convert", "--to", "oci"]).stdin_file(unreadable).exits(5).says(["reading standard input"]);
}

#[test]
fn a_connection_that_breaks_in_the_middle_is_exit_5_and_leaves_nothing() {
    let scratch = Scratch::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut theirs, _) = listener.accept().unwrap();
    // Closing a connection before all that came has been read resets it.
    ours.write_all(b"unread").unwrap();
    theirs.peek(&mut [0]).unwrap();
    let process = Process::start(
        "exec",
        convert(Target::Oci, &[Path::new("-o"), &scratch.path("out")]),
        OwnedFd::from(ours).into(),
    );
    theirs.write_all(&source().bytes()[..100_000]).unwrap();
    drop(theirs);
    process.end().exits(5, ["reading standard input"]);
    assert!(scratch.names().is_empty());
}

#[test]
fn a_base_that_changes_while_a_delta_is_made_is_noticed() {
    let scratch = Scratch::new();
    let archive =
        |content| Shape::Docker20.save_one(&TestImage::new().tag("app:1").layer([file("f", content)])).bytes();
    let old = scratch.write("old.tar", archive(noise(1 << 20)));
    let new = scratch.write("new.tar", archive(noise(2 << 20)));
    let args = ["convert", "--to", "delta"].map(Path::new).into_iter().chain([&*new, Path::new("--base"), &old]);
    let mut process = Process::start(FOREGROUND, args, Stdio::null());
    // What is written fills the pipe meanwhile.
    process.read(1);
    OpenOptions::new().append(true).open(&old).unwrap().write_all(b"more").unwrap();
    process.end().exits(3, ["old.tar: the file changed while it was read"]);
}
