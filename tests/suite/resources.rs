//! What a run may take: memory that does not grow with the image, temporary files only where nothing else will do
//! (the page's principle 8).

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::support::codec::Codec;
use crate::support::cost::grows_evenly;
use crate::support::image::TestImage;
use crate::support::layer::{file, layer_tar};
use crate::support::layout::{Layout, OCI_INDEX, Types};
use crate::support::noise;
use crate::support::process::{FOREGROUND, Process, piped};
use crate::support::run::{imgtar, program};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::sparse::Sparse;
use crate::support::tarball::Tarball;
use serde_json::json;

const TARGETS: [&str; 5] = ["legacy", "docker", "oci", "oci-dir", "rootfs"];

fn convert(target: &str, more: &[&Path]) -> Vec<OsString> {
    let flags = ["convert", "-q", "-j", "2", "--to", target].into_iter().map(OsString::from);
    flags.chain(more.iter().map(|path| path.as_os_str().to_owned())).collect()
}

/// Ten layers that a pipe cannot swallow all together.
fn layers() -> TestImage {
    let noise = noise(400 << 10);
    (0..10).fold(TestImage::new().tag("app:1"), |image, nth| image.layer([file(format!("f{nth}"), noise.clone())]))
}

#[test]
fn memory_does_not_grow_with_the_layers() {
    const MOST: u64 = 16 << 10;
    let scratch = Scratch::new();
    let image = TestImage::new().layer([file("large", vec![0; 40 << 20])]).tag("app:1");
    let plain = scratch.write("plain.tar", Shape::Docker20.save_one(&image).bytes());
    let gzip = scratch.write("gzip.tar", Shape::Crane.save_one(&image).bytes());
    let out = scratch.path("out");
    for target in TARGETS {
        for (input, from_pipe) in [(&plain, true), (&gzip, false)] {
            let args = convert(target, &[Path::new("-o"), &out]);
            let process = if from_pipe {
                Process::start(FOREGROUND, args, piped(input))
            } else {
                Process::start(FOREGROUND, args.into_iter().chain([input.into()]), Stdio::null())
            };
            let (ended, peak) = process.end_and_peak();
            ended.exits(0, []);
            assert!(peak < MOST, "{peak} KiB: {} to {target}", input.display());
            let _ = fs::remove_dir_all(&out).or_else(|_| fs::remove_file(&out));
        }
    }
}

#[test]
fn memory_is_not_left_in_pieces_by_thousands_of_compressed_layers() {
    const MOST: u64 = 96 << 10;
    let scratch = Scratch::new();
    let image = TestImage::new().tag("app:1");
    let image = (0..8000).fold(image, |image, nth| image.layer([file("f", nth.to_string())]));
    let input = scratch.write("in.tar", Shape::Crane.save_one(&image).bytes());
    for command in ["verify -q -j 1", "edit -q -j 1 --squash --to oci"] {
        let args = command.split(' ').map(OsString::from).chain([input.clone().into()]);
        let (ended, peak) = Process::start(FOREGROUND, args, Stdio::null()).end_and_peak();
        ended.exits(0, []);
        assert!(peak < MOST, "{peak} KiB: {command}");
    }
}

#[test]
fn files_that_are_hidden_again_by_each_repetition_of_their_layer_are_not_kept() {
    const MOST: u64 = 40 << 10;
    let scratch = Scratch::new();
    let layer = layer_tar((0..5_000).map(|nth| file(nth.to_string(), "x")));
    let image = (0..200).fold(TestImage::new().tag("app:1"), |image, _| image.layer_bytes(&*layer));
    let input = scratch.write("in.tar", Shape::Docker20.save_one(&image).bytes());
    let (ended, peak) =
        Process::start(FOREGROUND, ["history".into(), OsString::from(input)], Stdio::null()).end_and_peak();
    ended.exits(0, []);
    assert!(peak < MOST, "{peak} KiB");
}

/// Peak memory of `command` with `archive` and a limit of 32M for what it holds, in KiB; it ends with `code`.
fn peak_within_32_mib(command: &[&str], archive: &[u8], code: i32) -> u64 {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", archive);
    let more = ["--max-metadata", "32M"].into_iter().map(OsString::from);
    let command = command.iter().map(|&arg| if arg == "IN" { input.clone().into() } else { OsString::from(arg) });
    let args: Vec<OsString> = command.chain(more).collect();
    let (ended, peak) = Process::start(FOREGROUND, args, Stdio::null()).end_and_peak();
    assert_eq!(ended.code, code, "{}", ended.stderr);
    peak
}

#[test]
fn directories_far_down_are_not_spelled_out_for_a_tree() {
    let deep = |nth| file(format!("{nth}/{}f", "a/".repeat(1900)), "");
    let image = TestImage::new().tag("app:1").layer_bytes(layer_tar((0..150).map(deep)));
    let peak = peak_within_32_mib(&["ls", "IN", "**/f", "--tree", "-S"], &Shape::Docker20.save_one(&image).bytes(), 6);
    assert!(peak < 64 << 10, "{peak} KiB");
}

#[test]
fn an_index_that_is_made_shorter_for_many_entries_is_held_once() {
    let mut layout = Layout::new();
    let image = layout.image(&TestImage::new().layer([file("a", "1")]), Types::Oci);
    let child = |nth| {
        let mut child = image.clone();
        child["platform"] = json!({"os": "linux", "architecture": format!("a{nth}")});
        child["annotations"] = json!({"long": "v".repeat(80_000)});
        child
    };
    let children: Vec<_> = (0..10).map(child).collect();
    let index = layout.nested(&children, Types::Oci);
    for nth in 0..800 {
        let mut entry = index.clone();
        entry["annotations"] = json!({"nth": nth.to_string()});
        layout.list(&entry);
    }
    let platforms = ["convert", "-q", "--to", "oci", "--platform", "linux/a1,linux/a2", "IN"];
    let peak = peak_within_32_mib(&platforms, &layout.tarball().bytes(), 0);
    assert!(peak < 64 << 10, "{peak} KiB");
}

#[test]
fn what_is_long_of_an_image_is_held_once_for_all_its_platforms() {
    let mut layout = Layout::new();
    let image = layout.image(&TestImage::new().layer([file("a", "1")]), Types::Oci);
    let mut manifest: serde_json::Value = serde_json::from_slice(&layout.bytes_of(&image)).unwrap();
    manifest["layers"][0]["mediaType"] = json!("t".repeat(100_000));
    let image = layout.manifest(&manifest);
    let child = |nth| {
        let mut child = image.clone();
        child["platform"] = json!({"os": "linux", "architecture": format!("a{nth}")});
        child
    };
    let children: Vec<_> = (0..2_000).map(child).collect();
    let index = layout.nested(&children, Types::Oci);
    layout.list_as(&index, &["app:1".into()]);
    let peak = peak_within_32_mib(&["inspect", "IN"], &layout.tarball().bytes(), 0);
    assert!(peak < 64 << 10, "{peak} KiB");
}

/// A layout whose index of a megabyte `times` entries list, each with an annotation of its own.
fn listed_often(times: usize) -> Vec<u8> {
    let mut layout = Layout::new();
    let image = layout.image(&TestImage::new().layer([file("a", "1")]), Types::Oci);
    let annotations: serde_json::Map<_, _> = (0..1000).map(|n| (format!("k{n}"), json!("v".repeat(1000)))).collect();
    let index = json!({"schemaVersion": 2, "manifests": [image], "annotations": annotations});
    let index = layout.blob(OCI_INDEX, index.to_string());
    for nth in 0..times {
        let mut entry = index.clone();
        entry["annotations"] = json!({"n": nth.to_string()});
        layout.list(&entry);
    }
    layout.tarball().bytes()
}

#[test]
fn an_index_that_many_entries_list_is_held_once() {
    const MOST: u64 = 24 << 10;
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", listed_often(200));
    let out = scratch.path("out");
    // The second conversion has to rewrite the index.
    for more in [&[][..], &[Path::new("--compress=none")]] {
        let more = [&[Path::new("-f"), Path::new("-o"), &out, &input], more].concat();
        let (ended, peak) = Process::start(FOREGROUND, convert("oci", &more), Stdio::null()).end_and_peak();
        ended.exits(0, []);
        assert!(peak < MOST, "{peak} KiB: {more:?}");
    }
}

#[test]
fn what_would_take_too_much_memory_is_refused_before_it_does() {
    // The document itself, and what is allowed.
    const MOST: u64 = 20 << 10;
    let scratch = Scratch::new();
    let many = json!(vec![json!({"a": 0}); 100_000]);
    let image = TestImage::new().layer([file("a", "1")]).key("x", many.clone());
    let mut archives: Vec<Vec<u8>> = Shape::ALL.iter().map(|shape| shape.save_one(&image).bytes()).collect();
    let mut layout = Tarball::default();
    layout.json("oci-layout", &json!({"imageLayoutVersion": "1.0.0"}));
    layout.json("index.json", &json!({"schemaVersion": 2, "manifests": [], "x": many}));
    archives.push(layout.bytes());
    for (nth, archive) in archives.into_iter().enumerate() {
        let input = scratch.write(&format!("{nth}.tar"), archive);
        let process =
            Process::start(FOREGROUND, [Path::new("inspect"), Path::new("--max-metadata=8M"), &input], Stdio::null());
        let (ended, peak) = process.end_and_peak();
        ended.exits(6, ["--max-metadata"]);
        assert!(peak < MOST, "{peak} KiB: archive {nth}");
    }
}

#[test]
fn a_root_filesystem_of_plain_layers_needs_no_temporary_file() {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", Shape::Docker20.save_one(&layers()).bytes());
    let run = imgtar(["convert", "--to", "rootfs", "--tmpdir", "/nowhere", "-o"]).arg(scratch.path("out"));
    run.arg(input).success();
}

#[test]
fn a_root_filesystem_of_packed_layers_needs_one_and_says_so() {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", Shape::Crane.save_one(&layers()).bytes());
    let run = imgtar(["convert", "--to", "rootfs", "--tmpdir", "/nowhere", "-o"]).arg(scratch.path("out"));
    run.arg(input).exits(5).says(["/nowhere", "--tmpdir"]);
    assert_eq!(scratch.names(), ["in.tar"]);
}

/// How many temporary files a run to standard output has when its output is begun.
fn temporary_files(target: &str, input: impl AsRef<OsStr>, stdin: Stdio) -> usize {
    let scratch = Scratch::new();
    let args = ["convert", "-q", "-j", "3", "--to", target, "--tmpdir"].map(OsString::from);
    let args = args.into_iter().chain([scratch.dir().into(), input.as_ref().to_owned()]);
    let mut process = Process::start(FOREGROUND, args, stdin);
    process.read(1024);
    let dir = scratch.dir().to_str().unwrap().to_owned();
    let count = process.open_files().iter().filter(|name| name.starts_with(&dir)).count();
    process.end().exits(0, []);
    count
}

#[test]
fn layers_that_are_kept_go_from_a_file_to_a_pipe_without_a_temporary_file() {
    let scratch = Scratch::new();
    let plain = scratch.write("plain.tar", Shape::Docker20.save_one(&layers()).bytes());
    let gzip = scratch.write("gzip.tar", Shape::Crane.save_one(&layers()).bytes());
    for (target, input) in [("legacy", &plain), ("oci", &plain), ("rootfs", &plain), ("docker", &gzip), ("oci", &gzip)]
    {
        assert_eq!(temporary_files(target, input, Stdio::null()), 0, "{} to {target}", input.display());
    }
}

#[test]
fn a_pipe_is_spooled_once() {
    let scratch = Scratch::new();
    let plain = scratch.write("plain.tar", Shape::Docker20.save_one(&layers()).bytes());
    for target in ["legacy", "oci", "rootfs"] {
        assert_eq!(temporary_files(target, "-", piped(&plain)), 1, "to {target}");
    }
}

#[test]
fn packed_layers_share_as_many_temporary_files_as_there_are_threads() {
    let scratch = Scratch::new();
    let gzip = scratch.write("gzip.tar", Shape::Crane.save_one(&layers()).bytes());
    assert!((1..=3).contains(&temporary_files("rootfs", &gzip, Stdio::null())));
}

#[test]
fn a_terabyte_of_holes_meets_the_limit_before_it_is_written() {
    let holes = Sparse { size: 1 << 40, pieces: vec![(1 << 39, b"middle")] };
    let image = TestImage::new().layer([file("a", "1"), holes.pax_1_0("holes")]).tag("app:1");
    let outcome = imgtar(["convert", "--to", "rootfs"]).stdin(Shape::Crane.save_one(&image).bytes()).exits(6);
    assert!(outcome.says(["holes", "--max-size"]).stdout.len() < 1 << 20);
}

#[test]
fn members_count_as_memory_even_without_names_to_speak_of() {
    let mut tar = Shape::Crane.save_one(&layers());
    (0..1000).for_each(|nth| tar.file(format!("{nth}"), ""));
    imgtar(["convert", "--to", "oci", "--max-metadata", "200K"]).stdin(tar.bytes()).exits(6).says(["--max-metadata"]);
    imgtar(["convert", "--to", "oci", "--max-metadata", "1M"]).stdin(tar.bytes()).success();
}

/// A path of many directories: to spell out all of 200,000 would take 20 GB.
fn abyss(depth: usize) -> Tarball {
    Shape::Crane.save_one(&TestImage::new().layer([file("d/".repeat(depth) + "f", "")]).tag("app:1"))
}

#[test]
fn a_path_that_is_not_there_is_told_without_spelling_out_all_that_are() {
    for command in ["cat", "ls"] {
        let said = grows_evenly(&[command, "IN", "nowhere"], 100_000, abyss, 4);
        assert!(said.contains("there is no `nowhere`"), "{said}");
    }
}

/// Pipes `stdin` into imgtar, which cannot write files of more than 8 MiB; dash counts in halves of what others do.
#[cfg(unix)]
fn in_small_files(args: &str, stdin: &[u8]) -> std::process::Output {
    let scratch = Scratch::new();
    let input = scratch.write("input", stdin);
    let run = format!("cat \"$0\" | (ulimit -f 8192; exec {} {args})", program().display());
    std::process::Command::new("sh").args(["-c", &run]).arg(input).output().expect("sh")
}

#[test]
#[cfg(unix)]
fn zeros_behind_an_archive_take_no_room_and_are_not_read_for_ever() {
    let zeros = vec![0; 32 << 20];
    let small = TestImage::new().layer([file("a", noise(1 << 20))]).tag("app:1");
    let archive = Shape::Docker20.save_one(&small).bytes();
    let with_zeros = [&archive[..], &zeros].concat();
    for stdin in [&with_zeros, &Codec::Gzip.encode(&with_zeros)] {
        let outcome = in_small_files("convert --to oci", stdin);
        assert!(outcome.status.success(), "{outcome:?}");
        assert!(outcome.stdout == in_small_files("convert --to oci", &archive).stdout);
        assert_eq!(in_small_files("verify -", stdin).status.code(), Some(0));
        let limited = in_small_files("verify - --max-size 16M", stdin);
        assert!(limited.status.code() == Some(6) && String::from_utf8_lossy(&limited.stderr).contains("--max-size"));
    }
    for stdin in [&zeros, &Codec::Gzip.encode(&zeros)] {
        for command in ["verify -", "convert --to oci", "inspect"] {
            let outcome = in_small_files(command, stdin);
            let said = String::from_utf8_lossy(&[outcome.stdout, outcome.stderr].concat()).into_owned();
            assert!(outcome.status.code() == Some(3) && said.contains("not an image archive"), "{command}: {said}");
        }
    }
    // All bytes of a root filesystem's tar are part of the layer.
    let import = "import --to oci --arch amd64 --max-size 16M";
    imgtar(import.split(' ')).stdin(zeros).exits(6).says(["--max-size"]);
}
