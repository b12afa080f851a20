//! The image of another archive that an image is built on: found by diff_ids alone, whatever blobs and names are
//! (E-32).
//!
//! Sources: docs/edit.md E-32.

use std::sync::Arc;

use super::draft::Draft;
use crate::error::{Error, Result};
use crate::image::{Image, ImageSet};
use crate::words::counted;

/// The image of `archive` for the platform of `draft` whose layers are the lowest of its layers; the one with most of them.
///
/// # Errors
/// [`Error::Choice`] if there is none, with the images of the archive.
pub(super) fn base_of<'a>(archive: &'a ImageSet, draft: &Draft) -> Result<&'a Arc<Image>> {
    let layers = draft.read_as();
    let is_base = |base: &&Arc<Image>| {
        let own = base.config.diff_ids();
        base.platform.matches(&draft.image.platform)
            && own.len() <= layers.len()
            && own.iter().eq(layers[..own.len()].iter().copied())
    };
    let base = images(archive).filter(is_base).max_by_key(|base| base.layers.len());
    base.ok_or_else(|| Error::Choice {
        problem: format!(
            "{}: it is not built on an image of {}, whose layers would be its lowest",
            draft.at(),
            archive.archive
        ),
        choices: images(archive).map(|image| described(image)).collect(),
    })
}

/// The images of `archive`.
pub(super) fn images(archive: &ImageSet) -> impl Iterator<Item = &Arc<Image>> {
    archive.entries.iter().flat_map(|entry| entry.node.images())
}

/// An image in a list of choices.
pub(super) fn described(image: &Image) -> String {
    format!("{} for {}: {}", image.at, image.platform, counted(image.layers.len(), "layer"))
}
