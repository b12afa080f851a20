# shellcheck shell=bash
# Programs for other systems, built on x86-64 Debian: which C compilers and linkers make them, and where cargo puts them.
#
# Sourced by `run`, `suite`, `release`, .ci/release, .ci/reproduce and .ci/long.

# The targets of the release files.
# shellcheck disable=SC2034 # .ci/release and .ci/reproduce build them
release_targets=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl x86_64-pc-windows-gnu)

# Each compiler has its full name, because `cc` and `x86_64-w64-mingw32-gcc` are links that the administrator of a machine can change.
# Rust works with both of Debian's compilers for Windows; `win32` is the one that such a link leads to by default.
export CC_x86_64_unknown_linux_musl=musl-gcc CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=gcc
export CC_aarch64_unknown_linux_musl=aarch64-linux-gnu-gcc CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=aarch64-linux-gnu-gcc
export CC_x86_64_pc_windows_gnu=x86_64-w64-mingw32-gcc-win32 CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc-win32

# build_for TARGET FLAG...: builds the program for TARGET; FLAGs are cargo's.
build_for() {
  rustup target add "$1"
  cargo build --quiet --locked --target "$@"
}

# Prints the directory that cargo builds in.
target_directory() {
  cargo metadata --format-version 1 --no-deps --offline | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'
}

# package_field NAME: prints a field of the package in Cargo.toml, such as `version`.
package_field() {
  sed -n "0,/^$1 = \"/s/^$1 = \"\(.*\)\"$/\1/p" "$(dirname "${BASH_SOURCE[0]}")/../../Cargo.toml"
}
