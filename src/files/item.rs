//! One line of a listing.

use serde::Serialize;

use super::Header;
use crate::archive::{Kind, Timestamp};

/// An entry of a tree or of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The path: in a tree clean and relative, in a layer as its tar spells it; without a directory's trailing slash. The
    /// root is empty.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: ItemKind,
    /// Permissions, setuid, setgid and sticky.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of content, holes of sparse files included; 0 for all but regular files.
    pub size: u64,
    /// Time of the last modification.
    pub mtime: Timestamp,
    /// Where a link leads, as it is written; for a whiteout what it hides.
    pub target: Vec<u8>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Names and values of extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Which layer it is from, counted from 0 at the base; `None` for a directory that no layer describes.
    pub layer: Option<u32>,
}

/// What an [`Item`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A further name of an earlier item.
    HardLink,
    /// A character device.
    #[serde(rename = "char")]
    CharDevice,
    /// A block device.
    #[serde(rename = "block")]
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// In a layer: hides one name in the layers below.
    Whiteout,
    /// In a layer: hides all that the layers below have in its directory.
    Opaque,
}

impl Item {
    /// What `header` says of the entry at `path`.
    pub(crate) fn new(path: Vec<u8>, header: &Header, layer: u32) -> Self {
        Self {
            path,
            kind: header.kind.into(),
            mode: header.mode,
            uid: header.uid,
            gid: header.gid,
            size: header.size,
            mtime: header.mtime,
            target: header.link.to_vec(),
            device: header.device,
            xattrs: header.xattrs.to_vec(),
            layer: Some(layer),
        }
    }

    /// A directory that entries below it imply (docs/formats.md R-6).
    pub(crate) fn implicit_directory(path: Vec<u8>) -> Self {
        Self {
            path,
            kind: ItemKind::Directory,
            mode: 0o755,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: Timestamp::EPOCH,
            target: Vec::new(),
            device: (0, 0),
            xattrs: Vec::new(),
            layer: None,
        }
    }

    /// The name as a tar has it: a directory's ends in a slash, and the root is `./`.
    pub fn written_path(&self) -> Vec<u8> {
        match (&self.path[..], self.kind) {
            (b"", _) => b"./".to_vec(),
            (path, ItemKind::Directory) if !path.ends_with(b"/") => [path, b"/"].concat(),
            (path, _) => path.to_vec(),
        }
    }
}

impl ItemKind {
    /// Whether it names something else.
    pub fn has_target(self) -> bool {
        matches!(self, Self::Symlink | Self::HardLink | Self::Whiteout | Self::Opaque)
    }

    /// Whether it has device numbers.
    pub fn is_device(self) -> bool {
        matches!(self, Self::CharDevice | Self::BlockDevice)
    }
}

impl From<Kind> for ItemKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Regular => Self::File,
            Kind::HardLink => Self::HardLink,
            Kind::Symlink => Self::Symlink,
            Kind::CharDevice => Self::CharDevice,
            Kind::BlockDevice => Self::BlockDevice,
            Kind::Directory => Self::Directory,
            Kind::Fifo => Self::Fifo,
        }
    }
}
