//! What readers find in an archive: docker's list of images, the layout's, or layer directories.
//!
//! Engines read one half of a hybrid and never look at the other (docs/formats.md O-26, G-18), so each is seen for itself.

use crate::codec::Codec;
use crate::digest::{Algorithm, Digest};
use crate::error::Result;
use crate::image::{Image, ImageSet, Layer, Name, Node};
use crate::limits::{MAX_DOCUMENT, MAX_MANIFEST_JSON};
use crate::options::Half;
use crate::path::escape_for_terminal;
use crate::reader::{Archive, Format};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::spec::docker::{self, MANIFEST_MEMBER, ManifestItem, REPOSITORIES_MEMBER};
use crate::spec::media_type::Family;
use crate::spec::oci::{self, INDEX_MEMBER};
use crate::stream::source::{Extent, Location};

/// All that decides what an engine loads.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// A directory, which few engines take.
    pub(super) directory: bool,
    /// How the whole is compressed.
    pub(super) outer: Option<Codec>,
    /// The items of `manifest.json`.
    pub(super) docker: Option<Vec<Item>>,
    /// The entries of `index.json`.
    pub(super) layout: Option<Vec<Listed>>,
    /// Images of layer directories, if that is what this is.
    pub(super) v1: Option<V1>,
    /// What kept a half from being looked at.
    pub(super) problem: Option<String>,
}

/// An image of `manifest.json`.
#[derive(Debug, Default, Clone)]
pub(super) struct Item {
    /// As they are written.
    pub(super) names: Vec<String>,
    /// How its layers are compressed; `None` for one whose bytes are not there.
    pub(super) layers: Vec<Option<Codec>>,
    /// A member name that must be cleaned first, which containerd does not do (G-4).
    pub(super) unclean: bool,
    /// A layer that is there through a link alone (G-7).
    pub(super) linked: bool,
    /// The members among those it names that are hard links (G-8).
    pub(super) hard_links: Vec<String>,
}

/// An entry of `index.json`.
#[derive(Debug, Default, Clone)]
pub(super) struct Listed {
    /// `io.containerd.image.name`.
    pub(super) image_name: Option<String>,
    /// `org.opencontainers.image.ref.name`.
    pub(super) ref_name: Option<String>,
    /// Platforms of the images that are there.
    pub(super) images: usize,
    /// How their layers are compressed.
    pub(super) layers: Vec<Codec>,
    /// Whether something it lists is not there.
    pub(super) absent: bool,
    /// Whether something is addressed by another digest than SHA-256.
    pub(super) other_digest: bool,
    /// Whether it is listed as Docker's type of manifest or index (O-10).
    pub(super) docker_type: bool,
}

/// Images of Docker 1.9 and older.
#[derive(Debug, Default, Clone)]
pub(super) struct V1 {
    /// Whether `repositories` is there, without which Docker takes none.
    pub(super) repositories: bool,
    /// Their names.
    pub(super) names: Vec<String>,
}

impl Seen {
    /// Looks at each half of `archive` for itself; `images` is what was read of it, with `prefer`.
    pub(super) fn of(archive: &Archive, images: &ImageSet, prefer: Option<Half>, run: &Run) -> Result<Self> {
        let mut seen =
            Self { directory: archive.members.is_directory(), outer: Some(archive.outer), ..Self::default() };
        match archive.format {
            Format::Oci => seen.layout = Some(layout(archive, images, run)?),
            Format::Docker => seen.docker = Some(items(archive, run)?),
            Format::V1 => {
                let names = images.entries.iter().flat_map(|entry| &entry.names).map(ToString::to_string);
                let repositories = archive.members.has(REPOSITORIES_MEMBER)?;
                seen.v1 = Some(V1 { repositories, names: names.collect() });
            }
            Format::Hybrid => {
                seen.docker = Some(items(archive, run)?);
                // The half that was preferred is not the layout: that one is read for its own sake.
                let of_layout = match prefer {
                    Some(Half::Docker) => {
                        archive.images(Some(Half::Oci), run).and_then(|own| layout(archive, &own, run))
                    }
                    Some(Half::Oci) | None => layout(archive, images, run),
                };
                match of_layout {
                    Ok(listed) => seen.layout = Some(listed),
                    Err(error) => seen.problem = Some(format!("{:#}", Chain(&error))),
                }
            }
        }
        Ok(seen)
    }
}

/// The items of `manifest.json` as engines that read it see them.
fn items(archive: &Archive, run: &Run) -> Result<Vec<Item>> {
    let members = &archive.members;
    let bytes = members.document(Rule::L4, MANIFEST_MEMBER, "the format", MAX_MANIFEST_JSON, run)?;
    let items = docker::read_manifest(&bytes, &members.at(MANIFEST_MEMBER))?;
    items.iter().map(|item| seen_item(archive, item)).collect()
}

fn seen_item(archive: &Archive, item: &ManifestItem) -> Result<Item> {
    let members = &archive.members;
    let mut extents = Vec::with_capacity(item.layers.len());
    for name in &item.layers {
        extents.push((name, members.find(name, MANIFEST_MEMBER)?));
    }
    // A link is harmless where the same image names the file itself, too.
    let own: Vec<Location> = extents
        .iter()
        .filter(|(name, _)| !members.is_link(name))
        .filter_map(|(_, extent)| Some(extent.as_ref()?.location()))
        .collect();
    let is_linked = |(name, extent): &(&String, Option<Extent>)| {
        members.is_link(name) && extent.as_ref().is_some_and(|extent| !own.contains(&extent.location()))
    };
    let linked = extents.iter().any(is_linked);
    let mut layers = Vec::with_capacity(extents.len());
    for (name, extent) in extents {
        layers.push(extent.map(|extent| sniff(&extent, &members.at(name))).transpose()?);
    }
    let named = || item.layers.iter().chain([&item.config]);
    let unclean = named().any(|name| is_unclean(name));
    let hard_links = named().filter(|name| members.is_hard_link(name)).cloned().collect();
    Ok(Item { names: item.repo_tags.clone(), layers, unclean, linked, hard_links })
}

fn sniff(extent: &Extent, at: &str) -> Result<Codec> {
    let head = extent.head::<{ Codec::SNIFF_LEN }>();
    head.map(|head| Codec::sniff(&head)).map_err(|error| crate::error::Error::io("reading", at, error))
}

fn is_unclean(name: &str) -> bool {
    name.split('/').any(|part| matches!(part, "" | "." | ".."))
}

/// The entries of `index.json` as engines that read it see them: an entry a name.
fn layout(archive: &Archive, images: &ImageSet, run: &Run) -> Result<Vec<Listed>> {
    let at = archive.members.at(INDEX_MEMBER);
    let bytes = archive.members.document(Rule::O2, INDEX_MEMBER, "the format", MAX_DOCUMENT, run)?;
    let index = oci::Index::read(&bytes, &at, None)?;
    Ok(index.entries().iter().filter_map(|descriptor| listed(descriptor, images)).collect())
}

/// An entry that leads to an image, there or not.
fn listed(descriptor: &Descriptor, images: &ImageSet) -> Option<Listed> {
    let plain = Name::strip(descriptor.clone());
    let entry = images.entries.iter().find(|entry| entry.descriptor.as_ref() == Some(&plain))?;
    if matches!(entry.node, Node::Artifact(_)) {
        return None;
    }
    let found = entry.node.images();
    let layers = found.iter().flat_map(|image| &image.layers);
    Some(Listed {
        image_name: descriptor.annotation(crate::image::IMAGE_NAME).map(str::to_owned),
        ref_name: descriptor.annotation(crate::image::REF_NAME).map(str::to_owned),
        images: found.len(),
        layers: layers.filter_map(|layer| Some(layer.blob.as_ref()?.codec)).collect(),
        absent: is_absent(&entry.node),
        other_digest: digests(&entry.node).any(|digest| *digest.algorithm() != Algorithm::Sha256),
        docker_type: descriptor.media_type().spelled_by(Family::Docker) == *descriptor.media_type(),
    })
}

fn is_absent(node: &Node) -> bool {
    match node {
        Node::Missing(_) => true,
        Node::Index(index) => index.children.iter().any(|child| is_absent(&child.node)),
        Node::Image(_) | Node::Artifact(_) => false,
    }
}

/// What the blobs of its indexes and images are addressed by.
fn digests(node: &Node) -> impl Iterator<Item = &Digest> {
    let indexes = node.indexes().into_iter().map(|index| &index.document.digest);
    indexes.chain(node.images().into_iter().flat_map(|image| digests_of(image)))
}

fn digests_of(image: &Image) -> impl Iterator<Item = &Digest> {
    let manifest = image.manifest.iter();
    let documents = manifest.flat_map(|manifest| [&manifest.digest, manifest.view.config().digest()]);
    documents.chain(image.layers.iter().filter_map(Layer::listed_digest))
}

/// An error and its causes on one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", escape_for_terminal(self.0.to_string().as_bytes()))?;
        match self.0.source() {
            Some(source) => write!(f, ": {}", Chain(source)),
            None => Ok(()),
        }
    }
}
