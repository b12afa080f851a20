//! The suite's support code can also run the command, with what cargo gives to tests only. No target does.

fn main() {
    for name in ["CARGO_BIN_EXE_imgtar", "CARGO_TARGET_TMPDIR"] {
        println!("cargo::rustc-env={name}=imgtar");
    }
}
