//! `manifest.json` archives: `docker save` of every age, `crane pull`, podman, jib, nix, kaniko and their like.
//!
//! One reader serves them all, because what tells them apart (names, links, compression) is settled member by member.
//!
//! Sources: docs/formats.md sections 2 and 3, rules G-7 to G-12, L-4 to L-7, L-20 to L-23, D-5, D-6.

use std::collections::{HashMap, hash_map};
use std::sync::Arc;

use super::layer;
use crate::archive::MemberIndex;
use crate::digest::{DiffId, Digest};
use crate::error::{Error, Result};
use crate::image::{ExpectedDigest, Image, ImageEntry, ImageSet, Layer, Name, Node};
use crate::limits::{MAX_DOCUMENT, MAX_MANIFEST_JSON};
use crate::path::escape_for_terminal;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::config::ImageConfig;
use crate::spec::descriptor::Descriptor;
use crate::spec::docker::{self, MANIFEST_MEMBER, ManifestItem};
use crate::spec::reference::Reference;
use crate::stream::source::{Extent, Location};

/// About what a layer takes in memory, bytes: far more than its few characters in the documents.
const LAYER_SIZE: u64 = 512;
/// The same for a name, which is spelled in full there.
const NAME_SIZE: u64 = 256;

/// Reads all images of `manifest.json`; items that are the same image with other names become one entry.
pub(super) fn read(index: &MemberIndex, run: &Run) -> Result<ImageSet> {
    let items = items(index, run)?;
    let mut entries: Vec<ImageEntry> = Vec::new();
    let mut known: HashMap<Identity, usize> = HashMap::new();
    let mut places = Places::default();
    for (position, item) in items.iter().enumerate() {
        let image = image(index, item, position, &mut places, run)?;
        let names = names(item, &image.at, run)?;
        match known.entry(identity(&image)) {
            hash_map::Entry::Occupied(entry) => entries[*entry.get()].names.extend(names),
            hash_map::Entry::Vacant(place) => {
                place.insert(entries.len());
                entries.push(ImageEntry { names, descriptor: None, node: Node::Image(Arc::new(image)) });
            }
        }
    }
    Ok(ImageSet { archive: index.label().to_owned(), entries, unreferenced: Vec::new() })
}

/// The items of `manifest.json`.
pub(super) fn items(index: &MemberIndex, run: &Run) -> Result<Vec<ManifestItem>> {
    let bytes = index.document(Rule::L4, MANIFEST_MEMBER, "the format", MAX_MANIFEST_JSON, run)?;
    docker::read_manifest(&bytes, &index.at(MANIFEST_MEMBER))
}

/// Which diff_id a stored file was said to have: one file cannot have two (G-9).
#[derive(Default)]
pub(super) struct Places(HashMap<Location, DiffId>);

/// One item as an image.
pub(super) fn image(
    index: &MemberIndex,
    item: &ManifestItem,
    position: usize,
    places: &mut Places,
    run: &Run,
) -> Result<Image> {
    let named_by = format!("{MANIFEST_MEMBER} (image {position})");
    let at = index.at(&item.config);
    let config = ImageConfig::read(index.document(Rule::L6, &item.config, &named_by, MAX_DOCUMENT, run)?, &at)?;
    let image_id = config.image_id();
    check_config_name(&item.config, &image_id, &at, run)?;
    let diff_ids = config.diff_ids();
    if diff_ids.len() != item.layers.len() {
        return Err(Error::invalid(
            Rule::L5,
            index.at(&named_by),
            format!("it lists {} layers, but its config has {} diff_ids", item.layers.len(), diff_ids.len()),
        ));
    }
    run.budget.charge_memory(LAYER_SIZE * diff_ids.len() as u64, &at)?;
    let mut layers = Vec::with_capacity(diff_ids.len());
    for (member, diff_id) in item.layers.iter().zip(diff_ids) {
        layers.push(layer(index, item, member, diff_id, &named_by, places, run)?);
    }
    let platform = config.platform().clone();
    let parent = item.parent.as_deref().and_then(|parent| parent.parse().ok());
    Ok(Image { at, config, image_id, layers, manifest: None, platform, parent })
}

fn layer(
    index: &MemberIndex,
    item: &ManifestItem,
    member: &str,
    diff_id: &DiffId,
    named_by: &str,
    places: &mut Places,
    run: &Run,
) -> Result<Layer> {
    let at = index.at(member);
    let source = layer_source(item, member, diff_id);
    let foreign = source.filter(|source| source.media_type().is_nondistributable()).cloned();
    let Some(extent) = index.find(member, named_by)? else {
        if foreign.is_none() {
            return Err(index.missing(Rule::L23, member, named_by));
        }
        return Ok(Layer { at, diff_id: diff_id.clone(), blob: None, claim: ExpectedDigest::Nothing, foreign });
    };
    if let Some(other) = places.0.insert(extent.location(), diff_id.clone()).filter(|other| other != diff_id) {
        return Err(Error::invalid(
            Rule::H20,
            at,
            format!("the config gives this one file two diff_ids, {other} and {diff_id}"),
        ));
    }
    let blob = layer::blob(extent, &at)?;
    let claim = match digest_in_name(member) {
        Some(name) if blob.is_plain() && name != *diff_id.digest() => {
            let problem = format!("the member is named like a digest, but by the config its content is {diff_id}");
            run.diagnostics.warn(Rule::D6, &at, problem)?;
            ExpectedDigest::Nothing
        }
        Some(name) => ExpectedDigest::Name(name),
        None => ExpectedDigest::Nothing,
    };
    if let (Some(source), None) = (source, &foreign) {
        check_source(source, &blob.extent, &claim, &at, run)?;
    }
    Ok(Layer { at, diff_id: diff_id.clone(), blob: Some(blob), claim, foreign })
}

/// The item's `LayerSources` entry for a layer: keyed by diff_id, or by layer digest as regclient has it (L-20).
fn layer_source<'a>(item: &'a ManifestItem, member: &str, diff_id: &DiffId) -> Option<&'a Descriptor> {
    let by_diff_id = item.layer_sources.get(&diff_id.to_string());
    by_diff_id.or_else(|| item.layer_sources.get(&digest_in_name(member)?.to_string()))
}

/// An ordinary layer's entry is information: the bytes that are there win (L-21, H-21).
fn check_source(source: &Descriptor, extent: &Extent, claim: &ExpectedDigest, at: &str, run: &Run) -> Result<()> {
    let named = match claim {
        ExpectedDigest::Name(name) => Some(name),
        ExpectedDigest::Descriptor(_)
        | ExpectedDigest::Computed(_)
        | ExpectedDigest::Written { .. }
        | ExpectedDigest::Nothing => None,
    };
    let contradicts = source.size() != extent.size() || named.is_some_and(|name| name != source.digest());
    if contradicts {
        let problem = format!(
            "LayerSources says {} with {} bytes, the archive holds {} bytes; the entry is ignored",
            source.digest(),
            source.size(),
            extent.size()
        );
        run.diagnostics.warn(Rule::H21, at, problem)?;
    }
    Ok(())
}

/// The digest that a layer's name seems to be: `<64 hex>` before its extensions (D-6).
fn digest_in_name(member: &str) -> Option<Digest> {
    let last = member.rsplit('/').next().unwrap_or_default();
    Digest::from_sha256_hex(last.split('.').next().unwrap_or_default())
}

/// L-6: nobody checks a config's name, so the computed image ID stands and a false name is worth a word.
fn check_config_name(member: &str, image_id: &Digest, at: &str, run: &Run) -> Result<()> {
    let last = member.rsplit('/').next().unwrap_or_default();
    let stem = last.strip_suffix(".json").unwrap_or(last);
    let named = Digest::from_sha256_hex(stem.strip_prefix("sha256:").unwrap_or(stem));
    match named {
        Some(named) if named != *image_id => {
            let problem = format!("the config is named {named}, but its content is {image_id}, which is used");
            run.diagnostics.warn(Rule::L6, at, problem)
        }
        _ => Ok(()),
    }
}

/// L-7: everything is taken, what no engine would take with a warning.
pub(super) fn names(item: &ManifestItem, at: &str, run: &Run) -> Result<Vec<Name>> {
    run.budget.charge_memory(NAME_SIZE * item.repo_tags.len() as u64, at)?;
    let mut names = Vec::new();
    for tag in &item.repo_tags {
        let shown = escape_for_terminal(tag.as_bytes());
        match tag.parse::<Reference>() {
            Ok(reference) => {
                let oddity = match (reference.tag(), reference.digest()) {
                    (_, Some(_)) => Some("is a digest"),
                    (None, None) => Some("has no tag"),
                    (Some(_), None) => None,
                };
                if let Some(oddity) = oddity {
                    let problem = format!("the name `{shown}` {oddity}, which not every engine loads");
                    run.diagnostics.warn(Rule::L7, at, problem)?;
                }
                names.push(Name::Reference(reference.normalized()));
            }
            Err(error) => {
                run.diagnostics.warn(Rule::L7, at, format!("{error}; the name is kept in a layout only"))?;
                names.push(Name::Text(tag.clone()));
            }
        }
    }
    Ok(names)
}

/// What makes two items one image, of which `crane pull` writes an item for each reference (D-4, G-10).
type Identity = (Digest, Vec<Option<Location>>);

fn identity(image: &Image) -> Identity {
    let places = image.layers.iter().map(|layer| layer.blob.as_ref().map(|blob| blob.extent.location()));
    (image.image_id.clone(), places.collect())
}
