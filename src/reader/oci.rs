//! OCI image layouts, as a tar or a directory.
//!
//! `index.json` is walked to its leaves. Documents are read, checked and kept as bytes; what is no image for a container
//! (artifacts, attestations, types nobody knows) is carried; what is listed but not there is remembered as absent.
//!
//! Sources: OCI image-spec `image-layout.md`, docs/formats.md O-1 to O-15, O-20, O-24, H-4, H-7.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::layer;
use crate::archive::MemberIndex;
use crate::digest::{DiffId, Digest, Hasher};
use crate::error::{Error, Result};
use crate::image::{
    Artifact, Blob, Child, Document, ExpectedDigest, IMAGE_NAME, Image, ImageEntry, ImageIndex, ImageSet, Layer,
    Missing, Name, Node, RawBlob,
};
use crate::limits::{MAX_DESCRIPTORS, MAX_DOCUMENT, MAX_INDEX_DEPTH};
use crate::path::escape_for_terminal;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::config::ImageConfig;
use crate::spec::descriptor::Descriptor;
use crate::spec::json;
use crate::spec::media_type::MediaType;
use crate::spec::oci::{self, INDEX_MEMBER, LAYOUT_MEMBER, check_layout};
use crate::spec::platform::Platform;
use crate::spec::reference::Reference;
use crate::stream::source::{Extent, Source};
use crate::stream::tap::Expected;

/// About what a layer takes in memory beside its descriptor in the manifest, bytes.
const LAYER_SIZE: u64 = 1024;

/// Reads everything that `index.json` leads to.
pub(super) fn read(members: &MemberIndex, run: &Run) -> Result<ImageSet> {
    let layout = members.document(Rule::O1, LAYOUT_MEMBER, "the format", MAX_DOCUMENT, run)?;
    check_layout(&layout, &members.at(LAYOUT_MEMBER))?;
    let at = members.at(INDEX_MEMBER);
    let index =
        oci::Index::read(&members.document(Rule::O2, INDEX_MEMBER, "the format", MAX_DOCUMENT, run)?, &at, None)?;

    let mut walk = Walk::new(members, run);
    let mut entries: Vec<ImageEntry> = Vec::new();
    let mut places: HashMap<Digest, Vec<usize>> = HashMap::new();
    for descriptor in index.entries() {
        let node = walk.node(descriptor, INDEX_MEMBER)?;
        let (name, descriptor) = take_name(descriptor.clone(), &at, run)?;
        let alike: &mut Vec<usize> = places.entry(descriptor.digest().clone()).or_default();
        match alike.iter().find(|&&place| entries[place].descriptor.as_ref() == Some(&descriptor)) {
            Some(&place) => entries[place].names.extend(name),
            None => {
                alike.push(entries.len());
                entries.push(ImageEntry { names: name.into_iter().collect(), descriptor: Some(descriptor), node });
            }
        }
    }
    let unreferenced = unreferenced(members, &walk.used, run)?;
    Ok(ImageSet { archive: members.label().to_owned(), entries, unreferenced })
}

/// The name in a descriptor's annotations, and the descriptor without them (O-24).
fn take_name(descriptor: Descriptor, at: &str, run: &Run) -> Result<(Option<Name>, Descriptor)> {
    if let Some(Err(error)) = descriptor.annotation(IMAGE_NAME).map(str::parse::<Reference>) {
        run.diagnostics.warn(Rule::O24, at, format!("{IMAGE_NAME}: {error}; it is kept as it is"))?;
    }
    Ok((Name::of(&descriptor), Name::strip(descriptor)))
}

/// Blobs that nothing refers to (O-3). A blob's name is a promise, checked when it is written.
fn unreferenced(members: &MemberIndex, used: &HashSet<Digest>, run: &Run) -> Result<Vec<RawBlob>> {
    let mut unreferenced = Vec::new();
    for path in members.names()? {
        let Ok(name) = std::str::from_utf8(path.as_bytes()) else { continue };
        let Some((algorithm, encoded)) = name.strip_prefix("blobs/").and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        let Ok(digest) = format!("{algorithm}:{encoded}").parse::<Digest>() else { continue };
        if used.contains(&digest) {
            continue;
        }
        match members.member(Rule::O3, name, "nothing") {
            Ok(extent) => unreferenced.push(RawBlob { digest, size: None, extent }),
            // A link that leads nowhere, say, harms nobody as long as nobody follows it (G-7).
            Err(Error::Invalid { rule, at, problem }) => run.diagnostics.note(rule, at, format!("ignored: {problem}")),
            Err(error) => return Err(error),
        }
    }
    Ok(unreferenced)
}

/// What of a descriptor decides how its blob is read: two that differ here are read, and checked, each for itself.
type Key = (Digest, u64, MediaType, Option<Platform>, bool);

fn key(descriptor: &Descriptor) -> Key {
    let platform = descriptor.platform().cloned();
    (
        descriptor.digest().clone(),
        descriptor.size(),
        descriptor.media_type().clone(),
        platform,
        descriptor.is_attestation(),
    )
}

/// The walk from `index.json` down.
struct Walk<'a> {
    members: &'a MemberIndex,
    run: &'a Run,
    /// What was read already, and how many descriptors are below it: an image under several names is one image.
    known: HashMap<Key, (Node, usize)>,
    /// The indexes above, against cycles.
    path: Vec<Digest>,
    descriptors: usize,
    used: HashSet<Digest>,
    /// Which diff_id a layer was said to have: one blob cannot have two (H-20).
    diff_ids: HashMap<Digest, DiffId>,
}

impl<'a> Walk<'a> {
    fn new(members: &'a MemberIndex, run: &'a Run) -> Self {
        Self {
            members,
            run,
            known: HashMap::new(),
            path: Vec::new(),
            descriptors: 0,
            used: HashSet::new(),
            diff_ids: HashMap::new(),
        }
    }

    fn node(&mut self, descriptor: &Descriptor, named_by: &str) -> Result<Node> {
        self.count(1)?;
        if self.path.contains(descriptor.digest()) {
            let problem = format!("{} is an index that leads back to itself", descriptor.digest());
            return Err(Error::invalid(Rule::H7, self.members.at(named_by), problem));
        }
        let key = key(descriptor);
        if let Some((node, below)) = self.known.get(&key) {
            let (node, below) = (node.clone(), *below);
            self.count(below)?;
            return Ok(node);
        }
        let before = self.descriptors;
        let node = self.read(descriptor, named_by)?;
        self.known.insert(key, (node.clone(), self.descriptors - before));
        Ok(node)
    }

    /// Counts every way to a descriptor, not every descriptor: indexes that list one another many times over would
    /// otherwise multiply from level to level (H-7).
    fn count(&mut self, descriptors: usize) -> Result<()> {
        self.descriptors += descriptors;
        if self.descriptors > MAX_DESCRIPTORS {
            let problem = format!("more than {MAX_DESCRIPTORS} descriptors");
            return Err(Error::invalid(Rule::H7, self.members.at(INDEX_MEMBER), problem));
        }
        Ok(())
    }

    fn read(&mut self, descriptor: &Descriptor, named_by: &str) -> Result<Node> {
        let media_type = descriptor.media_type();
        if media_type.is_schema1() {
            let problem =
                format!("{media_type} is a schema 1 manifest, of docker before 1.10; it holds no image config");
            return Err(Error::invalid(Rule::M1, self.members.at(&descriptor.digest().blob_path()), problem));
        }
        let Some(blob) = self.blob(descriptor)? else {
            return Ok(self.absent(descriptor, descriptor, named_by, Vec::new()));
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
        let at = self.members.at(&descriptor.digest().blob_path());
        if self.path.len() >= MAX_INDEX_DEPTH {
            return Err(Error::invalid(Rule::H7, at, format!("indexes are nested deeper than {MAX_INDEX_DEPTH}")));
        }
        let raw = self.document(descriptor, &blob.extent, &at)?;
        let view = oci::Index::read(&raw, &at, Some(descriptor.media_type()))?;
        self.path.push(descriptor.digest().clone());
        let mut children = Vec::with_capacity(view.entries().len());
        for child in view.entries() {
            let node = self.node(child, &descriptor.digest().blob_path())?;
            children.push(Child { descriptor: child.clone(), node });
        }
        self.path.pop();
        Ok(Node::Index(Arc::new(ImageIndex { document: document(descriptor, raw, view), children })))
    }

    fn manifest(&mut self, descriptor: &Descriptor, blob: RawBlob) -> Result<Node> {
        let name = descriptor.digest().blob_path();
        let at = self.members.at(&name);
        let raw = self.document(descriptor, &blob.extent, &at)?;
        let view = oci::Manifest::read(&raw, &at, Some(descriptor.media_type()))?;
        if !is_runnable(descriptor, &view) {
            return self.carried(descriptor, &view, blob);
        }
        let (Some(config), layers) = (self.blob(view.config())?, self.layers(&view)?) else {
            return Ok(self.absent(descriptor, view.config(), &name, vec![blob]));
        };
        let layers = match layers {
            Ok(layers) => layers,
            Err(missing) => return Ok(self.absent(descriptor, &missing, &name, vec![config, blob])),
        };
        let config_at = self.members.at(&view.config().digest().blob_path());
        let config = ImageConfig::read(self.document(view.config(), &config.extent, &config_at)?, &config_at)?;
        let layers = self.bind(layers, &config, &at)?;
        let platform = descriptor.platform().unwrap_or(config.platform()).clone();
        Ok(Node::Image(Arc::new(Image {
            at,
            image_id: config.image_id(),
            config,
            layers,
            manifest: Some(document(descriptor, raw, view)),
            platform,
            parent: None,
        })))
    }

    /// Each layer's descriptor with its bytes; the first ordinary one that is missing otherwise.
    #[expect(clippy::type_complexity, reason = "used once, one line below")]
    fn layers(
        &mut self,
        view: &oci::Manifest,
    ) -> Result<std::result::Result<Vec<(Descriptor, Option<Extent>)>, Descriptor>> {
        let mut layers = Vec::with_capacity(view.layers().len());
        for descriptor in view.layers() {
            let extent = self.blob(descriptor)?.map(|blob| blob.extent);
            if extent.is_none() && !descriptor.media_type().is_nondistributable() {
                return Ok(Err(descriptor.clone()));
            }
            layers.push((descriptor.clone(), extent));
        }
        Ok(Ok(layers))
    }

    /// Ties layers to their diff_ids.
    fn bind(
        &mut self,
        layers: Vec<(Descriptor, Option<Extent>)>,
        config: &ImageConfig,
        at: &str,
    ) -> Result<Vec<Layer>> {
        if layers.len() != config.diff_ids().len() {
            let (found, expected) = (layers.len(), config.diff_ids().len());
            let problem = format!("it lists {found} layers, but its config has {expected} diff_ids");
            return Err(Error::invalid(Rule::L5, at, problem));
        }
        self.run.budget.charge_memory(LAYER_SIZE * layers.len() as u64, at)?;
        let known: HashSet<&Digest> = config.diff_ids().iter().map(DiffId::digest).collect();
        let pairs = layers.into_iter().zip(config.diff_ids());
        pairs
            .map(|((descriptor, extent), diff_id)| {
                let at = self.members.at(&descriptor.digest().blob_path());
                let blob = extent.map(|extent| layer::blob(extent, &at)).transpose()?;
                // A plain layer's digest is its diff_id. Where the config has that elsewhere, layers are in disorder: that of
                // each image is another one, and none is a second word on the blob (O-25).
                let is_misplaced = blob.as_ref().is_some_and(Blob::is_plain)
                    && descriptor.digest() != diff_id.digest()
                    && known.contains(descriptor.digest());
                // What is encrypted is not looked into, and nothing that is known of it is worth a refusal.
                if !is_misplaced
                    && !descriptor.media_type().is_encrypted()
                    && let Some(other) = self.diff_ids.insert(descriptor.digest().clone(), diff_id.clone())
                    && other != *diff_id
                {
                    let problem = format!("configs give this one blob two diff_ids, {other} and {diff_id}");
                    return Err(Error::invalid(Rule::H20, at, problem));
                }
                if let Some(blob) = &blob {
                    layer::check_type(&descriptor, blob, &at, self.run)?;
                }
                let foreign = descriptor.media_type().is_nondistributable().then(|| descriptor.clone());
                Ok(Layer {
                    at,
                    diff_id: diff_id.clone(),
                    blob,
                    claim: ExpectedDigest::Descriptor(Box::new(descriptor)),
                    foreign,
                })
            })
            .collect()
    }

    /// A manifest that no container can run, with all its blobs.
    fn carried(&mut self, descriptor: &Descriptor, view: &oci::Manifest, blob: RawBlob) -> Result<Node> {
        let mut blobs = Vec::new();
        let mut missing = None;
        for part in view.layers().iter().chain([view.config()]) {
            match self.blob(part)? {
                Some(blob) => blobs.push(blob),
                None if part.media_type().is_nondistributable() => {}
                None => missing = missing.or(Some(part)),
            }
        }
        blobs.push(blob);
        if let Some(missing) = missing {
            return Ok(self.absent(descriptor, missing, &descriptor.digest().blob_path(), blobs));
        }
        let attestation =
            descriptor.is_attestation() || view.layers().iter().any(|layer| layer.media_type().is_in_toto());
        let kind = if attestation { "an attestation" } else { "an artifact" };
        let what = format!("{} ({kind})", descriptor.digest());
        let subject = view.subject().map(|subject| subject.digest().clone());
        Ok(Node::Artifact(Arc::new(Artifact { what, attestation, subject, blobs })))
    }

    /// A blob by its descriptor, `data` standing in where there is no member (O-7).
    fn blob(&mut self, descriptor: &Descriptor) -> Result<Option<RawBlob>> {
        let digest = descriptor.digest();
        self.used.insert(digest.clone());
        let name = digest.blob_path();
        let extent = match (self.members.find(&name, "a descriptor")?, descriptor.data()) {
            (Some(extent), _) => extent,
            (None, Some(data)) => Source::memory(self.members.at(&name), data).extent(),
            (None, None) => return Ok(None),
        };
        Ok(Some(RawBlob { digest: digest.clone(), size: Some(descriptor.size()), extent }))
    }

    /// A document's bytes, held against its descriptor (O-6, H-3).
    fn document(&self, descriptor: &Descriptor, extent: &Extent, at: &str) -> Result<Vec<u8>> {
        let promise = Expected { digest: Some(descriptor.digest().clone()), size: Some(descriptor.size()) };
        promise.verify(at, None, extent.size())?;
        let raw = extent.read(at, MAX_DOCUMENT)?;
        self.run.budget.charge_memory(json::memory_size(&raw), at)?;
        let Some(mut hasher) = Hasher::of(descriptor.digest().algorithm()) else {
            let problem = format!("{} cannot be computed here: not verified", descriptor.digest().algorithm());
            self.run.diagnostics.warn(Rule::M11, at, problem)?;
            return Ok(raw);
        };
        hasher.update(&raw);
        promise.verify(at, Some(&hasher.finish()), raw.len() as u64)?;
        Ok(raw)
    }

    fn absent(&self, descriptor: &Descriptor, missing: &Descriptor, named_by: &str, present: Vec<RawBlob>) -> Node {
        Node::Missing(Arc::new(Missing {
            platform: descriptor.platform().cloned(),
            member: escape_for_terminal(missing.digest().blob_path().as_bytes()),
            named_by: named_by.to_owned(),
            present,
        }))
    }
}

/// O-13. `artifactType` alone proves nothing: `crane` sets it on ordinary images.
fn is_runnable(descriptor: &Descriptor, view: &oci::Manifest) -> bool {
    !descriptor.is_attestation() && view.is_image()
}

fn document<View>(descriptor: &Descriptor, raw: Vec<u8>, view: View) -> Document<View> {
    let media_type: MediaType = descriptor.media_type().clone();
    Document { raw, digest: descriptor.digest().clone(), media_type, view }
}
