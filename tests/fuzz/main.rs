//! The fuzz targets by seed, archives cut at every byte, archives damaged at random; README.md says how to run more of it.

// Tests fail by unwrapping; clippy knows only functions marked `#[test]`, the code that they share is not.
#![allow(clippy::unwrap_used)]

mod choice;
mod cuts;
mod damaged;
mod driven;
mod engines;
mod generate;
mod memory;
mod mutate;
mod random;
mod seeds;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the suite uses the rest")]
mod support;
mod targets;
mod truth;

/// Who drives the targets here.
const UNDER_LIBFUZZER: bool = false;

/// A number from the environment.
fn from_env(key: &str) -> Option<u64> {
    std::env::var(key).ok().map(|value| value.parse().unwrap_or_else(|error| panic!("{key}={value}: {error}")))
}
