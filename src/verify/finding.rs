//! What another module refused, as a finding.

use super::rules;
use crate::diagnostics::Diagnostic;
use crate::error::{Error, Result};
use crate::rule::Rule;

/// The refusal `error`, which was met at `place`.
///
/// # Errors
/// What is no fault of the input: limits and failing reads end the check.
pub(super) fn of(error: Error, place: &str) -> Result<Diagnostic> {
    Ok(match error {
        Error::Invalid { rule, at, problem } => {
            Diagnostic::error(rules::told(&problem).unwrap_or(rule), within(place, &at), problem)
        }
        Error::DigestMismatch { at, expected, found } => {
            Diagnostic::error(Rule::H3, within(place, &at), "its content has another digest").values(&expected, &found)
        }
        Error::SizeMismatch { at, expected, found } => {
            Diagnostic::error(Rule::O6, within(place, &at), "its content has another size").values(&expected, &found)
        }
        other => return Err(other),
    })
}

/// Where an error says it is, if that is more than `place` says.
fn within(place: &str, at: &str) -> String {
    if at.contains(place) { at.to_owned() } else { place.to_owned() }
}
