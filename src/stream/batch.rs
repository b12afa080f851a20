//! Several outputs in one directory that appear together or not at all.
//!
//! All are written into one hidden directory inside that one, under the names that they will have. `finish` only renames;
//! if a name cannot be given, those that were given are withdrawn, and what they replaced is put back.
//!
//! Source: docs/formats.md H-26; docs/bundles.md B-41.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::dir_sink::{DirSink, Mode, check_place, exchange};
use super::output::{is_free, name, not_begun, parent, refuse, under_construction};
use super::sink::{Sink, place_new};
use super::unfinished::{self, Unfinished};
use crate::error::{Error, Result, Setting};

/// Outputs under construction; dropped unfinished, they leave no file.
#[derive(Debug)]
pub struct OutputBatch {
    staging: Unfinished,
    directory: PathBuf,
    names: Vec<OsString>,
    force: bool,
}

impl OutputBatch {
    /// Begins outputs in the directory of `pattern`, which must be there; with `force` they replace what has their names.
    ///
    /// # Errors
    /// [`Error::Output`] when there is no such directory, [`Error::Io`] when the system refuses.
    pub fn create(pattern: &Path, force: bool) -> Result<Self> {
        let directory = parent(pattern).to_owned();
        let made = Unfinished::create(|| {
            let made = under_construction(0o777).tempdir_in(&directory)?;
            Ok((made.keep(), ()))
        });
        let (staging, ()) = made.map_err(|error| not_begun(pattern, error))?;
        Ok(Self { staging, directory, names: Vec::new(), force })
    }

    /// A file of the batch. `file` is one component of a path.
    ///
    /// # Errors
    /// [`Error::Output`] if there is one already and is not to be replaced, else those of [`Sink::file`].
    pub fn file(&mut self, file: &str) -> Result<Sink> {
        let target = self.directory.join(file);
        match fs::symlink_metadata(&target) {
            Ok(found) if found.is_dir() => return Err(refuse(&target, "is a directory")),
            Ok(_) if !self.force => return Err(refuse(&target, "exists").avoided_by(Setting::Replace)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("opening", name(&target), error));
            }
            _ => {}
        }
        let sink = Sink::file(&self.staging.path().join(file), false)?;
        self.names.push(file.into());
        Ok(sink)
    }

    /// A layout directory of the batch. `directory` is one component of a path.
    ///
    /// # Errors
    /// Those of [`DirSink::create`].
    pub fn directory(&mut self, directory: &str) -> Result<DirSink> {
        check_place(&self.directory.join(directory), if self.force { Mode::Force } else { Mode::New })?;
        let sink = DirSink::create(&self.staging.path().join(directory), Mode::New)?;
        self.names.push(directory.into());
        Ok(sink)
    }

    /// Gives all outputs their names.
    ///
    /// # Errors
    /// [`Error::Output`] if something took a name meanwhile, [`Error::Io`] when the system refuses; nothing is then changed.
    pub fn finish(self) -> Result<()> {
        let Self { staging, directory, names, force } = self;
        let mut placed: Vec<PlacedOutput> = Vec::with_capacity(names.len());
        let outcome = staging.complete(|staged| {
            for file in &names {
                match PlacedOutput::place(staged.join(file), directory.join(file), force) {
                    Ok(output) => placed.push(output),
                    Err(error) => {
                        placed.drain(..).rev().for_each(PlacedOutput::withdraw);
                        return Err(Error::io("naming", name(&directory.join(file)), error).into());
                    }
                }
            }
            Ok(())
        });
        outcome.map_err(|error: io::Error| Error::io("naming", name(&directory), error))
    }
}

/// An output that has its name.
struct PlacedOutput {
    staged: PathBuf,
    target: PathBuf,
    /// True if the output that had the name before is now at `staged`.
    replaced: bool,
}

impl PlacedOutput {
    fn place(staged: PathBuf, target: PathBuf, force: bool) -> io::Result<Self> {
        use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotADirectory};
        let replaced = force && !is_free(&target)?;
        let placed = match (replaced, staged.is_dir()) {
            (true, _) => exchange(&staged, &target),
            (false, true) => fs::rename(&staged, &target),
            (false, false) => TempPath::try_from_path(&staged).and_then(|path| place_new(path, &target)),
        };
        match placed {
            Err(error) if matches!(error.kind(), AlreadyExists | DirectoryNotEmpty | NotADirectory) => {
                Err(refuse(&target, "appeared while it was written").avoided_by(Setting::Replace).into())
            }
            placed => placed.map(|()| Self { staged, target, replaced }),
        }
    }

    /// Leaves what was there before; what cannot be undone stays, as another name cannot be had for it.
    fn withdraw(self) {
        let undone = if self.replaced { exchange(&self.staged, &self.target) } else { Ok(()) };
        if !self.replaced && undone.is_ok() {
            unfinished::remove(&self.target);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::error::ErrorKind;
    use crate::stream::finish::Finish;

    /// Writes `names` as a batch.
    fn write(directory: &Path, names: &[&str], force: bool, between: impl FnOnce()) -> Result<()> {
        let mut batch = OutputBatch::create(&directory.join("{name}"), force)?;
        for file in names {
            let mut sink = batch.file(file)?;
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
        write(dir.path(), &["a", "b"], false, || assert_eq!(contents(dir.path()).len(), 1)).unwrap();
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
        let appear = || fs::write(dir.path().join("b"), "other").unwrap();
        let error = write(dir.path(), &["a", "b"], false, appear).unwrap_err();
        assert!(error.to_string().contains("appeared"), "{error}");
        assert_eq!(contents(dir.path()), pairs(&[("b", "other")]));
        fs::write(dir.path().join("a"), "old").unwrap();
        let block = || drop((fs::remove_file(dir.path().join("b")), fs::create_dir_all(dir.path().join("b/x"))));
        // A directory is exchanged with a file where the system can; what is there then is in the way of the next.
        let outcome = write(dir.path(), &["a", "c"], true, || {});
        outcome.unwrap();
        assert_eq!(contents(dir.path())[0], ("a".into(), "new".into()));
        block();
        assert!(write(dir.path(), &["a", "b"], true, || {}).is_err(), "a directory is no file to be replaced");
        assert_eq!(contents(dir.path())[0], ("a".into(), "new".into()));
    }

    #[test]
    fn a_dropped_batch_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut batch = OutputBatch::create(&dir.path().join("x"), false).unwrap();
        batch.file("a").unwrap().write_all(b"half").unwrap();
        drop(batch.directory("b").unwrap());
        drop(batch);
        assert_eq!(contents(dir.path()), []);
    }
}
