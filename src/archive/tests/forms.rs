//! Valid archives: every dialect, number form, kind and sparse format.

use super::raw::{Block, Raw};
use super::*;
use crate::archive::sparse::Segment;
use crate::archive::{EntryKind, TarTime};

#[test]
fn ustar_fields_are_read() {
    let block = Block::new(b'0', "name")
        .put(345, b"some/prefix")
        .put(100, b"0106755\0")
        .put(108, b"0001750\0")
        .put(116, b"0000144\0")
        .put(136, b"14524770400\0")
        .put(265, b"user")
        .put(297, b"group");
    let (entry, content) = read_one(&Raw::default().member(block, b"hello").end());
    assert_eq!(entry.path, b"some/prefix/name");
    assert_eq!((entry.kind, entry.mode), (EntryKind::Regular, 0o6755));
    assert_eq!((entry.uid, entry.gid), (1000, 100));
    assert_eq!((&entry.uname[..], &entry.gname[..]), (&b"user"[..], &b"group"[..]));
    assert_eq!(entry.mtime, TarTime::from_seconds(0o14524770400));
    assert_eq!((entry.size, entry.stored, entry.header_offset, entry.data_offset), (5, 5, 0, 512));
    assert_eq!(content, b"hello");
}

#[test]
fn every_type_is_known() {
    let tar = Raw::default()
        .file("file", "1")
        .header(Block::new(b'1', "hard").link("file"))
        .header(Block::new(b'2', "soft").link("../file"))
        .header(Block::new(b'3', "null").put(329, b"0000001\x000000003\0"))
        .header(Block::new(b'4', "sda").put(329, b"0000010\x000000001\0"))
        .header(Block::new(b'5', "dir/"))
        .header(Block::new(b'6', "pipe"))
        .member(Block::new(b'7', "contiguous"), b"2")
        .end();
    let entries = read(&tar, Ending::Required).unwrap();
    let kinds: Vec<_> = entries.iter().map(|(entry, _)| entry.kind).collect();
    use EntryKind::{BlockDevice, CharDevice, Directory, Fifo, HardLink, Regular, Symlink};
    assert_eq!(kinds, [Regular, HardLink, Symlink, CharDevice, BlockDevice, Directory, Fifo, Regular]);
    assert_eq!(entries[1].0.link, b"file");
    assert_eq!(entries[2].0.link, b"../file");
    assert_eq!(entries[3].0.device, (1, 3));
    assert_eq!(entries[4].0.device, (8, 1));
    assert_eq!(entries[7].1, b"2");
}

#[test]
fn r_4_a_trailing_slash_makes_a_directory_of_the_old_type_only() {
    let tar = Raw::default()
        .header(Block::v7(0, "d/").size(512))
        .file("f/", "content")
        .pax(&[("path", "long/")])
        .header(Block::new(0, "short"))
        .end();
    let entries = read(&tar, Ending::Required).unwrap();
    let kinds: Vec<_> = entries.iter().map(|(entry, _)| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::Directory, EntryKind::Regular, EntryKind::Directory]);
}

#[test]
fn old_headers_have_no_names_and_no_prefix() {
    let block = Block::v7(0, "old").put(265, b"user").put(345, b"junk");
    let (entry, _) = read_one(&Raw::default().member(block, b"x").end());
    assert_eq!((&entry.path[..], &entry.uname[..]), (&b"old"[..], &b""[..]));
    let gnu = Block::gnu(b'0', "gnu").put(265, b"user").put(345, b"00000000001\0");
    let (entry, _) = read_one(&Raw::default().member(gnu, b"x").end());
    assert_eq!((&entry.path[..], &entry.uname[..]), (&b"gnu"[..], &b"user"[..]));
    let star = Block::new(b'0', "star").put(345, b"p").put(476, b"00000000001\x0000000000001").put(508, b"tar\0");
    let (entry, _) = read_one(&Raw::default().member(star, b"x").end());
    assert_eq!(entry.path, b"p/star");
}

#[test]
fn r_19_long_names_win_over_the_header_for_one_member() {
    let long = |flag, name: &[u8]| (Block::gnu(flag, "././@LongLink"), [name, b"\0"].concat());
    let (name, link) = (long(b'L', b"gnu name"), long(b'K', b"gnu link"));
    let tar = Raw::default()
        .member(name.0.clone(), &name.1)
        .member(link.0.clone(), &link.1)
        .header(Block::gnu(b'2', "short").link("short"))
        .pax(&[("path", "pax name"), ("linkpath", "gnu link")])
        .member(link.0, &link.1)
        .header(Block::gnu(b'2', "short").link("short"))
        .file("plain", "")
        .end();
    let entries = headers(&tar, Ending::Required).unwrap();
    let names: Vec<_> = entries.iter().map(|entry| (&entry.path[..], &entry.link[..])).collect();
    assert_eq!(
        names,
        [(&b"gnu name"[..], &b"gnu link"[..]), (b"pax name", b"gnu link"), (b"plain", b"")],
        "extensions hold for one member only"
    );
    assert_eq!((entries[0].header_offset, entries[1].header_offset), (0, 5 * 512));
}

#[test]
fn r_15_numbers_beyond_octal_are_read() {
    let tar = Raw::default()
        .pax(&[("mtime", "-1.5"), ("uid", "4294967295"), ("SCHILY.devmajor", "3000000000")])
        .header(Block::new(b'3', "pax").put(337, b"\x80\0\0\0\x7f\0\0\0"))
        .header(
            Block::gnu(b'0', "base256")
                .put(108, b"\x80\0\0\0\xff\xff\xff\xff")
                .put(136, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"),
        )
        .end();
    let entries = headers(&tar, Ending::Required).unwrap();
    assert_eq!(entries[0].mtime, TarTime { seconds: -2, nanos: 500_000_000 });
    assert_eq!((entries[0].uid, entries[0].device), (0xffff_ffff, (3_000_000_000, 0x7f00_0000)));
    assert_eq!((entries[1].uid, entries[1].mtime), (0xffff_ffff, TarTime::from_seconds(-2)));
}

#[test]
fn r_19_global_headers_are_ignored_with_a_warning_unless_they_are_remarks() {
    let tar = |key| Raw::default().extension(b'g', &[(key, "1")]).file("f", "").end();
    assert!(warnings(&tar("comment")).is_empty());
    let heard = warnings(&tar("mtime"));
    assert!(heard.len() == 1 && heard[0].contains("the global PAX record mtime is ignored"), "{heard:?}");
    let (entry, _) = read_one(&tar("mtime"));
    assert_eq!((entry.mtime, entry.header_offset), (TarTime::EPOCH, 1024));
}

#[test]
fn h_24_odd_names_pass_with_a_warning() {
    let component = "x".repeat(256);
    let long = "y/".repeat(2049);
    let tar = |name: &str| Raw::default().pax(&[("path", name)]).file("f", "").end();
    assert!(warnings(&tar(&component))[0].contains("component of more than 255 bytes"));
    assert!(warnings(&tar(&long))[0].contains("more than 4096 bytes"));
    assert!(warnings(&tar("a//b"))[0].contains("`a//b`: a name with an empty component"));
    for ordinary in [&"y/".repeat(200), "/a", "./a/"] {
        assert!(warnings(&tar(ordinary)).is_empty());
    }
    assert_eq!(read_one(&tar(&component)).0.path, component.as_bytes());
}

#[test]
fn g_12_empty_layers_are_valid() {
    for zeros in [0, 512, 1024, 10_240] {
        assert!(read(&vec![0; zeros], Ending::Optional).unwrap().is_empty());
        if zeros != 0 {
            assert!(read(&vec![0; zeros], Ending::Required).unwrap().is_empty());
        }
    }
}

#[test]
fn s_2_a_layer_may_end_without_a_marker_even_within_padding() {
    let padded = Raw::default().file("a", "first").file("f", "data").bytes();
    for end in [padded.len(), padded.len() - 1, padded.len() - 508] {
        let entries = read(&padded[..end], Ending::Optional).unwrap();
        assert_eq!(entries[1].1, b"data");
    }
}

#[test]
fn m_12_what_follows_the_end_marker_is_no_member_but_is_read() {
    struct Counting<'a>(&'a [u8], u64);
    impl Read for Counting<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let taken = self.0.read(buf)?;
            self.1 += taken as u64;
            Ok(taken)
        }
    }
    let mut tar = Raw::default().file("f", "data").end();
    tar.extend(Raw::default().file("ghost", "boo").end());
    tar.resize(1 << 20, 7);
    let (budget, diagnostics) = (Budget::default(), Diagnostics::silent());
    let source = Sequential::new(Counting(&tar, 0));
    let mut reader = Reader::new(source, Ending::Required, "layer", &budget, &diagnostics);
    assert!(reader.next_entry().unwrap().is_some());
    assert!(reader.next_entry().unwrap().is_none());
    assert!(reader.next_entry().unwrap().is_none());
    assert_eq!(reader.finish().unwrap().into_inner().1, 1 << 20);
}

/// Checks the expansion of a sparse sample: three bytes at 4, two at 1000, the end at 2000.
fn assert_expanded(tar: &[u8], name: &str) {
    let entries = read(tar, Ending::Required).unwrap();
    let (entry, content) = &entries[0];
    let mut expected = vec![0; 2000];
    expected[4..7].copy_from_slice(b"abc");
    expected[1000..1002].copy_from_slice(b"de");
    assert_eq!(String::from_utf8_lossy(&entry.path), name);
    assert_eq!((entry.kind, entry.size, entry.stored), (EntryKind::Regular, 2000, 5));
    assert!(*content == expected);
    assert_eq!(&tar[entry.data_offset as usize..][..5], b"abcde");
    let map = entry.sparse.as_ref().unwrap();
    assert_eq!(map.segments(), [Segment { offset: 4, length: 3 }, Segment { offset: 1000, length: 2 }]);
    assert_eq!(entries[1].0.path, b"next");
}

#[test]
fn r_20_pax_sparse_files_are_expanded() {
    let block = Block::new(b'0', "./GNUSparseFile.1/f");
    let sparse_0_0 = Raw::default().pax(&[
        ("GNU.sparse.size", "2000"),
        ("GNU.sparse.numblocks", "3"),
        ("GNU.sparse.offset", "4"),
        ("GNU.sparse.numbytes", "3"),
        ("GNU.sparse.offset", "1000"),
        ("GNU.sparse.numbytes", "2"),
        ("GNU.sparse.offset", "2000"),
        ("GNU.sparse.numbytes", "0"),
    ]);
    assert_expanded(&sparse_0_0.member(Block::new(b'0', "f"), b"abcde").file("next", "").end(), "f");

    let sparse_0_1 = Raw::default().pax(&[
        ("path", "./GNUSparseFile.1/f"),
        ("GNU.sparse.size", "2000"),
        ("GNU.sparse.numblocks", "3"),
        ("GNU.sparse.name", "f"),
        ("GNU.sparse.map", "4,3,1000,2,2000,0"),
    ]);
    assert_expanded(&sparse_0_1.member(block.clone(), b"abcde").file("next", "").end(), "f");

    let sparse_1_0 = Raw::default().pax(&[
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "f"),
        ("GNU.sparse.realsize", "2000"),
    ]);
    let mut stored = b"3\n4\n3\n1000\n2\n2000\n0\n".to_vec();
    stored.resize(512, 0);
    stored.extend(b"abcde");
    assert_expanded(&sparse_1_0.member(block, &stored).file("next", "").end(), "f");
}

#[test]
fn r_20_old_gnu_sparse_files_are_expanded() {
    let slots = b"00000000004\x0000000000003\x0000000001750\x0000000000002\x0000000003720\x0000000000000\0";
    let block = Block::gnu(b'S', "f").put(386, slots).put(483, b"00000003720\0");
    assert_expanded(&Raw::default().member(block.clone(), b"abcde").file("next", "").end(), "f");

    // The same map, its first slot in the header, the others in extension blocks; the second of these is empty.
    let (first, rest) = slots.split_at(24);
    let split = block.put(386, &[0; 96]).put(386, first).put(482, &[1]);
    let mut extension = [0; 512];
    extension[..rest.len()].copy_from_slice(rest);
    extension[504] = 1;
    let tar = Raw::default().header(split.size(5)).padded(&extension).padded(&[0; 512]).padded(b"abcde");
    assert_expanded(&tar.file("next", "").end(), "f");
}

#[test]
fn a_sparse_file_may_be_all_hole_or_have_none() {
    let hole = Raw::default().pax(&[("GNU.sparse.size", "5"), ("GNU.sparse.map", "5,0")]).file("f", "");
    assert_eq!(read_one(&hole.end()).1, [0; 5]);
    let full = Raw::default().pax(&[("GNU.sparse.size", "5"), ("GNU.sparse.map", "0,5")]).file("f", "abcde");
    assert_eq!(read_one(&full.end()).1, b"abcde");
}

#[test]
fn a_body_read_in_part_is_skipped_for_the_rest() {
    let content = "x".repeat(200_000);
    let tar = Raw::default().file("big", &content).file("next", "1").end();
    let (budget, diagnostics) = (Budget::default(), Diagnostics::silent());
    let mut reader = Reader::new(&tar[..], Ending::Required, "a.tar", &budget, &diagnostics);
    reader.next_entry().unwrap().unwrap();
    let mut part = [0; 1000];
    reader.body().read_exact(&mut part).unwrap();
    reader.body().read_exact(&mut part).unwrap();
    let entry = reader.next_entry().unwrap().unwrap();
    assert_eq!((&entry.path[..], entry.header_offset), (&b"next"[..], 512 + 200_192));
}

#[test]
fn entries_and_metadata_are_counted() {
    use crate::error::ErrorKind;
    use crate::limits::Limits;
    let tar = Raw::default().file("one", "").file("two", "").end();
    for limits in [Limits { entries: 1, ..Limits::default() }, Limits { metadata: 5, ..Limits::default() }] {
        let (budget, diagnostics) = (Budget::new(limits), Diagnostics::silent());
        let mut reader = Reader::new(&tar[..], Ending::Required, "a.tar", &budget, &diagnostics);
        reader.next_entry().unwrap();
        assert_eq!(reader.next_entry().unwrap_err().kind(), ErrorKind::Limit);
    }
}
