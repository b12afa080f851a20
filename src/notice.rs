//! What a run has to say besides its result: warnings, which `--strict` makes fatal, and notices, which it does not.
//!
//! Nothing is lost in silence: what a target cannot express or an input got wrong passes through here. The library never
//! prints; the command listens.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::error::{Error, Result};

/// Whose fault a warning is; decides the exit code under `--strict`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The input is not as it should be.
    Input,
    /// The target cannot say it all.
    Target,
}

/// One remark, each said once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// Something a careful user should know; fatal under `--strict`.
    Warning(Fault, String),
    /// Something done on the way that was asked for or is always so.
    Notice(String),
}

/// Where remarks go. Shared by all threads of a run.
pub struct Notices {
    strict: bool,
    said: Mutex<HashSet<String>>,
    listener: Box<dyn Fn(&Remark) + Send + Sync>,
}

impl Notices {
    /// Passes each remark to `listener`; with `strict` a warning becomes an error instead.
    pub fn new(strict: bool, listener: impl Fn(&Remark) + Send + Sync + 'static) -> Self {
        Self { strict, said: Mutex::default(), listener: Box::new(listener) }
    }

    /// Drops every remark, fails on none.
    pub fn silent() -> Self {
        Self::new(false, |_| {})
    }

    /// Warns that `at` is not as it should be.
    ///
    /// # Errors
    /// Under `--strict` the warning itself, as an error of the class that `fault` names.
    pub fn warn(&self, fault: Fault, at: &str, problem: &str) -> Result<()> {
        if self.strict {
            let problem = format!("{problem} (an error because of --strict)");
            return Err(match fault {
                Fault::Input => Error::invalid(at, problem),
                Fault::Target => Error::inexpressible(at, problem),
            });
        }
        self.say(&Remark::Warning(fault, format!("{at}: {problem}")));
        Ok(())
    }

    /// Says what was done.
    pub fn note(&self, text: impl Into<String>) {
        self.say(&Remark::Notice(text.into()));
    }

    fn say(&self, remark: &Remark) {
        let (Remark::Warning(_, text) | Remark::Notice(text)) = remark;
        let mut said = self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if said.insert(text.clone()) {
            (self.listener)(remark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::sync::Arc;

    #[test]
    fn a_remark_is_said_once() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&heard);
        let notices = Notices::new(false, move |remark| listener.lock().unwrap().push(remark.clone()));
        notices.warn(Fault::Input, "a.tar", "odd").unwrap();
        notices.warn(Fault::Input, "a.tar", "odd").unwrap();
        notices.note("done");
        assert_eq!(
            *heard.lock().unwrap(),
            [Remark::Warning(Fault::Input, "a.tar: odd".into()), Remark::Notice("done".into())]
        );
    }

    #[test]
    fn strict_makes_warnings_fatal_by_their_fault() {
        let notices = Notices::new(true, |_| {});
        assert_eq!(notices.warn(Fault::Input, "a", "odd").unwrap_err().kind(), ErrorKind::Input);
        assert_eq!(notices.warn(Fault::Target, "a", "odd").unwrap_err().kind(), ErrorKind::Target);
    }
}
