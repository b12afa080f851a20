//! A layer's tar, entry by entry: names that no extraction should follow are noted, and the next entry is read.

use std::collections::BTreeMap;
use std::io::Read;

use super::body::Examined;
use super::finding;
use super::heard::Heard;
use crate::archive::{Ending, Reader};
use crate::diagnostics::{Diagnostic, Severity};
use crate::error::{ErrorKind, Result};
use crate::flatten::{BadWhiteout, Role};
use crate::layer_index::{LayerIndex, each_entry};
use crate::path::{EntryPath, escape_for_terminal};
use crate::rule::Rule;
use crate::run::Run;
use crate::stream::skip::Sequential;

/// How many entries of a layer are named for each rule; a hostile one may have millions.
const NAMED: u64 = 100;

/// What is found while a layer's entries pass.
pub(super) struct Entries<'a> {
    at: &'a str,
    run: &'a Run,
    heard: Heard,
    index: LayerIndex,
    count: u64,
    findings: Vec<Diagnostic>,
    /// How many entries broke each rule.
    broken: BTreeMap<Option<Rule>, u64>,
}

impl<'a> Entries<'a> {
    /// Of the layer `at`, nothing yet.
    pub(super) fn new(at: &'a str, run: &'a Run) -> Self {
        Self {
            at,
            run,
            heard: Heard::new(),
            index: LayerIndex::default(),
            count: 0,
            findings: Vec::new(),
            broken: BTreeMap::new(),
        }
    }

    /// Reads the tar up to its end or to where it breaks, and gives the reader below back.
    pub(super) fn read<R: Read>(&mut self, plain: R) -> Result<R> {
        let Self { at, run, .. } = *self;
        let diagnostics = &self.heard.diagnostics;
        let mut reader = Reader::new(Sequential::new(plain), Ending::Optional, at, &run.budget, diagnostics);
        let read = each_entry(&mut reader, |entry, _| {
            self.count += 1;
            if let Some(finding) = fault_of_name(&entry.path, at) {
                named(&mut self.broken, &mut self.findings, finding);
            }
            run.budget.charge_memory(self.index.push(&entry, None), at)
        });
        let fault = match read {
            Ok(()) => None,
            Err(error) if error.kind() == ErrorKind::Input => Some(error),
            Err(error) => return Err(error),
        };
        let plain = reader.into_inner().into_inner();
        if let Some(fault) = fault {
            self.findings.push(finding::of(fault, at)?);
        }
        Ok(plain)
    }

    /// What was found.
    pub(super) fn finish(mut self) -> Examined {
        let index = self.findings.is_empty().then_some(self.index);
        for (rule, count) in self.broken {
            if count > NAMED {
                let problem = format!("{} more entries like these", count - NAMED);
                self.findings.push(Diagnostic::new(Severity::Error, rule, self.at, problem));
            }
        }
        self.findings.extend(self.heard.said.findings(self.at));
        Examined { index, entries: self.count, findings: self.findings, ..Examined::default() }
    }
}

fn named(broken: &mut BTreeMap<Option<Rule>, u64>, findings: &mut Vec<Diagnostic>, finding: Diagnostic) {
    let count = broken.entry(finding.rule).or_default();
    *count += 1;
    if *count <= NAMED {
        findings.push(finding);
    }
}

/// What is wrong with an entry's name.
fn fault_of_name(name: &[u8], at: &str) -> Option<Diagnostic> {
    const SHOWN: usize = 300;
    let place = || format!("{at}: `{}`", escape_for_terminal(&name[..name.len().min(SHOWN)]));
    let path = match EntryPath::clean(name) {
        Ok(path) => path,
        Err(why) => return Some(Diagnostic::error(Rule::R4, place(), why.to_string())),
    };
    let why = Role::of(path.as_bytes()).err()?;
    let rule = match why {
        BadWhiteout::Nameless => Rule::R3,
        BadWhiteout::InTheMiddle => Rule::R5,
    };
    Some(Diagnostic::error(rule, place(), why.to_string()))
}
