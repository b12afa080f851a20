//! `--to rootfs` from outside: docs/formats.md section 7, rule by rule and row by row.

mod input;
mod metadata;
mod only;
mod output;
mod peers;
pub(crate) mod random;
mod refused;
#[cfg(unix)]
mod room;
#[cfg(unix)]
mod tools;
mod vectors;
