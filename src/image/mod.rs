//! The one in-memory model that readers fill and writers read: the specifications' words bound to extents of the source.
//!
//! Metadata only: documents (configs, manifests, indexes) are held as the exact bytes that were read with a parsed view
//! beside them; layer bodies stay where they are, behind an [`Extent`].
//!
//! ```text
//! ImageSet ─ ImageEntry (names) ─ Node ┬ Image ─ Layer ─ Blob ─ Extent
//!                                 ├ ImageIndex ─ Child ─ Node …
//!                                 ├ Artifact: artifacts, attestations, anything without a filesystem
//!                                 ├ Missing: listed, but not in the archive
//!                                 └ Broken: listed, but refused
//! ```

mod layer;
mod merge;
mod name;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

pub use layer::{Blob, Layer, layer_title};
pub(crate) use layer::{ContentKey, distinct};
pub(crate) use layer::{ExpectedDigest, PartialLayer};
pub use name::Name;
pub(crate) use name::{IMAGE_NAME, REF_NAME};

use crate::digest::Digest;
use crate::error::Error;
use crate::rule::Rule;
use crate::spec::config::ImageConfig;
use crate::spec::descriptor::Descriptor;
use crate::spec::docker::ManifestItem;
use crate::spec::media_type::MediaType;
use crate::spec::oci;
use crate::spec::platform::Platform;
use crate::stream::source::Extent;

/// Everything an archive holds, in its order.
#[derive(Default)]
pub struct ImageSet {
    /// How messages call the archive.
    pub archive: String,
    /// What one or more names point at.
    pub entries: Vec<ImageEntry>,
    /// Blobs of a layout that nothing refers to (docs/formats.md O-3).
    pub unreferenced: Vec<RawBlob>,
    /// The annotations of `index.json` itself; of several archives none.
    pub(crate) annotations: BTreeMap<String, String>,
    /// The items of `manifest.json`, where it was read.
    pub(crate) manifest_json: Option<Listing<ManifestItem>>,
    /// The entries of `index.json`, where it was read.
    pub(crate) index_json: Option<Listing<Descriptor>>,
}

/// What a document lists, as it is written: an image under several names once for each.
pub(crate) struct Listing<T> {
    /// Bytes of the document.
    pub size: u64,
    /// In the document's order.
    pub listed: Vec<ListedNode<T>>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { size: 0, listed: Vec::new() }
    }
}

/// One item or entry of a [`Listing`].
pub(crate) struct ListedNode<T> {
    /// How messages call it.
    pub at: String,
    /// What is written.
    pub written: T,
    /// What it leads to.
    pub node: Node,
}

/// One thing that names point at: the entries of an `index.json` that share a digest, or an item of a `manifest.json`.
#[derive(Clone)]
pub struct ImageEntry {
    /// How messages call the archive that it is in.
    pub archive: Arc<str>,
    /// All its names; none when it is untagged.
    pub names: Vec<Name>,
    /// Its descriptor in `index.json`, without the annotations that are names.
    pub descriptor: Option<Descriptor>,
    /// What it is.
    pub node: Node,
}

/// What a descriptor can lead to.
#[derive(Clone)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum Node {
    /// A filesystem for one platform.
    Image(Arc<Image>),
    /// A list of more nodes.
    Index(Arc<ImageIndex>),
    /// Something to be carried from layout to layout, byte for byte, and dropped elsewhere.
    Artifact(Arc<Artifact>),
    /// ListedNode, but some of it is not in the archive (O-15).
    Missing(Arc<Missing>),
    /// ListedNode, but it breaks a rule: whatever needs it fails.
    Broken(Arc<Broken>),
}

/// A document kept as the exact bytes that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<View> {
    /// The bytes.
    pub raw: Vec<u8>,
    /// What they hash to, by the algorithm under which they were stored.
    pub digest: Digest,
    /// The type its descriptor or itself states.
    pub media_type: MediaType,
    /// What they say.
    pub view: View,
}

/// Tells whether two listings are one thing, whatever their descriptors say of it besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum NodeIdentity<'n> {
    /// Images of one manifest are one image.
    Manifest(&'n Digest),
    /// Of what has none, only the very same is the same.
    Address(*const ()),
}

/// An image: one config, its layers, one platform. Cheap to clone.
#[derive(Clone)]
pub struct Image {
    /// How messages call it.
    pub at: String,
    /// The config, whose bytes no conversion touches (M-2).
    pub config: Arc<ImageConfig>,
    /// Digest of the config's bytes: SHA-256, the image's identity in docker's world.
    pub image_id: Digest,
    /// Base first.
    pub layers: Arc<[Layer]>,
    /// The manifest that ties config and layers together; `None` where the format has none.
    pub manifest: Option<Arc<Document<oci::Manifest>>>,
    /// What it runs on: the descriptor's word, else the config's.
    pub platform: Platform,
    /// The image ID of the parent, which only docker's own archives tell (L-4).
    pub parent: Option<Digest>,
}

/// An image index or manifest list.
pub struct ImageIndex {
    /// Its exact bytes.
    pub document: Document<oci::Index>,
    /// In its order.
    pub children: Vec<Child>,
}

/// What one descriptor of an index leads to.
#[derive(Clone)]
pub struct Child {
    /// The descriptor as the index has it.
    pub descriptor: Descriptor,
    /// What it leads to.
    pub node: Node,
}

/// A manifest without a filesystem, or a blob of an unknown type.
pub struct Artifact {
    /// What it is, in a few words.
    pub what: String,
    /// Whether it attests to an image (O-13).
    pub attestation: bool,
    /// The manifest that it refers to, such as the one it signs (O-14).
    pub subject: Option<Digest>,
    /// Its blobs in the order in which they are written: layers, config, the document itself last.
    pub blobs: Vec<RawBlob>,
}

/// A blob that is copied without being understood.
#[derive(Clone)]
pub struct RawBlob {
    /// What it must hash to.
    pub digest: Digest,
    /// How long it must be, where a descriptor says so.
    pub size: Option<u64>,
    /// Its bytes.
    pub extent: Extent,
}

/// What a listed but missing node is known by.
#[derive(Clone)]
pub struct Missing {
    /// Its platform, if its descriptor tells.
    pub platform: Option<Platform>,
    /// The missing member.
    pub member: String,
    /// The document that names it.
    pub named_by: String,
    /// What else of it is missing.
    pub others: Vec<String>,
    /// The blobs of it that are there, if any; `--index keep` carries them.
    pub present: Arc<[RawBlob]>,
    /// What there is of the image that it would be.
    pub(crate) image: Option<Arc<PartialImage>>,
}

/// What is listed and breaks a rule.
#[derive(Clone)]
pub struct Broken {
    /// Its platform, if its descriptor tells.
    pub platform: Option<Platform>,
    /// What is wrong with it; `None` where that has been reported, because all errors are collected.
    pub(crate) error: Option<Arc<Error>>,
    /// The document that is wrong, as messages call it.
    pub at: String,
    /// What can be read of the image that it would be.
    pub(crate) image: Option<Arc<PartialImage>>,
}

/// An image as far as it can be read.
pub(crate) struct PartialImage {
    /// The document that ties it together, as messages call it.
    pub at: String,
    /// Its config, as messages call it.
    pub config_at: String,
    /// The digest of its config, where that is there.
    pub image_id: Option<Digest>,
    /// Its config, where nothing is wrong with it.
    pub config: Option<Arc<ImageConfig>>,
    /// Base first.
    pub layers: Vec<PartialLayer>,
}

impl ImageEntry {
    /// An entry in a list of choices and in messages: its names, else its digest.
    pub fn title(&self) -> String {
        if let Some(names) = Name::list(&self.names) {
            return names;
        }
        match &self.node {
            Node::Image(image) => image.own_digest().to_string(),
            Node::Index(index) => index.document.digest.to_string(),
            Node::Artifact(_) | Node::Missing(_) | Node::Broken(_) => self
                .descriptor
                .as_ref()
                .map_or_else(|| "an entry".to_owned(), |descriptor| descriptor.digest().to_string()),
        }
    }
}

impl Node {
    /// All images below, in order, each as often as it is listed.
    pub fn images(&self) -> Vec<&Arc<Image>> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    /// All images below, in order, each once: an index may list one several times, by descriptors that differ.
    pub(crate) fn distinct_images(&self) -> Vec<&Arc<Image>> {
        let mut seen = HashSet::new();
        self.images().into_iter().filter(|image| seen.insert(image.identity())).collect()
    }

    /// All indexes, this one and those below.
    pub(crate) fn indexes(&self) -> Vec<&Arc<ImageIndex>> {
        let mut found = Vec::new();
        let mut waiting = vec![self];
        while let Some(node) = waiting.pop() {
            if let Self::Index(index) = node {
                found.push(index);
                waiting.extend(index.children.iter().map(|child| &child.node));
            }
        }
        found
    }

    /// All below that is carried, in order.
    pub(crate) fn carried(&self) -> Vec<&Arc<Artifact>> {
        match self {
            Self::Artifact(carried) => vec![carried],
            Self::Index(index) => index.children.iter().flat_map(|child| child.node.carried()).collect(),
            Self::Image(_) | Self::Missing(_) | Self::Broken(_) => Vec::new(),
        }
    }

    /// The image IDs of all images below, also of those that cannot be read as a whole.
    pub(crate) fn image_ids(&self) -> Vec<&Digest> {
        match self {
            Self::Image(image) => vec![&image.image_id],
            Self::Index(index) => index.children.iter().flat_map(|child| child.node.image_ids()).collect(),
            Self::Missing(missing) => missing.image.iter().filter_map(|image| image.image_id.as_ref()).collect(),
            Self::Broken(broken) => broken.image.iter().filter_map(|image| image.image_id.as_ref()).collect(),
            Self::Artifact(_) => Vec::new(),
        }
    }

    /// The first below that is broken.
    pub(crate) fn first_broken(&self) -> Option<&Arc<Broken>> {
        match self {
            Self::Broken(broken) => Some(broken),
            Self::Index(index) => index.children.iter().find_map(|child| child.node.first_broken()),
            Self::Image(_) | Self::Artifact(_) | Self::Missing(_) => None,
        }
    }

    /// Makes two listings one node.
    pub(crate) fn identity(&self) -> NodeIdentity<'_> {
        match self {
            Self::Image(image) => image.identity(),
            Self::Index(_) | Self::Artifact(_) | Self::Missing(_) | Self::Broken(_) => {
                NodeIdentity::Address(self.address())
            }
        }
    }

    /// Whether two nodes are the very same one, not merely equal.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.address() == other.address()
    }

    /// Where the node lies, whatever it is.
    pub(crate) fn address(&self) -> *const () {
        match self {
            Self::Image(image) => Arc::as_ptr(image).cast(),
            Self::Index(index) => Arc::as_ptr(index).cast(),
            Self::Artifact(artifact) => Arc::as_ptr(artifact).cast(),
            Self::Missing(missing) => Arc::as_ptr(missing).cast(),
            Self::Broken(broken) => Arc::as_ptr(broken).cast(),
        }
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a Arc<Image>>) {
        match self {
            Self::Image(image) => found.push(image),
            Self::Index(index) => index.children.iter().for_each(|child| child.node.collect(found)),
            Self::Artifact(_) | Self::Missing(_) | Self::Broken(_) => {}
        }
    }
}

impl Missing {
    /// The error for whoever needed it.
    pub(crate) fn missing(&self, archive: &str) -> Error {
        let archive = match &self.platform {
            Some(platform) => format!("{archive}: {platform}"),
            None => archive.to_owned(),
        };
        Error::MissingMember { rule: Rule::O15, archive, member: self.member.clone(), named_by: self.named_by.clone() }
    }
}

impl Broken {
    /// The error of a conversion that needs it, as part of what `title` names.
    pub(crate) fn error(&self, title: impl Into<String>) -> Error {
        match &self.error {
            Some(error) => Error::Within { at: title.into(), source: Arc::clone(error) },
            None => Error::invalid(Rule::X2, &self.at, "it cannot be read"),
        }
    }
}

impl Image {
    /// What tells it from others: the manifest's digest, else the image ID.
    pub fn own_digest(&self) -> &Digest {
        self.manifest.as_ref().map_or(&self.image_id, |manifest| &manifest.digest)
    }

    /// Makes two listings one image.
    pub(crate) fn identity(&self) -> NodeIdentity<'_> {
        match &self.manifest {
            Some(manifest) => NodeIdentity::Manifest(&manifest.digest),
            None => NodeIdentity::Address(std::ptr::from_ref(self).cast()),
        }
    }
}
