//! Checks of a tar's entries, which should be a filesystem and not an image archive.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;

use crate::archive::{BLOCK, EntryKind, TarEntry};
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Result};
use crate::limits::{Budget, MAX_MANIFEST_JSON};
use crate::path::{EntryPath, quote};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::docker::{self, MANIFEST_MEMBER};
use crate::spec::oci::{INDEX_MEMBER, LAYOUT_MEMBER};
use crate::spec::v1::V1Id;

/// The problem of an entry that bsdtar packed on macOS, with attributes that only its system has.
const HOST_ATTRIBUTE: &str =
    "it has an extended attribute that no file system of Linux takes; tar --no-xattrs leaves it out";

/// The entries of a tar so far. Holds no names but the first of each sort.
pub(super) struct Tree<'a> {
    label: &'a str,
    /// Offset of the next header.
    end: u64,
    whiteouts: Finds,
    sparse: Finds,
    contiguous: Finds,
    repeated: Finds,
    host_attributes: Finds,
    /// A hash of each path, which takes less memory; two paths may have one hash once in 2^64.
    seen: HashSet<u64>,
    has_layout: bool,
    has_index: bool,
    /// A member that only an image archive has, if there is one.
    image_member: Option<String>,
}

/// Entries that are worth a warning.
#[derive(Default)]
struct Finds {
    count: u64,
    /// The first of them.
    first: String,
}

impl Finds {
    fn note(&mut self, path: &EntryPath) {
        if self.count == 0 {
            self.first = path.to_string();
        }
        self.count += 1;
    }

    fn warn(&self, rule: Rule, label: &str, problem: &str, run: &Run) -> Result<()> {
        let more = match self.count {
            0 => return Ok(()),
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        run.diagnostics.warn(rule, label, format!("`{}`{more}: {problem}", self.first))
    }
}

impl<'a> Tree<'a> {
    /// No entries yet of the tar that messages call `label`.
    pub(super) fn new(label: &'a str) -> Self {
        Self {
            label,
            end: 0,
            whiteouts: Finds::default(),
            sparse: Finds::default(),
            contiguous: Finds::default(),
            repeated: Finds::default(),
            host_attributes: Finds::default(),
            seen: HashSet::new(),
            has_layout: false,
            has_index: false,
            image_member: None,
        }
    }

    /// Records an entry with this type flag.
    ///
    /// # Errors
    /// A name, or a hard link's target, that climbs out of the tree (H-1, R-4, R-11); a symbolic link without a target
    /// [`Error::Limit`].
    pub(super) fn entry(&mut self, entry: &TarEntry, flag: u8, body: &mut impl Read, budget: &Budget) -> Result<()> {
        self.end = entry.data_offset + entry.stored.next_multiple_of(BLOCK as u64);
        let path = self.clean(entry, &entry.path, "")?;
        if entry.kind == EntryKind::HardLink {
            self.clean(entry, &entry.link, "it is a link, and its target is bad: ")?;
        }
        if is_whiteout(entry, &path) {
            self.whiteouts.note(&path);
        } else if entry.kind == EntryKind::Symlink && entry.link.is_empty() {
            return Err(Error::invalid(
                Rule::R23,
                format!("{}: `{path}`", self.label),
                "a symbolic link without a target",
            ));
        }
        match flag {
            b'S' => self.sparse.note(&path),
            b'7' => self.contiguous.note(&path),
            _ => {}
        }
        if entry.host_attribute().is_some() {
            self.host_attributes.note(&path);
        }
        budget.charge_memory(size_of::<u64>() as u64, self.label)?;
        if !self.seen.insert(hash(&path)) {
            self.repeated.note(&path);
        }
        self.look_for_images(entry, &path, body)
    }

    /// Checks the whole tar, which has `size` bytes; if it `is_filesystem`, whiteouts in it are a mistake.
    ///
    /// # Errors
    /// No bytes at all; an image archive, which `convert` reads; under `--strict` every warning.
    pub(super) fn verify(&self, size: u64, is_filesystem: bool, run: &Run) -> Result<()> {
        if size == 0 {
            return Err(Error::invalid(Rule::H19, self.label, "there is nothing in it, not even a tar's end"));
        }
        let layout = (self.has_layout && self.has_index).then_some(LAYOUT_MEMBER);
        if let Some(member) = self.image_member.as_deref().or(layout) {
            let problem =
                format!("an image archive (it holds `{member}`), not a root filesystem: use `imgtar convert`");
            return Err(Error::invalid(Rule::X3, self.label, problem));
        }
        if size < self.end + BLOCK as u64 {
            let problem = "there is no end marker: cut short between two files it would look the same";
            run.diagnostics.warn(Rule::G13, self.label, problem)?;
        }
        if is_filesystem {
            self.whiteouts.warn(Rule::R2, self.label, "to engines a whiteout of a layer, not a file", run)?;
        }
        for (rule, finds, problem) in [
            (
                Rule::R20,
                &self.sparse,
                "stored sparse in the old GNU format, which docker, containerd and podman refuse; tar --format=pax",
            ),
            (Rule::R13, &self.contiguous, "stored as a contiguous file (type 7), which docker and containerd refuse"),
            (
                Rule::R10,
                &self.repeated,
                "it occurs more than once, which docker and podman refuse; the last one counts",
            ),
            (Rule::R16, &self.host_attributes, HOST_ATTRIBUTE),
        ] {
            finds.warn(rule, self.label, problem, run)?;
        }
        Ok(())
    }

    fn clean(&self, entry: &TarEntry, name: &[u8], whose: &str) -> Result<EntryPath> {
        EntryPath::clean_entry(name).map_err(|error| {
            Error::invalid(error.rule(), format!("{}: `{}`", self.label, quote(&entry.path)), format!("{whose}{error}"))
        })
    }

    /// Looks for members of an image archive. A filesystem may have a `manifest.json` too: it counts only if it lists images.
    fn look_for_images(&mut self, entry: &TarEntry, path: &EntryPath, body: &mut impl Read) -> Result<()> {
        let Some((directory, last)) = path.split() else { return Ok(()) };
        if !directory.is_root() {
            let is_v1 = last == b"layer.tar" && is_v1_id(&directory);
            self.image_member = self.image_member.take().or_else(|| is_v1.then(|| path.to_string()));
            return Ok(());
        }
        self.has_layout |= last == LAYOUT_MEMBER.as_bytes();
        self.has_index |= last == INDEX_MEMBER.as_bytes();
        if last == MANIFEST_MEMBER.as_bytes() && entry.size <= MAX_MANIFEST_JSON {
            let mut bytes = Vec::new();
            body.read_to_end(&mut bytes).map_err(|error| Error::io("reading", self.label, error))?;
            let lists_images = docker::read_manifest(&bytes, self.label, &Diagnostics::silent())
                .is_ok_and(|images| !images.is_empty());
            self.image_member = self.image_member.take().or_else(|| lists_images.then(|| MANIFEST_MEMBER.to_owned()));
        }
        Ok(())
    }
}

/// Returns whether engines take the entry for a whiteout: by its name, or with overlayfs by its device.
fn is_whiteout(entry: &TarEntry, path: &EntryPath) -> bool {
    let by_number = entry.kind == EntryKind::CharDevice && entry.device == (0, 0);
    by_number || path.components().any(|component| component.starts_with(b".wh."))
}

fn hash(path: &EntryPath) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

fn is_v1_id(directory: &EntryPath) -> bool {
    std::str::from_utf8(directory.as_bytes()).is_ok_and(|name| name.parse::<V1Id>().is_ok())
}
