//! A tar-diff made: for each file of a new layer its source and what differs, and all that lies between them as it is.
//!
//! ```text
//! tar      header  body  padding  header  body …      in the tar's order
//! recipe   data    copy or script or data …           bodies are worked on side by side, and written in order
//! ```

use std::io::{self, Read, Write};

use super::bsdiff;
use super::matching::{FileNumber, Matcher};
use super::memory::{MemoryShares, Room};
use super::ops::{self, MAGIC_1, MAGIC_2, Op, Script};
use super::plain::{LayerTar, Scope};
use super::windows::Seeds;
use crate::codec;
use crate::error::{Error, Result};
use crate::image::Layer;
use crate::layer_index::LayerIndex;
use crate::progress::{Action, Task};
use crate::run::Run;
use crate::spec::delta::FileCounts;
use crate::stream::finish::Finish;
use crate::stream::pool;
use crate::stream::source::Extent;
use crate::stream::spool::SpoolFiles;

/// Bytes up to which a file is sent as it is: naming another takes as many.
const TINY: u64 = 24;
/// The most files that are worked on before what came of them is written.
const BATCH: usize = 512;
/// Bytes of data in one operation.
const DATA: usize = 1 << 20;

/// The form of recipes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecipeForm {
    /// Version 2: changed files as zstd frames whose dictionary is the old file. Made in a fraction of the time. Else version
    /// 1: what differs, byte by byte.
    pub(crate) fast: bool,
    /// Bytes of memory that making it may take.
    pub(crate) memory: u64,
}

/// A layer whose files may be made of others.
pub(crate) struct TargetLayer {
    plain: LayerTar,
    index: LayerIndex,
}

impl TargetLayer {
    /// Reads and verifies `layer`. What has to be decoded goes to `spools`.
    ///
    /// # Errors
    /// A layer that is damaged, encrypted or not there, and a spool that is full.
    pub(crate) fn read(layer: &Layer, spools: &SpoolFiles, run: &Run) -> Result<Self> {
        let (plain, index) = LayerTar::read(layer, Scope::All, run.jobs.get() > 1, spools, run)?;
        Ok(Self { plain, index })
    }

    /// Its uncompressed tar.
    pub(crate) fn tar(&self) -> &Extent {
        &self.plain.tar
    }

    /// Writes the tar-diff that makes it of the files of `matcher` to `out`; returns what its files are made of.
    ///
    /// # Errors
    /// When a file cannot be read, or `out` fails.
    pub(crate) fn write_recipe(
        &self,
        matcher: &Matcher,
        form: RecipeForm,
        out: &mut dyn Write,
        run: &Run,
    ) -> Result<FileCounts> {
        let at = &self.plain.at;
        let failed = |error| Error::io("writing a delta of", at, error);
        let magic = if form.fast { MAGIC_2 } else { MAGIC_1 };
        out.write_all(magic).map_err(failed)?;
        let shares = MemoryShares::within(form.memory);
        let work = Comparison { matcher, shares, room: &shares.room(), fast: form.fast, at };
        let jobs = shares.threads(run.jobs);
        let mut writer = RecipeWriter {
            out: codec::encode_recipe(out, shares.window_log).map_err(failed)?,
            matcher,
            data: Vec::new(),
            source: None,
            position: 0,
            task: run.progress.begin(Action::Convert, at, Some(self.tar().size())),
        };
        let mut counts = FileCounts::default();
        let (mut cursor, mut written) = (self.index.cursor(), 0);
        loop {
            let mut files = Vec::new();
            let mut bytes = 0;
            while let Some((path, _, entry)) = cursor.next() {
                let Some(file) = entry.is_file().then(|| self.plain.stored(entry.offset)).flatten() else { continue };
                if file.size > TINY {
                    files.push(TargetFile {
                        path: path.to_vec(),
                        offset: file.offset,
                        content: self.plain.content(file),
                    });
                    bytes += file.size;
                }
                if files.len() >= BATCH || bytes >= shares.batch() {
                    break;
                }
            }
            let bodies = pool::for_all(jobs, &files, |file| file.content.size(), |file| work.body(file))?;
            for (file, body) in files.iter().zip(bodies) {
                body.count(&mut counts);
                let write = || {
                    writer.data(&self.plain.tar.slice(written, file.offset - written))?;
                    writer.body(file, body, &work, run)
                };
                write().map_err(failed)?;
                written = file.offset + file.content.size();
            }
            if files.is_empty() {
                break;
            }
        }
        writer.data(&self.plain.tar.slice(written, u64::MAX)).and_then(|()| writer.finish()).map_err(failed)?;
        Ok(counts)
    }
}

/// A file of the new layer.
struct TargetFile {
    path: Vec<u8>,
    offset: u64,
    content: Extent,
}

/// The source of the bytes of a file.
enum FileRecipe {
    /// Its own bytes.
    Data,
    /// All of an old file.
    Copy(FileNumber),
    /// An old file and what differs.
    Script(FileNumber, Script),
    /// An old file, window by window.
    Windows(FileNumber),
}

impl FileRecipe {
    fn count(&self, counts: &mut FileCounts) {
        match self {
            Self::Data => counts.new += 1,
            Self::Copy(_) => counts.equal += 1,
            Self::Script(..) | Self::Windows(_) => counts.changed += 1,
        }
    }
}

/// The state that comparing files needs.
#[derive(Clone, Copy)]
struct Comparison<'a> {
    matcher: &'a Matcher,
    shares: MemoryShares,
    room: &'a Room,
    /// True for the second version.
    fast: bool,
    at: &'a str,
}

impl Comparison<'_> {
    fn body(&self, file: &TargetFile) -> Result<FileRecipe> {
        if let Some(equal) = self.matcher.equal(&file.path, &file.content)? {
            return Ok(FileRecipe::Copy(equal));
        }
        let size = file.content.size();
        let Some(source) = self.matcher.similar(&file.path, size) else { return Ok(FileRecipe::Data) };
        let old = &self.matcher.file(source).content;
        if size.max(old.size()) > self.shares.whole {
            return Ok(FileRecipe::Windows(source));
        }
        let take = if self.fast { Room::to_frame } else { Room::to_compare };
        let _taken = take(self.room, old.size(), size);
        let (old, new) = (read(old)?, read(&file.content)?);
        let script =
            self.smaller(if self.fast { self.frame(&old, &new)? } else { bsdiff::diff(&old, 0, &new) }, &new)?;
        Ok(script.map_or(FileRecipe::Data, |script| FileRecipe::Script(source, script)))
    }

    /// The operation that makes `new` of all of `old`.
    fn frame(&self, old: &[u8], new: &[u8]) -> Result<Script> {
        let frame = codec::encode_with_dictionary(new, old, self.shares.frame_table_log());
        let frame = frame.map_err(|error| self.failed(error))?;
        let mut script = Script::default();
        script.dictionary(&frame, old.len() as u64);
        Ok(script)
    }

    /// The `script` that makes `new`; `None` where `new` itself is smaller.
    fn smaller(&self, mut script: Script, new: &[u8]) -> Result<Option<Script>> {
        if script.len() >= new.len() {
            return Ok(None);
        }
        script.shrink();
        // Compression is costly, and what is this short is never larger than the file.
        if script.len() <= new.len() / 8 {
            return Ok(Some(script));
        }
        let size = |bytes: &[u8]| codec::compressed_size(bytes).map_err(|error| self.failed(error));
        Ok((size(script.bytes())? < size(new)?).then_some(script))
    }

    /// The operations for the window of `file` at `offset`, of either version: a frame would need all of the old file.
    fn window(&self, file: &TargetFile, source: FileNumber, seeds: &Seeds, offset: u64) -> Result<Option<Script>> {
        let new = read(&file.content.slice(offset, self.shares.window()))?;
        let (start, size) = seeds.place(&new, offset, file.content.size());
        let old = read(&self.matcher.file(source).content.slice(start, size))?;
        self.smaller(bsdiff::diff(&old, start, &new), &new)
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("comparing", self.at, error)
    }
}

/// Writes operations, and knows what a reader of them has open.
struct RecipeWriter<'a, W> {
    out: W,
    matcher: &'a Matcher,
    /// Data that no operation has been written for.
    data: Vec<u8>,
    source: Option<FileNumber>,
    position: u64,
    task: Task<'a>,
}

impl<W: Write + Finish> RecipeWriter<'_, W> {
    /// Makes the bytes of `extent`.
    fn data(&mut self, extent: &Extent) -> io::Result<()> {
        let mut reader = extent.reader()?;
        while reader.remaining() > 0 {
            let room = (DATA - self.data.len()) as u64;
            let read = io::copy(&mut io::Read::take(&mut reader, room), &mut self.data)?;
            self.task.moved(read);
            if self.data.len() == DATA {
                self.flush_data()?;
            }
        }
        Ok(())
    }

    fn flush_data(&mut self) -> io::Result<()> {
        if !self.data.is_empty() {
            self.operation(Op::Data, self.data.len() as u64)?;
            self.out.write_all(&self.data)?;
            self.data.clear();
        }
        Ok(())
    }

    fn body(&mut self, file: &TargetFile, body: FileRecipe, work: &Comparison<'_>, run: &Run) -> io::Result<()> {
        match body {
            FileRecipe::Data => return self.data(&file.content),
            FileRecipe::Copy(source) => {
                let mut copy = Script::default();
                copy.copy(file.content.size());
                self.script(source, &copy)?;
            }
            FileRecipe::Script(source, script) => self.script(source, &script)?,
            FileRecipe::Windows(source) => return self.windows(file, source, work, run),
        }
        self.task.moved(file.content.size());
        Ok(())
    }

    fn windows(&mut self, file: &TargetFile, source: FileNumber, work: &Comparison<'_>, run: &Run) -> io::Result<()> {
        let seeds = &Seeds::of(&self.matcher.file(source).content, work.shares)?;
        let (jobs, size) = (work.shares.windows_at_once(run.jobs), work.shares.window());
        let mut offset = 0;
        while offset < file.content.size() {
            let offsets = (0..jobs.get() as u64).map(|nth| offset + nth * size);
            let offsets: Vec<u64> = offsets.take_while(|offset| *offset < file.content.size()).collect();
            let window = |&offset: &u64| work.window(file, source, seeds, offset);
            let scripts = pool::for_all(jobs, &offsets, |_| 0, window)?;
            for script in scripts {
                let window = file.content.slice(offset, size);
                match script {
                    Some(script) => {
                        self.script(source, &script)?;
                        self.task.moved(window.size());
                    }
                    None => self.data(&window)?,
                }
                offset += window.size();
            }
        }
        Ok(())
    }

    /// Writes `script`, and in front of it what opens `source` at its start.
    fn script(&mut self, source: FileNumber, script: &Script) -> io::Result<()> {
        self.flush_data()?;
        if let Some((start, end)) = script.span() {
            if self.source != Some(source) {
                let path = &self.matcher.file(source).path;
                self.operation(Op::Open, path.len() as u64)?;
                self.out.write_all(path.as_bytes())?;
                (self.source, self.position) = (Some(source), 0);
            }
            if self.position != start {
                self.operation(Op::Seek, start)?;
            }
            self.position = end;
        }
        self.out.write_all(script.bytes())
    }

    fn operation(&mut self, op: Op, size: u64) -> io::Result<()> {
        let mut head = Vec::new();
        ops::put(&mut head, op, size);
        self.out.write_all(&head)
    }

    fn finish(mut self) -> io::Result<()> {
        self.flush_data()?;
        self.out.finish().map(drop)?;
        self.task.complete();
        Ok(())
    }
}

/// The bytes of `extent`, without room for more.
fn read(extent: &Extent) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(extent.size() as usize);
    let read = extent.reader().and_then(|mut reader| reader.read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| Error::io("reading", extent.source().label(), error))
}
