//! The headers of one layer, for as long as its tree is looked at: end to end, each number in as many bytes as it needs.
//!
//! An entry takes about 17 bytes and its link's target, a [`Header`] five times as much. It is found again by where it
//! begins.

use super::header::{Header, Records};
use crate::archive::{EntryKind, TarTime};
use crate::flatten::{put_number, put_text, take_number, take_text};

/// Headers in archive order.
#[derive(Debug, Default)]
pub(super) struct Headers {
    bytes: Vec<u8>,
}

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
/// The bits of a header's first byte that hold its kind.
const KIND: u8 = 0b111;
/// Nanoseconds follow.
const NANOS: u8 = 1 << 3;
/// Records follow.
const RECORDS: u8 = 1 << 4;

impl Headers {
    /// Where the next header will stand; ascending.
    pub(super) fn end(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Keeps `header`.
    pub(super) fn push(&mut self, header: &Header) {
        let Header { kind, mode, uid, gid, device: (major, minor), size, mtime, link, records, offset } = header;
        let bytes = &mut self.bytes;
        let flag = |bit, is_there| if is_there { bit } else { 0 };
        bytes.push(number(*kind) | flag(NANOS, mtime.nanos != 0) | flag(RECORDS, !records.is_empty()));
        put_number(bytes, u64::from(*mode));
        put_number(bytes, u64::from(*uid));
        put_number(bytes, u64::from(*gid));
        put_number(bytes, zigzag(mtime.seconds));
        put_number(bytes, *offset);
        if mtime.nanos != 0 {
            put_number(bytes, u64::from(mtime.nanos));
        }
        if *kind == EntryKind::Regular {
            put_number(bytes, *size);
        }
        if kind.is_device() {
            put_number(bytes, u64::from(*major));
            put_number(bytes, u64::from(*minor));
        }
        if kind.is_link() {
            put_text(bytes, link);
        }
        if !records.is_empty() {
            put_records(bytes, records);
        }
    }

    /// The header at `position`, where one was pushed.
    pub(super) fn get(&self, position: u64) -> Header {
        let rest = &mut &self.bytes[position as usize..];
        let first = rest.split_off_first().copied().unwrap_or_default();
        let kind = KINDS[usize::from(first & KIND)];
        let (mode, uid, gid) = (take_number(rest) as u16, take_number(rest) as u32, take_number(rest) as u32);
        let (seconds, offset) = (unzigzag(take_number(rest)), take_number(rest));
        let mut if_so = |is_there: bool| if is_there { take_number(rest) } else { 0 };
        let nanos = if_so(first & NANOS != 0) as u32;
        let size = if_so(kind == EntryKind::Regular);
        let device = (if_so(kind.is_device()) as u32, if_so(kind.is_device()) as u32);
        let link = if kind.is_link() { take_text(rest).into() } else { Box::default() };
        let records = if first & RECORDS != 0 { take_records(rest) } else { Box::default() };
        Header { kind, mode, uid, gid, device, size, mtime: TarTime { seconds, nanos }, link, records, offset }
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

fn put_records(bytes: &mut Vec<u8>, records: &Records) {
    put_number(bytes, records.len() as u64);
    for (key, value) in records {
        put_text(bytes, key);
        put_text(bytes, value);
    }
}

fn take_records(rest: &mut &[u8]) -> Records {
    (0..take_number(rest)).map(|_| (take_text(rest).to_vec(), take_text(rest).to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a kind does not have is not said of it.
    fn header() -> impl Strategy<Value = Header> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..200);
        let records = proptest::collection::vec((bytes(), bytes()), 0..3);
        let numbers = (0..=0o7777_u16, any::<u32>(), any::<u32>(), any::<(u32, u32)>(), any::<u64>(), any::<u64>());
        let time = (any::<i64>(), 0..1_000_000_000_u32);
        (0..KINDS.len(), numbers, time, bytes(), records).prop_map(
            |(kind, numbers, (seconds, nanos), link, records)| {
                let (kind, (mode, uid, gid, device, size, offset)) = (KINDS[kind], numbers);
                Header {
                    kind,
                    mode,
                    uid,
                    gid,
                    device: if kind.is_device() { device } else { (0, 0) },
                    size: if kind == EntryKind::Regular { size } else { 0 },
                    mtime: TarTime { seconds, nanos },
                    link: if kind.is_link() { link.into() } else { Box::default() },
                    records: records.into(),
                    offset,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn headers_come_back(headers in proptest::collection::vec(header(), 0..20)) {
            let mut kept = Headers::default();
            let mut places = Vec::new();
            for header in &headers {
                places.push(kept.end());
                kept.push(header);
            }
            for (place, header) in places.into_iter().zip(&headers).rev() {
                prop_assert_eq!(&kept.get(place), header);
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
        let (link, records) = (Box::default(), Box::default());
        let (mode, uid, gid, device, size, offset) = (0o644, 0, 0, (0, 0), 10_000, 100 << 20);
        let mut kept = Headers::default();
        kept.push(&Header { kind: EntryKind::Regular, mode, uid, gid, device, size, mtime, link, records, offset });
        assert_eq!(kept.end(), 16);
    }
}
