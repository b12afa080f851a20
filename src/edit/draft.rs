//! One image under change: its config as a document, its layers, and a record of the changes.
//!
//! Nothing is made of it before [`Draft::finish`]: an image that no change touches stays the very same.
//!
//! Sources: docs/edit.md E-15, E-36, E-40, E-41, E-51.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::document::ConfigDocument;
use super::headers::StackHeaders;
use super::history::HistoryEntries;
use super::{EditedLayer, EditedTar};
use crate::digest::{DiffId, Digest};
use crate::error::{Error, Result};
use crate::image::{Document, Image, Layer};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::config::ImageConfig;
use crate::spec::descriptor::Descriptor;
use crate::spec::json;
use crate::spec::media_type::{Compression, Family, MediaType};
use crate::spec::oci::Manifest;
use crate::spec::timestamp::Timestamp;

/// The annotations that name an image's base (E-36).
const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// The approximate memory that an image takes while it is changed, in bytes, without its documents and layers.
const IMAGE_SIZE: u64 = 8 << 10;
/// The approximate memory that a layer takes in all lists that have it meanwhile, in bytes.
const LAYER_SIZE: u64 = 2 << 10;

/// An image under change.
pub(super) struct Draft {
    /// The image as it was read.
    pub(super) image: Arc<Image>,
    /// Its name in messages.
    at: String,
    /// Its config.
    pub(super) document: ConfigDocument,
    layers: Vec<DraftLayer>,
    /// The config's history with one entry for each layer, once layers have changed.
    history: Option<HistoryEntries>,
    pub(super) base: BaseAnnotations,
    /// The changes made, a sentence each.
    pub(super) changes: Vec<String>,
    /// Bytes of the uncompressed tars of layers that were read.
    tar_sizes: HashMap<DiffId, u64>,
}

/// A layer of a [`Draft`].
#[derive(Clone)]
pub(super) struct DraftLayer {
    /// The layer.
    pub(super) layer: Layer,
    /// The number of the layer of the input that it is, or was rewritten from.
    pub(super) input: Option<usize>,
    /// The diff_id by which a base is found: that of the layer that was read, wherever it came from (E-32).
    pub(super) read_as: DiffId,
}

impl From<Layer> for DraftLayer {
    /// A layer that is not in the input.
    fn from(layer: Layer) -> Self {
        Self { input: None, read_as: layer.diff_id.clone(), layer }
    }
}

/// The treatment of the annotations that name the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BaseAnnotations {
    /// They stay.
    Kept,
    /// They are not true any more, and no base is known.
    Dropped,
    /// They name another base.
    Set {
        /// Its name.
        name: String,
        /// The digest of its manifest or index, where it has one.
        digest: Option<Digest>,
        /// The number of its layers.
        layers: usize,
    },
}

impl Draft {
    /// The image as it was read; messages call it `at`.
    ///
    /// # Errors
    /// Those of reading its config; one that is too large.
    pub(super) fn new(image: &Arc<Image>, at: String, run: &Run) -> Result<Self> {
        let manifest = image.manifest.as_ref().map_or(0, |manifest| json::memory_size(&manifest.raw));
        // As they were read, as they are changed, and as they are written.
        let documents = 3 * (json::memory_size(image.config.raw()) + manifest);
        let taken = IMAGE_SIZE + documents + LAYER_SIZE * image.layers.len() as u64;
        run.budget.charge_memory(taken, &image.at)?;
        let layer = |(number, layer): (usize, &Layer)| DraftLayer { input: Some(number), ..layer.clone().into() };
        Ok(Self {
            document: ConfigDocument::read(image.config.raw(), &image.at)?,
            layers: image.layers.iter().enumerate().map(layer).collect(),
            image: Arc::clone(image),
            at,
            history: None,
            base: BaseAnnotations::Kept,
            changes: Vec::new(),
            tar_sizes: HashMap::new(),
        })
    }

    /// Returns the image's name in messages.
    pub(super) fn at(&self) -> &str {
        &self.at
    }

    /// The layers, base first.
    pub(super) fn layers(&self) -> &[DraftLayer] {
        &self.layers
    }

    /// The same without where they came from.
    pub(super) fn stack(&self) -> Vec<Layer> {
        self.layers.iter().map(|layer| layer.layer.clone()).collect()
    }

    /// Returns a layer's name in messages: by the number it has in the input.
    pub(super) fn layer_name(&self, place: usize) -> String {
        let DraftLayer { layer, input, .. } = &self.layers[place];
        let short = &layer.diff_id.digest().encoded()[..12.min(layer.diff_id.digest().encoded().len())];
        match input {
            Some(number) => format!("layer {number} ({short})"),
            None => format!("new layer ({short})"),
        }
    }

    /// The layers and their history, to be changed together.
    ///
    /// # Errors
    /// [`Error::Inexpressible`] for images of Windows (E-57).
    pub(super) fn change_layers(&mut self) -> Result<(&mut Vec<DraftLayer>, &mut HistoryEntries)> {
        if self.image.platform.os == "windows" {
            return Err(Error::inexpressible(self.at(), "layers of Windows cannot be changed, only the config (E-57)"));
        }
        let created = self.created();
        let history = match self.history.take() {
            Some(history) => history,
            None => HistoryEntries::balanced(self.document.history(), self.layers.len(), &created),
        };
        Ok((&mut self.layers, self.history.insert(history)))
    }

    /// Notes how large the layers are whose headers have been read.
    pub(super) fn note_sizes(&mut self, layers: &[Layer], headers: &StackHeaders) {
        let sizes = layers.iter().enumerate().map(|(number, layer)| (layer.diff_id.clone(), headers.tar_size(number)));
        self.tar_sizes.extend(sizes);
    }

    /// The layers before and after the changes; empty if none has changed.
    pub(super) fn edited_layers(&self) -> Vec<EditedLayer> {
        let tar = |layer: &Layer| {
            // New layers are plain.
            let size = self.tar_sizes.get(&layer.diff_id).copied().unwrap_or_else(|| layer.stored_size());
            EditedTar { diff_id: layer.diff_id.clone(), size }
        };
        let by_input: HashMap<usize, &DraftLayer> =
            self.layers.iter().filter_map(|layer| Some((layer.input?, layer))).collect();
        let after = |number| by_input.get(&number).map(|layer| tar(&layer.layer));
        let of_input = self.image.layers.iter().enumerate();
        let of_input = of_input.map(|(number, layer)| EditedLayer { before: Some(tar(layer)), after: after(number) });
        let added = self.layers.iter().filter(|layer| layer.input.is_none());
        let added = added.map(|layer| EditedLayer { before: None, after: Some(tar(&layer.layer)) });
        let layers: Vec<EditedLayer> = of_input.chain(added).collect();
        if layers.iter().all(|layer| layer.before == layer.after) { Vec::new() } else { layers }
    }

    /// The time of creation, as the config has it; 1970 if that is not a time.
    pub(super) fn created(&self) -> String {
        let created = self.document.text("created").filter(|text| text.parse::<Timestamp>().is_ok());
        created.unwrap_or("1970-01-01T00:00:00Z").to_owned()
    }

    /// Records that the layers from `first` on have changed: the number of layers of the base that the input's
    /// annotations name is not known (E-36).
    pub(super) fn drop_base(&mut self, first: usize) {
        match self.base {
            BaseAnnotations::Set { layers, .. } if layers <= first => {}
            _ => self.base = BaseAnnotations::Dropped,
        }
    }

    /// The diff_ids by which a base is found, those of the layers that were read.
    pub(super) fn read_as(&self) -> Vec<&DiffId> {
        self.layers.iter().map(|layer| &layer.read_as).collect()
    }

    /// The image with all changes; `None` if there are none.
    ///
    /// # Errors
    /// A config that cannot be read any more, which the changes have seen to; with `--strict` a subject that is dropped.
    pub(super) fn finish(mut self, run: &Run) -> Result<Option<Image>> {
        let diff_ids: Vec<DiffId> = self.layers.iter().map(|layer| layer.layer.diff_id.clone()).collect();
        if diff_ids != self.image.config.diff_ids() {
            self.document.set_diff_ids(diff_ids.iter())?;
        }
        if let Some(history) = self.history.take() {
            self.document.set_history(history.into_entries());
        }
        if !self.document.is_changed() && self.base == BaseAnnotations::Kept {
            return Ok(None);
        }
        let config = ImageConfig::read(self.document.to_bytes(), self.at())?;
        let manifest = self.manifest(&config, run)?;
        let layers: Arc<[_]> = self.layers.into_iter().map(|layer| layer.layer).collect();
        let platform = self.image.platform.updated(self.image.config.platform(), config.platform());
        let manifest = manifest.map(Arc::new);
        Ok(Some(Image { platform, manifest, ..Image::new(self.image.at.clone(), Arc::new(config), layers) }))
    }

    /// The manifest with the new config (E-40). The descriptors of new layers are those of their tars: which form they are
    /// stored in is the writer's to decide.
    fn manifest(&self, config: &ImageConfig, run: &Run) -> Result<Option<Document<Manifest>>> {
        let Some(old) = &self.image.manifest else { return Ok(self.new_manifest(config)) };
        if let Some(subject) = old.view.subject() {
            let problem =
                format!("its subject {} is left out: it was about the image before its change", subject.digest());
            run.diagnostics.warn_of_target(Rule::E40, self.at(), problem)?;
        }
        let family = match old.media_type {
            MediaType::Manifest(family) => family,
            _ => Family::Oci,
        };
        let describe =
            |layer: &DraftLayer| layer.layer.descriptor().cloned().unwrap_or_else(|| plain(&layer.layer, family));
        let view = old.view.clone().without_subject();
        let view = view.with_layers(self.layers.iter().map(describe).collect());
        let view = view.with_config(old.view.config().clone().with_content(config.raw()));
        Ok(Some(document(self.base.annotate(view), old.media_type.clone())))
    }

    /// A manifest for an image that had none, if there are annotations of a base to put in it.
    fn new_manifest(&self, config: &ImageConfig) -> Option<Document<Manifest>> {
        let BaseAnnotations::Set { .. } = self.base else { return None };
        let config_type = MediaType::Config(Family::Oci);
        let config = Descriptor::new(config_type, config.image_id(), config.raw().len() as u64);
        let layers = self.layers.iter().map(|layer| plain(&layer.layer, Family::Oci)).collect();
        let view = self.base.annotate(Manifest::new(config, layers, BTreeMap::new()));
        let media_type = view.media_type().clone();
        Some(document(view, media_type))
    }
}

impl BaseAnnotations {
    fn annotate(&self, manifest: Manifest) -> Manifest {
        let (name, digest) = match self {
            Self::Kept => return manifest,
            Self::Dropped => (None, None),
            Self::Set { name, digest, .. } => (Some(&**name), digest.as_ref().map(ToString::to_string)),
        };
        manifest.with_annotation(BASE_NAME, name).with_annotation(BASE_DIGEST, digest.as_deref())
    }
}

fn document(view: Manifest, media_type: MediaType) -> Document<Manifest> {
    let raw = view.to_bytes();
    Document { digest: Digest::sha256(&raw), media_type, raw, view }
}

/// The descriptor of a layer by its tar.
fn plain(layer: &Layer, family: Family) -> Descriptor {
    let media_type = MediaType::Layer(family, Compression::Plain);
    Descriptor::new(media_type, layer.diff_id.digest().clone(), layer.stored_size())
}
