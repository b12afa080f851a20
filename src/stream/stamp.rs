//! Changes of a file while it is read, told by its metadata.

use std::fs::Metadata;
use std::time::SystemTime;

use super::sys;

/// The problem with such a file, in messages.
pub(crate) const CHANGED: &str = "the file changed while it was read";

/// The metadata of a file that tell whether it was written to.
///
/// A program that copies a file over another may restore its modification time, but not its change time. The system also
/// updates the change time when the file is renamed, or gets or loses a hard link, as by `cp -l` of a backup; such a change
/// is ignored, because the bytes are the same. A change of owner or mode is taken for one of the content: a program that
/// copies over a file may set them too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStamp {
    len: u64,
    modified: Option<SystemTime>,
    /// The change time, of content or metadata; `None` where the system has none.
    changed: Option<(i64, i64)>,
    /// The number of the file itself, whatever its names are; `None` where the system has none. Not alone enough to tell files
    /// apart: file systems such as sshfs report another one at every call.
    inode: Option<u64>,
    /// The number of its hard links.
    links: Option<u64>,
}

impl FileStamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let (inode, links) = sys::inode_and_links(metadata).unzip();
        let (modified, changed) = (metadata.modified().ok(), sys::change_time(metadata));
        Self { len: metadata.len(), modified, changed, inode, links }
    }

    /// Returns whether a file that had this stamp and now has `later` has the same content.
    pub(crate) fn has_content_of(&self, later: &Self) -> bool {
        let is_written = self.len != later.len || self.modified != later.modified;
        !is_written && (self.changed == later.changed || self.is_linked_otherwise(later))
    }

    /// Returns whether a file that had this stamp, and now has `later`, was only renamed: `name` is the stamp of the file that
    /// now has its name.
    pub(super) fn is_renamed(&self, later: &Self, name: Option<&Self>) -> bool {
        let has_name = name.is_some_and(|name| name.inode == later.inode);
        !has_name && (self.len, self.modified) == (later.len, later.modified)
    }

    fn is_linked_otherwise(&self, later: &Self) -> bool {
        self.inode.is_some() && self.inode == later.inode && self.links != later.links
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;
    use std::thread::sleep;
    use std::time::Duration;

    /// Clocks of file systems are slow.
    const TICK: Duration = Duration::from_millis(20);

    #[test]
    fn another_link_is_no_change_and_a_write_is_one_though_its_time_is_set_back() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("f"), dir.path().join("l"));
        fs::write(&path, "before").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        let stamp = || FileStamp::of(&file.metadata().unwrap());
        let before = stamp();
        sleep(TICK);
        fs::hard_link(&path, &link).unwrap();
        assert!(before != stamp() && before.has_content_of(&stamp()));
        let before = stamp();
        sleep(TICK);
        file.write_all_at(b"behind", 0).unwrap();
        assert!(!before.has_content_of(&stamp()));
        file.set_modified(before.modified.unwrap()).unwrap();
        assert!(!before.has_content_of(&stamp()));
    }

    #[test]
    fn a_file_of_the_same_length_and_time_is_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let stamp = |name: &str| {
            let path = dir.path().join(name);
            File::create(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
            sleep(TICK);
            FileStamp::of(&fs::metadata(path).unwrap())
        };
        let (one, mut other) = (stamp("one"), stamp("other"));
        other.links = Some(2);
        assert!(!one.has_content_of(&other));
    }
}
