//! Verification while an archive is being written, on other threads than the one that writes.
//!
//! ```text
//! writer    headers, documents, copies inside the kernel ──────────▶ documents that make it loadable
//! pool      checks of what is copied, and what the writer hands over ──▶│
//! ```
//!
//! A kept layer is copied without being looked at; its digests are verified beside, by tasks that read the same bytes. The
//! documents that make an archive loadable are written when all tasks are done: a stream that breaks, or an input that is
//! false or changes, never loads (docs/formats.md M-11, O-29).

use std::collections::HashSet;
use std::io;
use std::num::NonZeroUsize;
use std::thread;

use super::Contents;
use super::plan::LayerCheck;
use crate::digest::Algorithm;
use crate::error::{Error, Result};
use crate::image::{Blob, Layer, RawBlob, distinct};
use crate::progress::{Action, ProgressReader};
use crate::rule::Rule;
use crate::run::Run;
use crate::stream::copy::copy;
use crate::stream::pool::Tasks;
use crate::stream::tap::{DigestAndSize, Expected, VerifyReader};

/// Stored bytes for each thread, if all had the same to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share(Option<u64>);

impl Share {
    /// For the work that `layers` make.
    pub(super) fn of<'a>(layers: impl Iterator<Item = &'a Layer>, jobs: NonZeroUsize) -> Self {
        let mut seen = HashSet::new();
        let total: u64 = layers.filter(|layer| seen.insert(&layer.diff_id)).map(Layer::stored_size).sum();
        Self((jobs.get() > 1).then(|| total / jobs.get() as u64))
    }

    /// Returns true if the other threads would have to wait for the one that decodes `layer`, unless another hashes for it.
    pub(super) fn is_exceeded_by(self, layer: &Layer) -> bool {
        let is_plain = layer.blob.as_ref().is_none_or(Blob::is_plain);
        !is_plain && self.0.is_some_and(|share| layer.stored_size() > share)
    }
}

impl LayerCheck<'_> {
    /// Reads the layer, verifies its expected digests and size, and returns digest and size of its stored bytes.
    pub(super) fn run(&self, share: Share, run: &Run) -> Result<DigestAndSize> {
        self.layer.check(self.decode, share.is_exceeded_by(self.layer), run)
    }
}

/// Warns of configs that no engine reads: they are written as they are (docs/formats.md M-2, M-14).
pub(super) fn warn_of_unread_configs(contents: &Contents<'_>, run: &Run) -> Result<()> {
    let mut seen = HashSet::new();
    for image in contents.images().into_iter().filter(|image| seen.insert(&image.image_id)) {
        let faults = image.config.type_faults();
        for fault in faults.iter().filter(|fault| fault.stops_all()) {
            let at = if image.manifest.is_some() { &format!("{}: config", image.at) } else { &image.at };
            run.diagnostics.warn(Rule::M14, at, fault.problem())?;
        }
    }
    Ok(())
}

/// Refuses images with a layer that is not a tar, though its type, or `manifest.json`, says so: no engine could unpack it
/// (docs/formats.md O-13).
pub(super) fn check_tars(contents: &Contents<'_>) -> Result<()> {
    for layer in distinct(contents.images().into_iter().flat_map(|image| image.layers.iter())) {
        let Some(blob) = layer.blob.as_ref().filter(|_| !layer.is_encrypted() && !layer.is_computed()) else {
            continue;
        };
        if let Some(problem) = blob.why_no_tar(&layer.at)? {
            return Err(Error::invalid(Rule::O13, &layer.at, format!("the layer {problem}")));
        }
    }
    Ok(())
}

/// Reads a blob that is carried without being understood and verifies its digest and its expected size.
pub(super) fn check_blob(blob: &RawBlob, run: &Run) -> Result<()> {
    let at = format!("{}: {}", blob.extent.source().label(), blob.digest.blob_path());
    if let Algorithm::Other(_) = blob.digest.algorithm() {
        return run.diagnostics.warn(Rule::M11, &at, "its digest cannot be computed here: not verified");
    }
    let failed = |error| Error::io("reading", &at, error);
    let expected = Expected { digest: Some(blob.digest.clone()), size: blob.size };
    let task = run.progress.begin(Action::Check, &at, Some(blob.extent.size()));
    let mut reader = VerifyReader::new(ProgressReader::new(blob.extent.reader().map_err(failed)?, task), &at, expected);
    copy(&mut reader, &mut io::sink()).map_err(failed)?;
    Ok(())
}

/// A task for the pool.
pub(super) trait Weigh: Send {
    /// Returns how many bytes it reads.
    fn weight(&self) -> u64;
}

impl Weigh for LayerCheck<'_> {
    fn weight(&self) -> u64 {
        self.layer.stored_size()
    }
}

/// Runs `write` while the pool does `tasks` and those that `write` adds: what `write` returned, and what each task did.
///
/// # Errors
/// Those of the tasks and of `write`; an input that changed meanwhile.
pub(super) fn run_beside<J: Weigh, R: Send, T>(
    contents: &Contents<'_>,
    tasks: impl IntoIterator<Item = J>,
    work: impl Fn(J) -> Result<R> + Copy + Send,
    run: &Run,
    write: impl FnOnce(&mut dyn FnMut(J)) -> Result<T>,
) -> Result<(T, Vec<R>)> {
    let shared = Tasks::new();
    let done = thread::scope(|scope| {
        let mut pool = shared.start(scope, run.jobs, work);
        for task in tasks {
            pool.add(task.weight(), task);
        }
        match write(&mut |task| pool.add(task.weight(), task)) {
            Ok(written) => pool.finish().map(|results| (written, results)),
            // A false digest or size of the input is a clearer error than its consequences.
            Err(error) => Err(pool.abandon().unwrap_or(error)),
        }
    })?;
    contents.unchanged()?;
    Ok(done)
}
