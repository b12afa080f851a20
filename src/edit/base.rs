//! The image of another archive that an image is built on: told by diff_ids alone, whatever blobs and names are (E-32).
//!
//! Sources: docs/edit.md E-32.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::image::{Image, ImageSet};

/// The image of `archive` for the platform of `image` whose layers are the lowest of its layers; the one with most of them.
///
/// # Errors
/// [`Error::Choice`] when there is none, with what is there.
pub(super) fn base_of<'a>(archive: &'a ImageSet, image: &Image) -> Result<&'a Arc<Image>> {
    let images = || archive.entries.iter().flat_map(|entry| entry.node.images());
    let is_base = |base: &&Arc<Image>| {
        base.platform.matches(&image.platform) && image.config.diff_ids().starts_with(base.config.diff_ids())
    };
    images().filter(is_base).max_by_key(|base| base.layers.len()).ok_or_else(|| Error::Choice {
        problem: format!(
            "{}: it is not built on an image of {}, whose layers would be its lowest",
            image.at, archive.archive
        ),
        choices: images()
            .map(|base| format!("{} for {}: {} layers", base.at, base.platform, base.layers.len()))
            .collect(),
    })
}
