//! `docker save` archives of Docker 1.10 to 24, with the layer IDs and layer documents that ggcr gives them.
//!
//! A diff_id is stored once. Other layer IDs with the same diff_id get a symbolic link for readers that know no
//! `manifest.json`; `manifest.json` itself names regular members only, because half of its readers follow no links.
//!
//! Sources: docs/formats.md L-1 to L-18, L-35, M-7, M-8.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::attempt::{self, Decoding, Elsewhere};
use super::names::{Spelling, repo_tags};
use super::plan::{Addressing, Foreign, Plan, Treatment};
use super::recode::recode;
use super::tar::{Out, Tar};
use super::{Contents, loss, single_images};
use crate::digest::{DiffId, Digest};
use crate::error::Result;
use crate::image::{Image, ImageEntry, Layer};
use crate::options::{Compress, ConvertOptions, DockerOptions, ImageReport};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::docker::{self, MANIFEST_MEMBER, ManifestItem, REPOSITORIES_MEMBER, Repositories};
use crate::spec::v1::{Steps, V1Id, layer_json};

/// Writes a legacy archive.
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
    let plan = |trust, run: &Run| {
        let (any, foreign) = (Addressing::Any, Foreign::LikeOthers);
        let plan = Plan::new(&images, Compress::None, any, foreign, options.verify, trust, run)?;
        let checks = plan.checks(&images, &[]);
        Ok((plan, checks))
    };
    let known = known_digests(&images);
    let again = run.another_look();
    let written = attempt::members(contents, Tar::new(out, run), run, &again, plan, |tar, plan, run, elsewhere| {
        let mut writer = Writer {
            tar,
            plan,
            docker,
            run,
            elsewhere,
            known: &known,
            configs: HashSet::new(),
            directories: HashSet::new(),
            layers: HashMap::new(),
            repositories: Repositories::default(),
            open: Arc::default(),
        };
        let images = chosen.iter().map(|(entry, image)| writer.image(entry, image));
        let (items, reports): (Vec<_>, Vec<_>) = images.collect::<Result<_>>()?;
        Ok((items, writer.repositories, reports))
    })?;
    let (mut tar, (items, repositories, reports)) = written;
    tar.bytes(MANIFEST_MEMBER, &docker::manifest(&items))?;
    tar.bytes(REPOSITORIES_MEMBER, &repositories.to_bytes())?;
    tar.finish()?;
    Ok(reports)
}

struct Writer<'a, 'w, 'l> {
    tar: &'a mut Tar<'w>,
    plan: &'a Plan<'l>,
    docker: &'a DockerOptions,
    run: &'a Run,
    elsewhere: Elsewhere<'a, 'l>,
    known: &'a KnownDigests<'l>,
    configs: HashSet<Digest>,
    /// Layer IDs whose directory is written: images that share a base share its layers (L-13).
    directories: HashSet<V1Id>,
    /// Where each diff_id is stored.
    layers: HashMap<DiffId, V1Id>,
    repositories: Repositories,
    /// Shared by all layers that are being decoded elsewhere: each has an open file.
    open: Arc<()>,
}

impl<'l> Writer<'_, '_, 'l> {
    fn image(&mut self, entry: &ImageEntry, image: &'l Image) -> Result<(ManifestItem, ImageReport)> {
        loss::remark(image, self.run);
        let config = docker::legacy_config_member(&image.image_id);
        if self.configs.insert(image.image_id.clone()) {
            self.tar.bytes(&config, image.config.raw())?;
        }
        let layers = self.layers(image)?;
        let repo_tags = repo_tags(entry, Spelling::of(self.docker.full_names), self.run)?;
        if let Some(top) = layers.last() {
            for tag in &repo_tags {
                self.repositories.insert(tag, top.id.as_str());
            }
        }
        let report = ImageReport {
            names: repo_tags.clone(),
            image_id: image.image_id.clone(),
            manifest_kept: None,
            layers_kept: (layers.iter().filter(|layer| layer.kept).count(), layers.len()),
        };
        let layers: Vec<String> = layers.into_iter().map(|layer| layer.member).collect();
        super::listed(&layers, &image.at, self.run)?;
        let item = ManifestItem {
            config,
            repo_tags,
            layers,
            parent: image.parent.as_ref().filter(|parent| self.configs.contains(parent)).map(ToString::to_string),
            layer_sources: loss::layer_sources(image),
        };
        Ok((item, report))
    }

    fn layers(&mut self, image: &'l Image) -> Result<Vec<WrittenLayer>> {
        let listed: Vec<Digest> = image.layers.iter().map(|layer| listed(layer, self.known).clone()).collect();
        let ids = V1Id::of_layers(&listed, image.config.raw());
        let steps = Steps::of(image.config.history(), ids.len());
        if !steps.fit {
            let problem = "its history does not have one step a layer; the layer documents are made to fit";
            self.run.diagnostics.warn(Rule::L16, &image.at, problem)?;
        }
        let mut written = Vec::with_capacity(ids.len());
        for (position, (layer, id)) in image.layers.iter().zip(&ids).enumerate() {
            let (member, kept) = self.layer(layer, id)?;
            if self.directories.insert(id.clone()) {
                let parent = position.checked_sub(1).map(|below| &ids[below]);
                let config = (position + 1 == ids.len()).then_some(&image.config);
                self.tar.bytes(&id.json_member(), &layer_json(id, parent, &steps.of_layers[position], config))?;
                self.tar.bytes(&id.version_member(), docker::VERSION)?;
            }
            written.push(WrittenLayer { id: id.clone(), member, kept });
        }
        Ok(written)
    }

    /// The regular member that holds the layer, and whether its bytes are the input's.
    fn layer(&mut self, layer: &'l Layer, id: &V1Id) -> Result<(String, bool)> {
        let member = id.layer_member();
        let treatment = self.plan.treatment(layer);
        let kept = treatment == Treatment::Keep;
        if let Some(first) = self.layers.get(&layer.diff_id) {
            if !self.directories.contains(id) {
                self.tar.symlink(&member, &format!("../{}", first.layer_member()))?;
            }
            return Ok((first.layer_member(), kept));
        }
        let source = self.plan.stand_in(layer).unwrap_or(layer);
        match (self.plan.treatment(source), &source.blob) {
            (Treatment::Keep, Some(blob)) => self.tar.extent(&member, &blob.extent)?,
            (Treatment::Recode(_), Some(_)) if self.is_decoded_elsewhere(layer, &member)? => {}
            (Treatment::Recode(encoding), _) => {
                let run = self.run;
                self.tar.produced(|out| recode(layer, encoding, out, run), |_| Some(member.clone()))?;
            }
            (Treatment::Keep, None) | (Treatment::Absent, _) => {
                loss::allow_missing(layer, self.docker.allow_missing_foreign)?;
                return Ok((member, true));
            }
        }
        self.layers.insert(layer.diff_id.clone(), id.clone());
        Ok((member, kept))
    }

    /// Leaves room for the layer, if its size can be foretold, and has it decoded into that room.
    fn is_decoded_elsewhere(&mut self, layer: &'l Layer, member: &str) -> Result<bool> {
        if layer.stored_size() < WORTH_A_TASK || Arc::strong_count(&self.open) > MOST_OPEN {
            return Ok(false);
        }
        let Some(size) = self.plan.likely_size(layer)? else { return Ok(false) };
        let Some(region) = self.tar.reserved(member, size)? else { return Ok(false) };
        let (ahead, open) = (self.plan.is_large(layer), Arc::clone(&self.open));
        (self.elsewhere)(Decoding { layer, region, ahead, open });
        Ok(true)
    }
}

/// StoredBlob bytes from which on a layer is worth a task of its own. What is smaller may be a few members that imgtar made,
/// the last of which seems to speak for all of them.
const WORTH_A_TASK: u64 = 1 << 20;

/// How many layers may wait to be decoded elsewhere: an archive may have more of them than a process may have files.
const MOST_OPEN: usize = 32;

/// What tar a digest stands for that the source lists.
type KnownDigests<'l> = HashMap<&'l Digest, &'l DiffId>;

/// The digests by which the layers of `images` are listed. A member's name is only a name (D-6): one that two tars have
/// stands for the first of them, or both would get one ID and lie in one place.
fn known_digests<'l>(images: &[&'l Image]) -> KnownDigests<'l> {
    let layers = || images.iter().flat_map(|image| &image.layers);
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

struct WrittenLayer {
    id: V1Id,
    member: String,
    kept: bool,
}
