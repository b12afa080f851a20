//! The facts that decide which engines load an archive.
//!
//! Engines read one list of images and never look at the other (docs/formats.md O-26, G-18), so the facts of each list are
//! kept apart. Those of an image are few and small, however many layers it has: an index may list it ten thousand times.

use std::collections::HashMap;
use std::rc::Rc;

use crate::archive::LinkChain;
use crate::codec::Codec;
use crate::layer_index::UnpackFault;
use crate::spec::config_types::ConfigTypeFault;
use crate::spec::media_type::MediaType;
use crate::spec::platform::Platform;

/// All facts about an archive.
#[derive(Debug)]
pub(in crate::inspect) struct LoadFacts {
    /// True if the archive is a directory.
    pub(super) directory: bool,
    /// Its compression as a whole.
    pub(super) outer: Codec,
    /// The items of `manifest.json`.
    pub(super) manifest_json: Option<ImageList<ItemFacts>>,
    /// The entries of `index.json`.
    pub(super) index_json: Option<ImageList<EntryFacts>>,
    /// The image of a `dir:` as if a layout listed it, without a name.
    pub(super) dir_form: Option<ImageList<EntryFacts>>,
    /// True for an old `dir:`, whose blobs end in `.tar`, where engines do not look for them any more.
    pub(super) old_dir: bool,
    /// Images of Docker 1.9 and older, where there is nothing else.
    pub(super) v1: Option<V1Facts>,
    /// True if a symbolic link of the archive, named by a document or not, does not point directly to a file (G-7).
    pub(super) indirect_link: bool,
    /// True if a member's name begins with a slash (G-4).
    pub(super) rooted_name: bool,
    /// True for a layout without `oci-layout` (O-1).
    pub(super) unmarked: bool,
    /// The problem for which Go's tar reader rejects a header or the end of the archive (H-11, G-13).
    pub(super) unread: Option<String>,
}

/// A document that lists images.
#[derive(Debug)]
pub(super) struct ImageList<T> {
    /// Bytes of the document.
    pub(super) size: u64,
    /// Its images, or the reason why they cannot be read.
    pub(super) listed: Result<Vec<T>, String>,
}

/// An image of `manifest.json`.
#[derive(Debug, Default, Clone)]
pub(super) struct ItemFacts {
    /// Its names as they are written.
    pub(super) names: Vec<String>,
    /// A number that is equal for items with the same config and layers.
    pub(super) identity: u64,
    /// True if a member's name must be cleaned before it is found (G-4).
    pub(super) unclean: bool,
    /// True if a member's name begins with a slash (G-4).
    pub(super) rooted: bool,
    /// True if a layer can only be reached through a link (G-7).
    pub(super) linked: bool,
    /// The symbolic links that lead to its members (G-7).
    pub(super) links: Vec<LinkChain>,
    /// The members that are hard links (G-8).
    pub(super) hard_links: Vec<String>,
    /// True if the parent that it names cannot be its parent (L-4).
    pub(super) wrong_parent: bool,
    /// The image.
    pub(super) image: Rc<LoadedImage>,
}

/// An entry of `index.json`.
#[derive(Debug, Default, Clone)]
pub(super) struct EntryFacts {
    /// `io.containerd.image.name`.
    pub(super) image_name: Option<String>,
    /// `org.opencontainers.image.ref.name`.
    pub(super) ref_name: Option<String>,
    /// True if its descriptor has Docker's media type of a manifest or index (O-10).
    pub(super) docker_type: bool,
    /// True if the media type of its descriptor is missing or empty.
    pub(super) untyped: bool,
    /// The images below it that are there.
    pub(super) images: Vec<Rc<LoadedImage>>,
    /// True if it is an index without an image for the usual machine, but with an index that may have one (O-11).
    pub(super) nested: bool,
    /// The number of manifests below it, attestations included.
    pub(super) manifests: usize,
    /// True if its own document is missing.
    pub(super) missing: bool,
    /// True if its own document, or that of its config, cannot be read.
    pub(super) broken: bool,
    /// True if its own document, or one that it lists, is missing or cannot be read.
    pub(super) absent: bool,
    /// True if a document or blob is named by a digest of another algorithm than SHA-256.
    pub(super) other_digest: bool,
}

/// The facts of an image that decide whether engines load it. An index may list it for thousands of platforms:
/// what may be long is shared.
#[derive(Debug, Default, Clone)]
pub(super) struct LoadedImage {
    pub(super) platform: Platform,
    /// The digest of its manifest, if it has one.
    pub(super) manifest: Option<Rc<str>>,
    /// The number of its layers.
    pub(super) layers: usize,
    /// The compressions of its layers, in the order in which they first occur.
    pub(super) codecs: Vec<Codec>,
    /// The number of a layer whose bytes are not there.
    pub(super) absent_layer: Option<usize>,
    /// The image that has the layers which are left to a base, if some are.
    pub(super) base: Option<Rc<str>>,
    pub(super) encrypted: bool,
    /// The first media type of a layer that is neither Docker's nor OCI's.
    pub(super) unknown_type: Option<Rc<str>>,
    /// True if its manifest or a layer has a media type of Docker's.
    pub(super) docker_type: bool,
    /// True if its manifest has Docker's media type.
    pub(super) docker_manifest: bool,
    /// The first media type of a layer that is not Docker's in a manifest of Docker's type.
    pub(super) other_type: Option<Rc<str>>,
    /// The media type of its config, if that is not OCI's in a manifest of OCI's type, or no config's in one of Docker's.
    pub(super) config_type: Option<Rc<MediaType>>,
    /// True if a layer has the media type of Docker's for zstd, which Docker itself never writes.
    pub(super) docker_zstd: bool,
    /// True if a compressed layer has the media type of an uncompressed one.
    pub(super) called_plain: bool,
    /// True if the media type of a layer does not match the compression of its bytes.
    pub(super) mislabelled: bool,
    /// The compressions of the layers whose media type does not name them.
    pub(super) untold: Vec<Codec>,
    /// The number of a layer whose stored bytes cannot be those that the config names.
    pub(super) wrong_layer: Option<usize>,
    /// The number of a layer whose gzip stream is followed by zero bytes (O-17).
    pub(super) padded_layer: Option<usize>,
    /// True if its manifest lists the layers in another order than its config (O-25).
    pub(super) disordered: bool,
    /// The number of entries of its history that make a layer.
    pub(super) layer_steps: usize,
    /// Size of its largest document, in bytes.
    pub(super) largest_document: u64,
    /// Fields of its config that some engine cannot read.
    pub(super) config_faults: Rc<[ConfigTypeFault]>,
    /// The known faults that stop engines from unpacking its layers.
    pub(super) unpack_faults: Rc<[LayerFault]>,
}

/// A fault that stops engines from unpacking a layer.
#[derive(Debug, Clone)]
pub(super) struct LayerFault {
    pub(super) layer: usize,
    pub(super) fault: UnpackFault,
    /// The first path that has it; empty if the fault is of the layer as a whole.
    pub(super) path: String,
}

/// Images of Docker 1.9 and older.
#[derive(Debug)]
pub(super) struct V1Facts {
    /// True if the archive has a `repositories` member.
    pub(super) repositories: bool,
    /// Its images as if `manifest.json` listed them.
    pub(super) items: ImageList<ItemFacts>,
}

impl LoadFacts {
    /// No list of images yet.
    pub(super) fn new(directory: bool, outer: Codec) -> Self {
        Self {
            directory,
            outer,
            manifest_json: None,
            index_json: None,
            dir_form: None,
            old_dir: false,
            v1: None,
            indirect_link: false,
            rooted_name: false,
            unmarked: false,
            unread: None,
        }
    }

    /// Returns the reason why one of the lists of images cannot be read; `None` if none fails.
    pub(in crate::inspect) fn unreadable(&self) -> Option<&str> {
        let index_json = self.index_json.as_ref().and_then(|list| list.listed.as_ref().err());
        index_json.or_else(|| self.manifest_json.as_ref()?.listed.as_ref().err()).map(String::as_str)
    }

    /// The items of `manifest.json`, if it is there and can be read.
    pub(super) fn items(&self) -> &[ItemFacts] {
        self.manifest_json.as_ref().and_then(|list| list.listed.as_deref().ok()).unwrap_or_default()
    }

    /// The entries of `index.json`, if it is there and can be read, or that of a `dir:`.
    pub(super) fn entries(&self) -> &[EntryFacts] {
        self.index_json
            .as_ref()
            .or(self.dir_form.as_ref())
            .and_then(|list| list.listed.as_deref().ok())
            .unwrap_or_default()
    }

    /// All images, those that both documents list twice.
    pub(super) fn images(&self) -> impl Iterator<Item = &LoadedImage> {
        let of_items = self.items().iter().map(|item| &*item.image);
        of_items.chain(self.entries().iter().flat_map(|entry| &entry.images).map(|image| &**image))
    }

    /// Returns whether it has an image in any form.
    pub(super) fn has_images(&self) -> bool {
        self.dir_form.is_some() || self.v1.as_ref().is_some_and(V1Facts::has_images) || self.images().next().is_some()
    }

    /// Returns the first platform for which each name has one image, so that it chooses among them.
    pub(super) fn common_platform(&self) -> Option<&Platform> {
        let mut names: HashMap<_, HashMap<&Platform, usize>> = HashMap::new();
        for (number, entry) in self.entries().iter().enumerate().filter(|(_, entry)| !entry.images.is_empty()) {
            // Entries of one name are read as one index.
            let name = (entry.image_name.as_deref(), entry.ref_name.as_deref(), (!entry.is_named()).then_some(number));
            let images = names.entry(name).or_default();
            entry.images.iter().for_each(|image| *images.entry(&image.platform).or_default() += 1);
        }
        if names.is_empty() {
            let mut items = self.items().iter().map(|item| &item.image.platform);
            let first = items.next()?;
            return items.all(|platform| platform == first).then_some(first);
        }
        let mut chosen: HashMap<&Platform, usize> = HashMap::new();
        for (platform, _) in names.values().flatten().filter(|(_, images)| **images == 1) {
            *chosen.entry(platform).or_default() += 1;
        }
        let mut platforms = self.entries().iter().flat_map(|entry| &entry.images).map(|image| &image.platform);
        platforms.find(|platform| chosen.get(platform) == Some(&names.len()))
    }

    /// Returns the position of the first image, as `--image @N` counts them: with those that cannot be read.
    pub(super) fn first_image(&self) -> usize {
        let mut counted = self.entries().iter().filter(|entry| entry.broken || !entry.images.is_empty());
        counted.position(|entry| !entry.images.is_empty()).unwrap_or(0)
    }
}

impl LoadedImage {
    /// Returns whether a layer is known to be no tar (H-18).
    pub(super) fn is_unreadable(&self) -> bool {
        self.unpack_faults.iter().any(|found| found.fault == UnpackFault::Unreadable)
    }

    /// Returns whether its layers are known not to become one.
    pub(super) fn is_unsquashable(&self) -> bool {
        self.unpack_faults.iter().any(|found| !found.fault.is_squashable())
    }

    /// Returns whether a layer is known to have bytes that are not those of the image (M-11); they may be those of another of
    /// its layers (O-25).
    pub(super) fn is_damaged(&self) -> bool {
        self.wrong_layer.is_some() && !self.disordered
    }
}

impl V1Facts {
    pub(super) fn has_images(&self) -> bool {
        self.items.listed.as_ref().is_ok_and(|items| !items.is_empty())
    }
}

impl EntryFacts {
    /// Returns whether it has a name of either kind.
    pub(super) fn is_named(&self) -> bool {
        self.image_name.is_some() || self.ref_name.is_some()
    }
}
