//! The differences between two images: in config, layers, and the files that a container of each would see.
//!
//! Two images are the same if their image IDs are: the config is the same then, byte for byte, and names the same layers
//! by diff_id. Names, manifests and the compression of layers do not matter. Nothing is decoded to find that out, and
//! layers that both have are decoded once: to check all digests of an archive is the task of `verify`.
//!
//! [`DiffOptions`] leave something out of the comparison. Only the rest then decides: where a field of files does not
//! count, every layer may have another diff_id, so layers are the same if their files are.
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

/// The differences between two images.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Diff {
    /// True if there is no difference that counts.
    pub same: bool,
    /// The fields of the configs that differ, in the order of the first.
    pub config: Vec<ConfigChange>,
    /// Their layers.
    pub layers: LayersDiff,
    /// Their files; `None` where they were not compared: layers of Windows are not plain trees, and some comparisons are of
    /// another part alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<FilesDiff>,
}

/// The layers of two images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LayersDiff {
    /// The number of layers that both have at their base.
    pub common: usize,
    /// The layers of the first above these.
    pub a: Vec<DiffLayer>,
    /// The layers of the second above these.
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

/// The differences and parts that a comparison leaves out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiffOptions {
    /// Differences that do not count and are not listed.
    pub ignore: Vec<DiffIgnore>,
    /// The only part that is compared.
    pub only: Option<DiffPart>,
}

/// A difference that does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffIgnore {
    /// Times of files.
    Mtime,
    /// Owners and groups of files.
    Owner,
    /// Permissions of files.
    Mode,
    /// Extended attributes of files, and other PAX records such as ACLs.
    Xattrs,
    /// The config's history.
    History,
    /// When the image and the steps of its history were made.
    Created,
    /// The config's labels.
    Labels,
}

/// A part of an image that can be compared alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffPart {
    /// The files that a container would see.
    Files,
    /// The config, but for its diff_ids.
    Config,
    /// Layers by their diff_ids.
    Layers,
}

impl DiffOptions {
    fn compares(&self, part: DiffPart) -> bool {
        self.only.is_none_or(|only| only == part)
    }

    fn ignores(&self, what: DiffIgnore) -> bool {
        self.ignore.contains(&what)
    }

    /// Returns true if images with different layers may be the same in all that is compared.
    fn ignores_layers(&self) -> bool {
        use DiffIgnore::{Mode, Mtime, Owner, Xattrs};
        [Mode, Mtime, Owner, Xattrs].into_iter().any(|what| self.ignores(what)) || !self.compares(DiffPart::Layers)
    }
}

/// Compares two images.
///
/// ```
/// use imgtar::{DiffIgnore, DiffOptions, ImageSelector, Run, diff, open};
///
/// # fn main() -> imgtar::Result<()> {
/// # if !std::path::Path::new("fixtures").exists() { return Ok(()); } // The published crate has none.
/// let run = Run::quiet();
/// let all = ImageSelector::default();
/// let a = all.one(&open("fixtures/saved20.tar.xz".into(), None, &run)?)?;
/// let b = all.one(&open("fixtures/dangling-index.tar.xz".into(), None, &run)?)?;
/// let mut options = DiffOptions::default();
/// options.ignore.push(DiffIgnore::Mtime);
/// let difference = diff(&a.image, &b.image, &options, &run)?;
/// assert!(!difference.same);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of reading the layers, unless both images have the same ones or files are not compared.
pub fn diff(a: &Image, b: &Image, options: &DiffOptions, run: &Run) -> Result<Diff> {
    let layers = layers(a, b);
    let files = if layers.is_same() {
        Some(FilesDiff::default())
    } else if !options.compares(DiffPart::Files) {
        None
    } else if [a, b].iter().any(|image| image.platform.os == "windows") {
        run.diagnostics.note(None, "", "files are not compared: layers of Windows are not plain trees");
        None
    } else {
        [a, b].into_iter().try_for_each(|image| image.refuse_left_out(&image.at))?;
        Some(files::compare(a, b, options, run)?)
    };
    let config = if options.compares(DiffPart::Config) {
        config::compare(a.config.raw(), b.config.raw(), options)
    } else {
        Vec::new()
    };
    let is_same = if *options == DiffOptions::default() {
        a.image_id == b.image_id
    } else {
        let are_layers_same = match &files {
            Some(files) if options.ignores_layers() => files.is_same(),
            Some(files) => files.is_same() && layers.is_same(),
            None => options.only == Some(DiffPart::Config) || layers.is_same(),
        };
        config.is_empty() && are_layers_same
    };
    Ok(Diff { same: is_same, config, layers, files })
}

impl LayersDiff {
    /// Returns true if both images have the same layers.
    pub fn is_same(&self) -> bool {
        self.a.is_empty() && self.b.is_empty()
    }
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
