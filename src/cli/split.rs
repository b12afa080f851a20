//! `--split` of `convert` and `edit`: an archive for each image.

use std::io;
use std::path::{Path, PathBuf, is_separator};

use imgtar::internals::path::escape_path;
use imgtar::{Archives, Error, Input, Output, Result, Run, Sink, SplitArchive, SplitPattern};

use super::answer::Answer;
use super::args::WriteArgs;
use super::choices::FormatArg;
use super::input::GivenArchives;
use super::messages::Messages;
use super::output::Companion;
use super::report::{self, ReportDocument};
use super::write::{self, PreparedRun, RecordedWarnings};
use super::{hints, output};

/// Opens the output of a file name.
pub(super) type OpenByName<'o> = &'o mut dyn FnMut(&str) -> Result<Output>;

/// Does `work` on the archives of `given`, which writes several archives, and reports what was written; refuses all that it
/// can before it reads. No output replaces what `others` name, which `work` reads beside the inputs.
///
/// # Errors
/// Those of the command line and of `work`.
pub(super) fn run<'a>(
    given: GivenArchives<'a>,
    others: impl IntoIterator<Item = &'a PathBuf>,
    args: &WriteArgs,
    messages: Messages,
    work: impl FnOnce(Archives, &SplitPattern, OpenByName<'_>, &Run) -> Result<Vec<SplitArchive>>,
) -> Result<()> {
    let pattern = pattern(args)?;
    let prepared = PreparedRun::new(given, args, messages)?;
    let (batch, outer) = (output::batch(messages), prepared.outer);
    let [report_file, _] = output::companions(args, &batch)?;
    let protected = protected_inputs(given, others, &prepared.archives)?;
    prepared.archives.iter().try_for_each(|input| output::refuse_companions(args, input))?;
    let warnings = RecordedWarnings::default();
    let (archives, run) = prepared.start(warnings.diagnostics(args, messages))?;
    // Those of reading and of edits come before any archive is opened; the first archive's report has them.
    let mut earlier = None;
    let mut open = |name: &str| {
        let path = pattern.directory().join(name);
        protected.iter().try_for_each(|input| output::refuse_input_at(&path, args, input))?;
        earlier.get_or_insert_with(|| warnings.take());
        output::open_at(&path, args, outer, &batch)
    };
    let archives = work(archives, &pattern, &mut open, &run)?;
    let reports = archives.into_iter().map(|SplitArchive { name, report, warnings, .. }| {
        let own = warnings.iter().map(hints::hinted);
        let warnings = earlier.take().unwrap_or_default().into_iter().chain(own).collect();
        ReportDocument::new(&pattern.directory().join(name), args, outer.codec(), report, warnings).of_several()
    });
    let reports: Vec<ReportDocument> = reports.collect();
    let write = |file: &mut Answer| reports.iter().try_for_each(|report| file.json_line(report));
    output::finish(batch, report_file.map(|file| Companion { file, write: Box::new(write) }))?;
    reports.iter().for_each(|report| report.announce(args.to, messages));
    Ok(())
}

/// Does what [`run`] does, but writes nothing: names the archives, and tells what would change in them.
///
/// # Errors
/// Those of [`run`], but for those of writing.
pub(super) fn dry_run<'a>(
    given: GivenArchives<'a>,
    others: impl IntoIterator<Item = &'a PathBuf>,
    args: &WriteArgs,
    messages: Messages,
    work: impl FnOnce(Archives, &SplitPattern, OpenByName<'_>, &Run) -> Result<Vec<SplitArchive>>,
) -> Result<()> {
    let pattern = pattern(args)?;
    let work = |archives: Archives, run: &_| {
        let (protected, batch) = (protected_inputs(given, others, &archives)?, output::batch(messages));
        let mut open = |name: &str| {
            let path = pattern.directory().join(name);
            protected.iter().try_for_each(|input| output::refuse_input_at(&path, args, input))?;
            output::rehearse_at(&path, args, &batch)?;
            Ok(Sink::writer("nowhere", io::sink()).into())
        };
        work(archives, &pattern, &mut open, run)
    };
    for archive in write::dry_run(given, args, messages, || Ok(()), work)? {
        messages.note(&format!("would write {}", escape_path(&pattern.directory().join(archive.name))));
        report::announce_preview(&archive.edited, messages);
    }
    Ok(())
}

/// The files and directories that are read, which no output may replace.
fn protected_inputs<'a>(
    given: GivenArchives<'a>,
    others: impl IntoIterator<Item = &'a PathBuf>,
    archives: &Archives,
) -> Result<Vec<Input>> {
    let files = given.paths().chain(others).filter(|path| *path != Path::new("-"));
    let mut inputs: Vec<Input> = files.map(Into::into).collect();
    for input in archives.iter() {
        if let Input::Stdin(file) = input {
            inputs.push(Input::Stdin(file.try_clone().map_err(|error| Error::io("opening", "standard input", error))?));
        }
    }
    Ok(inputs)
}

/// The pattern for the names of the archives.
///
/// # Errors
/// [`Error::Usage`] for an output that is no pattern, and for flags that are not for several archives.
fn pattern(args: &WriteArgs) -> Result<SplitPattern> {
    let output = &args.output.output;
    if output::is_standard(&args.output) {
        return Err(Error::Usage(r#"--split needs a pattern for names: -o "out/{name}-{tag}.tar""#.to_owned()));
    }
    if args.oci.all_blobs {
        let problem = "--all-blobs is not for --split: a blob that nothing refers to belongs to no image";
        return Err(Error::Usage(problem.to_owned()));
    }
    if args.rootfs.config_out.is_some() {
        return Err(Error::Usage("--config-out is for one image, not for --split".to_owned()));
    }
    let text = output.to_str().ok_or_else(|| Error::Usage("-o of --split is text in UTF-8".to_owned()))?;
    let text = match args.to {
        // The name of a directory may end like one.
        FormatArg::OciDir => text.trim_end_matches(is_separator),
        FormatArg::Legacy | FormatArg::Docker | FormatArg::Oci | FormatArg::Rootfs | FormatArg::Delta => text,
    };
    text.parse().map_err(|error| Error::Usage(format!("-o of --split: {error}")))
}
