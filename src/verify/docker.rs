//! `manifest.json` and what it names.
//!
//! Sources: docs/formats.md G-7 to G-12, L-4 to L-7, L-20 to L-23, D-6, H-12, H-19 to H-21.

use std::collections::HashSet;

use serde_json::Value;

use super::bodies::BodyId;
use super::documents::ConfigView;
use super::image::{Checked, CheckedLayer};
use super::{Checker, repositories};
use crate::diagnostics::{Diagnostic, Severity};
use crate::digest::{DiffId, Digest};
use crate::error::Result;
use crate::image::Name;
use crate::limits::{MAX_DOCUMENT, MAX_MANIFEST_JSON};
use crate::path::escape_for_terminal;
use crate::reader::Format;
use crate::rule::Rule;
use crate::spec::descriptor::Descriptor;
use crate::spec::docker::{MANIFEST_MEMBER, ManifestItem};

/// An image as `manifest.json` names it.
pub(super) struct Tagged {
    /// The item.
    pub(super) place: String,
    /// Its names.
    pub(super) names: Vec<Name>,
    /// Its config's digest, where there is a config.
    pub(super) image_id: Option<Digest>,
    /// The bytes of its last layer, if it has any layers.
    pub(super) top: Option<BodyId>,
    /// How many layers it has.
    pub(super) layers: usize,
}

/// Checks an archive that has nothing but `manifest.json`.
pub(super) fn check(checker: &mut Checker<'_>) -> Result<()> {
    let tagged = items(checker)?;
    for item in &tagged {
        for name in &item.names {
            if let Some(image_id) = &item.image_id {
                checker.names.claim(name, image_id, None, &item.place);
            }
        }
    }
    repositories::check(checker, &tagged)
}

/// Checks every item of `manifest.json`.
pub(super) fn items(checker: &mut Checker<'_>) -> Result<Vec<Tagged>> {
    let Some(extent) = checker.member(MANIFEST_MEMBER, "the format")? else { return Ok(Vec::new()) };
    let Some(bytes) = checker.bytes(&extent, MANIFEST_MEMBER, MAX_MANIFEST_JSON)? else { return Ok(Vec::new()) };
    let items: Option<Vec<Value>> = checker.json(&bytes, MANIFEST_MEMBER, MAX_MANIFEST_JSON, Rule::G14)?;
    let Some(items) = items else { return Ok(Vec::new()) };
    if items.is_empty() {
        checker.add(Diagnostic::error(Rule::H19, MANIFEST_MEMBER, "it lists no images"));
    }
    let mut tagged = Vec::with_capacity(items.len());
    for (nth, value) in items.into_iter().enumerate() {
        let place = format!("{MANIFEST_MEMBER}: [{nth}]");
        match serde_json::from_value::<ManifestItem>(value) {
            Ok(item) => tagged.push(image(checker, &item, place)?),
            Err(error) => {
                let problem = error.to_string();
                let rule = super::rules::told(&problem).unwrap_or(Rule::L4);
                checker.add(Diagnostic::error(rule, place, problem));
            }
        }
    }
    Ok(tagged)
}

fn image(checker: &mut Checker<'_>, item: &ManifestItem, place: String) -> Result<Tagged> {
    let names = checker.repo_tags(&item.repo_tags, &place);
    let config = config(checker, item, &place)?;
    let unknown = Vec::new();
    let diff_ids = config.as_ref().map_or(&unknown, |config| &config.diff_ids);
    let mut layers = Vec::with_capacity(item.layers.len());
    for (nth, member) in item.layers.iter().enumerate() {
        let diff_id = diff_ids.get(nth).and_then(Option::as_ref);
        layers.push(layer(checker, item, member, diff_id, &place)?);
    }
    stray_sources(checker, item, diff_ids, &place);
    let tagged = Tagged {
        place,
        names: names.clone(),
        image_id: config.as_ref().map(|config| config.image_id.clone()),
        top: layers.last().and_then(|layer| layer.body),
        layers: layers.len(),
    };
    match config {
        Some(config) => {
            let mut image =
                Checked::new(&tagged.place, &escape_for_terminal(item.config.as_bytes()), config, layers, None);
            image.names = names;
            checker.image(image)?;
        }
        // Their bytes are looked at all the same.
        None => layers.iter().filter_map(|layer| layer.body).for_each(|body| checker.bodies.layer(body, None)),
    }
    Ok(tagged)
}

fn config(checker: &mut Checker<'_>, item: &ManifestItem, place: &str) -> Result<Option<ConfigView>> {
    let at = escape_for_terminal(item.config.as_bytes());
    let before = checker.findings.len();
    let Some(extent) = checker.member(&item.config, place)? else {
        if checker.findings.len() == before {
            checker.add(Diagnostic::error(Rule::L6, place, format!("the archive does not hold its config `{at}`")));
        }
        return Ok(None);
    };
    let Some(bytes) = checker.bytes(&extent, &at, MAX_DOCUMENT)? else { return Ok(None) };
    let config = checker.config(bytes, &at)?;
    if let Some(named) = digest_of_config(&item.config).filter(|named| *named != config.image_id) {
        let problem = "the config is named by another digest than its content has";
        checker.add(Diagnostic::warning(Rule::L6, &at, problem).values(&named, &config.image_id));
    }
    Ok(Some(config))
}

fn layer(
    checker: &mut Checker<'_>,
    item: &ManifestItem,
    member: &str,
    diff_id: Option<&DiffId>,
    place: &str,
) -> Result<CheckedLayer> {
    let at = escape_for_terminal(member.as_bytes());
    let source = diff_id.and_then(|diff_id| item.layer_sources.get(&diff_id.to_string()));
    let named = digest_of_layer(member);
    let source = source.or_else(|| named.as_ref().and_then(|named| item.layer_sources.get(&named.to_string())));
    let is_foreign = source.is_some_and(|source| source.media_type().is_nondistributable());
    let before = checker.findings.len();
    let Some(extent) = checker.member(member, place)? else {
        if checker.findings.len() == before {
            let problem = format!("the archive does not hold its layer `{at}`");
            checker.add(match is_foreign {
                true => Diagnostic::note(Rule::L23, place, format!("{problem}, which may not be distributed")),
                false => Diagnostic::error(Rule::L23, place, problem),
            });
        }
        return Ok(CheckedLayer { at, body: None });
    };
    let body = checker.bodies.add(extent, &at)?;
    if let Some(named) = &named {
        promise_of_name(checker, body, named, &at);
    }
    match source {
        Some(source) if is_foreign => checker.bodies.foreign(body, source),
        Some(source) => check_source(checker, body, source, &at),
        None => {}
    }
    Ok(CheckedLayer { at, body: Some(body) })
}

/// D-6: a name that looks like a digest is held against the bytes.
fn promise_of_name(checker: &mut Checker<'_>, body: BodyId, named: &Digest, at: &str) {
    // The blob of a layout is held against its name with all others, and there it is more than a name.
    if checker.format == Format::Hybrid && at.starts_with("blobs/") {
        return;
    }
    checker.bodies.expect(body, named, (Severity::Warning, Rule::D6), "its name");
}

/// H-21: the bytes that are there win over what `LayerSources` says of them.
fn check_source(checker: &mut Checker<'_>, body: BodyId, source: &Descriptor, at: &str) {
    let size = checker.bodies.get(body).extent.size();
    if source.size() != size {
        let finding = Diagnostic::warning(Rule::H21, at, "LayerSources says that it has another size");
        checker.add(finding.values(&source.size(), &size));
    }
    checker.bodies.expect(body, source.digest(), (Severity::Warning, Rule::H21), "LayerSources");
}

/// Entries of `LayerSources` that are about no layer of the image (L-20).
fn stray_sources(checker: &mut Checker<'_>, item: &ManifestItem, diff_ids: &[Option<DiffId>], place: &str) {
    let by_name = item.layers.iter().filter_map(|member| digest_of_layer(member));
    let by_config = diff_ids.iter().flatten().map(|diff_id| diff_id.digest().clone());
    let known: HashSet<String> = by_name.chain(by_config).map(|digest| digest.to_string()).collect();
    for key in item.layer_sources.keys().filter(|key| !known.contains(*key)) {
        let problem = format!(
            "LayerSources has an entry for `{}`, which is none of its layers",
            escape_for_terminal(key.as_bytes())
        );
        checker.add(Diagnostic::note(Rule::L20, place, problem));
    }
}

/// The digest that a layer's name seems to be: `<64 hex>` before its extensions (D-6).
fn digest_of_layer(member: &str) -> Option<Digest> {
    let last = member.rsplit('/').next().unwrap_or_default();
    Digest::from_sha256_hex(last.split('.').next().unwrap_or_default())
}

/// The digest that a config's name seems to be (L-6).
fn digest_of_config(member: &str) -> Option<Digest> {
    let last = member.rsplit('/').next().unwrap_or_default();
    let stem = last.strip_suffix(".json").unwrap_or(last);
    Digest::from_sha256_hex(stem.strip_prefix("sha256:").unwrap_or(stem))
}
