//! The input, IN: a path, or standard input with bytes on it.

use std::fs::{self, File, Metadata};
use std::io::{self, IsTerminal, Seek};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use imgtar::internals::path::escape_path;
use imgtar::internals::stream::{duplicate, metadata};
use imgtar::{Archives, Error, Input, Reference, Result, Rule};

use super::messages::Messages;
use super::sys::{self, StreamState};

/// The transports that skopeo puts in front of a file.
const SCHEMES: [&str; 4] = ["docker-archive:", "oci-archive:", "oci:", "dir:"];

/// The transports that skopeo and others put in front of an image's name.
const IMAGES: [&str; 3] = ["docker-daemon:", "containers-storage:", "docker://"];

/// The time without a byte on standard input after which a message says that it is waited for.
const TIMEOUT: Duration = Duration::from_secs(2);

/// True once standard input is the archive that something reads: it cannot be another one too.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The input that `given` names; standard input for `-` and for `None`.
///
/// # Errors
/// [`Error::Usage`] if standard input is a terminal, a directory or closed, [`Error::Invalid`] if nothing is on it;
/// [`Error::Io`] if there is no such file, and what is there instead would be no image archive either.
pub(crate) fn find(given: Option<&Path>) -> Result<Input> {
    match given {
        Some(path) if path != Path::new("-") => match hint_for(path) {
            Some(hint) => Err(hinted(opening(path), &hint)),
            None => Ok(Input::Path(path.to_owned())),
        },
        _ => standard_input().map(Input::Stdin),
    }
}

/// The inputs that `given` names, at least one.
///
/// # Errors
/// Those of [`find`]; [`Error::Usage`] if standard input is named twice.
pub(crate) fn find_all(given: &[PathBuf]) -> Result<Vec<Input>> {
    refuse_repeated(given.iter().map(PathBuf::as_path))?;
    refuse_one_stream(given.iter().map(PathBuf::as_path))?;
    match given {
        [] => Ok(vec![find(None)?]),
        given => given.iter().map(|path| find(Some(path))).collect(),
    }
}

/// The paths of the archives that a command reads.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GivenArchives<'a> {
    /// IN.
    pub(super) inputs: &'a [PathBuf],
    /// Those of `--with`.
    pub(super) with: &'a [PathBuf],
    /// Those of `--base`.
    pub(super) bases: &'a [PathBuf],
}

impl<'a> GivenArchives<'a> {
    /// All of them.
    pub(super) fn paths(self) -> impl Iterator<Item = &'a PathBuf> {
        self.inputs.iter().chain(self.with).chain(self.bases)
    }

    /// Finds the archives, at least one that is read as IN.
    ///
    /// # Errors
    /// Those of [`find_all`].
    pub(super) fn find(self) -> Result<Archives> {
        let from_nothing = self.inputs.is_empty().then_some(Path::new("-"));
        let all = || self.paths().map(PathBuf::as_path).chain(from_nothing);
        refuse_repeated(all())?;
        refuse_one_stream(all())?;
        let beside = |given: &[PathBuf]| if given.is_empty() { Ok(Vec::new()) } else { find_all(given) };
        Ok(Archives { inputs: find_all(self.inputs)?, with: beside(self.with)?, bases: beside(self.bases)? })
    }
}

/// Refuses inputs that would read standard input twice.
///
/// # Errors
/// [`Error::Usage`].
pub(super) fn refuse_repeated<'p>(given: impl Iterator<Item = &'p Path>) -> Result<()> {
    match given.filter(|path| *path == Path::new("-")).nth(1) {
        Some(_) => Err(repeated()),
        None => Ok(()),
    }
}

/// Refuses inputs that are one pipe or terminal under several names, such as `-` and `/dev/stdin`.
///
/// # Errors
/// [`Error::Usage`].
pub(super) fn refuse_one_stream<'p>(given: impl Iterator<Item = &'p Path>) -> Result<()> {
    let mut known: Vec<(&Path, sys::FileId)> = Vec::new();
    for path in given {
        let stream = match path == Path::new("-") {
            true => duplicate(io::stdin()).ok().and_then(|file| sys::stream_identity(&file)),
            false => sys::stream_identity_at(path),
        };
        let Some(stream) = stream else { continue };
        if let Some((other, _)) = known.iter().find(|(_, known)| *known == stream) {
            let [one, two] = [other, path].map(escape_path);
            return Err(Error::Usage(format!("{one} and {two} are one stream, which can be read once")));
        }
        known.push((path, stream));
    }
    Ok(())
}

fn repeated() -> Error {
    Error::Usage("`-` is given twice, but there is only one standard input".to_owned())
}

/// Adds `hint` to the message of `error`.
pub(super) fn hinted(error: Error, hint: &str) -> Error {
    match error {
        Error::Invalid { rule, at, problem, values } => {
            Error::Invalid { rule, at, problem: format!("{problem}; {hint}"), values }
        }
        Error::Usage(problem) => Error::Usage(format!("{problem}; {hint}")),
        Error::Io { doing, at, source } => {
            let source = io::Error::new(source.kind(), format!("{source}; {hint}"));
            Error::Io { doing, at, source }
        }
        other => other,
    }
}

fn opening(path: &Path) -> Error {
    let at = escape_path(path);
    let source = fs::metadata(path).err().unwrap_or_else(|| io::ErrorKind::NotFound.into());
    Error::io("opening", at, source)
}

/// Returns a hint for a path that does not exist and is a pattern that no shell has expanded, or is spelled as an image's name
/// or as skopeo spells a file.
fn hint_for(path: &Path) -> Option<String> {
    let typed = path.to_str().filter(|_| !path.exists())?;
    if cfg!(windows)
        && path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().any(|byte| b"*?".contains(byte)))
    {
        return Some("the shells of Windows expand no patterns: name each archive".to_owned());
    }
    if let Some(file) = SCHEMES.iter().find_map(|scheme| typed.strip_prefix(scheme)) {
        return Some(format!("IN is a path alone: {}", escape_path(Path::new(file))));
    }
    let named = IMAGES.iter().find_map(|scheme| typed.strip_prefix(scheme)).unwrap_or(typed);
    // On Windows `c:app.tar` is a file on another drive.
    let has_drive = matches!(path.components().next(), Some(Component::Prefix(_)));
    let is_name = named.len() < typed.len() || typed.contains(':') && !has_drive;
    (is_name && named.parse::<Reference>().is_ok())
        .then(|| format!("an image is saved first: docker save {named} | imgtar …"))
}

/// Waits for the first byte of standard input; after two seconds prints a message.
///
/// # Errors
/// [`Error::Invalid`] if its end comes first.
pub(crate) fn wait(input: &Input, messages: Messages) -> Result<()> {
    let Input::Stdin(stdin) = input else { return Ok(()) };
    let mut state = sys::wait(stdin, Some(TIMEOUT));
    if state == StreamState::Pending {
        messages.note("waiting for an archive on standard input");
        state = sys::wait(stdin, None);
    }
    if state == StreamState::Ended { Err(nothing()) } else { Ok(()) }
}

fn standard_input() -> Result<File> {
    let refuse = |what: &str| Err(Error::Usage(format!("standard input is {what}; name an archive")));
    if io::stdin().is_terminal() {
        return refuse("a terminal");
    }
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(repeated());
    }
    let stdin = duplicate(io::stdin());
    if sys::was_closed(&stdin) {
        return refuse("closed");
    }
    let mut stdin = stdin.map_err(|error| Error::io("opening", "standard input", error))?;
    let found = metadata(&stdin).map_err(|error| Error::io("reading", "standard input", error))?;
    if found.as_ref().is_some_and(Metadata::is_dir) {
        return refuse("a directory");
    }
    let file = found.filter(Metadata::is_file);
    if file.is_some_and(|file| stdin.stream_position().is_ok_and(|position| position >= file.len())) {
        return Err(nothing());
    }
    if sys::is_null(&stdin) { Err(nothing()) } else { Ok(stdin) }
}

fn nothing() -> Error {
    Error::invalid(Rule::H19, "standard input", "nothing on standard input; name an archive, or pipe one in")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_an_image_is_told_to_save_it() {
        for (typed, hint) in [
            ("alpine:3", "docker save alpine:3 |"),
            ("docker://ghcr.io/acme/app", "docker save ghcr.io/acme/app |"),
            ("docker-daemon:app:1", "docker save app:1 |"),
            ("docker-archive:no/such.tar", "path alone: no/such.tar"),
            ("oci:layout", "path alone: layout"),
        ] {
            let message = crate::cli::hints::failure(&find(Some(Path::new(typed))).unwrap_err());
            assert!(message.contains(hint), "{typed}: {message}");
        }
        for typed in ["no-such.tar", "C:\\no-such.tar", "no/such/file", "Cargo.toml"] {
            assert!(find(Some(Path::new(typed))).is_ok(), "{typed}");
        }
    }
}
