//! Names as archives carry them: full references, bare tags, and texts that are neither.

use std::fmt;

use crate::path::escape_for_terminal;
use crate::spec::descriptor::Descriptor;
use crate::spec::docker::{ManifestItem, UNTAGGED};
use crate::spec::reference::Reference;
use crate::words;

/// The annotation of an index's entry that holds a full name (docs/formats.md O-20).
pub(crate) const IMAGE_NAME: &str = "io.containerd.image.name";
/// The annotation of an index's entry that holds a tag, a full name or any other text (O-20).
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Names that a message lists of one image; the rest is counted.
const MAX_LISTED: usize = 10;

/// One name of an image.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// A repository with a tag or digest, normalised (docs/formats.md N-3).
    Reference(Reference),
    /// A tag of an unknown repository: a `ref.name` without `/` or `:` (O-24).
    Tag(String),
    /// Free text in `ref.name` that is not a reference; it can be kept in a layout only.
    Text(String),
}

impl Name {
    /// The name in the annotations of an index's entry; the more specific one wins (O-24).
    pub(crate) fn of(descriptor: &Descriptor) -> Option<Self> {
        match (descriptor.annotation(IMAGE_NAME), descriptor.annotation(REF_NAME)) {
            (Some(full), _) => Some(match full.parse::<Reference>() {
                Ok(reference) => Self::Reference(reference.normalized()),
                Err(_) => Self::Text(full.to_owned()),
            }),
            (None, Some(text)) => Some(Self::of_ref_name(text)),
            (None, None) => None,
        }
    }

    /// The name that an item of `manifest.json` or `repositories` gives (L-7).
    pub(crate) fn of_repo_tag(text: &str) -> Self {
        match text.parse::<Reference>() {
            Ok(reference) => Self::Reference(reference.normalized()),
            Err(_) => Self::Text(text.to_owned()),
        }
    }

    /// The names of an item of `manifest.json`; none for Docker's placeholder for an untagged image.
    pub(crate) fn of_item(item: &ManifestItem) -> Vec<Self> {
        item.repo_tags.iter().filter(|tag| *tag != UNTAGGED).map(|tag| Self::of_repo_tag(tag)).collect()
    }

    /// `descriptor` without the annotations that are names.
    pub(crate) fn strip(descriptor: Descriptor) -> Descriptor {
        descriptor.with_annotation(IMAGE_NAME, None).with_annotation(REF_NAME, None)
    }

    /// `names` in messages, the first of many; `None` when there are none.
    pub fn list(names: &[Self]) -> Option<String> {
        (!names.is_empty()).then(|| words::list(names, MAX_LISTED))
    }

    /// `ref.name` is free text: a whole name, a bare tag, or neither.
    pub(crate) fn of_ref_name(text: &str) -> Self {
        match text.parse::<Reference>() {
            Ok(reference) if text.contains(['/', ':']) => Self::Reference(reference.normalized()),
            _ if Reference::is_tag(text) => Self::Tag(text.to_owned()),
            _ => Self::Text(text.to_owned()),
        }
    }

    /// Returns whether `text`, as a user types it, means this name.
    pub fn is(&self, text: &str) -> bool {
        match self {
            Self::Reference(reference) => text.parse::<Reference>().is_ok_and(|typed| typed.normalized() == *reference),
            Self::Tag(name) | Self::Text(name) => name == text,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(reference) => f.write_str(&reference.familiar()),
            Self::Tag(name) | Self::Text(name) => f.write_str(&escape_for_terminal(name.as_bytes())),
        }
    }
}
