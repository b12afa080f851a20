//! Byte strings in one arena, each behind its length, so that a reference to one costs four bytes.

use super::tree::Full;

/// A byte string of a [`StringArena`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StringKey(u32);

/// Names and link targets, end to end. Nothing is ever taken out.
#[derive(Debug, Default, Clone)]
pub(super) struct StringArena {
    bytes: Vec<u8>,
}

impl StringArena {
    /// Bytes kept.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Keeps a copy of `text`.
    ///
    /// # Errors
    /// The arena ends at 4 GiB.
    pub(super) fn add(&mut self, text: &[u8]) -> Result<StringKey, Full> {
        let start = u32::try_from(self.bytes.len()).map_err(|_| Full)?;
        put_text(&mut self.bytes, text);
        Ok(StringKey(start))
    }

    /// The bytes of `text`.
    pub(super) fn get(&self, text: StringKey) -> &[u8] {
        let mut rest = &self.bytes[text.0 as usize..];
        take_text(&mut rest)
    }
}

/// Appends `number`, seven bits a byte, the lowest first.
pub(crate) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Appends `text` behind its length.
pub(crate) fn put_text(bytes: &mut Vec<u8>, text: &[u8]) {
    put_number(bytes, text.len() as u64);
    bytes.extend_from_slice(text);
}

/// Takes a number that [`put_number`] wrote off the front of `bytes`.
pub(crate) fn take_number(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    while let Some((&byte, rest)) = bytes.split_first() {
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 || shift >= u64::BITS {
            break;
        }
    }
    number
}

/// Takes a text behind its length off the front of `bytes`.
pub(crate) fn take_text<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let length = take_number(bytes) as usize;
    let (text, rest) = bytes.split_at(length);
    *bytes = rest;
    text
}

/// Appends `path` without the front that it shares with `last`, which becomes `path`: archives list neighbours together.
pub(crate) fn put_path(bytes: &mut Vec<u8>, last: &mut Vec<u8>, path: &[u8]) {
    let shared = shared_front(last, path);
    let suffix = &path[shared..];
    put_number(bytes, shared as u64);
    put_text(bytes, suffix);
    last.truncate(shared);
    last.extend_from_slice(suffix);
}

/// Returns how many bytes both begin with; compared eight at a time, because names of neighbours share most of theirs.
fn shared_front(one: &[u8], other: &[u8]) -> usize {
    let (words, _) = one.as_chunks::<8>();
    let (others, _) = other.as_chunks::<8>();
    let same = 8 * words.iter().zip(others).take_while(|(one, other)| one == other).count();
    same + one[same..].iter().zip(&other[same..]).take_while(|(one, other)| one == other).count()
}

/// Makes `path`, the one that stood before it, the path that [`put_path`] wrote, and takes that off the front of `bytes`.
pub(crate) fn take_path(bytes: &mut &[u8], path: &mut Vec<u8>) {
    path.truncate(take_number(bytes) as usize);
    path.extend_from_slice(take_text(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            let mut rest = &bytes[..];
            assert_eq!((take_number(&mut rest), rest.len()), (number, 0));
        }
    }

    #[test]
    fn paths_come_back() {
        let paths =
            [&b"usr/share/doc"[..], b"usr/share/doc/a", b"usr/share/docs", b"", b"usr/sh", b"usr/share/doc", b"x"];
        let (mut bytes, mut last) = (Vec::new(), Vec::new());
        paths.iter().for_each(|path| put_path(&mut bytes, &mut last, path));
        let (mut rest, mut path) = (&bytes[..], Vec::new());
        for expected in paths {
            take_path(&mut rest, &mut path);
            assert_eq!(path, expected);
        }
        assert!(rest.is_empty());
        assert_eq!(shared_front(b"0123456789abcdef0", b"0123456789abcdef1"), 16);
        assert_eq!(shared_front(b"01234567", b"0123456789"), 8);
    }

    #[test]
    fn texts_come_back() {
        let mut strings = StringArena::default();
        let long = vec![b'x'; 300];
        let kept = [&b"a"[..], b"", &long, b"\xff\0"].map(|text| (text.to_vec(), strings.add(text).unwrap()));
        for (text, key) in kept {
            assert_eq!(strings.get(key), text);
        }
    }
}
