//! The limits of a run, which hostile input cannot exceed, and the budget that counts their use.
//!
//! Sources: docs/formats.md H-7, H-10, H-14, H-15; each constant names its rule. The three limits that depend on how large
//! an honest input is can be moved by the user, the others cannot.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, LimitKind, Result};

/// Largest `manifest.json`, bytes (H-14).
pub(crate) const MAX_MANIFEST_JSON: u64 = 32 << 20;
/// Largest index, manifest, config or other single document, bytes (H-14).
pub const MAX_DOCUMENT: u64 = 8 << 20;
/// Deepest nesting of a JSON document (H-14).
pub(crate) const MAX_JSON_DEPTH: usize = 100;
/// Deepest nesting of indexes (H-7).
pub(crate) const MAX_INDEX_DEPTH: usize = 8;
/// Most descriptors that indexes may hold together (H-7).
pub(crate) const MAX_DESCRIPTORS: usize = 10_000;
/// Longest chain of symbolic links that is followed (G-7, R-6).
pub(crate) const MAX_LINKS: usize = 40;
/// Longest path of a file, bytes: no system opens a longer one (H-24).
pub(crate) const MAX_PATH: usize = 4096;
/// Largest PAX header or GNU long name, bytes; an entry has one, so H-10's bound on extended attributes is implied (H-10).
pub(crate) const MAX_TAR_EXTENSION: u64 = 1 << 20;
/// Largest sparse map as text, bytes (H-10).
pub(crate) const MAX_SPARSE_MAP: u64 = 1 << 20;
/// Most segments of one sparse file (H-10).
pub(crate) const MAX_SPARSE_SEGMENTS: usize = 1_000_000;
/// Largest zstd window as a power of two: 128 MiB (H-15).
pub(crate) const MAX_ZSTD_WINDOW_LOG: u32 = 27;
/// Largest dictionary of a zstd frame in a tar-diff, and its largest window, as a power of two: 512 MiB (P-9).
pub(crate) const MAX_ZSTD_DICTIONARY_LOG: u32 = 29;
/// Largest memory an xz decoder may ask for, bytes: a 64 MiB dictionary and its tables (H-15).
pub(crate) const MAX_XZ_MEMORY: u64 = 80 << 20;

/// The limits that a user may move, in the order of the flags `--max-size`, `--max-entries`, `--max-metadata`.
/// [`Budget::new`] makes a run's budget of them; a run that exceeds one ends with [`Error::Limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct Limits {
    /// Bytes read and decoded in one run: archives without the compression of the whole, what compressed layers decode
    /// to, and holes of sparse files. By default 256 GiB.
    pub size: u64,
    /// Tar entries met in one run. By default ten million.
    pub entries: u64,
    /// Bytes of names, PAX records and JSON held in memory. By default 1 GiB.
    pub metadata: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { size: 256 << 30, entries: 10_000_000, metadata: 1 << 30 }
    }
}

/// The [`Limits`] of one run, and its use of them so far; shared by all its threads. What was read counts until the end,
/// so every run has its own.
#[derive(Debug, Default)]
pub struct Budget {
    limits: Limits,
    /// The use by this part of the run, which may be forgotten.
    part: Used,
    /// The use by all parts of the run.
    whole: Arc<Used>,
}

/// The use of each limit, by the number of its [`LimitKind`].
type Used = [AtomicU64; 3];

impl Budget {
    /// Nothing used yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// A budget for reading again what was counted before: only what it decodes counts.
    #[must_use]
    pub(crate) fn for_second_reading(&self) -> Self {
        Self::new(Limits { entries: u64::MAX, metadata: u64::MAX, ..self.limits })
    }

    /// The budget of a part of the run, of which several go on at once: it counts for all, and forgets only its own use.
    #[must_use]
    pub(crate) fn of_part(&self) -> Self {
        Self { limits: self.limits, part: Used::default(), whole: Arc::clone(&self.whole) }
    }

    /// Returns what may be used at most.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Counts `bytes` that were read of an archive, that a decoder gave out or that a sparse file expanded to.
    ///
    /// # Errors
    /// [`Error::Limit`] once the run has passed [`Limits::size`].
    pub(crate) fn decoded(&self, bytes: u64, at: &str) -> Result<()> {
        self.spend(LimitKind::Size, bytes, at)
    }

    /// Returns how many more bytes may be decoded.
    pub(crate) fn left_to_decode(&self) -> u64 {
        self.limits.size.saturating_sub(self.whole[LimitKind::Size as usize].load(Ordering::Relaxed))
    }

    /// Returns what this part has used of each limit so far, by the number of its [`LimitKind`].
    pub(crate) fn spent(&self) -> [u64; 3] {
        self.part.each_ref().map(|used| used.load(Ordering::Relaxed))
    }

    /// Forgets what this part has used since `spent`: all of it will be read and made once more.
    pub(crate) fn restore(&self, spent: &[u64; 3]) {
        for ((part, whole), &before) in self.part.iter().zip(&*self.whole).zip(spent) {
            let used = part.swap(before, Ordering::Relaxed) - before;
            whole.fetch_sub(used, Ordering::Relaxed);
        }
    }

    /// Counts one tar entry.
    ///
    /// # Errors
    /// [`Error::Limit`] once the run has passed [`Limits::entries`].
    pub(crate) fn entry(&self, at: &str) -> Result<()> {
        self.spend(LimitKind::Entries, 1, at)
    }

    /// Counts `bytes` of metadata that stay in memory.
    ///
    /// # Errors
    /// [`Error::Limit`] once the run has passed [`Limits::metadata`].
    pub fn charge_memory(&self, bytes: u64, at: &str) -> Result<()> {
        self.spend(LimitKind::Metadata, bytes, at)
    }

    /// Counts `bytes` of memory as metadata until what is returned is dropped.
    ///
    /// # Errors
    /// [`Error::Limit`] once the run has passed [`Limits::metadata`].
    pub(crate) fn hold(&self, bytes: u64, at: &str) -> Result<HeldMemory<'_>> {
        let mut held = HeldMemory { budget: self, bytes: 0 };
        held.grow_to(bytes, at)?;
        Ok(held)
    }

    fn spend(&self, kind: LimitKind, more: u64, at: &str) -> Result<()> {
        let limit = match kind {
            LimitKind::Size => self.limits.size,
            LimitKind::Entries => self.limits.entries,
            LimitKind::Metadata => self.limits.metadata,
        };
        self.part[kind as usize].fetch_add(more, Ordering::Relaxed);
        let before = self.whole[kind as usize].fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > limit {
            return Err(Error::Limit { at: at.to_owned(), limit, kind });
        }
        Ok(())
    }
}

/// Memory that counts as long as this lives.
pub(crate) struct HeldMemory<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl HeldMemory<'_> {
    /// Counts `bytes` from here on, if that is more than before.
    ///
    /// # Errors
    /// [`Error::Limit`] once the run has passed [`Limits::metadata`].
    pub(crate) fn grow_to(&mut self, bytes: u64, at: &str) -> Result<()> {
        let more = bytes.saturating_sub(self.bytes);
        self.bytes += more;
        self.budget.charge_memory(more, at)
    }
}

impl Drop for HeldMemory<'_> {
    fn drop(&mut self) {
        for used in [&self.budget.part, &*self.budget.whole] {
            used[LimitKind::Metadata as usize].fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_budget_is_spent_by_all_together() {
        let budget = Budget::new(Limits { size: 10, entries: 1, metadata: 0 });
        budget.decoded(10, "a").unwrap();
        let error = budget.decoded(1, "layer 2").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert_eq!(error.to_string(), "layer 2: more than 10 B read and decoded");
        budget.entry("a").unwrap();
        assert!(budget.entry("a").is_err());
        assert!(budget.charge_memory(1, "a").is_err());
    }

    #[test]
    fn held_memory_counts_while_it_is_held() {
        let budget = Budget::new(Limits { metadata: 10, ..Limits::default() });
        let mut held = budget.hold(6, "a").unwrap();
        held.grow_to(4, "a").unwrap();
        held.grow_to(9, "a").unwrap();
        assert!(budget.charge_memory(2, "a").is_err());
        drop(held);
        assert_eq!(budget.spent()[LimitKind::Metadata as usize], 2);
        assert_eq!(budget.hold(9, "b").map(drop).unwrap_err().kind(), ErrorKind::Limit);
        assert_eq!(budget.spent()[LimitKind::Metadata as usize], 2);
    }

    #[test]
    fn a_part_counts_for_all_and_forgets_its_own_use() {
        let budget = Budget::new(Limits { size: 10, ..Limits::default() });
        let parts = [budget.of_part(), budget.of_part()];
        parts[0].decoded(4, "a").unwrap();
        let spent = parts[0].spent();
        parts[0].decoded(2, "a").unwrap();
        parts[1].decoded(4, "b").unwrap();
        assert_eq!(budget.left_to_decode(), 0);
        parts[0].restore(&spent);
        assert_eq!(budget.left_to_decode(), 2);
        assert!(parts[1].decoded(3, "b").is_err());
    }
}
