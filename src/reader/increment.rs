//! Increments: images of which the archive leaves layers to their base.
//!
//! Sources: docs/bundles.md B-10, B-11, B-15.

use std::collections::HashMap;
use std::sync::Arc;

use crate::archive::MemberIndex;
use crate::error::{Error, Result, Setting};
use crate::image::{Broken, Image, ImageSet, Layer, NeededBase, Node, PartialLayer, distinct_images};
use crate::path::escape_for_terminal;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::docker::MANIFEST_MEMBER;
use crate::spec::increment::{absent_member, named_base};

/// Returns whether the layers of an image that are not in the archive are left to its base: each has a link in its
/// place, or there is no `manifest.json` that would need the links and they are the lowest ones.
///
/// # Errors
/// When a directory cannot be read.
pub(super) fn leaves_out(members: &MemberIndex, layers: &[PartialLayer]) -> Result<bool> {
    let absent = || layers.iter().enumerate().filter(|(_, layer)| layer.is_left_out());
    if members.has(MANIFEST_MEMBER)? {
        let link = |layer: &PartialLayer| members.dangling_link(&absent_member(layer.diff_id.as_ref()?));
        return Ok(absent().all(|(_, layer)| link(layer).is_some()));
    }
    Ok(absent().enumerate().all(|(nth, (number, _))| nth == number))
}

/// Returns whether `set` has images that leave layers to a base.
pub(super) fn has_increments(set: &ImageSet) -> bool {
    set.entries.iter().any(|entry| matches!(&entry.node, Node::Image(image) if image.needs.is_some()))
}

/// Gives images of `manifest.json` that lack layers those of `others`, told by the digests in the names of their members, else
/// by their diff_ids: it need not name anything else of them (docs/bundles.md B-10, B-42). An image that still lacks layers
/// for which there are no links is damaged.
pub(super) fn complete<'s>(
    set: &mut ImageSet,
    members: &MemberIndex,
    others: impl IntoIterator<Item = &'s ImageSet>,
    run: &Run,
) {
    let entries = others.into_iter().flat_map(|other| &other.entries);
    let layers = distinct_images(entries).into_iter().flat_map(|image| image.layers.iter());
    let (mut by_diff_id, mut by_digest) = (HashMap::new(), HashMap::new());
    for layer in layers.filter(|layer| layer.blob.is_some()) {
        by_diff_id.entry(&layer.diff_id).or_insert(layer);
        if let Some(digest) = layer.stored_digest() {
            by_digest.entry((&layer.diff_id, digest)).or_insert(layer);
        }
    }
    let find = |own: &Layer| {
        let listed = own.listed_digest().and_then(|digest| by_digest.get(&(&own.diff_id, digest.clone())));
        listed.or_else(|| by_diff_id.get(&own.diff_id)).copied()
    };
    let completed = |own: &Layer| Some(own).filter(|own| own.is_left_out()).and_then(find).unwrap_or(own).clone();
    for entry in &mut set.entries {
        let Node::Image(image) = &entry.node else { continue };
        if image.needs.is_none() {
            continue;
        }
        let layers: Arc<[Layer]> = image.layers.iter().map(completed).collect();
        entry.node = if let Some(broken) = without_links(image, &layers, members, run) {
            Node::Broken(Arc::new(broken))
        } else {
            let needs = needs(members, &layers).map(Arc::new);
            Node::Image(Arc::new(Image { layers, needs, ..Image::clone(image) }))
        };
    }
}

/// Reports those of the `layers` of `image` that are left out and have no link in their place.
fn without_links(image: &Image, layers: &[Layer], members: &MemberIndex, run: &Run) -> Option<Broken> {
    let is_linked = |layer: &&Layer| members.dangling_link(&absent_member(&layer.diff_id)).is_some();
    let lacking = layers.iter().filter(|layer| layer.is_left_out() && !is_linked(layer));
    let label = format!("{}: ", members.label());
    let missing = |layer: &Layer| {
        let member = layer.at.strip_prefix(&label).unwrap_or(&layer.at);
        missing_layer(members, member, MANIFEST_MEMBER, run)
    };
    let mut outcomes = lacking.map(|layer| run.diagnostics.fault(missing(layer))).peekable();
    outcomes.peek()?;
    let error = outcomes.find_map(Result::err).map(Arc::new);
    Some(Broken { platform: None, error, at: image.at.clone(), image: None })
}

/// Returns the error for a layer of a docker archive that is nowhere (docs/formats.md L-23).
pub(super) fn missing_layer(members: &MemberIndex, member: &str, named_by: &str, run: &Run) -> Error {
    let error = members.missing(Rule::L23, member, named_by);
    // A list of all faults is about the archive as it is.
    if run.diagnostics.collects() { error } else { error.avoided_by(Setting::With) }
}

/// Returns what an image with these `layers` needs, if it leaves some of them out.
pub(super) fn needs(members: &MemberIndex, layers: &[Layer]) -> Option<NeededBase> {
    let first = layers.iter().find(|layer| layer.is_left_out())?;
    let target = members.dangling_link(&absent_member(&first.diff_id));
    let base = target.as_deref().and_then(named_base).map(|base| escape_for_terminal(base.as_bytes()));
    Some(NeededBase::of(layers, base))
}
