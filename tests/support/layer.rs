//! Layers as literals.

use tar::{Builder, EntryType, Header};

/// One entry of a layer.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    name: String,
    mode: u32,
    kind: EntryType,
    link: String,
    body: Vec<u8>,
}

fn item(name: &str, kind: EntryType, mode: u32) -> Item {
    Item { name: name.into(), mode, kind, link: String::new(), body: Vec::new() }
}

/// A regular file, 0644.
pub(crate) fn file(name: &str, body: impl Into<Vec<u8>>) -> Item {
    Item { body: body.into(), ..item(name, EntryType::Regular, 0o644) }
}

/// A directory, 0755.
pub(crate) fn dir(name: &str) -> Item {
    item(&format!("{name}/"), EntryType::Directory, 0o755)
}

pub(crate) fn symlink(name: &str, target: &str) -> Item {
    Item { link: target.into(), ..item(name, EntryType::Symlink, 0o777) }
}

pub(crate) fn hardlink(name: &str, target: &str) -> Item {
    Item { link: target.into(), ..item(name, EntryType::Link, 0o644) }
}

/// Removes `name` of the layers below.
pub(crate) fn whiteout(name: &str) -> Item {
    let (parent, base) = name.rsplit_once('/').map_or((String::new(), name), |(dir, base)| (format!("{dir}/"), base));
    file(&format!("{parent}.wh.{base}"), "")
}

/// Removes all that the layers below have in `dir`.
pub(crate) fn opaque(dir: &str) -> Item {
    file(&format!("{dir}/.wh..wh..opq"), "")
}

/// The layer's tar: USTAR, mtime 0, names exactly as given.
pub(crate) fn layer_tar(items: impl IntoIterator<Item = Item>) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for item in items {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..item.name.len()].copy_from_slice(item.name.as_bytes());
        header.as_old_mut().linkname[..item.link.len()].copy_from_slice(item.link.as_bytes());
        header.set_entry_type(item.kind);
        header.set_mode(item.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(item.body.len() as u64);
        header.set_cksum();
        builder.append(&header, item.body.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}
