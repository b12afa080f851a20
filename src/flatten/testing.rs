//! Layers and outcomes as text, for tests.
//!
//! An entry is `path` (a file), `path/` (a directory), `path -> target`, `path = target` (a hard link) or `path !` (a
//! character device 0/0); its position is its number. What is left is listed in the same form, with the layer and number of
//! the entry that it takes all it is from, as in `etc/passwd 1.0`; nothing follows a directory that was only implied.

use super::{Change, ChangeKind, FlattenedEntry, Options, Overlay};
use crate::diagnostics::Diagnostics;
use crate::error::Result;
use crate::limits::Budget;

/// Parses one entry.
pub(crate) fn change(entry: &str, position: u64) -> Change<'_> {
    let (path, kind) = if let Some((path, target)) = entry.split_once(" -> ") {
        (path, ChangeKind::Symlink(target.as_bytes()))
    } else if let Some((path, target)) = entry.split_once(" = ") {
        (path, ChangeKind::HardLink(target.as_bytes()))
    } else if let Some(path) = entry.strip_suffix(" !") {
        (path, ChangeKind::CharDevice { major: 0, minor: 0 })
    } else if entry.ends_with('/') {
        (entry, ChangeKind::Directory)
    } else {
        (entry, ChangeKind::Regular)
    };
    Change { path: path.as_bytes(), kind, position }
}

/// Applies `layers` and returns what is left, in order.
pub(super) fn flatten(options: Options, layers: &[&[&str]], diagnostics: &Diagnostics) -> Result<Vec<FlattenedEntry>> {
    let (mut overlay, budget) = (Overlay::new(options), Budget::default());
    for (number, entries) in layers.iter().enumerate() {
        let at = format!("layer {number}");
        let mut layer = overlay.layer(&at, diagnostics, &budget);
        for (position, entry) in entries.iter().enumerate() {
            layer.entry(change(entry, position as u64))?;
        }
        layer.finish()?;
    }
    Ok(overlay.finish().entries().collect())
}

/// Applies `layers` and returns what is left as text.
pub(super) fn listing(options: Options, layers: &[&[&str]]) -> Result<Vec<String>> {
    let entries = flatten(options, layers, &Diagnostics::silent())?;
    Ok(entries.iter().map(|entry| line(layers, entry)).collect())
}

fn line(layers: &[&[&str]], entry: &FlattenedEntry) -> String {
    let path = String::from_utf8_lossy(entry.path());
    match entry {
        FlattenedEntry::Root { key } => format!("./ {}.{}", key.layer, key.position),
        FlattenedEntry::ImplicitDirectory { .. } => format!("{path}/"),
        FlattenedEntry::HardLink { target, .. } => format!("{path} = {}", String::from_utf8_lossy(target)),
        FlattenedEntry::Entry { key, .. } => {
            let form = match change(layers[key.layer as usize][key.position as usize], 0).kind {
                ChangeKind::Directory => "/".to_owned(),
                ChangeKind::Symlink(target) => format!(" -> {}", String::from_utf8_lossy(target)),
                ChangeKind::HardLink(_) => panic!("{path}: a hard link's header describes nothing"),
                _ => String::new(),
            };
            format!("{path}{form} {}.{}", key.layer, key.position)
        }
    }
}
