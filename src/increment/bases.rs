//! The images of the bases: what the other side has, found from the lowest layer up.
//!
//! ```text
//! base.tar ── ex.org/app:1 ── a ─ b ─ c
//!          └─ ex.org/web:1 ── a ─ d          a new image of layers a, b, x shares a and b with ex.org/app:1
//! ```
//!
//! Docker's classic stores know a layer by the layers below it, so only that counts which two images have from the lowest
//! layer on. Of the images that share most with a new one the first is its base, and all the shared layers are that one's:
//! where it is loaded, each of them is there as it is listed.
//!
//! Sources: docs/bundles.md B-1, B-2, B-9, B-43.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::codec::Codec;
use crate::digest::DiffId;
use crate::error::{Error, Result, Setting};
use crate::image::{Image, ImageEntry, ImageSet, Layer, Name, distinct_images};
use crate::rule::Rule;
use crate::run::Run;

/// About what a chain takes in memory, bytes.
const CHAIN_SIZE: u64 = 256;

/// The images of all bases.
pub(crate) struct BaseImages {
    images: Vec<BaseImage>,
    /// The number of a chain, which is a layer and all below it, by that of the chain below and the layer's diff_id; 0 is the
    /// empty one.
    chains: HashMap<(usize, DiffId), usize>,
    /// For each chain but the empty one the number of the first image that begins with it.
    first_images: Vec<usize>,
    /// For each base its name in messages, and the lowest layers of its images.
    bases: Vec<(String, HashSet<DiffId>)>,
}

/// An image of a base.
pub(crate) struct BaseImage {
    /// The archive that holds it.
    pub(crate) archive: Arc<str>,
    /// Its first name, else the beginning of its image ID.
    pub(crate) title: String,
    /// The image.
    pub(crate) image: Arc<Image>,
}

/// The layers that an image shares with one of a base, from the lowest on.
pub(crate) struct SharedLayers<'b> {
    /// The image of the base.
    pub(crate) base: &'b BaseImage,
    /// The layers, as the base has them.
    pub(crate) layers: &'b [Layer],
}

impl BaseImages {
    /// The images of `sets`, each a base.
    ///
    /// # Errors
    /// [`Error::Inexpressible`] for a base that is an increment itself and whose own base is not there; a limit.
    pub(crate) fn of(sets: &[ImageSet], run: &Run) -> Result<Self> {
        let mut all = Self { images: Vec::new(), chains: HashMap::new(), first_images: vec![0], bases: Vec::new() };
        for set in sets {
            all.bases.push((set.archive.clone(), HashSet::new()));
            let mut seen = HashSet::new();
            let mut differs = false;
            for (entry, image) in
                set.entries.iter().flat_map(|entry| entry.node.images().into_iter().map(move |image| (entry, image)))
            {
                if seen.insert(Arc::as_ptr(image)) {
                    refuse_increment(entry, image)?;
                    differs |= all.add(entry, image, run)?;
                }
            }
            if differs {
                let problem = "a base before it has the same layers in other bytes, and is the one that counts where both have as many of them";
                run.diagnostics.note(Rule::B9, &set.archive, problem);
            }
        }
        Ok(all)
    }

    /// Adds an image to the last base; returns whether one before has the same layers in other bytes.
    fn add(&mut self, entry: &ImageEntry, image: &Arc<Image>, run: &Run) -> Result<bool> {
        run.budget.charge_memory(CHAIN_SIZE * image.layers.len() as u64, &image.at)?;
        let number = self.images.len();
        let (mut chain, mut differs) = (0, false);
        for (layer, nth) in image.layers.iter().take_while(|layer| is_usable(layer)).zip(0..) {
            if nth == 0
                && let Some((_, lowest)) = self.bases.last_mut()
            {
                lowest.insert(layer.diff_id.clone());
            }
            let next = self.first_images.len();
            chain = *self.chains.entry((chain, layer.diff_id.clone())).or_insert(next);
            match self.first_images.get(chain) {
                Some(&first) => {
                    let BaseImage { archive, image, .. } = &self.images[first];
                    differs |= *archive != entry.archive && image.layers[nth].stored_digest() != layer.stored_digest();
                }
                None => self.first_images.push(number),
            }
        }
        self.images.push(BaseImage {
            archive: Arc::clone(&entry.archive),
            title: title(entry, image),
            image: Arc::clone(image),
        });
        Ok(differs)
    }

    /// The layers that `image` shares with an image of a base; `None` if it shares none.
    pub(crate) fn shared_with(&self, image: &Image) -> Option<SharedLayers<'_>> {
        let (mut chain, mut count) = (0, 0);
        for diff_id in image.config.diff_ids() {
            let Some(&next) = self.chains.get(&(chain, diff_id.clone())) else { break };
            (chain, count) = (next, count + 1);
        }
        let base = (count > 0).then(|| &self.images[self.first_images[chain]])?;
        Some(SharedLayers { base, layers: &base.image.layers[..count] })
    }

    /// Returns true if there is no base.
    pub(crate) fn is_empty(&self) -> bool {
        self.bases.is_empty()
    }

    /// Warns of each base that has nothing in common with any image of `entries`.
    ///
    /// # Errors
    /// Under `--strict` the first warning.
    pub(crate) fn warn_of_unused(&self, entries: &[ImageEntry], run: &Run) -> Result<()> {
        let images = distinct_images(entries).into_iter();
        let lowest: HashSet<&DiffId> = images.filter_map(|image| Some(&image.layers.first()?.diff_id)).collect();
        for (archive, of_base) in &self.bases {
            if !of_base.iter().any(|diff_id| lowest.contains(diff_id)) {
                let problem =
                    "it has no lowest layer in common with an image that is written: nothing is left out for it";
                run.diagnostics.warn_of_target(Rule::B43, archive, problem)?;
            }
        }
        Ok(())
    }
}

/// Refuses a base whose own base is not among the archives.
fn refuse_increment(entry: &ImageEntry, image: &Image) -> Result<()> {
    let Some(needs) = &image.needs else { return Ok(()) };
    let base = needs.image.as_deref().map_or_else(String::new, |base| format!(" ({base})"));
    let problem = format!("it is an increment itself, and its own base{base} is needed too");
    Err(Error::inexpressible(entry.at(), problem).avoided_by(Setting::Base))
}

/// Returns whether a manifest can list the layer as the base stores it; a foreign one is listed as what it is.
fn is_usable(layer: &Layer) -> bool {
    let is_listable = |codec| matches!(codec, Codec::Plain | Codec::Gzip | Codec::Zstd);
    let is_stored = layer.blob.as_ref().is_some_and(|blob| is_listable(blob.codec)) && layer.stored_digest().is_some();
    layer.diff_id.digest().is_sha256() && !layer.is_encrypted() && (is_stored || layer.foreign.is_some())
}

/// The first name that is one of an image, else the beginning of the image ID: it becomes part of a link's target.
fn title(entry: &ImageEntry, image: &Image) -> String {
    let name = entry.names.iter().find(|name| matches!(name, Name::Reference(_)));
    name.map_or_else(|| format!("image {}", image.image_id.short()), Name::to_string)
}
