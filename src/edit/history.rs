//! The entries of a config's `history` when layers change: as many that made a layer as there are layers (E-50, E-51).
//!
//! Docker refuses an image whose history names more layers than it has, and shows nothing of one that names none. An entry
//! that is already there is never deleted but with its layer, so the commands that made an image stay on record.
//!
//! Sources: docs/edit.md E-33, E-50 to E-52; docs/formats.md L-16.

use std::cmp::Ordering;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::spec::timestamp::Timestamp;

const EMPTY_LAYER: &str = "empty_layer";

/// The entries of a history, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct HistoryEntries(Vec<Value>);

/// The way in which the base's entries were found in an image's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BaseHistory {
    /// It begins with the base's own entries.
    Same,
    /// It differs from the base's; the entries of as many layers were taken.
    Counted,
}

impl HistoryEntries {
    /// These entries as they are.
    pub(super) fn new(entries: Vec<Value>) -> Self {
        Self(entries)
    }

    /// These entries, brought to one that made a layer for each of `layers` layers: of too many the last become empty, and
    /// missing ones are added with the time `created` (E-51).
    pub(super) fn balanced(entries: Vec<Value>, layers: usize, created: &str) -> Self {
        let mut history = Self(entries);
        let there = history.layer_entries();
        for at in there.iter().skip(layers) {
            set_empty(&mut history.0[*at]);
        }
        for _ in there.len()..layers {
            history.push(created, "unknown");
        }
        history
    }

    /// The entries.
    pub(super) fn into_entries(self) -> Vec<Value> {
        self.0
    }

    /// Passes every entry to `change`.
    pub(super) fn each(&mut self, change: impl FnMut(&mut Map<String, Value>)) {
        self.0.iter_mut().filter_map(Value::as_object_mut).for_each(change);
    }

    /// Adds the entry of a layer on top.
    pub(super) fn push(&mut self, created: &str, created_by: &str) {
        let entry = [("created", created), ("created_by", created_by)];
        self.0.push(Map::from_iter(entry.map(|(key, text)| (key.to_owned(), text.into()))).into());
    }

    /// One layer in place of those of the range `cut`, which reaches to the top: their entries stay and made no layer, one
    /// more is added whose time is that of the newest of them, else `otherwise` (E-52).
    pub(super) fn squash(&mut self, cut: Range<usize>, created_by: &str, otherwise: &str) {
        let entries = self.layer_entries();
        let cut = &entries[cut.start.min(entries.len())..cut.end.min(entries.len())];
        let times = cut.iter().filter_map(|&at| self.0[at].get("created").and_then(Value::as_str));
        let newest = times.max_by(|one, other| by_time(one, other)).unwrap_or(otherwise).to_owned();
        for &at in cut {
            set_empty(&mut self.0[at]);
        }
        self.push(&newest, created_by);
    }

    /// Takes the entries of the layers with these numbers away (E-31).
    pub(super) fn remove_layers(&mut self, is_removed: impl Fn(usize) -> bool) {
        let entries = self.layer_entries();
        let gone: Vec<usize> =
            entries.into_iter().enumerate().filter(|(n, _)| is_removed(*n)).map(|(_, at)| at).collect();
        let mut at = 0..;
        self.0.retain(|_| at.next().is_none_or(|at| gone.binary_search(&at).is_err()));
    }

    /// The entries of `new`, then these without those of their base `old`, which has `layers` layers (E-33).
    pub(super) fn rebase(&mut self, old: &Self, layers: usize, new: Self) -> BaseHistory {
        let is_same = self.0.len() >= old.0.len() && self.0.iter().zip(&old.0).all(|(one, other)| is_alike(one, other));
        let (cut, found) = if is_same {
            (old.0.len(), BaseHistory::Same)
        } else {
            let last = layers.checked_sub(1).and_then(|last| self.layer_entries().get(last).copied());
            (last.map_or(0, |last| last + 1), BaseHistory::Counted)
        };
        let own = self.0.split_off(cut);
        self.0 = new.0;
        self.0.extend(own);
        found
    }

    /// The places of the entries that made a layer.
    fn layer_entries(&self) -> Vec<usize> {
        let made_layer = |entry: &Value| entry.get(EMPTY_LAYER).and_then(Value::as_bool) != Some(true);
        self.0.iter().enumerate().filter(|(_, entry)| made_layer(entry)).map(|(at, _)| at).collect()
    }
}

/// Marks an entry as one that made no layer.
fn set_empty(entry: &mut Value) {
    if let Some(entry) = entry.as_object_mut() {
        entry.insert(EMPTY_LAYER.to_owned(), true.into());
    }
}

/// Returns whether two entries are the same step of a build: the same command, with or without a layer.
fn is_alike(one: &Value, other: &Value) -> bool {
    let empty = |entry: &Value| entry.get(EMPTY_LAYER).and_then(Value::as_bool).unwrap_or_default();
    one.get("created_by") == other.get("created_by") && empty(one) == empty(other)
}

/// Orders times; a text that is not a time comes first.
fn by_time(one: &str, other: &str) -> Ordering {
    let instant = |text: &str| text.parse::<Timestamp>().ok().map(|time| time.instant());
    instant(one).cmp(&instant(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const EPOCH: &str = "1970-01-01T00:00:00Z";

    /// Entries by their commands; a `-` in front marks those without a layer.
    fn entries(commands: &[&str]) -> Vec<Value> {
        let entry = |command: &&str| match command.strip_prefix('-') {
            Some(command) => json!({"created_by": command, "empty_layer": true}),
            None => json!({"created_by": command}),
        };
        commands.iter().map(entry).collect()
    }

    fn commands(history: &HistoryEntries) -> Vec<String> {
        let made_layer = history.layer_entries();
        let text = |(at, entry): (usize, &Value)| {
            let mark = if made_layer.contains(&at) { "" } else { "-" };
            format!("{mark}{}", entry["created_by"].as_str().unwrap())
        };
        history.0.iter().enumerate().map(text).collect()
    }

    #[test]
    fn e_51_a_history_gets_one_entry_for_each_layer() {
        for (given, layers, expected) in [
            (&["a", "-b", "c"][..], 2, &["a", "-b", "c"][..]),
            (&["a", "-b", "c", "d"], 1, &["a", "-b", "-c", "-d"]),
            (&["-b"], 2, &["-b", "unknown", "unknown"]),
            (&[], 0, &[]),
        ] {
            let history = HistoryEntries::balanced(entries(given), layers, EPOCH);
            assert_eq!(commands(&history), expected, "{given:?}");
            assert!(history.0.iter().all(|entry| entry["created_by"] != "unknown" || entry["created"] == EPOCH));
        }
    }

    #[test]
    fn e_52_a_squashed_history_keeps_its_commands_and_its_newest_time() {
        let times = ["2020-01-01T00:00:00Z", "2022-01-01T01:00:00+02:00", "2021-12-31T22:59:59Z", "no time"];
        let mut given = entries(&["a", "b", "c", "d", "-e"]);
        for (entry, time) in given[1..].iter_mut().zip(times) {
            entry["created"] = time.into();
        }
        let mut history = HistoryEntries::balanced(given, 4, EPOCH);
        history.squash(1..4, "imgtar edit --squash-top 3", EPOCH);
        assert_eq!(commands(&history), ["a", "-b", "-c", "-d", "-e", "imgtar edit --squash-top 3"]);
        assert_eq!(history.0[5]["created"], times[1]);
        let mut history = HistoryEntries::balanced(entries(&["a", "b"]), 2, EPOCH);
        history.squash(0..2, "imgtar edit --squash", EPOCH);
        assert_eq!((commands(&history).len(), &history.0[2]["created"]), (3, &json!(EPOCH)));
    }

    #[test]
    fn e_31_a_removed_layer_takes_its_entry_along() {
        let mut history = HistoryEntries::balanced(entries(&["-z", "a", "-y", "b", "c"]), 3, EPOCH);
        history.remove_layers(|number| number != 1);
        assert_eq!(commands(&history), ["-z", "-y", "b"]);
    }

    #[test]
    fn e_33_the_base_takes_its_entries_along() {
        let balanced = |commands: &[&str], layers| HistoryEntries::balanced(entries(commands), layers, EPOCH);
        for (image, found, expected) in [
            (&["a", "-cmd", "b", "app"][..], BaseHistory::Same, &["n", "-new", "app"][..]),
            (&["a", "b", "-cmd", "app"], BaseHistory::Counted, &["n", "-new", "-cmd", "app"]),
        ] {
            let (mut image, old, new) =
                (balanced(image, 3), balanced(&["a", "-cmd", "b"], 2), balanced(&["n", "-new"], 1));
            assert_eq!(image.rebase(&old, 2, new), found);
            assert_eq!(commands(&image), expected);
        }
    }
}
