# shellcheck shell=bash
# Programs for other systems, built here.
#
# Sourced by `run` and `suite`.

# build_for TARGET FLAG...: the program for it; FLAGs are cargo's.
build_for() {
  rustup target add "$1"
  CC_aarch64_unknown_linux_musl=aarch64-linux-gnu-gcc CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=aarch64-linux-gnu-gcc \
    cargo build --quiet --locked --target "$@"
}

# Where cargo builds.
target_directory() {
  cargo metadata --format-version 1 --no-deps --offline | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'
}
