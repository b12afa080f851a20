//! `imgtar convert --split`: an archive for each image.

use std::mem;
use std::path::is_separator;
use std::sync::{Arc, Mutex, PoisonError};

use imgtar::{ConvertOptions, Error, Input, OutputBatch, Result, SplitArchive, SplitPattern, split};

use super::args::ConvertArgs;
use super::choices::FormatArg;
use super::input::GivenArchives;
use super::messages::Messages;
use super::report::ReportDocument;
use super::write::{find, new_run, recording};
use super::{environment, hints, input, output, signals};

/// Converts into several archives, and reports what was written; refuses all that it can before it reads.
///
/// # Errors
/// Those of the command line and of the conversion.
pub(super) fn run(
    args: &ConvertArgs,
    given: GivenArchives<'_>,
    options: &ConvertOptions,
    messages: Messages,
) -> Result<()> {
    let write = &args.write;
    let (epoch, jobs) = (environment::source_date_epoch()?, environment::jobs(write.run.jobs)?);
    let outer = output::outer(write)?;
    let pattern = pattern(args)?;
    let archives = find(given, write)?;
    signals::watch(messages)?;
    let batch = OutputBatch::default();
    let [report_file, _] = output::companions(write, &batch)?;
    archives.iter().try_for_each(|input| input::wait(input, messages))?;
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let take_warnings = || mem::take(&mut *warnings.lock().unwrap_or_else(PoisonError::into_inner));
    let diagnostics = recording(write, messages, Arc::clone(&warnings));
    output::warn_of_outer(write, outer, &diagnostics)?;
    let files = given.paths().filter(|path| path.as_os_str() != "-");
    let mut files: Vec<Input> = files.map(Into::into).collect();
    for input in archives.iter() {
        output::refuse_companions(write, input)?;
        if let Input::Stdin(file) = input {
            files.push(Input::Stdin(file.try_clone().map_err(|error| Error::io("opening", "standard input", error))?));
        }
    }
    // Those of reading are the first archive's.
    let mut of_reading = None;
    let mut open = |name: &str| {
        let path = pattern.directory().join(name);
        files.iter().try_for_each(|input| output::refuse_input_at(&path, write, input))?;
        of_reading.get_or_insert_with(take_warnings);
        output::open_at(&path, write, outer, &batch)
    };
    let run = new_run(&write.run, messages, diagnostics, jobs, epoch);
    let archives = split(archives, &pattern, &mut open, options, &run)?;
    let reports = archives.into_iter().map(|SplitArchive { name, report, warnings, .. }| {
        let own = warnings.iter().map(hints::hinted);
        let warnings = of_reading.take().unwrap_or_default().into_iter().chain(own).collect();
        ReportDocument::new(&pattern.directory().join(name), write, outer.codec(), report, warnings).of_several()
    });
    let reports: Vec<ReportDocument> = reports.collect();
    if let Some(mut file) = report_file {
        reports.iter().try_for_each(|report| file.json_line(report))?;
        file.finish()?;
    }
    batch.finish()?;
    reports.iter().for_each(|report| report.announce(write.to, messages));
    Ok(())
}

/// The names to write.
fn pattern(args: &ConvertArgs) -> Result<SplitPattern> {
    let output = &args.write.output.output;
    if output::is_standard(&args.write.output) {
        return Err(Error::Usage("--split needs a pattern for names: -o 'out/{name}-{tag}.tar'".to_owned()));
    }
    if args.write.oci.all_blobs {
        let problem = "--all-blobs is not for --split: a blob that nothing refers to belongs to no image";
        return Err(Error::Usage(problem.to_owned()));
    }
    if args.write.rootfs.config_out.is_some() {
        return Err(Error::Usage("--config-out is for one image, not for --split".to_owned()));
    }
    let text = output.to_str().ok_or_else(|| Error::Usage("-o of --split is text in UTF-8".to_owned()))?;
    let text = match args.write.to {
        // The name of a directory may end like one.
        FormatArg::OciDir => text.trim_end_matches(is_separator),
        FormatArg::Legacy | FormatArg::Docker | FormatArg::Oci | FormatArg::Rootfs | FormatArg::Delta => text,
    };
    text.parse().map_err(|error| Error::Usage(format!("-o of --split: {error}")))
}
