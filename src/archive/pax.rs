//! PAX extended headers: records read strictly, and written.
//!
//! A record is `<length> <key>=<value>\n`, its length counting itself. An empty value means "not set"; of two records with
//! one key the last counts.
//!
//! Sources: POSIX.1-2017 `pax` ("pax Extended Header"), docs/formats.md ..R-21, H-9, H-11.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::sparse::{SparseRecords, decimal};
use super::{ParseResult, TarTime};
use crate::error::Problem;
use crate::path::quote;
use crate::rule::Rule;

const SPARSE: &[u8] = b"GNU.sparse.";
/// The beginning of the keys of extended attributes.
pub(super) const XATTR: &[u8] = b"SCHILY.xattr.";
const LIBARCHIVE_XATTR: &[u8] = b"LIBARCHIVE.xattr.";

/// The fields and records that an `x` header gives the entry behind it.
#[derive(Debug, Default)]
pub(super) struct Extension {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) uname: Option<Vec<u8>>,
    pub(super) gname: Option<Vec<u8>>,
    pub(super) mtime: Option<TarTime>,
    pub(super) device_major: Option<u64>,
    pub(super) device_minor: Option<u64>,
    pub(super) sparse: Option<SparseRecords>,
    /// Records that no field holds, in order.
    pub(super) passing: Vec<(Vec<u8>, Vec<u8>)>,
    /// The first record that is dropped here, while Go reads it and refuses it.
    pub(super) unread: Option<Problem>,
}

impl Extension {
    /// Reads the records of an `x` header.
    ///
    /// # Errors
    /// The first record that is malformed or whose value does not fit its key (H-9).
    pub(super) fn parse(body: &[u8]) -> ParseResult<Self> {
        let mut extension = Self::default();
        for record in records(body) {
            let (key, value) = record?;
            extension.set(key, value).map_err(|problem| problem.within(shown(key)))?;
        }
        rewrite_libarchive_xattrs(&mut extension.passing)?;
        Ok(extension)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> ParseResult<()> {
        match key {
            b"path" => self.path = text(value)?,
            b"linkpath" => self.link = text(value)?,
            b"uname" => self.uname = text(value)?,
            b"gname" => self.gname = text(value)?,
            b"size" => self.size = unless_empty(value, decimal)?,
            b"uid" => self.uid = unless_empty(value, decimal)?,
            b"gid" => self.gid = unless_empty(value, decimal)?,
            b"mtime" => self.mtime = unless_empty(value, time)?,
            b"SCHILY.devmajor" => self.device_major = unless_empty(value, decimal)?,
            b"SCHILY.devminor" => self.device_minor = unless_empty(value, decimal)?,
            b"GNU.sparse.name" => {
                if let Some(name) = text(value)? {
                    self.sparse.get_or_insert_default().set(b"name", &name)?;
                }
            }
            // star's own sparse form: to take its packed bytes for the content would corrupt the file.
            b"SCHILY.realsize" => return Err(Problem::new(Rule::R20, "sparse files of star are not supported")),
            b"hdrcharset" => check_charset(value)?,
            _ if is_dropped(key) => self.unread = self.unread.take().or_else(|| unread(key, value)),
            _ => match key.strip_prefix(SPARSE) {
                Some(_) if value.is_empty() => {}
                Some(key) => self.sparse.get_or_insert_default().set(key, value)?,
                None => self.passing.push((key.to_vec(), value.to_vec())),
            },
        }
        Ok(())
    }
}

/// Returns whether a record is dropped, as no filesystem needs it: other times, comments, and the file's place on its
/// writer's disk.
fn is_dropped(key: &[u8]) -> bool {
    matches!(key, b"atime" | b"ctime" | b"comment" | b"SCHILY.dev" | b"SCHILY.ino" | b"SCHILY.nlink")
}

/// Returns the problem for which Go refuses a record of a dropped key, or of any key in a global header: a malformed
/// number or time (H-11).
pub(super) fn unread(key: &[u8], value: &[u8]) -> Option<Problem> {
    let is_read = match key {
        b"atime" | b"ctime" | b"mtime" => value.is_empty() || TarTime::parse(value).is_some(),
        b"uid" | b"gid" => value.is_empty() || decimal(value).is_ok(),
        _ => true,
    };
    (!is_read)
        .then(|| Problem::new(Rule::H11, format!("the PAX record {} is not a number: `{}`", shown(key), shown(value))))
}

/// Returns whether a field or the encoder itself decides this key, so that it cannot be a record that passes through.
pub(super) fn is_decided(key: &[u8]) -> bool {
    let fields = [
        &b"path"[..],
        b"linkpath",
        b"uname",
        b"gname",
        b"size",
        b"uid",
        b"gid",
        b"mtime",
        b"hdrcharset",
        b"SCHILY.devmajor",
        b"SCHILY.devminor",
        b"SCHILY.realsize",
    ];
    fields.contains(&key) || key.starts_with(SPARSE)
}

/// Returns whether a global header may not have this key, because it would change every entry behind it.
pub(super) fn is_refused_in_global(key: &[u8]) -> bool {
    matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(SPARSE)
}

/// The records of an `x` or `g` header.
pub(super) fn records(mut body: &[u8]) -> impl Iterator<Item = ParseResult<(&[u8], &[u8])>> {
    std::iter::from_fn(move || {
        if body.is_empty() {
            return None;
        }
        let record = split_record(body);
        body = record.as_ref().map_or(&[], |(_, _, rest)| rest);
        Some(record.map(|(key, value, _)| (key, value)))
    })
}

fn malformed(message: &str) -> Problem {
    Problem::new(Rule::H9, message)
}

/// A key or value as messages quote it.
pub(super) fn shown(text: &[u8]) -> String {
    quote(text.escape_ascii().to_string())
}

fn split_record(body: &[u8]) -> ParseResult<(&[u8], &[u8], &[u8])> {
    // Lengths have at most seven digits in a header of at most 1 MiB.
    let space =
        body.iter().take(8).position(|&byte| byte == b' ').ok_or_else(|| malformed("a record has no length"))?;
    let length = decimal(&body[..space]).map_err(|problem| problem.within("a record's length"))?;
    let (record, rest) = usize::try_from(length)
        .ok()
        .filter(|&length| length > space)
        .and_then(|length| body.split_at_checked(length))
        .ok_or_else(|| malformed(&format!("a record of {length} bytes, {} are left", body.len())))?;
    let record =
        record[space + 1..].strip_suffix(b"\n").ok_or_else(|| malformed("a record does not end in a newline"))?;
    let equals = record.iter().position(|&byte| byte == b'=').ok_or_else(|| malformed("a record has no `=`"))?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    if key.is_empty() || key.contains(&0) {
        return Err(malformed("a record's key is empty or holds a NUL byte"));
    }
    Ok((key, value, rest))
}

fn unless_empty<T>(value: &[u8], parse: impl Fn(&[u8]) -> ParseResult<T>) -> ParseResult<Option<T>> {
    if value.is_empty() { Ok(None) } else { parse(value).map(Some) }
}

fn text(value: &[u8]) -> ParseResult<Option<Vec<u8>>> {
    if value.contains(&0) {
        return Err(Problem::new(Rule::H24, "the value holds a NUL byte"));
    }
    unless_empty(value, |value| Ok(value.to_vec()))
}

fn time(value: &[u8]) -> ParseResult<TarTime> {
    TarTime::parse(value).ok_or_else(|| malformed(&format!("`{}` is not a time", shown(value))))
}

/// The two values of POSIX; names are bytes here whichever it is.
fn check_charset(value: &[u8]) -> ParseResult<()> {
    match value {
        b"" | b"BINARY" | b"ISO-IR 10646 2000 UTF-8" => Ok(()),
        _ => Err(malformed(&format!("`{}` is not a character set of POSIX", shown(value)))),
    }
}

/// bsdtar's own spelling of extended attributes becomes the common one, or goes where that is there too.
fn rewrite_libarchive_xattrs(records: &mut Vec<(Vec<u8>, Vec<u8>)>) -> ParseResult<()> {
    if !records.iter().any(|(key, _)| key.starts_with(LIBARCHIVE_XATTR)) {
        return Ok(());
    }
    let common: HashSet<Vec<u8>> =
        records.iter().map(|(key, _)| key).filter(|key| key.starts_with(XATTR)).cloned().collect();
    for (key, value) in records.iter_mut() {
        let Some(name) = key.strip_prefix(LIBARCHIVE_XATTR) else {
            continue;
        };
        let decoded = BASE64.decode(&*value).map_err(|error| malformed(&error.to_string()).within(shown(key)))?;
        let name = unescape(name);
        // A name with `=` has no common spelling, since that would end the key: it passes as it is.
        if name.iter().any(|byte| matches!(byte, b'=' | 0)) {
            continue;
        }
        *key = [XATTR, &name].concat();
        *value = decoded;
        if common.contains(key) {
            key.clear();
        }
    }
    records.retain(|(key, _)| !key.is_empty());
    Ok(())
}

/// libarchive pads nothing, others might.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `%41` becomes `A`; what is no escape stays.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped =
            if byte == b'%' { after.first_chunk::<2>().and_then(|digits| hex::decode(digits).ok()) } else { None };
        match escaped {
            Some(decoded) => {
                plain.extend(decoded);
                rest = &after[2..];
            }
            None => {
                plain.push(byte);
                rest = after;
            }
        }
    }
    plain
}

/// Appends a record.
pub(super) fn put_record(body: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let payload = key.len() + value.len() + 3; // a space, `=` and a newline
    let mut digits = payload.to_string();
    loop {
        let counted = (payload + digits.len()).to_string();
        if counted == digits {
            break;
        }
        digits = counted;
    }
    for part in [digits.as_bytes(), b" ", key, b"=", value, b"\n"] {
        body.extend(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(records: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (key, value) in records {
            put_record(&mut body, key, value);
        }
        body
    }

    #[test]
    fn a_length_counts_itself() {
        assert_eq!(body(&[(b"path", b"foo")]), b"12 path=foo\n");
        // The digits themselves push these over the next power of ten.
        for (value, length) in [(0, 5), (3, 8), (4, 9), (5, 11), (92, 98), (93, 99), (94, 101), (990, 997)] {
            let record = body(&[(b"k", &vec![b'v'; value])]);
            assert_eq!(record.len(), length);
            assert!(record.starts_with(format!("{length} k=").as_bytes()));
        }
    }

    #[test]
    fn h_9_malformed_records_are_refused() {
        for record in [
            &b"12 path=foo"[..],
            b"13 path=foo\n",
            b"11 path=foo\n",
            b"12 pathfoo!\n",
            b"7 =foo\n",
            b"x path=foo\n",
            b"+12 path=foo\n",
            b" path=foo\n",
            b"0 \n",
            b"2 \n",
            b"\0\0\0",
            b"12 path=foo\n\0",
            b"99999999999999999999 path=foo\n",
            b"123456789",
            b"9 a\0b=c\n",
        ] {
            assert!(Extension::parse(record).is_err(), "{}", record.escape_ascii());
        }
    }

    #[test]
    fn values_that_are_not_what_their_key_says_are_refused() {
        for (key, value) in [
            (&b"path"[..], &b"a\0b"[..]),
            (b"linkpath", b"\0"),
            (b"size", b"-1"),
            (b"size", b"9223372036854775808"),
            (b"size", b"0x10"),
            (b"uid", b"1.5"),
            (b"mtime", b"now"),
            (b"hdrcharset", b"KOI8-R"),
            (b"GNU.sparse.name", b"a\0"),
            (b"SCHILY.realsize", b"100"),
            (b"LIBARCHIVE.xattr.user.a", b"!"),
        ] {
            let error = Extension::parse(&body(&[(key, value)])).unwrap_err();
            assert!(error.message.starts_with(&key.escape_ascii().to_string()), "{error:?}");
        }
    }

    #[test]
    fn r_19_an_empty_value_means_not_set_and_the_last_record_counts() {
        let extension =
            Extension::parse(&body(&[(b"path", b"a"), (b"path", b""), (b"uid", b"1"), (b"uid", b"2"), (b"size", b"")]))
                .unwrap();
        assert_eq!((extension.path, extension.uid, extension.size), (None, Some(2), None));
    }

    #[test]
    fn r_16_attributes_pass_and_bsdtars_spelling_becomes_the_common_one() {
        let extension = Extension::parse(&body(&[
            (b"LIBARCHIVE.xattr.user.a%20b", b"AAr/"),
            (b"SCHILY.xattr.user.c", b"1\0=\n"),
            (b"LIBARCHIVE.xattr.user.c", b"MQA9Cg=="),
            (b"comment", b"gone"),
            (b"SCHILY.fflags", b"nodump"),
            (b"LIBARCHIVE.xattr.user.%3D", b"MQ"),
        ]))
        .unwrap();
        let passing: Vec<_> = extension.passing.iter().map(|(key, value)| (&key[..], &value[..])).collect();
        assert_eq!(
            passing,
            [
                (&b"SCHILY.xattr.user.a b"[..], &b"\x00\x0a\xff"[..]),
                (b"SCHILY.xattr.user.c", b"1\0=\n"),
                (b"SCHILY.fflags", b"nodump"),
                (b"LIBARCHIVE.xattr.user.%3D", b"MQ"),
            ]
        );
    }

    proptest! {
        #[test]
        fn records_are_read_as_they_were_written(
            expected in prop::collection::vec(("[a-zA-Z.]{1,20}", prop::collection::vec(any::<u8>(), 0..200)), 0..10)
        ) {
            let mut body = Vec::new();
            for (key, value) in &expected {
                put_record(&mut body, key.as_bytes(), value);
            }
            let found: Vec<_> = records(&body).map(|record| record.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect();
            let expected: Vec<_> = expected.into_iter().map(|(key, value)| Ok((key.into_bytes(), value))).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Extension::parse(&body);
        }
    }
}
