//! Increments: images without the layers that the other side has.
//!
//! A layer that is left out stays listed, as the base stores it; its bytes are not written, and those of the input are not
//! looked at.
//!
//! Sources: docs/bundles.md B-2, B-4, B-9, B-43.

mod bases;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

pub(crate) use bases::{BaseImages, SharedLayers};

use crate::digest::DiffId;
use crate::error::Result;
use crate::image::{
    Child, ExpectedDigest, Image, ImageEntry, ImageIndex, Layer, NeededBase, Node, PartsAddress, distinct_images,
};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::spec::media_type::Family;
use crate::words;

/// Archives that a note lists; the rest is counted.
const MAX_LISTED: usize = 16;

/// Leaves the layers out of `entries`, all of one archive, that the bases have.
///
/// # Errors
/// For an image that lacks layers which no base has.
pub(crate) fn leave_out(entries: &mut [ImageEntry], bases: &BaseImages) -> Result<()> {
    let images = distinct_images(&*entries);
    let shared: HashMap<PartsAddress, SharedLayers<'_>> =
        images.iter().filter_map(|image| Some((image.parts_address(), bases.shared_with(image)?))).collect();
    let written = images.iter().flat_map(|image| written_diff_ids(image, shared.get(&image.parts_address()))).cloned();
    let written = written.collect();
    let mut builder = IncrementBuilder { shared, written, nodes: HashMap::new(), made: HashMap::new() };
    let nodes: Vec<Node> = entries.iter().map(|entry| builder.node(&entry.node, entry)).collect::<Result<_>>()?;
    entries.iter_mut().zip(nodes).for_each(|(entry, node)| entry.node = node);
    Ok(())
}

/// Refuses entries of which an image lacks layers that a base has.
///
/// # Errors
/// That of the first.
pub(crate) fn refuse_incomplete(entries: &[ImageEntry]) -> Result<()> {
    entries.iter().try_for_each(|entry| match entry.node.images().into_iter().find(|image| image.needs.is_some()) {
        Some(image) => image.refuse_left_out(&entry.at()),
        None => Ok(()),
    })
}

/// Notes once which bases of the images of `entries` do not tell how a registry has their layers.
pub(crate) fn note_docker_archives(entries: &[ImageEntry], bases: &BaseImages, run: &Run) {
    let used = distinct_images(entries).into_iter().filter_map(|image| Some(bases.shared_with(image)?.base));
    let without_manifest = used.filter(|base| base.image.manifest.is_none());
    let archives: BTreeSet<&str> = without_manifest.map(|base| &*base.archive).collect();
    let (these, their) = match archives.len() {
        0 => return,
        1 => ("this archive", "its"),
        _ => ("these archives", "their"),
    };
    let problem = format!(
        "load exactly {these} first: if containerd has pulled {their} images from a registry instead, the new images run there, \
         but cannot be saved or pushed"
    );
    run.diagnostics.note(Rule::B4, words::list(archives, MAX_LISTED), problem);
}

/// Returns the diff_ids of the layers of an image that are written: those above the ones of its base, and encrypted ones,
/// which have to be there.
fn written_diff_ids<'i>(image: &'i Image, shared: Option<&SharedLayers<'_>>) -> impl Iterator<Item = &'i DiffId> {
    let count = shared.map_or(0, |shared| shared.layers.len());
    let is_written = move |(number, layer): &(usize, &Layer)| *number >= count || layer.is_encrypted();
    image.layers.iter().enumerate().filter(is_written).map(|(_, layer)| &layer.diff_id)
}

/// Makes increments of the images of an archive.
struct IncrementBuilder<'b> {
    /// The layers that each image shares with its base.
    shared: HashMap<PartsAddress, SharedLayers<'b>>,
    /// The layers that have to be written for some image: they are there for all (B-2).
    written: HashSet<DiffId>,
    /// The new nodes by the addresses of the old ones.
    nodes: HashMap<*const (), Node>,
    /// The increments made of images; `None` for images that stay as they are.
    made: HashMap<PartsAddress, Option<IncrementParts>>,
}

/// The layers of an increment, and what it needs.
type IncrementParts = (Arc<[Layer]>, Arc<NeededBase>);

impl IncrementBuilder<'_> {
    fn node(&mut self, node: &Node, entry: &ImageEntry) -> Result<Node> {
        if let Some(known) = self.nodes.get(&node.address()) {
            return Ok(known.clone());
        }
        let increment = match node {
            Node::Image(image) => Node::Image(self.image(image, entry)?),
            Node::Index(index) => {
                let child = |child: &Child| {
                    Ok(Child { descriptor: child.descriptor.clone(), node: self.node(&child.node, entry)? })
                };
                let children = index.children.iter().map(child).collect::<Result<_>>()?;
                Node::Index(Arc::new(ImageIndex { document: index.document.clone(), children }))
            }
            Node::Artifact(_) | Node::Missing(_) | Node::Broken(_) => node.clone(),
        };
        self.nodes.insert(node.address(), increment.clone());
        Ok(increment)
    }

    fn image(&mut self, image: &Arc<Image>, entry: &ImageEntry) -> Result<Arc<Image>> {
        let increment = |(layers, needs)| Arc::new(Image { layers, needs: Some(needs), ..Image::clone(image) });
        if let Some(known) = self.made.get(&image.parts_address()) {
            return Ok(known.clone().map_or_else(|| Arc::clone(image), increment));
        }
        let shared = self.shared.get(&image.parts_address());
        let of_base = shared.map_or(&[][..], |shared| shared.layers);
        let family = image.family();
        let mut layers = image.layers.to_vec();
        let mut needs_input = false;
        for (number, layer) in layers.iter_mut().enumerate() {
            match of_base.get(number).and_then(|of_base| listing(layer, of_base, family)) {
                Some(listed) if layer.blob.is_none() || !self.written.contains(&layer.diff_id) => {
                    (layer.blob, layer.expected_digest) = (None, ExpectedDigest::Descriptor(Box::new(listed)));
                }
                _ => needs_input |= layer.is_left_out(),
            }
        }
        if needs_input {
            image.refuse_left_out(&entry.at())?;
        }
        let Some(shared) = shared.filter(|_| layers.iter().any(Layer::is_left_out)) else {
            self.made.insert(image.parts_address(), None);
            return Ok(Arc::clone(image));
        };
        let needs = NeededBase::of(&layers, Some(shared.base.title.clone()));
        let made = (layers.into(), Arc::new(needs));
        self.made.insert(image.parts_address(), Some(made.clone()));
        Ok(increment(made))
    }
}

/// Returns how a manifest of `family` lists `layer` as the base stores it; `None` if it has to be there.
fn listing(layer: &Layer, of_base: &Layer, family: Family) -> Option<Descriptor> {
    let blob = of_base.blob.as_ref().filter(|_| layer.foreign.is_none() && !layer.is_encrypted())?;
    let (digest, size) = (of_base.stored_digest()?, blob.extent.size());
    match layer.descriptor().filter(|own| (own.digest(), own.size()) == (&digest, size)) {
        Some(own) => Some(own.clone()),
        None => Some(layer.described_as(family, blob.codec, &digest, size)),
    }
}
