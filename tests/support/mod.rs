//! What the suite stands on: images as literals, archives as any writer would save them, and a judge of what came out.
//!
//! Nothing here uses imgtar's library: an error that both shared would never be seen. Archives are read with the `tar`
//! crate, JSON with `serde_json`, digests with `sha2`.

pub(crate) mod archive;
pub(crate) mod codec;
#[cfg(target_os = "linux")]
pub(crate) mod cost;
pub(crate) mod docker;
pub(crate) mod expect;
pub(crate) mod image;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) mod inject;
pub(crate) mod judge;
pub(crate) mod layer;
pub(crate) mod layout;
pub(crate) mod model;
pub(crate) mod name;
pub(crate) mod order;
#[cfg(target_os = "linux")]
pub(crate) mod process;
pub(crate) mod repair;
pub(crate) mod rootfs;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod scratch;
#[cfg(target_os = "linux")]
pub(crate) mod screen;
pub(crate) mod shape;
pub(crate) mod skip;
pub(crate) mod source;
pub(crate) mod sparse;
pub(crate) mod tar_diff;
pub(crate) mod tarball;

use sha2::{Digest, Sha256, Sha512};

/// The sha256 of `bytes`, 64 hex digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The digest of `bytes` as documents write it.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256(bytes))
}

/// The sha512 digest of `bytes` as documents write it.
pub(crate) fn digest512(bytes: &[u8]) -> String {
    format!("sha512:{}", hex::encode(Sha512::digest(bytes)))
}

/// The hex digits of a digest.
pub(crate) fn hex_of(digest: &str) -> &str {
    digest.split_once(':').expect("a digest has an algorithm").1
}

/// Bytes that no codec makes smaller, the same every time.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}
