//! Docker's `manifest.json` beside a layout, so that engines which know no layouts load it too.
//!
//! Sources: docs/formats.md O-27, O-28, L-4, N-6; docs/bundles.md B-10 to B-13, B-32.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::layers::LayerForm;
use super::{Images, WrittenImage, WrittenLayer};
use crate::diagnostics::Diagnostic;
use crate::error::{Result, Setting};
use crate::image::{Image, ImageEntry, Layer, Name, PartsAddress};
use crate::options::{ConvertOptions, Platforms};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::increment::{absent_member, link_target};
use crate::spec::media_type::{Compression, Family};
use crate::spec::platform::Platform;
use crate::writer::manifest_json::{ImageItem, ManifestJson};
use crate::writer::names::{Spelling, repo_tags_beside_layout};

/// An image to be listed, and the names that it has there.
pub(super) struct ListedImage<'a> {
    entry: &'a ImageEntry,
    image: &'a Arc<Image>,
    names: Vec<Name>,
}

/// Chooses the images to be listed. Warns of what engines cannot load, before anything is written.
///
/// # Errors
/// Under `--strict` the first warning.
pub(super) fn choose<'a>(
    entries: &'a [ImageEntry],
    form: &dyn Fn(&Layer) -> LayerForm,
    options: &ConvertOptions,
    run: &Run,
) -> Result<Vec<ListedImage<'a>>> {
    let wanted = wanted(options);
    // Thousands of entries may list one image of thousands of layers.
    let mut obstacles: HashMap<PartsAddress, Option<&str>> = HashMap::new();
    let mut with_zstd: HashMap<PartsAddress, bool> = HashMap::new();
    let mut readable = Vec::new();
    for entry in entries {
        let Some(image) = representative(entry, &wanted) else { continue };
        match *obstacles.entry(image.parts_address()).or_insert_with(|| obstacle(image, form)) {
            Some(problem) => {
                run.diagnostics.note(
                    Rule::O28,
                    entry.image_at(image),
                    format!("not listed in manifest.json: {problem}"),
                );
            }
            None => readable.push((entry, image)),
        }
    }
    let mut holders: HashMap<&Name, (usize, &Arc<Image>)> = HashMap::new();
    for (entry, image) in &readable {
        let rank = rank(image, &wanted);
        for name in &entry.names {
            let holder = holders.entry(name).or_insert((rank, image));
            *holder = if rank < holder.0 { (rank, image) } else { *holder };
        }
    }
    let mut listed = Vec::new();
    let mut taken = HashSet::new();
    for (entry, image) in readable {
        let holds = |name: &&Name| Arc::ptr_eq(holders[*name].1, image);
        let held: Vec<&Name> = entry.names.iter().filter(holds).collect();
        let names: Vec<Name> = held.iter().filter(|name| taken.insert(**name)).map(|name| (*name).clone()).collect();
        if names.is_empty() && !held.is_empty() {
            continue;
        }
        if names.is_empty() && !entry.names.is_empty() {
            let problem = "not listed in manifest.json: another platform has its name";
            run.diagnostics.note(Rule::O28, entry.image_at(image), problem);
            continue;
        }
        if *with_zstd.entry(image.parts_address()).or_insert_with(|| has_zstd(image, form)) {
            let problem = "it has zstd layers, which Docker before 23 cannot load";
            let warning = Diagnostic::warning(Rule::O28, entry.image_at(image), problem);
            run.diagnostics.report(warning.of_target().avoided_by(Setting::Gzip))?;
        }
        listed.push(ListedImage { entry, image, names });
    }
    if listed.is_empty() {
        let problem = "no image can be listed in docker's manifest.json, so Docker before 29 cannot load the archive";
        run.diagnostics.warn_of_target(Rule::O28, "the output", problem)?;
    }
    Ok(listed)
}

/// The document, or nothing where docker could read none of the images.
pub(super) fn document(
    listed: Vec<ListedImage<'_>>,
    images: &Images,
    full_names: bool,
    run: &Run,
) -> Result<Option<Vec<u8>>> {
    if listed.is_empty() {
        return Ok(None);
    }
    let mut manifest = ManifestJson::default();
    let mut items: HashMap<PartsAddress, Rc<ImageItem>> = HashMap::new();
    for ListedImage { entry, image, names } in listed {
        let item = match items.entry(image.parts_address()) {
            Entry::Occupied(known) => Rc::clone(known.get()),
            Entry::Vacant(new) => {
                Rc::clone(new.insert(item(image, &images[&image.parts_address()]).shared(&image.at, run)?))
            }
        };
        let entry = ImageEntry { names, ..entry.clone() };
        manifest.list(repo_tags_beside_layout(&entry, Spelling::of(full_names), run)?, item);
    }
    manifest.merged().to_bytes(run).map(Some)
}

/// Returns the platforms that stand for others, the best first: those requested, then linux/amd64 (O-27).
fn wanted(options: &ConvertOptions) -> Vec<Platform> {
    let asked: &[Platform] = match &options.platforms {
        Platforms::Only(platforms) => platforms,
        Platforms::Unspecified | Platforms::All => &[],
    };
    asked.iter().cloned().chain([Platform::new("linux", "amd64")]).collect()
}

fn rank(image: &Image, wanted: &[Platform]) -> usize {
    wanted.iter().position(|platform| platform.matches(&image.platform)).unwrap_or(wanted.len())
}

/// The one image that stands for an entry: that of the best platform, or the first if no platform is preferred.
fn representative<'a>(entry: &'a ImageEntry, wanted: &[Platform]) -> Option<&'a Arc<Image>> {
    entry.node.images().into_iter().min_by_key(|image| rank(image, wanted))
}

/// Why docker could not read an image of this layout.
fn obstacle(image: &Image, form: &dyn Fn(&Layer) -> LayerForm) -> Option<&'static str> {
    let config = image.manifest.as_ref().map_or(&image.image_id, |manifest| manifest.view.config().digest());
    let forms = || image.layers.iter().map(form);
    if !config.is_sha256() || forms().any(|form| !form.is_sha256) {
        return Some("it is stored under digests other than sha256");
    }
    if image.layers.iter().any(|layer| !layer.is_left_out() && !form(layer).is_there) {
        return Some("a foreign layer's blob is not there");
    }
    let is_readable =
        |compression| matches!(compression, Some(Compression::Plain | Compression::Gzip | Compression::Zstd));
    forms().any(|form| !is_readable(form.compression)).then_some("a layer is neither plain nor gzip nor zstd")
}

fn has_zstd(image: &Image, form: &dyn Fn(&Layer) -> LayerForm) -> bool {
    image.layers.iter().any(|layer| form(layer).compression == Some(Compression::Zstd))
}

/// The member that holds a layer, or the link in its place.
fn member(layer: &Layer, written: &WrittenLayer) -> String {
    if layer.is_left_out() { absent_member(&layer.diff_id) } else { written.descriptor.digest().blob_path() }
}

/// The links in place of the layers that are left to bases: members and targets (docs/bundles.md B-10).
pub(super) fn links(images: &[&Image]) -> BTreeMap<String, String> {
    let mut links = BTreeMap::new();
    for image in images {
        let base = image.needs.as_ref().and_then(|needs| needs.image.as_deref());
        for layer in image.layers.iter().filter(|layer| layer.is_left_out()) {
            links.entry(absent_member(&layer.diff_id)).or_insert_with(|| link_target(base));
        }
    }
    links
}

fn item(image: &Image, written: &WrittenImage) -> ImageItem {
    let layers = image.layers.iter().zip(&written.layers);
    let foreign = layers.filter(|(_, layer)| layer.descriptor.media_type().is_nondistributable());
    let source = |(layer, written): (&Layer, &WrittenLayer)| {
        (layer.diff_id.to_string(), written.descriptor.clone().with_family(Family::Docker))
    };
    ImageItem {
        config: written.config.blob_path(),
        layers: image.layers.iter().zip(&written.layers).map(|(layer, written)| member(layer, written)).collect(),
        parent: None,
        layer_sources: foreign.map(source).collect(),
    }
}
