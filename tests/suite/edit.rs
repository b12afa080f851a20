//! `imgtar edit`: docs/edit.md, rule by rule.

mod add;
mod config;
mod normalize;
mod rebase;
mod remove;
mod remove_layer;
mod squash;

use crate::support::expect::Converted;
use crate::support::image::TestImage;
use crate::support::layer::{Item, layer_tar};

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
