//! `--progress`: the progress of a run, on standard error, for a person, a log or a program.
//!
//! The library sends events; here they are added up ([`tally`]) and shown at intervals: as [`bars`], or as lines that
//! are [`plain`] or [`json`].

mod bars;
mod json;
mod plain;
mod tally;

use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use imgtar::{Action, Event, Progress};

use super::choices;
use super::messages::{self, Messages, Verbosity};

pub(super) use bars::aside;

/// Digits of a digest that tell layers apart.
const DIGITS: usize = 12;

/// The listener for the kind of progress that `--progress` selects.
pub(super) fn listen(form: choices::ProgressArg, messages: Messages) -> Progress {
    match form {
        choices::ProgressArg::Auto if messages.verbosity() > Verbosity::Quiet && can_draw() => bars::draw(),
        choices::ProgressArg::Auto | choices::ProgressArg::None => Progress::silent(),
        choices::ProgressArg::Plain => {
            let mut plain = plain::Plain::default();
            lines(move |event, now| plain.hear(event, now))
        }
        choices::ProgressArg::Json => {
            let mut json = json::Json::default();
            lines(move |event, now| json.hear(event, now))
        }
    }
}

fn can_draw() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Writes the lines that `say` returns for an event and the time since now.
fn lines(say: impl FnMut(&Event<'_>, Duration) -> String + Send + 'static) -> Progress {
    let start = Instant::now();
    let say = Mutex::new(say);
    Progress::new(move |event| {
        let mut say = say.lock().unwrap_or_else(PoisonError::into_inner);
        let text = say(event, start.elapsed());
        if !text.is_empty() {
            messages::write(text.as_bytes());
        }
    })
}

/// Returns the verbs of a task: in progress and done.
fn verbs(action: Action) -> (&'static str, &'static str) {
    match action {
        Action::Spool => ("reading", "read"),
        Action::Check => ("checking", "checked"),
        Action::Copy => ("copying", "copied"),
        Action::Convert => ("converting", "converted"),
        Action::Flatten => ("writing", "wrote"),
    }
}

/// Returns a short name of a task's bytes: the beginning of a digest, else the end of the name.
fn short(label: &str, longest: usize) -> String {
    let is_digest = |part: &&str| part.len() >= 2 * DIGITS && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(digest) = label.split(|c: char| !c.is_ascii_alphanumeric()).rev().find(is_digest) {
        return digest[..DIGITS].to_owned();
    }
    let name = label.rsplit(": ").next().unwrap_or(label);
    let length = name.chars().count();
    if length <= longest {
        return name.to_owned();
    }
    format!("…{}", name.chars().skip(length + 1 - longest).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_digest_in_it_or_its_end() {
        let digest = "0123456789abcdef".repeat(4);
        for (label, name) in [
            (format!("a.tar: blobs/sha256/{digest}"), "0123456789ab"),
            (format!("a.tar: {digest}/layer.tar"), "0123456789ab"),
            (format!("{digest}.tar.gz"), "0123456789ab"),
            ("a.tar: layer.tar".to_owned(), "layer.tar"),
            ("standard input".to_owned(), "standard input"),
            ("a/long/path/to/an-archive.tar".to_owned(), "…n-archive.tar"),
        ] {
            assert_eq!(short(&label, 14), name);
        }
    }
}
