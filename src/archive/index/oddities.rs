//! Oddities in a tar's headers and end: its members can be found, but engines or the user are affected.

use super::{MemberIndex, MemberStore};
use crate::diagnostics::{Diagnostic, Severity};
use crate::error::{Problem, Result};
use crate::path::quote;
use crate::rule::Rule;
use crate::run::Run;

/// Oddities of a tar.
#[derive(Default)]
pub(super) struct TarOddities {
    /// The first problem for which all engines refuse the tar, and the member that has it; no name for the tar's end.
    pub(super) unread: Option<(Problem, Vec<u8>)>,
    /// Offset behind the end marker, where more than zeros follows.
    pub(super) rest: Option<u64>,
}

impl TarOddities {
    pub(super) fn note_unread(&mut self, problem: Option<Problem>, member: &[u8]) {
        if let (Some(problem), None) = (problem, &self.unread) {
            self.unread = Some((problem, member.to_vec()));
        }
    }
}

impl MemberIndex {
    /// Reports the part of its headers that no engine reads, as an error where errors are collected, and bytes behind
    /// its end; `size` is that of the tar.
    ///
    /// # Errors
    /// As [`Diagnostics::report`](crate::diagnostics::Diagnostics::report).
    pub(crate) fn report_oddities(&self, size: u64, run: &Run) -> Result<()> {
        let MemberStore::Tar(tar) = &self.store else { return Ok(()) };
        if let Some((Problem { rule, message }, member)) = &tar.oddities.unread {
            let severity = if run.diagnostics.collects() { Severity::Error } else { Severity::Warning };
            let at = if member.is_empty() {
                self.label.clone()
            } else {
                format!("{}: member `{}`", self.label, quote(member))
            };
            run.diagnostics.report(Diagnostic::new(
                severity,
                *rule,
                at,
                format!("{message}; no engine reads the archive"),
            ))?;
        }
        if let Some(bytes) = tar.oddities.rest.and_then(|end| size.checked_sub(end)) {
            let problem = format!(
                "{bytes} bytes follow the end of the archive and are ignored, as by every engine; if they are another archive, \
                 put it into a file of its own"
            );
            run.diagnostics.warn(Rule::G13, &self.label, problem)?;
        }
        Ok(())
    }

    /// Returns the first problem for which no engine reads the tar to its end.
    pub(crate) fn unread_by_engines(&self) -> Option<&str> {
        let MemberStore::Tar(tar) = &self.store else { return None };
        tar.oddities.unread.as_ref().map(|(problem, _)| problem.message.as_str())
    }
}
