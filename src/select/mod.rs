//! Selection: the images, platforms and index entries of an archive that the options select, which are then written.
//!
//! Nothing here depends on the machine (docs/formats.md O-12): where a choice is needed and none was made, the error lists the
//! choices. An archive may list ten thousand images under one name, so every step takes linear time.

mod choices;
mod index;
pub(crate) mod names;
mod pick;
mod platforms;
mod referrers;
mod selector;

pub(crate) use choices::no_image;
pub(crate) use platforms::{Naming, OneName};
pub use selector::{ImageSelector, SelectedImage};

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::image::{Image, ImageEntry, ImageSet, Name, Node};
use crate::options::{Attestations, ConvertOptions, IndexPolicy, Target};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use index::ShorterIndexes;
use platforms::Wanted;

/// The entries to write, in the archive's order.
///
/// # Errors
/// [`Error::Choice`] with the list of choices, when a selected image or platform is not there or a target that holds
/// one platform is given several; [`Error::MissingMember`] when no complete image is left.
pub(crate) fn select(set: &ImageSet, options: &ConvertOptions, run: &Run) -> Result<Vec<ImageEntry>> {
    let mut entries = pick::pick(set, &options.images)?;
    referrers::add(set, &mut entries);
    if options.each_platform {
        entries = entries.into_iter().flat_map(|entry| each_platform(entry, run)).collect();
    }
    let (mut selected, mut shorter) = (Vec::new(), ShorterIndexes::default());
    for wanted in Wanted::of_each(&entries, &options.platforms) {
        let entry = wanted.entry;
        if let (IndexPolicy::Strict, Some(missing)) = (options.index, entry.node.first_missing()) {
            return Err(missing.missing(&entry.archive));
        }
        let nodes = match &options.target {
            Target::Oci(_) => index::for_layout(&wanted, options, &mut shorter, run)?.into_iter().collect(),
            Target::Delta(_) => each_image(&wanted, options, run)?,
            Target::Legacy(_) | Target::Docker(_) | Target::Rootfs(_) => {
                one_image(&wanted, options, run)?.map(Node::Image).into_iter().collect()
            }
        };
        selected.extend(nodes.into_iter().map(|node| ImageEntry {
            archive: Arc::clone(&entry.archive),
            names: entry.names.clone(),
            descriptor: descriptor_of(&node, entry),
            node,
        }));
    }
    if selected.is_empty() {
        return Err(choices::no_image(set));
    }
    Ok(match options.target {
        // Each descriptor is written as it was.
        Target::Oci(_) => selected,
        Target::Legacy(_) | Target::Docker(_) | Target::Rootfs(_) | Target::Delta(_) => each_image_once(&selected),
    })
}

/// The images of an entry, each for a platform of its own, for a target that lists every image by itself.
fn each_image(wanted: &Wanted<'_>, options: &ConvertOptions, run: &Run) -> Result<Vec<Node>> {
    let images = wanted.images()?;
    match (&images[..], &wanted.entry.node) {
        ([_, _, ..], Node::Index(index)) if options.attestations != Some(Attestations::Keep) => {
            index::note_taken_apart(wanted.entry, index, &images, run);
            Ok(images.into_iter().cloned().map(Node::Image).collect())
        }
        _ => Ok(one_image(wanted, options, run)?.map(Node::Image).into_iter().collect()),
    }
}

/// The one image that a target for one platform gets; `None`, with a notice, for what is not an image.
fn one_image(wanted: &Wanted<'_>, options: &ConvertOptions, run: &Run) -> Result<Option<Arc<Image>>> {
    let node = &wanted.entry.node;
    if options.attestations == Some(Attestations::Keep) && node.leaves().any(index::is_attestation) {
        return Err(Error::inexpressible(wanted.at(), "attestations can be kept in an OCI layout only"));
    }
    let images = wanted.images()?;
    match (&images[..], node) {
        ([image], Node::Index(index)) => {
            index::note_left_out(index, image, &wanted.at(), run);
            Ok(Some(Arc::clone(image)))
        }
        ([image], _) => Ok(Some(Arc::clone(image))),
        ([], Node::Missing(missing)) => Err(missing.missing(&wanted.at())),
        ([], Node::Broken(broken)) => Err(broken.error(wanted.at())),
        ([], _) => {
            let (rule, what) = match node {
                Node::Artifact(artifact) => (Rule::O14, artifact.what.as_str()),
                Node::Index(_) | Node::Image(_) | Node::Missing(_) | Node::Broken(_) => {
                    (Rule::O12, "an index without images")
                }
            };
            run.diagnostics.note(rule, wanted.at(), format!("{what} is left out"));
            Ok(None)
        }
        _ => {
            let problem = format!("{}: the target format holds one platform only", wanted.at());
            Err(choices::one_platform(problem, &[node]))
        }
    }
}

/// Makes each image of an index an entry of its own under the index's names. Other entries stay as they are.
fn each_platform(entry: ImageEntry, run: &Run) -> Vec<ImageEntry> {
    let images = entry.node.distinct_images();
    let (Node::Index(index), [_, ..]) = (&entry.node, &images[..]) else { return vec![entry] };
    index::note_taken_apart(&entry, index, &images, run);
    let of_image = |image: &Arc<Image>| {
        let node = Node::Image(Arc::clone(image));
        ImageEntry { descriptor: descriptor_of(&node, &entry), node, ..entry.clone() }
    };
    images.into_iter().map(of_image).collect()
}

/// The descriptor of `node` in `index.json`. An image that is taken out of an index has the index's descriptor of it, platform
/// included.
fn descriptor_of(node: &Node, entry: &ImageEntry) -> Option<Descriptor> {
    let mut children = entry.node.indexes().into_iter().flat_map(|index| &index.children);
    match (node, children.find(|child| child.node.is_same(node))) {
        (Node::Image(image), Some(child)) => {
            let descriptor = Name::strip(child.descriptor.clone());
            let has_platform = descriptor.platform().is_some();
            Some(if has_platform { descriptor } else { descriptor.with_platform(&image.platform) })
        }
        _ => entry.descriptor.clone(),
    }
}

/// Merges the entries of one image into the first of them, which gets the names of all.
fn each_image_once(entries: &[ImageEntry]) -> Vec<ImageEntry> {
    let mut once: Vec<ImageEntry> = Vec::with_capacity(entries.len());
    let mut places = HashMap::new();
    for entry in entries {
        let place = *places.entry(entry.node.identity()).or_insert(once.len());
        match once.get_mut(place) {
            Some(known) => known.names.extend_from_slice(&entry.names),
            None => once.push(entry.clone()),
        }
    }
    once
}
