//! Whole conversions in memory: bytes in, bytes out, no disk between.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use imgtar::{
    Budget, ConvertOptions, Diagnostics, EditOptions, Encoding, Input, Limits, Output, Progress, Result, Run, Sink,
    convert,
};

/// `--max-size`: 64 KiB of zstd can honestly hold gigabytes, and what takes long must be known to be honest.
const MAX_SIZE: u64 = 64 << 20;
/// `--max-metadata`, far below the 256 MiB that no run may take.
const MAX_METADATA: u64 = 64 << 20;

/// A run of one thread that nobody hears, with temporary files in memory.
pub(crate) fn run() -> Run {
    Run {
        diagnostics: Diagnostics::silent(),
        progress: Progress::silent(),
        budget: Budget::new(Limits { size: MAX_SIZE, metadata: MAX_METADATA, ..Limits::default() }),
        tmpdir: tmpdir(),
        jobs: NonZeroUsize::MIN,
        epoch: 0,
    }
}

/// `bytes` as standard input that is a file: the readers' shortest way, and without a spool.
pub(crate) fn input(bytes: &[u8]) -> Input {
    thread_local!(static FILE: RefCell<File> = RefCell::new(tempfile::tempfile_in(tmpdir()).expect("a temporary file")));
    FILE.with_borrow_mut(|file| {
        let file = refill(file, bytes).expect("room for the input");
        Input::Stdin(file)
    })
}

fn refill(file: &mut File, bytes: &[u8]) -> std::io::Result<File> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)?;
    file.seek(SeekFrom::Start(0))?;
    file.try_clone()
}

/// What `options` make of the archive that `bytes` are.
pub(crate) fn converted(bytes: &[u8], options: &ConvertOptions) -> Result<Vec<u8>> {
    let (sink, memory) = Sink::memory();
    convert(input(bytes), Output::Archive { sink, outer: Encoding::Plain }, options, &run())?;
    Ok(memory.bytes())
}

/// What `options` make of the archive that `bytes` are with `changes`.
pub(crate) fn edited(bytes: &[u8], changes: &EditOptions, options: &ConvertOptions) -> Result<Vec<u8>> {
    let (sink, memory) = Sink::memory();
    imgtar::edit(
        vec![input(bytes)].into(),
        changes,
        Output::Archive { sink, outer: Encoding::Plain },
        options,
        &run(),
    )?;
    Ok(memory.bytes())
}

/// Memory where the system has a file system of it.
fn tmpdir() -> PathBuf {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() }
}
