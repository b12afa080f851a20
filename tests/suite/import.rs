//! A root filesystem becomes an image of one layer: X-3, X-2, M-12, principles 4, 5, 6.

use std::fs::{self, File};
use std::path::Path;

use serde_json::{Value, json};

use crate::support::archive::Archive;
use crate::support::codec::Codec;
use crate::support::expect::{Target, archive_and_images};
use crate::support::image::TestImage;
use crate::support::judge::Judged;
use crate::support::layer::{dir, file, hardlink, layer_tar, symlink, whiteout};
use crate::support::run::{Outcome, Run, imgtar};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::sparse::Sparse;
use crate::support::tarball::{Kind, Tarball};
use crate::support::{digest, order};

/// A small tree, padded behind its end as GNU tar does it: that belongs to the diff_id too (M-12).
fn tree() -> Vec<u8> {
    let mut tar = layer_tar([
        dir("etc"),
        file("etc/os-release", "ID=demo\n"),
        dir("usr"),
        file("usr/app", "#!"),
        hardlink("usr/same", "usr/app"),
        symlink("bin", "usr"),
    ]);
    tar.resize(10240, 0);
    tar
}

fn import(target: Target) -> Run {
    imgtar(["import", "--arch", "amd64", "--to", target.flag()])
}

/// Imports what is at `path` and judges the image that is written.
#[track_caller]
fn imported(path: &Path, target: Target, flags: &[&str]) -> Judged {
    let scratch = Scratch::new();
    let out = scratch.path("out");
    import(target).args(flags).arg("-o").arg(&out).arg(path).success();
    let images = match target {
        Target::OciDir => order::oci_dir(&Archive::of_dir(&out)),
        _ => archive_and_images(target, &scratch.read("out")).1,
    };
    let [image] = images.as_slice() else { panic!("{} images", images.len()) };
    image.clone()
}

#[track_caller]
fn refuse(bytes: &[u8], flags: &[&str], code: i32) -> Outcome {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", bytes);
    let outcome = import(Target::Oci).args(flags).arg("-o").arg(scratch.path("out")).arg(input).exits(code);
    assert_eq!(scratch.names(), ["in.tar"], "a failed run leaves no file\n{outcome}");
    outcome
}

fn config(image: &Judged) -> Value {
    serde_json::from_slice(&image.config).unwrap()
}

#[test]
fn the_layer_is_the_tar_as_it_is_in_every_target() {
    let scratch = Scratch::new();
    let input = scratch.write("rootfs.tar", tree());
    let mut ids = Vec::new();
    for target in Target::ALL {
        let image = imported(&input, target, &["-t", "app:1"]);
        assert_eq!(image.diff_ids(), [digest(&tree())], "{}", target.flag());
        assert_eq!(image.layers[0].plain, Some(tree()), "{}", target.flag());
        assert_eq!(image.names, ["docker.io/library/app:1"], "{}", target.flag());
        ids.push(image.id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "one tar, one image ID: {ids:?}");
}

#[test]
fn nothing_is_recompressed_unless_the_target_wants_it() {
    let scratch = Scratch::new();
    for codec in Codec::ALL {
        let stored = codec.encode(&tree());
        let input = scratch.write("in", &stored);
        for (target, expected) in [
            (Target::Oci, if matches!(codec, Codec::Xz | Codec::Bzip2 | Codec::Lz4) { Codec::Gzip } else { codec }),
            (Target::OciDir, if matches!(codec, Codec::Xz | Codec::Bzip2 | Codec::Lz4) { Codec::Gzip } else { codec }),
            (Target::Docker, Codec::Gzip),
            (Target::Legacy, Codec::Plain),
        ] {
            let image = imported(&input, target, &[]);
            assert_eq!(image.diff_ids(), [digest(&tree())], "{codec:?} to {}", target.flag());
            assert_eq!(image.layers[0].codec, expected, "{codec:?} to {}", target.flag());
            if expected == codec {
                assert_eq!(image.layers[0].digest, digest(&stored), "{codec:?} to {}: kept", target.flag());
            }
        }
    }
    let input = scratch.write("in", tree());
    assert_eq!(imported(&input, Target::Oci, &["--compress", "zstd"]).layers[0].codec, Codec::Zstd);
}

#[test]
fn the_config_says_what_is_known_and_no_more() {
    let scratch = Scratch::new();
    let image = imported(&scratch.write("rootfs.tar", tree()), Target::Oci, &[]);
    let expected = format!(
        r#"{{"architecture":"amd64","config":{{}},"history":[{{"created_by":"imgtar import"}}],"os":"linux","rootfs":{{"diff_ids":["{}"],"type":"layers"}}}}"#,
        digest(&tree())
    );
    assert_eq!(String::from_utf8_lossy(&image.config), expected);
}

#[test]
fn the_config_says_all_that_is_asked_for() {
    let scratch = Scratch::new();
    let flags = [
        &["--os", "freebsd", "--variant", "v3", "--cmd", "-c", "--cmd", r#"["a b","c"]"#, "--entrypoint", "/bin/sh"][..],
        &["--env", "PATH=/bin:/usr/bin", "--env", "EMPTY=", "--workdir", "/srv", "--user", "1000:1000"],
        &["--label", "z=<1 & 2>", "--label", "a=b=c", "--created", "2020-01-02T03:04:05.60Z"],
    ];
    for target in Target::ALL {
        let image = imported(&scratch.write("rootfs.tar", tree()), target, &flags.concat());
        let expected = json!({
            "architecture": "amd64",
            "variant": "v3",
            "os": "freebsd",
            "created": "2020-01-02T03:04:05.6Z",
            "config": {
                "Cmd": ["-c", "a b", "c"],
                "Entrypoint": ["/bin/sh"],
                "Env": ["PATH=/bin:/usr/bin", "EMPTY="],
                "Labels": {"a": "b=c", "z": "<1 & 2>"},
                "User": "1000:1000",
                "WorkingDir": "/srv",
            },
            "history": [{"created": "2020-01-02T03:04:05.6Z", "created_by": "imgtar import"}],
            "rootfs": {"type": "layers", "diff_ids": [digest(&tree())]},
        });
        assert_eq!(config(&image), expected);
    }
}

#[test]
fn only_what_is_asked_for_gives_a_time() {
    let scratch = Scratch::new();
    let input = scratch.write("rootfs.tar", tree());
    let plain = import(Target::Docker).arg(&input).success().stdout;
    let epoch = import(Target::Docker).arg(&input).env("SOURCE_DATE_EPOCH", "1700000000").success().stdout;
    assert!(Archive::open(&plain).members == Archive::open(&epoch).members, "the times of members are no image's");
    let image = imported(&input, Target::Docker, &["--created", "1700000000"]);
    assert_eq!(config(&image)["created"], json!("2023-11-14T22:13:20Z"));
}

#[test]
fn the_descriptor_of_a_layout_names_the_platform() {
    let scratch = Scratch::new();
    let out = scratch.path("out");
    let flags = ["import", "--arch", "aarch64", "--variant", "v9", "--to", "oci-dir", "-o"];
    imgtar(flags).arg(&out).arg(scratch.write("rootfs.tar", tree())).success();
    let index = Archive::of_dir(&out).json("index.json");
    let expected = json!({"architecture": "arm64", "os": "linux", "variant": "v9"});
    assert_eq!(index["manifests"][0]["platform"], expected, "architectures have Go's names");
}

#[test]
fn files_pipes_and_threads_give_the_same_bytes() {
    let scratch = Scratch::new();
    for codec in Codec::ALL {
        let stored = codec.encode(&tree());
        let input = scratch.write("in", &stored);
        for target in [Target::Legacy, Target::Docker, Target::Oci] {
            let file = import(target).arg(&input).args(["-j", "1"]).success().stdout;
            let same =
                |run: Run, how: &str| assert!(run.success().stdout == file, "{codec:?} {}: {how}", target.flag());
            same(import(target).arg(&input).args(["-j", "5"]), "five threads");
            same(import(target).stdin(stored.clone()), "ROOTFS left out");
            same(import(target).arg("-").stdin(stored.clone()), "ROOTFS is -");
            same(import(target).stdin_file(File::open(&input).unwrap()), "standard input is a file");
            same(import(target).dribble(stored.clone()), "byte by byte");
        }
    }
}

#[test]
fn a_pipe_is_spooled_where_it_is_told_to_and_nothing_stays() {
    let scratch = Scratch::new();
    import(Target::Docker).arg("--tmpdir").arg(scratch.dir()).stdin(tree()).success();
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    import(Target::Docker).arg("--tmpdir").arg(scratch.path("nowhere")).stdin(tree()).exits(5).says(["--tmpdir"]);
    for codec in [Codec::Plain, Codec::Gzip, Codec::Xz] {
        let input = scratch.write("in", codec.encode(&tree()));
        for target in Target::ALL {
            let run = import(target).arg("--tmpdir").arg(scratch.path("nowhere"));
            run.arg(&input).arg("-f").arg("-o").arg(scratch.path(target.flag())).success();
        }
    }
}

#[test]
fn a_filesystem_goes_there_and_back() {
    let image = TestImage::demo("app:1").layer([whiteout("app"), file("usr/bin/new", "1")]);
    let first = imgtar(["convert", "--to", "rootfs"]).stdin(Shape::Docker20.save_one(&image).bytes()).success().stdout;
    for target in [Target::Legacy, Target::Docker, Target::Oci] {
        let again = import(target).args(["-t", "flat:1"]).stdin(first.clone()).success().stdout;
        let second = imgtar(["convert", "--to", "rootfs"]).stdin(again).success().stdout;
        assert!(first == second, "{}", target.flag());
    }
}

#[test]
fn e_55_a_config_that_cannot_be_run_is_refused_before_the_input_is_read() {
    for flags in [["--workdir", "srv"], ["--volume", "data"], ["--workdir", r"C:\srv"]] {
        imgtar(["import", "--to", "oci", "--arch", "amd64"]).args(flags).stdin(b"no tar").exits(2).says(["absolute"]);
        imgtar(["import", "--to", "oci", "--arch", "amd64", "--os", "windows"]).args(flags).stdin(tree()).success();
    }
}

#[test]
fn to_rootfs_is_a_filesystem_in_its_plainest_form() {
    let run = || imgtar(["import", "--to", "rootfs"]);
    let first = run().stdin(tree()).success().never_says(["sha256:"]).stdout;
    let image = import(Target::Oci).stdin(tree()).success().stdout;
    assert!(first == imgtar(["convert", "--to", "rootfs"]).stdin(image).success().stdout);
    assert!(first == run().stdin(Codec::Zstd.encode(&tree())).success().stdout);
    assert!(first == run().stdin(first.clone()).success().stdout);
    run().arg("--sort").stdin(tree()).success();
    run().args(["--os", "windows"]).stdin(tree()).exits(4);
    run().args(["-t", "app:1"]).stdin(tree()).exits(2);
}

#[test]
fn every_flag_of_the_output_holds() {
    let scratch = Scratch::new();
    let out = scratch.write("out.tar", "precious");
    import(Target::Oci).arg("-o").arg(&out).stdin(tree()).exits(5).says(["--force"]);
    import(Target::Oci).arg("-fo").arg(&out).stdin(tree()).success();
    archive_and_images(Target::Oci, &scratch.read("out.tar"));
    import(Target::Oci).arg("-fo").arg(&out).arg(&out).exits(2);

    import(Target::Docker).arg("-o").arg(scratch.path("out.tgz")).stdin(tree()).success();
    assert_eq!(Codec::sniff(&scratch.read("out.tgz")), Codec::Gzip);
    let alone = import(Target::Oci).arg("--no-docker-manifest").stdin(tree()).success().stdout;
    assert!(!Archive::written(&alone).has("manifest.json"));

    let dir = scratch.path("layout");
    import(Target::OciDir).args(["-t", "a:1", "-t", "a:2", "-o"]).arg(&dir).stdin(tree()).success();
    let flags = ["-t", "b:1", "--label", "b=1", "--append", "-o"];
    import(Target::OciDir).args(flags).arg(&dir).stdin(tree()).success();
    let images = order::oci_dir(&Archive::of_dir(&dir));
    assert_eq!(images.iter().map(|image| image.names.len()).collect::<Vec<_>>(), [2, 1]);
    import(Target::Docker).arg("--append").stdin(tree()).exits(2);
}

#[test]
fn the_architecture_is_never_guessed() {
    let outcome = imgtar(["import", "--to", "docker", "-t", "app"]).stdin(tree()).exits(2);
    outcome.says(["--arch", "host"]);
    imgtar(["import", "--to", "docker", "--arch", "host"]).stdin(tree()).success();
}

#[test]
fn what_is_no_tar_is_refused() {
    for bytes in [&b"just text\n".repeat(100)[..], b"x", &[0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0]] {
        refuse(bytes, &[], 3).says(["in.tar"]);
    }
    refuse(b"", &[], 3).says(["empty"]);
    refuse(&Codec::Gzip.encode(b""), &[], 3).says(["nothing in it"]);
    refuse(&Codec::Gzip.encode(&b"just text\n".repeat(100)), &[], 3).says(["not a tar"]);
    import(Target::Oci).exits(3).says(["nothing on standard input"]);
}

#[test]
fn a_tar_cut_inside_a_file_is_refused() {
    let tar = layer_tar([file("a", vec![1; 3000])]);
    for at in [1, 300, 511, 513, 1024, 3000, 3511] {
        refuse(&tar[..at], &[], 3);
    }
    let packed = Codec::Gzip.encode(&tar);
    refuse(&packed[..packed.len() - 5], &[], 3);
}

#[test]
fn a_tar_without_its_end_is_taken_with_a_warning() {
    let tar = layer_tar([file("a", "1"), file("b", "2")]);
    let cut = &tar[..2048];
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", cut);
    import(Target::Oci).arg(&input).success().says(["no end marker"]);
    assert_eq!(imported(&input, Target::Docker, &[]).diff_ids(), [digest(cut)], "as it is, not mended");
    refuse(cut, &["--strict"], 3).says(["no end marker"]);
    import(Target::Oci).stdin(tar).success().never_says(["warning"]);
}

#[test]
fn an_empty_tar_is_an_empty_filesystem() {
    let scratch = Scratch::new();
    let image = imported(&scratch.write("in.tar", [0; 1024]), Target::Oci, &[]);
    assert_eq!(image.diff_ids(), ["sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"]);
}

#[test]
fn names_that_climb_out_are_refused() {
    refuse(&layer_tar([file("../evil", "1")]), &[], 3).says(["../evil", "climbs out"]);
    refuse(&layer_tar([dir("a"), file("a/../../evil", "1")]), &[], 3).says(["climbs out"]);
    refuse(&layer_tar([file("a", "1"), hardlink("b", "../a")]), &[], 3).says(["`b`", "climbs out"]);
    // Where a symbolic link leads is settled inside the container (R-23).
    refuse_nothing(&layer_tar([symlink("up", "../../etc/passwd"), file("/absolute", "1"), file("./dotted", "1")]));
}

#[test]
fn a_symbolic_link_to_nothing_is_refused_unless_it_is_a_whiteout() {
    refuse(&layer_tar([symlink("d/l", "")]), &[], 3).says(["`d/l`: a symbolic link without a target"]);
    import(Target::Oci).stdin(layer_tar([symlink("d/.wh.l", "")])).success().says(["`d/.wh.l`", "whiteout"]);
}

#[track_caller]
fn refuse_nothing(bytes: &[u8]) {
    import(Target::Oci).stdin(bytes).success().never_says(["warning"]);
}

#[test]
fn an_image_archive_is_sent_to_convert() {
    for shape in [Shape::Docker20, Shape::Docker25, Shape::Crane, Shape::Oci, Shape::Containerd, Shape::Skopeo] {
        let tar = shape.save_one(&TestImage::demo("app:1"));
        refuse(&tar.bytes(), &[], 3).says(["image archive", "imgtar convert"]);
        refuse(&tar.compressed(Codec::Gzip), &[], 3).says(["imgtar convert"]);
    }
    let old = Shape::Docker20.save_one(&TestImage::demo("app:1")).without("manifest.json");
    refuse(&old.bytes(), &[], 3).says(["imgtar convert"]);
}

#[test]
fn a_filesystem_may_hold_a_manifest_of_its_own() {
    for body in [r#"{"name":"a web application"}"#, "[]", r#"[{"id":1}]"#, "no JSON"] {
        refuse_nothing(&layer_tar([file("manifest.json", body), file("index.json", "{}"), dir("var")]));
    }
    let image = Shape::Docker20.save_one(&TestImage::demo("app:1"));
    refuse_nothing(&image.renamed(|name| format!("srv/{name}")).with("etc/os-release", "ID=demo").bytes());
}

#[test]
fn whiteouts_are_no_files_and_that_is_said() {
    let tar = layer_tar([file("app", "1"), whiteout("old"), whiteout("etc/older")]);
    import(Target::Oci).stdin(tar.clone()).success().says([".wh.old", "1 more"]);
    refuse(&tar, &["--strict"], 3).says([".wh.old"]);
}

#[test]
fn what_engines_refuse_is_said() {
    let sparse = Sparse { size: 10_000, pieces: vec![(5000, b"middle")] };
    for (items, said) in [
        (vec![file("a", "1"), dir("d"), file("./a", "2")], "`a`: it occurs more than once"),
        (vec![file("a", "1").kind(b'7'), file("b", "").kind(b'7')], "`a` (and 1 more): stored as a contiguous file"),
        (vec![dir("d").after(sparse.old_gnu("a"))], "`a`: stored sparse in the old GNU format"),
    ] {
        let tar = layer_tar(items);
        import(Target::Oci).stdin(tar.clone()).success().says([said]);
        import(Target::Oci).arg("--strict").stdin(tar).exits(3).says([said]);
    }
    let fine = layer_tar([dir("d"), file("d/a", "1"), hardlink("d/b", "d/a"), sparse.pax_1_0("c")]);
    import(Target::Oci).arg("--strict").stdin(fine).success();
}

#[test]
fn a_directory_is_no_tar() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("dir")).unwrap();
    import(Target::Oci).arg(scratch.path("dir")).exits(3).says(["tar -C"]);
}

#[test]
fn limits_hold() {
    let packed = Codec::Zstd.encode(&vec![0; 3 << 20]);
    refuse(&packed, &["--max-size", "2M"], 6).says(["--max-size"]);
    refuse(&tree(), &["--max-entries", "3"], 6).says(["--max-entries"]);
    refuse(&tree(), &["--max-metadata", "10"], 6).says(["--max-metadata"]);
}

#[test]
fn the_pass_over_the_tar_is_told() {
    let scratch = Scratch::new();
    let input = scratch.write("rootfs.tar", tree());
    let run = || import(Target::Legacy).args(["--progress", "json"]);
    run().arg(&input).success().says(["\"check\"", "10240"]);
    run().stdin(tree()).success().says(["\"spool\""]);
}

#[test]
fn a_closed_pipe_ends_the_run_with_141() {
    let mut large = Tarball::default();
    large.push(
        "noise",
        Kind::File((0..4_000_000_u32).map(|nth| (nth.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
    );
    let outcome = import(Target::Oci).arg("-q").stdin(large.bytes()).run_and_hang_up_after(512);
    assert_eq!(outcome.code, 141, "{outcome}");
}
