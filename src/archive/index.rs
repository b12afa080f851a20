//! An archive's members by name: one pass over the headers of a tar, or lookups in a directory on demand.
//!
//! Links between members are resolved here, inside the archive's own name space, and nowhere else: a symbolic link is
//! relative to its own directory (docs/formats.md G-7), a hard link to the archive's root (G-8). Bodies stay where they are.

mod directory;
mod links;
mod oddities;
mod tar_members;

pub(crate) use links::LinkChain;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use directory::DirectoryMembers;
use oddities::TarOddities;
use tar_members::{Member, TarMembers};

use super::entry::{EntryKind, TarEntry};
use super::reader::{Ending, Reader};
use crate::error::{Error, Problem, Result};
use crate::path::{EntryPath, quote, quote_member};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::json;
use crate::stream::skip::Skip;
use crate::stream::source::{Extent, Source};

/// Members by clean name.
pub struct MemberIndex {
    label: String,
    store: MemberStore,
}

enum MemberStore {
    Tar(Box<TarMembers>),
    Directory(DirectoryMembers),
}

/// The memory of a member besides its names, the allocator's share included: 300,000 took 100 MB.
const MEMBER_SIZE: u64 = 330;

/// Offset and length of a body in the outer archive.
struct Span {
    offset: u64,
    size: u64,
}

/// The members met in one pass over a tar, before the bodies have a source.
pub struct Scan {
    members: Vec<(EntryPath, Member<Span>)>,
    has_rooted_name: bool,
    oddities: TarOddities,
}

impl Scan {
    /// Reads all headers of `tar` and passes over the bodies.
    ///
    /// # Errors
    /// Those of the tar decoder; a name that climbs out of the archive (H-1); a sparse member. Where the diagnostics of
    /// `run` go on, so does the scan, without such a member, and ends where the tar is damaged.
    pub fn read(tar: impl Skip, label: &str, run: &Run) -> Result<Self> {
        let mut reader = Reader::new(tar, Ending::Required, label, &run.budget, &run.diagnostics);
        let mut scan = Self { members: Vec::new(), has_rooted_name: false, oddities: TarOddities::default() };
        loop {
            match reader.next_entry() {
                Ok(Some(entry)) => {
                    scan.oddities.note_unread(reader.take_unread(), &entry.path);
                    scan.has_rooted_name |= entry.path.first() == Some(&b'/');
                    match named(entry, label) {
                        Ok(member) => {
                            run.budget.charge_memory(MEMBER_SIZE, label)?;
                            scan.members.push(member);
                        }
                        Err(fault) => run.diagnostics.fault(fault)?,
                    }
                }
                Ok(None) => {
                    scan.oddities.note_unread(reader.take_unread(), b"");
                    // Damage behind the end shows when the rest is read.
                    scan.oddities.rest = reader.find_rest().ok().flatten();
                    break;
                }
                Err(fault) => {
                    run.diagnostics.fault(fault)?;
                    break;
                }
            }
        }
        Ok(scan)
    }

    /// Returns whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The index of the same tar as it lies in `source`.
    pub fn bind(self, source: &Source) -> MemberIndex {
        let whole = source.extent();
        let mut members: HashMap<EntryPath, Vec<Member<Extent>>> = HashMap::new();
        for (path, member) in self.members {
            // Almost every name is there once.
            members.entry(path).or_insert_with(|| Vec::with_capacity(1)).push(member.bind(&whole));
        }
        let members = TarMembers::new(members, self.has_rooted_name, self.oddities);
        MemberIndex { label: source.label().to_owned(), store: MemberStore::Tar(Box::new(members)) }
    }
}

/// A member under its clean name.
fn named(entry: TarEntry, label: &str) -> Result<(EntryPath, Member<Span>)> {
    let path = EntryPath::clean(&entry.path)
        .map_err(|error| Error::invalid(error.rule(), member_at(label, &entry), error.to_string()))?;
    Ok((path, Member::of(entry, label)?))
}

fn member_at(label: &str, entry: &TarEntry) -> String {
    format!("{label}: member `{}`", quote(&entry.path))
}

impl Member<Span> {
    fn of(entry: TarEntry, label: &str) -> Result<Self> {
        Ok(match entry.kind {
            EntryKind::Regular if entry.sparse.is_some() => {
                return Err(Error::invalid(
                    Rule::R20,
                    member_at(label, &entry),
                    "it is stored sparse, which no engine writes or reads; repack the archive without --sparse",
                ));
            }
            EntryKind::Regular => Self::File(Span { offset: entry.data_offset, size: entry.size }),
            EntryKind::Symlink => Self::Symlink(entry.link),
            EntryKind::HardLink => Self::HardLink(entry.link),
            EntryKind::Directory => Self::Directory,
            EntryKind::CharDevice | EntryKind::BlockDevice | EntryKind::Fifo => Self::Other,
        })
    }

    fn bind(self, whole: &Extent) -> Member<Extent> {
        match self {
            Self::File(span) => Member::File(whole.slice(span.offset, span.size)),
            Self::Symlink(target) => Member::Symlink(target),
            Self::HardLink(target) => Member::HardLink(target),
            Self::Directory => Member::Directory,
            Self::Other => Member::Other,
        }
    }
}

impl MemberIndex {
    /// The index of a directory. Nothing is walked: members are looked up on demand.
    pub fn directory(label: impl Into<String>, root: PathBuf) -> Self {
        Self { label: label.into(), store: MemberStore::Directory(DirectoryMembers::new(root)) }
    }

    /// Returns the archive's name in messages.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The directory, where this is one rather than a tar.
    pub fn root(&self) -> Option<&Path> {
        match &self.store {
            MemberStore::Directory(directory) => Some(directory.root()),
            MemberStore::Tar(_) => None,
        }
    }

    /// Returns whether this is a directory rather than a tar.
    pub fn is_directory(&self) -> bool {
        matches!(self.store, MemberStore::Directory(_))
    }

    /// Returns a member's name in messages.
    pub fn at(&self, name: &str) -> String {
        format!("{}: {}", self.label, quote_member(name))
    }

    /// Returns whether there is a file of this name.
    ///
    /// # Errors
    /// As [`MemberIndex::find`].
    pub fn has(&self, name: &str) -> Result<bool> {
        Ok(self.find(name, "the format")?.is_some())
    }

    /// The body of the member `name`, through links; `None` when there is no such member.
    ///
    /// # Errors
    /// A name or link that leaves the archive (H-1, H-6), a cycle, a name that is not a file, and several members of this
    /// name with different bytes (H-12). `named_by` is the document that names it.
    pub fn find(&self, name: &str, named_by: &str) -> Result<Option<Extent>> {
        let refuse = |Problem { rule, message }| {
            let at = self.at(if name.is_empty() { named_by } else { name });
            Error::invalid(rule, at, format!("{message} (named by {named_by})"))
        };
        let path =
            EntryPath::clean(name.as_bytes()).map_err(|error| refuse(Problem::new(error.rule(), error.to_string())))?;
        match &self.store {
            MemberStore::Directory(directory) => directory.find_inside(&path, &self.at(name))?,
            MemberStore::Tar(tar) => tar.find(&path).map_err(|error| Error::io("reading", self.at(name), error))?,
        }
        .map_err(refuse)
    }

    /// Returns whether the last member of this name is a link; false in a directory, where links are the file system's.
    pub fn is_link(&self, name: &str) -> bool {
        matches!(self.last(name), Some(Member::Symlink(_) | Member::HardLink(_)))
    }

    /// Returns whether the last member of this name is a hard link; false in a directory, where names are equal.
    pub fn is_hard_link(&self, name: &str) -> bool {
        matches!(self.last(name), Some(Member::HardLink(_)))
    }

    fn last(&self, name: &str) -> Option<&Member<Extent>> {
        let MemberStore::Tar(tar) = &self.store else { return None };
        let path = EntryPath::clean(name.as_bytes()).ok()?;
        tar.members.get(&path)?.last()
    }

    /// The body of a member that `rule` requires and `named_by` names.
    ///
    /// # Errors
    /// As [`MemberIndex::find`], and [`Error::MissingMember`] when there is none.
    pub fn member(&self, rule: Rule, name: &str, named_by: &str) -> Result<Extent> {
        self.find(name, named_by)?.ok_or_else(|| self.missing(rule, name, named_by))
    }

    /// The error for a member that `rule` requires, `named_by` names and the archive does not hold.
    pub fn missing(&self, rule: Rule, name: &str, named_by: &str) -> Error {
        Error::MissingMember {
            rule,
            archive: self.label.clone(),
            member: quote_member(name),
            named_by: named_by.to_owned(),
        }
    }

    /// A small document, whole.
    ///
    /// # Errors
    /// As [`MemberIndex::member`], and a document of more than `cap` bytes.
    pub fn document(&self, rule: Rule, name: &str, named_by: &str, cap: u64, run: &Run) -> Result<Vec<u8>> {
        let extent = self.member(rule, name, named_by)?;
        let bytes = extent.read(&self.at(name), cap)?;
        run.budget.charge_memory(json::memory_size(&bytes), &self.at(name))?;
        Ok(bytes)
    }

    /// The names of all files, links to files included, sorted; for a directory those at the top, in its
    /// directories, and below `blobs/`.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn names(&self) -> Result<Vec<EntryPath>> {
        let mut names: Vec<EntryPath> = match &self.store {
            MemberStore::Tar(tar) => tar
                .members
                .iter()
                .filter(|(_, all)| all.iter().any(|member| !matches!(member, Member::Directory | Member::Other)))
                .map(|(path, _)| path.clone())
                .collect(),
            MemberStore::Directory(directory) => {
                directory.names().map_err(|error| Error::io("reading", &self.label, error))?
            }
        };
        names.sort();
        Ok(names)
    }
}
