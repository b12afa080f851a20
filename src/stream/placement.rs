//! The last step of outputs: from their temporary names to their own, all of a run together or none.
//!
//! Source: docs/formats.md H-26; docs/bundles.md B-41.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::batch::BatchSlot;
use super::output::{is_free, name, refuse, temp_path};
use super::sys;
use super::unfinished::{self, UndoFn, Unfinished};
use crate::error::{Error, Result, Setting};

/// The document that makes a layout's blobs reachable, and therefore comes last.
pub(super) const INDEX: &str = "index.json";

/// A complete output that is still under its temporary name.
#[derive(Debug)]
pub(super) struct StagedOutput {
    /// The file or directory under its temporary name.
    pub(super) unfinished: Unfinished,
    /// The path at which it will be.
    pub(super) target: PathBuf,
    pub(super) method: NamingMethod,
    /// The lock of the directory that it goes into, or whose place it takes.
    pub(super) lock: Option<File>,
}

/// A way in which an output gets its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamingMethod {
    /// A file, where there is none.
    NewFile,
    /// A file, in place of one that may be there.
    AnyFile,
    /// A directory, where there is nothing.
    NewDirectory,
    /// Files that go into the directory that is there: an empty one may be a mount point, or the working directory of a
    /// process.
    Merge,
    /// A directory, in place of the one that is there.
    Exchange,
}

/// The steps that take an output's name away again and give it back to the file or directory that had it before.
enum UndoNaming {
    Remove,
    Exchange,
    /// The paths that are new in a directory, and the index that was there before, if it is kept.
    Unmerge {
        made: Vec<PathBuf>,
        index: Option<PathBuf>,
    },
}

/// Gives an output its name, or leaves that to the batch that it is one of.
///
/// # Errors
/// Those of [`place`] and of [`BatchSlot::fill`].
pub(super) fn place_with(batch: Option<BatchSlot>, output: StagedOutput) -> Result<()> {
    match batch {
        Some(slot) => slot.fill(output),
        None => place(vec![output], None::<fn() -> Result<()>>),
    }
}

/// Gives all outputs their names, in this order, and then calls `confirm`; if that fails, all is as it was. The last
/// output replaces a file in one step if nothing comes after it.
///
/// # Errors
/// [`Error::Output`] if something took a name meanwhile, [`Error::Io`] when the system refuses, and those of `confirm`;
/// nothing is then changed.
pub(super) fn place(outputs: Vec<StagedOutput>, confirm: Option<impl FnOnce() -> Result<()>>) -> Result<()> {
    // The locks are kept to the end.
    let (staged, places): (Vec<_>, Vec<_>) =
        outputs.into_iter().map(|output| (output.unfinished, (output.target, output.method, output.lock))).unzip();
    // Outputs that wait for a confirmation may still be withdrawn: then every step has to be one that can be undone.
    let is_confirmed = confirm.is_some();
    let put = |number: usize, staged: &Path| {
        let (target, method, _) = &places[number];
        let is_last = !is_confirmed && number + 1 == places.len();
        let undo = method.put(staged, target, is_last).map_err(|error| method.refused(target, error))?;
        let (staged, target) = (staged.to_owned(), target.clone());
        Ok(Box::new(move || undo.run(&staged, &target)) as UndoFn)
    };
    Unfinished::complete_all(staged, put, confirm)
}

impl NamingMethod {
    fn put(self, staged: &Path, target: &Path, is_last: bool) -> io::Result<UndoNaming> {
        match self {
            Self::NewFile => place_new(temp_path(staged)?, &sys::long_path(target)?).map(|()| UndoNaming::Remove),
            // A directory would be exchanged too.
            Self::AnyFile if target.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Self::AnyFile if !is_last && !is_free(target)? => exchange(staged, target).map(|()| UndoNaming::Exchange),
            Self::AnyFile => {
                let persisted = temp_path(staged)?.persist(sys::long_path(target)?);
                persisted.map(|()| UndoNaming::Remove).map_err(|refused| refused.error)
            }
            // On Windows a rename may replace a file with the directory.
            Self::NewDirectory if cfg!(windows) && !is_free(target)? => Err(io::ErrorKind::AlreadyExists.into()),
            Self::NewDirectory => fs::rename(staged, target).map(|()| UndoNaming::Remove),
            Self::Merge => merge(staged, target, is_last),
            Self::Exchange => exchange(staged, target).map(|()| UndoNaming::Exchange),
        }
    }

    fn refused(self, target: &Path, error: io::Error) -> Error {
        use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotADirectory, PermissionDenied};
        let appeared = || refuse(target, "appeared while it was written");
        match (self, error.kind()) {
            (Self::NewFile | Self::AnyFile, AlreadyExists) => appeared().avoided_by(Setting::Replace),
            (Self::NewDirectory | Self::Merge | Self::Exchange, AlreadyExists | DirectoryNotEmpty | NotADirectory) => {
                appeared()
            }
            // The answer of Windows when another directory appears between that look and the rename.
            (Self::NewDirectory, PermissionDenied) if target.exists() => appeared(),
            _ => Error::io("naming", name(target), error),
        }
    }
}

impl UndoNaming {
    /// Leaves what was there before; what cannot be undone stays, whole, and is [`left_behind`](unfinished::left_behind).
    fn run(self, staged: &Path, target: &Path) {
        match self {
            Self::Remove => unfinished::remove(target),
            Self::Unmerge { made, index } => {
                match index.map_or(Ok(()), |index| fs::rename(index, target.join(INDEX))) {
                    Ok(()) => made.iter().rev().for_each(|path| unfinished::remove_if_empty(path)),
                    Err(error) => unfinished::not_put_back(target, error),
                }
            }
            Self::Exchange => {
                if let Err(error) = exchange(staged, target) {
                    unfinished::not_put_back(target, error);
                }
            }
        }
    }
}

/// Gives a file a name that nothing has yet.
fn place_new(path: TempPath, target: &Path) -> io::Result<()> {
    let Err(refused) = path.persist_noclobber(target) else { return Ok(()) };
    match refused.error.kind() {
        // Folders shared with a virtual machine and stores of objects know neither links nor a rename that replaces nothing:
        // a look comes close.
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported if is_free(target)? => {
            refused.path.persist(target).map_err(|refused| refused.error)
        }
        _ => Err(refused.error),
    }
}

/// Moves all files of `staged` into `target`; if one cannot be moved, those that were new are removed again. Unless `is_last`,
/// the index that is replaced is kept in `staged`.
fn merge(staged: &Path, target: &Path, is_last: bool) -> io::Result<UndoNaming> {
    let (mut made, mut kept) = (Vec::new(), None);
    let moved = move_into(staged, target, &mut made).and_then(|()| {
        let (index, place) = (staged.join(INDEX), target.join(INDEX));
        if !index.try_exists()? {
            return Ok(());
        }
        let is_new = is_free(&place)?;
        if !is_new && !is_last {
            let old = index.with_extension("old");
            fs::write(&old, fs::read(&place)?)?;
            fs::set_permissions(&old, fs::metadata(&place)?.permissions())?;
            kept = Some(old);
        }
        fs::rename(index, &place)?;
        made.extend(is_new.then_some(place));
        Ok(())
    });
    if moved.is_err() {
        made.iter().rev().for_each(|path| unfinished::remove_if_empty(path));
    }
    moved.map(|()| UndoNaming::Unmerge { made, index: kept })
}

/// Moves what lies in `from` to `to`, all but the index; `made` gains each path that was not there before.
fn move_into(from: &Path, to: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in sys::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        let is_new = is_free(&place)?;
        if entry.file_type()?.is_dir() {
            if is_new {
                fs::create_dir(&place)?;
                made.push(place.clone());
            }
            move_into(&entry.path(), &place, made)?;
        } else if entry.file_name() != INDEX {
            fs::rename(entry.path(), &place)?;
            if is_new {
                made.push(place);
            }
        }
    }
    Ok(())
}

/// Puts `staged` where `target` is and the other way round: in one step where the system can.
fn exchange(staged: &Path, target: &Path) -> io::Result<()> {
    if sys::exchange(staged, target)? { Ok(()) } else { exchange_in_steps(staged, target) }
}

fn exchange_in_steps(staged: &Path, target: &Path) -> io::Result<()> {
    let aside = staged.with_extension("old");
    fs::rename(target, &aside)?;
    if let Err(error) = fs::rename(staged, target) {
        // The old layout goes back; where even that fails it keeps its bytes under the other name.
        return Err(match fs::rename(&aside, target) {
            Ok(()) => error,
            Err(_) => refuse(target, &format!("{error}; what was there is now {}", name(&aside))).into(),
        });
    }
    // The new layout has its name: whatever becomes of the old one, this has succeeded.
    if fs::rename(&aside, staged).is_err() {
        unfinished::remove(&aside);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_atomic_exchange_the_result_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (staged, target) = (dir.path().join("staged"), dir.path().join("target"));
        for (path, text) in [(&staged, "new"), (&target, "old")] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("text"), text).unwrap();
        }
        exchange_in_steps(&staged, &target).unwrap();
        assert_eq!(fs::read(target.join("text")).unwrap(), b"new");
        assert_eq!(fs::read(staged.join("text")).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
