//! What is kept of an entry besides its name.

use std::collections::BTreeMap;

use crate::archive::{EntryKind, TarEntry, TarTime};
use crate::flatten::{self, Change};

/// What a header and its extensions say, but for the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: EntryKind,
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) device: (u32, u32),
    pub(crate) size: u64,
    pub(crate) mtime: TarTime,
    pub(crate) link: Box<[u8]>,
    pub(crate) records: Records,
    /// Where in the layer's tar its first header stands.
    pub(crate) offset: u64,
}

/// PAX records that no other field speaks for, by ascending keys, each once (docs/formats.md R-16).
pub(crate) type Records = Box<[(Vec<u8>, Vec<u8>)]>;

impl Header {
    /// The name of `entry`, and the rest of it.
    pub(crate) fn of(entry: TarEntry) -> (Vec<u8>, Self) {
        let header = Self {
            kind: entry.kind,
            mode: entry.mode as u16 & 0o7777,
            // The decoder refuses owners of more than 32 bits (H-11).
            uid: entry.uid as u32,
            gid: entry.gid as u32,
            device: entry.device,
            size: entry.size,
            mtime: entry.mtime,
            link: entry.link.into(),
            records: by_key(entry.records),
            offset: entry.header_offset,
        };
        (entry.path, header)
    }

    /// The entry as the overlay sees it.
    pub(crate) fn change<'a>(&'a self, path: &'a [u8], position: u64) -> Change<'a> {
        Change { path, kind: kind(self.kind, &self.link, self.device), position }
    }
}

/// `entry` as the overlay sees it.
pub(crate) fn change(entry: &TarEntry, position: u64) -> Change<'_> {
    Change { path: &entry.path, kind: kind(entry.kind, &entry.link, entry.device), position }
}

fn kind(kind: EntryKind, link: &[u8], (major, minor): (u32, u32)) -> flatten::Kind<'_> {
    match kind {
        EntryKind::Regular => flatten::Kind::Regular,
        EntryKind::HardLink => flatten::Kind::HardLink(link),
        EntryKind::Symlink => flatten::Kind::Symlink(link),
        EntryKind::CharDevice => flatten::Kind::CharDevice { major, minor },
        EntryKind::BlockDevice => flatten::Kind::BlockDevice,
        EntryKind::Directory => flatten::Kind::Directory,
        EntryKind::Fifo => flatten::Kind::Fifo,
    }
}

/// Their order says nothing, and of two with one key the last counts.
fn by_key(records: Vec<(Vec<u8>, Vec<u8>)>) -> Records {
    if records.len() < 2 {
        return records.into();
    }
    records.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect()
}
