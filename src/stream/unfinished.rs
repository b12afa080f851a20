//! Outputs under construction: removed unless they are completed, whether the run fails, panics or is told to stop.
//!
//! A signal ends a process, not a scope, so the register is the process's own. The command's signal thread calls
//! [`abandon_all`]; a library user who handles no signals has the guards alone.
//!
//! Source: docs/formats.md H-26; no output is ever left half-made under its final name or any other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io};

static REGISTER: Mutex<Register> = Mutex::new(Register { unfinished: BTreeSet::new(), completed: 0 });

/// The outputs of this process.
struct Register {
    unfinished: BTreeSet<PathBuf>,
    completed: usize,
}

/// A file or directory under a temporary name; whatever stands there is removed on drop.
#[derive(Debug)]
pub(crate) struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    /// Takes care of what `make` creates. No signal comes between its creation and its entry in the register.
    pub(crate) fn create<T>(make: impl FnOnce() -> io::Result<(PathBuf, T)>) -> io::Result<(Self, T)> {
        let mut register = register();
        let (path, made) = make()?;
        register.unfinished.insert(path.clone());
        Ok((Self { path }, made))
    }

    /// The temporary name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `place`, which gives the output its final name; no signal comes between its beginning and its end.
    ///
    /// What `place` leaves at the temporary name, such as the directory it replaced, is removed.
    pub(crate) fn complete<T>(self, place: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        // Removal of a directory is not atomic: without the lock it could go on below the final name.
        let mut register = register();
        let result = place(&self.path);
        register.completed += usize::from(result.is_ok());
        // Dropping `self` takes the lock again.
        drop(register);
        result
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // A file that cannot be removed must not hide the error that brought us here.
        let _ = remove(&self.path);
        register().unfinished.remove(&self.path);
    }
}

/// Keeps any output from being begun or completed for as long as it lives.
pub struct Abandoned(MutexGuard<'static, Register>);

impl Abandoned {
    /// How many outputs have their final names: they are whole, and stay.
    pub fn completed(&self) -> usize {
        self.0.completed
    }
}

/// Removes all unfinished outputs of this process, which should end while the answer is still alive.
///
/// An output is either finished before this call or removed by it, never both.
#[must_use = "outputs can be completed again once this is dropped"]
pub fn abandon_all() -> Abandoned {
    let mut register = register();
    while let Some(path) = register.unfinished.pop_first() {
        let _ = remove(&path);
    }
    Abandoned(register)
}

fn register() -> MutexGuard<'static, Register> {
    REGISTER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(path: &Path) -> io::Result<()> {
    let mut result = fs::remove_file(path);
    // A directory. Other threads put files into it, take some away and have some open, until they notice: what is not found
    // may be one of these. Network filesystems may never let it be empty: not for ever.
    for _ in 0..100 {
        if result.is_ok() || is_gone(path) {
            return Ok(());
        }
        result = fs::remove_dir_all(path);
    }
    result
}

fn is_gone(path: &Path) -> bool {
    matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn what_was_placed_stays_and_what_it_replaced_goes() {
        let dir = tempfile::tempdir().unwrap();
        let (path, target) = (dir.path().join("unfinished"), dir.path().join("target"));
        let (unfinished, ()) = Unfinished::create(|| fs::write(&path, "new").map(|()| (path.clone(), ()))).unwrap();
        let placed = unfinished.complete(|path| fs::rename(path, &target).and_then(|()| fs::write(path, "old")));
        placed.unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(!path.exists());
    }
}
