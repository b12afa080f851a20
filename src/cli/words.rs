//! Sizes and numbers in the form that people read.

use imgtar::internals::path::presentable;
use imgtar::{DeltaContent, FileCounts, NeededBase};

pub(super) use imgtar::internals::words::counted;

/// Returns `120.5 MiB`: ten columns or fewer up to the TiB.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    // A value that would be rounded to 1024 belongs to the next unit.
    while value >= 1023.95 {
        value /= 1024.0;
        unit = units.next();
    }
    format!("{value:.1} {}", unit.unwrap_or(&""))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_at_most_ten_columns() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (1_234_567, "1.2 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
