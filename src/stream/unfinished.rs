//! Outputs under construction: removed unless they are completed, whether the run fails, panics or is stopped by a
//! signal.
//!
//! A signal ends a process, not a scope, so the register is the process's own. The command's signal thread calls
//! [`abandon_all`]; in a program that handles no signals only the guards remove them.
//!
//! Source: docs/formats.md H-26.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io, mem};

use super::output::name;

static REGISTER: Mutex<Register> = Mutex::new(Register::new());
/// The paths that could not be removed or put back: which of the two it was, and why.
static LEFT: Mutex<BTreeMap<PathBuf, (&str, io::Error)>> = Mutex::new(BTreeMap::new());

/// Takes the name of an output from it again, and puts back what had it before.
pub(crate) type UndoFn = Box<dyn FnOnce() + Send>;

/// The outputs of this process.
struct Register {
    /// Temporary names at which something may stand; of outputs that have their final names, but may still fail, how they
    /// lose them again.
    unfinished: BTreeMap<PathBuf, Option<UndoFn>>,
    /// Directories that were made for outputs within them, and go with them if they are empty then.
    made_for: BTreeMap<PathBuf, PathBuf>,
    /// Outputs that have been begun and neither completed nor dropped.
    under_construction: usize,
    /// The output that was begun or ended last has its final name.
    newest_is_complete: bool,
}

impl Register {
    const fn new() -> Self {
        Self {
            unfinished: BTreeMap::new(),
            made_for: BTreeMap::new(),
            under_construction: 0,
            newest_is_complete: false,
        }
    }

    fn begin(&mut self, path: PathBuf) {
        self.unfinished.insert(path, None);
        self.under_construction += 1;
        self.newest_is_complete = false;
    }

    fn end(&mut self, is_complete: bool) {
        self.under_construction -= 1;
        self.newest_is_complete = is_complete;
    }

    fn is_too_late(&self) -> bool {
        self.newest_is_complete && self.under_construction == 0
    }
}

/// A file or directory under a temporary name; whatever stands there is removed on drop.
#[derive(Debug)]
pub(crate) struct Unfinished {
    path: PathBuf,
    is_complete: bool,
}

impl Unfinished {
    /// Guards the file or directory that `make` creates. No signal comes between its creation and its entry in the register.
    pub(crate) fn create<T>(make: impl FnOnce() -> io::Result<(PathBuf, T)>) -> io::Result<(Self, T)> {
        let mut register = register();
        let (path, made) = make()?;
        register.begin(path.clone());
        Ok((Self { path, is_complete: false }, made))
    }

    /// Removes `directory` too when this is removed, if nothing else is in it then: it was made for this.
    pub(crate) fn with_directory(self, directory: PathBuf) -> Self {
        register().made_for.insert(self.path.clone(), directory);
        self
    }

    /// The temporary name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the outputs `all` their final names with `place`, which gets the number and temporary name of each, and returns
    /// what withdraws it. If `confirm` is there, they are withdrawn unless it succeeds, and a signal that comes meanwhile does
    /// the same; no signal comes between anything else.
    ///
    /// Removes anything that `place` leaves at the temporary names, such as the directory it replaced.
    pub(crate) fn complete_all<E>(
        mut all: Vec<Self>,
        mut place: impl FnMut(usize, &Path) -> Result<UndoFn, E>,
        confirm: Option<impl FnOnce() -> Result<(), E>>,
    ) -> Result<(), E> {
        // Removal of a directory is not atomic: without the lock it could go on below the final name. It is released before
        // the outputs are dropped, which takes it again.
        let mut register = register();
        for (number, output) in all.iter().enumerate() {
            let undo = place(number, &output.path)?;
            register.unfinished.insert(output.path.clone(), Some(undo));
        }
        if let Some(confirm) = confirm {
            drop(register);
            confirm()?;
            register = self::register();
        }
        for output in &mut all {
            output.is_complete = true;
            register.unfinished.insert(output.path.clone(), None);
            register.end(true);
        }
        drop(register);
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // A signal's handler that has the lock in between finds an output in its place or withdrawn, nothing half done.
        let mut register = register();
        if let Some(undo) = register.unfinished.get_mut(&self.path).and_then(Option::take) {
            undo();
        }
        drop(register);
        remove(&self.path);
        let mut register = self::register();
        register.unfinished.remove(&self.path);
        if let Some(directory) = register.made_for.remove(&self.path) {
            remove_if_empty(&directory);
        }
        if !self.is_complete {
            register.end(false);
        }
    }
}

/// Keeps any output from being begun or completed for as long as it lives.
pub struct Abandoned(MutexGuard<'static, Register>);

impl Abandoned {
    /// Returns true if the output that was begun last has its final name, and no other was under construction.
    ///
    /// A signal then comes too late to end the run that wrote it. The answer is about that run alone: the next output that
    /// is begun makes it false again.
    pub fn is_too_late(&self) -> bool {
        self.0.is_too_late()
    }
}

/// Withdraws and removes all unfinished outputs of this process, which should end while the answer is still alive.
///
/// An output is either finished before this call or removed by it, never both.
#[must_use = "outputs can be completed again once this is dropped"]
pub fn abandon_all() -> Abandoned {
    let mut register = register();
    while let Some((path, undo)) = register.unfinished.pop_first() {
        if let Some(undo) = undo {
            undo();
        }
        remove(&path);
        if let Some(directory) = register.made_for.remove(&path) {
            remove_if_empty(&directory);
        }
    }
    Abandoned(register)
}

/// Returns a sentence for each path that this process made or replaced and could not remove or put back; a second call does
/// not repeat them.
///
/// It makes no run fail: an error that led here must not be hidden, and an output that is complete stays so.
pub fn left_behind() -> Vec<String> {
    let left = mem::take(&mut *left());
    left.into_iter().map(|(path, (action, error))| format!("{} could not be {action}: {error}", name(&path))).collect()
}

fn register() -> MutexGuard<'static, Register> {
    REGISTER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn left() -> MutexGuard<'static, BTreeMap<PathBuf, (&'static str, io::Error)>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records that what stood at `path` before could not be put back.
pub(crate) fn not_put_back(path: &Path, error: io::Error) {
    left().insert(path.to_owned(), ("put back as it was", error));
}

/// Removes what stands at `path`, with all that is in it; what cannot be removed is [`left_behind`].
pub(crate) fn remove(path: &Path) {
    remove_with_retries(path, |directory| fs::remove_dir_all(directory));
}

/// Removes the file or the empty directory at `path`; what cannot be removed is [`left_behind`], except a directory
/// that another program has put files into.
pub(crate) fn remove_if_empty(path: &Path) {
    remove_with_retries(path, |directory| match fs::remove_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        result => result,
    });
}

/// Removes what stands at `path`, if anything does, with `remove_dir` if it is a directory.
fn remove_with_retries(path: &Path, remove_dir: impl Fn(&Path) -> io::Result<()>) {
    for attempt in 1.. {
        let Err(error) = remove_once(path, &remove_dir) else { return };
        if is_gone(path) {
            return;
        }
        if attempt >= most_attempts(&error) {
            left().insert(path.to_owned(), ("removed", error));
            return;
        }
    }
}

/// Returns how many times to try a removal that fails with `error`. Threads that have not stopped yet may add files to
/// a directory, remove some and hold some open, and a network file system may never let it be empty; other errors are
/// likely to come again, and perhaps slowly.
fn most_attempts(error: &io::Error) -> usize {
    use io::ErrorKind::{DirectoryNotEmpty, NotFound, PermissionDenied, ResourceBusy};
    match error.kind() {
        DirectoryNotEmpty | NotFound | PermissionDenied | ResourceBusy => 100,
        _ => 3,
    }
}

fn remove_once(path: &Path, remove_dir: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let refused = match fs::remove_file(path) {
        Err(error) if error.kind() != NotFound => error,
        _ => return Ok(()),
    };
    match remove_dir(path) {
        Err(error) if error.kind() == NotADirectory => Err(refused),
        result => result,
    }
}

/// Returns true if nothing exists at `path`: a read-only disk refuses to remove even that.
fn is_gone(path: &Path) -> bool {
    matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_too_late_only_where_the_newest_output_is_complete() {
        let mut register = Register::new();
        assert!(!register.is_too_late(), "nothing has been begun");
        let begin = |register: &mut Register| register.begin(PathBuf::from("output"));
        begin(&mut register);
        assert!(!register.is_too_late());
        register.end(true);
        assert!(register.is_too_late());
        begin(&mut register);
        assert!(!register.is_too_late(), "a second run can be ended, although the first has succeeded");
        begin(&mut register);
        register.end(true);
        assert!(!register.is_too_late(), "another output is under construction");
        register.end(false);
        assert!(!register.is_too_late(), "a run that failed can be ended");
    }

    #[test]
    fn a_directory_goes_although_a_thread_still_writes_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("unfinished");
        let make = || fs::create_dir(&path).map(|()| (path.clone(), ()));
        let (unfinished, ()) = Unfinished::create(make).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| (0_u32..).find(|n| fs::write(path.join(n.to_string()), "").is_err()));
            drop(unfinished);
        });
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn what_cannot_be_removed_is_told_of_once() {
        let dir = tempfile::tempdir().unwrap();
        // Nothing exists below a file, but the error is not `NotFound`.
        let path = dir.path().join("file").join("x");
        fs::write(dir.path().join("file"), "").unwrap();
        remove(&path);
        let told = || left_behind().into_iter().filter(|text| text.starts_with(&name(&path))).count();
        assert_eq!((told(), told()), (1, 0));
    }

    #[test]
    fn a_directory_to_which_another_program_has_added_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (empty, full) = (dir.path().join("empty"), dir.path().join("full"));
        fs::create_dir(&empty).unwrap();
        fs::create_dir(&full).unwrap();
        fs::write(full.join("precious"), "").unwrap();
        remove_if_empty(&empty);
        remove_if_empty(&full);
        assert!(!empty.exists() && full.join("precious").exists());
    }

    #[test]
    fn what_was_placed_stays_and_what_it_replaced_goes() {
        let dir = tempfile::tempdir().unwrap();
        let (path, target) = (dir.path().join("unfinished"), dir.path().join("target"));
        let (unfinished, ()) = Unfinished::create(|| fs::write(&path, "new").map(|()| (path.clone(), ()))).unwrap();
        let place = |_, staged: &Path| -> io::Result<UndoFn> {
            fs::rename(staged, &target)?;
            fs::write(staged, "old")?;
            let target = target.clone();
            Ok(Box::new(move || remove(&target)))
        };
        Unfinished::complete_all(vec![unfinished], place, None::<fn() -> _>).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(!path.exists());
    }
}
