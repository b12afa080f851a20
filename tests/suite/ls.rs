//! `imgtar ls`: the tree that `--to rootfs` writes, or one layer as it is (the page's "Commands" and "Edges").

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::process::Command;

use serde_json::Value;

use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::{device, dir, fifo, file, hardlink, layer_tar, opaque, symlink, whiteout};
use crate::support::layout::{Layout, Types};
use crate::support::rootfs::{Node, Rootfs, flatten};
use crate::support::run::{Outcome, imgtar};
use crate::support::schema;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::skip::skip;
use crate::support::tarball::{Kind, Tarball};

/// Every kind of entry, and everything that layers do to one another.
fn image() -> TestImage {
    TestImage::new()
        .layer([
            dir(".").mode(0o711).mtime(5),
            dir("etc").mode(0o750).owner(1, 2).mtime(1_000_000_001),
            file("etc/old", "old"),
            file("etc/keep", "keep").mode(0o4755).mtime(1),
            symlink("bin", "usr/bin"),
            file("usr/bin/sh", "#!").xattr("user.note", "x"),
            hardlink("usr/bin/ash", "usr/bin/sh"),
            dir("gone"),
            file("gone/below", "1"),
        ])
        .layer([
            whiteout("etc/old"),
            file("etc/new", "newer").owner(1000, 100).pax("mtime", "1.25"),
            opaque("gone"),
            file("bin/more", "more"),
            device("dev/null", b'3', (1, 3)),
            fifo("run/pipe"),
        ])
        .tag("app:1")
}

fn rootfs() -> Rootfs {
    Rootfs::written(&flatten(&image(), &[]))
}

fn ls(args: &[&str]) -> Outcome {
    imgtar(["ls"]).args(args).stdin(Shape::Oci.save_one(&image()).bytes()).success()
}

fn lines(outcome: &Outcome) -> Vec<String> {
    outcome.text().lines().map(str::to_owned).collect()
}

fn rows(outcome: &Outcome) -> Vec<Value> {
    let rows: Vec<Value> = outcome.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    rows.iter().for_each(|row| schema::check("ls", row));
    rows
}

#[test]
fn the_paths_are_those_of_the_root_filesystem() {
    let expected = rootfs().paths();
    for shape in [Shape::Docker20, Shape::Docker25, Shape::Containerd, Shape::Skopeo, Shape::Crane, Shape::Oci] {
        let scratch = Scratch::new();
        let tar = shape.save_one(&image());
        let path = scratch.write("in.tar", tar.bytes());
        assert_eq!(lines(&imgtar(["ls"]).arg(&path).success()), expected, "{shape:?}");
        assert_eq!(lines(&imgtar(["ls"]).stdin(tar.bytes()).success()), expected, "{shape:?} from a pipe");
        let packed = tar.compressed(Codec::Zstd);
        assert_eq!(lines(&imgtar(["ls", "-"]).stdin(packed).success()), expected, "{shape:?} compressed");
    }
    let scratch = Scratch::new();
    Shape::Oci.save_one(&image()).unpack(scratch.dir());
    assert_eq!(lines(&imgtar(["ls"]).arg(scratch.dir()).success()), expected, "a directory");
}

/// The columns of `tar tv`, from the written tar.
fn long(node: &Node) -> String {
    let kind = match node.kind {
        b'0' => '-',
        b'1' => 'h',
        b'2' => 'l',
        b'3' => 'c',
        b'5' => 'd',
        _ => 'p',
    };
    let bits = |shift: u32, special: bool| {
        let bits = node.mode >> shift & 7;
        let execute = match (bits & 1, special) {
            (1, true) => 's',
            (1, false) => 'x',
            (_, true) => 'S',
            (_, false) => '-',
        };
        format!("{}{}{execute}", if bits & 4 == 0 { '-' } else { 'r' }, if bits & 2 == 0 { '-' } else { 'w' })
    };
    let mode = format!("{kind}{}{}{}", bits(6, node.mode & 0o4000 != 0), bits(3, false), bits(0, false));
    let size =
        if node.kind == b'3' { format!("{},{}", node.device.0, node.device.1) } else { node.body.len().to_string() };
    let (uid, gid) = node.owner;
    let link = String::from_utf8_lossy(&node.link);
    let link = match node.kind {
        b'1' => format!(" link to {link}"),
        b'2' => format!(" -> {link}"),
        _ => String::new(),
    };
    format!("{mode} {uid}/{gid} {size} {}{link}", String::from_utf8_lossy(&node.path))
}

#[test]
fn the_long_form_says_what_the_headers_say() {
    let expected: Vec<String> = rootfs().0.iter().map(long).collect();
    let without_time = |line: &String| {
        let words: Vec<&str> = line.split_whitespace().collect();
        [&words[..3], &words[4..]].concat().join(" ")
    };
    let found = lines(&ls(&["-l"]));
    assert_eq!(found.iter().map(without_time).collect::<Vec<_>>(), expected);
    let time = |path: &str| {
        let line = found.iter().find(|line| line.split_whitespace().nth(4) == Some(path)).unwrap();
        line.split_whitespace().nth(3).unwrap().to_owned()
    };
    assert_eq!(time("etc/"), "2001-09-09T01:46:41Z");
    assert_eq!(time("etc/new"), "1970-01-01T00:00:01Z");
    assert_eq!(time("run/"), "1970-01-01T00:00:00Z", "a directory that no layer describes");
}

#[test]
fn json_says_the_same_and_where_it_is_from() {
    let rows = rows(&ls(&["--json"]));
    let nodes = rootfs().0;
    assert_eq!(rows.len(), nodes.len());
    for (row, node) in rows.iter().zip(&nodes) {
        let path = String::from_utf8_lossy(&node.path);
        let path = if path == "./" { "." } else { path.trim_end_matches('/') };
        assert_eq!(row["path"], path);
        assert_eq!(row["mode"], format!("{:04o}", node.mode), "{path}");
        assert_eq!((&row["uid"], &row["gid"]), (&node.owner.0.into(), &node.owner.1.into()), "{path}");
        let kind = match node.kind {
            b'0' => "file",
            b'1' => "hardlink",
            b'2' => "symlink",
            b'3' => "char",
            b'5' => "directory",
            _ => "fifo",
        };
        assert_eq!(row["type"], kind, "{path}");
        assert_eq!(row.get("size").is_some(), kind == "file", "{path}");
        if kind == "file" {
            assert_eq!(row["size"], node.body.len(), "{path}");
        }
        if kind.ends_with("link") {
            assert_eq!(row["target"], String::from_utf8_lossy(&node.link).as_ref(), "{path}");
        }
    }
    let row = |path: &str| rows.iter().find(|row| row["path"] == path).unwrap();
    assert_eq!(row("etc/new")["layer"], 1);
    assert_eq!(row("etc/new")["mtime"], "1970-01-01T00:00:01.25Z");
    assert_eq!(row("etc/keep")["layer"], 0);
    assert!(row("run").get("layer").is_none(), "implied by run/pipe alone");
    assert_eq!(row("dev/null")["device"], serde_json::json!({"major": 1, "minor": 3}));
    assert_eq!(row("usr/bin/ash")["xattrs"]["user.note"], "eA==");
    assert_eq!(row("usr/bin/sh")["type"], "hardlink", "the first path carries the data");
}

#[test]
fn names_that_are_no_text_are_exact_in_json_and_escaped_elsewhere() {
    let image = TestImage::new().layer([file(b"a\xff\x1b[31m".as_slice(), ""), symlink("l", b"\xfe\n")]).tag("app:1");
    let tar = Shape::Oci.save_one(&image).bytes();
    let rows = rows(&imgtar(["ls", "--json"]).stdin(tar.clone()).success());
    assert_eq!((&rows[0]["path"], &rows[0]["path_base64"]), (&"a\u{fffd}\u{1b}[31m".into(), &"Yf8bWzMxbQ==".into()));
    assert_eq!(rows[1]["target_base64"], "/go=");
    for form in ["--json", "-l", "-q"] {
        let said = imgtar(["ls", form]).stdin(tar.clone()).success();
        assert!(!said.stdout.contains(&0x1b), "H-25: {form}");
    }
    assert_eq!(lines(&imgtar(["ls"]).stdin(tar).success()), [r"a\xff\u{1b}[31m", "l"]);
}

#[test]
fn one_layer_is_shown_as_it_is() {
    assert_eq!(
        lines(&ls(&["--layer", "1"])),
        ["etc/.wh.old", "etc/new", "gone/.wh..wh..opq", "bin/more", "dev/null", "run/pipe"]
    );
    let long = lines(&ls(&["--layer", "1", "-l"]));
    assert!(long[0].starts_with('w') && long[0].ends_with("etc/.wh.old hides etc/old"), "{}", long[0]);
    assert!(long[2].ends_with("gone/.wh..wh..opq hides all below gone/"), "{}", long[2]);
    let rows = rows(&ls(&["--layer", "1", "--json"]));
    assert_eq!((&rows[0]["type"], &rows[0]["target"]), (&"whiteout".into(), &"etc/old".into()));
    assert_eq!((&rows[2]["type"], &rows[2]["target"]), (&"opaque".into(), &"gone".into()));
    assert!(rows.iter().all(|row| row["layer"] == 1));
    imgtar(["ls", "--layer", "2"])
        .stdin(Shape::Oci.save_one(&image()).bytes())
        .exits(4)
        .says(["no layer 2", "sha256:"]);
}

#[test]
fn a_path_is_listed_with_all_below_it() {
    assert_eq!(lines(&ls(&["-", "/etc"])), ["etc/", "etc/keep", "etc/new"]);
    assert_eq!(lines(&ls(&["-", "etc/keep"])), ["etc/keep"]);
    assert_eq!(lines(&ls(&["-", "/"])), rootfs().paths());
    assert_eq!(lines(&ls(&["-", "gone/.."])), rootfs().paths());
    let behind = ["usr/bin/", "usr/bin/ash", "usr/bin/more", "usr/bin/sh"];
    assert_eq!(lines(&ls(&["-", "bin"])), behind, "a link to a directory is that directory");
    assert_eq!(lines(&ls(&["-", "../bin/more"])), ["usr/bin/more"]);
    assert_eq!(lines(&ls(&["--layer", "0", "-", "usr"])), ["usr/bin/sh", "usr/bin/ash"]);
    assert_eq!(lines(&ls(&["--layer", "1", "-", "/etc/"])), ["etc/.wh.old", "etc/new"]);
}

#[test]
fn what_is_not_there_is_exit_4_with_a_hint() {
    let refused = |args: &[&str]| imgtar(["ls"]).args(args).stdin(Shape::Oci.save_one(&image()).bytes()).exits(4);
    refused(&["-", "etc/kep"]).says(["no `etc/kep`", "did you mean `etc/keep`?"]);
    refused(&["-", "sh"]).says(["did you mean `usr/bin/sh`?"]);
    refused(&["-", "etc/old"]).says(["no `etc/old`"]);
    refused(&["-", "etc/x/y/z"]).says(["no `etc/x/y/z`", "nothing is called `x` in `etc`"]);
    refused(&["-", "etc/keep/x"]).says(["`etc/keep` is not a directory"]);
    refused(&["--layer", "1", "-", "usr"]).says(["no `usr` in this layer"]);
    refused(&["--layer", "1", "-", "../usr"]).says(["standard input", "no `../usr` in this layer", "climbs out"]);
    refused(&["--image", "app:2"]).says(["no image `app:2`", "did you mean `app:1`?"]);
}

#[test]
fn several_images_are_exit_4_and_the_list() {
    let two = Shape::Crane.save(&[TestImage::demo("a:1"), TestImage::demo("b:1")]).bytes();
    imgtar(["ls"]).stdin(two.clone()).exits(4).says(["--image", "a:1", "b:1"]);
    let one = imgtar(["ls", "--image", "b:1"]).stdin(two.clone()).success();
    assert_eq!(lines(&one), ["app", "etc/", "etc/os-release"]);
    let by_number = imgtar(["ls", "--image", "@0"]).stdin(two).success();
    assert_eq!(by_number.stdout, one.stdout);
}

#[test]
fn several_platforms_are_exit_4_and_the_list() {
    let mut layout = Layout::new();
    let on = |platform: &str| TestImage::new().platform(platform).layer([file(platform.replace('/', "-"), "")]);
    let children = ["linux/amd64", "linux/arm64"].map(|platform| layout.image(&on(platform), Types::Oci));
    let attestation = layout.attestation(&children[0]);
    let index = layout.nested(&[&children[..], &[attestation]].concat(), Types::Oci);
    layout.list_as(&index, &["example.com/app:1".into()]);
    let tar = layout.tarball().bytes();
    imgtar(["ls"]).stdin(tar.clone()).exits(4).says(["--platform", "linux/amd64", "linux/arm64"]);
    let chosen = imgtar(["ls", "--platform", "linux/arm64"]).stdin(tar.clone()).success();
    assert_eq!(lines(&chosen), ["linux-arm64"]);
    chosen.never_says(["imgtar"]);
    imgtar(["ls", "--platform", "linux/s390x"]).stdin(tar).exits(4).says(["linux/s390x", "linux/amd64"]);
}

#[test]
fn layers_of_windows_are_listed_one_by_one_only() {
    let image = TestImage::new().platform("windows/amd64").layer([file("Files/a", "1")]).tag("app:1");
    let tar = Shape::Oci.save_one(&image).bytes();
    imgtar(["ls"]).stdin(tar.clone()).exits(4).says(["Windows", "--layer"]);
    assert_eq!(lines(&imgtar(["ls", "--layer", "0"]).stdin(tar).success()), ["Files/a"]);
}

#[test]
fn a_reader_that_has_heard_enough_ends_the_run_well() {
    let items = layer_tar((0..20_000).map(|nth| file(format!("directory/of/many/files/{nth}"), "")));
    let tar = Shape::Oci.save_one(&TestImage::new().layer_bytes(items).tag("app:1")).bytes();
    for form in ["--json", "-l", "-q"] {
        let outcome = imgtar(["ls", form]).stdin(tar.clone()).run_and_hang_up_after(10);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{form}");
    }
}

#[test]
fn a_plain_layer_is_not_read_between_its_headers() {
    // A body of 64 GiB that is a hole in the file: whoever reads it all is not done in time.
    const SIZE: u64 = 64 << 30;
    let scratch = Scratch::new();
    let end = layer_tar([file("end", "")]);
    let layer = SIZE + 512 + end.len() as u64;
    let config = TestImage::new().layer_bytes("x").config();
    let mut tar = Tarball::default();
    tar.json(
        "manifest.json",
        &serde_json::json!([{"Config": "config.json", "RepoTags": ["big:1"], "Layers": ["l.tar"]}]),
    );
    tar.file("config.json", config);
    let mut head = tar.bytes();
    head.truncate(head.len() - 1024);
    head.extend(file("l.tar", "").pax("size", layer.to_string()).bytes());
    head.extend(file("body", "").pax("size", SIZE.to_string()).bytes());
    let path = scratch.write("big.tar", &head);
    let archive = fs::OpenOptions::new().write(true).open(&path).unwrap();
    // The size in the PAX record takes a header of three blocks; the layer's own begins with one as well.
    let body = head.len() as u64 + SIZE;
    write_at(&archive, &end, body);
    archive.set_len((body + end.len() as u64).next_multiple_of(512) + 1024).unwrap();
    let found = lines(&imgtar(["ls", "-l"]).arg(&path).success());
    assert!(found[0].contains(&SIZE.to_string()) && found[0].ends_with(" body"), "{found:?}");
}

fn write_at(mut file: &fs::File, bytes: &[u8], offset: u64) {
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn broken_promises_of_what_is_decoded_are_exit_3() {
    let tar = Shape::Crane.save_one(&image());
    let layer = tar.name_ending(".tar.gz");
    let other = Codec::Gzip.encode(&layer_tar([file("evil", "")]));
    imgtar(["ls"]).stdin(tar.replacing(&layer, Kind::File(other)).bytes()).exits(3).says(["diff_id"]);
}

#[test]
fn what_contradicts_itself_is_exit_2() {
    for args in [
        &["-l", "--json"][..],
        &["-", "-"],
        &["--layer", "x"],
        &["--layer", "-1"],
        &["--tree", "--json"],
        &["--layers", "--layer", "1"],
    ] {
        imgtar(["ls"]).args(args).stdin(Shape::Oci.save_one(&image()).bytes()).exits(2);
    }
    imgtar(["ls"]).exits(3).says(["nothing on standard input"]);
}

#[test]
fn gnu_tar_lists_the_same() {
    let scratch = Scratch::new();
    let rootfs = scratch.write("rootfs.tar", flatten(&image(), &[]));
    let tar = |form: &str| Command::new("tar").args([form, "--numeric-owner", "-f"]).arg(&rootfs).output();
    let Ok(paths) = tar("-t") else {
        return skip("there is no GNU tar here");
    };
    assert_eq!(String::from_utf8(paths.stdout).unwrap(), ls(&[]).text());
    let columns = |text: String, time: usize| -> Vec<String> {
        let of = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            [&words[..3], &words[3 + time..]].concat().join(" ")
        };
        text.lines().map(of).collect()
    };
    let theirs = columns(String::from_utf8(tar("-tv").unwrap().stdout).unwrap(), 2);
    assert_eq!(columns(ls(&["-l"]).text(), 1), theirs);
}

#[test]
fn patterns_and_several_paths_are_listed_in_one_order() {
    let all = rootfs().paths();
    let expected = |keep: fn(&str) -> bool| -> Vec<String> { all.iter().filter(|path| keep(path)).cloned().collect() };
    for (args, keep) in [
        (&["-", "**/*e*"][..], (|path| path.contains('e')) as fn(&str) -> bool),
        (&["-", "/usr/*/sh", "etc"], |path| path == "usr/bin/sh" || path.starts_with("etc")),
        (&["-", "[ef]tc"], |path| path.starts_with("etc")),
        (&["-", "bin"], |path| path.starts_with("usr/bin")),
        (&["--depth", "1"], |path| path.trim_end_matches('/').split('/').count() == 1 || path == "./"),
        (&["--depth", "0", "-", "etc"], |path| path == "etc/"),
    ] {
        assert_eq!(lines(&ls(args)), expected(keep), "{args:?}");
    }
    let reversed: Vec<_> = all.iter().rev().cloned().collect();
    assert_eq!(lines(&ls(&["-r"])), reversed);
    imgtar(["ls", "--depth", "0"]).stdin("").exits(2).says(["--depth 1"]);
    imgtar(["ls", "-", "etc", "no*thing"])
        .stdin(Shape::Oci.save_one(&image()).bytes())
        .exits(4)
        .says(["nothing in the image matches `no*thing`"]);
}

#[test]
fn the_largest_come_first_and_sizes_can_be_for_people() {
    let image = TestImage::new().layer([file("a", "1"), file("b", vec![0; 3 << 10]), file("c", "22")]).tag("app:1");
    let ls = |flags: &str| lines(&imgtar(["ls", flags]).stdin(Shape::Oci.save_one(&image).bytes()).success());
    assert_eq!(ls("-S"), ["b", "c", "a"]);
    assert_eq!(ls("-Sr"), ["a", "c", "b"]);
    assert!(ls("-lhS")[0].contains(" 3.0 KiB "), "{:?}", ls("-lhS"));
}

#[test]
fn a_tree_has_each_name_below_its_directory() {
    let expected = "\
etc/
├── keep
└── new
usr/
└── bin/
    ├── ash
    ├── more
    └── sh
";
    assert_eq!(ls(&["--tree", "-", "etc", "usr"]).text(), expected);
    let reversed = "usr/\n└── bin/\n    ├── sh\n    ├── more\n    └── ash\netc/\n├── new\n└── keep\n";
    assert_eq!(ls(&["--tree", "-r", "-", "etc", "usr"]).text(), reversed);
    let image = TestImage::new().layer([dir("d"), file("d/a", "1"), file("d/b", "22")]).layer([file("d/c", "333")]);
    let run = |flags: &[&str]| {
        let archive = Shape::Oci.save_one(&image.clone().tag("app:1")).bytes();
        imgtar(["ls"]).args(flags).stdin(archive).success().text()
    };
    assert_eq!(run(&["--tree", "-S"]), "d/\n├── c\n├── b\n└── a\n");
    let paths =
        |text: String| text.lines().map(|line| line.split("  ").last().unwrap().trim().to_owned()).collect::<Vec<_>>();
    assert_eq!(paths(run(&["--layers", "-S"])), ["d/b", "d/a", "d/", "d/c"]);
    assert_eq!(paths(run(&["--layers", "-r"])), ["d/c", "d/b", "d/a", "d/"]);
}

/// What each layer does, one path after another, by the simple way: the trees before and after each layer, held against
/// each other.
#[test]
fn every_layer_tells_what_it_adds_changes_and_deletes() {
    let rows: Vec<(u64, String, String)> = rows(&ls(&["--layers", "--json"]))
        .iter()
        .map(|row| (row["layer"].as_u64().unwrap(), text(&row["change"]), text(&row["path"])))
        .collect();
    let expected = [
        (0, "added", ". bin etc etc/keep etc/old gone gone/below usr/bin/ash usr/bin/sh"),
        (1, "added", "dev/null etc/new run/pipe usr/bin/more"),
        (1, "deleted", "etc/old gone/below"),
    ];
    let mut expected: Vec<_> = expected
        .iter()
        .flat_map(|&(layer, change, paths)| paths.split(' ').map(move |path| (layer, change.into(), path.into())))
        .collect();
    expected.sort_by(|one: &(u64, String, String), other| (one.0, &one.2).cmp(&(other.0, &other.2)));
    let written = |(layer, change, path): &(u64, String, String)| (*layer, change.clone(), path.replace('.', ""));
    assert_eq!(rows.iter().map(written).collect::<Vec<_>>(), expected.iter().map(written).collect::<Vec<_>>());
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn a_change_is_where_links_and_whiteouts_take_effect() {
    let layers = TestImage::new()
        .layer([
            dir("usr/lib"),
            symlink("lib", "usr/lib"),
            file("lib/a", "1"),
            file("usr/lib/b", "1"),
            dir("d"),
            file("d/x", "1"),
        ])
        .layer([file("usr/lib/a", "2"), whiteout("lib/b"), file("d", "no directory any more")])
        .layer([whiteout("d"), dir("d"), file("d/x", "again"), dir("usr/lib").mtime(9)])
        .layer([dir("usr/lib").mode(0o700), opaque("d"), file("d/x", "kept")])
        .layer([opaque(".")])
        .tag("app:1");
    let changes = |args: &[&str]| {
        let outcome = imgtar(["ls", "--layers"]).args(args).stdin(Shape::Oci.save_one(&layers).bytes()).success();
        let without_digest = |line: &str| {
            let mut words = line.split_whitespace();
            let (number, verb, path) = (words.nth(1).unwrap(), words.nth(1).unwrap(), words.next().unwrap());
            format!("{number} {verb} {path}")
        };
        outcome.text().lines().map(without_digest).collect::<Vec<_>>()
    };
    assert_eq!(
        changes(&["-", "usr/lib"]),
        [
            "0 adds usr/lib/",
            "0 adds usr/lib/a",
            "0 adds usr/lib/b",
            "1 changes usr/lib/a",
            "1 deletes usr/lib/b",
            "3 changes usr/lib/",
            "4 deletes usr/lib/",
            "4 deletes usr/lib/a",
        ]
    );
    assert_eq!(
        changes(&["-", "d"]),
        [
            "0 adds d/",
            "0 adds d/x",
            "1 changes d",
            "1 deletes d/x",
            "2 changes d/",
            "2 adds d/x",
            "3 changes d/x",
            "4 deletes d/",
            "4 deletes d/x",
        ]
    );
    imgtar(["ls", "--layers", "-", "nowhere"])
        .stdin(Shape::Oci.save_one(&layers).bytes())
        .exits(4)
        .says(["`**/nowhere` looks in every directory"]);
}
