//! The blobs of several archives by digest: one that an archive lists and does not hold may be in another.
//!
//! A blob that is taken is compared with the digest that led to it, so a false name of it does no harm.

use std::collections::HashMap;

use crate::archive::MemberIndex;
use crate::digest::Digest;
use crate::error::Result;
use crate::image::{ImageSet, Layer, distinct_images};
use crate::run::Run;
use crate::stream::source::Extent;

/// About what a blob takes in memory besides its name in messages, bytes.
const BLOB_SIZE: u64 = 256;

/// Blobs by digest; of several with one digest the first.
#[derive(Default)]
pub(super) struct SharedBlobs {
    blobs: HashMap<Digest, SharedBlob>,
    /// True if there are other archives: what is not among their blobs may be in their images.
    pub(super) has_others: bool,
}

/// A blob of one of the archives.
pub(super) struct SharedBlob {
    /// Its name in messages.
    pub(super) at: String,
    /// Its bytes.
    pub(super) extent: Extent,
}

impl SharedBlobs {
    /// None yet, of several archives.
    pub(super) fn of_several() -> Self {
        Self { has_others: true, ..Self::default() }
    }

    /// Returns the blob that is listed under `digest`.
    pub(super) fn find(&self, digest: &Digest) -> Option<&SharedBlob> {
        self.blobs.get(digest)
    }

    /// Adds the blobs of an archive whose members are named by their digests, which `digest_of` takes from a name.
    ///
    /// # Errors
    /// When a directory cannot be read, or they take more memory than is allowed.
    pub(super) fn add_members(
        &mut self,
        members: &MemberIndex,
        digest_of: impl Fn(&str) -> Option<Digest>,
        run: &Run,
    ) -> Result<()> {
        for path in members.names()? {
            let Ok(name) = std::str::from_utf8(path.as_bytes()) else { continue };
            let Some(digest) = digest_of(name).filter(|digest| !self.blobs.contains_key(digest)) else { continue };
            // A member that is refused here is reported as missing where it is needed.
            if let Ok(Some(extent)) = members.find_blob(name, "its name") {
                self.add(digest, members.at(name), extent, run)?;
            }
        }
        Ok(())
    }

    /// Adds the layers of `set`, the images of an archive whose members are not named by their digests.
    ///
    /// # Errors
    /// When they take more memory than is allowed.
    pub(super) fn add_layers(&mut self, set: &ImageSet, run: &Run) -> Result<()> {
        for layer in distinct_images(&set.entries).into_iter().flat_map(|image| image.layers.iter()) {
            if let (Some(digest), Layer { at, blob: Some(blob), .. }) = (layer.stored_digest(), layer) {
                self.add(digest, at.clone(), blob.extent.clone(), run)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, digest: Digest, at: String, extent: Extent, run: &Run) -> Result<()> {
        run.budget.charge_memory(BLOB_SIZE + at.len() as u64, &at)?;
        self.blobs.entry(digest).or_insert(SharedBlob { at, extent });
        Ok(())
    }
}
