//! Hard links: the dentry and inode that the target of a link entry names.

use super::resolve::{self, ResolveError};
use super::tree::{Dentry, FileTree, Inode, InodeKind};
use super::whiteout::split;

/// The dentry that the cleaned `target` names now, with or without an inode. Its parents are resolved like
/// those of an entry but never created; the last component is not followed.
pub(super) fn target_dentry(tree: &FileTree, target: &[u8]) -> Result<Option<Dentry>, ResolveError> {
    if target.is_empty() {
        return Ok(Some(tree.root()));
    }
    let (directory, name) = split(target);
    let route = resolve::find(tree, tree.root(), directory)?;
    Ok(route.and_then(|route| tree.known(route.end, name)))
}

/// Returns the inode that a link to the cleaned `target` would name; `None` if missing, a directory or out of reach.
pub(super) fn target_inode(tree: &FileTree, target: &[u8]) -> Option<Inode> {
    let dentry = target_dentry(tree, target).ok().flatten()?;
    tree.inode(dentry).filter(|&inode| !matches!(tree.kind(inode), InodeKind::Directory { .. }))
}
