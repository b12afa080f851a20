//! The history of an image, layer by layer: the command that made each, its size, and the bytes in it that later layers
//! hide.
//!
//! A file is hidden if no name of it is left in the flattened image: this is decided by [`flatten`](crate::flatten), so
//! a file that keeps another hard link is not. Sizes are bytes of file content, as `docker history` counts them, unless
//! documented otherwise; tar headers, padding and compression are the difference.
//!
//! Sources: docs/formats.md L-16, R-1 to R-12.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::Serialize;

use crate::digest::DiffId;
use crate::error::Result;
use crate::flatten::{EntryKey, Hidden, Options, Overlay};
use crate::image::{Image, Layer};
use crate::layer_index::{FileContent, LayerEntry, LayerIndexes};
use crate::path::escape_for_terminal;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::config;
use crate::words::counted;

/// An image's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImageHistory {
    /// Oldest first: every entry of the config's history, and every layer.
    pub steps: Vec<HistoryStep>,
    /// All layers together.
    pub total: HistoryTotal,
    /// The largest of the hidden files, largest first; no more than 20.
    pub largest_hidden: Vec<HiddenFile>,
}

/// A file of one layer that a layer hides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HiddenFile {
    /// Its name in its layer, escaped for a terminal (H-25).
    pub path: String,
    /// Bytes of content.
    pub size: u64,
    /// The layer it is in.
    pub layer: u32,
    /// The layer that hides it.
    pub hidden_by: u32,
    /// The way in which it is hidden.
    pub how: Fate,
}

/// The way in which a file is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Removed by a whiteout or an opaque marker.
    Deleted,
    /// Replaced by an entry with other content.
    Replaced,
    /// Replaced by a file with the same content: written again for a change of owner, mode or time, or for nothing.
    Duplicated,
}

/// The most hidden files that are named.
const NAMED: usize = 20;

/// One entry of the config's history with its layer, or a layer without an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryStep {
    /// The time of creation, as the config spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// The author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The layer that it made; `None` if it only changed the config.
    #[serde(flatten)]
    pub layer: Option<LayerUse>,
}

/// The size of one layer, and the files that it hides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LayerUse {
    /// Its number, counted from 0 at the base.
    #[serde(rename = "layer")]
    pub number: usize,
    /// Digest of its uncompressed tar.
    pub diff_id: DiffId,
    /// The compression of the bytes in the archive.
    pub compression: &'static str,
    /// Bytes in the archive.
    pub size: u64,
    /// Bytes of the uncompressed tar.
    pub tar_size: u64,
    /// The number and size of its regular files.
    pub holds: FileCount,
    /// The files of its own and of the layers below that it hides.
    pub hides: HiddenCounts,
    /// Its own files that it or later layers hide.
    pub hidden: FileCount,
}

/// A number of files and the bytes of their content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FileCount {
    /// The number of files.
    pub files: u64,
    /// Bytes of their content.
    pub size: u64,
}

/// The files that a layer hides, each counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HiddenCounts {
    /// [`Fate::Deleted`].
    pub deleted: FileCount,
    /// [`Fate::Replaced`].
    pub replaced: FileCount,
    /// [`Fate::Duplicated`].
    pub duplicated: FileCount,
}

/// The sums of all layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HistoryTotal {
    /// The number of layers.
    pub layers: usize,
    /// Bytes in the archive.
    pub size: u64,
    /// Bytes of the uncompressed tars.
    pub tar_size: u64,
    /// Regular files.
    pub holds: FileCount,
    /// Those of them that are hidden.
    pub hidden: FileCount,
}

impl AddAssign for FileCount {
    fn add_assign(&mut self, more: Self) {
        self.files += more.files;
        self.size += more.size;
    }
}

impl FileCount {
    fn add(&mut self, size: u64) {
        self.files += 1;
        self.size += size;
    }
}

impl HiddenCounts {
    fn count(&mut self, how: Fate) -> &mut FileCount {
        match how {
            Fate::Deleted => &mut self.deleted,
            Fate::Replaced => &mut self.replaced,
            Fate::Duplicated => &mut self.duplicated,
        }
    }

    /// All of it.
    pub fn all(&self) -> FileCount {
        let parts = [self.deleted, self.replaced, self.duplicated];
        FileCount { files: parts.iter().map(|part| part.files).sum(), size: parts.iter().map(|part| part.size).sum() }
    }
}

/// Reads all layers of `image` and returns its history.
///
/// ```
/// use imgtar::{ImageSelector, Run, history, open};
///
/// # fn main() -> imgtar::Result<()> {
/// # if !std::path::Path::new("fixtures").exists() { return Ok(()); } // The published crate has none.
/// let run = Run::quiet();
/// let images = open("fixtures/saved20.tar.xz".into(), None, &run)?;
/// let history = history(&ImageSelector::default().one(&images)?.image, &run)?;
/// for file in history.largest_hidden {
///     println!("{} bytes of {} in layer {} are hidden by layer {}", file.size, file.path, file.layer, file.hidden_by);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The errors of reading or flattening the layers; a foreign layer whose bytes are not in the archive.
pub fn history(image: &Image, run: &Run) -> Result<ImageHistory> {
    image.refuse_left_out(&image.at)?;
    let layers: Vec<&Layer> = image.layers.iter().collect();
    let indexes = LayerIndexes::read(&layers, FileContent::Hashed, run)?;
    let mut uses: Vec<LayerUse> = layers.iter().enumerate().map(|layer| LayerUse::of(layer, &indexes)).collect();
    let hidden = hidden(&layers, &indexes, &mut uses, run)?;
    let (total, largest_hidden) = (total(&uses), largest(hidden, &indexes));
    Ok(ImageHistory { steps: steps(image, uses, run)?, total, largest_hidden })
}

impl LayerUse {
    fn of((number, layer): (usize, &&Layer), indexes: &LayerIndexes) -> Self {
        let mut holds = FileCount::default();
        let files = indexes.get(number).entries().filter(LayerEntry::is_file);
        files.for_each(|file| holds.add(file.size));
        Self {
            number,
            diff_id: layer.diff_id.clone(),
            compression: layer.blob.as_ref().map_or("none", |blob| blob.codec.compression()),
            size: layer.blob.as_ref().map_or(0, |blob| blob.extent.size()),
            tar_size: indexes.get(number).tar_size(),
            holds,
            hides: HiddenCounts::default(),
            hidden: FileCount::default(),
        }
    }
}

/// A hidden file, by its position in its layer.
struct HiddenEntry {
    layer: usize,
    position: u64,
    size: u64,
    by: usize,
    how: Fate,
}

/// The rank of a hidden file, the largest first: of one size by layer, then by the layer that hides it.
type Rank = (Reverse<u64>, usize, usize);

impl HiddenEntry {
    fn rank(&self) -> Rank {
        (Reverse(self.size), self.layer, self.by)
    }
}

/// The largest hidden files. A layer that is listed again hides all its files again, so what cannot be named is dropped.
#[derive(Default)]
struct LargestHidden {
    files: Vec<HiddenEntry>,
    /// The rank of the last file that is named, if there are so many.
    last: Option<Rank>,
}

impl LargestHidden {
    fn push(&mut self, file: HiddenEntry) {
        if file.size > 0 && self.last.is_none_or(|last| file.rank() <= last) {
            self.files.push(file);
        }
    }

    /// Drops all but those of the highest ranks. Names will decide among those of the last rank, which are files of one layer.
    fn prune(&mut self) {
        self.files.sort_by_key(HiddenEntry::rank);
        self.last = self.files.get(NAMED - 1).map(HiddenEntry::rank);
        if let Some(last) = self.last {
            self.files.truncate(self.files.partition_point(|file| file.rank() <= last));
        }
    }
}

/// Applies the layers, counts in `uses` every file that is hidden on the way, and returns the largest of them.
fn hidden(layers: &[&Layer], indexes: &LayerIndexes, uses: &mut [LayerUse], run: &Run) -> Result<LargestHidden> {
    let mut overlay = Overlay::watching(Options::default());
    let mut largest = LargestHidden::default();
    let entry = |key: EntryKey| indexes.entry(key.layer as usize, key.position);
    for (by, layer) in layers.iter().enumerate() {
        indexes.apply(by, layer, &mut overlay, run)?;
        let before = largest.files.len();
        for Hidden { key, by: replacement } in overlay.hidden() {
            let file = entry(key);
            if !file.is_file() {
                continue;
            }
            let how = match replacement.map(entry) {
                None => Fate::Deleted,
                Some(replacement) if replacement.content == file.content => Fate::Duplicated,
                Some(_) => Fate::Replaced,
            };
            let file = HiddenEntry { layer: key.layer as usize, position: key.position, size: file.size, by, how };
            uses[by].hides.count(how).add(file.size);
            uses[file.layer].hidden.add(file.size);
            largest.push(file);
        }
        if largest.files.len() > before {
            largest.prune();
        }
    }
    Ok(largest)
}

/// Names the largest of the hidden files, those of one rank by name.
fn largest(largest: LargestHidden, indexes: &LayerIndexes) -> Vec<HiddenFile> {
    let mut hidden = largest.files;
    // One walk through each layer, because names can only be read in the order of the layer.
    hidden.sort_by_key(|file| (file.layer, file.position));
    let mut named = BTreeMap::new();
    for files in hidden.chunk_by(|one, next| one.layer == next.layer) {
        let mut names = indexes.get(files[0].layer).cursor();
        for file in files {
            let path = names.path_at(file.position).to_vec();
            named.insert((file.rank(), path, file.position), file);
            if named.len() > NAMED {
                named.pop_last();
            }
        }
    }
    named.into_iter().map(|((_, path, _), file)| HiddenFile::of(&path, file)).collect()
}

impl HiddenFile {
    fn of(path: &[u8], entry: &HiddenEntry) -> Self {
        let &HiddenEntry { layer, size, by, how, .. } = entry;
        Self { path: escape_for_terminal(path), size, layer: layer as u32, hidden_by: by as u32, how }
    }
}

fn total(uses: &[LayerUse]) -> HistoryTotal {
    let mut total = HistoryTotal { layers: uses.len(), ..HistoryTotal::default() };
    for layer in uses {
        total.size += layer.size;
        total.tar_size += layer.tar_size;
        total.holds += layer.holds;
        total.hidden += layer.hidden;
    }
    total
}

/// Assigns each layer to the step that made it (L-16): to the steps that are not marked as empty, in order. Layers
/// beyond the last such step come last, steps beyond the last layer have none.
fn steps(image: &Image, layers: Vec<LayerUse>, run: &Run) -> Result<Vec<HistoryStep>> {
    let history = image.config.history();
    let makers = history.iter().filter(|step| !step.empty_layer).count();
    if makers != layers.len() && makers > 0 {
        let problem = format!("its history makes {}, and the image has {}", counted(makers, "layer"), layers.len());
        run.diagnostics.warn(Rule::L16, &image.at, problem)?;
    }
    let mut layers = layers.into_iter();
    let mut steps: Vec<HistoryStep> = Vec::with_capacity(history.len());
    for entry in history {
        let layer = if entry.empty_layer { None } else { layers.next() };
        steps.push(HistoryStep::new(entry.clone(), layer));
    }
    steps.extend(layers.map(|layer| HistoryStep::new(config::History::default(), Some(layer))));
    Ok(steps)
}

impl HistoryStep {
    fn new(entry: config::History, layer: Option<LayerUse>) -> Self {
        let config::History { created, created_by, author, comment, empty_layer: _ } = entry;
        Self { created, created_by, author, comment, layer }
    }
}
