//! Layouts with docker's `manifest.json` beside, as Docker 25 and later, containerd and imgtar itself write them.
//!
//! Some engines read one list and some the other, so the two must name the same images. `index.json` counts, because it alone
//! leads to manifests; `manifest.json` is compared with it.
//!
//! Sources: docs/formats.md O-25, O-26, L-8, H-13.

use std::collections::{BTreeSet, HashMap, HashSet, hash_map};
use std::sync::Arc;

use super::shared::SharedBlobs;
use super::{docker, increment, oci};
use crate::archive::MemberIndex;
use crate::digest::{DiffId, Digest};
use crate::error::{Error, ErrorKind, Result, Setting};
use crate::image::{Blob, Image, ImageEntry, ImageSet, Layer, ListedNode, Listing, Name, Node, PartsAddress};
use crate::options::Half;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::docker::ManifestItem;
use crate::spec::oci::INDEX_MEMBER;
use crate::words;

/// The most images of a name that an error lists; the rest is counted, because a name may stand for thousands.
const MAX_SHOWN: usize = 16;

/// Reads both halves and refuses contradictions between them, or reads the one that is preferred.
pub(super) fn read(members: &MemberIndex, shared: &SharedBlobs, prefer: Option<Half>, run: &Run) -> Result<ImageSet> {
    if prefer == Some(Half::Docker) {
        let mut set = docker::read(members, shared, false, run)?;
        complete(&mut set, members, shared, run)?;
        return Ok(set);
    }
    let mut set = oci::read(members, shared, run)?;
    // The other half may still tell the order of layers.
    let listing = match prefer {
        Some(Half::Oci) => docker::listing(members, shared, false, &run.silenced()),
        Some(Half::Docker) | None => docker::listing(members, shared, false, run),
    };
    let listing = match listing {
        Ok(listing) => listing,
        Err(error) if prefer.is_some() && error.kind() == ErrorKind::Input => return Ok(set),
        Err(error) => run.diagnostics.fault(error).map(|()| Listing::default())?,
    };
    put_in_order(&mut set, &listing, run)?;
    if prefer.is_none() {
        reconcile(&listing, &mut set, run)?;
    }
    set.manifest_json = Some(listing);
    Ok(set)
}

/// Adds layers that `manifest.json` leaves to a base and another archive has: only the layout has the digests by which they
/// are found (docs/bundles.md B-10, B-42).
fn complete(set: &mut ImageSet, members: &MemberIndex, shared: &SharedBlobs, run: &Run) -> Result<()> {
    if increment::has_increments(set) {
        let layout = oci::read(members, shared, &run.second_reading())?;
        increment::complete(set, members, [&layout], run);
    }
    Ok(())
}

/// Compares `manifest.json` with the images of the layout; untagged items that are only there are added (O-25).
fn reconcile(listing: &Listing<ManifestItem>, set: &mut ImageSet, run: &Run) -> Result<()> {
    let known = LayoutImages::of(set);
    for ListedNode { at, written, node } in &listing.listed {
        // containerd lists everything that has a name, artifacts too (O-13).
        if known.artifact_members.contains(&written.config) {
            continue;
        }
        if let Node::Broken(broken) = node
            && broken.error.is_some()
        {
            return Err(broken.error(at));
        }
        let Some(&image_id) = node.image_ids().first() else { continue };
        let names = Name::of_item(written);
        if names.is_empty() && !known.images.contains(image_id) {
            let problem = "an untagged image is in manifest.json but not in index.json; it is included";
            run.diagnostics.warn(Rule::O25, at, problem)?;
            let archive = set.archive.as_str().into();
            set.entries.push(ImageEntry { archive, names, descriptor: None, node: node.clone() });
            continue;
        }
        for name in names {
            if let Some(error) = known.contradiction(&name, image_id, at) {
                run.diagnostics.fault(error)?;
            }
        }
    }
    Ok(())
}

/// The images and names in `index.json` with which `manifest.json` is compared.
struct LayoutImages {
    images: HashSet<Digest>,
    /// The images under each name, one for each platform; none if they cannot be read.
    named: HashMap<Name, BTreeSet<Digest>>,
    /// The names of which all images lack blobs.
    missing: HashSet<Name>,
    /// The members that are blobs of artifacts, but not configs of images.
    artifact_members: HashSet<String>,
}

impl LayoutImages {
    fn of(set: &ImageSet) -> Self {
        let artifacts = set.entries.iter().flat_map(|entry| entry.node.artifacts());
        let artifact_members =
            artifacts.flat_map(|artifact| &artifact.blobs).map(|blob| blob.digest.blob_path()).collect();
        let (images, named, missing) = Default::default();
        let mut known = Self { images, named, missing, artifact_members };
        for entry in &set.entries {
            let image_ids = entry.node.image_ids();
            known.images.extend(image_ids.iter().map(|&image_id| image_id.clone()));
            let is_image = !image_ids.is_empty() || entry.node.first_broken().is_some();
            if !is_image && entry.node.artifacts().is_empty() {
                known.missing.extend(entry.names.iter().cloned());
            }
            for name in entry.names.iter().filter(|_| is_image) {
                known.named.entry(name.clone()).or_default().extend(image_ids.iter().map(|&image_id| image_id.clone()));
            }
        }
        let images = set.entries.iter().flat_map(|entry| entry.node.images());
        let configs = images.filter_map(|image| Some(image.manifest.as_ref()?.view.config().digest().blob_path()));
        for config in configs {
            known.artifact_members.remove(&config);
        }
        known
    }

    /// Returns the error if `name` is not that of the image `image_id` in the layout (O-26).
    fn contradiction(&self, name: &Name, image_id: &Digest, at: &str) -> Option<Error> {
        let error = match self.named.get(name) {
            // A name without images is that of an entry that cannot be read, which is reported already.
            Some(known) if known.contains(image_id) || known.is_empty() => return None,
            Some(known) => {
                let problem = format!("{name} is another image than in {INDEX_MEMBER}");
                Error::mismatch(Rule::H13, at, problem, &words::list(known, MAX_SHOWN), image_id)
                    .avoided_by(Setting::Half)
            }
            None if self.missing.contains(name) => {
                let problem = format!(
                    "{name} is complete according to this list, but {INDEX_MEMBER} lists blobs of it that are not in the archive"
                );
                Error::invalid(Rule::H13, at, problem).avoided_by(Setting::WithOrDockerHalf)
            }
            None => {
                let problem = format!("{name} is image {image_id}, and {INDEX_MEMBER} does not know the name");
                Error::invalid(Rule::H13, at, problem).avoided_by(Setting::Half)
            }
        };
        Some(error)
    }
}

/// Puts the layers of images in the order of their configs; a manifest may list them in another (O-25). An image that is
/// listed several times is reordered once.
fn put_in_order(set: &mut ImageSet, listing: &Listing<ManifestItem>, run: &Run) -> Result<()> {
    let mut by_config: HashMap<&str, &[String]> = HashMap::new();
    for ListedNode { written, .. } in &listing.listed {
        by_config.entry(&written.config).or_insert(&written.layers);
    }
    let mut seen: HashMap<*const Image, Option<Arc<Image>>> = HashMap::new();
    let mut reordered: HashMap<PartsAddress, Option<Arc<[Layer]>>> = HashMap::new();
    let entries = set.entries.iter_mut().map(|entry| &mut entry.node);
    let listed = set.index_json.iter_mut().flat_map(|listing| &mut listing.listed).map(|entry| &mut entry.node);
    for node in entries.chain(listed) {
        let Node::Image(image) = node else { continue };
        // An image that is replaced may be freed, and its address given to a new one; those still to come were there before.
        let replacement = match seen.entry(Arc::as_ptr(image)) {
            hash_map::Entry::Occupied(seen) => seen.into_mut(),
            hash_map::Entry::Vacant(unseen) => {
                let layers = reordered
                    .entry(image.parts_address())
                    .or_insert_with(|| in_order(image, &by_config).map(Into::into));
                if layers.is_some() {
                    let problem = "its manifest lists the layers in another order than its config, as Docker 25.0 did; \
                                   the config's order is used and the manifest made anew";
                    run.diagnostics.warn(Rule::O25, &image.at, problem)?;
                }
                let with_layers = |layers| Arc::new(Image { layers, manifest: None, ..Image::clone(image) });
                unseen.insert(layers.clone().map(with_layers))
            }
        };
        if let Some(image) = replacement {
            *node = Node::Image(Arc::clone(image));
        }
    }
    Ok(())
}

/// The layers in the config's order, if the manifest has the same ones in another (O-25).
///
/// The place of a plain layer is found by its digest, that of others by `manifest.json`, whose order was never wrong.
/// Either way the image loses its manifest, so the diff_ids are verified (M-11).
fn in_order(image: &Image, by_config: &HashMap<&str, &[String]>) -> Option<Vec<Layer>> {
    let paths: Vec<String> = image.layers.iter().filter_map(Layer::listed_digest).map(Digest::blob_path).collect();
    let all_plain = image.layers.iter().all(|layer| layer.blob.as_ref().is_some_and(Blob::is_plain));
    let order: Vec<String> = if all_plain {
        image.config.diff_ids().iter().map(|diff_id| diff_id.digest().blob_path()).collect()
    } else {
        let config = image.manifest.as_ref()?.view.config().digest().blob_path();
        by_config.get(&*config)?.to_vec()
    };
    if paths == order || order.len() != paths.len() {
        return None;
    }
    let mut rest: HashMap<String, Vec<&Layer>> = HashMap::new();
    for (path, layer) in paths.into_iter().zip(image.layers.iter()).rev() {
        rest.entry(path).or_default().push(layer);
    }
    let in_place = |(member, diff_id): (&String, &DiffId)| {
        let layer = rest.get_mut(member)?.pop()?;
        Some(Layer { diff_id: diff_id.clone(), ..layer.clone() })
    };
    order.iter().zip(image.config.diff_ids()).map(in_place).collect()
}
