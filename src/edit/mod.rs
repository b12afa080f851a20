//! Changes of images: images in, images with new layers and configs out; readers and writers do not know of it.
//!
//! Sources: docs/edit.md.

mod config;
mod difference;
mod document;
mod history;
mod shape;

pub use config::{ConfigChanges, RuntimeChanges, check_variable};
pub use shape::check_healthcheck;
