//! `--progress`: how far a run is, on standard error, for a person, a log or a program.
//!
//! The library tells what passes; here it is counted ([`tally`]) and, by the clock, shown: as [`bars`], or as lines that
//! are [`plain`] or [`json`].

mod bars;
mod json;
mod plain;
mod tally;
pub(super) mod words;

use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use imgtar::progress::{Event, Progress};

use super::choices;
use super::terminal::{self, Verbosity};

pub(super) use bars::aside;

/// The listener that `--progress` asks for.
pub(super) fn listen(form: choices::Progress, verbosity: Verbosity) -> Progress {
    match form {
        choices::Progress::Auto if verbosity > Verbosity::Quiet && can_draw() => bars::draw(),
        choices::Progress::Auto | choices::Progress::None => Progress::silent(),
        choices::Progress::Plain => {
            let mut plain = plain::Plain::default();
            lines(move |event, now| plain.hear(event, now))
        }
        choices::Progress::Json => {
            let mut json = json::Json::default();
            lines(move |event, now| json.hear(event, now))
        }
    }
}

fn can_draw() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Writes what `say` makes of an event and the time since now, line by line.
fn lines(say: impl FnMut(&Event<'_>, Duration) -> String + Send + 'static) -> Progress {
    let start = Instant::now();
    let say = Mutex::new(say);
    Progress::new(move |event| {
        let mut say = say.lock().unwrap_or_else(PoisonError::into_inner);
        let text = say(event, start.elapsed());
        if !text.is_empty() {
            terminal::write(&text);
        }
    })
}
