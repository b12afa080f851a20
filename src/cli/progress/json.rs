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
    said: HashMap<TaskId, Duration>,
    whole_said: Duration,
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
                self.said.insert(id, now);
                line(&ProgressDocument::Begin(about(id, &task)))
            }
            (Event::Moved { task: id, .. }, Some(task)) => self.moved(id, &task, now),
            (Event::Ended { task: id, complete }, Some(task)) => {
                self.said.remove(&id);
                line(&ProgressDocument::End { about: about(id, &task), complete }) + &self.whole(now)
            }
            (_, None) => String::new(),
        }
    }

    fn moved(&mut self, id: TaskId, task: &TaskState, now: Duration) -> String {
        let mut text = String::new();
        if let Some(said) = self.said.get_mut(&id).filter(|said| now >= **said + PAUSE) {
            *said = now;
            text += &line(&ProgressDocument::Advance(about(id, task)));
        }
        if now >= self.whole_said + PAUSE {
            text += &self.whole(now);
        }
        text
    }

    fn whole(&mut self, now: Duration) -> String {
        self.whole_said = now;
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
        let mut said = String::new();
        let mut at = |millis: u64, event: Event<'_>| {
            said += &json.hear(&event, Duration::from_millis(millis));
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
        assert_eq!(said, expected.trim_start());
    }
}
