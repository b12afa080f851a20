//! Looking up a path in the flattened tree, as a process that has it for a root would.

use super::flattened::Flattened;
use super::resolve::{self, PathEnd};
use super::tree::{Dentry, InodeKind};
use super::{EntryKey, whiteout};

/// The result of following a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It leads to a file or directory, at the clean `path` that has no symbolic link in it.
    Found {
        /// The path.
        path: Vec<u8>,
        /// The kind of file there.
        what: Standing,
    },
    /// It leads nowhere: `directory` has no `name`.
    Missing {
        /// The last directory on the way.
        directory: Vec<u8>,
        /// The name that is not in it.
        name: Vec<u8>,
    },
    /// It leads nowhere: `path` is not a directory, and components are left.
    NoDirectory {
        /// The path.
        path: Vec<u8>,
    },
    /// It leads nowhere: too many symbolic links follow one another, most likely in a loop.
    Endless {
        /// The limit that was passed.
        problem: String,
    },
}

/// The kind of file at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A directory.
    Directory,
    /// A regular file: the entry that carries its bytes.
    Regular(EntryKey),
    /// A symbolic link that was not to be followed: its entry.
    Symlink(EntryKey),
    /// A device or named pipe.
    Special,
}

impl Flattened {
    /// Follows `path` from the root, with or without a leading slash, through all symbolic links and always inside the
    /// root.
    pub fn follow(&self, path: &[u8]) -> Lookup {
        match resolve::follow(self.tree(), path) {
            Ok(PathEnd::Found(dentry)) => self.found(dentry),
            Ok(PathEnd::Missing { directory, name }) => {
                Lookup::Missing { directory: self.tree().path(directory), name }
            }
            Ok(PathEnd::NoDirectory(dentry)) => Lookup::NoDirectory { path: self.tree().path(dentry) },
            Err(error) => Lookup::Endless { problem: error.to_string() },
        }
    }

    /// As [`Flattened::follow`], but a symbolic link at the end is not followed unless it leads to a directory.
    pub fn find(&self, path: &[u8]) -> Lookup {
        let (tree, path) = (self.tree(), trim(path));
        let followed = self.follow(path);
        if matches!(followed, Lookup::Found { what: Standing::Directory, .. }) {
            return followed;
        }
        let (directory, name) = whiteout::split(path);
        match resolve::find(tree, tree.root(), directory) {
            Ok(Some(route)) => tree.child(route.end, name).map_or(followed, |dentry| self.found(dentry)),
            Ok(None) | Err(_) => followed,
        }
    }

    /// The clean paths of the symbolic links through which `path` leads to what [`Flattened::find`] finds.
    pub(crate) fn links_on(&self, path: &[u8]) -> Vec<Vec<u8>> {
        let (tree, path) = (self.tree(), trim(path));
        let route = |path| resolve::find(tree, tree.root(), path).ok().flatten();
        let links = route(path).or_else(|| route(whiteout::split(path).0)).map_or_else(Vec::new, |route| route.links);
        links.into_iter().map(|link| tree.path(link)).collect()
    }

    /// The names in the directory at the clean `path`, in no particular order.
    pub fn names(&self, path: &[u8]) -> Vec<&[u8]> {
        let tree = self.tree();
        let route = resolve::find(tree, tree.root(), path).ok().flatten();
        route.map_or_else(Vec::new, |route| tree.children(route.end).map(|child| tree.name(child)).collect())
    }

    fn found(&self, dentry: Dentry) -> Lookup {
        let tree = self.tree();
        let entry = tree.inode(dentry).and_then(|inode| tree.entry(inode));
        let what = match (tree.kind_at(dentry), entry) {
            (Some(InodeKind::Directory { .. }), _) => Standing::Directory,
            (Some(InodeKind::Regular), Some(key)) => Standing::Regular(key),
            (Some(InodeKind::Symlink(_)), Some(key)) => Standing::Symlink(key),
            (Some(InodeKind::Regular | InodeKind::Symlink(_) | InodeKind::Special) | None, _) => Standing::Special,
        };
        Lookup::Found { path: tree.path(dentry), what }
    }
}

/// Slashes at the end mean nothing here: only a link to a directory is followed, and it is in any case.
fn trim(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    &path[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Diagnostics;
    use crate::flatten::{Change, ChangeKind, Options, Overlay};
    use crate::limits::Budget;

    fn tree(entries: &[(&str, ChangeKind<'_>)]) -> Flattened {
        let (diagnostics, budget) = (Diagnostics::silent(), Budget::default());
        let mut overlay = Overlay::new(Options::default());
        let mut layer = overlay.layer("layer 0", &diagnostics, &budget);
        for (position, &(path, kind)) in entries.iter().enumerate() {
            layer.entry(Change { path: path.as_bytes(), kind, position: position as u64 }).unwrap();
        }
        layer.finish().unwrap();
        overlay.finish()
    }

    fn sample() -> Flattened {
        tree(&[
            ("usr/bin/sh", ChangeKind::Regular),
            ("bin", ChangeKind::Symlink(b"/usr/bin")),
            ("etc/os-release", ChangeKind::Symlink(b"../usr/lib/os-release")),
            ("usr/lib/os-release", ChangeKind::Regular),
            ("usr/lib/alias", ChangeKind::HardLink(b"usr/lib/os-release")),
            ("up", ChangeKind::Symlink(b"../../../../etc/os-release")),
            ("a", ChangeKind::Symlink(b"b")),
            ("b", ChangeKind::Symlink(b"a")),
            ("gone", ChangeKind::Symlink(b"no/where")),
            ("dev/null", ChangeKind::CharDevice { major: 1, minor: 3 }),
        ])
    }

    fn file(path: &str, position: u64) -> Lookup {
        Lookup::Found { path: path.into(), what: Standing::Regular(EntryKey { layer: 0, position }) }
    }

    #[test]
    fn paths_lead_through_links_and_never_out() {
        let tree = sample();
        for path in ["usr/bin/sh", "/usr/bin/sh", "./usr//bin/../bin/sh", "bin/sh", "/../../bin/sh"] {
            assert_eq!(tree.follow(path.as_bytes()), file("usr/bin/sh", 0), "{path}");
        }
        for path in ["etc/os-release", "up"] {
            assert_eq!(tree.follow(path.as_bytes()), file("usr/lib/os-release", 3), "{path}");
        }
        assert_eq!(tree.follow(b"usr/lib/alias"), file("usr/lib/alias", 3), "a hard link is the file itself");
        assert_eq!(tree.follow(b"bin"), Lookup::Found { path: b"usr/bin".into(), what: Standing::Directory });
        assert_eq!(tree.follow(b"/"), Lookup::Found { path: b"".into(), what: Standing::Directory });
        assert_eq!(tree.follow(b"dev/null"), Lookup::Found { path: b"dev/null".into(), what: Standing::Special });
    }

    #[test]
    fn what_leads_nowhere_says_where_it_ends() {
        let tree = sample();
        let missing =
            |directory: &str, name: &str| Lookup::Missing { directory: directory.into(), name: name.as_bytes().into() };
        assert_eq!(tree.follow(b"bin/bash"), missing("usr/bin", "bash"));
        assert_eq!(tree.follow(b"gone"), missing("", "no"));
        assert_eq!(tree.follow(b"x/y/z"), missing("", "x"));
        for path in ["bin/sh/x", "bin/sh/"] {
            assert_eq!(tree.follow(path.as_bytes()), Lookup::NoDirectory { path: b"usr/bin/sh".into() }, "{path}");
        }
        assert!(matches!(tree.follow(b"a"), Lookup::Endless { .. }));
    }

    #[test]
    fn a_link_is_found_itself_unless_it_leads_to_a_directory() {
        let tree = sample();
        let link = |path: &str, position| {
            let what = Standing::Symlink(EntryKey { layer: 0, position });
            Lookup::Found { path: path.into(), what }
        };
        for (path, expected, nth) in [("a", "a", 6), ("/gone/", "gone", 8), ("etc/os-release", "etc/os-release", 2)] {
            assert_eq!(tree.find(path.as_bytes()), link(expected, nth), "{path}");
        }
        assert_eq!(tree.find(b"bin/"), Lookup::Found { path: b"usr/bin".into(), what: Standing::Directory });
        assert_eq!(tree.find(b"bin/sh"), file("usr/bin/sh", 0));
        assert_eq!(tree.find(b"no"), Lookup::Missing { directory: b"".into(), name: b"no".into() });
    }

    #[test]
    fn names_are_those_of_one_directory() {
        let tree = sample();
        let mut names = tree.names(b"usr");
        names.sort_unstable();
        assert_eq!(names, [&b"bin"[..], b"lib"]);
        assert!(tree.names(b"nowhere").is_empty());
    }
}
