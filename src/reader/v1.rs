//! Archives of Docker 1.9 and older: a directory for each layer, `repositories`, and nothing else.
//!
//! There is no config, so one is made, and every layer is read for its diff_id. The result is the image that Docker 1.10
//! to 24 made of the same archive.
//!
//! Sources: docs/formats.md L-24, L-30 to L-34, X-2.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map};
use std::sync::Arc;

use super::layer;
use crate::archive::MemberIndex;
use crate::digest::DiffId;
use crate::error::{Error, Result};
use crate::image::{Blob, ExpectedDigest, Image, ImageEntry, ImageSet, Layer, Name, Node};
use crate::limits::{MAX_DOCUMENT, MAX_MANIFEST_JSON};
use crate::path::escape_for_terminal;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::config::ImageConfig;
use crate::spec::docker::{REPOSITORIES_MEMBER, Repositories};
use crate::spec::reference::Reference;
use crate::spec::v1::{LegacyLayer, V1Id, synthesise_config};
use crate::stream::pool;

/// About what a layer of an image takes in memory, bytes.
const LAYER_SIZE: u64 = 1024;

/// Whether the archive has a layer directory.
pub(super) fn is_one(index: &MemberIndex) -> Result<bool> {
    Ok(!directories(index)?.is_empty())
}

/// All layer directories: `<64 hex>/json` with a `layer.tar` beside it.
fn directories(index: &MemberIndex) -> Result<BTreeSet<V1Id>> {
    let mut ids = BTreeSet::new();
    for path in index.names()? {
        let id = path.split().and_then(|(directory, last)| {
            let directory = std::str::from_utf8(directory.as_bytes()).ok()?;
            (last == b"json").then(|| directory.parse::<V1Id>().ok())?
        });
        if let Some(id) = id
            && index.has(&id.layer_member())?
        {
            ids.insert(id);
        }
    }
    Ok(ids)
}

/// Reads every image that `repositories` names; without it those that are no other's parent, untagged (L-31).
pub(super) fn read(index: &MemberIndex, run: &Run) -> Result<ImageSet> {
    let mut layers = HashMap::new();
    let tops = match index.has(REPOSITORIES_MEMBER)? {
        true => named(index, run)?,
        false => unnamed(index, &mut layers, run)?,
    };
    let mut chains = Vec::with_capacity(tops.len());
    for (id, names) in tops {
        chains.push((chain(index, &id, &mut layers, run)?, names));
    }
    let contents = contents(index, chains.iter().flat_map(|(chain, _)| chain), run)?;
    let mut entries = Vec::new();
    for (chain, names) in chains {
        let image = image(index, &chain, &layers, &contents, run)?;
        entries.push(ImageEntry { names, descriptor: None, node: Node::Image(Arc::new(image)) });
    }
    Ok(ImageSet { archive: index.label().to_owned(), entries, unreferenced: Vec::new() })
}

/// The top layers that `repositories` names, in its order, each with all its names.
fn named(index: &MemberIndex, run: &Run) -> Result<Vec<(V1Id, Vec<Name>)>> {
    let at = index.at(REPOSITORIES_MEMBER);
    let bytes = index.document(Rule::L31, REPOSITORIES_MEMBER, "the format", MAX_MANIFEST_JSON, run)?;
    let mut tops: Vec<(V1Id, Vec<Name>)> = Vec::new();
    let mut places: HashMap<V1Id, usize> = HashMap::new();
    for (repository, tags) in Repositories::read(&bytes, &at)?.0 {
        for (tag, id) in tags {
            let shown = escape_for_terminal(format!("{repository}:{tag}").as_bytes());
            let id: V1Id = id.parse().map_err(|error| Error::invalid(Rule::L31, &at, format!("{shown}: {error}")))?;
            let text = if tag.is_empty() { repository.clone() } else { format!("{repository}:{tag}") };
            let name = match text.parse::<Reference>() {
                Ok(reference) => Name::Reference(reference.normalized()),
                Err(error) => {
                    run.diagnostics.warn(Rule::L7, &at, format!("{error}; the name is kept in a layout only"))?;
                    Name::Text(text)
                }
            };
            match places.entry(id) {
                hash_map::Entry::Occupied(place) => tops[*place.get()].1.push(name),
                hash_map::Entry::Vacant(place) => {
                    tops.push((place.key().clone(), vec![name]));
                    place.insert(tops.len() - 1);
                }
            }
        }
    }
    Ok(tops)
}

type LayerDocuments = HashMap<V1Id, LegacyLayer>;

fn unnamed(index: &MemberIndex, layers: &mut LayerDocuments, run: &Run) -> Result<Vec<(V1Id, Vec<Name>)>> {
    let mut tops = directories(index)?;
    for id in tops.clone() {
        if let Some(parent) = document(index, &id, layers, run)?.parent() {
            tops.remove(parent);
        }
    }
    if tops.is_empty() {
        return Err(Error::invalid(Rule::L31, index.label(), "every layer is another one's parent: they form a cycle"));
    }
    Ok(tops.into_iter().map(|id| (id, Vec::new())).collect())
}

/// The layers from base to `top`.
fn chain(index: &MemberIndex, top: &V1Id, layers: &mut LayerDocuments, run: &Run) -> Result<Vec<V1Id>> {
    let mut seen = BTreeSet::new();
    let mut chain = Vec::new();
    let mut next = Some(top.clone());
    while let Some(id) = next {
        if !seen.insert(id.clone()) {
            return Err(Error::invalid(Rule::L31, index.at(&id.json_member()), "the layer is its own ancestor"));
        }
        // Images that share their layers hold them once each: few documents can make long chains of many.
        run.budget.charge_memory(LAYER_SIZE, &index.at(&id.json_member()))?;
        next = document(index, &id, layers, run)?.parent().cloned();
        chain.push(id);
    }
    chain.reverse();
    Ok(chain)
}

fn document<'a>(index: &MemberIndex, id: &V1Id, layers: &'a mut LayerDocuments, run: &Run) -> Result<&'a LegacyLayer> {
    if !layers.contains_key(id) {
        let member = id.json_member();
        let bytes = index.document(Rule::L31, &member, "`repositories` or the layer above", MAX_DOCUMENT, run)?;
        layers.insert(id.clone(), LegacyLayer::read(&bytes, &index.at(&member), id)?);
    }
    Ok(&layers[id])
}

/// A layer's bytes and what they hash to.
type Content = (Blob, DiffId, ExpectedDigest);

fn contents<'a>(
    index: &MemberIndex,
    ids: impl Iterator<Item = &'a V1Id>,
    run: &Run,
) -> Result<BTreeMap<V1Id, Content>> {
    let ids: BTreeSet<&V1Id> = ids.collect();
    let mut blobs = Vec::with_capacity(ids.len());
    for id in &ids {
        let member = id.layer_member();
        let at = index.at(&member);
        blobs.push((layer::blob(index.member(Rule::L31, &member, "the format")?, &at)?, at));
    }
    let size = |(blob, _): &&(Blob, String)| blob.extent.size();
    let computed = pool::for_all(run.jobs, &blobs, size, |(blob, at)| layer::computed(blob, at, run))?;
    let contents = blobs.into_iter().zip(computed).map(|((blob, _), (diff_id, claim))| (blob, diff_id, claim));
    Ok(ids.into_iter().cloned().zip(contents).collect())
}

fn image(
    index: &MemberIndex,
    chain: &[V1Id],
    documents: &LayerDocuments,
    contents: &BTreeMap<V1Id, Content>,
    run: &Run,
) -> Result<Image> {
    let steps: Vec<(&LegacyLayer, &DiffId)> = chain.iter().map(|id| (&documents[id], &contents[id].1)).collect();
    let top = steps.last().map(|(layer, _)| *layer);
    let at = index.at(&top.map_or_else(String::new, |layer| layer.id().json_member()));
    if top.is_some_and(LegacyLayer::has_another_id_in_docker) {
        let problem = "it was made by docker before 1.8.3: docker itself would give it another image ID";
        run.diagnostics.warn(Rule::L32, &at, problem)?;
    }
    let raw = synthesise_config(&steps).ok_or_else(|| Error::invalid(Rule::L31, &at, "the image has no layers"))?;
    run.budget.charge_memory(raw.len() as u64, &at)?;
    let config = ImageConfig::read(raw, &at)?;
    let layers = chain.iter().map(|id| {
        let (blob, diff_id, claim) = contents[id].clone();
        let at = index.at(&id.layer_member());
        Layer { at, diff_id, blob: Some(blob), claim, foreign: None }
    });
    Ok(Image {
        at: at.clone(),
        image_id: config.image_id(),
        layers: layers.collect(),
        manifest: None,
        platform: config.platform().clone(),
        config,
        parent: None,
    })
}
