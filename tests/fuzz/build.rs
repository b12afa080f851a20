//! The suite's support code can also run the command, by a name that cargo gives to tests only. No target does.

fn main() {
    println!("cargo::rustc-env=CARGO_BIN_EXE_imgtar=imgtar");
}
