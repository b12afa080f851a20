//! Merging a member's header and the extensions in front of it into one [`TarEntry`].
//!
//! No I/O. The order of precedence is everywhere the same: PAX, then GNU, then the header's own field.
//!
//! Sources: docs/formats.md ..R-15, R-19, H-9, H-11.

use super::header::HeaderBlock;
use super::pax::Extension;
use super::{EntryKind, ParseResult, SparseMap, TarEntry, TarTime};
use crate::error::Problem;
use crate::rule::Rule;

/// Extensions met on the way to a member.
#[derive(Default)]
pub(super) struct Extensions {
    /// Offset of the first of them.
    pub(super) start: Option<u64>,
    pax: Option<Extension>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Extensions {
    /// Takes the body of an `x`, `L` or `K` header; returns an oddity in it, if any. Of two of a kind the last counts,
    /// for Go and for all that use it; GNU's name ends at its first NUL.
    pub(super) fn push(&mut self, flag: u8, offset: u64, body: Vec<u8>) -> ParseResult<Option<&'static str>> {
        self.start.get_or_insert(offset);
        let has_rest = flag != b'x' && has_rest(&body);
        let is_second = match flag {
            b'x' => self.pax.replace(Extension::parse(&body)?).is_some(),
            b'L' => self.name.replace(long_name(body)?).is_some(),
            _ => self.link.replace(long_name(body)?).is_some(),
        };
        Ok(match (is_second, has_rest) {
            (true, _) => Some("the second one of the same member; the last one counts"),
            (false, true) => Some("bytes behind the closing NUL are ignored"),
            (false, false) => None,
        })
    }

    /// Refuses GNU names that differ from PAX's: Go takes the one, GNU tar the other, and some readers the last.
    pub(super) fn check_names(&self) -> ParseResult<()> {
        let Some(pax) = &self.pax else { return Ok(()) };
        for (gnu, pax, what) in [(&self.name, &pax.path, "name"), (&self.link, &pax.link, "link")] {
            if gnu.is_some() && pax.is_some() && gnu != pax {
                let message = format!("the GNU long {what} and that of PAX are not the same");
                return Err(Problem::new(Rule::R19, message));
            }
        }
        Ok(())
    }

    /// Returns whether there are any extensions.
    pub(super) fn are_there(&self) -> bool {
        self.start.is_some()
    }

    /// The member's name: of a sparse file, of PAX, of GNU, of the header. Those of PAX and GNU are the same.
    pub(super) fn take_path(&mut self, header: &HeaderBlock<'_>) -> Vec<u8> {
        let pax = self.pax.as_mut();
        let pax = pax.and_then(|pax| pax.sparse.as_mut().and_then(|sparse| sparse.name.take()).or(pax.path.take()));
        pax.or(self.name.take()).unwrap_or_else(|| header.name())
    }

    /// Takes the PAX extension, empty if there is none.
    pub(super) fn take_pax(&mut self) -> Extension {
        self.pax.take().unwrap_or_default()
    }

    /// Takes the target of a GNU long link.
    pub(super) fn take_link(&mut self) -> Option<Vec<u8>> {
        self.link.take()
    }
}

/// The size and place of a file's content.
#[derive(Default)]
pub(super) struct Data {
    /// Logical size.
    pub(super) size: u64,
    /// Bytes in the archive from `offset` on.
    pub(super) stored: u64,
    /// The places of a sparse file's stored bytes.
    pub(super) sparse: Option<SparseMap>,
}

/// The kind that a flag and a name make.
pub(super) fn kind(flag: u8, path: &[u8]) -> ParseResult<EntryKind> {
    match EntryKind::from_flag(flag) {
        // Before there was a flag for directories, a trailing slash marked them; a flag `0` overrides the slash.
        Some(EntryKind::Regular) if flag == 0 && path.ends_with(b"/") => Ok(EntryKind::Directory),
        Some(kind) => Ok(kind),
        None => {
            let advice = command_of(flag).map(|command| format!(": `{command}` wrote it; pack it again without"));
            let advice = advice.unwrap_or_default();
            Err(Problem::new(Rule::R13, format!("type `{}` is not supported{advice}", flag.escape_ascii())))
        }
    }
}

/// The command that writes members of this type, which no engine reads.
fn command_of(flag: u8) -> Option<&'static str> {
    match flag {
        b'D' => Some("tar --incremental"),
        b'M' => Some("tar --multi-volume"),
        b'V' => Some("tar --label"),
        _ => None,
    }
}

/// Merges all fields but the place in the archive.
pub(super) fn entry(
    header: &HeaderBlock<'_>,
    kind: EntryKind,
    path: Vec<u8>,
    link: Option<Vec<u8>>,
    pax: Extension,
    data: Data,
) -> ParseResult<TarEntry> {
    Ok(TarEntry {
        path,
        kind,
        device: if kind.is_device() { device(header, &pax)? } else { (0, 0) },
        link: if kind.is_link() { pax.link.or(link).unwrap_or_else(|| header.link()) } else { Vec::new() },
        mode: header.mode()?,
        uid: owner("uid", pax.uid, || header.uid())?,
        gid: owner("gid", pax.gid, || header.gid())?,
        uname: pax.uname.unwrap_or_else(|| header.uname()),
        gname: pax.gname.unwrap_or_else(|| header.gname()),
        mtime: match pax.mtime {
            Some(mtime) => mtime,
            None => TarTime::from_seconds(header.mtime()?),
        },
        records: pax.passing,
        size: data.size,
        stored: data.stored,
        sparse: data.sparse,
        header_offset: 0,
        data_offset: 0,
    })
}

/// Names the oddity of a name that no Linux filesystem can hold or keeps as it is; a warning only, as it is not
/// unpacked here (H-24).
pub(super) fn oddity(name: &[u8]) -> Option<&'static str> {
    if name.windows(2).any(|pair| pair == b"//") {
        return Some("a name with an empty component");
    }
    if name.len() > 4096 {
        return Some("a name of more than 4096 bytes");
    }
    let long = name.len() > 255 && name.split(|&byte| byte == b'/').any(|component| component.len() > 255);
    long.then_some("a name with a component of more than 255 bytes")
}

fn end_of_name(body: &[u8]) -> usize {
    body.iter().position(|&byte| byte == 0).unwrap_or(body.len())
}

/// Returns whether bytes other than NUL follow the NUL that closes a GNU long name.
fn has_rest(body: &[u8]) -> bool {
    body[end_of_name(body)..].iter().any(|&byte| byte != 0)
}

/// A GNU long name: one string, usually closed by a NUL.
fn long_name(mut body: Vec<u8>) -> ParseResult<Vec<u8>> {
    let end = end_of_name(&body);
    if end == 0 {
        return Err(Problem::new(Rule::H9, "the name is empty"));
    }
    body.truncate(end);
    Ok(body)
}

/// More than 32 bits would wrap where they are used, at worst to root.
fn owner(name: &str, pax: Option<u64>, header: impl FnOnce() -> ParseResult<u64>) -> ParseResult<u64> {
    narrow(name, pax.map_or_else(header, Ok)?).map(u64::from)
}

fn device(header: &HeaderBlock<'_>, pax: &Extension) -> ParseResult<(u32, u32)> {
    let major = pax.device_major.map_or_else(|| header.device_major(), Ok)?;
    let minor = pax.device_minor.map_or_else(|| header.device_minor(), Ok)?;
    Ok((narrow("device major", major)?, narrow("device minor", minor)?))
}

fn narrow(name: &str, value: u64) -> ParseResult<u32> {
    let wide = |_| Problem::new(Rule::H11, format!("the {name} {value} has more than 32 bits"));
    u32::try_from(value).map_err(wide)
}
