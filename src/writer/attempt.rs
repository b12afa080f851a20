//! Writing members while what they were taken for is checked beside it.
//!
//! ```text
//! writer    headers, documents, copies inside the kernel ─────────▶ documents that make it loadable
//! pool      checks of what is copied, layers decoded to the room left for them ─▶│
//! ```
//!
//! The two halves of an archive are its members and the documents that make them loadable: a stream that breaks, or an
//! input that lies or changes, never loads (docs/formats.md O-29).
//!
//! Where the output can be written anew, what is only likely is taken to be true and found out beside: that a layer hashes
//! to the digest it is named by, that its plain tar is as long as its compressed form says. Where it was not so, all is
//! written again from what is certain.

use std::sync::Arc;
use std::thread;

use super::Contents;
use super::plan::{Check, Plan, Trust};
use crate::error::Result;
use crate::image::Layer;
use crate::run::Run;
use crate::stream::patch::Region;
use crate::stream::pool::Tasks;

/// Where members go.
pub(super) trait Members<'a> {
    /// Whether what was written can be taken back.
    fn can_begin_anew(&self) -> bool;

    /// Forgets all that was written, to be written in another `run`.
    fn begin_anew(&mut self, run: &'a Run) -> Result<()>;
}

/// Takes layers to be decoded, beside the writer, to the room that was left for them.
pub(super) type Elsewhere<'e, 'l> = &'e mut dyn FnMut(Decoding<'l>);

/// A layer on its way; with `ahead` on more than one thread.
pub(super) struct Decoding<'l> {
    pub(super) layer: &'l Layer,
    pub(super) region: Region,
    pub(super) ahead: bool,
    /// Let go of when the region is closed.
    pub(super) open: Arc<()>,
}

enum Job<'l> {
    Check(Check<'l>),
    Decode(Decoding<'l>),
}

impl Job<'_> {
    /// Whether it is as it was likely to be.
    fn run(self, run: &Run) -> Result<bool> {
        match self {
            Self::Check(check) => check.run(run),
            Self::Decode(Decoding { layer, mut region, ahead, open }) => {
                layer.decode_to(&mut region, ahead, run)?;
                let filled = region.close();
                drop(open);
                filled
            }
        }
    }
}

/// Writes members to `to` with `write`, by the plan and beside the checks that `plan` makes: `to` and what `write` returned
/// of what is certain, all checked.
///
/// `again` is the run in which what was not as it seemed is written once more.
///
/// # Errors
/// Those of the checks and of `write`.
pub(super) fn members<'a, 'l, M: Members<'a>, T>(
    contents: &Contents<'_>,
    mut to: M,
    run: &'a Run,
    again: &'a Run,
    plan: impl Fn(Trust, &Run) -> Result<(Plan<'l>, Vec<Check<'l>>)>,
    write: impl Fn(&mut M, &Plan<'l>, &'a Run, Elsewhere<'_, 'l>) -> Result<T>,
) -> Result<(M, T)> {
    let attempt = |to: &mut M, trust, run: &'a Run| {
        let (plan, checks) = plan(trust, run)?;
        beside(contents, checks, run, |elsewhere| write(to, &plan, run, elsewhere))
    };
    let run = if to.can_begin_anew() {
        let (written, was_so) = attempt(&mut to, Trust::Likely, run)?;
        if was_so {
            return Ok((to, written));
        }
        to.begin_anew(again)?;
        again
    } else {
        run
    };
    let (written, _) = attempt(&mut to, Trust::Certain, run)?;
    Ok((to, written))
}

/// Runs `write` while the pool runs `checks` and what `write` hands over: what `write` returned, and whether all was as it
/// was likely to be.
///
/// # Errors
/// Those of the checks and of `write`; an input that changed meanwhile.
pub(super) fn beside<'l, T>(
    contents: &Contents<'_>,
    checks: Vec<Check<'l>>,
    run: &Run,
    write: impl FnOnce(Elsewhere<'_, 'l>) -> Result<T>,
) -> Result<(T, bool)> {
    let tasks = Tasks::new();
    let written = thread::scope(|scope| {
        let mut pool = tasks.start(scope, run.jobs, |job: Job<'_>| job.run(run));
        for check in checks {
            pool.add(check.size(), Job::Check(check));
        }
        match write(&mut |decoding| pool.add(decoding.layer.stored_size(), Job::Decode(decoding))) {
            Ok(written) => pool.finish().map(|was_so| (written, was_so.into_iter().all(|was_so| was_so))),
            // A broken promise of the input says more than what it led to.
            Err(error) => Err(pool.abandon().unwrap_or(error)),
        }
    })?;
    contents.unchanged()?;
    Ok(written)
}
