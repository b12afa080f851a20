//! Names and links that not all engines follow to a member (docs/formats.md G-4, G-7).

use super::tar_members::{Member, TarMembers};
use super::{MemberIndex, MemberStore};
use crate::limits::MAX_LINKS;
use crate::path::EntryPath;

/// The symbolic links through which a name leads to its file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkChain {
    /// The number of links, one behind the other.
    pub length: usize,
    /// True if a target begins at the archive's root.
    pub is_absolute: bool,
    /// True if a directory on the way is a link.
    pub through_directory: bool,
}

impl MemberIndex {
    /// The symbolic links through which `name` leads to its file; `None` where there are none, and in a directory, where
    /// links are the file system's.
    pub fn link_chain(&self, name: &str) -> Option<LinkChain> {
        let MemberStore::Tar(tar) = &self.store else { return None };
        let mut path = EntryPath::clean(name.as_bytes()).ok()?;
        let mut chain = LinkChain::default();
        for _ in 0..=MAX_LINKS {
            match tar.members.get(&path).and_then(|all| all.last()) {
                Some(Member::Symlink(target)) => {
                    chain.length += 1;
                    chain.is_absolute |= target.first() == Some(&b'/');
                    path = path.split()?.0.join(target).ok()?;
                }
                Some(Member::HardLink(target)) => path = EntryPath::clean(target).ok()?,
                Some(Member::File(_) | Member::Directory | Member::Other) => break,
                None => {
                    path = tar.through_directory_link(&path).ok()??;
                    chain.through_directory = true;
                }
            }
        }
        (chain != LinkChain::default()).then_some(chain)
    }

    /// Returns the target of `name` if that is a symbolic link that leads to nothing.
    pub fn dangling_link(&self, name: &str) -> Option<String> {
        let target = match &self.store {
            MemberStore::Tar(_) => match self.last(name)? {
                Member::Symlink(target) if !matches!(self.find(name, "the format"), Ok(Some(_))) => target.clone(),
                Member::Symlink(_) | Member::File(_) | Member::HardLink(_) | Member::Directory | Member::Other => {
                    return None;
                }
            },
            MemberStore::Directory(directory) => directory.dangling_link(&EntryPath::clean(name.as_bytes()).ok()?)?,
        };
        Some(String::from_utf8_lossy(&target).into_owned())
    }

    /// Returns whether a member's stored name begins with a slash; false in a directory.
    pub fn has_rooted_name(&self) -> bool {
        matches!(&self.store, MemberStore::Tar(tar) if tar.has_rooted_name)
    }

    /// Returns whether a symbolic link does not lead directly to a file by a relative target; false in a directory.
    pub fn has_indirect_link(&self) -> bool {
        let MemberStore::Tar(tar) = &self.store else { return false };
        tar.links.values().flatten().any(|link| !tar.leads_to_file(link))
    }
}

impl TarMembers {
    /// Returns whether the target of the symbolic link at `path` is relative, and a file.
    fn leads_to_file(&self, path: &EntryPath) -> bool {
        let Some(Member::Symlink(target)) = self.members.get(path).and_then(|all| all.last()) else { return true };
        let Some((directory, _)) = path.split().filter(|_| target.first() != Some(&b'/')) else { return false };
        let target = directory.join(target).ok().and_then(|target| self.members.get(&target)?.last());
        matches!(target, Some(Member::File(_)))
    }
}
