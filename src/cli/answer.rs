//! Shared by the commands that answer a question: opening the archive, and writing the answer to standard output.
//!
//! ```text
//! let session = Session::begin(&args.answer.run, messages)?;
//! let archive = session.open(args.input.as_deref())?;
//! let images = session.images(&archive, &args.answer.choice)?;
//! let chosen = choice(&args.answer.choice).one(&images)?;
//! let mut out = Answer::begin()?;
//! writeln!(out, …)?;
//! out.finish()
//! ```

use std::io::{self, BufWriter, IntoInnerError, Write};
use std::path::{Path, PathBuf};

use imgtar::{
    Archive, Diagnostic, Diagnostics, Error, ErrorKind, Finish, ImageSelector, ImageSet, Input, Platforms, Result, Run,
    Severity, Sink,
};
use serde::Serialize;

use super::args::{ChoiceArgs, RunArgs};
use super::exit::Exit;
use super::messages::Messages;
use super::values::PlatformArg;
use super::{environment, hints, input, json, signals, write};

/// The run of a command that answers a question.
pub(super) struct Session {
    /// The library's settings of this run.
    pub(super) run: Run,
    messages: Messages,
}

impl Session {
    /// A run whose diagnostics go to standard error.
    ///
    /// # Errors
    /// When the system has no room to watch for signals, or `IMGTAR_JOBS` is not a number of threads.
    pub(super) fn begin(args: &RunArgs, messages: Messages) -> Result<Self> {
        let diagnostics = Diagnostics::new(args.strict, move |diagnostic| messages.diagnostic(diagnostic));
        Self::begin_with(args, messages, diagnostics)
    }

    /// A run whose diagnostics are part of the answer.
    ///
    /// # Errors
    /// As [`Session::begin`].
    pub(super) fn begin_with(args: &RunArgs, messages: Messages, diagnostics: Diagnostics) -> Result<Self> {
        signals::watch(messages)?;
        Self::renewed(args, messages, diagnostics)
    }

    /// The same for another archive, after a first session began: limits hold for each.
    ///
    /// # Errors
    /// When `IMGTAR_JOBS` is not a number of threads.
    pub(super) fn renewed(args: &RunArgs, messages: Messages, diagnostics: Diagnostics) -> Result<Self> {
        let jobs = environment::jobs(args.jobs)?;
        Ok(Self { run: write::new_run(args, messages, diagnostics, jobs, None), messages })
    }

    /// Finds the input that `given` names, and waits for it.
    ///
    /// # Errors
    /// Those of finding the input.
    pub(super) fn input(&self, given: Option<&Path>) -> Result<Input> {
        let input = input::find(given)?;
        input::wait(&input, self.messages)?;
        Ok(input)
    }

    /// Finds the inputs that `given` names, at least one, and waits for them.
    ///
    /// # Errors
    /// Those of finding the inputs; [`Error::Usage`] if standard input is named twice.
    pub(super) fn inputs(&self, given: &[PathBuf]) -> Result<Vec<Input>> {
        let inputs = input::find_all(given)?;
        inputs.iter().try_for_each(|input| input::wait(input, self.messages))?;
        Ok(inputs)
    }

    /// Finds, waits for and opens the archive that `given` names.
    ///
    /// # Errors
    /// Those of finding the input, and those of [`Archive::open`].
    pub(super) fn open(&self, given: Option<&Path>) -> Result<Archive> {
        Archive::open(self.input(given)?, &self.run)
    }

    /// The images of `archive`.
    ///
    /// # Errors
    /// Those of [`Archive::images_with`].
    pub(super) fn images(&self, archive: &Archive, args: &ChoiceArgs) -> Result<ImageSet> {
        archive.images_with(self.others(&args.with)?, args.prefer.map(Into::into), &self.run)
    }

    /// Finds the archives that `--with` names, and waits for them.
    ///
    /// # Errors
    /// Those of finding the inputs.
    pub(super) fn others(&self, with: &[PathBuf]) -> Result<Vec<Input>> {
        if with.is_empty() { Ok(Vec::new()) } else { self.inputs(with) }
    }
}

/// Returns the selector for `--image` and `--platform`.
pub(super) fn choice(args: &ChoiceArgs) -> ImageSelector {
    let platforms = match &args.platform {
        None => Platforms::Unspecified,
        Some(PlatformArg::All) => Platforms::All,
        Some(PlatformArg::One(platform)) => Platforms::Only(vec![platform.clone()]),
    };
    ImageSelector { image: args.image.clone(), platforms }
}

/// Refuses inputs that would read standard input twice.
///
/// # Errors
/// [`Error::Usage`].
pub(super) fn refuse_two_inputs(one: Option<&Path>, other: Option<&Path>) -> Result<()> {
    input::refuse_repeated([one, other].into_iter().flatten())
}

/// Standard output, buffered into large writes. An answer counts once [`Answer::finish`] has returned.
///
/// Its errors carry an [`Error`]: [`Error::ClosedPipe`] if the reader has closed the pipe, with which the run ends
/// well.
pub(super) struct Answer(BufWriter<Sink>);

impl Answer {
    /// An answer to standard output, still empty.
    ///
    /// # Errors
    /// When the system gives no more descriptors.
    pub(super) fn begin() -> Result<Self> {
        Ok(Self(BufWriter::with_capacity(64 << 10, Sink::stdout()?)))
    }

    /// An answer that goes to `sink`.
    pub(super) fn to(sink: Sink) -> Self {
        Self(BufWriter::new(sink))
    }

    /// Returns true if it goes to a stream: what is written there cannot be withdrawn.
    pub(super) fn is_stream(&self) -> bool {
        self.0.get_ref().is_stream()
    }

    /// Writes `value` as one JSON document, indented, with a newline at its end.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        from_io(json::write_pretty(&mut self.0, value))
    }

    /// Writes `value` as one line of JSON.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn json_line(&mut self, value: &impl Serialize) -> Result<()> {
        from_io(json::write_line(&mut self.0, value))
    }

    /// Writes these bytes unchanged.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        from_io(self.0.write_all(bytes))
    }

    /// Writes the rest of the buffer.
    ///
    /// # Errors
    /// When standard output cannot be written or closed.
    pub(super) fn finish(self) -> Result<()> {
        from_io(self.0.into_inner().map_err(IntoInnerError::into_error).and_then(Finish::finish))
    }
}

/// For `write!`: an [`Error`] travels through the [`io::Error`], and [`from_io`] takes it out.
impl Write for Answer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Collects the outcomes of several archives: an archive that cannot be read is reported, and the others are answered
/// all the same.
pub(super) struct Outcomes {
    messages: Messages,
    exit: Exit,
}

/// The document of an archive that cannot be read, in the place of its answer.
#[derive(Serialize)]
pub(super) struct UnreadArchive {
    archive: String,
    error: Diagnostic,
}

impl Outcomes {
    pub(super) fn new(messages: Messages) -> Self {
        Self { messages, exit: Exit::Done }
    }

    /// Takes the answer for one archive. Of several exits the one with the largest code counts.
    pub(super) fn add(&mut self, exit: Exit) {
        self.exit = self.exit.max(exit);
    }

    /// Takes the error of the archive called `label`, and reports it: others remain. Returns its document.
    ///
    /// # Errors
    /// Any that does not concern this archive alone.
    pub(super) fn fail(&mut self, label: &str, error: Error) -> Result<UnreadArchive> {
        if matches!(error.kind(), ErrorKind::Usage | ErrorKind::ClosedPipe) {
            return Err(error);
        }
        self.add(Exit::of(&error));
        self.messages.error(&error);
        let mut told = Diagnostic::note(error.rule(), "", hints::failure(&error));
        told.severity = Severity::Error;
        Ok(UnreadArchive { archive: label.to_owned(), error: told })
    }

    pub(super) fn exit(&self) -> Exit {
        self.exit
    }
}

/// Returns the exit for the answer to a yes-or-no question.
pub(super) fn verdict(is_well: bool) -> Exit {
    if is_well { Exit::Done } else { Exit::No }
}

/// The outcome of writing to an [`Answer`].
pub(super) fn from_io<T>(outcome: io::Result<T>) -> Result<T> {
    outcome.map_err(|error| Error::io("writing to", "standard output", error))
}
