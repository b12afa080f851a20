//! Words in documents and names in archives: what parses prints as itself, and a clean name never leaves the root.

use std::fmt::Display;
use std::str::FromStr;

use imgtar::internals::path::{EntryPath, escape_for_terminal};
use imgtar::internals::spec::v1::V1Id;
use imgtar::{Digest, Family, MediaType, Platform, Reference, Timestamp};

/// A digest, reference, media type, platform, time or v1 ID.
pub(crate) fn words(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(digest) = printed_as_itself::<Digest>(text) {
        assert_eq!(digest.to_string(), text);
        let path = digest.blob_path();
        assert_eq!(EntryPath::clean(path.as_bytes()).expect("a clean path").as_bytes(), path.as_bytes(), "H-2");
    }
    if let Some(reference) = printed_as_itself::<Reference>(text) {
        let normal = reference.normalized();
        assert_eq!(normal.normalized(), normal);
        for spelled in [normal.full(), normal.familiar()] {
            assert_eq!(spelled.parse::<Reference>().expect("a name reads back").normalized(), normal, "{spelled}");
        }
    }
    printed_as_itself::<Platform>(text);
    printed_as_itself::<V1Id>(text);
    let _ = text.parse::<Timestamp>();
    let media_type = MediaType::parse(text);
    assert_eq!(media_type.as_str(), text);
    for family in [Family::Oci, Family::Docker] {
        let spelled = media_type.with_family(family);
        assert_eq!(spelled.with_family(family), spelled);
    }
}

/// What `text` is, if it is one: what it prints as is the same again.
fn printed_as_itself<T: FromStr + Display + PartialEq + std::fmt::Debug>(text: &str) -> Option<T> {
    let word = text.parse::<T>().ok()?;
    let printed = word.to_string();
    let again = printed.parse::<T>().unwrap_or_else(|_| panic!("`{printed}`, from `{text}`, does not read back"));
    assert_eq!(again, word, "`{printed}`, from `{text}`");
    Some(word)
}

/// Names: a directory and what is asked for from it, apart at the first newline.
pub(crate) fn paths(data: &[u8]) {
    let split = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (directory, name) = (&data[..split], data.get(split + 1..).unwrap_or_default());
    let Ok(directory) = EntryPath::clean(directory) else { return };
    is_clean(&directory);
    if let Ok(joined) = directory.join(name) {
        is_clean(&joined);
    }
    let shown = escape_for_terminal(data);
    assert!(!shown.contains(|char: char| char.is_control()), "H-25: {shown:?}");
}

fn is_clean(path: &EntryPath) {
    let bytes = path.as_bytes();
    assert!(!bytes.starts_with(b"/") && !bytes.ends_with(b"/") && !bytes.contains(&0), "H-1: {path}");
    for component in path.components() {
        assert!(!matches!(component, b"" | b"." | b".."), "H-1: {path}");
    }
    if !path.is_root() {
        assert_eq!(EntryPath::clean(bytes).as_ref(), Ok(path));
        let (parent, last) = path.split().expect("it is not the root");
        assert_eq!(parent.join(last).as_ref(), Ok(path));
    }
}
