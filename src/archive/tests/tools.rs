//! Archives that other tools made, and archives made for them. Prints that it skips where a tool is missing.
#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use super::*;
use crate::archive::{END, EntryKind, TarTime, encode, padding};

/// Runs a tool; `None` where it does not exist.
fn run(program: &str, args: &[&str], dir: &Path) -> Option<Vec<u8>> {
    match Command::new(program).args(args).current_dir(dir).env("LC_ALL", "C").output() {
        Ok(output) => {
            assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
            Some(output.stdout)
        }
        Err(error) => {
            eprintln!("skipped: {program}: {error}");
            None
        }
    }
}

const HOLE: u64 = 1 << 16;

/// A tree with a long name, links, a sparse file and a file that is none.
fn tree(dir: &Path) {
    fs::create_dir(dir.join("t")).unwrap();
    fs::write(dir.join("t/file"), "content").unwrap();
    fs::set_permissions(dir.join("t/file"), fs::Permissions::from_mode(0o4750)).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_700_000_000, 123_456_789);
    File::options().write(true).open(dir.join("t/file")).unwrap().set_modified(time).unwrap();
    fs::hard_link(dir.join("t/file"), dir.join("t/hard")).unwrap();
    symlink("../elsewhere/file", dir.join("t/soft")).unwrap();
    let sparse = File::create(dir.join("t/sparse")).unwrap();
    for segment in 0..30 {
        sparse.write_all_at(b"data", segment * HOLE).unwrap();
    }
    sparse.set_len(30 * HOLE).unwrap();
}

/// Adds a file whose name only GNU and PAX headers can hold.
fn long_name(dir: &Path) -> String {
    let name = format!("t/{}", "n".repeat(200));
    fs::write(dir.join(&name), "long").unwrap();
    name
}

/// Fails unless the archive holds the tree.
fn assert_tree(tar: &[u8], long: Option<&str>, sub_second: bool) {
    let entries = read_from(tar, Ending::Required).unwrap();
    let find = |name: &str| {
        let found = entries.iter().find(|(entry, _)| entry.path == name.as_bytes());
        found.unwrap_or_else(|| panic!("{name} is missing"))
    };
    let (file, content) = find("t/file");
    assert_eq!((file.kind, file.mode, &content[..]), (EntryKind::Regular, 0o4750, &b"content"[..]));
    let nanos = if sub_second { 123_456_789 } else { 0 };
    assert_eq!(file.mtime, TarTime { seconds: 1_700_000_000, nanos });
    assert_eq!((find("t/hard").0.kind, &find("t/hard").0.link[..]), (EntryKind::HardLink, &b"t/file"[..]));
    assert_eq!((find("t/soft").0.kind, &find("t/soft").0.link[..]), (EntryKind::Symlink, &b"../elsewhere/file"[..]));
    let (sparse, content) = find("t/sparse");
    assert_eq!((sparse.size, content.len() as u64), (30 * HOLE, 30 * HOLE));
    assert!(
        content
            .chunks(HOLE as usize)
            .all(|chunk| chunk.starts_with(b"data") && chunk[4..].iter().all(|&byte| byte == 0))
    );
    if let Some(long) = long {
        assert_eq!(find(long).1, b"long");
    }
}

#[test]
fn gnu_tars_archives_of_every_format_are_read() {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path());
    let sorted = ["--sort=name", "-cf", "-", "t"];
    for format in ["v7", "ustar"] {
        let Some(tar) = run("tar", &[&["--format", format], &sorted[..]].concat(), dir.path()) else { return };
        assert_tree(&tar, None, false);
    }
    let long = long_name(dir.path());
    for (form, sub_second) in [
        (&["--format=oldgnu"][..], false),
        (&["--format=gnu"], false),
        (&["--format=gnu", "--sparse"], false),
        (&["--format=oldgnu", "--sparse"], false),
        (&["--format=pax"], true),
        (&["--format=pax", "--sparse", "--sparse-version=0.0"], true),
        (&["--format=pax", "--sparse", "--sparse-version=0.1"], true),
        (&["--format=pax", "--sparse", "--sparse-version=1.0"], true),
    ] {
        let Some(tar) = run("tar", &[form, &sorted[..]].concat(), dir.path()) else { return };
        assert_eq!(tar.len() < 10 * HOLE as usize, form.contains(&"--sparse"));
        assert_tree(&tar, Some(&long), sub_second);
    }
}

#[test]
fn bsdtars_archives_of_every_format_are_read() {
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path());
    let Some(tar) = run("bsdtar", &["--format", "ustar", "-cf", "-", "t"], dir.path()) else { return };
    assert_tree(&tar, None, false);
    let long = long_name(dir.path());
    for (format, sub_second) in [("gnutar", false), ("pax", true)] {
        let Some(tar) = run("bsdtar", &["--format", format, "-cf", "-", "t"], dir.path()) else { return };
        assert_tree(&tar, Some(&long), sub_second);
    }
}

#[test]
fn pythons_archives_of_every_format_are_read() {
    const SCRIPT: &str = "import sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=getattr(tarfile, sys.argv[1])) as tar: tar.add('t')";
    let dir = tempfile::tempdir().unwrap();
    tree(dir.path());
    let long = long_name(dir.path());
    for format in ["GNU_FORMAT", "PAX_FORMAT"] {
        let Some(tar) = run("python3", &["-c", SCRIPT, format], dir.path()) else { return };
        let entries = read_from(&tar[..], Ending::Required).unwrap();
        assert!(entries.iter().any(|(entry, content)| entry.path == long.as_bytes() && content == b"long"));
    }
}

/// Returns entries that are difficult for extracting tools.
fn difficult() -> Vec<(TarEntry, Vec<u8>)> {
    let file = |path: &[u8]| TarEntry { mtime: TarTime::from_seconds(1_000_000_000), ..TarEntry::plain_file(path, 7) };
    let mut entries = vec![TarEntry::directory("d"), file(b"d/plain"), file(b"d/\xff\xfe"), file("d/grün".as_bytes())];
    entries.push(TarEntry { mtime: TarTime { seconds: 1_700_000_000, nanos: 123_456_700 }, ..file(b"d/sub-second") });
    entries.push(TarEntry { mtime: TarTime::from_seconds(-86_400), ..file(b"d/negative") });
    entries.push(TarEntry { mtime: TarTime::from_seconds(1 << 33), ..file(b"d/late") });
    entries.push(TarEntry { mode: 0o600, ..file(b"d/new\nline") });
    entries.push(TarEntry::directory(format!("d/{}", "p".repeat(120))));
    entries.push(file(format!("d/{}/{}", "p".repeat(120), "n".repeat(90)).as_bytes()));
    entries.push(TarEntry::directory(format!("d/{}", "q".repeat(200))));
    entries.push(file(format!("d/{}/{}", "q".repeat(200), "n".repeat(200)).as_bytes()));
    entries.push(file(&[b"d/".as_slice(), &[0xfe; 180]].concat()));
    entries.push(TarEntry::symlink("d/soft", "../../../etc/hosts"));
    entries.push(TarEntry::symlink("d/long-soft", "s/".repeat(150)));
    entries.push(TarEntry { kind: EntryKind::HardLink, link: b"d/plain".to_vec(), size: 0, ..file(b"d/hard") });
    let long = format!("d/{}/{}", "q".repeat(200), "n".repeat(200));
    entries.push(TarEntry { kind: EntryKind::HardLink, link: long.into_bytes(), size: 0, ..file(b"d/long-hard") });
    entries
        .into_iter()
        .map(|entry| {
            let size = entry.size as usize;
            (entry, b"content"[..size].to_vec())
        })
        .collect()
}

fn extracts(program: &str, args: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let mut tar = Vec::new();
    let entries = difficult();
    for (entry, content) in &entries {
        encode(entry, &mut tar).unwrap();
        tar.extend(content);
        tar.extend(padding(content.len() as u64));
    }
    tar.extend(END);
    fs::write(dir.path().join("a.tar"), tar).unwrap();
    if run(program, args, dir.path()).is_none() {
        return;
    }
    for (entry, content) in &entries {
        let path = dir.path().join(OsStr::from_bytes(&entry.path));
        let named = String::from_utf8_lossy(&entry.path);
        let found = fs::symlink_metadata(&path).unwrap_or_else(|error| panic!("{program}: {named}: {error}"));
        match entry.kind {
            EntryKind::Symlink => assert_eq!(fs::read_link(&path).unwrap().as_os_str().as_bytes(), entry.link),
            EntryKind::Directory => assert!(found.is_dir()),
            EntryKind::HardLink => {
                let target = dir.path().join(OsStr::from_bytes(&entry.link));
                assert_eq!(found.ino(), fs::metadata(target).unwrap().ino(), "{program}: {named}");
            }
            _ => {
                assert_eq!(fs::read(&path).unwrap(), *content);
                assert_eq!(found.mode() & 0o7777, entry.mode, "{program}: {named}");
                assert_eq!(found.mtime(), entry.mtime.seconds, "{program}: {named}");
            }
        }
    }
}

#[test]
fn gnu_tar_extracts_what_is_written() {
    extracts("tar", &["-xpf", "a.tar"]);
}

#[test]
fn bsdtar_extracts_what_is_written() {
    extracts("bsdtar", &["-xpf", "a.tar"]);
}

#[test]
fn python_extracts_what_is_written() {
    // Newer Pythons refuse links that leave the directory unless told otherwise.
    const SCRIPT: &str = "import tarfile
tarfile.TarFile.extraction_filter = staticmethod(lambda member, path: member)
tarfile.open('a.tar', encoding='utf-8').extractall()";
    extracts("python3", &["-c", SCRIPT]);
}

#[test]
fn busybox_extracts_what_is_written() {
    extracts("busybox", &["tar", "-xpf", "a.tar"]);
}
