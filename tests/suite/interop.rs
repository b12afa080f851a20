//! The real engines. They need root, Debian's packages and minutes, so `cargo test` leaves them to `.ci/run`, unless it is
//! asked for what is ignored.

use std::process::Command;

#[test]
#[ignore = "the real engines need root, Debian's packages and minutes: tests/interop/run"]
fn the_real_engines_load_what_is_written_and_write_what_is_read() {
    let run = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/run");
    let status = Command::new(run).env("IMGTAR", crate::support::run::program()).status().unwrap();
    assert!(status.success(), "{run}: {status}");
}
