//! Increments: images of which the archive leaves layers to their base.
//!
//! Sources: docs/bundles.md B-10, B-11, B-15.

use crate::archive::MemberIndex;
use crate::error::Result;
use crate::image::{Layer, NeededBase, PartialLayer};
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

/// Returns what an image with these `layers` needs, if it leaves some of them out.
pub(super) fn needs(members: &MemberIndex, layers: &[Layer]) -> Option<NeededBase> {
    let first = layers.iter().find(|layer| layer.is_left_out())?;
    let target = members.dangling_link(&absent_member(&first.diff_id));
    let base = target.as_deref().and_then(named_base).map(|base| escape_for_terminal(base.as_bytes()));
    Some(NeededBase::of(layers, base))
}
