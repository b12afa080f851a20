//! Properties of images that docker's formats cannot express: noted, or refused.
//!
//! Sources: docs/formats.md L-20, L-23, M-7, M-8, O-19.

use std::collections::BTreeMap;

use super::Contents;
use crate::error::{Error, Result, Setting};
use crate::image::{Image, Layer};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::spec::media_type::Family;
use crate::spec::oci::INDEX_MEMBER;

/// O-19: an encrypted layer is nothing but bytes, which only a layout can carry.
pub(super) fn refuse_encrypted(images: &[&Image]) -> Result<()> {
    match images.iter().flat_map(|image| image.layers.iter()).find(|layer| layer.is_encrypted()) {
        Some(layer) => {
            Err(Error::inexpressible(&layer.at, "an encrypted layer can be passed on in an OCI layout only"))
        }
        None => Ok(()),
    }
}

/// L-23: an engine loads a docker archive without a layer's bytes only if it has that layer already.
pub(super) fn allow_missing(layer: &Layer, allowed: bool) -> Result<()> {
    if allowed {
        return Ok(());
    }
    let problem = "the archive does not hold the bytes of this foreign layer";
    Err(Error::inexpressible(&layer.at, problem).avoided_by(Setting::MissingForeign))
}

/// Returns the foreign layers by diff_id, with docker's media types (M-8).
pub(super) fn layer_sources(image: &Image) -> BTreeMap<String, Descriptor> {
    let foreign = image.layers.iter().filter_map(|layer| Some((layer, layer.foreign.as_ref()?)));
    foreign.map(|(layer, foreign)| (layer.diff_id.to_string(), foreign.clone().with_family(Family::Docker))).collect()
}

/// Reports the annotations of `index.json` that are lost with it (M-7).
pub(super) fn remark_index(contents: &Contents<'_>, run: &Run) {
    if contents.annotations.iter().any(|annotations| !annotations.is_empty()) {
        run.diagnostics.note(Rule::M7, INDEX_MEMBER, "the target format has no place for its annotations");
    }
}

/// Reports the properties of an image's manifest that are lost with it, besides its digest (M-7).
pub(super) fn remark(image: &Image, run: &Run) {
    let Some(manifest) = &image.manifest else { return };
    let mut lost = Vec::new();
    if !manifest.view.annotations().is_empty() {
        lost.push("annotations");
    }
    if manifest.view.layers().iter().any(|layer| !layer.annotations().is_empty()) {
        lost.push("layer annotations");
    }
    if manifest.view.subject().is_some() {
        lost.push("subject");
    }
    if manifest.view.artifact_type().is_some() {
        lost.push("artifactType");
    }
    let has_others = |layer: &Layer| layer.listed_digest().is_some_and(|digest| !digest.is_sha256());
    if !manifest.digest.is_sha256() || image.layers.iter().any(has_others) {
        lost.push("digests other than sha256");
    }
    if !lost.is_empty() {
        let message = format!("the target format has no place for its {}", lost.join(", "));
        run.diagnostics.note(Rule::M7, &image.at, message);
    }
}
