//! `--progress json`: one document a line, for programs that draw for themselves.
//!
//! The fields are stable: the help of `--progress` lists them.

use std::collections::HashMap;
use std::time::Duration;

use imgtar::{Action, Event, TaskId};
use serde::Serialize;

use super::tally::{Tally, TaskState};

/// The least interval between two documents about a task, or about the total.
const PAUSE: Duration = Duration::from_millis(250);

/// Makes documents of events.
#[derive(Debug, Default)]
pub(super) struct Json {
    tally: Tally,
    /// The time of the last document about each running task.
    last_times: HashMap<TaskId, Duration>,
    /// The time of the last document about the total.
    last_whole: Duration,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum ProgressDocument<'a> {
    Begin(About<'a>),
    Advance(About<'a>),
    End {
        #[serde(flatten)]
        about: About<'a>,
        complete: bool,
    },
    Whole {
        bytes: u64,
        total: u64,
    },
}

#[derive(Serialize)]
struct About<'a> {
    task: u64,
    action: &'static str,
    place: &'a str,
    bytes: u64,
    total: Option<u64>,
}

impl Json {
    /// Returns the documents for `event` at `now`, counted from the start of the run.
    pub(super) fn hear(&mut self, event: &Event<'_>, now: Duration) -> String {
        let task = self.tally.hear(event);
        match (*event, task) {
            (Event::Expected { .. }, _) => self.whole(now),
            (Event::Began { task: id, .. }, Some(task)) => {
                self.last_times.insert(id, now);
                line(&ProgressDocument::Begin(about(id, &task)))
            }
            (Event::Moved { task: id, .. }, Some(task)) => self.moved(id, &task, now),
            (Event::Ended { task: id, complete }, Some(task)) => {
                self.last_times.remove(&id);
                line(&ProgressDocument::End { about: about(id, &task), complete }) + &self.whole(now)
            }
            (_, None) => String::new(),
        }
    }

    fn moved(&mut self, id: TaskId, task: &TaskState, now: Duration) -> String {
        let mut text = String::new();
        if let Some(last) = self.last_times.get_mut(&id).filter(|last| now >= **last + PAUSE) {
            *last = now;
            text += &line(&ProgressDocument::Advance(about(id, task)));
        }
        if now >= self.last_whole + PAUSE {
            text += &self.whole(now);
        }
        text
    }

    fn whole(&mut self, now: Duration) -> String {
        self.last_whole = now;
        let whole = self.tally.whole();
        whole.map(|whole| line(&ProgressDocument::Whole { bytes: whole.bytes, total: whole.total })).unwrap_or_default()
    }
}

fn about(id: TaskId, task: &TaskState) -> About<'_> {
    About { task: id.0, action: action_name(task.action), place: &task.label, bytes: task.bytes, total: task.total }
}

fn action_name(action: Action) -> &'static str {
    match action {
        Action::Spool => "spool",
        Action::Check => "check",
        Action::Copy => "copy",
        Action::Convert => "convert",
        Action::Flatten => "flatten",
    }
}

fn line(document: &ProgressDocument<'_>) -> String {
    let mut text = serde_json::to_string(document).expect("numbers and strings can be written");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_the_help() {
        let mut json = Json::default();
        let mut documents = String::new();
        let mut at = |millis: u64, event: Event<'_>| {
            documents += &json.hear(&event, Duration::from_millis(millis));
        };
        let task = TaskId(3);
        at(0, Event::Expected { bytes: 10, moved: 10 });
        at(1, Event::Began { task, action: Action::Check, label: "a.tar: \"b\"", total: Some(10) });
        at(100, Event::Moved { task, bytes: 2 });
        at(300, Event::Moved { task, bytes: 2 });
        at(301, Event::Moved { task, bytes: 6 });
        at(302, Event::Ended { task, complete: true });
        let expected = r#"
{"event":"whole","bytes":0,"total":10}
{"event":"begin","task":3,"action":"check","place":"a.tar: \"b\"","bytes":0,"total":10}
{"event":"advance","task":3,"action":"check","place":"a.tar: \"b\"","bytes":4,"total":10}
{"event":"whole","bytes":4,"total":10}
{"event":"end","task":3,"action":"check","place":"a.tar: \"b\"","bytes":10,"total":10,"complete":true}
{"event":"whole","bytes":10,"total":10}
"#;
        assert_eq!(documents, expected.trim_start());
    }
}
