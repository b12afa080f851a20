//! Runs tasks at the same time, each of which uses threads itself: they begin in order, each with its part of the threads.
//!
//! ```text
//! caller:   wait until enough threads are free ─▶ begin a task ─▶ hand it over, and on to the next
//! workers:  do a task with that many threads ─▶ give them back
//! ```
//!
//! A task gets threads in proportion to its part of the work, at least one: of thirty alike each works on one thread, and
//! one that outweighs all others has all threads to itself. Tasks begin in order, and those that have begun are brought to
//! an end, so the first that fails is the same for any number of threads.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, Builder};

/// Does a task for each of `weights` on up to `jobs` threads: the results in order. After one that `has_failed` no more are
/// begun.
///
/// `begin` makes the task of this number, in order and on the caller's thread, or returns its result if it has failed
/// already. The next one is then not begun: it could wait forever, as for the reader of a FIFO. `work` gets the task and its
/// number of threads.
pub(crate) fn side_by_side<T: Send, R: Send>(
    jobs: NonZeroUsize,
    weights: &[u64],
    mut begin: impl FnMut(usize) -> ControlFlow<R, T>,
    work: impl Fn(T, NonZeroUsize) -> R + Sync,
    has_failed: impl Fn(&R) -> bool + Sync,
) -> Vec<R> {
    let total = weights.iter().sum();
    let semaphore = ThreadSemaphore::new(jobs);
    let done = Mutex::new(BTreeMap::new());
    let (send, receive) = mpsc::channel::<(usize, T, ThreadPermit<'_>)>();
    let receive = Mutex::new(receive);
    let keep = |number, result| done.lock().unwrap_or_else(PoisonError::into_inner).insert(number, result);
    let run = |(number, task, permit): (usize, T, ThreadPermit<'_>)| {
        let result = work(task, permit.threads);
        if has_failed(&result) {
            semaphore.lock().has_failed = true;
        }
        keep(number, result);
    };
    let work_until_closed = || {
        let next = || receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
        while let Ok(begun) = next() {
            run(begun);
        }
    };
    thread::scope(|scope| {
        let send = send;
        let wanted = if jobs.get() > 1 { weights.len().min(jobs.get()) } else { 0 };
        // Where the system gives no threads, the caller's does the work.
        let workers = (0..wanted).filter(|_| Builder::new().spawn_scoped(scope, work_until_closed).is_ok()).count();
        for (number, &weight) in weights.iter().enumerate() {
            let Some(permit) = semaphore.acquire(part(jobs, weight, total)) else { break };
            match begin(number) {
                ControlFlow::Break(result) => {
                    keep(number, result);
                    break;
                }
                ControlFlow::Continue(task) if workers == 0 => run((number, task, permit)),
                ControlFlow::Continue(task) => {
                    send.send((number, task, permit)).expect("the receiver outlives the scope");
                }
            }
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// Returns how many of `jobs` threads a task of this weight gets.
fn part(jobs: NonZeroUsize, weight: u64, total: u64) -> NonZeroUsize {
    let rounded = (u128::from(weight) * jobs.get() as u128 + u128::from(total / 2)) / u128::from(total.max(1));
    let threads = usize::try_from(rounded).unwrap_or(usize::MAX).clamp(1, jobs.get());
    NonZeroUsize::new(threads).expect("it is at least 1")
}

/// The threads that tasks share, counted: no more are in use than there are.
struct ThreadSemaphore {
    state: Mutex<SemaphoreState>,
    changed: Condvar,
}

struct SemaphoreState {
    free: usize,
    has_failed: bool,
}

/// The threads that a task may use; given back when this is dropped.
struct ThreadPermit<'s> {
    semaphore: &'s ThreadSemaphore,
    threads: NonZeroUsize,
}

impl ThreadSemaphore {
    fn new(jobs: NonZeroUsize) -> Self {
        Self { state: Mutex::new(SemaphoreState { free: jobs.get(), has_failed: false }), changed: Condvar::new() }
    }

    /// Waits for so many threads; `None` once a task has failed.
    fn acquire(&self, threads: NonZeroUsize) -> Option<ThreadPermit<'_>> {
        let mut state = self.lock();
        while state.free < threads.get() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.has_failed {
            return None;
        }
        state.free -= threads.get();
        Some(ThreadPermit { semaphore: self, threads })
    }

    fn lock(&self) -> MutexGuard<'_, SemaphoreState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ThreadPermit<'_> {
    fn drop(&mut self) {
        let mut state = self.semaphore.lock();
        state.free += self.threads.get();
        // A panic is a failure too, and leaves no result.
        state.has_failed |= thread::panicking();
        self.semaphore.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn jobs(jobs: usize) -> NonZeroUsize {
        NonZeroUsize::new(jobs).unwrap()
    }

    #[test]
    fn threads_are_given_in_proportion_and_never_more_than_there_are() {
        for (threads, first) in [(1, 1), (2, 1), (3, 2), (8, 6)] {
            let (busy, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let work = |number: usize, given: NonZeroUsize| {
                most.fetch_max(busy.fetch_add(given.get(), Ordering::SeqCst) + given.get(), Ordering::SeqCst);
                thread::yield_now();
                busy.fetch_sub(given.get(), Ordering::SeqCst);
                (number, given.get())
            };
            let done = side_by_side(jobs(threads), &[70, 10, 0, 10, 10], ControlFlow::Continue, work, |_| false);
            assert_eq!(done, [(0, first), (1, 1), (2, 1), (3, 1), (4, 1)], "{threads}");
            assert!(most.into_inner() <= threads);
        }
        let work = |number, _| number;
        assert_eq!(side_by_side(jobs(2), &[0, 0], ControlFlow::Continue, work, |_| false), [0, 1]);
        assert!(side_by_side(jobs(2), &[], ControlFlow::Continue, work, |_| false).is_empty());
    }

    #[test]
    fn the_first_failure_is_the_same_for_any_number_of_threads() {
        for threads in [1, 2, 8] {
            let done = side_by_side(jobs(threads), &[1; 20], ControlFlow::Continue, |n, _| n, |number| number % 3 == 2);
            assert_eq!(done[..3], [0, 1, 2], "{threads}");
            assert!(threads > 1 || done.len() == 3, "{done:?}");
        }
    }

    #[test]
    fn nothing_begins_after_a_task_that_could_not() {
        for threads in [1, 2, 8] {
            let begin = |number| match number {
                0 | 1 => ControlFlow::Continue(number),
                2 => ControlFlow::Break(12),
                _ => unreachable!("task {number} is begun"),
            };
            assert_eq!(side_by_side(jobs(threads), &[1; 5], begin, |n, _| n, |_| false), [0, 1, 12], "{threads}");
        }
    }

    #[test]
    fn tasks_run_side_by_side() {
        let meeting = std::sync::Barrier::new(2);
        let meet = |number, _| {
            meeting.wait();
            number
        };
        assert_eq!(side_by_side(jobs(2), &[1, 1], ControlFlow::Continue, meet, |_| false), [0, 1]);
    }
}
