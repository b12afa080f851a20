//! Which images of an archive are meant, for those who ask about them rather than convert them.
//!
//! The rules and the words are those of a conversion: names before digests, and no platform but one that was asked for or
//! that is alone (docs/formats.md O-12).

use std::sync::Arc;

use super::{choose_platform, nothing_left, on_platforms, pick, with_platforms};
use crate::error::{Error, Result};
use crate::image::{Image, ImageEntry, ImageSet, Name, Node};
use crate::options::{ImageRef, Platforms};

/// What was asked for; nothing means everything.
#[derive(Debug, Clone, Default)]
pub struct ImageSelector {
    /// Which image.
    pub image: Option<ImageRef>,
    /// For which platform.
    pub platforms: Platforms,
}

/// An image and the names that led to it.
#[derive(Clone)]
#[non_exhaustive]
pub struct SelectedImage {
    /// All its names that were meant; none when it is untagged.
    pub names: Vec<Name>,
    /// The image.
    pub image: Arc<Image>,
}

impl ImageSelector {
    /// The entries that are meant, in the archive's order, whole: an index with all its platforms.
    ///
    /// # Errors
    /// [`Error::Choice`] with the list of what there is, when the image is not there, or a digest fits several.
    pub fn entries(&self, set: &ImageSet) -> Result<Vec<ImageEntry>> {
        pick(set, self.image.as_slice())
    }

    /// The images that are meant, in the archive's order, those of an index one by one. There may be none.
    ///
    /// # Errors
    /// [`Error::Choice`] with the list of what there is, when the image or platform is not there.
    pub fn images(&self, set: &ImageSet) -> Result<Vec<SelectedImage>> {
        let entries = self.entries(set)?;
        let mut chosen = Vec::new();
        for (entry, platforms) in with_platforms(&entries, &self.platforms) {
            let at = format!("{}: {}", set.archive, entry.title());
            let images = match (&platforms, &entry.node) {
                (Platforms::Only(wanted), Node::Image(_) | Node::Index(_)) => on_platforms(&entry.node, &at, wanted)?,
                _ => entry.node.images().into_iter().cloned().collect(),
            };
            chosen.extend(images.into_iter().map(|image| SelectedImage { names: entry.names.clone(), image }));
        }
        Ok(chosen)
    }

    /// The one image that is meant.
    ///
    /// # Errors
    /// As [`ImageSelector::images`], and [`Error::Choice`] when there are several; [`Error::MissingMember`] or [`Error::Choice`]
    /// when there is none.
    pub fn one(&self, set: &ImageSet) -> Result<SelectedImage> {
        let mut chosen = self.images(set)?;
        chosen.dedup_by(|two, one| one.names == two.names && one.image.is_alike(&two.image));
        match (chosen.pop(), &chosen[..]) {
            (Some(only), []) => Ok(only),
            (None, _) => Err(nothing_left(set)),
            (Some(last), _) => {
                chosen.push(last);
                Err(several(set, &chosen))
            }
        }
    }
}

/// Several images: of one name if they differ in platform only, else of several.
fn several(set: &ImageSet, chosen: &[SelectedImage]) -> Error {
    let is_one_name = |(one, two): (&SelectedImage, &SelectedImage)| {
        one.names == two.names && one.image.platform != two.image.platform
    };
    if chosen.iter().zip(&chosen[1..]).all(is_one_name) {
        let nodes: Vec<Node> = chosen.iter().map(|chosen| Node::Image(Arc::clone(&chosen.image))).collect();
        let name = chosen[0].title();
        return choose_platform(&format!("{}: {name}: choose one platform with --platform", set.archive), &nodes);
    }
    Error::Choice {
        problem: format!("{}: there are {} images; choose one with --image", set.archive, chosen.len()),
        choices: chosen.iter().map(|chosen| format!("{} ({})", chosen.title(), chosen.image.platform)).collect(),
    }
}

impl SelectedImage {
    /// How a person is told of it: its names, else its digest.
    pub fn title(&self) -> String {
        if self.names.is_empty() {
            return self.image.own_digest().to_string();
        }
        self.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}
