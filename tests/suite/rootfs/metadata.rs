//! What entries say of themselves comes through.

use crate::support::image::TestImage;
use crate::support::layer::{device, dir, extension, fifo, file, hardlink, layer_tar, pax_body, symlink};
use crate::support::rootfs::Rootfs;
use crate::support::run::imgtar;
use crate::support::shape::Shape;
use crate::support::sparse::Sparse;

#[test]
fn r_15_modes_owners_and_names_of_owners() {
    let rootfs = Rootfs::of_layer([
        file("a", "a").mode(0o7777).owner(1, 2).owner_names("user", "group"),
        file("b", "b").owner(2_097_151, 0),
        file("c", "c").owner(2_097_152, 4_000_000_000).owner_names("u", ""),
        file("d", "d").pax("uid", "3000000000").pax("gid", "5").pax("uname", "näme").pax("gname", "g".repeat(60)),
        dir("e").mode(0).owner(3, 4),
        symlink("f", "a").owner(5, 6).mode(0o755),
    ]);
    let owners: Vec<_> = rootfs.0.iter().map(|node| (node.mode, node.owner)).collect();
    let expected = [
        (0o7777, (1, 2)),
        (0o644, (2_097_151, 0)),
        (0o644, (2_097_152, 4_000_000_000)),
        (0o644, (3_000_000_000, 5)),
        (0, (3, 4)),
        (0o755, (5, 6)),
    ];
    assert_eq!(owners, expected);
    assert_eq!(rootfs.node("a").owner_names, ("user".into(), "group".into()));
    assert_eq!(rootfs.node("c").owner_names, ("u".into(), String::new()));
    assert_eq!(rootfs.node("d").owner_names, ("näme".into(), "g".repeat(60)));
}

#[test]
fn r_15_times_with_fractions_and_before_1970() {
    let times = ["1700000000.123456789", "-1", "-0.5", "-11644473600", "8589934592", "0.000000001", "1.5"];
    let items = times.map(|time| file(format!("at {time}"), "").pax("mtime", time));
    let rootfs = Rootfs::of_layer(items);
    for time in times {
        assert_eq!(rootfs.node(format!("at {time}")).mtime, time);
    }
    let dated = Rootfs::of_layer([dir("d").pax("mtime", "7.25"), file("d/a", "").mtime(9), symlink("l", "d").mtime(8)]);
    let found: Vec<_> = dated.0.iter().map(|node| node.mtime.as_str()).collect();
    assert_eq!(found, ["7.25", "9", "8"], "children change no directory's time (R-17)");
}

#[test]
fn r_15_other_times_and_comments_are_dropped() {
    let item = file("a", "").pax("atime", "1").pax("ctime", "2").pax("comment", "c").pax("SCHILY.ino", "9");
    assert_eq!(Rootfs::of_layer([item]).node("a").records.len(), 0);
}

#[test]
fn r_15_devices_and_pipes() {
    let rootfs = Rootfs::of_layer([
        device("null", b'3', (1, 3)).mode(0o666),
        device("sda", b'4', (8, 0)),
        device("large", b'4', (0, 0)).pax("SCHILY.devmajor", "259").pax("SCHILY.devminor", "4194304"),
        fifo("pipe"),
        hardlink("zero", "null"),
    ]);
    let expected = [
        "large 4 259:4194304 0600 0:0 0",
        "null 3 1:3 0666 0:0 0",
        "pipe 6 0:0 0600 0:0 0",
        "sda 4 8:0 0600 0:0 0",
        "zero = null",
    ];
    assert_eq!(rootfs.listing(), expected);
}

#[test]
fn r_16_extended_attributes_byte_for_byte() {
    let capability = *b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let image =
        TestImage::new().layer([file("low", "").xattr("user.gone", "1"), dir("dir").xattr("user.old", "1")]).layer([
            file("ping", "p").xattr("security.capability", capability).xattr("user.lines", "a\nb=c\0d"),
            dir("dir").xattr("trusted.overlay.opaque", "y").xattr("security.selinux", "s:o:t\0"),
            file("low", ""),
            symlink("link", "ping").xattr("trusted.l", "1"),
            file("acl", "").pax("SCHILY.acl.access", "user::rw-").pax("SCHILY.fflags", "nodump"),
            hardlink("pong", "ping").xattr("user.ignored", "R-11"),
        ]);
    let rootfs = Rootfs::of(&image);
    let records = |path: &str| rootfs.node(path).records.clone().into_iter().collect::<Vec<_>>();
    let record = |key: &str, value: &[u8]| (key.to_owned(), value.to_vec());
    let ping =
        [record("SCHILY.xattr.security.capability", &capability), record("SCHILY.xattr.user.lines", b"a\nb=c\0d")];
    assert_eq!(records("ping"), ping);
    assert_eq!(records("pong"), ping, "a hard link's header says what its inode is (R-11)");
    assert_eq!(
        records("dir/"),
        [record("SCHILY.xattr.security.selinux", b"s:o:t\0"), record("SCHILY.xattr.trusted.overlay.opaque", b"y")]
    );
    assert_eq!(records("low"), [], "the new file has none");
    assert_eq!(records("link"), [record("SCHILY.xattr.trusted.l", b"1")]);
    assert_eq!(records("acl"), [record("SCHILY.acl.access", b"user::rw-"), record("SCHILY.fflags", b"nodump")]);
}

#[test]
fn r_16_bsdtars_spelling_becomes_the_common_one() {
    let rootfs = Rootfs::of_layer([
        file("alone", "").pax("LIBARCHIVE.xattr.user.a%20b", "AAEC"),
        file("both", "").pax("LIBARCHIVE.xattr.user.c", "MQ").xattr("user.c", "1"),
        file("made", "").pax("LIBARCHIVE.creationtime", "5.5"),
    ]);
    assert_eq!(rootfs.node("alone").records["SCHILY.xattr.user.a b"], b"\0\x01\x02");
    assert_eq!(rootfs.node("both").records.len(), 1);
    assert_eq!(rootfs.node("both").records["SCHILY.xattr.user.c"], b"1");
    assert_eq!(rootfs.node("made").records["LIBARCHIVE.creationtime"], b"5.5");
}

#[test]
fn r_19_records_count_for_one_entry_and_empty_ones_not_at_all() {
    let rootfs = Rootfs::of_layer([
        file("wrong", "a").pax("path", "right").pax("uid", "7").pax("mtime", ""),
        file("next", "b"),
        symlink("short", "wrong").pax("linkpath", "right"),
    ]);
    assert_eq!(rootfs.listing(), ["next 0644 0:0 0 b", "right 0644 7:0 0 a", "short -> right"]);
}

#[test]
fn r_19_global_headers_are_ignored_with_a_word() {
    let global = |key: &str| extension(b'g', &pax_body(&[(key, "0f1e2d")]));
    let image =
        |key: &str| TestImage::new().layer_bytes(layer_tar([file("a", "a").after(global(key)), file("b", "b")]));
    assert_eq!(Rootfs::of(&image("comment")).paths(), ["a", "b"]);
    let run = |key: &str| imgtar(["convert", "--to", "rootfs"]).stdin(Shape::Crane.save_one(&image(key)).bytes());
    run("comment").success().never_says(["warning"]);
    let outcome = run("mtime").success().says(["the global PAX record mtime is ignored"]);
    assert_eq!(outcome.stderr.matches("is ignored").count(), 1, "said once\n{outcome}");
    run("mtime").arg("--strict").exits(3);
}

#[test]
fn r_20_sparse_files_are_expanded() {
    let few = Sparse { size: 10_000, pieces: vec![(0, b"head"), (5000, b"middle"), (9996, b"tail")] };
    let many = Sparse { size: 200_000, pieces: (0..60).map(|n| (n * 3000 + 7, &b"piece"[..])).collect() };
    let empty = Sparse { size: 4096, pieces: vec![] };
    let holes_at_both_ends = Sparse { size: 3000, pieces: vec![(1000, b"x")] };
    for sparse in [few, many, empty, holes_at_both_ends] {
        let rootfs = Rootfs::of_layer([
            file("0.first", "1").after(sparse.old_gnu("s/old")),
            sparse.pax_0_0("s/pax-0.0"),
            sparse.pax_0_1("s/pax-0.1"),
            sparse.pax_1_0("s/pax-1.0"),
            file("z.last", "1"),
            hardlink("z.link", "s/pax-1.0"),
        ]);
        let paths = ["0.first", "s/", "s/old", "s/pax-0.0", "s/pax-0.1", "s/pax-1.0", "z.last", "z.link"];
        assert_eq!(rootfs.paths(), paths);
        for path in &paths[2..6] {
            assert!(rootfs.node(path).body == sparse.content(), "{path} of {} bytes", sparse.size);
            assert_eq!(rootfs.node(path).records.len(), 0, "{path}: no record of its map is left");
        }
    }
}

#[test]
fn r_21_names_are_bytes() {
    let long = |n: usize| [vec![b'n'; n], b"/".to_vec(), vec![b'm'; n]].concat();
    let names: [Vec<u8>; 9] = [
        b"latin \xe9".to_vec(),
        b"new\nline".to_vec(),
        b"tab\tand \x1b[31mescape".to_vec(),
        "ü/日本".as_bytes().to_vec(),
        long(90),
        long(150),
        [long(150), b"\xff".to_vec()].concat(),
        vec![b'x'; 101],
        b" spaces at both ends ".to_vec(),
    ];
    let last = |nth: usize| [b"\xff\xff", &[b'0' + nth as u8][..]].concat();
    let mut items: Vec<_> = names.iter().map(|name| file(name, name.as_slice())).collect();
    items.extend(names.iter().enumerate().map(|(nth, name)| symlink(format!("s{nth}"), name)));
    items.extend(names.iter().enumerate().map(|(nth, name)| hardlink(last(nth), name)));
    for gnu in [false, true] {
        let items = items.iter().cloned().map(|item| if gnu { item.gnu() } else { item });
        let image = TestImage::new().layer_bytes(layer_tar(items));
        let rootfs = Rootfs::of(&image);
        for (nth, name) in names.iter().enumerate() {
            assert_eq!(rootfs.node(name).body, *name);
            assert_eq!(rootfs.node(format!("s{nth}")).link, *name);
            assert_eq!(rootfs.node(last(nth)).link, *name);
        }
    }
}

#[test]
fn r_22_a_null_device_is_kept_with_a_warning() {
    let image = TestImage::new().layer([device("d/null", b'3', (0, 0))]);
    assert_eq!(Rootfs::of(&image).listing()[1], "d/null 3 0:0 0600 0:0 0");
    let run = || imgtar(["convert", "--to", "rootfs"]).stdin(Shape::Oci.save_one(&image).bytes());
    run().success().says(["`d/null` is a character device 0/0"]);
    run().arg("--strict").exits(3);
}

#[test]
fn r_4_trailing_slashes_and_odd_types() {
    let rootfs = Rootfs::of_layer([
        file("file/", "1"),
        file("old-dir/", "").kind(0),
        file("old-file", "2").kind(0),
        file("contiguous", "3").kind(b'7'),
        dir("dir").kind(b'5'),
        file("dir//x/../y", "4"),
    ]);
    let expected = ["contiguous", "dir/", "dir/y", "file", "old-dir/", "old-file"];
    assert_eq!(rootfs.paths(), expected);
}

#[test]
fn r_5_aufs_leaves_nothing_but_what_was_linked() {
    let rootfs = Rootfs::of_layer([
        file(".wh..wh.aufs", ""),
        dir(".wh..wh.plnk"),
        file(".wh..wh.plnk/12.3", "shared"),
        dir(".wh..wh.orph"),
        hardlink("a", ".wh..wh.plnk/12.3"),
        hardlink("b", ".wh..wh.plnk/12.3"),
    ]);
    assert_eq!(rootfs.listing(), ["a 0644 0:0 0 shared", "b = a"]);
}
