//! Bytes at rest and in motion; knows nothing of tar.

pub mod copy;
pub mod dir_sink;
pub mod finish;
mod output;
pub mod patch;
pub mod pipe;
pub mod pool;
pub mod sink;
pub mod skip;
pub mod source;
pub mod spool;
pub(crate) mod sys;
pub mod tap;
pub mod unfinished;

pub use sys::{metadata, widen};
