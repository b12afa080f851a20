//! Convert container image tarballs, offline and in a stream.

pub mod archive;
pub mod codec;
pub mod convert;
pub mod digest;
pub mod error;
pub mod flatten;
pub mod image;
pub mod limits;
pub mod notice;
pub mod path;
pub mod reader;
pub mod run;
pub mod spec;
pub mod stream;
pub mod writer;
