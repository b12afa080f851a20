//! Files, streams and threads: where bytes come from and go to. Knows nothing of tar.

pub(crate) mod batch;
mod console;
pub(crate) mod copy;
pub(crate) mod dir_sink;
pub(crate) mod dir_target;
pub(crate) mod file_names;
pub(crate) mod finish;
pub(crate) mod in_order;
pub(crate) mod input;
mod open_stream;
mod output;
pub(crate) mod patch;
pub(crate) mod pipe;
mod placement;
pub(crate) mod pool;
pub(crate) mod reused;
pub(crate) mod side_by_side;
pub(crate) mod sink;
pub(crate) mod skip;
pub(crate) mod source;
pub(crate) mod spool;
pub(crate) mod stamp;
pub(crate) mod sys;
pub(crate) mod tap;
pub mod unfinished;

pub use file_names::PathKey;
pub(crate) use sys::enlarge_pipe;
pub use sys::{duplicate, metadata};
