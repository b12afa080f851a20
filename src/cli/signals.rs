//! Handling of SIGINT, SIGTERM and SIGHUP, which end the process and remove unfinished outputs; on Windows, of Ctrl-C
//! and Ctrl-Break.
//!
//! SIGPIPE stays ignored, as Rust leaves it: a closed pipe is an error like any other, and is reported as 141.

use std::process;

use imgtar::internals::stream::unfinished;
use imgtar::{Error, Result};

use super::messages::Messages;
use super::{progress, sys};

/// From now on a signal removes unfinished outputs and ends the process with 128 and its number, unless the output is
/// complete.
///
/// # Errors
/// [`Error::Io`] if the system has no room for a handler or a thread.
pub(crate) fn watch(messages: Messages) -> Result<()> {
    sys::on_signal(move |signal| end(signal, messages)).map_err(|error| Error::io("watching for", "signals", error))
}

fn end(signal: i32, messages: Messages) {
    let abandoned = unfinished::abandon_all();
    // A run that ends with a signal's status has left no output.
    if !abandoned.is_too_late() {
        messages.left_behind();
        progress::aside(|| process::exit(128 + signal));
    }
}
