//! An image's files, looked at without being written: listed, and read one by one.
//!
//! [`ImageFiles`] is the tree that a container would see, which is the one that `--to rootfs` writes; [`list_layer`]
//! lists one layer as it is in the archive. Compressed layers are decoded once for their headers, and verified; of
//! uncompressed ones in a file only the headers are read.
//!
//! Sources: docs/formats.md section 7, H-25.

mod changes;
mod entry;
mod find;
mod json;
mod layer;
mod open;

pub use changes::{LayerChange, LayerChangeKind, list_changes};
pub use entry::{FileEntry, FileKind};
pub use layer::list_layer;
pub use open::OpenFile;

use crate::error::{Error, Result, Setting};
use crate::flatten::{Flattened, Options, Overlay};
use crate::image::{Image, Layer};
use crate::layer_index::{FileContent, LayerIndexes};
use crate::run::Run;
use crate::select::SelectedImage;

/// The tree of one image: the entries of its layers by their paths in the flattened image.
///
/// ```
/// use imgtar::{ImageFiles, ImageSelector, PathFilter, Run, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !std::path::Path::new("fixtures").exists() { return Ok(()); } // The published crate has none.
/// let run = Run::quiet();
/// let images = open("fixtures/saved20.tar.xz".into(), None, &run)?;
/// let chosen = ImageSelector::default().one(&images)?;
/// let files = ImageFiles::of(&images.archive, &chosen, &run)?;
///
/// files.list(&PathFilter::new([b"etc".as_slice()], Some(1)), |entry| {
///     println!("{:?} {} bytes: {}", entry.kind, entry.size, String::from_utf8_lossy(&entry.path));
///     Ok(())
/// })?;
///
/// let mut content = Vec::new();
/// files.open(b"/etc/demo")?.copy_to(&mut content)?;
/// assert_eq!(content, b"demo\n");
/// # Ok(())
/// # }
/// ```
pub struct ImageFiles<'a> {
    /// The image's name in messages.
    at: String,
    image: &'a Image,
    /// Those of the image's layers, base first; names are not kept, the tree has the clean ones.
    indexes: LayerIndexes,
    tree: Flattened,
    run: &'a Run,
}

impl<'a> ImageFiles<'a> {
    /// Works out the files that a container would see; `archive` is the archive's name in messages, as
    /// [`ImageSet::archive`](crate::ImageSet::archive) has it. Of plain layers only the headers are read, compressed
    /// ones are decoded and verified once.
    ///
    /// # Errors
    /// [`Error::Inexpressible`] for images of Windows, whose layers are not plain trees, and for layers that are
    /// encrypted or not there; those of reading, verifying and flattening the layers.
    pub fn of(archive: &str, chosen: &'a SelectedImage, run: &'a Run) -> Result<Self> {
        Self::of_lowest(chosen.image.layers.len(), archive, chosen, run)
    }

    /// As [`ImageFiles::of`] for the tree of layers 0 to `number`: files that later layers delete or replace are still
    /// there.
    ///
    /// # Errors
    /// As [`ImageFiles::of`], and [`Error::Choice`] if the image has no layer of that number.
    pub fn up_to(number: u32, archive: &str, chosen: &'a SelectedImage, run: &'a Run) -> Result<Self> {
        layer_of(archive, chosen, number)?;
        Self::of_lowest(number as usize + 1, archive, chosen, run)
    }

    fn of_lowest(count: usize, archive: &str, chosen: &'a SelectedImage, run: &'a Run) -> Result<Self> {
        let image = &*chosen.image;
        let at = image_at(archive, chosen)?;
        let layers: Vec<&Layer> = image.layers.iter().take(count).collect();
        let mut indexes = LayerIndexes::read(&layers, FileContent::Skipped, run)?;
        let mut overlay = Overlay::new(Options::default());
        for (number, layer) in layers.into_iter().enumerate() {
            indexes.apply(number, layer, &mut overlay, run)?;
            indexes.forget_paths(number);
        }
        let tree = overlay.finish().without_long_paths(&at, &run.diagnostics)?;
        Ok(Self { at, image, indexes, tree, run })
    }
}

/// Returns layer `number` of an image; `archive` is the archive's name in messages.
///
/// # Errors
/// [`Error::Choice`] if there is none of that number.
pub fn layer_of<'a>(archive: &str, chosen: &'a SelectedImage, number: u32) -> Result<&'a Layer> {
    let layers = &chosen.image.layers;
    layers.get(number as usize).ok_or_else(|| Error::Choice {
        problem: format!("{archive}: {}: there is no layer {number}", chosen.title()),
        choices: layers.iter().enumerate().map(|(number, layer)| format!("{number} ({})", layer.diff_id)).collect(),
    })
}

/// Returns the image's name in messages; images whose layers are not plain trees are refused.
fn image_at(archive: &str, chosen: &SelectedImage) -> Result<String> {
    let at = format!("{archive}: {}", chosen.title());
    if chosen.image.platform.os == "windows" {
        let problem = "layers of Windows are not a root filesystem";
        return Err(Error::inexpressible(at, problem).avoided_by(Setting::Layer));
    }
    chosen.image.refuse_left_out(&at)?;
    Ok(at)
}
