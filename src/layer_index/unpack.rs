//! A layer as engines unpack it: alone, into an empty directory, entry by entry, with whiteouts as device files.
//!
//! Overlay stores do so, which makes some layers impossible for them that are right by the specification (docs/formats.md
//! V-2, V-5, V-6, V-18). [`UnpackCheck`] takes the entries of one layer in archive order and finds what stops whom. Paths are
//! held as hashes: no layer is refused for a collision, and a false alarm takes two paths in 2⁶⁴.
//!
//! Sources: docs/formats.md; moby `pkg/archive`, tar-split, containerd
//! `pkg/archive`; what Docker 20.10, containerd 1.6 and podman 4.3 did.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};

use super::unpack_fault::UnpackFault;
use crate::archive::{EntryKind, Reader, TarEntry};
use crate::error::Error;
use crate::flatten::{BadWhiteout, Role};
use crate::limits::MAX_LINKS;
use crate::path::EntryPath;
use crate::rule::Rule;
use crate::stream::skip::Skip;

/// The kind of file at a path of the directory into which the layer is unpacked.
#[derive(Debug, Clone)]
enum Unpacked {
    Directory,
    Symlink(Box<[u8]>),
    /// A file, or the device file that stands for a whiteout.
    Other,
}

/// Checks the entries of one layer.
#[derive(Debug, Default)]
pub(crate) struct UnpackCheck {
    hasher: RandomState,
    /// The files that are there, by the hashes of their paths.
    there: HashMap<u64, Unpacked>,
    /// The paths of all entries as tar-split compares them.
    paths: HashSet<u64>,
    /// For each fault the first path.
    faults: BTreeMap<UnpackFault, Vec<u8>>,
}

/// About what an entry takes in memory, bytes, and what a path of the tree does.
const ENTRY_SIZE: u64 = 32;
const PATH_SIZE: u64 = 64;

impl UnpackCheck {
    /// Takes the next entry, whose header has this type flag; returns the bytes of memory that it takes.
    pub(crate) fn entry(&mut self, entry: &TarEntry, flag: u8) -> u64 {
        if matches!(flag, b'S' | b'7') {
            self.fault(UnpackFault::UnknownType, entry);
        }
        let Ok(path) = EntryPath::clean_entry(&entry.path) else { return 0 };
        let before = self.there.len();
        let is_rooted = entry.path.first() == Some(&b'/');
        if !self.paths.insert(self.hasher.hash_one((is_rooted, path.as_bytes()))) {
            self.fault(UnpackFault::PathTwice, entry);
        }
        match Role::of(path.as_bytes()) {
            Ok(Role::Plain) if path.is_root() && entry.kind != EntryKind::Directory => {
                self.fault(UnpackFault::RootNoDirectory, entry);
            }
            // Hard links may lead to AUFS's own files.
            Ok(Role::Plain | Role::Bookkeeping) => self.put(entry, path.as_bytes()),
            Ok(Role::Remove { directory, name }) => self.whiteout(entry, directory, name),
            Err(BadWhiteout::Nameless) => self.fault(UnpackFault::NamelessWhiteout, entry),
            Ok(Role::Opaque { .. }) | Err(BadWhiteout::InTheMiddle) => {}
        }
        ENTRY_SIZE + PATH_SIZE * (self.there.len() - before) as u64 + entry.link.len() as u64
    }

    /// Reads the next entry of `reader`, and adds a problem that this finds in its header or at the end: an invalid number or a
    /// short end marker. The entry itself is added by [`UnpackCheck::entry`].
    ///
    /// # Errors
    /// Those of the reader.
    pub(crate) fn next_entry<R: Skip>(&mut self, reader: &mut Reader<'_, R>) -> Result<Option<TarEntry>, Error> {
        let entry = reader.next_entry()?;
        if let Some(problem) = reader.take_unread() {
            let fault = if problem.rule == Rule::G13 { UnpackFault::ShortEnd } else { UnpackFault::UnreadNumber };
            let path = entry.as_ref().map(|entry| entry.path.clone());
            self.faults.entry(fault).or_insert_with(|| path.unwrap_or_default());
        }
        Ok(entry)
    }

    /// Notes that the tar cannot be read any further.
    pub(crate) fn end_unreadable(&mut self) {
        self.faults.entry(UnpackFault::Unreadable).or_default();
    }

    /// The faults, each with the first path that has it.
    pub(crate) fn finish(self) -> BTreeMap<UnpackFault, Vec<u8>> {
        self.faults
    }

    fn fault(&mut self, fault: UnpackFault, entry: &TarEntry) {
        self.faults.entry(fault).or_insert_with(|| entry.path.clone());
    }

    fn put(&mut self, entry: &TarEntry, path: &[u8]) {
        let Some(place) = self.parent(entry, path) else { return };
        let node = match entry.kind {
            EntryKind::Directory => Unpacked::Directory,
            EntryKind::Symlink => Unpacked::Symlink(entry.link.as_slice().into()),
            EntryKind::HardLink => match self.target(entry) {
                Some(Unpacked::Directory) => return self.fault(UnpackFault::LinkToDirectory, entry),
                Some(node) => node,
                None if EntryPath::clean(&entry.link).is_ok_and(|target| target.as_bytes() == path) => {
                    return self.fault(UnpackFault::LinkToItself, entry);
                }
                None => return self.fault(UnpackFault::LinkToElsewhere, entry),
            },
            EntryKind::Regular | EntryKind::CharDevice | EntryKind::BlockDevice | EntryKind::Fifo => Unpacked::Other,
        };
        self.there.insert(place, node);
    }

    fn whiteout(&mut self, entry: &TarEntry, directory: &[u8], name: &[u8]) {
        let path = if directory.is_empty() { name.to_vec() } else { [directory, name].join(&b'/') };
        let Some(place) = self.parent(entry, &path) else { return };
        if self.there.insert(place, Unpacked::Other).is_some() {
            self.fault(UnpackFault::WhiteoutOfOwn, entry);
        }
    }

    /// Makes the directories above `path`, as far as they are missing, and returns the place of `path`; nothing where it cannot
    /// be reached, which is a fault.
    fn parent(&mut self, entry: &TarEntry, path: &[u8]) -> Option<u64> {
        match self.walk(path, true) {
            Ok((place, is_dangling)) => {
                if is_dangling {
                    self.fault(UnpackFault::BelowDanglingLink, entry);
                }
                Some(place)
            }
            Err(fault) => {
                self.fault(fault, entry);
                None
            }
        }
    }

    /// The node that a hard link to the path in `entry` shares.
    fn target(&mut self, entry: &TarEntry) -> Option<Unpacked> {
        let path = EntryPath::clean(&entry.link).ok()?;
        let (place, is_dangling) = self.walk(path.as_bytes(), false).ok()?;
        if is_dangling {
            self.fault(UnpackFault::BelowDanglingLink, entry);
        }
        self.there.get(&place).cloned()
    }

    /// Goes to `path` through the symbolic links on the way, but not at its end; with `make` missing directories are made.
    /// Returns also whether a link went through something that is not a directory and back, which systems refuse.
    fn walk(&mut self, path: &[u8], make: bool) -> Result<(u64, bool), UnpackFault> {
        let mut path = path.to_vec();
        let (mut through_link, mut is_dangling) = (false, false);
        for _ in 0..=MAX_LINKS {
            match self.step(&path, make && !through_link) {
                PathStep::There(place) => return Ok((place, is_dangling)),
                PathStep::Missing if through_link => return Err(UnpackFault::BelowDanglingLink),
                PathStep::Missing | PathStep::NoDirectory => return Err(UnpackFault::BelowNoDirectory),
                PathStep::Link(next, cancels) => {
                    path = next;
                    is_dangling |= cancels;
                }
            }
            through_link = true;
        }
        Err(UnpackFault::BelowDanglingLink)
    }

    /// Goes to `path` up to the first symbolic link.
    fn step(&mut self, path: &[u8], make: bool) -> PathStep {
        let mut prefix = self.hasher.build_hasher();
        let mut components = path.split(|&byte| byte == b'/').peekable();
        let mut end = 0;
        while let Some(component) = components.next() {
            prefix.write(component);
            prefix.write_u8(b'/');
            end += component.len();
            let place = prefix.finish();
            if components.peek().is_none() {
                return PathStep::There(place);
            }
            match self.there.get(&place) {
                Some(Unpacked::Directory) => {}
                Some(Unpacked::Symlink(target)) => return self.link(&path[..end], target, &path[end + 1..]),
                Some(Unpacked::Other) => return PathStep::NoDirectory,
                None if make => drop(self.there.insert(place, Unpacked::Directory)),
                None => return PathStep::Missing,
            }
            end += 1;
        }
        PathStep::Missing
    }

    /// The path to `rest` below the symbolic link at `link`; what climbs above the root stays there.
    fn link(&self, link: &[u8], target: &[u8], rest: &[u8]) -> PathStep {
        let directory = link.iter().rposition(|&byte| byte == b'/').map_or(&b""[..], |slash| &link[..slash]);
        let from = if target.first() == Some(&b'/') { &b""[..] } else { directory };
        let mut path = Vec::new();
        let mut cancels = false;
        let components = |bytes| <[u8]>::split(bytes, |&byte: &u8| byte == b'/');
        for component in components(from).chain(components(target)).chain(components(rest)) {
            match component {
                b"" | b"." => {}
                b".." => {
                    let place = path.pop().map(|(_, prefix): (_, DefaultHasher)| prefix.finish());
                    let is_known =
                        |place| matches!(self.there.get(&place), Some(Unpacked::Directory | Unpacked::Symlink(_)));
                    cancels |= place.is_some_and(|place| !is_known(place));
                }
                name => {
                    let before = path.last().map(|(_, prefix)| prefix.clone());
                    let mut prefix = before.unwrap_or_else(|| self.hasher.build_hasher());
                    prefix.write(name);
                    prefix.write_u8(b'/');
                    path.push((name, prefix));
                }
            }
        }
        let names: Vec<&[u8]> = path.iter().map(|(name, _)| *name).collect();
        PathStep::Link(names.join(&b'/'), cancels)
    }
}

/// The outcome of going along a path.
enum PathStep {
    There(u64),
    Missing,
    NoDirectory,
    /// A symbolic link, with the path that it turns the requested one into, and whether its target cancels a component
    /// that is not a directory.
    Link(Vec<u8>, bool),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: EntryKind, link: &str) -> TarEntry {
        let mut entry = TarEntry::plain_file(path, 0);
        entry.kind = kind;
        entry.link = link.as_bytes().to_vec();
        entry
    }

    fn file(path: &str) -> TarEntry {
        entry(path, EntryKind::Regular, "")
    }

    fn dir(path: &str) -> TarEntry {
        entry(path, EntryKind::Directory, "")
    }

    fn symlink(path: &str, target: &str) -> TarEntry {
        entry(path, EntryKind::Symlink, target)
    }

    fn hardlink(path: &str, target: &str) -> TarEntry {
        entry(path, EntryKind::HardLink, target)
    }

    fn faults(entries: &[TarEntry]) -> Vec<UnpackFault> {
        let mut check = UnpackCheck::default();
        for entry in entries {
            check.entry(entry, b'0');
        }
        check.finish().into_keys().collect()
    }

    #[test]
    fn what_overlay_stores_unpack_has_no_faults() {
        for entries in [
            vec![dir("d/"), file("d/x"), file("e/f/g"), hardlink("h", "d/x"), hardlink("i", "/d/x")],
            vec![file("d/.wh.a"), file("d/a"), file("d/.wh..wh..opq")],
            vec![file(".wh..wh.aufs"), dir(".wh..wh.plnk/"), file(".wh..wh.plnk/1"), hardlink("a", ".wh..wh.plnk/1")],
            vec![dir("usr/"), dir("usr/lib/"), symlink("lib", "usr/lib"), file("lib/x"), hardlink("y", "lib/x")],
            vec![symlink("a", "../../../usr"), dir("usr/"), file("a/x")],
            vec![file("d/f"), symlink("a", "d/../d/../d"), hardlink("h", "a/f"), file("a/x")],
            vec![file("a"), hardlink(".wh.b", ".wh.a")],
            vec![dir("./"), dir("etc/"), file("etc//a"), file("/etc/a")],
        ] {
            assert_eq!(faults(&entries), [], "{entries:#?}");
        }
    }

    #[test]
    fn each_fault_is_found() {
        use UnpackFault::{
            BelowDanglingLink, BelowNoDirectory, LinkToDirectory, LinkToElsewhere, LinkToItself, NamelessWhiteout,
            PathTwice, RootNoDirectory, WhiteoutOfOwn,
        };
        for (entries, fault) in [
            (vec![file("a"), file("./a")], PathTwice),
            (vec![dir("d/"), dir("d")], PathTwice),
            (vec![symlink("/", ".")], RootNoDirectory),
            (vec![file("etc/.wh.")], NamelessWhiteout),
            (vec![file("f"), file(".wh.f")], WhiteoutOfOwn),
            (vec![file("d/f"), file(".wh.d")], WhiteoutOfOwn),
            (vec![file("test/.wh.test"), file(".wh.test")], WhiteoutOfOwn),
            (vec![file(".wh.d"), file("d/n")], BelowNoDirectory),
            (vec![file("f"), file("f/k")], BelowNoDirectory),
            (vec![hardlink("a", "lower")], LinkToElsewhere),
            (vec![hardlink("a", "later"), file("later")], LinkToElsewhere),
            (vec![hardlink("self", "./self")], LinkToItself),
            (vec![dir("d"), hardlink("a", "d")], LinkToDirectory),
            (vec![file("d/f"), hardlink("a", "d")], LinkToDirectory),
            (vec![symlink("a", "b"), file("a/.wh.a"), dir("b")], BelowDanglingLink),
            (vec![symlink("a", "b"), symlink("b", "a"), file("a/x")], BelowDanglingLink),
            (vec![dir("d"), symlink("a", "no/../d"), file("a/x")], BelowDanglingLink),
            (vec![file("d/f"), symlink("a", "d/f/../../d"), hardlink("h", "a/f")], BelowDanglingLink),
        ] {
            assert_eq!(faults(&entries), [fault], "{entries:#?}");
        }
        let mut check = UnpackCheck::default();
        check.entry(&file("sparse"), b'S');
        check.end_unreadable();
        assert_eq!(check.finish().into_keys().collect::<Vec<_>>(), [UnpackFault::Unreadable, UnpackFault::UnknownType]);
    }
}
