//! Manifests of a layout: the image that one ties together, or the artifact.
//!
//! Sources: docs/formats.md O-8, O-9, O-13, O-15, O-25, H-20, L-5; docs/bundles.md B-15.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Walk, broken, document};
use crate::digest::{DiffId, Digest};
use crate::error::{Error, Result};
use crate::image::{
    Artifact, Blob, Broken, ExpectedDigest, Image, Layer, Missing, Node, PartialImage, PartialLayer, RawBlob,
};
use crate::reader::{increment, layer};
use crate::rule::Rule;
use crate::spec::config::ConfigParts;
use crate::spec::descriptor::Descriptor;
use crate::spec::oci::{Manifest, ManifestParts};

/// About what a layer takes in memory beside its descriptor in the manifest, bytes.
const LAYER_SIZE: u64 = 1024;

/// A layer's descriptor, where it can be read, and its bytes, where they are present.
type FoundLayer = (Option<Descriptor>, Option<RawBlob>);

/// The parts of a manifest, as far as they are present.
pub(super) struct Parts {
    pub(super) config: Option<Descriptor>,
    pub(super) config_blob: Option<RawBlob>,
    pub(super) layers: Vec<FoundLayer>,
}

impl Parts {
    /// Returns the descriptors of absent blobs, except those of layers that may not be distributed (O-3, M-8).
    fn absent(&self) -> Vec<&Descriptor> {
        let config = self.config.iter().filter(|_| self.config_blob.is_none());
        let layers = self.layers.iter().filter(|(_, blob)| blob.is_none()).filter_map(|(layer, _)| layer.as_ref());
        config.chain(layers.filter(|layer| !layer.media_type().is_nondistributable())).collect()
    }
}

impl Walk<'_> {
    /// Returns the image or artifact of the manifest in `blob`, or a node for what is missing or broken.
    pub(super) fn manifest(&mut self, descriptor: &Descriptor, blob: RawBlob) -> Result<Node> {
        let at = self.at(descriptor);
        let raw = self.document(descriptor, &blob.extent, &at)?;
        let manifest = ManifestParts::read(&raw, &at, Some(descriptor.media_type()), &self.run.diagnostics)?;
        let ManifestParts { config, layers, whole } = manifest;
        let named_by = self.member(descriptor.digest());
        let config_blob = config.as_ref().map_or(Ok(None), |config| self.blob(config, &named_by))?;
        let find = |descriptor: Option<Descriptor>| {
            let blob = descriptor.as_ref().map_or(Ok(None), |descriptor| self.blob(descriptor, &named_by))?;
            Ok((descriptor, blob))
        };
        let layers = layers.into_iter().map(find).collect::<Result<_>>()?;
        let parts = Parts { config, config_blob, layers };
        let is_statement = |layer: &FoundLayer| layer.0.as_ref().is_some_and(|layer| layer.media_type().is_in_toto());
        let what = if descriptor.is_attestation() || parts.layers.iter().any(is_statement) {
            Some((true, "an attestation".to_owned()))
        } else {
            let kind = whole.as_ref().and_then(Manifest::artifact_type);
            self.why_no_image(&parts, kind)?.map(|why| (false, format!("an artifact: {why}")))
        };
        match (what, whole) {
            (Some((attestation, kind)), Some(whole)) => {
                let artifact = Artifact {
                    what: format!("{} ({kind})", descriptor.digest()),
                    attestation,
                    subject: whole.subject().map(|subject| subject.digest().clone()),
                    blobs: Vec::new(),
                };
                Ok(self.artifact(descriptor, artifact, &parts, blob))
            }
            (Some(_), None) => Ok(broken(descriptor, at, None)),
            (None, whole) => self.image_of(descriptor, (raw, whole), parts, blob, at),
        }
    }

    /// Returns the image of a manifest, or a missing node with the parts of it that are present.
    fn image_of(
        &mut self,
        descriptor: &Descriptor,
        (raw, whole): (Vec<u8>, Option<Manifest>),
        parts: Parts,
        blob: RawBlob,
        at: String,
    ) -> Result<Node> {
        let named_by = self.member(descriptor.digest());
        let absent = parts.absent();
        if absent.is_empty() {
            let partial = self.partial(parts, at)?;
            return Ok(self.image(descriptor, raw, whole, partial, false));
        }
        let mut node = self.missing(descriptor, &absent, &named_by);
        node.present = parts.config_blob.iter().cloned().chain([blob]).collect();
        if parts.config_blob.is_some() || self.run.diagnostics.collects() {
            let has_config = parts.config_blob.is_some();
            let partial = self.partial(parts, at)?;
            if has_config && increment::leaves_out(self.members, &partial.layers)? {
                return Ok(self.image(descriptor, raw, whole, partial, true));
            }
            node.image = Some(Arc::new(partial)).filter(|_| self.run.diagnostics.collects());
        }
        Ok(Node::Missing(Arc::new(node)))
    }

    /// The image, if nothing is wrong with it; layers may be missing if it `leaves_out` some.
    fn image(
        &self,
        descriptor: &Descriptor,
        raw: Vec<u8>,
        whole: Option<Manifest>,
        partial: PartialImage,
        leaves_out: bool,
    ) -> Node {
        let is_listed = |layer: &PartialLayer| matches!(layer.expected_digest, ExpectedDigest::Descriptor(_));
        let layers = partial.layers.iter().map(|layer| layer.whole(leaves_out && is_listed(layer)));
        let layers = layers.collect::<Option<Arc<[Layer]>>>();
        let (Some(manifest), Some(config), Some(layers)) = (whole, &partial.config, layers) else {
            let (platform, at) = (descriptor.platform().cloned(), partial.at.clone());
            return Node::Broken(Arc::new(Broken { platform, error: None, at, image: Some(Arc::new(partial)) }));
        };
        let needs = increment::needs(self.members, &layers).map(Arc::new);
        Node::Image(Arc::new(Image {
            manifest: Some(Arc::new(document(descriptor, raw, manifest))),
            platform: descriptor.platform().unwrap_or(config.platform()).clone(),
            needs,
            ..Image::new(partial.at.clone(), Arc::clone(config), layers)
        }))
    }

    /// The image as far as it can be read.
    fn partial(&mut self, Parts { config, config_blob, layers }: Parts, at: String) -> Result<PartialImage> {
        let config_at = config.as_ref().map_or_else(|| at.clone(), |config| self.at(config));
        let config = config.zip(config_blob).map(|(config, blob)| self.config(&config, &blob)).transpose()?;
        let (image_id, diff_ids, config) = match config {
            Some(ConfigParts { image_id, diff_ids, whole }) => (Some(image_id), diff_ids, whole),
            None => (None, Arc::default(), None),
        };
        let layers = self.layers(layers, &diff_ids, config.is_some(), &at)?;
        Ok(PartialImage { at, config_at, image_id, config, layers })
    }

    /// Reads the config that `descriptor` names; one that many images name is read once.
    fn config(&mut self, descriptor: &Descriptor, blob: &RawBlob) -> Result<ConfigParts> {
        let key = (descriptor.digest().clone(), descriptor.size());
        if let Some(known) = self.configs.get(&key) {
            return Ok(known.clone());
        }
        let at = self.at(descriptor);
        let raw = self.document(descriptor, &blob.extent, &at)?;
        let parts = ConfigParts::read(raw, &at, &self.run.diagnostics)?;
        self.configs.insert(key, parts.clone());
        Ok(parts)
    }

    /// Ties layers to their diff_ids; those beyond the last of either have none.
    fn layers(
        &mut self,
        layers: Vec<FoundLayer>,
        diff_ids: &[Option<DiffId>],
        is_whole: bool,
        at: &str,
    ) -> Result<Vec<PartialLayer>> {
        if is_whole {
            layer::check_count(diff_ids.len(), layers.len(), at, self.run)?;
        }
        self.run.budget.charge_memory(LAYER_SIZE * layers.len() as u64, at)?;
        let known: HashSet<&Digest> = diff_ids.iter().flatten().map(DiffId::digest).collect();
        let diff_ids = diff_ids.iter().map(Option::as_ref).chain(std::iter::repeat(None));
        let layer = |(nth, (found, diff_id)): (usize, (FoundLayer, Option<&DiffId>))| match found {
            (Some(descriptor), blob) => self.layer(descriptor, blob, diff_id, &known),
            (None, _) => Ok(PartialLayer {
                at: format!("{at}: layers[{nth}]"),
                diff_id: diff_id.cloned(),
                blob: None,
                expected_digest: ExpectedDigest::Nothing,
                foreign: None,
            }),
        };
        layers.into_iter().zip(diff_ids).enumerate().map(layer).collect()
    }

    fn layer(
        &mut self,
        descriptor: Descriptor,
        blob: Option<RawBlob>,
        diff_id: Option<&DiffId>,
        known: &HashSet<&Digest>,
    ) -> Result<PartialLayer> {
        let at = self.at(&descriptor);
        let blob = blob.map(|blob| Blob::detect(blob.extent, &at)).transpose()?;
        if let Some(diff_id) = diff_id {
            self.check_diff_id(&descriptor, blob.as_ref(), diff_id, known, &at)?;
        }
        if let Some(blob) = &blob {
            self.check_size(&descriptor, &blob.extent, &at)?;
            layer::check_type(&descriptor, blob, &at, self.run)?;
        }
        let foreign = descriptor.media_type().is_nondistributable().then(|| descriptor.clone());
        let expected_digest = ExpectedDigest::Descriptor(Box::new(descriptor));
        Ok(PartialLayer { at, diff_id: diff_id.cloned(), blob, expected_digest, foreign })
    }

    /// H-20: no blob has two diff_ids.
    fn check_diff_id(
        &mut self,
        descriptor: &Descriptor,
        blob: Option<&Blob>,
        diff_id: &DiffId,
        known: &HashSet<&Digest>,
        at: &str,
    ) -> Result<()> {
        // The digest of a plain layer is its diff_id. If the config has that in another place, the manifest lists the layers in
        // the wrong order, and the diff_id beside the layer is not about it (O-25).
        let is_misplaced = blob.is_some_and(Blob::is_plain)
            && descriptor.digest() != diff_id.digest()
            && known.contains(descriptor.digest());
        // Encrypted layers are not decoded, so a contradiction about one does no harm.
        if is_misplaced || descriptor.media_type().is_encrypted() {
            return Ok(());
        }
        match self.diff_ids.insert(descriptor.digest().clone(), diff_id.clone()) {
            Some(other) if other != *diff_id => {
                let problem = format!("configs give this one blob two diff_ids, {other} and {diff_id}");
                self.run.diagnostics.fault(Error::invalid(Rule::H20, at, problem))
            }
            _ => Ok(()),
        }
    }

    /// Returns the node of an artifact, with all its blobs.
    fn artifact(&self, descriptor: &Descriptor, artifact: Artifact, parts: &Parts, blob: RawBlob) -> Node {
        let layers = parts.layers.iter().filter_map(|(_, blob)| blob.clone());
        let blobs: Vec<RawBlob> = layers.chain(parts.config_blob.clone()).chain([blob]).collect();
        let absent = parts.absent();
        if absent.is_empty() {
            return Node::Artifact(Arc::new(Artifact { blobs, ..artifact }));
        }
        let missing = self.missing(descriptor, &absent, &self.member(descriptor.digest()));
        Node::Missing(Arc::new(Missing { present: blobs.into(), ..missing }))
    }
}
