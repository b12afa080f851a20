//! Linux, macOS and other Unix systems.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use super::{FileId, StreamState};

/// Returns true if `file` is the null device.
pub(in super::super) fn is_null(file: &File) -> bool {
    file.metadata().is_ok_and(|found| is_null_device(&found))
}

fn is_null_device(metadata: &Metadata) -> bool {
    let is_null = |null: Metadata| null.rdev() == metadata.rdev();
    metadata.file_type().is_char_device() && fs::metadata("/dev/null").is_ok_and(is_null)
}

/// Returns true if standard input, duplicated as `stream`, was closed when the process began: Rust's runtime then opens
/// `/dev/null` in its place, for reading and writing. Some callers do the same for an empty input. This cannot be told of
/// standard output: callers open `/dev/null` in the same way to discard it.
pub(in super::super) fn was_closed(stream: &io::Result<File>) -> bool {
    let is_read_write = |stream| fcntl_getfl(stream).is_ok_and(|flags| flags.contains(OFlags::RDWR));
    stream.as_ref().is_ok_and(|stream| is_null(stream) && is_read_write(stream))
}

/// Waits until `stream` can be read or has ended, but no longer than `timeout`; returns its state then.
pub(in super::super) fn wait(stream: &File, timeout: Option<Duration>) -> StreamState {
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    let mut streams = [PollFd::new(stream, PollFlags::IN)];
    match poll(&mut streams, timeout.as_ref()) {
        Ok(0) => StreamState::Pending,
        // A stream that cannot be waited for is read, and the read returns the error.
        Err(_) => StreamState::Readable,
        Ok(_) => {
            let events = streams[0].revents();
            let has_ended = events.contains(PollFlags::HUP) && !events.contains(PollFlags::IN);
            if has_ended { StreamState::Ended } else { StreamState::Readable }
        }
    }
}

/// Returns the identity of the file at `path`, as [`identity`] does. A FIFO has one here: a process that writes to the
/// FIFO that it reads from waits for itself.
pub(in super::super) fn identity_at(path: &Path) -> Option<FileId> {
    let found = fs::metadata(path).ok()?;
    if found.file_type().is_fifo() { Some(device_and_inode(&found)) } else { identify(&found) }
}

/// Returns the identity of an open file or directory; `None` for anything else, which may well be both read and written:
/// only a file that keeps its bytes can be destroyed by being written.
pub(in super::super) fn identity(file: &File) -> Option<FileId> {
    identify(&file.metadata().ok()?)
}

/// Returns the identity of a pipe, a socket or a character device such as a terminal: what can be read once. Returns `None`
/// for anything else, and for the null device.
pub(in super::super) fn stream_identity(file: &File) -> Option<FileId> {
    identify_stream(&file.metadata().ok()?)
}

/// Returns the identity of what is at `path`, as [`stream_identity`] does; a socket cannot be opened by its path.
pub(in super::super) fn stream_identity_at(path: &Path) -> Option<FileId> {
    identify_stream(&fs::metadata(path).ok()?)
}

fn identify_stream(metadata: &Metadata) -> Option<FileId> {
    let kind = metadata.file_type();
    let is_stream = kind.is_fifo() || kind.is_socket() || kind.is_char_device();
    (is_stream && !is_null_device(metadata)).then(|| device_and_inode(metadata))
}

fn identify(metadata: &Metadata) -> Option<FileId> {
    (metadata.is_file() || metadata.is_dir()).then(|| device_and_inode(metadata))
}

fn device_and_inode(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// Calls `handler` with the number of each SIGHUP, SIGINT and SIGTERM from now on, on a thread of its own.
///
/// Signals that were ignored when the process began stay ignored, as `nohup` and background jobs of scripts require.
pub(in super::super) fn on_signal(handler: impl Fn(i32) + Send + 'static) -> io::Result<()> {
    let ignored = ignored();
    let wanted = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
    // By default it ends the process. With any handler, a write past the limit on a file's size fails instead.
    flag::register(SIGXFSZ, Arc::default())?;
    let mut signals = Signals::new(wanted)?;
    let forever = move || signals.forever().for_each(handler);
    thread::Builder::new().name("signals".to_owned()).spawn(forever).map(drop)
}

/// Returns the signals that are ignored, one bit each, as Linux's `/proc` has them; 0 on other systems.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hard_link_is_the_same_file_and_a_device_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        fs::write(&one, "").unwrap();
        fs::hard_link(&one, &two).unwrap();
        assert!(identity_at(&one).is_some());
        assert_eq!(identity_at(&one), identity_at(&two));
        assert_eq!(identity_at(&one), identity(&File::open(&two).unwrap()));
        assert_ne!(identity_at(&one), identity_at(dir.path()));
        assert_eq!(identity_at(Path::new("/dev/null")), None);
    }
}
