//! Diagnostics in the order in which they were found: each once, a hundred of each rule, the others counted.

use std::collections::{BTreeMap, HashMap};

use super::{Diagnostic, Rule, Severity};
use crate::error::Error;

/// The number of diagnostics of one rule that are reported; more are counted.
const REPORTED: u64 = 100;

/// Diagnostics in the order in which they were reported: each once, a hundred of each rule, and the number of the
/// others.
#[derive(Debug, Default)]
pub(crate) struct DiagnosticLog {
    /// Each with its place in the order and its message. Two that found the same value instead of the same expected one
    /// are equal, whatever their messages.
    distinct: HashMap<Diagnostic, (usize, String)>,
    /// The number of diagnostics of each rule, the listed ones included.
    counts: BTreeMap<(Severity, Option<Rule>), u64>,
}

impl DiagnosticLog {
    /// Counts `diagnostic`; returns whether it is to be reported.
    pub(crate) fn add(&mut self, mut diagnostic: Diagnostic) -> bool {
        let message = match diagnostic.expected {
            Some(_) => std::mem::take(&mut diagnostic.message),
            None => String::new(),
        };
        if self.distinct.contains_key(&diagnostic) {
            return false;
        }
        let count = self.counts.entry((diagnostic.severity, diagnostic.rule)).or_default();
        *count += 1;
        let place = self.distinct.len();
        *count <= REPORTED && self.distinct.insert(diagnostic, (place, message)).is_none()
    }

    /// The first error, if there is one.
    pub(crate) fn first_error(&self) -> Option<Error> {
        let errors = self.distinct.iter().filter(|(diagnostic, _)| diagnostic.severity == Severity::Error);
        let (first, (_, message)) = errors.min_by_key(|(_, (place, _))| *place)?;
        Some(with_message(first.clone(), message.clone()).into_error())
    }

    /// Adds all of `other` behind these.
    pub(crate) fn append(&mut self, other: Self) {
        let unlisted = other.unlisted();
        for diagnostic in other.into_ordered() {
            self.add(diagnostic);
        }
        self.count(unlisted);
    }

    /// Adds the numbers of [`DiagnosticLog::unlisted`] of another log.
    pub(super) fn count(&mut self, unlisted: Vec<((Severity, Option<Rule>), u64)>) {
        for (kind, more) in unlisted {
            *self.counts.entry(kind).or_default() += more;
        }
    }

    /// Returns the number of diagnostics of each rule that are not listed.
    pub(super) fn unlisted(&self) -> Vec<((Severity, Option<Rule>), u64)> {
        let more = |(kind, count): (&_, &u64)| Some((*kind, count.checked_sub(REPORTED).filter(|&more| more > 0)?));
        self.counts.iter().filter_map(more).collect()
    }

    /// A diagnostic about `at` for each rule of which more were found than are listed.
    pub(super) fn counted(&self, at: &str) -> impl Iterator<Item = Diagnostic> {
        self.unlisted().into_iter().map(move |((severity, rule), more)| {
            Diagnostic::new(severity, rule, at, format!("and {} more like these", thousands(more)))
        })
    }

    /// Returns the listed ones in their order.
    pub(super) fn into_ordered(self) -> Vec<Diagnostic> {
        let mut ordered: Vec<_> = self.distinct.into_iter().collect();
        ordered.sort_by_key(|(_, (place, _))| *place);
        ordered.into_iter().map(|(diagnostic, (_, message))| with_message(diagnostic, message)).collect()
    }

    /// Returns all of them, with one more for each rule that has diagnostics not listed; that one names `archive`.
    pub(crate) fn into_list(self, archive: &str) -> Vec<Diagnostic> {
        let counted: Vec<Diagnostic> = self.counted(archive).collect();
        self.into_ordered().into_iter().chain(counted).collect()
    }
}

/// Puts back the message that [`DiagnosticLog::add`] took out.
fn with_message(diagnostic: Diagnostic, message: String) -> Diagnostic {
    if message.is_empty() { diagnostic } else { Diagnostic { message, ..diagnostic } }
}

/// Formats `99900` as `99,900`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
