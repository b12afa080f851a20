//! Compressed `manifest.json` tarballs, as `crane pull` writes them.
//!
//! Sources: docs/formats.md D-1 to D-4, D-7, L-4, L-20, L-23, M-7, M-8.

use std::collections::{HashMap, HashSet};

use super::attempt;
use super::names::{Spelling, repo_tags};
use super::plan::{Addressing, Foreign, Plan, Treatment};
use super::recode::{StoredBlob, recode};
use super::tar::{Out, Tar};
use super::{Contents, listed, loss, merged, single_images};
use crate::codec::Codec;
use crate::digest::{DiffId, Digest};
use crate::error::Result;
use crate::image::{Image, ImageEntry, Layer};
use crate::options::{Compress, ConvertOptions, DockerOptions, ImageReport};
use crate::run::Run;
use crate::spec::docker::{self, MANIFEST_MEMBER, ManifestItem};

/// Writes a compressed tarball.
pub(super) fn write(
    contents: &Contents<'_>,
    out: Out,
    docker: &DockerOptions,
    options: &ConvertOptions,
    run: &Run,
) -> Result<Vec<ImageReport>> {
    let chosen = single_images(contents.entries);
    let images = contents.images();
    loss::refuse_encrypted(&images)?;
    let compress = docker.compress.unwrap_or(Compress::Gzip(None));
    let plan = |trust, run: &Run| {
        let (sha256, foreign) = (Addressing::Sha256, Foreign::LikeOthers);
        let plan = Plan::new(&images, compress, sha256, foreign, options.verify, trust, run)?;
        let checks = plan.checks(&images, &[]);
        Ok((plan, checks))
    };
    let again = run.another_look();
    let written = attempt::members(contents, Tar::new(out, run), run, &again, plan, |tar, plan, run, _| {
        let mut writer =
            Writer { tar, plan, docker, run, configs: HashSet::new(), layers: HashSet::new(), recoded: HashMap::new() };
        let images = chosen.iter().map(|(entry, image)| writer.image(entry, image));
        let (items, reports): (Vec<_>, Vec<_>) = images.collect::<Result<_>>()?;
        Ok((items, reports))
    })?;
    let (mut tar, (items, reports)) = written;
    tar.bytes(MANIFEST_MEMBER, &docker::manifest(&merged(items)))?;
    tar.finish()?;
    Ok(reports)
}

struct Writer<'a, 'w> {
    tar: &'a mut Tar<'w>,
    plan: &'a Plan<'a>,
    docker: &'a DockerOptions,
    run: &'a Run,
    /// Configs that are there already.
    configs: HashSet<Digest>,
    /// Layers that are there already; a config's bytes may be a layer's too, under another name.
    layers: HashSet<Digest>,
    recoded: HashMap<DiffId, StoredBlob>,
}

impl Writer<'_, '_> {
    fn image(&mut self, entry: &ImageEntry, image: &Image) -> Result<(ManifestItem, ImageReport)> {
        loss::remark(image, self.run);
        if self.configs.insert(image.image_id.clone()) {
            self.tar.bytes(&docker::config_member(&image.image_id), image.config.raw())?;
        }
        let mut layers = Vec::with_capacity(image.layers.len());
        let mut kept = 0;
        for layer in &image.layers {
            let (member, is_kept) = self.layer(layer)?;
            layers.push(member);
            kept += usize::from(is_kept);
        }
        listed(&layers, &image.at, self.run)?;
        let item = ManifestItem {
            config: docker::config_member(&image.image_id),
            repo_tags: repo_tags(entry, Spelling::of(self.docker.full_names), self.run)?,
            layers,
            parent: None,
            layer_sources: loss::layer_sources(image),
        };
        let report = ImageReport {
            names: item.repo_tags.clone(),
            image_id: image.image_id.clone(),
            manifest_kept: None,
            layers_kept: (kept, image.layers.len()),
        };
        Ok((item, report))
    }

    /// The member that holds the layer, and whether its bytes are the input's.
    fn layer(&mut self, layer: &Layer) -> Result<(String, bool)> {
        match self.plan.treatment(layer) {
            Treatment::Keep => Ok((self.keep(layer)?, true)),
            Treatment::Recode(encoding) => {
                if let Some(equal) = self.plan.stand_in(layer) {
                    return Ok((self.keep(equal)?, false));
                }
                if let Some(stored) = self.recoded.get(&layer.diff_id) {
                    return Ok((member(stored), false));
                }
                let run = self.run;
                let stored =
                    self.tar.produced(|out| recode(layer, encoding, out, run), |stored| Some(member(stored)))?;
                self.layers.insert(stored.digest.clone());
                self.recoded.insert(layer.diff_id.clone(), stored.clone());
                Ok((member(&stored), false))
            }
            Treatment::Absent => {
                loss::allow_missing(layer, self.docker.allow_missing_foreign)?;
                let digest = layer.foreign.as_ref().map_or(layer.diff_id.digest(), |foreign| foreign.digest());
                Ok((docker::layer_member(digest, ".tar.gz"), true))
            }
        }
    }

    /// The member that holds a layer as it is.
    fn keep(&mut self, layer: &Layer) -> Result<String> {
        let kept = self.plan.kept(layer).expect("the plan has measured what promises nothing");
        let member = member(&kept);
        if let (true, Some(blob)) = (self.layers.insert(kept.digest), &layer.blob) {
            self.tar.extent(&member, &blob.extent)?;
        }
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
