//! Deltas: archives that make one image of another, whose files are in another archive.
//!
//! ```text
//! up.delta ─ artifact ─┬─ manifest and config of the new image
//!                      ├─ reused layers ─────────────────────────▶ those of the old image
//!                      └─ tar-diffs ── applied to the old image ─▶ plain tars in a temporary file, their diff_ids verified
//! ```
//!
//! The result is an image like any other. It is made when the archive is read, so that no output begins before every diff_id
//! is verified.
//!
//! Sources: docs/delta.md P-1 to P-3, P-10, P-14.

mod make;

use std::sync::Arc;

use crate::archive::MemberIndex;
use crate::diagnostics::Diagnostics;
use crate::digest::{DiffId, Hasher};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{Document, ExpectedDigest, Image, ImageEntry, ImageSet, Layer, Name, NeededBase, Node};
use crate::limits::MAX_DOCUMENT;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::config::ImageConfig;
use crate::spec::delta::{ARTIFACT_TYPE, DeltaManifest, is_delta};
use crate::spec::descriptor::Descriptor;
use crate::spec::json;
use crate::spec::oci::{INDEX_MEMBER, Index, Manifest};
use crate::stream::tap::Expected;

pub(super) use make::make_all;

/// Returns whether the layout `members` lists deltas and nothing else (P-1). What cannot be read is not a delta.
pub(super) fn lists_deltas(members: &MemberIndex, run: &Run) -> Result<bool> {
    let read = |name: &str| match members.find(name, INDEX_MEMBER) {
        Ok(Some(extent)) if extent.size() <= MAX_DOCUMENT => extent.read(&members.at(name), MAX_DOCUMENT).map(Some),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::Input => Ok(None),
        Err(error) => Err(error),
    };
    let Some(index) = read(INDEX_MEMBER)? else { return Ok(false) };
    let _held = run.budget.hold(json::memory_size(&index), &members.at(INDEX_MEMBER))?;
    let Ok(index) = Index::read(&index, "", None, &Diagnostics::silent()) else { return Ok(false) };
    for entry in index.entries() {
        let is_called_another = entry.artifact_type().is_some_and(|kind| kind != ARTIFACT_TYPE);
        if !entry.media_type().is_manifest() || is_called_another {
            return Ok(false);
        }
        let name = entry.digest().blob_path();
        let Some(manifest) = read(&name)? else { return Ok(false) };
        let _held = run.budget.hold(json::memory_size(&manifest), &members.at(&name))?;
        if !Manifest::read(&manifest, "", None).is_ok_and(|manifest| is_delta(&manifest)) {
            return Ok(false);
        }
    }
    Ok(!index.entries().is_empty())
}

/// Reads the images that the archive makes, without their layers: these are left to the images that it needs.
pub(super) fn listed(members: &MemberIndex, run: &Run) -> Result<ImageSet> {
    let archive: Arc<str> = members.label().into();
    let entry = |delta: ImageDelta<'_>| ImageEntry {
        archive: Arc::clone(&archive),
        names: names(&delta.manifest.target.names),
        descriptor: None,
        node: Node::Image(Arc::new(delta.listed())),
    };
    let entries = read(members, run)?.into_iter().map(entry).collect();
    Ok(ImageSet { archive: members.label().to_owned(), entries, ..ImageSet::default() })
}

/// Names as a delta records them.
fn names(texts: &[String]) -> Vec<Name> {
    texts.iter().map(|text| Name::of_ref_name(text)).collect()
}

/// The delta of one image.
struct ImageDelta<'a> {
    members: &'a MemberIndex,
    /// Its manifest's name in messages.
    at: String,
    manifest: DeltaManifest,
    /// The target's.
    target: Document<Manifest>,
    config: Arc<ImageConfig>,
}

impl ImageDelta<'_> {
    /// The image without its layers.
    fn listed(&self) -> Image {
        let layer = |(listed, diff_id): (&Descriptor, &DiffId)| Layer {
            at: self.members.at(&listed.digest().blob_path()),
            diff_id: diff_id.clone(),
            blob: None,
            expected_digest: ExpectedDigest::Descriptor(Box::new(listed.clone())),
            foreign: None,
        };
        let reused = |(listed, _): &(&Descriptor, &DiffId)| !self.manifest.layers.contains_key(listed.digest());
        let kept: Vec<Layer> = self.layers().filter(reused).map(layer).collect();
        let needs =
            NeededBase { delta: Some(self.manifest.content()), ..NeededBase::of(&kept, Some(self.source_title())) };
        Image { needs: Some(Arc::new(needs)), ..self.image(self.layers().map(layer).collect()) }
    }

    /// The image with these layers.
    fn image(&self, layers: Vec<Layer>) -> Image {
        let manifest = Some(Arc::new(self.target.clone()));
        Image { manifest, ..Image::new(self.at.clone(), Arc::clone(&self.config), layers) }
    }

    /// The layers of the image, base first: by the manifest, and by the config.
    fn layers(&self) -> impl Iterator<Item = (&Descriptor, &DiffId)> {
        self.target.view.layers().iter().zip(self.config.diff_ids())
    }

    /// The image that it needs, in messages: its names, else its image ID.
    fn source_title(&self) -> String {
        let source = &self.manifest.source;
        Name::list(&names(&source.names)).unwrap_or_else(|| format!("image {}", source.config.short()))
    }
}

/// The deltas that the archive lists, in its order.
fn read<'a>(members: &'a MemberIndex, run: &Run) -> Result<Vec<ImageDelta<'a>>> {
    let index = members.document(Rule::P1, INDEX_MEMBER, "the format", MAX_DOCUMENT, run)?;
    let index = Index::read(&index, &members.at(INDEX_MEMBER), None, &run.diagnostics)?;
    let read = |entry: &Descriptor| {
        let (at, raw) = document(members, entry, INDEX_MEMBER, run)?;
        let manifest = DeltaManifest::read(&Manifest::read(&raw, &at, Some(entry.media_type()))?, &at)?;
        let named_by = entry.digest().blob_path();
        let described = &manifest.target.manifest;
        let (target_at, raw) = document(members, described, &named_by, run)?;
        let view = Manifest::read(&raw, &target_at, None)?;
        let media_type = view.media_type().clone();
        let target = Document { raw, digest: described.digest().clone(), media_type, view };
        let (config_at, raw) = document(members, &manifest.target.config, &named_by, run)?;
        let config = Arc::new(ImageConfig::read(raw, &config_at)?);
        if target.view.config().digest() != manifest.target.config.digest() {
            return Err(Error::invalid(Rule::P2, &at, "its config is not that of its manifest"));
        }
        if target.view.layers().len() != config.diff_ids().len() {
            let (expected, found) = (config.diff_ids().len(), target.view.layers().len());
            let problem = "its manifest does not list as many layers as its config has diff_ids";
            return Err(Error::mismatch(Rule::L5, &at, problem, &expected, &found));
        }
        // `verify` and `inspect` apply nothing, and would not miss them.
        for part in target.view.layers().iter().filter_map(|listed| manifest.layers.get(listed.digest())) {
            let name = part.blob.digest().blob_path();
            let size = members.member(Rule::P2, &name, &named_by)?.size();
            let expected = Expected { digest: None, size: Some(part.blob.size()) };
            expected.verify(&members.at(&name), None, size)?;
        }
        Ok(ImageDelta { members, at, manifest, target, config })
    };
    index.entries().iter().map(read).collect()
}

/// The name in messages and the bytes of a document, compared with its descriptor.
fn document(members: &MemberIndex, described: &Descriptor, named_by: &str, run: &Run) -> Result<(String, Vec<u8>)> {
    let name = described.digest().blob_path();
    let at = members.at(&name);
    let raw = members.member(Rule::P2, &name, named_by)?.read(&at, MAX_DOCUMENT)?;
    run.budget.charge_memory(json::memory_size(&raw), &at)?;
    let mut hasher = Hasher::of(described.digest().algorithm())
        .ok_or_else(|| Error::invalid(Rule::P2, &at, "its digest is of an algorithm that cannot be computed here"))?;
    hasher.update(&raw);
    let expected = Expected { digest: Some(described.digest().clone()), size: Some(described.size()) };
    expected.verify(&at, Some(&hasher.finish()), raw.len() as u64)?;
    Ok((at, raw))
}
