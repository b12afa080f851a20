//! The output, OUT: its path, the way it is opened, its compression.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use imgtar::internals::path::escape_path;
use imgtar::internals::stream::{PathKey, duplicate};
use imgtar::{Diagnostics, Encoding, Error, Input, Mode, Output, OutputBatch, Result, Rule, Sink};

use super::answer::Answer;
use super::args::{OutputArgs, WriteArgs};
use super::choices::{FormatArg, OuterArg};
use super::messages::Messages;
use super::sys;

/// Returns the compression of the archive as a whole: that of `--outer`, else that of the file name's extension.
///
/// # Errors
/// [`Error::Usage`] for an extension whose compression cannot be written.
pub(crate) fn outer(args: &WriteArgs) -> Result<Encoding> {
    let outer = match args.output.outer {
        Some(outer) => outer,
        None if args.to == FormatArg::OciDir => OuterArg::None,
        None => promised(&args.output.output)?,
    };
    Ok(outer.into())
}

/// Warns of an archive that is compressed as a whole only because of its name.
///
/// # Errors
/// Under `--strict`.
pub(crate) fn warn_of_outer(args: &WriteArgs, outer: Encoding, diagnostics: &Diagnostics) -> Result<()> {
    if args.output.outer.is_some() || outer == Encoding::Plain || args.to == FormatArg::Rootfs {
        return Ok(());
    }
    let problem = format!(
        "the archive is compressed as a whole because of its name, and not every engine loads that; --outer {} silences this warning",
        outer.codec().name()
    );
    diagnostics.warn_of_target(Rule::G2, escape_path(&args.output.output), problem)
}

fn promised(path: &Path) -> Result<OuterArg> {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "gz" | "tgz" => Ok(OuterArg::Gzip),
        "zst" | "tzst" => Ok(OuterArg::Zstd),
        "xz" | "txz" => Ok(OuterArg::Xz),
        "br" | "bz2" | "lz" | "lz4" | "lzma" | "lzo" | "tbz" | "tbz2" | "tlz" | "tlz4" | "z" | "zip" => {
            Err(Error::Usage(format!(
                "-o ends in .{extension}, a compression that imgtar does not write; --outer none|gzip|zstd|xz overrides it"
            )))
        }
        _ => Ok(OuterArg::None),
    }
}

/// Refuses an output that is the input, by whatever name, that lies in it, or whose replacement would remove it (H-26).
///
/// # Errors
/// [`Error::Usage`].
pub(crate) fn refuse_input(args: &WriteArgs, input: &Input) -> Result<()> {
    refuse_input_at(&args.output.output, args, input)?;
    refuse_companions(args, input)
}

/// Refuses a file of `--report` or `--config-out` that is open as standard input; [`refuse_conflicts`] sees those that are
/// given by their paths.
///
/// # Errors
/// [`Error::Usage`].
pub(super) fn refuse_companions(args: &WriteArgs, input: &Input) -> Result<()> {
    let Input::Stdin(file) = input else { return Ok(()) };
    let read = sys::identity(file);
    for (flag, path) in [("--report", &args.output.report), ("--config-out", &args.rootfs.config_out)] {
        let Some(path) = path.as_deref().filter(|path| *path != Path::new("-")) else { continue };
        if read.is_some() && read == sys::identity_at(path) {
            return Err(would_replace_input(flag, path));
        }
    }
    Ok(())
}

/// The same for one of several outputs, which lies at `output`.
///
/// # Errors
/// [`Error::Usage`].
pub(super) fn refuse_input_at(output: &Path, args: &WriteArgs, input: &Input) -> Result<()> {
    let place = &args.output;
    let is_lost = args.to == FormatArg::OciDir && place.force && is_below(input, output);
    let read = match input {
        Input::Path(path) => sys::identity_at(path),
        Input::Stdin(file) => sys::identity(file),
        Input::Reader { .. } => None,
    };
    let written = match is_standard(place) {
        true => duplicate(io::stdout()).ok().as_ref().and_then(sys::identity),
        false => sys::identity_at(output),
    };
    // A path that cannot be looked at is reported when it is opened.
    let problem = if read.is_some() && read == written && place.append {
        "is the input, and --append keeps what is in it: leave it out of the inputs, or write to another directory"
    } else if read.is_some() && read == written {
        "is the input; write to another name, and rename that when it is done"
    } else if is_lost {
        "holds the input, which --force would remove"
    } else if !is_standard(place) && is_within(output, input) {
        "is inside the layout that is read"
    } else {
        return Ok(());
    };
    let output = match is_standard(place) {
        true => "standard output".to_owned(),
        false => escape_path(output),
    };
    Err(Error::Usage(format!("{output}: {problem}")))
}

/// Refuses a file that one flag writes and another writes or reads, or that lies in a directory that is read (H-26). The
/// output and `inputs` are for [`refuse_input`]; `others` is what further flags read.
///
/// # Errors
/// [`Error::Usage`].
pub(crate) fn refuse_conflicts<'a>(
    args: &'a WriteArgs,
    inputs: impl IntoIterator<Item = &'a PathBuf>,
    others: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<()> {
    let standard = Path::new("-");
    let output = Some(&*args.output.output).filter(|_| !is_standard(&args.output));
    let file = |path: &'a Option<PathBuf>| path.as_deref().filter(|path| *path != standard);
    let (report, config) = (file(&args.output.report), file(&args.rootfs.config_out));
    let written = [("--output", output), ("--report", report), ("--config-out", config)];
    let written = written.into_iter().filter_map(|(flag, path)| path.map(|path| (flag, path, PathKey::of(path))));
    let written: Vec<_> = written.collect();
    let read = |path: &'a PathBuf| (path != standard).then(|| PathKey::of(path));
    let inputs: Vec<PathKey> = inputs.into_iter().filter_map(read).collect();
    let others: Vec<PathKey> = others.into_iter().filter_map(read).collect();
    for (nth, (flag, path, place)) in written.iter().enumerate() {
        let inputs = inputs.iter().filter(|_| *flag != "--output");
        if inputs.chain(&others).any(|read| place.starts_with(read)) {
            return Err(would_replace_input(flag, path));
        }
        if let Some((other, ..)) = written[..nth].iter().find(|(_, _, other)| place.starts_with(other)) {
            return Err(Error::Usage(format!("{}: {other} and {flag} name the same file", escape_path(path))));
        }
    }
    Ok(())
}

fn would_replace_input(flag: &str, path: &Path) -> Error {
    Error::Usage(format!("{}: {flag} would replace an input; name another file", escape_path(path)))
}

/// Returns whether `output`, which need not exist yet, would be written into a directory that is read.
fn is_within(output: &Path, input: &Input) -> bool {
    let Input::Path(dir) = input else { return false };
    // A name without a directory in front has the empty path for its parent.
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let existing = parent.ancestors().find(|ancestor| ancestor.exists());
    let place = existing.and_then(|existing| existing.canonicalize().ok());
    matches!((dir.canonicalize(), place), (Ok(dir), Some(place)) if dir.is_dir() && place.starts_with(&dir))
}

fn is_below(input: &Input, dir: &Path) -> bool {
    match input {
        Input::Path(path) => {
            matches!((path.canonicalize(), dir.canonicalize()), (Ok(path), Ok(dir)) if path.starts_with(&dir))
        }
        Input::Stdin(file) => sys::identity(file).is_some_and(|read| holds(dir, &read)),
        Input::Reader { .. } => false,
    }
}

/// Returns whether a file below `dir` is the one that is read.
fn holds(dir: &Path, read: &sys::FileId) -> bool {
    let Ok(entries) = fs::read_dir(dir) else { return false };
    entries.flatten().any(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => holds(&entry.path(), read),
        Ok(kind) if kind.is_file() => sys::identity_at(&entry.path()).as_ref() == Some(read),
        _ => false,
    })
}

/// Begins a batch of outputs; a note tells of a directory to which another run writes.
pub(super) fn batch(messages: Messages) -> OutputBatch {
    OutputBatch::with_on_wait(move |path| {
        messages.note(&format!("waiting for another run that writes to {}", escape_path(path)));
    })
}

/// Opens the output, one of `batch`; no file is under its name before that is finished.
///
/// # Errors
/// [`Error::Usage`] for a terminal, else those of [`Sink`] and [`DirSink`](imgtar::DirSink).
pub(crate) fn open(args: &WriteArgs, outer: Encoding, batch: &OutputBatch) -> Result<Output> {
    if !is_standard(&args.output) {
        return open_at(&args.output.output, args, outer, batch);
    }
    archive(Sink::stdout()?, outer)
}

/// The same for one of several outputs, which lies at `path`.
///
/// # Errors
/// Those of [`open`].
pub(super) fn open_at(path: &Path, args: &WriteArgs, outer: Encoding, batch: &OutputBatch) -> Result<Output> {
    match args.to {
        FormatArg::OciDir => batch.directory(path, mode(&args.output)).map(Output::Directory),
        _ => archive(batch.file(path, args.output.force)?, outer),
    }
}

/// Refuses the outputs that a run could not begin, and leaves nothing of those that it could.
///
/// # Errors
/// Those of [`open`], but that standard output may be a terminal.
pub(super) fn rehearse(args: &WriteArgs, messages: Messages) -> Result<()> {
    let batch = batch(messages);
    if !is_standard(&args.output) {
        rehearse_at(&args.output.output, args, &batch)?;
    }
    match args.rootfs.config_out.as_deref() {
        Some(path) if path != Path::new("-") && is_opened(path) => batch.file(path, args.output.force).map(drop),
        _ => Ok(()),
    }
}

/// The same for one of several outputs, which lies at `path`.
///
/// # Errors
/// Those of [`open`].
pub(super) fn rehearse_at(path: &Path, args: &WriteArgs, batch: &OutputBatch) -> Result<()> {
    if is_opened(path) { open_at(path, args, Encoding::Plain, batch).map(drop) } else { Ok(()) }
}

/// Returns false for FIFOs and devices, which a rehearsal leaves alone: to open one waits for a reader, or may start
/// something.
fn is_opened(path: &Path) -> bool {
    !fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

fn archive(sink: Sink, outer: Encoding) -> Result<Output> {
    if sink.is_terminal() {
        return Err(Error::Usage("an archive is not written to a terminal: give -o FILE, or pipe it on".to_owned()));
    }
    Ok(Output::Archive { sink, outer })
}

fn mode(args: &OutputArgs) -> Mode {
    match (args.append, args.force) {
        (true, _) => Mode::Append,
        (false, true) => Mode::Force,
        (false, false) => Mode::New,
    }
}

/// Opens the files of `--report` and `--config-out`, which are placed with the output.
///
/// # Errors
/// [`Error::Usage`] for standard output where something else goes there, else those of [`Sink`].
pub(super) fn companions(args: &WriteArgs, batch: &OutputBatch) -> Result<[Option<Answer>; 2]> {
    let (report, config) = (args.output.report.as_deref(), args.rootfs.config_out.as_deref());
    let is_dash = |path: Option<&Path>| path == Some(Path::new("-"));
    let standard = duplicate(io::stdout()).ok();
    let standard = standard.as_ref().and_then(|file| sys::identity(file).or_else(|| sys::stream_identity(file)));
    // By another name, such as /dev/stdout, it is one all the same.
    let is_standard_at = |path: &Path| {
        path == Path::new("-")
            || standard.is_some() && [sys::identity_at(path), sys::stream_identity_at(path)].contains(&standard)
    };
    let [archive, report_there, config_there] =
        [Some(&*args.output.output), report, config].map(|path| path.is_some_and(is_standard_at));
    for (flag, is_there) in [("--report", report_there), ("--config-out", config_there)] {
        if is_there && archive {
            return Err(Error::Usage(format!(
                "{flag} needs -o FILE, or a file itself: the archive is on standard output"
            )));
        }
    }
    if report_there && config_there {
        return Err(Error::Usage("--report and --config-out: there is one standard output".to_owned()));
    }
    let open = |path: Option<&Path>| match path {
        None => Ok(None),
        Some(_) if is_dash(path) => Answer::begin().map(Some),
        Some(path) => batch.file(path, args.output.force).map(|sink| Some(Answer::to(sink))),
    };
    Ok([open(report)?, open(config)?])
}

/// Writes a document.
type WriteAnswer<'w> = Box<dyn FnOnce(&mut Answer) -> Result<()> + 'w>;

/// A document beside the output, and what writes it.
pub(super) struct Companion<'w> {
    pub(super) file: Answer,
    pub(super) write: WriteAnswer<'w>,
}

/// Writes `companions` and gives the outputs of `batch` their names, all or none. Documents that are files appear with the
/// outputs. Those that are streams are written when the outputs have their names, so that none tells of an output that never
/// was; if one cannot be written, or its reader closes the pipe, the names are withdrawn: what does not end with 0 leaves no
/// output.
///
/// # Errors
/// Those of writing and of [`OutputBatch::finish`].
pub(super) fn finish<'w>(batch: OutputBatch, companions: impl IntoIterator<Item = Companion<'w>>) -> Result<()> {
    let (streams, files): (Vec<_>, Vec<_>) =
        companions.into_iter().partition(|companion: &Companion<'_>| companion.file.is_stream());
    let write_all = |companions: Vec<Companion<'w>>| {
        companions.into_iter().try_for_each(|Companion { mut file, write }| {
            write(&mut file)?;
            file.finish()
        })
    };
    write_all(files)?;
    match streams.is_empty() {
        true => batch.finish(),
        false => batch.finish_with(|| write_all(streams)),
    }
}

/// Returns whether the output is `-`: standard output.
pub(super) fn is_standard(args: &OutputArgs) -> bool {
    args.output == Path::new("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_promise_a_form() {
        for (name, outer) in [
            ("a.tar", OuterArg::None),
            ("a", OuterArg::None),
            ("-", OuterArg::None),
            (".gz", OuterArg::None),
            ("a.tar.gz", OuterArg::Gzip),
            ("a.TGZ", OuterArg::Gzip),
            ("dir.bz2/a.tzst", OuterArg::Zstd),
            ("a.tar.zst", OuterArg::Zstd),
            ("a.xz", OuterArg::Xz),
            ("a.txz", OuterArg::Xz),
        ] {
            assert_eq!(promised(Path::new(name)).unwrap(), outer, "{name}");
        }
        for name in ["a.tar.bz2", "a.tar.lz4", "a.tbz2", "a.Z"] {
            let error = promised(Path::new(name)).unwrap_err();
            assert!(error.to_string().contains("--outer"), "{name}: {error}");
        }
    }

    #[test]
    fn a_file_lies_below_its_directory_and_below_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        std::fs::write(&one, "").unwrap();
        std::fs::write(&two, "").unwrap();
        assert!(is_below(&Input::Path(one.clone()), dir.path()));
        assert!(!is_below(&Input::Path(one), &two));
    }
}
