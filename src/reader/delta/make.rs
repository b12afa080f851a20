//! Makes the images of deltas; their changed layers are in a temporary file.
//!
//! Sources: docs/delta.md P-3, P-10.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::{ImageDelta, names, read};
use crate::codec::Codec;
use crate::delta::{self, Growth, MadeSize, Scope, Sources};
use crate::digest::{DiffId, Digest};
use crate::error::{Error, ErrorKind, Result, Setting};
use crate::image::{Blob, ExpectedDigest, Image, ImageEntry, ImageSet, Layer, Node, layer_title};
use crate::progress::{Action, ProgressReader};
use crate::reader::{Archive, Format};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::delta::DeltaLayer;
use crate::spec::descriptor::Descriptor;
use crate::spec::media_type::Compression;
use crate::stream::copy::copy;
use crate::stream::finish::Finish;
use crate::stream::pool;
use crate::stream::source::Extent;
use crate::stream::spool::SpoolFiles;
use crate::stream::tap::{Expected, HashWriter, VerifyReader};

/// Makes the images of the deltas among `archives` from the images in `sets` and from those of other deltas. A delta that needs
/// another image is an error if its archive is `wanted`.
///
/// # Errors
/// A delta that needs an image that is not there, and a damaged delta or image.
pub(in crate::reader) fn make_all(
    archives: &[&Archive],
    sets: &mut [Option<ImageSet>],
    wanted: impl Fn(usize) -> bool,
    run: &Run,
) -> Result<()> {
    let mut known: HashMap<Digest, Arc<Image>> = HashMap::new();
    let images = sets.iter().flatten().flat_map(|set| &set.entries).flat_map(|entry| entry.node.images());
    for image in images {
        known.entry(image.image_id.clone()).or_insert_with(|| Arc::clone(image));
    }
    let mut waiting = Vec::new();
    for (nth, archive) in archives.iter().enumerate().filter(|(_, archive)| archive.format == Format::Delta) {
        sets[nth] = Some(ImageSet { archive: archive.label().to_owned(), ..ImageSet::default() });
        waiting.extend(read(&archive.members, run)?.into_iter().map(|delta| (nth, delta)));
    }
    let spools = SpoolFiles::new(&run.tmpdir);
    // One may need the image that another makes.
    while let Some(place) = waiting.iter().position(|(_, delta)| known.contains_key(&delta.manifest.source.config)) {
        let (nth, delta) = waiting.remove(place);
        let image = Arc::new(delta.make(&known[&delta.manifest.source.config], &spools, run)?);
        known.entry(image.image_id.clone()).or_insert_with(|| Arc::clone(&image));
        let entry = ImageEntry {
            archive: archives[nth].label().into(),
            names: names(&delta.manifest.target.names),
            descriptor: None,
            node: Node::Image(image),
        };
        sets[nth].get_or_insert_default().entries.push(entry);
    }
    match waiting.iter().find(|(nth, _)| wanted(*nth)) {
        Some((_, delta)) => Err(delta.lacks_source()),
        None => Ok(()),
    }
}

impl ImageDelta<'_> {
    /// The error for a delta without the image that it needs.
    fn lacks_source(&self) -> Error {
        let (title, id) = (self.source_title(), &self.manifest.source.config);
        let problem = format!("it is a delta, and needs {title}, with the image ID {id}, which no archive here has");
        Error::invalid(Rule::P3, &self.at, problem).avoided_by(Setting::With)
    }

    /// Makes the image of the `base` that it needs.
    fn make(&self, base: &Image, spools: &SpoolFiles, run: &Run) -> Result<Image> {
        let base_layers: HashMap<&DiffId, &Layer> =
            base.layers.iter().rev().map(|layer| (&layer.diff_id, layer)).collect();
        let recipe = |(listed, diff_id): (&Descriptor, &DiffId)| {
            let part = self.manifest.layers.get(listed.digest()).filter(|part| part.is_tar_diff())?;
            (!base_layers.contains_key(diff_id)).then_some(&part.blob)
        };
        let changed = self.layers().filter_map(recipe).count();
        let sources = match changed {
            0 => None,
            _ => Some(Sources::open(&base.layers, Scope::Headers, spools, run)?),
        };
        // Several layers may name one blob.
        let recipes: HashMap<&Digest, u64> =
            self.layers().filter_map(recipe).map(|blob| (blob.digest(), blob.size())).collect();
        let old = sources.iter().flat_map(Sources::layers).map(|layer| layer.tar.size());
        let growth = Growth::of(recipes.into_values().chain(old).fold(0, u64::saturating_add));
        let making =
            Making { delta: self, base, base_layers, sources, growth, ahead: changed < run.jobs.get(), spools, run };
        let layer = |(number, (listed, diff_id))| making.layer(number, listed, diff_id);
        let layers = pool::for_all(run.jobs, self.layers().enumerate(), |(_, (listed, _))| listed.size(), layer)?;
        Ok(self.image(layers))
    }
}

/// A delta whose image is made of `base`.
struct Making<'a> {
    delta: &'a ImageDelta<'a>,
    base: &'a Image,
    /// The layers of the base by their diff_ids, the lowest of equal ones.
    base_layers: HashMap<&'a DiffId, &'a Layer>,
    /// The files of `base`, if a layer is made of them.
    sources: Option<Sources>,
    growth: Growth,
    /// True if there are fewer layers to make than threads: each is then hashed on a thread of its own.
    ahead: bool,
    spools: &'a SpoolFiles,
    run: &'a Run,
}

impl Making<'_> {
    /// Returns layer `number` of the image: one of the base, a whole one of the delta, or one that is rebuilt.
    fn layer(&self, number: usize, listed: &Descriptor, diff_id: &DiffId) -> Result<Layer> {
        if let Some(reused) = self.base_layers.get(diff_id) {
            return Ok(as_listed(reused, listed));
        }
        let ImageDelta { members, at, manifest, .. } = self.delta;
        let title = format!("{}: {}", members.label(), layer_title(number, diff_id));
        let Some(part) = manifest.layers.get(listed.digest()) else {
            let problem = "it is neither in the delta nor in the image that the delta is for";
            return Err(Error::invalid(Rule::P2, title, problem));
        };
        let name = part.blob.digest().blob_path();
        let (extent, name) = (members.member(Rule::P2, &name, at)?, members.at(&name));
        match self.sources.as_ref().filter(|_| part.is_tar_diff()) {
            None => whole(part, extent, name, listed, diff_id),
            Some(sources) => {
                let size = self.made_size(part, listed, diff_id);
                let tar = self.rebuilt(&title, (part, size), &extent, &name, diff_id, sources).map_err(|error| {
                    // If the base is damaged, that is the cause.
                    self.base.layers.iter().find_map(|layer| damage(layer, self.run)).unwrap_or(error)
                })?;
                let blob = Some(Blob { extent: tar, codec: Codec::Plain });
                let expected_digest = expected_digest(part, listed, diff_id);
                Ok(Layer { at: title, diff_id: diff_id.clone(), blob, expected_digest, foreign: None })
            }
        }
    }

    /// The bytes of the tar that `part` makes (P-8).
    fn made_size(&self, part: &DeltaLayer, listed: &Descriptor, diff_id: &DiffId) -> MadeSize<'_> {
        // A blob that has the digest of the tar is that tar.
        let listed = (listed.digest() == diff_id.digest()).then(|| listed.size());
        part.size.or(listed).map_or(MadeSize::Unknown(&self.growth), MadeSize::Known)
    }

    /// A layer that the delta makes of `sources`; its diff_id is verified.
    fn rebuilt(
        &self,
        title: &str,
        (part, size): (&DeltaLayer, MadeSize<'_>),
        extent: &Extent,
        at: &str,
        diff_id: &DiffId,
        sources: &Sources,
    ) -> Result<Extent> {
        let run = self.run;
        let reader = extent.reader().map_err(|error| Error::io("reading", at, error))?;
        let task = run.progress.begin(Action::Convert, at, Some(extent.size()));
        let expected = Expected { digest: Some(part.blob.digest().clone()), size: Some(part.blob.size()) };
        let stored = VerifyReader::new(ProgressReader::new(reader, task), at, expected);
        let failed = |error| Error::io("writing", title, error);
        let (found, tar) = self.spools.add(title, |out| {
            let mut out = if self.ahead { HashWriter::on_a_thread(out).map_err(failed)? } else { HashWriter::new(out) };
            delta::apply(stored, at, sources, size, &mut out, run)?;
            let (found, ..) = out.finish().map_err(failed)?;
            Ok(found)
        })?;
        let expected = diff_id.digest();
        let at = format!("{title}: diff_id");
        if !expected.is_sha256() {
            // The writer above counts SHA-256 alone.
            let reader = tar.reader().map_err(|error| Error::io("reading", title, error))?;
            let wanted = Expected { digest: Some(expected.clone()), size: None };
            let mut tar = VerifyReader::new(reader, &at, wanted);
            copy(&mut tar, &mut io::sink()).map_err(|error| Error::io("reading", title, error))?;
        } else if found != *expected {
            return Err(Error::DigestMismatch { at, expected: expected.clone(), found });
        }
        Ok(tar)
    }
}

/// The expected digest of a layer that a delta makes: its tar becomes the blob that the manifest lists, if it can.
fn expected_digest(part: &DeltaLayer, listed: &Descriptor, diff_id: &DiffId) -> ExpectedDigest {
    let codec = match part.compression {
        Some(Compression::Gzip) => Codec::Gzip,
        Some(Compression::Zstd) => Codec::Zstd,
        Some(Compression::Plain) | None => Codec::Plain,
    };
    let digest = diff_id.digest();
    let descriptor = (digest == listed.digest()).then(|| Box::new(listed.clone()));
    match descriptor {
        _ if digest.is_sha256() => ExpectedDigest::Written { digest: digest.clone(), codec, descriptor },
        Some(descriptor) => ExpectedDigest::Descriptor(descriptor),
        None => ExpectedDigest::Nothing,
    }
}

/// Returns a layer that the delta holds as a whole.
fn whole(part: &DeltaLayer, extent: Extent, at: String, listed: &Descriptor, diff_id: &DiffId) -> Result<Layer> {
    // A blob that was compressed anew has another digest than the one that is listed.
    let expected_digest = if listed.digest() == part.blob.digest() { listed } else { &part.blob };
    let blob = Blob::detect(extent, &at)?;
    let expected_digest = ExpectedDigest::Descriptor(Box::new(expected_digest.clone()));
    Ok(Layer { at, diff_id: diff_id.clone(), blob: Some(blob), expected_digest, foreign: None })
}

/// A layer of the base as the target's manifest lists it, if that means the same bytes.
fn as_listed(layer: &Layer, listed: &Descriptor) -> Layer {
    if layer.stored_digest().as_ref() != Some(listed.digest()) || layer.is_foreign_copy() {
        return layer.clone();
    }
    Layer { expected_digest: ExpectedDigest::Descriptor(Box::new(listed.clone())), ..layer.clone() }
}

/// The damage of a layer of the base that is stored uncompressed; all others have been verified.
fn damage(layer: &Layer, run: &Run) -> Option<Error> {
    layer.blob.as_ref().filter(|blob| blob.is_plain())?;
    layer.check(true, false, run).err().filter(|error| error.kind() == ErrorKind::Input)
}
