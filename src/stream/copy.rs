//! Moving bytes: through one buffer, or inside the kernel where no code has to see them.

use std::fs::File;
use std::io::{self, Read, Write};

use super::reused::{LargeBuffer, Reused};
use super::source::ExtentReader;
use super::sys;
use crate::progress::Task;

/// Bytes that are moved at a time: enough to be fast, few enough to stay in the processor's cache.
pub(crate) const CHUNK: usize = 256 << 10;

/// A buffer to read bytes through.
pub(crate) struct Buffer(Reused<LargeBuffer>);

impl Buffer {
    pub(crate) fn new() -> Self {
        Self(Reused::take())
    }

    /// The next bytes of `reader`; none at its end.
    ///
    /// # Errors
    /// Those of `reader`, but for interruptions.
    pub(crate) fn fill(&mut self, reader: &mut (impl Read + ?Sized)) -> io::Result<&[u8]> {
        let read = read_some(reader, &mut self.0)?;
        Ok(&self.0[..read])
    }
}

/// Reads once, and again if a signal interrupts it; returns the number of bytes, 0 at the end.
///
/// # Errors
/// Those of `reader`, but for interruptions.
pub(crate) fn read_some(reader: &mut (impl Read + ?Sized), buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Copies `reader` to its end: the number of bytes.
///
/// # Errors
/// Those of either side.
pub(crate) fn copy(reader: &mut (impl Read + ?Sized), writer: &mut (impl Write + ?Sized)) -> io::Result<u64> {
    copy_telling(reader, writer, &mut Task::silent())
}

/// As [`copy`], telling `task` of each buffer.
///
/// # Errors
/// Those of either side.
pub(crate) fn copy_telling(
    reader: &mut (impl Read + ?Sized),
    writer: &mut (impl Write + ?Sized),
    task: &mut Task<'_>,
) -> io::Result<u64> {
    let mut buffer = Buffer::new();
    let mut copied = 0;
    loop {
        let bytes = buffer.fill(reader)?;
        if bytes.is_empty() {
            return Ok(copied);
        }
        writer.write_all(bytes)?;
        copied += bytes.len() as u64;
        task.moved(bytes.len() as u64);
    }
}

/// A writer that may be backed by a file, so that bytes are copied inside the kernel. Any other writer becomes one by
/// [`Sink::writer`](crate::Sink::writer).
pub trait Destination: Write {
    /// The file or stream below, whose cursor copies inside the kernel move as writes do; `None` where there is none.
    fn as_file(&self) -> Option<&File>;
}

impl Destination for File {
    fn as_file(&self) -> Option<&File> {
        Some(self)
    }
}

impl Destination for Vec<u8> {
    fn as_file(&self) -> Option<&File> {
        None
    }
}

/// Copies what is left of `reader` to `writer`, inside the kernel where the system can: the number of bytes.
///
/// # Errors
/// Those of either side.
pub(crate) fn send(reader: &mut ExtentReader, writer: &mut impl Destination, task: &mut Task<'_>) -> io::Result<u64> {
    let sent = writer.as_file().map_or(0, |file| send_in_kernel(reader, file, task));
    Ok(sent + copy_telling(reader, writer, task)?)
}

/// Moves as many bytes as the system will; plain reads and writes then move the rest, or return the error.
fn send_in_kernel(reader: &mut ExtentReader, to: &File, task: &mut Task<'_>) -> u64 {
    let mut sent = 0;
    while reader.remaining() > 0
        && let Some(moved) = reader.file().and_then(|(from, at, left)| sys::copy_in_kernel(from, at, to, left))
    {
        reader.advance(moved);
        sent += moved;
        task.moved(moved);
    }
    sent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::finish::Finish;
    use crate::stream::sink::Sink;
    use crate::stream::skip::Skip;
    use crate::stream::source::{Extent, Source};

    #[test]
    fn a_range_is_sent_to_a_file_and_to_memory_alike() {
        let bytes: Vec<u8> = (0..=255).cycle().take(700_001).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let file = Source::file("f", file, 0).unwrap().extent();
        let extents = [file.slice(3, 250_000), file.slice(250_003, 350_000)];
        for extent in [file.slice(3, 600_000), Source::joined("j", extents).extent()] {
            check_sending(&extent, &bytes);
        }
    }

    /// `extent` has the bytes from 3 on of `bytes`, 600,000 of them.
    fn check_sending(extent: &Extent, bytes: &[u8]) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        let mut sink = Sink::file(&path, false).unwrap();
        sink.write_all(b"head").unwrap();
        let mut reader = extent.reader().unwrap();
        reader.skip(1).unwrap();
        assert_eq!(send(&mut reader, &mut sink, &mut Task::silent()).unwrap(), 599_999);
        sink.write_all(b"tail").unwrap();
        sink.finish().unwrap();
        let expected = [b"head", &bytes[4..600_003], b"tail"].concat();
        assert!(std::fs::read(path).unwrap() == expected);

        let (mut sink, memory) = Sink::memory();
        send(&mut extent.reader().unwrap(), &mut sink, &mut Task::silent()).unwrap();
        assert!(memory.bytes() == bytes[3..600_003]);
    }
}
