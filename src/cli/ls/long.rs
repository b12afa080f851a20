//! `ls -l`: the columns of `tar tv`, with times that are the same everywhere.

use imgtar::archive::TarTime;
use imgtar::files::{Item, ItemKind};
use imgtar::path::escape_for_terminal;
use imgtar::spec::timestamp;

/// Columns that owner, group and size take together at first; they widen as they must, and stay so.
const OWNER_AND_SIZE: usize = 16;

/// Lines whose columns stand below one another without all items being known beforehand.
pub(super) struct Long {
    width: usize,
}

impl Default for Long {
    fn default() -> Self {
        Self { width: OWNER_AND_SIZE }
    }
}

impl Long {
    /// `item`, without a newline.
    pub(super) fn line(&mut self, item: &Item) -> String {
        let owner = format!("{}/{}", item.uid, item.gid);
        let size = match (item.kind.is_device(), item.device) {
            (true, (major, minor)) => format!("{major},{minor}"),
            (false, _) => item.size.to_string(),
        };
        self.width = self.width.max(owner.len() + 1 + size.len());
        let gap = self.width - owner.len();
        let (mode, time, name) = (mode(item), time(item.mtime), escape_for_terminal(&item.written_path()));
        format!("{mode} {owner}{size:>gap$} {time} {name}{}", target(item))
    }
}

/// `drwxr-xr-x`: `h` is a hard link, as in tar's listings, `w` a whiteout.
fn mode(item: &Item) -> String {
    let kind = match item.kind {
        ItemKind::File => '-',
        ItemKind::Directory => 'd',
        ItemKind::Symlink => 'l',
        ItemKind::HardLink => 'h',
        ItemKind::CharDevice => 'c',
        ItemKind::BlockDevice => 'b',
        ItemKind::Fifo => 'p',
        ItemKind::Whiteout | ItemKind::Opaque => 'w',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = item.mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (bits & 1 != 0, item.mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// To the second, in UTC.
fn time(time: TarTime) -> String {
    timestamp::Timestamp::from_unix(time.seconds).map_or_else(|| format!("@{}", time.seconds), |time| time.to_string())
}

fn target(item: &Item) -> String {
    let target = escape_for_terminal(&item.target);
    match item.kind {
        ItemKind::Symlink => format!(" -> {target}"),
        ItemKind::HardLink => format!(" link to {target}"),
        ItemKind::Whiteout => format!(" hides {target}"),
        ItemKind::Opaque => format!(" hides all below {target}/"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: ItemKind, mode: u16) -> Item {
        Item {
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
            (ItemKind::File, 0o644, "-rw-r--r--"),
            (ItemKind::Directory, 0o1777, "drwxrwxrwt"),
            (ItemKind::Directory, 0o1776, "drwxrwxrwT"),
            (ItemKind::File, 0o4755, "-rwsr-xr-x"),
            (ItemKind::File, 0o6644, "-rwSr-Sr--"),
            (ItemKind::Symlink, 0o777, "lrwxrwxrwx"),
            (ItemKind::Whiteout, 0, "w---------"),
        ] {
            assert_eq!(mode(&item(kind, bits)), expected);
        }
    }

    #[test]
    fn columns_widen_and_stay() {
        let mut long = Long::default();
        let file = |size| Item { size, ..item(ItemKind::File, 0o600) };
        assert_eq!(long.line(&file(7)), "-rw------- 0/1000         7 2020-01-02T03:04:05Z a\\n");
        assert_eq!(long.line(&file(1 << 40)), "-rw------- 0/1000 1099511627776 2020-01-02T03:04:05Z a\\n");
        assert_eq!(long.line(&file(7)), "-rw------- 0/1000             7 2020-01-02T03:04:05Z a\\n");
        let device = Item { device: (8, 1), ..item(ItemKind::BlockDevice, 0o660) };
        assert!(long.line(&device).starts_with("brw-rw---- 0/1000           8,1 "));
    }

    #[test]
    fn links_and_whiteouts_say_what_they_are_about() {
        for (kind, expected) in [
            (ItemKind::Symlink, " -> \\u{1b}x"),
            (ItemKind::HardLink, " link to \\u{1b}x"),
            (ItemKind::Whiteout, " hides \\u{1b}x"),
            (ItemKind::Opaque, " hides all below \\u{1b}x/"),
            (ItemKind::File, ""),
        ] {
            assert_eq!(target(&Item { target: b"\x1bx".to_vec(), ..item(kind, 0) }), expected);
        }
    }
}
