//! `docker save` archives of Docker 1.10 to 24, with the layer IDs and layer documents that ggcr gives them.
//!
//! A diff_id is stored once. Other layer IDs with the same diff_id get a symbolic link for readers that know no
//! `manifest.json`; `manifest.json` itself names regular members only, because half of its readers follow no links.
//!
//! Sources: docs/formats.md L-1 to L-18, L-35, M-7, M-8.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::manifest_json::{ImageItem, ManifestJson};
use super::names::named_images;
use super::plan::{Addressing, Decision, ForeignPolicy, Plan, Policy};
use super::speculative::{self, PlainLayers};
use super::tar::{Out, Tar};
use super::{Contents, loss};
use crate::codec::Codec;
use crate::digest::{DiffId, Digest};
use crate::error::Result;
use crate::image::{Image, Layer, PartsAddress};
use crate::options::{Compress, ConvertOptions, DockerOptions};
use crate::report::{BlobReport, ConversionReport, ImageReports, LayerAction, LayerReport};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::docker::{self, MANIFEST_MEMBER, REPOSITORIES_MEMBER, Repositories};
use crate::spec::v1::{Steps, V1Id, layer_json};

/// Writes a legacy archive.
pub(super) fn write(
    contents: &Contents<'_>,
    out: Out,
    docker: &DockerOptions,
    options: &ConvertOptions,
    run: &Run,
) -> Result<ConversionReport> {
    let named = named_images(contents, docker, run)?;
    let policy = policy(options);
    let known = known_digests(&contents.images());
    let output = Tar::new(out, run);
    let (mut tar, written) = speculative::run_with_checks(contents, policy, output, run, |tar, plan, plain| {
        let mut writer = LegacyWriter {
            tar,
            plan,
            plain,
            docker,
            run,
            known: &known,
            images: HashMap::new(),
            configs: HashSet::new(),
            directories: HashSet::new(),
            layers: HashMap::new(),
        };
        named.iter().map(|(image, _)| writer.image(image)).collect::<Result<Vec<_>>>()
    })?;
    let mut manifest = ManifestJson::default();
    let mut repositories = Repositories::default();
    let mut reports = ImageReports::default();
    for ((image, names), written) in named.into_iter().zip(written) {
        if let Some(top) = &written.top {
            names.iter().for_each(|tag| repositories.insert(tag, top.as_str()));
        }
        reports.add(image, &names, || (None, written.layers));
        manifest.list(names, written.item);
    }
    tar.bytes(MANIFEST_MEMBER, &manifest.to_bytes(run)?)?;
    tar.bytes(REPOSITORIES_MEMBER, &repositories.to_bytes())?;
    Ok(reports.finish(tar.finish()?))
}

/// The requirements for layers.
pub(super) fn policy(options: &ConvertOptions) -> Policy {
    Policy {
        compress: Compress::None,
        verify: options.verify,
        addressing: Addressing::Any,
        foreign: ForeignPolicy::LikeOthers,
    }
}

/// An image as it was written.
#[derive(Clone)]
struct LegacyImage {
    item: Rc<ImageItem>,
    /// The ID of the top layer.
    top: Option<V1Id>,
    layers: Arc<[LayerReport]>,
}

struct LegacyWriter<'a, 'p, 'w, 'l> {
    tar: &'a mut Tar<'w>,
    plan: &'a Plan<'l>,
    plain: PlainLayers<'p, 'l>,
    docker: &'a DockerOptions,
    run: &'a Run,
    known: &'a KnownDigests<'l>,
    /// Images that are there already. Those that only the platform tells apart are written once.
    images: HashMap<PartsAddress, LegacyImage>,
    configs: HashSet<Digest>,
    /// Layer IDs whose directory is written: images that share a base share its layers (L-13).
    directories: HashSet<V1Id>,
    /// Where each diff_id is stored, and how long its tar is.
    layers: HashMap<DiffId, (V1Id, u64)>,
}

impl<'l> LegacyWriter<'_, '_, '_, 'l> {
    fn image(&mut self, image: &'l Image) -> Result<LegacyImage> {
        if let Some(written) = self.images.get(&image.parts_address()) {
            return Ok(written.clone());
        }
        super::charge_layers(image, self.run)?;
        loss::remark(image, self.run);
        let config = docker::legacy_config_member(&image.image_id);
        if self.configs.insert(image.image_id.clone()) {
            self.tar.bytes(&config, image.config.raw())?;
        }
        let ids = self.ids(image);
        let (members, layers) = self.layers(image, &ids)?;
        let parent = image.parent.as_ref().filter(|parent| self.configs.contains(parent)).map(ToString::to_string);
        let item = ImageItem { config, layers: members, parent, layer_sources: loss::layer_sources(image) };
        let written =
            LegacyImage { item: item.shared(&image.at, self.run)?, top: ids.last().cloned(), layers: layers.into() };
        self.images.insert(image.parts_address(), written.clone());
        Ok(written)
    }

    fn ids(&self, image: &Image) -> Vec<V1Id> {
        let listed: Vec<Digest> = image.layers.iter().map(|layer| listed(layer, self.known).clone()).collect();
        V1Id::of_layers(&listed, image.config.raw())
    }

    /// The members that hold the image's layers, and what became of these.
    fn layers(&mut self, image: &'l Image, ids: &[V1Id]) -> Result<(Vec<String>, Vec<LayerReport>)> {
        let steps = Steps::of(image.config.history(), ids.len());
        if !steps.fit {
            let problem = "its history does not have one step per layer; the layer documents are made to fit";
            self.run.diagnostics.warn(Rule::L16, &image.at, problem)?;
        }
        let (mut members, mut reports) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
        for (position, (layer, id)) in image.layers.iter().zip(ids).enumerate() {
            let (member, report) = self.layer(position, layer, id)?;
            if self.directories.insert(id.clone()) {
                let parent = position.checked_sub(1).map(|below| &ids[below]);
                let config = (position + 1 == ids.len()).then_some(&image.config);
                self.tar.bytes(
                    &id.json_member(),
                    &layer_json(id, parent, &steps.of_layers[position], config.map(|config| &**config)),
                )?;
                self.tar.bytes(&id.version_member(), docker::VERSION)?;
            }
            members.push(member);
            reports.push(report);
        }
        Ok((members, reports))
    }

    /// The regular member that holds the layer, and what became of the layer.
    fn layer(&mut self, number: usize, layer: &'l Layer, id: &V1Id) -> Result<(String, LayerReport)> {
        let member = id.layer_member();
        let is_kept = matches!(self.plan.decision(layer), Decision::Keep(_));
        let action = if is_kept { LayerAction::Kept } else { LayerAction::Converted };
        let report = |size| {
            let plain = BlobReport::new(layer.diff_id.digest().clone(), size, Codec::Plain);
            LayerReport::new(number, layer, action, Some(plain))
        };
        if let Some((first, size)) = self.layers.get(&layer.diff_id) {
            if !self.directories.contains(id) {
                self.tar.symlink(&member, &format!("../{}", first.layer_member()))?;
            }
            return Ok((first.layer_member(), report(*size)));
        }
        if let Some(size) = self.write(layer, &member)? {
            self.layers.insert(layer.diff_id.clone(), (id.clone(), size));
            return Ok((member, report(size)));
        }
        loss::allow_missing(layer, self.docker.allow_missing_foreign)?;
        Ok((member, LayerReport::new(number, layer, LayerAction::LeftOut, None)))
    }

    /// Writes the layer's tar as `member`: its bytes; `None` if the archive does not hold it.
    fn write(&mut self, layer: &'l Layer, member: &str) -> Result<Option<u64>> {
        let plan = self.plan;
        match (plan.decision(layer), &layer.blob) {
            (Decision::Keep(_), Some(blob)) => {
                self.tar.extent(member, &blob.extent)?;
                Ok(Some(blob.extent.size()))
            }
            (Decision::Recode(_), _) => self.plain.write(self.tar, member, layer).map(Some),
            (Decision::CopyOf(other), _) => self.write(other, member),
            (Decision::Keep(_), None) | (Decision::Leave, _) => Ok(None),
        }
    }
}

/// The diff_id of the tar that each digest stands for, by the digests that the source lists.
type KnownDigests<'l> = HashMap<&'l Digest, &'l DiffId>;

/// The digests by which the layers of `images` are listed. A member's name is only a name (D-6): one that two tars have
/// stands for the first of them, or both would get one ID and lie in one place.
fn known_digests<'l>(images: &[&'l Image]) -> KnownDigests<'l> {
    let layers = || images.iter().flat_map(|image| image.layers.iter());
    let mut known: KnownDigests<'_> = layers().map(|layer| (layer.diff_id.digest(), &layer.diff_id)).collect();
    for (digest, diff_id) in layers().filter_map(|layer| Some((layer.listed_digest()?, &layer.diff_id))) {
        known.entry(digest).or_insert(diff_id);
    }
    known
}

/// The digest that a layer's ID is made from: the one that the source lists, else the diff_id (L-11).
fn listed<'l>(layer: &'l Layer, known: &KnownDigests<'_>) -> &'l Digest {
    let is_its_own = |digest: &&Digest| digest.is_sha256() && known.get(digest) == Some(&&layer.diff_id);
    layer.listed_digest().filter(is_its_own).unwrap_or(layer.diff_id.digest())
}
