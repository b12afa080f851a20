//! SIGINT, SIGTERM and SIGHUP end the process, and no unfinished output outlives it.
//!
//! SIGPIPE stays ignored, as Rust leaves it: a closed pipe is an error like any other, and is reported as 141.

use std::sync::Arc;
use std::{fs, process, thread};

use imgtar::error::{Error, Result};
use imgtar::stream::unfinished;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use super::progress;

/// From now on a signal removes unfinished outputs and ends the process with 128 and its number, unless the output is
/// complete.
///
/// Signals that were ignored when the process began stay ignored: `nohup` and background jobs of scripts mean it.
///
/// # Errors
/// [`Error::Io`] if the system has no room for a handler or a thread.
pub(crate) fn watch() -> Result<()> {
    let ignored = ignored();
    let wanted = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let install = || {
        // Handled, even by nothing, it no longer kills: a file that meets its size limit is an error of the write.
        flag::register(SIGXFSZ, Arc::default())?;
        let mut signals = Signals::new(wanted)?;
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                let abandoned = unfinished::abandon_all();
                // What comes when the output has its name comes too late: a run that is said to have failed left none.
                if abandoned.completed() == 0 {
                    progress::aside(|| process::exit(128 + signal));
                }
            }
        })
    };
    install().map(drop).map_err(|error| Error::io("watching for", "signals", error))
}

/// The signals that are ignored, one bit each, as Linux tells; none elsewhere.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
