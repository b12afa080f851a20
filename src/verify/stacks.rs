//! The layers of all images, applied in order as far as they have no errors (docs/formats.md section 7.1).
//!
//! Images that begin with the same layers follow one another, and the tree of the layers that the next one shares is kept, so
//! that a base is applied once and not for each of hundreds of images. No second tree is kept: images that share layers in
//! turns cost time, not memory.

use super::bodies::{BodyId, ExaminedBodies};
use super::stack::{LayerStack, StackLayer};
use crate::diagnostics::{DiagnosticLog, Diagnostics};
use crate::error::{ErrorKind, Result};
use crate::flatten::{Options, Overlay};
use crate::run::Run;

/// Applies the layers of `stacks` and adds what is wrong with them to `log`.
pub(super) fn apply(stacks: &[LayerStack], bodies: &ExaminedBodies, log: &mut DiagnosticLog, run: &Run) -> Result<()> {
    let stacks = distinct(stacks);
    let mut kept = AppliedLayers::default();
    for (nth, (ids, stack)) in stacks.iter().enumerate() {
        let shared = stacks.get(nth + 1).map_or(0, |(next, _)| common(ids, next));
        let mut applied = std::mem::take(&mut kept);
        loop {
            if applied.layers == shared {
                kept = applied.copy(&stack.at, run)?;
            }
            let Some(layer) = stack.layers.get(applied.layers) else { break };
            if !applied.add(layer, bodies, log, run)? {
                break;
            }
        }
    }
    Ok(())
}

/// Stacks with their bodies, sorted by these, one for each tree. Layers of Windows are not plain trees.
fn distinct(stacks: &[LayerStack]) -> Vec<(Vec<Option<BodyId>>, &LayerStack)> {
    let bodies = |stack: &LayerStack| stack.layers.iter().map(|layer| layer.body).collect::<Vec<_>>();
    let plain = stacks.iter().filter(|stack| !stack.is_windows);
    let mut distinct: Vec<_> = plain.map(|stack| (bodies(stack), stack)).collect();
    distinct.sort_by(|(one, _), (other, _)| one.cmp(other));
    distinct.dedup_by(|(one, _), (other, _)| one == other);
    distinct
}

/// Returns the number of layers that both have at their base.
fn common(one: &[Option<BodyId>], other: &[Option<BodyId>]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// The first layers of an image, applied.
struct AppliedLayers {
    layers: usize,
    overlay: Overlay,
}

impl Default for AppliedLayers {
    fn default() -> Self {
        Self { layers: 0, overlay: Overlay::new(Options::default()) }
    }
}

impl AppliedLayers {
    /// Returns a copy, which counts as decoded bytes: thousands of images may share a tree of millions of paths.
    fn copy(&self, at: &str, run: &Run) -> Result<Self> {
        run.budget.decoded(self.overlay.size(), at)?;
        Ok(Self { layers: self.layers, overlay: self.overlay.clone() })
    }

    /// Applies the next layer; returns whether more can be applied.
    fn add(&mut self, layer: &StackLayer, bodies: &ExaminedBodies, log: &mut DiagnosticLog, run: &Run) -> Result<bool> {
        let Some(index) = layer.body.and_then(|body| bodies.of(body).index.as_ref()) else { return Ok(false) };
        let diagnostics = Diagnostics::collecting();
        let mut builder = self.overlay.layer(&layer.at, &diagnostics, &run.budget);
        let result = index.apply(&mut builder).and_then(|()| builder.finish());
        self.layers += 1;
        let is_whole = match result {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::Input => {
                diagnostics.fault(error)?;
                false
            }
            Err(error) => return Err(error),
        };
        log.append(diagnostics.take());
        Ok(is_whole)
    }
}
