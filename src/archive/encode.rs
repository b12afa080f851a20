//! Entries back into header blocks: plain ustar wherever it can hold everything, PAX records only for the rest.
//!
//! A function of the entry alone: no clock, no process number, no counter. Numbers that ustar cannot hold stand in its
//! fields as base-256 too, as bsdtar writes them, so that a reader without PAX and one with it find the same next header.
//!
//! Sources: POSIX.1-2017 `pax`, docs/formats.md, G-17, H-8.

use super::header::{self, octal_limit, put_number};
use super::pax::{is_decided, put_record};
use super::{BLOCK, EntryKind, TarEntry, TarTime};
use crate::error::{Error, Result};
use crate::limits::MAX_TAR_EXTENSION;
use crate::path::escape_for_terminal;

/// The end marker: two zero blocks.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Returns the padding of `size` bytes of content up to the next block.
pub(crate) fn padding(size: u64) -> &'static [u8] {
    const ZEROS: &[u8] = &[0; BLOCK];
    let over = (size % BLOCK as u64) as usize;
    if over == 0 { &[] } else { &ZEROS[over..] }
}

/// Appends the header of `entry`, to be followed by `entry.size` bytes of content and their `padding`.
///
/// A sparse file is written expanded. The entry's place in its archive (`stored`, `sparse`, the offsets) is ignored. A
/// directory's name gets its trailing slash.
///
/// # Errors
/// [`Error::Inexpressible`] for what no header can hold: an empty name or one with a NUL, numbers beyond their bounds,
/// a record whose key belongs to a field, records of more than 1 MiB together.
pub fn encode(entry: &TarEntry, out: &mut Vec<u8>) -> Result<()> {
    let wrong = |problem: String| Error::inexpressible(format!("`{}`", escape_for_terminal(&entry.path)), problem);
    check(entry).map_err(wrong)?;
    let path = written_path(entry);
    let size = if entry.kind == EntryKind::Regular { entry.size } else { 0 };
    let (prefix, name) = split_path(&path).unwrap_or((b"", &path));
    let records = records(entry, &path, size);
    if records.len() as u64 > MAX_TAR_EXTENSION {
        return Err(wrong(format!("{} bytes of PAX records, more than {MAX_TAR_EXTENSION}", records.len())));
    }
    if !records.is_empty() {
        put_extension(&records, out);
    }

    let mut header = blank(entry.kind.flag());
    let fields = ustar(&mut header);
    put_text(&mut fields.name, name);
    put_text(&mut fields.prefix, prefix);
    put_text(&mut fields.linkname, &entry.link);
    put_text(&mut fields.uname, &entry.uname);
    put_text(&mut fields.gname, &entry.gname);
    put_number(&mut fields.mode, i64::from(entry.mode));
    put_number(&mut fields.uid, entry.uid.cast_signed());
    put_number(&mut fields.gid, entry.gid.cast_signed());
    put_number(&mut fields.size, size.cast_signed());
    put_number(&mut fields.mtime, entry.mtime.seconds);
    put_number(&mut fields.dev_major, i64::from(entry.device.0));
    put_number(&mut fields.dev_minor, i64::from(entry.device.1));
    out.extend(sealed(header));
    Ok(())
}

/// Refuses entries that no header can hold or that our own reader would refuse.
fn check(entry: &TarEntry) -> std::result::Result<(), String> {
    if entry.path.is_empty() {
        return Err("the name is empty".to_owned());
    }
    if [&entry.path, &entry.link, &entry.uname, &entry.gname].iter().any(|text| text.contains(&0)) {
        return Err("a name holds a NUL byte".to_owned());
    }
    if entry.mode > 0o7777 || entry.mtime.nanos >= 1_000_000_000 {
        return Err("the mode or the time is out of range".to_owned());
    }
    if entry.uid.max(entry.gid) > u64::from(u32::MAX) || entry.size > i64::MAX.unsigned_abs() {
        return Err("the owner or the size is out of range".to_owned());
    }
    for (key, _) in &entry.records {
        if key.is_empty() || key.contains(&b'=') || key.contains(&0) || is_decided(key) {
            return Err(format!("`{}` cannot be a PAX record of its own", key.escape_ascii()));
        }
    }
    Ok(())
}

fn written_path(entry: &TarEntry) -> Vec<u8> {
    let mut path = entry.path.clone();
    if entry.kind == EntryKind::Directory && !path.ends_with(b"/") {
        path.push(b'/');
    }
    path
}

/// Splits a path into ustar's prefix and name, at the last slash that leaves both short enough.
fn split_path(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= header::NAME.len() {
        return Some((b"", path));
    }
    let candidates = &path[..path.len().min(header::PREFIX.len() + 1)];
    let slash = candidates.iter().enumerate().rposition(|(at, &byte)| byte == b'/' && at + 1 < path.len())?;
    let (prefix, name) = (&path[..slash], &path[slash + 1..]);
    (!prefix.is_empty() && name.len() <= header::NAME.len()).then_some((prefix, name))
}

/// The body of the PAX header, empty when none is needed.
fn records(entry: &TarEntry, path: &[u8], size: u64) -> Vec<u8> {
    let mut texts = Vec::new();
    for (key, text, fits) in [
        ("path", path, split_path(path).is_some()),
        ("linkpath", &entry.link, entry.link.len() <= header::LINK.len()),
        ("uname", &entry.uname, entry.uname.len() < header::UNAME.len()),
        ("gname", &entry.gname, entry.gname.len() < header::GNAME.len()),
    ] {
        if !fits {
            texts.push((key, text));
        }
    }
    let mut body = Vec::new();
    if texts.iter().any(|(_, text)| std::str::from_utf8(text).is_err()) {
        put_record(&mut body, b"hdrcharset", b"BINARY");
    }
    for (key, text) in texts {
        put_record(&mut body, key.as_bytes(), text);
    }
    for (key, value, width) in [
        ("size", size, header::SIZE.len()),
        ("uid", entry.uid, header::UID.len()),
        ("gid", entry.gid, header::GID.len()),
        ("SCHILY.devmajor", entry.device.0.into(), header::DEVICE_MAJOR.len()),
        ("SCHILY.devminor", entry.device.1.into(), header::DEVICE_MINOR.len()),
    ] {
        if value >= octal_limit(width).unsigned_abs() {
            put_record(&mut body, key.as_bytes(), value.to_string().as_bytes());
        }
    }
    if !fits_octal(entry.mtime) {
        put_record(&mut body, b"mtime", entry.mtime.to_string().as_bytes());
    }
    for (key, value) in &entry.records {
        put_record(&mut body, key, value);
    }
    body
}

fn fits_octal(time: TarTime) -> bool {
    time.nanos == 0 && (0..octal_limit(header::MTIME.len())).contains(&time.seconds)
}

/// The `x` header with a name, mode and time that are always the same.
fn put_extension(records: &[u8], out: &mut Vec<u8>) {
    let mut header = blank(b'x');
    let fields = ustar(&mut header);
    put_text(&mut fields.name, b"././@PaxHeader");
    put_number(&mut fields.mode, 0o644);
    put_number(&mut fields.size, records.len() as i64);
    out.extend(sealed(header));
    out.extend(records);
    out.extend(padding(records.len() as u64));
}

fn blank(flag: u8) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    let fields = ustar(&mut header);
    fields.typeflag = [flag];
    for field in [&mut fields.mode, &mut fields.uid, &mut fields.gid, &mut fields.dev_major, &mut fields.dev_minor] {
        put_number(field, 0);
    }
    put_number(&mut fields.size, 0);
    put_number(&mut fields.mtime, 0);
    header
}

fn ustar(header: &mut tar::Header) -> &mut tar::UstarHeader {
    header.as_ustar_mut().expect("it was made as a ustar header")
}

/// Copies a text, cut where the field ends; a cut text has a PAX record.
fn put_text(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

/// The block with its checksum in the traditional form, six digits, NUL, space.
fn sealed(mut header: tar::Header) -> [u8; BLOCK] {
    let sum = header::checksum(header.as_bytes());
    let (digits, last) = ustar(&mut header).cksum.split_at_mut(7);
    put_number(digits, sum.into());
    last.fill(b' ');
    *header.as_bytes()
}
