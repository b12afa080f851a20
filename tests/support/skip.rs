//! Tests that cannot run everywhere.

use std::env;
use std::fmt::Display;
use std::io::{self, Write};

/// Set to anything, it makes a test fail that would be skipped: where all tools are, none may be.
const NO_SKIPS: &str = "IMGTAR_NO_SKIPS";

/// Reports that a test cannot run here, past the harness, which shows nothing that a passing test prints.
#[track_caller]
pub(crate) fn skip(why: impl Display) {
    assert!(env::var_os(NO_SKIPS).is_none(), "skipped, although {NO_SKIPS} is set: {why}");
    io::stderr().write_all(format!("skipped: {why}\n").as_bytes()).unwrap();
}
