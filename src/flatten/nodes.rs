//! The flattened tree node by node, for comparing trees rather than writing one.

use super::EntryKey;
use super::flattened::{Flattened, PathBuilder};
use super::tree::{FileTree, InodeKind};

/// A path of a flattened tree and the node at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FlatNode {
    /// The path, relative and clean; empty for the root.
    pub(crate) path: Vec<u8>,
    /// The entry that describes it; `None` for a directory that no layer lists.
    pub(crate) entry: Option<EntryKey>,
    /// True if it is a directory.
    pub(crate) is_directory: bool,
    /// The number of paths that share it.
    pub(crate) names: u32,
}

impl Flattened {
    /// The nodes in output order, which is the order of their paths component by component if the tree was not built with
    /// [`Options::sort`](super::Options::sort). The root is one of them if some layer has an entry for it.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = FlatNode> + '_ {
        let tree: &FileTree = self.tree();
        let mut paths = PathBuilder::new(tree);
        self.dentries().iter().filter_map(move |&dentry| {
            let inode = tree.inode(dentry)?;
            Some(FlatNode {
                path: paths.walk_to(dentry).to_vec(),
                entry: tree.entry(inode),
                is_directory: matches!(tree.kind(inode), InodeKind::Directory { .. }),
                names: tree.names(inode),
            })
        })
    }
}
