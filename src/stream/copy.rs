//! Moving bytes: through one buffer, or inside the kernel where nobody needs to see them.

use std::fs::File;
use std::io::{self, Read, Write};

use super::source::ExtentReader;
use super::sys;
use crate::progress::Task;

/// Large enough to be fast, small enough to stay in the processor's cache.
pub const CHUNK: usize = 256 << 10;

/// Copies `reader` to its end: the number of bytes.
///
/// # Errors
/// Those of either side.
pub fn copy(reader: &mut (impl Read + ?Sized), writer: &mut (impl Write + ?Sized)) -> io::Result<u64> {
    copy_telling(reader, writer, &mut Task::silent())
}

/// As [`copy`], telling `task` of each buffer.
///
/// # Errors
/// Those of either side.
pub fn copy_telling(
    reader: &mut (impl Read + ?Sized),
    writer: &mut (impl Write + ?Sized),
    task: &mut Task<'_>,
) -> io::Result<u64> {
    let mut buffer = vec![0; CHUNK];
    let mut copied = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(read) => {
                writer.write_all(&buffer[..read])?;
                copied += read as u64;
                task.moved(read as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A writer that the kernel may write to in its stead.
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
pub fn send(reader: &mut ExtentReader, writer: &mut impl Destination, task: &mut Task<'_>) -> io::Result<u64> {
    let sent = writer.as_file().map_or(0, |file| send_in_kernel(reader, file, task));
    Ok(sent + copy_telling(reader, writer, task)?)
}

/// As many bytes as the system will move; what it leaves, plain reads and writes will move, or say what is wrong.
fn send_in_kernel(reader: &mut ExtentReader, to: &File, task: &mut Task<'_>) -> u64 {
    let mut sent = 0;
    while reader.remaining() > 0
        && let Some(moved) = reader.file().and_then(|(from, at)| sys::send(from, at, to, reader.remaining()))
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
    use crate::stream::source::Source;

    #[test]
    fn a_range_is_sent_to_a_file_and_to_memory_alike() {
        let bytes: Vec<u8> = (0..=255).cycle().take(700_001).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let extent = Source::file("f", file, 0).unwrap().extent().slice(3, 600_000);

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
