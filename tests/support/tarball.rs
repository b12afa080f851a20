//! Outer archives as values: members that a test can add, alter and take away before they become bytes.

use std::path::Path;

use serde_json::Value;
use tar::{Builder, EntryType, Header};

use super::codec::Codec;

/// One member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    File(Vec<u8>),
    Dir,
    Symlink(String),
    /// The target is a name from the root of the archive (G-8).
    Hardlink(String),
}

/// An archive, member by member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tarball {
    pub(crate) members: Vec<Member>,
}

impl Tarball {
    pub(crate) fn push(&mut self, name: impl Into<String>, kind: Kind) {
        self.members.push(Member { name: name.into(), kind });
    }

    pub(crate) fn file(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.push(name, Kind::File(bytes.into()));
    }

    /// A compact JSON member without newline, as c/image and ggcr write it.
    pub(crate) fn json(&mut self, name: impl Into<String>, value: &Value) {
        self.file(name, value.to_string());
    }

    /// Adds the member unless one of this name is there already.
    pub(crate) fn file_once(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        let name = name.into();
        if !self.has(&name) {
            self.file(name, bytes);
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.name == name)
    }

    /// The bytes of a regular member.
    pub(crate) fn body(&self, name: &str) -> &[u8] {
        let member = self.members.iter().find(|member| member.name == name);
        match member.map(|member| &member.kind) {
            Some(Kind::File(bytes)) => bytes,
            other => panic!("`{name}` is not a regular member but {other:?}"),
        }
    }

    /// The first member whose name ends so; shapes name blobs by digests that tests need not know.
    pub(crate) fn name_ending(&self, end: &str) -> String {
        let found = self.members.iter().find(|member| member.name.ends_with(end));
        found.unwrap_or_else(|| panic!("no member ends in `{end}`")).name.clone()
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.file(name, bytes);
        self
    }

    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Self {
        let before = self.members.len();
        self.members.retain(|member| member.name != name);
        assert_ne!(self.members.len(), before, "`{name}` was there to remove");
        self
    }

    #[must_use]
    pub(crate) fn replacing(mut self, name: &str, kind: Kind) -> Self {
        self.members.iter_mut().find(|member| member.name == name).expect("a member to replace").kind = kind;
        self
    }

    /// The same archive with the JSON of `name` edited.
    #[must_use]
    pub(crate) fn editing(self, name: &str, edit: impl FnOnce(&mut Value)) -> Self {
        let mut value: Value = serde_json::from_slice(self.body(name)).unwrap();
        edit(&mut value);
        self.replacing(name, Kind::File(value.to_string().into()))
    }

    #[must_use]
    pub(crate) fn renamed(mut self, rename: impl Fn(&str) -> String) -> Self {
        for member in &mut self.members {
            member.name = rename(&member.name);
        }
        self
    }

    /// The members in reverse order (G-3: order is free).
    #[must_use]
    pub(crate) fn reversed(mut self) -> Self {
        self.members.reverse();
        self
    }

    /// The archive as bytes: GNU headers where a name is long, as most writers in the wild.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for Member { name, kind } in &self.members {
            append(&mut builder, name, kind);
        }
        builder.into_inner().unwrap()
    }

    pub(crate) fn compressed(&self, codec: Codec) -> Vec<u8> {
        codec.encode(&self.bytes())
    }

    /// Writes the archive as a directory; only OCI layouts are ever read so.
    pub(crate) fn unpack(&self, dir: &Path) {
        for Member { name, kind } in &self.members {
            let path = dir.join(name);
            match kind {
                Kind::Dir => std::fs::create_dir_all(path).unwrap(),
                Kind::File(bytes) => {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, bytes).unwrap();
                }
                other => panic!("a layout directory holds no {other:?}"),
            }
        }
    }
}

/// One member whose header says what it likes: for what no builder would write. `edit` sees the header before its
/// checksum is made.
pub(crate) fn raw_member(kind: u8, name: &str, body: &[u8], edit: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(EntryType::new(kind));
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(body.len() as u64);
    edit(&mut header);
    header.set_cksum();
    let mut bytes = [header.as_bytes(), body].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn append(builder: &mut Builder<Vec<u8>>, name: &str, kind: &Kind) {
    let mut header = Header::new_gnu();
    header.set_mode(0o644);
    header.set_mtime(1_700_000_000);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    match kind {
        Kind::File(bytes) => {
            header.set_size(bytes.len() as u64);
            append_named(builder, &mut header, name, bytes);
        }
        Kind::Dir => {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(0o755);
            append_named(builder, &mut header, name, &[]);
        }
        Kind::Symlink(target) => {
            header.set_entry_type(EntryType::Symlink);
            builder.append_link(&mut header, name, target).unwrap();
        }
        Kind::Hardlink(target) => {
            header.set_entry_type(EntryType::Link);
            builder.append_link(&mut header, name, target).unwrap();
        }
    }
}

/// Short names go into the header untouched: the builder's own way would refuse `..` and drop `./`.
fn append_named(builder: &mut Builder<Vec<u8>>, header: &mut Header, name: &str, bytes: &[u8]) {
    if name.len() > 100 {
        builder.append_data(header, name, bytes).unwrap();
        return;
    }
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    builder.append(header, bytes).unwrap();
}
