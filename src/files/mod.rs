//! An image's files, looked at without being written: listed, and read one by one.
//!
//! [`Files`] is the tree that a container would see, which is the one that `--to rootfs` writes; [`list_layer`] is one
//! layer as it lies in the archive. Layers that are compressed are decoded once for their headers, and judged by all they
//! promise; of those that lie plain in a file headers alone are read, whatever they hold in between.
//!
//! Sources: docs/formats.md section 7, H-25.

mod find;
mod header;
mod headers;
mod item;
mod json;
mod layer;
mod open;
mod scan;

pub use find::Path;
pub(crate) use header::{Header, change};
pub use item::{Item, ItemKind};
pub use layer::list_layer;
pub use open::Opened;

use crate::error::{Error, Result};
use crate::flatten::{Flattened, Options, Overlay};
use crate::image::{Image, Layer};
use crate::run::Run;
use crate::select::SelectedImage;
use crate::stream::pool;

use headers::Headers;
use scan::Scanned;

/// The tree of one image: which entry of which layer stands where, and what its header says.
pub struct Files<'a> {
    /// How messages call the image.
    at: String,
    image: &'a Image,
    /// The headers of each layer, base first.
    headers: Vec<Headers>,
    tree: Flattened,
    run: &'a Run,
}

impl<'a> Files<'a> {
    /// Reads the headers of all layers and decides what is left of them; `archive` is what messages call the archive.
    ///
    /// # Errors
    /// [`Error::Inexpressible`] for images of Windows, whose layers are no plain trees, and for layers that are encrypted
    /// or not there; those of the layers, of what they promise, and of flattening them.
    pub fn of(archive: &str, chosen: &'a SelectedImage, run: &'a Run) -> Result<Self> {
        let image = &*chosen.image;
        let at = format!("{archive}: {}", chosen.title());
        if image.platform.os == "windows" {
            let problem = "layers of Windows are no root filesystem; one can be listed as it is with `ls --layer`";
            return Err(Error::inexpressible(at, problem));
        }
        let mut overlay = Overlay::new(Options::default());
        let mut headers = Vec::with_capacity(image.layers.len());
        for (layer, scanned) in image.layers.iter().zip(scan(image, run)?) {
            headers.push(apply(layer, scanned, &mut overlay, run)?);
        }
        Ok(Self { at, image, headers, tree: overlay.finish(), run })
    }
}

/// All layers' headers; compressed layers are decoded side by side.
fn scan(image: &Image, run: &Run) -> Result<Vec<Scanned>> {
    let weigh = |layer: &Layer| match &layer.blob {
        Some(blob) if !blob.is_plain() => layer.stored_size(),
        // Only headers are read of what lies plain.
        Some(_) | None => 0,
    };
    run.progress.expect(image.layers.iter().map(weigh).sum());
    let ahead = image.layers.len() < run.jobs.get();
    pool::for_all(run.jobs, &image.layers, |layer| weigh(layer), |layer| scan::headers(layer, ahead, run))
}

/// Tells the overlay of every entry of `layer`; their names are then its own.
fn apply(layer: &Layer, scanned: Scanned, overlay: &mut Overlay, run: &Run) -> Result<Headers> {
    let mut builder = overlay.layer(&layer.at, &run.diagnostics, &run.budget);
    let mut changes = scanned.changes.replay();
    while let Some(change) = changes.next() {
        builder.entry(change)?;
    }
    builder.finish()?;
    Ok(scanned.headers)
}
