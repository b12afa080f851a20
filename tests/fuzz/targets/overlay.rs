//! The overlay alone: any names, any kinds, in any order.

use std::collections::HashMap;

use imgtar::internals::flatten::{Change, ChangeKind, Flattened, FlattenedEntry, Options, Overlay};
use imgtar::{Budget, Diagnostics, Limits};

use crate::choice::Choice;

/// Few names, so that entries meet; and each sort of hostile one.
const NAMES: [&[u8]; 20] = [
    b"a",
    b"b",
    b"a/b",
    b"a/b/c",
    b"./a",
    b"/b/a",
    b"a/../b",
    b"..",
    b"../a",
    b".",
    b"a//b/",
    b".wh.a",
    b"a/.wh.b",
    b".wh..wh..opq",
    b"a/.wh..wh..opq",
    b".wh.",
    b"a/.wh../b",
    b".wh..wh.plnk/1",
    b"stargz.index.json",
    b"\xff\xfe",
];

/// Layers of entries.
pub(crate) fn overlay(data: &[u8]) {
    let mut choice = Choice::new(data);
    let options =
        Options { keep_dirlinks: choice.once_in(3), strip_estargz: choice.once_in(3), sort: choice.once_in(3) };
    let (budget, diagnostics) =
        (Budget::new(Limits { metadata: 16 << 20, ..Limits::default() }), Diagnostics::silent());
    let mut overlay = Overlay::new(options);
    while !choice.is_empty() {
        let mut layer = overlay.layer("layer", &diagnostics, &budget);
        for position in 0..=choice.below(24) as u64 {
            let (path, target) = (name(&mut choice), name(&mut choice));
            let kind = match choice.below(12) {
                0..4 => ChangeKind::Regular,
                4..6 => ChangeKind::Directory,
                6..8 => ChangeKind::Symlink(target),
                8..10 => ChangeKind::HardLink(target),
                10 => ChangeKind::CharDevice { major: 0, minor: 0 },
                _ => ChangeKind::Fifo,
            };
            if layer.entry(Change { path, kind, position }).is_err() {
                return;
            }
        }
        if layer.finish().is_err() {
            return;
        }
    }
    check_tree(&overlay.finish());
}

fn name<'a>(choice: &mut Choice<'a>) -> &'a [u8] {
    match choice.below(NAMES.len() + 2) {
        nth @ 0..20 => NAMES[nth],
        _ => {
            let length = choice.below(8);
            choice.take(length)
        }
    }
}

/// parents first, every path once, no whiteouts; what carries data before its other names.
fn check_tree(flattened: &Flattened) {
    let mut kinds: HashMap<Vec<u8>, bool> = HashMap::new();
    let mut count = 0;
    for entry in flattened.entries() {
        count += 1;
        let path = entry.path().to_vec();
        let shown = path.escape_ascii();
        assert!(!path.split(|&byte| byte == b'/').any(|name| name.starts_with(b".wh.")), "{shown}");
        if let Some(slash) = path.iter().rposition(|&byte| byte == b'/') {
            assert!(kinds.contains_key(&path[..slash]), "{shown} stands before its parent");
        }
        if let FlattenedEntry::HardLink { target, .. } = &entry {
            assert_eq!(kinds.get(target), Some(&true), "{shown} is a link to what does not carry data");
        }
        let carries = matches!(entry, FlattenedEntry::Entry { .. });
        assert_eq!(kinds.insert(path.clone(), carries), None, "{} is there twice", path.escape_ascii());
    }
    assert_eq!((count, flattened.is_empty()), (flattened.len(), count == 0));
    flattened.rewinds();
}
