//! Changes of images: images in, images with new layers and configs out; readers and writers do not know of it.
//!
//! Changes apply in one order, whatever order they were asked for in: layers first, the config last. A layer that no change
//! touches stays the range of the input that it is, an image that no change touches the very same.
//!
//! Sources: docs/edit.md.

mod config;
#[allow(dead_code, reason = "changes of layers follow")]
mod difference;
mod document;
#[allow(dead_code, reason = "changes of layers follow")]
mod draft;
#[allow(dead_code, reason = "changes of layers follow")]
mod history;
mod new_config;
mod references;
mod shape;
#[allow(dead_code, reason = "changes of layers follow")]
mod workshop;

use std::collections::HashMap;
use std::sync::Arc;

pub use config::{ConfigChanges, RuntimeChanges, check_variable};
pub use new_config::NewConfig;
pub use shape::check_healthcheck;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::{Image, ImageEntry};
use crate::run::Run;
use crate::spec::platform::Platform;

use draft::Draft;
use references::ChangedImages;

/// What is to be changed.
#[derive(Debug, Clone, Default)]
pub struct EditOptions {
    /// Images of these platforms are changed, others are written as they are; empty changes all.
    pub platforms: Vec<Platform>,
    /// The config.
    pub config: ConfigChanges,
}

/// What became of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EditReport {
    /// Its names as written.
    pub names: Vec<String>,
    /// What it runs on.
    pub platform: Platform,
    /// The image ID that it had.
    pub old_image_id: Digest,
    /// The image ID that it has now.
    pub image_id: Digest,
    /// What was done to it, a sentence each.
    pub changes: Vec<String>,
}

/// Images with their changes.
pub(crate) struct Edited {
    /// What is to be written.
    pub(crate) entries: Vec<ImageEntry>,
    /// One for each image of the entries, in their order.
    pub(crate) reports: Vec<EditReport>,
}

/// Changes the images of `entries`.
///
/// # Errors
/// [`Error::Choice`] when no image is of a platform that is to be changed; what a change refuses.
pub(crate) fn apply(entries: &[ImageEntry], options: &EditOptions, run: &Run) -> Result<Edited> {
    let mut changed = ChangedImages::new();
    let mut changes = HashMap::new();
    for image in wanted(entries, &options.platforms)? {
        let mut draft = Draft::new(image)?;
        options.config.apply(&mut draft.document, &run.diagnostics)?;
        changes.insert(Arc::as_ptr(image), std::mem::take(&mut draft.changes));
        if let Some(new) = draft.finish(run)? {
            changed.insert(Arc::as_ptr(image), Arc::new(new));
        }
    }
    let reports = report(entries, &changed, &changes);
    Ok(Edited { entries: references::replace(entries, &changed, run)?, reports })
}

/// The images to be changed, each once.
fn wanted<'e>(entries: &'e [ImageEntry], platforms: &[Platform]) -> Result<Vec<&'e Arc<Image>>> {
    let all = || entries.iter().flat_map(|entry| entry.node.images());
    for platform in platforms {
        if !all().any(|image| platform.matches(&image.platform)) {
            let mut choices: Vec<String> = all().map(|image| image.platform.to_string()).collect();
            choices.sort_unstable();
            choices.dedup();
            return Err(Error::Choice { problem: format!("no image is for {platform}"), choices });
        }
    }
    let mut seen = std::collections::HashSet::new();
    let is_wanted = |image: &&Arc<Image>| {
        platforms.is_empty() || platforms.iter().any(|platform| platform.matches(&image.platform))
    };
    Ok(all().filter(is_wanted).filter(|image| seen.insert(Arc::as_ptr(image))).collect())
}

fn report(
    entries: &[ImageEntry],
    changed: &ChangedImages,
    changes: &HashMap<*const Image, Vec<String>>,
) -> Vec<EditReport> {
    let mut reports = Vec::new();
    for entry in entries {
        for image in entry.node.images() {
            let new = changed.get(&Arc::as_ptr(image)).unwrap_or(image);
            reports.push(EditReport {
                names: entry.names.iter().map(ToString::to_string).collect(),
                platform: new.platform.clone(),
                old_image_id: image.image_id.clone(),
                image_id: new.image_id.clone(),
                changes: changes.get(&Arc::as_ptr(image)).cloned().unwrap_or_default(),
            });
        }
    }
    reports
}
