//! Sparse files: four spellings of one map, checked while it is built.
//!
//! Old GNU (`S`: slots in the header and in extension blocks), PAX 0.0 (pairs of records), 0.1 (one record with commas) and
//! 1.0 (text in front of the data). Bytes in, a map out; nothing here reads an archive.
//!
//! Sources: GNU tar manual ("Storing Sparse Files"), docs/formats.md R-20, H-10, H-11.

use std::sync::Arc;

use super::{BLOCK, ParseResult};
use crate::error::Problem;
use crate::limits::{MAX_SPARSE_MAP, MAX_SPARSE_SEGMENTS};
use crate::rule::Rule;

/// Bytes of a sparse file that are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The offset of the bytes in the expanded file.
    pub offset: u64,
    /// The number of bytes; never 0.
    pub length: u64,
}

impl Segment {
    /// The first offset behind it.
    pub fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// The places of a sparse file's stored bytes: segments in ascending order, without overlap, within the file.
///
/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparseMap {
    segments: Arc<[Segment]>,
    size: u64,
}

impl SparseMap {
    /// The stored parts, in the order they are stored.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Bytes of the expanded file.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// Collects a map's segments and refuses the first that breaks a rule.
#[derive(Debug, Default)]
pub(super) struct MapBuilder {
    segments: Vec<Segment>,
    count: usize,
    end: u64,
    stored: u64,
}

impl MapBuilder {
    /// Takes the next segment. Empty ones, with which GNU tar marks the end of a file, need not be kept.
    pub(super) fn push(&mut self, offset: u64, length: u64) -> ParseResult<()> {
        self.count += 1;
        check_count(self.count as u64)?;
        let end =
            offset.checked_add(length).ok_or_else(|| invalid(format!("sparse segment {offset}+{length} overflows")))?;
        if offset < self.end {
            return Err(invalid(format!(
                "sparse segment at {offset} starts before {}, the end of the one before",
                self.end
            )));
        }
        self.end = end;
        self.stored += length; // cannot overflow: no more than `end`
        if length != 0 {
            self.segments.push(Segment { offset, length });
        }
        Ok(())
    }

    /// Takes slots of a header or an extension block; an unused one ends them.
    pub(super) fn push_slots(&mut self, slots: &[u8]) -> ParseResult<()> {
        for slot in slots.chunks_exact(24) {
            let (offset, length) = slot.split_at(12);
            if length[0] == 0 {
                break;
            }
            self.push(slot_number(offset)?, slot_number(length)?)?;
        }
        Ok(())
    }

    /// The map of a file of `size` bytes, `stored` of which are in the archive.
    pub(super) fn finish(self, size: u64, stored: u64) -> ParseResult<SparseMap> {
        if self.end > size {
            return Err(invalid(format!("the sparse map reaches {}, the file is {size} bytes", self.end)));
        }
        if self.stored != stored {
            return Err(invalid(format!("the sparse map holds {} bytes, {stored} are stored", self.stored)));
        }
        Ok(SparseMap { segments: self.segments.into(), size })
    }
}

fn invalid(message: impl Into<String>) -> Problem {
    Problem::new(Rule::R20, message)
}

/// Returns the slots of an extension block, and whether another block follows.
pub(super) fn extension_slots(block: &[u8; BLOCK]) -> (&[u8], bool) {
    (&block[..21 * 24], block[21 * 24] != 0)
}

fn slot_number(field: &[u8]) -> ParseResult<u64> {
    super::header::number(field)
        .and_then(|value| u64::try_from(value).ok())
        .ok_or_else(|| invalid(format!("sparse map: `{}` is not a size", field.escape_ascii())))
}

fn check_count(count: u64) -> ParseResult<()> {
    if count > MAX_SPARSE_SEGMENTS as u64 {
        return Err(invalid(format!("the sparse map has more than {MAX_SPARSE_SEGMENTS} segments")));
    }
    Ok(())
}

/// The values of the `GNU.sparse.*` records in a PAX header.
#[derive(Debug, Default)]
pub(super) struct SparseRecords {
    /// The file's name; the header has a placeholder.
    pub(super) name: Option<Vec<u8>>,
    major: Option<u64>,
    minor: Option<u64>,
    size: Option<u64>,
    count: Option<u64>,
    offset: Option<u64>,
    map: Option<MapBuilder>,
}

/// The place of a PAX sparse file's map.
pub(super) enum PaxMap {
    /// In its records; complete.
    Records(MapBuilder),
    /// In front of the data.
    BeforeData,
}

impl SparseRecords {
    /// Takes the record `GNU.sparse.<key>`.
    pub(super) fn set(&mut self, key: &[u8], value: &[u8]) -> ParseResult<()> {
        match key {
            b"name" => self.name = Some(value.to_vec()),
            b"major" => self.major = Some(decimal(value)?),
            b"minor" => self.minor = Some(decimal(value)?),
            b"size" | b"realsize" => self.size = Some(decimal(value)?),
            b"numblocks" => self.count = Some(decimal(value)?),
            b"offset" if self.offset.is_none() => self.offset = Some(decimal(value)?),
            b"numbytes" => {
                let offset = self.offset.take().ok_or_else(|| invalid("GNU.sparse.numbytes without an offset"))?;
                self.map.get_or_insert_default().push(offset, decimal(value)?)?;
            }
            b"map" => self.map = Some(comma_map(value)?),
            b"offset" => return Err(invalid("two GNU.sparse.offset in a row")),
            _ => return Err(invalid(format!("unknown record GNU.sparse.{}", key.escape_ascii()))),
        }
        Ok(())
    }

    /// Bytes of the expanded file.
    pub(super) fn size(&self) -> ParseResult<u64> {
        self.size.ok_or_else(|| invalid("the sparse file's size is missing"))
    }

    /// Decides by which form the map is given.
    pub(super) fn map(&mut self) -> ParseResult<PaxMap> {
        match (self.major.unwrap_or(0), self.minor.unwrap_or(0)) {
            (0, 0 | 1) => {
                let map = self.map.take().unwrap_or_default();
                if self.offset.is_some() {
                    return Err(invalid("GNU.sparse.offset without its numbytes"));
                }
                if self.count.is_some_and(|count| count != map.count as u64) {
                    return Err(invalid(format!("the sparse map has {} segments, not the number promised", map.count)));
                }
                Ok(PaxMap::Records(map))
            }
            (1, 0) => Ok(PaxMap::BeforeData),
            (major, minor) => Err(invalid(format!("unknown sparse format {major}.{minor}"))),
        }
    }
}

/// A PAX number: decimal digits, below 2^63.
pub(super) fn decimal(text: &[u8]) -> ParseResult<u64> {
    let digits = text.iter().try_fold(0_i64, |value, &digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    });
    match digits {
        Some(value) if !text.is_empty() => Ok(value.unsigned_abs()),
        _ => Err(invalid(format!("`{}` is not a number below 2^63", shortened(text)))),
    }
}

fn shortened(text: &[u8]) -> String {
    let shown = &text[..text.len().min(40)];
    format!("{}{}", shown.escape_ascii(), if shown.len() < text.len() { "…" } else { "" })
}

fn comma_map(text: &[u8]) -> ParseResult<MapBuilder> {
    let mut map = MapBuilder::default();
    if text.is_empty() {
        return Ok(map);
    }
    let mut numbers = text.split(|&byte| byte == b',');
    while let Some(offset) = numbers.next() {
        let length = numbers.next().ok_or_else(|| invalid("GNU.sparse.map has an odd number of values"))?;
        map.push(decimal(offset)?, decimal(length)?)?;
    }
    Ok(map)
}

/// Digits of 2^63.
const LONGEST_NUMBER: usize = 19;

/// Reads the map that stands in front of a PAX 1.0 sparse file's data: lines of decimals, the first their count.
#[derive(Debug, Default)]
pub(super) struct MapText {
    map: MapBuilder,
    taken: u64,
    digits: Vec<u8>,
    count: Option<u64>,
    offset: Option<u64>,
}

impl MapText {
    /// Takes the next block; true once the map is whole, the rest of that block being padding.
    pub(super) fn push_block(&mut self, block: &[u8; BLOCK]) -> ParseResult<bool> {
        self.taken += BLOCK as u64;
        if self.taken > MAX_SPARSE_MAP {
            return Err(invalid(format!("the sparse map is longer than {MAX_SPARSE_MAP} bytes")));
        }
        for &byte in block {
            if byte != b'\n' {
                self.push_digit(byte)?;
            } else if self.push_line()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The map.
    pub(super) fn finish(self) -> MapBuilder {
        self.map
    }

    fn push_digit(&mut self, byte: u8) -> ParseResult<()> {
        if self.digits.len() == LONGEST_NUMBER {
            return Err(invalid(format!("sparse map: a number of more than {LONGEST_NUMBER} digits")));
        }
        self.digits.push(byte);
        Ok(())
    }

    fn push_line(&mut self) -> ParseResult<bool> {
        let value = decimal(&self.digits)?;
        self.digits.clear();
        let count = match (self.count, self.offset.take()) {
            (None, _) => {
                check_count(value)?;
                *self.count.insert(value)
            }
            (Some(count), None) => {
                self.offset = Some(value);
                count
            }
            (Some(count), Some(offset)) => {
                self.map.push(offset, value)?;
                count
            }
        };
        Ok(self.offset.is_none() && self.map.count as u64 == count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_ascending_within_the_file_and_sums_to_what_is_stored() {
        let map = |pairs: &[(u64, u64)], size, stored| {
            let mut map = MapBuilder::default();
            pairs.iter().try_for_each(|&(offset, length)| map.push(offset, length))?;
            map.finish(size, stored)
        };
        let good = map(&[(0, 2), (2, 0), (4, 1), (9, 0)], 9, 3).unwrap();
        assert_eq!(good.segments(), [Segment { offset: 0, length: 2 }, Segment { offset: 4, length: 1 }]);
        assert_eq!(good.size(), 9);
        for (pairs, size, stored, problem) in [
            (&[(0, 2), (1, 1)][..], 9, 3, "starts before 2"),
            (&[(0, 2)], 1, 2, "reaches 2, the file is 1"),
            (&[(0, 2)], 9, 3, "holds 2 bytes, 3 are stored"),
            (&[(u64::MAX, 1)], 9, 3, "overflows"),
        ] {
            let found = map(pairs, size, stored).unwrap_err();
            assert!(found.message.contains(problem), "{found:?}");
        }
    }

    #[test]
    fn h_10_a_map_has_a_limit_of_segments() {
        let mut map = MapBuilder::default();
        for offset in 0..MAX_SPARSE_SEGMENTS as u64 {
            map.push(offset, 0).unwrap();
        }
        assert!(map.push(u64::MAX, 0).unwrap_err().message.contains("more than 1000000 segments"));
        let mut text = MapText::default();
        assert!(text.push_block(&block("1000001\n")).unwrap_err().message.contains("more than 1000000 segments"));
    }

    #[test]
    fn the_text_in_front_of_data_is_read_across_blocks() {
        for wrong in ["2\n\n", "x\n", "-1\n", "00000000000000000001\n", "\0"] {
            assert!(MapText::default().push_block(&block(wrong)).is_err(), "{wrong:?}");
        }
        assert!(MapText::default().push_block(&block("0\n")).unwrap());

        let mut lines = "80\n".to_owned();
        lines.extend((0..80).map(|segment| format!("{segment:03}0\n1\n")));
        let (first, second) = lines.split_at(BLOCK);
        let mut text = MapText::default();
        assert!(!text.push_block(&block(first)).unwrap());
        assert!(text.push_block(&block(second)).unwrap());
        let map = text.finish().finish(1000, 80).unwrap();
        assert_eq!(map.segments()[79], Segment { offset: 790, length: 1 });
    }

    #[test]
    fn records_that_contradict_themselves_are_refused() {
        for records in [
            &[("numbytes", "1")][..],
            &[("offset", "1"), ("offset", "1")],
            &[("offset", "1")],
            &[("map", "1")],
            &[("map", "1,2,")],
            &[("map", "1,-2")],
            &[("map", "0,1"), ("numblocks", "2")],
            &[("major", "2")],
            &[("major", "0"), ("minor", "2")],
            &[("other", "2")],
        ] {
            let mut sparse = SparseRecords::default();
            let set = records.iter().try_for_each(|(key, value)| sparse.set(key.as_bytes(), value.as_bytes()));
            assert!(set.is_err() || sparse.map().is_err(), "{records:?}");
        }
    }

    fn block(text: &str) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..text.len()].copy_from_slice(text.as_bytes());
        block
    }
}
