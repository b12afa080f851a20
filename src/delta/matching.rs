//! For a new file, the old one to make it of (docs/delta.md P-11): the same bytes wherever they are, else the most similar name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Mutex, PoisonError};

use super::sources::{SourceFile, Sources};
use crate::digest::Hasher;
use crate::error::{Error, Result};
use crate::run::Run;
use crate::stream::copy::Buffer;
use crate::stream::source::Extent;

/// The largest factor between the sizes of two versions of a file.
const FACTOR: u64 = 10;
/// Bytes below which sizes do not matter.
const SMALL: u64 = 64 << 10;
/// About what a file takes besides its path, bytes.
const FILE_SIZE: u64 = 160;

/// The number of an old file.
pub(super) type FileNumber = u32;

/// The old files by all that new ones may have in common with them.
pub(crate) struct Matcher {
    /// By ascending paths.
    files: Vec<SourceFile>,
    by_size: KeyIndex,
    by_key: [KeyIndex; KEYS.len()],
    /// For each size that was asked for, the files of that size by the digests of their contents: of equal ones the first.
    contents: Mutex<HashMap<u64, FilesByDigest>>,
}

/// Files by the digests of their contents.
type FilesByDigest = HashMap<[u8; 32], FileNumber>;

/// The keys that two versions of one file share, the likeliest first: all but the digits of the path, the name, all but
/// the digits of the name.
const KEYS: [fn(&str) -> String; 3] = [folded, |path| name(path).to_owned(), |path| folded(name(path))];

impl Matcher {
    /// Of the files of `sources`.
    ///
    /// # Errors
    /// When they take more memory than is allowed.
    pub(crate) fn new(sources: &Sources, run: &Run) -> Result<Self> {
        let mut files: Vec<SourceFile> = sources.files().collect();
        files.sort_by(|one, two| one.path.cmp(&two.path));
        let memory = files.iter().map(|file| FILE_SIZE + file.path.len() as u64).sum();
        run.budget.charge_memory(memory, "the old image")?;
        let size = |file: &SourceFile| file.content.size();
        let by_size = KeyIndex::new(files.iter().map(|file| (size(file), size(file))));
        let by_key = KEYS.map(|key| KeyIndex::new(files.iter().map(|file| (hash(&key(&file.path)), size(file)))));
        Ok(Self { files, by_size, by_key, contents: Mutex::default() })
    }

    /// The old file `number`.
    pub(super) fn file(&self, number: FileNumber) -> &SourceFile {
        &self.files[number as usize]
    }

    /// The old file that has the bytes of `content`: the one at `path`, else the first by path.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn equal(&self, path: &[u8], content: &Extent) -> Result<Option<FileNumber>> {
        let size = content.size();
        let at_path = self.at_path(path);
        if let Some(number) = at_path {
            let old = &self.file(number).content;
            let failed = |error| Error::io("reading", old.source().label(), error);
            if old.size() == size && old.has_bytes_of(content).map_err(failed)? {
                return Ok(Some(number));
            }
        }
        if self.by_size.all(size).next().is_none() {
            return Ok(None);
        }
        let wanted = digest(content)?;
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match contents.entry(size) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(self.contents_of(size)?),
        };
        Ok(known.get(&wanted).copied())
    }

    /// The files of `size` bytes by the digests of their contents.
    fn contents_of(&self, size: u64) -> Result<FilesByDigest> {
        let mut contents = FilesByDigest::new();
        for number in self.by_size.all(size) {
            contents.entry(digest(&self.file(number).content)?).or_insert(number);
        }
        Ok(contents)
    }

    /// The old file that a file of `size` bytes at `path` is likely a version of.
    pub(super) fn similar(&self, path: &[u8], size: u64) -> Option<FileNumber> {
        let is_near = |number: &FileNumber| {
            let old = self.file(*number).content.size();
            size.max(old) < SMALL || (size <= old.saturating_mul(FACTOR) && old <= size.saturating_mul(FACTOR))
        };
        if let Some(number) = self.at_path(path).filter(is_near) {
            return Some(number);
        }
        let path = plain_path(path)?;
        KEYS.iter().zip(&self.by_key).find_map(|(key, index)| index.nearest(hash(&key(path)), size).filter(is_near))
    }

    /// The old file at `path`.
    fn at_path(&self, path: &[u8]) -> Option<FileNumber> {
        let path = plain_path(path)?;
        let place = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        Some(place as FileNumber)
    }
}

/// Files by a key and their size. Two keys may share a hash: a source that is unlike the file makes a recipe large, but
/// never wrong.
struct KeyIndex(Vec<(u64, u64, FileNumber)>);

impl KeyIndex {
    /// Of the keys and sizes of all files in their order.
    fn new(files: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut all: Vec<_> = files.zip(0..).map(|((key, size), number)| (key, size, number)).collect();
        all.sort_unstable();
        Self(all)
    }

    /// The files with this key, by ascending sizes and numbers.
    fn all(&self, key: u64) -> impl Iterator<Item = FileNumber> {
        let start = self.first(key, 0);
        self.0[start..].iter().take_while(move |entry| entry.0 == key).map(|(_, _, number)| *number)
    }

    /// The file with this key that is nearest in size, of several the first.
    fn nearest(&self, key: u64, size: u64) -> Option<FileNumber> {
        let place = self.first(key, size);
        let larger = self.0.get(place).filter(|entry| entry.0 == key);
        let smaller = place.checked_sub(1).map(|place| self.0[place]).filter(|entry| entry.0 == key);
        let smaller = smaller.map(|(_, size, _)| &self.0[self.first(key, size)]);
        let nearest = [larger, smaller].into_iter().flatten();
        nearest.min_by_key(|(_, found, number)| (found.abs_diff(size), *number)).map(|(_, _, number)| *number)
    }

    /// The place of the first file with this key that has so many bytes or more.
    fn first(&self, key: u64, size: u64) -> usize {
        self.0.partition_point(|entry| (entry.0, entry.1) < (key, size))
    }
}

/// The same on every machine and in every run.
fn hash(key: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

fn digest(content: &Extent) -> Result<[u8; 32]> {
    let failed = |error| Error::io("reading", content.source().label(), error);
    let (mut reader, mut buffer, mut hasher) = (content.reader().map_err(failed)?, Buffer::new(), Hasher::sha256());
    loop {
        match buffer.fill(&mut reader).map_err(failed)? {
            [] => return Ok(hasher.finish_sha256().expect("it is one")),
            bytes => hasher.update(bytes),
        }
    }
}

/// `path`, which may be spelled as archives spell it, as sources are called; `None` for what is no text.
fn plain_path(path: &[u8]) -> Option<&str> {
    Some(std::str::from_utf8(path).ok()?.trim_start_matches("./").trim_start_matches('/'))
}

/// The last component of `path`.
fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// `path` with each number in it made one sign: versions differ in nothing else.
fn folded(path: &str) -> String {
    let mut folded = String::with_capacity(path.len());
    for letter in path.chars() {
        match letter {
            '0'..='9' if folded.ends_with('0') => {}
            '0'..='9' => folded.push('0'),
            letter => folded.push(letter),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_key_the_nearest_in_size_is_found() {
        let index = KeyIndex::new([(1, 10), (1, 30), (2, 20), (1, 10), (1, 50)].into_iter());
        for (key, size, number) in [
            (1, 0, Some(0)),
            (1, 19, Some(0)),
            (1, 20, Some(0)),
            (1, 21, Some(1)),
            (1, 99, Some(4)),
            (2, 0, Some(2)),
            (3, 0, None),
        ] {
            assert_eq!(index.nearest(key, size), number, "{key} {size}");
        }
        assert_eq!(index.all(1).collect::<Vec<_>>(), [0, 3, 1, 4]);
    }

    #[test]
    fn versions_differ_in_numbers_alone() {
        assert_eq!(folded("lib/libx-1.20.so.3"), folded("lib/libx-10.3.so.12"));
        assert_ne!(folded("lib/libx.so"), folded("lib/liby.so"));
        assert_eq!((name("a/b-1"), name("b")), ("b-1", "b"));
    }
}
