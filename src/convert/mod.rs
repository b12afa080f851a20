//! A conversion from end to end.

mod options;

pub use options::*;
