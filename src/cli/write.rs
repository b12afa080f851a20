//! Shared by the commands that write images: input, output, and the order of the checks that refuse them.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{mem, thread};

use imgtar::internals::path::escape_path;
use imgtar::{
    Archives, Budget, ConversionReport, Diagnostic, Diagnostics, Encoding, Error, Input, Limits, Output, Result, Run,
    Severity,
};

use super::answer::Answer;
use super::args::{OutputArgs, RunArgs, WriteArgs};
use super::input::GivenArchives;
use super::messages::Messages;
use super::output::Companion;
use super::report::ReportDocument;
use super::{environment, hints, input, output, progress, signals};

/// Does `work` on the one input that `given` names, as [`run`] does.
///
/// # Errors
/// Those of [`run`].
pub(super) fn run_one(
    given: Option<&Path>,
    args: &WriteArgs,
    messages: Messages,
    work: impl FnOnce(Input, Output, &Run) -> Result<ConversionReport>,
) -> Result<()> {
    let given: Vec<PathBuf> = given.map(Path::to_owned).into_iter().collect();
    let given = GivenArchives { inputs: &given, ..GivenArchives::default() };
    run(given, args, messages, |archives, output, run| {
        let [input] = <[Input; 1]>::try_from(archives.inputs).expect("what names one input finds one");
        work(input, output, run)
    })
}

/// Does `work` on the archives of `given`, writes the output of `args`, and reports what was written; refuses all that it
/// can before it reads the input.
///
/// # Errors
/// Those of finding the input and the output, and those of `work`.
pub(super) fn run(
    given: GivenArchives<'_>,
    args: &WriteArgs,
    messages: Messages,
    work: impl FnOnce(Archives, Output, &Run) -> Result<ConversionReport>,
) -> Result<()> {
    let prepared = PreparedRun::new(given, args, messages)?;
    let (batch, outer) = (output::batch(messages), prepared.outer);
    let output = output::open(args, outer, &batch)?;
    let [report_file, config_file] = output::companions(args, &batch)?;
    let warnings = RecordedWarnings::default();
    let (archives, run) = prepared.start(warnings.diagnostics(args, messages))?;
    let report = work(archives, output, &run)?;
    let config = report.images.iter().find_map(|image| image.config.clone());
    let report = ReportDocument::new(&args.output.output, args, outer.codec(), report, warnings.take());
    let config = config.map(|config| move |file: &mut Answer| file.bytes(&config.bytes));
    let companions = [
        config_file.zip(config).map(|(file, write)| Companion { file, write: Box::new(write) }),
        report_file.map(|file| Companion { file, write: Box::new(|file| file.json(&report)) }),
    ];
    output::finish(batch, companions.into_iter().flatten())?;
    report.announce(args.to, messages);
    Ok(())
}

/// A run that the command line allows, before any output is open and the input is waited for.
pub(super) struct PreparedRun<'a> {
    args: &'a WriteArgs,
    messages: Messages,
    epoch: Option<i64>,
    jobs: Option<u16>,
    /// The compression of the whole output.
    pub(super) outer: Encoding,
    pub(super) archives: Archives,
}

impl<'a> PreparedRun<'a> {
    /// Refuses what is wrong with the command line, finds the archives of `given`, and watches signals from here on.
    ///
    /// # Errors
    /// Those of the environment, of `args` and of finding the archives, of which none may be the output.
    pub(super) fn new(given: GivenArchives<'_>, args: &'a WriteArgs, messages: Messages) -> Result<Self> {
        let (epoch, jobs) = (environment::source_date_epoch()?, environment::jobs(args.run.jobs)?);
        let outer = output::outer(args)?;
        let archives = find(given, args)?;
        signals::watch(messages)?;
        Ok(Self { args, messages, epoch, jobs, outer, archives })
    }

    /// Waits for the input; returns the archives to read and the run that reads them.
    ///
    /// # Errors
    /// Those of the input; with `--strict` the warning about the output's compression.
    pub(super) fn start(self, diagnostics: Diagnostics) -> Result<(Archives, Run)> {
        let Self { args, messages, epoch, jobs, outer, archives } = self;
        archives.iter().try_for_each(|input| input::wait(input, messages))?;
        output::warn_of_outer(args, outer, &diagnostics)?;
        Ok((archives, new_run(&args.run, messages, diagnostics, jobs, epoch)))
    }
}

/// Finds the archives of `given`; none of them may be the output of `args`.
fn find(given: GivenArchives<'_>, args: &WriteArgs) -> Result<Archives> {
    refuse_output_among_inputs(given.inputs, &args.output)?;
    let archives = given.find()?;
    archives.iter().try_for_each(|input| output::refuse_input(args, input))?;
    Ok(archives)
}

/// Refuses a last input that does not exist if no output is named: `cp` would write to it.
fn refuse_output_among_inputs(given: &[PathBuf], place: &OutputArgs) -> Result<()> {
    match given {
        [_, .., last] if output::is_standard(place) && last != Path::new("-") && !last.exists() => {
            let last = escape_path(last);
            Err(Error::Usage(format!("there is no {last} to read; the output is named with -o: -o {last}")))
        }
        _ => Ok(()),
    }
}

/// Does `work` on `given`, without an output; `rehearse` refuses the one that [`run`] would refuse.
///
/// # Errors
/// Those of finding the input, of `rehearse` and of `work`.
pub(super) fn dry_run<T>(
    given: GivenArchives<'_>,
    args: &WriteArgs,
    messages: Messages,
    rehearse: impl FnOnce() -> Result<()>,
    work: impl FnOnce(Archives, &Run) -> Result<T>,
) -> Result<T> {
    let prepared = PreparedRun::new(given, args, messages)?;
    rehearse()?;
    let diagnostics = Diagnostics::new(args.run.strict, move |diagnostic| messages.diagnostic(diagnostic));
    let (archives, run) = prepared.start(diagnostics)?;
    work(archives, &run)
}

/// The warnings of a run, for its report.
#[derive(Default)]
pub(super) struct RecordedWarnings(Arc<Mutex<Vec<Diagnostic>>>);

impl RecordedWarnings {
    /// Returns diagnostics that are printed, and of which the warnings are recorded here.
    pub(super) fn diagnostics(&self, args: &WriteArgs, messages: Messages) -> Diagnostics {
        let warnings = Arc::clone(&self.0);
        Diagnostics::new(args.run.strict, move |diagnostic| {
            if diagnostic.severity == Severity::Warning {
                warnings.lock().unwrap_or_else(PoisonError::into_inner).push(hints::hinted(diagnostic));
            }
            messages.diagnostic(diagnostic);
        })
    }

    /// Takes the warnings that were recorded since the last call.
    pub(super) fn take(&self) -> Vec<Diagnostic> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A run with the limits and places that `args` name, `jobs` threads if that is given; `epoch` is `SOURCE_DATE_EPOCH`.
pub(super) fn new_run(
    args: &RunArgs,
    messages: Messages,
    diagnostics: Diagnostics,
    jobs: Option<u16>,
    epoch: Option<i64>,
) -> Run {
    let limits = Limits { size: args.max_size, entries: args.max_entries, metadata: args.max_metadata };
    let jobs = jobs.and_then(|jobs| NonZeroUsize::new(jobs.into()));
    Run {
        diagnostics,
        progress: progress::listen(args.progress, messages),
        budget: Budget::new(limits),
        tmpdir: args.tmpdir.clone().unwrap_or_else(environment::tmpdir),
        jobs: jobs.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN),
        epoch: epoch.unwrap_or(0),
    }
}
