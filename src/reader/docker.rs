//! `manifest.json` archives: `docker save` of every age, `crane pull`, podman, jib, nix, kaniko and their like.
//!
//! One reader serves them all, because they differ only in their members: names, links, compression.
//!
//! Sources: docs/formats.md sections 2 and 3, rules G-7 to G-12, L-4 to L-7, L-20 to L-23, D-5, D-6;
//! docs/bundles.md B-10, B-15.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::shared::SharedBlobs;
use super::{increment, layer};
use crate::archive::MemberIndex;
use crate::diagnostics::Diagnostic;
use crate::digest::{DiffId, Digest};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{
    Blob, Broken, ExpectedDigest, Image, ImageEntry, ImageSet, Layer, ListedNode, Listing, Name, Node, PartialImage,
    PartialLayer,
};
use crate::limits::{MAX_DOCUMENT, MAX_MANIFEST_JSON};
use crate::path::quote;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::config::ConfigParts;
use crate::spec::descriptor::Descriptor;
use crate::spec::docker::{self, MANIFEST_MEMBER, ManifestItem, UNTAGGED};
use crate::spec::increment::absent_member;
use crate::spec::reference::Reference;
use crate::stream::source::{Extent, Location};

/// About what a layer takes in memory, in bytes: far more than its few characters in the documents.
const LAYER_SIZE: u64 = 1024;
/// The same for a name, besides its text.
const NAME_SIZE: u64 = 256;

/// Reads all images of `manifest.json`; items that are the same image with other names become one entry. If `may_lack` is
/// true, layers that are nowhere are left out, for [`increment::complete`] to find or to report.
pub(super) fn read(members: &MemberIndex, shared: &SharedBlobs, may_lack: bool, run: &Run) -> Result<ImageSet> {
    let listing = listing(members, shared, may_lack, run)
        .or_else(|error| run.diagnostics.fault(error).map(|()| Listing::default()))?;
    let archive: Arc<str> = members.label().into();
    let mut entries: Vec<ImageEntry> = Vec::new();
    let mut known: HashMap<Identity, usize> = HashMap::new();
    for ListedNode { written, node, .. } in &listing.listed {
        let names = Name::of_item(written);
        if let Node::Image(image) = node {
            let place = *known.entry(identity(image)).or_insert(entries.len());
            if let Some(entry) = entries.get_mut(place) {
                entry.names.extend(names);
                continue;
            }
        }
        entries.push(ImageEntry { archive: Arc::clone(&archive), names, descriptor: None, node: node.clone() });
    }
    Ok(ImageSet { archive: archive.to_string(), entries, manifest_json: Some(listing), ..ImageSet::default() })
}

/// The items of `manifest.json` with the images that they name; a missing layer is looked for among the `shared` blobs of
/// other archives, by the digest in its name.
pub(super) fn listing(
    members: &MemberIndex,
    shared: &SharedBlobs,
    may_lack: bool,
    run: &Run,
) -> Result<Listing<ManifestItem>> {
    let at = members.at(MANIFEST_MEMBER);
    let bytes = members.document(Rule::L4, MANIFEST_MEMBER, "the format", MAX_MANIFEST_JSON, run)?;
    let items = docker::read_manifest(&bytes, &at, &run.diagnostics)?;
    if items.is_empty() && run.diagnostics.collects() {
        run.diagnostics.fault(Error::invalid(Rule::H19, &at, "it lists no images"))?;
    }
    let mut reading = Items { members, shared, may_lack, run, configs: HashMap::new(), diff_ids: HashMap::new() };
    let mut listed = Vec::with_capacity(items.len());
    for (nth, written) in items.into_iter().enumerate().filter_map(|(nth, item)| Some((nth, item?))) {
        let at = docker::item_at(&at, nth);
        check_names(&written, &at, run)?;
        let node = reading.node(&written, &docker::item_at(MANIFEST_MEMBER, nth), &at)?;
        listed.push(ListedNode { at, written, node });
    }
    Ok(Listing { size: bytes.len() as u64, listed, is_partial: false })
}

/// Reads the images of items.
struct Items<'a> {
    members: &'a MemberIndex,
    shared: &'a SharedBlobs,
    /// True if other archives may have layers that are not here.
    may_lack: bool,
    run: &'a Run,
    /// The configs read so far.
    configs: HashMap<Location, ConfigParts>,
    /// The diff_id of each stored file by the configs: one file cannot have two (G-9).
    diff_ids: HashMap<Location, DiffId>,
}

impl Items<'_> {
    /// The image of one item. A fault in one does not keep the others from being read.
    fn node(&mut self, item: &ManifestItem, named_by: &str, at: &str) -> Result<Node> {
        match self.image(item, named_by, at) {
            Err(error) if error.kind() == ErrorKind::Input => {
                let error = self.run.diagnostics.fault(error).err().map(Arc::new);
                Ok(Node::Broken(Arc::new(Broken { platform: None, error, at: at.to_owned(), image: None })))
            }
            node => node,
        }
    }

    fn image(&mut self, item: &ManifestItem, named_by: &str, at: &str) -> Result<Node> {
        let partial = self.partial(item, named_by, at)?;
        let whole = |(layer, member): (&PartialLayer, &String)| {
            let may_lack = || self.may_be_elsewhere(member, named_by) || self.leaves_out(member, &layer.diff_id);
            layer.whole(layer.is_left_out() && may_lack())
        };
        let layers = partial.layers.iter().zip(&item.layers).map(whole).collect::<Option<Arc<[Layer]>>>();
        let (Some(config), Some(layers)) = (&partial.config, layers) else {
            let (at, image) = (at.to_owned(), Some(Arc::new(partial)));
            return Ok(Node::Broken(Arc::new(Broken { platform: None, error: None, at, image })));
        };
        let needs = increment::needs(self.members, &layers).map(Arc::new);
        Ok(Node::Image(Arc::new(Image {
            parent: item.parent.as_deref().and_then(|parent| parent.parse().ok()),
            needs,
            ..Image::new(partial.config_at.clone(), Arc::clone(config), layers)
        })))
    }

    /// The image as far as it can be read.
    fn partial(&mut self, item: &ManifestItem, named_by: &str, at: &str) -> Result<PartialImage> {
        let config_at = self.members.at(&item.config);
        let (image_id, diff_ids, config) = match self.config(item, named_by, &config_at)? {
            Some(ConfigParts { image_id, diff_ids, whole }) => (Some(image_id), diff_ids, whole),
            None => (None, Arc::default(), None),
        };
        if config.is_some() {
            layer::check_count(diff_ids.len(), item.layers.len(), at, self.run)?;
        }
        self.run.budget.charge_memory(LAYER_SIZE * item.layers.len() as u64, &config_at)?;
        let diff_ids = diff_ids.iter().map(Option::as_ref).chain(std::iter::repeat(None));
        if let Some(nth) = item.layers.iter().position(String::is_empty) {
            let problem = format!(
                "layer {nth} has no file: it was left out when the archive was written; build or save the image again with \
                 all of its layers"
            );
            return Err(Error::invalid(Rule::L23, at, problem));
        }
        let layers = item.layers.iter().zip(diff_ids);
        let layers = layers.map(|(member, diff_id)| self.layer(item, member, diff_id, named_by));
        let layers = layers.collect::<Result<_>>()?;
        Ok(PartialImage { at: at.to_owned(), config_at, image_id, config, layers })
    }

    /// Reads the config of `item`; one that many items name is read once.
    fn config(&mut self, item: &ManifestItem, named_by: &str, at: &str) -> Result<Option<ConfigParts>> {
        let (members, run) = (self.members, self.run);
        let read = members.member(Rule::L6, &item.config, named_by).and_then(|extent| {
            match self.configs.entry(extent.location()) {
                Entry::Occupied(known) => Ok(known.get().clone()),
                Entry::Vacant(unknown) => {
                    let raw = members.document(Rule::L6, &item.config, named_by, MAX_DOCUMENT, run)?;
                    Ok(unknown.insert(ConfigParts::read(raw, at, &run.diagnostics)?).clone())
                }
            }
        });
        let parts = match read {
            Ok(parts) => parts,
            Err(error) => return run.diagnostics.fault(error).map(|()| None),
        };
        check_config_name(&item.config, &parts.image_id, at, self.run)?;
        Ok(Some(parts))
    }

    fn layer(
        &mut self,
        item: &ManifestItem,
        member: &str,
        diff_id: Option<&DiffId>,
        named_by: &str,
    ) -> Result<PartialLayer> {
        let mut at = self.members.at(member);
        let source = item.layer_source(member, diff_id);
        let foreign = source.filter(|source| source.media_type().is_nondistributable()).cloned();
        let mut found = self.members.find(member, named_by);
        let shared = || self.shared.find(&docker::digest_in_name(member)?);
        if let (Ok(None), Some(shared)) = (&found, shared()) {
            at.clone_from(&shared.at);
            found = Ok(Some(shared.extent.clone()));
        }
        let layer = PartialLayer {
            at,
            diff_id: diff_id.cloned(),
            blob: None,
            expected_digest: ExpectedDigest::Nothing,
            foreign,
        };
        if self.leaves_out(member, &layer.diff_id) {
            return Ok(layer);
        }
        let extent = match found {
            Ok(Some(extent)) => extent,
            Ok(None) if layer.foreign.is_some() => return Ok(layer),
            Ok(None) if self.may_lack && diff_id.is_some() => {
                // The other archives are asked for these very bytes first.
                let listed = docker::digest_in_name(member).map_or(ExpectedDigest::Nothing, ExpectedDigest::Name);
                return Ok(PartialLayer { expected_digest: listed, ..layer });
            }
            Ok(None) => {
                let error = increment::missing_layer(self.members, member, named_by, self.run);
                return self.run.diagnostics.fault(error).map(|()| layer);
            }
            Err(error) => return self.run.diagnostics.fault(error).map(|()| layer),
        };
        if let Some(diff_id) = diff_id {
            self.check_diff_id(&extent, diff_id, &layer.at)?;
        }
        let blob = Blob::detect(extent, &layer.at)?;
        let expected_digest = expected_digest_of_name(member, &blob, diff_id, &layer.at, self.run)?;
        if let (Some(source), None) = (source, &layer.foreign) {
            check_source(source, &blob.extent, &expected_digest, &layer.at, self.run)?;
        }
        Ok(PartialLayer { blob: Some(blob), expected_digest, ..layer })
    }

    /// Returns whether `member` is not there and may be in another archive.
    fn may_be_elsewhere(&self, member: &str, named_by: &str) -> bool {
        self.may_lack && matches!(self.members.find(member, named_by), Ok(None))
    }

    /// Returns whether `member` is the link that an increment has in place of a layer of its base.
    fn leaves_out(&self, member: &str, diff_id: &Option<DiffId>) -> bool {
        let is_its_name = diff_id.as_ref().is_some_and(|diff_id| member == absent_member(diff_id));
        is_its_name && self.members.dangling_link(member).is_some()
    }

    /// H-20: no file has two diff_ids.
    fn check_diff_id(&mut self, extent: &Extent, diff_id: &DiffId, at: &str) -> Result<()> {
        match self.diff_ids.insert(extent.location(), diff_id.clone()) {
            Some(other) if other != *diff_id => {
                let problem = format!("the config gives this one file two diff_ids, {other} and {diff_id}");
                self.run.diagnostics.fault(Error::invalid(Rule::H20, at, problem))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the digest that the name of a layer states, unless the config contradicts it (D-6).
fn expected_digest_of_name(
    member: &str,
    blob: &Blob,
    diff_id: Option<&DiffId>,
    at: &str,
    run: &Run,
) -> Result<ExpectedDigest> {
    match (docker::digest_in_name(member), diff_id) {
        (Some(name), Some(diff_id)) if blob.is_plain() && name != *diff_id.digest() => {
            let problem = format!("the member is named like a digest, but by the config its content is {diff_id}");
            run.diagnostics.warn(Rule::D6, at, problem)?;
            Ok(ExpectedDigest::Nothing)
        }
        (Some(name), _) => Ok(ExpectedDigest::Name(name)),
        (None, _) => Ok(ExpectedDigest::Nothing),
    }
}

/// Compares a layer with its entry in `LayerSources`, which is information only: the stored bytes count (L-21, H-21).
fn check_source(
    source: &Descriptor,
    extent: &Extent,
    expected_digest: &ExpectedDigest,
    at: &str,
    run: &Run,
) -> Result<()> {
    let warn = |what: &str| Diagnostic::warning(Rule::H21, at, format!("its LayerSources entry says another {what}"));
    if source.size() != extent.size() {
        run.diagnostics.report(warn("size").values(&source.size(), &extent.size()))?;
    }
    match expected_digest {
        ExpectedDigest::Name(name) if name != source.digest() => {
            run.diagnostics.report(warn("digest").values(source.digest(), name))
        }
        _ => Ok(()),
    }
}

/// L-6: no engine checks a config's name, so the computed image ID counts and a false name is a warning.
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

/// L-7: accepts every name, those that some engine refuses with a warning.
fn check_names(item: &ManifestItem, at: &str, run: &Run) -> Result<()> {
    run.budget.charge_memory(NAME_SIZE * item.repo_tags.len() as u64, at)?;
    for tag in &item.repo_tags {
        if tag == UNTAGGED {
            let problem = format!("`{UNTAGGED}` is not a name: the image is untagged");
            run.diagnostics.warn(Rule::L7, at, problem)?;
            continue;
        }
        let problem = match tag.parse::<Reference>().map(|name| (name.tag().is_some(), name.digest().is_some())) {
            Ok((true, false)) => continue,
            Ok((_, true)) => format!("the name `{}` is a digest, which not every engine loads", quote(tag)),
            Ok((false, false)) => format!("the name `{}` has no tag, which not every engine loads", quote(tag)),
            Err(error) => format!("{error}; the name is kept in a layout only"),
        };
        run.diagnostics.warn(Rule::L7, at, problem)?;
    }
    Ok(())
}

/// The key by which equal images are found; `crane pull` writes an item for each reference to one (D-4, G-10).
type Identity = (Digest, Vec<Option<Location>>);

fn identity(image: &Image) -> Identity {
    let places = image.layers.iter().map(|layer| layer.blob.as_ref().map(|blob| blob.extent.location()));
    (image.image_id.clone(), places.collect())
}
