//! Layers as what changed in them: tar-diff recipes, made against the files of an old image and applied to them.
//!
//! ```text
//! old image ── Sources: its layers merged, each file by its path
//!                 │
//! new layer ── create: for each file a source (matching), what differs (bsdiff) ── operations ── zstd ── tar-diff
//!                 │    a large file window by window (windows)
//! tar-diff ─── apply: operations, bytes of the sources ── the same tar, byte for byte
//! ```
//!
//! Nothing here knows of archives or manifests: a reader finds the blob and the old image, a writer stores what is made. A recipe
//! describes bytes, not entries, so that headers, padding and the end of a tar come out as they were.
//!
//! # Memory
//! The files of both images take some 500 bytes each, which count as metadata; what making a recipe takes besides is shared
//! out in `memory`. Applying takes a few buffers, and for an operation with a dictionary all of the source.
//!
//! Sources: docs/delta.md; containers/tar-diff, `file-format.md`.

mod apply;
mod blocks;
mod bsdiff;
mod create;
mod matching;
mod memory;
mod ops;
mod plain;
mod remake;
mod sources;
mod windows;

pub(crate) use apply::{Growth, MadeSize, apply};
pub(crate) use create::RecipeForm;
pub(crate) use matching::Matcher;
pub(crate) use plain::{OpenLayer, Scope};
pub(crate) use remake::is_remade;
pub(crate) use sources::Sources;
