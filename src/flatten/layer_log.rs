//! The entries of one layer, kept until they can be applied: until its last whiteout is known, or all that they
//! are applied to.
//!
//! Each is written behind the one before it, sharing the front of its path: archives list neighbours together, so an entry
//! takes about a third of its path's length and a dozen bytes.

use super::arena::{put_number, put_path, put_text, take_number, take_path, take_text};
use super::{Change, ChangeKind};

/// Changes in archive order.
#[derive(Debug, Default)]
pub(super) struct LayerLog {
    bytes: Vec<u8>,
    /// The path recorded last.
    last: Vec<u8>,
}

impl LayerLog {
    /// Records `change`; returns the number of bytes that it took.
    pub(super) fn push(&mut self, change: Change<'_>) -> usize {
        let before = self.bytes.len();
        put_path(&mut self.bytes, &mut self.last, change.path);
        put_number(&mut self.bytes, change.position);
        put_kind(&mut self.bytes, change.kind);
        self.bytes.len() - before
    }

    /// Begins to read the changes back, in archive order.
    pub(super) fn replay(&self) -> Replay<'_> {
        Replay { rest: &self.bytes, path: Vec::new() }
    }
}

/// Reads a [`LayerLog`] back.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    rest: &'a [u8],
    path: Vec<u8>,
}

impl Replay<'_> {
    /// The next change. No iterator, because the path lives only until the next call.
    pub(super) fn next(&mut self) -> Option<Change<'_>> {
        if self.rest.is_empty() {
            return None;
        }
        take_path(&mut self.rest, &mut self.path);
        let position = take_number(&mut self.rest);
        let kind = take_kind(&mut self.rest);
        Some(Change { path: &self.path, kind, position })
    }
}

fn put_kind(bytes: &mut Vec<u8>, kind: ChangeKind<'_>) {
    match kind {
        ChangeKind::Regular => bytes.push(b'0'),
        ChangeKind::HardLink(target) => {
            bytes.push(b'1');
            put_text(bytes, target);
        }
        ChangeKind::Symlink(target) => {
            bytes.push(b'2');
            put_text(bytes, target);
        }
        ChangeKind::CharDevice { major, minor } => {
            bytes.push(b'3');
            put_number(bytes, major.into());
            put_number(bytes, minor.into());
        }
        ChangeKind::BlockDevice => bytes.push(b'4'),
        ChangeKind::Directory => bytes.push(b'5'),
        ChangeKind::Fifo => bytes.push(b'6'),
    }
}

fn take_kind<'a>(bytes: &mut &'a [u8]) -> ChangeKind<'a> {
    let (code, rest) = bytes.split_at(1);
    *bytes = rest;
    match code {
        b"0" => ChangeKind::Regular,
        b"1" => ChangeKind::HardLink(take_text(bytes)),
        b"2" => ChangeKind::Symlink(take_text(bytes)),
        b"3" => ChangeKind::CharDevice { major: take_number(bytes) as u32, minor: take_number(bytes) as u32 },
        b"4" => ChangeKind::BlockDevice,
        b"5" => ChangeKind::Directory,
        _ => ChangeKind::Fifo,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back_in_order() {
        let changes = [
            Change { path: b"usr/lib", kind: ChangeKind::Directory, position: 0 },
            Change { path: b"usr/lib/libc.so", kind: ChangeKind::Regular, position: 512 },
            Change { path: b"usr/lib/libm.so", kind: ChangeKind::HardLink(b"/usr/lib/libc.so"), position: u64::MAX },
            Change { path: b"usr", kind: ChangeKind::Symlink(b""), position: 7 },
            Change { path: b"", kind: ChangeKind::Fifo, position: 8 },
            Change { path: b"dev/n", kind: ChangeKind::CharDevice { major: 1, minor: u32::MAX }, position: 9 },
            Change { path: b"dev/b", kind: ChangeKind::BlockDevice, position: 10 },
        ];
        let mut log = LayerLog::default();
        for change in changes {
            assert!(log.push(change) > 0);
        }
        let mut replay = log.replay();
        for change in changes {
            assert_eq!(replay.next(), Some(change));
        }
        assert_eq!(replay.next(), None);
    }
}
