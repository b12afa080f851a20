//! One layer as it lies in the archive: every entry, whiteouts too, in its order.

use super::{FileEntry, FileKind};
use crate::error::Result;
use crate::flatten::Role;
use crate::image::Layer;
use crate::layer_index::{FileContent, LayerIndex, read_layer};
use crate::path::EntryPath;
use crate::path_filter::PathFilter;
use crate::run::Run;

/// The noun of messages.
const PLACE: &str = "this layer";

/// Passes the entries of `layer`, the `number`th of its image, that `filter` lists to `each`.
///
/// A path is compared with the entries' cleaned names; no link is followed, because its target may be in another layer.
///
/// ```
/// use imgtar::{ImageSelector, PathFilter, Run, layer_of, list_layer, open};
///
/// # fn main() -> imgtar::Result<()> {
/// # if !std::path::Path::new("fixtures").exists() { return Ok(()); } // The published crate has none.
/// let run = Run::quiet();
/// let images = open("fixtures/saved20.tar.xz".into(), None, &run)?;
/// let chosen = ImageSelector::default().one(&images)?;
/// let top = layer_of(&images.archive, &chosen, 2)?;
/// list_layer(top, 2, &PathFilter::default(), &run, |entry| {
///     println!("{:?} {}", entry.kind, String::from_utf8_lossy(&entry.path));
///     Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Choice`](crate::error::Error::Choice) if nothing matches a pattern;
/// [`Error::Inexpressible`](crate::error::Error::Inexpressible) for a layer that is encrypted or not there; those of
/// reading the layer, of verifying it if it must be decoded, and those of `each`.
pub fn list_layer(
    layer: &Layer,
    number: u32,
    filter: &PathFilter,
    run: &Run,
    mut each: impl FnMut(FileEntry) -> Result<()>,
) -> Result<()> {
    let filter = filter.cleaned(&layer.at, PLACE)?;
    // An index of one entry at a time: no entry is kept after it was shown.
    let mut index = LayerIndex::default();
    read_layer(layer, FileContent::Skipped, run.jobs.get() > 1, run, |mut entry, _| {
        let clean = EntryPath::clean_entry(&entry.path).ok();
        // A name that cannot be cleaned is listed only without patterns.
        if !clean.as_ref().map_or(filter.is_all(), |clean| filter.fits(clean.as_bytes())) {
            return Ok(());
        }
        let name = std::mem::take(&mut entry.path);
        index.clear();
        index.push(&entry, None);
        let entry = FileEntry::new(name, &index.entry(0), Some(number));
        each(match clean {
            Some(clean) => with_role(entry, &clean),
            None => entry,
        })
    })?;
    filter.finish(&layer.at, PLACE)
}

/// Sets kind and target of a whiteout or opaque marker, by its name; one that breaks a rule keeps the kind in its
/// header.
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
