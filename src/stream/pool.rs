//! Independent tasks on a few threads, the caller's among them; results come back in the order of the tasks.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};

/// What all threads of a pool share; lives outside the thread scope that works on it.
pub struct Tasks<T, R, E> {
    tasks: Vec<T>,
    next: AtomicUsize,
    failed: AtomicBool,
    done: Mutex<Vec<Option<Result<R, E>>>>,
}

impl<T: Sync, R: Send, E: Send> Tasks<T, R, E> {
    /// Nothing done yet.
    pub fn new(tasks: Vec<T>) -> Self {
        let done = Mutex::new(tasks.iter().map(|_| None).collect());
        Self { tasks, next: AtomicUsize::new(0), failed: AtomicBool::new(false), done }
    }

    /// Starts work in the background on one thread fewer than `jobs`; the last one joins in at [`Pool::finish`].
    pub fn start<'scope, W>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        jobs: NonZeroUsize,
        work: W,
    ) -> Pool<'scope, T, R, E, W>
    where
        W: Fn(&T) -> Result<R, E> + Copy + Send + 'scope,
    {
        let workers = (jobs.get() - 1).min(self.tasks.len());
        // Where the system gives no more threads, fewer do the work.
        let start = |_| thread::Builder::new().spawn_scoped(scope, move || self.work(work)).ok();
        let handles = (0..workers).map_while(start).collect();
        Pool { tasks: self, handles, work }
    }

    /// The tasks themselves, when all is done.
    pub fn into_tasks(self) -> Vec<T> {
        self.tasks
    }

    /// Takes tasks until there are none or one has failed.
    fn work(&self, work: impl Fn(&T) -> Result<R, E>) {
        while !self.failed.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = self.tasks.get(index) else { return };
            let result = work(task);
            if result.is_err() {
                self.failed.store(true, Ordering::Relaxed);
            }
            self.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[index] = Some(result);
        }
    }
}

/// Tasks under way.
pub struct Pool<'scope, T, R, E, W> {
    tasks: &'scope Tasks<T, R, E>,
    handles: Vec<ScopedJoinHandle<'scope, ()>>,
    work: W,
}

impl<T: Sync, R: Send, E: Send, W: Fn(&T) -> Result<R, E>> Pool<'_, T, R, E, W> {
    /// Takes no more tasks: the error of one that failed already, if any.
    pub fn abandon(self) -> Option<E> {
        self.tasks.failed.store(true, Ordering::Relaxed);
        self.finish().err()
    }

    /// Works along until all is done: the results in order, or the error of the first task that failed.
    ///
    /// # Errors
    /// That of a task.
    pub fn finish(self) -> Result<Vec<R>, E> {
        self.tasks.work(self.work);
        for handle in self.handles {
            if let Err(panic) = handle.join() {
                std::panic::resume_unwind(panic);
            }
        }
        let mut done = self.tasks.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut results = Vec::with_capacity(done.len());
        for result in done.drain(..).flatten() {
            results.push(result?);
        }
        Ok(results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn run(jobs: usize, tasks: Vec<u32>) -> Result<Vec<u32>, String> {
        let tasks = Tasks::new(tasks);
        thread::scope(|scope| {
            tasks
                .start(scope, NonZeroUsize::new(jobs).unwrap(), |&n| {
                    if n == 13 { Err(format!("bad {n}")) } else { Ok(n * 2) }
                })
                .finish()
        })
    }

    #[test]
    fn results_come_in_the_order_of_the_tasks_for_any_number_of_threads() {
        for jobs in [1, 2, 8] {
            assert_eq!(run(jobs, (0..10).collect()).unwrap(), (0..20).step_by(2).collect::<Vec<_>>());
            assert!(run(jobs, vec![]).unwrap().is_empty());
        }
    }

    #[test]
    fn a_failure_is_reported() {
        for jobs in [1, 2, 8] {
            assert_eq!(run(jobs, vec![1, 13, 2]).unwrap_err(), "bad 13");
        }
    }
}
