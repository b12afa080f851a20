//! What sets two images apart: config, layers, and the files that a container of each would see.
//!
//! Two images are the same if their image IDs are: the config is the same then, byte for byte, and names the same layers
//! by diff_id. Names, manifests and the compression of layers say nothing about that. Nothing is decoded to find it out, and
//! layers that both have are decoded once: `verify` tells whether an archive keeps its promises.
//!
//! Sources: docs/formats.md M-2, M-5, section 7.

mod config;
mod files;

use serde::Serialize;

pub use config::ConfigChange;
pub use files::{FileChange, FileField, FileState, FilesDiff};

use crate::digest::DiffId;
use crate::error::Result;
use crate::image::{Image, Layer};
use crate::run::Run;

/// What sets two images apart.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Diff {
    /// Whether nothing does.
    pub same: bool,
    /// The fields of the configs that differ, in the order of the first.
    pub config: Vec<ConfigChange>,
    /// Their layers.
    pub layers: LayersDiff,
    /// Their files; `None` where they were not compared: layers of Windows are no plain trees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<FilesDiff>,
}

/// The layers of two images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LayersDiff {
    /// How many both have at their base.
    pub common: usize,
    /// What the first has above these.
    pub a: Vec<DiffLayer>,
    /// What the second has above these.
    pub b: Vec<DiffLayer>,
}

/// A layer of one of the images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DiffLayer {
    /// Its number, counted from 0 at the base.
    #[serde(rename = "layer")]
    pub number: usize,
    /// Digest of its uncompressed tar.
    pub diff_id: DiffId,
    /// Bytes in the archive; `None` for a foreign layer that it does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// Compares two images.
///
/// # Errors
/// What reading the layers refuses, unless both images have the same.
pub fn diff(a: &Image, b: &Image, run: &Run) -> Result<Diff> {
    let layers = layers(a, b);
    let files = if layers.a.is_empty() && layers.b.is_empty() {
        Some(FilesDiff::default())
    } else if [a, b].iter().any(|image| image.platform.os == "windows") {
        run.diagnostics.note(None, "", "files are not compared: layers of Windows are no plain trees");
        None
    } else {
        Some(files::compare(a, b, run)?)
    };
    Ok(Diff { same: a.image_id == b.image_id, config: config::compare(a.config.raw(), b.config.raw()), layers, files })
}

fn layers(a: &Image, b: &Image) -> LayersDiff {
    let common = a.layers.iter().zip(b.layers.iter()).take_while(|(a, b)| a.diff_id == b.diff_id).count();
    let above = |image: &Image| image.layers.iter().enumerate().skip(common).map(DiffLayer::of).collect();
    LayersDiff { common, a: above(a), b: above(b) }
}

impl DiffLayer {
    fn of((number, layer): (usize, &Layer)) -> Self {
        let size = layer.blob.as_ref().map(|blob| blob.extent.size());
        Self { number, diff_id: layer.diff_id.clone(), size }
    }
}
