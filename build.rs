//! Finds out which compression libraries are linked, so that `--version` can name them (docs/formats.md D-10).

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Crates that link a C library tell those that depend on them where its headers are.
    let libdeflate = header("DEP_LIBDEFLATE_INCLUDE", "libdeflate.h").and_then(|text| libdeflate_version(&text));
    let liblzma = header("DEP_LZMA_INCLUDE", "lzma/version.h").and_then(|text| liblzma_version(&text));
    for (name, version) in [("LIBDEFLATE_VERSION", libdeflate), ("LIBLZMA_VERSION", liblzma)] {
        println!("cargo:rustc-env={name}={}", version.as_deref().unwrap_or("of unknown version"));
    }
}

fn header(directory: &str, path: &str) -> Option<String> {
    fs::read_to_string(Path::new(&env::var_os(directory)?).join(path)).ok()
}

fn libdeflate_version(header: &str) -> Option<String> {
    Some(definition(header, "LIBDEFLATE_VERSION_STRING")?.trim_matches('"').to_owned())
}

fn liblzma_version(header: &str) -> Option<String> {
    let part = |name| definition(header, name);
    let [major, minor, patch] = [part("LZMA_VERSION_MAJOR")?, part("LZMA_VERSION_MINOR")?, part("LZMA_VERSION_PATCH")?];
    Some(format!("{major}.{minor}.{patch}"))
}

/// The value of a macro.
fn definition<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("#define") && words.next() == Some(name)).then(|| words.next()).flatten()
    })
}
