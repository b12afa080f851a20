//! Deltas: for each image an artifact that makes it of an image of a base.
//!
//! Layers that the base has are named, all others become tar-diffs against the base's files, or stay as they are where that
//! is smaller. Several images are several artifacts.
//!
//! Sources: docs/delta.md P-1 to P-3, P-8, P-10, P-11, P-14.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::store::{Documents, Store, TarLayout};
use super::tar::Out;
use super::{Contents, loss, single_images};
use crate::codec::Codec;
use crate::delta::{Matcher, OpenLayer, RecipeForm, Scope, Sources, is_remade};
use crate::digest::{DiffId, Digest};
use crate::error::{Error, Result};
use crate::image::{Image, ImageEntry, ImageSet, Layer, Name, NeededBase};
use crate::options::DeltaOptions;
use crate::report::{BlobReport, ConversionReport, ImageReports, LayerAction, LayerReport, ManifestReport};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::delta::{DeltaContent, DeltaLayer, DeltaManifest, SourceImage, TargetImage, tar_diff};
use crate::spec::descriptor::Descriptor;
use crate::spec::media_type::{Compression, Family, MediaType};
use crate::spec::oci::{EMPTY_CONFIG, Index, LAYOUT_MARKER, Manifest};
use crate::stream::finish::Finish;
use crate::stream::source::Extent;
use crate::stream::spool::SpoolFiles;
use crate::stream::tap::HashWriter;

/// Writes a layout of deltas against the images of the bases.
pub(super) fn write(contents: &Contents<'_>, out: Out, options: &DeltaOptions, run: &Run) -> Result<ConversionReport> {
    let chosen = single_images(contents.entries);
    loss::refuse_encrypted(&contents.images())?;
    let pairs = chosen.iter().map(|(entry, image)| Ok((*entry, *image, base_of(entry, image, contents.bases)?)));
    let pairs = pairs.collect::<Result<Vec<_>>>()?;
    let mut writer = DeltaWriter {
        store: TarLayout::new(out, run),
        spools: SpoolFiles::new(&run.tmpdir),
        form: RecipeForm { fast: options.fast, memory: options.memory.max(DeltaOptions::LEAST_MEMORY) },
        run,
        bases: HashMap::new(),
        layers: HashMap::new(),
    };
    writer.store.begin(&BTreeSet::from(["sha256".to_owned()]))?;
    writer.store.bytes(&Digest::sha256(EMPTY_CONFIG), EMPTY_CONFIG)?;
    let (mut reports, mut listed, mut needs) = (ImageReports::default(), Vec::new(), Vec::new());
    for (entry, image, base) in pairs {
        let written = writer.image(entry, image, &base)?;
        listed.push(written.artifact);
        let reused = written.layers.iter().filter(|layer| layer.action == LayerAction::LeftOut);
        let size = reused.clone().filter_map(|layer| layer.source.as_ref()).map(|blob| blob.size).sum();
        let content = Some(written.content);
        needs.push(NeededBase {
            image: Some(base.entry.title()),
            layers: reused.count(),
            size: Some(size),
            delta: content,
        });
        let names: Vec<_> = entry.names.iter().map(ToString::to_string).collect();
        reports.add(image, &names, || (Some(written.manifest), written.layers.into()));
    }
    contents.unchanged()?;
    // The files of the bases were verified first, and compared after that.
    let mut compared = writer.bases.values().flat_map(|base| base.sources.layers());
    compared.try_for_each(|layer| layer.tar.source().unchanged())?;
    let documents = Documents {
        index: Index::new(listed).to_bytes(),
        docker_manifest: None,
        links: BTreeMap::new(),
        layout: LAYOUT_MARKER,
    };
    let mut report = reports.finish(writer.store.finish(&documents)?);
    report.images.iter_mut().zip(needs).for_each(|(image, needs)| image.needs = Some(needs));
    Ok(report)
}

/// An image of a base, and the entry that lists it.
struct Base<'a> {
    entry: &'a ImageEntry,
    image: &'a Image,
}

/// The image of `bases` to make `image` of: one for its platform, if possible under one of its names, or of its repository.
fn base_of<'a>(entry: &ImageEntry, image: &Image, bases: &'a [ImageSet]) -> Result<Base<'a>> {
    let at = entry.at();
    image.refuse_left_out(&at)?;
    let repository = |name: &Name| match name {
        Name::Reference(reference) => Some((reference.domain().to_owned(), reference.path().to_owned())),
        Name::Tag(_) | Name::Text(_) => None,
    };
    let repositories: Vec<_> = entry.names.iter().filter_map(repository).collect();
    let likeness = |base: &Base<'_>| {
        let has_name = base.entry.names.iter().any(|name| entry.names.contains(name));
        let is_of_repository =
            base.entry.names.iter().filter_map(repository).any(|found| repositories.contains(&found));
        (has_name, is_of_repository)
    };
    let entries = bases.iter().flat_map(|set| &set.entries);
    let all = entries.flat_map(|entry| entry.node.images().into_iter().map(move |image| Base { entry, image }));
    let fitting = all.filter(|base| image.platform.matches(&base.image.platform));
    // Of those that are as likely the first.
    let best = fitting.min_by_key(|base| Reverse(likeness(base)));
    let best = best.ok_or_else(|| Error::inexpressible(&at, format!("no base has an image for {}", image.platform)))?;
    best.image.refuse_left_out(&best.entry.at())?;
    Ok(best)
}

/// The files of an image of a base.
struct OpenBase {
    sources: Sources,
    matcher: Matcher,
}

struct DeltaWriter<'a> {
    store: TarLayout<'a>,
    spools: SpoolFiles,
    form: RecipeForm,
    run: &'a Run,
    /// Images of bases by their addresses in memory.
    bases: HashMap<*const Image, OpenBase>,
    /// Layers as they were written, by what they are and the image of a base that they are made of: images may share both.
    layers: HashMap<LayerKey, WrittenDelta>,
}

/// A layer's tar, the blob that a manifest lists of it, and an image of a base. The tar alone does not tell: it may be listed
/// as blobs of several compressions.
type LayerKey = (DiffId, Option<Digest>, *const Image);

/// An image as it was written.
struct WrittenArtifact {
    artifact: Descriptor,
    manifest: ManifestReport,
    layers: Vec<LayerReport>,
    content: DeltaContent,
}

/// A layer as it was written.
#[derive(Clone)]
struct WrittenDelta {
    layer: DeltaLayer,
    codec: Codec,
    /// Bytes of its uncompressed tar.
    tar_size: u64,
}

impl DeltaWriter<'_> {
    fn image(&mut self, entry: &ImageEntry, image: &Image, base: &Base<'_>) -> Result<WrittenArtifact> {
        super::charge_layers(image, self.run)?;
        self.make_layers(image, base.image)?;
        let address = std::ptr::from_ref(base.image);
        let tars = self.bases[&address].sources.layers();
        let reused: HashMap<&DiffId, u64> =
            base.image.layers.iter().zip(tars).map(|(layer, old)| (&layer.diff_id, old.tar.size())).collect();
        let made = image.layers.iter().map(|layer| {
            let is_made = !reused.contains_key(&layer.diff_id);
            is_made.then(|| self.layers[&layer_key(layer, address)].clone())
        });
        let made: Vec<Option<WrittenDelta>> = made.collect();
        let sizes = image.layers.iter().zip(&made).map(|(layer, made)| match made {
            Some(made) => made.tar_size,
            None => reused[&layer.diff_id],
        });
        let (raw, manifest) = target_manifest(image, sizes);
        let listed = manifest.layers();
        let config = manifest.config().clone();
        self.store.bytes(config.digest(), image.config.raw())?;
        let target = Descriptor::of(manifest.media_type().clone(), &raw);
        self.store.bytes(target.digest(), &raw)?;
        let mut reports = Vec::with_capacity(listed.len());
        let mut delta = DeltaManifest {
            target: TargetImage { manifest: target.clone(), config, names: texts(&entry.names) },
            source: SourceImage {
                manifest: base.image.manifest.as_ref().map(|manifest| manifest.digest.clone()),
                config: base.image.image_id.clone(),
                names: texts(&base.entry.names),
            },
            layers: HashMap::new(),
            reused: Vec::new(),
        };
        for (number, ((layer, listed), made)) in image.layers.iter().zip(listed).zip(made).enumerate() {
            reports.push(match made {
                None => {
                    delta.reused.push((listed.digest().clone(), layer.diff_id.clone()));
                    LayerReport::new(number, layer, LayerAction::LeftOut, None)
                }
                Some(WrittenDelta { layer: made, codec, .. }) => {
                    let action = if made.is_tar_diff() { LayerAction::Delta } else { LayerAction::Kept };
                    let written = BlobReport {
                        digest: Some(made.blob.digest().clone()),
                        size: made.blob.size(),
                        compression: codec,
                        media_type: Some(made.blob.media_type().clone()),
                    };
                    delta.layers.insert(listed.digest().clone(), made);
                    LayerReport::new(number, layer, action, Some(written))
                }
            });
        }
        self.note_blobs(&delta, image, entry);
        let bytes = delta.to_manifest().to_bytes();
        let artifact = Descriptor::of(MediaType::Manifest(Family::Oci), &bytes);
        self.store.bytes(artifact.digest(), &bytes)?;
        let kept = image.manifest.is_some();
        Ok(WrittenArtifact {
            artifact,
            manifest: ManifestReport { digest: target.digest().clone(), kept },
            layers: reports,
            content: delta.content(),
        })
    }

    /// Makes the layers of `image` that `base` lacks, unless that was done. They are read side by side with those of `base`.
    fn make_layers(&mut self, image: &Image, base: &Image) -> Result<()> {
        let address = std::ptr::from_ref(base);
        let old = if self.bases.contains_key(&address) { &[] } else { &*base.layers };
        let reused: HashSet<&DiffId> = base.layers.iter().map(|layer| &layer.diff_id).collect();
        let (mut seen, mut new) = (HashSet::new(), Vec::new());
        for layer in image.layers.iter().filter(|layer| !reused.contains(&layer.diff_id)) {
            let key = layer_key(layer, address);
            if !self.layers.contains_key(&key) && seen.insert(key) {
                new.push(layer);
            }
        }
        let all = old.iter().chain(new.iter().copied());
        let mut read = OpenLayer::read_all(all, Scope::All, &self.spools, self.run)?.into_iter();
        if let Entry::Vacant(vacant) = self.bases.entry(address) {
            let sources = Sources::merge(old, read.by_ref().take(old.len()), self.run)?;
            let matcher = Matcher::new(&sources, self.run)?;
            vacant.insert(OpenBase { sources, matcher });
        }
        new.into_iter().zip(read).try_for_each(|(layer, read)| self.layer(layer, &read, address))
    }

    /// Writes what makes `layer` of the files of `base`.
    fn layer(&mut self, layer: &Layer, new: &OpenLayer, base: *const Image) -> Result<()> {
        let matcher = &self.bases[&base].matcher;
        let ((digest, size, files), recipe) = self.spools.add(&layer.at, |out| {
            let mut out = HashWriter::new(out);
            let files = new.write_recipe(matcher, self.form, &mut out, self.run)?;
            let (digest, size, _) = out.finish().map_err(|error| Error::io("writing a delta of", &layer.at, error))?;
            Ok((digest, size, files))
        })?;
        let written = match as_stored(layer).filter(|(blob, ..)| blob.size() <= size) {
            Some((blob, codec, extent)) => {
                self.store.extent(blob.digest(), extent)?;
                WrittenDelta {
                    layer: DeltaLayer { blob, size: None, files: None, compression: None },
                    codec,
                    tar_size: new.tar().size(),
                }
            }
            None => {
                self.store.extent(&digest, &recipe)?;
                let compression = self.remade(layer, new.tar())?;
                let blob = tar_diff(digest, size);
                let layer = DeltaLayer { blob, size: Some(new.tar().size()), files: Some(files), compression };
                WrittenDelta { layer, codec: Codec::Zstd, tar_size: new.tar().size() }
            }
        };
        self.layers.insert(layer_key(layer, base), written);
        Ok(())
    }

    /// P-10: notes that the manifest's digest changes where blobs cannot be made again.
    fn note_blobs(&self, delta: &DeltaManifest, image: &Image, entry: &ImageEntry) {
        let diff_ids: HashSet<&Digest> = image.config.diff_ids().iter().map(DiffId::digest).collect();
        let is_lost = |(to, layer): &(&Digest, &DeltaLayer)| {
            layer.is_tar_diff() && layer.compression.is_none() && !diff_ids.contains(to)
        };
        let lost = delta.layers.iter().filter(is_lost).count();
        if lost > 0 {
            let problem = format!(
                "{lost} of its layers will come back uncompressed: what another program compressed cannot be made again. The \
                 manifest gets another digest; image ID and diff_ids stay"
            );
            self.run.diagnostics.note(Rule::P10, entry.at(), problem);
        }
    }

    /// The compression by which `layer` can be made again of its `tar`, where a manifest lists it.
    fn remade(&self, layer: &Layer, tar: &Extent) -> Result<Option<Compression>> {
        let (Some(blob), Some(listed)) = (&layer.blob, layer.descriptor()) else { return Ok(None) };
        let is_remade = is_remade(blob, tar, &layer.at, self.run)?;
        Ok(listed.media_type().compression().filter(|_| is_remade))
    }
}

fn layer_key(layer: &Layer, base: *const Image) -> LayerKey {
    (layer.diff_id.clone(), layer.descriptor().map(|blob| blob.digest().clone()), base)
}

/// The layer's blob as the input has it, where a manifest lists it.
fn as_stored(layer: &Layer) -> Option<(Descriptor, Codec, &Extent)> {
    let blob = layer.blob.as_ref()?;
    Some((layer.descriptor()?.clone(), blob.codec, &blob.extent))
}

/// The manifest of the image, byte for byte; of one without, that of the image with uncompressed layers, of which the tars
/// have `sizes`.
fn target_manifest(image: &Image, sizes: impl Iterator<Item = u64>) -> (Vec<u8>, Manifest) {
    if let Some(manifest) = &image.manifest {
        return (manifest.raw.clone(), manifest.view.clone());
    }
    let config = Descriptor::of(MediaType::Config(Family::Oci), image.config.raw());
    let media_type = MediaType::Layer(Family::Oci, Compression::Plain);
    let layer =
        |(layer, size): (&Layer, u64)| Descriptor::new(media_type.clone(), layer.diff_id.digest().clone(), size);
    let manifest = Manifest::new(config, image.layers.iter().zip(sizes).map(layer).collect(), BTreeMap::new());
    (manifest.to_bytes(), manifest)
}

/// Names as a delta records them.
fn texts(names: &[Name]) -> Vec<String> {
    let text = |name: &Name| match name {
        Name::Reference(reference) => reference.full(),
        Name::Tag(text) | Name::Text(text) => text.clone(),
    };
    names.iter().map(text).collect()
}
