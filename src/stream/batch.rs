//! The outputs of one run, which appear together or not at all.
//!
//! Each is written under a temporary name beside its own. [`OutputBatch::finish`] only renames; if a name cannot be given,
//! those that were given are withdrawn, and what they replaced is put back.
//!
//! Source: docs/formats.md H-26; docs/bundles.md B-41.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::{fmt, io, mem};

use super::dir_sink::DirSink;
use super::dir_target::Mode;
use super::file_names::PathKey;
use super::output::{name, refuse};
use super::placement::{StagedOutput, place};
use super::sink::Sink;
use super::sys;
use crate::error::{Error, Result};

/// Outputs of which each waits for the others: those that are finished have their names when the batch is. Dropped
/// unfinished, it leaves no file; an output that is finished after its batch fails.
#[derive(Default)]
pub struct OutputBatch {
    outputs: Arc<Mutex<BatchOutputs>>,
    /// True once a directory is locked for one of the outputs, as all are until the batch ends.
    has_lock: Arc<Mutex<bool>>,
    on_wait: Option<Box<OnWait>>,
}

/// Gets the path of a directory before its output waits for another run that writes to it.
type OnWait = dyn Fn(&Path) + Send + Sync;

#[derive(Debug, Default)]
struct BatchOutputs {
    /// The outputs in the order in which they were begun; `None` until they are finished.
    staged: Vec<Option<StagedOutput>>,
    /// The names that they will get.
    targets: HashSet<PathKey>,
}

/// The slot of an output in its batch: by the order in which they were begun, because threads finish them in any order.
#[derive(Debug)]
pub(super) struct BatchSlot {
    batch: Weak<Mutex<BatchOutputs>>,
    has_lock: Arc<Mutex<bool>>,
    number: usize,
}

impl OutputBatch {
    /// A batch that calls `on_wait` with the path of a directory before it waits for another run that writes to it.
    pub fn with_on_wait(on_wait: impl Fn(&Path) + Send + Sync + 'static) -> Self {
        Self { on_wait: Some(Box::new(on_wait)), ..Self::default() }
    }

    /// A file of the batch, as [`Sink::file`] opens it. A FIFO or device that is there is written at once.
    ///
    /// # Errors
    /// Those of [`Sink::file`], and [`Error::Usage`] if another output of the batch has this name.
    pub fn file(&self, path: &Path, force: bool) -> Result<Sink> {
        Sink::file_of(path, force, Some(self.slot()))
    }

    /// A layout directory of the batch, as [`DirSink::create`] begins it. The batch waits only for its first directory: two batches
    /// could each have one that the other waits for.
    ///
    /// # Errors
    /// Those of [`DirSink::create`], [`Error::Usage`] if another output of the batch has this name, and [`Error::Output`] if
    /// another run writes to the directory and it is not the first.
    pub fn directory(&self, path: &Path, mode: Mode) -> Result<DirSink> {
        let on_wait = || self.on_wait.iter().for_each(|on_wait| on_wait(path));
        DirSink::begin(path, mode, &on_wait, Some(self.slot()))
    }

    /// Gives all outputs that are finished their names.
    ///
    /// # Errors
    /// [`Error::Output`] if something took a name meanwhile, [`Error::Io`] when the system refuses; nothing is then changed.
    pub fn finish(self) -> Result<()> {
        place(self.complete(), None::<fn() -> Result<()>>)
    }

    /// The same, and calls `confirm` once they have their names, such as to report that. If it fails they lose them again,
    /// and what they replaced is put back.
    ///
    /// # Errors
    /// Those of [`finish`](Self::finish) and of `confirm`; nothing is then changed.
    pub fn finish_with(self, confirm: impl FnOnce() -> Result<()>) -> Result<()> {
        place(self.complete(), Some(confirm))
    }

    /// Takes the outputs that are finished, the first of them last: its place is taken in one step, and it may be a layout that
    /// is added to.
    fn complete(self) -> Vec<StagedOutput> {
        mem::take(&mut lock(&self.outputs).staged).into_iter().rev().flatten().collect()
    }

    fn slot(&self) -> BatchSlot {
        let mut outputs = lock(&self.outputs);
        outputs.staged.push(None);
        let (batch, has_lock) = (Arc::downgrade(&self.outputs), Arc::clone(&self.has_lock));
        BatchSlot { batch, has_lock, number: outputs.staged.len() - 1 }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for OutputBatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("OutputBatch").field(&self.outputs).finish()
    }
}

impl BatchSlot {
    /// Reserves the name of the output, which symbolic links may lead to: a second of one name would replace the first.
    ///
    /// # Errors
    /// [`Error::Usage`] if another output of the batch has it.
    pub(super) fn reserve(&self, target: &Path) -> Result<()> {
        let outputs = self.batch.upgrade().expect("the batch begins the output");
        if lock(&outputs).targets.insert(PathKey::of(target)) {
            return Ok(());
        }
        Err(Error::Usage(format!("{}: two outputs would have this name", name(target))))
    }

    /// Locks the directory at `target` as [`sys::lock`] does, but waits only if the batch has no lock yet.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if a process has the directory and the batch has another.
    pub(super) fn lock(&self, target: &Path, on_wait: &dyn Fn()) -> io::Result<Option<File>> {
        // Kept while it waits, so that no other thread takes a second lock meanwhile.
        let mut has_lock = lock(&self.has_lock);
        let locked = sys::lock(target, (!*has_lock).then_some(on_wait))?;
        *has_lock |= locked.is_some();
        Ok(locked)
    }

    /// Leaves `output`, which is complete, to the batch.
    ///
    /// # Errors
    /// [`Error::Output`] if the batch has been finished or dropped: nothing would give the output its name.
    pub(super) fn fill(self, output: StagedOutput) -> Result<()> {
        let ended = refuse(&output.target, "the outputs that it belongs to were finished before it");
        let Some(outputs) = self.batch.upgrade() else { return Err(ended) };
        let mut outputs = lock(&outputs);
        // It is not there if the batch is being finished by another thread.
        let Some(slot) = outputs.staged.get_mut(self.number) else { return Err(ended) };
        *slot = Some(output);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::PathBuf;

    use super::*;
    use crate::error::ErrorKind;
    use crate::stream::finish::Finish;

    /// Writes `names` as a batch.
    fn write(directory: &Path, names: &[&str], force: bool, between: impl FnOnce()) -> Result<()> {
        let batch = OutputBatch::default();
        for file in names {
            let mut sink = batch.file(&directory.join(file), force)?;
            sink.write_all(b"new").map_err(|error| Error::io("", "", error))?;
            sink.finish().map_err(|error| Error::io("", "", error))?;
        }
        between();
        batch.finish()
    }

    fn contents(directory: &Path) -> Vec<(String, String)> {
        let read = |entry: fs::DirEntry| {
            let text =
                if entry.path().is_dir() { "directory".into() } else { fs::read_to_string(entry.path()).unwrap() };
            (entry.file_name().into_string().unwrap(), text)
        };
        let mut found: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| read(entry.unwrap())).collect();
        found.sort();
        found
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn all_appear_together() {
        let dir = tempfile::tempdir().unwrap();
        let is_hidden = |(name, _): &(String, String)| name.starts_with(".imgtar-");
        write(dir.path(), &["a", "b"], false, || assert!(contents(dir.path()).iter().all(is_hidden))).unwrap();
        assert_eq!(contents(dir.path()), pairs(&[("a", "new"), ("b", "new")]));
    }

    #[test]
    fn one_that_is_there_is_refused_or_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("b"), "old").unwrap();
        let error = write(dir.path(), &["a", "b"], false, || {}).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!(contents(dir.path()), pairs(&[("b", "old")]));
        write(dir.path(), &["a", "b"], true, || {}).unwrap();
        assert_eq!(contents(dir.path()), pairs(&[("a", "new"), ("b", "new")]));
    }

    #[test]
    fn where_one_name_cannot_be_given_all_is_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let error = write(dir.path(), &["b", "a"], false, || fs::write(&b, "other").unwrap()).unwrap_err();
        assert!(error.to_string().contains("appeared"), "{error}");
        assert_eq!(contents(dir.path()), pairs(&[("b", "other")]));
        fs::write(&a, "old").unwrap();
        let block = || drop((fs::remove_file(&b), fs::create_dir_all(b.join("x"))));
        for names in [["a", "b"], ["b", "a"]] {
            assert!(write(dir.path(), &names, true, block).is_err(), "a directory is no file to be replaced");
            assert_eq!(contents(dir.path()), pairs(&[("a", "old"), ("b", "directory")]));
            fs::remove_dir_all(&b).unwrap();
        }
    }

    /// Every file below `directory` with its bytes, and every empty directory.
    fn tree(directory: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if fs::read_dir(&path).unwrap().next().is_none() => found.push((path, None)),
                true => found.extend(tree(&path)),
                false => found.push((path.clone(), Some(fs::read(path).unwrap()))),
            }
        }
        found.sort();
        found
    }

    #[test]
    fn where_it_is_not_confirmed_all_is_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for layout in ["added", "forced"] {
            fs::create_dir(at(layout)).unwrap();
            fs::write(at(layout).join("oci-layout"), "{}").unwrap();
            fs::write(at(layout).join("index.json"), "old").unwrap();
        }
        fs::create_dir(at("empty")).unwrap();
        fs::write(at("old"), "old").unwrap();
        let write = |confirm: fn() -> Result<()>| {
            let batch = OutputBatch::default();
            for (layout, mode) in
                [("added", Mode::Append), ("forced", Mode::Force), ("empty", Mode::New), ("fresh", Mode::New)]
            {
                let sink = batch.directory(&at(layout), mode).unwrap();
                sink.document("index.json", b"new").unwrap();
                sink.document("other", b"new").unwrap();
                sink.finish().unwrap();
            }
            for (file, force) in [("new", false), ("old", true)] {
                let mut sink = batch.file(&at(file), force).unwrap();
                sink.write_all(b"new").unwrap();
                sink.finish().unwrap();
            }
            batch.finish_with(confirm)
        };
        let before = tree(dir.path());
        let error = write(|| Err(Error::Usage("refused".to_owned()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(tree(dir.path()) == before, "{:?}", tree(dir.path()));
        write(|| Ok(())).unwrap();
        let is_new = |(path, text): &(PathBuf, Option<Vec<u8>>)| {
            text.as_deref() == Some(b"new") || *path == at("added").join("oci-layout")
        };
        assert!(tree(dir.path()).iter().all(is_new), "{:?}", tree(dir.path()));
        assert_eq!(tree(dir.path()).len(), 2 * 4 + 1 + 2);
    }

    #[test]
    fn an_empty_directory_that_was_filled_is_empty_again() {
        let dir = tempfile::tempdir().unwrap();
        let layout = dir.path().join("layout");
        fs::create_dir(&layout).unwrap();
        let batch = OutputBatch::default();
        batch.file(&dir.path().join("a"), false).unwrap().finish().unwrap();
        let sink = batch.directory(&layout, Mode::New).unwrap();
        sink.document("index.json", b"{}").unwrap();
        sink.finish().unwrap();
        fs::write(dir.path().join("a"), "other").unwrap();
        assert!(batch.finish().is_err());
        assert_eq!(contents(&layout), []);
    }

    #[test]
    fn a_second_output_of_one_name_is_refused_when_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let batch = OutputBatch::default();
        let _first = batch.file(&dir.path().join("a"), false).unwrap();
        let second = dir.path().join("../").join(dir.path().file_name().unwrap()).join("a");
        assert_eq!(batch.file(&second, false).unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(batch.directory(&second, Mode::New).unwrap_err().kind(), ErrorKind::Usage);
        batch.file(&dir.path().join("b"), false).unwrap();
    }

    #[test]
    fn no_two_batches_wait_for_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for layout in ["a", "b"] {
            fs::create_dir(at(layout)).unwrap();
            fs::write(at(layout).join("oci-layout"), "{}").unwrap();
        }
        let new = || OutputBatch::with_on_wait(|directory| panic!("waits for {}", directory.display()));
        let (one, other) = (new(), new());
        let begin = |batch: &OutputBatch, name: &str| batch.directory(&at(name), Mode::Force);
        let a = begin(&one, "a").unwrap();
        let b = begin(&other, "b").unwrap();
        for (batch, taken) in [(&one, "b"), (&other, "a")] {
            let error = begin(batch, taken).unwrap_err();
            assert!(error.to_string().contains("another run writes to it"), "{error}");
            assert_eq!(error.kind(), ErrorKind::Io);
        }
        drop((a, one));
        let a = begin(&new(), "a").unwrap();
        drop((a, b));
    }

    #[test]
    fn an_output_that_is_finished_after_its_batch_fails() {
        let dir = tempfile::tempdir().unwrap();
        for finish in [|batch: OutputBatch| batch.finish().unwrap(), drop] {
            let batch = OutputBatch::default();
            let late = batch.file(&dir.path().join("a"), false).unwrap();
            let layout = batch.directory(&dir.path().join("b"), Mode::New).unwrap();
            finish(batch);
            let error = Error::io("", "", late.finish().unwrap_err());
            assert!(error.to_string().contains("were finished before it"), "{error}");
            assert!(layout.finish().is_err());
            assert_eq!(contents(dir.path()), []);
        }
    }

    #[test]
    fn a_dropped_batch_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let batch = OutputBatch::default();
        batch.file(&dir.path().join("a"), false).unwrap().write_all(b"half").unwrap();
        batch.file(&dir.path().join("b"), false).unwrap().finish().unwrap();
        drop(batch.directory(&dir.path().join("c"), Mode::New).unwrap());
        drop(batch);
        assert_eq!(contents(dir.path()), []);
    }
}
