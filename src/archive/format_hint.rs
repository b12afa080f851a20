//! A guess, for error messages, at the format of bytes that are no tar. Nothing else depends on it.

use crate::codec::Codec;

/// The beginnings of files that users take for image archives, and what each is called.
const KINDS: [(&[u8], &str); 18] = [
    (b"version https://git-lfs", "a pointer of Git LFS: `git lfs pull` fetches the file"),
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
    (b"QFI\xfb", "a disk of a virtual machine"),
    (b"\x7fELF", "a program"),
    (b"\x04\x22\x4d\x18", "compressed by lz4, which is not read here"),
    (b"LZIP", "compressed by lzip, which is not read here"),
    (b"\x5d\0\0", "compressed by lzma, which is not read here"),
    (b"\x1f\x9d", "compressed by compress, which is not read here"),
];

/// Names what a file that begins with `head` looks like; the text follows `it looks like`.
pub(super) fn looks_like(head: &[u8]) -> Option<String> {
    let codec = Codec::sniff(&head[..head.len().min(Codec::SNIFF_LEN)]);
    if codec != Codec::Plain {
        return Some(format!("something compressed a second time, by {}", codec.name()));
    }
    let text = head.trim_ascii_start();
    let found = KINDS.iter().find(|(magic, _)| text.starts_with(magic) || head.starts_with(magic));
    found.map(|(_, kind)| (*kind).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_files_are_known_by_their_beginning() {
        for (head, word) in [
            (&b"{\"schemaVersion\": 2}"[..], "JSON"),
            (b"\n [1]", "JSON"),
            (b"<!DOCTYPE html>", "HTML"),
            (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
            (b"#!/usr/bin/env run-singularity\n", "Apptainer"),
            (b"#!/bin/sh\n", "script"),
            (b"PK\x03\x04\x14", "zip"),
            (b"\x04\x22\x4d\x18\x64", "lz4"),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\0", "a second time, by gzip"),
        ] {
            let found = looks_like(head).unwrap_or_default();
            assert!(found.contains(word), "{}: {found}", head.escape_ascii());
        }
        for head in [&b""[..], b"PK", b"a text", b"\0\0\0\0"] {
            assert_eq!(looks_like(head), None, "{}", head.escape_ascii());
        }
    }
}
