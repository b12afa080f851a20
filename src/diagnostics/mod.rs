//! Errors, warnings and notes about an archive, each with its rule.
//!
//! A [`Diagnostic`] is made where the fault is found, so its rule is a value and never derived from text. All
//! diagnostics of a run go to one sink, [`Diagnostics`], which decides: the same one is reported once, a rule is
//! reported a hundred times and then counted, and with `strict` a warning ends the run. The library never prints; the
//! listener does.
//!
//! Sources: docs/formats.md (the rules), H-25 (what may be shown on a terminal).

mod log;

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

pub(crate) use self::log::DiagnosticLog;
pub(crate) use crate::rule::Rule;

use crate::error::{Error, Result, Setting};
use crate::path::is_deceptive;

/// The most bytes of a message or a place, whatever it quotes.
const LONGEST: usize = 2000;

/// The severity of a [`Diagnostic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A conversion refuses the archive, or its result may not be what was meant.
    Error,
    /// A conversion accepts the archive, but some engine refuses it or reads it differently, or the target cannot hold
    /// all of it.
    Warning,
    /// A harmless oddity.
    Note,
}

/// The subject of a warning; it decides the exit code of a run that `strict` makes fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The input breaks a rule.
    Input,
    /// The target cannot hold all of the input.
    Target,
}

/// An error in an archive, a warning or a note about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Its severity.
    pub severity: Severity,
    /// The rule of docs/formats.md that is broken or that explains it; notes about the run itself have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// The archive, the member and within it the entry; safe to be shown on a terminal (H-25), and empty where the message
    /// names its place.
    #[serde(rename = "place")]
    pub at: String,
    /// A description of the fault; safe to be shown on a terminal.
    #[serde(rename = "problem")]
    pub message: String,
    /// The expected value, if the fault is a mismatch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// The value found instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Its subject.
    #[serde(skip)]
    pub subject: Subject,
    /// The setting that would have avoided it.
    #[serde(skip)]
    pub setting: Option<Setting>,
}

impl Diagnostic {
    /// An error in the input at `at`.
    pub fn error(rule: Rule, at: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::new(Severity::Error, rule, at, message)
    }

    /// A warning about the input at `at`.
    pub fn warning(rule: Rule, at: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::new(Severity::Warning, rule, at, message)
    }

    /// A note about `at`.
    pub fn note(rule: impl Into<Option<Rule>>, at: impl AsRef<str>, message: impl AsRef<str>) -> Self {
        Self::new(Severity::Note, rule, at, message)
    }

    /// A diagnostic of any severity about the input at `at`.
    pub(crate) fn new(
        severity: Severity,
        rule: impl Into<Option<Rule>>,
        at: impl AsRef<str>,
        message: impl AsRef<str>,
    ) -> Self {
        let (at, message) = (one_line(at.as_ref()), one_line(message.as_ref()));
        Self {
            severity,
            rule: rule.into(),
            at,
            message,
            expected: None,
            found: None,
            subject: Subject::Input,
            setting: None,
        }
    }

    /// The same with the expected and the found value.
    #[must_use]
    pub fn values(self, expected: &impl ToString, found: &impl ToString) -> Self {
        Self { expected: Some(one_line(&expected.to_string())), found: Some(one_line(&found.to_string())), ..self }
    }

    /// The same, about a part of the input that the target cannot hold.
    #[must_use]
    pub(crate) fn of_target(self) -> Self {
        Self { subject: Subject::Target, ..self }
    }

    /// The same, which `setting` would have avoided.
    #[must_use]
    pub fn avoided_by(self, setting: Setting) -> Self {
        Self { setting: Some(setting), ..self }
    }

    /// Returns the place, the message and the values as one line: `app.tar: manifest.json: it lists no images`. Without
    /// a place, the rule is added.
    pub fn line(&self) -> String {
        let values = match (&self.expected, &self.found) {
            (Some(expected), Some(found)) => format!(": expected {expected}, found {found}"),
            _ => String::new(),
        };
        match (&*self.at, self.rule) {
            ("", Some(rule)) => format!("{}{values} ({rule})", self.message),
            ("", None) => format!("{}{values}", self.message),
            (at, _) => format!("{at}: {}{values}", self.message),
        }
    }
}

/// The sink of all diagnostics of a run. Shared by its threads.
pub struct Diagnostics {
    log: Mutex<DiagnosticLog>,
    mode: SinkMode,
}

/// The treatment of the diagnostics that reach a sink.
enum SinkMode {
    /// Passes warnings and notes on; an error ends the run, and if it is strict so does a warning.
    Listen { strict: bool, listener: Box<dyn Fn(&Diagnostic) + Send + Sync> },
    /// Keeps all of them.
    Collect,
}

impl Diagnostics {
    /// A sink that passes each diagnostic to `listener`; with `strict` a warning becomes an error instead.
    ///
    /// The listener may be called from several threads at once.
    pub fn new(strict: bool, listener: impl Fn(&Diagnostic) + Send + Sync + 'static) -> Self {
        Self { log: Mutex::default(), mode: SinkMode::Listen { strict, listener: Box::new(listener) } }
    }

    /// A sink that keeps every diagnostic, errors of the input included, so that none ends the run.
    pub(crate) fn collecting() -> Self {
        Self { log: Mutex::default(), mode: SinkMode::Collect }
    }

    /// A sink for a part of a run, which keeps what [`Diagnostics::absorb`] passes on later, and is as strict.
    pub(crate) fn of_part(&self) -> Self {
        Self::new(matches!(self.mode, SinkMode::Listen { strict: true, .. }), |_| {})
    }

    /// A sink that drops every diagnostic and fails on no warning.
    pub fn silent() -> Self {
        Self::new(false, |_| {})
    }

    /// Warns about the input at `at`.
    ///
    /// # Errors
    /// As [`Diagnostics::report`].
    pub fn warn(&self, rule: Rule, at: impl AsRef<str>, message: impl AsRef<str>) -> Result<()> {
        self.report(Diagnostic::warning(rule, at, message))
    }

    /// Warns about a part of `at` that the target cannot hold.
    ///
    /// # Errors
    /// As [`Diagnostics::report`].
    pub fn warn_of_target(
        &self,
        rule: impl Into<Option<Rule>>,
        at: impl AsRef<str>,
        message: impl AsRef<str>,
    ) -> Result<()> {
        self.report(Diagnostic::new(Severity::Warning, rule, at, message).of_target())
    }

    /// Notes something about `at`.
    pub fn note(&self, rule: impl Into<Option<Rule>>, at: impl AsRef<str>, message: impl AsRef<str>) {
        self.pass_on(&Diagnostic::note(rule, at, message));
    }

    /// Reports `diagnostic`, unless the same has been reported or a hundred others of its rule have.
    ///
    /// # Errors
    /// An error is returned as an error, and under `strict` so is a warning, of the class of its subject; a collecting
    /// sink returns neither.
    pub fn report(&self, diagnostic: Diagnostic) -> Result<()> {
        match (&self.mode, diagnostic.severity) {
            (SinkMode::Listen { .. }, Severity::Error) => return Err(diagnostic.into_error()),
            (SinkMode::Listen { strict: true, .. }, Severity::Warning) => {
                return Err(diagnostic.into_error().avoided_by(Setting::Lenient));
            }
            (SinkMode::Listen { .. }, Severity::Warning | Severity::Note) | (SinkMode::Collect, _) => {}
        }
        self.pass_on(&diagnostic);
        Ok(())
    }

    /// Reports an error from which the caller can recover: `Err` means to stop, `Ok` to go on as well as possible.
    ///
    /// # Errors
    /// The error itself, unless it is one of the input and the sink collects.
    pub fn fault(&self, error: Error) -> Result<()> {
        match (&self.mode, Diagnostic::of(&error)) {
            (SinkMode::Collect, Some(diagnostic)) => {
                self.pass_on(&diagnostic);
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Returns whether the sink collects: then errors do not end the run, and all faults should be found.
    pub(crate) fn collects(&self) -> bool {
        matches!(self.mode, SinkMode::Collect)
    }

    /// Reports for each rule the number of diagnostics beyond the first hundred, which were not reported, and forgets
    /// them: to be called at the end of an archive or a run. Dropping the sink does it too.
    pub fn finish(&self) {
        if let SinkMode::Listen { listener, .. } = &self.mode {
            self.take().counted("").for_each(|diagnostic| listener(&diagnostic));
        }
    }

    /// Returns the log of all diagnostics so far, and starts a new one.
    pub(crate) fn take(&self) -> DiagnosticLog {
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reports what a part of the run has found, and returns its warnings.
    pub(crate) fn absorb(&self, part: DiagnosticLog) -> Vec<Diagnostic> {
        let unlisted = part.unlisted();
        let mut found = part.into_ordered();
        found.iter().for_each(|diagnostic| self.pass_on(diagnostic));
        self.log.lock().unwrap_or_else(PoisonError::into_inner).count(unlisted);
        found.retain(|diagnostic| diagnostic.severity == Severity::Warning);
        found
    }

    /// Calls the listener, but not while the lock is held: the listener may report a diagnostic itself.
    fn pass_on(&self, diagnostic: &Diagnostic) {
        let is_new = self.log.lock().unwrap_or_else(PoisonError::into_inner).add(diagnostic.clone());
        if let (true, SinkMode::Listen { listener, .. }) = (is_new, &self.mode) {
            listener(diagnostic);
        }
    }
}

impl Drop for Diagnostics {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Diagnostic {
    /// Makes a diagnostic of `error`, if it is one of the input.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        Some(match error {
            Error::Invalid { rule, at, problem, values } => {
                let diagnostic = Self::error(*rule, at, problem);
                values.iter().fold(diagnostic, |diagnostic, values| diagnostic.values(&values.expected, &values.found))
            }
            Error::DigestMismatch { at, expected, found } => {
                Self::error(Rule::H3, at, "its content has another digest").values(expected, found)
            }
            Error::SizeMismatch { at, expected, found } => {
                Self::error(Rule::O6, at, "its content has another size").values(expected, found)
            }
            Error::MissingMember { rule, archive, member, named_by } => {
                Self::error(*rule, format!("{archive}: {named_by}"), format!("the archive does not hold `{member}`"))
            }
            Error::Within { source, .. } => return Self::of(source),
            Error::Avoidable { error, setting } => return Self::of(error).map(|inner| inner.avoided_by(*setting)),
            Error::Choice { .. }
            | Error::Inexpressible { .. }
            | Error::Usage(_)
            | Error::Limit { .. }
            | Error::Output { .. }
            | Error::Io { .. }
            | Error::ClosedPipe => return None,
        })
    }

    fn into_error(self) -> Error {
        let error = match (self.subject, self.rule) {
            (Subject::Input, Some(rule)) => Error::invalid(rule, self.at, self.message),
            (Subject::Target, _) | (Subject::Input, None) => Error::inexpressible(self.at, self.message),
        };
        match self.setting {
            Some(setting) => error.avoided_by(setting),
            None => error,
        }
    }
}

/// Returns the text on one line, with characters that could deceive a terminal escaped (H-25), cut to the longest
/// message.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LONGEST));
    for char in text.chars() {
        if line.len() >= LONGEST {
            line.push('…');
            break;
        }
        if is_deceptive(char) { line.extend(char.escape_default()) } else { line.push(char) }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::sync::{Arc, OnceLock};

    type Heard = Arc<Mutex<Vec<Diagnostic>>>;

    fn listening() -> (Diagnostics, Heard) {
        let heard = Heard::default();
        let listener = Arc::clone(&heard);
        (Diagnostics::new(false, move |diagnostic| listener.lock().unwrap().push(diagnostic.clone())), heard)
    }

    #[test]
    fn a_diagnostic_is_reported_once() {
        let (diagnostics, heard) = listening();
        diagnostics.warn(Rule::L7, "a.tar", "odd").unwrap();
        diagnostics.warn(Rule::L7, "a.tar", "odd").unwrap();
        diagnostics.note(None, "", "done");
        let lines: Vec<String> = heard.lock().unwrap().iter().map(Diagnostic::line).collect();
        assert_eq!(lines, ["a.tar: odd", "done"]);
    }

    #[test]
    fn a_rule_is_reported_a_hundred_times_and_then_counted() {
        let (diagnostics, heard) = listening();
        for nth in 0..100_000 {
            diagnostics.warn(Rule::G4, "a.tar", format!("name {nth}")).unwrap();
        }
        diagnostics.warn(Rule::H24, "a.tar", "another rule").unwrap();
        diagnostics.finish();
        drop(diagnostics);
        let heard = heard.lock().unwrap();
        assert_eq!(heard.len(), 102);
        assert_eq!(heard[101].line(), "and 99,900 more like these (G-4)");
        assert_eq!((heard[101].rule, heard[101].severity), (Some(Rule::G4), Severity::Warning));
    }

    #[test]
    fn strict_makes_warnings_fatal_by_their_subject() {
        let diagnostics = Diagnostics::new(true, |_| {});
        let error = diagnostics.warn(Rule::L7, "a", "odd").unwrap_err();
        assert_eq!((error.kind(), error.rule()), (ErrorKind::Input, Some(Rule::L7)));
        assert_eq!(diagnostics.warn_of_target(Rule::M7, "a", "odd").unwrap_err().kind(), ErrorKind::Target);
    }

    #[test]
    fn an_error_is_returned() {
        let (diagnostics, heard) = listening();
        let error = diagnostics.report(Diagnostic::error(Rule::H19, "a", "it lists no images")).unwrap_err();
        assert_eq!(error.to_string(), "a: it lists no images");
        assert!(heard.lock().unwrap().is_empty());
    }

    #[test]
    fn the_listener_may_report() {
        static SINK: OnceLock<Diagnostics> = OnceLock::new();
        let heard = Heard::default();
        let listener = Arc::clone(&heard);
        let diagnostics = SINK.get_or_init(|| {
            Diagnostics::new(false, move |diagnostic| {
                listener.lock().unwrap().push(diagnostic.clone());
                SINK.get().expect("the sink is there once it reports").note(None, "", "heard");
            })
        });
        diagnostics.note(None, "", "first");
        assert_eq!(heard.lock().unwrap().len(), 2);
    }

    #[test]
    fn a_message_is_one_short_line_whatever_went_into_it() {
        let diagnostic = Diagnostic::error(Rule::G14, "x".repeat(1 << 20), "one\ntwo\u{202e}").values(&"\n", &1);
        assert_eq!(diagnostic.at.chars().count(), LONGEST + 1);
        assert_eq!((&*diagnostic.message, diagnostic.expected.as_deref()), ("one\\ntwo\\u{202e}", Some("\\n")));
    }
}
