//! A guess, for error messages, at what an input without images is. Nothing else depends on it.
//!
//! Sources: docs/formats.md G-5, X-1, X-2.

use std::path::Path;

use crate::archive::MemberIndex;
use crate::error::Result;
use crate::path::{EntryPath, escape_for_terminal};
use crate::spec::docker::{MANIFEST_MEMBER, REPOSITORIES_MEMBER};
use crate::spec::oci::{INDEX_MEMBER, LAYOUT_MEMBER};

/// Directories at the top of nearly every root filesystem.
const TOPS: [&str; 3] = ["etc", "usr", "bin"];

/// Names what a tar without images may be; the text continues the error message.
pub(super) fn archive(index: &MemberIndex) -> Result<String> {
    let names = index.names()?;
    let any = |test: &dyn Fn(&EntryPath) -> bool| names.iter().any(test);
    if let Some(directory) = names.iter().find_map(archive_below) {
        return Ok(format!(
            "; there is one below `{directory}/`, where no tool looks: repack with tar -C {directory} ."
        ));
    }
    Ok(if any(&|name| last(name).starts_with(b".wh.")) {
        "; it looks like a single layer".to_owned()
    } else if any(&|name| name.components().next().is_some_and(is_top)) {
        "; it looks like a root filesystem, of which `imgtar import` makes an image".to_owned()
    } else if names.is_empty() {
        ": there are no files in it".to_owned()
    } else {
        format!(": there is no `{MANIFEST_MEMBER}`, `{INDEX_MEMBER}` or `{REPOSITORIES_MEMBER}` in it")
    })
}

/// Names what a directory without a layout may be; the text continues the error message.
pub(super) fn directory(path: &Path) -> String {
    let shown = escape_for_terminal(path.as_os_str().as_encoded_bytes());
    if path.join(MANIFEST_MEMBER).exists() {
        return "; it looks like an unpacked docker archive: tar its contents and convert that".to_owned();
    }
    if TOPS.iter().all(|top| path.join(top).is_dir()) {
        return format!("; it looks like a root filesystem: tar -C {shown} -c . | imgtar import makes an image of it");
    }
    match path.canonicalize().ok().as_deref().and_then(Path::parent) {
        Some(parent) if parent.join(LAYOUT_MEMBER).exists() => "; the directory above it is one".to_owned(),
        _ => String::new(),
    }
}

/// The directory in which an archive's own documents lie that should lie at the top.
fn archive_below(name: &EntryPath) -> Option<EntryPath> {
    let markers = [MANIFEST_MEMBER, LAYOUT_MEMBER, REPOSITORIES_MEMBER];
    let (directory, last) = name.split()?;
    (!directory.is_root() && markers.iter().any(|marker| last == marker.as_bytes())).then_some(directory)
}

fn last(name: &EntryPath) -> &[u8] {
    name.split().map_or(&[], |(_, last)| last)
}

fn is_top(component: &[u8]) -> bool {
    TOPS.iter().any(|top| component == top.as_bytes())
}
