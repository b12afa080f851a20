//! The progress of a run: the layers being read or written, and how many of their bytes have passed.
//!
//! The library sends events, the command shows them. There is no clock here: a listener computes rates and times left.
//! Code that moves bytes holds a [`Task`], which counts them and sends at most one event for each 256 KiB; without a
//! listener it does nothing. No byte of the output depends on any of it.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes that a task counts before it sends an event: as many as are copied at once.
const CHUNK: usize = 256 << 10;

/// The work that a task does with its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum Action {
    /// The input, a stream or compressed as a whole, is laid down in a temporary file.
    Spool,
    /// A layer or blob is verified against its expected digests and size.
    Check,
    /// A layer or blob is copied as it is.
    Copy,
    /// A layer is decoded, and written in the form of the target.
    Convert,
    /// The flattened filesystem is written.
    Flatten,
}

/// The number of a task within its run: 0, 1, 2 … in the order in which they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub u64);

/// One step of a run. Tasks run side by side, but the events of each come in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum Event<'a> {
    /// More layers will have to be read than were expected before, as far as that can be known.
    Expected {
        /// Their bytes, each once.
        bytes: u64,
        /// The bytes that tasks will move for them: twice those of a layer that is both checked and copied.
        moved: u64,
    },
    /// A task begins.
    Began {
        /// The task.
        task: TaskId,
        /// The work that it does.
        action: Action,
        /// The name of its bytes in messages: the archive and the member, or the member that is written.
        label: &'a str,
        /// The number of bytes; `None` where it cannot be known in advance.
        total: Option<u64>,
    },
    /// Bytes have passed.
    Moved {
        /// The task.
        task: TaskId,
        /// The number of bytes since the last event of this task.
        bytes: u64,
    },
    /// A task is over.
    Ended {
        /// The task.
        task: TaskId,
        /// True if it is done; otherwise it was given up.
        complete: bool,
    },
}

type Listener = dyn Fn(&Event<'_>) + Send + Sync;

/// The sender of a run's progress events. Shared by all its threads, and by the parts of a run.
#[derive(Clone)]
pub struct Progress {
    listener: Option<Arc<Listener>>,
    tasks: Arc<AtomicU64>,
    /// True until a part announces the layers of its output, which were announced with those of all parts.
    is_announced: Arc<AtomicBool>,
}

impl Progress {
    /// Calls `listener` for each event, on the thread that moves the bytes: it should be quick.
    pub fn new(listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self { listener: Some(Arc::new(listener)), ..Self::silent() }
    }

    /// Sends no events.
    pub fn silent() -> Self {
        Self { listener: None, tasks: Arc::default(), is_announced: Arc::default() }
    }

    /// Returns true if there is a listener.
    pub(crate) fn is_heard(&self) -> bool {
        self.listener.is_some()
    }

    /// Returns the sender of a part of the run, whose output has been announced with those of all parts.
    pub(crate) fn of_part(&self) -> Self {
        Self { is_announced: Arc::new(AtomicBool::new(true)), ..self.clone() }
    }

    /// Announces the layers of an output, unless that was done with those of all parts of the run.
    pub(crate) fn expect_output(&self, bytes: u64, moved: u64) {
        if !self.is_announced.swap(false, Ordering::Relaxed) {
            self.expect_moved(bytes, moved);
        }
    }

    /// Announces `bytes` of layers, each of which one task moves.
    pub(crate) fn expect(&self, bytes: u64) {
        self.expect_moved(bytes, bytes);
    }

    /// Announces `bytes` of layers, for which tasks move `moved` bytes.
    pub(crate) fn expect_moved(&self, bytes: u64, moved: u64) {
        if let Some(listener) = &self.listener {
            listener(&Event::Expected { bytes, moved });
        }
    }

    /// Begins a task. It ends when it is dropped, and is given up unless it was completed before.
    pub(crate) fn begin(&self, action: Action, label: &str, total: Option<u64>) -> Task<'_> {
        let throttle = self.listener.as_deref().map(|listener| {
            let task = TaskId(self.tasks.fetch_add(1, Ordering::Relaxed));
            listener(&Event::Began { task, action, label, total });
            Throttle { listener, task, gathered: 0, complete: false }
        });
        Task(throttle)
    }
}

/// Some bytes on their way.
pub(crate) struct Task<'a>(Option<Throttle<'a>>);

struct Throttle<'a> {
    listener: &'a Listener,
    task: TaskId,
    /// Bytes since the last event.
    gathered: u64,
    complete: bool,
}

impl Task<'_> {
    /// A task without a listener.
    pub(crate) fn silent() -> Self {
        Self(None)
    }

    /// Counts `bytes` more that have passed.
    pub(crate) fn moved(&mut self, bytes: u64) {
        if let Some(throttle) = &mut self.0 {
            throttle.gathered += bytes;
            if throttle.gathered >= CHUNK as u64 {
                throttle.tell();
            }
        }
    }

    /// Declares that all has passed.
    pub(crate) fn complete(&mut self) {
        if let Some(throttle) = &mut self.0 {
            throttle.complete = true;
        }
    }
}

impl Throttle<'_> {
    fn tell(&mut self) {
        let bytes = std::mem::take(&mut self.gathered);
        if bytes > 0 {
            (self.listener)(&Event::Moved { task: self.task, bytes });
        }
    }
}

impl Drop for Throttle<'_> {
    fn drop(&mut self) {
        self.tell();
        (self.listener)(&Event::Ended { task: self.task, complete: self.complete });
    }
}

/// A reader whose bytes are those of a task, which is complete when the end has been found.
pub(crate) struct ProgressReader<'a, R> {
    inner: R,
    task: Task<'a>,
}

impl<'a, R: Read> ProgressReader<'a, R> {
    /// Counts the bytes read from `inner` for `task`.
    pub(crate) fn new(inner: R, task: Task<'a>) -> Self {
        Self { inner, task }
    }
}

impl<R: Read> Read for ProgressReader<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.task.moved(read as u64);
        if read == 0 && !buf.is_empty() {
            self.task.complete();
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn heard(tell: impl FnOnce(&Progress)) -> Vec<String> {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&heard);
        tell(&Progress::new(move |event| listener.lock().unwrap().push(format!("{event:?}"))));
        Arc::into_inner(heard).unwrap().into_inner().unwrap()
    }

    #[test]
    fn a_task_gathers_bytes_and_ends_when_it_is_dropped() {
        let heard = heard(|progress| {
            progress.expect(9);
            let mut task = progress.begin(Action::Copy, "a", Some(CHUNK as u64 + 2));
            task.moved(1);
            task.moved(CHUNK as u64 - 1);
            task.moved(2);
            task.complete();
            drop(task);
            drop(progress.begin(Action::Spool, "b", None));
        });
        assert_eq!(
            heard,
            [
                "Expected { bytes: 9, moved: 9 }",
                "Began { task: TaskId(0), action: Copy, label: \"a\", total: Some(262146) }",
                "Moved { task: TaskId(0), bytes: 262144 }",
                "Moved { task: TaskId(0), bytes: 2 }",
                "Ended { task: TaskId(0), complete: true }",
                "Began { task: TaskId(1), action: Spool, label: \"b\", total: None }",
                "Ended { task: TaskId(1), complete: false }",
            ]
        );
    }

    #[test]
    fn a_reader_tells_every_byte_whatever_the_size_of_the_reads() {
        let bytes = vec![7; 3 * CHUNK + 5];
        for step in [1000, CHUNK, 10 * CHUNK] {
            let moved = Arc::new(AtomicU64::new(0));
            let calls = Arc::new(AtomicU64::new(0));
            let (sum, count) = (Arc::clone(&moved), Arc::clone(&calls));
            let progress = Progress::new(move |event| {
                if let Event::Moved { bytes, .. } = event {
                    sum.fetch_add(*bytes, Ordering::Relaxed);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
            let mut reader = ProgressReader::new(&bytes[..], progress.begin(Action::Check, "a", None));
            let mut buffer = vec![0; step];
            while reader.read(&mut buffer).unwrap() > 0 {}
            drop(reader);
            assert_eq!(moved.load(Ordering::Relaxed), bytes.len() as u64);
            assert!(calls.load(Ordering::Relaxed) <= 4, "{step}");
        }
    }

    #[test]
    fn the_output_of_a_part_is_announced_with_the_whole() {
        let heard = heard(|progress| {
            progress.expect_moved(3, 6);
            for part in [progress.of_part(), progress.of_part()] {
                part.expect_output(1, 2);
                part.expect(1);
                part.expect_output(2, 4);
            }
        });
        let of_part = ["Expected { bytes: 1, moved: 1 }", "Expected { bytes: 2, moved: 4 }"];
        assert_eq!(heard[0], "Expected { bytes: 3, moved: 6 }");
        assert_eq!(heard[1..], [of_part, of_part].concat());
    }

    #[test]
    fn nobody_hears_a_silent_run() {
        let progress = Progress::silent();
        progress.expect(1);
        let mut task = progress.begin(Action::Check, "a", None);
        task.moved(1 << 40);
        assert!(task.0.is_none());
    }
}
