//! The memory of making a delta, and what its parts get of it (docs/delta.md P-13).
//!
//! ```text
//! all of it    the program and its threads
//!              the encoder of the recipe   twice its window, and a mebibyte
//!              comparing                   the rest
//!
//! comparing    whole files                 for each thread five times the old bytes, and once the new ones
//!              what waits to be written    an eighth, or a quarter more than the largest file that is compared as a whole
//!   or         windows of a large file     the same for each thread, and the operations
//!              seeds of its old file       half of the bytes that are compared as a whole
//! ```
//!
//! Sizes of files and windows depend on the memory alone and never on the threads, because the bytes of a delta do. A thread
//! waits until there is memory for what it is to compare.

use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, PoisonError};

/// The most bytes of a file that is compared as a whole. Beyond it memory is of more use to other threads.
const MOST_WHOLE: u64 = 32 << 20;
/// Sizes of files and windows are multiples of it, one or more.
pub(super) const UNIT: u64 = 1 << 20;
/// Bytes that the program takes itself.
const PROGRAM: u64 = 14 << 20;
/// Bytes of memory for which there is a thread.
const MEMORY_OF_THREAD: u64 = 16 << 20;
/// Bytes that a thread takes of them for its buffers.
const THREAD_BUFFERS: u64 = 1 << 20;
/// The most threads whose buffers take memory from comparing; it is enough for them from then on.
const MOST_THREADS: u64 = 16;
/// The share of the memory that the window of the recipe has.
const RECIPE_WINDOW: u64 = 24;
/// The largest window of a recipe, as a power of two: one of 128 MiB makes nothing smaller than one of 16.
const MAX_WINDOW_LOG: u32 = 24;
/// Bytes that comparing takes besides those that are compared.
const TABLES: u64 = UNIT / 2;

/// The parts of the memory that making a delta may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemoryShares {
    /// Bytes up to which a file, old and new, is compared as a whole; and bytes of the old file that a window is compared with.
    pub(super) whole: u64,
    /// The window of the recipe, as a power of two.
    pub(super) window_log: u32,
    /// Bytes for what is compared at once, and for the operations that come of it.
    comparing: u64,
    /// Threads for which there are buffers.
    threads: usize,
}

impl MemoryShares {
    /// Those of `memory` bytes, [`DeltaOptions::LEAST_MEMORY`](crate::options::DeltaOptions::LEAST_MEMORY) or more.
    pub(super) fn within(memory: u64) -> Self {
        let window_log = (memory / RECIPE_WINDOW).ilog2().min(MAX_WINDOW_LOG);
        let threads = memory / MEMORY_OF_THREAD;
        let comparing = memory - (PROGRAM + threads.min(MOST_THREADS) * THREAD_BUFFERS + (2 << window_log) + UNIT);
        // Two files of that size take six times as much and the tables, what waits to be written five quarters: 29/4 in all.
        let whole = ((comparing - TABLES).saturating_mul(4) / 29 / UNIT * UNIT).min(MOST_WHOLE);
        Self { whole, window_log, comparing, threads: threads as usize }
    }

    /// Bytes of a window of a new file.
    pub(super) fn window(&self) -> u64 {
        self.whole / 2
    }

    /// Bytes for files that are compared as a whole and the operations that come of them, until these are written.
    pub(super) fn ahead(&self) -> u64 {
        (self.whole + self.whole / 4).max(self.comparing / 8)
    }

    /// Places of eight bytes that the table of an old file's seeds has, as a power of two.
    pub(super) fn seeds_log(&self) -> u32 {
        (self.whole / 2 / 8).ilog2()
    }

    /// Places of five bytes that the hash table of a frame with a dictionary has at most, as a power of two.
    pub(super) fn frame_table_log(&self) -> u32 {
        (self.frame_tables() / 5).ilog2()
    }

    /// Windows that are compared at once, each of which takes the same.
    pub(super) fn windows_at_once(&self, jobs: NonZeroUsize) -> NonZeroUsize {
        let free = self.comparing.saturating_sub(self.whole / 2);
        let fitting = free / (cost(self.whole, self.window()) + self.window());
        NonZeroUsize::new((fitting as usize).min(self.threads(jobs).get())).unwrap_or(NonZeroUsize::MIN)
    }

    /// The threads of `jobs` that there is memory for.
    pub(super) fn threads(&self, jobs: NonZeroUsize) -> NonZeroUsize {
        jobs.min(NonZeroUsize::new(self.threads).unwrap_or(NonZeroUsize::MIN))
    }

    /// The memory for files that are compared as a whole.
    pub(super) fn room(&self) -> Room {
        Room { shares: *self, free: Mutex::new(self.comparing - self.ahead()), changed: Condvar::new() }
    }

    /// Bytes of the tables with which a frame is made, at most.
    fn frame_tables(&self) -> u64 {
        2 * self.whole
    }
}

/// Bytes that comparing so many bytes takes.
fn cost(old: u64, new: u64) -> u64 {
    5 * old + new + TABLES
}

/// Memory that threads share.
pub(super) struct Room {
    shares: MemoryShares,
    free: Mutex<u64>,
    changed: Condvar,
}

impl Room {
    /// Waits until there is memory for comparing files of these sizes, and takes it until what is returned is dropped. A
    /// thread that has some must not ask for more.
    pub(super) fn to_compare(&self, old: u64, new: u64) -> TakenRoom<'_> {
        self.take(cost(old, new))
    }

    /// The same for making a frame: both files; the frame and its copy among the operations, each about as long as the new
    /// file at most; and the hash table of zstd, which has up to twice as many places of five bytes as its window is long, in
    /// which both files fit.
    pub(super) fn to_frame(&self, old: u64, new: u64) -> TakenRoom<'_> {
        let tables = (10 * (old + new).next_power_of_two()).min(self.shares.frame_tables());
        self.take(old + 3 * new + tables)
    }

    fn take(&self, bytes: u64) -> TakenRoom<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_while(free, |free| *free < bytes);
        *waited.unwrap_or_else(PoisonError::into_inner) -= bytes;
        TakenRoom { room: self, bytes }
    }
}

/// Memory that a thread has taken.
pub(super) struct TakenRoom<'a> {
    room: &'a Room,
    bytes: u64,
}

impl Drop for TakenRoom<'_> {
    fn drop(&mut self) {
        *self.room.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.room.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::DeltaOptions;

    #[test]
    fn whatever_the_memory_a_whole_file_has_room() {
        let mib = |memory: u64| MemoryShares::within(memory << 20);
        for memory in (DeltaOptions::LEAST_MEMORY >> 20)..2000 {
            let shares = mib(memory);
            let free = shares.room().free.into_inner().unwrap();
            let MemoryShares { whole, comparing, .. } = shares;
            assert!(cost(whole, whole) <= free && 6 * whole <= free, "{memory}: {shares:?}, {free}");
            let windows = shares.windows_at_once(NonZeroUsize::MIN).get() as u64;
            let taken = windows * (cost(whole, shares.window()) + shares.window()) + whole / 2;
            assert!(taken <= comparing, "{memory}: {shares:?}, {taken}");
            assert!(
                PROGRAM + THREAD_BUFFERS + (2 << shares.window_log) + UNIT + comparing <= memory << 20,
                "{memory}: {shares:?}"
            );
        }
        assert_eq!(MemoryShares::within(u64::MAX).whole, MOST_WHOLE);
        let sizes = |memory| (mib(memory).whole >> 20, mib(memory).window_log, mib(memory).seeds_log());
        assert_eq!(
            [32, 64, 128, 512, 4096].map(sizes),
            [(1, 20, 16), (5, 21, 18), (13, 22, 19), (32, 24, 21), (32, 24, 21)]
        );
        let at_once = |memory, jobs| mib(memory).windows_at_once(NonZeroUsize::new(jobs).unwrap()).get();
        assert_eq!([(32, 8), (512, 1), (512, 8), (4096, 8)].map(|(memory, jobs)| at_once(memory, jobs)), [1, 1, 2, 8]);
    }

    #[test]
    fn threads_wait_for_memory() {
        let shares = MemoryShares::within(DeltaOptions::LEAST_MEMORY);
        let (room, alone) = (&shares.room(), &Mutex::new(()));
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(move || {
                    for _ in 0..100 {
                        let _taken = room.to_compare(shares.whole, shares.whole);
                        let _alone = alone.try_lock().expect("no other thread has memory");
                    }
                });
            }
        });
    }
}
