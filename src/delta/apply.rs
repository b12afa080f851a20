//! A tar-diff applied: its operations read, the bytes of the old files joined (docs/delta.md P-4 to P-9).
//!
//! Everything here may come from a hostile delta. Sources are found in the index of the old image and nowhere else; each size is
//! compared with what is left before a byte moves; all that is made counts against the size that was declared and the budget.

use std::io::{self, BufRead, BufReader, Read, Write};

use super::Sources;
use super::ops::{self, BadOp, MAGIC_1, MAGIC_2, MAGIC_LEN, MAX_ADD, MAX_PATH, Op};
use crate::codec::{self, Codec, DictionaryReader, Watch};
use crate::error::{Error, Result};
use crate::limits::MAX_ZSTD_DICTIONARY_LOG;
use crate::path::quote;
use crate::rule::Rule;
use crate::run::Run;
use crate::stream::copy::copy;
use crate::stream::source::Extent;

/// Bytes of operations that are read at once.
const INPUT: usize = 64 << 10;
/// Bytes that are added at once.
const CHUNK: usize = 64 << 10;

/// Applies the tar-diff that `blob` reads, called `at` in messages, to `sources`, and writes the tar that it makes to `out`: its
/// bytes, which are `size` if that is known. `blob` is read to its end.
///
/// # Errors
/// [`Error::Invalid`] for one that is damaged or meant for other sources, [`Error::Limit`], and those of either side.
pub(crate) fn apply(
    mut blob: impl Read,
    at: &str,
    sources: &Sources,
    size: Option<u64>,
    out: &mut dyn Write,
    run: &Run,
) -> Result<u64> {
    let failed = |error| Error::io("reading", at, error);
    let mut magic = Vec::with_capacity(MAGIC_LEN);
    (&mut blob).take(MAGIC_LEN as u64).read_to_end(&mut magic).map_err(failed)?;
    if magic != MAGIC_1 && magic != MAGIC_2 {
        return Err(Error::invalid(Rule::P4, at, "it is not a tar-diff of version 1 or 2"));
    }
    let operations = codec::decode(Codec::Zstd, blob, Watch::new(at, &run.budget, &run.diagnostics)).map_err(failed)?;
    let mut patch = Application {
        is_second: magic == MAGIC_2,
        input: BufReader::with_capacity(INPUT, operations),
        sources,
        source: None,
        out,
        made: 0,
        size,
        at,
        run,
    };
    while let Some((op, size)) = ops::next(&mut patch.input).map_err(|bad| patch.bad(bad))? {
        patch.step(op, size)?;
    }
    match size.filter(|size| *size != patch.made) {
        Some(expected) => Err(Error::SizeMismatch { at: at.to_owned(), expected, found: patch.made }),
        None => Ok(patch.made),
    }
}

/// The state of applying.
struct Application<'a, R> {
    /// True for the second version.
    is_second: bool,
    input: BufReader<R>,
    sources: &'a Sources,
    source: Option<OpenSource>,
    out: &'a mut dyn Write,
    /// Bytes written.
    made: u64,
    /// Bytes that will be written, if that was declared.
    size: Option<u64>,
    at: &'a str,
    run: &'a Run,
}

/// The old file whose bytes are used.
struct OpenSource {
    content: Extent,
    position: u64,
}

impl OpenSource {
    fn left(&self) -> u64 {
        self.content.size() - self.position
    }
}

impl<R: Read> Application<'_, R> {
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
        let copied = copy(&mut (&mut self.input).take(size), self.out).map_err(|error| self.failed(error))?;
        if copied < size { Err(self.bad(io::Error::from(io::ErrorKind::UnexpectedEof).into())) } else { Ok(()) }
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
        self.source = Some(OpenSource { content, position: 0 });
        Ok(())
    }

    fn copy(&mut self, size: u64) -> Result<()> {
        let bytes = self.source_bytes(size)?;
        // Copied bytes were decoded nowhere, and count all the same.
        self.run.budget.decoded(size, self.at)?;
        self.count(size)?;
        bytes.reader().and_then(|mut reader| copy(&mut reader, self.out)).map(drop).map_err(|error| self.failed(error))
    }

    fn add(&mut self, size: u64) -> Result<()> {
        if size > MAX_ADD {
            return Err(self.invalid(Rule::P7, format!("it adds {size} bytes at once, more than {MAX_ADD}")));
        }
        let mut source = self.source_bytes(size)?.reader().map_err(|error| self.failed(error))?;
        self.count(size)?;
        let mut left = size as usize;
        let mut old = vec![0; left.min(CHUNK)];
        while left > 0 {
            let given = self.input.fill_buf().map_err(|error| Error::io("reading", self.at, error))?;
            let bytes = given.len().min(left).min(CHUNK);
            if bytes == 0 {
                return Err(self.bad(io::Error::from(io::ErrorKind::UnexpectedEof).into()));
            }
            source.read_exact(&mut old[..bytes]).map_err(|error| Error::io("reading", self.at, error))?;
            old[..bytes].iter_mut().zip(given).for_each(|(old, new)| *old = old.wrapping_add(*new));
            self.out.write_all(&old[..bytes]).map_err(|error| Error::io("writing", self.at, error))?;
            self.input.consume(bytes);
            left -= bytes;
        }
        Ok(())
    }

    fn seek(&mut self, position: u64) -> Result<()> {
        let size = self.source()?.content.size();
        if position > size {
            return Err(self.invalid(Rule::P7, format!("it goes to byte {position} of a file of {size} bytes")));
        }
        self.source()?.position = position;
        Ok(())
    }

    /// A frame of `size` bytes that has all of the source for a dictionary.
    fn frame(&mut self, size: u64) -> Result<()> {
        let at = self.at;
        let dictionary = self.source()?.content.clone();
        if dictionary.size() > 1 << MAX_ZSTD_DICTIONARY_LOG {
            return Err(self.invalid(Rule::P9, format!("a dictionary of {} bytes", dictionary.size())));
        }
        let dictionary = dictionary.read(at, dictionary.size())?;
        // Where it ends, the position is behind the file's last byte.
        self.source()?.position = dictionary.len() as u64;
        let mut stored = (&mut self.input).take(size);
        let mut frame =
            DictionaryReader::new(&mut stored, &dictionary).map_err(|error| Error::io("reading", at, error))?;
        let mut buffer = vec![0; CHUNK];
        loop {
            let given = frame.read(&mut buffer).map_err(|error| match error.kind() {
                io::ErrorKind::InvalidInput => Error::invalid(Rule::P9, at, error.to_string()),
                _ => Error::io("reading", at, error),
            })?;
            if given == 0 {
                break;
            }
            count(&mut self.made, self.size, given as u64, at)?;
            self.run.budget.decoded(given as u64, at)?;
            self.out.write_all(&buffer[..given]).map_err(|error| Error::io("writing", at, error))?;
        }
        drop(frame);
        // Readers skip what is left of the operation.
        copy(&mut stored, &mut io::sink()).map(drop).map_err(|error| Error::io("reading", at, error))
    }

    fn source(&mut self) -> Result<&mut OpenSource> {
        let at = self.at;
        self.source.as_mut().ok_or_else(|| Error::invalid(Rule::P6, at, "it takes bytes of a file before it names one"))
    }

    /// Takes `size` bytes of the source from its position on.
    fn source_bytes(&mut self, size: u64) -> Result<Extent> {
        let source = self.source()?;
        let (position, left) = (source.position, source.left());
        if size > left {
            let problem = format!("it takes {size} bytes of a file that has {left} more");
            return Err(self.invalid(Rule::P7, problem));
        }
        source.position += size;
        Ok(source.content.slice(position, size))
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

/// Counts `bytes` that are about to be made, of `size` if that is known.
fn count(made: &mut u64, size: Option<u64>, bytes: u64, at: &str) -> Result<()> {
    *made = made.saturating_add(bytes);
    match size.filter(|size| *made > *size) {
        Some(size) => {
            Err(Error::invalid(Rule::P8, at, format!("it makes more than the {size} bytes that it declares")))
        }
        None => Ok(()),
    }
}
