//! One member of a tar: its header and extensions merged; and the members that imgtar itself writes.
//!
//! Sources: docs/formats.md, G-17.

use super::pax::XATTR;
use super::{SparseMap, TarTime};

/// The kind of a member (docs/formats.md R-13). Sockets do not exist in tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A file with content; contiguous (`7`) and sparse (`S`) ones too.
    Regular,
    /// Another name of an earlier member.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

impl EntryKind {
    /// The kind that a type flag names, a trailing slash not considered; `None` for extensions and unknown flags.
    pub(super) fn from_flag(flag: u8) -> Option<Self> {
        Some(match flag {
            b'0' | 0 | b'7' | b'S' => Self::Regular,
            b'1' => Self::HardLink,
            b'2' => Self::Symlink,
            b'3' => Self::CharDevice,
            b'4' => Self::BlockDevice,
            b'5' => Self::Directory,
            b'6' => Self::Fifo,
            _ => return None,
        })
    }

    /// The type flag it is written with.
    pub(super) fn flag(self) -> u8 {
        match self {
            Self::Regular => b'0',
            Self::HardLink => b'1',
            Self::Symlink => b'2',
            Self::CharDevice => b'3',
            Self::BlockDevice => b'4',
            Self::Directory => b'5',
            Self::Fifo => b'6',
        }
    }

    /// Returns whether it names another file.
    pub fn is_link(self) -> bool {
        matches!(self, Self::HardLink | Self::Symlink)
    }

    /// Returns whether it has device numbers.
    pub fn is_device(self) -> bool {
        matches!(self, Self::CharDevice | Self::BlockDevice)
    }
}

/// One member, its PAX and GNU extensions merged in (docs/formats.md R-19).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarEntry {
    /// The name as it stands in the archive: bytes, not cleaned, never with a NUL.
    pub path: Vec<u8>,
    /// The kind of the member.
    pub kind: EntryKind,
    /// The target of a link, verbatim; empty for every other kind.
    pub link: Vec<u8>,
    /// Permissions, setuid, setgid and sticky: the low 12 bits of `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Owner's name, often empty.
    pub uname: Vec<u8>,
    /// Group's name, often empty.
    pub gname: Vec<u8>,
    /// Time of the last modification.
    pub mtime: TarTime,
    /// Major and minor number of a device; 0, 0 for every other kind.
    pub device: (u32, u32),
    /// PAX records that pass through unchanged, in order (docs/formats.md R-16): extended attributes, ACLs and what else
    /// no field above holds. Of two records with one key the last counts.
    pub records: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bytes of content, a sparse file expanded. 0 for all but regular files.
    pub size: u64,
    /// Bytes of content as stored at `data_offset`, before padding. 0 for all but regular files, whatever size the
    /// header has (docs/formats.md R-14).
    pub stored: u64,
    /// The places of a sparse file's stored bytes.
    pub sparse: Option<SparseMap>,
    /// Offset in the archive of the first block that belongs to this member, extension headers included.
    pub header_offset: u64,
    /// Offset in the archive of the stored bytes; behind the map, where a sparse file has one in front of its data.
    pub data_offset: u64,
}

impl TarEntry {
    /// A file of a layered archive: 0644, 0:0, time 0 (docs/formats.md G-17).
    pub fn plain_file(path: impl Into<Vec<u8>>, size: u64) -> Self {
        Self { size, stored: size, ..Self::fixed(path.into(), EntryKind::Regular, 0o644) }
    }

    /// A directory of a layered archive: 0755, 0:0, time 0; its name gets its trailing slash.
    pub fn directory(path: impl Into<Vec<u8>>) -> Self {
        let mut path = path.into();
        if !path.ends_with(b"/") {
            path.push(b'/');
        }
        Self::fixed(path, EntryKind::Directory, 0o755)
    }

    /// A symbolic link of a layered archive: 0777, 0:0, time 0.
    pub fn symlink(path: impl Into<Vec<u8>>, target: impl Into<Vec<u8>>) -> Self {
        Self { link: target.into(), ..Self::fixed(path.into(), EntryKind::Symlink, 0o777) }
    }

    fn fixed(path: Vec<u8>, kind: EntryKind, mode: u32) -> Self {
        Self {
            path,
            kind,
            link: Vec::new(),
            mode,
            uid: 0,
            gid: 0,
            uname: Vec::new(),
            gname: Vec::new(),
            mtime: TarTime::EPOCH,
            device: (0, 0),
            records: Vec::new(),
            size: 0,
            stored: 0,
            sparse: None,
            header_offset: 0,
            data_offset: 0,
        }
    }

    /// The name of an extended attribute of another system than Linux, such as `com.apple.provenance`; `None` if it has none
    /// (docs/formats.md R-16).
    pub(crate) fn host_attribute(&self) -> Option<&[u8]> {
        const LINUX: [&[u8]; 4] = [b"security.", b"system.", b"trusted.", b"user."];
        let names = self.records.iter().filter_map(|(key, _)| key.strip_prefix(XATTR));
        names.into_iter().find(|name| !LINUX.iter().any(|namespace| name.starts_with(namespace)))
    }

    /// Bytes of memory that its names, records and map take: what is counted as metadata.
    pub(crate) fn charge_memory(&self) -> u64 {
        let records: usize = self.records.iter().map(|(key, value)| key.len() + value.len()).sum();
        let names = self.path.len() + self.link.len() + self.uname.len() + self.gname.len();
        let map = self.sparse.as_ref().map_or(0, |map| size_of_val(map.segments()));
        (records + names + map) as u64
    }
}
