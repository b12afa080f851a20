//! The exit codes.

use std::process::ExitCode;

use imgtar::{Error, ErrorKind};

/// The outcome of a run, as its exit code.
///
/// Signals have codes of their own, see [`signals`](super::signals).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// The command succeeded.
    Done = 0,
    /// The answer is no: archives differ, or an archive fails verification.
    No = 1,
    /// The command line contradicts itself.
    Usage = 2,
    /// The input is not an image archive, or is damaged or hostile.
    Input = 3,
    /// The target cannot hold it, or it is not in the input.
    Target = 4,
    /// Input or output failed.
    Io = 5,
    /// A limit was exceeded.
    Limit = 6,
    /// The reader of the output has closed it: the code that a shell reports for a program that SIGPIPE ended.
    ClosedPipe = 141,
}

impl Exit {
    /// The exit that `error` leads to.
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Usage => Self::Usage,
            ErrorKind::Input => Self::Input,
            ErrorKind::Target => Self::Target,
            ErrorKind::Io => Self::Io,
            ErrorKind::Limit => Self::Limit,
            ErrorKind::ClosedPipe => Self::ClosedPipe,
        }
    }

    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// Returns whether the error gets no message: the reader that closed the pipe needs none.
    pub(crate) fn is_silent(self) -> bool {
        self == Self::ClosedPipe
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
