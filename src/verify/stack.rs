//! The layers of images as bodies to be read, in the order in which they are applied.

use std::collections::HashSet;

use super::Verification;
use super::bodies::{BodyId, ExaminedBodies};
use crate::diagnostics::{Diagnostic, DiagnosticLog, Severity};
use crate::digest::DiffId;
use crate::error::Result;
use crate::image::{ExpectedDigest, Image, Layer, PartialImage};
use crate::reader::Format;
use crate::rule::Rule;

/// About what a layer takes in memory, bytes.
const LAYER_SIZE: u64 = 128;

/// The layers of one image, or of several that share all of them.
pub(super) struct LayerStack {
    /// The document that lists them.
    pub(super) at: String,
    /// Base first.
    pub(super) layers: Vec<StackLayer>,
    /// True if they are layers of Windows.
    pub(super) is_windows: bool,
}

/// One layer of a stack.
pub(super) struct StackLayer {
    /// The member.
    pub(super) at: String,
    /// Its bytes, if the archive holds them and they can be decoded.
    pub(super) body: Option<BodyId>,
    diff_id: Option<DiffId>,
}

/// The stacks of an archive, each once.
#[derive(Default)]
pub(super) struct Stacks {
    /// The addresses of their lists of layers: images that differ in platform alone share one.
    known: HashSet<*const ()>,
    stacks: Vec<LayerStack>,
}

impl Stacks {
    /// All of them.
    pub(super) fn all(&self) -> &[LayerStack] {
        &self.stacks
    }

    /// Compares the layers that were read with their configs (M-11).
    pub(super) fn verify(&self, bodies: &ExaminedBodies, log: &mut DiagnosticLog) {
        for layer in self.stacks.iter().flat_map(|stack| &stack.layers) {
            if let (Some(body), Some(diff_id)) = (layer.body, &layer.diff_id)
                && let Some(diagnostic) = bodies.verify(body, diff_id)
            {
                log.add(diagnostic);
            }
        }
    }
}

impl Verification<'_> {
    /// Adds the layers of an image to those that will be read and applied.
    pub(super) fn stack(&mut self, image: &Image) -> Result<()> {
        let is_windows = image.platform.os == "windows";
        self.layers(&image.at, &image.layers, is_windows, |layer| Some(&layer.diff_id))
    }

    /// Adds the layers of an image that cannot be read as a whole.
    pub(super) fn partial_stack(&mut self, image: &PartialImage) -> Result<()> {
        let is_windows = image.config.as_ref().is_some_and(|config| config.platform().os == "windows");
        self.layers(&image.at, &image.layers, is_windows, |layer| layer.diff_id.as_ref())
    }

    fn layers<Id>(
        &mut self,
        at: &str,
        layers: &[Layer<Id>],
        is_windows: bool,
        diff_id: impl Fn(&Layer<Id>) -> Option<&DiffId>,
    ) -> Result<()> {
        if !self.stacks.known.insert(layers.as_ptr().cast()) && !layers.is_empty() {
            return Ok(());
        }
        self.run.budget.charge_memory(LAYER_SIZE * layers.len() as u64, at)?;
        let mut stack = LayerStack { at: at.to_owned(), layers: Vec::with_capacity(layers.len()), is_windows };
        for layer in layers {
            let (body, diff_id) = (self.layer(layer)?, diff_id(layer));
            if let Some(body) = body {
                self.bodies.layer(body, diff_id);
            }
            stack.layers.push(StackLayer { at: layer.at.clone(), body, diff_id: diff_id.cloned() });
        }
        self.stacks.stacks.push(stack);
        Ok(())
    }

    /// Adds a layer as a body, with its expected digests; `None` where it cannot be read.
    fn layer<Id>(&mut self, layer: &Layer<Id>) -> Result<Option<BodyId>> {
        let Some(blob) = &layer.blob else { return Ok(None) };
        let body = self.bodies.add(blob.extent.clone(), &layer.at)?;
        match &layer.expected_digest {
            // The reader has compared its size; those of the archive itself are compared with their names, the same digests.
            ExpectedDigest::Descriptor(descriptor) if !layer.at.starts_with(self.archive.label()) => {
                self.bodies.expect(body, descriptor.digest(), (Severity::Error, Rule::H3), "the manifest");
            }
            ExpectedDigest::Name(_) if self.archive.format == Format::Hybrid => {}
            ExpectedDigest::Name(name) => self.bodies.expect(body, name, (Severity::Warning, Rule::D6), "its name"),
            ExpectedDigest::Descriptor(_)
            | ExpectedDigest::Computed(_)
            | ExpectedDigest::Written { .. }
            | ExpectedDigest::Nothing => {}
        }
        if layer.is_encrypted() {
            self.add(Diagnostic::warning(
                Rule::O19,
                &layer.at,
                "the layer is encrypted: it was not looked into, and no engine unpacks it without the key",
            ));
            return Ok(None);
        }
        Ok(Some(body))
    }
}
