//! One run of imgtar: what all its parts share and no part owns.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::diagnostics::Diagnostics;
use crate::limits::{Budget, Limits};
use crate::progress::Progress;

/// What a conversion may use, and where it says what happens.
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct Run {
    /// Warnings and diagnostics.
    pub diagnostics: Diagnostics,
    /// How far it is.
    pub progress: Progress,
    /// What hostile input cannot exceed.
    pub budget: Budget,
    /// Where a spool goes, when one is needed.
    pub tmpdir: PathBuf,
    /// Threads.
    pub jobs: NonZeroUsize,
    /// The time of what imgtar itself writes, seconds since 1970: `SOURCE_DATE_EPOCH`, else 0.
    pub epoch: i64,
}

impl Run {
    /// A run on one thread with default limits whose remarks and progress nobody hears; for tests and embedding.
    pub fn quiet() -> Self {
        Self {
            diagnostics: Diagnostics::silent(),
            progress: Progress::silent(),
            budget: Budget::new(Limits::default()),
            tmpdir: std::env::temp_dir(),
            jobs: NonZeroUsize::MIN,
            epoch: 0,
        }
    }

    /// A run for reading again what was counted and remarked upon: only what it decodes and what holes expand to counts.
    pub(crate) fn another_look(&self) -> Self {
        Self {
            diagnostics: Diagnostics::silent(),
            progress: Progress::silent(),
            budget: self.budget.for_another_look(),
            tmpdir: self.tmpdir.clone(),
            jobs: self.jobs,
            epoch: self.epoch,
        }
    }
}
