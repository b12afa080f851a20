//! The words of an increment: dangling links in place of the layers that its base has.
//!
//! ```text
//! absent/<diff_id hex>  →  load first: ex.org/app:1
//! ```
//!
//! Engines that look for the layer print the target, so it is a text for people. No I/O: names in, names out.
//!
//! Sources: docs/bundles.md B-10, B-11.

use crate::digest::DiffId;

/// The directory of the links.
pub(crate) const ABSENT: &str = "absent/";

/// The beginning of a link's target; the name of the base follows.
const LOAD_FIRST: &str = "load first: ";
/// The target where the name would be too long.
const LOAD_BASE: &str = "load first: its base";
/// The longest target, bytes.
const MAX_TARGET: usize = 100;

/// The member of `manifest.json` that stands for an absent layer, and is a link.
pub(crate) fn absent_member(diff_id: &DiffId) -> String {
    format!("{ABSENT}{}", diff_id.digest().encoded())
}

/// The target of the link to a layer that the image `base` has.
pub(crate) fn link_target(base: Option<&str>) -> String {
    let target = base.map(|base| format!("{LOAD_FIRST}{base}"));
    target.filter(|target| target.len() <= MAX_TARGET).unwrap_or_else(|| LOAD_BASE.to_owned())
}

/// The image that `target` names.
pub(crate) fn named_base(target: &str) -> Option<&str> {
    target.strip_prefix(LOAD_FIRST).filter(|_| target != LOAD_BASE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_the_base_unless_it_is_too_long() {
        let target = link_target(Some("ex.org/app:1"));
        assert_eq!((target.as_str(), named_base(&target)), ("load first: ex.org/app:1", Some("ex.org/app:1")));
        let long = link_target(Some(&"a".repeat(MAX_TARGET)));
        assert_eq!((long.as_str(), named_base(&long)), (LOAD_BASE, None));
        assert_eq!(named_base("../layer.tar"), None);
    }
}
