//! Gathers the facts that decide which engines load an archive.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;

use super::super::image::DecodedLayers;
use super::facts::{EntryFacts, ImageList, ItemFacts, LayerFault, LoadFacts, LoadedImage, V1Facts};
use crate::archive::MemberIndex;
use crate::codec::Codec;
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{IMAGE_NAME, Image, ImageSet, Layer, Listing, Node, PartsAddress, REF_NAME};
use crate::layer_index::UnpackFault;
use crate::options::Half;
use crate::path::{escape_for_terminal, quote};
use crate::reader::{Archive, Format};
use crate::run::Run;
use crate::spec::config_types::ConfigTypeFault;
use crate::spec::descriptor::Descriptor;
use crate::spec::docker::{MANIFEST_MEMBER, ManifestItem, REPOSITORIES_MEMBER};
use crate::spec::media_type::{Compression, Family, MediaType};
use crate::spec::oci::LAYOUT_MEMBER;
use crate::spec::platform::Platform;
use crate::stream::source::{Extent, Location};

/// The approximate memory that the facts of an item, entry or image take, in bytes.
const FACTS_SIZE: u64 = 768;

/// Gathers the facts about `archive`; `images` were read from it with `prefer`, and `decoded` are their layers that have been
/// decoded.
///
/// # Errors
/// Limits and failing reads.
pub(in crate::inspect) fn gather(
    archive: &Archive,
    images: &ImageSet,
    prefer: Option<Half>,
    decoded: &DecodedLayers,
    run: &Run,
) -> Result<LoadFacts> {
    // An engine gets this archive alone, not what was added to it here.
    let own = if images.is_completed { Some(archive.images(prefer, run)?) } else { None };
    let images = own.as_ref().unwrap_or(images);
    let mut facts = LoadFacts::new(archive.members.is_directory(), archive.outer);
    let unpack_faults =
        &decoded.iter().filter_map(|(key, decoded)| Some((key.location()?, &*decoded.faults))).collect();
    let gatherer = Gatherer { members: &archive.members, unpack_faults, run, hasher: RandomState::new() };
    facts.manifest_json = images.manifest_json.as_ref().map(|listing| gatherer.manifest_json(listing)).transpose()?;
    facts.index_json = images.index_json.as_ref().map(|listing| gatherer.index_json(listing)).transpose()?;
    match archive.format {
        // Where the other list was preferred, the layout has not been read yet.
        Format::Hybrid if prefer == Some(Half::Docker) => {
            let layout = archive.images(Some(Half::Oci), run);
            let layout = layout.and_then(|images| gatherer.index_json(&images.index_json.unwrap_or_default()));
            facts.index_json = Some(layout.or_else(unreadable)?);
        }
        Format::V1 => {
            let repositories = archive.members.has(REPOSITORIES_MEMBER)?;
            facts.v1 = Some(V1Facts { repositories, items: gatherer.v1_items(images)? });
        }
        Format::Dir => {
            let listed = Err("its manifest.json is a manifest itself, as skopeo's dir: has it".to_owned());
            facts.manifest_json = Some(ImageList { size: 0, listed });
            facts.old_dir = archive.members.names()?.iter().any(|name| name.as_bytes().ends_with(b".tar"));
            facts.dir_form = Some(gatherer.dir_form(images)?);
        }
        Format::Delta => {
            let problem = "a delta; first restore the image with --with";
            facts.manifest_json = Some(ImageList { size: 0, listed: Err(problem.to_owned()) });
            facts.index_json = Some(ImageList { size: 0, listed: Err(problem.to_owned()) });
        }
        Format::Oci => facts.unmarked = !archive.members.has(LAYOUT_MEMBER)?,
        Format::Hybrid | Format::Docker => {}
    }
    facts.indirect_link = archive.members.has_indirect_link();
    facts.rooted_name = archive.members.has_rooted_name();
    facts.unread = archive.members.unread_by_engines().map(|problem| escape_for_terminal(problem.as_bytes()));
    Ok(facts)
}

/// Returns the list of an archive whose own list cannot be read because of a fault of the input.
fn unreadable<T>(error: Error) -> Result<ImageList<T>> {
    match error.kind() {
        ErrorKind::Input => Ok(ImageList { size: 0, listed: Err(chain(&error)) }),
        _ => Err(error),
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let text = escape_for_terminal(error.to_string().as_bytes());
    error.source().map_or_else(|| text.clone(), |source| format!("{text}: {}", chain(source)))
}

struct Gatherer<'a> {
    members: &'a MemberIndex,
    unpack_faults: &'a UnpackFaults<'a>,
    run: &'a Run,
    hasher: RandomState,
}

impl Gatherer<'_> {
    /// Gathers the items of `manifest.json` as engines that read it see them.
    fn manifest_json(&self, listing: &Listing<ManifestItem>) -> Result<ImageList<ItemFacts>> {
        let image = |node: &'_ Node| if let Node::Image(image) = node { Some(Arc::clone(image)) } else { None };
        let images = listing.listed.iter().filter_map(|item| image(&item.node));
        let ids: HashMap<String, Arc<Image>> = images.map(|image| (image.image_id.to_string(), image)).collect();
        let mut faults = ConfigFaults::default();
        let mut listed = Vec::with_capacity(listing.listed.len());
        for item in &listing.listed {
            self.run.budget.charge_memory(FACTS_SIZE, &item.at)?;
            let image = image(&item.node);
            let mut facts = self.item(&item.written, image.as_ref(), &mut faults)?;
            let parent = item.written.parent.as_ref();
            facts.wrong_parent = parent.is_some_and(|parent| !is_parent(ids.get(parent), image.as_ref()));
            listed.push(facts);
        }
        Ok(ImageList { size: listing.size, listed: Ok(listed) })
    }

    /// The images of Docker 1.9 as items of a list.
    fn v1_items(&self, images: &ImageSet) -> Result<ImageList<ItemFacts>> {
        let mut faults = ConfigFaults::default();
        let mut listed = Vec::with_capacity(images.entries.len());
        for entry in &images.entries {
            let Node::Image(image) = &entry.node else { continue };
            self.run.budget.charge_memory(FACTS_SIZE, &image.at)?;
            let mut loaded = of_config(image, self.unpack_faults, &mut faults);
            loaded.layers = image.layers.len();
            let names = entry.names.iter().map(ToString::to_string).collect();
            listed.push(ItemFacts { names, image: Rc::new(loaded), ..ItemFacts::default() });
        }
        Ok(ImageList { size: 0, listed: Ok(listed) })
    }

    fn item(&self, item: &ManifestItem, image: Option<&Arc<Image>>, faults: &mut ConfigFaults) -> Result<ItemFacts> {
        let mut extents = Vec::with_capacity(item.layers.len());
        let is_left_out = |number| image.and_then(|image| image.layers.get(number)).is_some_and(Layer::is_left_out);
        // Without a link in its place it is missing, though another archive has it.
        let is_linked_to_base =
            |(number, name): &(usize, &String)| is_left_out(*number) && self.members.dangling_link(name).is_some();
        for (number, name) in item.layers.iter().enumerate().filter(|layer| !is_linked_to_base(layer)) {
            extents.push((number, name, self.members.find(name, MANIFEST_MEMBER)?));
        }
        // A link is harmless where the same image names the file itself, too.
        let own: HashSet<Location> = extents
            .iter()
            .filter(|(_, name, _)| !self.members.is_link(name))
            .filter_map(|(.., extent)| Some(extent.as_ref()?.location()))
            .collect();
        let is_linked = |(_, name, extent): &(usize, &String, Option<Extent>)| {
            self.members.is_link(name) && extent.as_ref().is_some_and(|extent| !own.contains(&extent.location()))
        };
        let linked = extents.iter().any(is_linked);
        let mut loaded = image.map_or_else(LoadedImage::default, |image| of_config(image, self.unpack_faults, faults));
        loaded.layers = item.layers.len();
        for (number, name, extent) in extents {
            match extent {
                Some(extent) => {
                    let at = self.members.at(name);
                    let codec = Codec::detect(&extent, &at)?;
                    add_codec(&mut loaded.codecs, codec);
                    note_padding(&mut loaded, number, &extent, codec, &at)?;
                }
                None => loaded.absent_layer = loaded.absent_layer.or(Some(number)),
            }
        }
        let named = || item.layers.iter().chain([&item.config]);
        Ok(ItemFacts {
            names: item.repo_tags.clone(),
            identity: self.hasher.hash_one((&item.config, &item.layers)),
            unclean: named().any(|name| is_unclean(name)),
            rooted: named().any(|name| name.starts_with('/')),
            linked,
            links: named().filter_map(|name| self.members.link_chain(name)).collect(),
            hard_links: named().filter(|name| self.members.is_hard_link(name)).cloned().collect(),
            wrong_parent: false,
            image: Rc::new(loaded),
        })
    }

    /// The image of a `dir:` as the one entry of a list.
    fn dir_form(&self, images: &ImageSet) -> Result<ImageList<EntryFacts>> {
        let mut known = KnownImages::new(self.unpack_faults, self.run);
        let entries = images.entries.iter().filter_map(|entry| Some((entry.descriptor.as_ref()?, &entry.node)));
        let listed = entries.map(|(descriptor, node)| of_entry(descriptor, node, &mut known)).collect::<Result<_>>()?;
        Ok(ImageList { size: 0, listed: Ok(listed) })
    }

    /// The entries of `index.json` as engines that read it see them: an entry a name.
    fn index_json(&self, listing: &Listing<Descriptor>) -> Result<ImageList<EntryFacts>> {
        let mut known = KnownImages::new(self.unpack_faults, self.run);
        let mut listed = Vec::with_capacity(listing.listed.len());
        for entry in &listing.listed {
            self.run.budget.charge_memory(FACTS_SIZE, &entry.at)?;
            listed.push(of_entry(&entry.written, &entry.node, &mut known)?);
        }
        if listing.is_partial {
            listed.push(EntryFacts { broken: true, ..EntryFacts::default() });
        }
        Ok(ImageList { size: listing.size, listed: Ok(listed) })
    }
}

/// The faults of decoded layers, each with the first path that has it, by the place of their bytes: both lists of a hybrid lead
/// there, by other digests.
type UnpackFaults<'a> = HashMap<&'a Location, &'a [(UnpackFault, Vec<u8>)]>;

/// The faults of configs by image ID.
type ConfigFaults = HashMap<Digest, Rc<[ConfigTypeFault]>>;

/// Facts of images that have been looked at, by image. `parts` has those of the first of several that only the platform tells
/// apart.
struct KnownImages<'a> {
    images: HashMap<*const Image, Rc<LoadedImage>>,
    parts: HashMap<PartsAddress, Rc<LoadedImage>>,
    faults: ConfigFaults,
    unpack_faults: &'a UnpackFaults<'a>,
    run: &'a Run,
}

impl<'a> KnownImages<'a> {
    fn new(unpack_faults: &'a UnpackFaults<'a>, run: &'a Run) -> Self {
        Self { images: HashMap::new(), parts: HashMap::new(), faults: ConfigFaults::default(), unpack_faults, run }
    }

    fn of(&mut self, image: &Arc<Image>) -> Result<Rc<LoadedImage>> {
        let key = Arc::as_ptr(image);
        if let Some(known) = self.images.get(&key) {
            return Ok(Rc::clone(known));
        }
        self.run.budget.charge_memory(FACTS_SIZE, &image.at)?;
        let loaded = match self.parts.get(&image.parts_address()) {
            Some(known) => Rc::new(LoadedImage { platform: image.platform.clone(), ..LoadedImage::clone(known) }),
            None => {
                let loaded = Rc::new(of_image(image, self.unpack_faults, &mut self.faults)?);
                self.parts.insert(image.parts_address(), Rc::clone(&loaded));
                loaded
            }
        };
        self.images.insert(key, Rc::clone(&loaded));
        Ok(loaded)
    }
}

fn of_entry(descriptor: &Descriptor, node: &Node, known: &mut KnownImages<'_>) -> Result<EntryFacts> {
    let images: Vec<_> = node.images().into_iter().map(|image| known.of(image)).collect::<Result<_>>()?;
    Ok(EntryFacts {
        image_name: descriptor.annotation(IMAGE_NAME).map(str::to_owned),
        ref_name: descriptor.annotation(REF_NAME).map(str::to_owned),
        docker_type: is_dockers(descriptor.media_type()),
        untyped: descriptor.media_type().as_str().is_empty(),
        nested: is_nested(node),
        manifests: images.len() + node.artifacts().len(),
        images,
        missing: matches!(node, Node::Missing(_)),
        broken: matches!(node, Node::Broken(_)),
        absent: node.leaves().any(|leaf| matches!(leaf, Node::Missing(_) | Node::Broken(_))),
        other_digest: digests(node).any(|digest| *digest.algorithm() != Algorithm::Sha256),
    })
}

/// Returns whether an index has no image for the usual machine among its own entries, but has an index there.
fn is_nested(node: &Node) -> bool {
    let Node::Index(index) = node else { return false };
    let usual = Platform::new("linux", "amd64");
    let is_usual = |node: &Node| matches!(node, Node::Image(image) if usual.matches(&image.platform));
    let mut children = index.children.iter().map(|child| &child.node);
    children.clone().any(|node| matches!(node, Node::Index(_))) && !children.any(is_usual)
}

/// The facts that an image's config tells.
fn of_config(image: &Image, unpack_faults: &UnpackFaults<'_>, faults: &mut ConfigFaults) -> LoadedImage {
    let of_config = || image.config.type_faults().into();
    let config_faults = Rc::clone(faults.entry(image.image_id.clone()).or_insert_with(of_config));
    LoadedImage {
        platform: image.platform.clone(),
        layer_steps: image.config.history().iter().filter(|step| !step.empty_layer).count(),
        largest_document: image.config.raw().len() as u64,
        config_faults,
        unpack_faults: layer_faults(image, unpack_faults).into(),
        base: image.needs.as_ref().map(|needs| needs.image.as_deref().unwrap_or("its base").into()),
        ..LoadedImage::default()
    }
}

/// The faults of the image's layers, those of each kind in one layer only.
fn layer_faults(image: &Image, unpack_faults: &UnpackFaults<'_>) -> Vec<LayerFault> {
    let mut faults: Vec<LayerFault> = Vec::new();
    for (number, layer) in image.layers.iter().enumerate() {
        let found = layer.blob.as_ref().and_then(|blob| unpack_faults.get(&blob.extent.location()));
        for (fault, path) in found.into_iter().copied().flatten() {
            if !faults.iter().any(|known| known.fault == *fault) {
                faults.push(LayerFault { layer: number, fault: *fault, path: quote(path) });
            }
        }
    }
    faults
}

/// The facts of an image of a layout.
fn of_image(image: &Image, unpack_faults: &UnpackFaults<'_>, faults: &mut ConfigFaults) -> Result<LoadedImage> {
    let mut loaded = of_config(image, unpack_faults, faults);
    let manifest = image.manifest.as_ref();
    let is_docker_manifest = manifest.map(|manifest| is_dockers(&manifest.media_type));
    let config_type = manifest.map(|manifest| manifest.view.config().media_type());
    loaded.layers = image.layers.len();
    loaded.manifest = manifest.map(|manifest| manifest.digest.to_string().into());
    loaded.disordered = manifest.is_none();
    loaded.docker_manifest = is_docker_manifest == Some(true);
    loaded.docker_type = loaded.docker_manifest;
    let is_other = |of_config: &&MediaType| match loaded.docker_manifest {
        true => !of_config.is_config(),
        false => **of_config != MediaType::Config(Family::Oci),
    };
    loaded.config_type = config_type.filter(is_other).cloned().map(Rc::new);
    loaded.largest_document = loaded.largest_document.max(manifest.map_or(0, |manifest| manifest.raw.len() as u64));
    for (number, layer) in image.layers.iter().enumerate() {
        add_layer(&mut loaded, number, layer)?;
    }
    Ok(loaded)
}

fn add_layer(loaded: &mut LoadedImage, number: usize, layer: &Layer) -> Result<()> {
    loaded.encrypted |= layer.is_encrypted();
    let Some(descriptor) = layer.descriptor() else { return Ok(()) };
    let media_type = descriptor.media_type();
    loaded.docker_type |= is_dockers(media_type);
    if loaded.docker_manifest && !is_dockers(media_type) {
        loaded.other_type.get_or_insert_with(|| media_type.to_string().into());
    }
    loaded.docker_zstd |= *media_type == MediaType::Layer(Family::Docker, Compression::Zstd);
    if !media_type.is_layer() && !layer.is_encrypted() {
        loaded.unknown_type.get_or_insert_with(|| media_type.to_string().into());
    }
    let Some(blob) = &layer.blob else {
        loaded.absent_layer = loaded.absent_layer.or(layer.foreign.is_some().then_some(number));
        return Ok(());
    };
    add_codec(&mut loaded.codecs, blob.codec);
    note_padding(loaded, number, &blob.extent, blob.codec, &layer.at)?;
    if layer.is_encrypted() {
        return Ok(());
    }
    let label = media_type.compression();
    loaded.called_plain |= *media_type == MediaType::Layer(Family::Oci, Compression::Plain) && !blob.is_plain();
    loaded.mislabelled |= label.is_some_and(|label| !fits(label, blob.codec));
    if label.is_none_or(|label| !fits(label, blob.codec)) {
        add_codec(&mut loaded.untold, blob.codec);
    }
    // The digest of a plain layer is its diff_id, so that nothing has to be read to tell that this is another one.
    let is_wrong = blob.is_plain()
        && *descriptor.digest().algorithm() == Algorithm::Sha256
        && descriptor.digest() != layer.diff_id.digest();
    if is_wrong {
        loaded.wrong_layer = loaded.wrong_layer.or(Some(number));
    }
    Ok(())
}

/// Zero bytes at the end of a gzip stream, more than that itself can end with: an empty one has nine.
const PADDING: usize = 10;

/// Notes whether the layer in `extent` is a gzip stream with zero bytes behind it (O-17).
fn note_padding(loaded: &mut LoadedImage, number: usize, extent: &Extent, codec: Codec, at: &str) -> Result<()> {
    let Some(start) = extent.size().checked_sub(PADDING as u64).filter(|_| codec == Codec::Gzip) else { return Ok(()) };
    let end = extent.slice(start, PADDING as u64).head::<PADDING>();
    let end = end.map_err(|error| Error::io("reading", at, error))?;
    if end == [0; PADDING] {
        loaded.padded_layer.get_or_insert(number);
    }
    Ok(())
}

fn add_codec(codecs: &mut Vec<Codec>, codec: Codec) {
    if !codecs.contains(&codec) {
        codecs.push(codec);
    }
}

fn fits(label: Compression, codec: Codec) -> bool {
    match codec {
        Codec::Plain => label == Compression::Plain,
        Codec::Gzip => label == Compression::Gzip,
        Codec::Zstd => label == Compression::Zstd,
        Codec::Xz | Codec::Bzip2 | Codec::Lz4 => false,
    }
}

fn is_dockers(media_type: &MediaType) -> bool {
    media_type.with_family(Family::Docker) == *media_type && media_type.with_family(Family::Oci) != *media_type
}

/// Returns whether Docker accepts `parent` as the parent of `child`: its history is the child's without the last step
/// (L-4).
fn is_parent(parent: Option<&Arc<Image>>, child: Option<&Arc<Image>>) -> bool {
    let (Some(parent), Some(child)) = (parent, child) else { return false };
    let (parent, child) = (parent.config.history(), child.config.history());
    (parent.is_empty() && child.is_empty()) || (parent.len() + 1 == child.len() && child.starts_with(parent))
}

fn is_unclean(name: &str) -> bool {
    name.split('/').any(|part| matches!(part, "" | "." | ".."))
}

/// The digests by which the blobs of a node's indexes and images are named.
fn digests(node: &Node) -> impl Iterator<Item = &Digest> {
    let indexes = node.indexes().into_iter().map(|index| &index.document.digest);
    indexes.chain(node.images().into_iter().flat_map(|image| digests_of(image)))
}

fn digests_of(image: &Image) -> impl Iterator<Item = &Digest> {
    let manifest = image.manifest.iter();
    let documents = manifest.flat_map(|manifest| [&manifest.digest, manifest.view.config().digest()]);
    documents.chain(image.layers.iter().filter_map(Layer::listed_digest))
}
