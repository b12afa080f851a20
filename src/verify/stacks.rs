//! The layers of all images, applied in order as far as they are sound (docs/formats.md section 7.1).
//!
//! Images share what they are built upon. Those that begin with the same layers follow one another, and what the next one
//! shares is kept, so that a base is applied once and not for each of hundreds of images. Beside the tree in hand one is
//! kept, no more: archives of images that share in turns cost more time, not more memory.

use super::bodies::{BodyId, Outcome};
use super::finding;
use super::heard::Heard;
use super::image::{Checked, CheckedLayer};
use crate::diagnostics::Diagnostic;
use crate::error::{ErrorKind, Result};
use crate::flatten::{Options, Overlay};
use crate::run::Run;

/// Applies the layers of `images`: what is wrong with them.
pub(super) fn apply(images: &[Checked], outcome: &Outcome, run: &Run) -> Result<Vec<Diagnostic>> {
    let stacks = distinct(images);
    let (mut findings, mut kept) = (Vec::new(), Begun::default());
    for (nth, (bodies, image)) in stacks.iter().enumerate() {
        let shared = stacks.get(nth + 1).map_or(0, |(next, _)| common(bodies, next));
        let mut begun = std::mem::take(&mut kept);
        loop {
            if begun.layers == shared {
                kept = begun.copy(&image.at, run)?;
            }
            let Some(layer) = image.layers.get(begun.layers) else { break };
            let (found, is_sound) = begun.add(layer, outcome, run)?;
            findings.extend(found);
            if !is_sound {
                break;
            }
        }
    }
    Ok(findings)
}

/// Images with their bodies, sorted by these, one for each tree. Layers of Windows are no plain trees.
fn distinct(images: &[Checked]) -> Vec<(Vec<Option<BodyId>>, &Checked)> {
    let is_plain = |image: &&Checked| image.platform().is_none_or(|platform| platform.os != "windows");
    let mut stacks: Vec<_> = images.iter().filter(is_plain).map(|image| (image.bodies(), image)).collect();
    stacks.sort_by(|(one, _), (other, _)| one.cmp(other));
    stacks.dedup_by(|(one, _), (other, _)| one == other);
    stacks
}

/// How many layers both have at their base.
fn common(one: &[Option<BodyId>], other: &[Option<BodyId>]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// The first layers of an image, applied.
struct Begun {
    layers: usize,
    overlay: Overlay,
}

impl Default for Begun {
    fn default() -> Self {
        Self { layers: 0, overlay: Overlay::new(Options::default()) }
    }
}

impl Begun {
    /// The same again, counted as bytes that were decoded: thousands of images may share a tree of millions of paths.
    fn copy(&self, at: &str, run: &Run) -> Result<Self> {
        run.budget.decoded(self.overlay.size(), at)?;
        Ok(Self { layers: self.layers, overlay: self.overlay.clone() })
    }

    /// Applies the next layer: what is wrong with it, and whether more can be applied.
    fn add(&mut self, layer: &CheckedLayer, outcome: &Outcome, run: &Run) -> Result<(Vec<Diagnostic>, bool)> {
        let index = layer.body.and_then(|body| outcome.of(body).index.as_ref());
        let Some(index) = index else { return Ok((Vec::new(), false)) };
        let heard = Heard::new();
        let mut builder = self.overlay.layer(&layer.at, &heard.diagnostics, &run.budget);
        let applied = index.apply(&mut builder).and_then(|()| builder.finish());
        let mut findings = heard.said.findings(&layer.at);
        self.layers += 1;
        match applied {
            Ok(()) => Ok((findings, true)),
            Err(error) if error.kind() == ErrorKind::Input => {
                findings.push(finding::of(error, &layer.at)?);
                Ok((findings, false))
            }
            Err(error) => Err(error),
        }
    }
}
