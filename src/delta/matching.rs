//! For a new file, the old one to make it of (docs/delta.md P-11): the same bytes wherever they are, else the most similar name.

use std::collections::HashMap;
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
    /// Digests of contents, as far as they were needed.
    digests: Mutex<HashMap<FileNumber, [u8; 32]>>,
}

/// What two versions of one file have in common, the likeliest first: all but the digits of the path, the name, all but
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
        let by_size = KeyIndex::new(files.iter().map(|file| hash(&file.content.size())));
        let by_key = KEYS.map(|key| KeyIndex::new(files.iter().map(|file| hash(&key(&file.path)))));
        Ok(Self { files, by_size, by_key, digests: Mutex::default() })
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
        let at_path = self.at(path);
        if let Some(number) = at_path {
            let old = &self.file(number).content;
            let failed = |error| Error::io("reading", old.source().label(), error);
            if old.size() == size && old.has_bytes_of(content).map_err(failed)? {
                return Ok(Some(number));
            }
        }
        let mut wanted = None;
        for number in self.by_size.get(hash(&size)) {
            if Some(number) == at_path || self.file(number).content.size() != size {
                continue;
            }
            let wanted = match wanted {
                Some(wanted) => wanted,
                None => *wanted.insert(digest(content)?),
            };
            if self.digest(number)? == wanted {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// The old file that a file of `size` bytes at `path` is likely a version of.
    pub(super) fn similar(&self, path: &[u8], size: u64) -> Option<FileNumber> {
        let is_near = |number: &FileNumber| {
            let old = self.file(*number).content.size();
            size.max(old) < SMALL || (size <= old.saturating_mul(FACTOR) && old <= size.saturating_mul(FACTOR))
        };
        if let Some(number) = self.at(path).filter(is_near) {
            return Some(number);
        }
        let path = std::str::from_utf8(path).ok()?.trim_start_matches("./");
        KEYS.iter().zip(&self.by_key).find_map(|(key, index)| {
            let wanted = key(path);
            let fits = |number: &FileNumber| is_near(number) && key(&self.file(*number).path) == wanted;
            // Of those of one size the first by path.
            index.get(hash(&wanted)).filter(fits).min_by_key(|number| self.file(*number).content.size().abs_diff(size))
        })
    }

    /// The old file at `path`, which may be spelled as archives spell it.
    fn at(&self, path: &[u8]) -> Option<FileNumber> {
        let path = std::str::from_utf8(path).ok()?.trim_start_matches("./").trim_start_matches('/');
        let place = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        Some(place as FileNumber)
    }

    fn digest(&self, number: FileNumber) -> Result<[u8; 32]> {
        let known = self.digests.lock().unwrap_or_else(PoisonError::into_inner).get(&number).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let found = digest(&self.file(number).content)?;
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).insert(number, found);
        Ok(found)
    }
}

/// Files by the hash of a key; two keys may share one.
struct KeyIndex(Vec<(u64, FileNumber)>);

impl KeyIndex {
    /// Of the hashes of all files in their order.
    fn new(hashes: impl Iterator<Item = u64>) -> Self {
        let mut all: Vec<_> = hashes.zip(0..).collect();
        all.sort_unstable();
        Self(all)
    }

    /// The files with this hash, by ascending numbers.
    fn get(&self, hash: u64) -> impl Iterator<Item = FileNumber> {
        let start = self.0.partition_point(|(key, _)| *key < hash);
        self.0[start..].iter().take_while(move |(key, _)| *key == hash).map(|(_, number)| *number)
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
