//! The tar that every writer fills: members with fixed metadata, known bodies or bodies whose size is known only afterwards.
//!
//! A header precedes its body and holds its size, and often a name made from its digest. Where the output is a file that
//! imgtar made, the body is written first and the header put in front of it; anywhere else that one body is spooled. The
//! bytes are the same both ways.
//!
//! Sources: docs/formats.md G-13, G-16, G-17.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::speculative::Restart;
use crate::archive::{self, END, TarEntry, TarTime};
use crate::codec::Encoder;
use crate::error::{Error, Result};
use crate::progress::{Action, Task};
use crate::run::Run;
use crate::stream::copy::{CHUNK, copy_telling, send};
use crate::stream::finish::Finish;
use crate::stream::patch::{Patch, Region};
use crate::stream::sink::Sink;
use crate::stream::source::{Extent, Source};
use crate::stream::spool;

/// Where the bytes of an archive go.
pub(crate) enum Out {
    /// As they are.
    Plain(Sink),
    /// Compressed as a whole.
    Packed(Box<Encoder<CountedSink>>),
}

/// A sink that counts the bytes that it takes.
pub(crate) struct CountedSink {
    sink: Sink,
    bytes: u64,
}

impl CountedSink {
    pub(super) fn new(sink: Sink) -> Self {
        Self { sink, bytes: 0 }
    }
}

impl Write for CountedSink {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(buf)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

impl Out {
    fn patchable(&self) -> Option<Patch<'_>> {
        match self {
            Self::Plain(sink) => sink.patchable(),
            Self::Packed(_) => None,
        }
    }
}

impl Write for Out {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(sink) => sink.write(buf),
            Self::Packed(encoder) => encoder.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(sink) => sink.flush(),
            Self::Packed(encoder) => encoder.flush(),
        }
    }
}

/// A tar under construction.
pub(super) struct Tar<'a> {
    out: Out,
    /// Headers and small bodies, gathered until they are worth a system call.
    gathered: Vec<u8>,
    /// Bytes written so far, gathered ones included.
    position: u64,
    run: &'a Run,
    /// The task whose progress the bodies of a filesystem's entries count towards.
    task: Task<'a>,
}

/// A body being written whose size is not known yet.
pub(super) type BodyWriter<'a> = &'a mut dyn Write;

impl<'a> Tar<'a> {
    /// An empty tar.
    pub(super) fn new(out: Out, run: &'a Run) -> Self {
        Self { out, gathered: Vec::with_capacity(2 * CHUNK), position: 0, run, task: Task::silent() }
    }

    /// Counts the bodies of a filesystem's entries towards `task` from here on; other bodies are tasks of their own.
    pub(super) fn tell(&mut self, task: Task<'a>) {
        self.task = task;
    }

    /// Adds a directory.
    pub(super) fn directory(&mut self, path: &str) -> Result<()> {
        self.made(TarEntry::directory(path))
    }

    /// Adds a symbolic link.
    pub(super) fn symlink(&mut self, path: &str, target: &str) -> Result<()> {
        self.made(TarEntry::symlink(path, target))
    }

    /// Adds a file with these bytes.
    pub(super) fn bytes(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        self.made(TarEntry::plain_file(path, bytes.len() as u64))?;
        if bytes.len() >= CHUNK {
            self.flush()?;
            self.out.write_all(bytes).map_err(failed)?;
            self.position += bytes.len() as u64;
        } else {
            self.write(bytes)?;
        }
        self.pad(bytes.len() as u64)
    }

    /// Adds a file with the bytes of `extent`, which are not looked at.
    pub(super) fn extent(&mut self, path: &str, extent: &Extent) -> Result<()> {
        self.made(TarEntry::plain_file(path, extent.size()))?;
        self.flush()?;
        let mut task = self.run.progress.begin(Action::Copy, path, Some(extent.size()));
        self.position += copy(extent, &mut self.out, &mut task)?;
        task.complete();
        self.pad(extent.size())
    }

    /// Adds a file whose body `produce` writes and whose name `name` makes from what `produce` returned; without a name
    /// nothing is added.
    ///
    /// `produce` may be called twice: a body of 8 GiB needs a longer header, and is known to be one only when it has
    /// been written.
    pub(super) fn produced<T>(
        &mut self,
        produce: impl Fn(BodyWriter<'_>) -> Result<T>,
        name: impl Fn(&T) -> Option<String>,
    ) -> Result<T> {
        self.flush()?;
        let Some(mut file) = self.out.patchable() else { return self.produced_in_spool(&produce, &name) };
        let header = |of: &T, size| name(of).map(|name| made(TarEntry::plain_file(name, size), self.run)).transpose();
        let (produced, size) = produced_in_place(&mut file, self.position, &produce, header)?;
        self.position = file.stream_position().map_err(failed)?;
        self.pad(size)?;
        Ok(produced)
    }

    /// Adds a file of `size` bytes whose body another thread writes; `None`, and nothing is added, where the output
    /// cannot be written at an earlier position.
    pub(super) fn reserved(&mut self, path: &str, size: u64) -> Result<Option<Region>> {
        let header = made(TarEntry::plain_file(path, size), self.run)?;
        self.flush()?;
        let start = self.position + header.len() as u64;
        let Some(file) = self.out.patchable() else { return Ok(None) };
        let Some(region) = file.region(start, size).map_err(failed)? else { return Ok(None) };
        self.write(&header)?;
        self.flush()?;
        self.position += size;
        let end = SeekFrom::Start(self.position);
        self.out.patchable().map_or(Ok(0), |mut file| file.seek(end)).map_err(failed)?;
        self.pad(size)?;
        Ok(Some(region))
    }

    fn produced_in_spool<T>(
        &mut self,
        produce: &impl Fn(BodyWriter<'_>) -> Result<T>,
        name: &impl Fn(&T) -> Option<String>,
    ) -> Result<T> {
        let tmpdir = &self.run.tmpdir;
        let mut spool = spool::Scratch::new(tmpdir)?;
        let produced = produce(&mut spool)?;
        let Some(name) = name(&produced) else { return Ok(produced) };
        let extent = Source::file("the spooled layer", spool.into_file(), 0)?.extent();
        // Only now is it known how much there is to be copied after all.
        self.run.progress.expect_moved(0, extent.size());
        self.extent(&name, &extent)?;
        Ok(produced)
    }

    /// Adds an entry of a filesystem with all its metadata; `body` gives exactly its size.
    pub(super) fn entry(&mut self, entry: &TarEntry, body: &mut dyn Read) -> Result<()> {
        self.header(entry)?;
        let at = || crate::path::escape_for_terminal(&entry.path);
        let mut left = entry.size;
        while left > 0 {
            let start = self.gathered.len();
            let wanted = left.min((2 * CHUNK - start) as u64);
            let read = body.take(wanted).read_to_end(&mut self.gathered);
            let read = read.map_err(|error| Error::io("reading", at(), error))? as u64;
            if read < wanted {
                return Err(Error::SizeMismatch { at: at(), expected: entry.size, found: entry.size - left + read });
            }
            left -= read;
            self.position += read;
            self.task.moved(read);
            if self.gathered.len() >= CHUNK {
                self.flush()?;
            }
        }
        self.pad(entry.size)
    }

    /// Adds an entry of a filesystem whose body is the bytes of `body`, which are not looked at.
    pub(super) fn entry_extent(&mut self, entry: &TarEntry, body: &Extent) -> Result<()> {
        self.header(entry)?;
        self.flush()?;
        self.position += copy(body, &mut self.out, &mut self.task)?;
        self.pad(body.size())
    }

    /// Writes the end marker and whatever the output still owes: the bytes that were written, compressed if they are.
    pub(super) fn finish(mut self) -> Result<u64> {
        self.write(&END)?;
        self.flush()?;
        self.task.complete();
        let finished = match self.out {
            Out::Plain(sink) => sink.finish().map(|()| self.position),
            Out::Packed(encoder) => {
                encoder.finish().and_then(|CountedSink { sink, bytes }| sink.finish().map(|()| bytes))
            }
        };
        finished.map_err(failed)
    }

    /// The header of an entry that no input knows.
    fn made(&mut self, entry: TarEntry) -> Result<()> {
        let header = made(entry, self.run)?;
        self.write(&header)
    }

    fn header(&mut self, entry: &TarEntry) -> Result<()> {
        let header = header(entry)?;
        self.write(&header)
    }

    fn pad(&mut self, size: u64) -> Result<()> {
        self.write(archive::padding(size))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.gathered.extend_from_slice(bytes);
        self.position += bytes.len() as u64;
        if self.gathered.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.out.write_all(&self.gathered).map_err(failed)?;
        self.gathered.clear();
        Ok(())
    }
}

impl Restart for Tar<'_> {
    fn can_restart(&self) -> bool {
        self.out.patchable().is_some()
    }

    fn restart(&mut self) -> Result<()> {
        self.gathered.clear();
        self.position = 0;
        let Some(mut file) = self.out.patchable() else { return Ok(()) };
        file.truncate(0).and_then(|()| file.seek(SeekFrom::Start(0))).map(drop).map_err(failed)
    }
}

/// The bytes of `extent` to the end of `out`: how many.
fn copy(extent: &Extent, out: &mut Out, task: &mut Task<'_>) -> Result<u64> {
    let label = extent.source().label();
    let mut reader = extent.reader().map_err(|error| Error::io("reading", label, error))?;
    let copied = match out {
        Out::Plain(sink) => send(&mut reader, sink, task),
        Out::Packed(encoder) => copy_telling(&mut reader, encoder, task),
    };
    copied.map_err(|error| Error::io("copying", label, error))
}

/// Writes a file from `start` on, its body before its header: the size of its body. The cursor is left behind it. Without a
/// header nothing is left of it.
fn produced_in_place<T>(
    file: &mut Patch<'_>,
    start: u64,
    produce: &impl Fn(BodyWriter<'_>) -> Result<T>,
    header: impl Fn(&T, u64) -> Result<Option<Vec<u8>>>,
) -> Result<(T, u64)> {
    let mut reserved = archive::BLOCK as u64;
    loop {
        file.truncate(start).and_then(|()| file.seek(SeekFrom::Start(start + reserved))).map_err(failed)?;
        let produced = produce(file)?;
        let end = file.stream_position().map_err(failed)?;
        let size = end - start - reserved;
        let Some(header) = header(&produced, size)? else {
            file.truncate(start).and_then(|()| file.seek(SeekFrom::Start(start))).map_err(failed)?;
            return Ok((produced, 0));
        };
        if header.len() as u64 == reserved {
            file.seek(SeekFrom::Start(start))
                .and_then(|_| file.write_all(&header))
                .and_then(|()| file.seek(SeekFrom::Start(end)))
                .map_err(failed)?;
            return Ok((produced, size));
        }
        reserved = header.len() as u64;
    }
}

fn failed(error: io::Error) -> Error {
    Error::io("writing", "the output", error)
}

/// The header of `entry`, which no input knows, with the time of all that is made here.
fn made(entry: TarEntry, run: &Run) -> Result<Vec<u8>> {
    header(&TarEntry { mtime: TarTime::from_seconds(run.epoch), ..entry })
}

fn header(entry: &TarEntry) -> Result<Vec<u8>> {
    let mut header = Vec::with_capacity(archive::BLOCK);
    archive::encode(entry, &mut header)?;
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tar of one produced member, all of whose bodies `produce` counts, and what stands behind it.
    fn write(out: Out, run: &Run, name: &str) -> usize {
        let calls = std::cell::Cell::new(0);
        let mut tar = Tar::new(out, run);
        let produce = |body: BodyWriter<'_>| {
            calls.set(calls.get() + 1);
            body.write_all(&[b'x'; 1000]).map_err(failed)
        };
        tar.produced(produce, |()| Some(name.to_owned())).unwrap();
        tar.bytes("behind", b"it").unwrap();
        tar.finish().unwrap();
        calls.get()
    }

    #[test]
    fn a_header_longer_than_expected_makes_the_same_bytes_in_a_file_and_in_a_stream() {
        // As with a body of 8 GiB, the header needs PAX records, and that is known only behind the body.
        let dir = tempfile::tempdir().unwrap();
        let run = Run { tmpdir: dir.path().to_owned(), ..Run::quiet() };
        for (name, calls) in [("short".to_owned(), 1), ("long".repeat(100), 2)] {
            let path = dir.path().join("out");
            assert_eq!(write(Out::Plain(Sink::file(&path, true).unwrap()), &run, &name), calls);
            let (sink, memory) = Sink::memory();
            assert_eq!(write(Out::Plain(sink), &run, &name), 1);
            assert!(std::fs::read(&path).unwrap() == memory.bytes(), "{name}");
        }
    }
}
