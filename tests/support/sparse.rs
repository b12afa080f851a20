//! One sparse file in its four spellings.

use tar::{EntryType, Header};

use super::layer::{Item, file};

/// A file of `size` bytes that is zero but for these pieces.
#[derive(Debug, Clone)]
pub(crate) struct Sparse {
    pub(crate) size: u64,
    pub(crate) pieces: Vec<(u64, &'static [u8])>,
}

impl Sparse {
    /// What a reader of the file sees.
    pub(crate) fn content(&self) -> Vec<u8> {
        let mut content = vec![0; self.size as usize];
        for (offset, piece) in &self.pieces {
            content[*offset as usize..][..piece.len()].copy_from_slice(piece);
        }
        content
    }

    fn packed(&self) -> Vec<u8> {
        self.pieces.iter().flat_map(|(_, piece)| piece.iter().copied()).collect()
    }

    /// Offsets and lengths in turn.
    fn numbers(&self) -> Vec<String> {
        self.pieces.iter().flat_map(|(offset, piece)| [offset.to_string(), piece.len().to_string()]).collect()
    }

    /// The name that tars without sparse files would show.
    const PLACEHOLDER: &str = "GNUSparseFile.7/x";

    /// PAX 0.0: pairs of records.
    pub(crate) fn pax_0_0(&self, name: &str) -> Item {
        let mut item = file(name, self.packed()).pax("GNU.sparse.size", self.size.to_string());
        item = item.pax("GNU.sparse.numblocks", self.pieces.len().to_string());
        for (offset, piece) in &self.pieces {
            item = item.pax("GNU.sparse.offset", offset.to_string());
            item = item.pax("GNU.sparse.numbytes", piece.len().to_string());
        }
        item
    }

    /// PAX 0.1: one record with commas.
    pub(crate) fn pax_0_1(&self, name: &str) -> Item {
        file(Self::PLACEHOLDER, self.packed())
            .pax("GNU.sparse.size", self.size.to_string())
            .pax("GNU.sparse.numblocks", self.pieces.len().to_string())
            .pax("GNU.sparse.map", self.numbers().join(","))
            .pax("GNU.sparse.name", name)
    }

    /// PAX 1.0: the map in front of the data.
    pub(crate) fn pax_1_0(&self, name: &str) -> Item {
        let mut body = format!("{}\n{}\n", self.pieces.len(), self.numbers().join("\n")).into_bytes();
        body.resize(body.len().next_multiple_of(512), 0);
        body.extend(self.packed());
        file(Self::PLACEHOLDER, body)
            .pax("GNU.sparse.major", "1")
            .pax("GNU.sparse.minor", "0")
            .pax("GNU.sparse.name", name)
            .pax("GNU.sparse.realsize", self.size.to_string())
    }

    /// Old GNU: type `S`, the map in the header and in extension blocks. Whole blocks, not an [`Item`].
    pub(crate) fn old_gnu(&self, name: &str) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(EntryType::GNUSparse);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(self.packed().len() as u64);
        let gnu = header.as_gnu_mut().unwrap();
        let mut slots = self.pieces.iter().map(|(offset, piece)| slot(*offset, piece.len()));
        for (field, slot) in gnu.sparse.iter_mut().zip(slots.by_ref()) {
            field.offset.copy_from_slice(&slot[..12]);
            field.numbytes.copy_from_slice(&slot[12..]);
        }
        gnu.realsize.copy_from_slice(&octal(self.size));
        let more: Vec<[u8; 24]> = slots.collect();
        gnu.isextended[0] = u8::from(!more.is_empty());
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        let blocks = more.chunks(21).count();
        for (nth, slots) in more.chunks(21).enumerate() {
            let mut block = slots.concat();
            block.resize(504, 0);
            block.push(u8::from(nth + 1 < blocks));
            block.resize(512, 0);
            bytes.extend(block);
        }
        bytes.extend(self.packed());
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

fn octal(value: u64) -> [u8; 12] {
    format!("{value:011o}\0").into_bytes().try_into().unwrap()
}

fn slot(offset: u64, length: usize) -> [u8; 24] {
    [octal(offset), octal(length as u64)].concat().try_into().unwrap()
}
