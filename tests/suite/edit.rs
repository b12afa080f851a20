//! `imgtar edit`: docs/edit.md, rule by rule.

mod add;
mod config;
mod normalize;
mod remove;
mod squash;

use crate::support::image::TestImage;
use crate::support::layer::{Item, layer_tar};

/// An image of these layers.
fn stacked(layers: &[Vec<Item>]) -> TestImage {
    let add = |image: TestImage, layer: &Vec<Item>| image.layer_bytes(layer_tar(layer.clone()));
    layers.iter().fold(TestImage::new().tag("app:1"), add)
}
