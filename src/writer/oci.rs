//! OCI image layouts.
//!
//! An image that has a manifest keeps it, byte for byte, as long as no layer changes; one without gets a new one.
//! Members are written in image order and the documents that make them loadable last.
//!
//! Sources: docs/formats.md O-14, O-18, O-19, O-23, O-27 to O-30, M-4, M-6, M-8, N-9; docs/bundles.md B-9 to B-13.

mod docker_manifest;
mod index;
mod layers;
mod rewritten;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::Contents;
use super::plan::{Addressing, ForeignPolicy, Plan, Policy};
use super::recode::StoredBlob;
use super::speculative::{self, Restart};
use super::store::{Documents, Store};
use crate::codec::Codec;
use crate::digest::{DiffId, Digest};
use crate::error::Result;
use crate::image::{Image, ImageEntry, ImageIndex, Layer, Name, Node, PartsAddress, RawBlob};
use crate::options::{Compress, ConvertOptions, OciOptions};
use crate::report::{BlobReport, ConversionReport, ImageReports, LayerAction, LayerReport, ManifestReport};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::spec::media_type::{Compression, Family, MediaType};
use crate::spec::oci::{self, INDEX_MEMBER, Index};

use index::{IndexJson, WrittenEntry};
use layers::{LayerForm, Layers, WrittenLayer};

/// The approximate memory that an entry of `index.json` takes until all are listed, in bytes.
const ENTRY_SIZE: u64 = 1024;

/// An image as it was written.
struct WrittenImage {
    manifest: Descriptor,
    manifest_kept: bool,
    config: Digest,
    layers: Vec<WrittenLayer>,
}

/// Writes a layout into `store`.
pub(super) fn write<S: Store + Restart>(
    contents: &Contents<'_>,
    store: S,
    oci: &OciOptions,
    options: &ConvertOptions,
    run: &Run,
) -> Result<ConversionReport> {
    let images = contents.images();
    let carried = contents.carried();
    let policy = policy(oci, options);
    let wants_manifest = S::HOLDS_DOCKER_MANIFEST && !oci.no_docker_manifest;
    let (store, (index, images, docker_images)) =
        speculative::run_with_checks(contents, policy, store, run, |store, plan, _| {
            let form = |layer: &Layer| LayerForm::of(layer, plan, oci);
            rewritten::warn_of_referrers(contents.entries, &form, oci.oci_types, run)?;
            let docker_images = if wants_manifest {
                docker_manifest::choose(contents.entries, &form, options, run)?
            } else {
                Vec::new()
            };
            let mut writer = LayoutWriter {
                store,
                plan,
                recoded: HashMap::new(),
                options: oci,
                run,
                images: HashMap::new(),
                indexes: Indexes::default(),
            };
            writer.store.begin(&algorithms(&images, &carried, contents.entries))?;
            for entry in contents.entries {
                for image in entry.node.images() {
                    writer.image(image)?;
                }
            }
            let existing = writer.store.existing_index()?;
            let entries = writer.entries(contents.entries, existing.as_ref())?;
            let listed = IndexJson::of(&entries, existing.as_ref(), writer.store, !oci.flat_index, run)?;
            for (digest, bytes) in &writer.indexes.documents {
                writer.store.bytes(digest, bytes)?;
            }
            for bytes in &listed.made {
                writer.store.bytes(&Digest::sha256(bytes), bytes)?;
            }
            for blob in &carried {
                writer.store.extent(&blob.digest, &blob.extent)?;
            }
            let annotations = index::merged_annotations(contents.annotations, existing.as_ref(), run)?;
            let index = match existing {
                Some(existing) => existing.with_entries(listed.entries),
                None => Index::new(listed.entries),
            };
            // Annotations that are set become the last key of the document: equal ones stay where they are.
            let are_new = *index.annotations() != annotations;
            let index = if are_new { index.with_annotations(annotations) } else { index };
            Ok((index, writer.images, docker_images))
        })?;
    let is_increment = contents.images().iter().any(|image| image.needs.is_some());
    // Podman reads that half where there are several entries or left-out layers, and makes short names its own (B-12, B-32).
    let full_names = oci.full_names || index.entries().len() > 1 || is_increment;
    let docker_manifest = docker_manifest::document(docker_images, &images, full_names, run)?;
    let links = if docker_manifest.is_some() { docker_manifest::links(&contents.images()) } else { BTreeMap::new() };
    let index = index.to_bytes();
    let size = store.finish(&Documents { index, docker_manifest, links, layout: oci::LAYOUT_MARKER })?;
    Ok(reports(contents.entries, &images).finish(size))
}

/// The requirements for layers.
pub(super) fn policy(oci: &OciOptions, options: &ConvertOptions) -> Policy {
    Policy {
        compress: oci.compress.unwrap_or(Compress::Keep),
        verify: options.verify,
        addressing: Addressing::Any,
        foreign: if oci.embed_foreign { ForeignPolicy::LikeOthers } else { ForeignPolicy::Kept },
    }
}

/// Under which algorithms blobs will be stored: SHA-256, and those that the input used.
fn algorithms(images: &[&Image], carried: &[&RawBlob], entries: &[ImageEntry]) -> BTreeSet<String> {
    let manifests = images.iter().filter_map(|image| image.manifest.as_ref());
    let of_manifests = manifests.flat_map(|manifest| [&manifest.digest, manifest.view.config().digest()]);
    let of_layers = images.iter().flat_map(|image| image.layers.iter()).filter_map(Layer::listed_digest);
    let of_entries = entries.iter().flat_map(|entry| entry.node.indexes()).map(|index| &index.document.digest);
    let digests = of_manifests.chain(of_layers).chain(of_entries).chain(carried.iter().map(|blob| &blob.digest));
    digests.map(|digest| digest.algorithm().to_string()).chain(["sha256".to_owned()]).collect()
}

/// Images as they were written: one that is listed twice, or for several platforms, is there once.
type Images = HashMap<PartsAddress, WrittenImage>;

struct LayoutWriter<'a, S> {
    store: &'a mut S,
    plan: &'a Plan<'a>,
    recoded: HashMap<(DiffId, Codec), StoredBlob>,
    options: &'a OciOptions,
    run: &'a Run,
    images: Images,
    indexes: Indexes<'a>,
}

/// Indexes to be written after all images. Thousands of entries may list one, which is described once.
#[derive(Default)]
struct Indexes<'a> {
    described: HashMap<*const ImageIndex, Descriptor>,
    /// Children before parents.
    documents: Vec<(Digest, Cow<'a, [u8]>)>,
}

impl<'a, S: Store> LayoutWriter<'a, S> {
    fn image(&mut self, image: &Arc<Image>) -> Result<()> {
        if self.images.contains_key(&image.parts_address()) {
            return Ok(());
        }
        super::charge_layers(image, self.run)?;
        let layers = Layers {
            store: self.store,
            plan: self.plan,
            recoded: &mut self.recoded,
            options: self.options,
            run: self.run,
        }
        .write(image)?;
        let config = match &image.manifest {
            Some(manifest) => manifest.view.config().digest(),
            None => &image.image_id,
        };
        self.store.bytes(config, image.config.raw())?;
        let (bytes, manifest, manifest_kept) = self.manifest(image, &layers);
        self.store.bytes(manifest.digest(), &bytes)?;
        let written = WrittenImage { manifest, manifest_kept, config: config.clone(), layers };
        self.images.insert(image.parts_address(), written);
        Ok(())
    }

    /// The manifest's bytes, its descriptor, and whether it is the input's.
    fn manifest(&self, image: &Image, layers: &[WrittenLayer]) -> (Vec<u8>, Descriptor, bool) {
        let descriptors: Vec<Descriptor> = layers.iter().map(|layer| layer.descriptor.clone()).collect();
        let view = match &image.manifest {
            None => {
                let config = Descriptor::of(MediaType::Config(Family::Oci), image.config.raw());
                oci::Manifest::new(config, descriptors, BTreeMap::new())
            }
            Some(manifest) => {
                let view = manifest.view.clone().with_layers(descriptors);
                let view = if self.options.oci_types { view.with_family(Family::Oci) } else { view };
                if view == manifest.view {
                    let media_type = manifest.media_type.clone();
                    let size = manifest.raw.len() as u64;
                    return (manifest.raw.clone(), Descriptor::new(media_type, manifest.digest.clone(), size), true);
                }
                if is_beyond_docker(&view) {
                    let change = "becomes an OCI manifest: docker has no media type for zstd layers";
                    self.run.diagnostics.note(Rule::M1, &image.at, change);
                    view.with_family(Family::Oci)
                } else {
                    view
                }
            }
        };
        let bytes = view.to_bytes();
        let descriptor = Descriptor::of(view.media_type().clone(), &bytes);
        (bytes, descriptor, false)
    }

    /// Writes `entries`; lists the members of each that shares a name with another, or with an entry of `existing`.
    fn entries(&mut self, entries: &'a [ImageEntry], existing: Option<&Index>) -> Result<Vec<WrittenEntry<'a>>> {
        let mut seen: HashSet<Name> = existing.map_or(&[][..], Index::entries).iter().filter_map(Name::of).collect();
        let mut shared = seen.clone();
        let names = entries.iter().flat_map(|entry| &entry.names);
        shared.extend(names.filter(|name| !seen.insert((*name).clone())).cloned());
        self.run.budget.charge_memory(ENTRY_SIZE * entries.len() as u64, INDEX_MEMBER)?;
        let mut written = Vec::with_capacity(entries.len());
        for entry in entries {
            let described = match &entry.descriptor {
                Some(descriptor) => descriptor.clone(),
                None => self.new_descriptor(&entry.node),
            };
            let descriptor = self.descriptor(&described, &entry.node)?;
            let mut members = Vec::new();
            if entry.names.iter().any(|name| shared.contains(name)) {
                self.members(&descriptor, &entry.node, &mut members)?;
            }
            let annotations = match &entry.node {
                Node::Index(index) => Some(index.document.view.annotations()),
                Node::Image(_) | Node::Artifact(_) | Node::Missing(_) | Node::Broken(_) => None,
            };
            written.push(WrittenEntry { names: &entry.names, descriptor, members, annotations });
        }
        Ok(written)
    }

    /// Adds the images and attestations that `descriptor` leads to, as an index of several platforms lists them.
    fn members(&mut self, descriptor: &Descriptor, node: &'a Node, found: &mut Vec<Descriptor>) -> Result<()> {
        match node {
            Node::Image(image) => found.push(index::member(descriptor, Some(&image.platform))),
            Node::Artifact(_) | Node::Missing(_) | Node::Broken(_) => found.push(index::member(descriptor, None)),
            Node::Index(index) => {
                for child in &index.children {
                    let descriptor = self.descriptor(&child.descriptor, &child.node)?;
                    self.members(&descriptor, &child.node, found)?;
                }
            }
        }
        Ok(())
    }

    /// The descriptor of an image that had none.
    fn new_descriptor(&self, node: &Node) -> Descriptor {
        let images = node.images();
        let [image] = images[..] else {
            unreachable!("only a layout's index.json leads to anything but an image, and it has a descriptor for it")
        };
        self.images[&image.parts_address()].manifest.clone().with_platform(&image.platform)
    }

    /// `descriptor` as it must read now that what it describes has been written.
    fn descriptor(&mut self, descriptor: &Descriptor, node: &'a Node) -> Result<Descriptor> {
        let written = match node {
            Node::Image(image) => self.images[&image.parts_address()].manifest.clone(),
            Node::Index(index) => self.index(index)?,
            Node::Artifact(_) | Node::Missing(_) | Node::Broken(_) => return Ok(descriptor.clone()),
        };
        if written.digest() == descriptor.digest() {
            return Ok(descriptor.clone());
        }
        Ok(descriptor.clone().replaced_by(written.media_type(), written.digest(), written.size()))
    }

    /// An index: the input's bytes where all it lists is as it was, a new one otherwise.
    fn index(&mut self, index: &'a Arc<ImageIndex>) -> Result<Descriptor> {
        if let Some(described) = self.indexes.described.get(&Arc::as_ptr(index)) {
            return Ok(described.clone());
        }
        let (descriptor, bytes) = self.new_index(index)?;
        self.indexes.documents.push((descriptor.digest().clone(), bytes));
        self.indexes.described.insert(Arc::as_ptr(index), descriptor.clone());
        Ok(descriptor)
    }

    fn new_index(&mut self, index: &'a ImageIndex) -> Result<(Descriptor, Cow<'a, [u8]>)> {
        let mut children = Vec::with_capacity(index.children.len());
        for child in &index.children {
            children.push(self.descriptor(&child.descriptor, &child.node)?);
        }
        let types =
            children.iter().zip(&index.children).map(|(new, old)| (new.media_type(), old.descriptor.media_type()));
        // A list of docker's is for docker's manifests.
        let has_new_types = types.into_iter().any(|(new, old)| new != old);
        let view = index.document.view.clone().with_entries(children);
        let view = if self.options.oci_types || has_new_types { view.with_family(Family::Oci) } else { view };
        if view == index.document.view {
            let document = &index.document;
            let size = document.raw.len() as u64;
            let descriptor = Descriptor::new(document.media_type.clone(), document.digest.clone(), size);
            return Ok((descriptor, Cow::Borrowed(&document.raw)));
        }
        let bytes = view.to_bytes();
        self.run.budget.charge_memory(bytes.len() as u64, "a rewritten index")?;
        Ok((Descriptor::of(view.media_type().clone(), &bytes), Cow::Owned(bytes)))
    }
}

/// Returns true for a manifest of docker's that lists zstd layers (M-1).
fn is_beyond_docker(manifest: &oci::Manifest) -> bool {
    let is_zstd = |layer: &Descriptor| layer.media_type().compression() == Some(Compression::Zstd);
    *manifest.media_type() == MediaType::Manifest(Family::Docker) && manifest.layers().iter().any(is_zstd)
}

fn reports(entries: &[ImageEntry], written: &Images) -> ImageReports {
    let mut reports = ImageReports::default();
    let mut of_layers: HashMap<PartsAddress, Arc<[LayerReport]>> = HashMap::new();
    for entry in entries {
        let names: Vec<_> = entry.names.iter().map(ToString::to_string).collect();
        for image in entry.node.images() {
            reports.add(image, &names, || {
                let WrittenImage { manifest, manifest_kept: kept, layers, .. } = &written[&image.parts_address()];
                let layers = of_layers.entry(image.parts_address()).or_insert_with(|| {
                    let layers = image.layers.iter().zip(layers).enumerate();
                    layers.map(|(number, (layer, written))| layer_report(number, layer, written)).collect()
                });
                (Some(ManifestReport { digest: manifest.digest().clone(), kept: *kept }), Arc::clone(layers))
            });
        }
    }
    reports
}

fn layer_report(number: usize, layer: &Layer, written: &WrittenLayer) -> LayerReport {
    let action = match (written.codec, written.kept) {
        (None, _) => LayerAction::LeftOut,
        (Some(_), true) => LayerAction::Kept,
        (Some(_), false) => LayerAction::Converted,
    };
    let blob = |compression| BlobReport {
        digest: Some(written.descriptor.digest().clone()),
        size: written.descriptor.size(),
        compression,
        media_type: Some(written.descriptor.media_type().clone()),
    };
    LayerReport::new(number, layer, action, written.codec.map(blob))
}
