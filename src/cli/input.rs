//! Where IN comes from: a path, or standard input with something on it.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use imgtar::error::{Error, Result};
use imgtar::stream::source::Input;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::terminal::{self, Verbosity};

/// How long standard input may be silent before a person is told what is waited for.
const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

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
    let mut fds = [PollFd::new(stdin, PollFlags::IN)];
    // What cannot be waited for will be read, and say itself what is wrong.
    if poll(&mut fds, Some(&PATIENCE)) == Ok(0) {
        terminal::note(verbosity, "waiting for an archive on standard input");
        let _ = poll(&mut fds, None);
    }
    let events = fds[0].revents();
    if events.contains(PollFlags::HUP) && !events.contains(PollFlags::IN) { Err(nothing()) } else { Ok(()) }
}

fn standard_input() -> Result<File> {
    let refuse = |what: &str| Err(Error::Usage(format!("standard input is {what}; give IN")));
    if io::stdin().is_terminal() {
        return refuse("a terminal");
    }
    let stdin = io::stdin().as_fd().try_clone_to_owned();
    let mut stdin: File = stdin.map_err(|error| Error::io("opening", "standard input", error))?.into();
    let metadata = stdin.metadata().map_err(|error| Error::io("reading", "standard input", error))?;
    if metadata.is_dir() {
        return refuse("a directory");
    }
    if metadata.is_file() && stdin.stream_position().is_ok_and(|position| position >= metadata.len()) {
        return Err(nothing());
    }
    if is_closed(&stdin) {
        return refuse("closed");
    }
    if is_null(&metadata) { Err(nothing()) } else { Ok(stdin) }
}

fn nothing() -> Error {
    Error::invalid("standard input", "nothing on standard input; give IN")
}

fn is_null(metadata: &fs::Metadata) -> bool {
    metadata.file_type().is_char_device() && fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == metadata.rdev())
}

/// Whether a standard stream was closed when the process began: Rust's runtime then opens `/dev/null` in its place, for
/// reading and writing, which nobody else does.
pub(super) fn is_closed(stream: impl AsFd) -> bool {
    let Ok(file) = stream.as_fd().try_clone_to_owned().map(File::from) else { return false };
    file.metadata().is_ok_and(|metadata| is_null(&metadata))
        && rustix::fs::fcntl_getfl(&file).is_ok_and(|flags| flags.contains(rustix::fs::OFlags::RDWR))
}
