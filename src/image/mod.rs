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
mod needs;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

pub use layer::{Blob, Layer, layer_title};
pub(crate) use layer::{ContentKey, distinct};
pub(crate) use layer::{ExpectedDigest, PartialLayer};
pub(crate) use merge::UnreadLayers;
pub use name::Name;
pub(crate) use name::{IMAGE_NAME, REF_NAME};
pub use needs::NeededBase;

use crate::digest::Digest;
use crate::error::{Error, Setting};
use crate::rule::Rule;
use crate::spec::config::ImageConfig;
use crate::spec::descriptor::Descriptor;
use crate::spec::docker::ManifestItem;
use crate::spec::media_type::{Family, MediaType};
use crate::spec::oci;
use crate::spec::platform::Platform;
use crate::stream::source::Extent;

/// Everything an archive holds, in its order.
#[derive(Default)]
pub struct ImageSet {
    /// The archive's name in messages.
    pub archive: String,
    /// Images and other nodes, each with its names.
    pub entries: Vec<ImageEntry>,
    /// Blobs of a layout that nothing refers to (docs/formats.md O-3).
    pub unreferenced: Vec<RawBlob>,
    /// True if what the archive does not hold may have been taken from others.
    pub(crate) is_completed: bool,
    /// The annotations of `index.json` itself, of each archive that has one.
    pub(crate) annotations: Vec<BTreeMap<String, String>>,
    /// The layers of several archives that are not read.
    pub(crate) unread: UnreadLayers,
    /// The items of `manifest.json`, where it was read.
    pub(crate) manifest_json: Option<Listing<ManifestItem>>,
    /// The entries of `index.json`, where it was read.
    pub(crate) index_json: Option<Listing<Descriptor>>,
}

/// The items of a document as written: an image under several names is in it once for each.
pub(crate) struct Listing<T> {
    /// Bytes of the document.
    pub size: u64,
    /// In the document's order.
    pub listed: Vec<ListedNode<T>>,
    /// True if there are others, which cannot be read.
    pub is_partial: bool,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { size: 0, listed: Vec::new(), is_partial: false }
    }
}

/// One item or entry of a [`Listing`].
pub(crate) struct ListedNode<T> {
    /// The item's name in messages.
    pub at: String,
    /// The item or entry as written.
    pub written: T,
    /// The node to which it leads.
    pub node: Node,
}

/// One thing that names point at: the entries of an `index.json` that share a digest, or an item of a `manifest.json`.
#[derive(Clone)]
pub struct ImageEntry {
    /// The name in messages of the archive that holds it.
    pub archive: Arc<str>,
    /// All its names; none when it is untagged.
    pub names: Vec<Name>,
    /// Its descriptor in `index.json`, without the annotations that are names.
    pub descriptor: Option<Descriptor>,
    /// The node that the names point at.
    pub node: Node,
}

/// The target of a descriptor: an image, an index or something else.
#[derive(Clone)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum Node {
    /// A filesystem for one platform.
    Image(Arc<Image>),
    /// A list of more nodes.
    Index(Arc<ImageIndex>),
    /// Something to be carried from layout to layout, byte for byte, and dropped elsewhere.
    Artifact(Arc<Artifact>),
    /// Listed, but some of it is not in the archive (O-15).
    Missing(Arc<Missing>),
    /// Listed, but it breaks a rule: a conversion that needs it fails.
    Broken(Arc<Broken>),
}

/// A document kept as the exact bytes that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<View> {
    /// The bytes.
    pub raw: Vec<u8>,
    /// The digest of the bytes, by the algorithm under which they were stored.
    pub digest: Digest,
    /// The media type that the descriptor or the document itself states.
    pub media_type: MediaType,
    /// The parsed document.
    pub view: View,
}

/// The identity of a node: two listings of equal identity are one thing, whatever their descriptors add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum NodeIdentity<'n> {
    /// Images of one manifest are one image.
    Manifest(&'n Digest),
    /// Nodes without a manifest are one only if they are the very same.
    Address(*const ()),
}

/// The addresses in memory of an image's config, layers and manifest. An index may list one image for hundreds of platforms:
/// such images are equal but for the platform, and share these. A key only while the images live: freed memory becomes
/// another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PartsAddress([*const (); 3]);

/// An image: one config, its layers, one platform. Cheap to clone.
#[derive(Clone)]
pub struct Image {
    /// The image's name in messages.
    pub at: String,
    /// The config, whose bytes no conversion touches (M-2).
    pub config: Arc<ImageConfig>,
    /// Digest of the config's bytes: SHA-256, the image's identity in docker's world.
    pub image_id: Digest,
    /// Base first.
    pub layers: Arc<[Layer]>,
    /// The manifest that ties config and layers together; `None` where the format has none.
    pub manifest: Option<Arc<Document<oci::Manifest>>>,
    /// The platform by the descriptor, else by the config.
    pub platform: Platform,
    /// The image ID of the parent, which only docker archives state (L-4).
    pub parent: Option<Digest>,
    /// The layers that an increment leaves to its base.
    pub needs: Option<Arc<NeededBase>>,
}

/// An image index or manifest list.
pub struct ImageIndex {
    /// Its exact bytes.
    pub document: Document<oci::Index>,
    /// In its order.
    pub children: Vec<Child>,
}

/// An entry of an index: a descriptor and the node to which it leads.
#[derive(Clone)]
pub struct Child {
    /// The descriptor as the index has it.
    pub descriptor: Descriptor,
    /// The node to which the descriptor leads.
    pub node: Node,
}

/// A manifest without a filesystem, or a blob of an unknown type.
pub struct Artifact {
    /// A description in a few words.
    pub what: String,
    /// True if it attests to an image (O-13).
    pub attestation: bool,
    /// The manifest that it refers to, such as the one it signs (O-14).
    pub subject: Option<Digest>,
    /// Its blobs in the order in which they are written: layers, config, the document itself last.
    pub blobs: Vec<RawBlob>,
}

/// A blob that is copied without being understood.
#[derive(Clone)]
pub struct RawBlob {
    /// The digest that is expected of the bytes.
    pub digest: Digest,
    /// The size in bytes, if a descriptor states one.
    pub size: Option<u64>,
    /// Its bytes.
    pub extent: Extent,
}

/// A listed node of which the archive lacks some or all members.
#[derive(Clone)]
pub struct Missing {
    /// Its platform, if its descriptor names one.
    pub platform: Option<Platform>,
    /// The missing member.
    pub member: String,
    /// The document that names it.
    pub named_by: String,
    /// The other members of it that are missing.
    pub others: Vec<String>,
    /// The blobs of it that are there, if any; `--index keep` carries them.
    pub present: Arc<[RawBlob]>,
    /// The parts of the image that the archive holds.
    pub(crate) image: Option<Arc<PartialImage>>,
}

/// A listed node that breaks a rule.
#[derive(Clone)]
pub struct Broken {
    /// Its platform, if its descriptor names one.
    pub platform: Option<Platform>,
    /// The fault; `None` where it has been reported, because all errors are collected.
    pub(crate) error: Option<Arc<Error>>,
    /// The document that is wrong, as messages call it.
    pub at: String,
    /// The parts of the image that can be read.
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

/// The name in messages of what an index lists for `platform`.
pub(crate) fn platform_title(platform: Option<&Platform>) -> String {
    platform.map_or_else(|| "an entry".to_owned(), ToString::to_string)
}

impl ImageEntry {
    /// Returns its name in messages: the archive and its [`title`](Self::title).
    pub(crate) fn at(&self) -> String {
        format!("{}: {}", self.archive, self.title())
    }

    /// An entry in a list of choices and in messages: its names, else its digest.
    pub fn title(&self) -> String {
        if let Some(names) = Name::list(&self.names) {
            return names;
        }
        match &self.node {
            Node::Image(image) => image.own_digest().to_string(),
            Node::Index(index) => index.document.digest.to_string(),
            Node::Artifact(_) | Node::Missing(_) | Node::Broken(_) => self.descriptor.as_ref().map_or_else(
                || "an entry that cannot be read".to_owned(),
                |descriptor| descriptor.digest().to_string(),
            ),
        }
    }

    /// The name in messages of an image of this entry.
    pub(crate) fn image_at(&self, image: &Image) -> String {
        let platform = match &self.node {
            Node::Image(_) => String::new(),
            _ => format!(" ({})", image.platform),
        };
        self.at() + &platform
    }
}

/// Returns the images of `entries`; of those that only the platform tells apart the first, unlike [`Node::distinct_images`], which
/// goes by the manifest. Thousands of entries may list one image, and each may have thousands of layers.
pub(crate) fn distinct_images<'e>(entries: impl IntoIterator<Item = &'e ImageEntry>) -> Vec<&'e Arc<Image>> {
    let mut seen = HashSet::new();
    let images = entries.into_iter().flat_map(|entry| entry.node.images());
    images.filter(|image| seen.insert(image.parts_address())).collect()
}

impl Node {
    /// All images at and below the node, in order, each as often as it is listed.
    pub fn images(&self) -> Vec<&Arc<Image>> {
        self.leaves().filter_map(|leaf| if let Self::Image(image) = leaf { Some(image) } else { None }).collect()
    }

    /// The nodes at and below this one that are not indexes, in order, each as often as it is listed.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = &Self> {
        self.listed_leaves().map(|(leaf, _)| leaf)
    }

    /// The [leaves](Self::leaves), each with the index that lists it, if one does.
    pub(crate) fn listed_leaves(&self) -> impl Iterator<Item = (&Self, Option<&Arc<ImageIndex>>)> {
        let mut waiting = vec![(self, None)];
        std::iter::from_fn(move || {
            while let Some((node, listed_by)) = waiting.pop() {
                match node {
                    Self::Index(index) => {
                        waiting.extend(index.children.iter().rev().map(|child| (&child.node, Some(index))));
                    }
                    leaf => return Some((leaf, listed_by)),
                }
            }
            None
        })
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

    /// All artifacts at and below the node, in order.
    pub(crate) fn artifacts(&self) -> Vec<&Arc<Artifact>> {
        self.leaves()
            .filter_map(|leaf| if let Self::Artifact(artifact) = leaf { Some(artifact) } else { None })
            .collect()
    }

    /// The image IDs of all images at and below the node, also of those that cannot be read as a whole.
    pub(crate) fn image_ids(&self) -> Vec<&Digest> {
        let of_leaves = self.leaves().filter_map(|leaf| match leaf {
            Self::Image(image) => Some(&image.image_id),
            Self::Missing(missing) => missing.image.as_ref()?.image_id.as_ref(),
            Self::Broken(broken) => broken.image.as_ref()?.image_id.as_ref(),
            Self::Index(_) | Self::Artifact(_) => None,
        });
        of_leaves.collect()
    }

    /// The first broken node at or below this one.
    pub(crate) fn first_broken(&self) -> Option<&Arc<Broken>> {
        self.leaves().find_map(|leaf| if let Self::Broken(broken) = leaf { Some(broken) } else { None })
    }

    /// The first missing node at or below this one.
    pub(crate) fn first_missing(&self) -> Option<&Arc<Missing>> {
        self.leaves().find_map(|leaf| if let Self::Missing(missing) = leaf { Some(missing) } else { None })
    }

    /// Returns whether the node is an artifact.
    pub(crate) fn is_artifact(&self) -> bool {
        matches!(self, Self::Artifact(_))
    }

    /// Returns the node's identity, which is equal for two listings of one thing.
    pub(crate) fn identity(&self) -> NodeIdentity<'_> {
        match self {
            Self::Image(image) => image.identity(),
            Self::Index(_) | Self::Artifact(_) | Self::Missing(_) | Self::Broken(_) => {
                NodeIdentity::Address(self.address())
            }
        }
    }

    /// Returns whether two nodes are the very same one, not merely equal.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.address() == other.address()
    }

    /// Returns the address of the node in memory.
    pub(crate) fn address(&self) -> *const () {
        match self {
            Self::Image(image) => Arc::as_ptr(image).cast(),
            Self::Index(index) => Arc::as_ptr(index).cast(),
            Self::Artifact(artifact) => Arc::as_ptr(artifact).cast(),
            Self::Missing(missing) => Arc::as_ptr(missing).cast(),
            Self::Broken(broken) => Arc::as_ptr(broken).cast(),
        }
    }
}

impl Missing {
    /// The error of an operation that needs it.
    pub(crate) fn missing(&self, archive: &str) -> Error {
        let archive = match &self.platform {
            Some(platform) => format!("{archive}: {platform}"),
            None => archive.to_owned(),
        };
        let (member, named_by) = (self.member.clone(), self.named_by.clone());
        Error::MissingMember { rule: Rule::O15, archive, member, named_by }.avoided_by(Setting::With)
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
    /// The image of `config` and `layers`, which messages call `at`, for the platform in the config; it has no manifest, no
    /// parent and no base.
    pub(crate) fn new(at: String, config: Arc<ImageConfig>, layers: impl Into<Arc<[Layer]>>) -> Self {
        Self {
            at,
            image_id: config.image_id(),
            layers: layers.into(),
            manifest: None,
            platform: config.platform().clone(),
            config,
            parent: None,
            needs: None,
        }
    }

    /// The digest that identifies the image: the manifest's, else the image ID.
    pub fn own_digest(&self) -> &Digest {
        self.manifest.as_ref().map_or(&self.image_id, |manifest| &manifest.digest)
    }

    /// The words of the image's manifest: OCI's where it has none.
    pub(crate) fn family(&self) -> Family {
        match self.manifest.as_deref() {
            Some(Document { media_type: MediaType::Manifest(family), .. }) => *family,
            _ => Family::Oci,
        }
    }

    /// Returns the addresses of its parts. They are equal only for images that only the platform tells apart: an image that is
    /// made of another, with more changed than that, has layers or a manifest of its own.
    pub(crate) fn parts_address(&self) -> PartsAddress {
        let manifest = self.manifest.as_ref().map_or(std::ptr::null(), |manifest| Arc::as_ptr(manifest).cast());
        PartsAddress([Arc::as_ptr(&self.config).cast(), self.layers.as_ptr().cast(), manifest])
    }

    /// Returns the image's identity, which is equal for two listings of one image.
    pub(crate) fn identity(&self) -> NodeIdentity<'_> {
        match &self.manifest {
            Some(manifest) => NodeIdentity::Manifest(&manifest.digest),
            None => NodeIdentity::Address(std::ptr::from_ref(self).cast()),
        }
    }
}
