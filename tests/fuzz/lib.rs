//! imgtar's fuzz targets for libFuzzer; `cargo test --test fuzz` drives the same ones by seed.

#![allow(clippy::unwrap_used, dead_code, reason = "the code is shared with the tests")]

mod choice;
mod generate;
mod memory;
mod mutate;
mod random;
mod seeds;
#[path = "../support/mod.rs"]
mod support;
mod targets;
mod truth;

/// Who drives the targets here.
const UNDER_LIBFUZZER: bool = true;

/// Runs the target `name`.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = targets::ALL.iter().find(|(known, _)| *known == name).expect("a target of this name");
    target(data);
}

/// Makes the target `name` ready, so that no run counts for what is done once, and writes what to start it with to
/// `$FUZZ_SEEDS`, if that is set.
pub fn begin(name: &str) {
    run(name, &[]);
    let Some(dir) = std::env::var_os("FUZZ_SEEDS").map(std::path::PathBuf::from) else { return };
    for (nth, seed) in seeds::of(name).iter().enumerate() {
        std::fs::write(dir.join(format!("seed-{nth}")), seed).unwrap();
    }
}
