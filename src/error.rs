//! The library's one error, and how it travels through `io::Error`.
//!
//! Variants are the cases that a caller can tell apart; [`Error::kind`] folds them into the classes of the command's
//! exit codes. Readers and taps deep in a stream can only return [`io::Error`], so an `Error` passes through one
//! unharmed: `io::Error::from(error)` wraps it and [`Error::io`] unwraps it again.

use std::sync::Arc;
use std::{fmt, io};

use crate::digest::Digest;
use crate::rule::Rule;
use crate::words::size;

/// The most choices that an error lists; the rest is counted.
const MAX_CHOICES: usize = 100;

/// The result of everything in this library that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// The reason why an image could not be read, written or flattened.
///
/// [`line`](Self::line) is what to show. To act on an error, match on its [`innermost`](Self::innermost): others may be
/// wrapped around it, [`Within`](Self::Within) with the image or archive in which it happened, and
/// [`Avoidable`](Self::Avoidable) with a setting. [`kind`](Self::kind) and [`rule`](Self::rule) look into these too.
///
/// ```
/// use imgtar::{Budget, Error, LimitKind, Limits, Run, open};
///
/// /// Returns what a program could do about `error`.
/// fn advice(error: &Error) -> &'static str {
///     match error.innermost() {
///         Error::DigestMismatch { .. } | Error::SizeMismatch { .. } => "a blob is damaged: fetch it again",
///         Error::MissingMember { .. } => "the archive is not complete",
///         Error::Limit { kind: LimitKind::Size, .. } => "too large to be looked at here",
///         Error::Choice { .. } => "the image, platform or path is not in it, or there are several",
///         _ => "no more is known",
///     }
/// }
///
/// # if !std::path::Path::new("fixtures").exists() { return; } // The published crate has none.
/// let mut limits = Limits::default();
/// limits.size = 1000;
/// let mut run = Run::quiet();
/// run.budget = Budget::new(limits);
/// let Err(error) = open("fixtures/saved20.tar.xz".into(), None, &run) else { panic!("it is larger") };
/// assert_eq!(error.line(), "fixtures/saved20.tar.xz: more than 1000 B read and decoded");
/// assert_eq!(advice(&error), "too large to be looked at here");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input breaks a rule of its format: damaged, hostile, or no image archive at all.
    #[error("{at}: {problem}{}", values.as_deref().map(ToString::to_string).unwrap_or_default())]
    Invalid {
        /// The rule of docs/formats.md.
        rule: Rule,
        /// The archive, member, layer or document that is wrong.
        at: String,
        /// A clause about what is wrong with it.
        problem: String,
        /// The expected and the found value, if the problem is a mismatch.
        values: Option<Box<Mismatch>>,
    },
    /// The digest of the bytes differs from the one in their name, descriptor or diff_id (docs/formats.md H-3, M-11).
    #[error("{at}: content is {found}, expected {expected}")]
    DigestMismatch {
        /// The blob, layer or document that was read.
        at: String,
        /// The digest in the name, descriptor or diff_id.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// A blob is longer or shorter than its descriptor says (docs/formats.md O-6).
    #[error("{at}: size is {found} bytes, expected {expected}")]
    SizeMismatch {
        /// The blob that was read.
        at: String,
        /// Size in bytes by the descriptor.
        expected: u64,
        /// Size in bytes as found.
        found: u64,
    },
    /// A document names a member that the archive does not hold.
    #[error("{archive}: `{member}` is named by {named_by} but missing")]
    MissingMember {
        /// The rule of docs/formats.md that requires it.
        rule: Rule,
        /// The archive.
        archive: String,
        /// The member's name, escaped for printing.
        member: String,
        /// The document that names it.
        named_by: String,
    },
    /// A selected image, platform or path is not in the input, or more than one matches.
    #[error("{problem}{}", listing(choices))]
    Choice {
        /// The selection and the reason why it fails.
        problem: String,
        /// The selections that would work.
        choices: Vec<String>,
    },
    /// The target format cannot hold this.
    #[error("{at}: {problem}")]
    Inexpressible {
        /// The image or layer.
        at: String,
        /// A clause about what the target cannot hold.
        problem: String,
    },
    /// The request contradicts itself.
    #[error("{0}")]
    Usage(String),
    /// A limit was exceeded.
    #[error("{at}: more than {}", kind.amount(*limit))]
    Limit {
        /// The part of the input that exceeds it.
        at: String,
        /// The limit: bytes, or a number of entries for [`LimitKind::Entries`].
        limit: u64,
        /// The limit's kind.
        kind: LimitKind,
    },
    /// The output cannot be written to its path.
    #[error("{path}: {problem}")]
    Output {
        /// The output path.
        path: String,
        /// The reason.
        problem: String,
    },
    /// A system call failed; `at` names the file, member or blob.
    #[error("{doing} {at}")]
    Io {
        /// The action, as a participle: "reading", "writing".
        doing: &'static str,
        /// The file, member or blob.
        at: String,
        /// The system's error.
        source: io::Error,
    },
    /// The reader of the output, such as the next command of a pipe, has closed it.
    #[error("the output was closed by its reader")]
    ClosedPipe,
    /// An error within an image, a layer or an archive, whose name goes in front. The message is the name alone; the
    /// error is the [`source`](std::error::Error::source).
    #[error("{at}")]
    Within {
        /// The name of the image, layer or archive.
        at: String,
        /// The error within it.
        source: Arc<Error>,
    },
    /// An error that another setting would have avoided. The message does not name the setting: every program has its
    /// own flags.
    #[error("{error}")]
    Avoidable {
        /// The error.
        error: Box<Error>,
        /// The setting that would have avoided it.
        setting: Setting,
    },
}

/// The kinds of limits: the fields of [`Limits`](crate::limits::Limits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// [`size`](crate::limits::Limits::size).
    Size,
    /// [`entries`](crate::limits::Limits::entries).
    Entries,
    /// [`metadata`](crate::limits::Limits::metadata).
    Metadata,
}

impl LimitKind {
    /// Returns the limit in words.
    fn amount(self, limit: u64) -> String {
        match self {
            Self::Size => format!("{} read and decoded", size(limit)),
            Self::Entries => format!("{limit} tar entries"),
            Self::Metadata => format!("{} of metadata", size(limit)),
        }
    }
}

/// A setting that avoids an error or a warning. Each variant links its field or argument here; messages name none,
/// because every program has its own flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum Setting {
    /// Select one image: [`ConvertOptions::images`](crate::ConvertOptions::images),
    /// [`ImageSelector::image`](crate::ImageSelector::image).
    Image,
    /// Select one image by its digest.
    ImageDigest,
    /// Select one image, or change a name: [`ConvertOptions::names`](crate::ConvertOptions::names).
    ImageOrName,
    /// Select one image by its digest, or change a name in a conversion before this one.
    ImageDigestOrName,
    /// Select one platform: [`ConvertOptions::platforms`](crate::ConvertOptions::platforms),
    /// [`ImageSelector::platforms`](crate::ImageSelector::platforms).
    Platform,
    /// Choose the half of a hybrid to read: [`ConvertOptions::prefer`](crate::ConvertOptions::prefer).
    Half,
    /// Read the half of a hybrid that Docker reads: [`Half::Docker`](crate::Half::Docker).
    DockerHalf,
    /// Give an archive that has the missing blobs, or read the half of a hybrid that Docker reads.
    WithOrDockerHalf,
    /// Give the archive of which an increment leaves out layers: [`Archives::with`](crate::Archives::with).
    With,
    /// Give the archive of a base: [`Archives::bases`](crate::Archives::bases).
    Base,
    /// List one layer as it is: [`list_layer`](crate::list_layer).
    Layer,
    /// List what each layer changes: [`list_changes`](crate::list_changes).
    EachLayer,
    /// Give the image a name that the target can hold: [`ConvertOptions::names`](crate::ConvertOptions::names).
    Name,
    /// Allow missing foreign layers:
    /// [`DockerOptions::allow_missing_foreign`](crate::DockerOptions::allow_missing_foreign).
    MissingForeign,
    /// Compress layers with gzip: [`Compress::Gzip`](crate::Compress::Gzip).
    Gzip,
    /// Replace the existing output: `force` of [`Sink::file`](crate::Sink::file), [`Mode::Force`](crate::Mode::Force).
    Replace,
    /// Append to the existing output, or replace it: [`Mode::Append`](crate::Mode::Append),
    /// [`Mode::Force`](crate::Mode::Force).
    AppendOrReplace,
    /// Put temporary files in another directory: [`Run::tmpdir`](crate::Run::tmpdir).
    Tmpdir,
    /// Allow directories to replace links and files of a new base, and links and files its directories:
    /// [`Rebase::force`](crate::Rebase::force).
    ForceRebase,
    /// Do not treat warnings as errors: `strict` of [`Diagnostics::new`](crate::Diagnostics::new).
    Lenient,
}

/// An expected value, and the one found instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The expected value.
    pub expected: String,
    /// The value found.
    pub found: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ": expected {}, found {}", self.expected, self.found)
    }
}

/// The class of an [`Error`], by which a script decides what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum ErrorKind {
    /// The request contradicts itself.
    Usage,
    /// The input is not an image archive, or is damaged or hostile.
    Input,
    /// It cannot be expressed in the target, or is not in the input.
    Target,
    /// Input or output failed.
    Io,
    /// A limit was exceeded.
    Limit,
    /// The reader of the output has closed it.
    ClosedPipe,
}

impl Error {
    /// The input at `at` breaks `rule`.
    pub fn invalid(rule: Rule, at: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { rule, at: at.into(), problem: problem.into(), values: None }
    }

    /// The input at `at` breaks `rule`, because a value is not the expected one.
    pub fn mismatch(
        rule: Rule,
        at: impl Into<String>,
        problem: impl Into<String>,
        expected: &impl ToString,
        found: &impl ToString,
    ) -> Self {
        let values = Mismatch { expected: expected.to_string(), found: found.to_string() };
        Self::Invalid { rule, at: at.into(), problem: problem.into(), values: Some(Box::new(values)) }
    }

    /// The target cannot hold a part of `at`.
    pub fn inexpressible(at: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Inexpressible { at: at.into(), problem: problem.into() }
    }

    /// A selection is not in the input, or matches more than once; of many `choices` the first are listed.
    pub fn choice(problem: impl Into<String>, choices: impl IntoIterator<Item = String>) -> Self {
        let mut all = choices.into_iter();
        let mut choices: Vec<_> = all.by_ref().take(MAX_CHOICES).collect();
        match all.count() {
            0 => {}
            more => choices.push(format!("and {more} more")),
        }
        Self::Choice { problem: problem.into(), choices }
    }

    /// An [`io::Error`] from `doing` something to `at`; an `Error` wrapped in it is unwrapped.
    pub fn io(doing: &'static str, at: impl Into<String>, source: io::Error) -> Self {
        match source.downcast::<Self>() {
            Ok(inner) => inner,
            Err(source) => Self::Io { doing, at: at.into(), source },
        }
    }

    /// This error, as one that happened within `at`.
    #[must_use]
    pub fn within(self, at: impl Into<String>) -> Self {
        Self::Within { at: at.into(), source: Arc::new(self) }
    }

    /// This error, which `setting` would have avoided.
    #[must_use]
    pub fn avoided_by(self, setting: Setting) -> Self {
        Self::Avoidable { error: Box::new(self), setting }
    }

    /// Returns the error inside any [`Within`](Self::Within) and [`Avoidable`](Self::Avoidable).
    pub fn innermost(&self) -> &Self {
        match self {
            Self::Within { source, .. } => source.innermost(),
            Self::Avoidable { error, .. } => error.innermost(),
            other => other,
        }
    }

    /// Returns the error with all its causes as one line. The choices of an [`Error::Choice`] follow, each on a line of
    /// its own.
    pub fn line(&self) -> String {
        match self {
            Self::Within { at, source } => within(at, &source.line()),
            Self::Avoidable { error, .. } => error.line(),
            Self::Io { source, .. } => format!("{self}: {source}"),
            other => other.to_string(),
        }
    }

    /// The rule of docs/formats.md that the input breaks, if it breaks one.
    pub fn rule(&self) -> Option<Rule> {
        match self {
            Self::Invalid { rule, .. } | Self::MissingMember { rule, .. } => Some(*rule),
            Self::DigestMismatch { .. } => Some(Rule::H3),
            Self::SizeMismatch { .. } => Some(Rule::O6),
            Self::Choice { .. }
            | Self::Inexpressible { .. }
            | Self::Usage(_)
            | Self::Limit { .. }
            | Self::Output { .. }
            | Self::Io { .. }
            | Self::ClosedPipe => None,
            Self::Within { source, .. } => source.rule(),
            Self::Avoidable { error, .. } => error.rule(),
        }
    }

    /// The class of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. }
            | Self::DigestMismatch { .. }
            | Self::SizeMismatch { .. }
            | Self::MissingMember { .. } => ErrorKind::Input,
            Self::Choice { .. } | Self::Inexpressible { .. } => ErrorKind::Target,
            Self::Usage(_) => ErrorKind::Usage,
            Self::Limit { .. } => ErrorKind::Limit,
            Self::Output { .. } | Self::Io { .. } => ErrorKind::Io,
            Self::ClosedPipe => ErrorKind::ClosedPipe,
            Self::Within { source, .. } => source.kind(),
            Self::Avoidable { error, .. } => error.kind(),
        }
    }
}

/// A broken rule, found by code that does not know the place of the bytes: [`Problem::at`] makes an [`Error`] of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The rule that is broken.
    pub(crate) rule: Rule,
    /// A clause about the fault.
    pub(crate) message: String,
}

impl Problem {
    /// `rule` is broken; `message` describes the fault.
    pub(crate) fn new(rule: Rule, message: impl Into<String>) -> Self {
        Self { rule, message: message.into() }
    }

    /// The same, with the name of the part that was read in front.
    #[must_use]
    pub(crate) fn within(self, what: impl fmt::Display) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    /// Returns the error about the place `at`.
    pub(crate) fn at(self, at: impl Into<String>) -> Error {
        Error::invalid(self.rule, at, self.message)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

fn listing(choices: &[String]) -> String {
    choices.iter().map(|choice| format!("\n  {choice}")).collect()
}

/// Returns `at: text`; the name of the archive, with which both may begin, stands there once.
fn within(at: &str, text: &str) -> String {
    let archive = at.split_once(": ").map_or(at, |(archive, _)| archive);
    let text = text.strip_prefix(archive).and_then(|text| text.strip_prefix(": ")).unwrap_or(text);
    format!("{at}: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_way_through_io() {
        let io = io::Error::from(Error::SizeMismatch { at: "blob".into(), expected: 1, found: 2 });
        let back = Error::io("reading", "archive", io);
        assert_eq!(back.kind(), ErrorKind::Input);
        assert_eq!(back.to_string(), "blob: size is 2 bytes, expected 1");
    }

    #[test]
    fn a_line_has_all_causes_and_does_not_begin_with_the_archive_twice() {
        let io = Error::io("reading", "app.tar: blob", io::Error::from(io::ErrorKind::NotFound));
        let error = io.avoided_by(Setting::With).within("app.tar: image app:1");
        assert_eq!(error.line(), "app.tar: image app:1: reading app.tar: blob: entity not found");
        assert!(matches!(error.innermost(), Error::Io { .. }));
        let error = Error::Usage("app.tar: no".into()).within("app.tar: image app:1");
        assert_eq!(error.line(), "app.tar: image app:1: no");
        assert!(matches!(error.innermost(), Error::Usage(_)));
    }

    #[test]
    fn the_kind_of_a_nested_error_is_that_of_its_cause() {
        let error = Error::Usage("no".into()).within("layer 1").within("app.tar");
        assert_eq!(error.kind(), ErrorKind::Usage);
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        assert_eq!(causes.map(ToString::to_string).collect::<Vec<_>>(), ["app.tar", "layer 1", "no"]);
    }
}
