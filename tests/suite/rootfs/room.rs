//! Where the temporary directory has no room, layers are decoded twice: the same bytes, and never an endless run.

use std::process::{Command, Stdio};

use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::{Item, dir, file, hardlink, whiteout};
use crate::support::rootfs::flatten;
use crate::support::run::program;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

/// Converts to a pipe while no file may grow beyond 64 KiB: exit code, standard output, standard error.
fn without_room(image: &TestImage, flags: &[&str]) -> (Option<i32>, Vec<u8>, String) {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", Shape::Oci.save_one(image).bytes());
    // A process that ignores SIGXFSZ is told of its limit like of a full disk.
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap "" XFSZ; ulimit -f 128; exec "$@""#, "sh"]).arg(program());
    command.args(["convert", "--to", "rootfs", "--tmpdir"]).arg(scratch.dir()).args(flags).arg(input);
    let output = command.stdin(Stdio::null()).output().expect("a shell");
    (output.status.code(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn image() -> TestImage {
    let large = |byte: u8| vec![byte; 200_000];
    TestImage::new()
        .layer([
            dir("a"),
            file("a/1", large(1)),
            file("a/2", "2"),
            dir("b"),
            file("b/1", large(2)),
            hardlink("c", "a/1"),
        ])
        .layer([file("a/3", large(3)), whiteout("b/1"), file("d/1", large(4))])
        .stored(Codec::Zstd)
        .layer([file("small", "fits")])
        .layer([hardlink("a/0", "a/3"), file("z", large(5))])
        .stored(Codec::Xz)
}

#[test]
fn layers_that_do_not_fit_are_decoded_again() {
    for jobs in ["1", "8"] {
        for flag in ["-v", "--sort"] {
            let (code, written, said) = without_room(&image(), &["-j", jobs, flag]);
            assert_eq!(code, Some(0), "{said}");
            assert!(written == flatten(&image(), &[flag]), "{flag}");
            assert_eq!(said.matches("decoded twice").count(), 3, "{said}");
        }
    }
}

#[test]
fn a_layer_in_disorder_is_begun_anew_a_few_times_and_not_without_end() {
    let reversed = |count: u32| {
        let files: Vec<Item> = (0..count).rev().map(|n| file(format!("{n:03}"), vec![n as u8; 100_000])).collect();
        TestImage::new().layer_bytes(crate::support::layer::layer_tar(files))
    };
    let (code, written, said) = without_room(&reversed(12), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(written == flatten(&reversed(12), &[]));
    let (code, _, said) = without_room(&reversed(40), &[]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("--tmpdir") && said.contains("39 times"), "{said}");
}

#[test]
fn a_false_layer_is_found_out_all_the_same() {
    let lie = serde_json::json!({"type": "layers", "diff_ids": [image().diff_ids()[1]]});
    let large = TestImage::new().layer([file("a", vec![1; 200_000])]).key("rootfs", lie);
    let (code, _, said) = without_room(&large, &[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("diff_id"), "{said}");
}
