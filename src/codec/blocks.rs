//! Fixed blocks of input, each encoded on its own by a [`Crew`].
//!
//! The caller's thread cuts blocks and writes results; it encodes none itself unless there is but one block or one thread.

use std::io::{self, Write};
use std::mem;
use std::num::NonZeroUsize;

use super::crew::{BlockWork, Crew, Job};
use crate::stream::finish::Finish;

/// A format that encodes each block into bytes that can be decoded without any other block. The outcome of the work is how
/// many bytes it wrote.
pub(super) trait BlockFormat: BlockWork<Outcome = usize> {
    /// Plain bytes in every block but the last.
    const BLOCK: usize;
}

/// A writer that encodes every `F::BLOCK` bytes on their own. Empty input is one empty block.
pub(super) struct BlockWriter<W, F: BlockFormat> {
    inner: W,
    filling: Job<usize>,
    crew: Crew<F>,
    /// Used where a thread would not pay.
    local: Option<F::State>,
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
        let state = self.local.get_or_insert_with(|| self.crew.work.state());
        self.filling.work::<F>(state);
        write(&mut self.inner, &mut self.filling)
    }

    fn write_oldest(&mut self) -> io::Result<Job<usize>> {
        let mut job = self.crew.receive()?;
        write(&mut self.inner, &mut job)?;
        Ok(job)
    }
}

/// Writes what `job` was encoded to, and empties its block for another.
fn write<W: Write>(inner: &mut W, job: &mut Job<usize>) -> io::Result<()> {
    job.block.clear();
    inner.write_all(&job.out[..job.outcome])
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
    }

    impl BlockWork for Bars {
        const NAME: &'static str = "bars";
        type State = Encoder;
        type Outcome = usize;

        fn state(self) -> Encoder {
            self.alive.fetch_add(1, Ordering::SeqCst);
            Encoder(self.alive)
        }

        fn work(_: &mut Encoder, block: &[u8], out: &mut Vec<u8>) -> usize {
            assert!(!block.contains(&b'!'), "a panic that a test asked for");
            if block.contains(&b'a') {
                std::thread::sleep(std::time::Duration::from_millis(5));
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
            assert_eq!(writer.crew.started(), threads, "after {input}");
        }
    }

    #[test]
    fn a_writer_dropped_unfinished_leaves_no_thread() {
        static ALIVE: AtomicUsize = AtomicUsize::new(0);
        let mut writer = writer(3, &ALIVE);
        writer.write_all(&[b'a'; 60]).unwrap();
        assert_ne!(writer.crew.started(), 0);
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
            assert_eq!(error.to_string(), "bars: a thread panicked");
        }
        assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
    }
}
