//! Many damaged archives, by seed, and a sample of them through the command.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use imgtar::ErrorKind;

use crate::driven::watched;
use crate::random::Random;
use crate::support::run::imgtar;
use crate::targets::damaged::{FLAGS, Fate, archive, fate, options};
use crate::{from_env, memory};

fn decisions(seed: u64) -> Vec<u8> {
    Random::new(seed).bytes(240)
}

#[test]
fn damaged_archives_are_refused_or_come_out_true() {
    let (first, count) = (from_env("IMGTAR_SEED").unwrap_or(1), from_env("IMGTAR_DAMAGED").unwrap_or(150));
    let fates = Arc::new(Mutex::new(BTreeMap::new()));
    // What is done once counts for no archive.
    fate(&[]);
    let failures = (first..first + count).filter_map(|seed| {
        let fates = fates.clone();
        watched(&format!("IMGTAR_SEED={seed}"), move || {
            let fate = fate(&decisions(seed));
            *fates.lock().unwrap().entry(fate).or_insert(0_usize) += 1;
        })
    });
    let failures: Vec<_> = failures.collect();
    assert!(failures.is_empty(), "{failures:#?}");
    let fates = fates.lock().unwrap();
    println!("{count} damaged archives: {fates:?}");
    // Were nothing harmed, or nothing taken, the damage would be none, or too much to say anything.
    for (fate, least) in [(Fate::Refused, count / 5), (Fate::Unharmed, count / 20), (Fate::Another, count / 50)] {
        assert!(fates.get(&fate).is_some_and(|&found| found as u64 >= least), "{fate:?} is too rare: {fates:?}");
    }
}

#[test]
fn the_command_does_with_damaged_archives_what_the_library_does() {
    let (first, count) = (from_env("IMGTAR_SEED").unwrap_or(1), from_env("IMGTAR_DAMAGED").map_or(12, |_| 300));
    for seed in first..first + count {
        let (target, damaged) = archive(&decisions(seed));
        let run = imgtar(["convert", "--to", FLAGS[target], "--verify", "full", "--max-size", "64M"]);
        let outcome = run.stdin(damaged.clone()).run();
        let (code, bytes) = match memory::converted(&damaged, &options(target)) {
            Ok(bytes) => (0, bytes),
            Err(error) => (code(error.kind()), Vec::new()),
        };
        assert_eq!(outcome.code, code, "IMGTAR_SEED={seed}\n{outcome}");
        assert!(code != 0 || outcome.stdout == bytes, "IMGTAR_SEED={seed}: other bytes\n{outcome}");
    }
}

fn code(kind: ErrorKind) -> i32 {
    match kind {
        ErrorKind::Usage => 2,
        ErrorKind::Input => 3,
        ErrorKind::Target => 4,
        ErrorKind::Io => 5,
        ErrorKind::Limit => 6,
        ErrorKind::ClosedPipe => 141,
    }
}
