//! Names as archives carry them: full references, bare tags, and texts that are neither.

use std::fmt;

use crate::path::printable;
use crate::spec::reference::Reference;

/// One name of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A repository with a tag or digest, normalised (docs/formats.md N-3).
    Reference(Reference),
    /// A tag whose repository nobody knows: a `ref.name` without `/` or `:` (O-24).
    Tag(String),
    /// Free text in `ref.name` that is no reference; it can be kept in a layout only.
    Text(String),
}

impl Name {
    /// Whether a user who types `text` means this name.
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
            Self::Tag(name) | Self::Text(name) => f.write_str(&printable(name.as_bytes())),
        }
    }
}
