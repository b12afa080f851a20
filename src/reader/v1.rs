//! Archives of Docker 1.9 and older: a directory for each layer, `repositories`, and nothing else.
//!
//! There is no config, so one is made, and every layer is read for its diff_id. The result is the image that Docker 1.10
//! to 24 made of the same archive.
//!
//! Sources: docs/formats.md L-24, L-30 to L-34, X-2.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::layer;
use crate::archive::MemberIndex;
use crate::digest::DiffId;
use crate::error::{Error, ErrorKind, Result};
use crate::image::{
    Blob, Broken, ExpectedDigest, Image, ImageEntry, ImageSet, Layer, Name, Node, PartialImage, PartialLayer,
};
use crate::limits::{MAX_DOCUMENT, MAX_MANIFEST_JSON};
use crate::path::quote;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::config::ImageConfig;
use crate::spec::docker::{REPOSITORIES_MEMBER, Repositories};
use crate::spec::json;
use crate::spec::reference::Reference;
use crate::spec::v1::{LegacyLayer, V1Id, synthesise_config};
use crate::stream::pool;

/// About what a layer of an image takes in memory, bytes.
const LAYER_SIZE: u64 = 1024;

/// Returns whether the archive has a layer directory.
pub(super) fn is_one(members: &MemberIndex) -> Result<bool> {
    Ok(directories(members)?.values().any(|directory| directory.json && directory.layer))
}

/// The files that a layer directory has.
#[derive(Default)]
struct LayerDirectory {
    json: bool,
    layer: bool,
}

/// All layer directories: `<64 hex>/json` with a `layer.tar` beside it.
fn directories(members: &MemberIndex) -> Result<BTreeMap<V1Id, LayerDirectory>> {
    let mut directories: BTreeMap<V1Id, LayerDirectory> = BTreeMap::new();
    for path in members.names()? {
        let Some((directory, last)) = path.split() else { continue };
        let Some(id) = std::str::from_utf8(directory.as_bytes()).ok().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let directory = directories.entry(id).or_default();
        directory.json |= last == b"json";
        directory.layer |= last == b"layer.tar";
    }
    Ok(directories)
}

/// Reads every image that `repositories` names. If there is no such member, every layer that is not the parent of another is an
/// untagged image (L-31).
pub(super) fn read(members: &MemberIndex, run: &Run) -> Result<ImageSet> {
    let directories = directories(members)?;
    let mut reading = V1Reading { members, run, documents: HashMap::new() };
    let tops = if members.has(REPOSITORIES_MEMBER)? { reading.named()? } else { reading.unnamed(&directories)? };
    let mut chains = Vec::with_capacity(tops.len());
    for (top, names) in tops {
        let (chain, error) = reading.chain(&top)?;
        chains.push((top, names, chain, error));
    }
    let used: BTreeSet<&V1Id> = chains.iter().flat_map(|(_, _, chain, _)| chain).collect();
    reading.check_unused(&directories, &used)?;
    let contents = reading.contents(used)?;
    let archive: Arc<str> = members.label().into();
    let mut entries = Vec::new();
    for (top, names, chain, error) in &chains {
        let node = match error {
            None => reading.image(top, chain, &contents)?,
            Some(error) => reading.broken(top, chain, &contents, error.clone()),
        };
        entries.push(ImageEntry { archive: Arc::clone(&archive), names: names.clone(), descriptor: None, node });
    }
    Ok(ImageSet { archive: archive.to_string(), entries, ..ImageSet::default() })
}

/// The top layer of an image, and the image's names.
type Top = (V1Id, Vec<Name>);

/// The fault of an image; `None` where it has been reported.
type Fault = Option<Arc<Error>>;

/// A layer's bytes, if they are there, and their digests, if they can be decoded.
struct LayerContent {
    blob: Option<Blob>,
    digests: std::result::Result<(DiffId, ExpectedDigest), Fault>,
}

type LayerContents = BTreeMap<V1Id, LayerContent>;

/// Reads the documents of layers, each once.
struct V1Reading<'a> {
    members: &'a MemberIndex,
    run: &'a Run,
    documents: HashMap<V1Id, LegacyLayer>,
}

impl V1Reading<'_> {
    /// The top layers that `repositories` names, in its order, each with all its names.
    fn named(&self) -> Result<Vec<Top>> {
        let (at, diagnostics) = (self.members.at(REPOSITORIES_MEMBER), &self.run.diagnostics);
        let bytes = self.members.document(Rule::L31, REPOSITORIES_MEMBER, "the format", MAX_MANIFEST_JSON, self.run)?;
        let repositories = match Repositories::read(&bytes, &at) {
            Ok(Repositories(repositories)) => repositories,
            Err(error) => return diagnostics.fault(error).map(|()| Vec::new()),
        };
        let mut tops: Vec<Top> = Vec::new();
        let mut places: HashMap<V1Id, usize> = HashMap::new();
        for (repository, tags) in &repositories {
            for (tag, id) in tags {
                let text = if tag.is_empty() { repository.clone() } else { format!("{repository}:{tag}") };
                let id: V1Id = match id.parse() {
                    Ok(id) => id,
                    Err(error) => {
                        diagnostics.fault(Error::invalid(Rule::L31, &at, format!("{}: {error}", quote(text))))?;
                        continue;
                    }
                };
                let name = Name::of_repo_tag(&text);
                if let Err(error) = text.parse::<Reference>() {
                    diagnostics.warn(Rule::L7, &at, format!("{error}; the name is kept in a layout only"))?;
                }
                let place = *places.entry(id.clone()).or_insert(tops.len());
                match tops.get_mut(place) {
                    Some((_, names)) => names.push(name),
                    None => tops.push((id, vec![name])),
                }
            }
        }
        Ok(tops)
    }

    /// The layers that are not the parent of another.
    fn unnamed(&mut self, directories: &BTreeMap<V1Id, LayerDirectory>) -> Result<Vec<Top>> {
        let is_whole =
            |(id, directory): (&V1Id, &LayerDirectory)| (directory.json && directory.layer).then(|| id.clone());
        let ids: BTreeSet<V1Id> = directories.iter().filter_map(is_whole).collect();
        let mut tops = ids.clone();
        for id in ids {
            match self.document(&id, "its directory") {
                Ok(layer) => drop(layer.parent().map(|parent| tops.remove(parent))),
                Err(error) => self.run.diagnostics.fault(error)?,
            }
        }
        if tops.is_empty() {
            let problem = "every layer is another one's parent: they form a cycle";
            self.run.diagnostics.fault(Error::invalid(Rule::L31, self.members.label(), problem))?;
        }
        Ok(tops.into_iter().map(|id| (id, Vec::new())).collect())
    }

    /// The layers from base to `top`; and the fault if the base is not reached.
    fn chain(&mut self, top: &V1Id) -> Result<(Vec<V1Id>, Option<Fault>)> {
        let (mut seen, mut chain) = (BTreeSet::new(), Vec::new());
        let mut next = Some((top.clone(), REPOSITORIES_MEMBER.to_owned()));
        let mut fault = None;
        while let Some((id, named_by)) = next.take() {
            let at = self.members.at(&id.json_member());
            // Each image has a list of its own, so that a few documents can make many long lists.
            self.run.budget.charge_memory(LAYER_SIZE, &at)?;
            let document = match seen.insert(id.clone()) {
                true => self.document(&id, &named_by),
                false => Err(Error::invalid(Rule::L31, at, "the layer is its own ancestor")),
            };
            match document {
                Ok(layer) => next = layer.parent().map(|parent| (parent.clone(), id.json_member())),
                Err(error) => {
                    fault = Some(self.fault(error)?);
                    break;
                }
            }
            chain.push(id);
        }
        chain.reverse();
        Ok((chain, fault))
    }

    fn document(&mut self, id: &V1Id, named_by: &str) -> Result<&LegacyLayer> {
        if !self.documents.contains_key(id) {
            let member = id.json_member();
            let bytes = self.members.document(Rule::L31, &member, named_by, MAX_DOCUMENT, self.run)?;
            let layer = LegacyLayer::read(&bytes, &self.members.at(&member), id, &self.run.diagnostics)?;
            self.documents.insert(id.clone(), layer);
        }
        Ok(&self.documents[id])
    }

    /// Checks directories that no image uses, if errors are collected: Docker reads every one of them (L-30).
    fn check_unused(&mut self, directories: &BTreeMap<V1Id, LayerDirectory>, used: &BTreeSet<&V1Id>) -> Result<()> {
        if !self.run.diagnostics.collects() {
            return Ok(());
        }
        for (id, directory) in directories {
            for (is_there, member, what) in
                [(directory.layer, id.layer_member(), "layer"), (directory.json, id.json_member(), "metadata")]
            {
                if !is_there {
                    let problem = format!("the directory has no {what}");
                    self.run.diagnostics.warn(Rule::L30, self.members.at(&member), problem)?;
                }
            }
            if directory.json
                && !used.contains(id)
                && let Err(error) = self.document(id, "its directory")
            {
                self.run.diagnostics.fault(error)?;
            }
        }
        Ok(())
    }

    /// The contents of layers. A fault in one is a fault of the images that have it.
    fn contents(&self, ids: BTreeSet<&V1Id>) -> Result<LayerContents> {
        let (mut contents, mut found) = (LayerContents::new(), Vec::with_capacity(ids.len()));
        for id in ids {
            let member = id.layer_member();
            let at = self.members.at(&member);
            match self.members.member(Rule::L31, &member, &id.json_member()) {
                Ok(extent) => found.push((id.clone(), Blob::detect(extent, &at)?, at)),
                Err(error) => {
                    let digests = Err(self.fault(error)?);
                    contents.insert(id.clone(), LayerContent { blob: None, digests });
                }
            }
        }
        // If errors are collected, faults of bodies are found by reading them once more.
        let silent = self.run.diagnostics.collects().then(|| self.run.second_reading());
        let run = silent.as_ref().unwrap_or(self.run);
        let size = |(_, blob, _): &&(V1Id, Blob, String)| blob.extent.size();
        let computed = pool::for_all(run.jobs, &found, size, |(_, blob, at)| match layer::computed(blob, at, run) {
            Err(error) if error.kind() == ErrorKind::Input => Ok(Err(error)),
            computed => computed.map(Ok),
        })?;
        for ((id, blob, _), computed) in found.into_iter().zip(computed) {
            let digests = match computed {
                Ok(digests) => Ok(digests),
                Err(error) => Err(self.fault(error)?),
            };
            contents.insert(id, LayerContent { blob: Some(blob), digests });
        }
        Ok(contents)
    }

    /// Returns the fault that `error` is for an image; reports it if the diagnostics go on.
    fn fault(&self, error: Error) -> Result<Fault> {
        match error.kind() {
            ErrorKind::Input => Ok(self.run.diagnostics.fault(error).err().map(Arc::new)),
            _ => Err(error),
        }
    }

    /// The image of a chain of layers.
    fn image(&self, top: &V1Id, chain: &[V1Id], contents: &LayerContents) -> Result<Node> {
        let mut layers = Vec::with_capacity(chain.len());
        for id in chain {
            let at = self.members.at(&id.layer_member());
            let LayerContent { blob, digests } = &contents[id];
            match digests.clone() {
                Ok((diff_id, expected_digest)) => {
                    layers.push(Layer { at, diff_id, blob: blob.clone(), expected_digest, foreign: None });
                }
                Err(error) => return Ok(self.broken(top, chain, contents, error)),
            }
        }
        let at = self.members.at(&top.json_member());
        let steps: Vec<(&LegacyLayer, &DiffId)> =
            chain.iter().zip(&layers).map(|(id, layer)| (&self.documents[id], &layer.diff_id)).collect();
        if self.documents[top].has_another_id_in_docker() {
            let problem = "it was made by docker before 1.8.3: docker itself would give it another image ID";
            self.run.diagnostics.warn(Rule::L32, &at, problem)?;
        }
        let raw = synthesise_config(&steps).ok_or_else(|| Error::invalid(Rule::L31, &at, "the image has no layers"))?;
        self.run.budget.charge_memory(json::memory_size(&raw), &at)?;
        let config = Arc::new(ImageConfig::read(raw, &at)?);
        Ok(Node::Image(Arc::new(Image::new(at, config, layers))))
    }

    /// Returns the broken node of an image with the fault `error`, and with the layers of it that are there.
    fn broken(&self, top: &V1Id, chain: &[V1Id], contents: &LayerContents, error: Fault) -> Node {
        let at = self.members.at(&top.json_member());
        let layers = chain.iter().map(|id| PartialLayer {
            at: self.members.at(&id.layer_member()),
            diff_id: None,
            blob: contents[id].blob.clone(),
            expected_digest: ExpectedDigest::Nothing,
            foreign: None,
        });
        let layers = layers.collect();
        let image = PartialImage { at: at.clone(), config_at: at.clone(), image_id: None, config: None, layers };
        Node::Broken(Arc::new(Broken { platform: None, error, at, image: Some(Arc::new(image)) }))
    }
}
