//! Compressed `manifest.json` tarballs, as `crane pull` writes them.
//!
//! Sources: docs/formats.md D-1 to D-4, D-7, L-4, L-20, L-23, M-7, M-8.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::manifest_json::{ImageItem, ManifestJson};
use super::names::named_images;
use super::plan::{Addressing, Decision, ForeignPolicy, Plan, Policy};
use super::recode::{StoredBlob, recode};
use super::tar::{Out, Tar};
use super::{Contents, loss, speculative};
use crate::codec::{Codec, Encoding};
use crate::digest::{DiffId, Digest};
use crate::error::Result;
use crate::image::{Image, Layer, PartsAddress};
use crate::options::{Compress, ConvertOptions, DockerOptions};
use crate::report::{ConversionReport, ImageReports, LayerAction, LayerReport};
use crate::run::Run;
use crate::spec::docker::{self, MANIFEST_MEMBER};

/// Writes a compressed tarball.
pub(super) fn write(
    contents: &Contents<'_>,
    out: Out,
    docker: &DockerOptions,
    options: &ConvertOptions,
    run: &Run,
) -> Result<ConversionReport> {
    let named = named_images(contents, docker, run)?;
    let policy = policy(docker, options);
    let (mut tar, written) =
        speculative::run_with_checks(contents, policy, Tar::new(out, run), run, |tar, plan, _| {
            let mut writer = DockerWriter {
                tar,
                plan,
                docker,
                run,
                images: HashMap::new(),
                configs: HashSet::new(),
                layers: HashSet::new(),
                recoded: HashMap::new(),
            };
            named.iter().map(|(image, _)| writer.image(image)).collect::<Result<Vec<_>>>()
        })?;
    let mut manifest = ManifestJson::default();
    let mut reports = ImageReports::default();
    for ((image, names), written) in named.into_iter().zip(written) {
        reports.add(image, &names, || (None, written.layers));
        manifest.list(names, written.item);
    }
    tar.bytes(MANIFEST_MEMBER, &manifest.merged().to_bytes(run)?)?;
    Ok(reports.finish(tar.finish()?))
}

/// The requirements for layers.
pub(super) fn policy(docker: &DockerOptions, options: &ConvertOptions) -> Policy {
    Policy {
        compress: docker.compress.unwrap_or(Compress::Gzip(None)),
        verify: options.verify,
        addressing: Addressing::Sha256,
        foreign: ForeignPolicy::LikeOthers,
    }
}

/// An image as it was written.
#[derive(Clone)]
struct DockerImage {
    item: Rc<ImageItem>,
    layers: Arc<[LayerReport]>,
}

struct DockerWriter<'a, 'w, 'l> {
    tar: &'a mut Tar<'w>,
    plan: &'a Plan<'l>,
    docker: &'a DockerOptions,
    run: &'a Run,
    /// Images that are there already. Those that only the platform tells apart are written once.
    images: HashMap<PartsAddress, DockerImage>,
    /// Configs that are there already.
    configs: HashSet<Digest>,
    /// Layers that are there already; a config's bytes may be a layer's too, under another name.
    layers: HashSet<Digest>,
    recoded: HashMap<DiffId, StoredBlob>,
}

impl DockerWriter<'_, '_, '_> {
    fn image(&mut self, image: &Image) -> Result<DockerImage> {
        if let Some(written) = self.images.get(&image.parts_address()) {
            return Ok(written.clone());
        }
        super::charge_layers(image, self.run)?;
        loss::remark(image, self.run);
        let config = docker::config_member(&image.image_id);
        if self.configs.insert(image.image_id.clone()) {
            self.tar.bytes(&config, image.config.raw())?;
        }
        let layers = image.layers.iter().enumerate().map(|(number, layer)| self.layer(number, layer));
        let (members, layers): (Vec<_>, Vec<_>) = layers.collect::<Result<_>>()?;
        let item = ImageItem { config, layers: members, parent: None, layer_sources: loss::layer_sources(image) };
        let written = DockerImage { item: item.shared(&image.at, self.run)?, layers: layers.into() };
        self.images.insert(image.parts_address(), written.clone());
        Ok(written)
    }

    /// The member that holds the layer, and what became of the layer.
    fn layer(&mut self, number: usize, layer: &Layer) -> Result<(String, LayerReport)> {
        let action = match self.plan.decision(layer) {
            Decision::Keep(_) => LayerAction::Kept,
            Decision::Recode(_) | Decision::CopyOf(_) => LayerAction::Converted,
            Decision::Leave => LayerAction::LeftOut,
        };
        let stored = self.store(layer)?;
        let member = match &stored {
            Some(stored) => member(stored),
            None => {
                loss::allow_missing(layer, self.docker.allow_missing_foreign)?;
                let digest = layer.foreign.as_ref().map_or(layer.diff_id.digest(), |foreign| foreign.digest());
                docker::layer_member(digest, ".tar.gz")
            }
        };
        Ok((member, LayerReport::new(number, layer, action, stored.map(Into::into))))
    }

    /// Stores the layer, if it is not there yet; `None` if its bytes are left out.
    fn store(&mut self, layer: &Layer) -> Result<Option<StoredBlob>> {
        let plan = self.plan;
        match plan.decision(layer) {
            Decision::Keep(stored) => self.keep(layer, stored).map(|()| Some(stored.clone())),
            Decision::Recode(encoding) => self.recode(layer, *encoding).map(Some),
            Decision::CopyOf(other) => self.store(other),
            Decision::Leave => Ok(None),
        }
    }

    fn keep(&mut self, layer: &Layer, stored: &StoredBlob) -> Result<()> {
        match &layer.blob {
            Some(blob) if self.layers.insert(stored.digest.clone()) => self.tar.extent(&member(stored), &blob.extent),
            _ => Ok(()),
        }
    }

    fn recode(&mut self, layer: &Layer, encoding: Encoding) -> Result<StoredBlob> {
        if let Some(stored) = self.recoded.get(&layer.diff_id) {
            return Ok(stored.clone());
        }
        let run = self.run;
        let stored = self.tar.produced(|out| recode(layer, encoding, out, run), |stored| Some(member(stored)))?;
        self.layers.insert(stored.digest.clone());
        self.recoded.insert(layer.diff_id.clone(), stored.clone());
        Ok(stored)
    }
}

/// `<hex>.tar.gz` and its like (D-1).
fn member(stored: &StoredBlob) -> String {
    let extension = match stored.codec {
        Codec::Plain => ".tar",
        Codec::Zstd => ".tar.zst",
        Codec::Gzip | Codec::Xz | Codec::Bzip2 | Codec::Lz4 => ".tar.gz",
    };
    docker::layer_member(&stored.digest, extension)
}
