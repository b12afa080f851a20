//! Changes of images: images in, images with new layers and configs out; readers and writers do not know of it.
//!
//! Changes apply in one order, whatever order they were asked for in: layers first, the config last. A layer that no change
//! touches stays the range of the input that it is, an image that no change touches the very same.
//!
//! Sources: docs/edit.md.

mod add;
mod base;
mod bodies;
mod config;
mod difference;
mod document;
mod draft;
mod headers;
mod history;
mod lint;
mod new_config;
mod normalize;
mod paths;
mod pattern;
mod rebase;
mod references;
mod remove;
mod remove_layers;
mod restack;
mod rewrite;
mod shape;
mod squash;
mod stack;
mod values;
mod workspace;

use std::collections::{HashMap, HashSet};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use add::Addition;
pub use config::{ConfigChanges, RuntimeChanges};
pub use new_config::NewConfig;
pub use pattern::{ParsePatternError, PathPattern};
pub use shape::check_healthcheck;
pub use values::{check_variable, platform_part, port, signal};

use crate::digest::{DiffId, Digest};
use crate::error::{Error, Result};
use crate::image::{Image, ImageEntry, ImageSet, Layer, distinct_images};
use crate::path::separator_hint;
use crate::run::Run;
use crate::spec::platform::Platform;
use crate::words::counted;

use base::base_of;
use draft::Draft;
use rebase::Bases;
use references::ChangedImages;
use remove::RemovedContent;
use workspace::Workspace;

/// The changes to make. They apply in the order of the fields.
#[derive(Debug, Clone, Default)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct EditOptions {
    /// The platforms whose images are changed, others are written as they are; empty changes all.
    pub platforms: Vec<Platform>,
    /// The bases to exchange: the lowest layers become those of another image.
    pub rebase: Option<Rebase>,
    /// The numbers of layers to leave out, counted from 0 at the base of the input.
    pub remove_layers: Vec<usize>,
    /// Paths to take out of every layer, not only to hide. A file that has another name, a hard link, stays
    /// under that one.
    pub remove: Vec<PathPattern>,
    /// The layers to squash into one.
    pub squash: Option<Squash>,
    /// The layers to normalise, so that they do not differ between two builds of the same files.
    pub normalize: Option<Normalize>,
    /// Tars on disk to put on top as layers, as they are.
    pub add_layers: Vec<PathBuf>,
    /// Files on disk to put on top, in one layer.
    pub add: Vec<Addition>,
    /// The changes of the config.
    pub config: ConfigChanges,
}

/// Callbacks that read the other inputs of a change.
pub(crate) struct Readers<'a> {
    /// Reads the images of another archive.
    pub(crate) archive: &'a dyn Fn(&Path) -> Result<ImageSet>,
    /// Reads a tar that becomes a layer.
    pub(crate) layer: &'a dyn Fn(&Path) -> Result<Layer>,
}

/// `--rebase`: two archives, and one image of each.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct Rebase {
    /// The one whose layers are at the bottom.
    pub old: PathBuf,
    /// The one whose layers take their place.
    pub new: PathBuf,
    /// True if directories that replace links and files of the new base only cause a warning instead of an error.
    pub force: bool,
}

impl Rebase {
    /// Returns a rebase from the layers of the image in `old` to those of the image in `new`.
    pub fn new(old: impl Into<PathBuf>, new: impl Into<PathBuf>) -> Self {
        Self { old: old.into(), new: new.into(), force: false }
    }
}

/// `--squash`, `--squash-top` and `--squash-above`: the layers that become one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum Squash {
    /// All.
    All,
    /// This many at the top.
    Top(usize),
    /// Those above the layers of an image of this archive.
    Above(PathBuf),
}

/// `--normalize`: the layers to normalise.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum Normalize {
    /// All.
    All,
    /// Those above the layers of an image of this archive.
    Above(PathBuf),
}

/// The other archives that a change needs, opened.
struct OtherArchives {
    rebase: Option<Bases>,
    squash_above: Option<ImageSet>,
    normalize_above: Option<ImageSet>,
    /// Layers to be put on top.
    layers: Vec<Layer>,
}

/// The outcome for one image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EditedImage {
    /// Its names as written.
    pub names: Vec<String>,
    /// Its platform.
    pub platform: Platform,
    /// Its image ID before the changes.
    pub old_image_id: Digest,
    /// Its image ID after the changes.
    pub image_id: Digest,
    /// The changes made, a sentence each.
    pub changes: Vec<String>,
    /// Its layers: those of the input from the base on, then those that were added; empty where none has changed.
    pub layers: Vec<EditedLayer>,
}

/// A layer before and after the changes of its image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditedLayer {
    /// The layer of the input; `None` for one that was added.
    pub before: Option<EditedTar>,
    /// The same layer as written; `None` for one that was left out.
    pub after: Option<EditedTar>,
}

/// The uncompressed tar of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditedTar {
    /// Its digest.
    pub diff_id: DiffId,
    /// Its bytes.
    pub size: u64,
}

/// The outcomes of changed images, by the address in memory of the image to write.
pub(crate) struct EditOutcomes(HashMap<*const Image, Outcome>);

/// Changes the images of `entries`; returns the entries to write, and the outcomes of their images.
///
/// # Errors
/// [`Error::Choice`] if no image has a platform that is to be changed; the errors of the changes.
pub(crate) fn apply(
    entries: Vec<ImageEntry>,
    options: &EditOptions,
    readers: &Readers<'_>,
    run: &Run,
) -> Result<(Vec<ImageEntry>, EditOutcomes)> {
    let others = OtherArchives {
        rebase: match &options.rebase {
            Some(Rebase { old, new, .. }) => Some(Bases { old: (readers.archive)(old)?, new: (readers.archive)(new)? }),
            None => None,
        },
        squash_above: match &options.squash {
            Some(Squash::Above(path)) => Some((readers.archive)(path)?),
            Some(Squash::All | Squash::Top(_)) | None => None,
        },
        normalize_above: match &options.normalize {
            Some(Normalize::Above(path)) => Some((readers.archive)(path)?),
            Some(Normalize::All) | None => None,
        },
        layers: options.add_layers.iter().map(|path| (readers.layer)(path)).collect::<Result<_>>()?,
    };
    let workspace = Workspace::new(run);
    let (mut changed, mut outcomes) = (ChangedImages::new(), HashMap::new());
    let mut removal = Removal { content: RemovedContent::default(), hits: vec![false; options.remove.len()] };
    for (entry, image) in wanted(&entries, &options.platforms)? {
        let mut draft = Draft::new(image, entry.image_at(image), run)?;
        change(&mut draft, options, &others, &mut removal, &workspace)?;
        let (changes, layers) = (mem::take(&mut draft.changes), draft.edited_layers());
        let new = draft.finish(run)?.map(Arc::new);
        let outcome = Outcome { old_image_id: image.image_id.clone(), changes, layers };
        outcomes.insert(Arc::as_ptr(new.as_ref().unwrap_or(image)), outcome);
        changed.extend(new.map(|new| (Arc::as_ptr(image), new)));
    }
    removal.refuse_no_hit(&options.remove)?;
    let entries = references::replace(entries, &changed, run)?;
    let written: Vec<&Image> = distinct_images(&entries).into_iter().map(|image| &**image).collect();
    removal.content.check(&written, run)?;
    Ok((entries, EditOutcomes(outcomes)))
}

/// The result of changing an image, for its report.
struct Outcome {
    old_image_id: Digest,
    changes: Vec<String>,
    layers: Vec<EditedLayer>,
}

/// The content removed from all images together.
struct Removal {
    content: RemovedContent,
    /// One for each pattern: true if it matched a path.
    hits: Vec<bool>,
}

impl Removal {
    /// Refuses a pattern that matched no path in any layer (E-20).
    fn refuse_no_hit(&self, patterns: &[PathPattern]) -> Result<()> {
        match self.hits.iter().zip(patterns).find(|(is_hit, _)| !**is_hit) {
            Some((_, pattern)) => {
                let hint = pattern.literal().map_or("", |path| separator_hint(path.as_bytes()));
                let problem = format!("no layer has anything at `{pattern}`{hint}");
                Err(Error::choice(problem, []))
            }
            None => Ok(()),
        }
    }
}

/// Applies all changes to one image, in the one order that they have.
fn change(
    draft: &mut Draft,
    options: &EditOptions,
    others: &OtherArchives,
    removal: &mut Removal,
    workspace: &Workspace<'_>,
) -> Result<()> {
    if let (Some(bases), Some(Rebase { force, .. })) = (&others.rebase, &options.rebase) {
        rebase::rebase(draft, bases, *force, workspace)?;
    }
    if !options.remove_layers.is_empty() {
        remove_layers::remove_layers(draft, &options.remove_layers, workspace)?;
    }
    if !options.remove.is_empty() {
        let hits = remove::remove(draft, &options.remove, &mut removal.content, workspace)?;
        removal.hits.iter_mut().zip(hits).for_each(|(all, one)| *all |= one);
    }
    if let Some(squash) = &options.squash {
        let from = squashed_from(draft, squash, others)?;
        let created_by = match squash {
            Squash::All => "imgtar edit --squash".to_owned(),
            Squash::Top(count) => format!("imgtar edit --squash-top {count}"),
            Squash::Above(_) => "imgtar edit --squash-above".to_owned(),
        };
        let is_squashed = squash::squash(draft, from, &created_by, workspace)?;
        if is_squashed && !matches!(squash, Squash::Above(_)) {
            // The layers of the base may be among them (E-36).
            draft.drop_base(from);
        }
    }
    if options.normalize.is_some() {
        let base = others.normalize_above.as_ref().map(|archive| base_of(archive, draft)).transpose()?;
        normalize::normalize(draft, base.map_or(0, |base| base.layers.len()), workspace)?;
    }
    for layer in &others.layers {
        add::add_layer(draft, layer, workspace)?;
    }
    if !options.add.is_empty() {
        add::add(draft, &options.add, workspace)?;
    }
    options.config.apply(&mut draft.document, &workspace.run.diagnostics)
}

/// The first of the layers that become one.
fn squashed_from(draft: &Draft, squash: &Squash, others: &OtherArchives) -> Result<usize> {
    let count = draft.layers().len();
    match (squash, &others.squash_above) {
        (Squash::Top(top), _) if *top > count => Err(Error::inexpressible(
            draft.at(),
            format!("it has {}, too few to squash {top} of them", counted(count, "layer")),
        )),
        (Squash::Top(top), _) => Ok(count - top),
        (Squash::Above(_), Some(archive)) => Ok(base_of(archive, draft)?.layers.len()),
        (Squash::All, _) | (Squash::Above(_), None) => Ok(0),
    }
}

/// The images to be changed, each once.
fn wanted<'e>(entries: &'e [ImageEntry], platforms: &[Platform]) -> Result<Vec<(&'e ImageEntry, &'e Arc<Image>)>> {
    let of_entry = |entry: &'e ImageEntry| entry.node.images().into_iter().map(move |image| (entry, image));
    let all = || entries.iter().flat_map(of_entry);
    for platform in platforms {
        if !all().any(|(_, image)| platform.matches(&image.platform)) {
            let mut choices: Vec<String> = all().map(|(_, image)| image.platform.to_string()).collect();
            choices.sort_unstable();
            choices.dedup();
            return Err(Error::Choice { problem: format!("no image is for {platform}"), choices });
        }
    }
    let mut seen = HashSet::new();
    let is_wanted = |(_, image): &(&ImageEntry, &Arc<Image>)| {
        platforms.is_empty() || platforms.iter().any(|platform| platform.matches(&image.platform))
    };
    Ok(all().filter(is_wanted).filter(|(_, image)| seen.insert(Arc::as_ptr(image))).collect())
}

impl EditOutcomes {
    /// Returns the outcome for each image of `entries`, which are some of those to write: each once, in their order.
    ///
    /// # Errors
    /// When names take more memory than the limit allows.
    pub(crate) fn of(&self, entries: &[ImageEntry], run: &Run) -> Result<Vec<EditedImage>> {
        let mut images: Vec<EditedImage> = Vec::new();
        let mut places: HashMap<_, usize> = HashMap::new();
        for entry in entries {
            let names: Vec<String> = entry.names.iter().map(ToString::to_string).collect();
            let size: usize = names.iter().map(|name| 2 * (size_of::<String>() + name.len())).sum();
            run.budget.charge_memory(size as u64, "names of changed images")?;
            for image in entry.node.images() {
                if let Some(&place) = places.get(&Arc::as_ptr(image)) {
                    let known = &mut images[place].names;
                    if !known.ends_with(&names) {
                        known.extend_from_slice(&names);
                    }
                    continue;
                }
                places.insert(Arc::as_ptr(image), images.len());
                let outcome = self.0.get(&Arc::as_ptr(image));
                images.push(EditedImage {
                    names: names.clone(),
                    platform: image.platform.clone(),
                    old_image_id: outcome.map_or(&image.image_id, |outcome| &outcome.old_image_id).clone(),
                    image_id: image.image_id.clone(),
                    changes: outcome.map(|outcome| outcome.changes.clone()).unwrap_or_default(),
                    layers: outcome.map(|outcome| outcome.layers.clone()).unwrap_or_default(),
                });
            }
        }
        Ok(images)
    }
}
