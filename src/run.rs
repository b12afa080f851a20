//! One run of imgtar: what all its parts share and no part owns.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::diagnostics::Diagnostics;
use crate::limits::{Budget, Limits};
use crate::progress::Progress;

/// The resources that a job may use, and the receivers of its diagnostics and progress.
///
/// Make one for each job, such as a conversion, or reading an archive and then its files: [`budget`](Self::budget)
/// counts all that was ever read with it, and [`diagnostics`](Self::diagnostics) report nothing twice.
///
/// ```
/// use imgtar::{Budget, Diagnostics, Limits, Run};
///
/// # fn main() -> std::io::Result<()> {
/// let mut limits = Limits::default();
/// limits.size = 20 << 30;
/// let mut run = Run::quiet();
/// run.budget = Budget::new(limits);
/// run.diagnostics = Diagnostics::new(false, |diagnostic| eprintln!("{}", diagnostic.line()));
/// run.jobs = std::thread::available_parallelism()?;
/// # Ok(())
/// # }
/// ```
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct Run {
    /// Warnings and diagnostics.
    pub diagnostics: Diagnostics,
    /// The progress events of the run.
    pub progress: Progress,
    /// The limits that hostile input cannot exceed, and their use so far.
    pub budget: Budget,
    /// The directory of temporary files, which input that is a stream or compressed as a whole needs, and a root filesystem
    /// of compressed layers.
    pub tmpdir: PathBuf,
    /// The most threads that do work; their number never changes what is written.
    pub jobs: NonZeroUsize,
    /// The time of what imgtar itself writes, seconds since 1970. The command takes it from `SOURCE_DATE_EPOCH`; it is 0 else.
    pub epoch: i64,
}

impl Run {
    /// Returns the run to start from: one thread, default limits, temporary files in [`std::env::temp_dir`], no diagnostics
    /// and no progress. Set `jobs`, `tmpdir` and `diagnostics` as needed.
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

    /// Returns one of several parts of this run that go on at once, with `jobs` threads: it keeps its diagnostics.
    pub(crate) fn part(&self, jobs: NonZeroUsize) -> Self {
        Self {
            diagnostics: self.diagnostics.of_part(),
            progress: self.progress.of_part(),
            budget: self.budget.of_part(),
            tmpdir: self.tmpdir.clone(),
            jobs,
            epoch: self.epoch,
        }
    }

    /// Returns the same run for reading what is not relied on: it reports nothing.
    pub(crate) fn silenced(&self) -> Self {
        Self {
            diagnostics: Diagnostics::silent(),
            progress: self.progress.clone(),
            budget: self.budget.of_part(),
            tmpdir: self.tmpdir.clone(),
            jobs: self.jobs,
            epoch: self.epoch,
        }
    }

    /// Returns a run for reading a second time: it repeats no warning, and counts only decoded bytes and expanded
    /// holes.
    pub(crate) fn second_reading(&self) -> Self {
        Self {
            diagnostics: Diagnostics::silent(),
            progress: Progress::silent(),
            budget: self.budget.for_second_reading(),
            tmpdir: self.tmpdir.clone(),
            jobs: self.jobs,
            epoch: self.epoch,
        }
    }
}
