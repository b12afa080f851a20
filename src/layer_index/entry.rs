//! One entry as the index keeps it.
//!
//! ```text
//! flags  mode  uid  gid  mtime  offset  [nanos]  [size]  [major minor]  [link]  [records]  [content]
//! ```
//!
//! The flags are one byte, the content's digest 32; all else is a number or a text of [`flatten`](crate::flatten)'s logs.

use std::collections::BTreeMap;

use crate::archive::{EntryKind, TarEntry, TarTime};
use crate::flatten::{self, Change, put_number, put_text, take_number, take_text};

/// All that is kept of an entry, but for its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerEntry<'a> {
    pub(crate) kind: EntryKind,
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) device: (u32, u32),
    /// Bytes of content, a sparse file expanded.
    pub(crate) size: u64,
    pub(crate) mtime: TarTime,
    pub(crate) link: &'a [u8],
    pub(crate) records: PaxRecords<'a>,
    /// Where in the layer's tar the entry begins.
    pub(crate) offset: u64,
    /// SHA-256 of a regular file's content, where that was computed.
    pub(crate) content: Option<&'a [u8; 32]>,
}

/// PAX records that no other field holds, by ascending keys, each key once (docs/formats.md R-16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PaxRecords<'a>(&'a [u8]);

/// In front of the name of an extended attribute in the key of its PAX record.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// The kinds by their numbers.
const KINDS: [EntryKind; 7] = [
    EntryKind::Regular,
    EntryKind::HardLink,
    EntryKind::Symlink,
    EntryKind::CharDevice,
    EntryKind::BlockDevice,
    EntryKind::Directory,
    EntryKind::Fifo,
];
/// The bits of the flags that hold the kind.
const KIND: u8 = 0b111;
/// Nanoseconds follow.
const NANOS: u8 = 1 << 3;
/// Records follow.
const RECORDS: u8 = 1 << 4;
/// The content's digest follows.
const CONTENT: u8 = 1 << 5;

/// Appends `entry` to `bytes`.
pub(super) fn put(bytes: &mut Vec<u8>, entry: &TarEntry, content: Option<&[u8; 32]>) {
    let TarEntry { kind, mtime, device: (major, minor), .. } = *entry;
    let flag = |bit, is_there| if is_there { bit } else { 0 };
    let flags = flag(NANOS, mtime.nanos != 0) | flag(RECORDS, !entry.records.is_empty());
    bytes.push(number(kind) | flags | flag(CONTENT, content.is_some()));
    put_number(bytes, u64::from(entry.mode & 0o7777));
    put_number(bytes, entry.uid);
    put_number(bytes, entry.gid);
    put_number(bytes, zigzag(mtime.seconds));
    put_number(bytes, entry.header_offset);
    if mtime.nanos != 0 {
        put_number(bytes, u64::from(mtime.nanos));
    }
    if kind == EntryKind::Regular {
        put_number(bytes, entry.size);
    }
    if kind.is_device() {
        put_number(bytes, u64::from(major));
        put_number(bytes, u64::from(minor));
    }
    if kind.is_link() {
        put_text(bytes, &entry.link);
    }
    if !entry.records.is_empty() {
        put_text(bytes, &records(&entry.records));
    }
    if let Some(content) = content {
        bytes.extend_from_slice(content);
    }
}

/// Takes an entry that [`put`] wrote off the front of `rest`.
pub(super) fn take<'a>(rest: &mut &'a [u8]) -> LayerEntry<'a> {
    let flags = rest.split_off_first().copied().unwrap_or_default();
    let kind = KINDS[usize::from(flags & KIND)];
    // The decoder refuses owners of more than 32 bits (H-11).
    let (mode, uid, gid) = (take_number(rest) as u16, take_number(rest) as u32, take_number(rest) as u32);
    let (seconds, offset) = (unzigzag(take_number(rest)), take_number(rest));
    let mut if_so = |is_there: bool| if is_there { take_number(rest) } else { 0 };
    let nanos = if_so(flags & NANOS != 0) as u32;
    let size = if_so(kind == EntryKind::Regular);
    let device = (if_so(kind.is_device()) as u32, if_so(kind.is_device()) as u32);
    let link = if kind.is_link() { take_text(rest) } else { b"" };
    let records = PaxRecords(if flags & RECORDS != 0 { take_text(rest) } else { b"" });
    let mut content = None;
    if flags & CONTENT != 0
        && let Some((digest, behind)) = rest.split_first_chunk()
    {
        (content, *rest) = (Some(digest), behind);
    }
    LayerEntry { kind, mode, uid, gid, device, size, mtime: TarTime { seconds, nanos }, link, records, offset, content }
}

impl<'a> LayerEntry<'a> {
    /// A directory that no entry describes: 0755, 0:0, time 0 (docs/formats.md R-6).
    pub(crate) const IMPLICIT_DIRECTORY: Self = Self {
        kind: EntryKind::Directory,
        mode: 0o755,
        uid: 0,
        gid: 0,
        device: (0, 0),
        size: 0,
        mtime: TarTime::EPOCH,
        link: b"",
        records: PaxRecords(b""),
        offset: 0,
        content: None,
    };

    /// Returns true if it is a regular file, not a hard link to one.
    pub(crate) fn is_file(&self) -> bool {
        self.kind == EntryKind::Regular
    }

    /// Returns its kind as the overlay needs it.
    pub(crate) fn change_kind(&self) -> flatten::ChangeKind<'a> {
        change_kind(self.kind, self.link, self.device)
    }
}

impl<'a> PaxRecords<'a> {
    /// Names and values of extended attributes.
    pub(crate) fn xattrs(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.all().filter_map(|(key, value)| Some((key.strip_prefix(XATTR)?, value)))
    }

    /// Keys and values of all other records.
    pub(crate) fn others(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.all().filter(|(key, _)| !key.starts_with(XATTR))
    }

    /// Keys and values of all records.
    pub(crate) fn all(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || (!rest.is_empty()).then(|| (take_text(&mut rest), take_text(&mut rest))))
    }
}

impl<'a> Change<'a> {
    /// Returns the change that `entry` makes to the tree; `position` becomes its key.
    pub(crate) fn of(entry: &'a TarEntry, position: u64) -> Self {
        Self { path: &entry.path, kind: change_kind(entry.kind, &entry.link, entry.device), position }
    }
}

fn change_kind(kind: EntryKind, link: &[u8], (major, minor): (u32, u32)) -> flatten::ChangeKind<'_> {
    match kind {
        EntryKind::Regular => flatten::ChangeKind::Regular,
        EntryKind::HardLink => flatten::ChangeKind::HardLink(link),
        EntryKind::Symlink => flatten::ChangeKind::Symlink(link),
        EntryKind::CharDevice => flatten::ChangeKind::CharDevice { major, minor },
        EntryKind::BlockDevice => flatten::ChangeKind::BlockDevice,
        EntryKind::Directory => flatten::ChangeKind::Directory,
        EntryKind::Fifo => flatten::ChangeKind::Fifo,
    }
}

fn number(kind: EntryKind) -> u8 {
    match kind {
        EntryKind::Regular => 0,
        EntryKind::HardLink => 1,
        EntryKind::Symlink => 2,
        EntryKind::CharDevice => 3,
        EntryKind::BlockDevice => 4,
        EntryKind::Directory => 5,
        EntryKind::Fifo => 6,
    }
}

/// Small numbers of either sign become small numbers without.
fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// Sorts `records`, whose order means nothing; of two with one key the last counts (R-19).
fn records(records: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let by_key: BTreeMap<&[u8], &[u8]> = records.iter().map(|(key, value)| (&key[..], &value[..])).collect();
    for (key, value) in by_key {
        put_text(&mut bytes, key);
        put_text(&mut bytes, value);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer_index::LayerIndex;
    use proptest::prelude::*;

    /// Entries as the decoder gives them: no field has a value that its kind has not.
    fn entry() -> impl Strategy<Value = (TarEntry, Option<[u8; 32]>)> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..200);
        let records = proptest::collection::vec((bytes(), bytes()), 0..3);
        let numbers = (0..=0o7777_u32, any::<u32>(), any::<u32>(), any::<(u32, u32)>(), any::<u64>(), any::<u64>());
        let time = (any::<i64>(), 0..1_000_000_000_u32);
        (0..KINDS.len(), numbers, time, (bytes(), bytes()), records, any::<bool>()).prop_map(
            |(kind, numbers, (seconds, nanos), (path, link), records, is_hashed)| {
                let (kind, (mode, uid, gid, device, size, header_offset)) = (KINDS[kind], numbers);
                let content = is_hashed.then_some([kind as u8; 32]);
                let entry = TarEntry {
                    kind,
                    mode,
                    uid: uid.into(),
                    gid: gid.into(),
                    device: if kind.is_device() { device } else { (0, 0) },
                    size: if kind == EntryKind::Regular { size } else { 0 },
                    mtime: TarTime { seconds, nanos },
                    link: if kind.is_link() { link } else { Vec::new() },
                    records,
                    header_offset,
                    ..TarEntry::plain_file(path, 0)
                };
                (entry, content)
            },
        )
    }

    fn assert_kept(kept: &LayerEntry<'_>, entry: &TarEntry, content: Option<&[u8; 32]>) {
        assert_eq!((kept.kind, u32::from(kept.mode), kept.device), (entry.kind, entry.mode, entry.device));
        assert_eq!((u64::from(kept.uid), u64::from(kept.gid), kept.size), (entry.uid, entry.gid, entry.size));
        assert_eq!((kept.mtime, kept.link, kept.offset), (entry.mtime, &entry.link[..], entry.header_offset));
        assert_eq!(kept.content, content);
        let expected: BTreeMap<_, _> = entry.records.iter().cloned().collect();
        let records = kept.records.all().map(|(key, value)| (key.to_vec(), value.to_vec()));
        assert_eq!(records.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn entries_come_back(entries in proptest::collection::vec(entry(), 0..20)) {
            let (mut index, mut taken) = (LayerIndex::default(), 0);
            for (entry, content) in &entries {
                taken += index.push(entry, content.as_ref());
            }
            prop_assert_eq!(taken as usize, index.paths.len() + index.entries.len());
            let (mut cursor, mut positions) = (index.cursor(), Vec::new());
            for (entry, content) in &entries {
                let (path, position, kept) = cursor.next().unwrap();
                prop_assert_eq!(path, &entry.path[..]);
                assert_kept(&kept, entry, content.as_ref());
                positions.push(position);
            }
            prop_assert!(cursor.next().is_none());
            let mut cursor = index.cursor();
            for (&position, (entry, _)) in positions.iter().zip(&entries).step_by(3) {
                prop_assert_eq!(cursor.path_at(position), &entry.path[..]);
            }
            for (position, (entry, content)) in positions.into_iter().zip(&entries).rev() {
                assert_kept(&index.entry(position), entry, content.as_ref());
            }
        }
    }

    #[test]
    fn numbers_of_kinds_are_their_places() {
        for (place, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(usize::from(number(kind)), place);
        }
    }

    #[test]
    fn an_ordinary_file_takes_few_bytes() {
        let mtime = TarTime { seconds: 1_700_000_000, nanos: 0 };
        let file =
            TarEntry { mtime, header_offset: 100 << 20, ..TarEntry::plain_file("usr/share/doc/a/copyright", 10_000) };
        let mut index = LayerIndex::default();
        index.push(&TarEntry { path: b"usr/share/doc/a/changelog.gz".to_vec(), ..file.clone() }, None);
        assert_eq!(index.push(&file, None), 16 + 1 + 1 + 8);
    }
}
