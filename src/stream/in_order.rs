//! Tasks that threads work on side by side while their results are handed over one after the other, as for a file that is
//! written from its beginning to its end.
//!
//! ```text
//! caller:   hand over what is done, in order ─▶ add tasks while there is room for them ─▶ wait
//! workers:  take the first task that no thread has ─▶ put its result in its place
//! ```

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};

/// The memory that a task takes, and then its result, until that is handed over.
pub(crate) trait Weight {
    /// Bytes; of a task those of the largest result that it can have.
    fn weight(&self) -> u64;
}

/// Does `work` for all `tasks` on `jobs` threads, and hands the results to `take` in the order of the tasks, on the caller's
/// thread; with one job that does the work too. Tasks and results that wait weigh `limit` at most, or there is but one.
///
/// # Errors
/// That of the first task that failed, or of `take`; then no more tasks are begun.
pub(crate) fn in_order<T: Weight + Send, R: Weight + Send, E: Send>(
    jobs: NonZeroUsize,
    tasks: impl IntoIterator<Item = T>,
    limit: u64,
    work: impl Fn(T) -> Result<R, E> + Sync,
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let mut tasks = tasks.into_iter().peekable();
    let wanted = if jobs.get() > 1 { jobs.get() } else { 0 };
    let (shared, mut workers) = (Queue::new(), 0);
    thread::scope(|scope| {
        let _end = EndGuard { shared: &shared, always: true };
        loop {
            let mut state = shared.lock();
            if let Some(result) = state.pop_result() {
                drop(state);
                take(result?)?;
            } else if let Some(task) = tasks.next_if(|task| state.has_room(task, limit)) {
                if workers < wanted && Builder::new().spawn_scoped(scope, || shared.work(&work)).is_ok() {
                    workers += 1;
                }
                // Where the system gives no thread, the caller's does the work.
                if workers > 0 {
                    state.push(task);
                    shared.changed.notify_all();
                } else {
                    drop(state);
                    take(work(task)?)?;
                }
            } else if state.results.is_empty() {
                return Ok(());
            } else {
                assert!(!state.has_panicked, "a thread panicked");
                drop(shared.wait(state));
            }
        }
    })
}

/// The tasks and results of all threads, and a signal for every change of them.
struct Queue<T, R, E> {
    state: Mutex<QueueState<T, R, E>>,
    changed: Condvar,
}

struct QueueState<T, R, E> {
    /// Tasks that no thread has taken, and their numbers.
    tasks: VecDeque<(usize, T)>,
    /// Results from that of the task `taken` on; `None` for what is not done.
    results: VecDeque<Option<Result<R, E>>>,
    /// Results that were handed over.
    taken: usize,
    /// The weight of all tasks and results that were not handed over.
    weight: u64,
    /// No more tasks are begun.
    has_ended: bool,
    /// A task will have no result.
    has_panicked: bool,
}

impl<T: Weight, R: Weight, E> QueueState<T, R, E> {
    fn has_room(&self, task: &T, limit: u64) -> bool {
        self.results.is_empty() || self.weight + task.weight() <= limit
    }

    fn push(&mut self, task: T) {
        self.weight += task.weight();
        self.tasks.push_back((self.taken + self.results.len(), task));
        self.results.push_back(None);
    }

    /// Puts `result`, of a task of this weight, in its place.
    fn put(&mut self, number: usize, weight: u64, result: Result<R, E>) {
        self.has_ended |= result.is_err();
        self.weight -= weight;
        self.weight += weight_of(&result);
        let place = number - self.taken;
        self.results[place] = Some(result);
    }

    /// The next result to be handed over, if it is there.
    fn pop_result(&mut self) -> Option<Result<R, E>> {
        let result = self.results.front_mut()?.take()?;
        self.results.pop_front();
        self.weight -= weight_of(&result);
        self.taken += 1;
        Some(result)
    }
}

fn weight_of<R: Weight, E>(result: &Result<R, E>) -> u64 {
    result.as_ref().map_or(0, R::weight)
}

impl<T: Weight, R: Weight, E> Queue<T, R, E> {
    fn new() -> Self {
        let (tasks, results) = (VecDeque::new(), VecDeque::new());
        let state = QueueState { tasks, results, taken: 0, weight: 0, has_ended: false, has_panicked: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Takes tasks until no more are begun.
    fn work(&self, work: impl Fn(T) -> Result<R, E>) {
        let _end = EndGuard { shared: self, always: false };
        let mut state = self.lock();
        while !state.has_ended {
            if let Some((number, task)) = state.tasks.pop_front() {
                drop(state);
                let weight = task.weight();
                let result = work(task);
                state = self.lock();
                state.put(number, weight, result);
                self.changed.notify_all();
            } else {
                state = self.wait(state);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState<T, R, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, QueueState<T, R, E>>) -> MutexGuard<'a, QueueState<T, R, E>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets no more tasks begin once it is dropped: `always`, or by a panic.
struct EndGuard<'a, T: Weight, R: Weight, E> {
    shared: &'a Queue<T, R, E>,
    always: bool,
}

impl<T: Weight, R: Weight, E> Drop for EndGuard<'_, T, R, E> {
    fn drop(&mut self) {
        let has_panicked = thread::panicking();
        if self.always || has_panicked {
            let mut state = self.shared.lock();
            state.has_ended = true;
            state.has_panicked |= has_panicked;
            self.shared.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    impl Weight for u32 {
        fn weight(&self) -> u64 {
            1
        }
    }

    fn jobs(jobs: usize) -> NonZeroUsize {
        NonZeroUsize::new(jobs).unwrap()
    }

    fn doubled(n: u32) -> Result<u32, String> {
        if n == 13 { Err(format!("bad {n}")) } else { Ok(n * 2) }
    }

    #[test]
    fn results_are_handed_over_in_order_and_few_wait() {
        for threads in [1, 2, 8] {
            for limit in [0, 3, 1000] {
                let (begun, mut taken) = (AtomicUsize::new(0), Vec::new());
                let work = |n| {
                    begun.fetch_add(1, Ordering::SeqCst);
                    // The earlier of two takes longer.
                    thread::sleep(Duration::from_millis(u64::from(n % 2)));
                    doubled(n)
                };
                let take = |result| {
                    let waiting = begun.load(Ordering::SeqCst) - taken.len();
                    assert!(waiting as u64 <= limit.max(1), "{threads} threads, {limit}: {waiting}");
                    taken.push(result);
                    Ok(())
                };
                in_order(jobs(threads), 15..35, limit, work, take).unwrap();
                assert_eq!(taken, (30..70).step_by(2).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_task_is_begun_while_the_first_is_worked_on() {
        let (send, receive) = std::sync::mpsc::channel();
        let receive = Mutex::new(receive);
        let work = |n: u32| {
            match n {
                0 => receive.lock().unwrap().recv_timeout(Duration::from_secs(60)).expect("the last one is begun"),
                40 => send.send(()).unwrap(),
                _ => {}
            }
            Ok::<u32, ()>(n)
        };
        in_order(jobs(2), 0..=40, 41, work, |_| Ok(())).unwrap();
    }

    #[test]
    fn the_first_failure_ends_the_work() {
        for threads in [1, 2, 8] {
            let mut taken = Vec::new();
            let mut run = |tasks: &[u32], last| {
                taken.clear();
                let take = |result| {
                    taken.push(result);
                    if result == last { Err("enough".to_owned()) } else { Ok(()) }
                };
                let ended = in_order(jobs(threads), tasks.iter().copied(), 4, doubled, take);
                (ended.unwrap_err(), taken.clone())
            };
            assert_eq!(run(&[1, 2, 13, 3, 13], 0), ("bad 13".to_owned(), vec![2, 4]));
            assert_eq!(run(&(14..1000).collect::<Vec<_>>(), 30), ("enough".to_owned(), vec![28, 30]));
        }
    }

    #[test]
    fn after_a_panic_nobody_waits() {
        for threads in [1, 2, 8] {
            let work = |n: u32| if n == 5 { panic!("a panic that a test asked for") } else { Ok::<u32, ()>(n) };
            let run = || in_order(jobs(threads), 0..100, 8, work, |_| Ok(()));
            assert!(std::panic::catch_unwind(run).is_err(), "{threads}");
        }
    }
}
