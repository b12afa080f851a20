//! A guess, for error messages, at the format of bytes that are no tar. Nothing else depends on it.

use super::BLOCK;
use super::header::{HeaderBlock, MAGIC, USTAR};
use crate::codec::Codec;

/// The hint for bytes that a shell or a client converted as if they were text.
pub(super) const TEXT: &str =
    "changed by a text conversion (PowerShell's `>`, `curl -d`): save it again with `docker save -o`";

/// The beginnings of files that users take for image archives, and what each is called.
const KINDS: [(&[u8], &str); 18] = [
    (b"version https://git-lfs", "a Git LFS pointer: `git lfs pull` fetches the file"),
    (b"#!/usr/bin/env run-singularity", "a SIF image of Apptainer"),
    (b"#!", "a script"),
    (b"{", "JSON; give the archive or the layout directory that it belongs to"),
    (b"[", "JSON; give the archive or the layout directory that it belongs to"),
    (b"<", "HTML or XML, as a server sends it in place of a file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"!<arch>\n", "an ar archive, such as a .deb"),
    (b"0707", "a cpio archive"),
    (b"hsqs", "a squashfs"),
    (b"QFI\xfb", "the disk of a virtual machine"),
    (b"\x7fELF", "a program"),
    (b"\x02\x21\x4c\x18", "compressed with lz4's legacy format, which imgtar does not read"),
    (b"LZIP", "compressed with lzip, which imgtar does not read"),
    (b"\x5d\0\0", "compressed with lzma, which imgtar does not read"),
    (b"\x1f\x9d", "compressed with compress, which imgtar does not read"),
];

/// Names what a file that begins with `head` looks like; the text follows `it looks like`.
pub(super) fn looks_like(head: &[u8]) -> Option<String> {
    let codec = Codec::sniff(&head[..head.len().min(Codec::SNIFF_LEN)]);
    if codec != Codec::Plain {
        return Some(format!("something that was compressed a second time, with {}", codec.name()));
    }
    let text = head.strip_prefix(UTF8_MARK).unwrap_or(head).trim_ascii_start();
    let found = KINDS.iter().find(|(magic, _)| text.starts_with(magic) || head.starts_with(magic));
    match found {
        Some((_, kind)) => Some((*kind).to_owned()),
        None => is_converted(head).then(|| format!("an archive {TEXT}")),
    }
}

/// Returns the reason why `head`, the first block of a file or all of a shorter one, does not begin a tar; `None` where
/// it does: with a header, or with the zero bytes of an empty one.
pub(crate) fn why_no_tar(head: &[u8]) -> Option<String> {
    let is_header = head.first_chunk().is_some_and(|block| HeaderBlock::checked(block).is_ok());
    if is_header || head.iter().all(|&byte| byte == 0) {
        return None;
    }
    // The advice for a file that the user gave does not fit one that is a part of it, so it is cut off.
    let kind = looks_like(head).map(|kind| kind.split([';', ':']).next().unwrap_or_default().to_owned());
    Some(kind.map_or_else(|| "is not a tar".to_owned(), |kind| format!("is not a tar; it looks like {kind}")))
}

/// The byte order mark in UTF-8.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
/// The magic of compressed archives, each with a byte that no ASCII text has.
const COMPRESSED: [&[u8]; 3] = [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0"];

/// Returns whether `head` is that of text in UTF-16 or UTF-8 which was made of an archive: behind a byte order mark, or
/// with the magic of a codec whose high bytes were taken for characters, be they of Latin-1 or of no charset at all.
fn is_converted(head: &[u8]) -> bool {
    let marks = [&b"\xff\xfe"[..], b"\xfe\xff", UTF8_MARK];
    let as_text = |magic: &&[u8]| {
        let latin: String = magic.iter().copied().map(char::from).collect();
        head.starts_with(latin.as_bytes()) || head.starts_with(String::from_utf8_lossy(magic).as_bytes())
    };
    marks.iter().any(|mark| head.starts_with(mark)) || COMPRESSED.iter().any(as_text)
}

/// Returns whether a header stands somewhere in `bytes`, which begin with a block of an archive, but not at the beginning
/// of a block: bytes in front of it were lost or added.
pub(super) fn has_shifted_header(bytes: &[u8]) -> bool {
    let starts = bytes.windows(USTAR.len()).enumerate().filter(|(_, window)| *window == USTAR);
    let mut headers = starts.filter_map(|(at, _)| at.checked_sub(MAGIC.start)).filter(|start| start % BLOCK != 0);
    headers.any(|start| bytes[start..].first_chunk().is_some_and(|block| HeaderBlock::checked(block).is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_files_are_known_by_their_beginning() {
        for (head, word) in [
            (&b"{\"schemaVersion\": 2}"[..], "JSON"),
            (b"\n [1]", "JSON"),
            (b"\xef\xbb\xbf{}", "JSON"),
            (b"<!DOCTYPE html>", "HTML"),
            (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
            (b"#!/usr/bin/env run-singularity\n", "Apptainer"),
            (b"#!/bin/sh\n", "script"),
            (b"PK\x03\x04\x14", "zip"),
            (b"\xff\xfei\0m\0a\0", "PowerShell"),
            (b"\xef\xbb\xbfimage/", "PowerShell"),
            (b"\x1f\xc2\x8b\x08\0", "PowerShell"),
            (b"\x1f\xef\xbf\xbd\x08\0", "PowerShell"),
            (b"(\xef\xbf\xbd/\xef\xbf\xbd", "curl -d"),
            (b"\x04\x22\x4d\x18\x64\x40", "a second time, with lz4"),
            (b"\x02\x21\x4c\x18", "legacy format"),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\0", "a second time, with gzip"),
        ] {
            let found = looks_like(head).unwrap_or_default();
            assert!(found.contains(word), "{}: {found}", head.escape_ascii());
        }
        for (head, why) in [
            (&b"{\"critical\":{}}"[..], "is not a tar; it looks like JSON"),
            (b"signed", "is not a tar"),
            (b"\x7fELF\x02", "is not a tar; it looks like a program"),
        ] {
            assert_eq!(why_no_tar(head).unwrap(), why);
        }
        for head in [&b""[..], &[0; 100], &[0; 512]] {
            assert_eq!(why_no_tar(head), None, "{}", head.len());
        }
        for head in [&b""[..], b"PK", b"a text", b"\0\0\0\0"] {
            assert_eq!(looks_like(head), None, "{}", head.escape_ascii());
        }
    }
}
