//! `ls -l`: the columns of `tar tv`, with times that are the same everywhere.

use imgtar::internals::path::escape_for_terminal;
use imgtar::{FileEntry, FileKind, TarTime};

use crate::cli::words::size;

/// Columns that owner, group and size take together at first; they widen as they must, and stay so.
const OWNER_AND_SIZE: usize = 16;

/// Lines with aligned columns, although not all entries are known beforehand.
pub(super) struct Long {
    width: usize,
    is_human_readable: bool,
}

impl Long {
    /// The columns before the first line; sizes are bytes, or `754.0 KiB` and the like.
    pub(super) fn new(is_human_readable: bool) -> Self {
        Self { width: OWNER_AND_SIZE, is_human_readable }
    }

    /// Returns the line of `entry`, which is called `name` there, without a newline.
    pub(super) fn line(&mut self, entry: &FileEntry, name: &str) -> String {
        let owner = format!("{}/{}", entry.uid, entry.gid);
        let size = match (entry.kind.is_device(), entry.device) {
            (true, (major, minor)) => format!("{major},{minor}"),
            (false, _) if self.is_human_readable => size(entry.size),
            (false, _) => entry.size.to_string(),
        };
        self.width = self.width.max(owner.len() + 1 + size.len());
        let gap = self.width - owner.len();
        let mode = mode(entry);
        // To the second.
        let time = TarTime { nanos: 0, ..entry.mtime }.rfc3339();
        format!("{mode} {owner}{size:>gap$} {time} {name}{}", target(entry))
    }
}

/// `drwxr-xr-x`: `h` is a hard link, as in tar's listings, `w` a whiteout.
fn mode(entry: &FileEntry) -> String {
    let kind = match entry.kind {
        FileKind::File => '-',
        FileKind::Directory => 'd',
        FileKind::Symlink => 'l',
        FileKind::HardLink => 'h',
        FileKind::CharDevice => 'c',
        FileKind::BlockDevice => 'b',
        FileKind::Fifo => 'p',
        FileKind::Whiteout | FileKind::Opaque => 'w',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = entry.mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (bits & 1 != 0, entry.mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

fn target(entry: &FileEntry) -> String {
    let target = escape_for_terminal(&entry.target);
    match entry.kind {
        FileKind::Symlink => format!(" -> {target}"),
        FileKind::HardLink => format!(" link to {target}"),
        FileKind::Whiteout => format!(" hides {target}"),
        FileKind::Opaque => format!(" hides all below {target}/"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: FileKind, mode: u16) -> FileEntry {
        FileEntry {
            path: b"a\n".to_vec(),
            kind,
            mode,
            uid: 0,
            gid: 1000,
            size: 0,
            mtime: TarTime { seconds: 1_577_934_245, nanos: 5 },
            target: Vec::new(),
            device: (0, 0),
            xattrs: Vec::new(),
            pax: Vec::new(),
            layer: Some(0),
        }
    }

    #[test]
    fn modes_are_spelled_as_ls_does() {
        for (kind, bits, expected) in [
            (FileKind::File, 0o644, "-rw-r--r--"),
            (FileKind::Directory, 0o1777, "drwxrwxrwt"),
            (FileKind::Directory, 0o1776, "drwxrwxrwT"),
            (FileKind::File, 0o4755, "-rwsr-xr-x"),
            (FileKind::File, 0o6644, "-rwSr-Sr--"),
            (FileKind::Symlink, 0o777, "lrwxrwxrwx"),
            (FileKind::Whiteout, 0, "w---------"),
        ] {
            assert_eq!(mode(&entry(kind, bits)), expected);
        }
    }

    #[test]
    fn columns_widen_and_stay() {
        let mut long = Long::new(false);
        let file = |size| FileEntry { size, ..entry(FileKind::File, 0o600) };
        assert_eq!(long.line(&file(7), "a"), "-rw------- 0/1000         7 2020-01-02T03:04:05Z a");
        assert_eq!(long.line(&file(1 << 40), "a"), "-rw------- 0/1000 1099511627776 2020-01-02T03:04:05Z a");
        assert_eq!(long.line(&file(7), "a"), "-rw------- 0/1000             7 2020-01-02T03:04:05Z a");
        let device = FileEntry { device: (8, 1), ..entry(FileKind::BlockDevice, 0o660) };
        assert!(long.line(&device, "a").starts_with("brw-rw---- 0/1000           8,1 "));
    }

    #[test]
    fn sizes_for_people_take_their_columns() {
        let mut long = Long::new(true);
        let file = |size| FileEntry { size, ..entry(FileKind::File, 0o600) };
        assert_eq!(long.line(&file(762_424), "a"), "-rw------- 0/1000 744.6 KiB 2020-01-02T03:04:05Z a");
        assert_eq!(long.line(&file(7), "a"), "-rw------- 0/1000       7 B 2020-01-02T03:04:05Z a");
    }

    #[test]
    fn links_and_whiteouts_say_what_they_are_about() {
        for (kind, expected) in [
            (FileKind::Symlink, " -> \\u{1b}x"),
            (FileKind::HardLink, " link to \\u{1b}x"),
            (FileKind::Whiteout, " hides \\u{1b}x"),
            (FileKind::Opaque, " hides all below \\u{1b}x/"),
            (FileKind::File, ""),
        ] {
            assert_eq!(target(&FileEntry { target: b"\x1bx".to_vec(), ..entry(kind, 0) }), expected);
        }
    }
}
