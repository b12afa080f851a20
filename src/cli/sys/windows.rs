//! Windows: no signals but Ctrl-C and its like, no waiting for standard input, other numbers for files.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use winapi_util::{Handle, file};

use super::{FileId, StreamState};

/// The number of SIGINT, which stands for Ctrl-C.
const SIGINT: i32 = 2;

/// The number of the error `ERROR_INVALID_HANDLE`.
const INVALID_HANDLE: i32 = 6;

/// Returns false: `NUL` is not told apart. A read finds its end at once, which is an error of its own.
pub(in super::super) fn is_null(_file: &File) -> bool {
    false
}

/// Returns true if standard input, duplicated as `stream`, was closed when the process began, or has never been: services and
/// programs without a console start others with no handle, or with one that is not theirs.
pub(in super::super) fn was_closed(stream: &io::Result<File>) -> bool {
    let is_invalid = |error: &io::Error| error.raw_os_error() == Some(INVALID_HANDLE);
    match stream {
        Ok(stream) => file::typ(stream).is_err_and(|error| is_invalid(&error)),
        Err(error) => is_invalid(error),
    }
}

/// Does not wait: the first read does, without a message.
pub(in super::super) fn wait(_stream: &File, _timeout: Option<Duration>) -> StreamState {
    StreamState::Readable
}

/// Returns the identity of the file or directory at `path`.
pub(in super::super) fn identity_at(path: &Path) -> Option<FileId> {
    identify(&Handle::from_path_any(path).ok()?)
}

/// Returns the identity of an open file; `None` for pipes and devices.
pub(in super::super) fn identity(file: &File) -> Option<FileId> {
    identify(file)
}

/// Returns `None`: pipes and consoles have no identity.
pub(in super::super) fn stream_identity(_file: &File) -> Option<FileId> {
    None
}

/// Returns `None`, as [`stream_identity`] does.
pub(in super::super) fn stream_identity_at(_path: &Path) -> Option<FileId> {
    None
}

fn identify(handle: impl winapi_util::AsHandleRef + Copy) -> Option<FileId> {
    if !file::typ(handle).ok()?.is_disk() {
        return None;
    }
    let found = file::information(handle).ok()?;
    Some((found.volume_serial_number(), found.file_index()))
}

/// Calls `handler` with the number of SIGINT for each Ctrl-C and Ctrl-Break from now on, on a thread of its own.
///
/// Closing the console calls it too, but the system may end the process before it returns.
pub(in super::super) fn on_signal(handler: impl Fn(i32) + Send + 'static) -> io::Result<()> {
    ctrlc::set_handler(move || handler(SIGINT)).map_err(io::Error::other)
}
