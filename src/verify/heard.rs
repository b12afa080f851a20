//! The remarks of other modules, listened to rather than passed on: in a check they are findings.

use std::sync::{Arc, Mutex, PoisonError};

use crate::diagnostics::{Diagnostic, Diagnostics, Severity};

/// Somebody to warn, and what was said.
pub(super) struct Heard {
    /// Where to warn.
    pub(super) diagnostics: Diagnostics,
    /// What was said there.
    pub(super) said: Said,
}

/// What was said so far.
pub(super) struct Said(Arc<Mutex<Vec<Diagnostic>>>);

impl Heard {
    /// Has heard nothing yet.
    pub(super) fn new() -> Self {
        let said = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&said);
        let diagnostics = Diagnostics::new(false, move |diagnostic| {
            ears.lock().unwrap_or_else(PoisonError::into_inner).push(diagnostic.clone());
        });
        Self { diagnostics, said: Said(said) }
    }
}

impl Said {
    /// What was said about `place`, as warnings.
    pub(super) fn findings(&self, place: &str) -> Vec<Diagnostic> {
        let said = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        said.into_iter().map(|said| Diagnostic { severity: Severity::Warning, at: place.to_owned(), ..said }).collect()
    }
}
