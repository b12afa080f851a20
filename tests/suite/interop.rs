//! The real engines. They need root, Debian's packages and minutes, so `cargo test` leaves them out unless it is asked.

use std::io::{self, Write};
use std::process::Command;

/// Set to anything, it makes `cargo test` run the engines too.
const ASKED: &str = "IMGTAR_INTEROP";

#[test]
fn the_real_engines_load_what_is_written_and_write_what_is_read() {
    if std::env::var_os(ASKED).is_none() {
        // Past the harness, which shows nothing that a passing test prints.
        let skipped = format!("skipped: the real engines (tests/interop/run, or {ASKED}=1 cargo test)\n");
        io::stderr().write_all(skipped.as_bytes()).unwrap();
        return;
    }
    let run = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/run");
    let status = Command::new(run).env("IMGTAR", env!("CARGO_BIN_EXE_imgtar")).status().unwrap();
    assert!(status.success(), "{run}: {status}");
}
