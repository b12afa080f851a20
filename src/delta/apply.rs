//! A tar-diff applied: its operations read, the bytes of the old files joined (docs/delta.md P-4 to P-9).
//!
//! Everything here may come from a hostile delta. Sources are found in the index of the old image and nowhere else; each size is
//! compared with what is left before a byte moves; all that is made counts against the size that was declared and the budget.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Sources;
use super::blocks::{MadeBlocks, OpenSource};
use super::ops::{self, BadOp, MAGIC_1, MAGIC_2, MAGIC_LEN, MAX_ADD, MAX_PATH, Op};
use crate::codec::{self, Codec, DictionaryReader, Watch};
use crate::error::{Error, Result};
use crate::limits::MAX_ZSTD_DICTIONARY_LOG;
use crate::path::quote;
use crate::rule::Rule;
use crate::run::Run;
use crate::stream::copy::copy;

/// The most bytes that recipes without a declared size make for each byte of theirs and of the old image.
const GROWTH_FACTOR: u64 = 16;
/// Bytes that they may make besides.
const GROWTH_BASE: u64 = 1 << 30;
/// Bytes of operations that are read at once.
const INPUT: usize = 64 << 10;

/// The bytes of the tar that a recipe makes, as the delta declares them (docs/delta.md P-8).
#[derive(Clone, Copy)]
pub(crate) enum MadeSize<'a> {
    /// So many.
    Known(u64),
    /// Not declared: within what this allows all such recipes together.
    Unknown(&'a Growth),
}

/// The bytes that all recipes of an image that declare no size may make together: a recipe of few bytes can name a large file
/// again and again.
pub(crate) struct Growth {
    most: u64,
    made: AtomicU64,
}

impl Growth {
    /// For recipes that have `size` bytes together with the tars of the image that they are for.
    pub(crate) fn of(size: u64) -> Self {
        Self { most: size.saturating_mul(GROWTH_FACTOR).saturating_add(GROWTH_BASE), made: AtomicU64::new(0) }
    }
}

/// Applies the tar-diff that `blob` reads, called `at` in messages, to `sources`, and writes the tar that it makes to `out`;
/// returns its bytes. `blob` is read to its end.
///
/// # Errors
/// [`Error::Invalid`] for one that is damaged or meant for other sources, [`Error::Limit`], and those of either side.
pub(crate) fn apply(
    mut blob: impl Read,
    at: &str,
    sources: &Sources,
    size: MadeSize<'_>,
    out: impl Write,
    run: &Run,
) -> Result<u64> {
    let failed = |error| Error::io("reading", at, error);
    let mut magic = Vec::with_capacity(MAGIC_LEN);
    (&mut blob).take(MAGIC_LEN as u64).read_to_end(&mut magic).map_err(failed)?;
    if magic != MAGIC_1 && magic != MAGIC_2 {
        return Err(Error::invalid(Rule::P4, at, "it is not a tar-diff of version 1 or 2"));
    }
    let operations = codec::decode(Codec::Zstd, blob, Watch::new(at, &run.budget, &run.diagnostics)).map_err(failed)?;
    let mut application = Application {
        is_second: magic == MAGIC_2,
        input: BufReader::with_capacity(INPUT, operations),
        sources,
        source: None,
        out: MadeBlocks::new(out, at),
        made: 0,
        size,
        at,
        run,
    };
    while let Some((op, size)) = ops::next(&mut application.input).map_err(|bad| application.bad(bad))? {
        application.step(op, size)?;
    }
    match size {
        MadeSize::Known(expected) if expected != application.made => {
            let problem = format!("it produces {} of the {expected} bytes of its layer", application.made);
            Err(Error::invalid(Rule::P8, at, problem))
        }
        _ => application.out.flush().map(|()| application.made),
    }
}

/// The state of applying.
struct Application<'a, R, W> {
    /// True for the second version.
    is_second: bool,
    input: BufReader<R>,
    sources: &'a Sources,
    source: Option<OpenSource>,
    out: MadeBlocks<'a, W>,
    /// Bytes made.
    made: u64,
    /// Bytes that will be made.
    size: MadeSize<'a>,
    at: &'a str,
    run: &'a Run,
}

impl<R: Read, W: Write> Application<'_, R, W> {
    fn step(&mut self, op: Op, size: u64) -> Result<()> {
        match op {
            Op::Data => self.data(size),
            Op::Open => self.open(size),
            Op::Copy => self.copy(size),
            Op::Add => self.add(size),
            Op::Seek => self.seek(size),
            Op::Dictionary if self.is_second => self.frame(size),
            Op::Dictionary => Err(self.invalid(Rule::P9, "version 1 has no operation with a dictionary")),
        }
    }

    fn data(&mut self, size: u64) -> Result<()> {
        self.count(size)?;
        let mut left = size;
        while left > 0 {
            let given = self.given(left)?;
            let bytes = self.out.room(given)?;
            left -= bytes.len() as u64;
            self.input.read_exact(bytes).map_err(|error| Error::io("reading", self.at, error))?;
        }
        Ok(())
    }

    fn open(&mut self, size: u64) -> Result<()> {
        if size > MAX_PATH {
            return Err(self.invalid(Rule::P6, format!("a path of {size} bytes, more than {MAX_PATH}")));
        }
        let mut path = vec![0; size as usize];
        self.input.read_exact(&mut path).map_err(|error| self.bad(error.into()))?;
        let content = std::str::from_utf8(&path).ok().and_then(|path| self.sources.find(path));
        let content = content.ok_or_else(|| {
            let path = quote(&path);
            self.invalid(Rule::P6, format!("it takes bytes of `{path}`, and the image that it is for has no such file"))
        })?;
        self.source = Some(OpenSource::new(content));
        Ok(())
    }

    fn copy(&mut self, size: u64) -> Result<()> {
        self.check_left(size)?;
        // Copied bytes were decoded nowhere, and count all the same.
        self.run.budget.decoded(size, self.at)?;
        self.count(size)?;
        let mut left = size;
        while left > 0 {
            let bytes = self.out.room(left.min(usize::MAX as u64) as usize)?;
            left -= bytes.len() as u64;
            source(&mut self.source, self.at)?.read(bytes).map_err(|error| Error::io("reading", self.at, error))?;
        }
        Ok(())
    }

    fn add(&mut self, size: u64) -> Result<()> {
        if size > MAX_ADD {
            return Err(self.invalid(Rule::P7, format!("it adds {size} bytes at once, more than {MAX_ADD}")));
        }
        self.check_left(size)?;
        self.count(size)?;
        let mut left = size;
        while left > 0 {
            let given = self.given(left)?;
            let bytes = self.out.room(given)?;
            let given = bytes.len();
            let failed = |error| Error::io("reading", self.at, error);
            source(&mut self.source, self.at)?.read(bytes).map_err(failed)?;
            let added = &self.input.buffer()[..given];
            bytes.iter_mut().zip(added).for_each(|(byte, added)| *byte = byte.wrapping_add(*added));
            self.input.consume(given);
            left -= given as u64;
        }
        Ok(())
    }

    fn seek(&mut self, position: u64) -> Result<()> {
        let source = source(&mut self.source, self.at)?;
        let size = source.size();
        if position > size {
            return Err(self.invalid(Rule::P7, format!("it goes to byte {position} of a file of {size} bytes")));
        }
        source.seek(position);
        Ok(())
    }

    /// A frame of `size` bytes that has all of the source for a dictionary.
    fn frame(&mut self, size: u64) -> Result<()> {
        let (at, budget) = (self.at, &self.run.budget);
        let source = source(&mut self.source, at)?;
        let dictionary_size = source.size();
        if dictionary_size > 1 << MAX_ZSTD_DICTIONARY_LOG {
            return Err(self.invalid(Rule::P9, format!("a dictionary of {dictionary_size} bytes")));
        }
        let mut held = budget.hold(dictionary_size, at)?;
        let dictionary = source.whole(at)?;
        // Where it ends, the position is behind the file's last byte.
        source.seek(dictionary_size);
        let mut stored = (&mut self.input).take(size);
        let mut frame =
            DictionaryReader::new(&mut stored, &dictionary).map_err(|error| Error::io("reading", at, error))?;
        loop {
            let bytes = self.out.room(usize::MAX)?;
            let given = frame.read(bytes).map_err(|error| match error.kind() {
                io::ErrorKind::InvalidInput => Error::invalid(Rule::P9, at, error.to_string()),
                _ => Error::io("reading", at, error),
            })?;
            let unused = bytes.len() - given;
            self.out.give_back(unused);
            if given == 0 {
                break;
            }
            // The first bytes tell how large its window is.
            held.grow_to(dictionary_size + frame.memory(), at)?;
            count(&mut self.made, self.size, given as u64, at)?;
            budget.decoded(given as u64, at)?;
        }
        drop(frame);
        // Readers skip what is left of the operation.
        copy(&mut stored, &mut io::sink()).map(drop).map_err(|error| Error::io("reading", at, error))
    }

    /// Returns how many of the next `wanted` bytes of operations are at hand: one or more.
    fn given(&mut self, wanted: u64) -> Result<usize> {
        let given = self.input.fill_buf().map_err(|error| Error::io("reading", self.at, error))?.len();
        if given == 0 {
            return Err(self.bad(io::Error::from(io::ErrorKind::UnexpectedEof).into()));
        }
        Ok(wanted.min(given as u64) as usize)
    }

    /// Refuses to take more bytes of the source than it has from its position on.
    fn check_left(&mut self, size: u64) -> Result<()> {
        let left = source(&mut self.source, self.at)?.left();
        if size > left {
            let problem = format!("it takes {size} bytes of a file that has {left} more");
            return Err(self.invalid(Rule::P7, problem));
        }
        Ok(())
    }

    fn count(&mut self, bytes: u64) -> Result<()> {
        count(&mut self.made, self.size, bytes, self.at)
    }

    fn bad(&self, bad: BadOp) -> Error {
        match bad {
            BadOp::Damaged(problem) => self.invalid(Rule::P5, problem),
            BadOp::Io(error) => self.failed(error),
        }
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("reading", self.at, error)
    }

    fn invalid(&self, rule: Rule, problem: impl Into<String>) -> Error {
        Error::invalid(rule, self.at, problem)
    }
}

/// The old file whose bytes are taken.
fn source<'s>(opened: &'s mut Option<OpenSource>, at: &str) -> Result<&'s mut OpenSource> {
    opened.as_mut().ok_or_else(|| Error::invalid(Rule::P6, at, "it takes bytes of a file before it names one"))
}

/// Counts `bytes` that are about to be made, of `size`.
fn count(made: &mut u64, size: MadeSize<'_>, bytes: u64, at: &str) -> Result<()> {
    *made = made.saturating_add(bytes);
    let problem = match size {
        MadeSize::Known(size) if *made > size => format!("it produces more than the {size} bytes of its layer"),
        MadeSize::Unknown(growth) if bytes > growth.most.saturating_sub(growth.made.fetch_add(bytes, Relaxed)) => {
            format!(
                "it makes too much: with what it and the image that it is for have, {} bytes at most are to be expected",
                growth.most
            )
        }
        _ => return Ok(()),
    };
    Err(Error::invalid(Rule::P8, at, problem))
}
