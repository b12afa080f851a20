//! The selection of images for commands that convert nothing.
//!
//! The rules are those of a conversion: names before digests, and only a platform that is requested or is the only one
//! (docs/formats.md O-12).

use std::collections::HashMap;
use std::sync::Arc;

use super::choices;
use super::pick::{drop_repeated, pick};
use super::platforms::Wanted;
use crate::error::{Error, Result, Setting};
use crate::image::{Image, ImageEntry, ImageSet, Name, Node};
use crate::options::{ImageRef, Platforms};

/// Selects images of an archive; by default all.
///
/// ```
/// use imgtar::{ImageSelector, Platforms, Run, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !std::path::Path::new("fixtures").exists() { return Ok(()); } // The published crate has none.
/// let images = open("fixtures/saved20.tar.xz".into(), None, &Run::quiet())?;
/// let mut selector = ImageSelector::default();
/// selector.image = Some("example.com/demo:v1".parse()?);
/// selector.platforms = Platforms::Only(vec!["linux/amd64".parse()?]);
/// println!("{}", selector.one(&images)?.image.image_id);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct ImageSelector {
    /// The image; `None` for all.
    pub image: Option<ImageRef>,
    /// The platforms of the images.
    pub platforms: Platforms,
}

/// An image and the names that led to it.
#[derive(Clone)]
#[non_exhaustive]
pub struct SelectedImage {
    /// Its selected names; none if it is untagged.
    pub names: Vec<Name>,
    /// The image.
    pub image: Arc<Image>,
}

impl ImageSelector {
    /// Returns the selected entries whole, in the archive's order: an index with all its platforms.
    ///
    /// # Errors
    /// [`Error::Choice`] with the list of what there is, when the image is not there, or a digest fits several.
    pub fn entries(&self, set: &ImageSet) -> Result<Vec<ImageEntry>> {
        pick(set, self.image.as_slice())
    }

    /// Returns the selected images, in the archive's order, those of an index one by one; none for an archive of attestations
    /// alone. An image that is listed several times for one platform is returned once, with all the names. A broken image is
    /// left out, unless there is no other.
    ///
    /// # Errors
    /// [`Error::Choice`] with the list of choices, when the image or platform is not there.
    pub fn images(&self, set: &ImageSet) -> Result<Vec<SelectedImage>> {
        let entries = self.entries(set)?;
        let mut selected: Vec<SelectedImage> = Vec::new();
        let mut places = HashMap::new();
        for wanted in Wanted::of_each(&entries, &self.platforms) {
            let node = &wanted.entry.node;
            let images = match node {
                Node::Image(_) | Node::Index(_) if wanted.platforms.is_some() => wanted.images()?,
                Node::Image(_) | Node::Index(_) | Node::Artifact(_) | Node::Missing(_) | Node::Broken(_) => {
                    node.images()
                }
            };
            for image in images {
                let place = *places.entry((image.identity(), image.platform.machine())).or_insert(selected.len());
                match selected.get_mut(place) {
                    Some(known) => known.names.extend_from_slice(&wanted.entry.names),
                    None => {
                        selected.push(SelectedImage { names: wanted.entry.names.clone(), image: Arc::clone(image) });
                    }
                }
            }
        }
        if selected.is_empty() {
            refuse_broken(set, &entries)?;
        }
        selected.iter_mut().for_each(|selected| drop_repeated(&mut selected.names));
        Ok(selected)
    }

    /// Returns the one selected image.
    ///
    /// # Errors
    /// As [`ImageSelector::images`], and [`Error::Choice`] when there are several; [`Error::MissingMember`] or
    /// [`Error::Choice`] when there is none.
    pub fn one(&self, set: &ImageSet) -> Result<SelectedImage> {
        // A broken image may be the selected one.
        refuse_broken(set, &self.entries(set)?)?;
        let selected = self.images(set)?;
        let mut rest = selected.iter();
        let Some(first) = rest.next() else { return Err(choices::no_image(set)) };
        // One that is listed for several platforms is the same image for each.
        if rest.any(|other| other.image.identity() != first.image.identity()) {
            return Err(several(set, &selected));
        }
        let mut names: Vec<Name> = selected.iter().flat_map(|selected| selected.names.clone()).collect();
        drop_repeated(&mut names);
        Ok(SelectedImage { names, image: Arc::clone(&first.image) })
    }
}

/// The error of the first of `entries` that is broken.
fn refuse_broken(set: &ImageSet, entries: &[ImageEntry]) -> Result<()> {
    let broken = |entry: &ImageEntry| {
        let broken = entry.node.first_broken()?;
        Some(broken.error(format!("{}: {}", set.archive, entry.title())))
    };
    entries.iter().find_map(broken).map_or(Ok(()), Err)
}

/// The error for several images: they are of one name if they differ in platform only, else of several.
fn several(set: &ImageSet, selected: &[SelectedImage]) -> Error {
    let first = &selected[0];
    if !first.names.is_empty() && selected.iter().all(|other| other.names == first.names) {
        let nodes: Vec<_> = selected.iter().map(|selected| Node::Image(Arc::clone(&selected.image))).collect();
        let what = match selected.iter().all(|other| other.image.platform == first.image.platform) {
            true => "several images have this name",
            false => "it is for several platforms",
        };
        return choices::one_platform(
            format!("{}: {}: {what}", set.archive, first.title()),
            &nodes.iter().collect::<Vec<_>>(),
        );
    }
    let problem = format!("{}: there are {} images", set.archive, selected.len());
    let titles = selected.iter().map(|selected| format!("{} ({})", selected.title(), selected.image.platform));
    choices::names(problem, titles).avoided_by(Setting::Image)
}

impl SelectedImage {
    /// The image in messages: its names, else its digest.
    pub fn title(&self) -> String {
        Name::list(&self.names).unwrap_or_else(|| self.image.own_digest().to_string())
    }
}
