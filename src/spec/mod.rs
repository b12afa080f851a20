//! The specifications' words: names and JSON shapes, no I/O.

pub mod json;
