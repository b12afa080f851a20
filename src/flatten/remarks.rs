//! Warnings about a layer's entries: the first few by name, the rest as a number, to bound output and memory.

use crate::diagnostics::Diagnostics;
use crate::error::Result;
use crate::rule::Rule;

/// The most warnings of one sort that name their entry, for each layer.
const NAMED: u64 = 10;

/// The sorts of warnings, each counted for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// A second entry for one path.
    Twice,
    /// Something that goes through a lower layer's link.
    ThroughLink,
    /// A character device 0/0.
    NullDevice,
}

/// The warnings of one layer.
pub(super) struct Remarks<'a> {
    at: &'a str,
    diagnostics: &'a Diagnostics,
    counts: [u64; 3],
}

impl<'a> Remarks<'a> {
    pub(super) fn new(at: &'a str, diagnostics: &'a Diagnostics) -> Self {
        Self { at, diagnostics, counts: [0; 3] }
    }

    /// Warns with `text`, or only counts it once there have been enough.
    pub(super) fn warn(&mut self, sort: Sort, text: impl FnOnce() -> String) -> Result<()> {
        let count = &mut self.counts[sort as usize];
        *count += 1;
        if *count > NAMED { Ok(()) } else { self.diagnostics.warn(sort.rule(), self.at, text()) }
    }

    /// Reports the number of warnings that were only counted.
    pub(super) fn finish(&self) -> Result<()> {
        for (sort, count) in [Sort::Twice, Sort::ThroughLink, Sort::NullDevice].into_iter().zip(self.counts) {
            let Some(more) = count.checked_sub(NAMED).filter(|&more| more > 0) else { continue };
            self.diagnostics.warn(sort.rule(), self.at, format!("{more} more {}", sort.plural()))?;
        }
        Ok(())
    }
}

impl Sort {
    fn rule(self) -> Rule {
        match self {
            Self::Twice => Rule::R10,
            Self::ThroughLink => Rule::R8,
            Self::NullDevice => Rule::R22,
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Twice => "entries for paths that this layer had already written",
            Self::ThroughLink => "symbolic links of lower layers that this layer writes through",
            Self::NullDevice => "character devices 0/0",
        }
    }
}
