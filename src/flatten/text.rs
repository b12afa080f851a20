//! Byte strings in one arena, each behind its length, so that a reference to one costs four bytes.

use super::tree::Full;

/// A byte string of a [`Texts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text(u32);

/// Names and link targets, end to end. Nothing is ever taken out.
#[derive(Debug, Default, Clone)]
pub(super) struct Texts {
    bytes: Vec<u8>,
}

impl Texts {
    /// Bytes kept.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Keeps a copy of `text`.
    ///
    /// # Errors
    /// The arena ends at 4 GiB.
    pub(super) fn add(&mut self, text: &[u8]) -> Result<Text, Full> {
        let start = u32::try_from(self.bytes.len()).map_err(|_| Full)?;
        put_text(&mut self.bytes, text);
        Ok(Text(start))
    }

    /// The bytes of `text`.
    pub(super) fn get(&self, text: Text) -> &[u8] {
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
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let Some((&byte, rest)) = bytes.split_first() else { break };
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
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
    fn texts_come_back() {
        let mut texts = Texts::default();
        let long = vec![b'x'; 300];
        let kept = [&b"a"[..], b"", &long, b"\xff\0"].map(|text| (text.to_vec(), texts.add(text).unwrap()));
        for (text, key) in kept {
            assert_eq!(texts.get(key), text);
        }
    }
}
