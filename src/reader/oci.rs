//! OCI image layouts, as a tar or a directory.
//!
//! `index.json` is walked to its leaves. Documents are read, checked and kept as bytes. Manifests that no container can
//! run and blobs of unknown types become [`Node::Artifact`], nodes with absent blobs [`Node::Missing`], and those that
//! break a rule [`Node::Broken`], so that a fault in one entry does not affect the others.
//!
//! Sources: OCI image-spec `image-layout.md`, docs/formats.md O-1 to O-15, O-20, O-24, H-4, H-7.

mod kind;
mod manifest;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::shared::SharedBlobs;
use crate::archive::MemberIndex;
use crate::digest::{DiffId, Digest, Hasher};
use crate::error::{Error, ErrorKind, Result, Setting};
use crate::image::{
    Artifact, Broken, Child, Document, IMAGE_NAME, Image, ImageEntry, ImageIndex, ImageSet, ListedNode, Listing,
    Missing, Name, Node, RawBlob,
};
use crate::limits::{MAX_DESCRIPTORS, MAX_DOCUMENT, MAX_INDEX_DEPTH};
use crate::path::quote_member;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::config::ConfigParts;
use crate::spec::descriptor::Descriptor;
use crate::spec::docker::MANIFEST_MEMBER;
use crate::spec::json;
use crate::spec::media_type::MediaType;
use crate::spec::oci::{self, INDEX_MEMBER, LAYOUT_MEMBER, check_layout};
use crate::spec::reference::Reference;
use crate::stream::source::{Extent, Source};
use crate::stream::tap::Expected;

/// Reads everything that `index.json` leads to; missing blobs are looked for among the `shared` ones of other archives.
pub(super) fn read(members: &MemberIndex, shared: &SharedBlobs, run: &Run) -> Result<ImageSet> {
    if members.has(LAYOUT_MEMBER)? {
        let layout = members.document(Rule::O1, LAYOUT_MEMBER, "the format", MAX_DOCUMENT, run)?;
        check_layout(&layout, &members.at(LAYOUT_MEMBER), &run.diagnostics)
            .or_else(|error| run.diagnostics.fault(error))?;
    } else {
        let problem = "there is no `oci-layout`: umoci, containerd and docker refuse the layout, skopeo takes it";
        run.diagnostics.warn(Rule::O1, members.label(), problem)?;
    }
    let mut walk = Walk::new(members, shared, BlobNames::Layout, run);
    let LayoutIndex { listing, typed, annotations, unreadable } = match walk.listing() {
        Ok(read) => read,
        Err(error) => run.diagnostics.fault(error).map(|()| LayoutIndex::default())?,
    };
    let mut entries = entries(members.label(), &listing.listed, typed);
    entries.extend(unreadable.into_iter().map(|error| unreadable_entry(members.label(), error)));
    Ok(ImageSet {
        archive: members.label().to_owned(),
        entries,
        unreferenced: unreferenced(members, &walk.referenced, run)?,
        annotations: vec![annotations],
        index_json: Some(listing),
        ..ImageSet::default()
    })
}

/// Reads the one manifest, or list of manifests, that `manifest.json` of a `dir:` is.
pub(super) fn read_dir(members: &MemberIndex, shared: &SharedBlobs, run: &Run) -> Result<ImageSet> {
    let raw = members.document(Rule::X4, MANIFEST_MEMBER, "the format", MAX_DOCUMENT, run)?;
    let media_type = oci::document_type(&raw, &members.at(MANIFEST_MEMBER))?;
    let descriptor = Descriptor::of(media_type, &raw);
    let names = BlobNames::Dir { manifest: descriptor.digest().clone() };
    let node = Walk::new(members, shared, names, run).node(&descriptor, MANIFEST_MEMBER)?;
    let archive: Arc<str> = members.label().into();
    let entry = ImageEntry { archive: Arc::clone(&archive), names: Vec::new(), descriptor: Some(descriptor), node };
    Ok(ImageSet { archive: members.label().to_owned(), entries: vec![entry], ..ImageSet::default() })
}

/// Returns the entries of `index.json`; those whose descriptors differ in the name alone are one.
fn entries(archive: &str, listed: &[ListedNode<Descriptor>], typed: Vec<Descriptor>) -> Vec<ImageEntry> {
    let archive: Arc<str> = archive.into();
    let descriptors = typed.into_iter().map(Name::strip);
    let mut distinct = HashMap::new();
    let mut entries: Vec<ImageEntry> = Vec::new();
    for (ListedNode { written, node, .. }, descriptor) in listed.iter().zip(descriptors) {
        let place = *distinct.entry(descriptor.clone()).or_insert(entries.len());
        if place == entries.len() {
            let (archive, node) = (Arc::clone(&archive), node.clone());
            entries.push(ImageEntry { archive, names: Vec::new(), descriptor: Some(descriptor), node });
        }
        entries[place].names.extend(Name::of(written));
    }
    entries
}

/// The entry of an `index.json` that is not a descriptor; it comes behind all others.
fn unreadable_entry(archive: &str, error: Error) -> ImageEntry {
    let broken = Broken { platform: None, error: Some(Arc::new(error)), at: INDEX_MEMBER.to_owned(), image: None };
    ImageEntry { archive: archive.into(), names: Vec::new(), descriptor: None, node: Node::Broken(Arc::new(broken)) }
}

/// Blobs that nothing refers to (O-3). The digest in a blob's name is verified when the blob is written.
fn unreferenced(members: &MemberIndex, referenced: &HashSet<Digest>, run: &Run) -> Result<Vec<RawBlob>> {
    let mut unreferenced = Vec::new();
    for path in members.names()? {
        let Ok(name) = std::str::from_utf8(path.as_bytes()) else { continue };
        let Some(digest) = digest_of_blob_path(name).filter(|digest| !referenced.contains(digest)) else { continue };
        match members.member(Rule::O3, name, "its name") {
            Ok(extent) => unreferenced.push(RawBlob { digest, size: None, extent }),
            // A link that leads nowhere, for example, does no harm unless it is followed (G-7).
            Err(Error::Invalid { rule, at, problem, .. }) => {
                run.diagnostics.note(rule, at, format!("ignored: {problem}"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(unreferenced)
}

/// The digest of the member `name` of a layout.
pub(super) fn digest_of_blob_path(name: &str) -> Option<Digest> {
    let (algorithm, encoded) = name.strip_prefix("blobs/")?.split_once('/')?;
    format!("{algorithm}:{encoded}").parse().ok()
}

/// The ends of names in a `dir:`, behind the hex: none, in old ones `.tar`, `.manifest.json` behind a platform's manifest.
const DIR_SUFFIXES: [&str; 3] = ["", ".tar", ".manifest.json"];

/// The digest of the member `name` of a `dir:`. It is a SHA-256 one, because skopeo writes no other there.
pub(super) fn digest_in_dir(name: &str) -> Option<Digest> {
    let encoded = DIR_SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix).filter(|hex| hex.len() == 64))?;
    format!("sha256:{encoded}").parse().ok()
}

/// The parts of a descriptor that decide how its blob is read: blobs are read and checked once for each key.
type NodeKey = (Digest, u64, MediaType, bool);

fn key(descriptor: &Descriptor) -> NodeKey {
    (descriptor.digest().clone(), descriptor.size(), descriptor.media_type().clone(), descriptor.is_attestation())
}

/// The way in which the archive names its blobs.
enum BlobNames {
    /// `blobs/<algorithm>/<encoded>` (O-3).
    Layout,
    /// The hex alone, or with one of [`DIR_SUFFIXES`].
    Dir {
        /// The digest of `manifest.json`.
        manifest: Digest,
    },
}

impl BlobNames {
    /// The member that holds the blob, or the one that should.
    fn member(&self, digest: &Digest, members: &MemberIndex) -> String {
        match self {
            Self::Layout => digest.blob_path(),
            Self::Dir { manifest } if manifest == digest => MANIFEST_MEMBER.to_owned(),
            Self::Dir { .. } => {
                let spellings = DIR_SUFFIXES.map(|suffix| format!("{}{suffix}", digest.encoded()));
                let is_there = |name: &&String| matches!(members.find_blob(name, "the format"), Ok(Some(_)));
                spellings.iter().find(is_there).unwrap_or(&spellings[0]).clone()
            }
        }
    }
}

/// `index.json`, and what it leads to.
#[derive(Default)]
struct LayoutIndex {
    listing: Listing<Descriptor>,
    /// Its descriptors, each with a media type.
    typed: Vec<Descriptor>,
    annotations: BTreeMap<String, String>,
    /// The errors of entries that are not descriptors, unless they have been reported.
    unreadable: Vec<Error>,
}

/// The walk from `index.json` down.
struct Walk<'a> {
    members: &'a MemberIndex,
    names: BlobNames,
    shared: &'a SharedBlobs,
    run: &'a Run,
    /// The nodes read so far, each with the number of descriptors below it: an image under several names is one image.
    known: HashMap<NodeKey, (Node, usize)>,
    /// The indexes above, against cycles.
    ancestors: Vec<Digest>,
    descriptors: usize,
    /// The digests that documents refer to.
    referenced: HashSet<Digest>,
    /// The names in messages of the blobs that were found in other archives.
    shared_at: HashMap<Digest, &'a str>,
    /// The configs read so far, by the digest and size that descriptors state.
    configs: HashMap<(Digest, u64), ConfigParts>,
    /// The diff_id of each layer by the configs: one blob cannot have two (H-20).
    diff_ids: HashMap<Digest, DiffId>,
    kinds: kind::BlobKinds,
}

impl<'a> Walk<'a> {
    fn new(members: &'a MemberIndex, shared: &'a SharedBlobs, names: BlobNames, run: &'a Run) -> Self {
        Self {
            members,
            names,
            shared,
            run,
            known: HashMap::new(),
            ancestors: Vec::new(),
            descriptors: 0,
            referenced: HashSet::new(),
            shared_at: HashMap::new(),
            configs: HashMap::new(),
            diff_ids: HashMap::new(),
            kinds: kind::BlobKinds::default(),
        }
    }

    /// Reads `index.json` and all that it leads to.
    fn listing(&mut self) -> Result<LayoutIndex> {
        let (at, diagnostics) = (self.members.at(INDEX_MEMBER), &self.run.diagnostics);
        let bytes = self.members.document(Rule::O2, INDEX_MEMBER, "the format", MAX_DOCUMENT, self.run)?;
        let mut unreadable = Vec::new();
        let index = oci::Index::read_entries(&bytes, &at, None, diagnostics, &mut |error| {
            unreadable.extend(diagnostics.fault(error).err());
            Ok(())
        })?;
        let (mut listed, mut typed) = (Vec::with_capacity(index.entries().len()), Vec::new());
        for (nth, written) in index.entries().iter().enumerate() {
            let at = format!("{at}: manifests[{nth}]");
            if let Some(Err(error)) = written.annotation(IMAGE_NAME).map(str::parse::<Reference>) {
                diagnostics.warn(Rule::O24, &at, format!("{IMAGE_NAME}: {error}; it is kept as it is"))?;
            }
            typed.push(self.with_type(written, &at)?);
            let node = self.node(&typed[nth], &format!("{INDEX_MEMBER}: manifests[{nth}]"))?;
            listed.push(ListedNode { at, written: written.clone(), node });
        }
        let listing = Listing { size: bytes.len() as u64, listed, is_partial: !unreadable.is_empty() };
        Ok(LayoutIndex { listing, typed, annotations: index.annotations().clone(), unreadable })
    }

    /// `descriptor` with the type of the document that it describes, where it names none.
    fn with_type(&mut self, descriptor: &Descriptor, at: &str) -> Result<Descriptor> {
        if !descriptor.media_type().as_str().is_empty() || descriptor.size() > MAX_DOCUMENT {
            return Ok(descriptor.clone());
        }
        self.run.diagnostics.warn(
            Rule::O6,
            at,
            "the descriptor has no `mediaType`; that of what it describes is taken",
        )?;
        let Some(blob) = self.blob(descriptor, at)? else { return Ok(descriptor.clone()) };
        let raw = blob.extent.read(at, MAX_DOCUMENT)?;
        let _held = self.run.budget.hold(json::memory_size(&raw), at)?;
        Ok(match oci::document_type(&raw, at) {
            Ok(media_type) => descriptor.clone().with_media_type(&media_type),
            Err(_) => descriptor.clone(),
        })
    }

    /// Returns the node to which `descriptor` leads, which the document `named_by` lists. A fault in it does not keep
    /// the others from being read.
    fn node(&mut self, descriptor: &Descriptor, named_by: &str) -> Result<Node> {
        if !self.count(1)? {
            return Ok(broken(descriptor, self.members.at(named_by), None));
        }
        let key = key(descriptor);
        if let Some((node, below)) = self.known.get(&key) {
            let (node, below) = (on_platform(node, descriptor), *below);
            self.count(below)?;
            return Ok(node);
        }
        let before = self.descriptors;
        let node = match self.read(descriptor, named_by) {
            Err(error) if error.kind() == ErrorKind::Input => {
                let at = self.members.at(named_by);
                let error = self.run.diagnostics.fault(error).err();
                broken(descriptor, at, error)
            }
            node => node?,
        };
        // The result for an index within a cycle depends on where the walk entered the cycle.
        if !self.ancestors.contains(descriptor.digest()) {
            self.known.insert(key, (node.clone(), self.descriptors - before));
        }
        Ok(node)
    }

    /// Counts every path to a descriptor, not every descriptor: indexes that list one another many times over multiply the
    /// paths from level to level (H-7). Returns false once there are too many.
    fn count(&mut self, descriptors: usize) -> Result<bool> {
        self.descriptors += descriptors;
        if self.descriptors > MAX_DESCRIPTORS {
            let problem = format!("more than {MAX_DESCRIPTORS} descriptors");
            self.run.diagnostics.fault(Error::invalid(Rule::H7, self.members.at(INDEX_MEMBER), problem))?;
        }
        Ok(self.descriptors <= MAX_DESCRIPTORS)
    }

    fn read(&mut self, descriptor: &Descriptor, named_by: &str) -> Result<Node> {
        if self.ancestors.contains(descriptor.digest()) {
            let problem = format!("{} is an index that leads back to itself", descriptor.digest());
            return Err(Error::invalid(Rule::H7, self.members.at(named_by), problem));
        }
        let media_type = descriptor.media_type();
        let blob = self.blob(descriptor, named_by)?;
        if media_type.is_schema1() {
            let problem =
                format!("{media_type} is a schema 1 manifest, of docker before 1.10; it holds no image config");
            return Err(Error::invalid(Rule::M1, self.at(descriptor), problem));
        }
        let Some(blob) = blob else {
            return Ok(Node::Missing(Arc::new(self.missing(descriptor, &[descriptor], named_by))));
        };
        if media_type.is_index() {
            self.index(descriptor, &blob)
        } else if media_type.is_manifest() {
            self.manifest(descriptor, blob)
        } else {
            let what = format!("{} ({media_type})", descriptor.digest());
            Ok(Node::Artifact(Arc::new(Artifact { what, attestation: false, subject: None, blobs: vec![blob] })))
        }
    }

    fn index(&mut self, descriptor: &Descriptor, blob: &RawBlob) -> Result<Node> {
        let at = self.at(descriptor);
        if self.ancestors.len() >= MAX_INDEX_DEPTH {
            return Err(Error::invalid(Rule::H7, at, format!("indexes are nested deeper than {MAX_INDEX_DEPTH}")));
        }
        let raw = self.document(descriptor, &blob.extent, &at)?;
        let view = oci::Index::read(&raw, &at, Some(descriptor.media_type()), &self.run.diagnostics)?;
        self.ancestors.push(descriptor.digest().clone());
        let children = self.children(&view, &self.member(descriptor.digest()));
        self.ancestors.pop();
        let document = document(descriptor, raw, view);
        Ok(Node::Index(Arc::new(ImageIndex { document, children: children? })))
    }

    fn children(&mut self, view: &oci::Index, named_by: &str) -> Result<Vec<Child>> {
        let child = |child: &Descriptor| Ok(Child { descriptor: child.clone(), node: self.node(child, named_by)? });
        view.entries().iter().map(child).collect()
    }

    /// A blob by its descriptor; where there is no member, `data` (O-7) or another archive replaces it.
    fn blob(&mut self, descriptor: &Descriptor, named_by: &str) -> Result<Option<RawBlob>> {
        let digest = descriptor.digest();
        self.referenced.insert(digest.clone());
        let name = self.member(digest);
        let found = match self.members.find_blob(&name, named_by) {
            Ok(found) => found,
            Err(error) => self.run.diagnostics.fault(error).map(|()| None)?,
        };
        let extent = match (found, descriptor.data(), self.shared.find(digest)) {
            (Some(extent), _, _) => extent,
            (None, Some(data), _) => Source::memory(self.members.at(&name), data).extent(),
            (None, None, Some(shared)) => {
                self.shared_at.insert(digest.clone(), &shared.at);
                shared.extent.clone()
            }
            (None, None, None) => return Ok(None),
        };
        Ok(Some(RawBlob { digest: digest.clone(), size: Some(descriptor.size()), extent }))
    }

    /// A document's bytes, compared with its descriptor (O-6, H-3).
    fn document(&self, descriptor: &Descriptor, extent: &Extent, at: &str) -> Result<Vec<u8>> {
        let diagnostics = &self.run.diagnostics;
        let expected = Expected { digest: Some(descriptor.digest().clone()), size: Some(descriptor.size()) };
        self.check_size(descriptor, extent, at)?;
        let raw = extent.read(at, MAX_DOCUMENT)?;
        self.run.budget.charge_memory(json::memory_size(&raw), at)?;
        let Some(mut hasher) = Hasher::of(descriptor.digest().algorithm()) else {
            let problem = format!("{} cannot be computed here: not verified", descriptor.digest().algorithm());
            diagnostics.warn(Rule::M11, at, problem)?;
            return Ok(raw);
        };
        hasher.update(&raw);
        let expected = Expected { size: None, ..expected };
        expected.verify(at, Some(&hasher.finish()), raw.len() as u64).or_else(|error| diagnostics.fault(error))?;
        Ok(raw)
    }

    /// O-6: a blob has the size of its descriptor. A hybrid can be read by its `manifest.json` instead, which states no sizes.
    fn check_size(&self, descriptor: &Descriptor, extent: &Extent, at: &str) -> Result<()> {
        let expected = Expected { digest: None, size: Some(descriptor.size()) };
        expected.verify(at, None, extent.size()).or_else(|error| {
            let is_hybrid = matches!(self.names, BlobNames::Layout) && self.members.has(MANIFEST_MEMBER)?;
            self.run.diagnostics.fault(if is_hybrid { error.avoided_by(Setting::DockerHalf) } else { error })
        })
    }

    /// The member that holds the blob, or the one that should.
    fn member(&self, digest: &Digest) -> String {
        self.names.member(digest, self.members)
    }

    /// Returns the missing node of `descriptor`, of which the blobs `absent` are missing; `named_by` names the first.
    fn missing(&self, descriptor: &Descriptor, absent: &[&Descriptor], named_by: &str) -> Missing {
        let mut members = absent.iter().map(|descriptor| quote_member(&self.member(descriptor.digest())));
        Missing {
            platform: descriptor.platform().cloned(),
            member: members.next().unwrap_or_default(),
            named_by: named_by.to_owned(),
            others: members.collect(),
            present: Arc::default(),
            image: None,
        }
    }

    /// Returns the name in messages of the blob that `descriptor` describes.
    fn at(&self, descriptor: &Descriptor) -> String {
        match self.shared_at.get(descriptor.digest()) {
            Some(at) => (*at).to_owned(),
            None => self.members.at(&self.member(descriptor.digest())),
        }
    }
}

/// Returns `node` for another descriptor, which may name another platform; all else is shared.
fn on_platform(node: &Node, descriptor: &Descriptor) -> Node {
    let named = descriptor.platform();
    match node {
        Node::Image(image) => {
            let platform = named.unwrap_or(image.config.platform());
            if *platform == image.platform {
                return node.clone();
            }
            Node::Image(Arc::new(Image { platform: platform.clone(), ..Image::clone(image) }))
        }
        Node::Missing(missing) if missing.platform.as_ref() != named => {
            Node::Missing(Arc::new(Missing { platform: named.cloned(), ..Missing::clone(missing) }))
        }
        Node::Broken(broken) if broken.platform.as_ref() != named => {
            Node::Broken(Arc::new(Broken { platform: named.cloned(), ..Broken::clone(broken) }))
        }
        Node::Missing(_) | Node::Broken(_) | Node::Index(_) | Node::Artifact(_) => node.clone(),
    }
}

/// Returns the broken node of `descriptor`, with the fault `error`.
fn broken(descriptor: &Descriptor, at: String, error: Option<Error>) -> Node {
    let platform = descriptor.platform().cloned();
    Node::Broken(Arc::new(Broken { platform, error: error.map(Arc::new), at, image: None }))
}

fn document<View>(descriptor: &Descriptor, raw: Vec<u8>, view: View) -> Document<View> {
    let media_type: MediaType = descriptor.media_type().clone();
    Document { raw, digest: descriptor.digest().clone(), media_type, view }
}
