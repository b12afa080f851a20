//! Looks up paths in an image's tree, and words the errors for paths that are not there.

use super::{FileEntry, FileKind, ImageFiles};
use crate::error::{Error, Result, Setting};
use crate::flatten::{EntryKey, FlattenedEntry, Lookup, Standing};
use crate::layer_index::LayerEntry;
use crate::nearest::nearest;
use crate::path::{escape_for_terminal, separator_hint};
use crate::path_filter::PathFilter;

impl ImageFiles<'_> {
    /// Passes the files that `filter` lists to `each`, in the order of the flattened tree.
    ///
    /// A path is followed through symbolic links on the way; one at its end is listed itself, unless it leads to a directory:
    /// then that is listed. Globs are compared with paths that no symbolic link is part of.
    ///
    /// # Errors
    /// [`Error::Choice`] if nothing is at a path, or nothing matches a pattern; those of `each`.
    pub fn list(&self, filter: &PathFilter, mut each: impl FnMut(FileEntry) -> Result<()>) -> Result<()> {
        let filter = filter.resolved(|path| match self.tree.find(path) {
            Lookup::Found { path, .. } => Ok(path),
            nowhere => Err(self.nothing_at(path, nowhere)),
        })?;
        for entry in self.tree.entries().filter(|entry| filter.fits(entry.path())) {
            each(self.file_entry(entry))?;
        }
        filter.finish(&self.at, "the image")
    }

    /// Returns the entry that has the bytes of the file that `path` leads to, and the clean path.
    pub(super) fn file(&self, path: &[u8]) -> Result<(Vec<u8>, EntryKey)> {
        let refuse = |found: &[u8], problem: &str| {
            let problem = format!("{}: `{}` {problem}", self.at, shown(found));
            Err(Error::Choice { problem, choices: Vec::new() })
        };
        match self.tree.follow(path) {
            Lookup::Found { path, what: Standing::Regular(key) } => Ok((path, key)),
            Lookup::Found { path, what: Standing::Directory } => {
                refuse(&path, "is a directory; `imgtar ls` lists what is in it")
            }
            Lookup::Found { path, what: Standing::Special | Standing::Symlink(_) } => {
                refuse(&path, "is a device or a named pipe, which has no content")
            }
            nowhere => match self.tree.find(path) {
                Lookup::Found { path, what: Standing::Symlink(key) } if !matches!(nowhere, Lookup::Endless { .. }) => {
                    let target = escape_for_terminal(self.entry(key).link);
                    refuse(&path, &format!("is a symbolic link to `{target}`, which does not exist"))
                }
                _ => Err(self.nothing_at(path, nowhere)),
            },
        }
    }

    pub(super) fn entry(&self, key: EntryKey) -> LayerEntry<'_> {
        self.indexes.entry(key.layer as usize, key.position)
    }

    fn file_entry(&self, entry: FlattenedEntry) -> FileEntry {
        match entry {
            FlattenedEntry::Root { key } => FileEntry::new(Vec::new(), &self.entry(key), Some(key.layer)),
            FlattenedEntry::Entry { path, key, .. } => FileEntry::new(path, &self.entry(key), Some(key.layer)),
            FlattenedEntry::ImplicitDirectory { path } => FileEntry::implicit_directory(path),
            FlattenedEntry::HardLink { path, target, key } => FileEntry {
                kind: FileKind::HardLink,
                target,
                size: 0,
                device: (0, 0),
                ..FileEntry::new(path, &self.entry(key), Some(key.layer))
            },
        }
    }

    fn nothing_at(&self, path: &[u8], nowhere: Lookup) -> Error {
        let problem = match nowhere {
            Lookup::Missing { directory, name } => self.missing(path, &directory, &name),
            Lookup::NoDirectory { path } => format!(": `{}` is not a directory", shown(&path)),
            Lookup::Endless { problem } => format!(": {problem}"),
            // Not reached: callers handle a path that was found.
            Lookup::Found { .. } => String::new(),
        };
        // A path without anything near it may have been deleted.
        let is_deletable = problem.is_empty() && self.image.layers.len() > 1;
        let problem = format!("{}: there is no `{}`{problem}", self.at, escape_for_terminal(path));
        let error = Error::Choice { problem, choices: Vec::new() };
        if is_deletable { error.avoided_by(Setting::EachLayer) } else { error }
    }

    /// Returns the end of the message for a missing path: a similar path, if there is one; else the part that is
    /// missing.
    fn missing(&self, path: &[u8], directory: &[u8], name: &[u8]) -> String {
        let hint = separator_hint(path);
        if !hint.is_empty() {
            return hint.to_owned();
        }
        let near = nearest(name, self.tree.names(directory)).map(|similar| join(directory, similar));
        if let Some(similar) = near.or_else(|| self.tree.first_called(name)) {
            return format!("; did you mean `{}`?", escape_for_terminal(&similar));
        }
        if trim(path) == join(directory, name) {
            return String::new();
        }
        format!(": nothing is called `{}` in `{}`", escape_for_terminal(name), shown(directory))
    }
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let separator = if directory.is_empty() { &b""[..] } else { b"/" };
    [directory, separator, name].concat()
}

fn shown(path: &[u8]) -> String {
    if path.is_empty() { "/".to_owned() } else { escape_for_terminal(path) }
}

/// Removes the slashes around a path, which mean nothing here.
fn trim(path: &[u8]) -> &[u8] {
    let start = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(start, |last| last + 1);
    &path[start..end]
}
