//! The written tar in the hands of those who will extract it: one pass, the same tree.
//!
//! A tool that this machine lacks is passed over with one line.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::process::Command;

use crate::support::image::TestImage;
use crate::support::layer::{dir, fifo, file, hardlink, symlink, whiteout};
use crate::support::rootfs::{Node, Rootfs, flatten};
use crate::support::scratch::Scratch;
use crate::support::skip::skip;

/// What users other than root can extract, to be told apart by everything that they can set.
fn image() -> TestImage {
    let long = "n".repeat(120);
    TestImage::new()
        .layer([
            dir("etc").mode(0o750).mtime(1_000_000_001),
            file("etc/old", "old").mtime(1),
            dir("opt").mtime(1_000_000_002),
            dir("opt/deep").mode(0o700).mtime(1_000_000_003),
            file("opt/deep/data", vec![7; 100_000]).mtime(1_000_000_004),
            hardlink("opt/link", "opt/deep/data"),
            symlink("lib", "opt/deep"),
            file(format!("opt/{long}/{long}"), "long").mtime(1_000_000_005),
        ])
        .layer([
            file("etc/new", "new").mode(0o600).mtime(1_000_000_006),
            whiteout("etc/old"),
            file("lib/more", "more").mode(0o555).mtime(1_000_000_007),
            hardlink("a-first", "opt/link"),
            hardlink("z-symlink", "lib"),
            fifo("pipe").mode(0o640).mtime(1_000_000_008),
            file(b"bytes \xe9\xff".as_slice(), "latin").mtime(1_000_000_009),
            file("new\nline", "newline").mtime(1_000_000_010),
        ])
}

/// Runs `command` in an empty directory with the archive beside it, and compares what is there then.
fn extracts(tool: &str, command: &[&str]) {
    if Command::new(command[0]).arg("--help").output().is_err() {
        return skip(format!("there is no {tool} here"));
    }
    for flags in [&[][..], &["--sort"]] {
        let scratch = Scratch::new();
        let bytes = flatten(&image(), flags);
        let archive = scratch.write("rootfs.tar", &bytes);
        let tree = scratch.path("tree");
        fs::create_dir(&tree).unwrap();
        let output = Command::new(command[0]).args(&command[1..]).arg(&archive).current_dir(&tree).output().unwrap();
        assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
        compare(tool, &Rootfs::written(&bytes), &tree);
    }
}

#[test]
fn gnu_tar_extracts_it() {
    extracts("GNU tar", &["tar", "--no-same-owner", "-xpf"]);
}

#[test]
fn bsdtar_extracts_it() {
    extracts("bsdtar", &["bsdtar", "--no-same-owner", "-xpf"]);
}

#[test]
fn busybox_extracts_it() {
    extracts("busybox", &["busybox", "tar", "-xopf"]);
}

#[test]
fn python_extracts_it() {
    let script = "import sys, tarfile\nwith tarfile.open(sys.argv[1], encoding='utf-8', errors='surrogateescape') as tar:\n    \
                  tar.extractall('.', **({'filter': 'fully_trusted'} if hasattr(tarfile, 'data_filter') else {}))";
    extracts("python3", &["python3", "-c", script]);
}

/// Every entry is in the tree as it was written, and nothing else is.
#[track_caller]
fn compare(tool: &str, rootfs: &Rootfs, tree: &Path) {
    let mut inodes: BTreeMap<&[u8], u64> = BTreeMap::new();
    for node in &rootfs.0 {
        let at = tree.join(std::ffi::OsStr::from_bytes(&node.path));
        let shown = format!("{tool}: {}", node.path.escape_ascii());
        let found = fs::symlink_metadata(&at).unwrap_or_else(|error| panic!("{shown}: {error}"));
        let carrier = if node.kind == b'1' { &node.link } else { &node.path };
        assert_eq!(*inodes.entry(carrier).or_insert(found.ino()), found.ino(), "{shown}: its inode");
        let described = rootfs.node(carrier);
        check(&shown, described, &found, &at);
    }
    assert_eq!(count(tree), rootfs.0.len(), "{tool}: number of files");
}

#[track_caller]
fn check(shown: &str, node: &Node, found: &fs::Metadata, at: &Path) {
    let kind = found.file_type();
    let same_kind = match node.kind {
        b'0' => kind.is_file(),
        b'2' => kind.is_symlink(),
        b'5' => kind.is_dir(),
        _ => kind.is_fifo(),
    };
    assert!(same_kind, "{shown}: is {kind:?}");
    if node.kind == b'2' {
        assert_eq!(fs::read_link(at).unwrap().as_os_str().as_bytes(), node.link, "{shown}: target");
        return;
    }
    assert_eq!(found.mode() & 0o7777, node.mode, "{shown}: mode");
    // busybox sets the times of a directory before it fills it, whatever the order.
    if node.kind != b'5' || !shown.starts_with("busybox") {
        assert_eq!(found.mtime().to_string(), node.mtime, "{shown}: mtime");
    }
    if node.kind == b'0' {
        assert!(fs::read(at).unwrap() == node.body, "{shown}: content");
    }
}

fn count(dir: &Path) -> usize {
    let below = |path: &Path| if path.is_dir() && !path.is_symlink() { count(path) } else { 0 };
    fs::read_dir(dir).unwrap().map(|entry| 1 + below(&entry.unwrap().path())).sum()
}
