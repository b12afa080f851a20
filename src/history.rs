//! How an image came about, layer by layer: what made each, how large it is, and how much of it nobody will ever see.
//!
//! A file is hidden when no name of it is left in the flattened image: the decision is [`flatten`](crate::flatten)'s, so a
//! file that keeps another hard link is not. Sizes are bytes of file content, as `docker history` counts them, unless they
//! say otherwise; tar headers, padding and compression are the difference.
//!
//! Sources: docs/formats.md L-16, R-1 to R-12.

use std::ops::AddAssign;
use std::sync::Arc;

use serde::Serialize;

use crate::digest::DiffId;
use crate::error::Result;
use crate::flatten::{EntryId, Hidden, Options, Overlay};
use crate::image::{Image, Layer};
use crate::path::escape_for_terminal;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::config;
use crate::toc::{Item, Toc};

/// An image's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct History {
    /// Oldest first: every step of the config, and every layer.
    pub steps: Vec<Step>,
    /// All layers together.
    pub total: Total,
    /// The largest of the files that nobody will see, largest first; no more than 20.
    pub largest_hidden: Vec<HiddenFile>,
}

/// A file of one layer that a layer hides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HiddenFile {
    /// Its name in its layer, as it may be shown: escaped (H-25).
    pub path: String,
    /// Bytes of content.
    pub size: u64,
    /// The layer it is in.
    pub layer: u32,
    /// The layer that hides it.
    pub hidden_by: u32,
    /// What became of it.
    pub how: How,
}

/// What became of a hidden file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Removed by a whiteout or an opaque marker.
    Deleted,
    /// Replaced by an entry with other content.
    Replaced,
    /// Replaced by a file with the same content: written again for a change of owner, mode or time, or for nothing.
    Duplicated,
}

/// How many hidden files are named.
const NAMED: usize = 20;

/// One step of the making, or a layer of which nobody knows what made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When, as the config has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What else was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The layer that it made; none for a step that only changed the config.
    #[serde(flatten)]
    pub layer: Option<LayerUse>,
}

/// What one layer takes and hides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LayerUse {
    /// Its number, counted from 0 at the base.
    #[serde(rename = "layer")]
    pub number: usize,
    /// Digest of its uncompressed tar.
    pub diff_id: DiffId,
    /// How the bytes in the archive are compressed.
    pub compression: &'static str,
    /// Bytes in the archive.
    pub size: u64,
    /// Bytes of the uncompressed tar.
    pub tar_size: u64,
    /// Its regular files.
    pub holds: Count,
    /// What it hides of itself and of the layers below.
    pub hides: Hides,
    /// What of its own files this and later layers hide.
    pub hidden: Count,
}

/// A number of files and the bytes of their content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Count {
    /// How many.
    pub files: u64,
    /// Bytes.
    pub size: u64,
}

/// What a layer hides, each file counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Hides {
    /// [`How::Deleted`].
    pub deleted: Count,
    /// [`How::Replaced`].
    pub replaced: Count,
    /// [`How::Duplicated`].
    pub duplicated: Count,
}

/// The sums of all layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Total {
    /// Layers.
    pub layers: usize,
    /// Bytes in the archive.
    pub size: u64,
    /// Bytes of the uncompressed tars.
    pub tar_size: u64,
    /// Regular files.
    pub holds: Count,
    /// What of that is hidden.
    pub hidden: Count,
}

impl AddAssign for Count {
    fn add_assign(&mut self, more: Self) {
        self.files += more.files;
        self.size += more.size;
    }
}

impl Count {
    fn add(&mut self, item: &Item) {
        self.files += 1;
        self.size += item.header.size;
    }
}

impl Hides {
    fn count(&mut self, how: How) -> &mut Count {
        match how {
            How::Deleted => &mut self.deleted,
            How::Replaced => &mut self.replaced,
            How::Duplicated => &mut self.duplicated,
        }
    }

    /// All of it.
    pub fn all(&self) -> Count {
        let parts = [self.deleted, self.replaced, self.duplicated];
        Count { files: parts.iter().map(|part| part.files).sum(), size: parts.iter().map(|part| part.size).sum() }
    }
}

/// Reads all layers of `image` and tells its history.
///
/// # Errors
/// What reading or applying the layers refuses, a foreign layer whose bytes are not there among them.
pub fn of(image: &Image, run: &Run) -> Result<History> {
    let layers: Vec<&Layer> = image.layers.iter().collect();
    let tocs = Toc::read_all(&layers, run)?;
    let mut uses = uses(&layers, &tocs);
    let hidden = hidden(&layers, &tocs, run)?;
    for file in &hidden {
        uses[file.by].hides.count(file.how).add(file.item);
        uses[file.layer].hidden.add(file.item);
    }
    let total = total(&uses);
    Ok(History { steps: steps(image, uses, run)?, total, largest_hidden: largest(hidden) })
}

fn uses(layers: &[&Layer], tocs: &[Arc<Toc>]) -> Vec<LayerUse> {
    let pairs = layers.iter().zip(tocs).enumerate();
    pairs
        .map(|(number, (layer, toc))| {
            let mut holds = Count::default();
            toc.items.iter().filter(|item| item.is_file()).for_each(|item| holds.add(item));
            LayerUse {
                number,
                diff_id: layer.diff_id.clone(),
                compression: layer.blob.as_ref().map_or("none", |blob| blob.codec.compression()),
                size: layer.blob.as_ref().map_or(0, |blob| blob.extent.size()),
                tar_size: toc.tar_size,
                holds,
                hides: Hides::default(),
                hidden: Count::default(),
            }
        })
        .collect()
}

/// A file that has been hidden.
struct Gone<'a> {
    item: &'a Item,
    layer: usize,
    by: usize,
    how: How,
}

/// Applies the layers: every file that is hidden on the way, and by which.
fn hidden<'a>(layers: &[&Layer], tocs: &'a [Arc<Toc>], run: &Run) -> Result<Vec<Gone<'a>>> {
    let mut overlay = Overlay::watching(Options::default());
    let mut gone = Vec::new();
    let item = |id: EntryId| tocs[id.layer as usize].item(id.position);
    for (index, (layer, toc)) in layers.iter().zip(tocs).enumerate() {
        let mut builder = overlay.layer(&layer.at, &run.diagnostics, &run.budget);
        toc.apply(&mut builder)?;
        builder.finish()?;
        let files = overlay.hidden().into_iter().filter(|hidden| item(hidden.id).is_file());
        gone.extend(files.map(|Hidden { id, by }| {
            let file = item(id);
            let how = match by.map(item) {
                None => How::Deleted,
                Some(by) if by.content == file.content => How::Duplicated,
                Some(_) => How::Replaced,
            };
            Gone { item: file, layer: id.layer as usize, by: index, how }
        }));
    }
    Ok(gone)
}

fn largest(mut hidden: Vec<Gone<'_>>) -> Vec<HiddenFile> {
    hidden.retain(|file| file.item.header.size > 0);
    hidden.sort_by(|one, other| {
        let key = |file: &Gone<'_>| (file.layer, file.by);
        let by_size = other.item.header.size.cmp(&one.item.header.size);
        by_size.then_with(|| key(one).cmp(&key(other))).then_with(|| one.item.path.cmp(&other.item.path))
    });
    let named = hidden.into_iter().take(NAMED);
    named
        .map(|Gone { item, layer, by, how }| HiddenFile {
            path: escape_for_terminal(&item.path),
            size: item.header.size,
            layer: layer as u32,
            hidden_by: by as u32,
            how,
        })
        .collect()
}

fn total(uses: &[LayerUse]) -> Total {
    let mut total = Total { layers: uses.len(), ..Total::default() };
    for layer in uses {
        total.size += layer.size;
        total.tar_size += layer.tar_size;
        total.holds += layer.holds;
        total.hidden += layer.hidden;
    }
    total
}

/// Gives each layer to the step that made it (L-16): steps that are not marked as empty, in order. Layers beyond the last
/// of them come last, steps beyond the last layer go without.
fn steps(image: &Image, layers: Vec<LayerUse>, run: &Run) -> Result<Vec<Step>> {
    let history = image.config.history();
    let makers = history.iter().filter(|step| !step.empty_layer).count();
    if makers != layers.len() && makers > 0 {
        let problem =
            format!("its history has {makers} steps that make a layer, but there are {} layers", layers.len());
        run.diagnostics.warn(Rule::L16, &image.at, problem)?;
    }
    let mut layers = layers.into_iter();
    let mut steps: Vec<Step> = Vec::with_capacity(history.len());
    for said in history {
        let layer = if said.empty_layer { None } else { layers.next() };
        steps.push(Step::new(said.clone(), layer));
    }
    steps.extend(layers.map(|layer| Step::new(config::History::default(), Some(layer))));
    Ok(steps)
}

impl Step {
    fn new(said: config::History, layer: Option<LayerUse>) -> Self {
        let config::History { created, created_by, author, comment, empty_layer: _ } = said;
        Self { created, created_by, author, comment, layer }
    }
}
