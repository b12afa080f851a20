//! Layers and outcomes as text, for tests.
//!
//! An entry is `path` (a file), `path/` (a directory), `path -> target`, `path = target` (a hard link) or `path !` (a
//! character device 0/0); its position is its number. A survivor is listed in the same form, with the layer and number of
//! the entry that it takes all it is from, as in `etc/passwd 1.0`; nothing follows a directory that was only implied.

use super::{Change, Kind, Options, Overlay, Survivor};
use crate::diagnostics::Diagnostics;
use crate::error::Result;
use crate::limits::Budget;

/// Parses one entry.
pub(crate) fn change(entry: &str, position: u64) -> Change<'_> {
    let (path, kind) = if let Some((path, target)) = entry.split_once(" -> ") {
        (path, Kind::Symlink(target.as_bytes()))
    } else if let Some((path, target)) = entry.split_once(" = ") {
        (path, Kind::HardLink(target.as_bytes()))
    } else if let Some(path) = entry.strip_suffix(" !") {
        (path, Kind::CharDevice { major: 0, minor: 0 })
    } else if entry.ends_with('/') {
        (entry, Kind::Directory)
    } else {
        (entry, Kind::Regular)
    };
    Change { path: path.as_bytes(), kind, position }
}

/// The survivors of `layers`, in order.
pub(super) fn survivors(options: Options, layers: &[&[&str]], diagnostics: &Diagnostics) -> Result<Vec<Survivor>> {
    let (mut overlay, budget) = (Overlay::new(options), Budget::default());
    for (number, entries) in layers.iter().enumerate() {
        let at = format!("layer {number}");
        let mut layer = overlay.layer(&at, diagnostics, &budget);
        for (position, entry) in entries.iter().enumerate() {
            layer.entry(change(entry, position as u64))?;
        }
        layer.finish()?;
    }
    Ok(overlay.finish().survivors().collect())
}

/// The survivors of `layers` as text.
pub(super) fn listing(options: Options, layers: &[&[&str]]) -> Result<Vec<String>> {
    let survivors = survivors(options, layers, &Diagnostics::silent())?;
    Ok(survivors.iter().map(|survivor| line(layers, survivor)).collect())
}

fn line(layers: &[&[&str]], survivor: &Survivor) -> String {
    let path = String::from_utf8_lossy(survivor.path());
    match survivor {
        Survivor::Root { id } => format!("./ {}.{}", id.layer, id.position),
        Survivor::ImplicitDirectory { .. } => format!("{path}/"),
        Survivor::HardLink { target, .. } => format!("{path} = {}", String::from_utf8_lossy(target)),
        Survivor::Entry { id, .. } => {
            let form = match change(layers[id.layer as usize][id.position as usize], 0).kind {
                Kind::Directory => "/".to_owned(),
                Kind::Symlink(target) => format!(" -> {}", String::from_utf8_lossy(target)),
                Kind::HardLink(_) => panic!("{path}: a hard link's header describes nothing"),
                _ => String::new(),
            };
            format!("{path}{form} {}.{}", id.layer, id.position)
        }
    }
}
