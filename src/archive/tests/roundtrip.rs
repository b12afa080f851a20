//! Written archives are read back the same, by this reader and by the `tar` crate; they are small, reproducible and
//! plain ustar where they can be.

use proptest::prelude::*;

use super::*;
use crate::archive::{BLOCK, END, EntryKind, TarTime, encode, padding};

fn archive(entries: &[(TarEntry, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (entry, content) in entries {
        encode(entry, &mut tar).unwrap();
        tar.extend(content);
        tar.extend(padding(content.len() as u64));
    }
    tar.extend(END);
    tar
}

/// The entry without its place in an archive.
fn unplaced(entry: &TarEntry) -> TarEntry {
    TarEntry { header_offset: 0, data_offset: 0, ..entry.clone() }
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![8 => Just(b'a'), 2 => Just(b'/'), 1 => 1..=255_u8];
    prop_oneof![
        prop::collection::vec(byte.clone(), 1..20),
        prop::collection::vec(byte.clone(), 90..110),
        prop::collection::vec(byte, 240..400),
    ]
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), 0..2000_u32, 0o777_7770..0o1000_0010_u32, any::<u32>()]
}

fn time() -> impl Strategy<Value = TarTime> {
    let seconds = prop_oneof![Just(0), 0..1_i64 << 33, (1_i64 << 33) - 2..(1 << 33) + 2, -5..5_i64, any::<i64>()];
    (seconds, prop_oneof![Just(0), 0..1_000_000_000_u32]).prop_map(|(seconds, nanos)| TarTime { seconds, nanos })
}

fn kind() -> impl Strategy<Value = EntryKind> {
    use EntryKind::{BlockDevice, CharDevice, Directory, Fifo, HardLink, Regular, Symlink};
    prop::sample::select(vec![Regular, Regular, HardLink, Symlink, CharDevice, BlockDevice, Directory, Fifo])
}

prop_compose! {
    fn entry()(
        mut path in name(),
        kind in kind(),
        link in name(),
        (mode, uid, gid) in (0..=0o7777_u32, number(), number()),
        (uname, gname) in (prop::collection::vec(1..=255_u8, 0..40), "[a-z]{0,40}"),
        mtime in time(),
        device in (number(), number()),
        records in prop::collection::vec(("SCHILY\\.xattr\\.user\\.[a-z%]{1,9}", prop::collection::vec(any::<u8>(), 0..80)), 0..3),
        content in prop::collection::vec(any::<u8>(), 0..1200),
    ) -> (TarEntry, Vec<u8>) {
        if kind == EntryKind::Directory && !path.ends_with(b"/") {
            path.push(b'/');
        }
        let content = if kind == EntryKind::Regular { content } else { Vec::new() };
        let entry = TarEntry {
            path,
            kind,
            link: if kind.is_link() { link } else { Vec::new() },
            mode,
            uid: uid.into(),
            gid: gid.into(),
            uname,
            gname: gname.into_bytes(),
            mtime,
            device: if kind.is_device() { device } else { (0, 0) },
            records: records.into_iter().map(|(key, value)| (key.into_bytes(), value)).collect(),
            size: content.len() as u64,
            stored: content.len() as u64,
            sparse: None,
            header_offset: 0,
            data_offset: 0,
        };
        (entry, content)
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(entries in prop::collection::vec(entry(), 0..6)) {
        let tar = archive(&entries);
        let found = read(&tar, Ending::Required).unwrap();
        let found: Vec<_> = found.iter().map(|(entry, content)| (unplaced(entry), content.clone())).collect();
        prop_assert_eq!(&found, &entries);
        prop_assert_eq!(archive(&found), tar);
    }

    #[test]
    fn the_tar_crate_reads_the_same_members(mut entries in prop::collection::vec(entry(), 0..6)) {
        // It cuts PAX records at newlines wherever they stand, so there must be none in their values.
        for (entry, _) in &mut entries {
            let values = entry.records.iter_mut().map(|(_, value)| value);
            let texts = [&mut entry.path, &mut entry.link, &mut entry.uname].into_iter().chain(values);
            texts.flatten().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b'n');
        }
        let tar = archive(&entries);
        let mut oracle = tar::Archive::new(&tar[..]);
        let mut found = 0;
        for (theirs, (ours, content)) in oracle.entries().unwrap().zip(&entries) {
            let mut theirs = theirs.unwrap();
            prop_assert_eq!(&*theirs.path_bytes(), &ours.path[..]);
            let link = theirs.link_name_bytes().map(|link| link.to_vec()).unwrap_or_default();
            prop_assert_eq!(&link, &ours.link);
            prop_assert_eq!(theirs.header().entry_type().as_byte(), ours.kind.flag());
            prop_assert_eq!(theirs.header().mode().unwrap(), ours.mode);
            prop_assert_eq!(theirs.header().uid().unwrap(), ours.uid);
            let mut read = Vec::new();
            theirs.read_to_end(&mut read).unwrap();
            prop_assert_eq!(&read, content);
            found += 1;
        }
        prop_assert_eq!(found, entries.len());
    }
}

fn header(entry: &TarEntry) -> Vec<u8> {
    let mut blocks = Vec::new();
    encode(entry, &mut blocks).unwrap();
    blocks
}

#[test]
fn g_17_members_of_layered_archives_are_plain_ustar_with_fixed_metadata() {
    let mut expected = [0; BLOCK];
    for (at, text) in [
        (0, &b"blobs/sha256/"[..]),
        (100, b"0000755\x000000000\x000000000\x0000000000000\x0000000000000\x00011316\0 5"),
        (257, b"ustar\x0000"),
        (329, b"0000000\x000000000\0"),
    ] {
        expected[at..at + text.len()].copy_from_slice(text);
    }
    assert_eq!(header(&TarEntry::directory("blobs/sha256")), expected);
    assert_eq!(TarEntry::directory("a/").path, b"a/");

    let file = header(&TarEntry::plain_file("manifest.json", 0o1234));
    assert_eq!(file.len(), BLOCK);
    assert_eq!(&file[100..136], b"0000644\x000000000\x000000000\x0000000001234\0");
    let link = header(&TarEntry::symlink("id/layer.tar", "../other/layer.tar"));
    assert_eq!((&link[100..108], link[156], &link[157..175]), (&b"0000777\0"[..], b'2', &b"../other/layer.tar"[..]));
}

#[test]
fn a_file_of_8_gib_has_a_longer_header() {
    assert_eq!(header(&TarEntry::plain_file("layer.tar", (1 << 33) - 1)).len(), BLOCK);
    let large = TarEntry::plain_file("layer.tar", 1 << 33);
    let blocks = header(&large);
    assert_eq!(blocks.len(), 1536);
    assert_eq!(&blocks[..15], b"././@PaxHeader\0");
    assert_eq!(&blocks[512..532], b"19 size=8589934592\n\0");
    assert_eq!(&blocks[1024 + 124..][..12], b"\x80\0\0\0\0\0\0\x02\0\0\0\0");
    let budget = Budget::default();
    let diagnostics = Diagnostics::silent();
    let mut reader = Reader::new(&blocks[..], Ending::Required, "a.tar", &budget, &diagnostics);
    assert_eq!(unplaced(&reader.next_entry().unwrap().unwrap()), large);
}

#[test]
fn r_25_names_are_split_before_pax_is_used() {
    for (path, blocks) in [
        ("n".repeat(100), 1),
        ("n".repeat(101), 3),
        (format!("{}/{}", "p".repeat(155), "n".repeat(100)), 1),
        (format!("{}/{}", "p".repeat(156), "n".repeat(100)), 3),
        (format!("{}/{}", "p".repeat(155), "n".repeat(101)), 3),
        (format!("/{}", "n".repeat(100)), 3),
        (format!("{}/", "n".repeat(100)), 3),
        (format!("a/{}/b", "n".repeat(150)), 1),
    ] {
        let entry = TarEntry::plain_file(path.clone(), 0);
        assert_eq!(header(&entry).len(), blocks * BLOCK, "{path}");
        assert_eq!(read_one(&archive(&[(entry, Vec::new())])).0.path, path.as_bytes());
    }
}

#[test]
fn r_21_names_that_are_no_utf_8_say_so_only_in_pax() {
    let short = TarEntry::plain_file(b"\xff".to_vec(), 0);
    assert_eq!(header(&short).len(), BLOCK);
    let long = header(&TarEntry::plain_file(vec![0xff; 120], 0));
    assert!(long[BLOCK..].starts_with(b"21 hdrcharset=BINARY\n130 path=\xff"));
    let utf8 = header(&TarEntry::plain_file("ü".repeat(60), 0));
    assert!(utf8[BLOCK..].starts_with("130 path=ü".as_bytes()));
}

#[test]
fn a_sparse_file_is_written_expanded() {
    use super::raw::Raw;
    let tar = Raw::default().pax(&[("GNU.sparse.size", "9"), ("GNU.sparse.map", "4,3")]).file("f", "abc").end();
    let (entry, content) = read_one(&tar);
    let (again, content_again) = read_one(&archive(&[(entry, content.clone())]));
    assert_eq!((again.size, again.stored, again.sparse, content_again), (9, 9, None, content));
}

#[test]
fn what_no_header_can_say_is_refused() {
    let file = || TarEntry::plain_file("f", 0);
    let record = |key: &str| TarEntry { records: vec![(key.into(), b"1".to_vec())], ..file() };
    for entry in [
        TarEntry::plain_file("", 0),
        TarEntry::plain_file("a\0b", 0),
        TarEntry::symlink("a", "b\0"),
        TarEntry { mode: 0o10_000, ..file() },
        TarEntry { uid: 1 << 32, ..file() },
        TarEntry { size: 1 << 63, ..file() },
        TarEntry { mtime: TarTime { seconds: 0, nanos: 1_000_000_000 }, ..file() },
        TarEntry { records: vec![(b"k".to_vec(), vec![0; 1 << 20])], ..file() },
        record("a=b"),
        record(""),
        record("size"),
        record("GNU.sparse.map"),
    ] {
        let error = encode(&entry, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Target);
    }
}
