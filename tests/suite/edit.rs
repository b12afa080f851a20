//! `imgtar edit`: docs/edit.md, rule by rule.

mod add;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod changed;
mod config;
mod normalize;
mod rebase;
mod remove;
mod remove_layer;
mod several;
mod split;
mod squash;

use crate::support::expect::Converted;
use crate::support::image::TestImage;
use crate::support::layer::{Item, layer_tar};
use crate::support::rootfs::Rootfs;
use crate::support::run::imgtar;
use crate::support::shape::Shape;

/// An image of these layers.
fn stacked(layers: &[Vec<Item>]) -> TestImage {
    let add = |image: TestImage, layer: &Vec<Item>| image.layer_bytes(layer_tar(layer.clone()));
    layers.iter().fold(TestImage::new().tag("app:1"), add)
}

/// The names in each layer that was written, links with their targets.
fn listing(written: &Converted) -> Vec<Vec<String>> {
    let layers = written.images[0].layers.iter().map(|layer| layer.plain.clone().unwrap());
    layers.map(|tar| names(&tar)).collect()
}

fn names(tar: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(tar);
    let name = |entry: tar::Entry<'_, &[u8]>| {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match (entry.header().entry_type().as_byte(), entry.link_name_bytes()) {
            (b'1', Some(link)) => format!("{name} = {}", String::from_utf8_lossy(&link)),
            (b'2', Some(link)) => format!("{name} -> {}", String::from_utf8_lossy(&link)),
            _ => name,
        }
    };
    archive.entries().unwrap().map(|entry| name(entry.unwrap())).collect()
}

/// The root filesystem that a run of `convert` makes of these layers; none where they are refused.
fn tree(layers: &[Vec<Item>]) -> Option<Rootfs> {
    let run = imgtar(["convert", "--to", "rootfs"]).stdin(Shape::Oci.save_one(&stacked(layers)).bytes()).run();
    (run.code == 0).then(|| Rootfs::written(&run.stdout))
}

/// Wants the tree of what was written to be `expected`, but for directories that no layer describes there.
#[track_caller]
fn assert_tree(written: Vec<u8>, expected: &Rootfs, context: &str) {
    let found = Rootfs::written(&imgtar(["convert", "--to", "rootfs"]).stdin(written).success().stdout);
    assert_eq!(found.paths(), expected.paths(), "{context}");
    for (found, expected) in found.0.iter().zip(&expected.0) {
        let is_implied =
            expected.kind == b'5' && (expected.mode, expected.owner, &*expected.mtime) == (0o755, (0, 0), "0");
        assert!(found == expected || is_implied, "{context}: {found:#?} is not {expected:#?}");
    }
}
