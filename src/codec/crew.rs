//! Blocks that need nothing of each other, worked by as many threads as there are and given back in their order.
//!
//! Block `i` goes to thread `i % n` and its result is fetched from there, so order needs no book-keeping. Buffers travel in
//! a circle: [`PER_THREAD`] of them for each thread, and when all are on their way the caller waits for the oldest, which
//! is the backpressure. A thread is started when the first block for it is there.

use std::io;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Buffers for each thread: one being worked, one waiting to be worked or fetched.
const PER_THREAD: usize = 2;

/// The work on a block.
pub(super) trait BlockWork: Copy + Send + 'static {
    /// The name of its threads.
    const NAME: &'static str;
    /// The state that a thread keeps from block to block; never any input.
    type State;
    /// The result beside the bytes.
    type Outcome: Default + Send + 'static;

    /// A new state, made by the thread that uses it.
    fn state(self) -> Self::State;

    /// Turns `block` into bytes at the beginning of `out`, which grows as needed.
    fn work(state: &mut Self::State, block: &[u8], out: &mut Vec<u8>) -> Self::Outcome;
}

/// One block on its way. Its buffers are used again for a later one.
#[derive(Default)]
pub(super) struct Job<O> {
    pub(super) block: Vec<u8>,
    pub(super) out: Vec<u8>,
    pub(super) outcome: O,
}

impl<O> Job<O> {
    pub(super) fn work<F: BlockWork<Outcome = O>>(&mut self, state: &mut F::State) {
        self.outcome = F::work(state, &self.block, &mut self.out);
    }
}

/// The threads, and which blocks are with them.
pub(super) struct Crew<F: BlockWork> {
    pub(super) work: F,
    pub(super) threads: usize,
    workers: Vec<Worker<F::Outcome>>,
    /// Blocks sent and received since the beginning.
    sent: usize,
    received: usize,
}

impl<F: BlockWork> Crew<F> {
    pub(super) fn new(work: F, threads: NonZeroUsize) -> Self {
        Self { work, threads: threads.get(), workers: Vec::new(), sent: 0, received: 0 }
    }

    /// Threads that have been started.
    #[cfg(test)]
    pub(super) fn started(&self) -> usize {
        self.workers.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.sent - self.received == self.threads * PER_THREAD
    }

    pub(super) fn is_idle(&self) -> bool {
        self.sent == self.received
    }

    /// Never waits: a crew that is not full has room in the queue of its next worker.
    pub(super) fn send(&mut self, job: Job<F::Outcome>) -> io::Result<()> {
        let index = self.sent % self.threads;
        if index == self.workers.len() {
            self.workers.push(Worker::start(self.work)?);
        }
        self.sent += 1;
        self.workers[index].send(job).ok_or_else(died::<F>)
    }

    /// Waits for the oldest block.
    pub(super) fn receive(&mut self) -> io::Result<Job<F::Outcome>> {
        let index = self.received % self.threads;
        self.received += 1;
        self.workers[index].done.recv().map_err(|_| died::<F>())
    }
}

fn died<F: BlockWork>() -> io::Error {
    io::Error::other(format!("{}: a thread panicked", F::NAME))
}

/// One thread. Dropping it waits until the thread has ended, which takes no longer than the blocks it was sent.
struct Worker<O> {
    jobs: Option<SyncSender<Job<O>>>,
    done: Receiver<Job<O>>,
    thread: Option<JoinHandle<()>>,
}

impl<O: Send + 'static> Worker<O> {
    fn start<F: BlockWork<Outcome = O>>(work: F) -> io::Result<Self> {
        let (jobs, inbox) = sync_channel::<Job<O>>(PER_THREAD);
        let (outbox, done) = sync_channel(PER_THREAD);
        let thread = thread::Builder::new().name(F::NAME.into()).spawn(move || {
            let mut state = work.state();
            for mut job in inbox {
                job.work::<F>(&mut state);
                if outbox.send(job).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { jobs: Some(jobs), done, thread: Some(thread) })
    }

    fn send(&self, job: Job<O>) -> Option<()> {
        self.jobs.as_ref()?.send(job).ok()
    }
}

impl<O> Drop for Worker<O> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported when its block was missed; here only the end of the thread matters.
            let _ = thread.join();
        }
    }
}
