//! `ls --tree`: names below their directories.

use std::cmp::Reverse;
use std::collections::HashMap;

use imgtar::internals::path::escape_for_terminal;
use imgtar::{FileEntry, Result};

/// The approximate memory of a node and its number while entries are sorted, in bytes.
const NODE_SIZE: usize = 96;
/// The approximate memory that an entry takes besides, in the sort and in the tree that is printed, in bytes; its name is added.
const ENTRY_SIZE: usize = 256;

/// The position of an entry in the tree.
struct Branch {
    /// The number of the nearest directory above it that is listed too.
    parent: Option<usize>,
    /// The part of its path below that directory.
    name: Vec<u8>,
    /// True if no other entry follows in the same directory.
    is_last: bool,
}

/// Puts what is in one directory in order, largest first or in the reverse of the order that there is; each directory is still
/// followed by its content. `charge` counts the memory that this takes, in bytes.
///
/// # Errors
/// Those of `charge`.
pub(super) fn sort(
    entries: &mut Vec<FileEntry>,
    by_size: bool,
    reverse: bool,
    mut charge: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    // Each path, and each directory above one, is a node. `numbers` finds it by the number of its directory and its own name;
    // `ranks` has its size and the place where it is first met; `ways` has the nodes of each entry from the top down.
    let mut numbers: HashMap<(Option<usize>, &[u8]), usize> = HashMap::new();
    let mut ranks: Vec<(Reverse<u64>, usize)> = Vec::new();
    let mut ways: Vec<Vec<usize>> = Vec::new();
    for (nth, entry) in entries.iter().enumerate() {
        let (mut way, before) = (Vec::new(), ranks.len());
        // The root has no name.
        let mut names = entry.path.split(|&byte| byte == b'/').filter(|_| !entry.path.is_empty()).peekable();
        while let Some(name) = names.next() {
            let size = if by_size && names.peek().is_none() { entry.size } else { 0 };
            let number = *numbers.entry((way.last().copied(), name)).or_insert(ranks.len());
            // A node that is new.
            if number == ranks.len() {
                ranks.push((Reverse(size), nth));
            }
            way.push(number);
        }
        let nodes = NODE_SIZE * (ranks.len() - before) + size_of::<usize>() * way.len();
        charge((nodes + ENTRY_SIZE + entry.path.len()) as u64)?;
        ways.push(way);
    }
    drop(numbers);
    let mut sorted: Vec<(Vec<usize>, FileEntry)> = ways.into_iter().zip(std::mem::take(entries)).collect();
    sorted.sort_by(|(one, _), (other, _)| {
        // Without a difference one lies below the other.
        let Some((&one, &other)) = one.iter().zip(other).find(|(one, other)| one != other) else {
            return one.len().cmp(&other.len());
        };
        let order = ranks[one].cmp(&ranks[other]);
        if reverse { order.reverse() } else { order }
    });
    *entries = sorted.into_iter().map(|(_, entry)| entry).collect();
    Ok(())
}

/// Returns the lines' names with the branches in front of them; each directory among `entries` is followed by its
/// content.
pub(super) fn labels(entries: &[FileEntry]) -> impl Iterator<Item = String> {
    // The directories above the current entry, each with the prefix of the names below it.
    let mut margins: Vec<(usize, String)> = Vec::new();
    branches(entries).into_iter().enumerate().map(move |(nth, branch)| {
        while margins.last().is_some_and(|&(directory, _)| Some(directory) != branch.parent) {
            margins.pop();
        }
        let name = escape_for_terminal(&branch.name);
        let (label, margin) = match margins.last() {
            None => (name, String::new()),
            Some((_, above)) => {
                let (twig, rest) = if branch.is_last { ("└── ", "    ") } else { ("├── ", "│   ") };
                (format!("{above}{twig}{name}"), format!("{above}{rest}"))
            }
        };
        margins.push((nth, margin));
        label
    })
}

fn branches(entries: &[FileEntry]) -> Vec<Branch> {
    let mut branches: Vec<Branch> = Vec::new();
    // The directories above the current entry, as numbers, and the last entry met below each directory.
    let mut above: Vec<usize> = Vec::new();
    let mut last: Vec<Option<usize>> = vec![None; entries.len()];
    for (nth, entry) in entries.iter().enumerate() {
        let path = entry.written_path();
        let below = |&top: &usize| {
            let top = entries[top].written_path();
            if *top == *b"./" { Some(path.to_vec()) } else { path.strip_prefix(&*top).map(<[u8]>::to_vec) }
        };
        while above.last().is_some_and(|top| below(top).is_none()) {
            above.pop();
        }
        let name = above.last().and_then(below).unwrap_or_else(|| path.to_vec());
        let parent = above.last().copied();
        if let Some(before) = parent.and_then(|parent| last[parent].replace(nth)) {
            branches[before].is_last = false;
        }
        branches.push(Branch { parent, name, is_last: true });
        if path.ends_with(b"/") {
            above.push(nth);
        }
    }
    branches
}

#[cfg(test)]
mod tests {
    use imgtar::{FileKind, TarTime};

    use super::*;

    fn entry(path: &str) -> FileEntry {
        let kind = if path.ends_with('/') { FileKind::Directory } else { FileKind::File };
        FileEntry {
            path: path.trim_end_matches('/').into(),
            kind,
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: TarTime { seconds: 0, nanos: 0 },
            target: Vec::new(),
            device: (0, 0),
            xattrs: Vec::new(),
            pax: Vec::new(),
            layer: None,
        }
    }

    #[track_caller]
    fn check(paths: &[&str], expected: &[&str]) {
        let entries: Vec<_> = paths.iter().map(|path| entry(path)).collect();
        assert_eq!(labels(&entries).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn names_hang_below_their_directories() {
        check(
            &["etc/", "etc/a", "etc/b/", "etc/b/x", "etc/c", "usr/", "usr/y"],
            &["etc/", "├── a", "├── b/", "│   └── x", "└── c", "usr/", "└── y"],
        );
        check(&["/", "bin/", "bin/sh"], &["./", "└── bin/", "    └── sh"]);
    }

    #[test]
    fn directories_are_sorted_one_by_one() {
        let paths = ["/", "a/", "a/small", "a/large", "b", "c/x/y", "c/x/z", "d"];
        let sorted = |by_size, reverse| {
            let mut entries: Vec<_> = paths.iter().map(|path| entry(path)).collect();
            entries[0].path.clear();
            for (nth, size) in [(2, 1), (3, 9), (4, 5), (5, 2), (6, 3), (7, 7)] {
                entries[nth].size = size;
            }
            sort(&mut entries, by_size, reverse, |_| Ok(())).unwrap();
            entries.iter().map(|entry| String::from_utf8_lossy(&entry.path).into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(sorted(false, false), " a a/small a/large b c/x/y c/x/z d");
        assert_eq!(sorted(true, false), " d b a a/large a/small c/x/z c/x/y");
        assert_eq!(sorted(true, true), " c/x/y c/x/z a a/small a/large b d");
        assert_eq!(sorted(false, true), " d c/x/z c/x/y b a a/large a/small");
    }

    #[test]
    fn what_lacks_its_directory_has_its_whole_path() {
        check(&["a/b/", "a/b/c/d", "x/y"], &["a/b/", "└── c/d", "x/y"]);
    }
}
