//! A filter first: files and pipes give the same bytes, whatever the threads, the chunks and the neighbours (T-14, T-23).

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};

use crate::support::archive::Archive;
use crate::support::codec::Codec;
use crate::support::expect::{Target, archive_and_images, assert_same, convert};
use crate::support::image::TestImage;
use crate::support::layer::{file, layer_tar};
use crate::support::run::{Run, imgtar};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::Tarball;

const ARCHIVES: [Target; 3] = [Target::Legacy, Target::Docker, Target::Oci];

fn image() -> TestImage {
    TestImage::demo("app:1")
}

fn to(target: Target) -> Run {
    imgtar(["convert", "--to", target.flag()])
}

/// A layer that no codec makes small: larger than every buffer on the way.
fn large() -> TestImage {
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let (first, second) = (noise.take(3 << 20).collect::<Vec<u8>>(), b"text ".repeat(300_000));
    TestImage::new().layer([file("noise", first)]).layer([file("text", second)]).tag("large:1")
}

#[test]
fn standard_input_and_output_carry_the_same_bytes_as_files() {
    for shape in [Shape::Docker20, Shape::Crane, Shape::Oci] {
        let tar = shape.save_one(&image());
        for target in ARCHIVES {
            let file = convert(&tar, target, &[]).bytes;
            assert_eq!(to(target).stdin(tar.bytes()).success().stdout, file, "IN left out");
            assert_eq!(to(target).arg("-").stdin(tar.bytes()).success().stdout, file, "IN is -");
            assert_eq!(to(target).args(["-", "-o", "-"]).stdin(tar.bytes()).success().stdout, file, "OUT is -");
        }
    }
}

#[test]
fn a_directory_is_written_from_a_pipe() {
    let scratch = Scratch::new();
    to(Target::OciDir).arg("-o").arg(scratch.path("out")).stdin(Shape::Docker20.save_one(&image()).bytes()).success();
    let archive = Archive::of_dir(&scratch.path("out"));
    let images = crate::support::order::oci_dir(&archive);
    assert_same(&images[0], &Shape::Docker20.stored(&image()), Target::OciDir);
}

#[test]
fn threads_never_change_a_byte() {
    let tar = Shape::Docker20.save_one(&large());
    for (target, flags) in [
        (Target::Legacy, &[][..]),
        (Target::Docker, &[]),
        (Target::Oci, &["--compress", "gzip:9"]),
        (Target::Oci, &["--compress", "zstd"]),
        (Target::Oci, &["-z", "xz"]),
        (Target::Oci, &["-z", "zstd"]),
        (Target::Oci, &["-z", "gzip"]),
    ] {
        let run = |jobs: &str| to(target).args(flags).args(["-j", jobs]).stdin(tar.bytes()).success().stdout;
        let one = run("1");
        assert!(one == run("8"), "-j 1 and -j 8 differ for {} {flags:?}", target.flag());
        assert!(one == run("3"), "-j 1 and -j 3 differ for {} {flags:?}", target.flag());
    }
}

#[test]
fn a_large_image_through_a_pipe_is_the_file() {
    for (target, codec) in [(Target::Legacy, Codec::Gzip), (Target::Docker, Codec::Plain), (Target::Oci, Codec::Zstd)] {
        let image = large().all_stored(codec);
        let tar = Shape::Crane.save_one(&image);
        let file = convert(&tar, target, &[]);
        assert_same(&file.images[0], &image, target);
        assert!(to(target).stdin(tar.bytes()).success().stdout == file.bytes, "{}", target.flag());
        assert!(to(target).stdin(tar.compressed(Codec::Gzip)).success().stdout == file.bytes, "{}", target.flag());
    }
}

#[test]
fn what_a_layer_says_of_its_own_size_is_not_believed() {
    for codec in [Codec::GzipMembers, Codec::ZstdFrames] {
        // The layer that says less than it holds lies between two others, and once at the end.
        let image = large().stored(codec).layer([file("above", "1")]).layer_bytes(large().layers[0].tar.clone());
        let [above, at_the_end] = [image.clone(), image.stored(codec)];
        for image in [large().all_stored(codec), above, at_the_end] {
            let tar = Shape::Crane.save_one(&image);
            let file = convert(&tar, Target::Legacy, &[]);
            assert_same(&file.images[0], &image, Target::Legacy);
            let remarks: Vec<_> = file.outcome.stderr.lines().collect();
            let once: std::collections::BTreeSet<_> = remarks.iter().collect();
            assert_eq!(remarks.len(), once.len(), "nothing is said twice\n{}", file.outcome);
            for jobs in ["1", "2", "5"] {
                assert!(to(Target::Legacy).args(["-j", jobs]).stdin(tar.bytes()).success().stdout == file.bytes);
                assert!(convert(&tar, Target::Legacy, &["-j", jobs]).bytes == file.bytes);
            }
        }
    }
}

#[test]
fn the_clock_and_the_locale_never_change_a_byte() {
    let tar = Shape::Skopeo.save_one(&image());
    let plain = convert(&tar, Target::Oci, &[]).bytes;
    let other = to(Target::Oci).env("TZ", "Asia/Tokyo").env("LC_ALL", "tr_TR.UTF-8").stdin(tar.bytes()).success();
    assert_eq!(other.stdout, plain);
}

#[test]
fn members_have_the_time_that_is_asked_for() {
    let tar = Shape::Docker20.save_one(&image());
    let scratch = Scratch::new();
    // A time that fits a plain header, and one that does not.
    for (name, epoch) in [("recent", "1700000000"), ("distant", "10000000000")] {
        for target in ARCHIVES {
            let dated = || to(target).env("SOURCE_DATE_EPOCH", epoch).stdin(tar.bytes());
            let written = dated().success().stdout;
            let mut archive = tar::Archive::new(written.as_slice());
            for entry in archive.entries().unwrap() {
                assert_eq!(mtime(&mut entry.unwrap()), epoch, "G-17");
            }
            let plain = Archive::open(&convert(&tar, target, &[]).bytes).members;
            assert!(Archive::open(&written).members == plain, "nothing else depends on it");
            let path = scratch.path(&format!("{name}.{}", target.flag()));
            dated().arg("-o").arg(&path).success();
            assert!(fs::read(path).unwrap() == written, "a file is the pipe");
        }
    }
}

/// The time of an entry, wherever its header has room for it.
fn mtime(entry: &mut tar::Entry<'_, &[u8]>) -> String {
    let records = entry.pax_extensions().unwrap().into_iter().flatten().map(Result::unwrap);
    let recorded =
        records.filter(|record| record.key() == Ok("mtime")).map(|record| record.value().unwrap().to_owned());
    recorded.last().unwrap_or_else(|| entry.header().mtime().unwrap().to_string())
}

#[test]
fn input_that_dribbles_byte_by_byte_is_read() {
    for shape in [Shape::Docker20, Shape::Oci] {
        let tar = shape.save_one(&image());
        let whole = convert(&tar, Target::Docker, &[]).bytes;
        assert_eq!(to(Target::Docker).dribble(tar.bytes()).success().stdout, whole);
        assert_eq!(to(Target::Docker).dribble(tar.compressed(Codec::Xz)).success().stdout, whole);
    }
}

#[test]
fn standard_input_that_is_a_file_is_read_from_its_offset() {
    let scratch = Scratch::new();
    let tar = Shape::Crane.save_one(&image());
    let path = scratch.write("in", [b"skip me".to_vec(), tar.bytes()].concat());
    let mut input = File::open(path).unwrap();
    input.seek(SeekFrom::Start(7)).unwrap();
    let found = to(Target::Oci).stdin_file(input).success().stdout;
    assert_eq!(found, convert(&tar, Target::Oci, &[]).bytes);
}

#[test]
fn standard_output_that_is_a_file_is_appended_to_and_never_patched() {
    for target in ARCHIVES {
        let scratch = Scratch::new();
        scratch.write("out", "before");
        let out = OpenOptions::new().append(true).open(scratch.path("out")).unwrap();
        let tar = Shape::Docker20.save_one(&image());
        to(target)
            .args(["--compress", if target == Target::Legacy { "none" } else { "gzip" }])
            .stdin(tar.bytes())
            .stdout_file(out)
            .success();
        let written = scratch.read("out");
        assert_eq!(&written[..6], b"before");
        archive_and_images(target, &written[6..]);
    }
}

#[test]
fn a_closed_pipe_ends_the_run_with_141_and_without_a_word() {
    for shape in [Shape::Docker20, Shape::Crane] {
        let run = to(Target::Legacy).arg("-q").stdin(shape.save_one(&large()).bytes());
        let outcome = run.run_and_hang_up_after(512);
        assert_eq!(outcome.code, 141, "{outcome}");
        assert!(outcome.stderr.is_empty(), "{outcome}");
    }
}

#[test]
fn no_temporary_file_is_needed_between_regular_files() {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", Shape::Docker20.save_one(&large()).bytes());
    for target in Target::ALL {
        let run = to(target).arg(&input).arg("-o").arg(scratch.path(target.flag()));
        run.env("TMPDIR", scratch.path("nowhere")).args(["--tmpdir"]).arg(scratch.path("nowhere")).success();
    }
}

#[test]
fn a_spool_that_cannot_be_made_is_exit_5_and_names_the_flag() {
    let scratch = Scratch::new();
    let run = to(Target::Docker).arg("--tmpdir").arg(scratch.path("nowhere"));
    run.stdin(Shape::Docker20.save_one(&image()).bytes())
        .exits(5)
        .says(["--tmpdir", "nowhere"])
        .never_says([".imgtar-"]);
}

#[test]
fn a_spool_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let run = to(Target::Docker).arg("--tmpdir").arg(scratch.dir()).stdin(Shape::Docker20.save_one(&large()).bytes());
    run.success();
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
}

#[test]
fn an_archive_cut_anywhere_is_refused() {
    for shape in [Shape::Docker20, Shape::Skopeo, Shape::Oci] {
        let tar = shape.save_one(&TestImage::new().layer([file("a", "1")]).tag("app:1")).bytes();
        let whole = tar.len() - 1024;
        for at in (1..=whole).step_by(256).chain([whole]) {
            let outcome = to(Target::Docker).stdin(&tar[..at]).exits(3);
            assert!(outcome.stdout.is_empty(), "{shape:?} cut at {at}: an archive was begun\n{outcome}");
        }
    }
}

#[test]
fn a_compressed_archive_cut_anywhere_is_refused() {
    let tar = Shape::Oci.save_one(&TestImage::new().layer([file("a", "1")]).tag("app:1"));
    for codec in [Codec::Gzip, Codec::Zstd, Codec::Xz, Codec::Bzip2, Codec::Lz4] {
        let packed = tar.compressed(codec);
        for at in [packed.len() - 1, packed.len() / 2, packed.len() / 4, 20] {
            to(Target::Docker).stdin(&packed[..at]).exits(3);
        }
    }
}

#[test]
fn empty_standard_input_is_said_so() {
    to(Target::Oci).exits(3).says(["nothing on standard input; name an archive, or pipe one in"]);
    to(Target::Oci).stdin([]).exits(3).says(["nothing on standard input; name an archive, or pipe one in"]);
}

#[test]
fn an_empty_file_is_never_taken_for_standard_input() {
    let scratch = Scratch::new();
    for name in ["empty.tar", "standard input"] {
        let empty = scratch.write(name, []);
        to(Target::Oci).arg(empty).exits(3).says(["the file is empty"]);
    }
}

#[test]
#[cfg_attr(windows, ignore = "Windows opens no directory as a file, so none becomes standard input")]
fn standard_input_that_is_a_directory_is_a_usage_error() {
    to(Target::Oci).stdin_file(File::open("/").unwrap()).exits(2);
}

#[test]
fn a_docker_archive_without_layers_still_streams() {
    let tar = Shape::Crane.save_one(&TestImage::new().tag("empty:1"));
    let out = to(Target::Docker).stdin(tar.bytes()).success().stdout;
    archive_and_images(Target::Docker, &out);
}

#[test]
fn bytes_after_the_outer_end_marker_are_ignored() {
    let mut bytes = Shape::Crane.save_one(&image()).bytes();
    bytes.write_all(&[0; 8192]).unwrap();
    bytes.write_all(b"GNU tar pads, others append").unwrap();
    let found = to(Target::Docker).stdin(bytes).success().stdout;
    assert_eq!(found, convert(&Shape::Crane.save_one(&image()), Target::Docker, &[]).bytes, "G-13");
}

#[test]
fn pipelines_of_imgtar_are_conversions_of_conversions() {
    let tar: Tarball = Shape::Docker20.save_one(&image());
    let mut bytes = tar.bytes();
    for target in [Target::Oci, Target::Docker, Target::Legacy, Target::Oci] {
        bytes = to(target).stdin(bytes).success().stdout;
    }
    assert_eq!(archive_and_images(Target::Oci, &bytes).1[0].diff_ids(), image().diff_ids());
}

#[test]
fn a_layer_tar_alone_is_no_image() {
    to(Target::Oci).stdin(layer_tar([file("etc/passwd", "root")])).exits(3).says(["not an image archive"]);
}
