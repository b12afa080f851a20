//! Several archives as one: what they share is one thing, so that it is verified, decoded and written once.
//!
//! ```text
//! a.tar ── app:1 ── image ─┬─ layer 0 ── blob of a.tar
//!                          └─ layer 1 ── blob of a.tar
//! b.tar ── web:1 ── image ─┬─ layer 0 ── blob of a.tar    equal digest and diff_id
//!                          └─ layer 1 ── blob of b.tar
//! ```
//!
//! Nothing is read here. Two layers are merged if they have the same expected digest of the stored bytes and the same
//! diff_id, so verifying the one verifies the other. Two images are merged if their manifests are the same, or, if
//! there are none, their configs.
//!
//! Sources: docs/bundles.md B-33, B-34, B-39, B-40.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::{
    Artifact, Blob, Child, Image, ImageEntry, ImageIndex, ImageSet, Layer, Node, PartsAddress, distinct_images,
};
use crate::codec::Codec;
use crate::digest::{DiffId, Digest};
use crate::spec::platform::Platform;
use crate::stream::source::Location;
use crate::words;

/// Archives that a message lists; the rest is counted.
const MAX_LISTED: usize = 3;

impl ImageSet {
    /// Returns the images of all `sets` in their order; of one set the set itself.
    ///
    /// The lists of their documents are left out if there are several sets, because a list belongs to one archive.
    pub(crate) fn merged(mut sets: Vec<Self>) -> Self {
        if sets.len() == 1 {
            return sets.remove(0);
        }
        let mut merge = Merge::default();
        // Addresses in memory are keys of nodes and layers, so all sets are kept until the end.
        for entry in sets.iter().flat_map(|set| &set.entries) {
            merge.add(entry);
        }
        let annotations = sets.iter_mut().flat_map(|set| std::mem::take(&mut set.annotations)).collect();
        Self {
            archive: words::list(sets.iter().map(|set| &set.archive), MAX_LISTED),
            entries: merge.entries,
            is_completed: true,
            unreferenced: sets.iter().flat_map(|set| &set.unreferenced).cloned().collect(),
            annotations,
            unread: merge.unread,
            manifest_json: None,
            index_json: None,
        }
    }
}

/// The layers that are not read because an archive before has the same, by the place of those that are read
/// (docs/bundles.md B-40).
#[derive(Default)]
pub(crate) struct UnreadLayers(HashMap<Location, Vec<(Arc<str>, Location)>>);

impl UnreadLayers {
    /// Adds the blob `unread` of `archive`, in place of which `read` is read.
    fn add(&mut self, read: &Blob, unread: &Blob, archive: &Arc<str>) {
        let (read, unread) = (read.extent.location(), unread.extent.location());
        if read != unread {
            self.0.entry(read).or_default().push((Arc::clone(archive), unread));
        }
    }

    /// Returns for each archive how many of its layers are not read where the images of `entries` are.
    pub(crate) fn counts(&self, entries: &[ImageEntry]) -> BTreeMap<Arc<str>, usize> {
        let layers = distinct_images(entries).into_iter().flat_map(|image| image.layers.iter());
        let read: HashSet<Location> = layers.filter_map(|layer| Some(layer.blob.as_ref()?.extent.location())).collect();
        let unread: HashSet<_> = read.iter().filter_map(|read| self.0.get(read)).flatten().collect();
        let mut counts = BTreeMap::new();
        unread.into_iter().for_each(|(archive, _)| *counts.entry(Arc::clone(archive)).or_default() += 1);
        counts
    }
}

/// The key by which equal images are found.
#[derive(PartialEq, Eq, Hash)]
struct ImageIdentity {
    /// The manifest's digest, else the image ID.
    digest: Digest,
    platform: Platform,
    /// The layers whose bytes are there: all but foreign ones.
    present: Rc<[bool]>,
}

/// The key by which equal blobs of layers are found.
#[derive(PartialEq, Eq, Hash)]
struct BlobIdentity {
    /// The digest that is expected of them, else the one by which they are listed.
    digest: Digest,
    size: u64,
    codec: Codec,
    diff_id: DiffId,
}

/// The key by which equal indexes are found: the digest of the document, and the address of each child.
type IndexIdentity = (Digest, Vec<*const ()>);

#[derive(Default)]
struct Merge {
    entries: Vec<ImageEntry>,
    /// The position in `entries` of each pair of a node's address and an entry's descriptor.
    places: HashMap<(*const (), Option<String>), usize>,
    /// The merged nodes by the addresses of those in the sets.
    nodes: HashMap<*const (), Node>,
    images: HashMap<ImageIdentity, Arc<Image>>,
    /// Which layers of the images in the sets are there.
    present: HashMap<PartsAddress, Rc<[bool]>>,
    /// The merged layers of the images in the sets.
    layers: HashMap<PartsAddress, Arc<[Layer]>>,
    indexes: HashMap<IndexIdentity, Arc<ImageIndex>>,
    artifacts: HashMap<Digest, Arc<Artifact>>,
    /// The first layer with these bytes: its name in messages, and its blob.
    blobs: HashMap<BlobIdentity, (String, Blob)>,
    unread: UnreadLayers,
}

impl Merge {
    /// Adds an entry, or only its names if there is an entry of the same node and descriptor.
    fn add(&mut self, entry: &ImageEntry) {
        let node = self.node(&entry.node, &entry.archive);
        let key = (node.address(), entry.descriptor.as_ref().map(|descriptor| descriptor.to_value().to_string()));
        match self.places.entry(key) {
            Entry::Occupied(place) => self.entries[*place.get()].names.extend_from_slice(&entry.names),
            Entry::Vacant(place) => {
                place.insert(self.entries.len());
                self.entries.push(ImageEntry { node, ..entry.clone() });
            }
        }
    }

    /// Returns the merged node for this one of `archive`.
    fn node(&mut self, node: &Node, archive: &Arc<str>) -> Node {
        if let Some(known) = self.nodes.get(&node.address()) {
            return known.clone();
        }
        let merged = match node {
            Node::Image(image) => Node::Image(self.image(image, archive)),
            Node::Index(index) => Node::Index(self.index(index, archive)),
            Node::Artifact(artifact) => Node::Artifact(self.artifact(artifact)),
            Node::Missing(_) | Node::Broken(_) => node.clone(),
        };
        self.nodes.insert(node.address(), merged.clone());
        merged
    }

    fn image(&mut self, image: &Arc<Image>, archive: &Arc<str>) -> Arc<Image> {
        let key = ImageIdentity {
            digest: image.own_digest().clone(),
            platform: image.platform.clone(),
            present: self.present(image),
        };
        if let Some(known) = self.images.get(&key) {
            for (read, unread) in known.layers.iter().zip(image.layers.iter()) {
                if let (Some(read), Some(unread)) = (&read.blob, &unread.blob) {
                    self.unread.add(read, unread, archive);
                }
            }
            return Arc::clone(known);
        }
        let merged = Arc::new(Image { layers: self.layers(image, archive), ..Image::clone(image) });
        self.images.insert(key, Arc::clone(&merged));
        merged
    }

    fn present(&mut self, image: &Image) -> Rc<[bool]> {
        let found = || image.layers.iter().map(|layer| layer.blob.is_some()).collect();
        Rc::clone(self.present.entry(image.parts_address()).or_insert_with(found))
    }

    fn layers(&mut self, image: &Image, archive: &Arc<str>) -> Arc<[Layer]> {
        if let Some(known) = self.layers.get(&image.parts_address()) {
            return Arc::clone(known);
        }
        let layers: Arc<[Layer]> = image.layers.iter().map(|layer| self.layer(layer, archive)).collect();
        self.layers.insert(image.parts_address(), Arc::clone(&layers));
        layers
    }

    /// Returns the layer with the blob of the first that has the same key.
    fn layer(&mut self, layer: &Layer, archive: &Arc<str>) -> Layer {
        let digest = layer.stored_digest();
        let (Some(digest), Some(own), None) = (digest, &layer.blob, &layer.foreign) else { return layer.clone() };
        let key = BlobIdentity { digest, size: own.extent.size(), codec: own.codec, diff_id: layer.diff_id.clone() };
        let (at, blob) = self.blobs.entry(key).or_insert_with(|| (layer.at.clone(), own.clone())).clone();
        self.unread.add(&blob, own, archive);
        Layer { at, blob: Some(blob), ..layer.clone() }
    }

    fn index(&mut self, index: &Arc<ImageIndex>, archive: &Arc<str>) -> Arc<ImageIndex> {
        let child =
            |child: &Child| Child { descriptor: child.descriptor.clone(), node: self.node(&child.node, archive) };
        let children: Vec<Child> = index.children.iter().map(child).collect();
        let key = (index.document.digest.clone(), children.iter().map(|child| child.node.address()).collect());
        let merged = || Arc::new(ImageIndex { document: index.document.clone(), children });
        Arc::clone(self.indexes.entry(key).or_insert_with(merged))
    }

    /// The document of an artifact is the last of its blobs, and names the others.
    fn artifact(&mut self, artifact: &Arc<Artifact>) -> Arc<Artifact> {
        match artifact.blobs.last() {
            Some(blob) => Arc::clone(self.artifacts.entry(blob.digest.clone()).or_insert_with(|| Arc::clone(artifact))),
            None => Arc::clone(artifact),
        }
    }
}
