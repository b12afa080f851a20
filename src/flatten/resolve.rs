//! From paths to dentries: symbolic links are followed inside the root and nowhere else (R-6, H-5).

use std::borrow::Cow;

use super::tree::{Dentry, FileTree, Full, InodeKind};
use super::whiteout::is_reserved;
use crate::limits::MAX_LINKS;

/// Most bytes of link targets that one lookup reads. Forty honest links together are far shorter; without a bound a small
/// layer could make every entry walk megabytes.
const MAX_TARGETS: usize = 16 << 10;
/// Most bytes of link targets that all lookups in a tree read together: twenty for each of ten million entries. Without it
/// each of a million entries of a few bytes could walk 16 KiB.
const MAX_ALL_TARGETS: u64 = 256 << 20;

/// The reason why a path cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResolveError {
    /// A loop, most likely.
    #[error("more than {MAX_LINKS} symbolic links in a row")]
    Links,
    /// Targets made to be slow.
    #[error("symbolic links with more than {MAX_TARGETS} bytes of targets in a row")]
    Targets,
    /// Many entries behind them.
    #[error("symbolic links of which entries have read more than {MAX_ALL_TARGETS} bytes of targets")]
    AllTargets,
    /// A missing directory of this name could not be told from a whiteout.
    #[error("symbolic links that lead to a directory with the name of a whiteout")]
    Whiteout,
    /// No room to create a missing directory.
    #[error(transparent)]
    Full(#[from] Full),
}

/// A lookup on its way: every component is a directory or a link that leads to one.
#[derive(Debug)]
struct PathWalk<'a> {
    at: Dentry,
    /// The path and, on top of it, the link targets that are being followed.
    pending: Vec<Pending<'a>>,
    followed: Vec<Dentry>,
    targets: usize,
}

/// A text being walked and its current component.
#[derive(Debug)]
struct Pending<'a> {
    text: Cow<'a, [u8]>,
    from: usize,
    to: usize,
}

/// The state of a walk.
enum WalkState {
    /// At the end of the path.
    Arrived,
    /// At a component that is missing or neither directory nor link.
    Blocked,
}

/// The directory at `path` seen from `from`, and the links on the way; `None` if there is none.
pub(super) fn find(tree: &FileTree, from: Dentry, path: &[u8]) -> Result<Option<Route>, ResolveError> {
    let mut walk = PathWalk::new(from, path);
    let missing = walk.unpack(tree)?;
    Ok(missing.is_empty().then(|| walk.route()))
}

/// The directory at `path`, created where it is missing or something else is in its way.
pub(super) fn create(tree: &mut FileTree, path: &[u8]) -> Result<Route, ResolveError> {
    let mut walk = PathWalk::new(tree.root(), path);
    for name in walk.unpack(tree)? {
        if is_reserved(&name) {
            return Err(ResolveError::Whiteout);
        }
        let dentry = tree.dentry(walk.at, &name)?;
        tree.put_implicit_directory(dentry)?;
        walk.at = dentry;
    }
    Ok(walk.route())
}

/// Follows `path` and all symbolic links to the end, as a process in the root would.
pub(super) fn follow(tree: &FileTree, path: &[u8]) -> Result<PathEnd, ResolveError> {
    // Lookups in a finished tree are not the archive's, so the limit on all of them together does not apply.
    tree.forget_walks();
    let mut walk = PathWalk::new(tree.root(), path);
    Ok(match walk.advance(tree)? {
        WalkState::Arrived => PathEnd::Found(walk.at),
        WalkState::Blocked => match tree.child(walk.at, walk.component()) {
            Some(dentry) if walk.is_last() => PathEnd::Found(dentry),
            Some(dentry) => PathEnd::NoDirectory(dentry),
            None => PathEnd::Missing { directory: walk.at, name: walk.component().to_vec() },
        },
    })
}

/// The end of a followed path.
#[derive(Debug)]
pub(super) enum PathEnd {
    /// The path leads to this dentry.
    Found(Dentry),
    /// There is no such name in this directory.
    Missing { directory: Dentry, name: Vec<u8> },
    /// This dentry is neither a directory nor a link to one.
    NoDirectory(Dentry),
}

/// A directory and how it was reached.
#[derive(Debug)]
pub(super) struct Route {
    /// The directory.
    pub(super) end: Dentry,
    /// The symbolic links that led there.
    pub(super) links: Vec<Dentry>,
}

impl<'a> PathWalk<'a> {
    fn new(from: Dentry, path: &'a [u8]) -> Self {
        Self { at: from, pending: vec![Pending::new(path.into())], followed: Vec::new(), targets: 0 }
    }

    fn advance(&mut self, tree: &FileTree) -> Result<WalkState, ResolveError> {
        while self.next_component() {
            match self.component() {
                b"." => {}
                b".." => self.at = tree.parent(self.at),
                name => {
                    let Some(dentry) = tree.child(self.at, name) else { return Ok(WalkState::Blocked) };
                    match tree.kind_at(dentry) {
                        Some(InodeKind::Directory { .. }) => self.at = dentry,
                        Some(InodeKind::Symlink(target)) => self.follow(tree, dentry, tree.text(target))?,
                        _ => return Ok(WalkState::Blocked),
                    }
                }
            }
        }
        Ok(WalkState::Arrived)
    }

    /// Goes as far as there are directories and returns the names of those that are missing, or where something else is, on
    /// the rest of the way. As umoci and containerd unpack layers, `..` cancels a component that is missing.
    fn unpack(&mut self, tree: &FileTree) -> Result<Vec<Vec<u8>>, ResolveError> {
        let mut missing = Vec::new();
        while let WalkState::Blocked = self.advance(tree)? {
            missing.push(self.component().to_vec());
            while !missing.is_empty() {
                if !self.next_component() {
                    return Ok(missing);
                }
                match self.component() {
                    b"." => {}
                    b".." => drop(missing.pop()),
                    name => missing.push(name.to_vec()),
                }
            }
        }
        Ok(missing)
    }

    fn follow(&mut self, tree: &FileTree, link: Dentry, target: &[u8]) -> Result<(), ResolveError> {
        self.followed.push(link);
        self.targets += target.len();
        if self.followed.len() > MAX_LINKS {
            return Err(ResolveError::Links);
        }
        if self.targets > MAX_TARGETS {
            return Err(ResolveError::Targets);
        }
        if tree.walked(target.len()) > MAX_ALL_TARGETS {
            return Err(ResolveError::AllTargets);
        }
        if target.first() == Some(&b'/') {
            self.at = tree.root();
        }
        self.pending.push(Pending::new(target.to_vec().into()));
        Ok(())
    }

    /// Moves on to the next component of the innermost text that has one left.
    fn next_component(&mut self) -> bool {
        while let Some(top) = self.pending.last_mut() {
            if top.next() {
                return true;
            }
            self.pending.pop();
        }
        false
    }

    fn component(&self) -> &[u8] {
        self.pending.last().map_or(b"", |top| &top.text[top.from..top.to])
    }

    /// Returns whether nothing follows the present component; a slash does, because it asks for a directory.
    fn is_last(&self) -> bool {
        self.pending.iter().all(|pending| pending.to == pending.text.len())
    }

    fn route(self) -> Route {
        Route { end: self.at, links: self.followed }
    }
}

impl<'a> Pending<'a> {
    fn new(text: Cow<'a, [u8]>) -> Self {
        Self { text, from: 0, to: 0 }
    }

    fn next(&mut self) -> bool {
        let Some(from) = self.text[self.to..].iter().position(|&byte| byte != b'/') else { return false };
        self.from = self.to + from;
        let length = self.text[self.from..].iter().position(|&byte| byte == b'/');
        self.to = length.map_or(self.text.len(), |length| self.from + length);
        true
    }
}
