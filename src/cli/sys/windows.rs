//! Windows: no signals but Ctrl-C and its like, nothing to wait on, other numbers for files.

use std::fs::File;
use std::io;
use std::os::windows::io::AsHandle;
use std::path::Path;
use std::time::Duration;

use winapi_util::{Handle, file};

use super::{FileId, StreamState};

/// The number of SIGINT, which stands for Ctrl-C.
const SIGINT: i32 = 2;

/// Standard input, under a handle of our own.
pub(in super::super) fn standard_input() -> io::Result<File> {
    io::stdin().as_handle().try_clone_to_owned().map(File::from)
}

/// Standard output, under a handle of our own.
pub(in super::super) fn standard_output() -> io::Result<File> {
    io::stdout().as_handle().try_clone_to_owned().map(File::from)
}

/// Not known here: reading `NUL` finds its end at once.
pub(in super::super) fn is_null(_file: &File) -> bool {
    false
}

/// Not known here: a stream that was closed has no handle.
pub(in super::super) fn was_closed(_stream: &File) -> bool {
    false
}

/// Does not wait: the read will, without a message.
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

/// Not known here: pipes have no identity.
pub(in super::super) fn stream_identity(_file: &File) -> Option<FileId> {
    None
}

/// Not known here.
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
/// When the console is closed it is called too, but the system may end the process before it is done.
pub(in super::super) fn on_signal(handler: impl Fn(i32) + Send + 'static) -> io::Result<()> {
    ctrlc::set_handler(move || handler(SIGINT)).map_err(io::Error::other)
}
