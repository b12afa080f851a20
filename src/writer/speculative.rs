//! Writing by what the input declares while it is verified beside, and once more by what is true where it was false.
//!
//! Two things are declared long before they could be verified. A layer's member is named by a digest, so that its bytes
//! need not be hashed before they are copied; and a compressed layer declares the size of its tar, so that room can be
//! left for it and many are decoded at a time. Where the output can be written anew both are assumed to be true. If one
//! was not, all is written again from what was verified first. Nothing outside of this module depends on it.
//!
//! ```text
//! first     plan by declared digests ─▶ write beside the checks ─▶ all was as declared: done
//! second    hash layers without a digest ─▶ plan ─▶ write beside the other checks
//! ```

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::sync::Arc;

use super::Contents;
use super::checks::{self, Share, Weigh};
use super::plan::{LayerCheck, Plan, PlanDraft, Policy};
use super::recode::recode;
use super::tar::Tar;
use crate::codec::Encoding;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::{ContentKey, ExpectedDigest, Layer, RawBlob};
use crate::run::Run;
use crate::stream::patch::Region;
use crate::stream::pool;

/// The declarations of the input that are assumed to be true before they have been verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Assume {
    /// All of them: the output can be written again.
    Declared,
    /// Only those that must be true, or the run fails.
    Verified,
}

/// An output that may be written anew.
pub(super) trait Restart {
    /// Returns true if what was written can be undone.
    fn can_restart(&self) -> bool;

    /// Forgets all that was written.
    fn restart(&mut self) -> Result<()>;
}

/// Writes members to `output` by a plan for the images of `contents`, while all that is written is verified: `output` and
/// what `write` returned.
///
/// `write` may be called twice.
///
/// # Errors
/// Those of the checks and of `write`.
pub(super) fn run_with_checks<'l, M: Restart, T>(
    contents: &Contents<'l>,
    policy: Policy,
    mut output: M,
    run: &Run,
    write: impl Fn(&mut M, &Plan<'l>, PlainLayers<'_, 'l>) -> Result<T>,
) -> Result<(M, T)> {
    let spent = run.budget.spent();
    if output.can_restart() {
        let attempt = Attempt::new(Assume::Declared, contents, run);
        match attempt.run(policy, |plan, layers| write(&mut output, plan, layers)) {
            Ok((written, true)) => return Ok((output, written)),
            Ok((_, false)) => {}
            Err(error) if is_too_long(&error) => {}
            Err(error) => return Err(error),
        }
        output.restart()?;
        run.budget.restore(&spent);
    }
    let attempt = Attempt::new(Assume::Verified, contents, run);
    let (written, _) = attempt.run(policy, |plan, layers| write(&mut output, plan, layers))?;
    Ok((output, written))
}

/// Returns true if the system cannot make a file so long: a declared length may have been longer than all that was to
/// be written.
fn is_too_long(error: &Error) -> bool {
    match error {
        Error::Io { source, .. } => matches!(source.kind(), ErrorKind::FileTooLarge | ErrorKind::InvalidInput),
        Error::Within { source, .. } => is_too_long(source),
        _ => false,
    }
}

/// One writing of everything.
struct Attempt<'c, 'l> {
    assume: Assume,
    contents: &'c Contents<'l>,
    share: Share,
    run: &'c Run,
}

/// Something that is done beside the writing.
enum SideTask<'l> {
    Layer(LayerCheck<'l>),
    Blob(&'l RawBlob),
    Decode(Decoding<'l>),
}

/// A layer on its way to the room that was left for it.
struct Decoding<'l> {
    layer: &'l Layer,
    region: Region,
    /// Let go of when the region is closed.
    open: Arc<()>,
}

impl Weigh for SideTask<'_> {
    fn weight(&self) -> u64 {
        match self {
            Self::Layer(check) => check.weight(),
            Self::Blob(blob) => blob.extent.size(),
            Self::Decode(decoding) => decoding.layer.stored_size(),
        }
    }
}

impl<'c, 'l> Attempt<'c, 'l> {
    fn new(assume: Assume, contents: &'c Contents<'l>, run: &'c Run) -> Self {
        let layers = contents.images().into_iter().flat_map(|image| image.layers.iter());
        Self { assume, contents, share: Share::of(layers, run.jobs), run }
    }

    /// Plans, writes and verifies: what `write` returned, and whether all was as declared.
    fn run<T>(
        &self,
        policy: Policy,
        write: impl FnOnce(&Plan<'l>, PlainLayers<'_, 'l>) -> Result<T>,
    ) -> Result<(T, bool)> {
        let draft = PlanDraft::new(&self.contents.images(), policy);
        draft.remark(self.run)?;
        let (bytes, moved) = draft.work();
        self.run.progress.expect_output(bytes, moved);
        let undigested = draft.undigested();
        let (declared, digests) = self.digests(&undigested)?;
        let verified: HashSet<ContentKey> = undigested
            .iter()
            .map(|check| check.layer.content_key())
            .filter(|key| !declared.contains_key(key))
            .collect();
        let plan = draft.complete(digests)?;
        let checks = plan.checks().iter().filter(|check| !verified.contains(&check.layer.content_key()));
        let tasks = checks.copied().map(SideTask::Layer).chain(self.contents.carried().into_iter().map(SideTask::Blob));
        let work = |task: SideTask<'l>| self.work(task, &declared);
        let (written, was_so) = checks::run_beside(self.contents, tasks, work, self.run, |add| {
            let room = (self.assume == Assume::Declared).then(|| self.run.budget.left_to_decode());
            write(&plan, PlainLayers { add, room, open: Arc::default(), run: self.run })
        })?;
        Ok((written, was_so.into_iter().all(|was_so| was_so)))
    }

    /// Returns the digests of `layers`: those that are assumed, by key, and all of them in order.
    fn digests(&self, layers: &[LayerCheck<'l>]) -> Result<(HashMap<ContentKey, Digest>, Vec<Digest>)> {
        let declared = |layer: &Layer| declared_digest(layer).filter(|_| self.assume == Assume::Declared).cloned();
        let assumed = layers.iter().filter_map(|check| Some((check.layer.content_key(), declared(check.layer)?)));
        let assumed = assumed.collect();
        let unknown = layers.iter().filter(|check| declared(check.layer).is_none());
        let hashed = pool::for_all(self.run.jobs, unknown, |check| check.weight(), |check| self.sha256(check))?;
        let mut hashed = hashed.into_iter();
        let digests = layers.iter().filter_map(|check| declared(check.layer).or_else(|| hashed.next()));
        Ok((assumed, digests.collect()))
    }

    /// Verifies a layer, and returns the digest of its stored bytes that the target can name it by. One whose name is
    /// not its digest is always decoded (D-6).
    fn sha256(&self, check: &LayerCheck<'l>) -> Result<Digest> {
        let layer = check.layer;
        let found = check.run(self.share, self.run)?.digest;
        let is_misnamed = matches!(&layer.expected_digest, ExpectedDigest::Name(name) if found.as_ref() != Some(name));
        if is_misnamed && !check.decode {
            LayerCheck { decode: true, ..*check }.run(self.share, self.run)?;
        }
        match found.filter(Digest::is_sha256) {
            Some(digest) => Ok(digest),
            None => layer.sha256(self.run),
        }
    }

    /// Does a task; returns true if its layer or blob is as the input declared.
    fn work(&self, task: SideTask<'l>, declared: &HashMap<ContentKey, Digest>) -> Result<bool> {
        match task {
            SideTask::Layer(check) => {
                let found = check.run(self.share, self.run)?.digest;
                let declared = declared.get(&check.layer.content_key());
                Ok(declared.is_none() || declared == found.as_ref())
            }
            SideTask::Blob(blob) => checks::check_blob(blob, self.run).map(|()| true),
            SideTask::Decode(Decoding { layer, mut region, open }) => {
                layer.decode_to(&mut region, self.share.is_exceeded_by(layer), self.run)?;
                let filled = region.close();
                drop(open);
                filled
            }
        }
    }
}

/// Returns the digest by which the layer is named, if that can be assumed. Which form of a foreign layer is there has to be
/// known for certain (M-8).
fn declared_digest(layer: &Layer) -> Option<&Digest> {
    match &layer.expected_digest {
        ExpectedDigest::Name(name) if name.is_sha256() && !layer.is_foreign_copy() => Some(name),
        _ => None,
    }
}

/// Stored bytes from which on a layer is worth a task of its own. A smaller one may be a few gzip members that do not say how
/// long they are, and the size at the end of the last looks like that of all of them.
const WORTH_A_TASK: u64 = 1 << 20;

/// The most layers that wait to be decoded at a time: an archive may have more of them than a process may open files.
const MOST_OPEN: usize = 32;

/// Writes layers as plain tars, many at a time where room can be left for them.
pub(super) struct PlainLayers<'e, 'l> {
    add: &'e mut dyn FnMut(SideTask<'l>),
    /// Declared bytes that room may still be left for: no more than may be decoded. `None` where nothing is assumed.
    room: Option<u64>,
    /// Shared by all layers that are being decoded: each has an open file.
    open: Arc<()>,
    run: &'e Run,
}

impl<'l> PlainLayers<'_, 'l> {
    /// Adds the uncompressed tar of `layer` to `tar` under the name `member`, and returns its bytes.
    pub(super) fn write(&mut self, tar: &mut Tar<'_>, member: &str, layer: &'l Layer) -> Result<u64> {
        if let Some((region, size)) = self.reserve(tar, member, layer)? {
            (self.add)(SideTask::Decode(Decoding { layer, region, open: Arc::clone(&self.open) }));
            return Ok(size);
        }
        let run = self.run;
        let stored = tar.produced(|out| recode(layer, Encoding::Plain, out, run), |_| Some(member.to_owned()))?;
        Ok(stored.size)
    }

    /// Leaves room for the layer, if it declares a size that it can have.
    fn reserve(&mut self, tar: &mut Tar<'_>, member: &str, layer: &Layer) -> Result<Option<(Region, u64)>> {
        let Some(room) = &mut self.room else { return Ok(None) };
        if layer.stored_size() < WORTH_A_TASK || Arc::strong_count(&self.open) > MOST_OPEN {
            return Ok(None);
        }
        let Some(size) = layer.declared_size()?.filter(|size| size <= room) else { return Ok(None) };
        *room -= size;
        Ok(tar.reserved(member, size)?.map(|region| (region, size)))
    }
}
