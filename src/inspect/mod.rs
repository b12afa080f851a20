//! The content of an archive as facts: its images with their layers and configs, its oddities, and for each engine,
//! whether it loads the archive.
//!
//! Nothing is decoded and no layer is hashed unless [`InspectDepth::Full`] asks for it, so the answer takes as long for a large
//! archive as for a small one. The [`InspectReport`] is what `imgtar inspect --json` prints; docs/json.md describes it, and a field
//! is only ever added.
//!
//! Sources: docs/formats.md G-2, G-7, G-18, L-7, L-16, O-15, O-21, O-26.

mod archive;
mod config;
mod image;
mod layer;
mod loads;

pub use archive::{ArtifactFacts, MissingFacts, UnreferencedFacts};
pub use config::ConfigFacts;
pub use image::{DocumentFacts, ImageContent, ImageFacts};
pub use layer::LayerFacts;
pub use loads::{Engine, EngineChoice, Loads, Verdict};

use serde::Serialize;

use crate::diagnostics::{Diagnostic, Rule};
use crate::error::Result;
use crate::image::ImageSet;
use crate::options::Half;
use crate::reader;
use crate::run::Run;
use crate::select::ImageSelector;

/// The depth to which layers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InspectDepth {
    /// Layers are not read: only documents and member sizes are.
    #[default]
    Documents,
    /// Every layer is decoded and its digests are verified, which yields its sizes and the faults that stop engines
    /// from unpacking it.
    Full,
}

/// The result of [`inspect`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct InspectReport {
    /// The archive's name in messages.
    pub archive: String,
    /// Its format: `legacy`, `docker`, `oci`, `hybrid`, `delta`, `v1` or `dir`.
    pub format: &'static str,
    /// True if it is a directory rather than a tar.
    pub directory: bool,
    /// Its compression as a whole: `none`, `gzip`, `zstd`, `xz`, `bzip2` or `lz4`.
    pub compression: &'static str,
    /// The selected images, in the archive's order, those of an index one by one.
    pub images: Vec<ImageFacts>,
    /// The listed documents and blobs that are not images: attestations, artifacts, blobs of unknown types.
    pub artifacts: Vec<ArtifactFacts>,
    /// The listed documents and blobs that are missing from the archive.
    pub missing: Vec<MissingFacts>,
    /// Blobs of a layout that nothing refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreferenced: Option<UnreferencedFacts>,
    /// The faults and oddities of the archive.
    pub findings: Vec<Diagnostic>,
    /// The depth to which layers were read. Without [`InspectDepth::Full`], `loads` does not know what engines refuse in layers.
    pub depth: InspectDepth,
    /// The outcome of loading the whole archive, for each engine.
    pub loads: Vec<Loads>,
}

impl InspectReport {
    /// Keeps only the engines of `choice` in `loads`.
    pub fn limit_to(&mut self, choice: EngineChoice) {
        self.loads.retain(|loads| choice.contains(loads.engine));
    }

    /// Returns whether `choice` is met by the engines that load the whole archive, as far as its layers have been looked
    /// into: with [`InspectDepth::Documents`] not at all.
    pub fn is_loaded_by(&self, choice: EngineChoice) -> bool {
        let loads = |engine| self.loads.iter().any(|loads| loads.engine == engine && loads.loads == Verdict::Yes);
        choice.is_met(loads)
    }
}

/// Gathers the facts of `archive`, whose `images` have been read, about those that `choice` selects.
///
/// ```
/// use imgtar::{Archive, ImageSelector, InspectDepth, Run, inspect};
///
/// # fn main() -> imgtar::Result<()> {
/// # if !std::path::Path::new("fixtures").exists() { return Ok(()); } // The published crate has none.
/// let run = Run::quiet();
/// let archive = Archive::open("fixtures/saved20.tar.xz".into(), &run)?;
/// let images = archive.images(None, &run)?;
/// let report = inspect(&archive, &images, &ImageSelector::default(), None, InspectDepth::Full, &run)?;
/// for loads in &report.loads {
///     println!("{:?}: {:?}", loads.engine, loads.loads);
/// }
/// # assert!(!report.loads.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Choice`](crate::error::Error::Choice) if a selected image is not there; with [`InspectDepth::Full`] those
/// of decoding.
pub fn inspect(
    archive: &reader::Archive,
    images: &ImageSet,
    choice: &ImageSelector,
    prefer: Option<Half>,
    depth: InspectDepth,
    run: &Run,
) -> Result<InspectReport> {
    let entries = choice.entries(images)?;
    let chosen = choice.images(images)?;
    let decoded = image::decoded(&chosen, depth, run)?;
    let facts = loads::gather(archive, images, prefer, &decoded, run)?;
    let mut findings = archive::findings(&chosen, &decoded);
    findings.extend(archive::broken(&entries));
    // A delta and a `dir:` have other documents by design; that is not a fault of the archive.
    let has_lists = !matches!(archive.format, reader::Format::Delta | reader::Format::Dir);
    let unreadable = facts.unreadable().filter(|_| has_lists);
    findings.extend(unreadable.map(|why| Diagnostic::error(Rule::O26, "", why)));
    Ok(InspectReport {
        archive: images.archive.clone(),
        format: archive.format_name()?,
        directory: archive.members.is_directory(),
        compression: archive.outer.compression(),
        images: image::facts(images, &chosen, &decoded, run)?,
        artifacts: archive::artifacts(&entries),
        missing: archive::missing(&entries),
        unreferenced: archive::unreferenced(images),
        findings,
        depth,
        loads: loads::all(&facts),
    })
}
