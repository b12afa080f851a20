//! Where IN comes from: a path, or standard input with something on it.

use std::fs::{File, Metadata};
use std::io::{self, IsTerminal, Seek};
use std::path::Path;
use std::time::Duration;

use imgtar::error::{Error, Result};
use imgtar::stream::metadata;
use imgtar::stream::source::Input;

use super::sys::{self, Seen};
use super::terminal::{self, Verbosity};

/// How long standard input may be silent before a person is told what is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The input that `given` names; standard input for `-` and for nothing.
///
/// # Errors
/// [`Error::Usage`] if standard input is a terminal, a directory or closed, [`Error::Invalid`] if nothing is on it.
pub(crate) fn find(given: Option<&Path>) -> Result<Input> {
    match given {
        Some(path) if path != Path::new("-") => Ok(Input::Path(path.to_owned())),
        _ => standard_input().map(Input::Stdin),
    }
}

/// Waits for the first byte of standard input; after two seconds says so.
///
/// # Errors
/// [`Error::Invalid`] if its end comes first.
pub(crate) fn wait(input: &Input, verbosity: Verbosity) -> Result<()> {
    let Input::Stdin(stdin) = input else { return Ok(()) };
    let mut seen = sys::wait(stdin, Some(PATIENCE));
    if seen == Seen::Nothing {
        terminal::note(verbosity, "waiting for an archive on standard input");
        seen = sys::wait(stdin, None);
    }
    if seen == Seen::End { Err(nothing()) } else { Ok(()) }
}

fn standard_input() -> Result<File> {
    let refuse = |what: &str| Err(Error::Usage(format!("standard input is {what}; give IN")));
    if io::stdin().is_terminal() {
        return refuse("a terminal");
    }
    let mut stdin = sys::standard_input().map_err(|error| Error::io("opening", "standard input", error))?;
    let found = metadata(&stdin).map_err(|error| Error::io("reading", "standard input", error))?;
    if found.as_ref().is_some_and(Metadata::is_dir) {
        return refuse("a directory");
    }
    let file = found.filter(Metadata::is_file);
    if file.is_some_and(|file| stdin.stream_position().is_ok_and(|position| position >= file.len())) {
        return Err(nothing());
    }
    if sys::was_closed(&stdin) {
        return refuse("closed");
    }
    if sys::is_null(&stdin) { Err(nothing()) } else { Ok(stdin) }
}

fn nothing() -> Error {
    Error::invalid("standard input", "nothing on standard input; give IN")
}
