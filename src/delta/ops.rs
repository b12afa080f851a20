//! The operations of a tar-diff: what makes one, what reads one (docs/delta.md P-4, P-5).
//!
//! ```text
//! magic   "tardf1\n\0", or "tardf2\n\0" where `Dictionary` may occur
//! zstd    operation*
//! operation   number, size as a varint, and for `Data`, `Open`, `Add` and `Dictionary` so many bytes
//! ```

use std::io::{self, BufRead};

/// Bytes in front of the compressed operations.
pub(super) const MAGIC_LEN: usize = 8;
/// The first version.
pub(super) const MAGIC_1: &[u8; MAGIC_LEN] = b"tardf1\n\0";
/// The second version, which has [`Op::Dictionary`].
pub(super) const MAGIC_2: &[u8; MAGIC_LEN] = b"tardf2\n\0";

/// The longest path that a reader takes.
pub(super) const MAX_PATH: u64 = 4096;
/// The most bytes that one `Add` may have.
pub(super) const MAX_ADD: u64 = 100 << 20;

/// Bytes of the longest varint of 64 bits.
const MAX_VARINT: u32 = 10;

/// An operation, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// Bytes of the result.
    Data = 0,
    /// The path of the source from here on; its position becomes 0.
    Open = 1,
    /// So many bytes of the source become the result.
    Copy = 2,
    /// Bytes that are added to as many of the source.
    Add = 3,
    /// The position in the source.
    Seek = 4,
    /// A zstd frame to which the whole source is the dictionary.
    Dictionary = 5,
}

impl Op {
    fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Data,
            1 => Self::Open,
            2 => Self::Copy,
            3 => Self::Add,
            4 => Self::Seek,
            5 => Self::Dictionary,
            _ => return None,
        })
    }
}

/// Why the next operation cannot be read.
pub(super) enum BadOp {
    /// It is damaged: a clause that says how.
    Damaged(String),
    /// The bytes cannot be read.
    Io(io::Error),
}

impl From<io::Error> for BadOp {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("it ends within an operation".to_owned()),
            _ => Self::Io(error),
        }
    }
}

/// Reads the number and size of the next operation; `None` at the end.
pub(super) fn next(input: &mut impl BufRead) -> Result<Option<(Op, u64)>, BadOp> {
    let Some(number) = input.fill_buf()?.first().copied() else { return Ok(None) };
    input.consume(1);
    let op = Op::of(number).ok_or_else(|| BadOp::Damaged(format!("there is no operation {number}")))?;
    Ok(Some((op, varint(input)?)))
}

fn varint(input: &mut impl BufRead) -> Result<u64, BadOp> {
    let mut value = 0;
    for nth in 0..MAX_VARINT {
        let mut byte = [0];
        input.read_exact(&mut byte)?;
        let bits = u64::from(byte[0] & 0x7f);
        // The tenth byte has room for one bit.
        if nth == MAX_VARINT - 1 && bits > 1 {
            break;
        }
        value |= bits << (7 * nth);
        if byte[0] & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(BadOp::Damaged("the size of an operation has more than 64 bits".to_owned()))
}

/// Appends the number and size of an operation to `out`.
pub(super) fn put(out: &mut Vec<u8>, op: Op, mut size: u64) {
    out.push(op as u8);
    while size > 0x7f {
        out.push(size as u8 | 0x80);
        size >>= 7;
    }
    out.push(size as u8);
}

/// Operations about one source.
#[derive(Debug, Default)]
pub(super) struct Script {
    bytes: Vec<u8>,
    /// The position in the source where the first operation that uses it begins, and the one behind the last.
    span: Option<(u64, u64)>,
    /// Where the next operation that uses the source begins.
    next: u64,
}

impl Script {
    /// Bytes that it has.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The operations.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Gives back the memory that no operation takes.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// The positions in the source before and after; `None` if it is not used.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        self.span
    }

    /// Makes these bytes.
    pub(super) fn data(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            put(&mut self.bytes, Op::Data, bytes.len() as u64);
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Goes to `position` of the source.
    pub(super) fn seek(&mut self, position: u64) {
        self.next = position;
    }

    /// Makes the next `size` bytes of the source.
    pub(super) fn copy(&mut self, size: u64) {
        if size > 0 {
            self.use_source(size);
            put(&mut self.bytes, Op::Copy, size);
        }
    }

    /// Makes `new` of as many bytes of the source, which are `old`.
    pub(super) fn add(&mut self, old: &[u8], new: &[u8]) {
        if !new.is_empty() {
            self.use_source(new.len() as u64);
            put(&mut self.bytes, Op::Add, new.len() as u64);
            self.bytes.extend(old.iter().zip(new).map(|(old, new)| new.wrapping_sub(*old)));
        }
    }

    /// Makes what `frame` holds with all of the source, `size` bytes, as its dictionary.
    pub(super) fn dictionary(&mut self, frame: &[u8], size: u64) {
        self.seek(0);
        self.use_source(size);
        put(&mut self.bytes, Op::Dictionary, frame.len() as u64);
        self.bytes.extend_from_slice(frame);
    }

    fn use_source(&mut self, size: u64) {
        let (start, end) = self.span.unwrap_or((self.next, self.next));
        if end != self.next {
            put(&mut self.bytes, Op::Seek, self.next);
        }
        self.next += size;
        self.span = Some((start, self.next));
    }
}

/// Returns what `script` makes of the source `old`.
#[cfg(test)]
pub(super) fn run_script(script: &Script, old: &[u8]) -> Vec<u8> {
    let (mut input, mut made) = (script.bytes(), Vec::new());
    let mut position = script.span().map_or(0, |(start, _)| start as usize);
    while let Ok(Some((op, size))) = next(&mut input) {
        let size = size as usize;
        match op {
            Op::Data => made.extend_from_slice(input.split_off(..size).unwrap()),
            Op::Copy => made.extend_from_slice(&old[position..position + size]),
            Op::Add => {
                let bytes = input.split_off(..size).unwrap();
                made.extend(old[position..].iter().zip(bytes).map(|(old, added)| old.wrapping_add(*added)));
            }
            Op::Seek => position = size,
            Op::Open | Op::Dictionary => panic!("{op:?}"),
        }
        if matches!(op, Op::Copy | Op::Add) {
            position += size;
        }
    }
    assert_eq!(script.span().map_or(0, |(_, end)| end as usize), position);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_64_bits() {
        let read = |bytes: &[u8]| match next(&mut &*[&[2], bytes].concat()) {
            Ok(Some((Op::Copy, size))) => Ok(size),
            Ok(other) => panic!("{other:?}"),
            Err(BadOp::Damaged(problem)) => Err(problem),
            Err(BadOp::Io(error)) => panic!("{error}"),
        };
        let nine = [0xff; 9];
        for (bytes, size) in
            [(&[0][..], 0), (&[0x7f], 127), (&[0x80, 1], 128), (&[0x80, 0], 0), (&[&nine[..], &[1]].concat(), u64::MAX)]
        {
            assert_eq!(read(bytes).unwrap(), size);
        }
        for (bytes, problem) in [
            (&[][..], "it ends within"),
            (&[0x80], "it ends within"),
            (&[&nine[..], &[2]].concat(), "more than 64 bits"),
            (&[&nine[..], &[0x81, 0]].concat(), "more than 64 bits"),
        ] {
            assert!(read(bytes).unwrap_err().contains(problem), "{bytes:?}");
        }
        assert!(matches!(next(&mut &[6, 0][..]), Err(BadOp::Damaged(problem)) if problem == "there is no operation 6"));
        assert!(matches!(next(&mut &[][..]), Ok(None)));
    }
}
