//! imgtar from outside: the command is driven as a shell would, and what it wrote is judged without its own code.
//!
//! One module a theme; tests are sentences and name the rule of docs/formats.md or the page of the command line that
//! they hold imgtar to. `support` builds archives as every writer shapes them and reads them back.
//!
//! A module that is there on Linux alone measures processes by `/proc`, limits them, or looks at a terminal; one that is there
//! on Unix alone has lines for a shell. docs/systems.md tells what is left for other systems.

// Tests fail by unwrapping; clippy knows only functions marked `#[test]`, the support code is one level below.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "tests for Linux alone use the rest"))]
mod support;

mod architecture;
mod artifacts;
mod attack_lies;
#[cfg(target_os = "linux")]
mod attack_load;
mod attack_platforms;
mod bundles;
mod cases;
mod cat;
mod cli;
mod compress;
mod corpus;
mod declared;
mod delta;
mod diff;
mod edit;
mod escapes;
#[cfg(unix)]
mod examples;
#[cfg(target_os = "linux")]
mod faults;
mod field;
mod foreign;
#[cfg(target_os = "linux")]
mod growth;
mod h_rules;
mod help;
#[cfg(unix)]
mod help_examples;
mod history;
mod hostile;
mod images;
mod import;
mod increments;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod injected;
mod inspect;
mod interop;
mod lies;
mod linked;
mod loads;
mod ls;
mod matrix;
mod members;
mod names;
mod oci;
mod once;
mod output;
#[cfg(unix)]
mod pipelines;
mod pipes;
mod plain_words;
#[cfg(target_os = "linux")]
mod progress;
#[cfg(unix)]
mod readme;
mod report;
#[cfg(target_os = "linux")]
mod resources;
mod rootfs;
mod roundtrip;
mod rules;
#[cfg(target_os = "linux")]
mod screens;
mod select;
mod split;
mod support_itself;
mod unpacked;
mod vectors;
mod verify;
#[cfg(windows)]
mod windows;
