//! The errors that list what could be chosen instead.

use std::collections::HashSet;
use std::fmt::Display;

use crate::error::{Error, Setting};
use crate::image::{ImageEntry, ImageSet, Name, Node};
use crate::nearest::nearest_name;
use crate::path::escape_for_terminal;

/// Lists the platforms of `nodes`.
pub(super) fn platforms<'n>(problem: String, nodes: impl IntoIterator<Item = &'n Node>) -> Error {
    let images = nodes.into_iter().flat_map(Node::distinct_images);
    Error::choice(problem, images.map(|image| format!("{} ({})", image.platform, image.own_digest())))
}

/// Lists the platforms of `nodes`, of which one has to be chosen: by its platform, or if others have that too by its digest.
pub(super) fn one_platform(problem: String, nodes: &[&Node]) -> Error {
    let images: Vec<_> = nodes.iter().flat_map(|node| node.distinct_images()).collect();
    let distinct: HashSet<_> = images.iter().map(|image| &image.platform).collect();
    let setting = if distinct.len() == images.len() { Setting::Platform } else { Setting::ImageDigest };
    platforms(problem, nodes.iter().copied()).avoided_by(setting)
}

/// Lists `names`.
pub(super) fn names(problem: String, names: impl IntoIterator<Item = impl Display>) -> Error {
    Error::choice(problem, names.into_iter().map(|name| name.to_string()))
}

/// Lists all there is, and names what may have been meant by `text`.
pub(super) fn unknown(set: &ImageSet, text: &str) -> Error {
    let known = set.entries.iter().flat_map(|entry| &entry.names);
    let hint = nearest_name(text, known).map_or_else(String::new, |name: &Name| format!("; did you mean `{name}`?"));
    let problem = format!("{}: there is no image `{}`{hint}", set.archive, escape_for_terminal(text.as_bytes()));
    Error::choice(problem, set.entries.iter().map(ImageEntry::title))
}

/// The missing member for which no image is left, or that there never was one.
pub(crate) fn no_image(set: &ImageSet) -> Error {
    let missing = |entry: &ImageEntry| entry.node.first_missing().map(|missing| missing.missing(&entry.archive));
    match set.entries.iter().find_map(missing) {
        Some(error) => error,
        None => {
            let beside: Vec<String> = set.entries.iter().filter_map(beside_images).collect();
            let only = if beside.is_empty() { "" } else { ", only" };
            Error::choice(format!("{}: there is no image in it{only}", set.archive), beside)
        }
    }
}

/// Returns the names and the kind of an entry that is not an image.
fn beside_images(entry: &ImageEntry) -> Option<String> {
    let what = &entry.node.artifacts().first()?.what;
    Some(Name::list(&entry.names).map_or_else(|| what.clone(), |names| format!("{names}: {what}")))
}
