use super::*;
use crate::error::{ErrorKind, Setting};
use crate::stream::dir_target::MARK;
use crate::stream::placement::INDEX;

const BLOB: &str = "blobs/sha256/2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

/// Fills `sink` with the blob `foo` and the text `index` as its index.
fn fill(sink: &DirSink, index: &str) {
    let mut blob = sink.blob().unwrap();
    blob.write_all(b"foo").unwrap();
    blob.persist(&Digest::sha256(b"foo")).unwrap();
    sink.document(MARK, b"{}").unwrap();
    sink.document(INDEX, index.as_bytes()).unwrap();
}

fn write(path: &Path, mode: Mode, index: &str) -> Result<()> {
    let sink = DirSink::create(path, mode)?;
    fill(&sink, index);
    sink.finish()
}

fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.push(path.strip_prefix(dir).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_layout_appears_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("layout");
    let sink = DirSink::create(&path, Mode::New).unwrap();
    fill(&sink, "1");
    drop(sink.blob().unwrap());
    assert_eq!(sink.read(BLOB, 3).unwrap().unwrap(), b"foo");
    assert!(sink.read(&Digest::sha256(b"bar").blob_path(), 3).unwrap().is_none());
    assert!(!path.exists());
    sink.finish().unwrap();
    assert_eq!(files(dir.path()), [format!("layout/{BLOB}"), "layout/index.json".into(), "layout/oci-layout".into()]);
}

// What is open cannot be removed on every file system of Windows.
#[cfg(unix)]
#[test]
fn a_dropped_layout_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let sink = DirSink::create(&dir.path().join("layout"), Mode::New).unwrap();
    fill(&sink, "1");
    let blob = sink.blob().unwrap();
    drop(sink);
    drop(blob);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn an_empty_directory_is_filled_and_stays_the_same_one() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let before = fs::metadata(dir.path()).unwrap().ino();
    write(dir.path(), Mode::New, "1").unwrap();
    assert_eq!(fs::metadata(dir.path()).unwrap().ino(), before);
    assert_eq!(files(dir.path()), [BLOB, INDEX, MARK]);
}

#[test]
fn only_append_and_force_touch_a_layout() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("layout");
    write(&path, Mode::New, "1").unwrap();
    fs::write(path.join("extra"), "").unwrap();
    let error = write(&path, Mode::New, "2").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(matches!(error, Error::Avoidable { setting: Setting::AppendOrReplace, .. }), "{error}");

    let sink = DirSink::create(&path, Mode::Append).unwrap();
    assert_eq!(sink.read(BLOB, 3).unwrap().unwrap(), b"foo");
    assert_eq!(sink.read(INDEX, 1).unwrap().unwrap(), b"1");
    sink.document(INDEX, b"22").unwrap();
    assert!(sink.read(INDEX, 1).is_err());
    sink.finish().unwrap();
    assert_eq!(fs::read(path.join(INDEX)).unwrap(), b"22");
    assert_eq!(files(&path), [BLOB, "extra", INDEX, MARK]);

    let sink = DirSink::create(&path, Mode::Force).unwrap();
    assert!(sink.read(BLOB, 3).unwrap().is_none());
    fill(&sink, "3");
    sink.finish().unwrap();
    assert_eq!(files(dir.path()), [BLOB, INDEX, MARK].map(|name| format!("layout/{name}")));
}

#[test]
fn what_is_no_layout_is_never_touched() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("precious"), "").unwrap();
    for mode in [Mode::New, Mode::Append, Mode::Force] {
        for path in [dir.path().to_owned(), dir.path().join("precious")] {
            assert!(matches!(DirSink::create(&path, mode), Err(Error::Output { .. })));
        }
    }
    assert_eq!(files(dir.path()), ["precious"]);
}

#[test]
fn a_file_that_appears_meanwhile_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("layout");
    let sink = DirSink::create(&path, Mode::New).unwrap();
    fill(&sink, "1");
    fs::write(&path, "precious").unwrap();
    assert!(matches!(sink.finish(), Err(Error::Output { .. })));
    assert_eq!(files(dir.path()), ["layout"]);
}

#[test]
fn a_directory_that_appears_meanwhile_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("layout");
    let sink = DirSink::create(&path, Mode::New).unwrap();
    fill(&sink, "1");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("precious"), "").unwrap();
    assert!(matches!(sink.finish(), Err(Error::Output { .. })));
    assert_eq!(files(dir.path()), ["layout/precious"]);
}

#[cfg(unix)]
#[test]
fn what_is_the_same_keeps_its_file() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| fs::metadata(dir.path().join(name)).unwrap().ino();
    write(dir.path(), Mode::New, "1").unwrap();
    let before = [BLOB, MARK].map(file);
    write(dir.path(), Mode::Append, "2").unwrap();
    assert_eq!([BLOB, MARK].map(file), before);
    assert_eq!(fs::read(dir.path().join(INDEX)).unwrap(), b"2");
    for damaged in ["fo0", "fo", "foo2"] {
        fs::write(dir.path().join(BLOB), damaged).unwrap();
        write(dir.path(), Mode::Append, "3").unwrap();
        assert_eq!(fs::read(dir.path().join(BLOB)).unwrap(), b"foo");
    }
    assert_eq!(files(dir.path()), [BLOB, INDEX, MARK]);
}

#[test]
fn an_append_that_fails_leaves_the_layout_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("layout");
    fs::create_dir_all(path.join(INDEX)).unwrap();
    fs::write(path.join(MARK), "{}").unwrap();
    assert!(write(&path, Mode::Append, "2").is_err());
    assert_eq!(files(dir.path()), ["layout/oci-layout"]);
    assert!(!path.join("blobs").exists());
}
