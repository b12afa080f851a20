//! From images to archives: one writer a format, all on the same plan, the same checks and the same tar.
//!
//! A writer executes: which images, which platforms and which names is decided before (`convert`), what becomes of each
//! layer by the plan. Writers never know what the input was.

mod checks;
mod delta;
mod docker;
mod legacy;
mod loss;
mod manifest_json;
mod names;
mod oci;
mod plan;
mod recode;
mod rootfs;
mod speculative;
mod store;
mod tar;

use std::collections::BTreeMap;

pub(crate) use tar::{CountedSink, Out};

use crate::codec::{self, Encoding};
use crate::error::{Error, Result};
use crate::image::{Image, ImageEntry, ImageSet, Layer, Node, RawBlob, distinct, distinct_images};
use crate::options::{ConvertOptions, Target};
use crate::report::ConversionReport;
use crate::run::Run;
use crate::stream::dir_sink::DirSink;
use crate::stream::sink::Sink;
use crate::stream::source::{Extent, Source};

use plan::PlanDraft;

/// Where to write: made of a [`Sink`] or [`DirSink`] by `into()`, or of a sink and a compression.
///
/// ```
/// use imgtar::{Encoding, Output, Sink};
///
/// let (sink, memory) = Sink::memory();
/// let output = Output::Archive { sink, outer: Encoding::Gzip(None) };
/// # drop((output, memory));
/// ```
pub enum Output {
    /// A tar, compressed as a whole unless that is [`Encoding::Plain`].
    Archive {
        /// Where its bytes go.
        sink: Sink,
        /// The compression of the whole tar.
        outer: Encoding,
    },
    /// An OCI layout in a directory.
    Directory(DirSink),
}

/// A tar that is not compressed as a whole.
impl From<Sink> for Output {
    fn from(sink: Sink) -> Self {
        Self::Archive { sink, outer: Encoding::Plain }
    }
}

impl From<DirSink> for Output {
    fn from(sink: DirSink) -> Self {
        Self::Directory(sink)
    }
}

/// The contents of an archive to write: the selected entries with their names, and blobs to carry along.
pub(crate) struct Contents<'a> {
    /// In the order in which they are written.
    pub(crate) entries: &'a [ImageEntry],
    /// Blobs that nothing refers to, if they are to be written.
    pub(crate) unreferenced: &'a [RawBlob],
    /// The annotations of the `index.json` of each archive.
    pub(crate) annotations: &'a [BTreeMap<String, String>],
    /// The images that the other side has, for a delta.
    pub(crate) bases: &'a [ImageSet],
}

impl<'a> Contents<'a> {
    /// The images; of those that only the platform tells apart the first.
    fn images(&self) -> Vec<&'a Image> {
        distinct_images(self.entries).into_iter().map(|image| &**image).collect()
    }

    /// Returns the bytes of all layers as they are stored.
    pub(crate) fn stored_size(&self) -> u64 {
        let layers = self.images().into_iter().flat_map(|image| image.layers.iter());
        distinct(layers).map(Layer::stored_size).sum()
    }

    /// Returns the blobs that are carried without being understood, by digest (docs/formats.md O-29): one for which the
    /// input declares two sizes twice, because each is verified.
    fn carried(&self) -> Vec<&'a RawBlob> {
        let of_leaf = |leaf: &'a Node| match leaf {
            Node::Artifact(artifact) => artifact.blobs.as_slice(),
            Node::Missing(missing) => &missing.present,
            Node::Image(_) | Node::Index(_) | Node::Broken(_) => &[],
        };
        let listed = self.entries.iter().flat_map(|entry| entry.node.leaves()).flat_map(of_leaf);
        let mut blobs = BTreeMap::new();
        for blob in listed.chain(self.unreferenced) {
            blobs.entry((&blob.digest, blob.size)).or_insert(blob);
        }
        blobs.into_values().collect()
    }

    /// Fails if the input has changed since it was opened, because copying and verifying are separate passes.
    fn unchanged(&self) -> Result<()> {
        let layers = self.images().into_iter().flat_map(|image| image.layers.iter());
        let blobs = layers.filter_map(|layer| layer.blob.as_ref());
        let extents = blobs.map(|blob| &blob.extent).chain(self.carried().into_iter().map(|blob| &blob.extent));
        extents.map(Extent::source).try_for_each(Source::unchanged)
    }
}

/// Counts what the layers of `image` take while they are written, with their reports.
///
/// # Errors
/// When that is more than is allowed.
fn charge_layers(image: &Image, run: &Run) -> Result<()> {
    /// The approximate memory of a layer, in bytes.
    const LAYER_SIZE: u64 = 1024;
    run.budget.charge_memory(LAYER_SIZE * image.layers.len() as u64, &image.at)
}

/// Writes `contents` in the format that `options` name, whole or not at all.
///
/// # Errors
/// An image that the target cannot express, a digest or size that the input gets wrong, an output that fails.
pub(crate) fn write(
    contents: &Contents<'_>,
    output: Output,
    options: &ConvertOptions,
    run: &Run,
) -> Result<ConversionReport> {
    checks::check_tars(contents)?;
    if !matches!(options.target, Target::Rootfs(_)) {
        checks::warn_of_unread_configs(contents, run)?;
    }
    match (&options.target, output) {
        (Target::Oci(oci), Output::Directory(sink)) => {
            oci::write(contents, store::Directory::new(sink, run), oci, options, run)
        }
        (Target::Oci(oci), Output::Archive { sink, outer }) => {
            oci::write(contents, store::TarLayout::new(out(sink, outer, run)?, run), oci, options, run)
        }
        (Target::Docker(docker), Output::Archive { sink, outer }) => {
            docker::write(contents, out(sink, outer, run)?, docker, options, run)
        }
        (Target::Legacy(docker), Output::Archive { sink, outer }) => {
            legacy::write(contents, out(sink, outer, run)?, docker, options, run)
        }
        (Target::Rootfs(rootfs), Output::Archive { sink, outer }) => {
            rootfs::write(contents, out(sink, outer, run)?, rootfs, options, run)
        }
        (Target::Delta(delta), Output::Archive { sink, outer }) => {
            delta::write(contents, out(sink, outer, run)?, delta, run)
        }
        (Target::Docker(_) | Target::Legacy(_) | Target::Rootfs(_) | Target::Delta(_), Output::Directory(_)) => {
            Err(Error::Usage("only an OCI layout can be written as a directory".to_owned()))
        }
    }
}

/// Returns the bytes of the layers that [`write`] will read, and how many tasks will move for them, as
/// [`Progress::expect_output`](crate::progress::Progress::expect_output) takes them. A delta announces no output: how often it
/// reads a layer depends on the files in it.
pub(crate) fn work(contents: &Contents<'_>, options: &ConvertOptions) -> (u64, u64) {
    let policy = match &options.target {
        Target::Oci(oci) => oci::policy(oci, options),
        Target::Docker(docker) => docker::policy(docker, options),
        Target::Legacy(_) => legacy::policy(options),
        Target::Rootfs(_) => return (contents.stored_size(), contents.stored_size()),
        Target::Delta(_) => return (0, 0),
    };
    PlanDraft::new(&contents.images(), policy).work()
}

fn out(sink: Sink, outer: Encoding, run: &Run) -> Result<Out> {
    Ok(match outer {
        Encoding::Plain => Out::Plain(sink),
        encoding => Out::Packed(Box::new(
            codec::encode(encoding, CountedSink::new(sink), run.jobs)
                .map_err(|error| Error::io("compressing", "the output", error))?,
        )),
    })
}

/// The images of entries that hold one each; selection has seen to it that all but layouts get no others.
fn single_images(entries: &[ImageEntry]) -> Vec<(&ImageEntry, &Image)> {
    entries
        .iter()
        .filter_map(|entry| match &entry.node {
            Node::Image(image) => Some((entry, &**image)),
            Node::Index(_) | Node::Artifact(_) | Node::Missing(_) | Node::Broken(_) => None,
        })
        .collect()
}
