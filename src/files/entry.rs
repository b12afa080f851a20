//! One line of a listing.

use std::borrow::Cow;

use serde::Serialize;

use crate::archive::{EntryKind, TarTime};
use crate::layer_index::LayerEntry;

/// An entry of a tree or of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// The path: in a tree clean and relative, in a layer as its tar spells it; without a directory's trailing slash. The
    /// root is empty.
    pub path: Vec<u8>,
    /// Its kind.
    pub kind: FileKind,
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
    /// The target of a link as it is written; for a whiteout the path that it hides.
    pub target: Vec<u8>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Names and values of extended attributes, by ascending names.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Keys and values of the other PAX records that pass through: ACLs, file flags (docs/formats.md R-16).
    pub pax: Vec<(Vec<u8>, Vec<u8>)>,
    /// The number of its layer, counted from 0 at the base; `None` for a directory that no layer describes.
    pub layer: Option<u32>,
}

/// The kind of a [`FileEntry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A further name of an earlier one.
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

impl FileEntry {
    /// Bytes of memory that it takes, about: what a list of entries counts against a [`Budget`](crate::Budget).
    pub fn memory_size(&self) -> u64 {
        /// Bytes that the allocator adds to each text, about.
        const ALLOCATION: usize = 16;
        let lists = [&self.xattrs, &self.pax];
        let of_lists = lists.map(|list| list.capacity() * size_of::<(Vec<u8>, Vec<u8>)>());
        let of_texts = lists.into_iter().flatten().map(|(key, value)| key.len() + value.len() + 2 * ALLOCATION);
        let of_records = of_lists.into_iter().sum::<usize>() + of_texts.sum::<usize>();
        (size_of::<Self>() + self.path.len() + self.target.len() + 2 * ALLOCATION + of_records) as u64
    }

    /// The `entry` at `path`, and the layer that has it.
    pub(crate) fn new(path: Vec<u8>, entry: &LayerEntry<'_>, layer: Option<u32>) -> Self {
        let owned = |(key, value): (&[u8], &[u8])| (key.to_vec(), value.to_vec());
        Self {
            path,
            kind: FileKind::of(entry.kind),
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            size: entry.size,
            mtime: entry.mtime,
            target: entry.link.into(),
            device: entry.device,
            xattrs: entry.records.xattrs().map(owned).collect(),
            pax: entry.records.others().map(owned).collect(),
            layer,
        }
    }

    /// A directory that entries below it imply (docs/formats.md R-6).
    pub(crate) fn implicit_directory(path: Vec<u8>) -> Self {
        Self::new(path, &LayerEntry::IMPLICIT_DIRECTORY, None)
    }

    /// The name as a tar has it: a directory's ends in a slash, and the root is `./`.
    pub fn written_path(&self) -> Cow<'_, [u8]> {
        match (&self.path[..], self.kind) {
            (b"", _) => b"./"[..].into(),
            (path, FileKind::Directory) if !path.ends_with(b"/") => [path, b"/"].concat().into(),
            (path, _) => path.into(),
        }
    }
}

impl FileKind {
    /// Returns whether it has a target: links, and whiteouts with the path that they hide.
    pub fn has_target(self) -> bool {
        matches!(self, Self::Symlink | Self::HardLink | Self::Whiteout | Self::Opaque)
    }

    /// Returns whether it has device numbers.
    pub fn is_device(self) -> bool {
        matches!(self, Self::CharDevice | Self::BlockDevice)
    }

    fn of(kind: EntryKind) -> Self {
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
