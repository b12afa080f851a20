//! A costly reader on a thread of its own.
//!
//! ```text
//! worker:   reader ── fills ──▶ [full: at most DEPTH] ──▶ Ahead::read     consumer
//!              ▲                                              │
//!              └───────────── [spare buffers] ◀───────────────┘
//! ```
//!
//! There are `DEPTH + 1` buffers and no more: when the consumer is slow the worker waits for a spare one. Reading ahead
//! never changes what is read, only when.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Scope, ScopedJoinHandle};

use super::copy::{CHUNK, read_some};

/// Buffers that may be full at a time.
const DEPTH: usize = 3;

/// A message from a worker: a filled buffer, or the end of its reader and whether that is an error.
enum Message {
    Chunk(Chunk),
    End(io::Result<()>),
}

/// A buffer, filled up to `len`. It is zeroed once, when it is made.
struct Chunk {
    buffer: Box<[u8]>,
    len: usize,
}

/// Reads what a worker thread reads ahead.
pub(crate) struct Ahead<'scope, R> {
    worker: ScopedJoinHandle<'scope, R>,
    full: Receiver<Message>,
    spare: Sender<Box<[u8]>>,
    chunk: Option<Chunk>,
    position: usize,
    ended: bool,
}

/// Moves `reader` to a thread of `scope`. Dropping the result stops the worker at its next chunk.
///
/// # Errors
/// When the system gives no more threads.
pub(crate) fn ahead<'scope, R: Read + Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    reader: R,
) -> io::Result<Ahead<'scope, R>> {
    let (full_sender, full) = channel();
    let (spare, spare_receiver) = channel();
    for _ in 0..=DEPTH {
        // The receiver is in hand: this cannot fail.
        let _ = spare.send(vec![0; CHUNK].into());
    }
    let worker = thread::Builder::new().spawn_scoped(scope, move || pump(reader, &full_sender, spare_receiver))?;
    Ok(Ahead { worker, full, spare, chunk: None, position: 0, ended: false })
}

impl<R> Ahead<'_, R> {
    /// The reader, which stops where it is if it has not reached its end.
    pub(crate) fn into_inner(self) -> R {
        drop((self.full, self.spare));
        self.worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Reads to the end. A consumer that hung up has an error of its own, which is the one worth reporting.
fn pump<R: Read>(mut reader: R, full: &Sender<Message>, spare: Receiver<Box<[u8]>>) -> R {
    for mut buffer in spare {
        let (len, end) = fill(&mut reader, &mut buffer);
        if len > 0 && full.send(Message::Chunk(Chunk { buffer, len })).is_err() {
            break;
        }
        if let Some(end) = end {
            // The consumer may have hung up, and then needs no end.
            let _ = full.send(Message::End(end));
            break;
        }
    }
    reader
}

/// Fills `buffer`: bytes read, and how `reader` ended if it did.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> (usize, Option<io::Result<()>>) {
    let mut len = 0;
    while len < buffer.len() {
        match read_some(reader, &mut buffer[len..]) {
            Ok(0) => return (len, Some(Ok(()))),
            Ok(read) => len += read,
            Err(error) => return (len, Some(Err(error))),
        }
    }
    (len, None)
}

impl<R> Read for Ahead<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(chunk) = &self.chunk
                && self.position < chunk.len
            {
                let read = (&chunk.buffer[self.position..chunk.len]).read(buf)?;
                self.position += read;
                return Ok(read);
            }
            if self.ended {
                return Ok(0);
            }
            self.next()?;
        }
    }
}

impl<R> Ahead<'_, R> {
    /// Takes the next chunk, and gives the spent one back.
    fn next(&mut self) -> io::Result<()> {
        if let Some(spent) = self.chunk.take() {
            // A worker that is done needs no buffer back.
            let _ = self.spare.send(spent.buffer);
        }
        match self.full.recv() {
            Ok(Message::Chunk(chunk)) => {
                self.position = 0;
                self.chunk = Some(chunk);
                Ok(())
            }
            Ok(Message::End(result)) => {
                self.ended = true;
                result
            }
            Err(_) => Err(io::Error::other("a worker thread died")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_as_they_were_read() {
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * CHUNK + 17).collect();
        let mut read = Vec::new();
        thread::scope(|scope| ahead(scope, &bytes[..])?.read_to_end(&mut read)).unwrap();
        assert_eq!(read, bytes);
    }

    #[test]
    fn an_error_arrives_after_the_bytes_before_it() {
        struct Failing(usize);
        impl Read for Failing {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                let read = self.0.min(buf.len());
                self.0 -= read;
                if read == 0 { Err(io::Error::other("broken")) } else { Ok(read) }
            }
        }
        let mut read = Vec::new();
        let error = thread::scope(|scope| ahead(scope, Failing(CHUNK + 1))?.read_to_end(&mut read)).unwrap_err();
        assert_eq!((read.len(), error.to_string()), (CHUNK + 1, "broken".to_owned()));
    }

    #[test]
    fn a_consumer_may_leave_early() {
        thread::scope(|scope| {
            let mut reader = ahead(scope, io::repeat(7)).unwrap();
            reader.read_exact(&mut [0; 10]).unwrap();
        });
    }
}
