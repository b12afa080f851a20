//! Compressed `manifest.json` tarballs, as `crane pull` writes them.
//!
//! Sources: docs/formats.md D-1 to D-4, D-7, L-4, L-20, L-23, M-7, M-8.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::manifest_json::{ImageItem, ManifestJson};
use super::names::{Spelling, repo_tags};
use super::plan::{Addressing, Decision, ForeignPolicy, Plan, Policy};
use super::recode::{StoredBlob, recode};
use super::tar::{Out, Tar};
use super::{Contents, loss, single_images, speculative};
use crate::codec::{Codec, Encoding};
use crate::digest::{DiffId, Digest};
use crate::error::Result;
use crate::image::{Image, Layer};
use crate::options::{Compress, ConvertOptions, DockerOptions, ImageReport};
use crate::run::Run;
use crate::spec::docker::{self, MANIFEST_MEMBER};

/// Writes a compressed tarball.
pub(super) fn write(
    contents: &Contents<'_>,
    out: Out,
    docker: &DockerOptions,
    options: &ConvertOptions,
    run: &Run,
) -> Result<Vec<ImageReport>> {
    let chosen = single_images(contents.entries);
    loss::refuse_encrypted(&contents.images())?;
    let spelling = Spelling::of(docker.full_names);
    let names = chosen.iter().map(|(entry, _)| repo_tags(entry, spelling, run)).collect::<Result<Vec<_>>>()?;
    let policy = Policy {
        compress: docker.compress.unwrap_or(Compress::Gzip(None)),
        verify: options.verify,
        addressing: Addressing::Sha256,
        foreign: ForeignPolicy::LikeOthers,
    };
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
            chosen.iter().map(|(_, image)| writer.image(image)).collect::<Result<Vec<_>>>()
        })?;
    let mut manifest = ManifestJson::default();
    let mut reports = Vec::with_capacity(chosen.len());
    for (((_, image), names), written) in chosen.iter().zip(names).zip(written) {
        reports.push(ImageReport {
            names: names.clone(),
            image_id: image.image_id.clone(),
            manifest_kept: None,
            layers_kept: (written.kept, image.layers.len()),
        });
        manifest.list(names, written.item);
    }
    tar.bytes(MANIFEST_MEMBER, &manifest.merged().to_bytes(run)?)?;
    tar.finish()?;
    Ok(reports)
}

/// An image as it was written.
#[derive(Clone)]
struct DockerImage {
    item: Rc<ImageItem>,
    /// Layers whose bytes are the input's.
    kept: usize,
}

struct DockerWriter<'a, 'w, 'l> {
    tar: &'a mut Tar<'w>,
    plan: &'a Plan<'l>,
    docker: &'a DockerOptions,
    run: &'a Run,
    /// Images that are there already, by where they are in memory: the model shares what is one.
    images: HashMap<*const Image, DockerImage>,
    /// Configs that are there already.
    configs: HashSet<Digest>,
    /// Layers that are there already; a config's bytes may be a layer's too, under another name.
    layers: HashSet<Digest>,
    recoded: HashMap<DiffId, StoredBlob>,
}

impl DockerWriter<'_, '_, '_> {
    fn image(&mut self, image: &Image) -> Result<DockerImage> {
        if let Some(written) = self.images.get(&std::ptr::from_ref(image)) {
            return Ok(written.clone());
        }
        loss::remark(image, self.run);
        let config = docker::config_member(&image.image_id);
        if self.configs.insert(image.image_id.clone()) {
            self.tar.bytes(&config, image.config.raw())?;
        }
        let mut layers = Vec::with_capacity(image.layers.len());
        let mut kept = 0;
        for layer in &image.layers {
            let (member, is_kept) = self.layer(layer)?;
            layers.push(member);
            kept += usize::from(is_kept);
        }
        let item = ImageItem { config, layers, parent: None, layer_sources: loss::layer_sources(image) };
        let written = DockerImage { item: item.shared(&image.at, self.run)?, kept };
        self.images.insert(image, written.clone());
        Ok(written)
    }

    /// The member that holds the layer, and whether its bytes are the input's.
    fn layer(&mut self, layer: &Layer) -> Result<(String, bool)> {
        let plan = self.plan;
        match plan.decision(layer) {
            Decision::Keep(stored) => Ok((self.keep(layer, stored)?, true)),
            Decision::Recode(encoding) => Ok((self.recode(layer, *encoding)?, false)),
            Decision::CopyOf(other) => Ok((self.layer(other)?.0, false)),
            Decision::Leave => {
                loss::allow_missing(layer, self.docker.allow_missing_foreign)?;
                let digest = layer.foreign.as_ref().map_or(layer.diff_id.digest(), |foreign| foreign.digest());
                Ok((docker::layer_member(digest, ".tar.gz"), true))
            }
        }
    }

    fn keep(&mut self, layer: &Layer, stored: &StoredBlob) -> Result<String> {
        let member = member(stored);
        if let (true, Some(blob)) = (self.layers.insert(stored.digest.clone()), &layer.blob) {
            self.tar.extent(&member, &blob.extent)?;
        }
        Ok(member)
    }

    fn recode(&mut self, layer: &Layer, encoding: Encoding) -> Result<String> {
        if let Some(stored) = self.recoded.get(&layer.diff_id) {
            return Ok(member(stored));
        }
        let run = self.run;
        let stored = self.tar.produced(|out| recode(layer, encoding, out, run), |stored| Some(member(stored)))?;
        let member = member(&stored);
        self.layers.insert(stored.digest.clone());
        self.recoded.insert(layer.diff_id.clone(), stored);
        Ok(member)
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
