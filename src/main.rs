//! The command `imgtar`.

fn main() {}
