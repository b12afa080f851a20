//! Where an archive goes: a new file that takes its name at the end, or a stream.
//!
//! Only a file that imgtar made is ever seeked or patched; standard output, which may be in append mode, a FIFO or a device
//! never (docs/formats.md H-26). Nothing is buffered here: a write is a system call, and layers above gather small ones.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::batch::BatchSlot;
use super::copy::Destination;
use super::file_names::problem_with;
use super::finish::Finish;
use super::open_stream::OpenStream;
use super::output::{close, descriptor, follow_links, lift, name, not_begun, parent, refuse, temporary};
use super::patch::Patch;
use super::placement::{self, NamingMethod, StagedOutput};
use super::sys;
use super::unfinished::Unfinished;
use crate::error::{Error, Result, Setting};

/// Where an archive is written: a new file, standard output, any [`Write`], or memory. Functions that take an
/// [`Output`](crate::Output) finish it, which is `sink.into()`. Dropped unfinished, it leaves no file.
///
/// Its errors carry an [`Error`]: [`Error::ClosedPipe`] when the reader of a stream went away, else [`Error::Io`] that
/// names the output.
pub struct Sink(SinkPlace);

enum SinkPlace {
    File(NewFile),
    Stream(OpenStream),
    Writer { writer: Box<dyn Write + Send>, name: String },
    Memory(Memory),
}

/// A file under a temporary name in the directory of its final one.
#[derive(Debug)]
struct NewFile {
    file: File,
    unfinished: Unfinished,
    target: PathBuf,
    force: bool,
    /// The outputs with which it appears, if there are any.
    batch: Option<BatchSlot>,
}

/// The bytes written to a [`Sink::memory`]. They are a whole archive only if the function that wrote them succeeded.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Vec<u8>>>);

impl Sink {
    /// A regular file at `path`, or the FIFO, device or open descriptor (`/dev/fd/N`) that is there already.
    ///
    /// A symbolic link is followed to where it points. A new file appears on [`finish`](Finish::finish), with the
    /// permissions that the umask leaves of 0666; without `force` it never replaces one, not even one that came meanwhile.
    /// Opening a FIFO waits for its reader.
    ///
    /// # Errors
    /// [`Error::Output`] for a directory, for an existing file unless `force`, and for a name that no file can have;
    /// [`Error::Io`] when the system refuses.
    pub fn file(path: &Path, force: bool) -> Result<Self> {
        Self::file_of(path, force, None)
    }

    /// The same, to be placed with the others of its batch.
    ///
    /// # Errors
    /// Those of [`file`](Self::file), and of [`BatchSlot::reserve`].
    pub(super) fn file_of(path: &Path, force: bool, batch: Option<BatchSlot>) -> Result<Self> {
        if let Some(device) = sys::open_device(path) {
            return Ok(Self::stream(device, name(path)));
        }
        if let Some(problem) = problem_with(path) {
            return Err(refuse(path, problem));
        }
        let target = follow_links(path)?;
        if let Some(number) = descriptor(&target) {
            return Self::descriptor(&target, number);
        }
        match fs::metadata(&target) {
            Ok(found) if found.is_dir() => Err(refuse(path, "is a directory; give the name of a file")),
            Ok(found) if found.is_file() && !force => Err(refuse(path, "exists").avoided_by(Setting::Replace)),
            Ok(found) if cfg!(windows) && found.permissions().readonly() => {
                Err(refuse(path, "is read-only, and Windows replaces no such file"))
            }
            Ok(found) if !found.is_file() => Self::open(&target),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("opening", name(path), error)),
            _ if ends_in_separator(path) => Err(refuse(path, "is a directory's name")),
            _ => {
                if let Some(slot) = &batch {
                    slot.reserve(&target)?;
                }
                NewFile::create(target, force, batch).map(|file| Self(SinkPlace::File(file)))
            }
        }
    }

    /// Standard output. On a console of Windows, UTF-8 is shown as text whatever its code page, and other bytes as U+FFFD.
    ///
    /// # Errors
    /// [`Error::Io`] if the descriptor cannot be duplicated.
    pub fn stdout() -> Result<Self> {
        OpenStream::stdout().map(|stream| Self(SinkPlace::Stream(stream)))
    }

    /// Any other writer, such as a pipe to a thread that reads what is written; messages call it `name`. It is dropped
    /// when all is written, or at the first error.
    ///
    /// ```
    /// use imgtar::{ConvertOptions, RootfsOptions, Run, Sink, Target, convert};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !std::path::Path::new("fixtures").exists() { return Ok(()); } // The published crate has none.
    /// let (mut reader, writer) = std::io::pipe()?;
    /// let flattened = std::thread::spawn(move || {
    ///     let options = ConvertOptions::new(Target::Rootfs(RootfsOptions::default()));
    ///     convert("fixtures/saved20.tar.xz".into(), Sink::writer("the pipe", writer).into(), &options, &Run::quiet())
    /// });
    /// let bytes_read = std::io::copy(&mut reader, &mut std::io::sink())?;
    /// // Only this says whether all of it was there.
    /// let report = flattened.join().expect("no thread of imgtar panics")?;
    /// assert_eq!(bytes_read, report.size);
    /// # Ok(())
    /// # }
    /// ```
    pub fn writer(name: impl Into<String>, writer: impl Write + Send + 'static) -> Self {
        Self(SinkPlace::Writer { writer: Box::new(writer), name: name.into() })
    }

    /// Memory, and the handle by which to read it.
    pub fn memory() -> (Self, Memory) {
        let memory = Memory::default();
        (Self(SinkPlace::Memory(memory.clone())), memory)
    }

    /// The file below, if bytes already written to it may be replaced.
    pub(crate) fn patchable(&self) -> Option<Patch<'_>> {
        match &self.0 {
            SinkPlace::File(new) => Some(Patch::of(&new.file, &new.target)),
            SinkPlace::Stream(_) | SinkPlace::Writer { .. } | SinkPlace::Memory(_) => None,
        }
    }

    /// Returns true if the bytes would go to a terminal.
    pub fn is_terminal(&self) -> bool {
        matches!(&self.0, SinkPlace::Stream(stream) if io::IsTerminal::is_terminal(&stream.file))
    }

    /// Returns true for standard output, a FIFO, a device and an open descriptor: what is written there cannot be withdrawn.
    pub fn is_stream(&self) -> bool {
        matches!(&self.0, SinkPlace::Stream(_))
    }

    /// Standard streams are duplicated, which keeps their position; others can only be opened anew.
    fn descriptor(path: &Path, number: u32) -> Result<Self> {
        match number {
            1 => Self::stdout(),
            2 => OpenStream::stderr().map(|stream| Self(SinkPlace::Stream(stream))),
            _ => Self::open(path),
        }
    }

    fn open(path: &Path) -> Result<Self> {
        // `/dev/fd/N` may open a regular file that another program has written to already: append to it.
        let failed = |error| Error::io("opening", name(path), error);
        let append = fs::metadata(path).map_err(failed)?.is_file();
        let file = OpenOptions::new().write(true).append(append).open(path).map_err(failed)?;
        Ok(Self::stream(file, name(path)))
    }

    fn stream(file: File, name: String) -> Self {
        Self(SinkPlace::Stream(OpenStream::new(file, name)))
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.0 {
            SinkPlace::File(new) => &name(&new.target),
            SinkPlace::Stream(OpenStream { name, .. }) | SinkPlace::Writer { name, .. } => name,
            SinkPlace::Memory(_) => "memory",
        };
        f.debug_tuple("Sink").field(&name).finish()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            SinkPlace::File(new) => new.file.write(bytes).map_err(|error| lift(error, || name(&new.target))),
            SinkPlace::Stream(stream) => stream.write(bytes).map_err(|error| lift(error, || stream.name.clone())),
            SinkPlace::Writer { writer, name } => writer.write(bytes).map_err(|error| lift(error, || name.clone())),
            SinkPlace::Memory(memory) => memory.lock().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            SinkPlace::Writer { writer, name } => writer.flush().map_err(|error| lift(error, || name.clone())),
            SinkPlace::Stream(stream) => stream.flush().map_err(|error| lift(error, || stream.name.clone())),
            SinkPlace::File(_) | SinkPlace::Memory(_) => Ok(()),
        }
    }
}

impl Destination for Sink {
    fn as_file(&self) -> Option<&File> {
        match &self.0 {
            SinkPlace::File(new) => Some(&new.file),
            SinkPlace::Stream(stream) => stream.as_file(),
            SinkPlace::Writer { .. } | SinkPlace::Memory(_) => None,
        }
    }
}

impl Finish for Sink {
    type Output = ();

    /// Closes the output, and gives a new file its name, unless that is left to an [`OutputBatch`](crate::OutputBatch).
    ///
    /// # Errors
    /// [`Error::Io`] if the system reports only now that written bytes are lost; [`Error::Output`] if a file took the
    /// name meanwhile and `force` was not given.
    fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        match self.0 {
            SinkPlace::File(new) => new.finish().map_err(io::Error::from),
            SinkPlace::Stream(OpenStream { file, name, .. }) => close(file, &name).map_err(io::Error::from),
            SinkPlace::Writer { .. } | SinkPlace::Memory(_) => Ok(()),
        }
    }
}

impl NewFile {
    fn create(target: PathBuf, force: bool, batch: Option<BatchSlot>) -> Result<Self> {
        match temporary(parent(&target), 0o666) {
            Ok((unfinished, file)) => Ok(Self { file, unfinished, target, force, batch }),
            Err(error) => Err(not_begun(&target, error)),
        }
    }

    fn finish(self) -> Result<()> {
        let Self { file, unfinished, target, force, batch } = self;
        // An error of closing still leaves no output.
        close(file, &name(&target))?;
        let method = if force { NamingMethod::AnyFile } else { NamingMethod::NewFile };
        placement::place_with(batch, StagedOutput { unfinished, target, method, lock: None })
    }
}

impl Memory {
    /// A copy of all bytes written so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ends_in_separator(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().last().is_some_and(|&byte| std::path::is_separator(byte.into()))
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use std::io::Read;
    use std::io::{Seek, SeekFrom};
    #[cfg(unix)]
    use std::os::unix::fs::{FileExt, MetadataExt, symlink};

    use super::*;
    use crate::error::ErrorKind;

    /// Writes `text` and finishes.
    fn put(path: &Path, force: bool, text: &str) -> Result<()> {
        let mut sink = Sink::file(path, force)?;
        sink.write_all(text.as_bytes()).map_err(|error| Error::io("writing", "test", error))?;
        sink.finish().map_err(|error| Error::io("finishing", "test", error))
    }

    fn files(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_takes_its_name_on_finish_and_no_earlier() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        let mut sink = Sink::file(&path, false).unwrap();
        sink.write_all(b"....").unwrap();
        let mut patch = sink.patchable().unwrap();
        patch.seek(SeekFrom::Start(1)).unwrap();
        patch.write_all(b"ab").unwrap();
        assert!(!path.exists());
        sink.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b".ab.");
        assert_eq!(files(dir.path()), ["a.tar"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_that_any_new_file_gets() {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("ours"), false, "").unwrap();
        File::create(dir.path().join("any")).unwrap();
        let mode = |name| fs::metadata(dir.path().join(name)).unwrap().mode();
        assert_eq!(mode("ours"), mode("any"));
    }

    #[test]
    fn a_dropped_sink_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut sink = Sink::file(&dir.path().join("a.tar"), false).unwrap();
        sink.write_all(b"half").unwrap();
        assert_eq!(files(dir.path()).len(), 1);
        drop(sink);
        assert_eq!(files(dir.path()), [""; 0]);
    }

    #[test]
    fn only_force_replaces_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        put(&path, false, "old").unwrap();
        let error = put(&path, false, "new").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(matches!(error, Error::Avoidable { setting: Setting::Replace, .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        put(&path, true, "new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        let sink = Sink::file(&path, false).unwrap();
        fs::write(&path, "other").unwrap();
        let error = Error::io("finishing", "test", sink.finish().unwrap_err());
        assert!(matches!(error, Error::Avoidable { setting: Setting::Replace, .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"other");
        assert_eq!(files(dir.path()), ["a.tar"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_to_where_it_points() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        let link = dir.path().join("link");
        symlink("sub/real.tar", &link).unwrap();
        put(&link, false, "1").unwrap();
        put(&link, true, "2").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(dir.path().join("sub/real.tar")).unwrap(), b"2");

        let cycle = dir.path().join("cycle");
        symlink("cycle", &cycle).unwrap();
        assert!(matches!(Sink::file(&cycle, true), Err(Error::Output { .. })));
    }

    #[test]
    fn what_cannot_be_a_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_owned(), dir.path().join("new/"), dir.path().join("none/a.tar")] {
            let error = Sink::file(&path, true).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        }
        assert_eq!(files(dir.path()), [""; 0]);
    }

    #[cfg(unix)]
    #[test]
    fn a_fifo_is_written_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        let status = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(status.success());
        let reader = std::thread::spawn({
            let path = path.clone();
            move || {
                let mut text = String::new();
                File::open(path).unwrap().read_to_string(&mut text).unwrap();
                text
            }
        });
        put(&path, false, "streamed").unwrap();
        assert_eq!(reader.join().unwrap(), "streamed");
        assert_eq!(files(dir.path()), ["fifo"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_descriptor_is_added_to() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().write_all_at(b"before ", 0).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(file.as_file());
        put(Path::new(&format!("/dev/fd/{number}")), false, "after").unwrap();
        assert_eq!(fs::read(file.path()).unwrap(), b"before after");
    }

    #[cfg(unix)]
    #[test]
    fn a_closed_pipe_and_a_full_disk_are_told_apart() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(reader);
        let mut sink = Sink::stream(writer.into(), "pipe".to_owned());
        let error = Error::io("writing", "test", sink.write_all(b"x").unwrap_err());
        assert!(matches!(error, Error::ClosedPipe));
        assert!(sink.patchable().is_none());

        let full = Path::new("/dev/full");
        if full.exists() {
            let error = put(full, false, "x").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io);
            assert_eq!(error.to_string(), "writing /dev/full");
        }
    }

    #[test]
    fn a_writer_gets_all_bytes_before_finish_returns() {
        struct Slow(std::sync::mpsc::Sender<u8>, Vec<u8>);
        impl Write for Slow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1.write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                self.1.drain(..).try_for_each(|byte| self.0.send(byte)).map_err(|_| io::ErrorKind::BrokenPipe.into())
            }
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut sink = Sink::writer("a channel", Slow(sender, Vec::new()));
        sink.write_all(b"abc").unwrap();
        assert!(receiver.try_recv().is_err());
        sink.finish().unwrap();
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), b"abc");

        let (sender, _) = std::sync::mpsc::channel();
        let mut sink = Sink::writer("a channel", Slow(sender, Vec::new()));
        sink.write_all(b"abc").unwrap();
        assert!(matches!(Error::io("finishing", "test", sink.finish().unwrap_err()), Error::ClosedPipe));
    }

    #[test]
    fn memory_keeps_what_was_written() {
        let (mut sink, memory) = Sink::memory();
        sink.write_all(b"abc").unwrap();
        sink.finish().unwrap();
        assert_eq!(memory.bytes(), b"abc");
    }
}
