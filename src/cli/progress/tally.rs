//! Sums of the events: the running tasks, and the bytes of the total that have passed.

use std::collections::HashMap;
use std::sync::Arc;

use imgtar::{Action, Event, TaskId};

/// The running tasks and the total.
#[derive(Debug, Default)]
pub(super) struct Tally {
    tasks: HashMap<TaskId, TaskState>,
    /// The bytes of layers that the library expects, and those that its tasks move for them; `None` until it knows.
    expected: Option<(u64, u64)>,
    /// The totals of the tasks that count for the whole.
    begun: u64,
    done: u64,
}

/// A running task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TaskState {
    pub(super) action: Action,
    /// The library's name for it.
    pub(super) label: Arc<str>,
    /// Bytes that have passed.
    pub(super) bytes: u64,
    pub(super) total: Option<u64>,
    /// True if its bytes are part of the total.
    counts: bool,
}

/// All layers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) bytes: u64,
    pub(super) total: u64,
}

impl Tally {
    /// Adds `event` to the sums; returns the task that it is about.
    pub(super) fn hear(&mut self, event: &Event<'_>) -> Option<TaskState> {
        match *event {
            Event::Expected { bytes, moved } => {
                let (known_bytes, known_moved) = self.expected.unwrap_or_default();
                self.expected = Some((known_bytes + bytes, known_moved + moved));
                None
            }
            Event::Began { task, action, label, total } => {
                // Spooling comes before anything is known of layers; a flattened filesystem is written when they are done.
                let counts = self.expected.is_some() && !matches!(action, Action::Spool | Action::Flatten);
                if counts {
                    self.begun += total.unwrap_or(0);
                }
                let begun = TaskState { action, label: label.into(), bytes: 0, total, counts };
                self.tasks.insert(task, begun.clone());
                Some(begun)
            }
            Event::Moved { task, bytes } => {
                let moved = self.tasks.get_mut(&task)?;
                moved.bytes += bytes;
                if moved.counts {
                    self.done += bytes;
                }
                Some(moved.clone())
            }
            Event::Ended { task, .. } => self.tasks.remove(&task),
        }
    }

    /// The whole, once it is known, each byte of it counted once; more may begin than was expected.
    pub(super) fn whole(&self) -> Option<Whole> {
        let (bytes, expected) = self.expected?;
        let moved = expected.max(self.begun).max(self.done);
        let total = if expected == 0 { moved } else { part(bytes, moved, expected) };
        (total > 0).then(|| Whole { bytes: part(total, self.done, moved), total })
    }
}

/// Returns `part / all` of `bytes`, rounded down.
fn part(bytes: u64, part: u64, all: u64) -> u64 {
    u64::try_from(u128::from(bytes) * u128::from(part) / u128::from(all.max(1))).unwrap_or(u64::MAX)
}

impl Whole {
    /// Returns whether all expected bytes have passed.
    pub(super) fn is_done(self) -> bool {
        self.bytes == self.total
    }

    /// Rounded down: 100 is all.
    pub(super) fn percent(self) -> u64 {
        part(100, self.bytes, self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn began(task: u64, action: Action, total: u64) -> Event<'static> {
        Event::Began { task: TaskId(task), action, label: "a", total: Some(total) }
    }

    #[test]
    fn the_whole_is_what_was_expected_or_what_came() {
        let mut tally = Tally::default();
        tally.hear(&began(0, Action::Spool, 1000));
        tally.hear(&Event::Moved { task: TaskId(0), bytes: 1000 });
        assert_eq!(tally.whole(), None);
        tally.hear(&Event::Expected { bytes: 100, moved: 100 });
        tally.hear(&began(1, Action::Check, 50));
        tally.hear(&Event::Moved { task: TaskId(1), bytes: 49 });
        assert_eq!(tally.hear(&Event::Moved { task: TaskId(1), bytes: 1 }).unwrap().bytes, 50);
        assert_eq!(tally.whole(), Some(Whole { bytes: 50, total: 100 }));
        assert_eq!(tally.hear(&Event::Ended { task: TaskId(1), complete: true }).unwrap().bytes, 50);
        tally.hear(&began(2, Action::Copy, 80));
        assert_eq!(tally.whole(), Some(Whole { bytes: 50, total: 130 }));
        assert_eq!(tally.whole().unwrap().percent(), 38);
    }

    #[test]
    fn what_is_checked_and_copied_is_counted_once() {
        let mut tally = Tally::default();
        tally.hear(&Event::Expected { bytes: 150, moved: 250 });
        for (task, action, total) in [(0, Action::Copy, 100), (1, Action::Check, 100), (2, Action::Convert, 50)] {
            tally.hear(&began(task, action, total));
            assert_eq!(tally.whole().unwrap().total, 150);
            tally.hear(&Event::Moved { task: TaskId(task), bytes: total });
        }
        assert_eq!(tally.whole(), Some(Whole { bytes: 150, total: 150 }));
        tally.hear(&began(3, Action::Copy, 50));
        assert_eq!(tally.whole(), Some(Whole { bytes: 150, total: 180 }), "more than was expected");
    }
}
