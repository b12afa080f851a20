//! Independent tasks on a few threads, the caller's among them: the heaviest first, results in the order of the tasks.
//!
//! ```text
//! caller:   add ─▶ [waiting, heaviest on top] ─▶ workers      one thread fewer than there are jobs
//!           finish: no more to come, takes tasks itself, waits for the workers
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};

/// Does `work` for all `tasks` on up to `jobs` threads, those that `weigh` most first: the results in order.
///
/// # Errors
/// That of the first task that failed; then no more are begun.
pub(crate) fn for_all<T: Send, R: Send, E: Send>(
    jobs: NonZeroUsize,
    tasks: impl IntoIterator<Item = T>,
    weigh: impl Fn(&T) -> u64,
    work: impl Fn(T) -> Result<R, E> + Copy + Send,
) -> Result<Vec<R>, E> {
    let shared = Tasks::new();
    thread::scope(|scope| {
        let mut pool = shared.start(scope, jobs, work);
        for task in tasks {
            pool.add(weigh(&task), task);
        }
        pool.finish()
    })
}

/// The state that all threads of a pool share; lives outside their thread scope.
pub(crate) struct Tasks<T, R, E> {
    state: Mutex<PoolState<T, R, E>>,
    changed: Condvar,
}

struct PoolState<T, R, E> {
    waiting: BinaryHeap<Waiting<T>>,
    /// By number; `None` for what is not done.
    done: Vec<Option<Result<R, E>>>,
    /// No more tasks will be added.
    closed: bool,
}

/// A task that no thread has taken yet.
struct Waiting<T> {
    weight: u64,
    number: usize,
    task: T,
}

impl<T> Waiting<T> {
    fn rank(&self) -> (u64, Reverse<usize>) {
        (self.weight, Reverse(self.number))
    }
}

impl<T> PartialEq for Waiting<T> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl<T> Eq for Waiting<T> {}

impl<T> PartialOrd for Waiting<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Waiting<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl<T: Send, R: Send, E: Send> Tasks<T, R, E> {
    /// Nothing to do yet.
    pub(crate) fn new() -> Self {
        let state = PoolState { waiting: BinaryHeap::new(), done: Vec::new(), closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// A pool of up to `jobs` threads; the last of them is the caller's, which joins in at [`Pool::finish`].
    pub(crate) fn start<'scope, 'env, W>(
        &'scope self,
        scope: &'scope Scope<'scope, 'env>,
        jobs: NonZeroUsize,
        work: W,
    ) -> Pool<'scope, 'env, T, R, E, W>
    where
        W: Fn(T) -> Result<R, E> + Copy + Send + 'scope,
    {
        Pool { tasks: self, scope, to_start: jobs.get() - 1, workers: Vec::new(), work }
    }

    /// Takes tasks until there are none and none will come, or one has failed.
    fn work(&self, work: impl Fn(T) -> Result<R, E>) {
        while let Some((number, task)) = self.next() {
            let result = work(task);
            let mut state = self.lock();
            if result.is_err() {
                state.give_up();
                self.changed.notify_all();
            }
            state.done[number] = Some(result);
        }
    }

    fn next(&self) -> Option<(usize, T)> {
        let mut state = self.lock();
        loop {
            if let Some(next) = state.waiting.pop() {
                return Some((next.number, next.task));
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, PoolState<T, R, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, R, E> PoolState<T, R, E> {
    fn give_up(&mut self) {
        self.closed = true;
        self.waiting.clear();
    }
}

/// Tasks under way. Dropped unfinished, it begins no more.
pub(crate) struct Pool<'scope, 'env, T: Send, R: Send, E: Send, W> {
    tasks: &'scope Tasks<T, R, E>,
    scope: &'scope Scope<'scope, 'env>,
    /// Threads that may yet be started.
    to_start: usize,
    workers: Vec<ScopedJoinHandle<'scope, ()>>,
    work: W,
}

impl<'scope, T, R, E, W> Pool<'scope, '_, T, R, E, W>
where
    T: Send,
    R: Send,
    E: Send,
    W: Fn(T) -> Result<R, E> + Copy + Send + 'scope,
{
    /// Adds a task, and a thread for it while the limit allows one more. After a failure no thread takes it.
    pub(crate) fn add(&mut self, weight: u64, task: T) {
        {
            let mut state = self.tasks.lock();
            let number = state.done.len();
            state.done.push(None);
            if !state.closed {
                state.waiting.push(Waiting { weight, number, task });
            }
        }
        self.tasks.changed.notify_one();
        if self.to_start > 0 {
            let (tasks, work) = (self.tasks, self.work);
            // Where the system gives no more threads, fewer do the work.
            self.workers.extend(thread::Builder::new().spawn_scoped(self.scope, move || tasks.work(work)));
            self.to_start -= 1;
        }
    }

    /// Begins no more tasks: the error of one that failed already, if any.
    pub(crate) fn abandon(self) -> Option<E> {
        self.tasks.lock().give_up();
        self.finish().err()
    }

    /// Works along until all is done: the results in the order of the tasks, or the error of the first that failed.
    ///
    /// # Errors
    /// That of a task.
    pub(crate) fn finish(mut self) -> Result<Vec<R>, E> {
        self.close();
        self.tasks.work(self.work);
        for worker in self.workers.drain(..) {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
        let mut state = self.tasks.lock();
        state.done.drain(..).flatten().collect()
    }
}

impl<T: Send, R: Send, E: Send, W> Pool<'_, '_, T, R, E, W> {
    fn close(&self) {
        self.tasks.lock().closed = true;
        self.tasks.changed.notify_all();
    }
}

impl<T: Send, R: Send, E: Send, W> Drop for Pool<'_, '_, T, R, E, W> {
    /// Workers that wait for more would keep the scope from ending.
    fn drop(&mut self) {
        self.tasks.lock().give_up();
        self.tasks.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(jobs: usize) -> NonZeroUsize {
        NonZeroUsize::new(jobs).unwrap()
    }

    fn doubled(n: u32) -> Result<u32, String> {
        if n == 13 { Err(format!("bad {n}")) } else { Ok(n * 2) }
    }

    #[test]
    fn results_come_in_the_order_of_the_tasks_for_any_number_of_threads() {
        for threads in [1, 2, 8] {
            let results = for_all(jobs(threads), 0..10, |&n| u64::from(n % 4), doubled);
            assert_eq!(results.unwrap(), (0..20).step_by(2).collect::<Vec<_>>());
            assert!(for_all(jobs(threads), [], |_| 0, doubled).unwrap().is_empty());
        }
    }

    #[test]
    fn the_heaviest_is_taken_first_and_of_equals_the_first() {
        let taken = Mutex::new(Vec::new());
        let take = |n| -> Result<(), ()> {
            taken.lock().unwrap().push(n);
            Ok(())
        };
        for_all(jobs(1), [21, 50, 20, 30], |n| n / 10, take).unwrap();
        assert_eq!(*taken.lock().unwrap(), [50, 30, 21, 20]);
    }

    #[test]
    fn a_failure_is_reported_and_ends_the_work() {
        for threads in [1, 2, 8] {
            assert_eq!(for_all(jobs(threads), [1, 13, 2], |_| 0, doubled).unwrap_err(), "bad 13");
        }
        let tasks = Tasks::new();
        thread::scope(|scope| {
            let mut pool = tasks.start(scope, jobs(1), doubled);
            pool.add(0, 13);
            assert_eq!(pool.abandon(), None, "nobody had begun it");
        });
    }

    #[test]
    fn tasks_are_taken_while_more_are_added() {
        let tasks = Tasks::new();
        let (sender, receiver) = std::sync::mpsc::channel();
        let work = |n| {
            sender.send(n).unwrap();
            Ok::<u32, ()>(n)
        };
        thread::scope(|scope| {
            let mut pool = tasks.start(scope, jobs(2), &work);
            for n in 0..3 {
                pool.add(0, n);
                assert_eq!(receiver.recv().unwrap(), n);
            }
            assert_eq!(pool.finish().unwrap(), [0, 1, 2]);
        });
    }

    #[test]
    fn a_pool_that_is_dropped_lets_its_scope_end() {
        let tasks = Tasks::new();
        thread::scope(|scope| tasks.start(scope, jobs(3), doubled).add(0, 1));
    }
}
