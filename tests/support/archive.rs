//! An archive read back: members in order, with what their headers say.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use tar::EntryType;

use super::codec::Codec;
use super::tarball::{Kind, Member};

/// An archive or a layout directory, as members.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    pub(crate) members: Vec<Member>,
}

impl Archive {
    /// Reads any archive, whoever wrote it, wholly compressed or not.
    pub(crate) fn open(bytes: &[u8]) -> Self {
        let plain = Codec::decode(bytes);
        let mut archive = tar::Archive::new(plain.as_slice());
        let entries = archive.entries().expect("a tar");
        Self { members: entries.map(|entry| read_member(&mut entry.expect("a whole tar"))).collect() }
    }

    /// Reads an archive that imgtar wrote, and holds its headers against G-17.
    pub(crate) fn written(bytes: &[u8]) -> Self {
        assert_eq!(Codec::sniff(bytes), Codec::Plain, "the outer archive is plain unless asked otherwise (G-2)");
        assert_eq!(bytes.len() % 512, 0, "a tar is whole blocks");
        assert!(bytes.len() >= 1024 && bytes[bytes.len() - 1024..].iter().all(|&byte| byte == 0), "no end marker");
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().expect("a tar");
        let members: Vec<_> = entries
            .map(|entry| {
                let mut entry = entry.expect("a whole tar");
                check_header(&mut entry);
                read_member(&mut entry)
            })
            .collect();
        let archive = Self { members };
        let names: BTreeSet<_> = archive.names().into_iter().collect();
        assert_eq!(names.len(), archive.members.len(), "no member is written twice: {:#?}", archive.names());
        archive
    }

    /// Reads a layout directory; names ascend.
    pub(crate) fn of_dir(dir: &Path) -> Self {
        let mut members = Vec::new();
        walk(dir, "", &mut members);
        members.sort_by(|a: &Member, b| a.name.cmp(&b.name));
        Self { members }
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.members.iter().map(|member| member.name.as_str()).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.name == name)
    }

    /// The bytes of a member, links followed as docker does (G-7, G-8).
    pub(crate) fn body(&self, name: &str) -> &[u8] {
        self.follow(name, 40).unwrap_or_else(|| panic!("no member `{name}` among {:#?}", self.names()))
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        let body = self.body(name);
        serde_json::from_slice(body)
            .unwrap_or_else(|error| panic!("{name}: {error}: {}", String::from_utf8_lossy(body)))
    }

    /// Whether `name` is a regular member itself, not a link to one.
    pub(crate) fn is_regular(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.name == name && matches!(member.kind, Kind::File(_)))
    }

    fn follow(&self, name: &str, links: usize) -> Option<&[u8]> {
        let member = self.members.iter().find(|member| member.name == name)?;
        match &member.kind {
            Kind::File(bytes) => Some(bytes),
            Kind::Dir => None,
            Kind::Hardlink(target) => self.follow(target, links.checked_sub(1)?),
            Kind::Symlink(target) => self.follow(&join(name, target), links.checked_sub(1)?),
        }
    }
}

fn read_member(entry: &mut tar::Entry<'_, &[u8]>) -> Member {
    let name = String::from_utf8(entry.path_bytes().into_owned()).expect("an ASCII member name");
    let target = entry.link_name_bytes().map(|target| String::from_utf8_lossy(&target).into_owned());
    let kind = match entry.header().entry_type() {
        EntryType::Directory => Kind::Dir,
        EntryType::Symlink => Kind::Symlink(target.expect("a link has a target")),
        EntryType::Link => Kind::Hardlink(target.expect("a link has a target")),
        _ => {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            Kind::File(bytes)
        }
    };
    Member { name: name.strip_prefix("./").unwrap_or(&name).to_owned(), kind }
}

/// USTAR, 0:0 without names, mtime 0, mode by type, PAX only for names that do not fit (G-17).
fn check_header(entry: &mut tar::Entry<'_, &[u8]>) {
    let name = String::from_utf8(entry.path_bytes().into_owned()).expect("an ASCII member name");
    let long = name.len() > 100 && entry.pax_extensions().unwrap().is_some();
    assert!(long || entry.pax_extensions().unwrap().is_none(), "{name}: PAX records without need");
    let header = entry.header();
    let ustar = header.as_ustar().unwrap_or_else(|| panic!("{name}: the header is not USTAR"));
    let mode = match header.entry_type() {
        EntryType::Regular => 0o644,
        EntryType::Directory => 0o755,
        EntryType::Symlink => 0o777,
        other => panic!("{name}: member of type {other:?}"),
    };
    assert_eq!(header.mode().unwrap(), mode, "{name}: mode");
    assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0), "{name}: owner");
    assert_eq!(header.mtime().unwrap(), 0, "{name}: mtime");
    assert!(ustar.username_bytes().is_empty() && ustar.groupname_bytes().is_empty(), "{name}: owner names");
    assert!(!name.starts_with("./") && !name.starts_with('/'), "{name}: a clean name (G-4)");
}

fn walk(dir: &Path, prefix: &str, members: &mut Vec<Member>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            members.push(Member { name: format!("{name}/"), kind: Kind::Dir });
            walk(&entry.path(), &format!("{name}/"), members);
        } else {
            assert!(entry.file_type().unwrap().is_file(), "{name}: a layout holds files and directories only");
            members.push(Member { name, kind: Kind::File(fs::read(entry.path()).unwrap()) });
        }
    }
}

/// The member that a link's target means: relative to the directory of the link.
fn join(link: &str, target: &str) -> String {
    let mut parts: Vec<_> = link.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            _ => parts.push(part),
        }
    }
    parts.join("/")
}
