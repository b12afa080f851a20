//! Layers as literals.

use tar::Header;

/// One entry of a layer, with as much metadata as a test cares about.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) link: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) mtime: u64,
    /// Records of an `x` header in front, in order.
    pub(crate) records: Vec<(Vec<u8>, Vec<u8>)>,
    names: (String, String),
    device: (u32, u32),
    /// What the header says instead of the body's length.
    size: Option<u64>,
    /// Members in front of this one and its `x` header, as bytes.
    before: Vec<u8>,
    gnu: bool,
}

fn item(name: impl AsRef<[u8]>, kind: u8, mode: u32) -> Item {
    Item {
        name: name.as_ref().to_vec(),
        kind,
        link: Vec::new(),
        body: Vec::new(),
        mode,
        owner: (0, 0),
        mtime: 0,
        records: Vec::new(),
        names: (String::new(), String::new()),
        device: (0, 0),
        size: None,
        before: Vec::new(),
        gnu: false,
    }
}

/// A regular file, 0644.
pub(crate) fn file(name: impl AsRef<[u8]>, body: impl Into<Vec<u8>>) -> Item {
    Item { body: body.into(), ..item(name, b'0', 0o644) }
}

/// A directory, 0755.
pub(crate) fn dir(name: impl AsRef<[u8]>) -> Item {
    item([name.as_ref(), b"/"].concat(), b'5', 0o755)
}

pub(crate) fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Item {
    Item { link: target.as_ref().to_vec(), ..item(name, b'2', 0o777) }
}

pub(crate) fn hardlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Item {
    Item { link: target.as_ref().to_vec(), ..item(name, b'1', 0o644) }
}

/// A device, `b'3'` for characters or `b'4'` for blocks, 0600.
pub(crate) fn device(name: &str, kind: u8, numbers: (u32, u32)) -> Item {
    Item { device: numbers, ..item(name, kind, 0o600) }
}

pub(crate) fn fifo(name: &str) -> Item {
    item(name, b'6', 0o600)
}

/// Removes `name` of the layers below.
pub(crate) fn whiteout(name: &str) -> Item {
    let (parent, base) = name.rsplit_once('/').map_or((String::new(), name), |(dir, base)| (format!("{dir}/"), base));
    file(format!("{parent}.wh.{base}"), "")
}

/// Removes all that the layers below have in `dir`; `.` is the root.
pub(crate) fn opaque(dir: &str) -> Item {
    file(format!("{dir}/.wh..wh..opq"), "")
}

impl Item {
    pub(crate) fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    pub(crate) fn owner(self, uid: u32, gid: u32) -> Self {
        Self { owner: (uid, gid), ..self }
    }

    pub(crate) fn owner_names(self, user: &str, group: &str) -> Self {
        Self { names: (user.into(), group.into()), ..self }
    }

    pub(crate) fn mtime(self, mtime: u64) -> Self {
        Self { mtime, ..self }
    }

    /// Another type flag.
    pub(crate) fn kind(self, kind: u8) -> Self {
        Self { kind, ..self }
    }

    /// A size in the header that is not the body's.
    pub(crate) fn size(self, size: u64) -> Self {
        Self { size: Some(size), ..self }
    }

    /// Adds a PAX record.
    pub(crate) fn pax(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.records.push((key.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// Adds an extended attribute as most writers spell it.
    pub(crate) fn xattr(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax(format!("SCHILY.xattr.{name}"), value)
    }

    /// Puts these bytes in front: whole members, such as a `g` header.
    pub(crate) fn after(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.before.extend_from_slice(bytes.as_ref());
        self
    }

    /// A GNU header instead of a ustar one; long names become `L` and `K` members.
    pub(crate) fn gnu(self) -> Self {
        Self { gnu: true, ..self }
    }

    /// The entry's blocks.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut records = self.records.clone();
        let mut bytes = self.before.clone();
        for (text, key, flag) in [(&self.name, "path", b'L'), (&self.link, "linkpath", b'K')] {
            match text.len() {
                ..=100 => {}
                _ if self.gnu => bytes.extend(extension(flag, &[text, &b"\0"[..]].concat())),
                _ => records.push((key.into(), text.clone())),
            }
        }
        if !records.is_empty() {
            bytes.extend(extension(b'x', &pax_body(&records)));
        }
        bytes.extend(self.header().as_bytes());
        padded(&mut bytes, &self.body);
        bytes
    }

    fn header(&self) -> Header {
        let mut header = if self.gnu { Header::new_gnu() } else { Header::new_ustar() };
        let old = header.as_old_mut();
        for (field, text) in [(&mut old.name, &self.name), (&mut old.linkname, &self.link)] {
            let length = text.len().min(100);
            field[..length].copy_from_slice(&text[..length]);
        }
        // The crate knows one spelling of each type, archives know two of a regular file.
        header.as_old_mut().linkflag = [self.kind];
        header.set_mode(self.mode);
        header.set_uid(self.owner.0.into());
        header.set_gid(self.owner.1.into());
        header.set_mtime(self.mtime);
        header.set_size(self.size.unwrap_or(self.body.len() as u64));
        header.set_username(&self.names.0).unwrap();
        header.set_groupname(&self.names.1).unwrap();
        header.set_device_major(self.device.0).unwrap();
        header.set_device_minor(self.device.1).unwrap();
        header.set_cksum();
        header
    }
}

/// A member that speaks of the next one, or of all that follow: `x`, `g`, `L`, `K`.
pub(crate) fn extension(flag: u8, body: &[u8]) -> Vec<u8> {
    let header = item("extension", flag, 0o644).size(body.len() as u64).header();
    let mut bytes = header.as_bytes().to_vec();
    padded(&mut bytes, body);
    bytes
}

/// The body of an `x` or `g` header.
pub(crate) fn pax_body(records: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in records {
        let payload = [b" ", key.as_ref(), b"=", value.as_ref(), b"\n"].concat();
        let length = (1..).map(|digits| payload.len() + digits).find(|n| n.to_string().len() == n - payload.len());
        body.extend(length.unwrap().to_string().into_bytes());
        body.extend(payload);
    }
    body
}

fn padded(bytes: &mut Vec<u8>, body: &[u8]) {
    bytes.extend_from_slice(body);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
}

/// The layer's tar: USTAR and mtime 0 unless asked otherwise, names exactly as given.
pub(crate) fn layer_tar(items: impl IntoIterator<Item = Item>) -> Vec<u8> {
    let mut tar = unended_tar(items);
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// The same without its end marker (S-2).
pub(crate) fn unended_tar(items: impl IntoIterator<Item = Item>) -> Vec<u8> {
    items.into_iter().flat_map(|item| item.bytes()).collect()
}
