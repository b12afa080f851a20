//! The layers of an image under change: their headers, and their bodies where they lie in their plain tars.
//!
//! Sources: docs/edit.md E-6, E-14.

use std::collections::HashMap;

use super::bodies::StackBodies;
use super::draft::Draft;
use super::headers::StackHeaders;
use super::workspace::Workspace;
use crate::codec::Codec;
use crate::error::Result;
use crate::image::{Blob, ExpectedDigest, Layer};

/// The layers of a draft, base first.
pub(super) struct DraftStack<'w> {
    pub(super) layers: Vec<Layer>,
    pub(super) headers: StackHeaders,
    pub(super) bodies: StackBodies<'w>,
}

impl<'w> DraftStack<'w> {
    /// Reads the headers of all layers of `draft`; those from `from` on, whose bodies are wanted, are decoded before. Plain
    /// ones are not waited for: run within [`Workspace::verified`].
    ///
    /// # Errors
    /// Layers that are encrypted or not in the archive; damaged tars; digests that are not as expected; no room.
    pub(super) fn read(draft: &mut Draft, from: usize, workspace: &'w Workspace<'w>) -> Result<Self> {
        let layers = draft.stack();
        let wanted: Vec<&Layer> = layers[from..].iter().collect();
        let tars: HashMap<usize, _> = (from..).zip(workspace.plain(&wanted)?).collect();
        let plain = |(number, layer): (usize, &Layer)| match tars.get(&number) {
            // All of it has been checked, or is.
            Some(tar) => Layer {
                blob: Some(Blob { extent: tar.clone(), codec: Codec::Plain }),
                expected_digest: ExpectedDigest::Computed(layer.diff_id.digest().clone()),
                ..layer.clone()
            },
            None => layer.clone(),
        };
        let to_read: Vec<Layer> = layers.iter().enumerate().map(plain).collect();
        let headers = StackHeaders::read(&to_read.iter().collect::<Vec<_>>(), workspace.run)?;
        draft.note_sizes(&layers, &headers);
        Ok(Self { bodies: StackBodies::new(layers.clone(), tars, workspace), layers, headers })
    }

    /// The same without decoding a layer before its body is asked for.
    ///
    /// # Errors
    /// Those of [`DraftStack::read`].
    pub(super) fn read_headers(draft: &mut Draft, workspace: &'w Workspace<'w>) -> Result<Self> {
        Self::read(draft, draft.layers().len(), workspace)
    }
}

/// The compression in which a layer is stored, or will be.
pub(super) fn form(layer: &Layer) -> Codec {
    layer.written_as().unwrap_or_else(|| layer.blob.as_ref().map_or(Codec::Plain, |blob| blob.codec))
}
