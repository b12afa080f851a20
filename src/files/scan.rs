//! The headers of one layer, from wherever its tar is.

use std::thread;

use crate::archive::{Ending, Entry, Kind, Reader, Timestamp};
use crate::error::{Error, Result};
use crate::flatten::{self, Change};
use crate::image::Layer;
use crate::progress::Action;
use crate::run::Run;
use crate::stream::skip::{Sequential, Skip};

/// What is kept of an entry for as long as the tree is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) device: (u32, u32),
    pub(crate) size: u64,
    pub(crate) mtime: Timestamp,
    pub(crate) link: Box<[u8]>,
    /// Names and values of extended attributes.
    pub(crate) xattrs: Xattrs,
    /// Where in the layer's tar its first header stands.
    pub(crate) offset: u64,
}

/// Extended attributes, as PAX records carry them (docs/formats.md R-16).
pub(crate) type Xattrs = Box<[(Vec<u8>, Vec<u8>)]>;

/// The headers of a layer and, apart from them, their names: the overlay keeps its own.
pub(super) struct Scanned {
    pub(super) names: Vec<Box<[u8]>>,
    pub(super) headers: Vec<Header>,
}

/// The headers of `layer` in its order. What must be decoded for them is judged by all it promises.
pub(super) fn headers(layer: &Layer, ahead: bool, run: &Run) -> Result<Scanned> {
    let mut scanned = Scanned { names: Vec::new(), headers: Vec::new() };
    each_entry(layer, ahead, run, |entry| scanned.push(entry, layer, run))?;
    Ok(scanned)
}

impl Scanned {
    fn push(&mut self, entry: Entry, layer: &Layer, run: &Run) -> Result<()> {
        run.budget.held((size_of::<Header>() + size_of::<Box<[u8]>>()) as u64, &layer.at)?;
        let (name, header) = Header::of(entry);
        self.names.push(name);
        self.headers.push(header);
        Ok(())
    }
}

/// Hands every entry of `layer` to `each`, in its order.
///
/// # Errors
/// [`Error::Inexpressible`] for a layer that is encrypted or not there; those of reading it, and those of `each`.
pub(super) fn each_entry(layer: &Layer, ahead: bool, run: &Run, each: impl FnMut(Entry) -> Result<()>) -> Result<()> {
    if layer.is_encrypted() {
        return Err(Error::inexpressible(&layer.at, "an encrypted layer cannot be looked into"));
    }
    match layer.blob.as_ref().filter(|blob| blob.is_plain()) {
        Some(blob) => {
            let bytes = blob.extent.reader().map_err(|error| Error::io("reading", &layer.at, error))?;
            each_from(bytes, &layer.at, run, each)?;
            blob.extent.source().unchanged()
        }
        None => thread::scope(|scope| {
            let plain = layer.plain(Action::Check, ahead, run, scope)?;
            each_from(Sequential::new(plain), &layer.at, run, each)?.finish().map(drop)
        }),
    }
}

fn each_from<'r, R: Skip>(
    bytes: R,
    at: &str,
    run: &'r Run,
    mut each: impl FnMut(Entry) -> Result<()>,
) -> Result<Reader<'r, R>> {
    let mut reader = Reader::new(bytes, Ending::Optional, at, &run.budget, &run.notices);
    while let Some(entry) = reader.next_entry()? {
        each(entry)?;
    }
    Ok(reader)
}

impl Header {
    /// The name of `entry`, and the rest of it.
    pub(crate) fn of(entry: Entry) -> (Box<[u8]>, Self) {
        let header = Self {
            kind: entry.kind,
            mode: entry.mode as u16 & 0o7777,
            // The decoder refuses owners of more than 32 bits (H-11).
            uid: entry.uid as u32,
            gid: entry.gid as u32,
            device: entry.device,
            size: entry.size,
            mtime: entry.mtime,
            link: entry.link.into(),
            xattrs: entry.records.into_iter().filter_map(xattr).collect(),
            offset: entry.header_offset,
        };
        (entry.path.into(), header)
    }

    /// The entry as the overlay sees it.
    pub(crate) fn change<'a>(&'a self, path: &'a [u8], position: u64) -> Change<'a> {
        Change { path, kind: kind(self.kind, &self.link, self.device), position }
    }
}

/// `entry` as the overlay sees it.
pub(crate) fn change(entry: &Entry, position: u64) -> Change<'_> {
    Change { path: &entry.path, kind: kind(entry.kind, &entry.link, entry.device), position }
}

fn kind(kind: Kind, link: &[u8], (major, minor): (u32, u32)) -> flatten::Kind<'_> {
    match kind {
        Kind::Regular => flatten::Kind::Regular,
        Kind::HardLink => flatten::Kind::HardLink(link),
        Kind::Symlink => flatten::Kind::Symlink(link),
        Kind::CharDevice => flatten::Kind::CharDevice { major, minor },
        Kind::BlockDevice => flatten::Kind::BlockDevice,
        Kind::Directory => flatten::Kind::Directory,
        Kind::Fifo => flatten::Kind::Fifo,
    }
}

fn xattr((key, value): (Vec<u8>, Vec<u8>)) -> Option<(Vec<u8>, Vec<u8>)> {
    Some((key.strip_prefix(b"SCHILY.xattr.")?.to_vec(), value))
}
