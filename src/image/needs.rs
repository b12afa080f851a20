//! The layers that an image of an increment leaves to its base.
//!
//! Sources: docs/bundles.md B-9 to B-15.

use std::collections::HashSet;

use serde::Serialize;

use super::{Image, Layer, layer_title};
use crate::error::{Error, Result, Setting};
use crate::rule::Rule;
use crate::spec::delta::DeltaContent;
use crate::words;

/// The most layers that an error names; the rest is counted.
const MAX_NAMED: usize = 16;

/// The layers that an image needs from the archive of another: it lists them, and its own archive leaves them out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NeededBase {
    /// The image that has them, if the archive names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The number of these layers.
    pub layers: usize,
    /// Their stored bytes, a repeated blob counted once; `None` where no manifest lists them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The content of the archive, if it is a delta: what makes the other layers of files of that image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<DeltaContent>,
}

impl NeededBase {
    /// Returns the need for those of `layers` that are left out, which `image` has.
    pub(crate) fn of(layers: &[Layer], image: Option<String>) -> Self {
        let left_out: Vec<&Layer> = layers.iter().filter(|layer| layer.is_left_out()).collect();
        let mut seen = HashSet::new();
        let blobs = left_out.iter().map(|layer| layer.descriptor());
        let mut sizes = blobs.map(|blob| Some(if seen.insert(blob?.digest()) { blob?.size() } else { 0 }));
        let size = sizes.try_fold(0_u64, |sum, size| Some(sum.saturating_add(size?)));
        Self { image, layers: left_out.len(), size, delta: None }
    }
}

impl<Id> Layer<Id> {
    /// Returns true if the bytes are in the archive of a base (docs/bundles.md B-9).
    pub(crate) fn is_left_out(&self) -> bool {
        self.blob.is_none() && self.foreign.is_none()
    }
}

impl Image {
    /// Refuses an image of which a base has layers; `at` is its name in messages.
    ///
    /// # Errors
    /// [`Error::Invalid`] with these layers.
    pub(crate) fn refuse_left_out(&self, at: &str) -> Result<()> {
        let base = self.needs.as_ref().and_then(|needs| needs.image.as_deref());
        let is_delta = self.needs.as_ref().is_some_and(|needs| needs.delta.is_some());
        // Where no base is named it may be damage, of which the members tell more.
        let titled = |(number, layer): (usize, &Layer)| match (base, layer.listed_digest()) {
            (None, Some(digest)) => format!("{}, {}", layer_title(number, &layer.diff_id), digest.blob_path()),
            _ => layer_title(number, &layer.diff_id),
        };
        let left_out = self.layers.iter().enumerate().filter(|(_, layer)| layer.is_left_out());
        let titles = words::list(left_out.map(titled), MAX_NAMED);
        if titles.is_empty() {
            return Ok(());
        }
        let problem = match base {
            Some(base) if is_delta => format!("it is a delta, and needs {base}"),
            Some(base) => format!("it leaves out {titles}, which {base} has"),
            None => format!("the archive does not hold {titles}"),
        };
        Err(Error::invalid(Rule::B15, at, problem).avoided_by(Setting::With))
    }
}
