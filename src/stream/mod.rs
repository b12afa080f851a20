//! Bytes at rest and in motion; knows nothing of tar.

pub mod skip;
pub mod source;
pub mod spool;
mod sys;
