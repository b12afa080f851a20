//! Sizes and numbers in the form that people read.

use imgtar::internals::path::presentable;
use imgtar::{DeltaContent, FileCounts, NeededBase};

pub(super) use imgtar::internals::words::{counted, list, size};

/// Returns `5 of 7 layers of ex.org/app:1 (412.0 MiB left out); load that archive first`; of a delta
/// `ex.org/app:1: convert --with ARCHIVE restores the image`.
pub(super) fn needed(needs: &NeededBase, layers: usize) -> String {
    let base = needs.image.as_deref().unwrap_or("its base");
    if needs.delta.is_some() {
        return presentable(&format!("{base}: `convert --with ARCHIVE` restores the image"));
    }
    let size = needs.size.map_or_else(String::new, |bytes| format!(" ({} left out)", size(bytes)));
    let count = format!("{} of {}", needs.layers, counted(layers, "layer"));
    presentable(&format!("{count} of {base}{size}; load that archive first"))
}

/// Returns `1 of 2 layers (270.8 MiB); files: 40 changed, 5 new, 12300 equal`.
pub(super) fn made(delta: &DeltaContent, layers: usize) -> String {
    let size = delta.tar_size.map_or_else(String::new, |bytes| format!(" ({})", size(bytes)));
    let count = format!("{} of {}{size}", delta.layers, counted(layers, "layer"));
    match delta.files {
        Some(FileCounts { changed, new, equal, .. }) => {
            format!("{count}; files: {changed} changed, {new} new, {equal} equal")
        }
        None => count,
    }
}
