//! Tar, the outer archive and layers alike: one decoder for the index, for layers and for import.
//!
//! [`Reader`] turns bytes into [`TarEntry`] values, [`encode()`] turns one back into header blocks. Between them nothing is lost
//! that a root filesystem can hold: numbers beyond octal, sub-second times, names that are no UTF-8, extended attributes.
//! Of the `tar` crate only the layout of headers is used, for writing. Reading is ours: its numbers wrap where they should be
//! refused, it skips data behind headers that have none, and it takes a missing end for an end (docs/formats.md R-14, G-13,
//! H-8, H-11).
//!
//! Sources: POSIX.1-2017 `pax` (ustar and pax interchange formats), GNU tar manual (old GNU and sparse formats),
//! docs/formats.md G-6, G-13, R-13..R-21, H-8..H-11, H-18, H-24.

mod blocks;
mod content;
mod encode;
mod entry;
mod format_hint;
mod header;
mod index;
mod member;
mod pax;
mod reader;
mod sparse;
#[cfg(test)]
mod tests;
mod time;

pub use encode::encode;
pub(crate) use encode::{END, padding};
pub use entry::{EntryKind, TarEntry};
pub(crate) use format_hint::why_no_tar;
pub(crate) use index::LinkChain;
pub use index::{MemberIndex, Scan};
pub use reader::{Ending, Reader};
pub(crate) use sparse::SparseMap;
pub use time::TarTime;

/// Everything in a tar is aligned to this many bytes.
pub(crate) const BLOCK: usize = 512;

/// The outcome of parsing bytes whose place in the archive is unknown.
type ParseResult<T> = std::result::Result<T, crate::error::Problem>;
