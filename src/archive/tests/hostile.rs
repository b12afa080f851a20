//! Damaged and hostile archives, by the rules of docs/formats.md: errors that say where, never a panic, a wrong member
//! or a short success.

use proptest::prelude::*;

use super::raw::{Block, Raw};
use super::*;
use crate::archive::BLOCK;
use crate::limits::MAX_TAR_EXTENSION;

/// Fails unless the refusal names the archive and contains every part.
fn assert_refused(tar: &[u8], parts: &[&str]) {
    let refusal = refusal(tar);
    assert!(refusal.starts_with("a.tar: "), "{refusal}");
    for part in parts {
        assert!(refusal.contains(part), "`{part}` is not in: {refusal}");
    }
}

#[test]
fn h_8_the_pax_size_places_data_and_next_header() {
    // TARmageddon: the header has size 0, so a careless reader takes the inner archive's headers for members.
    let inner = Raw::default().file("smuggled", "x").bytes();
    let tar = Raw::default()
        .pax(&[("size", &inner.len().to_string())])
        .header(Block::new(b'0', "outer"))
        .padded(&inner)
        .file("next", "")
        .end();
    let entries = read(&tar, Ending::Required).unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!((entries[0].0.size, &entries[0].1), (1024, &inner));
    assert_eq!(entries[1].0.path, b"next");

    // The other way round: the header's size is larger than PAX's.
    let tar =
        Raw::default().pax(&[("size", "1")]).header(Block::new(b'0', "f").size(1024)).padded(b"x").file("next", "");
    let entries = read(&tar.end(), Ending::Required).unwrap();
    assert_eq!((&entries[0].1[..], &entries[1].0.path[..]), (&b"x"[..], &b"next"[..]));
}

#[test]
fn s_1_and_r_14_types_without_data_skip_none_whatever_their_size() {
    for flag in b'1'..=b'6' {
        for pax in [false, true] {
            let tar = if pax { Raw::default().pax(&[("size", "512")]) } else { Raw::default() };
            let tar = tar.header(Block::new(flag, "e").link("f").size(512)).file("next", "data").end();
            let entries = read(&tar, Ending::Required).unwrap();
            assert_eq!((entries[0].0.size, entries[0].0.stored), (0, 0));
            assert_eq!((&entries[1].0.path[..], &entries[1].1[..]), (&b"next"[..], &b"data"[..]));
        }
    }
}

#[test]
fn s_3_a_pax_size_counts_where_the_header_says_zero() {
    let tar = Raw::default().pax(&[("size", "4")]).header(Block::new(b'0', "f")).padded(b"data").end();
    assert_eq!(read_one(&tar).1, b"data");
}

#[test]
fn h_9_malformed_extensions_are_refused() {
    let pax = |body: &[u8]| Raw::default().member(Block::new(b'x', "pax"), body).file("f", "").end();
    assert_refused(&pax(b"11 path=foo\n"), &["PAX header at offset 0", "newline"]);
    assert_refused(&pax(b"12 pathfoo!\n"), &["has no `=`"]);
    assert_refused(&pax(b"9 size=1x\n"), &["a record"]);
    assert_refused(&pax(b"11 size=1x\n\n"), &["PAX header"]);
    assert_refused(&pax(b"14 path=a\0b=c\n"), &["path", "NUL"]);
    let long = |flag, body: &[u8]| Raw::default().member(Block::gnu(flag, "././@LongLink"), body).file("f", "").end();
    assert_refused(&long(b'L', b""), &["GNU long name", "empty"]);
    assert_refused(&long(b'K', b"\0"), &["GNU long link", "empty"]);
}

#[test]
fn h_9_extensions_belong_to_one_member() {
    let name = || Block::gnu(b'L', "././@LongLink");
    let pax = || Raw::default().pax(&[("path", "a")]);
    let same = |tar: Vec<u8>, path: &str, words: &str| {
        let paths: Vec<_> = read(&tar, Ending::Required).unwrap().into_iter().map(|(entry, _)| entry.path).collect();
        assert_eq!(paths, [path.as_bytes()], "{words}");
        let [warning] = &warnings(&tar)[..] else { panic!("one warning for {words}") };
        assert!(warning.contains(words), "{warning}");
    };
    // Go reads all of these, and all engines with it.
    same(pax().pax(&[("size", "0")]).file("f", "").end(), "f", "PAX header at offset 1024: the second one");
    let twice = Raw::default().member(name(), b"a\0").member(name(), b"b\0").file("f", "").end();
    same(twice, "b", "GNU long name at offset 1024: the second one");
    let rest = Raw::default().member(name(), b"name\0more\0").file("f", "").end();
    same(rest, "name", "GNU long name at offset 0: bytes behind the closing NUL are ignored");
    same(Raw::default().file("f", "").pax(&[("path", "a")]).end(), "f", "header at offset 512 has no member behind it");
    assert_refused(&pax().extension(b'g', &[("comment", "b")]).file("f", "").end(), &["parts an extension"]);
}

#[test]
fn r_19_names_that_readers_disagree_about_are_refused() {
    for (flag, key, words) in [(b'L', "path", "long name"), (b'K', "linkpath", "long link")] {
        let long = || Block::gnu(flag, "././@LongLink");
        let link = || Block::new(b'2', "l").link("t");
        let before = Raw::default().member(long(), b"a\0").pax(&[(key, "b")]).header(link()).end();
        let behind = Raw::default().pax(&[(key, "b")]).member(long(), b"a\0").header(link()).end();
        for tar in [before, behind] {
            assert_refused(&tar, &["extension headers at offset 0", words, "PAX", "not the same"]);
        }
    }
}

#[test]
fn r_19_global_headers_that_move_data_or_names_are_refused() {
    for key in ["path", "linkpath", "size", "GNU.sparse.map"] {
        let tar = Raw::default().extension(b'g', &[(key, "1")]).file("f", "").end();
        assert_refused(&tar, &["global PAX header at offset 0", "sets", key]);
    }
    let tar = Raw::default().member(Block::new(b'g', "pax"), b"junk").file("f", "").end();
    assert_refused(&tar, &["global PAX header at offset 0", "no length"]);
}

#[test]
fn h_10_extensions_have_a_limit_before_they_are_read() {
    for flag in [b'x', b'g', b'L', b'K'] {
        let tar = Raw::default().header(Block::new(flag, "e").size(MAX_TAR_EXTENSION + 1)).end();
        assert_refused(&tar, &["at offset 0", "1048577 bytes, more than 1048576"]);
        let tar = Raw::default().header(Block::new(flag, "e").size(MAX_TAR_EXTENSION)).end();
        assert_refused(&tar, &["truncated after 1024 of 1048576 bytes"]);
    }
}

#[test]
fn h_10_a_sparse_map_has_a_limit() {
    let mut lines = b"900000\n".to_vec();
    for offset in 0..90_000 {
        lines.extend(format!("{offset}00\n00000\n").as_bytes());
    }
    let records = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "9")];
    let tar = Raw::default().pax(&records).member(Block::new(b'0', "f"), &lines).end();
    assert_refused(&tar, &["`f`", "the sparse map is longer than 1048576 bytes"]);
    let tar = Raw::default().pax(&records).file("f", "1000001\n").end();
    assert_refused(&tar, &["`f`", "longer than the stored bytes"]);
}

#[test]
fn h_11_numbers_out_of_range_are_refused() {
    let one = |block: Block| Raw::default().header(block).end();
    let file = || Block::new(b'0', "f");
    assert_refused(
        &one(file().put(124, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
        &["`f`", "size -1 is negative"],
    );
    assert_refused(&one(file().put(124, b"\x80\0\0\0\x80\0\0\0\0\0\0\0")), &["`f`", "size", "not a number below 2^63"]);
    assert_refused(&one(file().put(124, b"-0000000001\0")), &["`f`", "size", "not a number"]);
    assert_refused(&one(file().put(108, b"\x80\0\0\x01\0\0\0\0")), &["`f`", "uid 4294967296 has more than 32 bits"]);
    assert_refused(&one(file().put(116, b"\xff\xff\xff\xff\xff\xff\xff\xff")), &["`f`", "gid -1 is negative"]);
    assert_refused(&one(file().put(100, b"rw-r--r-")), &["`f`", "mode"]);
    assert_refused(&one(file().put(136, b"yesterday\0\0\0")), &["`f`", "mtime"]);
    let device = Block::new(b'3', "f").put(329, b"\x80\0\0\x01\0\0\0\0");
    assert_refused(&one(device), &["`f`", "device major 4294967296 has more than 32 bits"]);
    for (key, value) in [("uid", "4294967296"), ("gid", "-1"), ("size", "9223372036854775808"), ("mtime", "x")] {
        assert_refused(&Raw::default().pax(&[(key, value)]).file("f", "").end(), &[key]);
    }
}

#[test]
fn h_11_a_size_beyond_the_end_is_refused() {
    for size in [1025, i64::MAX as u64] {
        let tar = Raw::default().pax(&[("size", &size.to_string())]).header(Block::new(b'0', "f")).end();
        assert_refused(&tar, &["`f`", "truncated"]);
        let skipped = headers(&tar, Ending::Optional).unwrap_err().to_string();
        assert_eq!(skipped, format!("a.tar: `f`: truncated: {size} bytes should follow offset 1536"));
    }
}

#[test]
fn h_18_a_bad_checksum_is_refused_with_its_offset() {
    let mut tar = Raw::default().file("a", "1").file("b", "2").end();
    tar[1024] = b'c';
    assert_refused(&tar, &["bad checksum at offset 1024: the sum is", "the header says"]);
    tar[1024 + 148] = b'x';
    assert_refused(&tar, &["bad checksum at offset 1024", "no number"]);
}

#[test]
fn h_19_what_is_no_tar_is_called_so() {
    assert_refused(b"", &["not a tar archive: there are no bytes"]);
    assert_refused(b"hm", &["not a tar archive: 2 bytes, a header has 512"]);
    assert_refused(b"{}", &["not a tar archive: it looks like JSON"]);
    assert_refused(&[b'['; 2000], &["not a tar archive: it looks like JSON"]);
    assert_refused(&[b'x'; 2000], &["not a tar archive: bad checksum at offset 0"]);
    assert!(read(b"{}", Ending::Optional).is_err());
    assert!(read(&[b'x'; 512], Ending::Optional).is_err());
}

#[test]
fn h_19_archives_changed_by_a_text_conversion_are_called_so() {
    let tar = Raw::default().file("a", "one\r\ntwo\n").file("b", "\n").file("c", "").end();
    let without = |bytes: &[u8]| tar.iter().copied().filter(|byte| !bytes.contains(byte)).collect::<Vec<_>>();
    let crlf = String::from_utf8(tar.clone()).unwrap().replace('\n', "\r\n").into_bytes();
    let utf16: Vec<u8> =
        [0xfeff].into_iter().chain(tar.iter().map(|&byte| byte.into())).flat_map(u16::to_le_bytes).collect();
    for changed in [without(b"\r\n"), without(b"\n"), without(b"\r"), crlf, utf16] {
        assert_refused(&changed, &["changed by a text conversion (PowerShell's `>`, `curl -d`)", "`docker save -o`"]);
    }
    // Damage that moves nothing is not taken for it, be there headers behind it or not.
    let mut damaged = tar.clone();
    damaged[1024] ^= 1;
    assert_refused(&damaged, &["bad checksum at offset 1024"]);
}

#[test]
fn g_13_the_end_is_at_least_one_zero_block_with_nothing_behind() {
    let file = || Raw::default().file("f", "data");
    let open = file().bytes();
    assert_refused(&open, &["truncated at offset 1024: there is no end marker"]);
    for zeros in [512, 700, 1024, 10_240] {
        let mut tar = open.clone();
        tar.resize(tar.len() + zeros, 0);
        assert_eq!(read(&tar, Ending::Required).unwrap().len(), 1, "{zeros} zeros");
    }
    let single = file().padded(&[0; 512]).file("ghost", "").end();
    assert_refused(&single, &["a single zero block at offset 1024, then more"]);
    assert!(read(&single, Ending::Optional).is_err());
}

#[test]
fn r_13_other_types_are_refused() {
    for flag in *b"VMDNAXZ\xff" {
        let tar = Raw::default().header(Block::gnu(flag, "f")).end();
        assert_refused(&tar, &["`f`", "type `", "is not supported", "(header at offset 0)"]);
    }
    for (flag, option) in [(b'D', "--incremental"), (b'M', "--multi-volume"), (b'V', "--label")] {
        let tar = Raw::default().header(Block::gnu(flag, "f")).end();
        assert_refused(&tar, &[&format!("`tar {option}` wrote it; pack it again without")]);
    }
}

#[test]
fn r_20_sparse_maps_that_do_not_fit_are_refused() {
    let pax = |records: &[(&str, &str)]| Raw::default().pax(records).file("f", "abc").end();
    for (map, size, problem) in [
        ("0,2", "9", "holds 2 bytes, 3 are stored"),
        ("0,2,1,1", "9", "starts before 2"),
        ("8,3", "9", "reaches 11, the file is 9 bytes"),
        ("9223372036854775807,9223372036854775807", "9", "reaches"),
    ] {
        assert_refused(&pax(&[("GNU.sparse.size", size), ("GNU.sparse.map", map)]), &[problem]);
    }
    assert_refused(&pax(&[("GNU.sparse.map", "0,3")]), &["`f`", "size is missing"]);
    assert_refused(&pax(&[("GNU.sparse.name", "g")]), &["`g`", "size is missing"]);
    assert_refused(&pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "9")]), &["`f`"]);
    let directory = Raw::default().pax(&[("GNU.sparse.size", "9")]).header(Block::new(b'5', "d/")).end();
    assert_refused(&directory, &["`d/`", "no regular file"]);
    let ustar = Raw::default().member(Block::new(b'S', "f"), b"abc").end();
    assert_refused(&ustar, &["`f`", "needs a GNU header"]);
    let cut = Raw::default().header(Block::gnu(b'S', "f").put(482, &[1]).size(3)).bytes();
    assert_refused(&cut, &["`f`", "ends inside its sparse map"]);
}

#[test]
fn names_are_escaped_and_shortened_in_errors() {
    let name = format!("\u{1b}[2J{}", "x".repeat(5000));
    let tar = Raw::default().pax(&[("path", &name)]).header(Block::new(b'Z', "f")).end();
    let refusal = refusal(&tar);
    assert!(refusal.starts_with("a.tar: `\\u{1b}[2Jxxx") && refusal.contains("x…`: type"), "{refusal}");
    assert!(refusal.len() < 500);
}

/// A little of everything.
fn sample() -> Raw {
    let slots = b"00000000004\x0000000000003\0";
    Raw::default()
        .file("file", "content")
        .pax(&[("path", "long"), ("SCHILY.xattr.user.a", "b")])
        .file("f", "1")
        .member(Block::gnu(b'L', "././@LongLink"), b"gnu\0")
        .header(Block::gnu(b'5', "d/"))
        .member(Block::gnu(b'S', "s").put(386, slots).put(483, b"00000003720\0"), b"abc")
        .pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "9")])
        .file("s", &format!("1\n4\n3\n{}abc", "\0".repeat(506)))
}

#[test]
fn h_18_a_cut_anywhere_before_the_end_marker_is_refused() {
    let whole = sample().bytes();
    assert_eq!(read(&sample().end(), Ending::Required).unwrap().len(), 5);
    for cut in 0..=whole.len() {
        assert!(read_from(&whole[..cut], Ending::Required).is_err(), "cut at {cut}");
        assert!(headers(&whole[..cut], Ending::Required).is_err(), "cut at {cut}, bodies skipped");
    }
}

#[test]
fn a_layer_cut_inside_a_header_or_body_is_refused() {
    let whole = sample().bytes();
    let members = headers(&whole, Ending::Optional).unwrap();
    for cut in 0..=whole.len() {
        let inside = members.iter().any(|member| {
            let range = member.header_offset as usize + 1..(member.data_offset + member.stored) as usize;
            range.contains(&cut) && !follows_extension(&whole, member.header_offset as usize, cut)
        });
        assert_eq!(read_from(&whole[..cut], Ending::Optional).is_err(), inside, "cut at {cut}");
    }
}

/// Returns whether `cut` lies between an extension of the member at `offset` and the header behind it: for Go that is
/// an end.
fn follows_extension(tar: &[u8], mut offset: usize, cut: usize) -> bool {
    while b"xLK".contains(&tar[offset + 156]) {
        let digits = std::str::from_utf8(&tar[offset + 124..offset + 135]).unwrap();
        let end = offset + BLOCK + usize::from_str_radix(digits, 8).unwrap();
        offset = end.next_multiple_of(BLOCK);
        if (end..=offset).contains(&cut) {
            return true;
        }
    }
    false
}

/// Returns the first problem for which engines refuse `tar` although it is not needed here.
fn unread(tar: &[u8]) -> Option<String> {
    let (budget, diagnostics) = (Budget::default(), Diagnostics::silent());
    let mut reader = Reader::new(tar, Ending::Optional, "a.tar", &budget, &diagnostics);
    let mut found = None;
    loop {
        let entry = reader.next_entry().unwrap();
        found = found.or_else(|| reader.take_unread());
        if entry.is_none() {
            return found.map(|problem| problem.message);
        }
    }
}

#[test]
fn what_go_refuses_and_nobody_needs_is_told() {
    let file = || Raw::default().file("f", "");
    assert_eq!(unread(&file().end()), None);
    assert_eq!(unread(&Raw::default().pax(&[("atime", "1.5"), ("ctime", "")]).file("f", "").end()), None);
    for (tar, words) in [
        (Raw::default().pax(&[("atime", "soon")]).file("f", "").end(), "PAX record atime is not a number: `soon`"),
        (Raw::default().pax(&[("ctime", "1e9")]).file("f", "").end(), "PAX record ctime"),
        (Raw::default().extension(b'g', &[("uid", "me")]).file("f", "").end(), "PAX record uid"),
        ([file().bytes(), vec![0; 1000]].concat(), "488 bytes follow its first block"),
        (vec![0; 513], "1 bytes follow"),
    ] {
        let found = unread(&tar).unwrap_or_default();
        assert!(found.contains(words), "{found}, expected {words}");
    }
    for end in [0, 512, 1024, 1025, 10240] {
        assert_eq!(unread(&[file().bytes(), vec![0; end]].concat()), None, "{end} zero bytes");
    }
}

proptest! {
    #[test]
    fn no_damage_makes_the_reader_panic(at in 0..8192_usize, bytes in prop::collection::vec(any::<u8>(), 1..40)) {
        let mut tar = sample().end();
        let end = (at + bytes.len()).min(tar.len());
        if at < end {
            tar[at..end].copy_from_slice(&bytes[..end - at]);
        }
        let _ = read(&tar, Ending::Required);
        let _ = read(&tar, Ending::Optional);
    }

    #[test]
    fn no_field_makes_the_reader_panic(
        flag in prop::sample::select(b"\x001234567xgLKS".to_vec()),
        at in 0..512_usize,
        bytes in prop::collection::vec(any::<u8>(), 1..24),
    ) {
        let end = (at + bytes.len()).min(512);
        let block = Block::gnu(flag, "f").size(600).put(at, &bytes[..end - at]);
        let tar = Raw::default().header(block).padded(&[b'1'; 600]).file("g", "").end();
        let _ = read(&tar, Ending::Required);
    }
}
