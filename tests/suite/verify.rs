//! `imgtar verify`: every fault is found, all of them at once, and nothing is found where nothing is wrong.
//!
//! That whatever a conversion refuses is not called sound is held to on the way, by `expect::refuse` in all other modules.

mod documents;
mod engines;
mod faults;
mod sound;

use serde_json::Value;

use crate::support::run::{Run, imgtar};
use crate::support::schema;
use crate::support::tarball::Tarball;

/// A finding: severity, rule, and a part of its place.
type Expected<'a> = (&'a str, &'a str, &'a str);

/// What `verify` says about the archive.
struct Verified {
    report: Value,
    code: i32,
}

fn verify(tar: &Tarball) -> Verified {
    Verified::of(imgtar(["verify", "--json"]).stdin(tar.bytes()))
}

impl Verified {
    #[track_caller]
    fn of(run: Run) -> Self {
        let outcome = run.run();
        assert!(matches!(outcome.code, 0 | 1), "{outcome}");
        assert!(!outcome.stderr.contains("panicked"), "{outcome}");
        let report = serde_json::from_slice(&outcome.stdout).expect("a JSON document");
        schema::check("verify", &report);
        Self { report, code: outcome.code }
    }

    fn findings(&self) -> &[Value] {
        self.report["findings"].as_array().unwrap()
    }

    /// Wants these findings and no others, in whatever order; exit 1 if one is an error.
    #[track_caller]
    fn finds(&self, expected: &[Expected<'_>]) -> &Self {
        let mut left: Vec<&Value> = self.findings().iter().collect();
        for (severity, rule, place) in expected {
            let fits = |finding: &&Value| {
                let is = |key: &str, text: &str| finding[key] == *text;
                is("severity", severity) && is("rule", rule) && finding["place"].as_str().unwrap().contains(place)
            };
            let at = left.iter().position(fits);
            let at = at.unwrap_or_else(|| panic!("no {severity} {rule} at {place} in {:#?}", self.findings()));
            left.remove(at);
        }
        assert!(left.is_empty(), "more than was planted: {left:#?}");
        let has_error = expected.iter().any(|(severity, ..)| *severity == "error");
        assert_eq!(self.code, i32::from(has_error), "exit code");
        assert_eq!(self.report["ok"], !has_error);
        self
    }

    /// Wants a finding of `rule` with these two values.
    #[track_caller]
    fn instead(&self, rule: &str, expected: &str, found: &str) -> &Self {
        let fits = |finding: &&Value| {
            finding["rule"] == *rule && finding["expected"] == *expected && finding["found"] == *found
        };
        let finding = self.findings().iter().find(fits);
        assert!(finding.is_some(), "no {rule} with {expected} and {found} in {:#?}", self.findings());
        self
    }
}
