//! The fuzz targets by seed: a few runs of each in every test run, as many as are asked for otherwise.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::choice::Choice;
use crate::random::Random;
use crate::{from_env, mutate, seeds, targets};

/// Longest input, bytes.
const LONGEST: usize = 64 << 10;
/// What hangs is a failure, not a stuck test; libFuzzer's driver is the one that measures the processor's time.
const TIMEOUT: Duration = Duration::from_secs(600);

#[test]
fn every_target_returns_for_any_bytes() {
    let (first, runs) = (from_env("IMGTAR_SEED").unwrap_or(1), from_env("IMGTAR_FUZZ_RUNS").unwrap_or(60));
    let mut failures = Vec::new();
    for (name, target) in targets::ALL {
        let seeds = seeds::of(name);
        // What is done once counts for no input.
        target(&[]);
        for seed in first..first + runs {
            let input = input(&seeds, &mut Random::new(seed));
            failures.extend(watched(&format!("IMGTAR_SEED={seed} target {name}"), move || target(&input)));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Inputs that made a target panic once, in hexadecimal digits.
const FOUND: [(&str, &str); 1] = [(
    // A pattern that matched the root itself, where a layer puts an entry.
    "edit",
    "16c77829da8b3ced9e4f00b1f2a35405b66718c97a2bd98d3eefa05102b36415c67728d98a3bec9d4eff7461b012c325d68738e99a6213c47526d788\
     391acb7c2dde8f40f1a25304b56617c8792adb8c3d639f5001b26314c57627d8893aeb9c4dfeaf6011c2732cd58638e8994afbac5d0ebf7021d28334\
     e59647f8a95a0bbc6d1ecf8031e29344f5a65708b96a1bcc7d2edf0b00f2a35405b66718c97a2bd98d3eefa05102b36415c67728d98a3bec9d4effb0\
     6112c37425d68738e99a4bfcad",
)];

#[test]
fn what_made_a_target_panic_once_does_so_no_more() {
    for (name, input) in FOUND {
        let (_, target) = targets::ALL.into_iter().find(|(known, _)| *known == name).unwrap();
        target(&hex::decode(input).unwrap());
    }
}

/// Bytes of nobody, a seed, or a seed that is damaged.
fn input(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    if random.below(4) == 0 {
        let length = random.below(600);
        return random.bytes(length);
    }
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..random.below(4) {
        mutate::tar(&mut Choice::new(&random.bytes(64)), &mut bytes);
    }
    bytes.truncate(LONGEST);
    bytes
}

/// Runs `work`: what went wrong, called `what`, if it panics or does not end.
pub(crate) fn watched(what: &str, work: impl FnOnce() + Send + 'static) -> Option<String> {
    let (done, waiting) = mpsc::channel();
    thread::spawn(move || done.send(catch_unwind(AssertUnwindSafe(work)).is_ok()));
    match waiting.recv_timeout(TIMEOUT) {
        Ok(true) => None,
        Ok(false) => Some(format!("{what}: panicked, see above")),
        Err(_) => Some(format!("{what}: no end after {TIMEOUT:?}")),
    }
}
