//! The specifications' words: names and JSON shapes.
//!
//! Bytes in, values out, and back; no I/O, and nothing is known of archives. Readers and writers of one format share these
//! words, so the two sides cannot drift apart. Everything here may come from a hostile archive: a fault is an error that says
//! where, never a panic, and the values of a type have been checked.
//!
//! | words of | modules |
//! | --- | --- |
//! | all formats | [`json`], [`descriptor`], [`media_type`], [`platform`], [`mod@reference`], [`config`], [`timestamp`] |
//! | OCI layouts | [`oci`] |
//! | deltas between images | [`delta`] |
//! | docker archives | [`docker`], [`v1`] |
//! | increments | [`increment`] |

pub(crate) mod config;
pub(crate) mod config_types;
pub(crate) mod delta;
pub(crate) mod descriptor;
pub mod docker;
pub(crate) mod fields;
pub(crate) mod increment;
pub mod json;
pub(crate) mod media_type;
pub mod oci;
pub(crate) mod platform;
pub(crate) mod reference;
pub mod timestamp;
pub(crate) mod typed;
pub mod v1;
