//! Increments: images of which the archive leaves layers to their base.
//!
//! Sources: docs/bundles.md B-10, B-11, B-15.

use std::collections::HashMap;
use std::sync::Arc;

use crate::archive::MemberIndex;
use crate::digest::DiffId;
use crate::error::Result;
use crate::image::{Image, ImageSet, Layer, NeededBase, Node, PartialLayer};
use crate::path::escape_for_terminal;
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

/// Returns whether images of `set` leave layers to a base.
pub(super) fn is_in(set: &ImageSet) -> bool {
    set.entries.iter().any(|entry| matches!(&entry.node, Node::Image(image) if image.needs.is_some()))
}

/// Gives images of `manifest.json` that leave layers to a base those of `others`, told by their diff_ids: it names nothing
/// else of them (docs/bundles.md B-10).
pub(super) fn complete<'s>(set: &mut ImageSet, members: &MemberIndex, others: impl IntoIterator<Item = &'s ImageSet>) {
    let entries = others.into_iter().flat_map(|other| &other.entries);
    let layers = entries.flat_map(|entry| entry.node.images()).flat_map(|image| image.layers.iter());
    let mut found: HashMap<&DiffId, &Layer> = HashMap::new();
    for layer in layers.filter(|layer| layer.blob.is_some()) {
        found.entry(&layer.diff_id).or_insert(layer);
    }
    for entry in &mut set.entries {
        let Node::Image(image) = &mut entry.node else { continue };
        if image.needs.is_none() {
            continue;
        }
        let layer = |own: &Layer| match found.get(&own.diff_id) {
            Some(&other) if own.is_left_out() => other.clone(),
            _ => own.clone(),
        };
        let layers: Arc<[Layer]> = image.layers.iter().map(layer).collect();
        let needs = needs(members, &layers).map(Arc::new);
        *image = Arc::new(Image { layers, needs, ..Image::clone(image) });
    }
}

/// Returns what an image with these `layers` needs, if it leaves some of them out.
pub(super) fn needs(members: &MemberIndex, layers: &[Layer]) -> Option<NeededBase> {
    let first = layers.iter().find(|layer| layer.is_left_out())?;
    let target = members.dangling_link(&absent_member(&first.diff_id));
    let base = target.as_deref().and_then(named_base).map(|base| escape_for_terminal(base.as_bytes()));
    Some(NeededBase::of(layers, base))
}
