//! What the commands share that write images: where from, where to, and in which order to refuse.

use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use imgtar::diagnostics::Diagnostics;
use imgtar::edit::EditReport;
use imgtar::error::Result;
use imgtar::limits::{Budget, Limits};
use imgtar::run::Run;
use imgtar::stream::source::Input;
use imgtar::writer::Output;

use super::args::{RunArgs, WriteArgs};
use super::terminal::{self, Verbosity};
use super::{environment, input, output, progress, signals};

/// Does `work` from `given` to where `args` say; all that can be refused without reading the input is refused first.
///
/// # Errors
/// Those of finding the input and the output, and those of `work`.
pub(super) fn run<R>(
    given: Option<&Path>,
    args: &WriteArgs,
    work: impl FnOnce(Input, Output, &Run) -> Result<Vec<R>>,
) -> Result<Vec<R>> {
    let verbosity = Verbosity::of(&args.run);
    let epoch = environment::source_date_epoch()?;
    let jobs = environment::jobs(args.run.jobs)?;
    let outer = output::outer(args)?;
    let input = input::find(given)?;
    output::refuse_input(args, &input)?;
    signals::watch()?;
    let output = output::open(args, outer)?;
    input::wait(&input, verbosity)?;
    work(input, output, &new_run(&args.run, verbosity, jobs, epoch))
}

/// Does `work` as [`run`] does; with `is_dry` without an output, which is then not looked at.
///
/// # Errors
/// Those of finding the input and the output, and those of `work`.
pub(super) fn edit(
    given: Option<&Path>,
    args: &WriteArgs,
    is_dry: bool,
    work: impl FnOnce(Input, Option<Output>, &Run) -> Result<Vec<EditReport>>,
) -> Result<Vec<EditReport>> {
    if !is_dry {
        return run(given, args, |input, output, run| work(input, Some(output), run));
    }
    let verbosity = Verbosity::of(&args.run);
    let (epoch, jobs) = (environment::source_date_epoch()?, environment::jobs(args.run.jobs)?);
    let input = input::find(given)?;
    signals::watch()?;
    input::wait(&input, verbosity)?;
    work(input, None, &new_run(&args.run, verbosity, jobs, epoch))
}

/// A run with the limits and places that `args` name, `jobs` threads if that is said; `epoch` is `SOURCE_DATE_EPOCH`.
pub(super) fn new_run(args: &RunArgs, verbosity: Verbosity, jobs: Option<u16>, epoch: Option<i64>) -> Run {
    let limits = Limits { size: args.max_size, entries: args.max_entries, metadata: args.max_metadata };
    let jobs = jobs.and_then(|jobs| NonZeroUsize::new(jobs.into()));
    Run {
        diagnostics: Diagnostics::new(args.strict, move |said| terminal::diagnostic(verbosity, said)),
        progress: progress::listen(args.progress, verbosity),
        budget: Budget::new(limits),
        tmpdir: args.tmpdir.clone().unwrap_or_else(environment::tmpdir),
        jobs: jobs.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN),
        epoch: epoch.unwrap_or(0),
    }
}
