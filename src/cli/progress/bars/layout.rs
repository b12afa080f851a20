//! What stands in a line, by how wide the terminal is.
//!
//! ```text
//!  45%  12s left          ━━━━━━━━━━━━╸───────────────   230.1 MiB of  500.2 MiB  512.0 MiB/s
//! checking 1a2b3c4d5e6f   ━━━━━━━━━━━━━━━━━━━╸────────    20.1 MiB of  180.0 MiB  512.0 MiB/s
//! ```

use std::fmt::Write;
use std::io;
use std::time::Duration;

use indicatif::{ProgressState, ProgressStyle};
use terminal_size::{Width, terminal_size_of};

use super::super::super::terminal;
use super::super::tally::Task;
use super::super::words;

/// The longest name that leaves room for what is done with it.
const LONGEST: usize = 15;

/// How long a rate needs to be worth a prediction.
const SETTLED: Duration = Duration::from_secs(2);
/// The shortest time that is still left.
const LEAST: Duration = Duration::from_secs(1);

/// How much room there is, and whether it may be coloured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    columns: u16,
    coloured: bool,
}

impl Layout {
    /// As the terminal is now; people resize them.
    pub(super) fn now() -> Self {
        let columns = terminal_size_of(io::stderr()).map_or(80, |(Width(columns), _)| columns);
        Self { columns, coloured: terminal::is_coloured(&io::stderr()) }
    }

    /// The line of the whole.
    pub(super) fn whole(self) -> ProgressStyle {
        let bar = self.bar("green");
        style(&match self.columns {
            0..34 => "{left}".to_owned(),
            34..72 => format!("{{left:15}} {bar} {{rate:>11}}"),
            72.. => format!("{{left:23}} {bar} {{done:>10}} of {{all:>10}} {{rate:>12}}"),
        })
    }

    /// The line of a task.
    pub(super) fn task(self, task: &Task) -> ProgressStyle {
        let (doing, name) = (words::doing(task.action), words::short(&task.label, LONGEST));
        let bar = self.bar("cyan");
        let template = match (self.columns, task.total) {
            (0..34, _) => "{name}".to_owned(),
            (34..72, Some(_)) => format!("{{name:15!}} {bar} {{done:>11}}"),
            (34..72, None) => "{name:15!} {done} {rate:>11}".to_owned(),
            (72.., Some(_)) => format!("{{task:23!}} {bar} {{done:>10}} of {{all:>10}} {{rate:>12}}"),
            (72.., None) => "{task:23!} {done:>10} {rate:>12}".to_owned(),
        };
        let text = format!("{doing} {name}");
        style(&template)
            .with_key("task", move |_: &ProgressState, out: &mut dyn Write| {
                let _ = out.write_str(&text);
            })
            .with_key("name", move |_: &ProgressState, out: &mut dyn Write| {
                let _ = out.write_str(&name);
            })
    }

    fn bar(self, colour: &str) -> String {
        if self.coloured { format!("{{wide_bar:.{colour}/dim}}") } else { "{wide_bar}".to_owned() }
    }
}

/// An empty line.
pub(super) fn margin() -> ProgressStyle {
    style(" ")
}

/// A template with the words of a bar's state.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates above are well formed")
        .progress_chars("━╸─")
        .with_key("done", |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&words::size(state.pos()));
        })
        .with_key("all", |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&words::size(state.len().unwrap_or(0)));
        })
        .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            let _ = out.write_str(&words::rate(state.per_sec()));
        })
        .with_key("left", |state: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{:>3}%", (state.fraction() * 100.0) as u8);
            if state.per_sec() > 0.0 && state.elapsed() >= SETTLED {
                let _ = write!(out, "  {} left", words::time(state.eta().max(LEAST)));
            }
        })
}
