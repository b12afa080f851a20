//! The specifications' words: names and JSON shapes, no I/O.

pub mod config;
pub mod descriptor;
pub mod docker;
pub mod json;
pub mod media_type;
pub mod oci;
pub mod platform;
pub mod reference;
pub mod timestamp;
