//! `imgtar convert`.

use std::num::NonZeroUsize;
use std::thread;

use imgtar::convert::Target;
use imgtar::error::Result;
use imgtar::limits::{Budget, Limits};
use imgtar::notice::Notices;
use imgtar::run::Run;

use super::args::{ConvertArgs, RunArgs};
use super::terminal::{self, Verbosity};
use super::{environment, input, options, output, progress, signals};

/// Converts; all that can be refused without reading the input is refused first.
pub(crate) fn run(args: &ConvertArgs) -> Result<()> {
    let verbosity = Verbosity::of(&args.run);
    let epoch = environment::source_date_epoch()?;
    let options = options::convert(args, epoch)?;
    let outer = output::outer(args)?;
    let input = input::find(args.input.as_deref())?;
    output::refuse_input(args, &input)?;
    signals::watch()?;
    let output = output::open(args, outer)?;
    input::wait(&input, verbosity)?;
    let run = new_run(&args.run, verbosity, epoch);
    let reports = imgtar::convert::convert(input, output, &options, &run)?;
    let flattened = matches!(options.target, Target::Rootfs(_));
    for report in &reports {
        terminal::report(verbosity, report, flattened);
    }
    Ok(())
}

fn new_run(args: &RunArgs, verbosity: Verbosity, epoch: Option<i64>) -> Run {
    let limits = Limits { size: args.max_size, entries: args.max_entries, metadata: args.max_metadata };
    let jobs = args.jobs.and_then(|jobs| NonZeroUsize::new(jobs.into()));
    Run {
        notices: Notices::new(args.strict, move |remark| terminal::remark(verbosity, remark)),
        progress: progress::listen(args.progress, verbosity),
        budget: Budget::new(limits),
        tmpdir: args.tmpdir.clone().unwrap_or_else(environment::tmpdir),
        jobs: jobs.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN),
        epoch: epoch.unwrap_or(0),
    }
}
