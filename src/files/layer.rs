//! One layer as it lies in the archive: every entry, whiteouts too, in its order.

use super::find::is_within;
use super::{FileEntry, FileKind};
use crate::error::{Error, Result};
use crate::flatten::Role;
use crate::image::Layer;
use crate::layer_index::{FileContent, LayerIndex, read_layer};
use crate::path::{EntryPath, escape_for_terminal};
use crate::run::Run;

/// Hands the entries of `layer`, the `number`th of its image, to `each`; with a `path` those at it and below it only.
///
/// A path is compared with the entries' cleaned names; no link is followed, because where it leads is not for one layer to say.
///
/// # Errors
/// [`Error::Choice`] when nothing is at `path`; [`Error::Inexpressible`] for a layer that is encrypted or not there; those
/// of reading the layer, of what it promises where it must be decoded, and those of `each`.
pub fn list_layer(
    layer: &Layer,
    number: u32,
    path: Option<&[u8]>,
    run: &Run,
    mut each: impl FnMut(FileEntry) -> Result<()>,
) -> Result<()> {
    let nothing = |path: &[u8], why: &str| {
        let problem = format!("{}: there is no `{}` in this layer{why}", layer.at, escape_for_terminal(path));
        Error::Choice { problem, choices: Vec::new() }
    };
    let clean = |path| EntryPath::root().join(path).map_err(|error| nothing(path, &format!(": {error}")));
    let wanted = path.map(clean).transpose()?;
    let mut found = false;
    // An index of one entry at a time: nothing is held of a layer whose entries are only shown.
    let mut index = LayerIndex::default();
    read_layer(layer, FileContent::Skipped, run.jobs.get() > 1, run, |mut entry, _| {
        let clean = EntryPath::clean(&entry.path).ok();
        if !is_wanted(clean.as_ref(), wanted.as_ref()) {
            return Ok(());
        }
        found = true;
        let name = std::mem::take(&mut entry.path);
        index.clear();
        index.push(&entry, None);
        let entry = FileEntry::new(name, &index.entry(0), Some(number));
        each(match clean {
            Some(clean) => with_role(entry, &clean),
            None => entry,
        })
    })?;
    match path {
        Some(path) if !found => Err(nothing(path, "")),
        _ => Ok(()),
    }
}

fn is_wanted(clean: Option<&EntryPath>, wanted: Option<&EntryPath>) -> bool {
    match (clean, wanted) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(clean), Some(wanted)) => is_within(clean.as_bytes(), wanted.as_bytes()),
    }
}

/// What the name makes of the entry; a whiteout that breaks a rule is what its header says.
fn with_role(entry: FileEntry, clean: &EntryPath) -> FileEntry {
    match Role::of(clean.as_bytes()) {
        Ok(Role::Remove { directory, name }) => {
            let separator = if directory.is_empty() { &b""[..] } else { b"/" };
            FileEntry { kind: FileKind::Whiteout, target: [directory, separator, name].concat(), ..entry }
        }
        Ok(Role::Opaque { directory }) => FileEntry { kind: FileKind::Opaque, target: directory.to_vec(), ..entry },
        Ok(Role::Plain | Role::Bookkeeping) | Err(_) => entry,
    }
}
