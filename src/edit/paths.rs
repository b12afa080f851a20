//! Clean paths of trees, as bytes without a leading slash; that of the root is empty.

use crate::path::quote;

/// Paths that a sentence names one by one; more are counted.
pub(super) const MOST_NAMED: usize = 20;

/// The path of `name` in `directory`.
pub(super) fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

/// The directories above `path`, from the root's child down.
pub(super) fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(move |(at, _)| &path[..at])
}

/// Returns whether `path` is in `directory`, at any depth.
pub(super) fn is_below(path: &[u8], directory: &[u8]) -> bool {
    directory.is_empty() || path.strip_prefix(directory).is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// The components, by which paths are ordered (E-10).
pub(super) fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == b'/').map(<[u8]>::to_vec).collect()
}

/// The path of the whiteout of `hidden`.
pub(super) fn whiteout_of(hidden: &[u8]) -> Vec<u8> {
    let name = hidden.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    [&hidden[..name], b".wh.", &hidden[name..]].concat()
}

/// The paths in a sentence: the first of many, and how many more there are.
pub(super) fn list<P: AsRef<[u8]>>(paths: impl ExactSizeIterator<Item = P>) -> String {
    first(paths.map(|path| format!("`{}`", quote(path))), MOST_NAMED)
}

/// The first of many parts of a sentence, and how many more there are.
pub(super) fn first(parts: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let more = parts.len().saturating_sub(most);
    let named: Vec<String> = parts.take(most).collect();
    if more == 0 { named.join(", ") } else { format!("{}, and {more} more", named.join(", ")) }
}
