//! Tar: the index of an outer archive, the entries of a layer, the encoder.

use std::io::{self, Cursor, Read};

use imgtar::internals::archive::{Ending, EntryKind, MemberIndex, Reader, Scan, TarEntry, encode};
use imgtar::internals::stream::{Sequential, Skip, Source};
use imgtar::{Budget, Diagnostics, Limits, Result, Rule, Run};

use crate::memory;
use crate::mutate::repair_checksums;

/// One byte a read: whatever depends on how bytes arrive shows.
pub(crate) struct Dribble<R>(pub R);

impl<R: Read> Read for Dribble<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let wanted = buf.len().min(1);
        self.0.read(&mut buf[..wanted])
    }
}

/// The first byte says whether checksums are made right first: most of the decoder lies behind them.
fn tar(data: &[u8]) -> Vec<u8> {
    let (first, rest) = data.split_first().unwrap_or((&0, &[]));
    let mut tar = rest.to_vec();
    if first & 1 == 1 {
        repair_checksums(&mut tar);
    }
    tar
}

/// The outer archive: read by skips, by single bytes and by name.
pub(crate) fn index(data: &[u8]) {
    let tar = tar(data);
    let run = memory::run();
    let whole = Scan::read(Cursor::new(&tar), "a.tar", &run);
    let dribbled = Scan::read(Sequential::new(Dribble(&tar[..])), "a.tar", &memory::run());
    assert_eq!(outcome(&whole), outcome(&dribbled), "reading and skipping differ");
    let Ok(scan) = whole else { return };
    let index = scan.bind(&Source::memory("a.tar", tar));
    for name in index.names().expect("a tar has been read") {
        assert!(!name.components().any(|component| component == b".." || component == b"."), "{name}");
        look_up(&index, &name.to_string(), &run);
    }
    for name in ["manifest.json", "./index.json", "a/../oci-layout", "..", "", "/", "a\0b"] {
        look_up(&index, name, &run);
    }
}

/// Looks a member up, and reads it if it is small.
fn look_up(index: &MemberIndex, name: &str, run: &Run) {
    if let Ok(Some(extent)) = index.find(name, "a test") {
        let size = extent.size();
        match index.document(Rule::X2, name, "a test", 1 << 20, run) {
            Ok(bytes) => assert_eq!(bytes.len() as u64, size),
            Err(error) => assert!(size > 1 << 20, "{error}"),
        }
    }
}

fn outcome<T>(result: &Result<T>) -> Option<String> {
    result.as_ref().err().map(ToString::to_string)
}

/// A layer: the same entries whether bodies are read or passed over, in large reads or small; all of them written again.
pub(crate) fn layer(data: &[u8]) {
    let tar = tar(data);
    let skipped = entries(Cursor::new(&tar), false);
    let read = entries(Cursor::new(&tar), true);
    let dribbled = entries(Sequential::new(Dribble(&tar[..])), true);
    assert_eq!(read, dribbled, "large and small reads differ");
    // Passing over a body cannot see that the archive ends inside it, or what a sparse file expands to.
    if read.1.is_none() {
        assert_eq!(skipped, read, "reading and skipping differ");
    }
    for entry in &read.0 {
        write_again(entry);
    }
}

/// The entries before the first error, and that.
fn entries(tar: impl Skip, bodies: bool) -> (Vec<TarEntry>, Option<String>) {
    let (budget, diagnostics) = (Budget::new(Limits { size: 4 << 20, ..Limits::default() }), Diagnostics::silent());
    let mut reader = Reader::new(tar, Ending::Optional, "layer", &budget, &diagnostics);
    let mut found = Vec::new();
    loop {
        match reader.next_entry() {
            Ok(Some(entry)) => {
                if bodies && entry.size <= 1 << 20 {
                    let mut body = Vec::new();
                    match reader.body().read_to_end(&mut body) {
                        Ok(_) => assert_eq!(body.len() as u64, entry.size),
                        Err(error) => return (found, Some(error.to_string())),
                    }
                }
                found.push(entry);
            }
            Ok(None) => return (found, reader.finish().err().map(|error| error.to_string())),
            Err(error) => return (found, Some(error.to_string())),
        }
    }
}

/// What the encoder writes of an entry is that entry.
fn write_again(entry: &TarEntry) {
    // A name that ends in a slash makes no file, and one of a sparse file is written expanded.
    let entry = TarEntry { sparse: None, size: entry.size.min(3), stored: entry.size.min(3), ..entry.clone() };
    let mut tar = Vec::new();
    if encode(&entry, &mut tar).is_err() {
        return;
    }
    tar.extend(&b"abc"[..entry.size as usize]);
    let (found, error) = entries(Cursor::new(&tar), true);
    assert_eq!(error, None, "{entry:?}");
    let [found] = &found[..] else { panic!("{} entries of {entry:?}", found.len()) };
    let place = TarEntry { header_offset: 0, data_offset: 0, ..entry.clone() };
    let found = TarEntry { header_offset: 0, data_offset: 0, ..found.clone() };
    if entry.kind == EntryKind::Directory {
        return assert_eq!(found.path.strip_suffix(b"/"), place.path.strip_suffix(b"/").or(Some(&place.path)));
    }
    assert_eq!(found, place);
}
