//! Images: what ties config, layers and bodies together.
//!
//! Sources: docs/formats.md L-5, L-16, G-9, O-12, O-25, M-11.

use super::Checker;
use super::bodies::{BodyId, Outcome};
use super::documents::ConfigView;
use crate::codec::Codec;
use crate::diagnostics::Diagnostic;
use crate::digest::{DiffId, Digest};
use crate::error::Result;
use crate::image::Name;
use crate::reader::Format;
use crate::rule::Rule;
use crate::spec::config::ImageConfig;
use crate::spec::descriptor::Descriptor;
use crate::spec::platform::Platform;

/// About what a layer takes in memory, bytes: far more than its few characters in the documents.
const LAYER_SIZE: u64 = 128;

/// An image as far as it could be read.
pub(super) struct Checked {
    /// The document that ties it together: a manifest, or an item of `manifest.json`.
    pub(super) at: String,
    /// The config's member.
    config_at: String,
    /// What the config says.
    pub(super) config: ConfigView,
    /// Base first.
    pub(super) layers: Vec<CheckedLayer>,
    /// What the descriptor says it runs on.
    described: Option<Platform>,
    /// Its names.
    pub(super) names: Vec<Name>,
    /// Whether a manifest of its own lists the layers.
    is_listed_by_manifest: bool,
}

/// A layer of an image.
pub(super) struct CheckedLayer {
    /// The member.
    pub(super) at: String,
    /// Its bytes, where they are there and can be looked into.
    pub(super) body: Option<BodyId>,
}

impl Checked {
    /// The image that `at` ties together; `descriptor` is that of its manifest.
    pub(super) fn new(
        at: &str,
        config_at: &str,
        config: ConfigView,
        layers: Vec<CheckedLayer>,
        descriptor: Option<&Descriptor>,
    ) -> Self {
        Self {
            at: at.to_owned(),
            config_at: config_at.to_owned(),
            config,
            layers,
            described: descriptor.and_then(Descriptor::platform).cloned(),
            names: Vec::new(),
            is_listed_by_manifest: descriptor.is_some(),
        }
    }

    /// What tells it from others in both halves of a hybrid.
    pub(super) fn identity(&self) -> (Digest, Option<(String, String, String)>) {
        (self.config.image_id.clone(), self.platform().map(Platform::machine))
    }

    /// What it runs on, where anything tells.
    pub(super) fn platform(&self) -> Option<&Platform> {
        self.described.as_ref().or(self.config.config.as_ref().map(ImageConfig::platform))
    }

    /// The layers with what the config says of them.
    fn bound(&self) -> impl Iterator<Item = (&CheckedLayer, &DiffId)> {
        self.layers.iter().zip(&self.config.diff_ids).filter_map(|(layer, diff_id)| Some((layer, diff_id.as_ref()?)))
    }

    /// Its bodies, in order: images that have the same make the same tree.
    pub(super) fn bodies(&self) -> Vec<Option<BodyId>> {
        self.layers.iter().map(|layer| layer.body).collect()
    }

    /// Holds the layers that were read against the config (M-11).
    pub(super) fn verify(&self, outcome: &Outcome, format: Format) -> Vec<Diagnostic> {
        let broken = self.bound().filter_map(|(layer, diff_id)| outcome.verify(layer.body?, diff_id));
        let broken: Vec<Diagnostic> = broken.collect();
        if !broken.is_empty() && format == Format::Hybrid && self.is_listed_by_manifest && self.is_in_disorder(outcome)
        {
            let problem = "it lists the layers in another order than its config, as Docker 25.0 did";
            return vec![Diagnostic::warning(Rule::O25, &self.at, problem)];
        }
        broken
    }

    /// Whether the layers are those of the config in another order (O-25).
    fn is_in_disorder(&self, outcome: &Outcome) -> bool {
        let found = |layer: &CheckedLayer| outcome.of(layer.body?).plain.first().cloned();
        let mut found: Vec<_> = self.layers.iter().map(found).collect();
        let mut expected: Vec<_> = self
            .config
            .diff_ids
            .iter()
            .map(|diff_id| diff_id.as_ref().map(|diff_id| diff_id.digest().clone()))
            .collect();
        found.sort();
        expected.sort();
        found == expected
    }
}

impl Checker<'_> {
    /// Takes in an image and holds its documents against one another; its layers will be read.
    pub(super) fn image(&mut self, image: Checked) -> Result<usize> {
        self.run.budget.charge_memory(LAYER_SIZE * image.layers.len() as u64, &image.at)?;
        let (layers, diff_ids) = (image.layers.len(), image.config.diff_ids.len());
        if layers != diff_ids && image.config.config.is_some() {
            let problem = "it lists another number of layers than its config has diff_ids";
            self.add(Diagnostic::error(Rule::L5, &image.at, problem).values(&diff_ids, &layers));
        }
        for (nth, layer) in image.layers.iter().enumerate() {
            let Some(body) = layer.body else { continue };
            let diff_id = image.config.diff_ids.get(nth).and_then(Option::as_ref);
            self.one_diff_id(body, diff_id, &layer.at);
            self.bodies.layer(body, diff_id);
        }
        self.history(&image);
        self.platform(&image);
        self.images.push(image);
        Ok(self.images.len() - 1)
    }

    /// One file cannot have two diff_ids (G-9, H-20).
    fn one_diff_id(&mut self, body: BodyId, diff_id: Option<&DiffId>, at: &str) {
        let Some(diff_id) = diff_id.map(DiffId::digest) else { return };
        // Images that list plain layers in disorder have each another one; which diff_id is wrong the bytes will tell (O-25).
        if self.format == Format::Hybrid && self.bodies.get(body).codec == Codec::Plain {
            return;
        }
        let known = self.bodies.get(body).layer.as_ref();
        let other = known.and_then(|known| known.iter().find(|known| *known != diff_id));
        if let Some(other) = other {
            let problem = format!("configs give this one file two diff_ids, {other} and {diff_id}");
            self.add(Diagnostic::error(Rule::H20, at, problem));
        }
    }

    /// L-16: no engine needs it to fit, but ggcr refuses to write such an image as legacy.
    fn history(&mut self, image: &Checked) {
        let Some(config) = &image.config.config else { return };
        let makers = config.history().iter().filter(|step| !step.empty_layer).count();
        if makers > 0 && makers != config.diff_ids().len() {
            let problem = "its history has another number of steps that make a layer than there are diff_ids";
            let finding = Diagnostic::warning(Rule::L16, &image.config_at, problem);
            self.add(finding.values(&config.diff_ids().len(), &makers));
        }
    }

    /// O-12: a config says what it runs on, and a descriptor that says something else is believed by those who choose by it.
    fn platform(&mut self, image: &Checked) {
        let Some(config) = &image.config.config else { return };
        let said = config.platform();
        if said.os.is_empty() || said.architecture.is_empty() {
            let problem = "the config does not say on which operating system and architecture the image runs";
            self.add(Diagnostic::warning(Rule::O12, &image.config_at, problem));
        } else if let Some(described) =
            image.described.as_ref().filter(|described| is_of_another_machine(described, said))
        {
            let problem = "its descriptor names another platform than its config";
            self.add(Diagnostic::warning(Rule::O12, &image.at, problem).values(said, described));
        }
    }
}

/// Variants are left out: older tools never wrote them into configs.
fn is_of_another_machine(one: &Platform, other: &Platform) -> bool {
    let (one, other) = (one.machine(), other.machine());
    (one.0, one.1) != (other.0, other.1)
}
