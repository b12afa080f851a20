//! Deltas applied by a program in another language, which knows the format's own page and no line of this project.

use std::path::PathBuf;
use std::process::Command;

use super::{Shelf, image, new_layers, next_version, noise, old_layers};
use crate::support::archive::Archive;
use crate::support::image::TestImage;
use crate::support::layer::{Item, file};
use crate::support::shape::Shape;
use crate::support::skip::skip;
use crate::support::tar_diff::{self, TAR_DIFF};

fn is_there(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok_and(|run| run.status.success())
}

/// What `tests/support/tar_patch.py` makes of `diff` and the flattened image in `old.tar`.
fn patched(shelf: &Shelf, diff: &[u8]) -> Vec<u8> {
    let rootfs = shelf.0.write("rootfs.tar", &shelf.convert("old.tar --to rootfs").success().stdout);
    let diff = shelf.0.write("diff", diff);
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/support/tar_patch.py");
    let run = Command::new("python3").arg(script).args([rootfs, diff]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    run.stdout
}

/// Files large enough for several windows.
fn large() -> [Vec<Vec<Item>>; 2] {
    let old = noise(7, 5 << 20);
    let moved = [&old[3 << 20..], &next_version(old[..3 << 20].to_vec())[..]].concat();
    [vec![vec![file("large", old)]], vec![vec![file("large", moved)]]]
}

#[test]
fn a_program_in_python_rebuilds_every_layer() {
    for tool in ["python3", "zstd"] {
        if !is_there(tool) {
            return skip(format!("there is no {tool} here"));
        }
    }
    let [large_old, large_new] = large();
    for (old, new, flags) in [
        (old_layers(), new_layers(), ""),
        (old_layers(), new_layers(), " --fast"),
        (new_layers(), old_layers(), ""),
        (large_old.clone(), large_new.clone(), " --memory 32M"),
        (large_old, large_new, " --memory 32M --fast"),
    ] {
        let (old, new): (TestImage, TestImage) = (image(&old, "ex.org/app:1"), image(&new, "ex.org/app:2"));
        let archives = [("old.tar", Shape::Oci.save_one(&old)), ("new.tar", Shape::Oci.save_one(&new))];
        let shelf = Shelf::of(archives);
        let written = shelf.convert(&format!("new.tar --to delta --base old.tar{flags}")).success().stdout;
        let layers = tar_diff::layers(&Archive::written(&written));
        let mut applied = 0;
        for (layer, digest) in new.layers.iter().zip(new.layer_digests()) {
            if let Some((_, diff)) = layers.get(&digest).filter(|(media_type, _)| media_type == TAR_DIFF) {
                assert!(patched(&shelf, diff) == layer.tar, "{digest}{flags}");
                applied += 1;
            }
        }
        assert!(applied > 0, "{flags}");
    }
}
