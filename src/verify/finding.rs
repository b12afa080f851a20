//! What a check has to say: findings, each with its place, its rule, and what was expected and found.

use serde::Serialize;

use super::rules;
use crate::error::{Error, Result};
use crate::path::is_deceptive;

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A promise is broken, or the archive cannot be read as its format wants: a conversion would refuse it, or the image
    /// that it would make is not the one that was meant.
    Error,
    /// A conversion takes it and says so; some engine refuses it or makes something else of it.
    Warning,
    /// Worth knowing, and harmless.
    Note,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The rule of docs/formats.md that it breaks or that explains it.
    pub rule: &'static str,
    /// The member, and within it the entry, as they may be shown: escaped (H-25).
    pub place: String,
    /// What is wrong.
    pub problem: String,
    /// What should be there, where that is a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What is there instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

impl Finding {
    /// An error at `place`.
    pub(super) fn error(rule: &'static str, place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(Severity::Error, rule, place, problem)
    }

    /// A warning about `place`.
    pub(super) fn warning(rule: &'static str, place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(Severity::Warning, rule, place, problem)
    }

    /// A note about `place`.
    pub(super) fn note(rule: &'static str, place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(Severity::Note, rule, place, problem)
    }

    /// This finding with the two values that should be one.
    #[must_use]
    pub(super) fn instead(self, expected: &impl ToString, found: &impl ToString) -> Self {
        Self { expected: Some(one_line(&expected.to_string())), found: Some(one_line(&found.to_string())), ..self }
    }

    /// What another module refused, as a finding: its own rule if its words tell it, else `rule`.
    ///
    /// # Errors
    /// What is no fault of the input: limits and failing reads end the check.
    pub(super) fn of(error: Error, rule: &'static str, place: &str) -> Result<Self> {
        Ok(match error {
            Error::Invalid { at, problem } => {
                Self::error(rules::told(&problem).unwrap_or(rule), within(place, &at), problem)
            }
            Error::DigestMismatch { at, expected, found } => {
                Self::error("H-3", within(place, &at), "its content has another digest").instead(&expected, &found)
            }
            Error::SizeMismatch { at, expected, found } => {
                Self::error("O-6", within(place, &at), "its content has another size").instead(&expected, &found)
            }
            other => return Err(other),
        })
    }

    fn new(severity: Severity, rule: &'static str, place: impl Into<String>, problem: impl Into<String>) -> Self {
        let (place, problem) = (one_line(&place.into()), one_line(&problem.into()));
        Self { severity, rule, place, problem, expected: None, found: None }
    }
}

/// A finding is a line: whatever a document could put into a message is escaped once more where it was not (H-25).
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        if is_deceptive(char) { line.extend(char.escape_default()) } else { line.push(char) }
    }
    line
}

/// Where an error says it is, if that is more than `place` says.
fn within(place: &str, at: &str) -> String {
    if at.contains(place) { at.to_owned() } else { place.to_owned() }
}
