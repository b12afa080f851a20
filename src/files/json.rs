//! A [`FileEntry`] as JSON: the rows of `imgtar ls --json`, which docs/json.md describes.
//!
//! Names are bytes (docs/formats.md R-21) and JSON has none: one that is not UTF-8 is given twice, readable with
//! replacement characters, and exact as base64.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Serialize, Serializer};

use super::{FileEntry, FileKind, LayerChange, LayerChangeKind};

#[derive(Serialize)]
struct Row<'a> {
    path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    r#type: FileKind,
    mode: String,
    uid: u32,
    gid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    mtime: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<Device>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    xattrs: BTreeMap<Cow<'a, str>, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pax: BTreeMap<Cow<'a, str>, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<u32>,
}

#[derive(Serialize)]
struct Device {
    major: u32,
    minor: u32,
}

/// A row of `imgtar ls --layers --json`.
#[derive(Serialize)]
struct ChangeRow<'a> {
    change: LayerChangeKind,
    #[serde(flatten)]
    row: Row<'a>,
    /// The layer that has the content, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    from_layer: Option<u32>,
}

impl Serialize for LayerChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = Row { layer: Some(self.layer), ..Row::of(&self.entry) };
        ChangeRow { change: self.kind, row, from_layer: self.entry.layer.filter(|&layer| layer != self.layer) }
            .serialize(serializer)
    }
}

impl Serialize for FileEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Row::of(self).serialize(serializer)
    }
}

impl<'a> Row<'a> {
    fn of(entry: &'a FileEntry) -> Self {
        let target = entry.kind.has_target().then_some(&entry.target[..]);
        let (major, minor) = entry.device;
        Self {
            path: if entry.path.is_empty() { ".".into() } else { String::from_utf8_lossy(&entry.path) },
            path_base64: exact(&entry.path),
            r#type: entry.kind,
            mode: format!("{:04o}", entry.mode),
            uid: entry.uid,
            gid: entry.gid,
            size: (entry.kind == FileKind::File).then_some(entry.size),
            mtime: entry.mtime.rfc3339(),
            target: target.map(String::from_utf8_lossy),
            target_base64: target.and_then(exact),
            device: entry.kind.is_device().then_some(Device { major, minor }),
            xattrs: in_base64(&entry.xattrs),
            pax: in_base64(&entry.pax),
            layer: entry.layer,
        }
    }
}

/// Encodes each value as base64; the names become text.
fn in_base64(values: &[(Vec<u8>, Vec<u8>)]) -> BTreeMap<Cow<'_, str>, String> {
    values.iter().map(|(name, value)| (String::from_utf8_lossy(name), BASE64.encode(value))).collect()
}

/// Returns `bytes` as base64 if they are not UTF-8, which text cannot hold.
fn exact(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).is_err().then(|| BASE64.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::TarTime;

    fn json(entry: &FileEntry) -> String {
        serde_json::to_string(entry).unwrap()
    }

    fn entry(path: &[u8], kind: FileKind) -> FileEntry {
        let mtime = TarTime { seconds: 1, nanos: 500_000_000 };
        FileEntry { kind, mtime, layer: Some(2), mode: 0o4755, ..FileEntry::implicit_directory(path.to_vec()) }
    }

    #[test]
    fn a_row_says_what_its_kind_has() {
        assert_eq!(
            json(&FileEntry { size: 7, ..entry(b"bin/su", FileKind::File) }),
            r#"{"path":"bin/su","type":"file","mode":"4755","uid":0,"gid":0,"size":7,"mtime":"1970-01-01T00:00:01.5Z","layer":2}"#
        );
        assert_eq!(
            json(&FileEntry { target: b"b".to_vec(), ..entry(b"a", FileKind::Symlink) }),
            r#"{"path":"a","type":"symlink","mode":"4755","uid":0,"gid":0,"mtime":"1970-01-01T00:00:01.5Z","target":"b","layer":2}"#
        );
        assert_eq!(
            json(&FileEntry { device: (1, 3), ..entry(b"null", FileKind::CharDevice) }),
            r#"{"path":"null","type":"char","mode":"4755","uid":0,"gid":0,"mtime":"1970-01-01T00:00:01.5Z","device":{"major":1,"minor":3},"layer":2}"#
        );
        assert_eq!(
            json(&FileEntry::implicit_directory(b"d".to_vec())),
            r#"{"path":"d","type":"directory","mode":"0755","uid":0,"gid":0,"mtime":"1970-01-01T00:00:00Z"}"#
        );
    }

    #[test]
    fn names_that_are_no_text_are_given_exactly_too() {
        let odd = FileEntry { target: b"\xfe".to_vec(), ..entry(b"\xff", FileKind::Symlink) };
        let odd = FileEntry { xattrs: vec![(b"user.x".to_vec(), b"\0\n".to_vec())], ..odd };
        let odd = FileEntry { pax: vec![(b"SCHILY.acl.access".to_vec(), b"user::rw-".to_vec())], ..odd };
        let value: serde_json::Value = serde_json::from_str(&json(&odd)).unwrap();
        assert_eq!((&value["path"], &value["path_base64"]), (&"\u{fffd}".into(), &"/w==".into()));
        assert_eq!((&value["target"], &value["target_base64"]), (&"\u{fffd}".into(), &"/g==".into()));
        assert_eq!(value["xattrs"]["user.x"], "AAo=");
        assert_eq!(value["pax"]["SCHILY.acl.access"], "dXNlcjo6cnct");
    }
}
