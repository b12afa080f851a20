//! A tar-diff made: for each file of a new layer its source and what differs, and all that lies between them as it is.
//!
//! ```text
//! tar      header  body  padding  header  body …      in the tar's order
//! recipe   data    copy or script or data …           bodies are compared side by side, and written in order
//! ```

use std::io::{self, Read, Write};
use std::iter;

use super::bsdiff;
use super::matching::{FileNumber, Matcher};
use super::memory::{MemoryShares, Room};
use super::ops::{self, MAGIC_1, MAGIC_2, Op, Script};
use super::plain::{OpenLayer, StoredFile};
use super::windows::Seeds;
use crate::codec;
use crate::error::{Error, Result};
use crate::progress::{Action, Task};
use crate::run::Run;
use crate::spec::delta::FileCounts;
use crate::stream::finish::Finish;
use crate::stream::in_order::{Weight, in_order};
use crate::stream::pool;
use crate::stream::source::Extent;

/// Bytes up to which a file is sent as it is: naming another takes as many.
const TINY: u64 = 24;
/// Bytes of data in one operation.
const DATA: usize = 1 << 20;

/// The form of recipes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecipeForm {
    /// Version 2: changed files as zstd frames whose dictionary is the old file. Made in a fraction of the time. Else version
    /// 1: what differs, byte by byte.
    pub(crate) fast: bool,
    /// Bytes of memory that making it may take, [`DeltaOptions::LEAST_MEMORY`](crate::options::DeltaOptions::LEAST_MEMORY)
    /// or more.
    pub(crate) memory: u64,
}

impl OpenLayer {
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
            tar: self.tar(),
            made: 0,
            matcher,
            data: Vec::new(),
            source: None,
            position: 0,
            task: run.progress.begin(Action::Convert, at, Some(self.tar().size())),
        };
        let mut counts = FileCounts::default();
        let mut write = |file: &TargetFile, recipe: FileRecipe| {
            recipe.count(&mut counts);
            writer.file(file, recipe, &work, run).map_err(failed)
        };
        let mut files = self.files();
        loop {
            // In windows a file has all threads and all memory to itself.
            let mut large = None;
            let whole = iter::from_fn(|| {
                let (path, stored) = files.next()?;
                let similar = matcher.similar(&path, stored.size);
                let file = TargetFile { path, offset: stored.offset, content: self.plain.content(stored), similar };
                if !work.is_large(&file) {
                    return Some(file);
                }
                large = Some(file);
                None
            });
            let compare = |file: TargetFile| work.recipe(&file).map(|recipe| (file, recipe));
            in_order(jobs, whole, shares.ahead(), compare, |(file, recipe)| write(&file, recipe))?;
            let Some(file) = large else { break };
            write(&file, work.recipe(&file)?)?;
        }
        writer.finish().map_err(failed)?;
        Ok(counts)
    }

    /// The files that may be made of others, with their paths, in the tar's order.
    fn files(&self) -> impl Iterator<Item = (Vec<u8>, StoredFile)> {
        let mut cursor = self.index.cursor();
        iter::from_fn(move || {
            loop {
                let (path, _, entry) = cursor.next()?;
                let Some(file) = entry.is_file().then(|| self.plain.stored(entry.offset)).flatten() else { continue };
                if file.size > TINY {
                    return Some((path.to_vec(), file));
                }
            }
        })
    }
}

/// A file of the new layer.
struct TargetFile {
    path: Vec<u8>,
    /// Where its bytes begin in the tar.
    offset: u64,
    content: Extent,
    /// The old file that it is likely a version of.
    similar: Option<FileNumber>,
}

impl TargetFile {
    /// Bytes that it takes itself.
    fn size(&self) -> u64 {
        (size_of::<(Self, FileRecipe)>() + self.path.len()) as u64
    }
}

impl Weight for TargetFile {
    fn weight(&self) -> u64 {
        self.size() + self.content.size()
    }
}

impl Weight for (TargetFile, FileRecipe) {
    fn weight(&self) -> u64 {
        self.0.size() + self.1.size()
    }
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
    /// Bytes of its operations that are held until they are written.
    fn size(&self) -> u64 {
        match self {
            Self::Script(_, script) => script.len() as u64,
            Self::Data | Self::Copy(_) | Self::Windows(_) => 0,
        }
    }

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
    /// True if `file` is not compared as a whole.
    fn is_large(&self, file: &TargetFile) -> bool {
        let old = file.similar.map_or(0, |source| self.matcher.file(source).content.size());
        file.content.size().max(old) > self.shares.whole
    }

    fn recipe(&self, file: &TargetFile) -> Result<FileRecipe> {
        if let Some(equal) = self.matcher.equal(&file.path, &file.content)? {
            return Ok(FileRecipe::Copy(equal));
        }
        let Some(source) = file.similar else { return Ok(FileRecipe::Data) };
        if self.is_large(file) {
            return Ok(FileRecipe::Windows(source));
        }
        let (old, size) = (&self.matcher.file(source).content, file.content.size());
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
        // Comparing them compressed takes time, and operations this short are rarely the larger ones.
        if script.len() <= new.len() / 8 {
            return Ok(Some(script));
        }
        let size = |bytes: &[u8]| codec::compressed_size(bytes).map_err(|error| self.failed(error));
        Ok((size(script.bytes())? < size(new)?).then_some(script))
    }

    /// The operations for the window of `file` at `offset`, of either version: a frame would need all of the old file.
    fn window(&self, file: &TargetFile, source: FileNumber, seeds: &Seeds, offset: u64) -> Result<Option<Script>> {
        let new = read(&file.content.slice(offset, self.shares.window()))?;
        let (start, size) = seeds.stretch_for(&new, offset, file.content.size());
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
    tar: &'a Extent,
    /// Bytes of the tar for which there are operations.
    made: u64,
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

    /// Makes `file` and what lies in front of it.
    fn file(&mut self, file: &TargetFile, recipe: FileRecipe, work: &Comparison<'_>, run: &Run) -> io::Result<()> {
        self.data(&self.tar.slice(self.made, file.offset - self.made))?;
        self.made = file.offset + file.content.size();
        match recipe {
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

    /// Makes what lies behind the last file.
    fn finish(mut self) -> io::Result<()> {
        self.data(&self.tar.slice(self.made, u64::MAX))?;
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
