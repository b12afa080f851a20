//! One 512-byte header block: the places of its fields, the reading of its numbers, its checksum.
//!
//! Strict where readers disagree, because an archive that two of them read differently is an attack: numbers never wrap,
//! and no bytes may hide behind a number's end. Numbers are read as Go's `archive/tar` does it, which all engines use.
//!
//! Sources: POSIX.1-2017 `pax` (ustar), GNU tar manual ("Basic Tar Format"), docs/formats.md, H-11, H-18.

use std::ffi::CStr;
use std::ops::Range;

use super::{BLOCK, ParseResult};
use crate::error::Problem;
use crate::rule::Rule;

pub(super) const NAME: Range<usize> = 0..100;
pub(super) const MODE: Range<usize> = 100..108;
pub(super) const UID: Range<usize> = 108..116;
pub(super) const GID: Range<usize> = 116..124;
pub(super) const SIZE: Range<usize> = 124..136;
pub(super) const MTIME: Range<usize> = 136..148;
pub(super) const CHECKSUM: Range<usize> = 148..156;
pub(super) const FLAG: usize = 156;
pub(super) const LINK: Range<usize> = 157..257;
pub(super) const MAGIC: Range<usize> = 257..263;
pub(super) const VERSION: Range<usize> = 263..265;
pub(super) const UNAME: Range<usize> = 265..297;
pub(super) const GNAME: Range<usize> = 297..329;
pub(super) const DEVICE_MAJOR: Range<usize> = 329..337;
pub(super) const DEVICE_MINOR: Range<usize> = 337..345;
pub(super) const PREFIX: Range<usize> = 345..500;
/// In star's own headers times follow a shorter prefix; the trailer marks such a header.
const STAR_PREFIX: Range<usize> = 345..476;
const STAR_TIMES: [Range<usize>; 2] = [476..488, 488..500];
const STAR_TRAILER: Range<usize> = 508..512;
const GNU_TIMES: [Range<usize>; 2] = [345..357, 357..369];
const GNU_SPARSE: Range<usize> = 386..482;
const GNU_SPARSE_EXTENDED: usize = 482;
const GNU_REAL_SIZE: Range<usize> = 483..495;

/// The bytes of [`MAGIC`] that ustar, PAX and GNU headers share.
pub(super) const USTAR: &[u8] = b"ustar";
pub(super) const USTAR_MAGIC: &[u8] = b"ustar\0";
const GNU_MAGIC: &[u8] = b"ustar  \0";

/// A header block whose checksum holds.
pub(super) struct HeaderBlock<'b>(&'b [u8; BLOCK]);

impl<'b> HeaderBlock<'b> {
    /// Checks the sum; both ways of summing are in use, because some old tars took bytes for signed (H-18).
    ///
    /// # Errors
    /// The computed and the found sum.
    pub(super) fn checked(block: &'b [u8; BLOCK]) -> ParseResult<Self> {
        let found = number(&block[CHECKSUM]);
        let unsigned = checksum(block);
        if found == Some(i64::from(unsigned)) || found == Some(signed_checksum(block)) {
            return Ok(Self(block));
        }
        let message = match found {
            Some(found) => format!("the sum is {unsigned}, the header says {found}"),
            None => format!("the sum is {unsigned}, the header has no number for it"),
        };
        Err(Problem::new(Rule::H18, message))
    }

    /// The type flag.
    pub(super) fn flag(&self) -> u8 {
        self.0[FLAG]
    }

    /// The name, with the prefix in front that a ustar header has, and a GNU header of Go before 1.8.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = text(&self.0[NAME]);
        let prefix = match self.prefix() {
            b"" => return name.to_vec(),
            prefix => prefix,
        };
        [prefix, b"/", name].concat()
    }

    fn prefix(&self) -> &'b [u8] {
        if self.is_star() {
            text(&self.0[STAR_PREFIX])
        } else if self.is_ustar() {
            text(&self.0[PREFIX])
        } else if self.is_gnu() && self.has_garbled_times() {
            Some(text(&self.0[PREFIX])).filter(|prefix| prefix.is_ascii()).unwrap_or_default()
        } else {
            b""
        }
    }

    /// Returns whether the times of access and change in a GNU header are not numbers: Go before 1.8 wrote a prefix in
    /// their place.
    fn has_garbled_times(&self) -> bool {
        GNU_TIMES.into_iter().any(|range| self.0[range.start] != 0 && number(&self.0[range]).is_none())
    }

    /// The first number field that is not a number, whether needed or not: Go refuses the whole header for it (H-11).
    pub(super) fn unread_number(&self) -> Option<Problem> {
        let always = [("mode", MODE), ("uid", UID), ("gid", GID), ("size", SIZE), ("mtime", MTIME)];
        let devices = [("device major", DEVICE_MAJOR), ("device minor", DEVICE_MINOR)];
        let [accessed, changed] = STAR_TIMES;
        let times = [("time of access", accessed), ("time of change", changed)];
        let fields = always.into_iter().chain(devices.into_iter().filter(|_| self.has_names()));
        let mut fields = fields.chain(times.into_iter().filter(|_| self.is_star()));
        let (name, range) = fields.find(|(_, range)| {
            let field = &self.0[range.clone()];
            usual_digits(field).is_none() && number(field).is_none()
        })?;
        Some(self.no_number(name, range))
    }

    /// The target of a link.
    pub(super) fn link(&self) -> Vec<u8> {
        text(&self.0[LINK]).to_vec()
    }

    /// The low 12 bits of the mode; some writers put the file's type above them.
    pub(super) fn mode(&self) -> ParseResult<u32> {
        let mode = self.field("mode", MODE)?;
        Ok((mode & 0o7777) as u32)
    }

    /// The owner's number.
    pub(super) fn uid(&self) -> ParseResult<u64> {
        self.field("uid", UID)
    }

    /// The group's number.
    pub(super) fn gid(&self) -> ParseResult<u64> {
        self.field("gid", GID)
    }

    /// Bytes that follow; only for types that have data.
    pub(super) fn size(&self) -> ParseResult<u64> {
        self.field("size", SIZE)
    }

    /// Seconds since 1970, the one number that may be negative.
    pub(super) fn mtime(&self) -> ParseResult<i64> {
        number(&self.0[MTIME]).ok_or_else(|| self.no_number("mtime", MTIME))
    }

    /// The owner's name.
    pub(super) fn uname(&self) -> Vec<u8> {
        if self.has_names() { text(&self.0[UNAME]).to_vec() } else { Vec::new() }
    }

    /// The group's name.
    pub(super) fn gname(&self) -> Vec<u8> {
        if self.has_names() { text(&self.0[GNAME]).to_vec() } else { Vec::new() }
    }

    /// A device's major number.
    pub(super) fn device_major(&self) -> ParseResult<u64> {
        if self.has_names() { self.field("device major", DEVICE_MAJOR) } else { Ok(0) }
    }

    /// A device's minor number.
    pub(super) fn device_minor(&self) -> ParseResult<u64> {
        if self.has_names() { self.field("device minor", DEVICE_MINOR) } else { Ok(0) }
    }

    /// The old GNU sparse map's first entries, whether more follow, and the file's full size.
    pub(super) fn old_sparse(&self) -> ParseResult<OldSparse<'b>> {
        if !self.is_gnu() {
            return Err(Problem::new(Rule::R20, "type S needs a GNU header, and this is not one"));
        }
        Ok(OldSparse {
            slots: &self.0[GNU_SPARSE],
            extended: self.0[GNU_SPARSE_EXTENDED] != 0,
            size: self.field("sparse size", GNU_REAL_SIZE)?,
        })
    }

    fn is_star(&self) -> bool {
        self.is_ustar() && self.0[STAR_TRAILER] == *b"tar\0"
    }

    fn is_ustar(&self) -> bool {
        &self.0[MAGIC] == USTAR_MAGIC
    }

    fn is_gnu(&self) -> bool {
        &self.0[MAGIC.start..VERSION.end] == GNU_MAGIC
    }

    fn has_names(&self) -> bool {
        self.is_ustar() || self.is_gnu()
    }

    fn field(&self, name: &str, range: Range<usize>) -> ParseResult<u64> {
        match number(&self.0[range.clone()]) {
            Some(value) => {
                u64::try_from(value).map_err(|_| Problem::new(Rule::H11, format!("the {name} {value} is negative")))
            }
            None => Err(self.no_number(name, range)),
        }
    }

    fn no_number(&self, name: &str, range: Range<usize>) -> Problem {
        let field = self.0[range].escape_ascii();
        Problem::new(Rule::H11, format!("the {name} field `{field}` is not a number below 2^63"))
    }
}

/// The part of a file's sparse map that an old GNU sparse header holds.
pub(super) struct OldSparse<'b> {
    /// Slots of 24 bytes.
    pub(super) slots: &'b [u8],
    /// True if extension blocks follow.
    pub(super) extended: bool,
    /// Size of the expanded file.
    pub(super) size: u64,
}

/// The sum of a header's bytes, its checksum field taken as spaces.
pub(super) fn checksum(block: &[u8; BLOCK]) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    sum(block) - sum(&block[CHECKSUM]) + 8 * u32::from(b' ')
}

fn signed_checksum(block: &[u8; BLOCK]) -> i64 {
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| i64::from(byte.cast_signed())).sum::<i64>();
    sum(block) - sum(&block[CHECKSUM]) + 8 * i64::from(b' ')
}

/// A text field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    CStr::from_bytes_until_nul(field).map_or(field, CStr::to_bytes)
}

/// A number field: octal text between blanks and NULs, or two's complement when the first bit is set (GNU, star). Empty is
/// zero.
///
/// `None` where it is neither, or does not fit 63 bits and a sign (H-11).
pub(super) fn number(field: &[u8]) -> Option<i64> {
    if let Some(digits) = usual_digits(field) {
        return Some(digits.iter().fold(0, |value, digit| value << 3 | i64::from(digit & 7)));
    }
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        return base256(field);
    }
    let is_padding = |byte: &u8| matches!(byte, 0 | b' ');
    let start = field.iter().position(|byte| !is_padding(byte)).unwrap_or(field.len());
    let end = field.iter().rposition(|byte| !is_padding(byte)).map_or(start, |last| last + 1);
    let digits = text(&field[start..end]);
    // The widest field has 12 digits, and they 36 bits.
    debug_assert!(digits.len() <= 12);
    digits.iter().try_fold(0, |value, &digit| match digit {
        b'0'..=b'7' => Some(value << 3 | i64::from(digit - b'0')),
        _ => None,
    })
}

/// Returns all bytes but the last if they are octal digits, or all NUL, and the last closes them: the form of nearly every
/// field of every header, told without a branch for each byte.
fn usual_digits(field: &[u8]) -> Option<&[u8]> {
    let (&last, digits) = field.split_last()?;
    let are_octal = || digits.iter().fold(0, |odd, digit| odd | (digit ^ b'0')) & !7 == 0;
    let are_empty = || digits.iter().fold(0, |any, digit| any | digit) == 0;
    (matches!(last, 0 | b' ') && (are_octal() || are_empty())).then_some(digits)
}

/// Big-endian two's complement; the first bit only marks the form, the second is the sign.
fn base256(field: &[u8]) -> Option<i64> {
    let (&first, rest) = field.split_first()?;
    let start = i64::from((first << 1).cast_signed() >> 1);
    rest.iter().try_fold(start, |value, &byte| Some(value.checked_mul(256)? | i64::from(byte)))
}

/// Writes a number: octal with a closing NUL where it fits, else base-256.
///
/// A number that octal cannot hold has a PAX record as well; base-256 is for readers without PAX, as bsdtar writes it.
pub(super) fn put_number(field: &mut [u8], value: i64) {
    if (0..octal_limit(field.len())).contains(&value) {
        let digits = field.len() - 1;
        for (place, digit) in field[..digits].iter_mut().rev().enumerate() {
            *digit = b'0' + (value >> (3 * place) & 7) as u8;
        }
        field[digits] = 0;
        return;
    }
    let bytes = value.to_be_bytes();
    let (fill, low) = field.split_at_mut(field.len().saturating_sub(bytes.len()));
    fill.fill(if value < 0 { 0xff } else { 0 });
    low.copy_from_slice(&bytes);
    field[0] |= 0x80;
}

/// The first number that octal text in a field of `width` bytes cannot hold.
pub(super) fn octal_limit(width: usize) -> i64 {
    1 << (3 * (width - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_numbers_are_read() {
        for (field, value) in [
            (&b"0000644\0"[..], 0o644),
            (b"   644 \0", 0o644),
            (b"77777777", 0o7777_7777),
            (b"644\0junk", 0o644),
            (b"\0\0\0\0\0\0\0\0", 0),
            (b"        ", 0),
            (b"777777777777", 0o7777_7777_7777),
            (b"\x00\x000644\0\0", 0o644),
            (b"\x00 \x00644  ", 0o644),
        ] {
            assert_eq!(number(field), Some(value), "{}", field.escape_ascii());
        }
    }

    #[test]
    fn base256_numbers_are_read() {
        assert_eq!(number(b"\x80\0\0\0\0\0\0\0\x01\0\0\0"), Some(1 << 24));
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), Some(-1));
        assert_eq!(number(b"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0"), Some(i64::MIN));
        assert_eq!(number(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"), Some(i64::MAX));
    }

    #[test]
    fn h_11_numbers_that_are_none_or_do_not_fit_are_refused() {
        for field in [
            &b"0000648\0"[..],
            b"-000644\0",
            b"0x00644\0",
            b"12 34\0\0\0",
            b"\t000644\0",
            b"644\t\0\0\0\0",
            b"644 \0 1\0",
            b"\x80\0\0\0\x80\0\0\0\0\0\0\0",
            b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(number(field), None, "{}", field.escape_ascii());
        }
    }

    /// A header with these bytes at these places.
    fn header(fields: &[(usize, &[u8])]) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        for (at, bytes) in fields {
            block[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        let sum = checksum(&block);
        put_number(&mut block[CHECKSUM], i64::from(sum));
        block
    }

    fn name_in(fields: &[(usize, &[u8])]) -> String {
        let block = header(fields);
        HeaderBlock::checked(&block).ok().unwrap().name().escape_ascii().to_string()
    }

    #[test]
    fn a_prefix_is_one_in_ustar_and_where_go_before_1_8_wrote_it() {
        let (name, prefix) = ((NAME.start, &b"file"[..]), PREFIX.start);
        let gnu = (MAGIC.start, GNU_MAGIC);
        for (fields, expected) in [
            (vec![name, (MAGIC.start, USTAR_MAGIC), (prefix, b"a/b")], "a/b/file"),
            (vec![name, gnu, (prefix, b"usr/lib/node_modules")], "usr/lib/node_modules/file"),
            (vec![name, gnu, (prefix, b"7")], "file"),
            (vec![name, gnu, (prefix, b"00000001234\x0000000005670")], "file"),
            (vec![name, gnu, (prefix, b"\0 no time of access is fine")], "file"),
            (vec![name, gnu, (prefix, b"7"), (357, b"no number")], "7/file"),
            (vec![name, gnu, (prefix, b"caf\xc3\xa9")], "file"),
            (vec![name, gnu, (prefix, b"\x80\0\0\0\0\0\0\0\0\0\0\x01")], "file"),
            (vec![name, (prefix, b"v7 has none")], "file"),
        ] {
            assert_eq!(name_in(&fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn every_number_that_go_reads_is_looked_at() {
        let unread = |fields: &[(usize, &[u8])]| {
            let block = header(fields);
            HeaderBlock::checked(&block).ok().unwrap().unread_number().map(|problem| problem.message)
        };
        let ustar = (MAGIC.start, USTAR_MAGIC);
        for (at, name) in [
            (MODE.start, "mode"),
            (UID.start, "uid"),
            (GID.start, "gid"),
            (SIZE.start, "size"),
            (MTIME.start, "mtime"),
            (DEVICE_MAJOR.start, "device major"),
            (DEVICE_MINOR.start, "device minor"),
        ] {
            let problem = unread(&[ustar, (at, b"x")]).unwrap();
            assert!(problem.starts_with(&format!("the {name} field `x")), "{problem}");
        }
        let star = (STAR_TRAILER.start, &b"tar\0"[..]);
        assert!(unread(&[ustar, star, (476, b"9")]).unwrap().contains("time of access"));
        assert_eq!(unread(&[ustar, (476, b"9")]), None);
        assert_eq!(unread(&[(DEVICE_MAJOR.start, b"9")]), None, "v7 has no device numbers");
        assert_eq!(unread(&[(MAGIC.start, GNU_MAGIC), (345, b"garbled")]), None);
    }

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for value in [0, 1, 0o644, 0o777_7777, 0o1000_0000, (1 << 33) - 1, 1 << 33, -1, i64::MAX, i64::MIN] {
            let mut field = [0; 12];
            put_number(&mut field, value);
            assert_eq!(number(&field), Some(value));
            assert_eq!(field[0] & 0x80 != 0, !(0..1 << 33).contains(&value));
        }
        let mut field = [0; 8];
        put_number(&mut field, 0o1000_0000);
        assert_eq!(field, *b"\x80\0\0\0\0\x20\0\0");
    }

    #[test]
    fn signed_and_unsigned_sums_are_taken() {
        let mut block = [0; BLOCK];
        block[0] = 0xff;
        for sum in [255 + 256, 256 - 1] {
            put_number(&mut block[CHECKSUM], sum);
            assert!(HeaderBlock::checked(&block).is_ok());
        }
        put_number(&mut block[CHECKSUM], 7);
        assert_eq!(HeaderBlock::checked(&block).err().unwrap().message, "the sum is 511, the header says 7");
    }
}
