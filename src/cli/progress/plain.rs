//! `--progress plain`: lines for a log that keeps them all.

use std::time::Duration;

use imgtar::{Action, Event};
use indicatif::HumanDuration;

use super::tally::{Tally, TaskState, Whole};
use super::{short, verbs};
use crate::cli::words::size;

/// The least interval between two lines about the total.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest name that keeps a line readable.
const LONGEST: usize = 60;

/// Makes lines of events.
#[derive(Debug, Default)]
pub(super) struct Plain {
    tally: Tally,
    /// The time at which the last line about the total was due.
    printed: Duration,
    /// The time at which the layers began.
    began: Duration,
}

impl Plain {
    /// Returns the lines for `event` at `now`, counted from the start of the run; mostly none.
    pub(super) fn hear(&mut self, event: &Event<'_>, now: Duration) -> String {
        let before = self.tally.whole();
        let task = self.tally.hear(event);
        if before.is_none() && self.tally.whole().is_some() {
            self.began = now;
        }
        match (event, task) {
            (Event::Ended { complete: true, .. }, Some(task)) => ended(&task),
            (Event::Moved { .. }, Some(task)) if now >= self.printed + PAUSE => {
                self.printed = now;
                self.under_way(&task, now)
            }
            _ => String::new(),
        }
    }

    fn under_way(&self, task: &TaskState, now: Duration) -> String {
        match self.tally.whole() {
            Some(whole) if !whole.is_done() => of_whole(whole, now.saturating_sub(self.began)),
            _ => of_task(task),
        }
    }
}

/// Returns the line for a task that has ended; none for a check, which is not the end of a layer that is copied too.
fn ended(task: &TaskState) -> String {
    if task.action == Action::Check {
        return String::new();
    }
    format!("imgtar: {} {} ({})\n", verbs(task.action).1, short(&task.label, LONGEST), size(task.bytes))
}

fn of_whole(whole: Whole, elapsed: Duration) -> String {
    let rate = whole.bytes as f64 / elapsed.as_secs_f64().max(0.001);
    let left = Duration::try_from_secs_f64((whole.total - whole.bytes) as f64 / rate);
    let left = left.map_or_else(|_| String::new(), |left| format!(", {:#} left", HumanDuration(left)));
    let (percent, bytes, total) = (whole.percent(), size(whole.bytes), size(whole.total));
    format!("imgtar: {percent}% ({bytes} of {total}, {}/s{left})\n", size(rate as u64))
}

fn of_task(task: &TaskState) -> String {
    let total = task.total.map(|total| format!(" of {}", size(total))).unwrap_or_default();
    format!("imgtar: {} {} ({}{total})\n", verbs(task.action).0, short(&task.label, LONGEST), size(task.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgtar::TaskId;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_line_a_layer_and_one_in_five_seconds() {
        let mut plain = Plain::default();
        let mut lines = String::new();
        let mut at = |seconds: u64, event: Event<'_>| {
            lines += &plain.hear(&event, Duration::from_secs(seconds));
        };
        let (input, check, copy) = (TaskId(0), TaskId(1), TaskId(2));
        at(0, Event::Began { task: input, action: Action::Spool, label: "standard input", total: None });
        at(4, Event::Moved { task: input, bytes: MIB });
        at(6, Event::Moved { task: input, bytes: MIB });
        at(7, Event::Ended { task: input, complete: true });
        at(8, Event::Expected { bytes: 10 * MIB, moved: 20 * MIB });
        at(8, Event::Began { task: check, action: Action::Check, label: "a", total: Some(10 * MIB) });
        at(10, Event::Moved { task: check, bytes: 4 * MIB });
        at(18, Event::Moved { task: check, bytes: MIB });
        at(19, Event::Moved { task: check, bytes: 5 * MIB });
        at(19, Event::Ended { task: check, complete: true });
        at(20, Event::Began { task: copy, action: Action::Copy, label: "a", total: Some(10 * MIB) });
        at(20, Event::Moved { task: copy, bytes: 10 * MIB });
        at(20, Event::Ended { task: copy, complete: true });
        at(21, Event::Began { task: input, action: Action::Copy, label: "b", total: Some(10 * MIB) });
        at(21, Event::Ended { task: input, complete: false });
        let expected = "\
            imgtar: reading standard input (2.0 MiB)\n\
            imgtar: read standard input (2.0 MiB)\n\
            imgtar: 25% (2.5 MiB of 10.0 MiB, 256.0 KiB/s, 30s left)\n\
            imgtar: copied a (10.0 MiB)\n";
        assert_eq!(lines, expected);
    }
}
