//! The one tar decoder: headers and their extensions in, entries out, bodies on request.
//!
//! Everything that could shift the next header is decided once, here: which size counts, which types carry data, where a
//! sparse map ends. Readers that disagree about these are how archives are smuggled past a scanner (docs/formats.md H-8).
//!
//! Sources: docs/formats.md, G-6, G-13, M-12, S-1..S-3, H-8..H-11, H-18, H-24.

use std::io::{self, Read};

use super::blocks::Blocks;
use super::content::Cursor;
use super::format_hint::{TEXT, has_shifted_header, looks_like};
use super::header::HeaderBlock;
use super::member::{self, Data, Extensions};
use super::pax;
use super::sparse::{self, MapBuilder, MapText, PaxMap, SparseRecords};
use super::{BLOCK, EntryKind, TarEntry, padding};
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Problem, Result};
use crate::limits::{Budget, MAX_TAR_EXTENSION};
use crate::path::quote;
use crate::rule::Rule;
use crate::stream::skip::Skip;

/// The end that a tar must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// At least one zero block, or it counts as truncated: outer archives, where a killed `docker save` would else pass
    /// for whole (docs/formats.md G-13).
    Required,
    /// The end of the stream is enough, even where the last member's padding should be: layers, which are verified by
    /// their digest (docs/formats.md S-2).
    Optional,
}

/// Reads a tar from its start.
///
/// After an error the position is unknown: the reader should be dropped.
pub struct Reader<'a, R> {
    blocks: Blocks<R>,
    ending: Ending,
    at: String,
    budget: &'a Budget,
    diagnostics: &'a Diagnostics,
    ended: bool,
    /// Stored bytes of the current member that have not passed yet, and the padding behind them.
    stored: u64,
    padding: usize,
    cursor: Cursor,
    /// The current member's name, for errors; kept apart because the entry is the caller's.
    member: Vec<u8>,
    flag: u8,
    unread: Option<Problem>,
}

impl<'a, R: Skip> Reader<'a, R> {
    /// Starts at the first header; `at` names the tar in errors. Entries and metadata are counted in `budget`, oddities
    /// go to `diagnostics`.
    pub fn new(
        inner: R,
        ending: Ending,
        at: impl Into<String>,
        budget: &'a Budget,
        diagnostics: &'a Diagnostics,
    ) -> Self {
        Self {
            blocks: Blocks::new(inner),
            ending,
            at: at.into(),
            budget,
            diagnostics,
            ended: false,
            stored: 0,
            padding: 0,
            cursor: Cursor::default(),
            member: Vec::new(),
            flag: 0,
            unread: None,
        }
    }

    /// The next member, or `None` behind the last. What is left of the one before is skipped.
    ///
    /// # Errors
    /// [`Error::Invalid`] for anything that breaks the format, a missing end included; [`Error::Limit`]; [`Error::Io`].
    pub fn next_entry(&mut self) -> Result<Option<TarEntry>> {
        if self.ended {
            return Ok(None);
        }
        self.skip_body()?;
        let mut extensions = Extensions::default();
        loop {
            let offset = self.blocks.offset() + self.padding as u64;
            let Some(block) = self.next_header()? else {
                self.warn_of_extensions(&extensions)?;
                self.ended = true;
                return Ok(None);
            };
            let header = HeaderBlock::checked(&block).map_err(|sums| self.bad_checksum(offset, &sums, &block))?;
            self.note_unread(header.unread_number());
            match header.flag() {
                b'x' => self.take_extension("PAX header", &header, offset, &mut extensions)?,
                b'L' => self.take_extension("GNU long name", &header, offset, &mut extensions)?,
                b'K' => self.take_extension("GNU long link", &header, offset, &mut extensions)?,
                b'g' => self.take_global(&header, offset, &extensions)?,
                _ => return self.take_member(&header, offset, extensions).map(Some),
            }
        }
    }

    /// The type flag of the member that [`Self::next_entry`] gave last, as it stands in the header: some flags of the
    /// same meaning are not known to all readers (docs/formats.md ).
    pub fn flag(&self) -> u8 {
        self.flag
    }

    /// Takes the problem for which Go's `archive/tar`, by which all engines read, refuses a header or end that
    /// [`Self::next_entry`] read since the last call, although it is not needed here: a malformed number in an unused
    /// field, an end marker that is cut short (docs/formats.md H-11, G-13).
    pub(crate) fn take_unread(&mut self) -> Option<Problem> {
        self.unread.take()
    }

    /// Offset of the byte behind the end marker, where more than zeros follows within a few blocks; only at the end.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(crate) fn find_rest(&mut self) -> Result<Option<u64>> {
        const BLOCKS: usize = 128;
        let end = self.blocks.offset();
        for _ in 0..BLOCKS {
            let found = self.blocks.peek(BLOCK).map_err(|error| Error::io("reading", &self.at, error))?;
            let (size, is_zero) = (found.len(), found.iter().all(|&byte| byte == 0));
            if !is_zero {
                return Ok(Some(end));
            }
            if size == 0 {
                break;
            }
            self.blocks.consume(size);
        }
        Ok(None)
    }

    fn note_unread(&mut self, problem: Option<Problem>) {
        if self.unread.is_none() {
            self.unread = problem;
        }
    }

    /// The content of the member that [`Self::next_entry`] gave last, from where an earlier body stopped; holes filled in.
    ///
    /// Reading fails where the archive ends before the content does.
    pub fn body(&mut self) -> EntryBody<'_, 'a, R> {
        EntryBody { reader: self }
    }

    /// The reader below. What this one read ahead is gone: a hashing tap below has seen it, but not yet what follows.
    pub fn into_inner(self) -> R {
        self.blocks.into_inner()
    }

    /// Reads whatever follows, so that a tap below has seen every byte, and returns the reader below. A diff_id covers
    /// the whole stream, also bytes behind the end marker (docs/formats.md M-12).
    ///
    /// # Errors
    /// [`Error::Io`], or what travelled in it.
    pub fn finish(mut self) -> Result<R> {
        self.blocks.drain().map_err(|error| Error::io("reading", &self.at, error))?;
        Ok(self.blocks.into_inner())
    }

    /// Takes the next header block; `None` at the end of the archive.
    fn next_header(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let padding = self.padding;
        let is_first = self.blocks.offset() == 0;
        let peeked = self.blocks.peek(padding + BLOCK).map_err(|error| Error::io("reading", &self.at, error))?;
        let found = peeked.len();
        let header = peeked.get(padding..).and_then(|rest| rest.first_chunk::<BLOCK>().copied());
        let hint = if is_first { looks_like(peeked) } else { None };
        self.blocks.consume(found);
        self.padding = 0;
        match header {
            Some(header) if header != [0; BLOCK] => return Ok(Some(header)),
            Some(_) => self.check_second_zero_block()?,
            None if found <= padding && self.ending == Ending::Optional => {}
            None => return Err(self.missing_end(found.checked_sub(padding), hint)),
        }
        Ok(None)
    }

    /// Go takes the end behind an extension header for the end (H-9).
    fn warn_of_extensions(&self, extensions: &Extensions) -> Result<()> {
        match extensions.start {
            Some(start) => {
                let problem = format!("the extension header at offset {start} has no member behind it; it is ignored");
                self.diagnostics.warn(Rule::H9, &self.at, problem)
            }
            None => Ok(()),
        }
    }

    /// A zero block is the end only if nothing but zeros or the end of the stream follows (G-13).
    fn check_second_zero_block(&mut self) -> Result<()> {
        let offset = self.blocks.offset();
        let second = self.blocks.peek(BLOCK).map_err(|error| Error::io("reading", &self.at, error))?;
        let found = second.len();
        if second.iter().any(|&byte| byte != 0) {
            return Err(
                self.invalid(Rule::G13, format!("a single zero block at offset {}, then more", offset - BLOCK as u64))
            );
        }
        self.blocks.consume(found);
        if found > 0 && found < BLOCK {
            let problem = format!("the end marker is cut short: {found} bytes follow its first block, not {BLOCK}");
            self.note_unread(Some(Problem::new(Rule::G13, problem)));
        }
        Ok(())
    }

    /// Takes an extension of the next member.
    fn take_extension(
        &mut self,
        name: &str,
        header: &HeaderBlock<'_>,
        offset: u64,
        into: &mut Extensions,
    ) -> Result<()> {
        let body = self.read_extension(name, header, offset)?;
        let odd = into.push(header.flag(), offset, body);
        match odd.map_err(|problem| self.invalid_extension(name, offset, problem))? {
            Some(odd) => self.diagnostics.warn(Rule::H9, &self.at, format!("{name} at offset {offset}: {odd}")),
            None => Ok(()),
        }
    }

    /// Takes a global header: comments are ignored, other keys with a warning, and keys that would move data are
    /// refused.
    fn take_global(&mut self, header: &HeaderBlock<'_>, offset: u64, extensions: &Extensions) -> Result<()> {
        let name = "global PAX header";
        // Go drops the extensions in front of a global header, others keep them: an entry with two meanings.
        if extensions.are_there() {
            let problem = Problem::new(Rule::R19, "it parts an extension from its member");
            return Err(self.invalid_extension(name, offset, problem));
        }
        let body = self.read_extension(name, header, offset)?;
        for record in pax::records(&body) {
            let (key, value) = record.map_err(|problem| self.invalid_extension(name, offset, problem))?;
            if pax::is_refused_in_global(key) {
                let problem = Problem::new(Rule::R19, format!("it sets {}", pax::shown(key)));
                return Err(self.invalid_extension(name, offset, problem));
            }
            self.note_unread(pax::unread(key, value));
            if key != b"comment" {
                let message = format!("the global PAX record {} is ignored", pax::shown(key));
                self.diagnostics.warn(Rule::R19, &self.at, message)?;
            }
        }
        Ok(())
    }

    /// Reads an extension's body: memory for what arrives, not for what is announced (H-10).
    fn read_extension(&mut self, name: &str, header: &HeaderBlock<'_>, offset: u64) -> Result<Vec<u8>> {
        let size = header.size().map_err(|problem| self.invalid_extension(name, offset, problem))?;
        if size > MAX_TAR_EXTENSION {
            let problem = Problem::new(Rule::H10, format!("{size} bytes, more than {MAX_TAR_EXTENSION}"));
            return Err(self.invalid_extension(name, offset, problem));
        }
        let mut body = Vec::new();
        let mut source = self.blocks.by_ref().take(size);
        source.read_to_end(&mut body).map_err(|error| Error::io("reading", &self.at, error))?;
        if (body.len() as u64) < size {
            let problem = Problem::new(Rule::H18, format!("truncated after {} of {size} bytes", body.len()));
            return Err(self.invalid_extension(name, offset, problem));
        }
        self.padding = padding(size).len();
        Ok(body)
    }

    /// Takes a member's own header.
    fn take_member(&mut self, header: &HeaderBlock<'_>, offset: u64, mut extensions: Extensions) -> Result<TarEntry> {
        let start = extensions.start.unwrap_or(offset);
        extensions.check_names().map_err(|problem| self.invalid_extension("extension headers", start, problem))?;
        let path = extensions.take_path(header);
        self.member.clear();
        self.member.extend_from_slice(&path);
        let kind = member::kind(header.flag(), &path).map_err(|Problem { rule, message }| {
            self.invalid_member(rule, &format!("{message} (header at offset {offset})"))
        })?;
        let mut pax = extensions.take_pax();
        self.note_unread(pax.unread.take());
        let data = match (kind, pax.sparse.take()) {
            (EntryKind::Regular, sparse) => self.data(header, pax.size, sparse)?,
            (_, Some(_)) => return Err(self.invalid_member(Rule::R20, "a sparse map, but no regular file")),
            (_, None) => Data::default(),
        };
        let entry = member::entry(header, kind, path, extensions.take_link(), pax, data);
        let mut entry = entry.map_err(|problem| self.wrong_member(problem))?;
        entry.header_offset = start;
        entry.data_offset = self.blocks.offset();
        self.budget.entry(&self.at)?;
        self.budget.charge_memory(entry.charge_memory(), &self.at)?;
        if let Some(oddity) = member::oddity(&entry.path) {
            self.diagnostics.warn(Rule::H24, self.member_label(), oddity)?;
        }
        self.flag = header.flag();
        self.stored = entry.stored;
        self.padding = padding(entry.stored).len();
        self.cursor = Cursor::new(entry.stored, entry.sparse.as_ref());
        Ok(entry)
    }

    /// Determines a file's size, stored bytes and sparse map; reads the map if it stands between header and data.
    fn data(
        &mut self,
        header: &HeaderBlock<'_>,
        pax_size: Option<u64>,
        records: Option<SparseRecords>,
    ) -> Result<Data> {
        let wrong = |problem| self.wrong_member(problem);
        // The PAX size counts for the data and for the place of the next header alike (H-8).
        let stored = pax_size.map_or_else(|| header.size(), Ok).map_err(wrong)?;
        let old = if header.flag() == b'S' { Some(header.old_sparse().map_err(wrong)?) } else { None };
        let (map, size, stored) = match (old, records) {
            (None, None) => return Ok(Data { size: stored, stored, sparse: None }),
            (Some(_), Some(_)) => return Err(self.invalid_member(Rule::R20, "two sparse maps, old GNU and PAX")),
            (Some(old), None) => (self.old_map(old.slots, old.extended)?, old.size, stored),
            (None, Some(mut records)) => {
                let size = records.size().map_err(wrong)?;
                match records.map().map_err(wrong)? {
                    PaxMap::Records(map) => (map, size, stored),
                    PaxMap::BeforeData => {
                        let (map, rest) = self.map_before_data(stored)?;
                        (map, size, rest)
                    }
                }
            }
        };
        let map = map.finish(size, stored).map_err(|problem| self.wrong_member(problem))?;
        Ok(Data { size, stored, sparse: Some(map) })
    }

    fn old_map(&mut self, slots: &[u8], mut extended: bool) -> Result<MapBuilder> {
        let mut map = MapBuilder::default();
        map.push_slots(slots).map_err(|problem| self.wrong_member(problem))?;
        while extended {
            let block = self.map_block()?;
            let (slots, more) = sparse::extension_slots(&block);
            map.push_slots(slots).map_err(|problem| self.wrong_member(problem))?;
            extended = more;
        }
        Ok(map)
    }

    /// Reads a PAX 1.0 map; also returns the number of stored bytes left behind it.
    fn map_before_data(&mut self, mut stored: u64) -> Result<(MapBuilder, u64)> {
        let mut text = MapText::default();
        loop {
            stored = stored
                .checked_sub(BLOCK as u64)
                .ok_or_else(|| self.invalid_member(Rule::R20, "the sparse map is longer than the stored bytes"))?;
            let block = self.map_block()?;
            if text.push_block(&block).map_err(|problem| self.wrong_member(problem))? {
                return Ok((text.finish(), stored));
            }
        }
    }

    fn map_block(&mut self) -> Result<[u8; BLOCK]> {
        let peeked = self.blocks.peek(BLOCK).map_err(|error| Error::io("reading", &self.at, error))?;
        let block = peeked.first_chunk::<BLOCK>().copied();
        let block =
            block.ok_or_else(|| self.invalid_member(Rule::H18, "truncated: the archive ends inside its sparse map"))?;
        self.blocks.consume(BLOCK);
        Ok(block)
    }

    fn skip_body(&mut self) -> Result<()> {
        let stored = std::mem::take(&mut self.stored);
        let offset = self.blocks.offset();
        self.blocks.skip(stored).map_err(|error| match Error::io("reading", &self.at, error) {
            Error::Io { source, .. } if source.kind() == io::ErrorKind::UnexpectedEof => {
                self.invalid_member(Rule::H18, &format!("truncated: {stored} bytes should follow offset {offset}"))
            }
            error => error,
        })
    }

    fn bad_checksum(&mut self, offset: u64, sums: &Problem, block: &[u8; BLOCK]) -> Error {
        let sums = &sums.message;
        let message = match looks_like(block) {
            Some(kind) if offset == 0 => format!("not a tar archive: it looks like {kind}"),
            None if offset == 0 => format!("not a tar archive: bad checksum at offset 0: {sums}"),
            _ if self.continues_shifted(block) => format!("no header at offset {offset}, but near it: {TEXT}"),
            _ => format!("bad checksum at offset {offset}: {sums}"),
        };
        self.invalid(Rule::H18, message)
    }

    /// Returns whether a header that does not stand at the start of a block follows within a megabyte that begins with
    /// `block`. Read errors are ignored: the block is reported anyway.
    fn continues_shifted(&mut self, block: &[u8; BLOCK]) -> bool {
        let mut bytes = block.to_vec();
        let _ = self.blocks.by_ref().take(1 << 20).read_to_end(&mut bytes);
        has_shifted_header(&bytes)
    }

    /// The error at the end of the stream, after `cut` bytes of a header if any; the input may not have been a tar.
    fn missing_end(&self, cut: Option<usize>, hint: Option<String>) -> Error {
        let offset = self.blocks.offset();
        let message = match (cut, hint) {
            (_, Some(kind)) => format!("not a tar archive: it looks like {kind}"),
            _ if offset == 0 => "not a tar archive: there are no bytes".to_owned(),
            (Some(cut), _) if cut as u64 == offset => format!("not a tar archive: {cut} bytes, a header has {BLOCK}"),
            (Some(cut @ 1..), _) => format!("truncated at offset {offset}: the last header has {cut} of {BLOCK} bytes"),
            _ => format!("truncated at offset {offset}: there is no end marker"),
        };
        self.invalid(Rule::H18, message)
    }

    fn invalid(&self, rule: Rule, message: impl Into<String>) -> Error {
        Error::invalid(rule, &self.at, message)
    }

    fn invalid_extension(&self, name: &str, offset: u64, problem: Problem) -> Error {
        problem.within(format_args!("{name} at offset {offset}")).at(&self.at)
    }

    fn invalid_member(&self, rule: Rule, message: &str) -> Error {
        Error::invalid(rule, self.member_label(), message)
    }

    fn wrong_member(&self, problem: Problem) -> Error {
        problem.at(self.member_label())
    }

    fn member_label(&self) -> String {
        label(&self.at, &self.member)
    }
}

/// Returns the name of `member` in messages about the tar `at`.
fn label(at: &str, member: &[u8]) -> String {
    format!("{at}: `{}`", quote(member))
}

/// The content of a [`Reader`]'s current member.
pub struct EntryBody<'r, 'a, R> {
    reader: &'r mut Reader<'a, R>,
}

impl<R: Skip> Read for EntryBody<'_, '_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Reader { blocks, cursor, stored, budget, at, member, .. } = &mut *self.reader;
        cursor.count_holes(budget, || label(at, member))?;
        let taken = cursor.read(buf, |buf| {
            let taken = blocks.read(buf)?;
            *stored -= taken as u64;
            Ok(taken)
        })?;
        if taken == 0 && !buf.is_empty() {
            self.reader.cursor.check_end(|| self.reader.member_label())?;
        }
        Ok(taken)
    }
}
