//! Fixed blocks of input, each encoded on its own, by as many threads as there are and in their order.
//!
//! Block `i` goes to thread `i % n` and its result is fetched from there, so order needs no book-keeping. The caller's
//! thread cuts blocks and writes results; it encodes none itself unless there is but one block or one thread. Buffers
//! travel in a circle: [`PER_THREAD`] of them for each thread, and when all are on their way the caller waits for the
//! oldest, which is the backpressure. A thread is started when the first block for it is full.

use std::io::{self, Write};
use std::mem;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::stream::finish::Finish;

/// Buffers for each thread: one being encoded, one waiting to be encoded or written.
const PER_THREAD: usize = 2;

/// A format that encodes each block into bytes that can be decoded without any other block.
pub(super) trait BlockFormat: Copy + Send + 'static {
    /// Plain bytes in every block but the last.
    const BLOCK: usize;
    /// The name of its threads.
    const NAME: &'static str;
    /// The state that a thread keeps from block to block; never any input.
    type Encoder;

    /// A new encoder, made by the thread that uses it.
    fn encoder(self) -> Self::Encoder;

    /// Encodes `block` to the beginning of `out`, which grows as needed; returns how many bytes.
    fn encode(encoder: &mut Self::Encoder, block: &[u8], out: &mut Vec<u8>) -> usize;
}

/// One block on its way. Its buffers are used again for a later one.
#[derive(Default)]
struct Job {
    block: Vec<u8>,
    out: Vec<u8>,
    /// Bytes at the beginning of `out` that count.
    encoded: usize,
}

impl Job {
    fn encode<F: BlockFormat>(&mut self, encoder: &mut F::Encoder) {
        self.encoded = F::encode(encoder, &self.block, &mut self.out);
        self.block.clear();
    }
}

/// A writer that encodes every `F::BLOCK` bytes on their own. Empty input is one empty block.
pub(super) struct BlockWriter<W, F: BlockFormat> {
    inner: W,
    filling: Job,
    crew: Crew<F>,
    /// Used where a thread would not pay.
    local: Option<F::Encoder>,
    began: bool,
}

impl<W: Write, F: BlockFormat> BlockWriter<W, F> {
    pub(super) fn new(format: F, inner: W, threads: NonZeroUsize) -> Self {
        Self { inner, filling: Job::default(), crew: Crew::new(format, threads), local: None, began: false }
    }

    /// Encodes the block in hand, which is full.
    fn pass_on(&mut self) -> io::Result<()> {
        self.began = true;
        if self.crew.threads == 1 {
            return self.encode_here();
        }
        let next = if self.crew.is_full() { self.write_oldest()? } else { Job::default() };
        self.crew.send(mem::replace(&mut self.filling, next))
    }

    fn encode_here(&mut self) -> io::Result<()> {
        let encoder = self.local.get_or_insert_with(|| self.crew.format.encoder());
        self.filling.encode::<F>(encoder);
        self.inner.write_all(&self.filling.out[..self.filling.encoded])
    }

    fn write_oldest(&mut self) -> io::Result<Job> {
        let job = self.crew.receive()?;
        self.inner.write_all(&job.out[..job.encoded])?;
        Ok(job)
    }
}

impl<W: Write, F: BlockFormat> Write for BlockWriter<W, F> {
    /// Takes at most what is left of one block.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Only when more comes: the last block is then always in hand when `finish` is called.
        if self.filling.block.len() == F::BLOCK && !bytes.is_empty() {
            self.pass_on()?;
        }
        let block = &mut self.filling.block;
        block.reserve_exact(F::BLOCK - block.len());
        let taken = bytes.len().min(F::BLOCK - block.len());
        block.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write, F: BlockFormat> Finish for BlockWriter<W, F> {
    type Output = W;

    fn finish(mut self) -> io::Result<W> {
        if self.began {
            self.pass_on()?;
        } else {
            self.encode_here()?;
        }
        while !self.crew.is_idle() {
            self.write_oldest()?;
        }
        Ok(self.inner)
    }
}

/// The threads, and which blocks are with them.
struct Crew<F> {
    format: F,
    threads: usize,
    workers: Vec<Worker>,
    /// Blocks sent and received since the beginning.
    sent: usize,
    received: usize,
}

impl<F: BlockFormat> Crew<F> {
    fn new(format: F, threads: NonZeroUsize) -> Self {
        Self { format, threads: threads.get(), workers: Vec::new(), sent: 0, received: 0 }
    }

    fn is_full(&self) -> bool {
        self.sent - self.received == self.threads * PER_THREAD
    }

    fn is_idle(&self) -> bool {
        self.sent == self.received
    }

    /// Never waits: a crew that is not full has room in the queue of its next worker.
    fn send(&mut self, job: Job) -> io::Result<()> {
        let index = self.sent % self.threads;
        if index == self.workers.len() {
            self.workers.push(Worker::start(self.format)?);
        }
        self.sent += 1;
        self.workers[index].send(job).ok_or_else(died::<F>)
    }

    /// Waits for the oldest block.
    fn receive(&mut self) -> io::Result<Job> {
        let index = self.received % self.threads;
        self.received += 1;
        self.workers[index].done.recv().map_err(|_| died::<F>())
    }
}

fn died<F: BlockFormat>() -> io::Error {
    io::Error::other(format!("{}: a compression thread panicked", F::NAME))
}

/// One thread. Dropping it waits until the thread has ended, which takes no longer than the blocks it was sent.
struct Worker {
    jobs: Option<SyncSender<Job>>,
    done: Receiver<Job>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start<F: BlockFormat>(format: F) -> io::Result<Self> {
        let (jobs, inbox) = sync_channel::<Job>(PER_THREAD);
        let (outbox, done) = sync_channel(PER_THREAD);
        let thread = thread::Builder::new().name(F::NAME.into()).spawn(move || {
            let mut encoder = format.encoder();
            for mut job in inbox {
                job.encode::<F>(&mut encoder);
                if outbox.send(job).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { jobs: Some(jobs), done, thread: Some(thread) })
    }

    fn send(&self, job: Job) -> Option<()> {
        self.jobs.as_ref()?.send(job).ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported when its block was missed; here only the end of the thread matters.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Blocks of four bytes, each followed by a bar; those with `a` take long, those with `!` are too much.
    #[derive(Clone, Copy)]
    struct Bars {
        /// Encoders that are alive: one for each thread that is.
        alive: &'static AtomicUsize,
    }

    struct Encoder(&'static AtomicUsize);

    impl Drop for Encoder {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    impl BlockFormat for Bars {
        const BLOCK: usize = 4;
        const NAME: &'static str = "bars";
        type Encoder = Encoder;

        fn encoder(self) -> Encoder {
            self.alive.fetch_add(1, Ordering::SeqCst);
            Encoder(self.alive)
        }

        fn encode(_: &mut Encoder, block: &[u8], out: &mut Vec<u8>) -> usize {
            assert!(!block.contains(&b'!'), "a panic that a test asked for");
            if block.contains(&b'a') {
                thread::sleep(std::time::Duration::from_millis(5));
            }
            out.clear();
            out.extend_from_slice(block);
            out.push(b'|');
            out.len()
        }
    }

    fn writer(threads: usize, alive: &'static AtomicUsize) -> BlockWriter<Vec<u8>, Bars> {
        BlockWriter::new(Bars { alive }, Vec::new(), NonZeroUsize::new(threads).unwrap())
    }

    #[test]
    fn blocks_come_out_whole_and_in_order() {
        static ALIVE: AtomicUsize = AtomicUsize::new(0);
        for threads in [1, 2, 3, 8] {
            for (input, expected) in [
                ("", "|"),
                ("abc", "abc|"),
                ("abcd", "abcd|"),
                ("abcde", "abcd|e|"),
                ("abcdefghijklmnopqrstuvwxyzabcdefghijklmn", "abcd|efgh|ijkl|mnop|qrst|uvwx|yzab|cdef|ghij|klmn|"),
            ] {
                let mut writer = writer(threads, &ALIVE);
                writer.write_all(input.as_bytes()).unwrap();
                assert_eq!(String::from_utf8(writer.finish().unwrap()).unwrap(), expected);
            }
        }
        assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_thread_starts_when_there_is_work_for_it() {
        static ALIVE: AtomicUsize = AtomicUsize::new(0);
        let mut writer = writer(2, &ALIVE);
        for (input, threads) in [("abcd", 0), ("e", 1), ("fghi", 2), ("jklmnopqrstuvwxyz", 2)] {
            writer.write_all(input.as_bytes()).unwrap();
            assert_eq!(writer.crew.workers.len(), threads, "after {input}");
        }
    }

    #[test]
    fn a_writer_dropped_unfinished_leaves_no_thread() {
        static ALIVE: AtomicUsize = AtomicUsize::new(0);
        let mut writer = writer(3, &ALIVE);
        writer.write_all(&[b'a'; 60]).unwrap();
        assert_ne!(writer.crew.workers.len(), 0);
        drop(writer);
        assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_panic_in_a_thread_is_an_error() {
        static ALIVE: AtomicUsize = AtomicUsize::new(0);
        for input in ["abc!e", "efgh!", "abc!efghijklmnopqrstuvwxyzefghijkl"] {
            let mut writer = writer(2, &ALIVE);
            let written = writer.write_all(input.as_bytes());
            let error = written.and_then(|()| writer.finish()).unwrap_err();
            assert_eq!(error.to_string(), "bars: a compression thread panicked");
        }
        assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
    }
}
