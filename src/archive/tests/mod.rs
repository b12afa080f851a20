//! Tests of decoder and encoder together: samples made by hand, hostile input, round trips, other tools.

mod forms;
mod hostile;
mod raw;
mod roundtrip;
mod tools;

use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use super::{Ending, Reader, TarEntry};
use crate::diagnostics::Diagnostics;
use crate::error::Result;
use crate::limits::Budget;
use crate::stream::skip::{Sequential, Skip};

/// Every member and its content; the same however the bytes arrive, or the test fails.
fn read(bytes: &[u8], ending: Ending) -> Result<Vec<(TarEntry, Vec<u8>)>> {
    let whole = read_from(bytes, ending);
    let shorts = read_from(Sequential::new(ShortReads { bytes, state: 1 }), ending);
    assert_eq!(described(&whole), described(&shorts), "short reads change the result");
    let bodiless = headers(bytes, ending);
    match (&whole, &bodiless) {
        (Ok(whole), Ok(bodiless)) => assert!(whole.iter().map(|(entry, _)| entry).eq(bodiless)),
        (Err(_), Err(_)) => {}
        _ => panic!("skipping bodies changes the result: {whole:?}, {bodiless:?}"),
    }
    whole
}

fn described(outcome: &Result<Vec<(TarEntry, Vec<u8>)>>) -> String {
    outcome.as_ref().map_or_else(ToString::to_string, |entries| format!("{entries:?}"))
}

fn read_from(source: impl Skip, ending: Ending) -> Result<Vec<(TarEntry, Vec<u8>)>> {
    let (budget, diagnostics) = (Budget::default(), Diagnostics::silent());
    let mut reader = Reader::new(source, ending, "a.tar", &budget, &diagnostics);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut content = Vec::new();
        let outcome = reader.body().read_to_end(&mut content);
        outcome.map_err(|error| crate::error::Error::io("reading", "a.tar", error))?;
        entries.push((entry, content));
    }
    Ok(entries)
}

/// Every member, bodies skipped.
fn headers(bytes: &[u8], ending: Ending) -> Result<Vec<TarEntry>> {
    let (budget, diagnostics) = (Budget::default(), Diagnostics::silent());
    let mut reader = Reader::new(bytes, ending, "a.tar", &budget, &diagnostics);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        entries.push(entry);
    }
    Ok(entries)
}

/// The only member of an archive that has one.
fn read_one(bytes: &[u8]) -> (TarEntry, Vec<u8>) {
    let mut entries = read(bytes, Ending::Required).unwrap();
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

fn refusal(bytes: &[u8]) -> String {
    read(bytes, Ending::Required).expect_err("this has to be refused").to_string()
}

/// The warnings met while reading.
fn warnings(bytes: &[u8]) -> Vec<String> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    let diagnostics = Diagnostics::new(false, move |diagnostic| listener.lock().unwrap().push(diagnostic.line()));
    let budget = Budget::default();
    let mut reader = Reader::new(bytes, Ending::Required, "a.tar", &budget, &diagnostics);
    while reader.next_entry().unwrap().is_some() {}
    heard.lock().unwrap().clone()
}

/// Gives out 1 to 700 bytes at a time, and is interrupted now and then.
struct ShortReads<'a> {
    bytes: &'a [u8],
    state: u32,
}

impl Read for ShortReads<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wanted = match self.state >> 29 {
            0 => return Err(io::ErrorKind::Interrupted.into()),
            1..4 => 1,
            _ => (self.state >> 16) as usize % 700 + 1,
        };
        let wanted = wanted.min(buf.len());
        self.bytes.read(&mut buf[..wanted])
    }
}
