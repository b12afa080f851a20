//! A guess, for error messages, at the kind of an input without images. Nothing else depends on it.
//!
//! Sources: docs/formats.md G-5, X-1, X-2.

use std::fs;
use std::path::Path;

use crate::archive::MemberIndex;
use crate::error::Result;
use crate::path::{EntryPath, escape_path};
use crate::spec::docker::{MANIFEST_MEMBER, REPOSITORIES_MEMBER};
use crate::spec::oci::{INDEX_MEMBER, LAYOUT_MEMBER};

/// Directories at the top of nearly every root filesystem.
const TOPS: [&str; 3] = ["etc", "usr", "bin"];

/// The documents that lie at the top of an archive.
const MARKERS: [&str; 3] = [MANIFEST_MEMBER, LAYOUT_MEMBER, REPOSITORIES_MEMBER];

/// Names what a tar without images may be; the text continues the error message.
pub(super) fn archive(index: &MemberIndex) -> Result<String> {
    let names = index.names()?;
    let any = |test: &dyn Fn(&EntryPath) -> bool| names.iter().any(test);
    if let Some(directory) = names.iter().find_map(archive_below) {
        return Ok(format!(
            "; there is one below `{directory}/`, where no tool looks: unpack it, and repack with `tar -C {directory} -cf app.tar .`"
        ));
    }
    if index.has(REPOSITORIES_MEMBER)? && any(&|name| last(name) == b"json") {
        let problem = "but the directories of its layers are not named by 64 hex digits, as Docker requires";
        return Ok(format!(": `{REPOSITORIES_MEMBER}` is there, {problem}"));
    }
    Ok(if any(&|name| last(name).starts_with(b".wh.")) {
        "; it looks like a single layer, of which `imgtar import` makes an image".to_owned()
    } else if any(&|name| name.components().next().is_some_and(is_top)) {
        "; it looks like a root filesystem; `imgtar import` makes an image of it".to_owned()
    } else if let [only] = &names[..]
        && has_tar_name(only)
    {
        format!("; `{only}` in it may be one: unpack it first")
    } else if names.is_empty() {
        ": there are no files in it".to_owned()
    } else {
        format!(
            ": there is no `{MANIFEST_MEMBER}`, `{INDEX_MEMBER}` or `{REPOSITORIES_MEMBER}` in it; of a root filesystem or a \
             single layer `imgtar import` makes an image"
        )
    })
}

/// Names what a directory that holds no archive may be; the text continues the error message.
pub(super) fn directory(path: &Path) -> String {
    let shown = usable(escape_path(path));
    if TOPS.iter().all(|top| path.join(top).is_dir()) {
        return format!("; it looks like a root filesystem: tar -C {shown} -c . | imgtar import makes an image of it");
    }
    let holds_one = |path: &Path| MARKERS.iter().any(|marker| path.join(marker).is_file());
    let below = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    if let Some(below) = below.filter(|path| holds_one(path)).min() {
        return format!("; there is one below it: {}", usable(escape_path(&below)));
    }
    match path.parent() {
        Some(parent) if holds_one(parent) => "; the directory above it is one".to_owned(),
        _ => format!(": there is no `{MANIFEST_MEMBER}`, `{INDEX_MEMBER}` or `{REPOSITORIES_MEMBER}` in it"),
    }
}

/// A path as users write it: the canonical ones of Windows begin with `\\?\`, which few programs take.
fn usable(shown: String) -> String {
    match (shown.strip_prefix(r"\\?\UNC\"), shown.strip_prefix(r"\\?\")) {
        (Some(share), _) => format!(r"\\{share}"),
        (None, Some(path)) => path.to_owned(),
        (None, None) => shown,
    }
}

/// The directory in which an archive's own documents lie that should lie at the top.
fn archive_below(name: &EntryPath) -> Option<EntryPath> {
    let (directory, last) = name.split()?;
    (!directory.is_root() && MARKERS.iter().any(|marker| last == marker.as_bytes())).then_some(directory)
}

/// Returns whether a member's name ends as those of archives do.
fn has_tar_name(name: &EntryPath) -> bool {
    [&b".tar"[..], b".tar.gz", b".tgz", b".tar.xz", b".tar.zst"].iter().any(|end| last(name).ends_with(end))
}

fn last(name: &EntryPath) -> &[u8] {
    name.split().map_or(&[], |(_, last)| last)
}

fn is_top(component: &[u8]) -> bool {
    TOPS.iter().any(|top| component == top.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_windows_are_shown_as_users_write_them() {
        for (canonical, written) in [
            (r"\\?\C:\images\app", r"C:\images\app"),
            (r"\\?\UNC\server\share\app", r"\\server\share\app"),
            ("/images/app", "/images/app"),
        ] {
            assert_eq!(usable(canonical.to_owned()), written);
        }
    }
}
