//! The remarks of other modules, listened to rather than passed on: in a check they are findings.

use std::sync::{Arc, Mutex, PoisonError};

use super::finding::Finding;
use super::rules;
use crate::notice::{Notices, Remark};

/// Somebody to warn, and what was said.
pub(super) struct Heard {
    /// Where to warn.
    pub(super) notices: Notices,
    /// What was said there.
    pub(super) said: Said,
}

/// What was said so far.
pub(super) struct Said(Arc<Mutex<Vec<String>>>);

impl Heard {
    /// Has heard nothing yet.
    pub(super) fn new() -> Self {
        let said = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&said);
        let notices = Notices::new(false, move |remark| {
            let (Remark::Warning(_, text) | Remark::Notice(text)) = remark;
            ears.lock().unwrap_or_else(PoisonError::into_inner).push(text.clone());
        });
        Self { notices, said: Said(said) }
    }
}

impl Said {
    /// What was said about `place`, as warnings; by `rule` where the words tell none.
    pub(super) fn findings(&self, place: &str, rule: &'static str) -> Vec<Finding> {
        let said = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let finding = |text: String| {
            let problem = text.strip_prefix(place).and_then(|text| text.strip_prefix(": ")).unwrap_or(&text);
            Finding::warning(rules::told(problem).unwrap_or(rule), place, problem)
        };
        said.into_iter().map(finding).collect()
    }
}
