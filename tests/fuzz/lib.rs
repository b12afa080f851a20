//! imgtar's fuzz targets for libFuzzer; `cargo test --test fuzz` drives the same ones by seed.

#![allow(clippy::unwrap_used, dead_code, reason = "the code is shared with the tests")]

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

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

/// What no input may take, in a build that is instrumented and checks itself: time of the processor, because a busy machine
/// is no fault.
const SLOW: Duration = Duration::from_secs(1);

/// Runs the target `name`.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = targets::ALL.iter().find(|(known, _)| *known == name).expect("a target of this name");
    let begun = processor_time();
    target(data);
    let spent = processor_time() - begun;
    assert!(spent < SLOW, "{name}: {} bytes took {spent:?}", data.len());
}

/// The time that all threads of this process have taken so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("less than a second"))
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
