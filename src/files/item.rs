//! One line of a listing.

use std::borrow::Cow;

use serde::Serialize;

use super::header::{Header, Records};
use crate::archive::{EntryKind, TarTime};

/// In front of the name of an extended attribute in the key of its PAX record.
const XATTR: &[u8] = b"SCHILY.xattr.";

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
    pub mtime: TarTime,
    /// Where a link leads, as it is written; for a whiteout what it hides.
    pub target: Vec<u8>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Names and values of extended attributes, by ascending names.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Keys and values of the other PAX records that pass through: ACLs, file flags (docs/formats.md R-16).
    pub pax: Vec<(Vec<u8>, Vec<u8>)>,
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
    pub(crate) fn new(path: Vec<u8>, header: Header, layer: u32) -> Self {
        let (xattrs, pax) = split(header.records);
        Self {
            path,
            kind: header.kind.into(),
            mode: header.mode,
            uid: header.uid,
            gid: header.gid,
            size: header.size,
            mtime: header.mtime,
            target: header.link.into(),
            device: header.device,
            xattrs,
            pax,
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
            mtime: TarTime::EPOCH,
            target: Vec::new(),
            device: (0, 0),
            xattrs: Vec::new(),
            pax: Vec::new(),
            layer: None,
        }
    }

    /// The name as a tar has it: a directory's ends in a slash, and the root is `./`.
    pub fn written_path(&self) -> Cow<'_, [u8]> {
        match (&self.path[..], self.kind) {
            (b"", _) => b"./"[..].into(),
            (path, ItemKind::Directory) if !path.ends_with(b"/") => [path, b"/"].concat().into(),
            (path, _) => path.into(),
        }
    }
}

/// Names and what they name.
type Values = Vec<(Vec<u8>, Vec<u8>)>;

/// Extended attributes by their own names, and all else by its key.
fn split(records: Records) -> (Values, Values) {
    let (mut xattrs, mut pax) = (Vec::new(), Vec::new());
    for (key, value) in records {
        match key.strip_prefix(XATTR) {
            Some(name) => xattrs.push((name.to_vec(), value)),
            None => pax.push((key, value)),
        }
    }
    (xattrs, pax)
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

impl From<EntryKind> for ItemKind {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Regular => Self::File,
            EntryKind::HardLink => Self::HardLink,
            EntryKind::Symlink => Self::Symlink,
            EntryKind::CharDevice => Self::CharDevice,
            EntryKind::BlockDevice => Self::BlockDevice,
            EntryKind::Directory => Self::Directory,
            EntryKind::Fifo => Self::Fifo,
        }
    }
}
